//! What is wanted, and what will be done about it. A plan leaves no choice to whoever
//! carries it out: every value that will be written stands in it, and for each step
//! what undoes it.

use passthru_pci::Address;
use serde::{Deserialize, Serialize};

use crate::lease::{Access, Lease};
use crate::reason::Refusal;

/// Version of a plan's form in the journal. 2 added [`Intent::Grant`],
/// [`Step::SetAccess`] and changes that wait to be confirmed. Journals of version 1 are
/// still understood.
pub const PLAN_VERSION: u32 = 2;

/// What is wanted of some devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intent {
    /// Give them to the vfio driver.
    Bind,
    /// Give them back.
    Release,
    /// Give their groups' nodes to a user, or put the nodes back.
    Grant,
}

/// One primitive change, or one look at whether a change worked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Step {
    /// Load a kernel module. Not undone: a loaded module binds nothing by itself.
    LoadModule {
        /// Module name.
        module: String,
    },
    /// Open a disk exclusively until the device has been unbound, so that no mount or
    /// swapon can slip in between.
    HoldDisk {
        /// The device whose disk it is.
        device: Address,
        /// The node, such as `/dev/nvme0n1`.
        node: String,
    },
    /// Record the lease.
    OpenLease {
        /// The whole record.
        lease: Lease,
    },
    /// Remove the lease.
    CloseLease {
        /// The whole record, so that it can be put back.
        lease: Lease,
    },
    /// Write `driver_override`.
    SetOverride {
        /// The device.
        device: Address,
        /// What must be there before; `None` is unset.
        before: Option<String>,
        /// What is written; `None` clears it (a newline).
        value: Option<String>,
    },
    /// Take the device from its driver.
    Unbind {
        /// The device.
        device: Address,
        /// The driver it must be on before.
        driver: String,
        /// What its override says at this moment: what undoing has to aim away from and
        /// put back.
        override_now: Option<String>,
    },
    /// Let the kernel look for a driver, and see that it is the right one.
    Probe {
        /// The device.
        device: Address,
        /// The driver it must be on afterwards.
        driver: String,
    },
    /// Change owner and mode of a device's node.
    SetAccess {
        /// The device.
        device: Address,
        /// The node, such as `/dev/vfio/7`.
        node: String,
        /// How it must be before.
        before: Access,
        /// How it is made.
        value: Access,
    },
}

impl Step {
    /// The device the step is about, if about one.
    #[must_use]
    pub const fn device(&self) -> Option<Address> {
        match self {
            Self::LoadModule { .. } => None,
            Self::HoldDisk { device, .. }
            | Self::SetOverride { device, .. }
            | Self::Unbind { device, .. }
            | Self::Probe { device, .. }
            | Self::SetAccess { device, .. } => Some(*device),
            Self::OpenLease { lease } | Self::CloseLease { lease } => Some(lease.device),
        }
    }
}

/// What the host loses while the device is lent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The device.
    pub device: Address,
    /// What is lost, such as `disk nvme0n1`.
    pub what: String,
}

/// An ordered list of steps in which every choice is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Form in the journal; [`PLAN_VERSION`].
    pub version: u32,
    /// What for.
    pub intent: Intent,
    /// Every device it is about, companions included, in order.
    pub devices: Vec<Address>,
    /// What will be done, in order. Empty when everything is as wanted.
    pub steps: Vec<Step>,
    /// What the host loses.
    pub losses: Vec<Loss>,
    /// What a person should know, one sentence each.
    pub notes: Vec<String>,
}

impl Plan {
    /// A plan that does nothing yet.
    #[must_use]
    pub const fn new(intent: Intent, devices: Vec<Address>) -> Self {
        Self {
            version: PLAN_VERSION,
            intent,
            devices,
            steps: Vec::new(),
            losses: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPlan {
    /// It would be unsafe; every reason.
    Refused(Vec<Refusal>),
    /// A device is not there (any more).
    NoDevice(Address),
    /// A fact the plan would rest on is not known; what, and why.
    Unknown(String),
}
