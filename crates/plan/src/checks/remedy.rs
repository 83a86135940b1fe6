//! Commands for the detected distribution (`kernel.md` 7 has the table; each tool's own manual
//! is named beside it).

use passthru_model::system::{Distribution, System, Tool};
use passthru_model::{Remedy, When};

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

fn has(system: &System, tool: Tool) -> bool {
    system.tools.contains(&tool)
}

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
    if has(system, Tool::NixOs) {
        return with_text(remedy, "in configuration.nix, as boot.kernelParams").command("nixos-rebuild boot");
    }
    if has(system, Tool::RpmOstree) {
        let options = each("--append-if-missing=", add) + &each("--delete-if-present=", remove);
        return remedy.command(format!("rpm-ostree kargs{options}"));
    }
    if has(system, Tool::Kernelstub) {
        let mut commands = Vec::new();
        if !add.is_empty() {
            commands.push(format!("kernelstub -a \"{add}\""));
        }
        if !remove.is_empty() {
            commands.push(format!("kernelstub -d \"{remove}\""));
        }
        return remedy.commands(commands);
    }
    if has(system, Tool::ProxmoxBootTool) {
        return edit(remedy, "/etc/kernel/cmdline", add, remove).command("proxmox-boot-tool refresh");
    }
    // Editing /etc/default/grub does not change boot entries that are there already (BLS).
    if has(system, Tool::Grubby) {
        let mut options = String::new();
        if !add.is_empty() {
            options += &format!(" --args=\"{add}\"");
        }
        if !remove.is_empty() {
            options += &format!(" --remove-args=\"{remove}\"");
        }
        return remedy.command(format!("grubby --update-kernel=ALL{options}"));
    }
    if has(system, Tool::UpdateGrub) {
        return edit(remedy, "/etc/default/grub", add, remove).command("update-grub");
    }
    if has(system, Tool::GrubMkconfig) {
        // openSUSE, Fedora and RHEL call it grub2.
        let two = if is(system, "suse") || is(system, "fedora") || is(system, "opensuse") { "2" } else { "" };
        return edit(remedy, "/etc/default/grub", add, remove)
            .command(format!("grub{two}-mkconfig -o /boot/grub{two}/grub.cfg"));
    }
    if has(system, Tool::KernelInstall) {
        return edit(remedy, "/etc/kernel/cmdline", add, remove)
            .command("kernel-install add \"$(uname -r)\" \"/usr/lib/modules/$(uname -r)/vmlinuz\"");
    }
    with_text(remedy, "where your boot loader keeps it (passthru does not recognise this one)")
}

/// Edits a file in place: the line of a GRUB default, or the only line.
fn edit(remedy: Remedy, file: &str, add: &str, remove: &str) -> Remedy {
    let grub = file.ends_with("grub");
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
    let command = if has(system, Tool::NixOs) {
        "nixos-rebuild boot"
    } else if has(system, Tool::RpmOstree) {
        "rpm-ostree initramfs --enable"
    } else if has(system, Tool::UpdateInitramfs)
        // Debian's dracut brings the command too, which knows how the images are called there.
        || has(system, Tool::Dracut) && (is(system, "debian") || is(system, "ubuntu"))
    {
        "update-initramfs -u -k all"
    } else if has(system, Tool::Mkinitcpio) {
        "mkinitcpio -P"
    } else if has(system, Tool::Dracut) {
        "dracut -f --regenerate-all"
    } else {
        return Vec::new();
    };
    vec![command.to_owned()]
}

/// Installs a package; no command on distributions that are not known.
#[must_use]
pub fn install(system: &System, package: Package) -> Vec<String> {
    let command = if has(system, Tool::RpmOstree) {
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
            ("void", "", &[], &[]),
        ] {
            assert_eq!(
                parameters_changed(&system(id, like, tools), "a=1", "b.c=1").commands,
                commands,
                "{id}"
            );
        }
    }

    #[test]
    fn images() {
        for (id, like, tools, command) in [
            ("debian", "", &[Tool::UpdateInitramfs][..], "update-initramfs -u -k all"),
            ("linuxmint", "ubuntu debian", &[Tool::Dracut], "update-initramfs -u -k all"),
            ("fedora", "", &[Tool::Dracut], "dracut -f --regenerate-all"),
            ("arch", "", &[Tool::Mkinitcpio], "mkinitcpio -P"),
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
