//! Vendor and device ids, and class codes.

use std::fmt;
use std::str::FromStr;

/// A vendor and device id, `10de:1284`; also used for subsystem ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Vendor id; 0xffff is what an absent device answers.
    pub vendor: u16,
    /// Device id.
    pub device: u16,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.device)
    }
}

/// A text is not an id of the form `10de:1284`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an id of the form VENDOR:DEVICE, such as 10de:1284")]
pub struct ParseIdError(pub String);

impl FromStr for Id {
    type Err = ParseIdError;

    /// Reads up to four hexadecimal digits on each side of one colon (the kernel's
    /// `PCI_ID=` line has upper case and always four).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |s: &str| {
            (!s.is_empty() && s.len() <= 4 && s.bytes().all(|c| c.is_ascii_hexdigit()))
                .then(|| u16::from_str_radix(s, 16).ok())
                .flatten()
        };
        text.split_once(':')
            .and_then(|(vendor, device)| Some(Self { vendor: number(vendor)?, device: number(device)? }))
            .ok_or_else(|| ParseIdError(text.into()))
    }
}

/// A 24-bit class code, 0xCCSSPP: base class, subclass, programming interface
/// (PCI Code and ID Assignment Specification).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(u32);

impl Class {
    /// A class from its 24 bits; higher bits are dropped.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits & 0x00ff_ffff)
    }

    /// All 24 bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Base class, such as 0x03 for displays.
    #[must_use]
    pub const fn base(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// Base class and subclass, such as 0x0300: what lspci shows.
    #[must_use]
    pub const fn code(self) -> u16 {
        (self.0 >> 8) as u16
    }

    /// Programming interface, such as 0x02 for NVMe.
    #[must_use]
    pub const fn prog_if(self) -> u8 {
        self.0 as u8
    }

    /// PCI-to-PCI, PCIe ports and CardBus: what VFIO cannot take (header type not 0).
    #[must_use]
    pub const fn is_bus_bridge(self) -> bool {
        matches!(self.code(), 0x0604 | 0x0607 | 0x0609)
    }

    /// Bridges of every kind, ISA and host bridges included.
    #[must_use]
    pub const fn is_bridge(self) -> bool {
        self.base() == 0x06
    }

    /// Display controllers of every kind.
    #[must_use]
    pub const fn is_display(self) -> bool {
        self.base() == 0x03
    }
}

impl fmt::Display for Class {
    /// Four digits, as lspci shows it in brackets: `0300`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        let id: Id = "10DE:1284".parse().unwrap();
        assert_eq!(id, Id { vendor: 0x10de, device: 0x1284 });
        assert_eq!(id.to_string(), "10de:1284");
        assert_eq!("8086:2e".parse::<Id>().unwrap().to_string(), "8086:002e");
        for bad in ["", ":", "10de", "10de:", ":1284", "10de:12840", "10de:+128", "10de:1284:0300"] {
            assert!(bad.parse::<Id>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn classes() {
        let class = Class::new(0xff01_0802);
        assert_eq!((class.base(), class.code(), class.prog_if()), (0x01, 0x0108, 0x02));
        assert_eq!(class.to_string(), "0108");
        assert!(Class::new(0x060400).is_bus_bridge() && !Class::new(0x060100).is_bus_bridge());
    }
}
