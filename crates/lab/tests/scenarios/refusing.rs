//! Disks the host uses are refused, with the reason, and allowed again afterwards.

use anyhow::Result;
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};

use crate::support::{HOLDS, L2, expect_unchanged, says, scenario, wait_for_disk};

pub(crate) const ALL: &[Scenario] = &[
    scenario("refuse/a mounted disk", mounted),
    scenario("refuse/a disk mounted in another namespace", mounted_elsewhere),
    scenario("refuse/a disk with swap on it", swap),
    scenario("refuse/a disk with a holder", holder),
    scenario("refuse/a device that a running VM holds", held),
];

/// Uses the second disk, sees the refusal say each of the words, stops using it, and sees
/// that it is allowed again.
fn refused_while(lab: &Lab, begin: &str, words: &[&str], end: &str) -> Result<Outcome> {
    let device = lab.address("nvme2")?.to_string();
    let disk = format!("disk=/dev/{};", lab.disk("nvme2")?);
    // udev holds a disk open while it looks into it: a user of another kind.
    let settle = "udevadm settle || true";
    lab.sh(&format!("{disk} {begin}; {settle}"))?;
    let before = lab.state()?;
    for arguments in [&["bind"][..], &["bind", "--dry-run"]] {
        let output = lab.passthru(arguments.iter().copied()).arg(&device).run()?.expect_code(3)?;
        for word in words {
            says(&output, word)?;
        }
    }
    // The list says it too, before anybody tries.
    let listed = lab.passthru(["list", &device]).ok()?;
    says(&listed, words[0])?;
    expect_unchanged(lab, &before)?;
    lab.sh(&format!("{disk} {end}; {settle}"))?;
    lab.passthru(["bind", "--dry-run", &device]).ok()?;
    Ok(Outcome::Passed)
}

fn mounted(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme2")?.to_string();
    let outcome = refused_while(
        lab,
        "mke2fs -q -F -t ext4 $disk; mkdir -p /mnt/lent; mount $disk /mnt/lent",
        &["/mnt/lent"],
        "umount /mnt/lent",
    )?;
    // Once for real: unmounted, it can be lent.
    lab.passthru(["bind", &device]).ok()?;
    lab.passthru(["release", &device]).ok()?;
    wait_for_disk(lab, "nvme2")?;
    Ok(outcome)
}

/// A mount that only another mount namespace has is no less in use.
fn mounted_elsewhere(lab: &Lab) -> Result<Outcome> {
    refused_while(
        lab,
        "mke2fs -q -F -t ext4 $disk; mkdir -p /mnt/hidden; \
         unshare --mount sh -c \"mount $disk /mnt/hidden; touch /run/lab/there; \
         while [ -e /run/lab/there ]; do sleep 0.1; done\" > /run/lab/log 2>&1 & \
         while [ ! -e /run/lab/there ]; do sleep 0.1; done; if grep -q hidden /proc/mounts; then exit 1; fi",
        &["/mnt/hidden"],
        "rm /run/lab/there; while cat /proc/[0-9]*/mounts 2>/dev/null | grep -q hidden; \
         do sleep 0.1; done",
    )
}

fn swap(lab: &Lab) -> Result<Outcome> {
    refused_while(lab, "mkswap -q $disk; swapon $disk", &["swap"], "swapoff $disk")
}

fn holder(lab: &Lab) -> Result<Outcome> {
    refused_while(
        lab,
        "modprobe dm_mod; dmsetup --noudevsync create held --table \"0 2048 linear $disk 0\"",
        &["dm-"],
        "dmsetup --noudevsync remove --retry held",
    )
}

/// Unbinding under a running VM would hang in the kernel for ever.
fn held(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    lab.passthru(["bind", &device]).ok()?;
    let vm = lab
        .script(&format!("exec qemu-system-x86_64 {L2} -S -device vfio-pci,host={device},rombar=0"))
        .start()?;
    lab.wait_until(HOLDS)?;
    let before = lab.state()?;
    let output = lab.passthru(["release", &device]).run()?.expect_code(3)?;
    says(&output, "qemu-system")?;
    let output = lab.passthru(["run", "-d", &device, "--", "true"]).run()?.expect_code(125)?;
    says(&output, "qemu-system")?;
    expect_unchanged(lab, &before)?;
    vm.signal(15, false)?;
    vm.wait()?;
    lab.passthru(["release", &device]).ok()?;
    wait_for_disk(lab, "nvme1")?;
    Ok(Outcome::Passed)
}
