//! IVRS: AMD's I/O virtualization (AMD I/O Virtualization Technology (IOMMU) Specification
//! 48882, revision 3.09, chapter 5.2; `drivers/iommu/amd/init.c`, `struct ivhd_header`).

use super::reader::{Reader, text};
use super::{AcpiError, Problem, RecordAt, at, open, whole};

const TABLE: &str = "IVRS";

/// The table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ivrs {
    /// `IVinfo`, as it is.
    pub info: u32,
    /// IVHD, types 0x10, 0x11 and 0x40: the IOMMUs. One IOMMU stands there once for each type
    /// the firmware writes.
    pub units: Vec<Unit>,
    /// IVMD, types 0x20 to 0x22: memory that stays mapped.
    pub memory: Vec<Memory>,
    /// Types that are not known here.
    pub unknown: Vec<u8>,
}

/// IVHD: one IOMMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// 0x10, 0x11 or 0x40; the kernel takes the highest it finds.
    pub kind: u8,
    /// PCI segment (domain).
    pub segment: u16,
    /// The IOMMU's own device id: bus in the upper byte, device and function in the lower.
    pub device_id: u16,
    /// Where its registers are.
    pub address: u64,
    /// Extended feature register; `None` in type 0x10, which has none.
    pub features: Option<u64>,
    /// What it covers.
    pub devices: Vec<Entry>,
}

/// One entry of an IVHD (5.2.2.1). Device ids are bus, device and function in 16 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// All devices.
    All,
    /// One device.
    One(u16),
    /// From the first to the last, both included.
    Range(u16, u16),
    /// One device, or all from the first to the last, whose requests come with another id.
    Alias {
        /// The first device.
        first: u16,
        /// The last device.
        last: u16,
        /// The id requests come with.
        source: u16,
    },
    /// An I/O APIC (variety 1) or HPET (variety 2), and the id its interrupts come with.
    Special {
        /// The id.
        device: u16,
        /// I/O APIC id or HPET number.
        handle: u8,
        /// Which of the two.
        variety: u8,
    },
    /// A device of the ACPI name space.
    Named {
        /// The id its requests come with.
        device: u16,
        /// Hardware id, such as `AMDI0040`.
        hid: String,
    },
    /// A type that is not known here, of a length the specification fixes.
    Other(u8),
}

/// To which devices memory belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// Type 0x20: all devices.
    All,
    /// Type 0x21: this one.
    One(u16),
    /// Type 0x22: from the first to the last, both included.
    Range(u16, u16),
}

/// IVMD: memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Whose.
    pub whom: Whom,
    /// PCI segment (domain); a reserved field in older revisions of the specification.
    pub segment: u16,
    /// The flags, as they are.
    pub flags: u8,
    /// First address.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
}

impl Memory {
    /// It stays mapped one to one (flag bit 0), or is excluded from translation (bit 3), which the
    /// kernel treats alike since 5.9 (`init_unity_map_range`).
    #[must_use]
    pub const fn stays_mapped(&self) -> bool {
        self.flags & 0b1001 != 0
    }

    /// Last address, included.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.start.saturating_add(self.length.saturating_sub(1))
    }
}

impl Whom {
    /// Whether a device id is among them.
    #[must_use]
    pub const fn has(self, device: u16) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == device,
            Self::Range(first, last) => first <= device && device <= last,
        }
    }
}

impl Entry {
    /// Whether it covers a PCI function.
    #[must_use]
    pub fn covers(&self, device: u16) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => *one == device,
            Self::Range(first, last) | Self::Alias { first, last, .. } => (*first..=*last).contains(&device),
            Self::Special { .. } | Self::Named { .. } | Self::Other(_) => false,
        }
    }
}

impl Ivrs {
    /// Size of virtual addresses in bits, where the table says it (`IVinfo`, bits 21:15).
    #[must_use]
    pub const fn virtual_size(&self) -> Option<u8> {
        match self.info >> 15 & 0x7f {
            0 => None,
            bits => Some(bits as u8),
        }
    }

    /// The units of the type the kernel takes: the highest there is
    /// (`drivers/iommu/amd/init.c`, `get_highest_supported_ivhd_type`).
    pub fn used_units(&self) -> impl Iterator<Item = &Unit> {
        let highest = self.units.iter().map(|unit| unit.kind).max();
        self.units.iter().filter(move |unit| Some(unit.kind) == highest)
    }
}

