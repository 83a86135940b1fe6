//! Whether a device whose interrupt cannot be masked has its line for itself.

use passthru_model::{Device, Evidence, Fact, Finding, Remedy, Severity, Verdict, When};
use passthru_pci::{Id, capability};

use super::super::not_known;
use super::{detail, incomplete};
use crate::checks::{Host, could_not_look, evidence};
use crate::uses::is_vfio_driver;

/// `PCI_COMMAND_INTX_DISABLE` (`include/uapi/linux/pci_regs.h`).
const INTX_OFF: u16 = 0x400;

/// Devices whose interrupt the kernel knows not to be maskable, and which vfio-pci does not
/// hide the pin of (`drivers/pci/quirks.c`, `quirk_broken_intx_masking`,
/// `mellanox_broken_intx_devs`).
const BROKEN: &[(u16, &[u16])] = &[
    (
        0x15b3,
        &[
            0x1003, 0x1007, 0x6340, 0x634a, 0x6354, 0x6368, 0x6372, 0x6732, 0x673c, 0x6746, 0x6750, 0x675a,
            0x6764, 0x676e,
        ],
    ),
    (0x1425, &[0x0030]),
    (0x1814, &[0x0601]),
    (0x1b7c, &[0x0004]),
    (0x1102, &[0x000b]),
    (0x10ec, &[0x8169]),
];

/// Whether its interrupt can be masked, as far as can be seen without writing.
enum Masking {
    Yes,
    No,
    Perhaps,
}

fn masking(id: Option<Id>, detail: &passthru_model::Detail) -> Option<Masking> {
    if id.is_some_and(|id| BROKEN.iter().any(|(v, ids)| *v == id.vendor && ids.contains(&id.device))) {
        return Some(Masking::No);
    }
    let config = detail.config.known()?;
    // A bit that is set can be set. PCI Express asks for it of every function.
    if config.command() & INTX_OFF != 0 || config.capability(capability::EXPRESS).is_some() {
        return Some(Masking::Yes);
    }
    incomplete(config).is_none().then_some(Masking::Perhaps)
}

/// Whether its interrupt cannot be masked, or perhaps cannot.
pub(super) fn cannot_mask(device: &Device) -> bool {
    device.detail.as_deref().is_some_and(|detail| {
        detail.irq.known().is_some()
            && matches!(masking(device.id.known().copied(), detail), Some(Masking::No | Masking::Perhaps))
    })
}

pub(super) fn judge(host: &Host<'_>, device: &Device) -> Verdict {
    let detail = match detail(device) {
        Ok(detail) => detail,
        Err(verdict) => return verdict,
    };
    let path = device.attribute("irq");
    let irq = match &detail.irq {
        Fact::Known(irq) => *irq,
        Fact::Absent => return Verdict::NotApplicable("it has no interrupt line".into()),
        other => return not_known(other, path),
    };
    if detail.config.known().is_some_and(|config| config.interrupt_pin() == 0) {
        return Verdict::NotApplicable("it has no interrupt pin".into());
    }
    let sure = match masking(device.id.known().copied(), detail) {
        Some(Masking::Yes) => return Verdict::Pass("its interrupt can be masked".into()),
        Some(Masking::No) => true,
        Some(Masking::Perhaps) => false,
        None => {
            let config = device.attribute("config");
            return match &detail.config {
                Fact::Known(space) => could_not_look(config, incomplete(space).unwrap_or_default()),
                other => not_known(other, config),
            };
        }
    };
    let others: Vec<&Device> =
        host.snapshot.devices.iter().filter(|other| listens(other, irq, device)).collect();
    if others.is_empty() {
        return match host.snapshot.devices.iter().find(|other| other.detail.is_none()) {
            Some(other) => could_not_look(other.attribute("irq"), "the other devices were not read"),
            None => Verdict::Pass(format!("it has interrupt line {irq} for itself")),
        };
    }
    let mut seen = evidence(path, irq.to_string());
    seen.extend(others.iter().map(|other| {
        let driver = other.driver.known().map_or("", |driver| driver);
        Evidence::new(other.attribute("irq"), format!("{irq}, on {driver}"))
    }));
    let names: Vec<String> = others.iter().map(|other| other.address.to_string()).collect();
    let names = names.join(" and ");
    Finding {
        severity: if sure { Severity::Error } else { Severity::Note },
        summary: if sure {
            "its interrupt cannot be masked, and a driver of the host listens on the same line".into()
        } else {
            "its interrupt may not be maskable, and a driver of the host listens on the same line".into()
        },
        evidence: seen,
        consequence: format!(
            "The guest {} not start: `Failed to set up TRIGGER eventfd signaling for interrupt INTX-0: \
             VFIO_DEVICE_SET_IRQS failure: Device or resource busy`.",
            if sure { "does" } else { "may" }
        ),
        remedy: Remedy::new(
            When::Now,
            format!(
                "Take {names} from the driver while the guest runs, or move one of the cards to another slot"
            ),
        )
        .commands(others.iter().map(|other| format!("passthru bind {}", other.address))),
    }
    .into()
}

