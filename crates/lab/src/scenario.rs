//! Runs named scenarios in one virtual host. Each must leave the state it found; one that
//! fails does not stop the others, and when L1 is gone it is booted again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::guest::state::differences;
use crate::host::Lab;

/// How long the state may take to settle after a scenario: drivers probe disks
/// asynchronously.
const SETTLE: Duration = Duration::from_secs(15);

/// How a scenario ended that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it is for.
    Passed,
    /// It could not run here, and why.
    Skipped(String),
}

/// A named scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// What it shows, as `subject/what`.
    pub name: &'static str,
    /// What it does.
    pub run: Run,
}

/// What a scenario does.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    /// In the host that is up.
    Here(fn(&Lab) -> Result<Outcome>),
    /// It also ends the host and boots it again.
    Rebooting(fn(&mut Lab) -> Result<Outcome>),
}

/// Runs the scenarios whose name contains one of the arguments (all without one) and prints
/// one line for each. `--list` only names them.
pub fn main(scenarios: &[Scenario], boot: impl Fn() -> Result<Lab>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (flags, filters): (Vec<_>, Vec<_>) = arguments.iter().partition(|a| a.starts_with("--"));
    let wanted: Vec<&Scenario> = scenarios
        .iter()
        .filter(|s| filters.is_empty() || filters.iter().any(|f| s.name.contains(f.as_str())))
        .collect();
    if flags.iter().any(|flag| *flag == "--list") {
        for scenario in wanted {
            println!("{}: test", scenario.name);
        }
        return ExitCode::SUCCESS;
    }
    match run_all(&wanted, boot) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("lab: {error:#}");
            println!("0 passed, {} failed", wanted.len());
            ExitCode::FAILURE
        }
    }
}

/// Describes the host that is up in one line.
pub fn describe(lab: &Lab) -> String {
    let accel = if lab.kvm() { "KVM" } else { "emulation" };
    format!("kernel {} under {accel}, up after {:.1} s", lab.release(), lab.boot_time().as_secs_f32())
}

fn run_all(scenarios: &[&Scenario], boot: impl Fn() -> Result<Lab>) -> Result<bool> {
    let started = Instant::now();
    let mut lab = boot().context("the virtual host does not come up")?;
    println!("lab: {}", describe(&lab));
    let (mut passed, mut failed, mut skipped) = (0, Vec::new(), Vec::new());
    for scenario in scenarios {
        if !lab.alive() {
            println!("lab: the host is gone; booting another. Its console ended with:");
            println!("{}", lab.console_tail());
            drop(lab);
            lab = boot().context("the virtual host does not come up again")?;
        }
        let started = Instant::now();
        let (result, clean) = run_one(&mut lab, scenario);
        let seconds = started.elapsed().as_secs_f32();
        match result {
            Ok(Outcome::Passed) => {
                passed += 1;
                println!("ok      {seconds:6.1} s  {}", scenario.name);
            }
            Ok(Outcome::Skipped(why)) => {
                println!("skipped {seconds:6.1} s  {}", scenario.name);
                skipped.push(format!("{}: {why}", scenario.name));
            }
            Err(error) => {
                println!("FAILED  {seconds:6.1} s  {}\n{error:#}", scenario.name);
                failed.push(scenario.name);
            }
        }
        if !clean {
            // What is not as it was would make the next scenarios fail too. The loop's
            // beginning boots another host.
            println!("the console's last lines:\n{}", lab.console_tail());
            lab.kill();
        }
    }
    for name in &failed {
        println!("failed: {name}");
    }
    for line in &skipped {
        println!("skipped: {line}");
    }
    println!("lab: {} scenarios in {:.0} s", scenarios.len(), started.elapsed().as_secs_f32());
    let count = if skipped.is_empty() { String::new() } else { format!(", {} skipped", skipped.len()) };
    println!("{passed} passed, {} failed{count}", failed.len());
    Ok(failed.is_empty())
}

/// Runs one; also says whether the host was left as it was found.
fn run_one(lab: &mut Lab, scenario: &Scenario) -> (Result<Outcome>, bool) {
    let before = match lab.state() {
        Ok(before) => before,
        Err(error) => return (Err(error.context("before the scenario")), false),
    };
    let run = AssertUnwindSafe(|| match scenario.run {
        Run::Here(run) => run(lab),
        Run::Rebooting(run) => run(lab),
    });
    let outcome =
        catch_unwind(run).unwrap_or_else(|panic| Err(anyhow!("panicked: {}", panic_text(panic.as_ref()))));
    match (outcome, settle(lab, &before)) {
        (outcome, Ok(())) => (outcome, true),
        (Ok(_), Err(left)) => (Err(left), false),
        (Err(error), Err(left)) => (Err(anyhow!("{error:#}\nand {left:#}")), false),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}

/// Waits until the state equals the one before.
fn settle(lab: &Lab, before: &crate::protocol::State) -> Result<()> {
    let until = Instant::now() + SETTLE;
    loop {
        let differences = differences(before, &lab.state()?);
        if differences.is_empty() {
            return Ok(());
        }
        if Instant::now() > until {
            bail!("the host was not left as it was found:\n  {}", differences.join("\n  "));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
