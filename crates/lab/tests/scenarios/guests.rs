//! `run`: as whom the machine runs, and that nothing is lost whoever is killed when.

use anyhow::{Result, ensure};
use passthru_lab::agent::{Cmd, Job, Output};
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};

use crate::support::{
    expect_booted, expect_driver, expect_unchanged, expect_vfio_node, group, json, l2, says, scenario,
    settled, wait_for_disk,
};

pub(crate) const ALL: &[Scenario] = &[
    scenario("guests/runs with the rights of who called sudo", rights),
    scenario("guests/boots from the lent disk without root", boots),
    scenario("guests/--user root, --user NAME, and names nobody has", users),
    scenario("guests/locked memory has to be known", locked_memory),
    scenario("guests/two disks at once", two),
    scenario("guests/a device bound before stays, its node is put back", bound_before),
    scenario("guests/bind --user, and run without root", bind_user),
    scenario("guests/what does not stop is killed", stop_timeout),
    scenario("guests/a hang-up and a second signal are passed on", hang_up),
    scenario("guests/kill -9 while the machine runs", killed),
    scenario("guests/kill -9 while it runs, of a device bound before", killed_bound_before),
    scenario("guests/kill -9 between bind and start", killed_before),
    scenario("guests/a signal while it binds or gives back", signal_meanwhile),
    scenario("guests/nobody reads what it says", nobody_reads),
];

/// The user without rights.
pub(crate) const NAME: &str = "labguest";
/// Its number.
pub(crate) const UID: &str = "4242";

/// Makes the user, in L1's overlay, and two groups to be in.
pub(crate) fn user(lab: &Lab) -> Result<()> {
    lab.sh(&format!(
        "grep -q ^{NAME}: /etc/passwd || {{ echo '{NAME}:x:{UID}:{UID}::/run/{NAME}:/bin/sh' >> /etc/passwd; \
         echo '{NAME}:x:{UID}:' >> /etc/group; echo 'labfriends:x:4343:other,{NAME}' >> /etc/group; }}; \
         mkdir -p /run/{NAME}; chown {UID}:{UID} /run/{NAME}"
    ))?;
    Ok(())
}

/// `passthru run`, as sudo would start it for the user.
pub(crate) fn sudo<'a>(lab: &'a Lab, options: &[&str]) -> Result<Cmd<'a>> {
    user(lab)?;
    let command = lab.passthru(["run"]).args(options.iter().copied());
    Ok(command.env("SUDO_UID", UID).env("SUDO_GID", UID).env("SUDO_USER", NAME))
}

/// Owner and mode of the node of a device's group.
pub(crate) fn node(lab: &Lab, device: &str) -> Result<String> {
    lab.sh(&format!("stat -c '%u:%g %a' /dev/vfio/{}", group(lab, device)?))
}

/// Nothing is lent any more.
pub(crate) fn given_back(lab: &Lab, names: &[&str]) -> Result<()> {
    for name in names {
        let device = lab.address(name)?.to_string();
        expect_driver(lab, &device, "nvme")?;
        expect_vfio_node(lab, &device, false)?;
        wait_for_disk(lab, name)?;
    }
    let left = lab.sh("ls -A /run/passthru/leases /run/passthru/journal 2>/dev/null | grep -v : || true")?;
    ensure!(left.trim().is_empty(), "left behind: {left}");
    Ok(())
}

/// What a program prints about its rights.
const SHOW: &str = "grep -E '^(Uid|Gid|Groups|NoNewPrivs|CapPrm|CapEff|CapAmb|SigIgn|SigBlk):' /proc/self/status; \
     echo lock $(ulimit -l); echo $HOME $USER $LOGNAME $SHELL ${SUDO_USER-none} ${XDG_RUNTIME_DIR-none}; pwd";

