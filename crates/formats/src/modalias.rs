//! The modalias of a PCI function: ids, subsystem ids and class in one line.
//!
//! Written by `modalias_show` (`drivers/pci/pci-sysfs.c`), which takes no lock. The `uevent`
//! file says the same and the driver, but in Linux 6.10 to 6.14, and in the stable kernels of
//! that time from 6.1.95 on, reading it waits for the device's lock (`drivers/base/core.c`,
//! `uevent_show`): who reads it of a device on which an unbind hangs, hangs as well.

use passthru_pci::{Class, Id};

/// What a modalias says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modalias {
    /// Vendor and device.
    pub id: Id,
    /// Subsystem ids; 0000:0000 where there are none.
    pub subsystem: Id,
    /// Class code.
    pub class: Class,
}

/// Reads `pci:v00008086d00001533sv00008086sd00000002bc02sc00i00`; `None` where it is not of
/// this form.
#[must_use]
pub fn parse(text: &str) -> Option<Modalias> {
    let mut rest = text.strip_prefix("pci:")?;
    let mut field = |name: &str, digits: usize| -> Option<u32> {
        let value = rest.strip_prefix(name)?;
        let (value, after) = value.split_at_checked(digits)?;
        if !value.bytes().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        rest = after;
        u32::from_str_radix(value, 16).ok()
    };
    let mut id = |name: &str| field(name, 8).and_then(|id| u16::try_from(id).ok());
    let (vendor, device) = (id("v")?, id("d")?);
    let (subvendor, subdevice) = (id("sv")?, id("sd")?);
    let class = field("bc", 2)? << 16 | field("sc", 2)? << 8 | field("i", 2)?;
    rest.is_empty().then_some(Modalias {
        id: Id { vendor, device },
        subsystem: Id { vendor: subvendor, device: subdevice },
        class: Class::new(class),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_kernel_writes_it() {
        let found = parse("pci:v00008086d00001533sv0000103Csd00000002bc02sc00i01").unwrap();
        assert_eq!(found.id, Id { vendor: 0x8086, device: 0x1533 });
        assert_eq!(found.subsystem, Id { vendor: 0x103c, device: 2 });
        assert_eq!(found.class, Class::new(0x02_0001));
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "pci:",
            "usb:v00008086d00001533sv0000103Csd00000002bc02sc00i01",
            "pci:v00008086d00001533sv0000103Csd00000002bc02sc00i0",
            "pci:v00008086d00001533sv0000103Csd00000002bc02sc00i012",
            "pci:v10008086d00001533sv0000103Csd00000002bc02sc00i01",
            "pci:v0000808+d00001533sv0000103Csd00000002bc02sc00i01",
            "pci:v00008086d00001533sv0000103Cs\u{e4}00000002bc02sc00i01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
