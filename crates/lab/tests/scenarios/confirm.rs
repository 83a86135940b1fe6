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
    scenario("confirm/under systemd, the session's end does not take it along", under_systemd),
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

/// A systemd of its own, which is process 1 where it is: it has its own `/run`, and no units but
/// an empty target.
const SYSTEMD: &str = r#"
exec unshare --pid --mount --cgroup --fork --kill-child --mount-proc sh -c '
mountpoint -q /sys/fs/cgroup || mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs tmpfs /run; mkdir /run/units
for unit in lab sysinit basic shutdown; do
    printf "[Unit]\nDefaultDependencies=no\n" > /run/units/$unit.target
done
export container=lab SYSTEMD_UNIT_PATH=/run/units
exec /lib/systemd/systemd --system --unit=lab.target --show-status=no --log-target=null'
"#;

/// Where systemd runs the machine, what waits is a unit of its own: a session whose processes are
/// all killed (`KillUserProcesses=`) has none of it.
fn under_systemd(lab: &Lab) -> Result<Outcome> {
    if lab.sh("[ -x /lib/systemd/systemd ] && which systemd-run >/dev/null && echo yes || true")?.trim()
        != "yes"
    {
        return Ok(Outcome::Skipped("systemd is not installed here".into()));
    }
    let device = lab.address("nic1")?.to_string();
    let log = log_from_here(lab)?;
    let systemd = lab.script(SYSTEMD).start()?;
    lab.wait_until("pgrep -f '^/lib/systemd/systemd --system'")?;
    let pid = lab.sh("pgrep -o -f '^/lib/systemd/systemd --system'")?.trim().to_owned();
    let inside =
        |script: &str| lab.command(["nsenter", "-t", &pid, "-m", "-p", "-C", "sh", "-c", script]).run();
    lab.wait_until(&format!("nsenter -t {pid} -m -p -C systemctl is-active -q lab.target"))?;
    let within = enough(lab)?;
    // A session whose processes are all killed when the change is made.
    let session = format!(
        "systemd-run --quiet --collect --unit=session -p KillMode=control-group \
         sh -c 'passthru bind {device} --confirm-within {within}s'"
    );
    inside(&session)?.ok()?;
    lab.wait_until(&format!("! nsenter -t {pid} -m -p -C systemctl is-active -q session.service"))?;
    expect_driver(lab, &device, "vfio-pci")?;
    let watcher = inside("cat /proc/$(pgrep -f '[r]ecover --when-due')/cgroup")?.ok()?;
    says(&watcher, "/system.slice/run-")?;
    lab.wait_until(&on(&device, "e1000e"))?;
    lab.wait_until(&format!("{log} | grep -q 'passthru: .*not confirmed'"))?;
    // Nothing is left of it, not even a failed unit.
    lab.wait_until(&format!(
        "! nsenter -t {pid} -m -p -C systemctl list-units --all --no-legend --plain | grep -E 'run-|session'"
    ))?;
    // And confirmed, it stays.
    let keep = format!("passthru bind {device} --confirm-within 1h && passthru confirm");
    says(&inside(&keep)?.ok()?, "stays as it is")?;
    lab.wait_until(&format!("! pgrep -f '{WATCHER}'")).context("it still watches")?;
    inside(&format!("passthru release {device}"))?.ok()?;
    expect_driver(lab, &device, "e1000e")?;
    lab.sh(&format!("kill -9 {pid}"))?;
    systemd.wait()?;
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
