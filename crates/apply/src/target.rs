//! What a host can be made to do. The live machine and the reacting fake kernel of the
//! tests stand behind this trait; nothing else in the crate touches a host.

use std::any::Any;
use std::time::Duration;

use passthru_formats::Errno;
use passthru_host::source::{Output, Source};
use passthru_model::{Access, Task};

/// Kept for as long as something is held; letting it go lets go.
pub type Hold = Box<dyn Any>;

/// The lock was not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Somebody held it for as long as we were willing to wait.
    #[error("{} is changing this host, and was still at it after {} s of waiting", holder_or(.holder), .waited.as_secs())]
    Busy {
        /// How long we waited.
        waited: Duration,
        /// Who holds it and for how long, in words; empty where it does not say.
        holder: String,
    },
    /// The file could not be opened or locked.
    #[error("cannot lock {path}: {error}")]
    Failed {
        /// The lock file.
        path: String,
        /// Why.
        error: Errno,
    },
}

fn holder_or(holder: &str) -> &str {
    if holder.is_empty() { "another passthru" } else { holder }
}

/// A write that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteError {
    /// The kernel refused it, or it could not be tried.
    Failed(Errno),
    /// It has not come back within its limit. Whoever writes goes on waiting, and may still
    /// bring it about.
    Stuck(Task),
}

impl From<Errno> for WriteError {
    fn from(error: Errno) -> Self {
        Self::Failed(error)
    }
}

/// A host that can be changed.
pub trait Target: Source {
    /// Writes a sysfs attribute in one `write(2)`, as the kernel demands, and waits for it
    /// no longer than `limit`.
    ///
    /// # Errors
    /// The error of opening or writing; a driver's own error comes back from the write.
    /// [`WriteError::Stuck`] where the limit is over.
    fn write_attribute(&self, path: &str, text: &str, limit: Duration) -> Result<(), WriteError>;

    /// Who waits in the last read of this path, where that answered `ETIMEDOUT`: an
    /// attribute whose reading waits for the device's lock.
    fn waits(&self, path: &str) -> Option<Task>;

    /// Changes owner, group and permission bits of a device node.
    ///
    /// # Errors
    /// The error of either call; `EOPNOTSUPP` where something else than a device stands there.
    fn set_access(&self, node: &str, access: &Access) -> Result<(), Errno>;

    /// Runs a command that changes the host.
    ///
    /// # Errors
    /// The error of starting it.
    fn change(&self, argv: &[&str]) -> Result<Output, Errno>;

    /// Opens a block device exclusively, until the hold is dropped.
    ///
    /// # Errors
    /// `EBUSY` where something on the host has claimed it.
    fn hold(&self, node: &str) -> Result<Hold, Errno>;

    /// Replaces a file in one step: a crash leaves the old one or the new one.
    ///
    /// # Errors
    /// The error of any of the calls; then the old file is still there.
    fn store(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), Errno>;

    /// Appends to a file (mode 0600), and returns when the bytes are safe.
    ///
    /// # Errors
    /// The error of any of the calls; then all of it is there or nothing, as far as the
    /// system lets half a write be taken back.
    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Errno>;

    /// Removes a file. One that is not there is removed already.
    ///
    /// # Errors
    /// The error of the call.
    fn remove(&self, path: &str) -> Result<(), Errno>;

    /// Makes a directory (mode 0755) where there is none.
    ///
    /// # Errors
    /// The error of the call; `ENOTDIR` where something else stands there.
    fn make_directory(&self, path: &str) -> Result<(), Errno>;

    /// Takes a lock, waiting at most `patience`; `about` is written into the file for
    /// whoever has to wait. Where it has to wait itself, `waiting` is told once what stands
    /// in the file.
    ///
    /// # Errors
    /// See [`LockError`]; its `holder` is what stands in the file.
    fn lock(
        &self,
        path: &str,
        patience: Duration,
        about: &str,
        waiting: &dyn Fn(&str),
    ) -> Result<Hold, LockError>;

    /// The process that does the writes of whoever had the lock before us and died, where it
    /// is still there: what it writes may still take effect.
    fn left_behind(&self) -> Option<Task> {
        None
    }

    /// Waits a little for the kernel or udev.
    fn pause(&self, time: Duration);

    /// Seconds since 1970.
    fn now(&self) -> u64;

    /// This process.
    fn process_id(&self) -> u32;
}
