//! The filter grammar of lspci, which people know by heart.
//!
//! `-s`: `[[[[domain]:]bus]:][slot][.[func]]`, `-d`:
//! `[vendor]:[device][:class[:prog-if]]`. Empty or `*` is "any"; in the class the
//! digit `x` matches any digit; a leading `0x` is tolerated (pciutils,
//! `lib/filter.c`).

use std::fmt;
use std::str::FromStr;

use crate::address::MAX_DOMAIN;
use crate::{Address, Class, Id};

/// `-d`: by vendor, device, class and programming interface; `None` is "any".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdFilter {
    /// Vendor id.
    pub vendor: Option<u16>,
    /// Device id.
    pub device: Option<u16>,
    /// Class code and the mask of the bits that count; mask 0 is "any".
    pub class: (u16, u16),
    /// Programming interface.
    pub prog_if: Option<u8>,
}

/// `-s`: by domain, bus, slot and function; `None` is "any".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotFilter {
    /// Domain.
    pub domain: Option<u32>,
    /// Bus.
    pub bus: Option<u8>,
    /// Device number on the bus.
    pub device: Option<u8>,
    /// Function.
    pub function: Option<u8>,
}

/// Why a text is not a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a filter of the form {form}: {why}")]
pub struct ParseFilterError {
    /// The text as given.
    pub text: String,
    /// The form that was expected.
    pub form: &'static str,
    /// What is wrong with it.
    pub why: String,
}

const ID_FORM: &str = "[VENDOR]:[DEVICE][:CLASS[:PROG-IF]]";
const SLOT_FORM: &str = "[[[[DOMAIN]:]BUS]:][SLOT][.[FUNC]]";

/// Empty and `*` are "any"; otherwise hexadecimal, at most `max`.
fn field(value: &str, what: &str, max: u32) -> Result<Option<u32>, String> {
    if value.is_empty() || value == "*" {
        return Ok(None);
    }
    let digits = strip_0x(value);
    // from_str_radix takes a leading '+'.
    if !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Err(format!("the {what} '{value}' is not hexadecimal"));
    }
    match u32::from_str_radix(digits, 16) {
        Ok(n) if n <= max => Ok(Some(n)),
        _ => Err(format!("the {what} '{value}' is out of range (at most {max:x})")),
    }
}

fn strip_0x(value: &str) -> &str {
    value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")).unwrap_or(value)
}

/// The class: up to four digits, each hexadecimal or `x` for "any digit".
fn class_field(value: &str) -> Result<(u16, u16), String> {
    if value.is_empty() || value == "*" {
        return Ok((0, 0));
    }
    let digits = strip_0x(value);
    if digits.is_empty() || digits.len() > 4 {
        return Err(format!("the class '{value}' does not have one to four digits"));
    }
    // Fewer digits than four are a number, so the missing ones are zeros that count.
    let (mut bits, mut mask) = (0u16, 0xffffu16);
    for c in digits.chars() {
        let (digit, digit_mask) = match c {
            'x' | 'X' => (0, 0),
            _ => match c.to_digit(16) {
                Some(n) => (n as u16, 0xf),
                None => return Err(format!("the class '{value}' is not hexadecimal")),
            },
        };
        bits = bits << 4 | digit;
        mask = mask << 4 | digit_mask;
    }
    Ok((bits, mask))
}

impl IdFilter {
    /// Whether a device with this id and class is meant.
    #[must_use]
    pub fn matches(&self, id: Id, class: Class) -> bool {
        self.vendor.is_none_or(|v| v == id.vendor)
            && self.device.is_none_or(|d| d == id.device)
            && class.code() & self.class.1 == self.class.0
            && self.prog_if.is_none_or(|p| p == class.prog_if())
    }
}

impl FromStr for IdFilter {
    type Err = ParseFilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |why: String| ParseFilterError { text: text.into(), form: ID_FORM, why };
        let parts: Vec<&str> = text.split(':').collect();
        if !(2..=4).contains(&parts.len()) {
            return Err(error(format!("it has {} parts instead of two to four", parts.len())));
        }
        let part = |i: usize| parts.get(i).copied().unwrap_or("");
        Ok(Self {
            vendor: field(part(0), "vendor", 0xffff).map_err(error)?.map(|n| n as u16),
            device: field(part(1), "device", 0xffff).map_err(error)?.map(|n| n as u16),
            class: class_field(part(2)).map_err(error)?,
            prog_if: field(part(3), "prog-if", 0xff).map_err(error)?.map(|n| n as u8),
        })
    }
}

