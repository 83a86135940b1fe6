//! One process: its name and its start time, which with the id names it for the whole
//! boot.

use passthru_formats::errno::Errno;
use passthru_formats::process::{self, ProcessStat};

use crate::source::{Source, read_text};

/// The start time of a process in clock ticks since boot (`/proc/PID/stat`, field 22,
/// proc_pid_stat(5)).
///
/// # Errors
/// `ENOENT` or `ESRCH` where there is no such process; `EINVAL` where the file is not of
/// the documented form.
pub fn start_time(source: &dyn Source, pid: u32) -> Result<u64, Errno> {
    stat(source, pid).map(|stat| stat.start)
}

fn stat(source: &dyn Source, pid: u32) -> Result<ProcessStat, Errno> {
    let text = read_text(source, &format!("/proc/{pid}/stat"))?;
    ProcessStat::parse(&text).ok_or(Errno::EINVAL)
}

/// The short name of a process.
///
/// # Errors
/// `ENOENT` or `ESRCH` where there is no such process.
pub fn name(source: &dyn Source, pid: u32) -> Result<String, Errno> {
    read_text(source, &format!("/proc/{pid}/comm"))
}

/// Whether the process that had this id and this start time is still there. One that has
/// ended and only waits to be collected (`Z`, `X`; proc_pid_stat(5), field 3) is not. A start
/// time of 0 is not known, and fits any; what cannot be looked at is taken for alive.
pub fn is_alive(source: &dyn Source, pid: u32, start: u64) -> bool {
    match stat(source, pid) {
        Ok(stat) => !stat.has_ended() && (start == 0 || stat.start == start),
        Err(error) => !(error.is_absent() || error == Errno::ESRCH),
    }
}

/// What a process waits in inside the kernel: the innermost functions of its stack where
/// that may be read (`/proc/PID/stack`, root), else `/proc/PID/wchan`. Empty where neither
/// says anything.
pub fn waits_in(source: &dyn Source, pid: u32) -> String {
    /// How many functions are named.
    const SHOWN: usize = 3;
    if let Ok(stack) = read_text(source, &format!("/proc/{pid}/stack")) {
        let functions: Vec<&str> = process::stack(&stack).take(SHOWN).collect();
        if !functions.is_empty() {
            return functions.join(" ← ");
        }
    }
    match read_text(source, &format!("/proc/{pid}/wchan")) {
        Ok(name) if name != "0" => name,
        _ => String::new(),
    }
}
