//! `check`: how long it takes beyond what reading the host costs, and as a whole beside `list`
//! and libvirt's `virt-host-validate`.
//!
//! Owns the aim. `virt-host-validate` can only look at this very machine, so that its time
//! says how long people wait today, and not who is faster at the same work.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result};

use super::series::{self, Series};
use super::{shown, starts};

/// What checking may cost beyond reading, at 100 devices.
const AIM: Duration = Duration::from_millis(20);

/// Measures on the host at `root`; `list` is how long `list` takes there.
///
/// # Errors
///
/// A command that cannot be started or fails; an interrupt.
pub(super) fn measure(
    binary: &Path,
    root: &Path,
    list: Duration,
    runs: usize,
    interrupted: &AtomicBool,
    missed: &mut Vec<String>,
) -> Result<()> {
    let check = || {
        let mut command = Command::new(binary);
        command.arg("--root").arg(root).args(["check", "--times"]);
        command
    };
    // Both answer by their exit code whether something is wrong.
    let mut all = vec![Series::new("passthru check", runs, check).codes(&[0, 1])];
    let other = starts("virt-host-validate");
    if other {
        let validate = || {
            let mut command = Command::new("virt-host-validate");
            command.arg("qemu");
            command
        };
        all.push(Series::new("virt-host-validate", runs, validate).codes(&[0, 1]));
    }
    series::run(&mut all, interrupted)?;
    let mut parts = Vec::new();
    for _ in 0..runs.max(1) {
        parts.push(times(check())?);
    }
    let (reading, checking) = (median(parts.iter().map(|p| p.0)), median(parts.iter().map(|p| p.1)));
    let met = checking <= AIM;
    if !met {
        missed.push(format!("checking takes {} beyond reading", shown(checking)));
    }
    let row = |name: &str, time: Duration, text: &str| {
        println!("  {name:<24} {:>10}  median of {runs:<3} {text}", shown(time));
    };
    let whole = all[0].median();
    let ratio = whole.as_secs_f64() / list.as_secs_f64();
    row(
        "passthru check",
        whole,
        &format!("{ratio:.1}x as long as list: it reads everything about every device"),
    );
    row("  of that, reading", reading, "");
    row(
        "  of that, checking",
        checking,
        &format!("aim at most {}: {}", shown(AIM), if met { "met" } else { "NOT MET" }),
    );
    if other {
        row("virt-host-validate qemu", all[1].median(), "of this machine, as it can look at no other");
    } else {
        println!(
            "  virt-host-validate is not installed (package libvirt-clients): nothing to put beside check"
        );
    }
    Ok(())
}

/// How long one run says that reading and checking took.
fn times(mut command: Command) -> Result<(Duration, Duration)> {
    let output = command.output().context("cannot start passthru check")?;
    let text = String::from_utf8_lossy(&output.stderr);
    parse(&text).with_context(|| format!("passthru check --times says '{}'", text.trim()))
}

fn parse(text: &str) -> Option<(Duration, Duration)> {
    let line = text.lines().find_map(|line| line.strip_prefix("read in "))?;
    let (reading, checking) = line.split_once(" ms, checked in ")?;
    let time =
        |text: &str| Some(Duration::from_secs_f64(text.trim_end_matches(" ms").parse::<f64>().ok()? / 1e3));
    Some((time(reading)?, time(checking)?))
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_check_says_of_its_times() {
        let ms = Duration::from_millis;
        assert_eq!(
            parse("could not read x\nread in 12.000 ms, checked in 3.000 ms\n"),
            Some((ms(12), ms(3)))
        );
        assert_eq!(parse("read in ms"), None);
        assert_eq!(median([ms(3), ms(1), ms(2)].into_iter()), ms(2));
    }
}
