//! Addresses of PCI functions and slots, as the kernel writes them.

use std::fmt;
use std::str::FromStr;

/// Highest domain number the tools of the field accept (lspci: `lib/filter.c`).
pub const MAX_DOMAIN: u32 = 0x7fff_ffff;

/// The address of one PCI function: domain, bus, device, function.
///
/// The kernel prints it as `%04x:%02x:%02x.%d` (`drivers/pci/probe.c`,
/// `pci_setup_device`), where four digits are the *minimum* width of the domain:
/// devices behind Intel VMD live in domains such as `10000`.
///
/// The order is numeric: domain, bus, device, function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    domain: u32,
    bus: u8,
    /// Device number in the upper five bits, function in the lower three.
    devfn: u8,
}

/// One slot (all functions with the same domain, bus and device number).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Domain, at most [`MAX_DOMAIN`].
    pub domain: u32,
    /// Bus number.
    pub bus: u8,
    /// Device number on the bus, 0 to 31.
    pub device: u8,
}

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseAddressError {
    /// Not of the form `[domain:]bus:device.function`.
    #[error("'{text}' is not of the form [DOMAIN:]BUS:DEVICE.FUNCTION, such as 0000:01:00.0")]
    Form {
        /// The text as given.
        text: String,
    },
    /// A part is a number, but too large.
    #[error("'{text}': the {part} '{value}' is out of range (at most {max:x})")]
    Range {
        /// The text as given.
        text: String,
        /// Which part of the address.
        part: &'static str,
        /// That part as given.
        value: String,
        /// The largest allowed value.
        max: u32,
    },
}

impl Address {
    /// An address from its parts; `None` where one is out of range
    /// (domain above [`MAX_DOMAIN`], device above 31, function above 7).
    #[must_use]
    pub const fn new(domain: u32, bus: u8, device: u8, function: u8) -> Option<Self> {
        if domain > MAX_DOMAIN || device > 31 || function > 7 {
            return None;
        }
        Some(Self { domain, bus, devfn: device << 3 | function })
    }

    /// The PCI domain (segment).
    #[must_use]
    pub const fn domain(self) -> u32 {
        self.domain
    }

    /// The bus number.
    #[must_use]
    pub const fn bus(self) -> u8 {
        self.bus
    }

    /// The device number on its bus, 0 to 31.
    #[must_use]
    pub const fn device(self) -> u8 {
        self.devfn >> 3
    }

    /// The function number, 0 to 7.
    #[must_use]
    pub const fn function(self) -> u8 {
        self.devfn & 7
    }

    /// The slot this function sits in.
    #[must_use]
    pub const fn slot(self) -> Slot {
        Slot { domain: self.domain, bus: self.bus, device: self.device() }
    }

    /// The name libvirt's node device driver gives it: `pci_0000_01_00_0`.
    #[must_use]
    pub fn libvirt_name(self) -> String {
        format!("pci_{:04x}_{:02x}_{:02x}_{:x}", self.domain, self.bus, self.device(), self.function())
    }

    /// Without the domain where that is 0, as lspci prints it: `01:00.0`.
    #[must_use]
    pub fn short(self) -> String {
        if self.domain == 0 {
            format!("{:02x}:{:02x}.{:x}", self.bus, self.device(), self.function())
        } else {
            self.to_string()
        }
    }

    /// Reads exactly what the kernel writes as a directory name in
    /// `/sys/bus/pci/devices`: lower-case hexadecimal, domain always there and at
    /// least four digits wide. `None` for anything else.
    #[must_use]
    pub fn from_sysfs(name: &str) -> Option<Self> {
        let b = name.as_bytes();
        let colon = b.iter().position(|&c| c == b':')?;
        let tail = &b[colon..];
        if !(4..=8).contains(&colon)
            || tail.len() != 8
            || tail[3] != b':'
            || tail[6] != b'.'
            || !(b'0'..=b'7').contains(&tail[7])
            || (colon > 4 && b[0] == b'0')
        {
            return None;
        }
        let hex = |s: &[u8]| {
            s.iter().try_fold(0u32, |n, &c| match c {
                b'0'..=b'9' => Some(n << 4 | u32::from(c - b'0')),
                b'a'..=b'f' => Some(n << 4 | u32::from(c - b'a' + 10)),
                _ => None,
            })
        };
        let bus = u8::try_from(hex(&tail[1..3])?).ok()?;
        let device = u8::try_from(hex(&tail[4..6])?).ok()?;
        Self::new(hex(&b[..colon])?, bus, device, tail[7] - b'0')
    }
}

