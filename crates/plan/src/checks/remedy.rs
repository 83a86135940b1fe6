//! Commands for the detected distribution (`kernel.md` 7 has the table; each tool's own manual
//! is named beside it).

use passthru_model::system::{Distribution, System, Tool};
use passthru_model::{Fact, Remedy, When};

/// What somebody calls a package in the families of distributions that are known.
#[derive(Clone, Copy)]
pub struct Package {
    /// Debian, Ubuntu and what is made from them.
    pub debian: &'static str,
    /// Fedora, RHEL.
    pub fedora: &'static str,
    /// Arch.
    pub arch: &'static str,
    /// openSUSE.
    pub suse: &'static str,
}

/// Builds what configuration.nix says, initramfs included, for the next boot.
pub(super) const NIXOS_BOOT: &str = "nixos-rebuild boot";
/// What update-grub and grub-mkconfig read.
const GRUB: &str = "/etc/default/grub";
/// The whole command line, in one line: what kernel-install(8), mkinitcpio(8) and
/// proxmox-boot-tool read.
const CMDLINE: &str = "/etc/kernel/cmdline";

fn is(system: &System, id: &str) -> bool {
    system.distribution.known().is_some_and(|d: &Distribution| d.is(id))
}

/// Adds these parameters to the kernel's command line, for every boot from now on.
#[must_use]
pub fn add_parameters(system: &System, parameters: &str) -> Remedy {
    parameters_changed(system, parameters, "")
}

/// Takes these parameters away from the kernel's command line.
#[must_use]
pub fn remove_parameters(system: &System, parameters: &str) -> Remedy {
    parameters_changed(system, "", parameters)
}

/// Adds and removes parameters, each list separated by blanks.
#[must_use]
pub fn parameters_changed(system: &System, add: &str, remove: &str) -> Remedy {
    let text = match (add.is_empty(), remove.is_empty()) {
        (false, true) => format!("Add {add} to the kernel's command line and boot again"),
        (true, _) => format!("Remove {remove} from the kernel's command line and boot again"),
        (false, false) => {
            format!("Replace {remove} by {add} on the kernel's command line and boot again")
        }
    };
    let remedy = Remedy::new(When::Reboot, text);
    let each = |option: &str, words: &str| -> String {
        words.split(' ').filter(|w| !w.is_empty()).map(|word| format!(" {option}{word}")).collect()
    };
    // In the order in which they decide: what is built on top of another comes first.
    if system.has(Tool::NixOs) {
        let words: String = add.split(' ').filter(|w| !w.is_empty()).map(|w| format!("\"{w}\" ")).collect();
        let place = match add.is_empty() {
            true => "which stands in boot.kernelParams of configuration.nix".to_owned(),
            false => format!(
                "in configuration.nix: `boot.kernelParams = [ {words}];`, in one list with what is there"
            ),
        };
        return with_text(remedy, &place).command(NIXOS_BOOT);
    }
    if system.has(Tool::RpmOstree) {
        let options = each("--append-if-missing=", add) + &each("--delete-if-present=", remove);
        return remedy.command(format!("rpm-ostree kargs{options}"));
    }
    if system.has(Tool::Kernelstub) {
        let mut commands = Vec::new();
        if !add.is_empty() {
            commands.push(format!("kernelstub -a \"{add}\""));
        }
        if !remove.is_empty() {
            commands.push(format!("kernelstub -d \"{remove}\""));
        }
        return remedy.commands(commands);
    }
    if system.has(Tool::ProxmoxBootTool) {
        return proxmox(system, remedy, add, remove);
    }
    // Entries of openSUSE's systemd-boot and grub2-bls, whatever stands in /etc/default/grub.
    if system.has(Tool::SdBootUtil) {
        return edit(remedy, CMDLINE, add, remove).command("sdbootutil update-all-entries");
    }
    // Editing /etc/default/grub does not change boot entries that are there already (BLS).
    if system.has(Tool::Grubby) {
        let mut options = String::new();
        if !add.is_empty() {
            options += &format!(" --args=\"{add}\"");
        }
        if !remove.is_empty() {
            options += &format!(" --remove-args=\"{remove}\"");
        }
        return remedy.command(format!("grubby --update-kernel=ALL{options}"));
    }
    if system.has(Tool::UpdateGrub) {
        return edit(remedy, GRUB, add, remove).command("update-grub");
    }
    // Nothing but unified kernel images reads these files on Arch, and no package brings them.
    if system.has(Tool::Mkinitcpio) && is(system, "arch") {
        if system.has(Tool::KernelInstall) {
            return edit(remedy, CMDLINE, add, remove).command("mkinitcpio -P");
        }
        if system.has(Tool::CmdlineDirectory) {
            return edit(remedy, "/etc/cmdline.d/*.conf", "", remove)
                .commands((!add.is_empty()).then(|| format!("echo '{add}' >> /etc/cmdline.d/vfio.conf")))
                .command("mkinitcpio -P");
        }
    }
    if system.has(Tool::GrubMkconfig) {
        // openSUSE, Fedora and RHEL call it grub2.
        let two = if is(system, "suse") || is(system, "fedora") || is(system, "opensuse") { "2" } else { "" };
        return edit(remedy, GRUB, add, remove)
            .command(format!("grub{two}-mkconfig -o /boot/grub{two}/grub.cfg"));
    }
    if system.has(Tool::KernelInstall) {
        return edit(remedy, CMDLINE, add, remove)
            .command("kernel-install add \"$(uname -r)\" \"/usr/lib/modules/$(uname -r)/vmlinuz\"");
    }
    with_text(remedy, "where your boot loader keeps it (passthru does not recognise this one)")
}

