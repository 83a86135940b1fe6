//! `cargo xtask bench`: how fast `passthru list` is, beside lspci on the same tree, and
//! `bind` and `release`, beside other tools in the lab.
//!
//! | module | holds |
//! |---|---|
//! | `series` | one command measured many times, and a host's series interleaved |
//! | `checks` | `check` beside `list` and `virt-host-validate` |
//! | `peak` | the peak memory of one run |
//! | `peers` | `bind` and `release` in the lab |
//!
//! Owns the synthetic hosts for as long as it runs (removed at the end, also after
//! Ctrl-C) and the aims. It must not be part of `make test`: times depend on what
//! else the machine does.

mod checks;
mod peak;
mod peers;
mod series;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use passthru_testkit::synthetic;

use series::Series;

/// How many times faster than `lspci -nnk` a list should be, start to exit.
const AIM_RATIO: f64 = 5.0;
/// Peak memory at 10,000 functions should stay below this, in KiB.
const AIM_PEAK_KIB: u64 = 64 * 1024;
/// Above this many functions the seeds' loop, which starts lspci once for each, is
/// run for [`LOOP_GROUPS`] groups only and scaled: it would take an hour.
const LOOP_WHOLE: usize = 200;
const LOOP_GROUPS: u32 = 5;

/// The loop of the Phyllome seed (`shared/seeds/002`), on the tree `$1`, for the
/// first `$2` groups.
const LOOP: &str = r#"
shopt -s nullglob
for g in $(find "$1"/sys/kernel/iommu_groups/* -maxdepth 0 -type d | sort -V | head -n "$2"); do
echo "IOMMU Group ${g##*/}:"
for d in $g/devices/*; do
echo -e "\t$(lspci -A linux-sysfs -O sysfs.path="$1/sys/bus/pci" -i "$1/usr/share/misc/pci.ids" -nns ${d##*/})"
done;
done;
"#;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Functions of the synthetic hosts
    #[arg(long, value_delimiter = ',', default_values_t = [100, 10_000])]
    sizes: Vec<usize>,
    /// Runs of each command; the median counts
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// Fail when an aim is not met
    #[arg(long)]
    strict: bool,
    /// Measure only this
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Rounds of bind and release in the lab; the median counts
    #[arg(long, default_value_t = 11)]
    rounds: usize,
    /// Write the table of bind and release into docs/bench.md
    #[arg(long)]
    write: bool,
}

/// What there is to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// `list` on synthetic hosts
    List,
    /// `bind` and `release` in the lab
    Bind,
}

/// Builds the hosts, measures, prints, removes the hosts.
///
/// # Errors
///
/// No binary to measure, no lspci or bash to compare with, a command that fails, no
/// room for the hosts, an interrupt; with `--strict` an aim that is not met.
pub fn run(options: &Options) -> Result<()> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).context("cannot watch for signals")?;
    }
    let binary = binary()?;
    let mut missed = Vec::new();
    if options.only != Some(Part::Bind) {
        lists(options, &binary, &interrupted, &mut missed)?;
    }
    if options.only != Some(Part::List) {
        missed.extend(peers::run(&binary, options.rounds, options.write)?);
    }
    match missed.as_slice() {
        [] => println!("\nall aims met"),
        missed if options.strict => bail!("not met: {}", missed.join("; ")),
        missed => println!("\nnot met: {}", missed.join("; ")),
    }
    Ok(())
}

/// `list` on a synthetic host of each size.
fn lists(options: &Options, binary: &Path, interrupted: &AtomicBool, missed: &mut Vec<String>) -> Result<()> {
    let pci_ids = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"]
        .into_iter()
        .map(Path::new)
        .find(|path| path.exists())
        .context("no pci.ids on this machine to take ids from (package pci.ids or hwdata)")?;
    ensure!(starts("lspci"), "lspci is not installed (package pciutils): nothing to compare with");
    ensure!(starts("bash"), "bash is not installed: the seeds' loop cannot be run");
    let parent = env::var_os("PASSTHRU_BENCH_DIR").map_or_else(|| PathBuf::from("/dev/shm"), PathBuf::from);
    println!("measuring {}", binary.display());
    if let Some(missing) = missing_modules() {
        println!(
            "lspci does less here than on most hosts: it looks for no kernel modules, as there is no {missing}"
        );
    }

    for &size in &options.sizes {
        let directory = tempfile::Builder::new()
            .prefix("passthru-bench-")
            .tempdir_in(&parent)
            .with_context(|| format!("cannot make a directory in {}", parent.display()))?;
        let start = Instant::now();
        let host = synthetic::build(directory.path(), size, pci_ids)
            .with_context(|| format!("cannot build a host of {size} functions in {}", parent.display()))?;
        println!(
            "\n{} functions in {} domain(s) and {} groups: {} entries, built in {:.1} s",
            host.functions,
            host.domains,
            host.groups,
            host.entries,
            start.elapsed().as_secs_f64()
        );
        measure(binary, directory.path(), host, options, interrupted, missed)?;
        directory.close().context("cannot remove the synthetic host")?;
    }
    Ok(())
}

