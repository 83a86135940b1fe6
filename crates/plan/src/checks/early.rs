//! What the next boots are told in files: lines of modprobe.d(5), and modules that the initramfs
//! loads first. Each system has its own place for them: NixOS makes the files from
//! configuration.nix, rpm-ostree the initramfs from what it is told to track.

use passthru_model::system::{System, Tool};
use passthru_model::{Remedy, When};

use super::remedy::rebuild_initramfs;

/// The option of NixOS that becomes `/etc/modprobe.d/nixos.conf`, in the initramfs too
/// (`nixos/modules/system/boot/modprobe.nix`, `stage-1.nix`).
pub(super) const NIXOS_MODPROBE: &str = "boot.extraModprobeConfig";

fn nix(remedy: &mut Remedy, snippet: &str) {
    let more = if remedy.text.contains("configuration.nix") { " and" } else { ", in configuration.nix:" };
    remedy.text += &format!("{more} `{snippet};`");
}

/// Appends lines to the file of this name in /etc/modprobe.d. The images are as they were.
#[must_use]
pub(super) fn add_modprobe(system: &System, mut remedy: Remedy, name: &str, lines: &[String]) -> Remedy {
    if system.has(Tool::NixOs) {
        nix(&mut remedy, &format!("{NIXOS_MODPROBE} = \"{}\"", lines.join("\\n")));
        return remedy;
    }
    let echo = |line: &String| format!("echo '{line}' >> {}", modprobe_file(name));
    remedy.commands(lines.iter().map(echo).collect::<Vec<_>>())
}

/// The file of this name in /etc/modprobe.d.
#[must_use]
pub(super) fn modprobe_file(name: &str) -> String {
    format!("/etc/modprobe.d/{name}.conf")
}

/// Lets the initramfs load modules first, the one that matters before those that help it. Other
/// generators than rpm-ostree's have yet to make the images anew.
#[must_use]
pub(super) fn load_first(system: &System, mut remedy: Remedy, name: &str, modules: &[&str]) -> Remedy {
    let all = modules.join(" ");
    if system.has(Tool::NixOs) {
        let quoted: Vec<String> = modules.iter().map(|module| format!("\"{module}\"")).collect();
        nix(&mut remedy, &format!("boot.initrd.kernelModules = [ {} ]", quoted.join(" ")));
        return remedy;
    }
    if system.has(Tool::RpmOstree) {
        // Without an argument it refuses where it is enabled already (`SetInitramfsState`).
        let each: String =
            modules.iter().map(|module| format!(" --arg=--force-drivers --arg={module}")).collect();
        remedy.text +=
            " (`rpm-ostree initramfs` forgets the arguments it was given before: give it those too)";
        return remedy.command(format!("rpm-ostree initramfs --enable{each}"));
    }
    // modprobe brings along what the first one needs.
    let first = modules.first().copied().unwrap_or_default();
    remedy.commands(if system.has(Tool::UpdateInitramfs) {
        Some(format!("echo {first} >> /etc/initramfs-tools/modules"))
    } else if system.has(Tool::Mkinitcpio) {
        // Before graphics drivers that are there already.
        Some(format!("sed -i.bak -E 's/^MODULES=\\(/&{all} /' /etc/mkinitcpio.conf"))
    } else if system.has(Tool::Dracut) {
        Some(format!("echo 'force_drivers+=\" {all} \"' >> /etc/dracut.conf.d/{name}.conf"))
    } else {
        None
    })
}

/// Changes files of /etc by these commands. NixOS makes them from an option of configuration.nix,
/// and there it is that which is to be changed.
#[must_use]
pub(super) fn change_files(
    system: &System,
    mut remedy: Remedy,
    option: &str,
    commands: impl IntoIterator<Item = String>,
) -> Remedy {
    if system.has(Tool::NixOs) {
        remedy.text += &format!("; on NixOS it comes from {option} in configuration.nix");
        remedy.when = When::Reboot;
        return remedy;
    }
    remedy.commands(commands)
}

