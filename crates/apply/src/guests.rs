//! Whose the leases are: passed on from `run` to its virtual machine and back, under the lock.

use std::time::Duration;

use passthru_host::process;
use passthru_host::source::Source;
use passthru_model::{Holder, LeaseRecord};

use crate::books::{self, BooksError, Guard};
use crate::target::Target;

/// How long udev may take to go through its rules for a new node, in seconds.
const SETTLE: Duration = Duration::from_secs(10);

/// The process with this id, as leases name it; `None` where it is gone.
#[must_use]
pub fn holder(source: &dyn Source, pid: u32, program: &str) -> Option<Holder> {
    let start = process::start_time(source, pid).ok()?;
    Some(Holder { pid, start, program: program.to_owned() })
}

/// Writes another process into every lease, and every grant, that belongs to `from`.
///
/// # Errors
/// Where the leases cannot be listed or one cannot be written. Those before it are passed on.
pub fn hand_over(guard: &Guard<'_>, from: &Holder, to: &Holder) -> Result<(), BooksError> {
    let is = |holder: &Option<Holder>| {
        holder.as_ref().is_some_and(|holder| holder.pid == from.pid && holder.start == from.start)
    };
    for record in books::leases(guard.target)? {
        let LeaseRecord::Valid(mut lease) = record else { continue };
        let mut changed = false;
        if is(&lease.holder) {
            lease.holder = Some(to.clone());
            changed = true;
        }
        if let Some(granted) = lease.granted.as_mut().filter(|granted| is(&granted.holder)) {
            granted.holder = Some(to.clone());
            changed = true;
        }
        if changed {
            guard.write_lease(&lease)?;
        }
    }
    Ok(())
}

/// Waits until udev has gone through its rules: whoever changes a node before them is
/// overruled by them. Where there is no udev, there is nothing to wait for.
///
/// # Errors
/// What to tell: udev was not through in time.
pub fn settle(target: &dyn Target) -> Result<(), String> {
    let seconds = format!("--timeout={}", SETTLE.as_secs());
    match target.change(&["udevadm", "settle", &seconds]) {
        Ok(output) if output.code != Some(0) => {
            Err(format!("udev was not through with its rules after {} s", SETTLE.as_secs()))
        }
        _ => Ok(()),
    }
}
