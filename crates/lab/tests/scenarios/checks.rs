//! `check` where something keeps a device from being lent: it names the cause before anything
//! else, `run` fails and says that reason last, and where no reboot is part of the remedy, its
//! commands as they are printed make `run` work.

use anyhow::{Context, Result, ensure};
use passthru_lab::agent::{Cmd, Output};
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};
use passthru_lab::variants::Variant;
use serde_json::Value;

use crate::guests::{self, NAME, UID};
use crate::support::{
    expect_booted, expect_driver, expect_unchanged, held, json, l2, says, scenario, settled, wait_for_disk,
};

pub(crate) const ALL: &[Scenario] = &[
    scenario("check/nothing is wrong", nothing_wrong),
    scenario("check/a companion on a host driver", companion),
    scenario("check/held by another machine", held_elsewhere),
    scenario("check/a limit of locked memory below the guest's", locked_memory),
    scenario("check/--memlock below the guest's memory", memlock),
    scenario("check/the kernel's VFIO modules are missing", without_modules),
];

/// On hosts of their own.
pub(crate) const ELSEWHERE: &[(Variant, &[Scenario])] = &[
    (Variant::WithoutIommu, &[scenario("check/no IOMMU in the machine", without_iommu)]),
    (Variant::IommuOff, &[scenario("check/intel_iommu=off", iommu_off)]),
    (Variant::WithoutRemapping, &[scenario("check/VT-d without interrupt remapping", without_remapping)]),
    (Variant::VirtioIommu, &[scenario("check/virtio-iommu", without_remapping)]),
];

/// A finding of severity error or warning.
struct Cause {
    id: String,
    severity: String,
    /// `now`, `reboot` or another.
    when: String,
    text: String,
    commands: Vec<String>,
}

/// What is found and no mere note, in the order in which it is said.
fn causes(output: &Output) -> Result<Vec<Cause>> {
    let value = json(output)?;
    let checks = value["checks"].as_array().with_context(|| format!("no checks:\n{output}"))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut causes = Vec::new();
    for check in checks {
        let findings = check["findings"].as_array().into_iter().flatten();
        for finding in findings.filter(|finding| finding["severity"] != "note") {
            let remedy = &finding["remedy"];
            let commands = remedy["commands"].as_array().into_iter().flatten();
            causes.push(Cause {
                id: text(&check["id"]),
                severity: text(&finding["severity"]),
                when: text(&remedy["when"]),
                text: text(&remedy["text"]),
                commands: commands.map(text).collect(),
            });
        }
    }
    causes.sort_by_key(|cause| cause.severity != "error");
    Ok(causes)
}

/// Fails unless `check` names this error before all others, in JSON and in words.
fn first_cause(lab: &Lab, device: &str, id: &str) -> Result<Cause> {
    let output = lab.passthru(["check", device, "--json"]).run()?;
    let causes = causes(&output)?;
    let found: Vec<_> = causes.iter().map(|cause| (&cause.id, &cause.severity)).collect();
    ensure!(output.code() == Some(1), "exit code {:?}, found are {found:?}", output.code());
    let first = causes.first().filter(|cause| cause.id == id && cause.severity == "error");
    ensure!(first.is_some(), "the first cause is not {id}, found are {found:?}");
    says(&lab.passthru(["check", device]).run()?.expect_code(1)?, id)?;
    causes.into_iter().next().context("no cause")
}

/// Fails unless `check` warns of this, among whatever else it warns of, and finds no error.
fn warned_of(lab: &Lab, device: &str, id: &str) -> Result<Cause> {
    let causes = causes(&lab.passthru(["check", device, "--json"]).ok()?)?;
    let cause = causes.into_iter().find(|cause| cause.id == id && cause.severity == "warning");
    cause.with_context(|| format!("{id} is no warning"))
}

/// Fails unless QEMU failed, and the last line names this reason.
fn fails(output: Output, id: &str) -> Result<Output> {
    fails_with(output, 1, id)
}

