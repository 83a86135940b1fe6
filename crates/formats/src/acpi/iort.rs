//! IORT: Arm's I/O remapping (IO Remapping Table, Platform Design Document, ARM DEN 0049E;
//! `include/acpi/actbl2.h`, `struct acpi_table_iort`). Only what says whether there is an SMMU,
//! and for whom.

use super::reader::{Reader, text};
use super::{AcpiError, HEADER, Problem, RecordAt, at, open, whole};

const TABLE: &str = "IORT";
/// Length of a node's head, and of one id mapping.
const HEAD: usize = 16;
const MAPPING: usize = 20;

/// The table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Iort {
    /// Its nodes, in order.
    pub nodes: Vec<Node>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Offset from the table's first byte, by which other nodes name it.
    pub offset: u32,
    /// What it is.
    pub kind: Kind,
    /// Offsets of the nodes that its ids lead to.
    pub leads_to: Vec<u32>,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Interrupt translation.
    ItsGroup,
    /// A device outside PCI; its path in the ACPI name space.
    Named(String),
    /// A PCI root complex; its segment (domain).
    RootComplex(u32),
    /// SMMUv1 or v2, and where its registers are.
    Smmu(u64),
    /// SMMUv3, and where its registers are.
    SmmuV3(u64),
    /// Performance counters of an SMMU.
    Counters,
    /// Memory that devices go on using (RMR).
    ReservedMemory,
    /// A type that is not known here.
    Other(u8),
}

impl Iort {
    /// The SMMUs.
    pub fn smmus(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| matches!(node.kind, Kind::Smmu(_) | Kind::SmmuV3(_)))
    }

    /// Whether ids of a segment's root complex lead to an SMMU; `None` where no root complex has
    /// this segment.
    #[must_use]
    pub fn segment_has_smmu(&self, segment: u32) -> Option<bool> {
        let mut roots = self.nodes.iter().filter(|n| n.kind == Kind::RootComplex(segment)).peekable();
        roots.peek()?;
        Some(roots.any(|root| root.leads_to.iter().any(|to| self.smmus().any(|smmu| smmu.offset == *to))))
    }
}

/// Reads an IORT table.
///
/// # Errors
/// The first thing that does not add up, and in which node.
pub fn parse(bytes: &[u8]) -> Result<Iort, AcpiError> {
    let mut head = open(TABLE, bytes)?;
    let count = head.u32("the number of nodes").map_err(whole(TABLE))? as usize;
    let first = head.u32("the first node's offset").map_err(whole(TABLE))?;
    if (first as usize) < HEADER + 12 && count > 0 {
        let value = first.into();
        return Err(whole(TABLE)(Problem::Value { what: "the first node's offset", value }));
    }
    let mut reader = Reader::new(bytes, first as usize);
    let mut iort = Iort::default();
    for number in 1..=count {
        let kind = reader.peek_u8(0).unwrap_or(0);
        let offset = reader.offset();
        let fail = at(TABLE, RecordAt { number, kind: kind.into(), offset });
        let length = reader.peek_u16(1).map_or(0, usize::from);
        let node = reader.part(length, HEAD, "the node").map_err(&fail)?;
        iort.nodes.push(read_node(kind, offset, node).map_err(&fail)?);
    }
    let offsets: std::collections::BTreeSet<u32> = iort.nodes.iter().map(|node| node.offset).collect();
    if let Some(lost) = iort.nodes.iter().flat_map(|n| &n.leads_to).find(|to| !offsets.contains(to)) {
        let value = u64::from(*lost);
        return Err(whole(TABLE)(Problem::Value { what: "the node a mapping points to", value }));
    }
    Ok(iort)
}

fn read_node(kind: u8, offset: usize, r: Reader<'_>) -> Result<Node, Problem> {
    let mut head = r.clone();
    head.skip(8, "the node's head")?;
    let count = head.u32("the number of mappings")? as usize;
    let at = head.u32("the mappings' offset")? as usize;
    let mut data = head;
    let kind = match kind {
        0 => Kind::ItsGroup,
        1 => {
            data.skip(13, "the named component")?;
            Kind::Named(text(data.rest()))
        }
        2 => {
            data.skip(12, "the root complex")?;
            Kind::RootComplex(data.u32("the segment")?)
        }
        3 => Kind::Smmu(data.u64("the register base")?),
        4 => Kind::SmmuV3(data.u64("the register base")?),
        5 => Kind::Counters,
        6 => Kind::ReservedMemory,
        other => Kind::Other(other),
    };
    let mut leads_to = Vec::new();
    if count > 0 {
        let mut mappings = r;
        let all = count.saturating_mul(MAPPING);
        mappings.skip(at, "what stands before the mappings")?;
        let mut mappings = mappings.part(all, MAPPING, "the list of mappings")?;
        while !mappings.is_empty() {
            let mut one = mappings.part(MAPPING, MAPPING, "a mapping")?;
            one.skip(12, "a mapping")?;
            let to = one.u32("a mapping")?;
            if !leads_to.contains(&to) {
                leads_to.push(to);
            }
        }
    }
    let offset = u32::try_from(offset).unwrap_or(u32::MAX);
    Ok(Node { offset, kind, leads_to })
}
