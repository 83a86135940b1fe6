//! Runs named scenarios, those of one [`Suite`] in one virtual host. Each must leave the state
//! it found; one that fails does not stop the others, and when L1 is gone it is booted again.
//! A host is booted only when one of its scenarios is to run, and ended before the next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::guest::state::differences;
use crate::host::Lab;
use crate::settings::Settings;
use crate::variants::Variant;

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
    /// It is left out this time, and why.
    LeftOut(&'static str),
}

/// Scenarios that run in the same host.
#[derive(Debug, Clone)]
pub struct Suite {
    /// Which host.
    pub host: Variant,
    /// What runs in it, in this order.
    pub scenarios: Vec<Scenario>,
}

/// Runs the scenarios whose name contains one of the arguments (all without one) and prints
/// one line for each. `--list` only names them.
pub fn main(suites: &[Suite], settings: impl FnOnce() -> Result<Settings>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (flags, filters): (Vec<_>, Vec<_>) = arguments.iter().partition(|a| a.starts_with("--"));
    let asked = |s: &Scenario| filters.is_empty() || filters.iter().any(|f| s.name.contains(f.as_str()));
    let wanted: Vec<Suite> = suites
        .iter()
        .map(|suite| Suite {
            host: suite.host,
            scenarios: suite.scenarios.iter().copied().filter(asked).collect(),
        })
        .collect();
    if flags.iter().any(|flag| *flag == "--list") {
        for scenario in wanted.iter().flat_map(|suite| &suite.scenarios) {
            println!("{}: test", scenario.name);
        }
        return ExitCode::SUCCESS;
    }
    match settings() {
        Ok(settings) => run_all(&wanted, &settings),
        Err(error) => {
            eprintln!("lab: {error:#}");
            println!("0 passed, {} failed", wanted.iter().map(|suite| suite.scenarios.len()).sum::<usize>());
            ExitCode::FAILURE
        }
    }
}

/// Describes the host that is up in one line.
pub fn describe(lab: &Lab) -> String {
    let accel = if lab.kvm() { "KVM" } else { "emulation" };
    format!("kernel {} under {accel}, up after {:.1} s", lab.release(), lab.boot_time().as_secs_f32())
}

fn run_all(suites: &[Suite], settings: &Settings) -> ExitCode {
    let started = Instant::now();
    let mut tally = Tally::default();
    for suite in suites {
        tally.run_suite(suite, settings);
    }
    let Tally { passed, failed, skipped } = tally;
    for name in &failed {
        println!("failed: {name}");
    }
    for line in &skipped {
        println!("skipped: {line}");
    }
    let all = passed + failed.len() + skipped.len();
    println!("lab: {all} scenarios in {:.0} s", started.elapsed().as_secs_f32());
    let count = if skipped.is_empty() { String::new() } else { format!(", {} skipped", skipped.len()) };
    println!("{passed} passed, {} failed{count}", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How the scenarios ended.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: Vec<&'static str>,
    skipped: Vec<String>,
}

impl Tally {
    /// Runs the scenarios of one host; where that does not come up they have failed, and where
    /// it cannot be had here they are skipped.
    fn run_suite(&mut self, suite: &Suite, settings: &Settings) {
        let mut lab: Option<Lab> = None;
        let missing = suite.host.missing(settings);
        for (index, scenario) in suite.scenarios.iter().enumerate() {
            let why = match scenario.run {
                Run::LeftOut(why) => Some(why.to_owned()),
                Run::Here(_) | Run::Rebooting(_) => missing.clone(),
            };
            if let Some(why) = why {
                println!("skipped    0.0 s  {}", scenario.name);
                self.skipped.push(format!("{}: {why}", scenario.name));
                continue;
            }
            if let Some(gone) = lab.take_if(|lab| !lab.alive()) {
                println!("lab: the host is gone; booting another. Its console ended with:");
                println!("{}", gone.console_tail());
            }
            let up = match lab.take() {
                Some(up) => Ok(up),
                None => boot(suite.host, settings),
            };
            match up {
                Ok(up) => self.run(scenario, lab.insert(up)),
                Err(error) => {
                    let names: Vec<&str> = suite.scenarios[index..].iter().map(|s| s.name).collect();
                    println!("FAILED  {}\n{error:#}", names.join(", "));
                    self.failed.extend(names);
                    return;
                }
            }
        }
    }

    fn run(&mut self, scenario: &Scenario, lab: &mut Lab) {
        let started = Instant::now();
        let (result, clean) = run_one(lab, scenario);
        let seconds = started.elapsed().as_secs_f32();
        match result {
            Ok(Outcome::Passed) => {
                self.passed += 1;
                println!("ok      {seconds:6.1} s  {}", scenario.name);
            }
            Ok(Outcome::Skipped(why)) => {
                println!("skipped {seconds:6.1} s  {}", scenario.name);
                self.skipped.push(format!("{}: {why}", scenario.name));
            }
            Err(error) => {
                println!("FAILED  {seconds:6.1} s  {}\n{error:#}", scenario.name);
                self.failed.push(scenario.name);
            }
        }
        if !clean {
            // What is not as it was would make the next scenarios fail too. The next one
            // finds the host gone and boots another.
            println!("the console's last lines:\n{}", lab.console_tail());
            lab.kill();
        }
    }
}

fn boot(host: Variant, settings: &Settings) -> Result<Lab> {
    let name = host.name();
    let lab = Lab::boot_variant(settings.clone(), host)
        .with_context(|| format!("the virtual host ({name}) does not come up"))?;
    println!("lab: {} ({name})", describe(&lab));
    Ok(lab)
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
        Run::LeftOut(why) => Ok(Outcome::Skipped(why.to_owned())),
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