/// [`fails`], with this exit code.
fn fails_with(output: Output, code: i32, id: &str) -> Result<Output> {
    let output = output.expect_code(code)?;
    let said = output.err();
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    ensure!(last.contains(id), "the last line does not name {id}:\n{output}");
    Ok(output)
}

/// Fails unless `run` was refused before the start for this reason, in these words.
fn refused(output: Output, reason: &str, words: &str) -> Result<()> {
    let output = output.expect_code(125)?;
    for text in [&format!("[{reason}]"), words] {
        says(&output, text)?;
    }
    Ok(())
}

/// Does what the remedy says, to the letter.
fn follow(lab: &Lab, cause: &Cause) -> Result<()> {
    ensure!(cause.when == "now", "{} is remedied {}, not now", cause.id, cause.when);
    ensure!(!cause.commands.is_empty(), "no commands for {}, only: {}", cause.id, cause.text);
    for command in &cause.commands {
        lab.script(command).ok().with_context(|| format!("the remedy of {}", cause.id))?;
    }
    Ok(())
}

/// `passthru run` of the second VM, with the device.
fn run<'a>(lab: &'a Lab, options: &[&str], device: &str) -> Cmd<'a> {
    let command = lab.passthru(["run"]).args(options.iter().copied()).args(["-d", device, "--"]);
    command.arg("qemu-system-x86_64").args(l2())
}

fn nothing_wrong(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let before = lab.state()?;
    let output = lab.passthru(["check", &device, "--json"]).run()?;
    let value = json(&output)?;
    let sentence = &value["devices"][0];
    ensure!(sentence["state"] == "now" && output.code() == Some(0), "not ready: {sentence:#}");
    says(&lab.passthru(["check", &device]).ok()?, "can be lent now")?;
    lab.passthru(["check"]).ok()?;
    expect_unchanged(lab, &before)?;
    Ok(Outcome::Passed)
}

/// The companion gets a driver that is no VFIO driver.
fn companion(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("edu")?.to_string();
    let other = lab.address("testdev")?.to_string();
    let before = lab.state()?;
    lab.sh(&format!(
        "modprobe uio_pci_generic; cd /sys/bus/pci/devices/{other}; \
         echo uio_pci_generic > driver_override; echo {other} > /sys/bus/pci/drivers_probe"
    ))?;
    expect_driver(lab, &other, "uio_pci_generic")?;
    let seen = (|| {
        // It can be lent, with its group: no error.
        let cause = warned_of(lab, &device, "companions")?;
        says(&lab.passthru(["check", &device]).run()?, "can be lent now together with")?;
        refused(run(lab, &[], &device).run()?, "companions", "--with-group")?;
        // The remedy is an option of the verb itself.
        let option = "--with-group";
        let said = cause.commands.iter().chain([&cause.text]).any(|line| line.contains(option));
        ensure!(said, "the remedy does not say {option}: {} {:?}", cause.text, cause.commands);
        // VFIO takes the group, QEMU the device; then it is told to end.
        let line = "-M q35 -accel tcg -m 128 -nodefaults -display none -S -monitor stdio";
        let with_group = ["run", option, "-d", &device, "--", "qemu-system-x86_64"];
        let vm = lab.passthru(with_group).args(line.split(' ')).args(["-name", "group"]);
        let output = vm.stdin("info qtree\nquit\n").run()?.ok()?;
        ensure!(output.out().contains("dev: vfio-pci"), "the guest has no such device:\n{output}");
        expect_driver(lab, &other, "uio_pci_generic")
    })();
    lab.sh(&format!(
        "cd /sys/bus/pci/devices/{other}; echo > driver_override; echo {other} > driver/unbind; \
         modprobe -r uio_pci_generic"
    ))?;
    seen?;
    settled(lab, &before)?;
    Ok(Outcome::Passed)
}

