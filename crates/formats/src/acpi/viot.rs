//! VIOT: which devices stand behind a virtio-iommu (ACPI Specification 6.5, 5.2.34;
//! `include/acpi/actbl3.h`, `struct acpi_table_viot`).

use super::reader::Reader;
use super::{AcpiError, HEADER, Problem, RecordAt, at, open, whole};

const TABLE: &str = "VIOT";

/// The table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Viot {
    /// The IOMMUs.
    pub units: Vec<Unit>,
    /// The PCI functions behind them.
    pub ranges: Vec<Range>,
    /// How many devices outside PCI stand behind them.
    pub platform: usize,
    /// Types that are not known here.
    pub unknown: Vec<u8>,
}

/// A virtio-iommu, and where its node stands in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Offset of the node, by which ranges name it.
    pub offset: u16,
    /// Where it is.
    pub place: Place,
}

/// Where a virtio-iommu is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A PCI function: segment, and bus, device and function in 16 bits.
    Pci(u16, u16),
    /// Memory-mapped, at this address.
    Mmio(u64),
}

/// A range of PCI functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First segment.
    pub first_segment: u16,
    /// Last segment, included.
    pub last_segment: u16,
    /// First bus, device and function in 16 bits.
    pub first: u16,
    /// The last, included.
    pub last: u16,
    /// Offset of the node of its IOMMU.
    pub unit: u16,
}

/// Reads a VIOT table.
///
/// # Errors
/// The first thing that does not add up, and in which node.
pub fn parse(bytes: &[u8]) -> Result<Viot, AcpiError> {
    let mut head = open(TABLE, bytes)?;
    let count = head.u16("the number of nodes").map_err(whole(TABLE))?;
    let first = head.u16("the first node's offset").map_err(whole(TABLE))?;
    if usize::from(first) < HEADER + 12 && count > 0 {
        let value = first.into();
        return Err(whole(TABLE)(Problem::Value { what: "the first node's offset", value }));
    }
    let mut reader = Reader::new(bytes, first.into());
    let mut viot = Viot::default();
    for number in 1..=usize::from(count) {
        let kind = reader.peek_u8(0).unwrap_or(0);
        let offset = reader.offset();
        let fail = at(TABLE, RecordAt { number, kind: kind.into(), offset });
        let length = reader.peek_u16(2).map_or(0, usize::from);
        let node = reader.part(length, 4, "the node").map_err(&fail)?;
        viot.add(kind, offset, node).map_err(&fail)?;
    }
    let known = |range: &Range| viot.units.iter().any(|unit| unit.offset == range.unit);
    if let Some(lost) = viot.ranges.iter().find(|range| !known(range)) {
        let value = lost.unit.into();
        return Err(whole(TABLE)(Problem::Value { what: "the node a range points to", value }));
    }
    Ok(viot)
}

impl Viot {
    fn add(&mut self, kind: u8, offset: usize, mut r: Reader<'_>) -> Result<(), Problem> {
        r.skip(4, "the node's head")?;
        // Offsets fit, as the table's own pointer to its first node does, or nobody can name it.
        let offset = u16::try_from(offset).unwrap_or(u16::MAX);
        match kind {
            1 => {
                r.skip(4, "the first endpoint")?;
                let (first_segment, last_segment) = (r.u16("the first segment")?, r.u16("the last segment")?);
                let (first, last) = (r.u16("the first function")?, r.u16("the last function")?);
                let unit = r.u16("the output node")?;
                self.ranges.push(Range { first_segment, last_segment, first, last, unit });
            }
            2 => {
                r.skip(14, "the endpoint")?;
                self.platform += 1;
            }
            3 => {
                let place = Place::Pci(r.u16("the segment")?, r.u16("the function")?);
                self.units.push(Unit { offset, place });
            }
            4 => {
                r.skip(4, "the reserved field")?;
                self.units.push(Unit { offset, place: Place::Mmio(r.u64("the base")?) });
            }
            other => self.unknown.push(other),
        }
        Ok(())
    }
}
