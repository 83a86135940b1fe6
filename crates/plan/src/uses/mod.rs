//! What on the host depends on a device, with the chain that leads there.
//!
//! `list`, `show` and the planner's refusals all use this. What could not be looked at
//! is a use of its own kind ([`Reason::NotSeen`]), never "free".
//!
//! | module | holds |
//! |---|---|
//! | this one | [`Uses`], virtual functions, holders of VFIO devices, functions below |
//! | `disks` | what stands on disks: mounts, swap, stacks, tables, processes; shares |
//! | `network` | interfaces, what stands on them, routes, connections |
//! | `cards` | displays, input, sound, open nodes, USB devices, TPM, watchdog |

mod cards;
mod disks;
mod network;

use std::collections::{BTreeMap, HashMap};

use passthru_model::usage::VfioHolder;
use passthru_model::{Blind, Device, Fact, Reason, Snapshot};
use passthru_pci::Address;

/// One thing that depends on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// From the kernel name to what uses it: `nvme0n1`, `nvme0n1p2`, `mounted on /`.
    pub chain: Vec<String>,
    /// Why the device must not be taken from the host for that; `None` where the host
    /// merely loses it.
    pub blocks: Option<Reason>,
}

impl Use {
    fn new(chain: impl IntoIterator<Item = impl Into<String>>, blocks: Option<Reason>) -> Self {
        Self { chain: chain.into_iter().map(Into::into).collect(), blocks }
    }

    /// The chain as one readable line.
    #[must_use]
    pub fn line(&self) -> String {
        self.chain.join(" → ")
    }
}

/// Every device's uses, made once for a snapshot.
#[derive(Debug)]
pub struct Uses {
    by_device: HashMap<Address, Vec<Use>>,
}

impl Uses {
    /// Looks through the whole snapshot.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut uses = Self { by_device: HashMap::new() };
        uses.disks(snapshot);
        uses.shares(snapshot);
        uses.interfaces(snapshot);
        uses.displays(snapshot);
        uses.inputs(snapshot);
        for sound in snapshot.usage.sounds.at_least() {
            uses.add(sound.owner, Use::new([format!("sound {}", sound.name)], None));
        }
        uses.clients(snapshot);
        uses.services(snapshot);
        uses.attached(snapshot);
        uses.functions_below(snapshot);
        uses.holders(snapshot);
        uses.virtual_functions(snapshot);
        uses
    }

    /// What depends on a device, the blocking uses first.
    #[must_use]
    pub fn device(&self, address: Address) -> &[Use] {
        self.by_device.get(&address).map_or(&[], Vec::as_slice)
    }

    fn add(&mut self, owner: Option<Address>, found: Use) {
        if let Some(owner) = owner {
            let uses = self.by_device.entry(owner).or_default();
            // Blocking ones first, in the order in which they were found.
            let at = if found.blocks.is_some() {
                uses.iter().take_while(|u| u.blocks.is_some()).count()
            } else {
                uses.len()
            };
            uses.insert(at, found);
        }
    }

    /// An endpoint with functions below it (Intel VMD, whose domain holds the machine's
    /// disks): they all go when it does.
    fn functions_below(&mut self, snapshot: &Snapshot) {
        let mut below: BTreeMap<Address, Vec<Address>> = BTreeMap::new();
        for device in &snapshot.devices {
            // The root bus of a VMD domain has no bridge above it, but its path leads
            // through the endpoint: …/0000:64:00.5/pci10000:00/10000:00:02.0.
            let above = || device.path.rsplit('/').skip(1).find_map(Address::from_sysfs);
            if let Some(parent) = device.parent.or_else(above).and_then(|parent| snapshot.device(parent))
                && !parent.is_bus_bridge()
            {
                below.entry(parent.address).or_default().push(device.address);
            }
        }
        for (address, functions) in below {
            let first = functions[0];
            let more = if functions.len() > 1 {
                format!(" and {} more", functions.len() - 1)
            } else {
                String::new()
            };
            let chain = [format!("{first}{more} hang below it")];
            self.add(Some(address), Use::new(chain, Some(Reason::FunctionsBelow)));
        }
    }

    fn virtual_functions(&mut self, snapshot: &Snapshot) {
        let mut count: BTreeMap<Address, usize> = BTreeMap::new();
        for physical in snapshot.devices.iter().filter_map(|d| d.physical_function.known()) {
            *count.entry(*physical).or_default() += 1;
        }
        for (physical, count) in count {
            let text = format!("{count} active virtual function{}", if count == 1 { "" } else { "s" });
            self.add(Some(physical), Use::new([text], Some(Reason::VirtualFunctions)));
        }
        // Whoever holds one of them loses it with the physical function's driver.
        for device in &snapshot.devices {
            let Fact::Known(physical) = &device.physical_function else { continue };
            let held = |u: &&Use| u.blocks == Some(Reason::Held);
            for found in self.device(device.address).iter().filter(held).cloned().collect::<Vec<_>>() {
                let chain = [device.address.to_string()].into_iter().chain(found.chain);
                self.add(Some(*physical), Use::new(chain, Some(Reason::VirtualFunctions)));
            }
        }
    }

    fn holders(&mut self, snapshot: &Snapshot) {
        let holders = &snapshot.usage.vfio_holders;
        for device in &snapshot.devices {
            if !device.driver.known().is_some_and(|d| is_vfio_driver(d)) {
                continue;
            }
            let found = held(snapshot, device);
            let seen = !found.is_empty();
            for found in found {
                self.add(Some(device.address), found);
            }
            if !seen && !holders.blind().is_empty() {
                self.add(Some(device.address), not_seen("who holds it", holders.blind()));
            }
        }
    }
}

