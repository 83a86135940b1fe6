//! The `uevent` file of a PCI device: six attributes in one read.
//!
//! Written by `drivers/base/core.c` (`DRIVER=`) and `drivers/pci/pci-driver.c`
//! (`pci_uevent`). On a host with thousands of functions this is the one file per
//! device that must be read, so it is parsed without allocation.

use passthru_pci::{Address, Class, Id};

use crate::line::lines;

/// What a device's `uevent` file says; a key that is missing or malformed is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uevent<'a> {
    /// `DRIVER=`: the bound driver; the line is missing where there is none.
    pub driver: Option<&'a str>,
    /// `PCI_CLASS=`: 24 bits, hexadecimal, at least four digits (`%04X`).
    pub class: Option<Class>,
    /// `PCI_ID=`.
    pub id: Option<Id>,
    /// `PCI_SUBSYS_ID=`; the kernel writes `0000:0000` where there is none (bridges).
    pub subsystem: Option<Id>,
    /// `PCI_SLOT_NAME=`: the address (not a physical slot).
    pub slot_name: Option<Address>,
    /// `MODALIAS=`: what `modules.alias` is matched against.
    pub modalias: Option<&'a str>,
}

/// A key whose value is not what the kernel writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{key} is malformed in a uevent file")]
pub struct MalformedUevent {
    /// The first such key; `(line)` where a line is no `KEY=value` at all.
    pub key: &'static str,
}

/// Reads a `uevent` file. Keys that are not known are skipped; the second value
/// names the first known key that is malformed, everything else is still given.
#[must_use]
pub fn parse(text: &[u8]) -> (Uevent<'_>, Option<MalformedUevent>) {
    let mut uevent = Uevent::default();
    let mut malformed = None;
    for (_, line) in lines(text) {
        let key = match read_line(&mut uevent, line) {
            Ok(()) => continue,
            Err(key) => key,
        };
        malformed = malformed.or(Some(MalformedUevent { key }));
    }
    (uevent, malformed)
}

fn read_line<'a>(uevent: &mut Uevent<'a>, line: &'a [u8]) -> Result<(), &'static str> {
    fn set<T>(slot: &mut Option<T>, value: Option<T>, key: &'static str) -> Result<(), &'static str> {
        *slot = value;
        if slot.is_some() { Ok(()) } else { Err(key) }
    }
    let Some(equals) = line.iter().position(|&c| c == b'=') else {
        return if line.is_empty() { Ok(()) } else { Err("(line)") };
    };
    let (key, value) = (&line[..equals], &line[equals + 1..]);
    match key {
        b"DRIVER" => set(&mut uevent.driver, word(value), "DRIVER"),
        b"PCI_CLASS" => {
            set(&mut uevent.class, hex(value, 8).filter(|&n| n <= 0x00ff_ffff).map(Class::new), "PCI_CLASS")
        }
        b"PCI_ID" => set(&mut uevent.id, id(value), "PCI_ID"),
        b"PCI_SUBSYS_ID" => set(&mut uevent.subsystem, id(value), "PCI_SUBSYS_ID"),
        b"PCI_SLOT_NAME" => set(
            &mut uevent.slot_name,
            std::str::from_utf8(value).ok().and_then(Address::from_sysfs),
            "PCI_SLOT_NAME",
        ),
        b"MODALIAS" => set(&mut uevent.modalias, word(value), "MODALIAS"),
        _ => Ok(()),
    }
}

/// A value made of printable ASCII without blanks, as driver names and modaliases are.
fn word(value: &[u8]) -> Option<&str> {
    let plain = !value.is_empty() && value.iter().all(u8::is_ascii_graphic);
    plain.then(|| std::str::from_utf8(value).ok()).flatten()
}

fn id(value: &[u8]) -> Option<Id> {
    let colon = value.iter().position(|&c| c == b':')?;
    let vendor = u16::try_from(hex(&value[..colon], 4)?).ok()?;
    let device = u16::try_from(hex(&value[colon + 1..], 4)?).ok()?;
    Some(Id { vendor, device })
}

fn hex(digits: &[u8], at_most: usize) -> Option<u32> {
    if digits.is_empty() || digits.len() > at_most {
        return None;
    }
    digits.iter().try_fold(0u32, |n, &c| Some(n << 4 | (c as char).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graphics_card() {
        let text = b"DRIVER=nouveau\nPCI_CLASS=30000\nPCI_ID=10DE:1284\nPCI_SUBSYS_ID=1043:8469\n\
            PCI_SLOT_NAME=0000:01:00.0\nMODALIAS=pci:v000010DEd00001284sv00001043sd00008469bc03sc00i00\n";
        let (uevent, malformed) = parse(text);
        assert_eq!(malformed, None);
        assert_eq!(uevent.driver, Some("nouveau"));
        assert_eq!(uevent.class, Some(Class::new(0x030000)));
        assert_eq!(uevent.id, Some(Id { vendor: 0x10de, device: 0x1284 }));
        assert_eq!(uevent.subsystem, Some(Id { vendor: 0x1043, device: 0x8469 }));
        assert_eq!(uevent.slot_name, Address::new(0, 1, 0, 0));
        assert_eq!(uevent.modalias, Some("pci:v000010DEd00001284sv00001043sd00008469bc03sc00i00"));
    }

    #[test]
    fn no_driver_behind_vmd_and_foreign_keys() {
        let text = b"PCI_CLASS=10802\nPCI_ID=8086:0A54\nPCI_SUBSYS_ID=0000:0000\n\
            PCI_SLOT_NAME=10000:01:00.0\nOF_NAME=x\nOF_FULLNAME=/a=b\n";
        let (uevent, malformed) = parse(text);
        assert_eq!((uevent.driver, malformed), (None, None));
        assert_eq!(uevent.slot_name, Address::new(0x10000, 1, 0, 0));
        assert_eq!(uevent.class.unwrap().code(), 0x0108);
        // Class 0 is printed with four digits.
        assert_eq!(parse(b"PCI_CLASS=0000").0.class, Some(Class::new(0)));
    }

    #[test]
    fn what_is_malformed_is_named_and_the_rest_is_read() {
        for (text, key) in [
            ("PCI_CLASS=\nDRIVER=x\n", "PCI_CLASS"),
            ("PCI_CLASS=1000000\nDRIVER=x", "PCI_CLASS"),
            ("PCI_ID=10DE\nDRIVER=x", "PCI_ID"),
            ("PCI_ID=10DE:12845\nDRIVER=x", "PCI_ID"),
            ("PCI_SUBSYS_ID=+0DE:1284\nDRIVER=x", "PCI_SUBSYS_ID"),
            ("PCI_SLOT_NAME=01:00.0\nDRIVER=x", "PCI_SLOT_NAME"),
            ("MODALIAS=\u{e4}\nDRIVER=x", "MODALIAS"),
            ("garbage\nDRIVER=x", "(line)"),
        ] {
            let (uevent, malformed) = parse(text.as_bytes());
            assert_eq!(malformed, Some(MalformedUevent { key }), "{text:?}");
            assert_eq!(uevent.driver, Some("x"), "{text:?}");
        }
        assert_eq!(parse(b"DRIVER=\xff").1, Some(MalformedUevent { key: "DRIVER" }));
        assert_eq!(parse(b""), (Uevent::default(), None));
    }
}
