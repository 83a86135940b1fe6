//! Disks, what is mounted from them, and swap.

use std::collections::{BTreeMap, HashSet};

use passthru_formats::{Errno, mountinfo, scalar, swaps, udev_db};
use passthru_model::usage::{Block, Mount, Swap};
use passthru_model::{Blind, Fact, Seen};
use passthru_pci::Address;

use super::processes::Processes;
use super::{class, owner};
use crate::ask::{Asker, flag, join, some_text};

/// Block devices and partitions.
pub(super) fn blocks(ask: &mut Asker<'_>) -> Seen<Block> {
    let mut blind = Vec::new();
    let entries = class(ask, "block", "block devices", &mut blind);
    let names: HashSet<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    let mut subsystems = BTreeMap::new();
    let mut items = Vec::with_capacity(entries.len());
    for (name, path) in &entries {
        let at = |attribute: &str| format!("/sys/class/block/{name}/{attribute}");
        let owners = match subsystem(path) {
            Some(subsystem) => subsystems
                .entry(subsystem.to_owned())
                .or_insert_with(|| controllers(ask, subsystem, &mut blind))
                .clone(),
            None => owner(path).into_iter().collect(),
        };
        let number =
            ask.text(None, "block.number", &at("dev"), |text| scalar::device_number(text).map(Fact::Known));
        let holders = match ask.source.list(&at("holders")) {
            Ok(holders) => Fact::Known(holders),
            Err(error) => match ask.failed(None, "block.holders", &at("holders"), error) {
                // Hidden multipath members have no such directory.
                Fact::Absent => Fact::Known(Vec::new()),
                other => other,
            },
        };
        let mut asked = |here: bool, field, attribute: &str| match here {
            true => ask.text(None, field, &at(attribute), some_text),
            false => Fact::Absent,
        };
        let mapped = name.starts_with("dm-");
        items.push(Block {
            partition_of: path.rsplit('/').nth(1).filter(|p| names.contains(p)).map(str::to_owned),
            mapper_name: asked(mapped, "block.mapper_name", "dm/name"),
            mapper_uuid: asked(mapped, "block.mapper_uuid", "dm/uuid"),
            raid_level: asked(name.starts_with("md"), "block.raid_level", "md/level"),
            content: match (&number, &holders) {
                (Fact::Known(number), Fact::Known(holders)) if holders.is_empty() && !owners.is_empty() => {
                    content(ask, *number)
                }
                _ => Fact::NotRead,
            },
            owners,
            number,
            holders,
            // Only NVMe multipath makes hidden disks (`nvme0c0n1`): others are not asked.
            hidden: name.starts_with("nvme")
                && ask.text(None, "block.hidden", &at("hidden"), flag) == Fact::Known(true),
            name: name.clone(),
        });
    }
    Seen::new(items, blind)
}

/// What udev found on a disk or partition when it appeared.
fn content(ask: &mut Asker<'_>, (major, minor): (u32, u32)) -> Fact<String> {
    let path = format!("/run/udev/data/b{major}:{minor}");
    let mut text = Vec::new();
    match ask.source.read(&path, &mut text) {
        Ok(()) => match udev_db::property(&text, "ID_FS_TYPE") {
            Some(kind) => Fact::Known(kind.to_owned()),
            None => Fact::Absent,
        },
        Err(error) => match ask.failed(None, "block.content", &path, error) {
            Fact::Absent => Fact::NotRead,
            other => other,
        },
    }
}

/// Whether ZFS is loaded.
pub(super) fn zfs(ask: &mut Asker<'_>) -> Fact<bool> {
    const MODULE: &str = "/sys/module/zfs";
    match ask.source.stat(MODULE) {
        Ok(_) => Fact::Known(true),
        Err(error) => match ask.failed::<bool>(None, "zfs", MODULE, error) {
            Fact::Absent => Fact::Known(false),
            other => other,
        },
    }
}

/// With native NVMe multipath the usable disk hangs below a subsystem that belongs to
/// no one PCI function (`drivers/nvme/host/multipath.c`).
fn subsystem(path: &str) -> Option<&str> {
    path.split_once("/nvme-subsystem/").and_then(|(_, rest)| rest.split('/').next())
}

/// The PCI functions of a subsystem's controllers.
fn controllers(ask: &mut Asker<'_>, subsystem: &str, blind: &mut Vec<Blind>) -> Vec<Address> {
    let directory = format!("/sys/class/nvme-subsystem/{subsystem}");
    // The entry itself is a link; the controllers in it are links relative to its target.
    let real = ask
        .source
        .link(&directory)
        .map_or_else(|_| directory.clone(), |target| join("/sys/class/nvme-subsystem", &target));
    let mut owners = Vec::new();
    for name in ask.names(&directory, "the controllers of a multipath disk", blind) {
        let number = name.strip_prefix("nvme").unwrap_or("");
        if number.is_empty() || !number.bytes().all(|c| c.is_ascii_digit()) {
            continue;
        }
        let path = format!("{directory}/{name}");
        match ask.source.link(&path) {
            Ok(target) => owners.extend(owner(&join(&real, &target))),
            Err(error) => blind.push(Blind {
                what: "the controllers of a multipath disk".into(),
                path,
                error,
                count: 1,
            }),
        }
    }
    owners.sort_unstable();
    owners.dedup();
    owners
}

