//! What stands on disks: partitions and stacks, what is mounted from them, swap, what the
//! tables of the next boot name, processes that have them open; and directories that a
//! hypervisor shares.

use std::collections::HashMap;

use passthru_model::usage::{Block, Client, Opened, TableEntry, TableWish};
use passthru_model::{Blind, Fact, Hidden, Reason, Snapshot, Unseen, Usage};

use super::cards::open_by;
use super::{Use, Uses, hidden, listed, not_seen, not_seen_of};

/// What a mount that could not be seen may be.
const MOUNTS: &[Reason] = &[Reason::Mounted, Reason::RootFileSystem];
/// What may stand on a disk, or on what is stacked on it.
const ON_DISKS: &[Reason] =
    &[Reason::Mounted, Reason::RootFileSystem, Reason::Swap, Reason::Holders, Reason::Fstab, Reason::Clients];

impl Uses {
    pub(super) fn disks(&mut self, snapshot: &Snapshot) {
        let usage = &snapshot.usage;
        let blocks = usage.blocks.at_least();
        if blocks.is_empty() && !usage.blocks.blind().is_empty() {
            // Not one disk could be looked at: every storage controller may carry the root.
            for device in &snapshot.devices {
                if device.class.known().is_none_or(|class| class.base() == 0x01) {
                    self.add(Some(device.address), not_seen("block devices", usage.blocks.blind(), ON_DISKS));
                }
            }
        }
        let tree = Tree::of(snapshot, blocks);
        for disk in blocks.iter().filter(|b| b.partition_of.is_none() && !b.owners.is_empty()) {
            let mut found = Vec::new();
            tree.walk(disk, &mut Vec::new(), &mut found);
            // Where users could not be seen, even a disk with a harmless mount may have
            // another one.
            if let Some(unknown) = unseen_users(usage, disk) {
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
    pub(super) fn shares(&mut self, snapshot: &Snapshot) {
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
            if points.is_empty() {
                // The mount point may be hidden below another mount or in another namespace.
                let end = "mounted where this process cannot see it, or not at all";
                let unseen = Unseen { path: "/proc/self/mountinfo".into(), why: format!("{name} is {end}") };
                self.add(share.owner, Use::unseen([name.as_str(), end], MOUNTS, unseen));
                continue;
            }
            let (end, blocks) = if points.contains(&"/") {
                (format!("mounted on {}", listed(&points)), Reason::RootFileSystem)
            } else {
                (format!("mounted on {}", listed(&points)), Reason::Mounted)
            };
            self.add(share.owner, Use::new([name, end], Some(blocks)));
        }
    }
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
    /// Entries of tables by the node they name.
    tables: HashMap<&'a str, Vec<&'a TableEntry>>,
    /// Processes by the node they have open.
    clients: HashMap<&'a str, Vec<&'a Client>>,
    zfs: &'a Fact<bool>,
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
            tables: HashMap::new(),
            clients: HashMap::new(),
            zfs: &snapshot.usage.zfs,
        };
        for entry in snapshot.usage.tables.at_least() {
            tree.tables.entry(&entry.node).or_default().push(entry);
        }
        for client in snapshot.usage.clients.at_least() {
            if let Opened::Block(node) = &client.opened {
                tree.clients.entry(node).or_default().push(client);
            }
        }
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

    /// What belongs to a block device, by its nodes.
    fn of_block<T: Copy>(by_node: &HashMap<&str, Vec<T>>, block: &Block) -> Vec<T> {
        if by_node.is_empty() {
            return Vec::new();
        }
        let node = format!("/dev/{}", block.name);
        let mapped = block.mapper_name.known().map(|name| format!("/dev/mapper/{name}"));
        let nodes = [Some(node), mapped].into_iter().flatten();
        nodes.filter_map(|node| by_node.get(node.as_str())).flatten().copied().collect()
    }

    /// What is on a disk that nothing is stacked on: a member of something that is not at
    /// work now, or of a ZFS pool, which claims its disks without a holder.
    fn content(&self, block: &Block) -> Option<(String, Option<Reason>)> {
        let zfs = *self.zfs != Fact::Known(false);
        let has_parts = self.parts.contains_key(block.name.as_str());
        let inactive = match &block.content {
            Fact::Known(content) => match content.as_str() {
                "zfs_member" if zfs => {
                    return Some(("a member of a ZFS pool (udev)".into(), Some(Reason::Holders)));
                }
                "zfs_member" => "ZFS pool",
                "LVM2_member" => "LVM physical volume",
                "linux_raid_member" | "isw_raid_member" | "ddf_raid_member" => "RAID member",
                "crypto_LUKS" => "LUKS volume",
                "bcache" => "bcache member",
                _ => return None,
            },
            Fact::Absent => return None,
            // Without udev nobody says what a pool's disk is. A disk with partitions is told
            // of by them.
            _ if *self.zfs == Fact::Known(true) && !has_parts && !block.owners.is_empty() => {
                let end = "could not look at whether ZFS uses it: udev has no record of it";
                return Some((end.into(), Some(Reason::NotSeen)));
            }
            _ => return None,
        };
        let article = if inactive.starts_with(['L', 'R', 'Z', 'b']) { "an inactive" } else { "a" };
        Some((format!("holds {article} {inactive}"), None))
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
            found.push(Use::new(chain(end), Some(Reason::RootFileSystem)));
        } else if !points.is_empty() {
            let end = format!("mounted on {}", listed(&points));
            found.push(Use::new(chain(end), Some(Reason::Mounted)));
        }
        let swap = self.swaps.iter().any(|path| Self::is_node(block, path));
        if swap {
            found.push(Use::new(chain("swap".into()), Some(Reason::Swap)));
        }
        let clients = open_by(&Self::of_block(&self.clients, block));
        if let Some(end) = clients {
            found.push(Use::new(chain(end), Some(Reason::Clients)));
        }
        let held = block.holders.known().is_some_and(|holders| !holders.is_empty());
        // What is in use already says so; the table only repeats it.
        if points.is_empty() && !swap && !held {
            for entry in Self::of_block(&self.tables, block) {
                found.push(Use::new(chain(called_for(entry)), Some(Reason::Fstab)));
            }
            if let Some((end, blocks)) = self.content(block) {
                found.push(match blocks {
                    Some(Reason::NotSeen) => {
                        let why = format!("udev has no record of {}", block.name);
                        let unseen = Unseen { path: "/run/udev/data".into(), why };
                        Use::unseen(chain(end), &[Reason::Holders], unseen)
                    }
                    blocks => Use::new(chain(end), blocks),
                });
            }
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
                        let chain = above.iter().map(|s| self.shown(s)).chain([end]);
                        found.push(Use::new(chain, Some(Reason::Holders)));
                    }
                }
            }
            Fact::Absent => {}
            _ => {
                let chain = chain("could not look at what is stacked on it".to_owned());
                let path = format!("/sys/class/block/{}/holders", block.name);
                found.extend(
                    Unseen::of(&block.holders, path).map(|hidden| Use::unseen(chain, ON_DISKS, hidden)),
                );
            }
        }
        for part in self.parts.get(block.name.as_str()).into_iter().flatten() {
            self.walk(part, above, found);
        }
        above.pop();
    }

    /// A block device as people know it.
    fn shown(&self, name: &str) -> String {
        let Some(block) = self.by_name.get(name) else { return name.to_owned() };
        let (Some(mapper), kind) = (block.mapper_name.known(), block.mapper_uuid.known()) else {
            return match block.raid_level.known() {
                Some(level) => format!("{name} ({level})"),
                None => name.to_owned(),
            };
        };
        let kind = kind.and_then(|uuid| uuid.split_once('-')).map_or("", |(kind, _)| kind);
        match (kind, logical_volume(mapper)) {
            ("LVM", Some((group, volume))) => format!("{group}/{volume}"),
            ("CRYPT", _) => format!("dm-crypt {mapper}"),
            ("mpath", _) => format!("multipath {mapper}"),
            _ => format!("{name} ({mapper})"),
        }
    }
}

