//! One device and verb with every fault: runs the cases of the matrix and judges what came
//! of each. It does not know which devices there are, nor why these.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use passthru_lab::agent::{Output, PATIENCE};
use passthru_lab::guest::state::differences;
use passthru_lab::host::Lab;
use passthru_lab::inject::{self, Fault, Injection};
use passthru_lab::protocol::State;
use passthru_lab::scenario::Outcome;

use crate::support::proof;

/// How long the state may take to be what it should: drivers probe asynchronously.
const SETTLE: Duration = Duration::from_secs(60);
/// After so many wrong cases a matrix is given up.
const ENOUGH: usize = 12;
/// Where strace writes.
pub(crate) const LOG: &str = "/run/lab/injected";

/// All cases so far, of all subjects.
static TOTAL: AtomicUsize = AtomicUsize::new(0);

/// What is bound and released.
pub(crate) struct Subject<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) name: &'static str,
    pub(crate) devices: Vec<String>,
    pub(crate) with_group: bool,
    /// Each bind has to load the driver first.
    pub(crate) unload: bool,
    /// How much of it `make test` does.
    pub(crate) slice: fn(&Injection) -> bool,
}

/// What came of one case, for the counts.
#[derive(Default)]
struct Counts {
    /// How long a run takes that is written down.
    run: Duration,
    kills: usize,
    errors: usize,
    /// The run never came to the point.
    missed: usize,
    /// A fault that did not keep the command from its aim.
    done: usize,
    /// Refused before anything was changed.
    refused: usize,
    /// Exit code 5, and something was left.
    left: usize,
    wrong: Vec<String>,
}

