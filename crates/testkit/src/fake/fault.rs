//! Faults: the n-th call that changes something fails or does not come back, the process
//! dies there, or somebody pulls a card.

use std::sync::{Mutex, MutexGuard, PoisonError};

use passthru_formats::Errno;
use passthru_model::Task;
use passthru_pci::Address;

/// When a write that hangs brings about what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// At once: only its end does not come.
    AtOnce,
    /// When it comes back.
    Late,
    /// Never.
    Never,
}

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
    /// A write does not come back within its limit ([`super::Kernel::come_back`] ends that).
    /// Other calls are as always.
    Hang(Effect),
    /// The same, and the process dies before the limit is over.
    CrashHanging(Effect),
    /// From here on no file can be written: the disk is full (`ENOSPC`), or read-only
    /// (`EROFS`), where none can be removed either.
    Full(Errno),
    /// Before it somebody pulls the card at this address.
    Unplug(Address),
    /// Before it somebody pulls the card at this address and puts another in at its place.
    Swap(Address),
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
    full: Option<Errno>,
    made: Vec<String>,
    /// The last read that did not come back, and who waits in it.
    waits: Option<(String, Task)>,
}

/// How a call has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Through,
    FailAfter(Errno),
    CrashWithin,
    CrashAfter,
    Hang(Effect),
    CrashHanging(Effect),
    Unplug(Address),
    Swap(Address),
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
            Some(What::Hang(effect)) => Ok(Way::Hang(effect)),
            Some(What::CrashHanging(effect)) => Ok(Way::CrashHanging(effect)),
            Some(What::Full(error)) => {
                state.full = Some(error);
                Ok(Way::Through)
            }
            Some(What::Unplug(address)) => Ok(Way::Unplug(address)),
            Some(What::Swap(address)) => Ok(Way::Swap(address)),
        }
    }

    /// Whether a file can still be written.
    pub(super) fn room(&self) -> Result<(), Errno> {
        self.state().full.map_or(Ok(()), Err)
    }

    pub(super) fn waits_in(&self, path: &str, task: Task) {
        self.state().waits = Some((path.to_owned(), task));
    }

    pub(super) fn waits(&self, path: &str) -> Option<Task> {
        self.state().waits.clone().filter(|(read, _)| read == path).map(|(_, task)| task)
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
