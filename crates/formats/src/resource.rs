//! The `resource` file of a PCI device: its BARs, ROM and windows as the kernel has
//! placed them (`drivers/pci/pci-sysfs.c`, `resource_show`).

use crate::line::{LineError, fields, lines};
use crate::scalar::bare_hex_u64;

const FORM: &str = "0xSTART 0xEND 0xFLAGS";

/// `IORESOURCE_IO` (`include/linux/ioport.h`).
const IO: u64 = 0x0000_0100;
/// `IORESOURCE_MEM`.
const MEM: u64 = 0x0000_0200;
/// `IORESOURCE_PREFETCH`.
const PREFETCH: u64 = 0x0000_2000;
/// `IORESOURCE_MEM_64`.
const MEM_64: u64 = 0x0010_0000;
/// `IORESOURCE_DISABLED`.
const DISABLED: u64 = 0x1000_0000;
/// `IORESOURCE_UNSET`: no address has been assigned yet.
const UNSET: u64 = 0x2000_0000;
/// `IORESOURCE_ROM_ENABLE` and `IORESOURCE_ROM_SHADOW`: bits of the ROM line only.
const ROM_SHADOW: u64 = 0x0000_0002;

/// What a line of the file stands for (`include/linux/pci.h`, `PCI_STD_RESOURCES`
/// and following).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Base address register 0 to 5.
    Bar(u8),
    /// Expansion ROM.
    Rom,
    /// Base address register 0 to 5 of all virtual functions together.
    VfBar(u8),
    /// Window 0 to 3 that a bridge passes on.
    Window(u8),
}

/// The flags of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flags(pub u64);

impl Flags {
    /// I/O ports.
    #[must_use]
    pub const fn is_io(self) -> bool {
        self.0 & (IO | MEM) == IO
    }

    /// Memory.
    #[must_use]
    pub const fn is_memory(self) -> bool {
        self.0 & (IO | MEM) == MEM
    }

    /// Prefetchable memory.
    #[must_use]
    pub const fn is_prefetchable(self) -> bool {
        self.0 & PREFETCH != 0
    }

    /// Memory that may lie above 4 GiB.
    #[must_use]
    pub const fn is_64bit(self) -> bool {
        self.0 & MEM_64 != 0
    }

    /// Switched off.
    #[must_use]
    pub const fn is_disabled(self) -> bool {
        self.0 & DISABLED != 0
    }

    /// The size is known, but no address has been assigned.
    #[must_use]
    pub const fn is_unset(self) -> bool {
        self.0 & UNSET != 0
    }

    /// The ROM is a copy in memory that the firmware made (boot display).
    #[must_use]
    pub const fn is_rom_shadow(self) -> bool {
        self.0 & ROM_SHADOW != 0
    }
}

/// One resource that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// Number of the line in the file, from 0: the N of `resourceN`.
    pub index: u8,
    /// What it is.
    pub kind: Kind,
    /// First address.
    pub start: u64,
    /// Last address, included.
    pub end: u64,
    /// What kind of address space.
    pub flags: Flags,
}

impl Resource {
    /// Size in bytes; the one that would be 2⁶⁴ is given as `u64::MAX`.
    #[must_use]
    pub const fn size(&self) -> u64 {
        (self.end - self.start).saturating_add(1)
    }
}

