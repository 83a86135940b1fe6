//! Every way in which people name a device on a command line.

use std::fmt;
use std::str::FromStr;

use crate::{Address, IdFilter, ParseAddressError, ParseFilterError, Slot, SlotFilter};

/// What somebody typed where a device was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceName {
    /// `01:00.0`, `0000:01:00.0`, `pci_0000_01_00_0`: one function.
    Function(Address),
    /// `01:00`: every function of the slot.
    Slot(Slot),
    /// `slot:` with an lspci `-s` filter that leaves something open: `slot:01:`.
    Slots(SlotFilter),
    /// `10de:1284`, `10de::0300`, `id:10de:`: every device the filter matches.
    Ids(IdFilter),
    /// `group:7`: every device of the IOMMU group.
    Group(u32),
    /// `nvme0n1`, `/dev/nvme0n1`, `eth0`, `card0`: the device behind a kernel name.
    Kernel(String),
}

/// Why a text names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseNameError {
    /// Nothing was given.
    #[error("an empty device name")]
    Empty,
    /// It looks like an address.
    #[error(transparent)]
    Address(#[from] ParseAddressError),
    /// It looks like a filter.
    #[error(transparent)]
    Filter(#[from] ParseFilterError),
    /// `group:` without a number.
    #[error("'{0}': an IOMMU group is a decimal number, such as group:7")]
    Group(String),
    /// `pci_…` that is no libvirt name.
    #[error("'{0}' is not a libvirt device name such as pci_0000_01_00_0")]
    Libvirt(String),
    /// Characters that no kernel name has.
    #[error(
        "'{0}' is no device name: expected an address (01:00.0, or 01:00 for the whole slot), an id (10de:1284), group:N, or a kernel name (nvme0n1, eth0)"
    )]
    Unknown(String),
}

impl FromStr for DeviceName {
    type Err = ParseNameError;

    /// `slot:`, `id:` and `group:` force a reading. Otherwise: four hexadecimal
    /// digits on each side of one colon and no dot is an id, two colons in a row or
    /// a leading or trailing colon is an id filter, any other text with a colon is an
    /// address, the rest is a kernel name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(ParseNameError::Empty);
        }
        if let Some(rest) = text.strip_prefix("slot:") {
            return slot_reading(rest);
        }
        if let Some(rest) = text.strip_prefix("id:") {
            return Ok(Self::Ids(rest.parse()?));
        }
        if let Some(rest) = text.strip_prefix("group:") {
            // str::parse takes a leading '+'.
            return match rest.parse() {
                Ok(n) if rest.bytes().all(|c| c.is_ascii_digit()) => Ok(Self::Group(n)),
                _ => Err(ParseNameError::Group(text.into())),
            };
        }
        if let Some(rest) = text.strip_prefix("pci_") {
            return libvirt(rest).ok_or_else(|| ParseNameError::Libvirt(text.into()));
        }
        if text.contains(':') && !text.contains('/') {
            return if is_id(text) {
                Ok(Self::Ids(text.parse()?))
            } else if text.contains('.') {
                Ok(Self::Function(text.parse()?))
            } else {
                Ok(Self::Slot(text.parse()?))
            };
        }
        let name = text.strip_prefix("/dev/").unwrap_or(text);
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"_-.!@:/".contains(&c);
        if name.is_empty()
            || name.starts_with(['.', '-', '/'])
            || name.contains("..")
            || !name.bytes().all(plain)
        {
            return Err(ParseNameError::Unknown(text.into()));
        }
        Ok(Self::Kernel(name.into()))
    }
}

/// After `slot:`: a complete address or slot is that, anything else a filter.
fn slot_reading(rest: &str) -> Result<DeviceName, ParseNameError> {
    if let Ok(address) = rest.parse() {
        return Ok(DeviceName::Function(address));
    }
    if let Ok(slot) = rest.parse() {
        return Ok(DeviceName::Slot(slot));
    }
    // With `0x` or blanks of lspci's it may still leave nothing open.
    let filter: SlotFilter = rest.parse()?;
    Ok(match (filter.domain, filter.bus, filter.device, filter.function) {
        (Some(domain), Some(bus), Some(device), Some(function)) => {
            match Address::new(domain, bus, device, function) {
                Some(address) => DeviceName::Function(address),
                None => DeviceName::Slots(filter),
            }
        }
        (Some(domain), Some(bus), Some(device), None) => DeviceName::Slot(Slot { domain, bus, device }),
        _ => DeviceName::Slots(filter),
    })
}