impl Slot {
    /// Whether this function sits in the slot.
    #[must_use]
    pub fn contains(self, address: Address) -> bool {
        address.slot() == self
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.device(), self.function())
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}", self.domain, self.bus, self.device)
    }
}

/// One hexadecimal part of at most `digits` digits, a value of at most `max`.
fn part(
    text: &str,
    value: &str,
    part: &'static str,
    digits: usize,
    max: u32,
) -> Result<u32, ParseAddressError> {
    if value.is_empty() || !value.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Err(ParseAddressError::Form { text: text.into() });
    }
    let range = || ParseAddressError::Range { text: text.into(), part, value: value.into(), max };
    if value.len() > digits {
        return Err(range());
    }
    let n = u32::from_str_radix(value, 16).map_err(|_| range())?;
    if n > max { Err(range()) } else { Ok(n) }
}

fn parse_slot(text: &str, slot: &str) -> Result<Slot, ParseAddressError> {
    let form = || ParseAddressError::Form { text: text.into() };
    let (rest, device) = slot.rsplit_once(':').ok_or_else(form)?;
    let (domain, bus) = match rest.rsplit_once(':') {
        Some((domain, bus)) => (part(text, domain, "domain", 8, MAX_DOMAIN)?, bus),
        None => (0, rest),
    };
    Ok(Slot {
        domain,
        bus: part(text, bus, "bus", 2, 0xff)? as u8,
        device: part(text, device, "device", 2, 0x1f)? as u8,
    })
}

impl FromStr for Address {
    type Err = ParseAddressError;

    /// Reads `[domain:]bus:device.function` in hexadecimal, either case; without a
    /// domain it is 0.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || ParseAddressError::Form { text: text.into() };
        let (slot, function) = text.rsplit_once('.').ok_or_else(form)?;
        let slot = parse_slot(text, slot)?;
        let function = part(text, function, "function", 1, 7)? as u8;
        Self::new(slot.domain, slot.bus, slot.device, function).ok_or_else(form)
    }
}

impl FromStr for Slot {
    type Err = ParseAddressError;

    /// Reads `[domain:]bus:device` in hexadecimal, either case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_slot(text, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn reads_what_people_type() {
        assert_eq!(address("0000:01:00.0"), Address::new(0, 1, 0, 0).unwrap());
        assert_eq!(address("01:00.0"), Address::new(0, 1, 0, 0).unwrap());
        assert_eq!(address("1:0.1"), Address::new(0, 1, 0, 1).unwrap());
        assert_eq!(address("10000:E1:1F.7").to_string(), "10000:e1:1f.7");
        assert_eq!("0000:3d:00".parse::<Slot>().unwrap().to_string(), "0000:3d:00");
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in [
            "",
            ".",
            ":",
            "::.",
            "01:00",
            "01:00.",
            "01.0",
            "0000:01:00.8",
            "01:20.0",
            "100:00.0",
            "g1:00.0",
            "80000000:00:00.0",
            "1:2:3:4.0",
            " 01:00.0",
            "01:00.0 ",
            "+1:00.0",
            "01:00.0\n",
            "００:00.0",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?} was taken for an address");
        }
    }

    #[test]
    fn sysfs_names_are_taken_only_as_the_kernel_writes_them() {
        assert_eq!(Address::from_sysfs("0000:01:00.0"), Some(address("01:00.0")));
        assert_eq!(Address::from_sysfs("10000:01:00.0"), Some(address("10000:01:00.0")));
        for text in [
            "01:00.0",
            "0000:01:00.8",
            "0000:01:0A.0",
            "00000:01:00.0",
            "0000:01:20.0",
            "0000:01:00.0 ",
            "é000:01:00.0",
            "",
        ] {
            assert_eq!(Address::from_sysfs(text), None, "{text:?}");
        }
    }

    #[test]
    fn order_is_numeric() {
        let mut all = ["10000:00:00.0", "0000:0a:00.0", "0000:02:00.0", "ffff:00:00.0"].map(address);
        all.sort();
        assert_eq!(
            all.map(|a| a.to_string()),
            ["0000:02:00.0", "0000:0a:00.0", "ffff:00:00.0", "10000:00:00.0"]
        );
    }

    #[test]
    fn other_spellings() {
        assert_eq!(address("01:00.0").libvirt_name(), "pci_0000_01_00_0");
        assert_eq!(address("01:00.0").short(), "01:00.0");
        assert_eq!(address("10000:01:00.0").short(), "10000:01:00.0");
    }
}
