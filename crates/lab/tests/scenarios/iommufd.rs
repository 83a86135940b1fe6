//! `run` through iommufd. Debian's kernels are built without it: the scenarios that need it
//! say so there, and run where `PASSTHRU_LAB_KERNEL` names a kernel that has it (Ubuntu's
//! linux-image-generic) and `PASSTHRU_LAB_INNER_QEMU` a QEMU of 9.0 or later.

use anyhow::{Result, bail, ensure};
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};

use crate::guests::{given_back, node, said_pid, sudo};
use crate::support::{expect_booted, json, l2, says, scenario, settled};

pub(crate) const ALL: &[Scenario] = &[
    scenario("iommufd/where the kernel has none", none),
    scenario("iommufd/boots from the lent disk without root", boots),
    scenario("iommufd/what a machine without rights has open", open),
    scenario("iommufd/a script finds its descriptors", script),
    scenario("iommufd/locked memory is counted for each machine", counted),
];

/// What is missing here; `None` where there is all. Nothing may be with `PASSTHRU_LAB_IOMMUFD=1`.
fn missing(lab: &Lab) -> Result<Option<&'static str>> {
    let yes =
        |test: &str| Ok::<_, anyhow::Error>(lab.sh(&format!("{test} && echo yes || true"))?.trim() == "yes");
    let kernel = "modprobe -q vfio-pci && modprobe -q iommufd && \
                  grep -q '^CONFIG_VFIO_DEVICE_CDEV=y' /boot/config-$(uname -r)";
    let missing = if !yes(kernel)? {
        Some("the kernel has no iommufd with nodes of single devices")
    } else if !yes("qemu-system-x86_64 -M none -object help | grep -qw iommufd")? {
        Some("QEMU has no iommufd (9.0 brought it)")
    } else {
        None
    };
    match missing {
        Some(why) if std::env::var_os("PASSTHRU_LAB_IOMMUFD").is_some_and(|asked| asked == "1") => {
            bail!("{why}")
        }
        missing => Ok(missing),
    }
}

fn none(lab: &Lab) -> Result<Outcome> {
    if lab.sh("modprobe -q iommufd && echo yes || true")?.trim() == "yes" {
        return Ok(Outcome::Skipped("the kernel has iommufd".into()));
    }
    let device = lab.address("nvme1")?.to_string();
    let before = lab.state()?;
    let named = format!("vfio-pci,host={device},iommufd=f");
    let own = ["-object", "iommufd,id=f", "-device", &named];
    for (option, own) in [(&["--iommufd"][..], &[][..]), (&[], &own)] {
        let options = [option, &["-d", &device, "--", "qemu-system-x86_64", "-m", "64"]].concat();
        let output = sudo(lab, &options)?.args(own.iter().copied()).run()?.expect_code(125)?;
        says(&output, &format!("{device} is to be opened through iommufd, and this kernel has no node"))?;
        says(&output, &format!("{device}: given back, on nvme"))?;
        settled(lab, &before)?;
    }
    Ok(Outcome::Passed)
}

