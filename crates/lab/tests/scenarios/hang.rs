//! Writes that hang in the kernel, for real: `vfio-pci` unbound under a device that a second
//! VM holds. The device is stuck; everything else goes on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use passthru_lab::agent::PATIENCE;
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};

use crate::support::{HOLDS, L2, expect_driver, json, says, scenario, wait_for_disk};

pub(crate) const ALL: &[Scenario] = &[
    scenario("hang/an unbind under a running VM", unbind_under_vm),
    scenario("hang/a device that somebody else hangs on", somebody_else),
];

/// How long a verb may take where another way it would wait for ever: less than what a command
/// is given here.
const QUICK: Duration = Duration::from_secs(120);

/// A VM that holds the device and does nothing.
fn holder<'a>(lab: &'a Lab, device: &str) -> Result<passthru_lab::agent::Job<'a>> {
    let vm = lab
        .script(&format!("exec qemu-system-x86_64 {L2} -S -device vfio-pci,host={device},rombar=0"))
        .timeout(4 * PATIENCE)
        .start()?;
    lab.wait_until(HOLDS)?;
    Ok(vm)
}

/// Runs a verb and fails where it takes longer than it may.
fn quick(lab: &Lab, arguments: &[&str], code: i32) -> Result<passthru_lab::agent::Output> {
    let started = Instant::now();
    let output = lab.passthru(arguments.iter().copied()).run()?.expect_code(code)?;
    let took = started.elapsed();
    ensure!(took < QUICK, "{arguments:?} took {took:?}:\n{output}");
    Ok(output)
}

fn unbind_under_vm(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let other = lab.address("nic1")?.to_string();
    lab.passthru(["bind", &device]).ok()?;
    // The VM has to be up within the limit that is given below: how long does it take here?
    let started = Instant::now();
    let vm = holder(lab, &device)?;
    let limit = (5 + (3 * started.elapsed()).as_secs()).clamp(15, 240);
    vm.signal(9, false)?;
    vm.wait()?;
    // The helper is stopped right before the unbind, after every check, and the VM takes the
    // device in between: no check can see that.
    let unbind = format!("/sys/bus/pci/devices/{device}/driver/unbind");
    // strace itself would wait for the helper: it is left in the background.
    lab.sh(&format!(
        "rm -f /run/lab/code /run/lab/strace; strace -f -q -o /run/lab/strace -P {unbind} -e trace=openat \
         -e inject=openat:signal=STOP:when=1 sh -c 'passthru release {device} --write-timeout {limit} \
         > /run/lab/said 2>&1; echo $? > /run/lab/code' > /run/lab/log 2>&1 &"
    ))?;
    lab.wait_until("grep -q unbind /run/lab/strace")?;
    let vm = holder(lab, &device)?;
    lab.sh("for pid in $(pgrep -f as-passthru-helper); do kill -CONT $pid; done")?;
    lab.wait_until("test -s /run/lab/code")?;
    let output = lab.script("cat /run/lab/said; exit $(cat /run/lab/code)").run()?.expect_code(5)?;
    for word in ["stuck", "has not come back", "process", "unbind", &device] {
        says(&output, word)?;
    }

    // The task is named, it is really there, and it holds nothing of ours.
    let status = json(&lab.passthru(["status", "--json"]).ok()?)?;
    let stuck = &status["stuck"][0];
    ensure!(stuck["device"] == device.as_str() && stuck["waiting"] == true, "{status:#}");
    ensure!(stuck["waits_in"].as_str().is_some_and(|place| !place.is_empty()), "{status:#}");
    let pid = stuck["pid"].as_u64().context("no pid")?;
    let descriptors = lab.sh(&format!("ls -l /proc/{pid}/fd"))?;
    ensure!(!descriptors.contains("passthru"), "it holds our books:\n{descriptors}");
    says(&lab.passthru(["status"]).ok()?, "qemu-system")?;

    // The lock is free and others can be bound; the stuck one is refused, and nobody hangs.
    quick(lab, &["bind", &other], 0)?;
    quick(lab, &["release", &other], 0)?;
    for verb in [&["bind"][..], &["release"], &["bind", "--dry-run"]] {
        let output = quick(lab, &[verb, &[&device]].concat(), 3)?;
        says(&output, "[stuck]")?;
    }
    quick(lab, &["list"], 0)?;
    quick(lab, &["show", &device], 0)?;
    says(&quick(lab, &["recover"], 5)?, "still stuck")?;

    // When the VM lets go the write comes back, and `recover` puts everything as it was.
    vm.signal(9, false)?;
    vm.wait()?;
    lab.wait_until(&format!("! test -e /proc/{pid}"))?;
    says(&quick(lab, &["recover"], 0)?, "has come back")?;
    expect_driver(lab, &device, "vfio-pci")?;
    says(&quick(lab, &["recover"], 0)?, "nothing to recover")?;
    quick(lab, &["release", &device], 0)?;
    wait_for_disk(lab, "nvme1")?;
    Ok(Outcome::Passed)
}

/// A script has hung a device. passthru must not hang with it, whatever it is asked.
fn somebody_else(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let other = lab.address("nic1")?.to_string();
    lab.passthru(["bind", &device]).ok()?;
    let vm = holder(lab, &device)?;
    let script = lab
        .script(&format!("echo {device} > /sys/bus/pci/devices/{device}/driver/unbind"))
        .timeout(4 * PATIENCE)
        .start()?;
    lab.wait_until(&format!("! test -e /sys/bus/pci/devices/{device}/driver"))?;
    quick(lab, &["list"], 0)?;
    quick(lab, &["show", &device], 0)?;
    quick(lab, &["status"], 0)?;
    // Where reading the device does not wait for the unbind (6.12), the machine that holds it is seen.
    let output = quick(lab, &["release", &device], 3)?;
    says(&output, "timed out").or_else(|_| says(&output, "its unbind from VFIO has not come back"))?;
    quick(lab, &["bind", &other], 0)?;
    quick(lab, &["release", &other], 0)?;
    vm.signal(9, false)?;
    vm.wait()?;
    script.wait()?.ok()?;
    quick(lab, &["release", &device], 0)?;
    expect_driver(lab, &device, "nvme")?;
    wait_for_disk(lab, "nvme1")?;
    Ok(Outcome::Passed)
}
