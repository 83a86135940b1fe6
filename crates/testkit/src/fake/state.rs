//! What of a machine has to be exactly as it was after a change that failed, was
//! interrupted, or was taken back.

use std::collections::{BTreeMap, BTreeSet};

use passthru_model::Access;
use passthru_pci::Address;

use super::machine::Machine;

/// How the kernel makes a group's node (`drivers/vfio/group.c`; devtmpfs's default).
pub(super) const MADE: Access = Access { uid: 0, gid: 0, mode: 0o600 };

/// The part of a machine that passthru answers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Each function's driver and override.
    pub functions: BTreeMap<Address, (Option<String>, Option<String>)>,
    /// Groups with a node below `/dev/vfio`.
    pub nodes: BTreeSet<u32>,
    /// Owner and mode of nodes that are not as the kernel made them.
    pub access: BTreeMap<String, Access>,
    /// Leases and the journal: every file below `/run/passthru` but the lock.
    pub books: BTreeMap<String, String>,
    /// What the host lost.
    pub damage: Vec<String>,
    /// Disks and locks that somebody still holds.
    pub held: usize,
}

impl State {
    /// The state of a machine.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        // A file under its passing name is what a crash may leave; nobody reads it.
        let kept = |path: &str| {
            path.starts_with("/run/passthru/") && path != "/run/passthru/lock" && !path.contains("/.new-")
        };
        let files = machine.files.iter().filter(|(path, _)| kept(path));
        Self {
            functions: machine
                .functions
                .values()
                .map(|f| (f.address, (f.driver.clone(), f.driver_override.clone())))
                .collect(),
            nodes: machine.vfio_groups(),
            access: machine
                .access
                .iter()
                .filter(|(node, access)| **access != MADE && machine.resolve(node).is_ok())
                .map(|(node, access)| (node.clone(), *access))
                .collect(),
            books: files
                .map(|(path, file)| (path.clone(), file.bytes.clone()))
                .chain(machine.disk.iter().flat_map(|disk| disk.all()).filter(|(path, _)| kept(path)))
                .map(|(path, bytes)| (path, String::from_utf8_lossy(&bytes).into_owned()))
                .collect(),
            damage: machine.damage.clone(),
            held: machine.holds.len() + machine.locks.len(),
        }
    }

    /// What is different, a line each; empty where nothing is.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let functions: BTreeSet<_> = self.functions.keys().chain(now.functions.keys()).collect();
        for address in functions {
            let (was, is) = (self.functions.get(address), now.functions.get(address));
            if was != is {
                found.push(format!("{address} (driver, override): was {was:?}, is {is:?}"));
            }
        }
        if self.nodes != now.nodes {
            found.push(format!("nodes: were {:?}, are {:?}", self.nodes, now.nodes));
        }
        if self.access != now.access {
            found.push(format!("access to nodes: was {:?}, is {:?}", self.access, now.access));
        }
        let books: BTreeSet<_> = self.books.keys().chain(now.books.keys()).collect();
        for path in books {
            let (was, is) = (self.books.get(path), now.books.get(path));
            if was != is {
                found.push(format!("{path}: was {was:?}, is {is:?}"));
            }
        }
        if self.damage != now.damage {
            found.push(format!("damage: {:?}", now.damage));
        }
        if self.held != now.held {
            found.push(format!("held: {} before, {} now", self.held, now.held));
        }
        found
    }

    /// The same without books: drivers, overrides, nodes, damage.
    #[must_use]
    pub fn without_books(mut self) -> Self {
        self.books.clear();
        self
    }
}