fn held_elsewhere(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    lab.passthru(["bind", &device]).ok()?;
    let vm = held(lab, &device, "guest=the-other-one,debug-threads=on")?;
    let seen = first_cause(lab, &device, "held").and_then(|cause| {
        refused(run(lab, &[], &device).run()?, "held", "the-other-one")?;
        Ok(cause)
    });
    // The remedy is to stop that machine.
    let followed = match &seen {
        Ok(cause) if !cause.commands.is_empty() => follow(lab, cause),
        _ => vm.signal(15, false),
    };
    if followed.is_err() {
        vm.signal(15, false)?;
    }
    vm.wait()?;
    let works = run(lab, &[], &device).run();
    lab.passthru(["release", &device]).ok()?;
    wait_for_disk(lab, "nvme1")?;
    let cause = seen?;
    ensure!(cause.text.contains("stop"), "the remedy is another: {}", cause.text);
    followed?;
    expect_booted(works?)?;
    Ok(Outcome::Passed)
}

/// Somebody without rights, whose limit is 64 KiB, with a device that was bound for them.
fn locked_memory(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    guests::user(lab)?;
    let with_limit = |kib: &str, words: &[&str]| {
        let line = format!(
            "ulimit -l {kib}; exec setpriv --reuid {UID} --regid {UID} --clear-groups passthru \"$@\""
        );
        lab.command(["sh", "-c", &line, "sh"]).args(words.iter().copied())
    };
    let vm = ["run", "-d", &device, "--", "qemu-system-x86_64"];
    let vm: Vec<&str> = vm.into_iter().chain(l2()).collect();
    lab.passthru(["bind", &device, "--user", NAME]).ok()?;
    let seen = (|| {
        // Which guest is not known to `check`: a warning, and no error.
        let output = with_limit("64", &["check", &device, "--json"]).ok()?;
        let cause = causes(&output)?.into_iter().find(|cause| cause.id == "locked-memory");
        let cause = cause.context("locked-memory is not found")?;
        ensure!(cause.text.contains("sudo passthru run"), "another remedy: {}", cause.text);
        // `run` knows the guest, and does not start it.
        says(&with_limit("64", &vm).run()?.expect_code(125)?, "limit of locked memory")?;
        let options = ["-d", &device, "--", "qemu-system-x86_64"];
        expect_booted(guests::sudo(lab, &options)?.args(l2()).run()?)
    })();
    lab.passthru(["release", &device]).ok()?;
    wait_for_disk(lab, "nvme1")?;
    seen?;
    Ok(Outcome::Passed)
}

/// passthru sets the limit it was told, which is too low; QEMU says so in its own words.
fn memlock(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let before = lab.state()?;
    let with = |memlock: &str| -> Result<Output> {
        let options = ["--memlock", memlock, "-d", &device, "--", "qemu-system-x86_64"];
        guests::sudo(lab, &options)?.args(l2()).run()
    };
    fails(with("16M")?, "locked-memory")?;
    wait_for_disk(lab, "nvme1")?;
    expect_booted(with("2G")?)?;
    wait_for_disk(lab, "nvme1")?;
    settled(lab, &before)?;
    Ok(Outcome::Passed)
}

/// A kernel package without its VFIO modules: the modules directory is covered by one that has
/// only what is loaded now, indexed by `depmod`. The package manager, which has nothing to ask
/// here, is played by a script that brings the modules back.
fn without_modules(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    lab.sh("for m in vfio_pci vfio_pci_core vfio_iommu_type1 vfio_virqfd vfio; do \
           ! grep -q ^$m\\  /proc/modules || modprobe -r $m; done; \
         release=$(uname -r); modules=/lib/modules/$release; cover=/run/lab/modules; \
         mkdir -p $cover; cd $modules; cp modules.builtin* modules.order $cover; \
         cut -d ' ' -f 1 /proc/modules | xargs modinfo -k $release -F filename | \
           sed \"s,^.*/lib/modules/$release/,,\" | xargs -I% cp --parents % $cover; \
         mount --bind $cover $modules; depmod $release; \
         for name in apt apt-get; do { echo '#!/bin/sh'; echo \"echo \\\"\\$*\\\" >> /run/lab/installed\"; \
           echo \"umount $modules\"; } > /usr/local/bin/$name; chmod +x /usr/local/bin/$name; done")?;
    let seen = (|| {
        let cause = first_cause(lab, &device, "vfio-modules")?;
        fails_with(run(lab, &[], &device).run()?, 125, "vfio-modules")?;
        follow(lab, &cause)?;
        let asked = lab.sh("cat /run/lab/installed")?;
        ensure!(asked.contains("linux-"), "the package manager was asked for: {asked}");
        expect_booted(run(lab, &[], &device).run()?)?;
        wait_for_disk(lab, "nvme1")
    })();
    lab.sh("umount /lib/modules/$(uname -r) 2>/dev/null || true; \
         rm -rf /run/lab/modules /run/lab/installed /usr/local/bin/apt /usr/local/bin/apt-get")?;
    seen?;
    Ok(Outcome::Passed)
}

