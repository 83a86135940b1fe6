//! The loop that changes a host: lock → read → plan → journal → perform → verify, and
//! on failure undo in reverse and say truthfully how far that got.

use std::time::Duration;

use passthru_host::NoHost;
use passthru_model::plan::NoPlan;
use passthru_model::{LeaseRecord, Plan, Snapshot, Step, Wants};
use passthru_pci::Address;

use crate::books::{self, BooksError, Guard, Journal, Record};
use crate::perform::{Performer, StepError, driver};
use crate::recover::{self, RecoverError, Recovered};
use crate::target::Target;

/// What plans are made from: the host and the leases, to a plan or a refusal.
pub type MakePlan<'a> = &'a dyn Fn(&Snapshot, &[LeaseRecord]) -> Result<Plan, NoPlan>;

/// A change that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What was done.
    pub plan: Plan,
    /// An interrupted change that was looked after first.
    pub recovered: Option<Recovered>,
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
    /// A step failed.
    #[error("step {} failed: {}", .0.index + 1, .0.error)]
    Failed(Box<Failure>),
}

/// Reads the host and the leases, and plans.
///
/// # Errors
/// Where the host or the leases cannot be read, or there is no plan.
pub fn plan(source: &dyn Target, wants: &Wants, make: MakePlan<'_>) -> Result<Plan, ChangeError> {
    let snapshot = passthru_host::snapshot(source, wants)?;
    let leases = books::leases(source)?;
    make(&snapshot, &leases).map_err(ChangeError::NoPlan)
}

/// Carries out what `make` plans. `shown` is the plan somebody has agreed to: any
/// difference to what is planned under the lock is refused as stale.
///
/// # Errors
/// See [`ChangeError`]; only [`ChangeError::Failed`] and [`ChangeError::Recover`] may leave
/// something other than it was, and say so.
pub fn change(
    target: &dyn Target,
    patience: Duration,
    verb: &str,
    wants: &Wants,
    make: MakePlan<'_>,
    shown: Option<&Plan>,
) -> Result<Applied, ChangeError> {
    let guard = books::lock(target, patience, verb)?;
    let recovered = recover::under(&guard)?;
    let plan = plan(target, wants, make)?;
    if let Some(shown) = shown
        && recovered.is_none()
        && shown.steps != plan.steps
    {
        return Err(ChangeError::Stale);
    }
    apply(&guard, &plan)?;
    Ok(Applied { plan, recovered })
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

/// Carries out a plan under the lock.
///
/// # Errors
/// [`ChangeError::Failed`] where a step failed, or the journal could not be closed;
/// [`ChangeError::Books`] where it could not be opened, in which case nothing was done.
pub fn apply(guard: &Guard<'_>, plan: &Plan) -> Result<(), ChangeError> {
    if plan.steps.is_empty() {
        return Ok(());
    }
    let mut devices: Vec<Address> = plan.steps.iter().filter_map(Step::device).collect();
    devices.sort_unstable();
    devices.dedup();
    let before: Vec<_> = devices.iter().map(|d| (*d, state(guard, *d))).collect();
    let journal = guard.open_journal(plan)?;
    let mut performer = Performer::new(guard);
    let Err((index, error)) = forward(&journal, &mut performer, plan) else { return Ok(()) };
    let from = if error.without_effect() { index } else { index + 1 };
    // Undoing goes on without its record: what the journal is for is a second misfortune.
    let _ = journal.start_undo(plan, from);
    let todo: Vec<usize> = (0..from).collect();
    let errors = recover::take_back(&journal, &mut performer, plan, &todo);
    let mut left: Vec<String> = errors.iter().map(ToString::to_string).collect();
    left.extend(differences(guard, &before));
    if left.is_empty() {
        left.extend(journal.close().err().map(|error| error.to_string()));
    }
    let step = plan.steps[index].clone();
    Err(ChangeError::Failed(Box::new(Failure { index, step, error, left })))
}

/// Every step and the end of the journal; or the step that failed, and why. A change
/// whose journal stays is none: the next process would undo it.
fn forward(
    journal: &Journal<'_>,
    performer: &mut Performer<'_>,
    plan: &Plan,
) -> Result<(), (usize, StepError)> {
    for (index, step) in plan.steps.iter().enumerate() {
        journal
            .write(&Record::Begin { step: index })
            .map_err(StepError::from)
            .and_then(|()| performer.perform(step))
            .and_then(|()| Ok(journal.write(&Record::Done { step: index })?))
            .map_err(|error| (index, error))?;
    }
    journal.close().map_err(|error| (plan.steps.len() - 1, error.into()))
}

/// What is read back after an undo and is not as it was.
fn differences(guard: &Guard<'_>, before: &[(Address, Result<State, StepError>)]) -> Vec<String> {
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
