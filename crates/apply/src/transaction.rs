//! The loop that changes a host: lock → read → plan → journal → perform → verify, and
//! on failure undo in reverse and say truthfully how far that got.

use passthru_host::NoHost;
use passthru_model::plan::NoPlan;
use passthru_model::{Intent, Plan, Records, Snapshot, Step, Wants};
use passthru_pci::Address;

use crate::books::{self, BooksError, Guard, Patience};
use crate::journal::{self, Journal, Record};
use crate::perform::{Performer, StepError, driver};
use crate::recover::{self, Awaited, Cleanup, RecoverError};
use crate::target::Target;

/// What plans are made from: the host and what is remembered, to a plan or a refusal.
pub type MakePlan<'a> = &'a dyn Fn(&Snapshot, &Records) -> Result<Plan, NoPlan>;

/// What is to be changed, and how.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// For which verb, as others who wait are told.
    pub verb: &'a str,
    /// How long to wait for what.
    pub patience: Patience<'a>,
    /// What the plan needs to know of the host.
    pub wants: &'a Wants,
    /// Makes the plan.
    pub make: MakePlan<'a>,
    /// The plan somebody has agreed to: any difference to what is planned under the lock is
    /// refused as stale.
    pub shown: Option<&'a Plan>,
    /// Undone unless it is confirmed.
    pub confirm: Option<Confirm<'a>>,
}

/// A change that is undone unless somebody confirms it.
#[derive(Clone, Copy)]
pub struct Confirm<'a> {
    /// How many seconds there are to confirm it.
    pub within: u64,
    /// Starts whoever undoes it when the time is over; called under the lock, when all is
    /// done and the journal says so.
    pub watch: &'a dyn Fn() -> Result<(), String>,
}

/// A change that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What was done.
    pub plan: Plan,
    /// What was looked after first.
    pub cleanup: Cleanup,
    /// Devices that were pulled meanwhile: there was nothing left to do about them.
    pub gone: Vec<Address>,
}

/// A step failed. What was done before it was undone, as far as that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which step, counted from 0.
    pub index: usize,
    /// The step.
    pub step: Step,
    /// Why it failed.
    pub error: StepError,
    /// What could not be undone, and why; with what was read back afterwards. Empty where
    /// everything is as it was.
    pub left: Vec<String>,
    /// Devices that were pulled meanwhile: there is nothing of them to undo.
    pub gone: Vec<Address>,
}

/// Why a change was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The lock, the leases or the journal.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// An interrupted change could not be looked after.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The host could not be read.
    #[error(transparent)]
    NoHost(#[from] NoHost),
    /// There is no plan.
    #[error("no plan")]
    NoPlan(NoPlan),
    /// The host changed between the plan that was shown and the lock.
    #[error("the host changed since the plan was made")]
    Stale,
    /// Nobody would have undone it when its time was over, so it was undone at once.
    #[error("whoever undoes it when it is not confirmed cannot be started: {0}")]
    NoWatch(String),
    /// A step failed.
    #[error("step {} failed: {}", .0.index + 1, .0.error)]
    Failed(Box<Failure>),
}

/// Reads the host and what is remembered, and plans.
///
/// # Errors
/// Where the host or the records cannot be read, or there is no plan.
pub fn plan(source: &dyn Target, wants: &Wants, make: MakePlan<'_>) -> Result<Plan, ChangeError> {
    let records = books::records_and_nodes(source)?;
    let wants = Wants { avoid: records.stuck_devices(), ..wants.clone() };
    let snapshot = passthru_host::snapshot(source, &wants)?;
    make(&snapshot, &records).map_err(ChangeError::NoPlan)
}

