//! A device that is pulled: an orderly unplug, asked for from outside L1 as the button beside
//! a slot does. (A device that vanishes without asking exists in the fake kernel only: QEMU
//! cannot do it.) Before, during and after `bind`, and under a VM that holds it. Each time the
//! product ends in time and says what happened, nothing of it is left, and the device can be
//! lent again once it is back.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use passthru_lab::agent::{Output, PATIENCE};
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};

use crate::frozen;
use crate::support::{HOLDS, L2, expect_driver, json, log_from_here, says, scenario, wait_for_disk};

pub(crate) const ALL: &[Scenario] = &[
    scenario("unplug/before bind", before_bind),
    scenario("unplug/in the middle of bind, before the host's driver lets go", before_unbind),
    scenario("unplug/in the middle of bind, on no driver", before_probe),
    scenario("unplug/after bind", after_bind),
    scenario("unplug/after bind, and plugged back before anybody looked", swapped),
    scenario("unplug/in the middle of release", during_release),
    scenario("unplug/during run", during_run),
    scenario("unplug/during run, and run killed", during_killed_run),
];

/// Nothing of a lease or a journal is left, and nobody thinks so.
fn nothing_left(lab: &Lab) -> Result<()> {
    let output = lab.passthru(["recover"]).ok()?;
    says(&output, "nothing to recover")?;
    let status = lab.passthru(["status", "--json"]).ok()?;
    let value = json(&status)?;
    let leases = value["leases"].as_array().map_or(1, Vec::len);
    ensure!(leases == 0 && value["interrupted"].is_null(), "something is left:\n{status}");
    let files = lab.sh("find /run/passthru -type f ! -name lock -size +0")?;
    ensure!(files.is_empty(), "files are left: {files}");
    Ok(())
}

/// What is pulled, and the driver it has on the host.
struct Pulled {
    name: &'static str,
    driver: &'static str,
}

const DISK: Pulled = Pulled { name: "nvme1", driver: "nvme" };
const CARD: Pulled = Pulled { name: "nic1", driver: "e1000e" };

impl Pulled {
    /// Waits until the host has it.
    fn wait(&self, lab: &Lab) -> Result<()> {
        if self.name == DISK.name {
            return wait_for_disk(lab, self.name);
        }
        let device = lab.address(self.name)?;
        let there = format!("ls /sys/bus/pci/devices/{device}/net/* > /dev/null");
        lab.wait_until(&there)
    }
}

/// What it does, with the device's address, until the device is out; that nothing is left
/// then; that once back it can be lent, the disk with its data unchanged.
fn pulling(lab: &Lab, pulled: &Pulled, what: impl FnOnce(&str) -> Result<()>) -> Result<Outcome> {
    let (device, sum) = (lab.address(pulled.name)?.to_string(), lab.checksum("nvme1")?);
    let seen = what(&device).and_then(|()| nothing_left(lab));
    let back = (|| {
        if lab.address(pulled.name).is_err() {
            lab.plug(pulled.name)?;
            pulled.wait(lab)?;
        }
        if seen.is_err() {
            // A failure here is told of once; the next scenario finds the device as it was.
            lab.sh(&format!("passthru recover || :; passthru release {device} || :"))?;
        }
        Ok(())
    })();
    seen.and(back)?;
    lab.passthru(["bind", &device]).ok()?;
    expect_driver(lab, &device, "vfio-pci")?;
    lab.passthru(["release", &device]).ok()?;
    expect_driver(lab, &device, pulled.driver)?;
    pulled.wait(lab)?;
    nothing_left(lab)?;
    ensure!(lab.checksum("nvme1")? == sum, "the disk's data changed");
    Ok(Outcome::Passed)
}

/// Says that this device is not there any more.
fn says_gone(output: &Output, device: &str) -> Result<()> {
    says(output, device)?;
    let all = format!("{}{}", output.out(), output.err()).to_lowercase();
    if !["gone", "went away", "unplugged", "not there", "no pci device"].iter().any(|word| all.contains(word))
    {
        bail!("does not say that {device} is gone:\n{output}");
    }
    Ok(())
}

fn before_bind(lab: &Lab) -> Result<Outcome> {
    pulling(lab, &DISK, |device| {
        lab.unplug("nvme1")?;
        for verb in ["bind", "release", "show"] {
            let output = lab.passthru([verb, device]).run()?.expect_code(2)?;
            says_gone(&output, device)?;
        }
        let output = lab.passthru(["run", "-d", device, "--", "true"]).run()?.expect_code(125)?;
        says_gone(&output, device)
    })
}

/// Pulled while the product is stopped right before a step: it fails, and says that the
/// device is gone. What cannot be undone because there is no device is nothing that is left.
fn during(lab: &Lab, pulled: &Pulled, verb: &str, step: &str) -> Result<Outcome> {
    pulling(lab, pulled, |device| {
        if verb == "release" {
            lab.passthru(["bind", device]).ok()?;
        }
        let frozen = frozen::before_step(lab, &[verb, device], step)?;
        lab.unplug(pulled.name)?;
        let output = frozen.finish()?;
        // A device that is gone has been given back.
        let codes: &[i32] = if verb == "release" { &[0] } else { &[4, 5] };
        let code = output.code();
        ensure!(code.is_some_and(|code| codes.contains(&code)), "expected {codes:?}:\n{output}");
        says_gone(&output, device)
    })
}

