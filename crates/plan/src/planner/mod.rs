//! From a wish to the steps, or to every reason to refuse. All reasons are collected
//! before anything is said, so that a person does not meet them one by one.

mod bind;
mod release;

pub use bind::{BindWish, plan_bind};
pub use release::{ReleaseTo, ReleaseWish, plan_release};

use passthru_model::plan::NoPlan;
use passthru_model::{Lease, LeaseRecord};
use passthru_pci::Address;

/// A file where the lease of this device belongs, which is none that we understand: of a
/// later version, perhaps. It may be the only record of what the device was on.
pub(crate) fn broken_lease(leases: &[LeaseRecord], device: Address) -> Option<NoPlan> {
    leases.iter().find_map(|record| match record {
        LeaseRecord::Broken(name, why) if *name == format!("{device}.json") => {
            Some(NoPlan::Unknown(format!("the lease of {device}, in /run/passthru/leases/{name}: {why}")))
        }
        _ => None,
    })
}

/// The lease of a device among those that were found.
pub(crate) fn lease_of(leases: &[LeaseRecord], device: Address) -> Option<&Lease> {
    leases.iter().find_map(|record| match record {
        LeaseRecord::Valid(lease) if lease.device == device => Some(lease),
        _ => None,
    })
}