/// The device moves data in the guest's memory, which iommufd mapped for a process without
/// rights: the guest boots from it.
fn boots(lab: &Lab) -> Result<Outcome> {
    if let Some(why) = missing(lab)? {
        return Ok(Outcome::Skipped(why.into()));
    }
    let device = lab.address("nvme1")?.to_string();
    let options = ["--iommufd", "-d", &device, "--", "qemu-system-x86_64"];
    let output = expect_booted(sudo(lab, &options)?.args(l2()).run()?)?;
    says(&output, "runs as user labguest")?;
    given_back(lab, &["nvme1"])?;
    // The line's own words, and as root, who opens the nodes itself.
    let named = format!("vfio-pci,host={device},iommufd=f0");
    let own = ["-object", r#"{"qom-type":"iommufd","id":"f0"}"#, "-device", &named];
    for options in [&["-d", &device][..], &["-d", &device, "--user", "root"]] {
        let options = [options, &["--", "qemu-system-x86_64"]].concat();
        expect_booted(sudo(lab, &options)?.args(l2()).args(own).run()?)?;
        given_back(lab, &["nvme1"])?;
    }
    Ok(Outcome::Passed)
}

fn open(lab: &Lab) -> Result<Outcome> {
    if let Some(why) = missing(lab)? {
        return Ok(Outcome::Skipped(why.into()));
    }
    let device = lab.address("nvme1")?.to_string();
    let before = lab.state()?;
    let options = ["--iommufd", "-d", &device, "--", "qemu-system-x86_64", "-S", "-name", "lab-fds"];
    let job = sudo(lab, &options)?.args(l2()).start()?;
    // The machine has mapped its memory when it holds the device's node.
    let holds = "/sys/bus/pci/devices/$0/vfio-dev/*/dev";
    lab.command([
        "sh",
        "-c",
        &format!(
            "until pid=$(pgrep -f 'qemu-system-x86_64.*lab-fds.*fd=' -u 4242) && [ -e {holds} ] && \
             grep -q 'VmPin:.*[1-9]' /proc/$pid/status; do sleep 0.2; done"
        ),
        &device,
    ])
    .ok()?;
    let pid = said_pid(lab, &device)?;
    let opened =
        lab.sh(&format!("ls -l /proc/{pid}/fd | sed -n 's/.* -> //p' | grep -E 'iommu|vfio' | sort"))?;
    let own = lab.sh(&format!("ls /sys/bus/pci/devices/{device}/vfio-dev"))?;
    ensure!(opened == format!("/dev/iommu\n/dev/vfio/devices/{own}"), "it has open: {opened}");
    let who = lab.sh(&format!("grep -E '^(Uid|CapEff|NoNewPrivs)' /proc/{pid}/status"))?;
    ensure!(
        who.starts_with("Uid:\t4242\t4242\t4242\t4242\nCapEff:\t0000000000000000\nNoNewPrivs:\t1"),
        "{who}"
    );
    // Nothing was changed about any node: there is nothing to put back.
    for path in ["/dev/iommu".to_owned(), format!("/dev/vfio/devices/{}", own.trim())] {
        let owner = lab.sh(&format!("stat -c '%u:%g' {path}"))?;
        ensure!(owner.trim() == "0:0", "{path} is of {owner}");
    }
    ensure!(node(lab, &device)?.starts_with("0:0 "), "{}", node(lab, &device)?);
    // Nobody else has the device: passthru itself has let go of what it opened.
    let status = lab.passthru(["status", "--json"]).ok()?;
    let held = json(&status)?["leases"][0]["held"].to_string();
    ensure!(held.contains(&pid) && !held.contains("passthru"), "{held}");
    let refused = lab.passthru(["release", &device]).run()?.expect_code(3)?;
    says(
        &refused,
        &format!("/dev/vfio/devices/{} → held by qemu-system-x86 \"lab-fds\" (process {pid})", own.trim()),
    )?;
    job.signal(15, false)?;
    job.wait()?;
    given_back(lab, &["nvme1"])?;
    settled(lab, &before)?;
    Ok(Outcome::Passed)
}

fn script(lab: &Lab) -> Result<Outcome> {
    if let Some(why) = missing(lab)? {
        return Ok(Outcome::Skipped(why.into()));
    }
    let device = lab.address("nvme1")?.to_string();
    let script = r#"id -u; for n in $(echo "$PASSTHRU_QEMU_ARGS" | grep -o 'fd=[0-9]*'); do
        readlink /proc/self/fd/${n#fd=}; done; echo "$PASSTHRU_QEMU_ARGS""#;
    let options = ["--iommufd", "-d", &device, "--memlock", "2G", "--", "sh", "-c", script];
    let output = sudo(lab, &options)?.run()?.ok()?;
    let out = output.out();
    let mut lines = out.lines();
    ensure!(lines.next() == Some("4242"), "{output}");
    ensure!(lines.next() == Some("/dev/iommu"), "{output}");
    ensure!(lines.next().is_some_and(|line| line.starts_with("/dev/vfio/devices/vfio")), "{output}");
    says(&output, "-object iommufd,id=passthru-iommufd,fd=")?;
    given_back(lab, &["nvme1"])?;
    Ok(Outcome::Passed)
}

/// What iommufd pins is counted for each machine, and not for the user: it is in the process's own
/// locked memory.
fn counted(lab: &Lab) -> Result<Outcome> {
    if let Some(why) = missing(lab)? {
        return Ok(Outcome::Skipped(why.into()));
    }
    let device = lab.address("nvme1")?.to_string();
    let options = ["--iommufd", "-d", &device, "--", "qemu-system-x86_64", "-S", "-name", "lab-counted"];
    let machine = sudo(lab, &options)?.args(l2()).start()?;
    let status = "/proc/$(pgrep -u 4242 -f 'qemu-system-x86_64.*lab-counted')/status";
    // All of the guest's 128 MiB.
    let all = |what: &str| {
        format!("[ $(sed -n 's/^{what}:[^0-9]*\\([0-9]*\\) kB/\\1/p' {status} || echo 0) -ge 131072 ]")
    };
    lab.wait_until(&all("VmPin"))?;
    ensure!(
        lab.sh(&format!("{} && echo yes || true", all("VmLck")))?.trim() == "yes",
        "counted for the user"
    );
    machine.signal(15, false)?;
    machine.wait()?;
    given_back(lab, &["nvme1"])?;
    Ok(Outcome::Passed)
}