/// Carries out what is ordered.
///
/// # Errors
/// See [`ChangeError`]; only [`ChangeError::Failed`] and [`ChangeError::Recover`] may leave
/// something other than it was, and say so.
pub fn change(target: &dyn Target, order: &Order<'_>) -> Result<Applied, ChangeError> {
    let guard = books::lock(target, order.patience, order.verb)?;
    let cleanup = recover::under(&guard, Awaited::Stays)?;
    let plan = plan(target, order.wants, order.make)?;
    if let Some(shown) = order.shown
        && !cleanup.changed()
        && !is_agreed(shown, &plan)
    {
        return Err(ChangeError::Stale);
    }
    let gone = apply(&guard, &plan, order.confirm.map(|confirm| confirm.within))?;
    if let Some(confirm) = order.confirm.filter(|_| !plan.steps.is_empty())
        && let Err(why) = (confirm.watch)()
    {
        recover::under(&guard, Awaited::Undone)?;
        return Err(ChangeError::NoWatch(why));
    }
    Ok(Applied { plan, cleanup, gone })
}

/// Whether a plan does what somebody agreed to, at no greater loss.
fn is_agreed(shown: &Plan, plan: &Plan) -> bool {
    shown.devices == plan.devices
        && shown.steps == plan.steps
        && plan.losses.iter().all(|loss| shown.losses.contains(loss))
}

/// A change that cannot be confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmError {
    /// The lock or the journal.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// There is none that waits for it.
    #[error("no change waits to be confirmed")]
    None,
    /// Its time is over.
    #[error("the time to confirm it was over {0} s ago: it is being undone")]
    Late(u64),
}

/// Confirms the change that waits for it, and returns its plan.
///
/// # Errors
/// See [`ConfirmError`].
pub fn confirm(target: &dyn Target, patience: Patience<'_>) -> Result<Plan, ConfirmError> {
    let guard = books::lock(target, patience, "confirm")?;
    let found = journal::interrupted(target)?.filter(|found| !found.other_boot);
    let (Some(found), now) = (found, journal::uptime(target)?) else { return Err(ConfirmError::None) };
    match found.awaiting {
        None => Err(ConfirmError::None),
        Some(until) if now >= until => Err(ConfirmError::Late(now - until)),
        Some(_) => {
            guard.resume_journal(&found)?.close()?;
            Ok(found.plan)
        }
    }
}

/// What of a device must be as it was after an undo.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    driver: Option<String>,
    driver_override: Result<String, passthru_formats::Errno>,
}

fn state(guard: &Guard<'_>, device: Address) -> Result<State, StepError> {
    let path = passthru_model::device::attribute_of(device, "driver_override");
    Ok(State {
        driver: driver(guard, device)?,
        driver_override: passthru_host::source::read_text(guard.target, &path),
    })
}

/// Carries out a plan under the lock. With `within` it waits to be confirmed for so many
/// seconds when it is done: its journal stays. A device that is pulled while it is being
/// given back needs no more: it is among those that are returned.
///
/// # Errors
/// [`ChangeError::Failed`] where a step failed, or the journal could not be closed;
/// [`ChangeError::Books`] where it could not be opened, in which case nothing was done.
pub fn apply(guard: &Guard<'_>, plan: &Plan, within: Option<u64>) -> Result<Vec<Address>, ChangeError> {
    if plan.steps.is_empty() {
        return Ok(Vec::new());
    }
    let mut devices: Vec<Address> = plan.steps.iter().filter_map(Step::device).collect();
    devices.sort_unstable();
    devices.dedup();
    let before: Vec<_> = devices.iter().map(|d| (*d, state(guard, *d))).collect();
    let journal = guard.open_journal(plan, within.is_some())?;
    let mut performer = Performer::new(guard).about(plan);
    let stopped = forward(guard, &journal, &mut performer, plan, within);
    let gone: Vec<Address> = before
        .iter()
        .filter(|(device, was)| was.is_ok() && is_gone(guard, *device))
        .map(|(d, _)| *d)
        .collect();
    let Err(stopped) = stopped else { return Ok(gone) };
    let Stopped { index, begun, error } = *stopped;
    let from = if error.without_effect() { index } else { begun };
    // Undoing goes on without its record: what the journal is for is a second misfortune.
    let _ = journal.start_undo(plan, from);
    let todo: Vec<usize> = (0..from).collect();
    let undone = recover::take_back(&journal, &mut performer, plan, &todo, std::slice::from_ref(&error), &[]);
    let mut left: Vec<String> = undone.errors.iter().map(ToString::to_string).collect();
    left.extend(undone.stuck.iter().map(|stuck| format!("{} is stuck: {}", stuck.device, stuck.sentence())));
    let stuck = |device| undone.stuck.iter().any(|stuck| stuck.device == device);
    let looked_at = before.iter().filter(|(device, _)| !stuck(*device) && !gone.contains(device));
    left.extend(differences(guard, looked_at));
    // What is stuck is in records of its own: the journal must not keep others waiting.
    if undone.errors.is_empty() && left.len() == undone.stuck.len() {
        left.extend(journal.close().err().map(|error| error.to_string()));
    }
    let step = plan.steps[index].clone();
    Err(ChangeError::Failed(Box::new(Failure { index, step, error, left, gone })))
}