impl Subject<'_> {
    pub(crate) fn run(&self) -> Result<Outcome> {
        inject::install(self.lab)?;
        self.lab.sh("modprobe vfio-pci")?;
        let first = self.lab.state()?;
        let mut wrong = Vec::new();
        for verb in ["bind", "release"] {
            let counts = self.verb(verb, &first).with_context(|| format!("{} {verb}", self.name))?;
            wrong.extend(counts.wrong);
        }
        ensure!(wrong.is_empty(), "{} wrong cases:\n{}", wrong.len(), wrong.join("\n"));
        Ok(Outcome::Passed)
    }

    fn arguments(&self, verb: &str) -> Vec<String> {
        let mut words = vec![verb.to_owned()];
        if verb == "bind" && self.with_group {
            words.extend([self.devices[0].clone(), "--with-group".to_owned()]);
        } else {
            words.extend(self.devices.iter().cloned());
        }
        words
    }

    pub(crate) fn plain(&self, verb: &str) -> Result<()> {
        self.prepare(verb)?;
        self.lab.passthru(self.arguments(verb)).ok()?;
        Ok(())
    }

    /// Every run shall have the same steps.
    fn prepare(&self, verb: &str) -> Result<()> {
        // udev looks into a disk that has just come back, and holds it open meanwhile.
        let unload = if verb == "bind" && self.unload { "modprobe -r vfio-pci" } else { "true" };
        self.lab.sh(&format!("{unload}; udevadm settle || true"))?;
        Ok(())
    }

    /// Runs the verb under strace; gives its exit code, whether the point was come to, and
    /// all it said.
    pub(crate) fn traced(
        &self,
        verb: &str,
        mode: &str,
        when: usize,
        strace: Vec<String>,
    ) -> Result<(i32, bool, Output)> {
        let output = self.injected(mode, when, strace, verb)?;
        let out = output.out();
        let last = out.lines().last().unwrap_or_default();
        let parts = last.strip_prefix("injected: ").and_then(|rest| rest.split_once(", exit code "));
        let (hit, code) = parts.with_context(|| format!("the injecting script says nothing:\n{output}"))?;
        Ok((code.parse()?, hit == "yes", output))
    }

    pub(crate) fn injected(
        &self,
        mode: &str,
        when: usize,
        strace: Vec<String>,
        verb: &str,
    ) -> Result<Output> {
        self.prepare(verb)?;
        inject::command(self.lab, mode, when, LOG, strace)
            .arg("passthru")
            .args(self.arguments(verb))
            .env("MEANWHILE", "passthru recover --lock-timeout 250")
            .timeout(2 * PATIENCE)
            .run()
    }

    /// Puts an NVMe disk back on its driver without the product.
    pub(crate) fn by_hand(&self, first: &State) -> Result<()> {
        for device in &self.devices {
            self.lab.sh(&format!(
                "cd /sys/bus/pci/devices/{device}; echo > driver_override; \
                 [ ! -e driver ] || echo {device} > driver/unbind; echo {device} > /sys/bus/pci/drivers_probe"
            ))?;
        }
        self.settle(&[first]).map(drop).map_err(|left| anyhow::anyhow!("it cannot be brought back: {left}"))
    }

    fn verb(&self, verb: &str, first: &State) -> Result<Counts> {
        let started = Instant::now();
        let mut counts = Counts::default();
        if verb == "release" {
            self.plain("bind")?;
        }
        let (code, _, output) = self.traced(verb, "count", 0, inject::counting())?;
        ensure!(code == 0, "the counting run failed:\n{output}");
        counts.run = output.duration;
        let trace = self.lab.sh(&format!("cat {LOG}"))?;
        let all = inject::injections(&trace);
        let points = all.iter().filter(|i| i.journal && i.fault == Fault::Kill).count();
        ensure!(points > 0, "no journal in what the counting run did:\n{trace}");
        if verb == "bind" {
            self.plain("release")?;
        }
        self.settle(&[first]).map_err(|left| anyhow::anyhow!("after the counting run: {left}"))?;

        let chosen: Vec<&Injection> = all.iter().filter(|i| proof() || (self.slice)(i)).collect();
        for injection in &chosen {
            if verb == "bind" {
                self.bind_case(injection, first, &mut counts)?;
            } else {
                self.release_case(injection, first, &mut counts)?;
            }
            if counts.wrong.len() >= ENOUGH {
                counts.wrong.push("and the rest was not tried".into());
                break;
            }
        }
        if verb == "release" && self.lab.state()? != *first {
            self.plain("release")?;
        }
        let cases = counts.kills + counts.errors;
        let total = TOTAL.fetch_add(cases, Ordering::Relaxed) + cases;
        println!(
            "matrix: {} {verb}: {points} journal points, {} of {} injection points: {} kills, {} failing calls \
             ({} reached their aim all the same, {} refused, {} left something and said so), {} not come to, \
             {} wrong, {:.0} s; {total} cases in all so far",
            self.name,
            chosen.len(),
            all.len(),
            counts.kills,
            counts.errors,
            counts.done,
            counts.refused,
            counts.left,
            counts.missed,
            counts.wrong.len(),
            started.elapsed().as_secs_f32(),
        );
        if chosen.len() < all.len() {
            let left = all.len() - chosen.len();
            println!("left to proof: matrix: {} {verb}: {left} of {} injection points", self.name, all.len());
        }
        Ok(counts)
    }

    fn bind_case(&self, injection: &Injection, first: &State, counts: &mut Counts) -> Result<()> {
        let end = self.case("bind", injection, first, None, counts)?;
        if end == End::Done {
            self.plain("release")?;
        }
        self.restore(first, counts)
    }

    fn release_case(&self, injection: &Injection, first: &State, counts: &mut Counts) -> Result<()> {
        if self.lab.state()? == *first {
            self.plain("bind")?;
        }
        let bound = self.lab.state()?;
        self.case("release", injection, &bound, Some(first), counts)?;
        if self.settle(&[first, &bound]).is_err() {
            self.restore(first, counts)?;
        }
        Ok(())
    }

    /// One run with one fault. `before` is the state it begins with, `aim` the one a release
    /// ends with.
    fn case(
        &self,
        verb: &str,
        injection: &Injection,
        before: &State,
        aim: Option<&State>,
        counts: &mut Counts,
    ) -> Result<End> {
        let mode = if injection.fault == Fault::Kill { "kill" } else { "error" };
        let started = Instant::now();
        let (code, hit, output) = self.traced(verb, mode, injection.when, injection.arguments(counts.run))?;
        if std::env::var_os("PASSTHRU_LAB_VERBOSE").is_some() {
            println!(
                "  {verb} {:.1} s, exit code {code}, {}",
                started.elapsed().as_secs_f32(),
                injection.sentence()
            );
        }
        if !hit {
            counts.missed += 1;
        } else if injection.fault == Fault::Kill {
            counts.kills += 1;
        } else {
            counts.errors += 1;
        }
        let said = format!("    {}", output.err().trim_end().replace('\n', "\n    "));
        let mut complain = |what: &str| {
            let case = injection.sentence();
            println!("matrix: wrong: {} {verb}, {case}: {what}\n{said}", self.name);
            counts.wrong.push(format!("{} {verb}, {case}: {what}", self.name));
        };
        // Killed itself, or its helper: then it lived to tell.
        let killed = code > 128 && injection.fault == Fault::Kill;
        let before_or_aim: Vec<&State> = [Some(before), aim].into_iter().flatten().collect();
        let text = format!("{}{}", output.out(), output.err());
        if text.contains("panicked") {
            complain("it panicked");
        }
        match code {
            0 => {
                if let Err(why) = self.reached(verb, aim) {
                    complain(&format!("exit code 0, but {why}"));
                }
                if hit {
                    counts.done += 1;
                }
                return Ok(End::Done);
            }
            3 | 4 => {
                if let Err(left) = self.settle(&[before]) {
                    complain(&format!("exit code {code}, but not all is as it was: {left}"));
                    return Ok(End::Unknown);
                }
                if code == 3 {
                    counts.refused += 1;
                }
                return Ok(End::AsBefore);
            }
            5 => {
                if text.contains("everything was undone") {
                    complain("exit code 5 and 'everything was undone'");
                }
                if differences(before, &self.lab.state()?).is_empty() {
                    complain("exit code 5, and everything is as it was");
                    return Ok(End::AsBefore);
                }
                counts.left += 1;
            }
            _ if killed || text.contains("panicked") => {}
            _ => complain(&format!("exit code {code}")),
        }
        // Killed, or something is left: recover.
        let nothing_to_do = match self.recover_twice() {
            Ok(nothing) => nothing,
            Err(error) => {
                complain(&format!("then {error:#}"));
                false
            }
        };
        // Killed when all was done and its journal gone.
        if killed && aim.is_none() && nothing_to_do && self.reached(verb, None).is_ok() {
            return Ok(End::Done);
        }
        match self.settle(&before_or_aim) {
            Ok(0) => Ok(End::AsBefore),
            Ok(_) => Ok(End::Unknown),
            Err(left) => {
                complain(&format!("after recover: {left}"));
                Ok(End::Unknown)
            }
        }
    }

    /// The second time there must be nothing left to do. Returns whether there was nothing
    /// the first time.
    fn recover_twice(&self) -> Result<bool> {
        let output = self
            .lab
            .script(
                "set +e; passthru recover 2>&1; echo \"first: $?\"; passthru recover 2>&1; echo \"second: $?\"; \
                 find /run/passthru -name '.*' -print -delete",
            )
            .ok()?;
        let text = output.out();
        let (first, rest) =
            text.split_once("first: 0\n").with_context(|| format!("recover failed:\n{text}"))?;
        let (second, left) =
            rest.split_once("second: 0\n").with_context(|| format!("the second recover failed:\n{text}"))?;
        ensure!(second.contains("nothing to recover"), "the second recover has something to do:\n{text}");
        // Half-written files are nobody's; they would burden every later comparison.
        ensure!(left.is_empty(), "after recover a file is left that nobody will ever remove: {left}");
        Ok(first.contains("nothing to recover"))
    }

    /// Is what the verb is for so?
    fn reached(&self, verb: &str, aim: Option<&State>) -> Result<(), String> {
        if let Some(aim) = aim {
            return self.settle(&[aim]).map(drop);
        }
        let state = self.lab.state().map_err(|error| error.to_string())?;
        for device in &self.devices {
            let on = state.get(&format!("pci {device} driver")).map_or("absent", String::as_str);
            if on != "vfio-pci" {
                return Err(format!("after {verb} {device} is on {on}"));
            }
        }
        Ok(())
    }

    /// Waits until the state is one of these and says which; or how it differs from the
    /// first.
    pub(crate) fn settle(&self, wanted: &[&State]) -> Result<usize, String> {
        let until = Instant::now() + SETTLE;
        loop {
            let state = self.lab.state().map_err(|error| error.to_string())?;
            if let Some(which) = wanted.iter().position(|wanted| **wanted == state) {
                return Ok(which);
            }
            if Instant::now() > until {
                return Err(differences(wanted[0], &state).join("\n  "));
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// After a case that went wrong the next one shall begin as the first did.
    fn restore(&self, first: &State, counts: &Counts) -> Result<()> {
        if self.settle(&[first]).is_ok() {
            return Ok(());
        }
        let recovered = self.lab.passthru(["recover"]).run()?;
        let released = self.lab.passthru(self.arguments("release")).run()?;
        match self.settle(&[first]) {
            Ok(_) => Ok(()),
            Err(left) => {
                let wrong = counts.wrong.join("\n");
                bail!(
                    "{wrong}\nthe host cannot be brought back for the next case:\n  {left}\n{recovered}{released}"
                )
            }
        }
    }
}

/// How a case ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Done,
    AsBefore,
    Unknown,
}
