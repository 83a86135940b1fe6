//! One process: its name and its start time, which with the id names it for the whole
//! boot.

use passthru_formats::errno::Errno;

use crate::source::{Source, read_text};

/// The start time of a process in clock ticks since boot (`/proc/PID/stat`, field 22,
/// proc_pid_stat(5)).
///
/// # Errors
/// `ENOENT` or `ESRCH` where there is no such process; `EINVAL` where the file is not of
/// the documented form.
pub fn start_time(source: &dyn Source, pid: u32) -> Result<u64, Errno> {
    let stat = read_text(source, &format!("/proc/{pid}/stat"))?;
    // The name in field 2 may hold blanks and parentheses: the last ')' ends it.
    stat.rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().nth(19))
        .and_then(|field| field.parse().ok())
        .ok_or(Errno::EINVAL)
}

/// The short name of a process.
///
/// # Errors
/// `ENOENT` or `ESRCH` where there is no such process.
pub fn name(source: &dyn Source, pid: u32) -> Result<String, Errno> {
    read_text(source, &format!("/proc/{pid}/comm"))
}
