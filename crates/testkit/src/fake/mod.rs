//! A kernel in memory that *reacts*: what is written to an attribute moves driver links,
//! makes disks and nodes come and go, and may be refused, as on a real one.
//!
//! | module | holds |
//! |---|---|
//! | [`machine`] | what is there, as data |
//! | `react` | how it reacts to writes |
//! | `lookup` | from a path to what stands there |
//! | [`files`], `classes` | how it looks through `/sys`, `/proc`, `/dev`, `/run` |
//! | `door` | [`Source`](passthru_host::source::Source) and [`Target`](passthru_apply::target::Target) |
//! | `disk` | `/run/passthru` as real files |
//! | [`fault`] | failing and dying at the n-th change |
//! | [`state`] | what has to be as it was |
//! | `make` | making machines, and what people do on them meanwhile |
//!
//! A [`Kernel`] is one process's handle. [`Kernel::process`] gives another process on the
//! same machine, [`Kernel::copy`] a machine of its own in the same state. After a crash
//! every call of the handle fails, so that no destructor can cheat.

mod classes;
mod disk;
mod door;
pub mod fault;
pub mod files;
mod lookup;
pub mod machine;
mod make;
mod react;
pub mod state;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use passthru_model::{DetailOf, Snapshot, Wants};
use passthru_pci::Address;

pub use fault::{Effect, Fault, What};
pub use machine::{Driver, Function, Gives, Machine};
pub use make::Part;
pub use state::State;

use fault::Caller;

/// What all processes of a machine share.
#[derive(Debug)]
struct Shared {
    machine: Mutex<Machine>,
    changed: Condvar,
    pids: AtomicU32,
}

/// The process id of the first handle.
const FIRST_PID: u32 = 5000;

/// A process on a machine. A clone is the same process.
#[derive(Debug, Clone)]
pub struct Kernel {
    shared: Arc<Shared>,
    caller: Arc<Caller>,
}

impl Default for Kernel {
    fn default() -> Self {
        Self::new(Machine::default())
    }
}

impl Kernel {
    /// The first process on a machine.
    #[must_use]
    pub fn new(machine: Machine) -> Self {
        let pids = AtomicU32::new(FIRST_PID + 1);
        let shared = Shared { machine: Mutex::new(machine), changed: Condvar::new(), pids };
        Self { shared: Arc::new(shared), caller: Arc::new(Caller::new(FIRST_PID, Vec::new())) }
    }

    /// Another process on the same machine.
    #[must_use]
    pub fn process(&self) -> Self {
        self.process_with([])
    }

    /// Another process on the same machine, for which something goes wrong.
    #[must_use]
    pub fn process_with(&self, faults: impl IntoIterator<Item = Fault>) -> Self {
        let pid = self.shared.pids.fetch_add(1, Ordering::Relaxed);
        Self { shared: self.shared.clone(), caller: Arc::new(Caller::new(pid, faults.into_iter().collect())) }
    }

    /// A machine of its own in the same state, and its first process.
    #[must_use]
    pub fn copy(&self) -> Self {
        let mut machine = self.machine().clone();
        if let Some(disk) = &mut machine.disk {
            *disk = Arc::new(disk.copy().unwrap_or_else(|error| panic!("{error}")));
        }
        Self::new(machine)
    }

    /// As [`Kernel::copy`], with `/run/passthru` as real files in a directory of its own below
    /// this one.
    ///
    /// # Panics
    /// Where they cannot be made.
    #[must_use]
    pub fn on_disk(&self, above: &std::path::Path) -> Self {
        let copy = self.copy();
        let disk = disk::Disk::new(above).unwrap_or_else(|error| panic!("{error}"));
        copy.with(|machine| {
            let ours = |path: &str| path.starts_with("/run/passthru");
            for directory in machine.directories.iter().filter(|path| ours(path)) {
                disk.files.make_directory(directory).unwrap_or_else(|error| panic!("{error}"));
            }
            machine.directories.retain(|path| !ours(path));
            for (path, file) in machine.files.iter().filter(|(path, _)| ours(path)) {
                let stored = disk.files.store(path, &file.bytes, file.mode);
                stored.unwrap_or_else(|error| panic!("{error}"));
            }
            machine.files.retain(|path, _| !ours(path));
            machine.disk = Some(Arc::new(disk));
        });
        copy
    }

    /// As [`Kernel::copy`]; something goes wrong for the process.
    #[must_use]
    pub fn copy_with(&self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.copy().process_with(faults)
    }

    /// Whether the process died.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.caller.is_dead()
    }

    /// How many calls of this process were to change something.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.caller.count()
    }

    /// Those calls in words, to read in a failed test.
    #[must_use]
    pub fn made(&self) -> Vec<String> {
        self.caller.made()
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.shared.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the machine, or changes it behind everybody's back: no call is counted.
    pub fn with<T>(&self, f: impl FnOnce(&mut Machine) -> T) -> T {
        f(&mut self.machine())
    }

    /// Everything a planner may want to know about these devices, read through the
    /// readers. No devices: of all.
    ///
    /// # Panics
    /// Where the machine has no directory of PCI devices, which only a test can bring about.
    #[must_use]
    pub fn snapshot(&self, devices: &[Address]) -> Snapshot {
        let detail = if devices.is_empty() { DetailOf::All } else { DetailOf::Some(devices.to_vec()) };
        let wants = Wants { detail, group_detail: true, usage: true, ..Wants::default() };
        passthru_host::snapshot(self, &wants).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What has to be as it was.
    #[must_use]
    pub fn state(&self) -> State {
        self.with(|machine| State::of(machine))
    }
}
