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
//! | [`guests`] | `run`: as whom, and who is killed when |
//! | [`needs`] | everything else the host needs: stacked storage, network, keyboard, display |
//! | [`inputs`] | wrong names, no rights |
//! | [`vfs`] | SR-IOV |
//! | [`unplug`] | devices that are pulled |
//! | [`power`] | power cuts |
//! | [`hang`] | writes that do not come back |
//! | [`confirm`] | changes that wait to be confirmed |
//! | [`races`] | a mount that races the bind of its disk |
//! | [`crowd`] | many processes at once |
//! | [`books`] | a full or read-only `/run` |
//! | [`matrix`] | killed, or with a failing call, at every point of `bind` and `release` |
//! | [`faults`] | how the matrix runs and judges its cases |
//!
//! Scenarios that take long run only with `PASSTHRU_LAB_PROOF=1`, as `make proof` does;
//! without it they are named as left to it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test program that reports on the terminal"
)]

mod bare;
mod binding;
mod books;
mod confirm;
mod crowd;
mod faults;
mod frozen;
mod guests;
mod hang;
mod inputs;
mod matrix;
mod needs;
mod power;
mod races;
mod reading;
mod refusing;
mod running;
mod support;
mod unplug;
mod vfs;

use std::path::Path;
use std::process::ExitCode;

use passthru_lab::host::Lab;
use passthru_lab::scenario::{self, Outcome, Scenario};
use passthru_lab::settings::Settings;

/// In the place of a scenario that takes long, where it was not asked for.
fn left_to_proof(_: &Lab) -> anyhow::Result<Outcome> {
    Ok(Outcome::Skipped("left to make proof (PASSTHRU_LAB_PROOF=1)".to_owned()))
}

fn main() -> ExitCode {
    let proof = std::env::var("PASSTHRU_LAB_PROOF").is_ok_and(|value| value == "1");
    let long = power::PROOF.iter().map(|s| if proof { *s } else { support::scenario(s.name, left_to_proof) });
    let mut all: Vec<Scenario> = [
        bare::ALL,
        reading::ALL,
        inputs::ALL,
        binding::ALL,
        refusing::ALL,
        needs::ALL,
        running::ALL,
        guests::ALL,
        vfs::ALL,
        hang::ALL,
        confirm::ALL,
        races::ALL,
        crowd::ALL,
        books::ALL,
        matrix::ALL,
        unplug::ALL,
        power::ALL,
    ]
    .concat();
    all.extend(long);
    scenario::main(&all, || {
        let init = Path::new(env!("CARGO_BIN_EXE_passthru-lab"));
        Lab::boot_standard(Settings::from_environment(init)?.require_product()?)
    })
}
