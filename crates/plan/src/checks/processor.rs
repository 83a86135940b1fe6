//! The processor and KVM. VFIO works without either, as the lab shows; a guest on an emulated
//! processor is a matter of patience. So nothing here is an error.

use passthru_formats::cpuinfo::Virtualization;
use passthru_model::system::Kernel;
use passthru_model::system::kernels::Presence;
use passthru_model::{Evidence, Fact, Finding, Remedy, Severity, Verdict, When};

use super::{Ask, Check, Host, Subject, evidence, not_known, unseen};

/// Makes of x86 processors by `vendor_id`, and the module of KVM for each.
const VENDORS: [(&str, &str, &str); 4] = [
    ("GenuineIntel", "Intel VT-x", "kvm_intel"),
    ("CentaurHauls", "VT-x", "kvm_intel"),
    ("AuthenticAMD", "AMD-V (SVM)", "kvm_amd"),
    ("HygonGenuine", "AMD-V (SVM)", "kvm_amd"),
];

/// KVM's module for this host's processor.
pub(super) fn kvm_module(host: &Host<'_>) -> Option<&'static str> {
    let vendor = &host.snapshot.system.processor.cpu.known()?.vendor;
    VENDORS.iter().find(|(name, ..)| name == vendor).map(|(.., module)| *module)
}

/// The kernel that runs.
pub(super) fn running<'a>(host: &Host<'a>) -> Option<&'a Kernel> {
    host.snapshot.system.kernels.at_least().iter().find(|kernel| kernel.running)
}

fn cpu_virtualization(host: &Host<'_>) -> Verdict {
    let path = "/proc/cpuinfo";
    let info = match &host.snapshot.system.processor.cpu {
        Fact::Known(info) => info,
        Fact::Absent => return super::could_not_look(path, "there is none"),
        other => return not_known(other, path),
    };
    match info.virtualization {
        Some(Virtualization::Vmx) => return Verdict::Pass("the processor has Intel VT-x (flag vmx)".into()),
        Some(Virtualization::Svm) => return Verdict::Pass("the processor has AMD-V (flag svm)".into()),
        None => {}
    }
    let Some((_, name, _)) = VENDORS.iter().find(|(vendor, ..)| *vendor == info.vendor) else {
        return Verdict::NotApplicable("only x86 processors name it in /proc/cpuinfo".into());
    };
    let consequence = "Guests run on an emulated processor, many times slower, and what asks for KVM \
        (`-enable-kvm`, libvirt's type kvm) does not start.";
    let (summary, remedy) = if info.hypervisor {
        (
            "This host is a virtual machine without nested virtualization",
            Remedy::new(
                When::Reboot,
                "Give this virtual machine the host's processor with nested virtualization: on the host below \
                 load kvm_intel or kvm_amd with nested=1, and start it with `-cpu host`",
            ),
        )
    } else {
        (
            "The processor shows no virtualization extension",
            Remedy::new(
                When::Firmware,
                format!(
                    "Switch on {name} in the firmware's set-up (often under CPU configuration), then power \
                    the machine off and on"
                ),
            ),
        )
    };
    let flags = if info.hypervisor { "hypervisor, neither vmx nor svm" } else { "neither vmx nor svm" };
    Verdict::Found(vec![Finding {
        severity: Severity::Warning,
        summary: summary.into(),
        evidence: evidence(path, format!("flags: {flags}; {}", info.model)),
        consequence: consequence.into(),
        remedy,
    }])
}