/// `proxmox-boot-tool refresh` writes the entries of systemd-boot with [`CMDLINE`], and runs
/// update-grub where GRUB is on the partition (`zz-proxmox-boot`). Proxmox installs GRUB where
/// there is no EFI or Secure Boot is on, and systemd-boot elsewhere; but Secure Boot can have been
/// switched off later. Only the file of the loader in use has an effect, so that both can be
/// edited.
fn proxmox(system: &System, remedy: Remedy, add: &str, remove: &str) -> Remedy {
    let firmware = &system.firmware;
    let mut remedy = edit(remedy, GRUB, add, remove);
    if firmware.efi != Fact::Known(false) && firmware.secure_boot != Fact::Known(true) {
        remedy = edit(remedy, CMDLINE, add, remove);
        remedy = with_text(
            remedy,
            "in the files of both loaders that Proxmox uses: `proxmox-boot-tool status` says which one it is here (`grub`, or \
             `uefi` for systemd-boot)",
        );
    }
    remedy.command("proxmox-boot-tool refresh")
}

/// Edits a file in place: the line of a GRUB default, or the only line.
fn edit(remedy: Remedy, file: &str, add: &str, remove: &str) -> Remedy {
    let grub = file == GRUB;
    // One sed for all, so that what it saves is the file as it was.
    let mut script = String::new();
    for word in remove.split(' ').filter(|w| !w.is_empty()) {
        let word = escape(word);
        let line = if grub { "/^GRUB_CMDLINE_LINUX/ " } else { "" };
        script += &format!(" -e '{line}s/(^|[ \"'\\''=])({word})( |\"|'\\''|$)/\\1\\3/'");
    }
    if !add.is_empty() && !grub {
        script += &format!(" -e '1 s/$/ {add}/'");
    }
    let mut commands = Vec::new();
    if !script.is_empty() {
        commands.push(format!("sed -i.bak -E{script} {file}"));
    }
    if !add.is_empty() && grub {
        // A line of its own is read like a shell's, whatever quotes the first one has.
        commands.push(format!("echo 'GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX {add}\"' >> {file}"));
    }
    remedy.commands(commands)
}

/// A word as sed's regular expression.
fn escape(word: &str) -> String {
    let special = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '=' | ',' | ':'));
    word.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

fn with_text(mut remedy: Remedy, more: &str) -> Remedy {
    remedy.text = format!("{}, {more}", remedy.text);
    remedy
}

