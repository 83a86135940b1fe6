//! What on the host depends on a device, with the chain that leads there.
//!
//! `list`, `show` and the planner's refusals all use this. What could not be looked at
//! is a use of its own kind ([`Reason::NotSeen`]), never "free".

use std::collections::{BTreeMap, HashMap};

use passthru_model::usage::{Block, VfioHolder};
use passthru_model::{Blind, Fact, Reason, Snapshot};
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
        uses.virtual_functions(snapshot);
        uses.functions_below(snapshot);
        uses.holders(snapshot);
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

    fn disks(&mut self, snapshot: &Snapshot) {
        let usage = &snapshot.usage;
        let blocks = usage.blocks.at_least();
        if blocks.is_empty() && !usage.blocks.blind().is_empty() {
            // Not one disk could be looked at: every storage controller may carry the root.
            for device in &snapshot.devices {
                if device.class.known().is_none_or(|class| class.base() == 0x01) {
                    self.add(Some(device.address), not_seen("block devices", usage.blocks.blind()));
                }
            }
        }
        let tree = Tree::of(snapshot, blocks);
        for disk in blocks.iter().filter(|b| b.partition_of.is_none() && !b.owners.is_empty()) {
            let mut found = Vec::new();
            tree.walk(disk, &mut Vec::new(), &mut found);
            // Where mounts could not be seen, even a disk with a harmless mount may carry
            // another one.
            let blind: Vec<Blind> = usage.mounts.blind().iter().chain(usage.swaps.blind()).cloned().collect();
            if !blind.is_empty() {
                let mut unknown = not_seen("all mounts", &blind);
                unknown.chain.insert(0, disk.name.clone());
                found.push(unknown);
            } else if found.is_empty() && !disk.hidden {
                found.push(Use::new([format!("disk {}", disk.name)], None));
            }
            for owner in &disk.owners {
                for found in &found {
                    self.add(Some(*owner), found.clone());
                }
            }
        }
    }

    /// A mounted share may carry anything, the root file system below an overlay too: it
    /// is never told apart from it.
    fn shares(&mut self, snapshot: &Snapshot) {
        for share in snapshot.usage.shares.at_least() {
            let mounts = snapshot
                .usage
                .mounts
                .at_least()
                .iter()
                .filter(|m| m.kind == share.kind && share.tag.known().is_none_or(|tag| *tag == m.source));
            let mut points: Vec<&str> = mounts.map(|m| m.point.as_str()).collect();
            points.sort_unstable();
            points.dedup();
            let name = format!("{} ({})", share.name, share.kind);
            let (end, blocks) = if points.is_empty() {
                // The mount point may be hidden below another mount or in another namespace.
                ("mounted where this process cannot see it, or not at all".into(), Reason::NotSeen)
            } else if points.contains(&"/") {
                (format!("mounted on {}", listed(&points)), Reason::RootFileSystem)
            } else {
                (format!("mounted on {}", listed(&points)), Reason::Mounted)
            };
            self.add(share.owner, Use::new([name, end], Some(blocks)));
        }
    }

    fn interfaces(&mut self, snapshot: &Snapshot) {
        let interfaces = &snapshot.usage.interfaces;
        for interface in interfaces.at_least() {
            let name = &interface.name;
            let mut blocking = Vec::new();
            match interface.default_route {
                Fact::Known(true) => {
                    blocking.push(Use::new([name, "carries the default route"], Some(Reason::DefaultRoute)));
                }
                Fact::Known(false) | Fact::Absent => {}
                _ => {
                    let mut unknown = not_seen("routes", interfaces.blind());
                    unknown.chain.insert(0, name.clone());
                    blocking.push(unknown);
                }
            }
            if let Fact::Known(master) = &interface.master {
                blocking.push(Use::new(
                    [name.clone(), format!("member of {master}")],
                    Some(Reason::NetworkMember),
                ));
            }
            if blocking.is_empty() {
                let state = match (&interface.up, &interface.state) {
                    (Fact::Known(false), _) => "down",
                    (_, Fact::Known(state)) => state.as_str(),
                    _ => "state unknown",
                };
                blocking.push(Use::new([format!("{name} ({state})")], None));
            }
            for found in blocking {
                self.add(interface.owner, found);
            }
        }
        self.missing_interfaces(snapshot);
    }

    /// A network controller on a host driver of which no interface is seen: it may have
    /// been moved to another network namespace, a container's, where it is in use.
    fn missing_interfaces(&mut self, snapshot: &Snapshot) {
        let mut seen: Vec<Address> =
            snapshot.usage.interfaces.at_least().iter().filter_map(|i| i.owner).collect();
        seen.sort_unstable();
        for device in &snapshot.devices {
            let network = device.class.known().is_some_and(|class| class.base() == 0x02);
            let driver = device.driver.known();
            if network
                && driver.is_some_and(|d| !is_vfio_driver(d) && !is_bystander(d))
                && seen.binary_search(&device.address).is_err()
            {
                let text = "no interface of it is seen here: it may be in another network namespace";
                self.add(Some(device.address), Use::new([text], Some(Reason::NotSeen)));
            }
        }
    }

    fn displays(&mut self, snapshot: &Snapshot) {
        let mut cards: BTreeMap<Address, (Vec<&str>, Vec<&str>, bool)> = BTreeMap::new();
        for display in snapshot.usage.displays.at_least() {
            let Some(owner) = display.owner else { continue };
            let card = cards.entry(owner).or_default();
            card.0.push(&display.name);
            card.2 |= display.name.starts_with("fb");
            if let Fact::Known(connected) = &display.connected {
                card.1.extend(connected.iter().map(String::as_str));
            }
        }
        for device in &snapshot.devices {
            let on_host = device.driver.known().is_some_and(|d| !is_vfio_driver(d));
            let boot = device.boot_vga == Fact::Known(true) && on_host;
            let (names, connected, framebuffer) = cards.remove(&device.address).unwrap_or_default();
            if boot {
                let text = "the display the firmware started on".to_owned();
                let chain: Vec<String> =
                    names.first().map(|n| (*n).to_owned()).into_iter().chain([text]).collect();
                self.add(Some(device.address), Use::new(chain, Some(Reason::Display)));
            } else if framebuffer {
                let chain = ["a framebuffer of the console"];
                self.add(Some(device.address), Use::new(chain, Some(Reason::Display)));
            } else if !connected.is_empty() {
                let text = format!("a monitor on {}", connected.join(", "));
                let chain = names.first().map(|n| (*n).to_owned()).into_iter().chain([text]);
                self.add(Some(device.address), Use::new(chain, Some(Reason::Display)));
            } else if !names.is_empty() {
                self.add(Some(device.address), Use::new([names.join(", ")], None));
            }
        }
    }

    fn inputs(&mut self, snapshot: &Snapshot) {
        let inputs = snapshot.usage.inputs.at_least();
        let keyboards: Vec<_> = inputs.iter().filter(|i| i.keyboard).collect();
        for input in inputs.iter().filter(|i| i.keyboard || i.pointer) {
            let only = input.keyboard && keyboards.iter().all(|k| k.owner == input.owner);
            let kind = match (input.keyboard, only) {
                (true, true) => "the only keyboard",
                (true, false) => "keyboard",
                (false, _) => "mouse",
            };
            let blocks = only.then_some(Reason::LastKeyboard);
            self.add(input.owner, Use::new([format!("{kind} \"{}\"", input.name)], blocks));
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
    }

    fn holders(&mut self, snapshot: &Snapshot) {
        let holders = &snapshot.usage.vfio_holders;
        for device in &snapshot.devices {
            if !device.driver.known().is_some_and(|d| is_vfio_driver(d)) {
                continue;
            }
            let mut seen = false;
            for holder in holders.at_least() {
                let group = holder.group.is_some() && holder.group.as_ref() == device.group.known();
                if group || holder.device == Some(device.address) {
                    seen = true;
                    let chain = [holder.node.clone(), format!("held by {}", process(holder))];
                    self.add(Some(device.address), Use::new(chain, Some(Reason::Held)));
                }
            }
            if !seen && !holders.blind().is_empty() {
                self.add(Some(device.address), not_seen("who holds it", holders.blind()));
            }
        }
    }
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

fn process(holder: &VfioHolder) -> String {
    match &holder.name {
        Fact::Known(name) => format!("{name} (process {})", holder.pid),
        _ => format!("process {}", holder.pid),
    }
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

/// Block devices as they are stacked.
struct Tree<'a> {
    by_name: HashMap<&'a str, &'a Block>,
    parts: HashMap<&'a str, Vec<&'a Block>>,
    mounts: HashMap<(u32, u32), Vec<&'a str>>,
    /// Mounts whose device number is none of a block device (btrfs, ZFS, bind mounts of
    /// such), by their source.
    sources: HashMap<&'a str, Vec<&'a str>>,
    swaps: Vec<&'a str>,
}

impl<'a> Tree<'a> {
    fn of(snapshot: &'a Snapshot, blocks: &'a [Block]) -> Self {
        let mut tree = Self {
            by_name: blocks.iter().map(|b| (b.name.as_str(), b)).collect(),
            parts: HashMap::new(),
            mounts: HashMap::new(),
            sources: HashMap::new(),
            swaps: snapshot
                .usage
                .swaps
                .at_least()
                .iter()
                .filter(|s| !s.file)
                .map(|s| s.path.as_str())
                .collect(),
        };
        for block in blocks {
            if let Some(disk) = &block.partition_of {
                tree.parts.entry(disk).or_default().push(block);
            }
        }
        for mount in snapshot.usage.mounts.at_least() {
            tree.mounts.entry(mount.number).or_default().push(&mount.point);
            if mount.number.0 == 0 {
                tree.sources.entry(&mount.source).or_default().push(&mount.point);
            }
        }
        tree
    }

    /// Whether a path names this block device.
    fn is_node(block: &Block, path: &str) -> bool {
        path.strip_prefix("/dev/").is_some_and(|rest| {
            rest == block.name
                || rest
                    .strip_prefix("mapper/")
                    .is_some_and(|name| block.mapper_name.known().is_some_and(|m| m == name))
        })
    }

    /// Follows partitions and holders; `above` is the chain so far.
    fn walk(&self, block: &'a Block, above: &mut Vec<&'a str>, found: &mut Vec<Use>) {
        if above.contains(&block.name.as_str()) {
            return;
        }
        above.push(&block.name);
        let chain = |end: String| above.iter().map(|s| self.shown(s)).chain([end]).collect::<Vec<_>>();
        let mut points: Vec<&str> = Vec::new();
        if let Fact::Known(number) = block.number {
            points.extend(self.mounts.get(&number).into_iter().flatten());
        }
        for (source, at) in &self.sources {
            if Self::is_node(block, source) {
                points.extend(at);
            }
        }
        points.sort_unstable();
        points.dedup();
        if points.contains(&"/") {
            let end = format!("mounted on {}", listed(&points));
            found.push(Use { chain: chain(end), blocks: Some(Reason::RootFileSystem) });
        } else if !points.is_empty() {
            let end = format!("mounted on {}", listed(&points));
            found.push(Use { chain: chain(end), blocks: Some(Reason::Mounted) });
        }
        if self.swaps.iter().any(|path| Self::is_node(block, path)) {
            found.push(Use { chain: chain("swap".into()), blocks: Some(Reason::Swap) });
        }
        match &block.holders {
            Fact::Known(holders) => {
                for holder in holders {
                    let before = found.iter().filter(|u| u.blocks.is_some()).count();
                    if let Some(holder) = self.by_name.get(holder.as_str()) {
                        self.walk(holder, above, found);
                    }
                    // Held without a mount at the end: still somebody's.
                    if found.iter().filter(|u| u.blocks.is_some()).count() == before {
                        let end = format!("held by {}", self.shown(holder));
                        let chain = above.iter().map(|s| self.shown(s)).chain([end]).collect();
                        found.push(Use { chain, blocks: Some(Reason::Holders) });
                    }
                }
            }
            Fact::Absent => {}
            _ => {
                let end = "could not look at what is stacked on it".to_owned();
                found.push(Use { chain: chain(end), blocks: Some(Reason::NotSeen) });
            }
        }
        for part in self.parts.get(block.name.as_str()).into_iter().flatten() {
            self.walk(part, above, found);
        }
        above.pop();
    }

    fn shown(&self, name: &str) -> String {
        match self.by_name.get(name).and_then(|b| b.mapper_name.known()) {
            Some(mapper) => format!("{name} ({mapper})"),
            None => name.to_owned(),
        }
    }
}

/// The first few mount points, so that a line stays a line.
fn listed(points: &[&str]) -> String {
    const SHOWN: usize = 3;
    let mut text = points[..points.len().min(SHOWN)].join(", ");
    if points.len() > SHOWN {
        text.push_str(&format!(" and {} more", points.len() - SHOWN));
    }
    text
}