/// Whether a text with a colon is an id or id filter rather than an address.
fn is_id(text: &str) -> bool {
    if text.contains('.') {
        return false;
    }
    let parts: Vec<&str> = text.split(':').collect();
    let four = |s: &&str| strip(s).len() == 4;
    match parts.as_slice() {
        [a, b] => (four(a) && four(b)) || a.is_empty() || b.is_empty() || *a == "*" || *b == "*",
        // dddd:bb:dd is an address; vvvv:dddd:cccc and vvvv::cccc are ids.
        [_, b, _] => b.is_empty() || b.len() > 2 || *b == "*",
        _ => true,
    }
}

fn strip(s: &str) -> &str {
    s.strip_prefix("0x").unwrap_or(s)
}

fn libvirt(rest: &str) -> Option<DeviceName> {
    let parts: Vec<&str> = rest.split('_').collect();
    let [domain, bus, device, function] = parts.as_slice() else {
        return None;
    };
    format!("{domain}:{bus}:{device}.{function}").parse().ok().map(DeviceName::Function)
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(address) => address.fmt(f),
            Self::Slot(slot) => slot.fmt(f),
            Self::Slots(filter) => {
                let hex = |n: Option<u32>, width| n.map_or("*".into(), |n| format!("{n:0width$x}"));
                write!(
                    f,
                    "slot:{}:{}:{}.{}",
                    hex(filter.domain, 4),
                    hex(filter.bus.map(u32::from), 2),
                    hex(filter.device.map(u32::from), 2),
                    hex(filter.function.map(u32::from), 1)
                )
            }
            Self::Ids(filter) => write!(f, "id:{filter}"),
            Self::Group(n) => write!(f, "group:{n}"),
            // A name that would be read as something else stays what it is below /dev.
            Self::Kernel(name) => match name.parse() {
                Ok(Self::Kernel(read)) if read == *name => f.write_str(name),
                _ => write!(f, "/dev/{name}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_device() {
        for (text, shown) in [
            ("01:00.0", "0000:01:00.0"),
            ("0000:01:00.0", "0000:01:00.0"),
            ("10000:01:00.0", "10000:01:00.0"),
            ("01:00", "0000:01:00"),
            ("0000:01:00", "0000:01:00"),
            ("slot:01:00", "0000:01:00"),
            ("slot:0102:03:00", "0102:03:00"),
            ("slot:01:", "slot:*:01:*.*"),
            ("slot:.0", "slot:*:*:*.0"),
            ("pci_0000_01_00_0", "0000:01:00.0"),
            ("10de:1284", "id:10de:1284"),
            ("0000:0100", "id:0000:0100"),
            ("0x10de:0x1284", "id:10de:1284"),
            ("10de:", "id:10de:"),
            ("10de::0300", "id:10de::0300"),
            ("::0106", "id:::0106"),
            ("10de:1284:0300", "id:10de:1284:0300"),
            ("id:10de:", "id:10de:"),
            ("group:7", "group:7"),
            ("nvme0n1", "nvme0n1"),
            ("/dev/nvme0n1", "nvme0n1"),
            ("/dev/dri/card0", "dri/card0"),
            ("enp1s0f0np0", "enp1s0f0np0"),
        ] {
            assert_eq!(text.parse::<DeviceName>().map(|n| n.to_string()).as_deref(), Ok(shown), "{text}");
        }
    }

    #[test]
    fn names_of_nothing() {
        for bad in [
            "",
            "group:",
            "group:-1",
            "group:+1",
            "group:x",
            "group:4294967296",
            "pci_1_2",
            "01:00.9",
            "../../etc",
            "/etc/passwd",
            "/dev/",
            "a b",
            "x\n",
            "-d",
            "10de:zzzz",
            "slot:zz",
            "id:zz",
        ] {
            assert!(bad.parse::<DeviceName>().is_err(), "{bad:?} -> {:?}", bad.parse::<DeviceName>());
        }
    }

    #[test]
    fn what_is_shown_names_the_same_again() {
        for text in [
            "01:00.0",
            "01:00",
            "10de::0300",
            "group:3",
            "eth0",
            "slot:1:",
            "::",
            ":::02",
            "::x01",
            "/dev/group:1",
            "/dev/pci_x",
            "slot:0x0:1:2.3",
            "slot:0x0:1:2",
        ] {
            let name: DeviceName = text.parse().unwrap();
            assert_eq!(name.to_string().parse::<DeviceName>(), Ok(name));
        }
    }
}
