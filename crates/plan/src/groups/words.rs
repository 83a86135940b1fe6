//! Reasons as lines for people.

use std::fmt;

use passthru_formats::config_space::decode::AccessControl;
use passthru_pci::Address;

use super::{Doubt, Gap, Group, Lack, Merge, Why};

impl Lack {
    /// The word in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bits(_) => "control-bits",
            Self::Capability => "no-capability",
            Self::Conventional => "conventional-pci",
            Self::Kind(_) => "kind",
            Self::Listed => "listed",
        }
    }

    /// The control bits that are missing, as lspci calls them; none where it is something else.
    #[must_use]
    pub fn bits(self) -> Vec<&'static str> {
        match self {
            Self::Bits(bits) => AccessControl::names(bits).collect(),
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bits(_) => write!(f, "ACS without {}", self.bits().join(", ")),
            Self::Capability => f.write_str("no ACS"),
            Self::Conventional => f.write_str("conventional PCI"),
            Self::Kind(kind) => write!(f, "a {kind}, which never isolates"),
            Self::Listed => f.write_str("the kernel's list says that it does not isolate"),
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.lack) {
            (Some(kind), Lack::Bits(_) | Lack::Capability | Lack::Listed) => {
                write!(f, "{} ({kind}: {})", self.device, self.lack)
            }
            _ => write!(f, "{} ({})", self.device, self.lack),
        }
    }
}

impl Why {
    /// The functions that do not isolate.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        match self {
            Self::Path(gaps) => gaps.clone(),
            Self::Slot(one, other) => vec![*one, *other],
            _ => Vec::new(),
        }
    }

    /// The bridge, endpoint or port that joins; none for functions of one slot.
    #[must_use]
    pub fn through(&self) -> Option<Address> {
        match self {
            Self::Bridge(bridge) | Self::Endpoint(bridge) => Some(*bridge),
            Self::Path(gaps) => gaps.first().map(|gap| gap.device),
            Self::Slot(..) | Self::Alias => None,
        }
    }
}

fn list(addresses: &[Address]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// One line for functions that are in a group for the same reason.
fn line(devices: &[Address], with: Address, why: &Why) -> String {
    let who = list(devices);
    match why {
        Why::Bridge(bridge) => {
            format!(
                "{who}: behind {bridge}, a bridge to conventional PCI, which puts its own requester id on what passes"
            )
        }
        Why::Path(gaps) => {
            let isolate = if gaps.len() == 1 { "does not isolate" } else { "do not isolate" };
            let gaps: Vec<String> = gaps.iter().map(ToString::to_string).collect();
            format!("{who}: behind {}, which {isolate}", gaps.join(" and "))
        }
        Why::Slot(mine, theirs) if mine.lack == theirs.lack => {
            format!("{who}: in one slot with {with}, and neither isolates ({})", mine.lack)
        }
        Why::Slot(mine, theirs) => {
            format!("{who}: in one slot with {with}, and neither isolates ({}; {})", mine.lack, theirs.lack)
        }
        Why::Alias => format!("{who}: uses the requester id of {with}, or the other way round"),
        Why::Endpoint(endpoint) => {
            format!("{who}: behind {endpoint}, which does the DMA of its whole domain")
        }
    }
}

impl Group {
    /// Why its members are together, one line for each reason.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.reasons().into_iter().map(|(devices, merge)| line(&devices, merge.with, &merge.why)).collect()
    }

    /// Its merges, those with the same reason together.
    #[must_use]
    pub fn reasons(&self) -> Vec<(Vec<Address>, &Merge)> {
        let mut all: Vec<(Vec<Address>, &Merge)> = Vec::new();
        for merge in &self.merges {
            let same = |(_, other): &&mut (Vec<Address>, &Merge)| match (&other.why, &merge.why) {
                // Functions of one slot each join the first of them.
                (Why::Slot(a, b), Why::Slot(c, d)) => {
                    other.with == merge.with && (a.lack, b.lack) == (c.lack, d.lack)
                }
                (one, this) => one == this && !matches!(one, Why::Alias),
            };
            match all.iter_mut().find(same) {
                Some((devices, _)) => devices.push(merge.device),
                None => all.push((vec![merge.device], merge)),
            }
        }
        all
    }

    /// Why it cannot be predicted, one line for each thing that is not known; none where it
    /// can be.
    #[must_use]
    pub fn doubt_lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.doubts.iter().map(|Doubt { about, why, .. }| format!("{about}: {why}")).collect();
        lines.sort();
        lines.dedup();
        lines
    }
}
