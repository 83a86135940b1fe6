//! The checks of the IOMMU on captured hosts: each fires on one and does not on another.

use std::path::Path;

use passthru_host::source;
use passthru_model::{Records, Verdict, Wants};
use passthru_plan::checks::{Host, run};

/// What is said of a host, as `ID` or `ID DEVICE`: what was found, and what could not be looked at.
fn said(host: &str, devices: &[&str]) -> (Vec<String>, Vec<String>) {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hosts").join(host).join("host.capture");
    let source = source::open(&file.to_string_lossy()).expect("a capture");
    let snapshot = passthru_host::snapshot(&*source, &Wants::all()).expect("a host");
    let named: Vec<_> = devices.iter().map(|d| d.parse().expect("an address")).collect();
    let judged = run(&Host::new(&snapshot, &Records::default()), Some(&named));
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

#[test]
fn each_fires_and_does_not() {
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
