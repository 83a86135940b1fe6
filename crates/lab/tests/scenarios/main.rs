//! The lab's scenarios: the product binary (`PASSTHRU_BIN`) in a virtual host, against the
//! kernel's own truth. One boot for all that run in the same host, several hosts side by side;
//! each leaves the state it found.
//!
//! | module | subject |
//! |---|---|
//! | [`bare`] | the same by hand, without the product: what the lab itself can do |
//! | [`reading`] | `list`, `show`, `capture` |
//! | [`binding`] | `bind`, `release`, groups with companions |
//! | [`refusing`] | disks in use |
//! | [`running`] | `run` with a second VM |
//! | [`guests`] | `run`: as whom, and who is killed when |
//! | [`iommufd`] | `run` through iommufd, where kernel and QEMU have it |
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
//! | [`checks`] | `check` where something is wrong, `run` that fails for it, and the remedy |
//! | [`topologies`] | predicted IOMMU groups beside the kernel's |
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
mod checks;
mod confirm;
mod crowd;
mod faults;
mod frozen;
mod guests;
mod hang;
mod inputs;
mod iommufd;
mod matrix;
mod needs;
mod power;
mod races;
mod reading;
mod refusing;
mod running;
mod support;
mod topologies;
mod unplug;
mod vfs;

use std::path::Path;
use std::process::ExitCode;

use passthru_lab::scenario::{self, Run, Scenario, Suite};
use passthru_lab::settings::Settings;
use passthru_lab::variants::Variant;

/// Scenarios that take long, where they were not asked for.
fn left_to_proof(scenarios: &[Scenario]) -> Vec<Scenario> {
    let left = Run::LeftOut("left to make proof (PASSTHRU_LAB_PROOF=1)");
    scenarios.iter().map(|s| if support::proof() { *s } else { Scenario { run: left, ..*s } }).collect()
}

fn main() -> ExitCode {
    let standard = [
        bare::ALL,
        reading::ALL,
        inputs::ALL,
        binding::ALL,
        refusing::ALL,
        needs::ALL,
        running::ALL,
        guests::ALL,
        iommufd::ALL,
        vfs::ALL,
        hang::ALL,
        confirm::ALL,
        races::ALL,
        crowd::ALL,
        books::ALL,
        checks::ALL,
        topologies::ALL,
        matrix::ALL,
        unplug::ALL,
        power::ALL,
        &left_to_proof(power::PROOF),
    ]
    .concat();
    let mut suites = vec![Suite { host: Variant::Standard, scenarios: standard }];
    suites.extend(checks::ELSEWHERE.iter().map(|(host, all)| Suite { host: *host, scenarios: all.to_vec() }));
    suites.extend(topologies::suites(left_to_proof));
    scenario::main(&suites, || {
        let init = Path::new(env!("CARGO_BIN_EXE_passthru-lab"));
        Settings::from_environment(init)?.require_product()
    })
}
