//! Changes that are undone unless somebody confirms them: for people on the far end of a
//! network that the change may cut off.

use std::time::Instant;

use anyhow::{Context, Result};
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};

use crate::support::{expect_driver, log_from_here, says, scenario};

pub(crate) const ALL: &[Scenario] = &[
    scenario("confirm/not confirmed, it undoes itself", undone),
    scenario("confirm/the one who would undo it is killed", watcher_killed),
    scenario("confirm/confirmed, it stays", confirmed),
    scenario("confirm/meanwhile nothing else is changed", meanwhile),
];

/// For `--confirm-within`, in seconds: long enough for a few commands here and now, however slow
/// the machine is.
fn enough(lab: &Lab) -> Result<u64> {
    let started = Instant::now();
    lab.passthru(["status"]).ok()?;
    Ok((5 + (10 * started.elapsed()).as_secs()).clamp(8, 240))
}

/// Waits until nothing waits to be confirmed.
fn over(lab: &Lab) -> Result<()> {
    lab.wait_until("! test -e /run/passthru/journal")
}

/// Whoever watches for the time to be over.
const WATCHER: &str = "[r]ecover --when-due";

/// Whether the device is on that driver, as a test for the shell.
fn on(device: &str, driver: &str) -> String {
    format!("readlink /sys/bus/pci/devices/{device}/driver | grep -q '/{driver}$'")
}

/// The session that made the change is gone, as after a lost connection.
fn undone(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nic1")?.to_string();
    let within = enough(lab)?;
    let log = log_from_here(lab)?;
    let output = lab
        .script(&format!("setsid sh -c 'passthru bind {device} --confirm-within {within}s; kill -HUP 0'"))
        .run()?;
    says(&output, "passthru confirm")?;
    expect_driver(lab, &device, "vfio-pci")?;
    says(&lab.passthru(["status"]).ok()?, "waits to be confirmed")?;
    lab.wait_until(&on(&device, "e1000e"))?;
    over(lab)?;
    // It writes when it is done.
    lab.wait_until(&format!("{log} | grep -q 'passthru: .*not confirmed'"))?;
    let late = lab.passthru(["confirm"]).run()?.expect_code(4)?;
    says(&late, "no change waits")?;
    // The same for giving back.
    lab.passthru(["bind", &device]).ok()?;
    lab.passthru(["release", &device, "--confirm-within", &within.to_string()]).ok()?;
    expect_driver(lab, &device, "e1000e")?;
    lab.wait_until(&on(&device, "vfio-pci"))?;
    over(lab)?;
    lab.passthru(["release", &device]).ok()?;
    Ok(Outcome::Passed)
}

fn watcher_killed(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nic1")?.to_string();
    let within = enough(lab)?;
    lab.passthru(["bind", &device, "--confirm-within", &format!("{within}s")]).ok()?;
    lab.sh(&format!("pkill -9 -f '{WATCHER}'"))?;
    lab.wait_until("passthru status 2>&1 | grep -q 'not confirmed in time'")?;
    expect_driver(lab, &device, "vfio-pci")?;
    let late = lab.passthru(["confirm"]).run()?.expect_code(4)?;
    says(&late, "over")?;
    // Whoever changes something next undoes it first.
    let other = lab.address("edu")?.to_string();
    let output = lab.passthru(["bind", &other, "--with-group"]).ok()?;
    says(&output, "not confirmed")?;
    expect_driver(lab, &device, "e1000e")?;
    lab.passthru(["release", "--all"]).ok()?;
    Ok(Outcome::Passed)
}

fn confirmed(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nic1")?.to_string();
    let within = enough(lab)?;
    lab.passthru(["bind", &device, "--confirm-within", &format!("{within}s")]).ok()?;
    let output = lab.passthru(["confirm"]).ok()?;
    says(&output, &device)?;
    lab.sh(&format!("sleep {}", within + 2))?;
    expect_driver(lab, &device, "vfio-pci")?;
    lab.wait_until(&format!("! pgrep -f '{WATCHER}'")).context("it still watches")?;
    lab.passthru(["release", &device]).ok()?;
    expect_driver(lab, &device, "e1000e")?;
    Ok(Outcome::Passed)
}

fn meanwhile(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nic1")?.to_string();
    let other = lab.address("nvme1")?.to_string();
    lab.passthru(["bind", &device, "--confirm-within", "1h"]).ok()?;
    let before = lab.state()?;
    for arguments in [&["bind", &other][..], &["release", &device]] {
        let output = lab.passthru(arguments.iter().copied()).run()?.expect_code(4)?;
        for word in ["waits to be confirmed", "passthru confirm", "passthru recover"] {
            says(&output, word)?;
        }
    }
    crate::support::expect_unchanged(lab, &before)?;
    says(&lab.passthru(["recover"]).ok()?, "not confirmed, and is undone")?;
    expect_driver(lab, &device, "e1000e")?;
    lab.wait_until(&format!("! pgrep -f '{WATCHER}'"))?;
    for wrong in ["0", "soon", "25h", "2d", "-1", "100000"] {
        lab.passthru(["bind", &device, "--confirm-within", wrong]).run()?.expect_code(2)?;
    }
    Ok(Outcome::Passed)
}
