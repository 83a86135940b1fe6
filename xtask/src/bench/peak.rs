//! The peak memory of one run of a command.
//!
//! The kernel tells it to the parent only (`wait4`), which neither std nor rustix
//! offers; so GNU time does it, and where it is not installed the process is held
//! back by a full pipe and its `VmHWM` is read. Owns both ways and says which it was.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Peak resident memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Peak {
    /// In KiB.
    pub(super) kib: u64,
    /// How it was found.
    pub(super) how: &'static str,
}

pub(super) fn measure(command: &Command) -> Result<Peak> {
    if fs::exists("/usr/bin/time").unwrap_or(false) { by_time(command) } else { by_pipe(command) }
}

fn by_time(command: &Command) -> Result<Peak> {
    let output = Command::new("/usr/bin/time")
        .args(["-q", "-f", "%M"])
        .arg(command.get_program())
        .args(command.get_args())
        .stdout(Stdio::null())
        .output()
        .context("cannot start /usr/bin/time")?;
    ensure!(output.status.success(), "/usr/bin/time: {}", output.status);
    let text = String::from_utf8_lossy(&output.stderr);
    let kib = text.lines().last().and_then(|line| line.trim().parse().ok());
    Ok(Peak { kib: kib.with_context(|| format!("/usr/bin/time says '{}'", text.trim()))?, how: "GNU time" })
}

/// Reads the output piece by piece and looks at the high-water mark before each: the
/// process cannot have ended before the last piece is read. What it might still
/// allocate after its last write is not seen.
fn by_pipe(command: &Command) -> Result<Peak> {
    let mut child = Command::new(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start the command to measure")?;
    let mut output = child.stdout.take().context("no pipe")?;
    let status = format!("/proc/{}/status", child.id());
    let mut buffer = vec![0; 16 << 10];
    let mut kib = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        kib = kib.max(now.unwrap_or(0));
        if output.read(&mut buffer).context("reading its output")? == 0 {
            break;
        }
    }
    let ended = child.wait().context("waiting for it")?;
    ensure!(ended.success() && kib > 0, "the run to measure memory failed: {ended}");
    Ok(Peak { kib, how: "VmHWM while it printed; GNU time is not installed" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_see_the_same_program() {
        // 4 MiB in a variable, then more output than a pipe holds.
        let mut command = Command::new("sh");
        command.args(["-c", "x=$(head -c 4000000 /dev/zero | tr '\\0' a); echo \"$x\"; echo \"$x\""]);
        let by_pipe = by_pipe(&command).unwrap();
        assert!(by_pipe.kib > 4000, "{by_pipe:?}");
        if fs::exists("/usr/bin/time").unwrap() {
            let by_time = by_time(&command).unwrap();
            // The kernel counts in batches, so the two differ by a few pages.
            assert!(by_time.kib * 10 > by_pipe.kib * 9, "{by_time:?} {by_pipe:?}");
        }
    }
}