/// Builds every initramfs anew, so that what stands in it is what stands on the root file system.
#[must_use]
pub fn rebuild_initramfs(system: &System) -> Vec<String> {
    let command = if system.has(Tool::NixOs) {
        NIXOS_BOOT
    } else if system.has(Tool::RpmOstree) {
        // A new deployment, with the files that are tracked as they are now.
        "rpm-ostree initramfs-etc --force-sync"
    } else if system.has(Tool::SdBootUtil) {
        // The images are on EFI's partition, where dracut alone does not put them.
        "sdbootutil mkinitrd"
    } else if system.has(Tool::UpdateInitramfs)
        // Debian's dracut brings the command too, which knows how the images are called there.
        || system.has(Tool::Dracut) && (is(system, "debian") || is(system, "ubuntu"))
    {
        "update-initramfs -u -k all"
    } else if system.has(Tool::Mkinitcpio) {
        "mkinitcpio -P"
    } else if system.has(Tool::Dracut) {
        "dracut -f --regenerate-all"
    } else {
        return Vec::new();
    };
    vec![command.to_owned()]
}

/// Installs a package; no command on distributions that are not known.
#[must_use]
pub fn install(system: &System, package: Package) -> Vec<String> {
    let command = if system.has(Tool::RpmOstree) {
        format!("rpm-ostree install {}", package.fedora)
    } else if is(system, "debian") || is(system, "ubuntu") {
        format!("apt install {}", package.debian)
    } else if is(system, "fedora") || is(system, "rhel") {
        format!("dnf install {}", package.fedora)
    } else if is(system, "arch") {
        format!("pacman -S {}", package.arch)
    } else if is(system, "suse") || is(system, "opensuse") {
        format!("zypper install {}", package.suse)
    } else {
        return Vec::new();
    };
    vec![command]
}

#[cfg(test)]
mod tests {
    use passthru_model::Fact;

    use super::*;

    fn system(id: &str, like: &str, tools: &[Tool]) -> System {
        let like = like.split_whitespace().map(str::to_owned).collect();
        let distribution = Distribution { id: id.into(), like, ..Distribution::default() };
        System { distribution: Fact::Known(distribution), tools: tools.to_vec(), ..System::default() }
    }

    #[test]
    fn parameters() {
        for (id, like, tools, commands) in [
            (
                "debian",
                "",
                &[Tool::UpdateGrub, Tool::GrubMkconfig][..],
                &[
                    "sed -i.bak -E -e '/^GRUB_CMDLINE_LINUX/ s/(^|[ \"'\\''=])(b\\.c=1)( |\"|'\\''|$)/\\1\\3/' /etc/default/grub",
                    "echo 'GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX a=1\"' >> /etc/default/grub",
                    "update-grub",
                ][..],
            ),
            (
                "fedora",
                "",
                &[Tool::Grubby, Tool::GrubMkconfig],
                &["grubby --update-kernel=ALL --args=\"a=1\" --remove-args=\"b.c=1\""],
            ),
            (
                "pop",
                "ubuntu debian",
                &[Tool::Kernelstub],
                &["kernelstub -a \"a=1\"", "kernelstub -d \"b.c=1\""],
            ),
            (
                "fedora",
                "",
                &[Tool::RpmOstree, Tool::Grubby],
                &["rpm-ostree kargs --append-if-missing=a=1 --delete-if-present=b.c=1"],
            ),
            ("nixos", "", &[Tool::NixOs], &["nixos-rebuild boot"]),
            (
                "opensuse-tumbleweed",
                "opensuse suse",
                &[Tool::SdBootUtil, Tool::GrubMkconfig, Tool::KernelInstall, Tool::Dracut],
                &[
                    "sed -i.bak -E -e 's/(^|[ \"'\\''=])(b\\.c=1)( |\"|'\\''|$)/\\1\\3/' -e '1 s/$/ a=1/' /etc/kernel/cmdline",
                    "sdbootutil update-all-entries",
                ],
            ),
            // What mkinitcpio's presets build is what boots, whatever else is installed.
            (
                "arch",
                "",
                &[Tool::KernelInstall, Tool::CmdlineDirectory, Tool::Mkinitcpio],
                &[
                    "sed -i.bak -E -e 's/(^|[ \"'\\''=])(b\\.c=1)( |\"|'\\''|$)/\\1\\3/' -e '1 s/$/ a=1/' /etc/kernel/cmdline",
                    "mkinitcpio -P",
                ],
            ),
            (
                "cachyos",
                "arch",
                &[Tool::CmdlineDirectory, Tool::Mkinitcpio],
                &[
                    "sed -i.bak -E -e 's/(^|[ \"'\\''=])(b\\.c=1)( |\"|'\\''|$)/\\1\\3/' /etc/cmdline.d/*.conf",
                    "echo 'a=1' >> /etc/cmdline.d/vfio.conf",
                    "mkinitcpio -P",
                ],
            ),
            ("void", "", &[], &[]),
        ] {
            assert_eq!(
                parameters_changed(&system(id, like, tools), "a=1", "b.c=1").commands,
                commands,
                "{id}"
            );
        }
    }

