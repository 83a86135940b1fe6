//! Secure Boot and the kernel's lockdown.

use passthru_model::system::firmware::{LOCKDOWN as STATE, SECURE_BOOT};
use passthru_model::{Evidence, Fact, Finding, Remedy, Severity, Unseen, Verdict, When};

use super::super::{Ask, Check, Host, Subject, could_not_look};
use super::{firmware, unseen};

pub(super) const LOCKDOWN: Check = Check {
    id: "lockdown",
    title: "the kernel is locked down",
    severity: Severity::Note,
    subject: Subject::Iommu,
    after: &[],
    about: "With Secure Boot most distributions start the kernel locked down: root must not change the running \
         kernel. Lending devices works all the same, VFIO is made for it. What does not work is what guides to \
         passthrough also ask for: modules that nobody signed (`vendor-reset`, a DKMS driver: `Lockdown: modprobe: \
         unsigned module loading is restricted; see man kernel_lockdown.7`, `Key was rejected by service`), writing to configuration space with \
         `setpci` (`Lockdown: setpci: direct PCI access is restricted`), dumping a ROM through `/dev/mem`, replacing ACPI \
         tables from the initramfs, `kexec` of an unsigned kernel. A kernel \
         built by yourself, with the ACS override patch for one, does not start before it is signed.\n\n\
         The state stands in /sys/kernel/security/lockdown; `integrity` is what Secure Boot brings.",
    sources: &[
        "kernel_lockdown(7)",
        "security/lockdown/lockdown.c",
        "include/linux/security.h, enum lockdown_reason",
        "UEFI Specification 2.10, 3.3",
    ],
    ask: Ask::Host(locked),
};

fn locked(host: &Host<'_>) -> Verdict {
    let firmware = firmware(host);
    let mut shown = Vec::new();
    if let Some(state) = firmware.lockdown.known().filter(|state| *state != "none") {
        shown.push(Evidence::new(STATE, state));
    }
    if firmware.secure_boot == Fact::Known(true) {
        shown.push(Evidence::new(SECURE_BOOT, "1"));
    }
    if shown.is_empty() {
        let blind: Vec<Unseen> =
            [unseen(&firmware.lockdown, STATE), unseen(&firmware.secure_boot, SECURE_BOOT)]
                .into_iter()
                .flatten()
                .collect();
        if !blind.is_empty() {
            return Verdict::CouldNotLook(blind);
        }
        let not_listed = firmware.efi == Fact::Known(true) && firmware.secure_boot == Fact::Absent;
        if not_listed && firmware.lockdown == Fact::Absent {
            let why = "there is no such variable: efivarfs is not mounted, or the firmware has none";
            return could_not_look(SECURE_BOOT, why);
        }
        return Verdict::Pass(match firmware.efi {
            Fact::Known(false) => {
                "this host was not started by EFI, and the kernel is not locked down".into()
            }
            // Whether Secure Boot is on nobody can say.
            _ if not_listed => "the kernel is not locked down".into(),
            _ => "Secure Boot is off, and the kernel is not locked down".into(),
        });
    }
    let summary = match (firmware.lockdown.known(), &firmware.secure_boot) {
        (Some(state), _) if state != "none" => format!("the kernel is locked down ({state})"),
        _ => "Secure Boot is on, the kernel is not locked down".into(),
    };
    Finding {
        severity: Severity::Note,
        summary,
        evidence: shown,
        consequence: "Lending works; modules and kernels that are not signed do not, nor do setpci and /dev/mem.".into(),
        remedy: Remedy::new(
            When::Now,
            "Leave it as it is, unless you need such a module: then sign it (mokutil --import) or switch Secure Boot \
             off in the firmware's set-up",
        ),
    }
    .into()
}
