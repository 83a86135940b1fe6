//! The main job by hand: bare sysfs writes and a bare QEMU. When this fails the lab (or the
//! kernel, or QEMU) is at fault, not the product.

use anyhow::{Result, ensure};
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};

use crate::support::{L2, bind_by_hand, expect_booted, release_by_hand, scenario};

pub(crate) const ALL: &[Scenario] = &[
    scenario("bare/second VM boots from the lent disk", lend_by_hand),
    scenario("bare/companions share a group", companions),
];

fn lend_by_hand(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let before = lab.checksum("nvme1")?;
    bind_by_hand(lab, &device)?;
    let output = lab
        .script(&format!(
            "exec qemu-system-x86_64 {L2} -boot strict=on \
             -device vfio-pci,host={device},rombar=0,bootindex=0"
        ))
        .run()?;
    expect_booted(output)?;
    release_by_hand(lab, &device, "nvme1")?;
    let inside = lab.sh(&format!("sha256sum < /dev/{}", lab.disk("nvme1")?))?;
    ensure!(inside.starts_with(&before), "the disk's data changed: {before}, in L1 {inside}");
    ensure!(lab.checksum("nvme1")? == before, "the image's data changed");
    Ok(Outcome::Passed)
}

fn companions(lab: &Lab) -> Result<Outcome> {
    let edu = lab.address("edu")?;
    let testdev = lab.address("testdev")?;
    let members = lab.sh(&format!("ls /sys/bus/pci/devices/{edu}/iommu_group/devices"))?;
    ensure!(members.contains(&testdev.to_string()), "{testdev} is not with {edu}:\n{members}");
    ensure!(members.lines().count() == 4, "expected port, bridge and two devices:\n{members}");
    Ok(Outcome::Passed)
}
