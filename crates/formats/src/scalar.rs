//! Single values as sysfs writes them: numbers, switches, link speeds, sizes.

use std::fmt;

/// The text of an attribute: UTF-8, without the newline at its end; `None` where it
/// is not UTF-8.
#[must_use]
pub fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().map(|s| s.trim_end_matches(['\n', '\0']).trim_ascii())
}

/// `0x10de`: hexadecimal with `0x` in front, 1 to 16 digits, blanks around allowed.
#[must_use]
pub fn hex_u64(text: &str) -> Option<u64> {
    let text = text.trim_ascii();
    digits(text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?)
}

/// Hexadecimal with or without `0x`, 1 to 16 digits, blanks around allowed.
#[must_use]
pub fn bare_hex_u64(text: &str) -> Option<u64> {
    hex_u64(text).or_else(|| digits(text.trim_ascii()))
}

fn digits(text: &str) -> Option<u64> {
    // from_str_radix takes a leading '+'.
    let plain = text.len() <= 16 && text.bytes().all(|c| c.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// Decimal, not negative, blanks around allowed.
#[must_use]
pub fn decimal_u64(text: &str) -> Option<u64> {
    let text = text.trim_ascii();
    if text.starts_with('+') { None } else { text.parse().ok() }
}

/// Decimal, perhaps negative (`numa_node` is -1 where it is not known).
#[must_use]
pub fn decimal_i64(text: &str) -> Option<i64> {
    let text = text.trim_ascii();
    if text.starts_with('+') { None } else { text.parse().ok() }
}

/// A switch: `0` or `1`, `N` or `Y` (`include/linux/kstrtox.h`, module parameters),
/// `disabled` or `enabled`.
#[must_use]
pub fn switch(text: &str) -> Option<bool> {
    match text.trim_ascii() {
        "1" | "Y" | "y" | "on" | "enabled" => Some(true),
        "0" | "N" | "n" | "off" | "disabled" => Some(false),
        _ => None,
    }
}

/// The word in brackets: how the kernel marks which of several choices holds
/// (`none [integrity] confidentiality`).
#[must_use]
pub fn chosen(text: &str) -> Option<&str> {
    Some(text.split_once('[')?.1.split_once(']')?.0)
}

/// A device number, `259:3`: major and minor.
#[must_use]
pub fn device_number(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim_ascii().split_once(':')?;
    Some((decimal_u64(major)?.try_into().ok()?, decimal_u64(minor)?.try_into().ok()?))
}

/// Speed of a PCI Express link per lane, in millions of transfers per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkSpeed(pub u32);

impl LinkSpeed {
    /// From the encoding in Link Capabilities and Link Status (PCI Express Base
    /// Specification, 7.5.3.6 "Max Link Speed"; 1 to 6).
    #[must_use]
    pub const fn from_encoding(code: u8) -> Option<Self> {
        Some(Self(match code {
            1 => 2_500,
            2 => 5_000,
            3 => 8_000,
            4 => 16_000,
            5 => 32_000,
            6 => 64_000,
            _ => return None,
        }))
    }

    /// The generation of PCI Express that brought this speed, 1 to 6.
    #[must_use]
    pub const fn generation(self) -> Option<u8> {
        Some(match self.0 {
            2_500 => 1,
            5_000 => 2,
            8_000 => 3,
            16_000 => 4,
            32_000 => 5,
            64_000 => 6,
            _ => return None,
        })
    }

    /// Reads `current_link_speed` and `max_link_speed`: `8.0 GT/s PCIe`, on kernels
    /// before 5.7 `8 GT/s`; `None` for `Unknown` and anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.trim_ascii().split_once(" GT/s")?.0;
        let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
        let tenths = if tenths.len() == 1 { decimal_u64(tenths)? } else { return None };
        let whole = decimal_u64(whole).filter(|&n| n < 1000)?;
        u32::try_from(whole * 1000 + tenths * 100).ok().map(Self)
    }
}

impl fmt::Display for LinkSpeed {
    /// `8 GT/s`, `2.5 GT/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 1000, self.0 % 1000 / 100) {
            (whole, 0) => write!(f, "{whole} GT/s"),
            (whole, tenths) => write!(f, "{whole}.{tenths} GT/s"),
        }
    }
}

/// A number of bytes, shown as lspci does: the largest unit that divides it
/// (`16M`, `512`, `4K`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut n = self.0;
        let mut unit = 0;
        const UNITS: [&str; 5] = ["", "K", "M", "G", "T"];
        while n != 0 && n.is_multiple_of(1024) && unit + 1 < UNITS.len() {
            n /= 1024;
            unit += 1;
        }
        write!(f, "{n}{}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices() {
        assert_eq!(chosen("none [integrity] confidentiality\n"), Some("integrity"));
        assert_eq!((chosen("none"), chosen("[none"), chosen("]none[")), (None, None, None));
    }

    #[test]
    fn numbers() {
        assert_eq!(hex_u64("0x030000\n"), Some(0x30000));
        assert_eq!(hex_u64("0xffffffffffffffff"), Some(u64::MAX));
        assert_eq!(bare_hex_u64("300f8"), Some(0x300f8));
        for bad in ["", "0x", "12", "0x+1", "0x1g", "0x11111111111111111", "x1"] {
            assert_eq!(hex_u64(bad), None, "{bad:?}");
        }
        assert_eq!((decimal_u64("42\n"), decimal_u64("-1"), decimal_u64("+1")), (Some(42), None, None));
        assert_eq!((decimal_i64("-1\n"), decimal_i64("x"), decimal_i64("")), (Some(-1), None, None));
        assert_eq!((switch("1\n"), switch("N\n"), switch("2")), (Some(true), Some(false), None));
        assert_eq!((device_number("259:3\n"), device_number("259")), (Some((259, 3)), None));
        assert_eq!((text(b"nvme\n"), text(b"\xff\n"), text(b"")), (Some("nvme"), None, Some("")));
    }

    #[test]
    fn speeds() {
        for (text, speed, shown) in [
            ("2.5 GT/s PCIe\n", 2_500, "2.5 GT/s"),
            ("8.0 GT/s PCIe\n", 8_000, "8 GT/s"),
            ("8 GT/s", 8_000, "8 GT/s"),
            ("64.0 GT/s PCIe", 64_000, "64 GT/s"),
        ] {
            assert_eq!(LinkSpeed::parse(text), Some(LinkSpeed(speed)));
            assert_eq!(LinkSpeed(speed).to_string(), shown);
        }
        for bad in ["Unknown", "Unknown speed", "", " GT/s", "-1 GT/s", "8.00 GT/s", "99999999999 GT/s"] {
            assert_eq!(LinkSpeed::parse(bad), None, "{bad:?}");
        }
        for code in 0..=255 {
            let speed = LinkSpeed::from_encoding(code);
            assert_eq!(speed.and_then(LinkSpeed::generation), speed.map(|_| code));
        }
    }

    #[test]
    fn sizes() {
        for (n, shown) in
            [(0, "0"), (32, "32"), (4096, "4K"), (1 << 24, "16M"), (1 << 44, "16T"), (1536, "1536")]
        {
            assert_eq!(Bytes(n).to_string(), shown);
        }
        assert_eq!(Bytes(1 << 63).to_string(), "8388608T");
    }
}
