//! From a wish to the steps, or to every reason to refuse. All reasons are collected
//! before anything is said, so that a person does not meet them one by one.

mod bind;
mod release;

pub use bind::{BindWish, plan_bind};
pub use release::{ReleaseTo, ReleaseWish, plan_release};

use passthru_model::{Lease, LeaseRecord};
use passthru_pci::Address;

/// The lease of a device among those that were found.
pub(crate) fn lease_of(leases: &[LeaseRecord], device: Address) -> Option<&Lease> {
    leases.iter().find_map(|record| match record {
        LeaseRecord::Valid(lease) if lease.device == device => Some(lease),
        _ => None,
    })
}
