//! IOMMU groups as the kernel makes them: predicted from the topology and the registers, with
//! a reason for everything that is put together.
//!
//! It follows `pci_device_group` (`drivers/iommu/iommu.c`), `pci_for_each_dma_alias`
//! (`drivers/pci/search.c`), `pci_acs_enabled` and `pci_acs_path_enabled`
//! (`drivers/pci/pci.c`), and the tables of `drivers/pci/quirks.c`, all of Linux 6.18. What
//! would have to be known and is not makes a [`Doubt`], never a guess.
//!
//! | module | holds |
//! |---|---|
//! | this one | [`predict`], and the types of its answer |
//! | `topology` | what each function is, and where |
//! | `isolation` | whether one function isolates (`pci_acs_enabled`) |
//! | `quirks` | functions about which the kernel knows better than their registers |
//! | `words` | reasons as lines for people |
//! | [`compare`] | prediction and kernel side by side |
//! | [`slots`] | whether another slot would help |

pub mod compare;
mod isolation;
mod quirks;
pub mod slots;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod topology;
mod words;

use std::collections::BTreeMap;

use passthru_formats::cmdline;
use passthru_formats::config_space::decode::PortType;
use passthru_model::Snapshot;
use passthru_pci::{Address, Id};

use isolation::Acs;
use topology::{Kind, Place, Topology};

/// What a function that does not isolate lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// These bits of the control register, which its capability offers
    /// ([`passthru_formats::config_space::decode::AccessControl`]).
    Bits(u16),
    /// The capability itself.
    Capability,
    /// It is no PCI Express function: a shared bus isolates nothing.
    Conventional,
    /// Functions of this kind never count as isolating.
    Kind(PortType),
    /// The kernel's table says that it does not isolate, whatever its registers say.
    Listed,
}

/// A function that does not isolate, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The function.
    pub device: Address,
    /// What it is, where it is a PCI Express function.
    pub kind: Option<PortType>,
    /// What it lacks.
    pub lack: Lack,
}

/// Why a function is in the same group as another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A bridge to conventional PCI: the IOMMU sees the bridge's requester id for everything
    /// behind it.
    Bridge(Address),
    /// These ports on the way to the root do not isolate, the nearest first: what is behind
    /// them can reach the rest without the IOMMU.
    Path(Vec<Gap>),
    /// Functions of one slot, of which neither isolates itself from its neighbours.
    Slot(Gap, Gap),
    /// The device is known to use the other's requester id.
    Alias,
    /// The domain behind an endpoint such as Intel's VMD, which does the DMA for it.
    Endpoint(Address),
}

impl Why {
    /// The word in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Bridge(_) => "bridge",
            Self::Path(_) => "path",
            Self::Slot(..) => "slot",
            Self::Alias => "alias",
            Self::Endpoint(_) => "endpoint",
        }
    }
}

/// One reason for a group to have more than one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// The function that came later.
    pub device: Address,
    /// The one it joins.
    pub with: Address,
    /// Why.
    pub why: Why,
}

/// Something that would have to be known, and is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The function that may or may not be in the same group as the next.
    pub device: Address,
    /// The function it may have to join.
    pub with: Address,
    /// About which function something is not known.
    pub about: Address,
    /// What, and why not.
    pub why: String,
}

/// A predicted group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Its functions, bridges included, in order.
    pub members: Vec<Address>,
    /// Why they are together: one for each but the first.
    pub merges: Vec<Merge>,
    /// What may change it; empty where it is certain.
    pub doubts: Vec<Doubt>,
}

/// What the prediction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The groups as they are: the control registers count as they were read.
    Now,
    /// The groups as they will be with an IOMMU at work: the kernel then switches on what the
    /// functions offer (`pci_enable_acs`), which it does not do without.
    WithIommu,
}

/// The out-of-tree `pcie_acs_override=` patch, as far as it changes groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Override {
    /// Ports without the capability count as isolating.
    pub downstream: bool,
    /// So do functions of slots with several.
    pub multifunction: bool,
    /// And these.
    pub ids: Vec<Id>,
}

impl Override {
    /// What the kernel's command line asks for, which only a patched kernel heeds.
    #[must_use]
    pub fn on(snapshot: &Snapshot) -> Option<Self> {
        let line = snapshot.command_line.known()?;
        let value = cmdline::last_value(line, "pcie_acs_override")?;
        let mut wanted = Self::default();
        for part in value.split(',') {
            match part {
                "downstream" => wanted.downstream = true,
                "multifunction" => wanted.multifunction = true,
                other => wanted.ids.extend(other.strip_prefix("id:").and_then(|id| id.parse::<Id>().ok())),
            }
        }
        Some(wanted)
    }
}

/// The predicted groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prediction {
    /// What it is for.
    pub when: When,
    /// The groups, in the order of their first members.
    pub groups: Vec<Group>,
    of: BTreeMap<Address, usize>,
}

impl Prediction {
    /// The group of a function.
    #[must_use]
    pub fn group(&self, device: Address) -> Option<&Group> {
        self.of.get(&device).map(|&i| &self.groups[i])
    }

    /// Its place in [`Prediction::groups`].
    #[must_use]
    pub fn index(&self, device: Address) -> Option<usize> {
        self.of.get(&device).copied()
    }
}

/// Predicts the groups: as they are where an IOMMU is at work, else as they will be once one
/// is.
#[must_use]
pub fn predict(snapshot: &Snapshot) -> Prediction {
    let when = if snapshot.iommu_active() { When::Now } else { When::WithIommu };
    predict_for(snapshot, when, None)
}