/// Reads an IVRS table.
///
/// # Errors
/// The first thing that does not add up, and in which record.
pub fn parse(bytes: &[u8]) -> Result<Ivrs, AcpiError> {
    let mut reader = open(TABLE, bytes)?;
    let mut head = reader.part(12, 12, "what follows the header").map_err(whole(TABLE))?;
    let mut ivrs = Ivrs { info: head.u32("IVinfo").map_err(whole(TABLE))?, ..Ivrs::default() };
    let mut number = 0;
    while !reader.is_empty() {
        number += 1;
        let kind = reader.peek_u8(0).unwrap_or(0);
        let fail = at(TABLE, RecordAt { number, kind: kind.into(), offset: reader.offset() });
        let length = reader.peek_u16(2).map_or(0, usize::from);
        let record = reader.part(length, 4, "the record").map_err(&fail)?;
        match kind {
            0x10 | 0x11 | 0x40 => ivrs.units.push(unit(kind, record).map_err(&fail)?),
            0x20..=0x22 => ivrs.memory.push(memory(kind, record).map_err(&fail)?),
            other => ivrs.unknown.push(other),
        }
    }
    Ok(ivrs)
}

fn unit(kind: u8, mut r: Reader<'_>) -> Result<Unit, Problem> {
    r.skip(4, "the record's head")?;
    let device_id = r.u16("the device id")?;
    r.skip(2, "the capability's offset")?;
    let address = r.u64("the register base")?;
    let segment = r.u16("the segment")?;
    r.skip(6, "the features")?;
    let features = if kind == 0x10 {
        None
    } else {
        let features = r.u64("the extended features")?;
        r.skip(8, "the second extended features")?;
        Some(features)
    };
    Ok(Unit { kind, segment, device_id, address, features, devices: entries(r)? })
}

fn entries(mut r: Reader<'_>) -> Result<Vec<Entry>, Problem> {
    const WHAT: &str = "a device entry";
    let mut found = Vec::new();
    // A range stands in two entries: its first device, and (type 4) its last.
    let mut open: Option<(u16, Option<u16>)> = None;
    while !r.is_empty() {
        let kind = r.peek_u8(0).unwrap_or(0);
        let length = match kind {
            // Four bytes shifted by the upper two bits (5.2.2, `ivhd_entry_length`).
            0..=0x7f => 4 << (kind >> 6),
            0xf0 => 22 + r.peek_u8(21).map_or(0, usize::from),
            _ => return Err(Problem::Value { what: "the type of a device entry", value: kind.into() }),
        };
        let mut one = r.part(length, 4, WHAT)?;
        one.skip(1, WHAT)?;
        let device = one.u16(WHAT)?;
        one.skip(1, WHAT)?;
        match kind {
            // Padding.
            0x00 | 0x40 | 0x41 => {}
            0x01 => found.push(Entry::All),
            0x02 | 0x46 => found.push(Entry::One(device)),
            0x03 | 0x47 => open = Some((device, None)),
            0x42 | 0x43 => {
                one.skip(1, WHAT)?;
                let source = one.u16(WHAT)?;
                if kind == 0x43 {
                    open = Some((device, Some(source)));
                } else {
                    found.push(Entry::Alias { first: device, last: device, source });
                }
            }
            0x04 => match open.take() {
                Some((first, None)) => found.push(Entry::Range(first, device)),
                Some((first, Some(source))) => {
                    found.push(Entry::Alias { first, last: device, source });
                }
                // The kernel takes a range whose first device was not named from 0 on.
                None => found.push(Entry::Range(0, device)),
            },
            0x48 => {
                let handle = one.u8(WHAT)?;
                let device = one.u16(WHAT)?;
                found.push(Entry::Special { device, handle, variety: one.u8(WHAT)? });
            }
            0xf0 => {
                let hid = text(one.rest().get(..8).unwrap_or(&[]));
                found.push(Entry::Named { device, hid });
            }
            other => found.push(Entry::Other(other)),
        }
    }
    Ok(found)
}

fn memory(kind: u8, mut r: Reader<'_>) -> Result<Memory, Problem> {
    r.skip(1, "the record's head")?;
    let flags = r.u8("the flags")?;
    r.skip(2, "the record's head")?;
    let (first, last) = (r.u16("the device id")?, r.u16("the last device id")?);
    let segment = r.u16("the segment")?;
    r.skip(6, "the reserved field")?;
    let start = r.u64("the first address")?;
    let whom = match kind {
        0x20 => Whom::All,
        0x21 => Whom::One(first),
        _ => Whom::Range(first, last),
    };
    Ok(Memory { whom, segment, flags, start, length: r.u64("the length")? })
}
