//! The clock inside L1: commands that lend a device and give it back, timed from start to
//! exit by the monotonic clock of the machine they run on. It knows nothing about what they
//! do; [`super`] says what to run, as JSON on standard input.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// One way of doing it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Contender {
    /// Its name in the table.
    pub name: String,
    /// The commands that lend the device, one after the other.
    pub lend: Vec<Vec<String>>,
    /// Those that give it back.
    pub give_back: Vec<Vec<String>>,
    /// Exit codes that are as good as 0.
    pub codes: Vec<i32>,
}

/// What to measure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// All contenders; each has its turn in each round.
    pub contenders: Vec<Contender>,
    /// Rounds that count; one more comes first, which fills caches and loads modules.
    pub rounds: usize,
    /// A shell script that fails unless the device is lent.
    pub lent: String,
    /// One that brings everything back to where a turn begins, and waits for it. It is
    /// not measured.
    pub settle: String,
}

/// The times of one turn, in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Turn {
    /// Lending.
    pub lend: u64,
    /// Giving back.
    pub give_back: u64,
}

/// The turns of each contender, in the order of the contenders.
pub type Times = Vec<Vec<Turn>>;

/// Reads an [`Order`] from standard input, carries it out, prints [`Times`].
///
/// # Errors
/// Where a command fails.
pub fn main() -> Result<()> {
    let order: Order = serde_json::from_reader(std::io::stdin()).context("no order")?;
    let mut times: Times = vec![Vec::new(); order.contenders.len()];
    for round in 0..=order.rounds {
        for step in 0..order.contenders.len() {
            // Each begins one round, and follows each of the others in turn.
            let index = (step + round) % order.contenders.len();
            let one = &order.contenders[index];
            script(&order.settle)?;
            let lend = all(&one.lend, one)?;
            script(&order.lent).with_context(|| format!("after {} nothing is lent", one.name))?;
            let give_back = all(&one.give_back, one)?;
            if round > 0 {
                times[index].push(Turn { lend, give_back });
            }
        }
    }
    script(&order.settle)?;
    println!("{}", serde_json::to_string(&times)?);
    Ok(())
}

/// Runs all of them and gives the time of all, without what lies between them.
fn all(commands: &[Vec<String>], one: &Contender) -> Result<u64> {
    let mut sum = Duration::ZERO;
    for argv in commands {
        let (program, arguments) = argv.split_first().context("no program")?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let started = Instant::now();
        let output = command.spawn().and_then(std::process::Child::wait_with_output);
        sum += started.elapsed();
        let output = output.with_context(|| format!("cannot run {program}"))?;
        let code = output.status.code().unwrap_or(-1);
        if code != 0 && !one.codes.contains(&code) {
            bail!(
                "{}: {} ended with {}: {}",
                one.name,
                argv.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
    }
    Ok(u64::try_from(sum.as_micros())?)
}

fn script(text: &str) -> Result<()> {
    let output = Command::new("sh").args(["-euc", text]).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{text}\nended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