/// Where a change stopped.
struct Stopped {
    /// At which step.
    index: usize,
    /// How many were begun: the one of which that could not be recorded was not.
    begun: usize,
    error: StepError,
}

/// Every step and the end of the journal; or the step that failed, and why. A change
/// whose journal stays is none: the next process would undo it.
fn forward(
    guard: &Guard<'_>,
    journal: &Journal<'_>,
    performer: &mut Performer<'_>,
    plan: &Plan,
    within: Option<u64>,
) -> Result<(), Box<Stopped>> {
    // What is to be given back and is pulled meanwhile needs no more but that its lease is
    // closed.
    let needless = |step: &Step| {
        plan.intent == Intent::Release && step.device().is_some_and(|device| is_gone(guard, device))
    };
    let steps = plan.steps.len();
    for (index, step) in plan.steps.iter().enumerate() {
        let stopped = |begun, error| Box::new(Stopped { index, begun, error });
        journal.write(&Record::Begin { step: index }).map_err(|error| stopped(index, error.into()))?;
        match performer.perform(step) {
            Err(error) if !needless(step) => return Err(stopped(index + 1, error)),
            _ => {}
        }
        journal.write(&Record::Done { step: index }).map_err(|error| stopped(index + 1, error.into()))?;
    }
    let end = || match within {
        Some(within) => {
            let until = journal::uptime(guard.target)? + within;
            journal.write(&Record::Await { until })
        }
        None => journal.close(),
    };
    end().map_err(|error| Box::new(Stopped { index: steps - 1, begun: steps, error: error.into() }))
}

/// Whether a device is not there any more.
fn is_gone(guard: &Guard<'_>, device: Address) -> bool {
    driver(guard, device).is_err_and(|error| error.device_is_gone())
}

/// What is read back after an undo and is not as it was.
fn differences<'s>(
    guard: &Guard<'_>,
    before: impl Iterator<Item = &'s (Address, Result<State, StepError>)>,
) -> Vec<String> {
    let word = |driver: &Option<String>| driver.clone().unwrap_or_else(|| "no driver".into());
    let mut found = Vec::new();
    for (device, was) in before {
        match (was, state(guard, *device)) {
            (Ok(was), Ok(is)) if *was == is => {}
            (Ok(was), Ok(is)) if was.driver != is.driver => {
                found.push(format!("{device} was on {}, and is on {}", word(&was.driver), word(&is.driver)));
            }
            (Ok(_), Ok(_)) => found.push(format!("driver_override of {device} is not what it was")),
            // It was not there before either.
            (Err(was), Err(is)) if *was == is => {}
            (_, Err(error)) => found.push(format!("{device}: {error}")),
            (Err(_), Ok(_)) => found.push(format!("{device} could not be looked at before")),
        }
    }
    found
}
