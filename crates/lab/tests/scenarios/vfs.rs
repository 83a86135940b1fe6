//! SR-IOV: a physical function and its virtual functions.

use anyhow::{Context, Result, ensure};
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};

use crate::support::{
    GIVEN_UP, driver, expect_driver, expect_unchanged, expect_vfio_node, json, says, scenario, two_functions,
};

pub(crate) const ALL: &[Scenario] = &[
    scenario("sriov/nvme: list, refuse, lend a VF", nvme),
    scenario("sriov/igb: list, refuse, lend a VF with a driver", igb),
];

fn nvme(lab: &Lab) -> Result<Outcome> {
    // The host's driver tries the new functions and gives them up: they have no queues.
    lend_one(lab, "sriov1", GIVEN_UP)
}

fn igb(lab: &Lab) -> Result<Outcome> {
    if lab.address("sriov2").is_err() {
        return Ok(Outcome::Skipped("this QEMU has no igb (8.0 and newer have)".into()));
    }
    // udev loads igbvf for them.
    lend_one(lab, "sriov2", "[ -e $vf/driver ]")
}

/// Makes two virtual functions, lends the first and takes it back, removes them. `settled`
/// is the shell test for the host having done with `$vf` what it does with new ones.
fn lend_one(lab: &Lab, name: &str, settled: &str) -> Result<Outcome> {
    let pf = lab.address(name)?.to_string();
    let sysfs = format!("/sys/bus/pci/devices/{pf}");
    let vf = two_functions(lab, &pf, settled)?;

    let value = json(&lab.passthru(["list", "--json"]).ok()?)?;
    let devices = value["devices"].as_array().context("`devices` is no array")?;
    let entry = devices
        .iter()
        .find(|device| device["address"] == vf.as_str())
        .with_context(|| format!("{vf} is not listed"))?;
    ensure!(entry.to_string().contains(&pf), "{vf} is not listed as a function of {pf}: {entry:#}");

    let before = lab.state()?;
    let output = lab.passthru(["bind", &pf]).run()?.expect_code(3)?;
    says(&output, "virtual function")?;
    expect_unchanged(lab, &before)?;

    let original = driver(lab, &vf)?;
    lab.passthru(["bind", &vf]).ok()?;
    expect_driver(lab, &vf, "vfio-pci")?;
    expect_vfio_node(lab, &vf, true)?;
    lab.passthru(["release", &vf]).ok()?;
    expect_driver(lab, &vf, &original)?;
    lab.sh(&format!("echo 0 > {sysfs}/sriov_numvfs"))?;
    Ok(Outcome::Passed)
}