/// The volume group and the volume in a device-mapper name: `vg--a-root` is `vg-a/root`
/// (lvm(8): a single dash parts them, dashes in names are doubled).
fn logical_volume(name: &str) -> Option<(String, String)> {
    let mut rest = name;
    let mut group = String::new();
    while let Some(at) = rest.find('-') {
        group.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('-') {
            Some(more) => {
                group.push('-');
                rest = more;
            }
            None => return Some((group, rest.replace("--", "-"))),
        }
    }
    None
}

/// What a table wants with a disk.
fn called_for(entry: &TableEntry) -> String {
    let table = entry.table;
    match &entry.wish {
        TableWish::Mount(point) => format!("named in {table} for {point}: the host mounts it at boot"),
        TableWish::Swap => format!("named in {table} for swap: the host uses it at boot"),
        TableWish::Open(name) => format!("named in {table} as {name}: the host opens it at boot"),
    }
}

/// What of a disk's users could not be looked at, in one line.
fn unseen_users(usage: &Usage, disk: &Block) -> Option<Use> {
    let mounts: Vec<&Blind> = usage.mounts.blind().iter().chain(usage.swaps.blind()).collect();
    let (clients, tables) = (usage.clients.blind(), usage.tables.blind());
    let what = match (mounts.is_empty(), clients.is_empty(), tables.is_empty()) {
        (false, ..) => "all mounts",
        (true, false, _) => "who has it open",
        (true, true, false) => "what is mounted at boot",
        (true, true, true) => return None,
    };
    let of = |blind: &[Blind], reasons| blind.iter().map(move |blind| hidden(blind, reasons)).collect();
    let hidden: [Vec<Hidden>; 4] = [
        of(usage.mounts.blind(), MOUNTS),
        of(usage.swaps.blind(), &[Reason::Swap]),
        of(clients, &[Reason::Clients]),
        of(tables, &[Reason::Fstab]),
    ];
    let blind: Vec<Blind> = mounts.into_iter().chain(clients).chain(tables).cloned().collect();
    let mut unknown = not_seen_of(what, &blind, hidden.concat());
    unknown.chain.insert(0, disk.name.clone());
    Some(unknown)
}
