//! From a wish to the steps, or to every reason to refuse. All reasons are collected
//! before anything is said, so that a person does not meet them one by one.

mod bind;
mod grant;
mod release;

pub use bind::{BindWish, plan_bind, plan_bind_with};
pub(crate) use bind::{goes_along, keyboard_refusals};
pub use grant::{GrantWish, group_node, may_use, plan_grant, plan_ungrant};
pub use release::{ReleaseTo, ReleaseWish, plan_release};

use passthru_model::plan::NoPlan;
use passthru_model::{Lease, LeaseRecord, Reason, Records, Refusal};
use passthru_pci::Address;

/// A file where the lease of this device belongs, which is none that we understand: of a
/// later version, perhaps. It may be the only record of what the device was on.
pub(crate) fn broken_lease(records: &Records, device: Address) -> Option<NoPlan> {
    records.leases.iter().find_map(|record| match record {
        LeaseRecord::Broken(name, why) if *name == format!("{device}.json") => {
            Some(NoPlan::Unknown(format!("the lease of {device}, in /run/passthru/leases/{name}: {why}")))
        }
        _ => None,
    })
}

/// The lease of a device among those that were found.
pub(crate) fn lease_of(records: &Records, device: Address) -> Option<&Lease> {
    records.leases.iter().find_map(|record| match record {
        LeaseRecord::Valid(lease) if lease.device == device => Some(lease),
        _ => None,
    })
}

/// A device on which a write of ours hangs in the kernel: whatever else is written to it
/// would hang as well, behind the device's lock.
pub(crate) fn stuck_refusal(records: &Records, device: Address) -> Option<Refusal> {
    let evidence = records.stuck(device)?;
    let hint = "end what holds the device (`passthru status` names it), then `passthru recover`";
    Some(Refusal::new(device, Reason::Stuck, evidence, hint))
}
