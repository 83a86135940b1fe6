//! Finishing or undoing what an interrupted run left behind. Whoever holds the lock and
//! finds a journal knows that its writer is dead.

use passthru_host::source::read_text;
use passthru_model::device::attribute_of;
use passthru_model::{Intent, Plan, Step};
use passthru_pci::Address;
use passthru_plan::undo::undo;

use crate::books::{self, BooksError, Guard, Interrupted, JOURNAL, Journal, Record};
use crate::perform::{Performer, StepError, driver};

/// What was done about an interrupted change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// What was found.
    pub interrupted: Interrupted,
    /// Whether it was finished; otherwise it was undone.
    pub finished: bool,
    /// Why a release that was to be finished was undone instead.
    pub unfinished: Option<StepError>,
}

/// An interrupted change could not be looked after. The journal stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// The journal could not be read.
    #[error(transparent)]
    Books(#[from] BooksError),
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

/// Finishes an interrupted release, undoes an interrupted bind, and goes on with undoing
/// what was being undone. A release that cannot be finished is undone. What it does is
/// journalled too, so that it may itself be interrupted, any number of times.
///
/// # Errors
/// See [`RecoverError`].
pub fn under(guard: &Guard<'_>) -> Result<Option<Recovered>, RecoverError> {
    let Some(interrupted) = books::interrupted(guard.target)? else { return Ok(None) };
    if interrupted.other_boot {
        let removed = guard.target.remove(JOURNAL);
        removed.map_err(|error| BooksError::File { verb: "remove", path: JOURNAL.into(), error })?;
        return Ok(Some(Recovered { interrupted, finished: false, unfinished: None }));
    }
    let journal = guard.resume_journal(&interrupted)?;
    let mut performer = Performer::new(guard);
    let plan = &interrupted.plan;
    let mut errors = Vec::new();
    let mut finishing = false;
    let begun = reached(guard, &interrupted);
    let todo = match &interrupted.undoing {
        Some(todo) => todo.clone(),
        None if plan.intent == Intent::Release && begun > 0 => {
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
    let undone = take_back(&journal, &mut performer, plan, &todo);
    if !undone.is_empty() {
        errors.extend(undone);
        return Err(RecoverError::Steps { finishing, errors });
    }
    journal.close()?;
    Ok(Some(Recovered { interrupted, finished, unfinished: errors.pop() }))
}

/// How many steps were begun: those of which the journal tells, and where it was cut off,
/// those whose effect is there to be seen.
fn reached(guard: &Guard<'_>, interrupted: &Interrupted) -> usize {
    let evident = |step: &Step| match step {
        Step::Unbind { device, driver: from, .. } => {
            driver(guard, *device).is_ok_and(|on| on.as_ref() != Some(from))
        }
        Step::Probe { device, driver: to } => driver(guard, *device).is_ok_and(|on| on.as_ref() == Some(to)),
        // A release may end with the override with which it began.
        Step::SetOverride { device, value: Some(value), .. } if interrupted.plan.intent == Intent::Bind => {
            read_text(guard.target, &attribute_of(*device, "driver_override")).is_ok_and(|on| on == *value)
        }
        _ => false,
    };
    let seen = interrupted.plan.steps.iter().rposition(evident).map_or(0, |last| last + 1);
    seen.max(interrupted.begun)
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

/// Undoes these steps, the last first, and records each. After a failure it goes on with
/// other devices: what comes earlier for the same one rests on what could not be undone.
pub(crate) fn take_back(
    journal: &Journal<'_>,
    performer: &mut Performer<'_>,
    plan: &Plan,
    todo: &[usize],
) -> Vec<StepError> {
    performer.let_go();
    let mut errors = Vec::new();
    let mut stuck: Vec<Address> = Vec::new();
    for index in todo.iter().rev() {
        let Some(step) = plan.steps.get(*index) else { continue };
        let back = undo(step);
        if back.is_empty() || step.device().is_some_and(|device| stuck.contains(&device)) {
            continue;
        }
        match back.iter().try_for_each(|step| performer.perform(step)) {
            Err(error) if !error.device_is_gone() => {
                stuck.extend(step.device());
                errors.push(error);
            }
            // Where the record cannot be written, undoing goes on: it matters only to
            // whoever comes after one more misfortune.
            _ => drop(journal.write(&Record::Undone { step: *index })),
        }
    }
    errors
}
