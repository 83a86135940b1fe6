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

/// Whether the process that had this id and this start time is still there. One that has
/// ended and only waits to be collected (`Z`, `X`; proc_pid_stat(5), field 3) is not. A start
/// time of 0 is not known, and fits any; what cannot be looked at is taken for alive.
pub fn is_alive(source: &dyn Source, pid: u32, start: u64) -> bool {
    match read_text(source, &format!("/proc/{pid}/stat")) {
        Ok(stat) => {
            let Some((_, rest)) = stat.rsplit_once(')') else { return true };
            let mut fields = rest.split_whitespace();
            let state = fields.next().unwrap_or("");
            let started = fields.nth(18).and_then(|field| field.parse::<u64>().ok());
            !matches!(state, "Z" | "X" | "x") && (start == 0 || started.is_none_or(|s| s == start))
        }
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
        // Lines such as "[<0>] vfio_unregister_group_dev+0x72/0xc0 [vfio]".
        let functions: Vec<&str> = stack
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1)?.split('+').next())
            // The scheduler itself is where everybody waits.
            .filter(|name| !name.starts_with("__schedule") && *name != "schedule")
            .take(SHOWN)
            .collect();
        if !functions.is_empty() {
            return functions.join(" ← ");
        }
    }
    match read_text(source, &format!("/proc/{pid}/wchan")) {
        Ok(name) if name != "0" => name,
        _ => String::new(),
    }
}
