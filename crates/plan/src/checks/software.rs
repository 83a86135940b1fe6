//! QEMU, libvirt, AppArmor, SELinux.

use passthru_model::system::{AppArmor, SeLinux, System, Tool};
use passthru_model::{Fact, Finding, Remedy, Severity, Verdict, When};

use super::remedy::{Package, install};
use super::{Ask, Check, Host, Subject, evidence, not_known, unseen};

const QEMU: Package =
    Package { debian: "qemu-system-x86", fedora: "qemu-kvm", arch: "qemu-base", suse: "qemu-x86" };
const QEMU_ARM: Package =
    Package { debian: "qemu-system-arm", fedora: "qemu-kvm", arch: "qemu-system-aarch64", suse: "qemu-arm" };

/// Installs QEMU for this host's processor, so that KVM can run its guests.
fn install_qemu(system: &System, text: &str) -> Remedy {
    if system.has(Tool::NixOs) {
        let text = format!("{text}: `environment.systemPackages = [ pkgs.qemu_kvm ];` in configuration.nix");
        return Remedy::new(When::Now, text).command("nixos-rebuild switch");
    }
    let arm = system.processor.cpu.known().is_some_and(|cpu| cpu.arm);
    // rpm-ostree makes a system for the next boot.
    let when = if system.has(Tool::RpmOstree) { When::Reboot } else { When::Now };
    Remedy::new(when, text).commands(install(system, if arm { QEMU_ARM } else { QEMU }))
}

fn qemu(host: &Host<'_>) -> Verdict {
    let system = &host.snapshot.system;
    if let Some(first) = system.software.qemu.known().and_then(|found| found.first()) {
        return Verdict::Pass(first.clone());
    }
    if let Some(unseen) = unseen(&system.software.qemu, "/usr/bin/qemu-system-x86_64") {
        return Verdict::CouldNotLook(vec![unseen]);
    }
    Finding {
        severity: Severity::Warning,
        summary: "QEMU is not installed".into(),
        evidence: evidence("/usr/bin", "no qemu-system-x86_64, qemu-system-aarch64, qemu-kvm or kvm"),
        consequence:
            "Devices can be bound, and there is nothing here that could use them but a program of your own."
                .into(),
        remedy: install_qemu(system, "Install QEMU"),
    }
    .into()
}

fn qemu_vfio(host: &Host<'_>) -> Verdict {
    let system = &host.snapshot.system;
    let software = &system.software;
    if let Some(unseen) = unseen(&software.qemu, "/usr/bin/qemu-system-x86_64") {
        return Verdict::CouldNotLook(vec![unseen]);
    }
    let Some(program) = software.qemu.known().and_then(|found| found.first()) else {
        return Verdict::NotApplicable("QEMU is not installed".into());
    };
    match &software.vfio_device {
        Fact::Known(true) => Verdict::Pass(format!("{program} knows vfio-pci")),
        Fact::Known(false) => Finding {
            severity: Severity::Error,
            summary: "this QEMU does not know vfio-pci".into(),
            evidence: evidence(
                format!("{program} -device vfio-pci,help"),
                "says that there is no such device",
            ),
            consequence: "It ends with `'vfio-pci' is not a valid device model name` when a device is given to it."
                .into(),
            remedy: install_qemu(system, "Install the distribution's own QEMU for this architecture"),
        }
        .into(),
        Fact::NotRead | Fact::Absent => Verdict::NotApplicable(
            "QEMU is asked only on a live host, and where devices are named: starting it takes a tenth of a second"
                .into(),
        ),
        fact => not_known(fact, program),
    }
}

const CONFIG: &str = "/etc/libvirt/qemu.conf";

