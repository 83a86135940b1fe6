//! DMAR: Intel's DMA remapping (Intel Virtualization Technology for Directed I/O,
//! Architecture Specification 4.1, chapter 8; `include/acpi/actbl1.h`, `struct acpi_table_dmar`).

use super::reader::{Reader, text};
use super::{AcpiError, Problem, RecordAt, at, open, whole};

const TABLE: &str = "DMAR";

/// Firmware supports interrupt remapping (8.1, flags, bit 0).
const INTR_REMAP: u8 = 1 << 0;
/// Firmware asks not to switch x2APIC on (bit 1).
const X2APIC_OPT_OUT: u8 = 1 << 1;
/// Firmware asks for DMA protection (bit 2): the kernel switches the IOMMU on by itself for
/// untrusted ports.
const PLATFORM_OPT_IN: u8 = 1 << 2;
/// `INCLUDE_PCI_ALL` (8.3) and `ALL_PORTS` (8.5), flags, bit 0.
const ALL: u8 = 1 << 0;

/// The table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dmar {
    /// Widest address DMA can have on this platform, in bits, 1 to 256 ("Host Address Width";
    /// the table holds one less).
    pub address_width: u16,
    /// The flags as they are.
    pub flags: u8,
    /// DRHD, type 0: the remapping units, in the table's order.
    pub units: Vec<Unit>,
    /// RMRR, type 1: memory that devices go on using.
    pub reserved: Vec<Reserved>,
    /// ATSR, type 2: root ports that pass address translation on.
    pub root_ats: Vec<Scoped>,
    /// RHSA, type 3: which unit belongs to which NUMA node.
    pub affinities: Vec<Affinity>,
    /// ANDD, type 4: devices that are in ACPI's name space only.
    pub names: Vec<Name>,
    /// SATC, type 5: devices of the chip that need address translation.
    pub soc_ats: Vec<Scoped>,
    /// SIDP, type 6: properties of devices of the chip.
    pub soc_properties: Vec<Scoped>,
    /// Types that are not known here, which the specification tells to skip.
    pub unknown: Vec<u16>,
}

/// DRHD: one remapping unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// It covers every device of its segment that no other unit names.
    pub include_all: bool,
    /// PCI segment (domain).
    pub segment: u16,
    /// Where its registers are: what `intel-iommu/address` says.
    pub address: u64,
    /// The devices it covers, and with `include_all` its I/O APICs and HPETs.
    pub scopes: Vec<Scope>,
}

/// RMRR: memory that stays mapped one to one for some devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// PCI segment (domain).
    pub segment: u16,
    /// First address.
    pub start: u64,
    /// Last address, included. Broken tables have it before `start`.
    pub end: u64,
    /// The devices.
    pub scopes: Vec<Scope>,
}

/// ATSR, SATC, SIDP: flags and devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scoped {
    /// The flags; bit 0 of an ATSR's means all ports. 0 in a SIDP, which has none.
    pub flags: u8,
    /// PCI segment (domain).
    pub segment: u16,
    /// The devices.
    pub scopes: Vec<Scope>,
}

/// RHSA: the NUMA node of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Affinity {
    /// Where the unit's registers are.
    pub address: u64,
    /// Proximity domain, as in the SRAT.
    pub proximity: u32,
}

/// ANDD: a name for a device's number in scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The number, which scopes of [`ScopeKind::Named`] repeat.
    pub number: u8,
    /// Path in the ACPI name space.
    pub name: String,
}

/// What a scope names (8.3.1, table "Device Scope Structure").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScopeKind {
    /// A PCI function.
    Endpoint,
    /// A PCI bridge and everything below it.
    Bridge,
    /// An I/O APIC.
    IoApic,
    /// A timer that sends messages.
    Hpet,
    /// A device of the ACPI name space.
    Named,
    /// A type that is not known here.
    Other(u8),
}

/// A device, by the way from a root bus to it: numbers of buses below bridges change, this
/// does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// What it names.
    pub kind: ScopeKind,
    /// I/O APIC id, HPET number, or number of a [`Name`]; 0 otherwise.
    pub id: u8,
    /// The bus on which the path begins.
    pub bus: u8,
    /// Device and function on each bus, from the first bus down; at least one.
    pub path: Vec<(u8, u8)>,
}

