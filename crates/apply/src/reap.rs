//! Giving back what was bound for a process that is gone: `run` was killed, and then its
//! virtual machine ended too.

use passthru_host::process;
use passthru_model::plan::NoPlan;
use passthru_model::{Holder, LeaseRecord, Reason, Records, Wants};
use passthru_pci::Address;
use passthru_plan::planner::{ReleaseWish, plan_release, plan_ungrant};
use passthru_plan::uses::Uses;

use crate::books::{self, BooksError, Guard};
use crate::transaction;

/// What became of the devices of one process that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaped {
    /// The process.
    pub holder: Holder,
    /// Its devices.
    pub devices: Vec<Address>,
    /// What was to be done about them.
    pub what: What,
    /// What a person should know, one sentence each.
    pub notes: Vec<String>,
    /// Why that failed; `None` where it was done.
    pub failed: Option<String>,
}

/// What is done about the devices of a process that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// They are given back.
    Devices,
    /// They stay bound, as they were before; their nodes are put back.
    Nodes,
}

/// Gives back every device whose holder is gone, and puts back every node that was given to a
/// user for a process that is gone. A device that somebody still holds (a process the virtual
/// machine has left behind) stays until that is gone as well.
///
/// # Errors
/// Where the leases cannot be listed.
pub(crate) fn under(guard: &Guard<'_>) -> Result<Vec<Reaped>, BooksError> {
    let records = books::records_and_nodes(guard.target)?;
    let mut dead: Vec<(What, Holder, Vec<Address>)> = Vec::new();
    for record in &records.leases {
        let LeaseRecord::Valid(lease) = record else { continue };
        if records.stuck(lease.device).is_some() {
            continue;
        }
        let granted = lease.granted.as_ref().and_then(|granted| granted.holder.as_ref());
        let (what, holder) = match (is_dead(guard, lease.holder.as_ref()), is_dead(guard, granted)) {
            (Some(holder), _) => (What::Devices, holder),
            (None, Some(holder)) => (What::Nodes, holder),
            (None, None) => continue,
        };
        match dead.iter_mut().find(|(of, found, _)| *of == what && found == holder) {
            Some((_, _, devices)) => devices.push(lease.device),
            None => dead.push((what, holder.clone(), vec![lease.device])),
        }
    }
    let reap = |(what, holder, devices)| match free(guard, &records, what, devices) {
        (devices, _) if devices.is_empty() => None,
        (devices, Ok(notes)) => Some(Reaped { holder, devices, what, notes, failed: None }),
        (devices, Err(why)) => Some(Reaped { holder, devices, what, notes: Vec::new(), failed: Some(why) }),
    };
    Ok(dead.into_iter().filter_map(reap).collect())
}

fn is_dead<'h>(guard: &Guard<'_>, holder: Option<&'h Holder>) -> Option<&'h Holder> {
    holder.filter(|holder| !process::is_alive(guard.target, holder.pid, holder.start))
}

/// Does it for those devices that nobody holds any more, and says which those are.
fn free(
    guard: &Guard<'_>,
    records: &Records,
    what: What,
    mut devices: Vec<Address>,
) -> (Vec<Address>, Result<Vec<String>, String>) {
    let wants = Wants { avoid: records.stuck_devices(), ..Wants::for_plan(&devices) };
    let snapshot = match passthru_host::snapshot(guard.target, &wants) {
        Ok(snapshot) => snapshot,
        Err(error) => return (devices, Err(error.to_string())),
    };
    let uses = Uses::of(&snapshot);
    let held = |device: &Address| uses.device(*device).iter().any(|found| found.blocks == Some(Reason::Held));
    devices.retain(|device| !held(device));
    if devices.is_empty() {
        return (devices, Ok(Vec::new()));
    }
    let planned = match what {
        What::Devices => {
            plan_release(&snapshot, &ReleaseWish { devices: &devices, adopt: None, allow: &[], records })
        }
        What::Nodes => Ok(plan_ungrant(&devices, records)),
    };
    let done = match planned {
        Err(NoPlan::Refused(refusals)) => {
            Err(refusals.iter().map(|r| r.evidence.clone()).collect::<Vec<_>>().join("; "))
        }
        Err(NoPlan::NoDevice(device)) => Err(format!("{device} is not there")),
        Err(NoPlan::Unknown(what)) => Err(format!("cannot plan without knowing {what}")),
        Ok(plan) => match transaction::apply(guard, &plan, None).map(drop) {
            Ok(()) => Ok(plan.notes),
            Err(error) => Err(error.to_string()),
        },
    };
    (devices, done)
}
