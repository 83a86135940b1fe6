//! The checks on stored hosts: each fires on one and does not on another.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test that lists the stored hosts")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use passthru_host::source;
use passthru_model::{Records, Snapshot, Verdict, Wants};
use passthru_plan::checks::{Ask, Host, all, run};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hosts")
}

/// A host, with leases and what is stuck there.
fn read(capture: &Path) -> (Snapshot, Records) {
    let source = source::open(&capture.to_string_lossy()).expect("a capture");
    let snapshot = passthru_host::snapshot(&*source, &Wants::all()).expect("a host");
    (snapshot, passthru_apply::books::records(&*source).unwrap_or_default())
}

/// What is said of a host, as `ID` or `ID DEVICE`: what was found, and what could not be looked at.
fn said(host: &str, devices: &[&str]) -> (Vec<String>, Vec<String>) {
    let named: Vec<_> = devices.iter().map(|d| d.parse().expect("an address")).collect();
    let (snapshot, records) = read(&fixtures().join(host).join("host.capture"));
    let judged = run(&Host::new(&snapshot, &records), Some(&named));
    let ours = [
        "iommu-firmware",
        "iommu-kernel",
        "interrupt-remapping",
        "unsafe-interrupts",
        "address-width",
        "firmware-regions",
        "lockdown",
        "no-iommu",
    ];
    let (mut found, mut blind) = (Vec::new(), Vec::new());
    for one in judged.iter().filter(|one| ours.contains(&one.id)) {
        let name = one.device.map_or_else(|| one.id.to_owned(), |d| format!("{} {}", one.id, d.short()));
        match one.verdict {
            Verdict::Found(_) => found.push(name),
            Verdict::CouldNotLook(_) => blind.push(name),
            _ => {}
        }
    }
    (found, blind)
}

/// Checks that no stored host can fire. `not-seen` finds nothing: it says what nobody could look
/// at. A capture cannot ask QEMU, which `qemu-vfio` does.
const NOWHERE: [&str; 2] = ["not-seen", "qemu-vfio"];

/// Every check, on all stored hosts, about the host, each of its devices alone, and all together.
#[test]
fn every_check_fires_somewhere_and_not_everywhere() {
    let (mut fired, mut quiet) = (BTreeSet::new(), BTreeSet::new());
    for entry in fs::read_dir(fixtures()).expect("the stored hosts") {
        let capture = entry.expect("a host").path().join("host.capture");
        let (snapshot, records) = read(&capture);
        let host = Host::new(&snapshot, &records);
        let devices: Vec<_> = snapshot.devices.iter().map(|device| device.address).collect();
        let alone = devices.iter().map(|device| Some(std::slice::from_ref(device)));
        for named in alone.chain([None, Some(&devices[..])]) {
            for one in run(&host, named) {
                match one.verdict {
                    Verdict::Found(_) => fired.insert(one.id),
                    Verdict::Pass(_) | Verdict::NotApplicable(_) => quiet.insert(one.id),
                    _ => false,
                };
            }
        }
    }
    let asked: BTreeSet<_> =
        all().filter(|check| !matches!(check.ask, Ask::Never)).map(|check| check.id).collect();
    let missing: Vec<_> = asked.difference(&fired).copied().collect();
    assert_eq!(missing, NOWHERE, "fire nowhere");
    let loud: Vec<_> = asked.difference(&quiet).filter(|id| !NOWHERE.contains(id)).collect();
    assert!(loud.is_empty(), "{loud:?} fire everywhere");
}

#[test]
fn those_of_the_iommu_fire_and_do_not() {
    let none: &[&str] = &[];
    for (host, devices, found, blind) in [
        ("no-iommu", &["0000:02:00.0"][..], &["iommu-firmware"][..], none),
        ("iommu-off", &["0000:02:00.0"], &["iommu-kernel"], none),
        ("gt630-desktop", &["0000:01:00.0"], none, none),
        ("connectx3-server", &["0000:83:00.0"], &["unsafe-interrupts"], none),
        ("btrfs-two-disks", none, &["interrupt-remapping"], none),
        ("busy", none, &["address-width"], none),
        ("vmd", none, &["lockdown"], none),
        (
            "proliant",
            &["0000:02:00.0", "0000:07:00.0", "0000:0a:00.0"],
            &["iommu-kernel", "firmware-regions 02:00.0", "firmware-regions 0a:00.0"],
            none,
        ),
        ("amd-laptop", &["0000:02:00.0"], none, none),
        ("without-root", &["0000:02:00.0"], none, none),
        ("garbage", &["0000:00:04.0"], none, &["interrupt-remapping", "address-width", "lockdown"]),
    ] {
        assert_eq!(
            said(host, devices),
            (
                found.iter().map(ToString::to_string).collect(),
                blind.iter().map(ToString::to_string).collect()
            ),
            "{host}"
        );
    }
}
