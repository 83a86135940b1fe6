//! What each function is, and where: the facts the prediction rests on, or why they are not
//! known.

use std::ops::Range;

use passthru_formats::config_space::decode::PortType;
use passthru_formats::config_space::{Completeness, ConfigSpace};
use passthru_model::{Device, Fact, Snapshot, SourceKind};
use passthru_pci::Address;

use super::quirks;

/// What the configuration space says a function is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// No PCI Express capability.
    Conventional,
    /// PCI Express.
    Express(PortType),
    /// Nobody could see; why not.
    Unknown(String),
}

/// Where a function hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On a root bus.
    Root,
    /// Below this bridge.
    Below(usize),
    /// On the root bus of the domain behind this endpoint (Intel's VMD).
    Behind(usize),
    /// Nobody could see; why not.
    Unknown(&'static str),
}

/// One function.
#[derive(Debug)]
pub(super) struct Function<'a> {
    pub(super) device: &'a Device,
    pub(super) place: Place,
    pub(super) kind: Kind,
    /// Whether the kernel takes it for one of several of its slot (`pci_dev.multifunction`).
    pub(super) multifunction: Option<bool>,
    depth: usize,
}

impl Function<'_> {
    pub(super) fn address(&self) -> Address {
        self.device.address
    }

    /// Whether everything behind it has its requester id (`pci_for_each_dma_alias`): bridges
    /// to and from conventional PCI, and conventional bridges.
    pub(super) fn aliases(&self) -> bool {
        match &self.kind {
            Kind::Conventional => true,
            Kind::Express(kind) => matches!(kind, PortType::PciBridge | PortType::PcieBridge),
            Kind::Unknown(_) => false,
        }
    }

    /// The configuration space, where all of it that matters was read.
    pub(super) fn config(&self) -> Option<&ConfigSpace> {
        self.device.detail.as_ref()?.config.known()
    }
}

/// All functions, in the order of their addresses.
pub(super) struct Topology<'a> {
    pub(super) functions: Vec<Function<'a>>,
}

impl<'a> Topology<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let devices = &snapshot.devices;
        let at = |address: Address| devices.binary_search_by_key(&address, |d| d.address).ok();
        let mut functions: Vec<Function<'_>> = devices
            .iter()
            .map(|device| Function {
                device,
                place: place(device, at),
                kind: kind(snapshot, device),
                multifunction: None,
                depth: 0,
            })
            .collect();
        for i in 0..functions.len() {
            functions[i].multifunction = multifunction(&functions, i);
            functions[i].depth = above(&functions, i).count();
        }
        Self { functions }
    }

    /// The bridges above a function, the nearest first.
    pub(super) fn above(&self, i: usize) -> Vec<usize> {
        above(&self.functions, i).collect()
    }

    /// Indices, parents before children.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.functions.len()).collect();
        // VMD's endpoints before their domains, which have the higher numbers.
        order.sort_by_key(|&i| (self.functions[i].address().domain(), self.functions[i].depth, i));
        order
    }

    /// The functions on the same bus, the function itself among them.
    pub(super) fn on_bus_of(&self, i: usize) -> Range<usize> {
        let bus = |f: &Function<'_>| (f.address().domain(), f.address().bus());
        let this = bus(&self.functions[i]);
        let start = self.functions.partition_point(|f| bus(f) < this);
        let end = self.functions.partition_point(|f| bus(f) <= this);
        start..end
    }

    /// Whether one of two functions on a bus uses the other's requester id
    /// (`pci_devs_are_dma_aliases`).
    pub(super) fn are_aliases(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.functions[a], &self.functions[b]);
        quirks::uses_id_of(a, b.address()) || quirks::uses_id_of(b, a.address())
    }
}

/// Bounded, so that a listing that contradicts itself cannot lead round in circles.
fn above(functions: &[Function<'_>], i: usize) -> impl Iterator<Item = usize> {
    let up = |i: &usize| match functions[*i].place {
        Place::Below(parent) => Some(parent),
        _ => None,
    };
    std::iter::successors(up(&i), up).take(256)
}

fn place(device: &Device, at: impl Fn(Address) -> Option<usize>) -> Place {
    match device.parent {
        Some(parent) => {
            at(parent).map_or(Place::Unknown("the bridge above it is not among the devices"), Place::Below)
        }
        // The link to the real place could not be read.
        None if device.path.starts_with("/sys/bus/") => Place::Unknown("where it hangs is not known"),
        // `…/0000:00:0e.0/pci10000:e0/10000:e0:1d.0`
        None => {
            let above = device.path.rsplit('/').skip(1).find_map(Address::from_sysfs);
            above.and_then(at).map_or(Place::Root, Place::Behind)
        }
    }
}

fn kind(snapshot: &Snapshot, device: &Device) -> Kind {
    let not_read = "its configuration space was not read";
    let Some(detail) = &device.detail else { return Kind::Unknown(not_read.into()) };
    let pasted = snapshot.source == SourceKind::Pasted;
    let config = match &detail.config {
        Fact::Known(config) => config,
        Fact::Absent => return Kind::Unknown("it has no configuration space to be read".into()),
        Fact::NotRead if detail.power_state.known().is_some_and(|state| state == "D3cold") => {
            return Kind::Unknown("it sleeps (D3cold), and reading would wake it".into());
        }
        Fact::NotRead => return Kind::Unknown(not_read.into()),
        Fact::Malformed(_) => return Kind::Unknown("its configuration space makes no sense".into()),
        Fact::Unreadable(_) if pasted => {
            return Kind::Unknown("the text does not give its capabilities".into());
        }
        Fact::Unreadable(error) => {
            return Kind::Unknown(format!("its configuration space could not be read: {error}"));
        }
    };
    match (config.completeness(), config.express()) {
        (Completeness::HeaderOnly, _) if pasted => {
            Kind::Unknown("the text does not give its capabilities (`lspci -vvv` as root does)".into())
        }
        (Completeness::HeaderOnly, _) => Kind::Unknown(
            "only the header of its configuration space could be read (the rest needs root)".into(),
        ),
        // The capability that would say otherwise may stand behind the break.
        (_, None) if config.capabilities().broken_at.is_some() => {
            Kind::Unknown("its list of capabilities is broken".into())
        }
        (_, None) => Kind::Conventional,
        // What the kernel has of it is what its file has; what lspci printed may be less.
        (Completeness::Legacy, Some(_)) if pasted => Kind::Unknown(
            "the text has only 256 bytes of its configuration space (`lspci -xxxx` prints all)".into(),
        ),
        (_, Some(express)) => Kind::Express(express.port_type),
    }
}

/// `pci_setup_device` takes the header's bit, `pci_scan_slot` sets it for every function but
/// the first, and `pci_iov_add_virtfn` clears it for virtual functions.
fn multifunction(functions: &[Function<'_>], i: usize) -> Option<bool> {
    let function = &functions[i];
    if function.device.physical_function.known().is_some() {
        return Some(false);
    }
    if function.address().function() != 0 {
        return Some(true);
    }
    let slot = function.address().slot();
    let next = functions.get(i + 1).filter(|next| next.address().slot() == slot);
    if next.is_some_and(|next| next.device.physical_function.known().is_none()) {
        return Some(true);
    }
    function.config().map(ConfigSpace::is_multi_function)
}
