//! Finishing or undoing what an interrupted run left behind. Whoever holds the lock and
//! finds a journal knows that its writer is dead.

use passthru_model::Intent;
use passthru_plan::undo::undo;

use crate::books::{self, BooksError, Guard, Interrupted, JOURNAL};
use crate::perform::{Performer, StepError};

/// What was done about an interrupted change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// What was found.
    pub interrupted: Interrupted,
    /// Whether it was finished; otherwise it was undone.
    pub finished: bool,
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

/// Finishes an interrupted release, undoes an interrupted bind. Safe to repeat: every
/// step writes only where something is not as it should be.
///
/// # Errors
/// See [`RecoverError`].
pub fn under(guard: &Guard<'_>) -> Result<Option<Recovered>, RecoverError> {
    let Some(interrupted) = books::interrupted(guard.target)? else { return Ok(None) };
    let mut performer = Performer::new(guard);
    let mut errors = Vec::new();
    let finishing = interrupted.plan.intent == Intent::Release && interrupted.begun > 0;
    if finishing {
        for step in &interrupted.plan.steps {
            if let Err(error) = performer.perform(step) {
                errors.push(error);
                break;
            }
        }
    } else {
        for step in interrupted.plan.steps[..interrupted.begun].iter().rev() {
            for back in undo(step) {
                errors.extend(performer.perform(&back).err());
            }
        }
    }
    if !errors.is_empty() {
        return Err(RecoverError::Steps { finishing, errors });
    }
    guard.target.remove(JOURNAL).map_err(|error| BooksError::File {
        verb: "remove",
        path: JOURNAL.into(),
        error,
    })?;
    Ok(Some(Recovered { interrupted, finished: finishing }))
}