impl Dmar {
    /// Whether the firmware lets interrupts be remapped.
    #[must_use]
    pub const fn interrupt_remapping(&self) -> bool {
        self.flags & INTR_REMAP != 0
    }

    /// Whether the firmware asks to leave x2APIC off.
    #[must_use]
    pub const fn x2apic_opt_out(&self) -> bool {
        self.flags & X2APIC_OPT_OUT != 0
    }

    /// Whether the firmware asks for DMA protection.
    #[must_use]
    pub const fn platform_opt_in(&self) -> bool {
        self.flags & PLATFORM_OPT_IN != 0
    }
}

/// Reads a DMAR table.
///
/// # Errors
/// The first thing that does not add up, and in which record.
pub fn parse(bytes: &[u8]) -> Result<Dmar, AcpiError> {
    let mut reader = open(TABLE, bytes)?;
    let mut head = reader.part(12, 12, "what follows the header").map_err(whole(TABLE))?;
    let mut dmar = Dmar {
        address_width: u16::from(head.u8("the address width").map_err(whole(TABLE))?) + 1,
        flags: head.u8("the flags").map_err(whole(TABLE))?,
        ..Dmar::default()
    };
    let mut number = 0;
    while !reader.is_empty() {
        number += 1;
        let kind = reader.peek_u16(0).unwrap_or(0);
        let fail = at(TABLE, RecordAt { number, kind, offset: reader.offset() });
        let length = reader.peek_u16(2).map_or(0, usize::from);
        let record = reader.part(length, 4, "the record").map_err(&fail)?;
        dmar.add(kind, record).map_err(&fail)?;
    }
    Ok(dmar)
}

impl Dmar {
    fn add(&mut self, kind: u16, mut r: Reader<'_>) -> Result<(), Problem> {
        r.skip(4, "the record's head")?;
        match kind {
            0 => {
                let flags = r.u8("the flags")?;
                r.skip(1, "the size")?;
                let segment = r.u16("the segment")?;
                let address = r.u64("the register base")?;
                self.units.push(Unit { include_all: flags & ALL != 0, segment, address, scopes: scopes(r)? });
            }
            1 => {
                r.skip(2, "the reserved field")?;
                let segment = r.u16("the segment")?;
                let start = r.u64("the first address")?;
                let end = r.u64("the last address")?;
                self.reserved.push(Reserved { segment, start, end, scopes: scopes(r)? });
            }
            2 | 5 | 6 => {
                let flags = r.u8("the flags")?;
                r.skip(1, "the reserved field")?;
                let segment = r.u16("the segment")?;
                let scoped = Scoped { flags: if kind == 6 { 0 } else { flags }, segment, scopes: scopes(r)? };
                match kind {
                    2 => self.root_ats.push(scoped),
                    5 => self.soc_ats.push(scoped),
                    _ => self.soc_properties.push(scoped),
                }
            }
            3 => {
                r.skip(4, "the reserved field")?;
                let address = r.u64("the register base")?;
                self.affinities.push(Affinity { address, proximity: r.u32("the proximity domain")? });
            }
            4 => {
                r.skip(3, "the reserved field")?;
                let number = r.u8("the number")?;
                self.names.push(Name { number, name: text(r.rest()) });
            }
            other => self.unknown.push(other),
        }
        Ok(())
    }
}

fn scopes(mut r: Reader<'_>) -> Result<Vec<Scope>, Problem> {
    const WHAT: &str = "a device scope";
    let mut found = Vec::new();
    while !r.is_empty() {
        let length = r.peek_u8(1).map_or(0, usize::from);
        // Type, length, two reserved bytes, id, bus, and at least one step.
        let mut one = r.part(length, 8, WHAT)?;
        if !length.is_multiple_of(2) {
            return Err(Problem::Value { what: "the length of a device scope", value: length as u64 });
        }
        let kind = match one.u8(WHAT)? {
            1 => ScopeKind::Endpoint,
            2 => ScopeKind::Bridge,
            3 => ScopeKind::IoApic,
            4 => ScopeKind::Hpet,
            5 => ScopeKind::Named,
            other => ScopeKind::Other(other),
        };
        one.skip(3, WHAT)?;
        let (id, bus) = (one.u8(WHAT)?, one.u8(WHAT)?);
        let path = one.rest().chunks_exact(2).map(|step| (step[0], step[1])).collect();
        found.push(Scope { kind, id, bus, path });
    }
    Ok(found)
}
