//! Second threads, where there can be any. A control group or a limit may forbid them: then
//! what they would have done is done here.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// Work that was begun.
pub(crate) enum Begun<'scope, T> {
    /// On a thread of its own.
    Thread(ScopedJoinHandle<'scope, T>),
    /// Here, because there could be no thread: it is done.
    Done(T),
}

impl<T> Begun<'_, T> {
    /// Waits for the result. A panic over there goes on here.
    pub(crate) fn join(self) -> T {
        match self {
            Self::Thread(thread) => match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            },
            Self::Done(result) => result,
        }
    }
}

/// Begins work on another thread, or does it here.
pub(crate) fn begin<'scope, T, F>(scope: &'scope Scope<'scope, '_>, work: F) -> Begun<'scope, T>
where
    T: Send + 'scope,
    F: FnOnce() -> T + Send + 'scope,
{
    // Starting a thread that cannot be drops the work with it: so it only gets a share.
    let slot = Arc::new(Mutex::new(Some(work)));
    let theirs = Arc::clone(&slot);
    match Builder::new().spawn_scoped(scope, move || take(&theirs)()) {
        Ok(thread) => Begun::Thread(thread),
        Err(_) => Begun::Done(take(&slot)()),
    }
}

/// Takes the work, which is there exactly once: one of the two is never called.
fn take<F>(slot: &Mutex<Option<F>>) -> F {
    match slot.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(work) => work,
        None => unreachable!("work that was begun twice"),
    }
}