/// Reads a `resource` file; lines of zeros (no such resource) are left out.
///
/// # Errors
/// The first line that is not three hexadecimal numbers, or whose end is before its
/// start.
pub fn parse(text: &[u8]) -> Result<Vec<Resource>, LineError> {
    let mut found = Vec::new();
    // Kernels without CONFIG_PCI_IOV have no lines for virtual functions: bridge
    // windows then begin at 7 (11 lines) instead of 13 (17 lines).
    let count = lines(text).count();
    let with_vf = count != 11;
    for (number, line) in lines(text) {
        let error = || LineError::new(number, FORM, line);
        let mut numbers =
            fields(line).map(|f| std::str::from_utf8(f).ok().and_then(bare_hex_u64).ok_or_else(error));
        let mut next = || numbers.next().unwrap_or_else(|| Err(error()));
        let (start, end, flags) = (next()?, next()?, next()?);
        if numbers.next().is_some() {
            return Err(error());
        }
        let index = u8::try_from(number - 1).map_err(|_| error())?;
        if flags == 0 && start == 0 && end == 0 {
            continue;
        }
        // An empty window is written as end = start - 1.
        if end < start {
            if end.wrapping_add(1) == start {
                continue;
            }
            return Err(error());
        }
        let kind = match index {
            0..=5 => Kind::Bar(index),
            6 => Kind::Rom,
            7..=12 if with_vf => Kind::VfBar(index - 7),
            13.. if with_vf => Kind::Window(index - 13),
            _ => Kind::Window(index - 7),
        };
        found.push(Resource { index, kind, start, end, flags: Flags(flags) });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// igb's physical function with SR-IOV, as QEMU emulates it.
    const IGB: &str = "\
0x00000000fe800000 0x00000000fe81ffff 0x0000000000040200
0x00000000fe820000 0x00000000fe83ffff 0x0000000000040200
0x000000000000c000 0x000000000000c01f 0x0000000000040101
0x00000000fe840000 0x00000000fe843fff 0x0000000000040200
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x00000000fe844000 0x00000000fe85ffff 0x0000000000140204
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x00000000fe860000 0x00000000fe87bfff 0x0000000000140204
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x0000000000000000 0x0000000000000000 0x0000000000000000
";

    #[test]
    fn a_network_card_with_virtual_functions() {
        let all = parse(IGB.as_bytes()).unwrap();
        let kinds: Vec<_> = all.iter().map(|r| r.kind).collect();
        assert_eq!(
            kinds,
            [Kind::Bar(0), Kind::Bar(1), Kind::Bar(2), Kind::Bar(3), Kind::VfBar(0), Kind::VfBar(3)]
        );
        assert_eq!((all[0].size(), all[2].size()), (0x20000, 0x20));
        assert!(all[0].flags.is_memory() && !all[0].flags.is_io() && !all[0].flags.is_64bit());
        assert!(all[2].flags.is_io() && all[4].flags.is_64bit() && !all[4].flags.is_prefetchable());
        assert_eq!(all[5].index, 10);
    }

    #[test]
    fn a_graphics_card() {
        let text = "0x00000000f6000000 0x00000000f6ffffff 0x0000000000040200\n\
            0x00000000e0000000 0x00000000efffffff 0x000000000014220c\n\
            0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
            0x00000000f0000000 0x00000000f1ffffff 0x000000000014220c\n\
            0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
            0x000000000000e000 0x000000000000e07f 0x0000000000040101\n\
            0x00000000000c0000 0x00000000000dffff 0x0000000000000212\n";
        let all = parse(text.as_bytes()).unwrap();
        assert_eq!(all.len(), 5);
        assert!(all[1].flags.is_prefetchable() && all[1].flags.is_64bit());
        assert_eq!((all[4].kind, all[4].flags.is_rom_shadow(), all[4].size()), (Kind::Rom, true, 0x20000));
    }

    #[test]
    fn bridge_windows_with_and_without_iov() {
        let zero = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
        let window = "0x00000000fe600000 0x00000000fe7fffff 0x0000000000000200\n";
        let kind = |before: usize, after: usize| {
            let text = [zero.repeat(before).as_str(), window, &zero.repeat(after)].concat();
            parse(text.as_bytes()).unwrap()[0].kind
        };
        assert_eq!(kind(14, 2), Kind::Window(1));
        assert_eq!(kind(8, 2), Kind::Window(1));
        assert_eq!(kind(8, 4), Kind::VfBar(1));
    }

    #[test]
    fn garbage() {
        for (text, line) in [
            ("x", 1),
            ("0x0 0x0", 1),
            ("0x0 0x0 0x0\n0x2 0x0 0x200", 2),
            ("0x0 0x0 0x0 0x0", 1),
            ("0x0 0x0 0x0\n\n", 2),
            ("0x0 0x0 0x10000000000000000", 1),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().line, line, "{text:?}");
        }
        assert_eq!(parse(b"").unwrap(), []);
        assert!(parse("0 0 0\n".repeat(300).as_bytes()).is_err());
        let whole = parse(b"0x0 0xffffffffffffffff 0x200").unwrap();
        assert_eq!(whole[0].size(), u64::MAX);
    }
}
