//! Whether another slot would help a device that shares its group.

use passthru_formats::config_space::ConfigSpace;
use passthru_formats::config_space::decode::PortType;
use passthru_model::Snapshot;
use passthru_pci::Address;

use super::topology::{Place, Topology};
use super::{Group, Prediction, isolation};

/// What another slot would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// Nothing: only functions of the same card, or of the machine itself, are with it.
    OwnSlot,
    /// It is built in.
    BuiltIn,
    /// These ports with a slot isolate what is behind them: the port, and the slot's number.
    Ports(Vec<(Address, u16)>),
    /// No port with a slot isolates.
    None,
    /// Of these ports nobody could see it.
    Unknown(Vec<Address>),
}

/// What another slot would change for a device of this group; `None` where it is alone with
/// bridges.
#[must_use]
pub fn advice(
    snapshot: &Snapshot,
    prediction: &Prediction,
    group: &Group,
    device: Address,
) -> Option<Advice> {
    let others: Vec<Address> = group
        .members
        .iter()
        .filter(|member| **member != device)
        .filter(|member| snapshot.device(**member).is_none_or(|d| !d.is_bus_bridge()))
        .copied()
        .collect();
    if others.is_empty() {
        return None;
    }
    let topology = Topology::of(snapshot);
    let at = |address: Address| topology.functions.iter().position(|f| f.address() == address);
    let slot = |i: usize| topology.functions[i].config()?.express()?.slot;
    if !at(device).is_some_and(|i| topology.above(i).into_iter().any(|above| slot(above).is_some())) {
        return Some(Advice::BuiltIn);
    }
    if others.iter().all(|other| other.slot() == device.slot()) {
        return Some(Advice::OwnSlot);
    }
    let acs = |i: usize| isolation::of(&topology.functions[i], snapshot, prediction.when, None);
    let (mut ports, mut unknown) = (Vec::new(), Vec::new());
    for (i, function) in topology.functions.iter().enumerate() {
        let is_port = matches!(
            function.config().and_then(ConfigSpace::express).map(|e| e.port_type),
            Some(PortType::RootPort | PortType::DownstreamPort)
        );
        if !is_port && function.device.is_bus_bridge() && matches!(function.place, Place::Root) {
            unknown.push(function.address());
        }
        let Some(slot) = slot(i).filter(|_| is_port) else { continue };
        let way: Vec<isolation::Acs> = std::iter::once(i).chain(topology.above(i)).map(acs).collect();
        let in_group = group.members.contains(&function.address());
        if way.iter().all(|acs| *acs == isolation::Acs::Isolates) && !in_group {
            ports.push((function.address(), slot.number));
        }
    }
    Some(match (ports.is_empty(), unknown.is_empty()) {
        (false, _) => Advice::Ports(ports),
        (true, true) => Advice::None,
        (true, false) => Advice::Unknown(unknown),
    })
}

impl Advice {
    /// A sentence without its full stop.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::OwnSlot => "no other slot would part them: they are functions of one card".into(),
            Self::BuiltIn => "it is built in: there is no other slot for it".into(),
            Self::Ports(ports) => {
                let all: Vec<String> =
                    ports.iter().map(|(port, slot)| format!("{port} (slot {slot})")).collect();
                let isolate = if ports.len() == 1 {
                    "isolates what is behind it"
                } else {
                    "isolate what is behind them"
                };
                format!("another slot would help: {} {isolate}", all.join(", "))
            }
            Self::None => "no other slot would help: no port of this host with a slot isolates".into(),
            Self::Unknown(ports) => {
                let all: Vec<String> = ports.iter().map(ToString::to_string).collect();
                format!("whether another slot would help could not be seen at {}", all.join(", "))
            }
        }
    }
}
