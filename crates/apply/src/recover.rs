//! Finishing or undoing what an interrupted run left behind. Whoever holds the lock and
//! finds a journal knows that its writer is dead.

use std::time::Duration;

use passthru_host::process;
use passthru_host::source::read_text;
use passthru_model::device::attribute_of;
use passthru_model::{Intent, Plan, Step, Stuck, Task};
use passthru_pci::Address;
use passthru_plan::patience;
use passthru_plan::undo::undo;

use crate::books::{BooksError, Guard};
use crate::journal::{self, Interrupted, JOURNAL, Journal, Record};
use crate::parked::{self, Settled};
use crate::perform::{self, Performer, StepError, driver};
use crate::reap::{self, Reaped};

/// What was done about an interrupted change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// What was found.
    pub interrupted: Interrupted,
    /// Whether it was finished; otherwise it was undone.
    pub finished: bool,
    /// Why a release that was to be finished was undone instead.
    pub unfinished: Option<StepError>,
    /// Devices on which a write has not come back: what is left of the change for them
    /// waits in a record.
    pub stuck: Vec<Stuck>,
}

/// What was looked after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleanup {
    /// The interrupted change.
    pub interrupted: Option<Recovered>,
    /// The devices that were stuck.
    pub settled: Vec<Settled>,
    /// The devices whose process is gone.
    pub reaped: Vec<Reaped>,
}

impl Cleanup {
    /// Whether there was nothing to look after.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.interrupted.is_none() && self.settled.is_empty() && self.reaped.is_empty()
    }

    /// Whether anything of the host was changed by it.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.interrupted.is_some()
            || self.settled.iter().any(|s| matches!(s, Settled::Free(_) | Settled::Failed(..)))
            || !self.reaped.is_empty()
    }
}

/// An interrupted change could not be looked after. The journal stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// The journal could not be read.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// A change waits to be confirmed, and its time is not over.
    #[error("the change of {} waits to be confirmed, and is undone in {left} s otherwise", names(.devices))]
    Awaiting {
        /// Its devices.
        devices: Vec<Address>,
        /// How many seconds are left.
        left: u64,
    },
    /// Steps failed.
    #[error("an interrupted change could not be {}: {}", if *.finishing { "finished" } else { "undone" }, list(.errors))]
    Steps {
        /// Whether it was being finished.
        finishing: bool,
        /// Every step that failed.
        errors: Vec<StepError>,
    },
}

