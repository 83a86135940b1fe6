//! The classes below `/sys/class` and the tables below `/proc`: block devices,
//! interfaces, displays, input, mounts, swap, routes.

use passthru_pci::Address;

use super::files::Node;
use super::machine::{Gives, Machine};

/// A block device as it is found by its name.
struct Block {
    /// The real directory below `/sys/devices`.
    path: String,
    number: (u32, u32),
    mapper_name: Option<String>,
    /// It belongs to a multipath disk and has no node.
    hidden: bool,
}

fn file(value: impl std::fmt::Display) -> Option<Node> {
    Some(Node::File(format!("{value}\n").into_bytes(), 0o444))
}

fn directory(names: impl IntoIterator<Item = String>) -> Option<Node> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    Some(Node::Directory(names))
}

/// From an entry of a class to a real directory.
fn class_link(path: &str) -> Option<Node> {
    Some(Node::Link(format!("../../{}", path.strip_prefix("/sys/")?)))
}

impl Machine {
    fn find_block(&self, wanted: &str) -> Option<Block> {
        if let Some(found) = self.stacked.get(wanted) {
            let path = format!("/sys/devices/virtual/block/{wanted}");
            let mapper_name = found.mapper_name.clone();
            return Some(Block { path, number: found.number, mapper_name, hidden: false });
        }
        self.shown().find_map(|(f, given)| {
            let here = |path: String, number, hidden| Some(Block { path, number, mapper_name: None, hidden });
            match given {
                Gives::Disk { name, number, partitions } => {
                    let at = match name.split_once('n').and_then(|_| name.rsplit_once('n')) {
                        Some((controller, _)) if name.starts_with("nvme") => format!("nvme/{controller}"),
                        _ => "block".to_owned(),
                    };
                    let disk = || format!("{}/{at}/{name}", self.path(f.address));
                    if name == wanted {
                        return here(disk(), *number, false);
                    }
                    let (_, minor) = partitions.iter().zip(number.1 + 1..).find(|(p, _)| *p == wanted)?;
                    here(format!("{}/{wanted}", disk()), (number.0, minor), false)
                }
                Gives::Path { controller, subsystem, disk, number } => {
                    if disk == wanted {
                        let path = format!("/sys/devices/virtual/nvme-subsystem/{subsystem}/{disk}");
                        return here(path, *number, false);
                    }
                    // `nvme0c1n1`: the path of controller 1.
                    let path = format!("{}/nvme/{controller}/{wanted}", self.path(f.address));
                    (path_name(controller, disk) == wanted).then(|| here(path, (0, 0), true))?
                }
                _ => None,
            }
        })
    }

    pub(super) fn is_block(&self, name: &str) -> bool {
        self.find_block(name).is_some()
    }

    /// The device number of a block device that has a node.
    pub(super) fn block_number(&self, name: &str) -> Option<(u32, u32)> {
        self.find_block(name).filter(|b| !b.hidden).map(|b| b.number)
    }

    /// Every block device's name.
    fn blocks(&self) -> Vec<String> {
        let mut names: Vec<String> = self.stacked.keys().cloned().collect();
        for (_, given) in self.shown() {
            match given {
                Gives::Disk { name, partitions, .. } => {
                    names.push(name.clone());
                    names.extend(partitions.iter().cloned());
                }
                Gives::Path { controller, disk, .. } => {
                    names.push(disk.clone());
                    names.push(path_name(controller, disk));
                }
                _ => {}
            }
        }
        names
    }

    /// What stands below the directory of a block device.
    pub(super) fn block(&self, name: &str, rest: &[&str]) -> Option<Node> {
        let block = self.find_block(name)?;
        match rest {
            [] => directory(["dev", "holders", "size"].map(str::to_owned)),
            ["dev"] if !block.hidden => file(format!("{}:{}", block.number.0, block.number.1)),
            ["hidden"] => file(u8::from(block.hidden)),
            ["holders"] if !block.hidden => {
                let on = |s: &super::machine::Stacked| s.on.iter().any(|on| on == name);
                directory(self.stacked.iter().filter(|(_, s)| on(s)).map(|(holder, _)| holder.clone()))
            }
            ["dm", "name"] => file(block.mapper_name?),
            [part, rest @ ..] => self.block(part, rest),
        }
    }

    pub(super) fn interface(&self, name: &str, rest: &[&str]) -> Option<Node> {
        self.interfaces().find(|(_, found)| *found == name)?;
        match rest {
            [] => {
                let upper = self.masters.get(name).map(|master| format!("upper_{master}"));
                directory(["flags", "operstate"].map(str::to_owned).into_iter().chain(upper))
            }
            ["operstate"] => file("up"),
            ["flags"] => file("0x1003"),
            ["master"] => Some(Node::Link(format!("../../../virtual/net/{}", self.masters.get(name)?))),
            _ => None,
        }
    }

    /// The interfaces of functions that can be seen from here.
    fn interfaces(&self) -> impl Iterator<Item = (Address, &str)> {
        self.shown().filter_map(|(f, given)| match given {
            Gives::Interface { name, elsewhere: false } => Some((f.address, name.as_str())),
            _ => None,
        })
    }

