//! The record that a device is bound, kept under `/run/passthru/leases`.

use passthru_pci::{Address, Id};
use serde::{Deserialize, Serialize};

/// Version of the lease's form on disk.
///
/// 2 added `granted`, and that a device goes back when its `holder` is gone. Leases of
/// version 1 are still understood.
pub const LEASE_VERSION: u32 = 2;

/// Which device was bound, and what it was on before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// Form on disk; [`LEASE_VERSION`].
    pub version: u32,
    /// The boot it belongs to; bindings do not outlive one.
    pub boot_id: String,
    /// Where the device is.
    pub device: Address,
    /// Which device that was, so that another one at the same place is noticed.
    pub id: Id,
    /// Its subsystem ids, where it has any.
    pub subsystem: Option<Id>,
    /// The driver it was on; `None` for none.
    pub original_driver: Option<String>,
    /// The module of that driver, to be loaded before the device is given back; `None`
    /// where the driver is built in or there was none.
    pub original_module: Option<String>,
    /// The override it had; `None` for unset.
    pub original_override: Option<String>,
    /// The vfio driver it was bound to.
    pub vfio_driver: String,
    /// It was on that driver already: releasing leaves it there.
    pub adopted: bool,
    /// When, in seconds since 1970 (UTC).
    pub since: u64,
    /// The process for which it was bound: when that is gone and nobody holds the device
    /// any more, it goes back. `None` where a person bound it, who will release it.
    pub holder: Option<Holder>,
    /// What of its group's node was changed for a user without rights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<Box<Granted>>,
}

/// Owner and mode of a device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Permission bits (07777).
    pub mode: u32,
}

/// A node that was given to a user, and how it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// The node, such as `/dev/vfio/7`.
    pub node: String,
    /// How it was found, and is to be put back.
    pub before: Access,
    /// How it was made.
    pub now: Access,
    /// The process for which that was done; when it is gone, the node is put back.
    pub holder: Option<Holder>,
}

/// A process that a lease belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id of the virtual machine.
    pub pid: u32,
    /// Its start time in clock ticks since boot (`/proc/PID/stat`, field 22): with the
    /// id it names one process for the whole boot.
    pub start: u64,
    /// The program.
    pub program: String,
}

/// A lease as it was found: readable or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseRecord {
    /// A lease of this boot.
    Valid(Lease),
    /// A file in the lease directory that is no lease; its name and what is wrong.
    Broken(String, String),
}