/// What no machine of libvirt's can do without. libvirt's own list has had more, and loses
/// some again (`/dev/kqemu`, `/dev/rtc`); for each device in a domain's XML it adds the group and
/// `/dev/vfio/vfio` by itself (`qemuSetupHostdevCgroup`).
const NEEDED: [&str; 7] =
    ["/dev/null", "/dev/full", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/ptmx", "/dev/kvm"];

fn libvirt_device_acl(host: &Host<'_>) -> Verdict {
    let config = match &host.snapshot.system.software.libvirt {
        Fact::Known(config) => config,
        Fact::Absent => return Verdict::NotApplicable("libvirt's QEMU driver is not installed".into()),
        fact => return not_known(fact, CONFIG),
    };
    let Some(list) = &config.device_acl else {
        return Verdict::Pass("cgroup_device_acl is not set: libvirt uses its own list".into());
    };
    let missing: Vec<&str> = NEEDED.into_iter().filter(|node| !list.iter().any(|had| had == node)).collect();
    if missing.is_empty() {
        return Verdict::Pass("cgroup_device_acl has what machines need".into());
    }
    let missing = missing.join(" ");
    Finding {
        severity: Severity::Warning,
        summary: format!("libvirt's cgroup_device_acl lacks {missing}"),
        evidence: evidence(CONFIG, format!("cgroup_device_acl = {}", list.join(" "))),
        consequence:
            "The list takes the place of libvirt's own: QEMU gets `Operation not permitted` for every \
                      node that is not in it."
                .into(),
        remedy: if host.snapshot.system.has(Tool::NixOs) {
            let option = "virtualisation.libvirtd.qemu.verbatimConfig in configuration.nix";
            let text = format!("Add {missing} to cgroup_device_acl, or take the list out, in {option}");
            Remedy::new(When::Now, text).command("nixos-rebuild switch")
        } else {
            let text =
                format!("Add {missing} to cgroup_device_acl, or take the list out, and restart libvirt");
            Remedy::new(When::Now, text).command("systemctl try-restart virtqemud libvirtd")
        },
    }
    .into()
}

const PROFILES: &str = "/sys/kernel/security/apparmor/profiles";
const ABSTRACTION: &str = "/etc/apparmor.d/abstractions/libvirt-qemu";

fn apparmor(host: &Host<'_>) -> Verdict {
    let software = &host.snapshot.system.software;
    let AppArmor { profiles, abstraction } = match &software.apparmor {
        Fact::Known(apparmor) => apparmor,
        Fact::Absent => return Verdict::NotApplicable("AppArmor is not at work".into()),
        fact => {
            let path = "/sys/module/apparmor/parameters/enabled";
            return not_known(fact, path);
        }
    };
    if matches!(software.libvirt, Fact::Absent) {
        return Verdict::NotApplicable(
            "it confines libvirt's machines only, and libvirt is not installed".into(),
        );
    }
    let profiles = match profiles {
        Fact::Known(profiles) => profiles,
        fact => return not_known(fact, PROFILES),
    };
    let Some((name, mode)) = profiles.iter().find(|(name, _)| name == "libvirtd" || name == "virtqemud")
    else {
        return Verdict::Pass("no profile of libvirt is loaded: its machines are not confined".into());
    };
    match abstraction {
        Fact::Known(()) => Verdict::Pass(format!(
            "{name} is confined ({mode}), and so are its machines: /dev/vfio and ROM files are allowed to them \
             where the domain's XML names the device"
        )),
        Fact::Absent => Finding {
            severity: Severity::Warning,
            summary: "the profiles of libvirt's machines lack what they include".into(),
            evidence: evidence(ABSTRACTION, "is not there"),
            consequence:
                "libvirt cannot load the profile of a machine, which then does not start: `unable to set \
                          AppArmor profile`."
                    .into(),
            remedy: Remedy::new(When::Now, "Install libvirt's daemon again, with its AppArmor files"),
        }
        .into(),
        fact => not_known(fact, ABSTRACTION),
    }
}

/// Booleans without which lent devices have not worked under some policies, and what they
/// allow. Whether there is one is the policy's matter, and asked of it.
const BOOLEANS: [(&str, &str); 1] = [("virt_use_sysfs", "sysfs")];

fn selinux(host: &Host<'_>) -> Verdict {
    let software = &host.snapshot.system.software;
    let SeLinux { enforcing, booleans } = match &software.selinux {
        Fact::Known(selinux) => selinux,
        Fact::Absent => return Verdict::NotApplicable("SELinux is not at work".into()),
        fact => return not_known(fact, "/sys/fs/selinux/enforce"),
    };
    if matches!(software.libvirt, Fact::Absent) {
        return Verdict::NotApplicable(
            "it confines libvirt's machines only, and libvirt is not installed".into(),
        );
    }
    if !enforcing {
        return Verdict::Pass("SELinux is permissive: it forbids nothing".into());
    }
    let off = |(name, _): &&(&str, &str)| booleans.iter().any(|(had, on)| had == name && !on);
    let off: Vec<_> = BOOLEANS.iter().filter(off).collect();
    if off.is_empty() {
        return Verdict::Pass("SELinux enforces, and its policy has no switch that would be off".into());
    }
    let findings = off.into_iter().map(|(name, what)| Finding {
        severity: Severity::Warning,
        summary: format!("SELinux's policy keeps machines of libvirt from using {what}"),
        evidence: evidence(format!("/sys/fs/selinux/booleans/{name}"), "0"),
        consequence: "QEMU under libvirt may be refused the device: look for `avc:  denied` with tcontext vfio_device_t \
                      or sysfs_t."
            .into(),
        remedy: Remedy::new(When::Now, format!("Switch {name} on")).command(format!("setsebool -P {name} on")),
    });
    Verdict::Found(findings.collect())
}

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "qemu",
        title: "QEMU is not installed",
        severity: Severity::Warning,
        subject: Subject::Software,
        after: &[],
        about: "passthru binds devices; the virtual machine is QEMU's, or another program's that uses VFIO (Cloud \
                Hypervisor, crosvm, DPDK, a container runtime). Looked for are qemu-system-x86_64 and its sisters, qemu-kvm \
                and kvm, in /usr/bin, /usr/local/bin, /usr/libexec (RHEL) and NixOS's system path.\n\n\
                `passthru run` takes any program; only for QEMU does it add the device to the line.",
        sources: &["qemu(1)", "docs/architecture.md"],
        ask: Ask::Host(qemu),
    },
    Check {
        id: "qemu-vfio",
        title: "this QEMU does not know vfio-pci",
        severity: Severity::Error,
        subject: Subject::Software,
        after: &["qemu"],
        about: "A QEMU that was built without VFIO, or whose devices are modules in a package that is not installed, ends \
                with `-device vfio-pci,host=01:00.0: 'vfio-pci' is not a valid device model name`. It is asked itself: \
                `qemu-system-x86_64 -device vfio-pci,help` (what it prints counts: it ends with 0 either way). That takes a tenth of a second, so it is done only where \
                devices are named, on the live host.\n\n\
                Install the distribution's full QEMU for the host's architecture.",
        sources: &["QEMU, system/qdev-monitor.c, qdev_device_help", "QEMU, hw/vfio/Kconfig"],
        ask: Ask::Host(qemu_vfio),
    },
    Check {
        id: "libvirt-device-acl",
        title: "libvirt's list of device nodes is too short",
        severity: Severity::Warning,
        subject: Subject::Software,
        after: &[],
        about: "libvirt puts each machine into a control group that opens certain device nodes only. Its own list is \
                /dev/null, full, zero, random, urandom, ptmx, kvm and a few more; /dev/vfio/vfio and the groups of devices in \
                the domain's XML it adds by itself. `cgroup_device_acl` in /etc/libvirt/qemu.conf *takes the place* of that \
                list (on NixOS the file is in /var/lib/libvirt). Guides tell people to set it for an input device or shared memory, and what they leave out is then \
                forbidden: `Could not open '/dev/vfio/13': Operation not permitted`, before `vfio: error opening \
                /dev/vfio/13: Operation not permitted` (a matter of file modes would be `Permission denied`).\n\n\
                The trap: a device given by `<qemu:commandline>` is not in the XML as a device, so its group and \
                /dev/vfio/vfio have to be named in the list as well.",
        sources: &[
            "libvirt, src/qemu/qemu_cgroup.c, defaultDeviceACL, qemuSetupDevicesCgroup and qemuSetupHostdevCgroup",
            "libvirt, src/qemu/qemu.conf.in",
        ],
        ask: Ask::Host(libvirt_device_acl),
    },
    Check {
        id: "apparmor",
        title: "AppArmor confines virtual machines",
        severity: Severity::Warning,
        subject: Subject::Software,
        after: &[],
        about: "On Debian, Ubuntu and openSUSE libvirt runs each machine under a profile that virt-aa-helper writes from its \
                XML. Files the XML names are allowed: the group's node in /dev/vfio, ROM files, disks. What comes by \
                `<qemu:commandline>`, through links, or from odd directories is not: `apparmor=\"DENIED\" operation=\"open\" \
                profile=\"libvirt-UUID\" name=\"/dev/vfio/13\"` in the audit log, or in the kernel's where no auditd runs, and `Could not open '/dev/vfio/13': \
                Permission denied` from QEMU although the modes are right.\n\n\
                Put what is missing into /etc/apparmor.d/local/abstractions/libvirt-qemu. Machines started by `passthru \
                run` or by hand are not confined by it.",
        sources: &[
            "libvirt, src/security/virt-aa-helper.c and security_apparmor.c",
            "security/apparmor/lsm.c, enabled",
        ],
        ask: Ask::Host(apparmor),
    },
    Check {
        id: "selinux",
        title: "SELinux keeps virtual machines from something",
        severity: Severity::Warning,
        subject: Subject::Software,
        after: &[],
        about: "On Fedora and RHEL libvirt runs each machine as svirt_t with a category of its own, and labels what the XML \
                names for it. What is refused stands in the audit log, or in the kernel's where no auditd runs: `avc:  denied  { \
                read write } for … scontext=…:svirt_t:… tcontext=…:vfio_device_t:s0 tclass=chr_file`. Policies have switches, \
                the booleans virt_*; which there are differs, so they are looked up in /sys/fs/selinux/booleans and none is \
                taken for granted.\n\n\
                `setenforce 0` for one try shows whether SELinux is the cause; do not leave it so.",
        sources: &[
            "libvirt, src/security/security_selinux.c",
            "security/selinux/selinuxfs.c, sel_read_bool",
            "setsebool(8)",
        ],
        ask: Ask::Host(selinux),
    },
];