    /// Everything below `/sys/class`.
    pub(super) fn class(&self, class: &str, rest: &[&str]) -> Option<Node> {
        match (class, rest) {
            ("iommu", []) => directory(self.units.iter().cloned()),
            ("block", []) => directory(self.blocks()),
            ("block", [name]) => class_link(&self.find_block(name)?.path),
            ("block", [name, rest @ ..]) => self.block(name, rest),
            ("net", []) => directory(self.interfaces().map(|(_, name)| name.to_owned()).chain(["lo".into()])),
            ("net", ["lo"]) => class_link("/sys/devices/virtual/net/lo"),
            ("net", ["lo", "operstate"]) => file("unknown"),
            ("net", ["lo", "flags"]) => file("0x9"),
            ("net", [name]) => {
                let (address, _) = self.interfaces().find(|(_, found)| found == name)?;
                class_link(&format!("{}/net/{name}", self.path(address)))
            }
            ("net", [name, rest @ ..]) => self.interface(name, rest),
            ("nvme-subsystem", [name, controller]) => {
                let (address, _) = self.controllers(name).find(|(_, found)| found == controller)?;
                let path = self.path(address);
                Some(Node::Link(format!(
                    "../../../{}/nvme/{controller}",
                    path.strip_prefix("/sys/devices/")?
                )))
            }
            _ => self.cards(class, rest),
        }
    }

    /// Graphics, framebuffers and sound; and the members of an NVMe subsystem.
    fn cards(&self, class: &str, rest: &[&str]) -> Option<Node> {
        let mut entries: Vec<(String, String)> = Vec::new();
        let mut connected = Vec::new();
        for (f, given) in self.shown() {
            match (class, given) {
                ("drm", Gives::Display { name, connected: monitors }) if !name.starts_with("fb") => {
                    let card = format!("{}/drm/{name}", self.path(f.address));
                    for monitor in monitors {
                        let connector = format!("{name}-{monitor}");
                        entries.push((connector.clone(), format!("{card}/{connector}")));
                        connected.push(connector);
                    }
                    entries.push((name.clone(), card));
                }
                ("graphics", Gives::Display { name, .. }) if name.starts_with("fb") => {
                    entries.push((name.clone(), format!("{}/graphics/{name}", self.path(f.address))));
                }
                ("sound", Gives::Sound(name)) => {
                    entries.push((name.clone(), format!("{}/sound/{name}", self.path(f.address))));
                }
                ("nvme-subsystem", Gives::Path { subsystem, .. }) => {
                    let path = format!("/sys/devices/virtual/nvme-subsystem/{subsystem}");
                    entries.push((subsystem.clone(), path));
                }
                _ => {}
            }
        }
        match rest {
            [] => directory(entries.into_iter().map(|(name, _)| name)),
            [name] => class_link(&entries.iter().find(|(found, _)| found == name)?.1),
            [name, "status"] => connected.iter().any(|c| c == name).then(|| file("connected"))?,
            _ => None,
        }
    }

    pub(super) fn mountinfo(&self) -> String {
        let mut table = String::from("21 26 0:20 / /proc rw,nosuid shared:5 - proc proc rw\n");
        for (nth, mount) in self.mounts.iter().enumerate() {
            let ((major, minor), id) = (mount.number, 26 + nth);
            let (point, kind, source) = (&mount.point, &mount.kind, &mount.source);
            table
                .push_str(&format!("{id} 1 {major}:{minor} / {point} rw shared:{id} - {kind} {source} rw\n"));
        }
        table
    }

    pub(super) fn swaps_table(&self) -> String {
        let mut table = String::from("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
        for swap in &self.swaps {
            let kind = if swap.starts_with("/dev/") { "partition" } else { "file" };
            table.push_str(&format!("{swap}                              {kind}\t1048572\t\t0\t\t-2\n"));
        }
        table
    }

    pub(super) fn routes(&self, six: bool) -> String {
        let mut table = String::new();
        if !six {
            table.push_str(
                "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n",
            );
        }
        // A route goes with its interface.
        let there = |name: &str| self.interfaces().any(|(_, found)| found == name);
        for (name, _) in self.default_routes.iter().filter(|(name, v6)| *v6 == six && there(name)) {
            if six {
                let zero = "0".repeat(32);
                table.push_str(&format!(
                    "{zero} 00 {zero} 00 fe80000000000000000000000000fffe 00000400 00000001 00000000 00000003     {name}\n"
                ));
            } else {
                table.push_str(&format!("{name}\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"));
            }
        }
        table
    }

    pub(super) fn input_devices(&self) -> String {
        let mut table = String::new();
        for (nth, (f, given)) in self.shown().enumerate() {
            let (name, handlers, events, keys) = match given {
                Gives::Keyboard(name) => (name, format!("sysrq kbd event{nth} leds"), "120013", "fffffffe"),
                Gives::Mouse(name) => (name, format!("mouse0 event{nth}"), "17", "70000 0 0 0 0"),
                _ => continue,
            };
            let path = self.path(f.address);
            let path = path.strip_prefix("/sys").unwrap_or(&path);
            table.push_str(&format!(
                "I: Bus=0003 Vendor=046d Product=c31c Version=0110\nN: Name=\"{name}\"\nP: Phys=usb\n\
                 S: Sysfs={path}/usb1/1-1/1-1:1.0/input/input{nth}\nU: Uniq=\nH: Handlers={handlers} \n\
                 B: PROP=0\nB: EV={events}\nB: KEY={keys}\n\n"
            ));
        }
        table
    }
}

/// What the hidden path of a multipath disk is called: `nvme0c1n1` for `nvme0n1` through
/// `nvme1`.
fn path_name(controller: &str, disk: &str) -> String {
    match disk.rsplit_once('n') {
        Some((subsystem, namespace)) => {
            format!("{subsystem}c{}n{namespace}", controller.trim_start_matches("nvme"))
        }
        None => disk.to_owned(),
    }
}