fn rights(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let show = format!("{SHOW}; stat -c 'node %u %a' /dev/vfio/{}", group(lab, &device)?);
    let output = sudo(lab, &["-d", &device, "--memlock", "3G", "--", "sh", "-c", &show])?.run()?.ok()?;
    let out = output.out().replace('\t', " ");
    for line in [
        "Uid: 4242 4242 4242 4242",
        "Gid: 4242 4242 4242 4242",
        "Groups: 4242 4343",
        "NoNewPrivs: 1",
        "CapPrm: 0000000000000000",
        "CapEff: 0000000000000000",
        "CapAmb: 0000000000000000",
        "SigBlk: 0000000000000000",
        "lock 3145728",
        "/run/labguest labguest labguest /bin/sh none none",
        "node 4242 600",
    ] {
        ensure!(out.lines().any(|found| found.trim_end() == line), "no line {line:?} in:\n{output}");
    }
    // None of the signals 1 to 31 is ignored: as if it had been started directly.
    let ignored = out.lines().find_map(|line| line.strip_prefix("SigIgn: "));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ensure!(ignored.is_some_and(|mask| mask & 0x7fff_ffff == 0), "signals are ignored:\n{output}");
    given_back(lab, &["nvme1"])?;
    Ok(Outcome::Passed)
}

fn boots(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let output = sudo(lab, &["-d", &device, "--", "qemu-system-x86_64"])?.args(l2()).run()?;
    says(&expect_booted(output)?, "runs as user labguest")?;
    given_back(lab, &["nvme1"])?;
    Ok(Outcome::Passed)
}

fn users(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let id = ["--", "sh", "-c", "id -u; id -G"];
    for (user, wanted) in [("root", "0\n"), (NAME, "4242\n4242 4343\n"), ("5000:7", "5000\n7\n")] {
        let options = [&["-d", &device, "--memlock", "2G", "--user", user][..], &id].concat();
        let output = sudo(lab, &options)?.run()?.ok()?;
        ensure!(output.out().starts_with(wanted), "--user {user}:\n{output}");
    }
    given_back(lab, &["nvme1"])?;
    let before = lab.state()?;
    for user in ["nobody-has-this", "a:b", ""] {
        let options = [&["-d", &device, "--user", user][..], &id].concat();
        let output = sudo(lab, &options)?.run()?.expect_code(125)?;
        says(&output, "--user")?;
    }
    expect_unchanged(lab, &before)?;
    // The node is for the user alone, and said beforehand.
    let output = sudo(lab, &["-d", &device, "--dry-run", "--", "qemu-system-x86_64", "-m", "64"])?.ok()?;
    says(&output, "let user labguest (4242) use /dev/vfio/")?;
    expect_unchanged(lab, &before)?;
    Ok(Outcome::Passed)
}

fn locked_memory(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let before = lab.state()?;
    user(lab)?;
    let low = |arguments: &str| {
        let line = format!("ulimit -l 65536; exec passthru run -d {device} {arguments}");
        lab.command(["sh", "-c", &line]).env("SUDO_UID", UID).env("SUDO_GID", UID).run()
    };
    for line in ["-- sh -c 'echo started'", "-- qemu-system-x86_64 -m lots"] {
        let output = low(line)?.expect_code(125)?;
        says(&output, "--memlock")?;
        ensure!(!output.out().contains("started"), "it was started:\n{output}");
    }
    expect_unchanged(lab, &before)?;
    // Root's own machine is not limited, and passthru's own limit is not what is raised.
    let output = low("--user root -- sh -c 'ulimit -l; grep \"locked mem\" /proc/$PPID/limits'")?.ok()?;
    ensure!(output.out().starts_with("65536\n"), "{output}");
    let output = low("--memlock 2G -- sh -c 'ulimit -l; grep \"locked mem\" /proc/$PPID/limits'")?;
    ensure!(output.out().starts_with("2097152\n"), "{output}");
    given_back(lab, &["nvme1"])?;
    Ok(Outcome::Passed)
}

fn two(lab: &Lab) -> Result<Outcome> {
    let devices = [lab.address("nvme1")?.to_string(), lab.address("nvme2")?.to_string()];
    let options = ["-d", &devices[0], "-d", &devices[1], "--", "qemu-system-x86_64"];
    // SeaBIOS looks at both at once (`src/hw/nvme.c`: one thread for each), boots from the one
    // that was the first to be ready, and tries no other: the boot sector is on both.
    let (from, to) = (lab.disk("nvme1")?, lab.disk("nvme2")?);
    lab.sh(&format!(
        "dd if=/dev/{from} of=/dev/{to} bs=512 count=1 conv=fsync status=none; udevadm settle || true"
    ))?;
    expect_booted(sudo(lab, &options)?.args(l2()).run()?)?;
    given_back(lab, &["nvme1", "nvme2"])?;
    lab.sh(&format!(
        "dd if=/dev/zero of=/dev/{} bs=512 count=1 conv=fsync status=none; udevadm settle || true",
        lab.disk("nvme2")?
    ))?;
    Ok(Outcome::Passed)
}