/// What is mounted, in any mount namespace: a container's or a service's mounts hold a
/// disk as well as the host's.
pub(super) fn mounts(ask: &mut Asker<'_>, processes: &Processes) -> Seen<Mount> {
    let mut blind = Vec::new();
    let mut items: Vec<Mount> = Vec::new();
    // Process 1 lives where the host's own mounts are, whatever namespace we run in.
    for path in ["/proc/self/mountinfo", "/proc/1/mountinfo"] {
        // A missing table is a blind spot too: every Linux has one.
        if let Err(error) = mount_table(ask, path, &mut items, &mut blind) {
            blind.push(Blind { what: "mounts".into(), path: path.into(), error, count: 1 });
        }
    }
    other_namespaces(ask, processes, &mut items, &mut blind);
    btrfs_members(ask, &mut items, &mut blind);
    items.sort_unstable_by(|a, b| {
        (a.number, &a.point, &a.source, &a.kind).cmp(&(b.number, &b.point, &b.source, &b.kind))
    });
    items.dedup();
    Seen::new(items, blind)
}

/// A btrfs spans several disks, and `/proc` shows its mounts with one of them only. The
/// others are told of as if they were mounted at the same points.
fn btrfs_members(ask: &mut Asker<'_>, items: &mut Vec<Mount>, blind: &mut Vec<Blind>) {
    const FILE_SYSTEMS: &str = "/sys/fs/btrfs";
    const WHAT: &str = "the disks of a btrfs";
    for id in ask.names(FILE_SYSTEMS, WHAT, blind) {
        // Beside the file systems, which are there while they are mounted, stands `features`.
        let members = ask.names(&format!("{FILE_SYSTEMS}/{id}/devices"), WHAT, blind);
        if members.len() < 2 {
            continue;
        }
        let nodes: Vec<String> = members.iter().map(|name| format!("/dev/{name}")).collect();
        let mapped: Vec<String> = members
            .iter()
            .filter(|name| name.starts_with("dm-"))
            .filter_map(|name| {
                let path = format!("/sys/class/block/{name}/dm/name");
                ask.text(None, "block.mapper_name", &path, some_text)
                    .known()
                    .map(|n| format!("/dev/mapper/{n}"))
            })
            .collect();
        let here =
            |m: &&Mount| m.kind == "btrfs" && (nodes.contains(&m.source) || mapped.contains(&m.source));
        let mut found: Vec<Mount> = items.iter().filter(here).cloned().collect();
        if found.is_empty() {
            // Mounted under a name that is none of these, or where it cannot be seen.
            let point = "(somewhere, as btrfs)".to_owned();
            found.push(Mount { number: (0, 0), point, kind: "btrfs".into(), source: String::new() });
        }
        for node in nodes {
            items.extend(found.iter().map(|m| Mount { source: node.clone(), ..m.clone() }));
        }
    }
}

fn mount_table(
    ask: &mut Asker<'_>,
    path: &str,
    items: &mut Vec<Mount>,
    blind: &mut Vec<Blind>,
) -> Result<(), Errno> {
    let mut text = Vec::new();
    ask.source.read(path, &mut text)?;
    for mount in mountinfo::parse(&text) {
        match mount {
            Ok(mount) => items.push(Mount {
                number: mount.device,
                point: mount.point.into_owned(),
                kind: mount.fs_type.into_owned(),
                source: mount.source.into_owned(),
            }),
            Err(error) => {
                ask.malformed::<()>(None, "mounts", path, &error.text);
                blind.push(unreadable_line("mounts", path));
            }
        }
    }
    Ok(())
}

/// The mounts of namespaces that only other processes live in: one table for each.
fn other_namespaces(
    ask: &mut Asker<'_>,
    processes: &Processes,
    items: &mut Vec<Mount>,
    blind: &mut Vec<Blind>,
) {
    let mut known: HashSet<String> =
        ["self", "1"].iter().filter_map(|p| ask.source.link(&format!("/proc/{p}/ns/mnt")).ok()).collect();
    let mut hidden: Option<Blind> = None;
    let mut unlisted = Vec::new();
    for (pid, namespace) in processes.mount_namespaces("mounts", &mut unlisted) {
        let found = namespace.as_ref().map_err(|error| *error).and_then(|namespace| {
            if known.contains(namespace) {
                return Ok(());
            }
            mount_table(ask, &format!("/proc/{pid}/mountinfo"), items, blind)?;
            known.insert(namespace.clone());
            Ok(())
        });
        match found {
            // Kernel threads and processes that ended meanwhile have none.
            Ok(()) | Err(Errno::ENOENT | Errno::ESRCH | Errno::EINVAL) => {}
            Err(error) => {
                let what = "mounts in the namespaces of other processes".to_owned();
                let link = format!("/proc/{pid}/ns/mnt");
                hidden.get_or_insert(Blind { what, path: link, error, count: 0 }).count += 1;
            }
        }
    }
    blind.extend(unlisted);
    blind.extend(hidden);
}

/// Swap areas. A kernel without swap has no such file.
pub(super) fn swaps(ask: &mut Asker<'_>) -> Seen<Swap> {
    const PATH: &str = "/proc/swaps";
    let mut blind = Vec::new();
    let mut items = Vec::new();
    let mut text = Vec::new();
    match ask.source.read(PATH, &mut text) {
        Ok(()) => {
            for swap in swaps::parse(&text) {
                match swap {
                    Ok(swap) => {
                        items.push(Swap { path: swap.path.into_owned(), file: !swap.is_device });
                    }
                    Err(error) => {
                        ask.malformed::<()>(None, "swaps", PATH, &error.text);
                        blind.push(unreadable_line("swap areas", PATH));
                    }
                }
            }
        }
        Err(error) if error.is_absent() => {}
        Err(error) => {
            blind.push(Blind { what: "swap areas".into(), path: PATH.into(), error, count: 1 });
        }
    }
    Seen::new(items, blind)
}

/// A line that is not of the documented form may be the very one that matters.
fn unreadable_line(what: &str, path: &str) -> Blind {
    Blind { what: what.into(), path: path.into(), error: Errno::EINVAL, count: 1 }
}
