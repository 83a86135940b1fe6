//! `bind` and `release`: one disk alone in its group, and a group with companions.

use anyhow::{Result, bail, ensure};
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};

use crate::support::{
    expect_driver, expect_unchanged, expect_vfio_node, json, says, scenario, wait_for_disk,
};

pub(crate) const ALL: &[Scenario] = &[
    scenario("bind/dry run changes nothing", dry_run),
    scenario("bind/a disk and back", disk_and_back),
    scenario("bind/twice is said and harmless", twice),
    scenario("bind/a network card and back", network_card),
    scenario("bind/a companion alone is refused", companion_alone),
    scenario("bind/a whole group and back", whole_group),
    scenario("release/without a lease is refused", release_without_lease),
];

fn dry_run(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let before = lab.state()?;
    let output = lab.passthru(["bind", &device, "--dry-run"]).ok()?;
    for word in ["driver_override", "vfio-pci", "unbind", "drivers_probe"] {
        says(&output, word)?;
    }
    expect_unchanged(lab, &before)?;
    Ok(Outcome::Passed)
}

fn disk_and_back(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let sum = lab.checksum("nvme1")?;
    let output = lab.passthru(["bind", &device, "--json"]).ok()?;
    let value = json(&output)?;
    ensure!(value["changed"] == true, "`changed` is not true:\n{output}");
    expect_driver(lab, &device, "vfio-pci")?;
    expect_vfio_node(lab, &device, true)?;
    let lease = lab.sh("grep -rlw nvme /run/passthru || true")?;
    ensure!(!lease.is_empty(), "no lease under /run/passthru names the original driver");
    lab.passthru(["release", &device]).ok()?;
    expect_driver(lab, &device, "nvme")?;
    expect_vfio_node(lab, &device, false)?;
    wait_for_disk(lab, "nvme1")?;
    ensure!(lab.checksum("nvme1")? == sum, "the disk's data changed");
    Ok(Outcome::Passed)
}

fn twice(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    lab.passthru(["bind", &device]).ok()?;
    let bound = lab.state()?;
    let again = lab.passthru(["bind", &device]).ok()?;
    says(&again, "already")?;
    expect_unchanged(lab, &bound)?;
    lab.passthru(["release", &device]).ok()?;
    wait_for_disk(lab, "nvme1")?;
    Ok(Outcome::Passed)
}

fn network_card(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nic1")?.to_string();
    lab.passthru(["bind", &device]).ok()?;
    expect_driver(lab, &device, "vfio-pci")?;
    lab.passthru(["release", &device]).ok()?;
    expect_driver(lab, &device, "e1000e")?;
    Ok(Outcome::Passed)
}

fn companion_alone(lab: &Lab) -> Result<Outcome> {
    let edu = lab.address("edu")?.to_string();
    let testdev = lab.address("testdev")?.to_string();
    let before = lab.state()?;
    let output = lab.passthru(["bind", &edu]).run()?.expect_code(3)?;
    says(&output, testdev.trim_start_matches("0000:"))?;
    says(&output, "--with-group")?;
    expect_unchanged(lab, &before)?;
    Ok(Outcome::Passed)
}

fn whole_group(lab: &Lab) -> Result<Outcome> {
    let edu = lab.address("edu")?.to_string();
    let testdev = lab.address("testdev")?.to_string();
    let bridge = lab.address("bridge")?.to_string();
    for address in [&edu, &testdev] {
        expect_driver(lab, address, "none")?;
    }
    let bridge_driver = crate::support::driver(lab, &bridge)?;
    lab.passthru(["bind", &edu, "--with-group"]).ok()?;
    for address in [&edu, &testdev] {
        expect_driver(lab, address, "vfio-pci")?;
    }
    expect_driver(lab, &bridge, &bridge_driver)?;
    expect_vfio_node(lab, &edu, true)?;
    lab.passthru(["release", &edu, &testdev]).ok()?;
    for address in [&edu, &testdev] {
        expect_driver(lab, address, "none")?;
    }
    Ok(Outcome::Passed)
}

fn release_without_lease(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let before = lab.state()?;
    let output = lab.passthru(["release", &device]).run()?;
    if output.code() == Some(0) {
        says(&output, "not")?;
    } else if output.code() != Some(3) {
        bail!("expected a refusal, or that there is nothing to do:\n{output}");
    }
    expect_unchanged(lab, &before)?;
    Ok(Outcome::Passed)
}