fn bound_before(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    lab.passthru(["bind", &device]).ok()?;
    let (bound, found) = (lab.state()?, node(lab, &device)?);
    let leases = lab.sh("cat /run/passthru/leases/*")?;
    expect_booted(sudo(lab, &["-d", &device, "--", "qemu-system-x86_64"])?.args(l2()).run()?)?;
    ensure!(node(lab, &device)? == found, "the node was left as {}", node(lab, &device)?);
    ensure!(lab.sh("cat /run/passthru/leases/*")? == leases, "the lease is another one");
    settled(lab, &bound)?;
    // Somebody changes the node while the machine runs: it is left as it is, and that is said.
    let job = waiting(lab, &device, "echo waiting; while :; do sleep 0.1; done")?;
    lab.sh(&format!("chmod 0606 /dev/vfio/{}", group(lab, &device)?))?;
    job.signal(15, false)?;
    says(&job.wait()?, "it is left as it is")?;
    ensure!(node(lab, &device)? == "4242:0 606", "{}", node(lab, &device)?);
    lab.passthru(["release", &device]).ok()?;
    given_back(lab, &["nvme1"])?;
    Ok(Outcome::Passed)
}

/// Starts a script for the user, and waits until it says "waiting": it does so after what a
/// signal must find in place.
fn waiting<'a>(lab: &'a Lab, device: &str, script: &str) -> Result<Job<'a>> {
    waiting_with(lab, &["-d", device], script)
}

fn waiting_with<'a>(lab: &'a Lab, options: &[&str], script: &str) -> Result<Job<'a>> {
    let options = [options, &["--memlock", "2G", "--", "sh", "-c", script]].concat();
    let mut job = sudo(lab, &options)?.start()?;
    job.wait_for("waiting")?;
    Ok(job)
}

fn bind_user(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    user(lab)?;
    says(&lab.passthru(["bind", &device, "--user", NAME]).ok()?, "may use /dev/vfio/")?;
    ensure!(node(lab, &device)? == "4242:0 600", "{}", node(lab, &device)?);
    lab.passthru(["bind", &device, "--user", NAME]).ok()?;
    // Another user is not let in behind the first one's back.
    let other = lab.passthru(["bind", &device, "--user", "5000"]).run()?.expect_code(5)?;
    says(&other, "given to user 4242 already")?;
    let line = format!(
        "ulimit -l 2097152; exec setpriv --reuid {UID} --regid {UID} --clear-groups \
         passthru run -d {device} -- \"$@\""
    );
    let mut words = vec!["sh", "-c", &line, "sh", "qemu-system-x86_64"];
    words.extend(l2());
    expect_booted(lab.command(words).run()?)?;
    ensure!(node(lab, &device)? == "4242:0 600", "{}", node(lab, &device)?);
    lab.passthru(["release", &device]).ok()?;
    given_back(lab, &["nvme1"])?;
    Ok(Outcome::Passed)
}

fn stop_timeout(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let options = ["-d", &device, "--stop-timeout", "2"];
    let job = waiting_with(lab, &options, "trap '' TERM; echo waiting; while :; do sleep 0.1; done")?;
    job.signal(15, false)?;
    let output = job.wait()?.expect_code(128 + 9)?;
    says(&output, "did not stop within 2 s")?;
    given_back(lab, &["nvme1"])?;
    Ok(Outcome::Passed)
}

fn hang_up(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let script = "trap 'echo hung up' HUP; trap 'echo second; exit 5' TERM; echo waiting; \
                  while :; do sleep 0.1; done";
    let mut job = waiting(lab, &device, script)?;
    job.signal(1, false)?;
    job.wait_for("hung up")?;
    job.signal(15, false)?;
    says(&job.wait()?.expect_code(5)?, "second")?;
    given_back(lab, &["nvme1"])?;
    Ok(Outcome::Passed)
}

