//! The direct dependencies: that each has a reason, and how old a Rust they allow.
//!
//! Owns the reading of `docs/dependencies.md`. It adds and updates nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::metadata::{self, Package};

/// The page with one line for each direct dependency.
pub const PAGE: &str = "docs/dependencies.md";

/// Direct external dependencies that have no line on the page. A line is a row of a
/// table whose first cell is the crate's name in backquotes and whose last is not
/// empty.
#[must_use]
pub fn without_reason(page: &str, packages: &[Package]) -> Vec<String> {
    let reasons: BTreeMap<&str, &str> = page
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix('|')?.trim_end().strip_suffix('|')?.split('|').map(str::trim);
            let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            cells.next_back().filter(|reason| !reason.is_empty()).map(|reason| (name, reason))
        })
        .collect();
    let external: BTreeSet<&str> = packages
        .iter()
        .flat_map(|p| p.dependencies.iter())
        .filter(|d| !d.own)
        .map(|d| d.name.as_str())
        .collect();
    external.into_iter().filter(|name| !reasons.contains_key(name)).map(str::to_owned).collect()
}

/// Checks that every direct dependency has its line.
///
/// # Errors
///
/// The names of those that have none.
pub fn check_reasons() -> Result<()> {
    let page = fs::read_to_string(crate::root().join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    let missing = without_reason(&page, &metadata::packages()?);
    ensure!(missing.is_empty(), "no line in {PAGE} says why these are used: {}", missing.join(", "));
    println!("every direct dependency has its reason in {PAGE}");
    Ok(())
}

/// Checks that no dependency, direct or not, wants a newer Rust than the workspace
/// states, on the platform the product is for.
///
/// # Errors
///
/// The names of those that do.
pub fn check_msrv() -> Result<()> {
    let metadata = metadata::cargo_metadata(&["--filter-platform", "x86_64-unknown-linux-gnu"])?;
    let used: BTreeSet<&str> =
        array(&metadata["resolve"]["nodes"]).filter_map(|node| node["id"].as_str()).collect();
    let packages: Vec<&Value> = array(&metadata["packages"])
        .filter(|p| p["id"].as_str().is_some_and(|id| used.contains(id)))
        .collect();
    let own = packages
        .iter()
        .find(|p| p["source"].is_null())
        .and_then(|p| p["rust_version"].as_str())
        .context("the workspace states no rust-version")?;
    let (mut newer, mut silent) = (Vec::new(), 0);
    for package in &packages {
        let name = format!(
            "{} {}",
            package["name"].as_str().unwrap_or("?"),
            package["version"].as_str().unwrap_or("?")
        );
        match package["rust_version"].as_str() {
            Some(theirs) if version(theirs) > version(own) => {
                newer.push(format!("{name} wants Rust {theirs}"));
            }
            Some(_) => {}
            None => silent += 1,
        }
    }
    ensure!(newer.is_empty(), "the workspace states Rust {own}, but {}", newer.join(", "));
    println!(
        "{} packages build with Rust {own} by what they state; {silent} of them state nothing",
        packages.len()
    );
    Ok(())
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn version(text: &str) -> Vec<u32> {
    let mut parts: Vec<u32> = text.split('.').map(|part| part.parse().unwrap_or(0)).collect();
    parts.resize(3, 0);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Dependency;

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let dependency = |name: &str, own| Dependency { name: name.into(), dev: false, own };
        let packages = [Package {
            name: "passthru".into(),
            dependencies: vec![dependency("clap", false), dependency("serde", false), dependency("x", true)],
        }];
        let page = "| crate | why |\n|---|---|\n| `clap` | arguments |\n| `serde` |  |\n";
        assert_eq!(without_reason(page, &packages), ["serde"]);
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert!(version("1.9") < version("1.89") && version("1.89") == version("1.89.0"));
    }
}
