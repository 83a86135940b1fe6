//! Small helpers: looking at the kernel's state in L1, and checks that show the whole
//! command when they fail.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use passthru_lab::agent::{Job, Output};
use passthru_lab::disk;
use passthru_lab::guest::state::differences;
use passthru_lab::host::{Lab, PROBED};
use passthru_lab::protocol::State;
use passthru_lab::scenario::{Outcome, Run, Scenario};
use serde_json::Value;

/// How long the state may take to be what it should.
pub(crate) const SETTLE: Duration = Duration::from_secs(60);

/// Declares a scenario.
pub(crate) const fn scenario(name: &'static str, run: fn(&Lab) -> Result<Outcome>) -> Scenario {
    Scenario { name, run: Run::Here(run) }
}

/// Declares a scenario that ends the host and boots it again.
pub(crate) const fn rebooting(name: &'static str, run: fn(&mut Lab) -> Result<Outcome>) -> Scenario {
    Scenario { name, run: Run::Rebooting(run) }
}

/// Whether everything is to be tried, however long it takes; else a slice of it.
pub(crate) fn proof() -> bool {
    std::env::var_os("PASSTHRU_LAB_PROOF").is_some_and(|value| value == "1")
}

/// The second VM, in the form that needs no operating system: firmware boots from the first
/// disk it finds, and the boot sector ends QEMU with [`disk::BOOT_EXIT_CODE`]. What the
/// firmware says of the disks goes to [`passthru_lab::host::L2_FIRMWARE`].
pub(crate) const L2: &str = "-M q35 -accel tcg -m 128 -nodefaults -display none -serial stdio \
     -device isa-debug-exit,iobase=0x501,iosize=2 \
     -chardev file,id=firmware,path=/run/lab/l2-firmware,append=on \
     -device isa-debugcon,iobase=0x402,chardev=firmware";

/// [`L2`] as separate arguments.
pub(crate) fn l2() -> Vec<&'static str> {
    L2.split_whitespace().collect()
}

/// The driver a device is on, `none` without one.
pub(crate) fn driver(lab: &Lab, address: &str) -> Result<String> {
    attribute(lab, address, "driver")
}

/// The IOMMU group's number.
pub(crate) fn group(lab: &Lab, address: &str) -> Result<String> {
    attribute(lab, address, "group")
}

fn attribute(lab: &Lab, address: &str, what: &str) -> Result<String> {
    let key = format!("pci {address} {what}");
    lab.state()?.remove(&key).with_context(|| format!("L1 has no {key}"))
}

/// Fails unless the device is on that driver.
pub(crate) fn expect_driver(lab: &Lab, address: &str, wanted: &str) -> Result<()> {
    let found = driver(lab, address)?;
    if found != wanted {
        bail!("{address} is on driver {found:?}, expected {wanted:?}");
    }
    Ok(())
}

/// Fails unless `/dev/vfio/<group of the device>` is there, or is not.
pub(crate) fn expect_vfio_node(lab: &Lab, address: &str, there: bool) -> Result<()> {
    let node = format!("/dev/vfio/{}", group(lab, address)?);
    if lab.state()?.contains_key(&node) != there {
        bail!("{node} is {}there", if there { "not " } else { "still " });
    }
    Ok(())
}

/// Fails unless the text is in standard output or error; compares without regard to case.
pub(crate) fn says(output: &Output, text: &str) -> Result<()> {
    let all = format!("{}{}", output.out(), output.err()).to_lowercase();
    if !all.contains(&text.to_lowercase()) {
        bail!("expected to read {text:?} in:\n{output}");
    }
    Ok(())
}

/// Standard output as JSON.
pub(crate) fn json(output: &Output) -> Result<Value> {
    serde_json::from_slice(&output.stdout).with_context(|| format!("no JSON in:\n{output}"))
}

/// Fails unless the second VM booted from the lent disk and ended as its boot sector does.
pub(crate) fn expect_booted(output: Output) -> Result<Output> {
    let output = output.expect_code(disk::BOOT_EXIT_CODE)?;
    says(&output, disk::BOOT_LINE)?;
    Ok(output)
}

