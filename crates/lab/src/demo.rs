//! The main job, told step by step to somebody who has never seen it: every command is
//! shown as it is typed, with what it really printed, and every claim is checked before it
//! is made.

use anyhow::{Context, Result, ensure};

use crate::agent::Output;
use crate::disk::{BOOT_EXIT_CODE, BOOT_LINE};
use crate::host::Lab;
use crate::scenario::describe;
use crate::settings::Settings;

/// The second VM: firmware only, which boots from the lent disk and then ends.
const GUEST: &str = "qemu-system-x86_64 -M q35 -accel tcg -m 128 -nodefaults -display none \
     -serial stdio -device isa-debug-exit,iobase=0x501,iosize=2";

/// Boots the lab and shows the main job.
///
/// # Errors
/// When any step does not do what is said of it.
pub fn run(settings: Settings) -> Result<()> {
    let settings = settings.require_product()?;
    say("passthru lends a PCI device of this computer to a virtual machine and takes it back.");
    say("To show it without touching your hardware, a virtual computer with an IOMMU is booted");
    say("first (\"the host\"); the virtual machine that borrows the device runs inside it.");
    println!();
    say("Booting the host; 10 to 30 seconds where KVM cannot be used...");
    let lab = Lab::boot_standard(settings)?;
    say(&format!("It is up: {}.", describe(&lab)));
    let device = lab.address("nvme1")?.to_string();

    step(1, "What devices has the host, and which can be lent?");
    typed(&lab, "passthru list")?.ok()?;

    step(2, &format!("The NVMe disk {device} will be lent. The host uses it now:"));
    let disk = lab.disk("nvme1")?;
    typed(&lab, &format!("readlink /sys/bus/pci/devices/{device}/driver; ls /dev/{disk}"))?.ok()?;
    let before = checksum(&lab, &disk)?;

    step(3, "What would lending it change? (Asking changes nothing.)");
    typed(&lab, &format!("passthru bind --dry-run {device}"))?.ok()?;

    step(4, "Lend it to a virtual machine, which is to boot from it:");
    let output = typed(&lab, &format!("passthru run -d {device} -- {GUEST}"))?;
    let code = output.code();
    let output = output.expect_code(BOOT_EXIT_CODE)?;
    ensure!(output.out().contains(BOOT_LINE), "the virtual machine did not boot:\n{output}");
    say(&format!("The line \"{BOOT_LINE}\" was printed by the"));
    say("program in the disk's first sector, which the virtual machine's firmware read from the");
    say(&format!(
        "lent disk itself, through the IOMMU. Its exit code, {}, was passed on by passthru.",
        code.unwrap_or_default()
    ));

    step(5, "The virtual machine is gone. Does the host have its disk back?");
    lab.wait_until("grep -qw nvme1 /sys/block/nvme*/device/serial")?;
    let disk = lab.disk("nvme1")?;
    typed(&lab, &format!("readlink /sys/bus/pci/devices/{device}/driver; ls /dev/{disk}"))?.ok()?;
    typed(&lab, &format!("passthru list {device}"))?.ok()?;
    let after = checksum(&lab, &disk)?;
    ensure!(before == after, "the disk's data changed: {before} before, {after} after");
    let driver = lab.state()?.remove(&format!("pci {device} driver"));
    ensure!(driver.as_deref() == Some("nvme"), "the disk is on driver {driver:?}, not on nvme");

    println!();
    say(&format!(
        "Done: a virtual machine booted from the host's NVMe disk {device}, and the host has the \
         disk back with every byte as it was."
    ));
    Ok(())
}

fn say(text: &str) {
    println!("{text}");
}

fn step(number: u32, text: &str) {
    println!("\n{number}. {text}\n");
}

/// Shows a command as typed, runs it, shows what it printed.
fn typed(lab: &Lab, line: &str) -> Result<Output> {
    println!("    host# {line}");
    // Tables as wide as most terminals are, less the margin.
    let output = lab.script(line).env("COLUMNS", "116").run()?;
    for line in String::from_utf8_lossy(&output.transcript).lines() {
        println!("    {}", line.trim_end_matches('\r'));
    }
    println!();
    Ok(output)
}

fn checksum(lab: &Lab, disk: &str) -> Result<String> {
    let output = typed(lab, &format!("sha256sum < /dev/{disk}"))?.ok()?;
    output.out().split(' ').next().map(str::to_owned).context("sha256sum said nothing")
}