/// Predicts the groups for this moment, and where a kernel is patched with this override.
#[must_use]
pub fn predict_for(snapshot: &Snapshot, when: When, patched: Option<&Override>) -> Prediction {
    let topology = Topology::of(snapshot);
    let acs: Vec<Acs> =
        topology.functions.iter().map(|function| isolation::of(function, snapshot, when, patched)).collect();
    let mut maker = Maker { topology, acs, group: Vec::new(), merges: Vec::new(), doubts: Vec::new() };
    maker.group = vec![None; maker.topology.functions.len()];
    // Parents before children, else by address: the order in which the kernel finds them, and
    // in which it gives them their groups.
    for i in maker.topology.order() {
        maker.place(i);
    }
    maker.finish(when)
}

struct Maker<'a> {
    topology: Topology<'a>,
    acs: Vec<Acs>,
    /// Of each function: the first function of its group, once it has one.
    group: Vec<Option<usize>>,
    merges: Vec<(usize, usize, Why)>,
    doubts: Vec<(usize, usize, usize, String)>,
}

impl Maker<'_> {
    fn join(&mut self, i: usize, with: usize, why: Why) {
        self.group[i] = self.group[with].or(Some(with));
        self.merges.push((i, with, why));
    }

    fn doubt(&mut self, i: usize, with: usize, about: usize, why: &str) {
        self.doubts.push((i, with, about, why.to_owned()));
    }

    /// `pci_device_group` for one function.
    fn place(&mut self, i: usize) {
        let above = self.topology.above(i);
        // Its whole domain does DMA as the endpoint (`pci_real_dma_dev`).
        let top = above.last().copied().unwrap_or(i);
        if let Place::Behind(endpoint) = self.topology.functions[top].place {
            let address = self.topology.functions[endpoint].address();
            return self.join(i, endpoint, Why::Endpoint(address));
        }
        if let Some(&bridge) = above.iter().find(|&&above| self.topology.functions[above].aliases()) {
            let address = self.topology.functions[bridge].address();
            return self.join(i, bridge, Why::Bridge(address));
        }
        if let Place::Below(parent) = self.topology.functions[i].place {
            let gaps: Vec<Gap> = above.iter().filter_map(|&above| self.gap(above)).collect();
            if !gaps.is_empty() {
                return self.join(i, parent, Why::Path(gaps));
            }
            let unknown = above.iter().find_map(|&above| match &self.acs[above] {
                Acs::Unknown(why) => Some((above, why.clone())),
                _ => None,
            });
            if let Some((above, why)) = unknown {
                self.doubt(i, parent, above, &why);
            }
        }
        let mates = self.topology.on_bus_of(i);
        let earlier = |mate: &usize| *mate != i && self.group[*mate].is_some();
        let alias = mates.clone().filter(earlier).find(|&mate| self.topology.are_aliases(i, mate));
        if let Some(mate) = alias {
            return self.join(i, mate, Why::Alias);
        }
        self.place_in_slot(i, mates);
    }

    /// Functions of one slot (`get_pci_function_alias_group`).
    fn place_in_slot(&mut self, i: usize, mates: std::ops::Range<usize>) {
        let function = &self.topology.functions[i];
        let slot = function.address().slot();
        if function.multifunction == Some(false) || matches!(self.acs[i], Acs::Isolates) {
            self.group[i] = Some(i);
            return;
        }
        let mates: Vec<usize> = mates
            .filter(|&mate| {
                mate != i
                    && self.topology.functions[mate].address().slot() == slot
                    && !matches!(self.acs[mate], Acs::Isolates)
                    && self.group[mate].is_some()
            })
            .collect();
        if let Some(mine) = self.gap(i)
            && let Some((mate, theirs)) = mates.iter().find_map(|&mate| Some((mate, self.gap(mate)?)))
        {
            return self.join(i, mate, Why::Slot(mine, theirs));
        }
        self.group[i] = Some(i);
        for mate in mates {
            for about in [i, mate] {
                if let Acs::Unknown(why) = &self.acs[about] {
                    let why = why.clone();
                    self.doubt(i, mate, about, &why);
                    break;
                }
            }
        }
    }

    fn gap(&self, i: usize) -> Option<Gap> {
        let function = &self.topology.functions[i];
        let kind = match function.kind {
            Kind::Express(kind) => Some(kind),
            _ => None,
        };
        match self.acs[i] {
            Acs::Lacks(lack) => Some(Gap { device: function.address(), kind, lack }),
            _ => None,
        }
    }

    fn finish(self, when: When) -> Prediction {
        let address = |i: usize| self.topology.functions[i].address();
        let first = |i: usize| self.group[i].unwrap_or(i);
        let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
        for i in 0..self.group.len() {
            groups.entry(first(i)).or_default().members.push(address(i));
        }
        for (i, with, why) in self.merges {
            let merge = Merge { device: address(i), with: address(with), why };
            groups.entry(first(i)).or_default().merges.push(merge);
        }
        for (i, with, about, why) in self.doubts {
            if first(i) != first(with) {
                let doubt = Doubt { device: address(i), with: address(with), about: address(about), why };
                groups.entry(first(i)).or_default().doubts.push(doubt.clone());
                groups.entry(first(with)).or_default().doubts.push(doubt);
            }
        }
        // What is behind an unknown place may hang below anything.
        for (i, function) in self.topology.functions.iter().enumerate() {
            if let Place::Unknown(why) = function.place {
                let here = address(i);
                let doubt = Doubt { device: here, with: here, about: here, why: why.into() };
                groups.entry(first(i)).or_default().doubts.push(doubt);
            }
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by_key(|group| group.members.first().copied());
        let of = groups
            .iter()
            .enumerate()
            .flat_map(|(i, group)| group.members.iter().map(move |member| (*member, i)))
            .collect();
        Prediction { when, groups, of }
    }
}