fn list(errors: &[StepError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn names(devices: &[Address]) -> String {
    devices.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// What happens to a change whose time to be confirmed is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// It stays, and nothing else can be changed meanwhile.
    Stays,
    /// It is undone at once.
    Undone,
}

/// Looks after everything an earlier run left: devices that were stuck, an interrupted
/// change, devices whose process is gone. An interrupted release is finished, anything else
/// undone; what was being undone is undone to the end, and a release that cannot be
/// finished is undone. What it does is journalled too, so that it may itself be
/// interrupted, any number of times.
///
/// # Errors
/// See [`RecoverError`].
pub fn under(guard: &Guard<'_>, awaited: Awaited) -> Result<Cleanup, RecoverError> {
    let left = wait_for_left_behind(guard);
    // The interrupted change first: what of it is parked already, is in a record until then,
    // and is not undone twice. And where it waits to be confirmed, nothing else is done.
    let interrupted = interrupted(guard, awaited, left.clone())?;
    let settled = parked::settle(guard, left.as_ref())?;
    let reaped = reap::under(guard)?;
    Ok(Cleanup { interrupted, settled, reaped })
}

/// Waits for what a dead passthru has left writing: its write may still take effect, and
/// what is undone before that would be undone too early. The process, where it does not come
/// back in time.
fn wait_for_left_behind(guard: &Guard<'_>) -> Option<Task> {
    const INTERVAL: Duration = Duration::from_millis(20);
    let task = guard.target.left_behind()?;
    let limit = guard.write_limit.unwrap_or(patience::USUAL);
    for _ in 0..limit.as_millis() / INTERVAL.as_millis() {
        if !parked::is_alive(guard, &task) {
            return None;
        }
        guard.target.pause(INTERVAL);
    }
    Some(Task { waits_in: process::waits_in(guard.target, task.pid), ..task })
}

fn interrupted(
    guard: &Guard<'_>,
    awaited: Awaited,
    left: Option<Task>,
) -> Result<Option<Recovered>, RecoverError> {
    let Some(interrupted) = journal::interrupted(guard.target)? else { return Ok(None) };
    if interrupted.other_boot {
        let removed = guard.target.remove(JOURNAL);
        removed.map_err(|error| BooksError::File { verb: "remove", path: JOURNAL.into(), error })?;
        let (finished, unfinished, stuck) = (false, None, Vec::new());
        return Ok(Some(Recovered { interrupted, finished, unfinished, stuck }));
    }
    if let (Some(until), Awaited::Stays) = (interrupted.awaiting, awaited) {
        let now = journal::uptime(guard.target)?;
        if now < until {
            let devices = interrupted.plan.devices.clone();
            return Err(RecoverError::Awaiting { devices, left: until - now });
        }
    }
    let parked = parked::devices(guard)?;
    let journal = guard.resume_journal(&interrupted)?;
    let plan = &interrupted.plan;
    let mut performer = Performer::new(guard).about(plan);
    let begun = reached(&performer, &interrupted, &parked);
    let mut finishing = false;
    let would_finish =
        plan.intent == Intent::Release && interrupted.undoing.is_none() && !interrupted.to_confirm;
    // The step at which whoever is dead was: its device is stuck if its write still is.
    let at = interrupted.undoing.as_ref().map_or(begun.checked_sub(1), |todo| todo.last().copied());
    let limit = guard.write_limit.unwrap_or(patience::USUAL);
    let hangs = at
        .and_then(|at| plan.steps.get(at))
        .filter(|step| step.device().is_none_or(|device| !parked.contains(&device)))
        .zip(left)
        .and_then(|(step, task)| StepError::left_behind(step, task, limit));
    // What an earlier one that died, or somebody else, waits for may hang as well.
    let known: Vec<Address> =
        parked.iter().copied().chain(hangs.as_ref().and_then(StepError::stuck)).collect();
    let mut errors: Vec<StepError> = hangs.into_iter().collect();
    errors.extend(hanging(&performer, plan, begun, &known));
    let todo = match &interrupted.undoing {
        Some(todo) => todo.clone(),
        // Everything was done, and nobody confirmed it.
        None if interrupted.awaiting.is_some() => start_undo(&journal, plan, plan.steps.len())?,
        // Where it is not as the journal says, it was being undone already, and the disk was
        // too full to say so: to go on would close leases of devices that are lent again.
        None if would_finish && begun > 0 && errors.is_empty() && performer.is_as_begun(plan, begun) => {
            finishing = true;
            match finish(&journal, &mut performer, plan, begun - 1) {
                Ok(()) => Vec::new(),
                Err((index, error)) => {
                    errors.push(error);
                    start_undo(&journal, plan, index + 1)?
                }
            }
        }
        None if begun == 0 => Vec::new(),
        None => start_undo(&journal, plan, begun)?,
    };
    let finished = finishing && errors.is_empty();
    let undone = take_back(&journal, &mut performer, plan, &todo, &errors, &parked);
    if !undone.errors.is_empty() {
        errors.extend(undone.errors);
        return Err(RecoverError::Steps { finishing, errors });
    }
    journal.close()?;
    let unfinished = errors.pop().filter(|_| would_finish);
    Ok(Some(Recovered { interrupted, finished, unfinished, stuck: undone.stuck }))
}

/// How many steps were begun: those of which the journal tells, and where it was cut off,
/// those whose effect is there to be seen.
fn reached(performer: &Performer<'_>, interrupted: &Interrupted, parked: &[Address]) -> usize {
    let guard = performer.guard();
    // What another device at the same place is on says nothing.
    let unknown = |device| parked.contains(&device) || performer.same(device).is_err();
    let evident = |step: &Step| match step {
        step if step.device().is_some_and(unknown) => false,
        Step::Unbind { device, driver: from, .. } => {
            driver(guard, *device).is_ok_and(|on| on.as_ref() != Some(from))
        }
        Step::Probe { device, driver: to } => driver(guard, *device).is_ok_and(|on| on.as_ref() == Some(to)),
        Step::SetAccess { node, value, .. } if interrupted.plan.intent == Intent::Grant => {
            perform::access(guard.target, node).is_ok_and(|found| found == *value)
        }
        // A release may end with the override with which it began.
        Step::SetOverride { device, value: Some(value), .. } if interrupted.plan.intent == Intent::Bind => {
            read_text(guard.target, &attribute_of(*device, "driver_override")).is_ok_and(|on| on == *value)
        }
        _ => false,
    };
    let seen = interrupted.plan.steps.iter().rposition(evident).map_or(0, |last| last + 1);
    seen.max(interrupted.begun)
}

/// The devices of the first `begun` steps whose lock somebody has and does not give back.
fn hanging(performer: &Performer<'_>, plan: &Plan, begun: usize, parked: &[Address]) -> Vec<StepError> {
    let writes = |step: &Step| match step {
        Step::SetOverride { device, .. } | Step::Unbind { device, .. } | Step::Probe { device, .. } => {
            Some(*device)
        }
        _ => None,
    };
    let mut devices: Vec<Address> = plan.steps.iter().take(begun).filter_map(writes).collect();
    devices.sort_unstable();
    devices.dedup();
    devices.retain(|device| !parked.contains(device));
    let look = |device| performer.look(device).err();
    devices.into_iter().filter_map(look).filter(|e| matches!(e, StepError::Stuck { .. })).collect()
}

fn start_undo(journal: &Journal<'_>, plan: &Plan, from: usize) -> Result<Vec<usize>, BooksError> {
    journal.start_undo(plan, from)?;
    Ok((0..from).collect())
}

/// Goes on from a step that was begun: those before it were done and read back, and may
/// have been overtaken by it since. What is about a device that was pulled is left out.
fn finish(
    journal: &Journal<'_>,
    performer: &mut Performer<'_>,
    plan: &Plan,
    from: usize,
) -> Result<(), (usize, StepError)> {
    for (index, step) in plan.steps.iter().enumerate().skip(from) {
        let mut go = || -> Result<(), StepError> {
            journal.write(&Record::Begin { step: index })?;
            match performer.perform(step) {
                Err(error) if !error.device_is_gone() => return Err(error),
                _ => {}
            }
            Ok(journal.write(&Record::Done { step: index })?)
        };
        go().map_err(|error| (index, error))?;
    }
    Ok(())
}

/// How far undoing came.
#[derive(Debug, Default)]
pub(crate) struct TakenBack {
    /// What could not be undone, and why.
    pub(crate) errors: Vec<StepError>,
    /// What waits until a write comes back. The records are written.
    pub(crate) stuck: Vec<Stuck>,
}

/// Undoes one step of a plan. What is about a device that was pulled is left out.
pub(crate) fn undo_step(performer: &mut Performer<'_>, plan: &Plan, index: usize) -> Result<(), StepError> {
    let Some(step) = plan.steps.get(index) else { return Ok(()) };
    match performer.undo(plan, step) {
        Err(error) if error.device_is_gone() => Ok(()),
        done => done,
    }
}

/// Undoes these steps, the last first, and records each. After a failure it goes on with
/// other devices: what comes earlier for the same one rests on what could not be undone.
/// The steps of a device that is stuck (`why` may hold the error that says so) are parked in
/// its record; those of `parked` devices are in one already.
pub(crate) fn take_back(
    journal: &Journal<'_>,
    performer: &mut Performer<'_>,
    plan: &Plan,
    todo: &[usize],
    why: &[StepError],
    parked: &[Address],
) -> TakenBack {
    performer.let_go();
    let guard = performer.guard();
    let mut taken = TakenBack::default();
    let mut failed: Vec<Address> = Vec::new();
    taken.stuck.extend(why.iter().filter_map(|error| parked::record(guard, plan, error)));
    for index in todo.iter().rev() {
        let Some(step) = plan.steps.get(*index) else { continue };
        let device = step.device();
        let about = |devices: &[Address]| device.is_some_and(|device| devices.contains(&device));
        if undo(step).is_empty() || about(&failed) || about(parked) {
            continue;
        }
        if let Some(stuck) = taken.stuck.iter_mut().find(|stuck| Some(stuck.device) == device) {
            stuck.todo.insert(0, *index);
            continue;
        }
        if let Err(error) = undo_step(performer, plan, *index) {
            if let Some(mut stuck) = parked::record(guard, plan, &error) {
                stuck.todo.push(*index);
                taken.stuck.push(stuck);
            } else {
                failed.extend(device);
                taken.errors.push(error);
            }
            continue;
        }
        // Where the record cannot be written, undoing goes on: it matters only to whoever
        // comes after one more misfortune.
        let _ = journal.write(&Record::Undone { step: *index });
    }
    for stuck in &taken.stuck {
        taken.errors.extend(guard.write_stuck(stuck).err().map(StepError::from));
    }
    taken
}
