//! The ids a driver is told to take: `vfio-pci.ids=`, `pci-stub.ids=`.
//!
//! The form is `VENDOR:DEVICE[:SUBVENDOR[:SUBDEVICE[:CLASS[:CLASS_MASK]]]]`, several separated
//! by commas (`drivers/vfio/pci/vfio_pci.c`, `vfio_pci_fill_ids`). The kernel reads each with
//! sscanf: what follows the numbers it understood is passed over without a word, and one that
//! does not begin with two numbers is left out with `invalid id string "…"` in the log.

use std::fmt;

use passthru_pci::{Class, Id};

/// Stands for any number (`include/linux/mod_devicetable.h`, `PCI_ANY_ID`).
const ANY: u32 = u32::MAX;

/// One entry, as the kernel reads it. The numbers have 32 bits there, so one with too many
/// digits is taken and fits nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DynamicId {
    vendor: u32,
    device: u32,
    subvendor: u32,
    subdevice: u32,
    class: u32,
    class_mask: u32,
}

impl DynamicId {
    /// Whether it fits a device (`drivers/pci/pci.h`, `pci_match_one_device`).
    #[must_use]
    pub fn fits(&self, id: Id, subsystem: Option<Id>, class: Class) -> bool {
        let one = |wanted: u32, is: u16| wanted == ANY || wanted == u32::from(is);
        // A bridge has none; the kernel then has zeros there.
        let subsystem = subsystem.unwrap_or(Id { vendor: 0, device: 0 });
        one(self.vendor, id.vendor)
            && one(self.device, id.device)
            && one(self.subvendor, subsystem.vendor)
            && one(self.subdevice, subsystem.device)
            && (self.class ^ class.bits()) & self.class_mask == 0
    }
}

impl fmt::Display for DynamicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.device)
    }
}

/// The entries of a list, each with its text; `None` where the kernel takes none from it.
pub fn parse(list: &str) -> impl Iterator<Item = (&str, Option<DynamicId>)> {
    list.split(',').filter(|text| !text.is_empty()).map(|text| (text, one(text)))
}

fn one(text: &str) -> Option<DynamicId> {
    let mut numbers = [0, 0, ANY, ANY, 0, 0];
    let mut rest = text;
    let mut count = 0;
    for number in &mut numbers {
        // Blanks before a number are passed over, as sscanf does.
        let after = if count == 0 { rest } else { rest.strip_prefix(':').unwrap_or("") };
        let after = after.trim_ascii_start();
        let after = after.strip_prefix("0x").or_else(|| after.strip_prefix("0X")).unwrap_or(after);
        let end = after.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(after.len());
        if end == 0 {
            break;
        }
        // More digits than fit are cut off at the front, as a 32-bit number does.
        let digits = &after[end.saturating_sub(8)..end];
        *number = u32::from_str_radix(digits, 16).ok()?;
        rest = &after[end..];
        count += 1;
    }
    let [vendor, device, subvendor, subdevice, class, class_mask] = numbers;
    (count >= 2).then_some(DynamicId { vendor, device, subvendor, subdevice, class, class_mask })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(text: &str) -> bool {
        let id = Id { vendor: 0x10de, device: 0x1284 };
        let subsystem = Id { vendor: 0x10b0, device: 0x1284 };
        one(text).is_some_and(|one| one.fits(id, Some(subsystem), Class::new(0x03_0000)))
    }

    #[test]
    fn as_the_kernel_reads_them() {
        for yes in [
            "10de:1284",
            "10DE:1284",
            "0x10de:0x1284",
            "10de:1284:10b0",
            "10de:1284:10b0:1284",
            "10de:1284:ffffffff:ffffffff:030000:ff0000",
            "ffffffff:ffffffff:ffffffff:ffffffff:030000:ff0000",
            "10de:1284;x",
            "10de:1284:",
            " 10de: 1284",
        ] {
            assert!(fits(yes), "{yes}");
        }
        for no in ["10de:1285", "10de:1284:10b1", "110de:1284", "10de:1284:ffffffff:ffffffff:040000:ff0000"] {
            assert!(one(no).is_some() && !fits(no), "{no}");
        }
        for invalid in ["", "10de", "10de.1284", "10de-1284", ":1284", "10de:", "nvidia", "01:00.0x"] {
            assert!(one(invalid).is_none() || !fits(invalid), "{invalid}");
        }
        assert_eq!(one("10de"), None);
        assert_eq!(one("10de.1284"), None);
        // An address is taken for ids: 0000:01 is what is left of it.
        assert_eq!(one("0000:01:00.0").unwrap().to_string(), "0000:0001");
    }

    #[test]
    fn lists() {
        let all: Vec<_> = parse("10de:1284,,10de,10de:0e0f").map(|(text, id)| (text, id.is_some())).collect();
        assert_eq!(all, [("10de:1284", true), ("10de", false), ("10de:0e0f", true)]);
    }

    proptest::proptest! {
        #[test]
        fn any_text(text in "[0-9a-fx:, .]{0,40}|\\PC{0,20}") {
            for (part, id) in parse(&text) {
                proptest::prop_assert!(id.is_none() || part.contains(':'));
            }
        }
    }
}