/// The process that a device is lent to, by its id.
pub(crate) fn said_pid(lab: &Lab, device: &str) -> Result<String> {
    let lease = lab.passthru(["status", "--json"]).ok()?;
    let status = json(&lease)?;
    let leases = status["leases"].as_array().cloned().unwrap_or_default();
    let ours = leases.iter().find(|lease| lease["device"] == *device);
    let pid = ours.and_then(|lease| lease["holder"]["pid"].as_u64());
    Ok(pid.map(|pid| pid.to_string()).unwrap_or_default())
}

fn killed(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let options = ["-d", &device, "--", "qemu-system-x86_64", "-S"];
    let mut job = sudo(lab, &options)?.args(l2()).start()?;
    let node = format!("/dev/vfio/{}", group(lab, &device)?);
    let holds = format!("ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q '{node}$'");
    lab.wait_until(&holds)?;
    let pid = said_pid(lab, &device)?;
    let run = job.pid()?;
    ensure!(pid != run.to_string(), "the lease does not name the machine but {pid}, passthru itself");
    says(&lab.command(["cat", &format!("/proc/{pid}/cmdline")]).ok()?, "qemu-system-x86_64")?;
    job.signal(9, false)?;
    job.wait()?;
    // The machine lives on, and nobody takes its device.
    lab.sh(&format!("kill -0 {pid}"))?;
    says(&lab.passthru(["recover"]).ok()?, "nothing to recover")?;
    expect_driver(lab, &device, "vfio-pci")?;
    let status = lab.passthru(["status"]).ok()?;
    says(&status, &format!("qemu-system-x86_64 ({pid})"))?;
    says(&status, &device)?;
    lab.sh(&format!("kill {pid}; while kill -0 {pid} 2>/dev/null; do sleep 0.1; done"))?;
    says(&lab.passthru(["status"]).run()?, "is gone")?;
    // Any verb that takes the lock gives it back, and says so.
    let other = lab.address("nvme2")?.to_string();
    says(&lab.passthru(["bind", &other]).ok()?, "given back, because")?;
    expect_driver(lab, &device, "nvme")?;
    lab.passthru(["release", &other]).ok()?;
    given_back(lab, &["nvme1", "nvme2"])?;
    Ok(Outcome::Passed)
}

fn killed_bound_before(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    lab.passthru(["bind", &device]).ok()?;
    let (found, leases) = (node(lab, &device)?, lab.sh("cat /run/passthru/leases/*")?);
    // What the program leaves behind holds the node for a while longer.
    let script = format!("exec 3< /dev/vfio/{}; sleep 100000 & echo waiting; wait", group(lab, &device)?);
    let mut job = waiting(lab, &device, &script)?;
    let pid = job.pid()?;
    let children = lab.sh(&format!("cat /proc/{pid}/task/{pid}/children"))?;
    job.signal(9, false)?;
    job.wait()?;
    says(&lab.passthru(["recover"]).ok()?, "nothing to recover")?;
    ensure!(node(lab, &device)? == "4242:0 600", "{}", node(lab, &device)?);
    lab.sh(&format!(
        "kill -9 {children} || true; for pid in {children}; do while [ -e /proc/$pid ]; do sleep 0.1; done; done"
    ))?;
    says(&lab.passthru(["recover"]).ok()?, "nothing to recover")?;
    lab.sh("pkill -9 -x sleep || true")?;
    lab.wait_until("! pgrep -x sleep")?;
    says(&lab.passthru(["recover"]).ok()?, "its node is as it was before")?;
    ensure!(node(lab, &device)? == found, "{}", node(lab, &device)?);
    ensure!(lab.sh("cat /run/passthru/leases/*")? == leases, "the lease is another one");
    expect_driver(lab, &device, "vfio-pci")?;
    lab.passthru(["release", &device]).ok()?;
    given_back(lab, &["nvme1"])?;
    Ok(Outcome::Passed)
}

