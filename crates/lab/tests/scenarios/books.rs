//! A `/run/passthru` that is full or read-only: a clear message, and nothing lost.

use anyhow::{Context, Result, ensure};
use passthru_lab::agent::Output;
use passthru_lab::host::Lab;
use passthru_lab::protocol::State;
use passthru_lab::scenario::{Outcome, Scenario};

use crate::support::{expect_unchanged, says, scenario, settled, settled_but, wait_for_disk};

pub(crate) const ALL: &[Scenario] = &[
    scenario("books/a full /run", |lab| clean(lab, full)),
    scenario("books/a /run that fills up while the guest runs", |lab| clean(lab, fills_up)),
    scenario("books/a read-only /run", |lab| clean(lab, read_only)),
];

/// Whatever comes of it, the small file system goes.
fn clean(lab: &Lab, run: fn(&Lab) -> Result<Outcome>) -> Result<Outcome> {
    let outcome = run(lab);
    let device = lab.address("nvme1")?;
    lab.sh(&format!(
        "! mountpoint -q /run/passthru || {{ mount -o remount,rw /run/passthru; rm -f /run/passthru/filler; \
         passthru recover; passthru release {device}; umount /run/passthru; }}"
    ))?;
    outcome
}

/// More pages than the lock, a lease, a record and the journal need.
const PAGES: u32 = 7;

/// A file system of its own for the books, with a file that leaves so many pages free.
fn small(lab: &Lab, free: u32) -> Result<()> {
    lab.sh("mkdir -p /run/passthru; mountpoint -q /run/passthru || \
         mount -t tmpfs -o mode=0755,size=256k small /run/passthru")?;
    fill(lab, free)
}

fn fill(lab: &Lab, free: u32) -> Result<()> {
    lab.sh(&format!(
        "cd /run/passthru; dd if=/dev/zero of=filler bs=4096 2> /dev/null || :; \
         pages=$(($(stat -c %s filler) / 4096 - {free})); truncate -s $((pages * 4096)) filler"
    ))?;
    Ok(())
}

fn make_room(lab: &Lab) -> Result<()> {
    lab.sh("rm -f /run/passthru/filler")?;
    Ok(())
}

/// The whole state without the filler, which is none of ours.
fn state(lab: &Lab) -> Result<State> {
    let mut state = lab.state()?;
    state.retain(|key, _| !filler(key));
    Ok(state)
}

fn filler(key: &str) -> bool {
    key.ends_with("/filler")
}

fn same(lab: &Lab, before: &State, output: &Output) -> Result<()> {
    settled_but(lab, before, filler).with_context(|| output.to_string())
}

/// Each number of free pages, until it is enough.
fn full(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    lab.sh("modprobe vfio-pci")?;
    let whole = lab.state()?;
    let mut failed = [0; 3];
    for free in 0..PAGES {
        let context = || format!("{free} pages free");
        small(lab, free)?;
        let before = state(lab)?;
        let output = lab.passthru(["bind", &device]).run()?;
        if output.code() == Some(0) {
            lab.passthru(["release", &device]).run()?;
        } else {
            failed[0] += 1;
            no_room(&output, 4).with_context(context)?;
        }
        make_room(lab)?;
        lab.passthru(["recover"]).ok()?;
        lab.passthru(["release", &device]).run()?;
        wait_for_disk(lab, "nvme1")?;
        same(lab, &before, &output).with_context(context)?;

        let started = ["run", "-d", &device, "--", "sh", "-c", "echo the program started"];
        fill(lab, free)?;
        let output = lab.passthru(started).run()?;
        if output.code() != Some(0) {
            failed[1] += 1;
            let late = output.out().contains("the program started");
            no_room(&output, if late { 124 } else { 125 }).with_context(context)?;
        }
        make_room(lab)?;
        lab.passthru(["recover"]).ok()?;
        wait_for_disk(lab, "nvme1")?;
        same(lab, &before, &output).with_context(context)?;

        lab.passthru(["bind", &device]).ok()?;
        let bound = state(lab)?;
        fill(lab, free)?;
        let output = lab.passthru(["release", &device]).run()?;
        if output.code() != Some(0) {
            failed[2] += 1;
            no_room(&output, 4).with_context(context)?;
            make_room(lab)?;
            same(lab, &bound, &output).with_context(context)?;
            lab.passthru(["release", &device]).ok()?;
        }
        wait_for_disk(lab, "nvme1")?;
        lab.sh("umount /run/passthru")?;
        same(lab, &whole, &output).with_context(context)?;
    }
    let [bind, run, release] = failed;
    println!("books: full: of {PAGES} degrees bind failed at {bind}, run at {run}, release at {release}");
    ensure!(bind > 0 && run > 0 && release > 0, "it was never full");
    Ok(Outcome::Passed)
}

fn no_room(output: &Output, code: i32) -> Result<()> {
    ensure!(output.code() == Some(code), "expected exit code {code}:\n{output}");
    says(output, "no space left")
}

/// The device comes back as soon as somebody can write down that it does.
fn fills_up(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    lab.sh("modprobe vfio-pci")?;
    let whole = lab.state()?;
    small(lab, 60)?;
    make_room(lab)?;
    let before = state(lab)?;
    let program = "dd if=/dev/zero of=/run/passthru/filler bs=4096 2> /dev/null; echo ended";
    let output = lab.passthru(["run", "-d", &device, "--", "sh", "-c", program]).run()?;
    says(&output, "ended")?;
    if output.code() != Some(0) {
        no_room(&output, 124)?;
        says(&output, &device)?;
    }
    make_room(lab)?;
    let recovered = lab.passthru(["recover"]).ok()?;
    if output.code() != Some(0) {
        says(&recovered, &device)?;
    }
    wait_for_disk(lab, "nvme1")?;
    same(lab, &before, &recovered)?;
    lab.sh("umount /run/passthru")?;
    settled(lab, &whole)?;
    Ok(Outcome::Passed)
}

fn read_only(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    lab.sh("modprobe vfio-pci")?;
    let whole = lab.state()?;
    // Empty, as on a host where it was never used; then with the directories there.
    for prepare in ["true", "passthru bind $d; passthru release $d"] {
        small(lab, 60)?;
        make_room(lab)?;
        lab.sh(&format!("d={device}; {prepare}; mount -o remount,ro /run/passthru"))?;
        wait_for_disk(lab, "nvme1")?;
        let before = lab.state()?;
        let output = lab.passthru(["bind", &device]).run()?.expect_code(4)?;
        says(&output, "read-only")?;
        let output = lab.passthru(["run", "-d", &device, "--", "echo", "started"]).run()?.expect_code(125)?;
        says(&output, "read-only")?;
        ensure!(!output.out().contains("started"), "it was started:\n{output}");
        expect_unchanged(lab, &before)?;
        lab.sh("umount /run/passthru")?;
    }
    small(lab, 60)?;
    make_room(lab)?;
    lab.passthru(["bind", &device]).ok()?;
    lab.sh("mount -o remount,ro /run/passthru")?;
    let bound = lab.state()?;
    let output = lab.passthru(["release", &device]).run()?.expect_code(4)?;
    says(&output, "read-only")?;
    expect_unchanged(lab, &bound)?;
    lab.sh("mount -o remount,rw /run/passthru")?;
    lab.passthru(["release", &device]).ok()?;
    wait_for_disk(lab, "nvme1")?;
    lab.sh("umount /run/passthru")?;
    settled(lab, &whole)?;
    Ok(Outcome::Passed)
}
