//! Times of commands, from start to exit.
//!
//! Owns the order of the runs: all series take turns, so that what else the machine
//! does in the meantime hits all of them alike.

use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// One command and its times.
pub(super) struct Series<'a> {
    name: &'static str,
    runs: usize,
    command: Box<dyn Fn() -> Command + 'a>,
    /// Exit codes with which it did what was asked.
    codes: &'static [i32],
    times: Vec<Duration>,
}

impl<'a> Series<'a> {
    pub(super) fn new(name: &'static str, runs: usize, command: impl Fn() -> Command + 'a) -> Self {
        Self { name, runs: runs.max(1), command: Box::new(command), codes: &[0], times: Vec::new() }
    }

    /// One that also says by its exit code what it found.
    pub(super) const fn codes(mut self, codes: &'static [i32]) -> Self {
        self.codes = codes;
        self
    }

    /// Whether it did what was asked.
    fn done(&self, status: ExitStatus) -> bool {
        status.code().is_some_and(|code| self.codes.contains(&code))
    }

    /// The median of the times; of an even number, the mean of the middle two.
    pub(super) fn median(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        let middle = times.len() / 2;
        match times.len() {
            0 => Duration::ZERO,
            n if n % 2 == 1 => times[middle],
            _ => (times[middle - 1] + times[middle]) / 2,
        }
    }

    /// What the command prints.
    pub(super) fn output(&self) -> Result<Vec<u8>> {
        let output = (self.command)().output().with_context(|| format!("cannot start {}", self.name))?;
        ensure!(
            self.done(output.status),
            "{} failed ({}): {}",
            self.name,
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(output.stdout)
    }

    fn once(&mut self) -> Result<()> {
        let mut command = (self.command)();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let status = command.status().with_context(|| format!("cannot start {}", self.name))?;
        self.times.push(start.elapsed());
        ensure!(self.done(status), "{} failed: {status}", self.name);
        Ok(())
    }
}

/// Runs all series, in turns, after a first run of each that is not counted.
///
/// # Errors
///
/// A command that cannot be started or fails; an interrupt.
pub(super) fn run(all: &mut [Series<'_>], interrupted: &AtomicBool) -> Result<()> {
    let check = || {
        ensure!(!interrupted.load(Ordering::Relaxed), "interrupted; the synthetic host is removed");
        Ok(())
    };
    for series in all.iter() {
        // Says why, where a command fails; and fills the caches.
        series.output()?;
        check()?;
    }
    let most = all.iter().map(|s| s.runs).max().unwrap_or(0);
    for round in 0..most {
        for series in all.iter_mut().filter(|s| round < s.runs) {
            series.once()?;
            check()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let of = |times: &[u64]| {
            let mut series = Series::new("x", 1, || Command::new("true"));
            series.times = times.iter().copied().map(Duration::from_millis).collect();
            series.median()
        };
        assert_eq!(of(&[9, 1, 5]), Duration::from_millis(5));
        assert_eq!(of(&[1, 2, 4, 100]), Duration::from_millis(3));
    }
}