/// Brings files of /etc/modprobe.d that were changed into the images.
#[must_use]
pub(super) fn rebuild_with(system: &System, files: &[&str]) -> Vec<String> {
    if !system.has(Tool::RpmOstree) {
        return rebuild_initramfs(system);
    }
    // Tracking a file that is tracked changes nothing; the new deployment takes it as it is now.
    let track: String = files.iter().map(|file| format!(" --track={file}")).collect();
    vec![format!("rpm-ostree initramfs-etc{track} --force-sync")]
}

#[cfg(test)]
mod tests {
    use passthru_formats::{modprobe, os_release};
    use passthru_model::system::boot::{ModprobeLine, NamedModule, Stage};
    use passthru_model::system::{Distribution, Kernel};
    use passthru_model::{Fact, Records, Seen};

    use super::super::testing::{function, host_with};
    use super::super::{Host, run};
    use super::*;

    const NIXOS: &str = "ID=nixos\nID_LIKE=\"\"\nNAME=NixOS\nPRETTY_NAME=\"NixOS 25.05 (Warbler)\"\n\
        VERSION=\"25.05 (Warbler)\"\nVERSION_ID=\"25.05\"\n";
    const COREOS: &str = "NAME=\"Fedora Linux\"\nVERSION=\"35.20211203.3.0 (CoreOS)\"\nID=fedora\nVERSION_ID=35\n\
        PRETTY_NAME=\"Fedora CoreOS 35.20211203.3.0\"\nVARIANT_ID=coreos\nOSTREE_VERSION='35.20211203.3.0'\n";
    const ARCH: &str = "NAME=\"Arch Linux\"\nPRETTY_NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\n";

    fn system(release: &str, tools: &[Tool]) -> System {
        let release = os_release::parse(release.as_bytes());
        let (id, like, version, name) = (release.id, release.like, release.version_id, release.pretty_name);
        let distribution = Fact::Known(Distribution { id, like, version, name });
        System { distribution, tools: tools.to_vec(), ..System::default() }
    }

    /// A line of modprobe.d, modules to be loaded first, and the images.
    fn told(system: &System) -> (String, Vec<String>) {
        let remedy = Remedy::new(When::Reboot, "Load it first");
        let remedy = add_modprobe(system, remedy, "vfio", &["softdep x pre: vfio-pci".to_owned()]);
        let remedy = load_first(system, remedy, "vfio", &["vfio_pci", "vfio"]);
        let remedy = remedy.commands(rebuild_with(system, &[&modprobe_file("vfio")]));
        (remedy.text, remedy.commands)
    }

    const SOFTDEP: &str = "echo 'softdep x pre: vfio-pci' >> /etc/modprobe.d/vfio.conf";

    #[test]
    fn places() {
        let (text, commands) = told(&system(NIXOS, &[Tool::NixOs]));
        assert_eq!(
            text,
            "Load it first, in configuration.nix: `boot.extraModprobeConfig = \"softdep x pre: vfio-pci\";` and \
             `boot.initrd.kernelModules = [ \"vfio_pci\" \"vfio\" ];`"
        );
        assert_eq!(commands, ["nixos-rebuild boot"]);
        // dracut is there, and not for its owner to run.
        let (text, commands) = told(&system(COREOS, &[Tool::RpmOstree, Tool::Grubby, Tool::Dracut]));
        assert!(text.ends_with("give it those too)"), "{text}");
        assert_eq!(
            commands,
            [
                SOFTDEP,
                "rpm-ostree initramfs --enable --arg=--force-drivers --arg=vfio_pci --arg=--force-drivers --arg=vfio",
                "rpm-ostree initramfs-etc --track=/etc/modprobe.d/vfio.conf --force-sync",
            ]
        );
        let sed = "sed -i.bak -E 's/^MODULES=\\(/&vfio_pci vfio /' /etc/mkinitcpio.conf";
        assert_eq!(told(&system(ARCH, &[Tool::Mkinitcpio])).1, [SOFTDEP, sed, "mkinitcpio -P"]);
        let dracut = "echo 'force_drivers+=\" vfio_pci vfio \"' >> /etc/dracut.conf.d/vfio.conf";
        let commands = told(&system("ID=fedora\n", &[Tool::Dracut])).1;
        assert_eq!(commands, [SOFTDEP, dracut, "dracut -f --regenerate-all"]);
        assert_eq!(told(&system("ID=void\n", &[])).1, [SOFTDEP]);
    }

