//! QEMU, libvirt, AppArmor, SELinux.

use passthru_formats::errno::Errno;
use passthru_formats::{apparmor, virconf};
use passthru_model::Fact;
use passthru_model::system::{AppArmor, LibvirtConfig, SeLinux, Software};

use crate::ask::{Asker, flag, means_absent};

/// Where distributions put QEMU: most, by hand, RHEL, NixOS.
const DIRECTORIES: [&str; 4] = ["/usr/bin", "/usr/local/bin", "/usr/libexec", "/run/current-system/sw/bin"];

/// What they call it: KVM guests are of the host's own architecture.
const NAMES: [&str; 5] =
    ["qemu-system-x86_64", "qemu-system-aarch64", "qemu-system-riscv64", "qemu-kvm", "kvm"];

const BOOLEANS: &str = "/sys/fs/selinux/booleans";

pub(super) fn read(ask: &mut Asker<'_>, programs: bool) -> Software {
    let paths = DIRECTORIES.iter().flat_map(|d| NAMES.map(|name| format!("{d}/{name}")));
    let (mut found, mut hidden) = (Vec::new(), None);
    for path in paths {
        match ask.source.stat(&path) {
            Ok(_) => found.push(path),
            Err(error) if means_absent(error) => {}
            Err(error) => hidden = hidden.or(Some((path, error))),
        }
    }
    let qemu = match hidden {
        Some((path, error)) if found.is_empty() => ask.failed(None, "qemu", &path, error),
        _ if found.is_empty() => Fact::Absent,
        _ => Fact::Known(found),
    };
    let vfio_device = match qemu.known().and_then(|found| found.first()) {
        Some(program) if programs => vfio_device(ask, program),
        Some(_) => Fact::NotRead,
        None => Fact::Absent,
    };
    Software { vfio_device, qemu, libvirt: libvirt(ask), apparmor: apparmor(ask), selinux: selinux(ask) }
}

/// What is set for libvirt's machines: NixOS keeps the file where libvirt keeps its state, as its
/// /etc is made by the system's configuration.
fn libvirt(ask: &mut Asker<'_>) -> Fact<LibvirtConfig> {
    let mut read = |path| {
        ask.bytes(None, "libvirt", path, |text| {
            let device_acl = virconf::list(&String::from_utf8_lossy(text), "cgroup_device_acl");
            Some(Fact::Known(LibvirtConfig { device_acl }))
        })
    };
    match read("/etc/libvirt/qemu.conf") {
        Fact::Absent => read("/var/lib/libvirt/qemu.conf"),
        fact => fact,
    }
}

/// Asks QEMU itself. Its end says nothing: it prints that a device is not known and ends with 0
/// (`system/vl.c`, `qemu_init`, after `device_help_func`), so what it prints is what counts.
fn vfio_device(ask: &mut Asker<'_>, program: &str) -> Fact<bool> {
    let output = match ask.source.command(&[program, "-device", "vfio-pci,help"]) {
        Ok(output) => output,
        // A copy has no programs to ask.
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => return Fact::NotRead,
        Err(error) => return ask.failed(None, "vfio_device", program, error),
    };
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    match knows_vfio(&stdout, &stderr) {
        Some(known) => Fact::Known(known),
        None => {
            let code = output.code.map_or_else(|| "by a signal".into(), |code| format!("with {code}"));
            let first = stderr.lines().next().unwrap_or("nothing on stderr");
            let said = format!("it ended {code}: {first}");
            ask.contradicts_itself(None, "vfio_device", program, said)
        }
    }
}

/// Whether QEMU's answer to `-device vfio-pci,help` says that it knows the device (the old form,
/// `vfio-pci.host=…`, went to stderr), or that it does not; `None` where it says neither, as
/// where a library is missing.
fn knows_vfio(stdout: &str, stderr: &str) -> Option<bool> {
    let says = |words: &str| stdout.contains(words) || stderr.contains(words);
    if says("vfio-pci options:") || says("vfio-pci.host=") {
        return Some(true);
    }
    (says("'vfio-pci' not found") || says("'vfio-pci' is not a valid device model name")).then_some(false)
}

fn apparmor(ask: &mut Asker<'_>) -> Fact<AppArmor> {
    let on = ask.text(None, "apparmor", "/sys/module/apparmor/parameters/enabled", |text| match text {
        "Y" => Some(Fact::Known(())),
        "N" => Some(Fact::Absent),
        _ => None,
    });
    let Fact::Known(()) = on else { return on.map(|()| AppArmor::default()) };
    let profiles = ask.bytes(None, "apparmor_profiles", "/sys/kernel/security/apparmor/profiles", |text| {
        let text = String::from_utf8_lossy(text);
        let all = apparmor::of_libvirt(&text).map(|(name, mode)| (name.to_owned(), mode.to_owned()));
        Some(Fact::Known(all.collect()))
    });
    let abstraction = match ask.source.stat("/etc/apparmor.d/abstractions/libvirt-qemu") {
        Ok(_) => Fact::Known(()),
        Err(error) => ask.failed(None, "apparmor", "/etc/apparmor.d/abstractions/libvirt-qemu", error),
    };
    Fact::Known(AppArmor { profiles, abstraction })
}

fn selinux(ask: &mut Asker<'_>) -> Fact<SeLinux> {
    let enforcing = ask.text(None, "selinux", "/sys/fs/selinux/enforce", flag);
    let Fact::Known(enforcing) = enforcing else { return enforcing.map(|_| SeLinux::default()) };
    let names = match ask.source.list(BOOLEANS) {
        Ok(names) => names,
        Err(error) if means_absent(error) => Vec::new(),
        Err(error) => return ask.failed(None, "selinux", BOOLEANS, error),
    };
    let mut booleans = Vec::new();
    for name in names.into_iter().filter(|name| name.starts_with("virt_")) {
        // `CURRENT PENDING` (`security/selinux/selinuxfs.c`, sel_read_bool).
        let path = format!("{BOOLEANS}/{name}");
        let on = ask.text(None, "selinux", &path, |text| flag(text.split_ascii_whitespace().next()?));
        if let Fact::Known(on) = on {
            booleans.push((name, on));
        }
    }
    Fact::Known(SeLinux { enforcing, booleans })
}

#[cfg(test)]
mod tests {
    use super::knows_vfio;

    #[test]
    fn answers_of_qemu() {
        let unknown = "qemu-system-x86_64: -device vfio-pci,help: Device 'vfio-pci' not found\n";
        let old = "qemu-system-x86_64: -device vfio-pci,help: 'vfio-pci' is not a valid device model name\n";
        let library = "/usr/bin/kvm: error while loading shared libraries: liburing.so.2: cannot open";
        for (stdout, stderr, wanted) in [
            ("vfio-pci options:\n  addr=<int32>\n", "", Some(true)),
            ("", "vfio-pci.sysfsdev=str\nvfio-pci.host=str (Address (bus/device/function))\n", Some(true)),
            ("", unknown, Some(false)),
            ("", old, Some(false)),
            ("", library, None),
            ("", "", None),
        ] {
            assert_eq!(knows_vfio(stdout, stderr), wanted, "{stdout}{stderr}");
        }
    }
}
