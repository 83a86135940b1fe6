//! How a lease stands: whether what it records is still so. Pure; whether a process lives is
//! asked by whoever can look.

use passthru_model::{Fact, Lease, Snapshot};

use crate::uses::is_vfio_driver;

/// How a lease stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The device is on its vfio driver.
    Bound,
    /// The device is not there any more.
    Gone,
    /// Another device is at its place.
    AnotherDevice,
    /// It is not on a vfio driver: somebody else moved it.
    Moved,
    /// The process it was bound for is gone: the next change gives it back.
    HolderGone,
    /// Which device is there, or on which driver, could not be seen.
    NotSeen,
}

impl Standing {
    /// One word for JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Gone => "gone",
            Self::AnotherDevice => "another-device",
            Self::Moved => "moved",
            Self::HolderGone => "holder-gone",
            Self::NotSeen => "not-seen",
        }
    }
}

/// How a lease stands on this host; `holder_lives` says whether the process it names does.
#[must_use]
pub fn standing(snapshot: &Snapshot, lease: &Lease, holder_lives: bool) -> Standing {
    let Some(device) = snapshot.device(lease.device) else { return Standing::Gone };
    match &device.id {
        Fact::Known(id) if *id != lease.id => return Standing::AnotherDevice,
        Fact::Known(_) => {}
        _ => return Standing::NotSeen,
    }
    match &device.driver {
        Fact::Known(driver) if is_vfio_driver(driver) => {}
        Fact::Known(_) | Fact::Absent => return Standing::Moved,
        _ => return Standing::NotSeen,
    }
    if lease.holder.is_some() && !holder_lives { Standing::HolderGone } else { Standing::Bound }
}
