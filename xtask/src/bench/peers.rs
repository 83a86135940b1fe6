//! `bind` and `release` beside what people use instead, measured in the lab.
//!
//! Owns nothing but the way there: `passthru-lab bench` boots the virtual host, measures
//! and prints a table; this passes it on, and writes it into docs/bench.md where asked.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The document with the table.
const DOCUMENT: &str = "docs/bench.md";
/// The table is between these lines.
const BEGIN: &str = "<!-- begin: make bench -->";
const END: &str = "<!-- end: make bench -->";

/// Measures with the lab beside the binary, and returns what was not met.
///
/// # Errors
/// Where there is no lab, or it fails; where the document has no place for the table.
pub(super) fn run(binary: &Path, rounds: usize, write: bool) -> Result<Vec<String>> {
    let lab = env::var_os("PASSTHRU_LAB_BIN")
        .map_or_else(|| binary.with_file_name("passthru-lab"), std::path::PathBuf::from);
    ensure!(lab.exists(), "no {} to measure with: run make build", lab.display());
    println!("\nbind and release beside other tools, in the lab (make prepare gets its kernel)");
    let mut child = Command::new(&lab)
        .args(["bench", &rounds.to_string()])
        .env("PASSTHRU_BIN", binary)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", lab.display()))?;
    let mut text = String::new();
    for line in BufReader::new(child.stdout.take().context("no pipe")?).lines() {
        let line = line?;
        println!("{line}");
        text += &line;
        text.push('\n');
    }
    let status = child.wait()?;
    let missed: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("Not met: "))
        .map(|line| line.trim_end_matches('.').to_owned())
        .collect();
    ensure!(status.success() || !missed.is_empty(), "{}: {status}", lab.display());
    if write {
        let path = crate::root().join(DOCUMENT);
        let old = std::fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
        let new = replaced(&old, &format!("{}\n{text}", circumstances()))
            .with_context(|| format!("{DOCUMENT} has no lines '{BEGIN}' and '{END}'"))?;
        std::fs::write(&path, new).with_context(|| format!("cannot write {DOCUMENT}"))?;
        println!("written to {DOCUMENT}");
    }
    Ok(missed)
}

/// What stands between the two lines, replaced.
fn replaced(old: &str, text: &str) -> Option<String> {
    let (before, rest) = old.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n{END}{after}", text.trim()))
}

/// When and on what, as far as it can be told.
fn circumstances() -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(crate::root()).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|text| !text.is_empty())
    };
    let unknown = || "unknown".to_owned();
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!(
        "Measured {} at commit {}, on {} processors ({}).",
        said("date", &["-u", "+%F"]).unwrap_or_else(unknown),
        said("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_else(unknown),
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        model.map_or_else(unknown, |(_, name)| name.to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_lines_is_replaced() {
        let old = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        assert_eq!(replaced(&old, "new\n").unwrap(), format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(replaced("nothing", "new"), None);
    }
}