    /// Proxmox VE says that it is a Debian.
    #[test]
    fn loaders_of_proxmox() {
        let tools = [Tool::ProxmoxBootTool, Tool::UpdateGrub, Tool::GrubMkconfig, Tool::UpdateInitramfs];
        let says = |efi, secure_boot, tools: &[Tool]| {
            let mut system = system("debian", "", tools);
            system.firmware.efi = efi;
            system.firmware.secure_boot = secure_boot;
            add_parameters(&system, "a=1")
        };
        let grub = "echo 'GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX a=1\"' >> /etc/default/grub";
        for (efi, secure_boot) in [(Fact::Known(false), Fact::Absent), (Fact::Known(true), Fact::Known(true))]
        {
            assert_eq!(says(efi, secure_boot, &tools).commands, [grub, "proxmox-boot-tool refresh"]);
        }
        let both = [grub, "sed -i.bak -E -e '1 s/$/ a=1/' /etc/kernel/cmdline", "proxmox-boot-tool refresh"];
        for secure_boot in [Fact::Known(false), Fact::NotRead] {
            let remedy = says(Fact::Known(true), secure_boot, &tools);
            assert_eq!(remedy.commands, both);
            assert!(remedy.text.contains("`proxmox-boot-tool status`"), "{}", remedy.text);
        }
        // On ext4 and xfs the tool manages no partition.
        assert_eq!(says(Fact::Known(true), Fact::NotRead, &tools[1..]).commands, [grub, "update-grub"]);
    }

    #[test]
    fn parameters_of_nixos() {
        let system = system("nixos", "", &[Tool::NixOs]);
        let text = |add, remove| parameters_changed(&system, add, remove).text;
        assert!(text("a=1 b", "").ends_with(
            "in configuration.nix: `boot.kernelParams = [ \"a=1\" \"b\" ];`, in one list with what is there"
        ));
        assert!(text("", "c=2").ends_with(", which stands in boot.kernelParams of configuration.nix"));
    }

    #[test]
    fn images() {
        for (id, like, tools, command) in [
            ("debian", "", &[Tool::UpdateInitramfs][..], "update-initramfs -u -k all"),
            ("linuxmint", "ubuntu debian", &[Tool::Dracut], "update-initramfs -u -k all"),
            ("fedora", "", &[Tool::Dracut], "dracut -f --regenerate-all"),
            ("arch", "", &[Tool::Mkinitcpio], "mkinitcpio -P"),
            ("bazzite", "fedora", &[Tool::RpmOstree, Tool::Dracut], "rpm-ostree initramfs-etc --force-sync"),
            ("nixos", "", &[Tool::NixOs], "nixos-rebuild boot"),
            (
                "opensuse-tumbleweed",
                "opensuse suse",
                &[Tool::SdBootUtil, Tool::Dracut],
                "sdbootutil mkinitrd",
            ),
        ] {
            assert_eq!(rebuild_initramfs(&system(id, like, tools)), [command], "{id}");
        }
    }

    #[test]
    fn packages() {
        let package = Package { debian: "d", fedora: "f", arch: "a", suse: "s" };
        assert_eq!(install(&system("pop", "ubuntu debian", &[]), package), ["apt install d"]);
        assert_eq!(
            install(&system("opensuse-tumbleweed", "opensuse suse", &[]), package),
            ["zypper install s"]
        );
        assert!(install(&system("void", "", &[]), package).is_empty());
    }
}