/// Waits until the lendable disk is the host's again.
pub(crate) fn wait_for_disk(lab: &Lab, device: &str) -> Result<()> {
    lab.wait_for_disk(device)
}

/// Fails unless nothing in L1's state differs from that taken earlier.
pub(crate) fn expect_unchanged(lab: &Lab, before: &State) -> Result<()> {
    let differences = differences(before, &lab.state()?);
    if !differences.is_empty() {
        bail!("something changed that should not:\n  {}", differences.join("\n  "));
    }
    Ok(())
}

/// Waits until L1's state is that taken earlier: drivers probe asynchronously, and processes
/// that were told to end take their time.
pub(crate) fn settled(lab: &Lab, before: &State) -> Result<()> {
    settled_but(lab, before, |_| false)
}

/// The same but for the keys that do not count.
pub(crate) fn settled_but(lab: &Lab, before: &State, ignored: fn(&str) -> bool) -> Result<()> {
    let until = Instant::now() + SETTLE;
    loop {
        let mut state = lab.state()?;
        state.retain(|key, _| !ignored(key));
        let differences = differences(before, &state);
        if differences.is_empty() {
            return Ok(());
        }
        if Instant::now() > until {
            bail!("not as it was:\n  {}", differences.join("\n  "));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A command for the shell that prints what the kernel's log says from now on.
pub(crate) fn log_from_here(lab: &Lab) -> Result<String> {
    let mark = lab.sh("mark=$(date +%s%N); echo \"lab: mark $mark\" > /dev/kmsg; echo $mark")?;
    Ok(format!("dmesg | sed '1,/lab: mark {mark}/d'"))
}

/// How a script finds that some process holds a device.
pub(crate) const HOLDS: &str = "ls -l /proc/[0-9]*/fd | grep -q anon_inode:.vfio-device";

/// Makes two virtual functions and waits until the host's drivers have tried them, then until
/// the test holds for each, which is `$vf`. Gives the first one's address.
pub(crate) fn two_functions(lab: &Lab, physical: &str, test: &str) -> Result<String> {
    let sysfs = format!("/sys/bus/pci/devices/{physical}");
    lab.sh(&format!(
        "udevadm settle || true; echo 2 > {sysfs}/sriov_numvfs; udevadm settle || true; {PROBED}"
    ))?;
    lab.wait_until(&format!(
        "so=yes; for vf in {sysfs}/virtfn[01]; do {test} || so=no; done; [ $so = yes ]"
    ))?;
    lab.sh(&format!("udevadm settle || true; basename $(readlink {sysfs}/virtfn0)"))
}

/// What [`two_functions`] waits for where the host's driver gives them up: NVMe's has no queues
/// for them.
pub(crate) const GIVEN_UP: &str = "! [ -e $vf/driver ]";

/// What a script does to lend a device.
pub(crate) fn bind_by_hand(lab: &Lab, device: &str) -> Result<()> {
    lab.sh(&format!(
        "modprobe vfio-pci; cd /sys/bus/pci/devices/{device}; echo vfio-pci > driver_override; \
         echo {device} > driver/unbind; echo {device} > /sys/bus/pci/drivers_probe"
    ))?;
    expect_driver(lab, device, "vfio-pci")
}

/// What a script does to take an NVMe back; waits until its disk is there again.
pub(crate) fn release_by_hand(lab: &Lab, device: &str, name: &str) -> Result<()> {
    lab.sh(&format!(
        "cd /sys/bus/pci/devices/{device}; echo > driver_override; \
         echo {device} > driver/unbind; echo {device} > /sys/bus/pci/drivers_probe"
    ))?;
    expect_driver(lab, device, "nvme")?;
    wait_for_disk(lab, name)
}

/// A VM that holds a device and does nothing else.
pub(crate) fn held<'a>(lab: &'a Lab, device: &str, name: &str) -> Result<Job<'a>> {
    let vm = lab
        .script(&format!(
            "exec qemu-system-x86_64 {L2} -S -name {name} -device vfio-pci,host={device},rombar=0"
        ))
        .start()?;
    lab.wait_until(HOLDS)?;
    Ok(vm)
}