/// Killed at system calls of the parent that mark the way from the bind to the start.
fn killed_before(lab: &Lab) -> Result<Outcome> {
    if lab.sh("command -v strace").is_err() {
        return Ok(Outcome::Skipped("no strace".into()));
    }
    const RENAME: &str = "rename,renameat,renameat2";
    let device = lab.address("nvme1")?.to_string();
    let line = format!("passthru run -d {device} --memlock 2G -- sleep 1234");
    let kill = |at: (&str, u32)| -> Result<Output> {
        user(lab)?;
        let (calls, when) = at;
        let line = format!(
            "exec strace -qq -o /run/lab/strace -e trace={calls} -e inject={calls}:signal=KILL:when={when} {line}"
        );
        let words = ["sh", "-c"];
        let output = lab.command(words).arg(&line).env("SUDO_UID", UID).env("SUDO_GID", UID).run();
        // What it started ends by itself, or becomes the machine.
        lab.wait_until("! pgrep -f '[a]s-passthru-(launcher|helper)'")?;
        output
    };
    let mut started = 0;
    for at in [
        // The lease is written; after the node it is passed on to the machine.
        (RENAME, 1),
        (RENAME, 3),
        // The node is changed; the launcher is told what to start; it is heard (the first
        // call is of starting it); it was told to go.
        ("fchownat", 1),
        ("sendmsg", 1),
        ("recvfrom", 2),
        ("recvfrom", 4),
    ] {
        let output = kill(at)?;
        let killed = !output.exit.timed_out && output.exit.signal == Some(9);
        let at = format!("at call {} of {}", at.1, at.0);
        ensure!(killed, "{at}: not killed:\n{output}");
        let machine = lab.sh("pgrep -f '^[s]leep 1234' || true")?;
        if !machine.is_empty() {
            // Too late: it is named, and lives on with its device.
            started += 1;
            ensure!(said_pid(lab, &device)? == machine, "{at}: the lease does not name the machine");
            says(&lab.passthru(["recover"]).ok()?, "nothing to recover")?;
            expect_driver(lab, &device, "vfio-pci")?;
            lab.sh(&format!("kill -9 {machine}; while [ -e /proc/{machine} ]; do sleep 0.1; done"))?;
        }
        let recovered = lab.passthru(["recover"]).run()?;
        recovered.clone().ok().map_err(|error| error.context(at.clone()))?;
        given_back(lab, &["nvme1"]).map_err(|error| error.context(format!("{at}\n{recovered}")))?;
    }
    ensure!(started == 1, "{started} of the machines were started, expected the last one only");
    Ok(Outcome::Passed)
}

/// Told to end in the middle of a change: it is carried through, and nothing is started
/// after it.
fn signal_meanwhile(lab: &Lab) -> Result<Outcome> {
    if lab.sh("command -v strace").is_err() {
        return Ok(Outcome::Skipped("no strace".into()));
    }
    let device = lab.address("nvme1")?.to_string();
    // The lease is written while it binds; the lease is removed while it gives back, after the
    // journal of the bind was.
    for (calls, when, code) in [("rename,renameat,renameat2", 1, 125), ("unlink,unlinkat", 2, 3)] {
        for signal in ["HUP", "INT"] {
            let line = format!(
                "exec strace -qq -o /run/lab/strace -e trace={calls} -e inject={calls}:signal={signal}:when={when} \
                 passthru run -d {device} -- sh -c 'echo started; exit 3'"
            );
            let output = lab.command(["sh", "-c", &line]).run()?.expect_code(code)?;
            ensure!(output.out().contains("started") == (code == 3), "{signal} at {calls}:\n{output}");
            given_back(lab, &["nvme1"]).map_err(|error| error.context(format!("{signal} at {calls}")))?;
        }
    }
    Ok(Outcome::Passed)
}

/// The terminal is gone: what cannot be said does not keep the device.
fn nobody_reads(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    for streams in [">/dev/full 2>&1", ">&- 2>&-", "</dev/null >/dev/null 2>&1 &"] {
        let line = format!("passthru run -v -d {device} -- touch /run/lab/started {streams}");
        lab.sh("rm -f /run/lab/started")?;
        lab.command(["sh", "-c", &line]).run()?;
        lab.wait_until("[ -e /run/lab/started ] && ! pgrep -x passthru")?;
        given_back(lab, &["nvme1"]).map_err(|error| error.context(streams))?;
    }
    Ok(Outcome::Passed)
}
