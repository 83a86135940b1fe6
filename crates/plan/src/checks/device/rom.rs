//! Whether a display has a ROM that the guest's firmware can run.

use passthru_formats::resource::Kind;
use passthru_model::{Device, Fact, Finding, Remedy, Severity, Verdict, When};

use super::super::not_known;
use super::detail;
use crate::checks::{Host, evidence};

pub(super) fn judge(_: &Host<'_>, device: &Device) -> Verdict {
    match &device.class {
        Fact::Known(class) if class.is_display() => {}
        Fact::Known(_) => return Verdict::NotApplicable("it is no display".into()),
        other => {
            return not_known(other, device.attribute("class"));
        }
    }
    let detail = match detail(device) {
        Ok(detail) => detail,
        Err(verdict) => return verdict,
    };
    let path = device.attribute("rom");
    let shadow = detail.regions.known().is_some_and(|regions| {
        regions.iter().any(|region| region.kind == Kind::Rom && region.flags.is_rom_shadow())
    });
    let (summary, seen) = match &detail.rom {
        Fact::Known(_) if shadow => (
            "its ROM can be read only as the copy the firmware left behind",
            evidence(device.attribute("resource"), "the ROM is a shadow copy"),
        ),
        Fact::Known(_) if device.boot_vga == Fact::Known(true) => (
            "the host was started on it, so that its ROM may not read as it was",
            evidence(device.attribute("boot_vga"), "1"),
        ),
        Fact::Known(size) => return Verdict::Pass(format!("it has a ROM of {} KiB", size.div_ceil(1024))),
        Fact::Absent => ("it has no ROM", evidence(path, "no such file")),
        other => return not_known(other, path),
    };
    Finding {
        severity: Severity::Note,
        summary: summary.into(),
        evidence: seen,
        consequence: "The guest's screen may stay black until its own driver starts; QEMU may say `vfio-pci: \
                      Cannot read device rom`."
            .into(),
        remedy: Remedy::new(
            When::Now,
            "If the screen stays black, give QEMU the card's ROM as a file (`romfile=FILE`), read from `rom` after a \
             boot in which another display was the first",
        ),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use passthru_formats::resource;

    use super::super::testing::{ask, device, findings, is_blind, passes, snapshot};
    use super::*;

    fn host(class: u32, rom: Fact<u64>, boot: bool, shadow: bool) -> passthru_model::Snapshot {
        let mut one = device("01:00.0", "10de:1284", class);
        one.boot_vga = Fact::Known(boot);
        let detail = one.detail.as_mut().unwrap();
        detail.rom = rom;
        let line = format!("0xc0000 0xdffff {:#x}\n", if shadow { 0x212 } else { 0x200 });
        let text = format!("{}{line}", "0x0 0x0 0x0\n".repeat(6));
        detail.regions = Fact::Known(resource::parse(text.as_bytes()).unwrap());
        snapshot(&[one])
    }

    #[test]
    fn with_and_without() {
        let known = Fact::Known(128 << 10);
        assert!(passes(&ask(judge, &host(0x03_0000, known.clone(), false, false), "01:00.0")));
        for (rom, boot, shadow) in
            [(known.clone(), true, false), (known.clone(), false, true), (Fact::Absent, false, false)]
        {
            let found = findings(ask(judge, &host(0x03_0000, rom, boot, shadow), "01:00.0"));
            assert_eq!(found[0].severity, Severity::Note, "{boot} {shadow}");
        }
        let denied = Fact::Unreadable(passthru_formats::Errno::EACCES);
        assert!(is_blind(&ask(judge, &host(0x03_0000, denied, false, false), "01:00.0")));
        let disk = ask(judge, &host(0x01_0802, Fact::Absent, false, false), "01:00.0");
        assert!(matches!(disk, Verdict::NotApplicable(_)));
    }
}
