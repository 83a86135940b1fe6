//! A power cut: L1 is ended at once and booted again from the same disks. In the middle of
//! `bind` and of `release`, at several instants, and under a VM that runs from the lent disk.
//! Bindings and what passthru noted about them went with the boot; where `/run/passthru`
//! outlives it all the same, nothing of a dead boot is believed.

use anyhow::{Context, Result, ensure};
use passthru_lab::agent::PATIENCE;
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};

use crate::frozen;
use crate::support::{L2, expect_driver, json, rebooting, says, wait_for_disk};

pub(crate) const ALL: &[Scenario] = &[
    rebooting("power cut/in the middle of bind, before the host's driver lets go", before_unbind),
    rebooting("power cut/in the middle of bind, on no driver", before_probe),
    rebooting("power cut/in the middle of run", during_run),
    rebooting("power cut/journal and leases outlive it: interrupted bind", journal_outlives),
    rebooting("power cut/journal and leases outlive it: interrupted release", release_outlives),
];
/// Scenarios for `make proof`: each costs a boot, and they show the same at other instants.
pub(crate) const PROOF: &[Scenario] = &[
    rebooting("power cut/in the middle of bind, before the override", before_override),
    rebooting("power cut/in the middle of release", during_release),
    rebooting("power cut/journal and leases outlive it: after bind", leases_outlive),
    rebooting("power cut/journal and leases outlive it: under run", run_outlives),
];

/// Cuts the power and boots again.
fn cut(lab: &mut Lab) -> Result<()> {
    lab.kill();
    lab.boot_again()
}

/// Nothing is left, and the disk is the host's, with its data, and can be lent.
fn as_ever(lab: &Lab, device: &str, sum: &str) -> Result<Outcome> {
    expect_driver(lab, device, "nvme")?;
    wait_for_disk(lab, "nvme1")?;
    let inside = lab.sh(&format!("sha256sum < /dev/{}", lab.disk("nvme1")?))?;
    ensure!(inside.starts_with(sum), "the disk's data changed: {sum}, in L1 {inside}");
    let output = lab.passthru(["recover"]).ok()?;
    says(&output, "nothing to recover")?;
    let status = lab.passthru(["status", "--json"]).ok()?;
    let value = json(&status)?;
    ensure!(value["leases"] == json_list() && value["interrupted"].is_null(), "something is left:\n{status}");
    lab.passthru(["bind", device]).ok()?;
    expect_driver(lab, device, "vfio-pci")?;
    lab.passthru(["release", device]).ok()?;
    expect_driver(lab, device, "nvme")?;
    wait_for_disk(lab, "nvme1")?;
    ensure!(lab.checksum("nvme1")? == sum, "the image's data changed");
    Ok(Outcome::Passed)
}

fn json_list() -> serde_json::Value {
    serde_json::Value::Array(Vec::new())
}

/// The power goes when the product has announced a step and not done it yet.
fn during(lab: &mut Lab, verb: &str, step: &str) -> Result<Outcome> {
    let (device, sum) = (lab.address("nvme1")?.to_string(), lab.checksum("nvme1")?);
    if verb == "release" {
        lab.passthru(["bind", &device]).ok()?;
    }
    frozen::before_step(lab, &[verb, &device], step)?;
    cut(lab)?;
    as_ever(lab, &device, &sum)
}

fn before_override(lab: &mut Lab) -> Result<Outcome> {
    during(lab, "bind", "set-override")
}

fn before_unbind(lab: &mut Lab) -> Result<Outcome> {
    during(lab, "bind", "unbind")
}

fn before_probe(lab: &mut Lab) -> Result<Outcome> {
    during(lab, "bind", "probe")
}

fn during_release(lab: &mut Lab) -> Result<Outcome> {
    during(lab, "release", "probe")
}

/// Starts `run` and waits until its VM holds the disk.
fn start_vm(lab: &Lab, device: &str) -> Result<()> {
    // The boot sector's last port is missing, so that the VM runs on after it has booted.
    let arguments = L2.split(" -device").next().unwrap_or(L2).split_whitespace();
    let mut vm = lab
        .passthru(["run", "-d", device, "--", "qemu-system-x86_64"])
        .args(arguments)
        .timeout(2 * PATIENCE)
        .start()?;
    vm.wait_for(passthru_lab::disk::BOOT_LINE)
}