    /// A graphics card that nouveau has although vfio-pci should, and VFIO kept away.
    fn remedies(tools: &[Tool]) -> Vec<Remedy> {
        let line = |text: &str, line| ModprobeLine {
            path: "/etc/modprobe.d/x.conf".into(),
            line,
            command: modprobe::parse(text.as_bytes()).remove(0).1,
        };
        let mut snapshot = host_with(|system| {
            system.tools = tools.to_vec();
            let lines = ["options vfio-pci ids=10de:1284", "install vfio-pci /bin/false"];
            let lines = lines.iter().zip(1..).map(|(text, number)| line(text, number)).collect();
            system.boot.modprobe = Seen::new(lines, Vec::new());
            let (path, module) = ("/etc/modules-load.d/nixos.conf".to_owned(), "vfio_virqfd".to_owned());
            let named = vec![NamedModule { path, line: 1, module, stage: Stage::Root }];
            system.boot.named = Seen::new(named, Vec::new());
            let kernel = Kernel { release: "6.12".into(), running: true, ..Kernel::default() };
            system.kernels = Seen::new(vec![kernel], Vec::new());
        });
        snapshot.command_line = Fact::Known("iommu=off".into());
        let mut card = function("0000:01:00.0");
        card.id = Fact::Known("10de:1284".parse().unwrap());
        card.class = Fact::Known(passthru_pci::Class::new(0x03_0000));
        card.driver = Fact::Known("nouveau".into());
        snapshot.devices = vec![card];
        let records = Records::default();
        let host = Host::new(&snapshot, &records);
        let named = [snapshot.devices[0].address];
        let judged = run(&host, Some(&named));
        judged.iter().flat_map(|one| one.verdict.findings()).map(|finding| finding.remedy.clone()).collect()
    }

    #[test]
    fn whole_checks() {
        let writes = |remedy: &&Remedy| remedy.commands.iter().any(|command| command.contains("/etc/"));
        let nixos = remedies(&[Tool::NixOs]);
        assert_eq!(nixos.iter().find(writes), None);
        let said: Vec<_> = nixos.iter().filter(|remedy| remedy.text.contains("configuration.nix")).collect();
        assert_eq!(said.len(), 4, "{said:#?}");
        assert!(said.iter().all(|remedy| remedy.commands == ["nixos-rebuild boot"]), "{said:#?}");
        let ostree = remedies(&[Tool::RpmOstree, Tool::Dracut]);
        let last: Vec<_> = ostree.iter().filter(writes).filter_map(|remedy| remedy.commands.last()).collect();
        assert_eq!(
            last,
            [
                "rpm-ostree initramfs-etc --force-sync",
                "rpm-ostree initramfs-etc --track=/etc/modprobe.d/x.conf --force-sync",
                "rpm-ostree initramfs-etc --track=/etc/modprobe.d/vfio.conf --track=/etc/modprobe.d/x.conf --force-sync",
            ]
        );
    }

    #[test]
    fn files_that_are_made() {
        let change = |tools: &[Tool]| {
            let remedy = Remedy::new(When::Now, "Take the line out");
            change_files(&system("", tools), remedy, NIXOS_MODPROBE, ["sed".to_owned()])
        };
        assert_eq!(change(&[Tool::Dracut]).commands, ["sed"]);
        let remedy = change(&[Tool::NixOs]);
        assert_eq!((remedy.commands.len(), remedy.when), (0, When::Reboot));
        assert!(
            remedy.text.ends_with("; on NixOS it comes from boot.extraModprobeConfig in configuration.nix")
        );
    }
}