/// The card and not the disk, which the product holds open at this instant: closing a disk
/// that was pulled crashes Debian's 6.1 kernel (`nvme_dbbuf_dma_free` frees memory of a
/// device that is gone), whoever does it.
fn before_unbind(lab: &Lab) -> Result<Outcome> {
    during(lab, &CARD, "bind", "unbind")
}

fn before_probe(lab: &Lab) -> Result<Outcome> {
    during(lab, &DISK, "bind", "probe")
}

fn during_release(lab: &Lab) -> Result<Outcome> {
    during(lab, &DISK, "release", "unbind")
}

fn after_bind(lab: &Lab) -> Result<Outcome> {
    pulling(lab, &DISK, |device| {
        lab.passthru(["bind", device]).ok()?;
        lab.unplug("nvme1")?;
        let output = lab.passthru(["status"]).ok()?;
        says_gone(&output, device)?;
        let output = lab.passthru(["bind", device]).run()?.expect_code(2)?;
        says_gone(&output, device)?;
        let output = lab.passthru(["release", device]).ok()?;
        says(&output, device)
    })
}

/// The same disk in the same slot, and yet another device: its own driver has it.
fn swapped(lab: &Lab) -> Result<Outcome> {
    pulling(lab, &DISK, |device| {
        lab.passthru(["bind", device]).ok()?;
        lab.unplug("nvme1")?;
        lab.plug("nvme1")?;
        wait_for_disk(lab, "nvme1")?;
        lab.passthru(["status"]).ok()?;
        lab.passthru(["release", device]).ok()?;
        expect_driver(lab, device, "nvme")
    })
}

/// Starts `run` with a VM that holds the disk and does nothing, and pulls the disk.
fn pulled_under<'a>(lab: &'a Lab, device: &str) -> Result<passthru_lab::agent::Job<'a>> {
    let vm = lab
        .passthru(["run", "-d", device, "--", "qemu-system-x86_64"])
        .args(L2.split_whitespace().chain(["-S", "-name", "pulled"]))
        .timeout(4 * PATIENCE)
        .start()?;
    lab.wait_until(HOLDS)?;
    // The kernel asks the VM for it some seconds after the button, and says so.
    let log = log_from_here(lab)?;
    lab.ask_unplug("nvme1")?;
    lab.wait_until(&format!("{log} | grep -qi 'device request'"))?;
    Ok(vm)
}

fn during_run(lab: &Lab) -> Result<Outcome> {
    pulling(lab, &DISK, |device| {
        let vm = pulled_under(lab, device)?;
        let told = tells_in_time(lab, device);
        // The virtual machine is asked to stop; QEMU ends with 0 then.
        vm.signal(15, false)?;
        let output = vm.wait()?;
        lab.unplugged("nvme1")?;
        told?;
        says_gone(&output.expect_code(0)?, device)
    })
}

/// As long as the VM does not let go, the kernel waits, and holds the device's lock: whoever
/// reads its `uevent` or `driver_override` waits along, in a way that no signal ends
/// (`drivers/base/core.c` `uevent_show`, `drivers/pci/pci-sysfs.c` `driver_override_show`).
fn tells_in_time(lab: &Lab, device: &str) -> Result<()> {
    // Not for ever: less than a command is given otherwise.
    let limit = Duration::from_secs(120);
    for arguments in [&["status"][..], &["list"], &["recover"]] {
        let output = lab.passthru(arguments.iter().copied()).timeout(limit).run()?.ok()?;
        if arguments[0] != "recover" {
            says(&output, device.trim_start_matches("0000:"))?;
        }
    }
    // Nor does it hold up another device.
    let other = lab.address("nic2")?.to_string();
    lab.passthru(["bind", &other]).timeout(limit).run()?.ok()?;
    lab.passthru(["release", &other]).timeout(limit).run()?.ok()?;
    Ok(())
}

/// The VM lives on without its `run`, then ends; somebody else finds the lease.
fn during_killed_run(lab: &Lab) -> Result<Outcome> {
    pulling(lab, &DISK, |device| {
        let vm = pulled_under(lab, device)?;
        vm.signal(9, false)?;
        vm.wait()?;
        let guests = "grep -lx qemu-system-x86 /proc/[0-9]*/comm";
        lab.sh(&format!("for p in $({guests}); do p=${{p%/comm}}; kill -9 ${{p#/proc/}}; done"))?;
        lab.wait_until(&format!("! {guests}"))?;
        lab.unplugged("nvme1")?;
        says_gone(&lab.passthru(["status"]).ok()?, device)?;
        let output = lab.passthru(["recover"]).ok()?;
        if json(&lab.passthru(["status", "--json"]).ok()?)?["leases"] != serde_json::json!([]) {
            bail!("recover keeps the lease of a device that is gone and of a VM that is dead:\n{output}");
        }
        says(&output, device)
    })
}
