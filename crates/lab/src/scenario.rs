//! Runs named scenarios, those of one [`Suite`] in one kind of virtual host, several hosts side
//! by side ([`Settings::jobs`]). Each scenario must leave the state it found, so that they may
//! run in any order; one that fails does not stop the others, and when L1 is gone it is booted
//! again. A host is booted only when one of its scenarios is to run, and ended before the next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::guest::state::differences;
use crate::host::Lab;
use crate::settings::Settings;
use crate::variants::Variant;

/// How long the state may take to settle after a scenario: drivers probe disks
/// asynchronously.
const SETTLE: Duration = Duration::from_secs(90);

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
    /// What runs in it.
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
    let queue = Mutex::new(Queue::new(suites, settings, &mut tally));
    let tally = Mutex::new(tally);
    thread::scope(|scope| {
        for _ in 0..settings.jobs {
            scope.spawn(|| work(&queue, &tally, settings));
        }
    });
    let Tally { passed, failed, skipped } = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
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
    fn skip(&mut self, name: &str, seconds: f32, why: &str) {
        println!("skipped {seconds:6.1} s  {name}");
        self.skipped.push(format!("{name}: {why}"));
    }
}

/// A worker that panicked has printed why; what the others hold is still right.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A boot takes as long as a few scenarios: with fewer than this left for a host that
/// somebody else has up, a second one of it is not worth it.
const WORTH_A_BOOT: usize = 4;

/// What is still to be run, and which hosts are up.
struct Queue {
    waiting: Vec<(Variant, Scenario)>,
    up: Vec<Variant>,
}

impl Queue {
    /// All scenarios that can run here; those that cannot are skipped, and named.
    fn new(suites: &[Suite], settings: &Settings, tally: &mut Tally) -> Queue {
        let mut waiting = Vec::new();
        for suite in suites {
            let missing = if suite.scenarios.is_empty() { None } else { suite.host.missing(settings) };
            for scenario in &suite.scenarios {
                match (scenario.run, &missing) {
                    (Run::LeftOut(why), _) => tally.skip(scenario.name, 0.0, why),
                    (_, Some(why)) => tally.skip(scenario.name, 0.0, why),
                    (Run::Here(_) | Run::Rebooting(_), None) => waiting.push((suite.host, *scenario)),
                }
            }
        }
        Queue { waiting, up: Vec::new() }
    }

    /// The next scenario for a worker with this host up: one for the same host, else one for
    /// a host that nobody has, else help with what somebody has.
    fn take(&mut self, host: Option<Variant>) -> Option<(Variant, Scenario)> {
        let same = self.waiting.iter().position(|(wanted, _)| Some(*wanted) == host);
        let index = same.or_else(|| {
            if let Some(mine) = self.up.iter().position(|up| Some(*up) == host) {
                self.up.swap_remove(mine);
            }
            let index =
                self.waiting.iter().position(|(wanted, _)| !self.up.contains(wanted)).or_else(|| {
                    self.waiting.iter().position(|(wanted, _)| self.left(*wanted) >= WORTH_A_BOOT)
                })?;
            self.up.push(self.waiting[index].0);
            Some(index)
        })?;
        Some(self.waiting.remove(index))
    }

    fn left(&self, host: Variant) -> usize {
        self.waiting.iter().filter(|(wanted, _)| *wanted == host).count()
    }

    /// Takes away what was to run in a host that cannot be booted.
    fn give_up(&mut self, host: Variant) -> Vec<&'static str> {
        self.waiting
            .extract_if(.., |(wanted, _)| *wanted == host)
            .map(|(_, scenario)| scenario.name)
            .collect()
    }
}

/// Runs scenarios until none is left for it, in one host after the other.
fn work(queue: &Mutex<Queue>, tally: &Mutex<Tally>, settings: &Settings) {
    let mut lab: Option<(Variant, Lab)> = None;
    loop {
        let next = unpoisoned(queue).take(lab.as_ref().map(|(host, _)| *host));
        let Some((host, scenario)) = next else {
            return;
        };
        if let Some((_, mut gone)) = lab.take_if(|(up, lab)| *up != host || !lab.alive())
            && !gone.alive()
        {
            println!(
                "lab: the host is gone; booting another. Its console ended with:\n{}",
                gone.console_tail()
            );
        }
        let up = match lab.take() {
            Some((_, up)) => Ok(up),
            None => boot(host, settings),
        };
        match up {
            Ok(up) => run(&scenario, &mut lab.insert((host, up)).1, tally),
            Err(error) => {
                let mut names = vec![scenario.name];
                names.extend(unpoisoned(queue).give_up(host));
                println!("FAILED  {}\n{error:#}", names.join(", "));
                unpoisoned(tally).failed.extend(names);
            }
        }
    }
}

fn run(scenario: &Scenario, lab: &mut Lab, tally: &Mutex<Tally>) {
    let started = Instant::now();
    let (result, clean) = run_one(lab, scenario);
    let seconds = started.elapsed().as_secs_f32();
    let mut tally = unpoisoned(tally);
    match result {
        Ok(Outcome::Passed) => {
            tally.passed += 1;
            println!("ok      {seconds:6.1} s  {}", scenario.name);
        }
        Ok(Outcome::Skipped(why)) => tally.skip(scenario.name, seconds, &why),
        Err(error) => {
            println!("FAILED  {seconds:6.1} s  {}\n{error:#}\n{}", scenario.name, lab.evidence());
            tally.failed.push(scenario.name);
        }
    }
    drop(tally);
    if !clean {
        // What is not as it was would make the next scenarios fail too. The next one
        // finds the host gone and boots another.
        println!("the console's last lines:\n{}", lab.console_tail());
        lab.kill();
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
    // What udev holds open the next one would find in use.
    lab.sh("udevadm settle || true")?;
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
