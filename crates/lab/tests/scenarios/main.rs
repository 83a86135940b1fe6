//! The lab's scenarios: the product binary (`PASSTHRU_BIN`) in a virtual host, against the
//! kernel's own truth. One boot for all; each leaves the state it found.
//!
//! | module | subject |
//! |---|---|
//! | [`bare`] | the same by hand, without the product: what the lab itself can do |
//! | [`reading`] | `list`, `show`, `capture` |
//! | [`binding`] | `bind`, `release`, groups with companions |
//! | [`refusing`] | disks in use |
//! | [`running`] | `run` with a second VM |
//! | [`inputs`] | wrong names, no rights |
//! | [`vfs`] | SR-IOV |
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test program that reports on the terminal"
)]

mod bare;
mod binding;
mod inputs;
mod reading;
mod refusing;
mod running;
mod support;
mod vfs;

use std::path::Path;
use std::process::ExitCode;

use passthru_lab::host::Lab;
use passthru_lab::scenario::{self, Scenario};
use passthru_lab::settings::Settings;

fn main() -> ExitCode {
    let all: Vec<Scenario> =
        [bare::ALL, reading::ALL, inputs::ALL, binding::ALL, refusing::ALL, running::ALL, vfs::ALL].concat();
    scenario::main(&all, || {
        let init = Path::new(env!("CARGO_BIN_EXE_passthru-lab"));
        Lab::boot_standard(Settings::from_environment(init)?.require_product()?)
    })
}
