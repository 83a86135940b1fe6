//! SR-IOV: a physical function and its virtual functions.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};

use crate::support::{driver, expect_driver, expect_unchanged, expect_vfio_node, json, says, scenario};

pub(crate) const ALL: &[Scenario] = &[scenario("sriov/nvme: list, refuse, lend a VF", nvme)];

fn nvme(lab: &Lab) -> Result<Outcome> {
    let pf = lab.address("sriov1")?.to_string();
    let sysfs = format!("/sys/bus/pci/devices/{pf}");
    lab.sh(&format!("udevadm settle || true; echo 2 > {sysfs}/sriov_numvfs"))?;
    let vf = lab.sh(&format!("basename $(readlink {sysfs}/virtfn0)"))?;
    // The host's driver tries the new functions and gives them up: they have no queues.
    let gone = format!("! [ -e /sys/bus/pci/devices/{vf}/driver ]");
    lab.sh("sleep 1")?;
    lab.wait_until(&gone, Duration::from_secs(10))?;

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