#[cfg(test)]
mod tests {
    use passthru_formats::{Errno, cpuinfo};
    use passthru_model::system::{Distribution, LibvirtConfig, Software};

    use super::super::testing::{host_with, verdict};
    use super::*;

    fn says(id: &str, set: impl FnOnce(&mut Software)) -> String {
        verdict(&host_with(|system| set(&mut system.software)), id)
    }

    #[test]
    fn emulator() {
        let with = |answer: Fact<bool>| {
            move |software: &mut Software| {
                software.qemu = Fact::Known(vec!["/usr/bin/kvm".into()]);
                software.vfio_device = answer;
            }
        };
        let none = |software: &mut Software| software.qemu = Fact::Absent;
        let hidden = |software: &mut Software| software.qemu = Fact::Unreadable(Errno::ENODATA);
        assert_eq!(says("qemu", none), "QEMU is not installed");
        for id in ["qemu", "qemu-vfio"] {
            assert_eq!(says(id, hidden), "could not look at /usr/bin/qemu-system-x86_64");
        }
        assert_eq!(says("qemu", with(Fact::NotRead)), "pass");
        assert_eq!(says("qemu-vfio", none), "not applicable");
        assert_eq!(says("qemu-vfio", with(Fact::NotRead)), "not applicable");
        assert_eq!(says("qemu-vfio", with(Fact::Known(true))), "pass");
        assert_eq!(says("qemu-vfio", with(Fact::Known(false))), "this QEMU does not know vfio-pci");
        assert_eq!(
            says("qemu-vfio", with(Fact::Unreadable(Errno::EACCES))),
            "could not look at /usr/bin/kvm"
        );
    }

