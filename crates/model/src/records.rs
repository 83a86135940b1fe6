//! What passthru remembers between its runs, as it was found: leases, and devices on
//! which a write of ours has not come back. Beside them the device nodes that leases are
//! about.

use passthru_pci::Address;
use serde::{Deserialize, Serialize};

use crate::lease::{Access, LeaseRecord};
use crate::plan::Plan;

/// Version of [`Stuck`]'s form on disk.
pub const STUCK_VERSION: u32 = 1;

/// Everything a planner has to know beside the host itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// The leases, readable or not.
    pub leases: Vec<LeaseRecord>,
    /// The devices on which a write has not come back.
    pub stuck: Vec<StuckRecord>,
    /// The VFIO nodes that are there and could be looked at.
    pub nodes: Vec<Node>,
}

/// A device node, and who may use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its path, such as `/dev/vfio/7`.
    pub path: String,
    /// Owner and mode.
    pub access: Access,
}

/// A task of the kernel's that waits in the name of one of our processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Process id.
    pub pid: u32,
    /// Its start time in clock ticks since boot; 0 where it could not be read.
    pub start: u64,
    /// What it waits in, as the kernel names it (`/proc/PID/wchan`, or the first lines of
    /// `/proc/PID/stack`); empty where it does not say.
    pub waits_in: String,
}

/// A device on which a write has not come back within its limit. What else was to be done
/// about it waits until that is so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stuck {
    /// Form on disk; [`STUCK_VERSION`].
    pub version: u32,
    /// The boot it belongs to.
    pub boot_id: String,
    /// The device.
    pub device: Address,
    /// The attribute that was written.
    pub path: String,
    /// What was written; empty where it was read, and waits for somebody else's write.
    pub text: String,
    /// Who writes, and what it waits in.
    pub task: Task,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// The change it happened in.
    pub plan: Plan,
    /// The steps of that plan about this device that are still to be undone, in order.
    pub todo: Vec<usize>,
}

/// A record of a stuck device as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StuckRecord {
    /// One of this boot.
    Valid(Box<Stuck>),
    /// A file among them that is none; its name and what is wrong.
    Broken(String, String),
}

impl Records {
    /// Only leases.
    #[must_use]
    pub const fn leases(leases: Vec<LeaseRecord>) -> Self {
        Self { leases, stuck: Vec::new(), nodes: Vec::new() }
    }

    /// Who may use a node; `None` where it is not there, or could not be looked at.
    #[must_use]
    pub fn access(&self, path: &str) -> Option<Access> {
        self.nodes.iter().find(|node| node.path == path).map(|node| node.access)
    }

    /// The devices on which a write has not come back, as far as their records say.
    #[must_use]
    pub fn stuck_devices(&self) -> Vec<Address> {
        let device = |record: &StuckRecord| match record {
            StuckRecord::Valid(stuck) => Some(stuck.device),
            StuckRecord::Broken(name, _) => name.strip_suffix(".json").and_then(|name| name.parse().ok()),
        };
        self.stuck.iter().filter_map(device).collect()
    }

    /// Whether a write to this device has not come back, as far as is known; and what is
    /// known about it, in words.
    #[must_use]
    pub fn stuck(&self, device: Address) -> Option<String> {
        self.stuck.iter().find_map(|record| match record {
            StuckRecord::Valid(stuck) if stuck.device == device => Some(stuck.sentence()),
            StuckRecord::Broken(name, why) if *name == format!("{device}.json") => {
                Some(format!("/run/passthru/stuck/{name} cannot be understood: {why}"))
            }
            _ => None,
        })
    }
}

impl Stuck {
    /// What has not come back, who waits, and in what.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Task { pid, waits_in, .. } = &self.task;
        let place = if waits_in.is_empty() { String::new() } else { format!(" in {waits_in}") };
        let call = match &*self.text {
            "" => format!("reading {}", self.path),
            text => format!("writing '{text}' to {}", self.path),
        };
        format!("{call} has not come back: process {pid} waits{place}")
    }
}
