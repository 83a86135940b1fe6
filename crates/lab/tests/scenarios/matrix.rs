//! Every point at which `bind` and `release` can be cut off or fail, on the real kernel:
//! {NVMe, network card, a group behind a bridge, a virtual function} × {killed, a call
//! fails}. Afterwards the host is as it was, and what was said about it is true.
//!
//! The points are found by a counting run, see [`passthru_lab::inject`]. All of them are
//! tried where `PASSTHRU_LAB_PROOF` is set, else a slice.

use anyhow::{Result, ensure};
use passthru_lab::host::Lab;
use passthru_lab::inject::{self, Fault, Injection};
use passthru_lab::scenario::{Outcome, Scenario};

use crate::faults::{LOG, Subject};
use crate::support::{GIVEN_UP, proof, scenario, two_functions};

pub(crate) const ALL: &[Scenario] = &[
    scenario("matrix/an NVMe disk", nvme),
    scenario("matrix/a network card", network_card),
    scenario("matrix/a group behind a bridge", group),
    scenario("matrix/a virtual function", virtual_function),
    scenario("matrix/killed while its helper writes", orphans),
];

fn nvme(lab: &Lab) -> Result<Outcome> {
    let devices = vec![lab.address("nvme1")?.to_string()];
    let slice = |i: &Injection| match i.fault {
        Fault::Kill => i.journal,
        Fault::Error(error) => error == "EIO" && i.seen.contains("/sys/"),
    };
    Subject { lab, name: "nvme", devices, with_group: false, unload: false, slice }.run()
}

fn network_card(lab: &Lab) -> Result<Outcome> {
    let devices = vec![lab.address("nic1")?.to_string()];
    let slice = |i: &Injection| i.call == "write" && i.seen.contains("unbind") && i.fault != Fault::Kill;
    Subject { lab, name: "nic", devices, with_group: false, unload: true, slice }.run()
}

fn group(lab: &Lab) -> Result<Outcome> {
    let devices = vec![lab.address("edu")?.to_string(), lab.address("testdev")?.to_string()];
    let slice = |i: &Injection| {
        let probed = i.call == "write" && i.seen.contains("drivers_probe");
        (probed && i.fault != Fault::Error("ENODEV")) || (i.call == "rename" || i.call == "renameat")
    };
    Subject { lab, name: "group", devices, with_group: true, unload: false, slice }.run()
}

fn virtual_function(lab: &Lab) -> Result<Outcome> {
    let pf = lab.address("sriov1")?.to_string();
    let vf = two_functions(lab, &pf, GIVEN_UP)?;
    let slice =
        |i: &Injection| i.call == "write" && i.seen.contains("drivers_probe") && i.fault == Fault::Kill;
    let outcome =
        Subject { lab, name: "vf", devices: vec![vf], with_group: false, unload: false, slice }.run();
    lab.sh(&format!("echo 0 > /sys/bus/pci/devices/{pf}/sriov_numvfs"))?;
    outcome
}

/// passthru is killed while the process that writes for it is in the middle of a write, and
/// somebody recovers before that write is done. It must not take effect afterwards.
fn orphans(lab: &Lab) -> Result<Outcome> {
    let devices = vec![lab.address("nvme1")?.to_string()];
    let subject = Subject { lab, name: "nvme", devices, with_group: false, unload: false, slice: |_| true };
    inject::install(lab)?;
    let first = lab.state()?;
    let mut wrong = Vec::new();
    for verb in ["bind", "release"] {
        if verb == "release" {
            subject.plain("bind")?;
        }
        let (code, _, output) = subject.traced(verb, "count", 0, inject::counting())?;
        ensure!(code == 0, "the counting run failed:\n{output}");
        let all = inject::injections(&lab.sh(&format!("cat {LOG}"))?);
        let writes = all.iter().filter(|i| {
            i.call == "write"
                && i.fault == Fault::Kill
                && i.paths.iter().any(|path| path.starts_with("/sys/"))
        });
        for injection in writes.filter(|i| proof() || i.seen.contains("unbind")) {
            subject.plain("release")?;
            subject.settle(&[&first]).map_err(|left| anyhow::anyhow!("before the next: {left}"))?;
            if verb == "release" {
                subject.plain("bind")?;
            }
            let injected =
                subject.injected("orphan", injection.when, injection.arguments(output.duration), verb)?;
            ensure!(injected.out().contains("injected: yes"), "was not held:\n{injected}");
            lab.passthru(["recover"]).ok()?;
            if let Err(left) = subject.settle(&[&first]) {
                wrong.push(format!("{verb}, {}:\n  {left}\n{}", injection.sentence(), injected.err()));
                lab.passthru(["release"]).args(subject.devices.clone()).run()?;
                subject.by_hand(&first)?;
            }
        }
    }
    ensure!(wrong.is_empty(), "what was killed goes on:\n{}", wrong.join("\n"));
    Ok(Outcome::Passed)
}