/// Whether a driver of the host uses this interrupt line for another device: with messages
/// (MSI) in use the kernel switches the line off.
fn listens(other: &Device, irq: u32, than: &Device) -> bool {
    let Some(detail) = other.detail.as_deref() else { return false };
    other.address != than.address
        && detail.irq == Fact::Known(irq)
        && other.driver.known().is_some_and(|driver| !is_vfio_driver(driver) && &**driver != "pcieport")
        && detail
            .config
            .known()
            .is_none_or(|config| config.interrupt_pin() != 0 && config.command() & INTX_OFF == 0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ask, config_of, device, findings, is_blind, passes, snapshot};
    use super::*;

    /// Interrupt line, command register, pin and capabilities.
    fn with(address: &str, id: &str, irq: u32, command: u16, pin: u8, caps: &[u8]) -> Device {
        let mut one = device(address, id, 0x02_0000);
        let detail = one.detail.as_mut().unwrap();
        detail.irq = Fact::Known(irq);
        detail.config = Fact::Known(config_of(caps, |bytes| {
            bytes[4..6].copy_from_slice(&command.to_le_bytes());
            bytes[0x3d] = pin;
        }));
        one
    }

    fn usb(irq: u32, command: u16) -> Device {
        let mut usb = with("00:1a.0", "8086:1d2d", irq, command, 1, &[1]);
        usb.driver = Fact::Known("ehci-pci".into());
        usb
    }

    #[test]
    fn shared_and_not() {
        let connectx = || with("01:00.0", "15b3:1003", 16, 0x7, 1, &[0x10, 0x11]);
        let host = snapshot(&[usb(16, 0x7), connectx()]);
        let found = findings(ask(judge, &host, "01:00.0"));
        assert_eq!(found[0].evidence[1].value, "16, on ehci-pci");
        assert_eq!(found[0].severity, Severity::Error);
        // On another line, or with messages.
        for other in [usb(17, 0x7), usb(16, 0x407)] {
            assert!(passes(&ask(judge, &snapshot(&[other, connectx()]), "01:00.0")));
        }
        let old = with("02:01.0", "1274:1371", 16, 0x7, 1, &[1]);
        let found = findings(ask(judge, &snapshot(&[usb(16, 0x7), old]), "02:01.0"));
        assert_eq!(found[0].severity, Severity::Note, "{found:?}");
    }

    #[test]
    fn masked_or_without() {
        for (command, pin, caps) in [(0x7, 1, &[0x10][..]), (0x407, 1, &[]), (0x7, 0, &[])] {
            let one = with("01:00.0", "8086:1533", 16, command, pin, caps);
            let verdict = ask(judge, &snapshot(&[usb(16, 0x7), one]), "01:00.0");
            assert!(matches!(verdict, Verdict::Pass(_) | Verdict::NotApplicable(_)), "{verdict:?}");
        }
    }

    #[test]
    fn not_seen() {
        let mut one = with("01:00.0", "8086:1533", 16, 0x7, 1, &[]);
        let header = one.detail.as_ref().unwrap().config.known().unwrap().bytes()[..64].to_vec();
        one.detail.as_mut().unwrap().config =
            Fact::Known(passthru_formats::config_space::parse(&header).unwrap());
        assert!(is_blind(&ask(judge, &snapshot(&[usb(16, 0x7), one]), "01:00.0")));
        // PCI Express may be behind a link that leads nowhere.
        let mut one = with("01:00.0", "8086:1533", 16, 0x7, 1, &[]);
        one.detail.as_mut().unwrap().config = Fact::Known(config_of(&[1], |bytes| {
            bytes[0x3d] = 1;
            bytes[0x41] = 0x20;
        }));
        assert!(is_blind(&ask(judge, &snapshot(&[usb(16, 0x7), one]), "01:00.0")));
        let mut host = snapshot(&[usb(16, 0x7), with("01:00.0", "15b3:1003", 16, 0x7, 1, &[])]);
        host.devices[0].detail = None;
        assert!(is_blind(&ask(judge, &host, "01:00.0")), "nobody looked at the others");
    }
}
