//! Faults: the n-th call that changes something fails, or the process dies there.

use std::sync::{Mutex, MutexGuard, PoisonError};

use passthru_formats::Errno;

/// What goes wrong at one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It fails and has done nothing.
    FailBefore(Errno),
    /// It fails although it has done its work.
    FailAfter(Errno),
    /// The process dies before it.
    CrashBefore,
    /// The process dies in the middle of it: half of what is appended is there, anything
    /// else is not.
    CrashWithin,
    /// The process dies after it, before it returns.
    CrashAfter,
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// At which changing call, counted from 0.
    pub at: usize,
    /// What happens there.
    pub what: What,
}

/// One process that uses the machine: how often it changed something, and whether it is
/// still alive.
#[derive(Debug, Default)]
pub(super) struct Caller {
    pub(super) pid: u32,
    state: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    count: usize,
    faults: Vec<Fault>,
    dead: bool,
    made: Vec<String>,
}

/// How a call has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Through,
    FailAfter(Errno),
    CrashWithin,
    CrashAfter,
}

impl Caller {
    pub(super) fn new(pid: u32, faults: Vec<Fault>) -> Self {
        Self { pid, state: Mutex::new(Calls { faults, ..Calls::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, Calls> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it may do anything at all: the dead read nothing either.
    pub(super) fn alive(&self) -> Result<(), Errno> {
        if self.state().dead { Err(Errno::EIO) } else { Ok(()) }
    }

    /// Counts a changing call and says how it has to go.
    pub(super) fn begin(&self, call: impl FnOnce() -> String) -> Result<Way, Errno> {
        let mut state = self.state();
        if state.dead {
            return Err(Errno::EIO);
        }
        let at = state.count;
        state.count += 1;
        state.made.push(call());
        let fault = state.faults.iter().find(|fault| fault.at == at).map(|fault| fault.what);
        match fault {
            None => Ok(Way::Through),
            Some(What::FailBefore(error)) => Err(error),
            Some(What::FailAfter(error)) => Ok(Way::FailAfter(error)),
            Some(What::CrashBefore) => {
                state.dead = true;
                Err(Errno::EIO)
            }
            Some(What::CrashWithin) => Ok(Way::CrashWithin),
            Some(What::CrashAfter) => Ok(Way::CrashAfter),
        }
    }

    pub(super) fn die(&self) {
        self.state().dead = true;
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state().dead
    }

    pub(super) fn count(&self) -> usize {
        self.state().count
    }

    pub(super) fn made(&self) -> Vec<String> {
        self.state().made.clone()
    }
}
