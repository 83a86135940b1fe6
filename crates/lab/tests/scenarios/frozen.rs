//! The product stopped in the middle of a change: right after a journal record is safe and
//! before the step it announces. strace stops it at every record; who waits for another one
//! lets it go on.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use passthru_lab::agent::{Job, Output, PATIENCE};
use passthru_lab::host::Lab;

use crate::support::json;

/// strace's report, one line for each stop.
const TRACE: &str = "/run/lab/frozen";

/// The product, stopped.
pub(crate) struct Frozen<'a> {
    lab: &'a Lab,
    job: Job<'a>,
    /// The process that writes the journal.
    pid: u32,
    /// How many of its stops were seen.
    stops: usize,
}

/// Starts the product and stops it when the journal's last record announces the step that
/// does this (`steps[].do` of the dry run), the first of its kind.
pub(crate) fn before_step<'a>(lab: &'a Lab, arguments: &[&str], step: &str) -> Result<Frozen<'a>> {
    let plan = lab.passthru(arguments.iter().copied()).args(["--dry-run", "--json"]).ok()?;
    let steps = json(&plan)?["steps"].as_array().cloned().unwrap_or_default();
    let index = steps
        .iter()
        .position(|found| found["do"] == step)
        .with_context(|| format!("no step does {step}:\n{plan}"))?;
    before(lab, arguments, index)
}

/// Starts the product and stops it when the journal's last record announces step `index`,
/// counted from 0.
pub(crate) fn before<'a>(lab: &'a Lab, arguments: &[&str], index: usize) -> Result<Frozen<'a>> {
    lab.sh(&format!("rm -f {TRACE}"))?;
    // -D: strace beside the product, not above it. Then the job is the product's.
    let mut job = lab
        .command(["strace", "-D", "-f", "-q", "-o", TRACE, "-e", "trace=fsync,fdatasync"])
        .args(["-e", "inject=fsync,fdatasync:signal=STOP", "passthru"])
        .args(arguments.iter().copied())
        .timeout(4 * PATIENCE)
        .start()?;
    let pid = job.pid()?;
    let mut frozen = Frozen { lab, job, pid, stops: 0 };
    let started = Instant::now();
    loop {
        frozen.wait_for_stop()?;
        let last = lab.sh("tail -n 1 /run/passthru/journal 2> /dev/null || true")?;
        let record: serde_json::Value = serde_json::from_str(&last).unwrap_or_default();
        if record["record"] == "begin" && record["step"] == index {
            return Ok(frozen);
        }
        if started.elapsed() > PATIENCE {
            bail!("never announced step {index}; the journal's last record is {last:?}");
        }
        frozen.go_on()?;
    }
}

impl<'a> Frozen<'a> {
    fn wait_for_stop(&mut self) -> Result<()> {
        self.stops += 1;
        let stops = self.stops;
        let test = format!("[ $(grep -c 'stopped by SIGSTOP' {TRACE}) -ge {stops} ]");
        self.lab.wait_until(&test)
    }

    fn go_on(&self) -> Result<()> {
        self.lab.sh(&format!("kill -CONT {}", self.pid))?;
        Ok(())
    }

    /// Lets it go on to its end.
    pub(crate) fn finish(self) -> Result<Output> {
        // Without strace first, or it would stop at the next record again.
        self.lab.sh(&format!(
            "traced() {{ sed -n 's/^TracerPid:[[:space:]]*//p' /proc/{pid}/status; }}; \
             kill -9 $(traced); while [ $(traced) != 0 ]; do sleep 0.1; done; kill -CONT {pid}",
            pid = self.pid
        ))?;
        self.job.wait()
    }
}
