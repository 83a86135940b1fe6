//! Man pages and completions, from the one definition of the command line; the page of findings,
//! from those of the checks.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap_complete::{Shell, generate_to};

/// A fresh directory in `target`.
fn directory(name: &str) -> Result<PathBuf> {
    let path = crate::root().join("target").join(name);
    fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}

/// Writes `passthru.1` and one page for each verb into `target/man`.
///
/// # Errors
///
/// The directory or a page cannot be written.
pub fn man() -> Result<()> {
    let path = directory("man")?;
    clap_mangen::generate_to(passthru::command(), &path).context("cannot write the man pages")?;
    println!("man pages are in {}", path.display());
    Ok(())
}

/// Writes completions for bash, zsh and fish into `target/completions`.
///
/// # Errors
///
/// The directory or a file cannot be written.
pub fn completions() -> Result<()> {
    let path = directory("completions")?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut passthru::command(), "passthru", &path)
            .with_context(|| format!("cannot write the completions for {shell}"))?;
    }
    println!("completions are in {}", path.display());
    Ok(())
}

/// The page of all findings.
const FINDINGS: &str = "docs/findings.md";

/// Writes `docs/findings.md`.
///
/// # Errors
///
/// The page cannot be written.
pub fn findings() -> Result<()> {
    let path = crate::root().join(FINDINGS);
    fs::write(&path, passthru::findings_page())
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("written: {FINDINGS}");
    Ok(())
}

/// Whether `docs/findings.md` is what [`findings`] would write.
///
/// # Errors
///
/// It cannot be read, or differs.
pub fn check_findings() -> Result<()> {
    let stored = fs::read_to_string(crate::root().join(FINDINGS))
        .with_context(|| format!("cannot read {FINDINGS}"))?;
    let made = passthru::findings_page();
    let line = stored.lines().zip(made.lines()).position(|(a, b)| a != b);
    let line = line.unwrap_or_else(|| stored.lines().count().min(made.lines().count())) + 1;
    ensure!(stored == made, "{FINDINGS}, line {line}: not what the checks say; run `cargo xtask findings`");
    Ok(())
}