fn measure(
    binary: &Path,
    root: &Path,
    host: synthetic::Built,
    options: &Options,
    interrupted: &AtomicBool,
    missed: &mut Vec<String>,
) -> Result<()> {
    let passthru = |arguments: &'static [&'static str]| {
        move || {
            let mut command = Command::new(binary);
            command.arg("--root").arg(root).args(arguments);
            command
        }
    };
    let lspci = || {
        let mut command = Command::new("lspci");
        command.args(["-nnk", "-A", "linux-sysfs", "-O"]);
        command.arg(format!("sysfs.path={}/sys/bus/pci", root.display()));
        command.arg("-i").arg(root.join("usr/share/misc/pci.ids"));
        command
    };
    let whole = host.functions <= LOOP_WHOLE;
    let groups = if whole { host.groups } else { LOOP_GROUPS.min(host.groups) };
    let seeds = || {
        let mut command = Command::new("bash");
        command.args(["-c", LOOP, "bash"]).arg(root).arg(groups.to_string());
        command
    };
    let mut all = [
        Series::new("passthru list", options.runs, passthru(&["list"])),
        Series::new("passthru list --json", options.runs, passthru(&["list", "--json"])),
        Series::new("lspci -nnk", options.runs, lspci),
        Series::new("passthru list --groups", options.runs, passthru(&["list", "--groups"])),
        Series::new("seeds' loop", options.runs.min(3), seeds),
    ];
    series::run(&mut all, interrupted)?;
    let [list, json, lspci, by_group, seeds] = all.each_ref().map(Series::median);
    let scale = f64::from(host.groups) / f64::from(groups);
    let seeds = seeds.mul_f64(scale);

    let mut aim = |what: &str, ours: Duration, theirs: Duration| {
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        let met = ratio >= AIM_RATIO;
        if !met {
            missed.push(format!("{what} at {} functions: {ratio:.1}x", host.functions));
        }
        format!(
            "{ratio:.1}x faster than lspci -nnk, aim {AIM_RATIO}x: {}",
            if met { "met" } else { "NOT MET" }
        )
    };
    let row = |name: &str, time: Duration, runs: usize, text: &str| {
        println!("  {name:<24} {:>10}  median of {runs:<3} {text}", shown(time));
    };
    row("passthru list", list, options.runs, &aim("list", list, lspci));
    row("passthru list --json", json, options.runs, &aim("list --json", json, lspci));
    row("lspci -nnk", lspci, options.runs, "");
    let ratio = seeds.as_secs_f64() / by_group.as_secs_f64();
    row(
        "passthru list --groups",
        by_group,
        options.runs,
        &format!("{ratio:.0}x faster than the seeds' loop"),
    );
    let note = if whole { String::new() } else { format!("scaled from {groups} groups") };
    row("seeds' loop", seeds, options.runs.min(3), &note);
    if whole {
        let same = all[3].output()? == all[4].output()?;
        println!(
            "  list --groups and the seeds' loop print {}",
            if same { "the same" } else { "DIFFERENT text" }
        );
        if !same {
            missed.push(format!(
                "list --groups at {} functions prints other text than the loop",
                host.functions
            ));
        }
    }
    if whole {
        checks::measure(binary, root, list, options.runs, interrupted, missed)?;
    }
    let mut most = None;
    for arguments in [&["list"][..], &["list", "--json"]] {
        let mut command = Command::new(binary);
        command.arg("--root").arg(root).args(arguments);
        most = most.max(Some(peak::measure(&command)?));
    }
    if let Some(peak) = most {
        let met = peak.kib < AIM_PEAK_KIB;
        println!(
            "  peak memory {:.1} MiB ({}), aim below {} MiB: {}",
            peak.kib as f64 / 1024.0,
            peak.how,
            AIM_PEAK_KIB / 1024,
            if met { "met" } else { "NOT MET" }
        );
        if !met {
            missed.push(format!("peak memory at {} functions: {} KiB", host.functions, peak.kib));
        }
    }
    Ok(())
}

fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 10.0 { format!("{:.2} ms", seconds * 1e3) } else { format!("{seconds:.0} s") }
}

/// The binary to measure: `PASSTHRU_BIN`, or what `make build` made.
fn binary() -> Result<PathBuf> {
    if let Some(path) = env::var_os("PASSTHRU_BIN") {
        let path = PathBuf::from(path);
        return path.canonicalize().with_context(|| format!("PASSTHRU_BIN={}", path.display()));
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from);
    let rustc = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let text = String::from_utf8_lossy(&rustc.stdout);
    let triple = text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    [target.join(triple).join("release/passthru"), target.join("release/passthru")]
        .into_iter()
        .find(|path| path.exists())
        .context("no release binary to measure: run make build, or set PASSTHRU_BIN")
}

fn starts(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// The index in which `lspci -k` looks up modules, where the running kernel has none.
fn missing_modules() -> Option<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let index = format!("/lib/modules/{}/modules.alias.bin", release.trim());
    (!Path::new(&index).exists()).then_some(index)
}
