//! Predicted groups against the kernel's, on every captured host: how often they agree, and
//! that every disagreement is a known one, with its reason. More captures and listings can be
//! given in the directory `PASSTHRU_DUMPS`; of those the rate is printed only.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test that reads directories and says what it found"
)]

use std::path::{Path, PathBuf};

use passthru_host::source::open;
use passthru_model::{Snapshot, Wants};
use passthru_plan::groups::compare::{Comparison, Difference, compare};
use passthru_plan::groups::{Prediction, predict};

/// Host, the difference as [`word`] has it, why.
const KNOWN: &[(&str, &str, &str)] = &[(
    "acs-override",
    "finer: 00:01.1 01:00.0 01:00.1 in [1, 2, 3]",
    "pcie_acs_override on the command line of a patched kernel",
)];

fn word(difference: &Difference, prediction: &Prediction) -> String {
    let members = |i: usize| {
        let all: Vec<String> = prediction.groups[i].members.iter().map(|m| m.short()).collect();
        all.join(" ")
    };
    match difference {
        Difference::Finer { predicted, kernel } => format!("finer: {} in {kernel:?}", members(*predicted)),
        Difference::Coarser { kernel, predicted } => {
            let all: Vec<String> = predicted.iter().map(|i| members(*i)).collect();
            format!("coarser: {kernel} has {}", all.join(" + "))
        }
    }
}

/// Reads a host; `None` where there is none, or it has no IOMMU groups.
fn read(path: &Path) -> Option<(Snapshot, Prediction, Comparison)> {
    let source = open(path.to_str()?).ok()?;
    let snapshot = passthru_host::snapshot(&*source, &Wants::all()).ok()?;
    let prediction = predict(&snapshot);
    let comparison = compare(&snapshot, &prediction);
    snapshot.iommu_active().then_some((snapshot, prediction, comparison))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// Adds one host's numbers, and prints them.
fn count(name: &str, found: &Comparison, sum: &mut (usize, usize, usize)) {
    let Comparison { agree, differ, unpredicted, .. } = found;
    println!("{name}: {agree} agree, {differ} differ, {unpredicted} cannot be predicted");
    *sum = (sum.0 + agree, sum.1 + differ, sum.2 + unpredicted);
}

fn rate(of: &str, (agree, differ, unpredicted): (usize, usize, usize)) {
    let predicted = agree + differ;
    let percent = if predicted == 0 { 0.0 } else { 100.0 * agree as f64 / predicted as f64 };
    println!(
        "{of}: prediction and kernel agree on {agree} of {predicted} functions ({percent:.1} %); \
         {unpredicted} could not be predicted"
    );
}

#[test]
fn prediction_and_kernel() {
    let hosts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hosts");
    let (mut sum, mut unknown, mut met) = ((0, 0, 0), Vec::new(), Vec::new());
    for host in files(&hosts) {
        let name = host.file_name().expect("a name").to_string_lossy().into_owned();
        let Some((_, prediction, found)) = read(&host.join("host.capture")) else { continue };
        count(&name, &found, &mut sum);
        for difference in &found.differences {
            let word = word(difference, &prediction);
            match KNOWN.iter().position(|(host, known, _)| *host == name && *known == word) {
                Some(at) => met.push(at),
                None => unknown.push(format!("{name}: {word}")),
            }
        }
    }
    rate("fixtures/hosts", sum);
    assert!(unknown.is_empty(), "without a known reason:\n  {}", unknown.join("\n  "));
    let gone: Vec<_> = (0..KNOWN.len()).filter(|at| !met.contains(at)).map(|at| KNOWN[at]).collect();
    assert!(gone.is_empty(), "known, and not met any more: {gone:?}");
    assert!(sum.0 >= 40, "only {} functions can be compared", sum.0);
}

#[test]
fn further_dumps() {
    let Some(directory) = std::env::var_os("PASSTHRU_DUMPS") else {
        return println!("no directory in PASSTHRU_DUMPS");
    };
    let mut sum = (0, 0, 0);
    for path in files(Path::new(&directory)) {
        let Some((_, prediction, found)) = read(&path) else { continue };
        count(&path.file_name().unwrap_or_default().to_string_lossy(), &found, &mut sum);
        for difference in &found.differences {
            println!("  {}", word(difference, &prediction));
        }
    }
    rate("PASSTHRU_DUMPS", sum);
}