impl SlotFilter {
    /// Whether this function is meant.
    #[must_use]
    pub fn matches(&self, address: Address) -> bool {
        self.domain.is_none_or(|d| d == address.domain())
            && self.bus.is_none_or(|b| b == address.bus())
            && self.device.is_none_or(|d| d == address.device())
            && self.function.is_none_or(|f| f == address.function())
    }
}

impl FromStr for SlotFilter {
    type Err = ParseFilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |why: String| ParseFilterError { text: text.into(), form: SLOT_FORM, why };
        // As in lspci: what follows the last colon is the slot; without a colon
        // everything before the dot is.
        let (bus_part, slot_part) = match text.rsplit_once(':') {
            Some((bus, slot)) => (Some(bus), slot),
            None => (None, text),
        };
        let (domain, bus) =
            match bus_part.map(|b| b.rsplit_once(':').map_or((None, b), |(d, b)| (Some(d), b))) {
                Some((domain, bus)) => (domain.unwrap_or(""), bus),
                None => ("", ""),
            };
        let (slot, function) = slot_part.split_once('.').unwrap_or((slot_part, ""));
        Ok(Self {
            domain: field(domain, "domain", MAX_DOMAIN).map_err(error)?,
            bus: field(bus, "bus", 0xff).map_err(error)?.map(|n| n as u8),
            device: field(slot, "slot", 0x1f).map_err(error)?.map(|n| n as u8),
            function: field(function, "function", 7).map_err(error)?.map(|n| n as u8),
        })
    }
}

impl fmt::Display for IdFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: Option<u16>| n.map_or(String::new(), |n| format!("{n:04x}"));
        write!(f, "{}:{}", number(self.vendor), number(self.device))?;
        let (bits, mask) = self.class;
        if mask != 0 || self.prog_if.is_some() {
            f.write_str(":")?;
            let any = |shift: u32| mask != 0 && mask >> shift & 0xf == 0;
            for shift in [12, 8, 4, 0] {
                match mask >> shift & 0xf {
                    _ if mask == 0 => {}
                    0 => f.write_str("x")?,
                    // "0x01" would read as the number 1; without its 0 it is the same filter.
                    _ if shift == 12 && bits >> 12 == 0 && any(8) => {}
                    _ => write!(f, "{:x}", bits >> shift & 0xf)?,
                }
            }
        }
        match self.prog_if {
            Some(prog_if) => write!(f, ":{prog_if:02x}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GPU: (Id, Class) = (Id { vendor: 0x10de, device: 0x1284 }, Class::new(0x030000));

    fn matches(filter: &str) -> bool {
        filter.parse::<IdFilter>().unwrap().matches(GPU.0, GPU.1)
    }

    #[test]
    fn id_filters_as_lspci_reads_them() {
        for yes in [
            ":",
            "*:*",
            "10de:",
            ":1284",
            "10de:1284",
            "0x10de:0x1284",
            "10de::0300",
            "::03xx",
            "::x300",
            "::300",
            "::0300:00",
            "::*:00",
            "*:*:*:*",
            "::xxxx",
        ] {
            assert!(matches(yes), "{yes}");
        }
        for no in ["10df:", ":1285", "::0302", "::3", "::04xx", "::0300:01", "::xxx1"] {
            assert!(!matches(no), "{no}");
        }
    }

    #[test]
    fn id_filters_that_are_none() {
        for bad in ["", "10de", "1:2:3:4:5", "10deff:", "g:", ":+1", "::03000", "::0x", "::0300:100", "0xx:"]
        {
            assert!(bad.parse::<IdFilter>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn slot_filters_as_lspci_reads_them() {
        let address: Address = "0000:01:02.3".parse().unwrap();
        for yes in [
            "",
            "01:02.3",
            "1:2.3",
            "0:1:2.3",
            "::",
            ":",
            "2",
            "2.3",
            ".3",
            ".",
            "01:",
            "*:02.*",
            "0000:*:*.3",
            "0:1:",
        ] {
            assert!(yes.parse::<SlotFilter>().unwrap().matches(address), "{yes}");
        }
        for no in ["3", ".2", "02:", "1:1:2.3", "10000:01:02.3"] {
            assert!(!no.parse::<SlotFilter>().unwrap().matches(address), "{no}");
        }
        for bad in ["g", "01:20", "01:02.8", "100:", "80000000:0:0.0", "1:2:3:4.5", "1.2.3"] {
            assert!(bad.parse::<SlotFilter>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn id_filters_round_trip() {
        for text in
            [":", "10de:", ":1284", "10de::0300", "::03xx", "::x01", "::xx00", "10de:1284:x300:02", ":::02"]
        {
            let filter: IdFilter = text.parse().unwrap();
            assert_eq!(filter.to_string(), text);
            assert_eq!(filter.to_string().parse::<IdFilter>().unwrap(), filter);
        }
    }
}