/// Who holds a device or its group, whatever driver it is on at this moment: the link goes
/// before an unbind has come back.
#[must_use]
pub fn held(snapshot: &Snapshot, device: &Device) -> Vec<Use> {
    let holds = |holder: &&VfioHolder| {
        let group = holder.group.is_some() && holder.group.as_ref() == device.group.known();
        group || holder.device == Some(device.address)
    };
    let holders = snapshot.usage.vfio_holders.at_least().iter().filter(holds);
    holders
        .map(|found| {
            let chain = [found.node.clone(), format!("held by {}", holder(found))];
            Use::new(chain, Some(Reason::Held))
        })
        .collect()
}

/// Whether a driver is one of VFIO's: `vfio-pci` or a variant (`mlx5_vfio_pci`,
/// `xe-vfio-pci`). All of them end so (`drivers/vfio/pci/*/main.c`).
#[must_use]
pub fn is_vfio_driver(name: &str) -> bool {
    name == "vfio-pci" || name.ends_with("_vfio_pci") || name.ends_with("-vfio-pci")
}

/// Drivers that make no network interface although they drive network controllers.
fn is_bystander(name: &str) -> bool {
    matches!(name, "pci-stub" | "uio_pci_generic" | "igb_uio" | "xen-pciback" | "virtio-pci")
}

/// Whether the host drives a device: with a driver that is not VFIO's.
fn is_on_host(device: &Device) -> bool {
    device.driver.known().is_some_and(|d| !is_vfio_driver(d))
}

fn process(name: &Fact<String>, pid: u32) -> String {
    match name {
        Fact::Known(name) => format!("{name} (process {pid})"),
        _ => format!("process {pid}"),
    }
}

fn holder(holder: &VfioHolder) -> String {
    match (&holder.name, &holder.vm) {
        (Fact::Known(name), Some(vm)) => format!("{name} \"{vm}\" (process {})", holder.pid),
        (name, _) => process(name, holder.pid),
    }
}

/// The first few of something, so that a line stays a line.
fn listed(all: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<&str> = all.iter().take(SHOWN).map(AsRef::as_ref).collect();
    let mut text = shown.join(", ");
    if all.len() > SHOWN {
        text.push_str(&format!(" and {} more", all.len() - SHOWN));
    }
    text
}

fn not_seen(what: &str, blind: &[Blind]) -> Use {
    let why = match blind.first() {
        Some(first) if blind.len() == 1 && first.count == 1 => {
            format!("could not look at {what}: {}: {}", first.path, first.error)
        }
        Some(first) => {
            let count: usize = blind.iter().map(|b| b.count).sum();
            format!("could not look at {what}: {} and {} more: {}", first.path, count - 1, first.error)
        }
        None => format!("could not look at {what}"),
    };
    Use::new([why], Some(Reason::NotSeen))
}
