//! What `cargo metadata` says, as far as the checks need it.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A dependency as a `Cargo.toml` states it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// Only for tests and examples.
    pub dev: bool,
    /// A member of the workspace.
    pub own: bool,
}

/// A package of the workspace.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// What it depends on directly.
    pub dependencies: Vec<Dependency>,
}

/// Runs `cargo metadata` in the workspace.
///
/// # Errors
///
/// Cargo cannot be started, fails, or says something that is not JSON.
pub fn cargo_metadata(arguments: &[&str]) -> Result<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1"])
        .args(arguments)
        .current_dir(crate::root())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")
}

/// The packages of the workspace, by name.
///
/// # Errors
///
/// Those of [`cargo_metadata`].
pub fn packages() -> Result<Vec<Package>> {
    let mut packages = parse(&cargo_metadata(&["--no-deps"])?);
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

fn parse(metadata: &Value) -> Vec<Package> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dependency = |value: &Value| Dependency {
        name: text(&value["name"]),
        dev: value["kind"] == "dev",
        own: !value["path"].is_null(),
    };
    list(&metadata["packages"])
        .iter()
        .map(|package| Package {
            name: text(&package["name"]),
            dependencies: list(&package["dependencies"]).iter().map(dependency).collect(),
        })
        .collect()
}
