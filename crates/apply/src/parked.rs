//! Devices on which a write has not come back: what is left to undo about them is parked
//! in a record of its own, so that the journal and the lock are free for others.

use passthru_host::process;
use passthru_model::records::STUCK_VERSION;
use passthru_model::{Plan, Stuck, StuckRecord, Task};
use passthru_pci::Address;

use crate::books::{self, BooksError, Guard, boot_id};
use crate::perform::{Performer, StepError};
use crate::recover::undo_step;

/// What became of a device that was stuck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The write came back, and what was left of the change was undone.
    Free(Address),
    /// The write has still not come back.
    Still(Box<Stuck>),
    /// The write came back, but undoing failed.
    Failed(Address, StepError),
    /// The record cannot be understood or removed.
    Broken(String, String),
}

/// Whether a process is still there and not merely waiting to be collected.
#[must_use]
pub fn is_alive(guard: &Guard<'_>, task: &Task) -> bool {
    process::is_alive(guard.target, task.pid, task.start)
}

/// A record for a device whose write has not come back; `None` for any other error.
pub(crate) fn record(guard: &Guard<'_>, plan: &Plan, error: &StepError) -> Option<Stuck> {
    let StepError::Stuck { device, path, text, task, .. } = error else { return None };
    Some(Stuck {
        version: STUCK_VERSION,
        boot_id: boot_id(guard.target),
        device: *device,
        path: path.clone(),
        text: text.clone(),
        task: task.clone(),
        since: guard.target.now(),
        plan: plan.clone(),
        todo: Vec::new(),
    })
}

/// The devices that are stuck, by their records.
pub(crate) fn devices(guard: &Guard<'_>) -> Result<Vec<Address>, BooksError> {
    Ok(books::stuck(guard.target)?
        .into_iter()
        .filter_map(|record| match record {
            StuckRecord::Valid(stuck) => Some(stuck.device),
            StuckRecord::Broken(..) => None,
        })
        .collect())
}

/// Looks after every device that was stuck: where the write has come back, what was left
/// of its change is undone. While a process that was `left` behind still writes for
/// somebody who is dead, nobody knows for which of them it does, and all wait.
///
/// # Errors
/// Where the records cannot be listed.
pub fn settle(guard: &Guard<'_>, left: Option<&Task>) -> Result<Vec<Settled>, BooksError> {
    let records = books::stuck(guard.target)?;
    Ok(records
        .into_iter()
        .map(|record| match record {
            StuckRecord::Valid(stuck) if left.is_some() || is_alive(guard, &stuck.task) => {
                Settled::Still(stuck)
            }
            StuckRecord::Valid(stuck) => free(guard, *stuck),
            StuckRecord::Broken(name, why) => Settled::Broken(name, why),
        })
        .collect())
}

/// Undoes what is left, and says in the record how far that has come after each step, so
/// that it may be interrupted.
fn free(guard: &Guard<'_>, mut stuck: Stuck) -> Settled {
    let device = stuck.device;
    let mut performer = Performer::new(guard).about(&stuck.plan);
    // Another write may hang by now, of whoever died while looking after this one.
    let mut going = match performer.look(device) {
        Err(error @ StepError::Stuck { .. }) => Err(error),
        _ => Ok(()),
    };
    while let Some(index) = stuck.todo.last().copied() {
        going = going.and_then(|()| undo_step(&mut performer, &stuck.plan, index));
        match going {
            Err(error @ StepError::Stuck { .. }) => {
                if let Some(again) = record(guard, &stuck.plan, &error) {
                    stuck = Stuck { todo: stuck.todo, since: stuck.since, ..again };
                }
                return match guard.write_stuck(&stuck) {
                    Ok(()) => Settled::Still(Box::new(stuck)),
                    Err(error) => Settled::Failed(device, error.into()),
                };
            }
            Err(error) => return Settled::Failed(device, error),
            Ok(()) => {}
        }
        stuck.todo.pop();
        if let Err(error) = guard.write_stuck(&stuck) {
            return Settled::Failed(device, error.into());
        }
    }
    match guard.remove_stuck(device) {
        Ok(()) => Settled::Free(device),
        Err(error) => Settled::Failed(device, error.into()),
    }
}