fn kvm(host: &Host<'_>) -> Verdict {
    let processor = &host.snapshot.system.processor;
    let node = "/dev/kvm";
    let warning = |summary: &str, evidence, consequence: &str, remedy| {
        Verdict::from(Finding {
            severity: Severity::Warning,
            summary: summary.into(),
            evidence,
            consequence: consequence.into(),
            remedy,
        })
    };
    let no_kvm = "QEMU says `Could not access KVM kernel module: No such file or directory`; without KVM guests \
        are many times slower.";
    match &processor.kvm_node {
        Fact::Known(mode) => {
            if processor.second_level == Fact::Known(false) {
                let (module, parameter) = match processor.kvm_vendor.known() {
                    Some(&"kvm_amd") => ("kvm_amd", "npt"),
                    _ => ("kvm_intel", "ept"),
                };
                let path = format!("/sys/module/{module}/parameters/{parameter}");
                let remedy = Remedy::new(
                    When::Reboot,
                    format!("Remove {module}.{parameter}=0 from the command line and from modprobe.d"),
                );
                return warning(
                    "KVM does not use the processor's second level of address translation",
                    evidence(path, "N"),
                    "KVM keeps shadow page tables instead, which makes guests slow.",
                    remedy,
                );
            }
            if mode & 0o006 != 0o006 && !host.snapshot.rights.root {
                return Verdict::from(Finding {
                    severity: Severity::Note,
                    summary: "Only root and the group of /dev/kvm may use KVM".into(),
                    evidence: evidence(node, format!("mode {mode:04o}")),
                    consequence: "A virtual machine of a user outside that group gets `Could not access KVM \
                        kernel module: Permission denied`."
                        .into(),
                    remedy: Remedy::new(
                        When::Now,
                        "Add whoever runs virtual machines to the group kvm, and log in again",
                    )
                    .command("usermod -aG kvm \"$USER\""),
                });
            }
            Verdict::Pass("/dev/kvm is there".into())
        }
        Fact::Absent => {
            let Some(module) = processor.kvm_vendor.known().copied().or_else(|| kvm_module(host)) else {
                return warning(
                    "There is no /dev/kvm",
                    evidence(node, "not there"),
                    no_kvm,
                    Remedy::new(When::Reboot, "Boot a kernel with KVM on a processor that supports it"),
                );
            };
            let mut evidence = vec![Evidence::new(node, "not there")];
            if processor.kvm_vendor.known().is_some() {
                evidence.push(Evidence::new(format!("/sys/module/{module}"), "there"));
                let remedy = Remedy::new(When::Now, "Load the module anew and look at what the kernel says")
                    .commands([
                        format!("modprobe -r {module}"),
                        format!("modprobe {module}"),
                        "dmesg | grep -i kvm".into(),
                    ]);
                return warning("KVM is loaded and offers no /dev/kvm", evidence, no_kvm, remedy);
            }
            if processor.kvm_vendor != Fact::Absent {
                let fact = unseen(&processor.kvm_vendor, format!("/sys/module/{module}"));
                return Verdict::CouldNotLook(fact.into_iter().collect());
            }
            evidence.push(Evidence::new(format!("/sys/module/{module}"), "not there"));
            let remedy = match running(host).and_then(|kernel| kernel.module(module)) {
                Some(Presence::Missing) => {
                    Remedy::new(When::Reboot, "Boot a kernel that has KVM: this one has no module for it")
                }
                _ => Remedy::new(
                    When::Now,
                    "Load the module; where the kernel answers `Operation not supported`, virtualization is \
                     switched off in the firmware's set-up",
                )
                .command(format!("modprobe {module}")),
            };
            warning(&format!("{module} is not loaded"), evidence, no_kvm, remedy)
        }
        other => not_known(other, node),
    }
}

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "cpu-virtualization",
        title: "the processor shows no extension for virtual machines",
        severity: Severity::Warning,
        subject: Subject::Processor,
        after: &[],
        about: "Virtual machines run at full speed by an extension of the processor: Intel VT-x (flag `vmx`) or \
            AMD-V (flag `svm`). It is not the IOMMU (VT-d, AMD-Vi): a machine can have one without the other, \
            and the firmware has a switch for each.\n\n\
            The kernel takes the flag away where the firmware has switched VT-x off, and says `x86/cpu: VMX \
            (outside TXT) disabled by BIOS`; on AMD the same since Linux 6.7, with `SVM disabled (by BIOS) in \
            MSR_VM_CR`, which older kernels leave to KVM to say while `svm` stays. In a virtual machine the flag is there only with nested virtualization.\n\n\
            Switch it on in the firmware's set-up; some boards take the change only after the power was off. \
            VFIO itself works without it, guests are just emulated and slow.",
        sources: &[
            "arch/x86/kernel/cpu/feat_ctl.c",
            "arch/x86/kvm/svm/svm.c",
            "Documentation/virt/kvm/x86/running-nested-guests.rst",
        ],
        ask: Ask::Host(cpu_virtualization),
    },
    Check {
        id: "kvm",
        title: "KVM cannot be used",
        severity: Severity::Warning,
        subject: Subject::Processor,
        after: &["cpu-virtualization"],
        about: "KVM is what lets guests run on the processor itself; QEMU opens /dev/kvm. Without the node it says \
            `Could not access KVM kernel module: No such file or directory` and `failed to initialize kvm`, without \
            the right to open it `Permission denied`. libvirt then says `invalid argument: could not get preferred \
            machine for … type=kvm`.\n\n\
            The node is there when kvm_intel or kvm_amd is loaded. Loading fails with `Operation not supported` \
            where the firmware has switched virtualization off. The node belongs to the group kvm on most \
            distributions.",
        sources: &["virt/kvm/kvm_main.c, kvm_init", "QEMU accel/kvm/kvm-all.c, kvm_init"],
        ask: Ask::Host(kvm),
    },
];