fn during_run(lab: &mut Lab) -> Result<Outcome> {
    let (device, sum) = (lab.address("nvme1")?.to_string(), lab.checksum("nvme1")?);
    start_vm(lab, &device)?;
    cut(lab)?;
    as_ever(lab, &device, &sum)
}

/// Puts `/run/passthru` on the third disk. `new` makes its file system first.
fn lasting_books(lab: &Lab, new: bool) -> Result<()> {
    let disk = format!("/dev/{}", lab.disk("nvme3")?);
    let make = if new { format!("mke2fs -q -F -t ext4 {disk};") } else { String::new() };
    lab.sh(&format!("{make} mkdir -p /run/passthru; mount {disk} /run/passthru"))?;
    Ok(())
}

fn usual_books(lab: &Lab) -> Result<()> {
    lab.sh(&format!(
        "umount /run/passthru; wipefs -q -a /dev/{}; udevadm settle || true",
        lab.disk("nvme3")?
    ))?;
    Ok(())
}

/// The files with what passthru noted, as the lasting disk has them.
fn noted(lab: &Lab) -> Result<String> {
    lab.sh("cd /run/passthru; find . -type f ! -name lock -size +0 | sort")
}

/// A power cut with lasting books, somewhere `until`. Afterwards the files of the dead boot
/// are there: the lease, and with `journal` the journal. (The removal of a journal may be lost
/// with the power; that is as good.) Nothing of them is believed, and `recover` says so.
fn outliving(lab: &mut Lab, journal: bool, until: impl FnOnce(&Lab, &str) -> Result<()>) -> Result<Outcome> {
    let (device, sum) = (lab.address("nvme1")?.to_string(), lab.checksum("nvme1")?);
    lasting_books(lab, true)?;
    until(lab, &device)?;
    cut(lab)?;
    expect_driver(lab, &device, "nvme")?;
    lasting_books(lab, false)?;
    let seen = dead_boot(lab, journal, &device).and_then(|()| as_ever(lab, &device, &sum));
    let left = noted(lab)?;
    usual_books(lab)?;
    let outcome = seen?;
    ensure!(left.is_empty(), "something of the dead boot is still there: {left}");
    Ok(outcome)
}

fn dead_boot(lab: &Lab, journal: bool, device: &str) -> Result<()> {
    let files = noted(lab)?;
    ensure!(!journal || files.contains("journal"), "the journal's fsync is not real: {files:?}");
    ensure!(files.contains(device), "the lease's fsync is not real: {files:?}");
    let state = || lab.sh(&format!("cd /sys/bus/pci/devices/{device}; readlink driver; cat driver_override"));
    let before = state()?;

    let status = lab.passthru(["status", "--json"]).ok()?;
    let value = json(&status)?;
    ensure!(value["leases"] == json_list(), "a lease of another boot is believed:\n{status}");
    let recover = lab
        .command(["strace", "-f", "-o", "/run/lab/writes", "-e", "trace=openat,open"])
        .args(["passthru", "recover"])
        .run()?
        .ok()?;
    let written = lab.sh("grep -E '/sys/.*(O_WRONLY|O_RDWR)' /run/lab/writes || true; rm /run/lab/writes")?;
    ensure!(written.is_empty(), "recover wrote to the kernel for a dead boot:\n{written}");
    ensure!(before == state()?, "recover changed the device: it was {before:?}, is {:?}", state()?);
    if journal {
        says(&recover, "boot")?;
        says(&recover, device)?;
        let told = value["interrupted"].as_str().with_context(|| format!("says nothing:\n{status}"))?;
        ensure!(told.contains(device) && told.contains("boot"), "not told as of another boot: {told}");
    }
    Ok(())
}

fn journal_outlives(lab: &mut Lab) -> Result<Outcome> {
    outliving(lab, true, |lab, device| {
        frozen::before_step(lab, &["bind", device], "probe")?;
        Ok(())
    })
}

fn release_outlives(lab: &mut Lab) -> Result<Outcome> {
    outliving(lab, true, |lab, device| {
        lab.passthru(["bind", device]).ok()?;
        frozen::before_step(lab, &["release", device], "unbind")?;
        Ok(())
    })
}

fn leases_outlive(lab: &mut Lab) -> Result<Outcome> {
    outliving(lab, false, |lab, device| {
        lab.passthru(["bind", device]).ok()?;
        Ok(())
    })
}

fn run_outlives(lab: &mut Lab) -> Result<Outcome> {
    outliving(lab, false, start_vm)
}
