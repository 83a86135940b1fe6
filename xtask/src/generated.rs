//! Man pages and completions, from the one definition of the command line.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
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