/// Fails unless the machine is what the scenario is about.
fn expect_groups(lab: &Lab, groups: bool, table: Option<&str>) -> Result<()> {
    let count = lab.sh("ls /sys/kernel/iommu_groups | wc -l")?;
    ensure!((count != "0") == groups, "{count} IOMMU groups");
    let tables = lab.sh("cd /sys/firmware/acpi/tables; ls -d DMAR IVRS VIOT 2>/dev/null || true")?;
    ensure!(tables == table.unwrap_or_default(), "the firmware's tables are {tables:?}");
    Ok(())
}

/// Where only another boot helps: the cause, the refusal, and nothing changed.
fn until_reboot(lab: &Lab, id: &str, words: &str) -> Result<Cause> {
    let device = lab.address("nvme1")?.to_string();
    let before = lab.state()?;
    let cause = first_cause(lab, &device, id)?;
    refused(run(lab, &[], &device).run()?, "no-iommu", words)?;
    expect_unchanged(lab, &before)?;
    Ok(cause)
}

fn without_iommu(lab: &Lab) -> Result<Outcome> {
    expect_groups(lab, false, None)?;
    let cause = until_reboot(lab, "iommu-firmware", "the firmware has no tables")?;
    ensure!(cause.when == "firmware", "remedied {}: {}", cause.when, cause.text);
    Ok(Outcome::Passed)
}

fn iommu_off(lab: &Lab) -> Result<Outcome> {
    expect_groups(lab, false, Some("DMAR"))?;
    let cause = until_reboot(lab, "iommu-kernel", "no unit is at work in the kernel")?;
    ensure!(cause.when == "reboot", "remedied {}: {}", cause.when, cause.text);
    // Without a boot loader that is recognised there are no commands.
    let said = cause.commands.iter().chain([&cause.text]).any(|line| line.contains("intel_iommu"));
    ensure!(said, "nothing about intel_iommu in: {} {:?}", cause.text, cause.commands);
    Ok(Outcome::Passed)
}

/// VFIO refuses until it is told that interrupts need not be remapped.
fn without_remapping(lab: &Lab) -> Result<Outcome> {
    let virtio = lab.machine().iommu == passthru_lab::machine::Iommu::Virtio;
    expect_groups(lab, true, Some(if virtio { "VIOT" } else { "DMAR" }))?;
    let device = lab.address("nvme1")?.to_string();
    let before = lab.state()?;
    let cause = first_cause(lab, &device, "interrupt-remapping")?;
    fails(run(lab, &[], &device).run()?, "interrupt-remapping")?;
    wait_for_disk(lab, "nvme1")?;
    follow(lab, &cause)?;
    let output = lab.passthru(["check", &device, "--json"]).run()?;
    let errors = causes(&output)?.into_iter().filter(|cause| cause.severity == "error");
    let errors: Vec<String> = errors.map(|cause| cause.id).collect();
    ensure!(errors.is_empty(), "after the remedy it still finds {errors:?}");
    expect_booted(run(lab, &[], &device).run()?)?;
    wait_for_disk(lab, "nvme1")?;
    settled(lab, &before)?;
    Ok(Outcome::Passed)
}
