//! The house's own tools. Nothing here is part of the product.
//!
//! | module | holds |
//! |---|---|
//! | [`arrows`] | which crate may use which: the table in `docs/architecture.md` |
//! | [`dependencies`] | the direct dependencies, their reasons and their MSRV |
//! | [`metadata`] | what `cargo metadata` says |
//! | [`bench`] | how fast `passthru list` is, beside lspci |
//! | [`generated`] | man pages, completions and docs/findings.md from their definitions |

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a development tool: it reads the sources, starts cargo and lspci, and prints"
)]

pub mod arrows;
pub mod bench;
pub mod dependencies;
pub mod generated;
pub mod metadata;

use std::path::{Path, PathBuf};

/// The workspace's root directory.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}
