//! What the lab itself promises to its scenarios, in a real virtual host: outputs arrive
//! whole, commands run side by side, what hangs is ended and reported, disks survive a power
//! cut, and a host that hangs or is gone is an error and not a wait for ever.
#![allow(clippy::disallowed_methods, reason = "a test looks at the file system of the machine it runs on")]

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use passthru_lab::host::Lab;
use passthru_lab::settings::Settings;
use serde_json::json;

fn settings() -> Result<Settings> {
    Settings::from_environment(Path::new(env!("CARGO_BIN_EXE_passthru-lab")))
}

#[test]
fn the_agent_keeps_its_promises() -> Result<()> {
    let mut lab = Lab::boot_standard(settings()?)?;
    outputs_are_whole(&lab)?;
    commands_run_side_by_side(&lab)?;
    hanging_commands_are_ended(&lab)?;
    signals_reach_commands(&lab)?;
    unplug_over_the_monitor(&lab)?;
    disks_survive_a_power_cut(&mut lab)?;
    a_hung_host_is_an_error(&mut lab)
}

fn outputs_are_whole(lab: &Lab) -> Result<()> {
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let output = lab.command(["sh", "-c", "tee /dev/stderr"]).stdin(bytes.clone()).ok()?;
    ensure!(output.stdout == bytes, "standard output was changed on its way");
    let length = output.stderr.len();
    ensure!(output.stderr == bytes, "standard error was changed on its way ({length} bytes)");
    ensure!(lab.command(["/not/there"]).run().is_err(), "a missing program is no error");
    ensure!(lab.sh("exit 3").is_err(), "a failing script is no error");
    ensure!(lab.command(["sh", "-c", "kill -9 $$"]).run()?.exit.signal == Some(9));
    // A child left in the background holds the pipe open; that must not hold up the answer.
    let output = lab.script("sleep 100000 & echo started").ok().context("waited for a background child")?;
    ensure!(output.out() == "started\n", "a background child changes the output:\n{output}");
    Ok(())
}

fn commands_run_side_by_side(lab: &Lab) -> Result<()> {
    let reader = lab.sh("mkfifo /run/lab/fifo").and(lab.script("cat /run/lab/fifo").start())?;
    lab.sh("echo through the pipe > /run/lab/fifo")?;
    ensure!(reader.wait()?.out() == "through the pipe\n");
    Ok(())
}

fn hanging_commands_are_ended(lab: &Lab) -> Result<()> {
    let limit = Duration::from_secs(1);
    let output = lab.command(["sleep", "1000"]).timeout(limit).run()?;
    ensure!(output.exit.timed_out && output.code().is_none(), "not ended:\n{output}");
    // A child of the command is ended with it.
    let output = lab.script("sleep 1001 & sleep 1002").timeout(limit).run()?;
    ensure!(output.exit.timed_out, "not ended:\n{output}");
    lab.wait_until("! grep -qs '[1]001' /proc/[0-9]*/cmdline")
}

fn signals_reach_commands(lab: &Lab) -> Result<()> {
    let mut job = lab.script("trap 'echo got it; exit 4' TERM; echo up; sleep 100000 & wait").start()?;
    job.wait_for("up")?;
    ensure!(lab.sh(&format!("test -d /proc/{}", job.pid()?)).is_ok());
    job.signal(15, false)?;
    let output = job.wait()?.expect_code(4)?;
    ensure!(output.out().contains("got it"));
    Ok(())
}

fn unplug_over_the_monitor(lab: &Lab) -> Result<()> {
    let address = lab.address("nic1")?;
    lab.qmp("device_del", json!({ "id": "nic1" }))?;
    lab.qmp_event("DEVICE_DELETED")?;
    let gone = format!("! [ -e /sys/bus/pci/devices/{address} ]");
    lab.wait_until(&gone)
}

fn disks_survive_a_power_cut(lab: &mut Lab) -> Result<()> {
    let disk = lab.disk("nvme2")?;
    lab.sh(&format!("echo before the cut | dd of=/dev/{disk} oflag=sync status=none"))?;
    lab.kill();
    ensure!(!lab.alive(), "a killed host answers");
    ensure!(lab.sh("true").is_err(), "a killed host runs commands");
    lab.boot_again()?;
    let disk = lab.disk("nvme2")?;
    ensure!(lab.sh(&format!("head -n 1 /dev/{disk}"))? == "before the cut");
    Ok(())
}

fn a_hung_host_is_an_error(lab: &mut Lab) -> Result<()> {
    lab.qmp("stop", json!({}))?;
    let error = lab.command(["true"]).timeout(Duration::from_secs(1)).run().unwrap_err();
    ensure!(format!("{error:#}").contains("nothing from L1"), "unclear: {error:#}");
    lab.qmp("cont", json!({}))?;
    lab.sh("true")?;
    Ok(())
}