    /// Debian's package for Arm is called after the 32-bit one, and has qemu-system-aarch64.
    #[test]
    fn packages_by_processor() {
        let debian = Distribution { id: "debian".into(), version: "12".into(), ..Distribution::default() };
        let cpu = |text: &[u8]| cpuinfo::parse(text).map_or(Fact::Absent, Fact::Known);
        for (text, command) in [
            (
                &b"processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\n"[..],
                "apt install qemu-system-arm",
            ),
            (b"processor\t: 0\nvendor_id\t: AuthenticAMD\n", "apt install qemu-system-x86"),
            (b"", "apt install qemu-system-x86"),
        ] {
            let mut system = System { distribution: Fact::Known(debian.clone()), ..System::default() };
            system.processor.cpu = cpu(text);
            assert_eq!(install_qemu(&system, "Install QEMU").commands, [command]);
        }
        let with = |tool, id: &str| {
            let distribution = Fact::Known(Distribution { id: id.into(), ..Distribution::default() });
            let system = System { distribution, tools: vec![tool], ..System::default() };
            let remedy = install_qemu(&system, "Install QEMU");
            (remedy.when, remedy.commands.concat())
        };
        let ostree = "rpm-ostree install qemu-kvm".to_owned();
        assert_eq!(with(Tool::RpmOstree, "fedora"), (When::Reboot, ostree));
        assert_eq!(with(Tool::NixOs, "nixos"), (When::Now, "nixos-rebuild switch".to_owned()));
    }

