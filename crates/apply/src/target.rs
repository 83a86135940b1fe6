//! What a host can be made to do. The live machine and the reacting fake kernel of the
//! tests stand behind this trait; nothing else in the crate touches a host.

use std::any::Any;
use std::time::Duration;

use passthru_formats::Errno;
use passthru_host::source::{Output, Source};

/// Kept for as long as something is held; letting it go lets go.
pub type Hold = Box<dyn Any>;

/// The lock was not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Somebody held it for as long as we were willing to wait.
    #[error("another passthru has been changing this host for {waited:?} ({holder})")]
    Busy {
        /// How long we waited.
        waited: Duration,
        /// What the holder wrote about itself.
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

/// A host that can be changed.
pub trait Target: Source {
    /// Writes a sysfs attribute in one `write(2)`, as the kernel demands.
    ///
    /// # Errors
    /// The error of opening or writing; a driver's own error comes back from the write.
    fn write_attribute(&self, path: &str, text: &str) -> Result<(), Errno>;

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
    /// whoever has to wait.
    ///
    /// # Errors
    /// See [`LockError`].
    fn lock(&self, path: &str, patience: Duration, about: &str) -> Result<Hold, LockError>;

    /// Waits a little for the kernel or udev.
    fn pause(&self, time: Duration);

    /// Seconds since 1970.
    fn now(&self) -> u64;

    /// This process.
    fn process_id(&self) -> u32;
}
