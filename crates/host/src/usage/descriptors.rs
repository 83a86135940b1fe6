//! Who has which device nodes open, by the descriptors of all processes: each process is
//! looked at once. Nothing is opened to find out: a VFIO group opens only once, and a
//! watchdog that was opened wants to be fed.

use std::collections::{HashMap, HashSet};

use passthru_formats::{Errno, process};
use passthru_model::usage::{Client, Opened, VfioHolder};
use passthru_model::{Blind, Fact, Seen};
use passthru_pci::Address;

use super::processes::{Processes, each, ended, gone};
use super::{nodes, owner};
use crate::ask::{Asker, join, some_text};
use crate::source::{Source, read_text};

const VFIO: &str = "/dev/vfio";

/// What the processes hold.
pub(super) struct Found {
    /// Device nodes other than VFIO's.
    pub(super) clients: Seen<Client>,
    /// VFIO groups and devices.
    pub(super) vfio: Seen<VfioHolder>,
    /// Sockets of SSH servers by their number: the process and its name.
    pub(super) sockets: HashMap<u64, (u32, String)>,
}

/// Looks through every process's descriptors, for nodes and for these sockets.
pub(super) fn read(ask: &mut Asker<'_>, processes: &Processes, of_interest: &HashSet<u64>) -> Found {
    let mut vfio_blind = Vec::new();
    // No node appears before the first device of a group is bound.
    let groups = ask.names(VFIO, "who holds VFIO groups", &mut vfio_blind);
    let mut blind = Vec::new();
    let mut nodes = nodes::Nodes::default();
    let (mut clients, mut vfio, mut sockets) = (Vec::new(), Vec::new(), HashMap::new());
    let mut hidden: Option<Blind> = None;
    let pids: Vec<u32> = processes
        .of("descriptors", &mut blind)
        .iter()
        .copied()
        .filter(|pid| processes.own != Some(*pid))
        .collect();
    let wanted = |target: &str| {
        nodes::is_wanted(target) || socket(target).is_some_and(|inode| of_interest.contains(&inode))
    };
    let all = each(ask.source, &pids, &|source: &dyn Source, pid| {
        source.links(&format!("/proc/{pid}/fd"), &wanted)
    });
    for (&pid, descriptors) in pids.iter().zip(all) {
        let directory = format!("/proc/{pid}/fd");
        let descriptors = match descriptors {
            Ok(descriptors) => descriptors,
            Err(error) if gone(ended(ask.source, pid, error)) => continue,
            Err(error) => {
                let what = "the open files of processes".to_owned();
                hidden.get_or_insert(Blind { what, path: directory, error, count: 0 }).count += 1;
                continue;
            }
        };
        let mut seen: Vec<(String, Option<Opened>)> = Vec::new();
        let mut inodes = Vec::new();
        for (descriptor, target) in descriptors {
            if let Some(inode) = socket(&target) {
                inodes.push(inode);
            } else if target.starts_with("/dev/vfio/") {
                if !names_only(ask.source, pid, &descriptor) {
                    seen.push((target, None));
                }
            } else if let Some(opened) = nodes.opened(ask, &format!("{directory}/{descriptor}"), &target) {
                seen.push((target, Some(opened)));
            }
        }
        if !inodes.is_empty()
            && let Some(server) = ssh_server(ask, pid)
        {
            for inode in inodes {
                // The lowest process is the server itself, those behind it its children.
                sockets.entry(inode).or_insert_with(|| (pid, server.clone()));
            }
        }
        if seen.is_empty() {
            continue;
        }
        seen.sort_by(|a, b| a.0.cmp(&b.0));
        seen.dedup();
        let name = ask.text(None, "holder.name", &format!("/proc/{pid}/comm"), some_text);
        for (node, opened) in seen {
            let name = name.clone();
            match opened {
                Some(opened) => clients.push(Client { pid, name, node, opened }),
                None => vfio.push(holder(ask, pid, name, node)),
            }
        }
    }
    blind.extend(hidden);
    if groups.iter().any(|node| node != "vfio") {
        vfio_blind.extend(blind.iter().cloned());
    }
    Found { clients: Seen::new(clients, blind), vfio: Seen::new(vfio, vfio_blind), sockets }
}

/// Whether a descriptor has not opened its node (udev's, while it sets the node's owner), or
/// was closed since. What cannot be looked at counts as open.
fn names_only(source: &dyn Source, pid: u32, descriptor: &str) -> bool {
    match read_text(source, &format!("/proc/{pid}/fdinfo/{descriptor}")) {
        Ok(text) => process::names_only(&text),
        Err(_) => source.link(&format!("/proc/{pid}/fd/{descriptor}")).is_err_and(gone),
    }
}

/// The number of a socket, from a descriptor's target (`socket:[123]`).
fn socket(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The name of a process, where it is an SSH server's: OpenSSH's `sshd` and, since 9.8,
/// `sshd-session` and `sshd-auth`; dropbear.
fn ssh_server(ask: &mut Asker<'_>, pid: u32) -> Option<String> {
    let mut text = Vec::new();
    ask.source.read(&format!("/proc/{pid}/comm"), &mut text).ok()?;
    let name = String::from_utf8_lossy(&text).trim_end().to_owned();
    (name == "sshd" || name.starts_with("sshd-") || name == "dropbear").then_some(name)
}

fn holder(ask: &Asker<'_>, pid: u32, name: Fact<String>, node: String) -> VfioHolder {
    let group = node.strip_prefix("/dev/vfio/").and_then(|number| number.parse().ok());
    let device = node.strip_prefix("/dev/vfio/devices/").and_then(|name| {
        let link = ask.source.link(&format!("/sys/class/vfio-dev/{name}")).ok()?;
        owner(&join("/sys/class/vfio-dev", &link))
    });
    let mut words = Vec::new();
    // Only for the name: whatever else stands there is nobody's business.
    let read: Result<(), Errno> = ask.source.read(&format!("/proc/{pid}/cmdline"), &mut words);
    let vm = read.ok().and_then(|()| process::vm_name(&words));
    VfioHolder { pid, name, vm, node, group, device }
}

/// The owner of a class entry.
pub(super) fn class_owner(ask: &Asker<'_>, class: &str, name: &str) -> Option<Address> {
    let directory = format!("/sys/class/{class}");
    let target = ask.source.link(&format!("{directory}/{name}")).ok()?;
    owner(&join(&directory, &target))
}
