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

pub(crate) use cards::keyboards_together;

use passthru_model::usage::VfioHolder;
use passthru_model::{Blind, Device, Fact, Hidden, Reason, Snapshot, Unseen};
use passthru_pci::Address;

/// One thing that depends on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// From the kernel name to what uses it: `nvme0n1`, `nvme0n1p2`, `mounted on /`.
    pub chain: Vec<String>,
    /// Why the device must not be taken from the host for that; `None` where the host
    /// merely loses it.
    pub blocks: Option<Reason>,
    /// Where it blocks with [`Reason::NotSeen`]: what could not be looked at, and what might
    /// have been seen there.
    pub hidden: Vec<Hidden>,
}

impl Use {
    fn new(chain: impl IntoIterator<Item = impl Into<String>>, blocks: Option<Reason>) -> Self {
        Self { chain: chain.into_iter().map(Into::into).collect(), blocks, hidden: Vec::new() }
    }

    /// That somebody may use it for these reasons, which nobody could see there.
    fn unseen(
        chain: impl IntoIterator<Item = impl Into<String>>,
        reasons: &'static [Reason],
        unseen: Unseen,
    ) -> Self {
        Self { hidden: vec![Hidden { unseen, reasons }], ..Self::new(chain, Some(Reason::NotSeen)) }
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
                self.add(Some(device.address), not_seen("who holds it", holders.blind(), &[Reason::Held]));
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

/// A blind spot, and the reasons it may hide.
fn hidden(blind: &Blind, reasons: &'static [Reason]) -> Hidden {
    let path = match blind.count {
        0 | 1 => blind.path.clone(),
        count => format!("{} and {} more", blind.path, count - 1),
    };
    Hidden { unseen: Unseen::new(path, blind.error), reasons }
}

/// That all of these blind spots may hide any of the reasons.
fn not_seen(what: &str, blind: &[Blind], reasons: &'static [Reason]) -> Use {
    not_seen_of(what, blind, blind.iter().map(|blind| hidden(blind, reasons)).collect())
}

fn not_seen_of(what: &str, blind: &[Blind], hidden: Vec<Hidden>) -> Use {
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
    Use { hidden, ..Use::new([why], Some(Reason::NotSeen)) }
}

#[cfg(test)]
mod tests {
    use passthru_formats::Errno;
    use passthru_model::usage::{Block, Interface, Share};
    use passthru_model::{Seen, Usage};
    use passthru_pci::Class;

    use super::*;
    use crate::checks::testing::{function, host_with};

    fn blind<T>(items: Vec<T>, path: &str, count: usize) -> Seen<T> {
        Seen::new(items, vec![Blind { what: "it".into(), path: path.into(), error: Errno::EACCES, count }])
    }

    /// The places that could not be looked at for a function of this class and driver, with the
    /// reasons each may hide.
    fn hidden_of(class: u32, driver: &str, usage: Usage) -> Vec<String> {
        let mut host = host_with(|_| {});
        let mut device = function("0000:01:00.0");
        device.class = Fact::Known(Class::new(class));
        device.driver = Fact::Known(driver.into());
        let address = device.address;
        host.devices.push(device);
        host.usage = usage;
        let uses = Uses::of(&host);
        let mut found = Vec::new();
        for used in uses.device(address) {
            assert_eq!(used.blocks == Some(Reason::NotSeen), !used.hidden.is_empty(), "{used:?}");
            for Hidden { unseen, reasons } in &used.hidden {
                let names: Vec<&str> = reasons.iter().map(|reason| reason.name()).collect();
                found.push(format!("{}: {}", unseen.path, names.join(" ")));
            }
        }
        found
    }

    fn disk() -> Block {
        Block {
            name: "nvme0n1".into(),
            owners: vec!["0000:01:00.0".parse().unwrap()],
            partition_of: None,
            number: Fact::Absent,
            holders: Fact::Known(Vec::new()),
            mapper_name: Fact::Absent,
            mapper_uuid: Fact::Absent,
            raid_level: Fact::Absent,
            content: Fact::Absent,
            hidden: false,
        }
    }

    #[test]
    fn what_blind_spots_of_disks_hide() {
        const ON_DISKS: &str = "mounted root-file-system swap holders fstab clients";
        let of = |usage| hidden_of(0x01_08_02, "nvme", usage);
        let blocks = Seen::new(vec![disk()], Vec::new());
        let all = Usage {
            mounts: blind(Vec::new(), "/proc/9/ns/mnt", 3),
            swaps: blind(Vec::new(), "/proc/swaps", 1),
            clients: blind(Vec::new(), "/proc/9/fd", 2),
            tables: blind(Vec::new(), "/etc/crypttab", 1),
            blocks: blocks.clone(),
            ..Usage::default()
        };
        assert_eq!(
            of(all),
            [
                "/proc/9/ns/mnt and 2 more: mounted root-file-system",
                "/proc/swaps: swap",
                "/proc/9/fd and 1 more: clients",
                "/etc/crypttab: fstab"
            ]
        );
        assert!(of(Usage { blocks, ..Usage::default() }).is_empty());
        let none = Usage { blocks: blind(Vec::new(), "/sys/class/block", 1), ..Usage::default() };
        assert_eq!(of(none), [format!("/sys/class/block: {ON_DISKS}")]);
        let stacked = Block { holders: Fact::Unreadable(Errno::EACCES), ..disk() };
        let stacked = Usage { blocks: Seen::new(vec![stacked], Vec::new()), ..Usage::default() };
        assert_eq!(of(stacked), [format!("/sys/class/block/nvme0n1/holders: {ON_DISKS}")]);
        let pool = Block { content: Fact::NotRead, ..disk() };
        let blocks = Seen::new(vec![pool], Vec::new());
        let pool = Usage { blocks, zfs: Fact::Known(true), ..Usage::default() };
        assert_eq!(of(pool), ["/run/udev/data: holders"]);
        let (name, owner) = ("virtio1".into(), Some("0000:01:00.0".parse().unwrap()));
        let share = Share { name, owner, kind: "9p", tag: Fact::Known("host".into()) };
        let shares = Usage { shares: Seen::new(vec![share], Vec::new()), ..Usage::default() };
        assert_eq!(of(shares), ["/proc/self/mountinfo: mounted root-file-system"]);
    }

    #[test]
    fn what_blind_spots_of_interfaces_hide() {
        let of = |usage| hidden_of(0x02_00_00, "e1000e", usage);
        let interface = || Interface {
            name: "eth0".into(),
            owner: Some("0000:01:00.0".parse().unwrap()),
            state: Fact::Known("up".into()),
            up: Fact::Known(true),
            master: Fact::Absent,
            uppers: Fact::Known(Vec::new()),
            addresses: Vec::new(),
            default_route: Fact::Known(false),
        };
        let nothing = "/sys/bus/pci/devices/0000:01:00.0/net:";
        assert_eq!(of(Usage::default()), [format!("{nothing} network-namespace ssh-connection")]);
        let unlisted = Usage { interfaces: blind(Vec::new(), "/sys/class/net", 1), ..Usage::default() };
        assert_eq!(
            of(unlisted),
            [format!("{nothing} default-route network-member ssh-connection network-namespace")]
        );
        let seen = Seen::new(vec![interface()], Vec::new());
        let ssh = blind(Vec::new(), "/proc/net/tcp", 1);
        let connections = Usage { interfaces: seen, ssh, ..Usage::default() };
        assert_eq!(of(connections), ["/proc/net/tcp: ssh-connection"]);
        let routes = Interface { default_route: Fact::Unreadable(Errno::EACCES), ..interface() };
        let routes = Usage { interfaces: blind(vec![routes], "/proc/net/route", 1), ..Usage::default() };
        assert_eq!(of(routes), ["/proc/net/route: default-route"]);
        let uppers = Interface { uppers: Fact::Unreadable(Errno::EACCES), ..interface() };
        let uppers = Usage { interfaces: Seen::new(vec![uppers], Vec::new()), ..Usage::default() };
        assert_eq!(of(uppers), ["/sys/class/net/eth0: network-member default-route ssh-connection"]);
    }

    #[test]
    fn what_blind_spots_of_cards_hide() {
        let usage = || Usage {
            displays: blind(Vec::new(), "/sys/class/drm", 1),
            inputs: blind(Vec::new(), "/proc/bus/input/devices", 1),
            clients: blind(Vec::new(), "/proc/9/fd", 1),
            vfio_holders: blind(Vec::new(), "/proc/9/fd", 1),
            ..Usage::default()
        };
        assert_eq!(
            hidden_of(0x03_00_00, "i915", usage()),
            ["/sys/class/drm: display", "/proc/9/fd: clients"]
        );
        assert_eq!(hidden_of(0x03_00_00, "vfio-pci", usage()), ["/proc/9/fd: held"]);
        assert_eq!(hidden_of(0x0c_03_30, "xhci_hcd", usage()), ["/proc/bus/input/devices: last-keyboard"]);
        for (path, reasons) in [
            ("/sys/class/mdev_bus/x", "mediated-devices"),
            ("/sys/class/tpm", "tpm"),
            ("/sys/class/watchdog", "watchdog"),
        ] {
            let services = Usage { services: blind(Vec::new(), path, 1), ..Usage::default() };
            assert_eq!(hidden_of(0x0c_03_30, "xhci_hcd", services), [format!("{path}: {reasons}")]);
        }
    }
}