    #[test]
    fn device_acl() {
        let list = |nodes: Option<&[&str]>| {
            let device_acl = nodes.map(|nodes| nodes.iter().map(|n| (*n).to_owned()).collect());
            says("libvirt-device-acl", |s| s.libvirt = Fact::Known(LibvirtConfig { device_acl }))
        };
        assert_eq!(list(None), "pass");
        assert_eq!(list(Some(&NEEDED)), "pass");
        assert_eq!(list(Some(&NEEDED[..6])), "libvirt's cgroup_device_acl lacks /dev/kvm");
        assert!(list(Some(&["/dev/kvm", "/dev/input/event3"])).contains("/dev/null /dev/full"));
        assert_eq!(says("libvirt-device-acl", |s| s.libvirt = Fact::Absent), "not applicable");
        assert_eq!(
            says("libvirt-device-acl", |s| s.libvirt = Fact::Unreadable(Errno::EACCES)),
            "could not look at /etc/libvirt/qemu.conf"
        );
    }

    #[test]
    fn security_modules() {
        let profile = || Fact::Known(vec![("libvirtd".to_owned(), "enforce".to_owned())]);
        let armor = |profiles, abstraction| {
            says("apparmor", |s| s.apparmor = Fact::Known(AppArmor { profiles, abstraction }))
        };
        assert_eq!(armor(profile(), Fact::Known(())), "pass");
        assert_eq!(armor(Fact::Known(vec![]), Fact::Absent), "pass");
        assert_eq!(
            armor(profile(), Fact::Absent),
            "the profiles of libvirt's machines lack what they include"
        );
        assert_eq!(
            armor(Fact::Unreadable(Errno::EACCES), Fact::Known(())),
            format!("could not look at {PROFILES}")
        );
        assert_eq!(says("apparmor", |s| s.apparmor = Fact::Absent), "not applicable");

        let linux = |enforcing, booleans: &[(&str, bool)]| {
            let booleans = booleans.iter().map(|(name, on)| ((*name).to_owned(), *on)).collect();
            says("selinux", |s| s.selinux = Fact::Known(SeLinux { enforcing, booleans }))
        };
        assert_eq!(linux(true, &[("virt_use_sysfs", true), ("virt_use_nfs", false)]), "pass");
        assert_eq!(linux(false, &[("virt_use_sysfs", false)]), "pass");
        assert_eq!(
            linux(true, &[("virt_use_sysfs", false)]),
            "SELinux's policy keeps machines of libvirt from using sysfs"
        );
        assert_eq!(says("selinux", |_| {}), "could not look at /sys/fs/selinux/enforce");
    }
}
