//! The record that a device is bound, kept under `/run/passthru/leases`.

use passthru_pci::{Address, Id};
use serde::{Deserialize, Serialize};

/// Version of the lease's form on disk.
pub const LEASE_VERSION: u32 = 1;

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
    /// Who holds it, where that is more than "the user".
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
