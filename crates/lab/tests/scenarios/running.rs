//! `run`: a second VM inside L1 gets the disk, and the host gets it back, whatever happens.

use anyhow::{Result, ensure};
use passthru_lab::agent::{Cmd, Output};
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};

use crate::support::{
    L2, bind_by_hand, expect_booted, expect_driver, expect_unchanged, l2, release_by_hand, says, scenario,
    settled, wait_for_disk,
};

pub(crate) const ALL: &[Scenario] = &[
    scenario("run/second VM boots from the lent disk", boots),
    scenario("run/a line that already names the device", already_named),
    scenario("run/plugged into bus 0", plug_root),
    scenario("run/a wrapper script with {devices}", wrapper_placeholder),
    scenario("run/a wrapper script with PASSTHRU_QEMU_ARGS", wrapper_environment),
    scenario("run/nothing is injected into what is not QEMU", not_qemu),
    scenario("run/exit codes", exit_codes),
    scenario("run/a signal is passed on", signal),
    scenario("run/Ctrl-C ends the program and the device comes back", interrupt),
    scenario("run/what QEMU is given", what_qemu_is_given),
    scenario("run/a device that was on vfio-pci before stays there", was_on_vfio),
    scenario("run/-daemonize is refused", daemonize),
    scenario("run/a disk in use is refused before the start", in_use),
];

/// Runs with the lent disk and checks that it came back whole.
fn lend<'a>(lab: &'a Lab, command: impl FnOnce(&str) -> Cmd<'a>) -> Result<Output> {
    let device = lab.address("nvme1")?.to_string();
    let sum = lab.checksum("nvme1")?;
    let output = command(&device).run()?;
    expect_driver(lab, &device, "nvme").map_err(|error| error.context(format!("\n{output}")))?;
    wait_for_disk(lab, "nvme1")?;
    ensure!(lab.checksum("nvme1")? == sum, "the disk's data changed:\n{output}");
    Ok(output)
}

fn boots(lab: &Lab) -> Result<Outcome> {
    let output =
        lend(lab, |device| lab.passthru(["run", "-d", device, "--", "qemu-system-x86_64"]).args(l2()))?;
    expect_booted(output)?;
    Ok(Outcome::Passed)
}

fn already_named(lab: &Lab) -> Result<Outcome> {
    let output = lend(lab, |device| {
        lab.passthru(["run", "-d", device, "--", "qemu-system-x86_64"])
            .args(l2())
            .args(["-boot", "strict=on", "-device"])
            .arg(format!("vfio-pci,host={device},rombar=0,bootindex=0"))
    })?;
    expect_booted(output)?;
    Ok(Outcome::Passed)
}

fn plug_root(lab: &Lab) -> Result<Outcome> {
    let output = lend(lab, |device| {
        lab.passthru(["run", "--plug", "root", "-d", device, "--", "qemu-system-x86_64"]).args(l2())
    })?;
    expect_booted(output)?;
    Ok(Outcome::Passed)
}

fn wrapper(lab: &Lab, arguments: &str) -> Result<()> {
    let script = format!("#!/bin/sh\nexec qemu-system-x86_64 {L2} {arguments}\n");
    lab.script("cat > /run/lab/wrapper; chmod +x /run/lab/wrapper").stdin(script).ok()?;
    Ok(())
}

fn wrapper_placeholder(lab: &Lab) -> Result<Outcome> {
    wrapper(lab, "\"$@\"")?;
    let output =
        lend(lab, |device| lab.passthru(["run", "-d", device, "--", "/run/lab/wrapper", "{devices}"]))?;
    expect_booted(output)?;
    Ok(Outcome::Passed)
}

fn wrapper_environment(lab: &Lab) -> Result<Outcome> {
    wrapper(lab, "$PASSTHRU_QEMU_ARGS")?;
    let output = lend(lab, |device| lab.passthru(["run", "-d", device, "--", "/run/lab/wrapper"]))?;
    expect_booted(output)?;
    Ok(Outcome::Passed)
}

fn not_qemu(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let script = format!("echo \"arguments: $#\"; readlink /sys/bus/pci/devices/{device}/driver");
    let output = lend(lab, |device| lab.passthru(["run", "-d", device, "--", "sh", "-c", &script]))?.ok()?;
    says(&output, "arguments: 0")?;
    says(&output, "drivers/vfio-pci")?;
    Ok(Outcome::Passed)
}

fn exit_codes(lab: &Lab) -> Result<Outcome> {
    lab.sh("echo nothing > /run/lab/not-executable")?;
    for (program, code) in [
        (&["sh", "-c", "exit 42"][..], 42),
        (&["/run/lab/not-executable"], 126),
        (&["/run/lab/not-there"], 127),
        (&["sh", "-c", "kill -TERM $$"], 128 + 15),
        (&["sh", "-c", "kill -KILL $$"], 128 + 9),
    ] {
        lend(lab, |device| lab.passthru(["run", "-d", device, "--"]).args(program.iter().copied()))?
            .expect_code(code)?;
    }
    Ok(Outcome::Passed)
}

/// SIGTERM to `run` reaches the guest program, and the device comes back.
fn signal(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let mut job = lab
        .passthru(["run", "-d", &device, "--", "sh", "-c"])
        .arg("trap 'echo got it; exit 9' TERM; echo waiting; while :; do sleep 0.1; done")
        .start()?;
    job.wait_for("waiting")?;
    job.signal(15, false)?;
    let output = job.wait()?.expect_code(9)?;
    says(&output, "got it")?;
    expect_driver(lab, &device, "nvme")?;
    wait_for_disk(lab, "nvme1")?;
    Ok(Outcome::Passed)
}

/// A terminal sends SIGINT to the whole foreground group, passthru included.
fn interrupt(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let mut job = lab
        .passthru(["run", "-d", &device, "--", "sh", "-c"])
        .arg("trap 'echo interrupted; exit 7' INT; echo waiting; while :; do sleep 0.1; done")
        .start()?;
    job.wait_for("waiting")?;
    job.signal(2, true)?;
    let output = job.wait()?.expect_code(7)?;
    let times = output.out().matches("interrupted").count();
    ensure!(times == 1, "the program saw {times} interrupts:\n{output}");
    expect_driver(lab, &device, "nvme")?;
    wait_for_disk(lab, "nvme1")?;
    Ok(Outcome::Passed)
}

/// Runs a stand-in for QEMU that shows its arguments and its locked-memory limit.
fn given(lab: &Lab, options: &[&str], arguments: &[&str]) -> Result<String> {
    let script = "#!/bin/sh\necho \"given: $*\"\nulimit -l\n";
    let path = "/run/lab/stand-in/qemu-system-x86_64";
    lab.script(&format!("mkdir -p /run/lab/stand-in; cat > {path}; chmod +x {path}")).stdin(script).ok()?;
    let output = lend(lab, |device| {
        lab.passthru(["run", "-d", device])
            .args(options.iter().copied())
            .args(["--", path])
            .args(arguments.iter().copied())
    })?
    .ok()?;
    let out = output.out();
    ensure!(out.contains("vfio-pci,"), "no device was added:\n{output}");
    let limit = out.lines().last().unwrap_or_default();
    // In KiB. What is locked is the guest's memory, 64 MiB here, and some more.
    let enough = limit == "unlimited" || limit.parse::<u64>().is_ok_and(|kib| kib > 64 * 1024);
    ensure!(enough, "the locked-memory limit is {limit} KiB:\n{output}");
    Ok(out)
}

fn what_qemu_is_given(lab: &Lab) -> Result<Outcome> {
    let q35 = given(lab, &[], &["-M", "q35", "-m", "64"])?;
    ensure!(q35.contains("pcie-root-port"), "no root port on q35: {q35}");
    for machine in [&["-machine", "type=q35,accel=tcg"][..], &["-machine", "pc-q35-7.2"]] {
        let line = given(lab, &[], &[machine, &["-m", "64"]].concat())?;
        ensure!(line.contains("pcie-root-port"), "no root port on {machine:?}: {line}");
    }
    let root = given(lab, &["--plug", "root"], &["-M", "q35", "-m", "64"])?;
    ensure!(!root.contains("pcie-root-port"), "a root port with --plug root: {root}");
    let pc = given(lab, &[], &["-M", "pc", "-m", "64"])?;
    ensure!(!pc.contains("pcie-root-port"), "a root port on a machine without PCIe: {pc}");
    Ok(Outcome::Passed)
}

/// Put there by hand (or by a rule at boot): giving back means leaving it there.
fn was_on_vfio(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    bind_by_hand(lab, &device)?;
    let before = lab.state()?;
    let output = lab.passthru(["run", "-d", &device, "--", "qemu-system-x86_64"]).args(l2()).run()?;
    expect_booted(output)?;
    settled(lab, &before)?;
    lab.passthru(["bind", &device]).ok()?;
    lab.passthru(["release", &device]).ok()?;
    settled(lab, &before)?;
    release_by_hand(lab, &device, "nvme1")?;
    Ok(Outcome::Passed)
}

fn daemonize(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let before = lab.state()?;
    let output = lab
        .passthru(["run", "-d", &device, "--", "qemu-system-x86_64", "-daemonize"])
        .args(l2())
        .run()?
        .expect_code(125)?;
    says(&output, "daemonize")?;
    expect_unchanged(lab, &before)?;
    Ok(Outcome::Passed)
}

fn in_use(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme2")?.to_string();
    let disk = lab.disk("nvme2")?;
    lab.sh(&format!("mkswap -q /dev/{disk}; swapon /dev/{disk}"))?;
    let before = lab.state()?;
    let output =
        lab.passthru(["run", "-d", &device, "--", "sh", "-c", "echo started"]).run()?.expect_code(125)?;
    says(&output, "swap")?;
    ensure!(!output.out().contains("started"), "the program was started:\n{output}");
    expect_unchanged(lab, &before)?;
    lab.sh(&format!("swapoff /dev/{disk}"))?;
    Ok(Outcome::Passed)
}
