//! What the tables say of a device.

use passthru_formats::Errno;
use passthru_model::{Fact, Group, ReservedRegion, Snapshot, Verdict};
use passthru_testkit::acpi::machines::{self, amd_all_buses, amd_two_regions, intel_laptop, proliant};

use super::{amd_host, ask, blind, device, host, intel, off};
use crate::firmware::covered;

/// The host with this table and these devices instead, the IOMMU off; the last is asked about.
fn regions(mut snapshot: Snapshot, devices: &[(&str, Option<&str>, u32)]) -> Verdict {
    snapshot.devices = devices.iter().map(|(a, parent, class)| device(a, *parent, *class)).collect();
    snapshot.iommu_units = Fact::Known(vec![]);
    ask(&snapshot, "firmware-regions")
}

#[test]
fn regions_of_dmar() {
    let with = |table: fn() -> Vec<u8>| {
        let mut host = off("ro");
        host.system.firmware.dmar = intel(&table());
        host
    };
    // Kept for the USB controller and the graphics of every laptop, and given up.
    for (address, class) in [("0000:00:14.0", 0x0c_0330), ("0000:00:02.0", 0x03_0000)] {
        let Verdict::Pass(why) = regions(with(intel_laptop), &[(address, None, class)]) else {
            panic!("{address}")
        };
        assert!(why.contains("given up"), "{why}");
    }
    // The same function, were it something else.
    assert!(matches!(regions(with(intel_laptop), &[("0000:00:14.0", None, 0x02_0000)]), Verdict::Found(_)));
    // Behind a bridge whose bus the table does not name: 00:1c.4 → 00.0.
    let behind = [("0000:00:1c.4", None, 0x06_0400), ("0000:02:00.0", Some("0000:00:1c.4"), 0x08_8000)];
    let Verdict::Found(findings) = regions(with(proliant), &behind) else { panic!() };
    let shown: Vec<_> = findings[0].evidence.iter().map(|e| e.value.as_str()).collect();
    assert_eq!(
        shown,
        ["0xcf000000-0xcf005fff for 00:1c.4 → 00.0", "0xcee00000-0xcee1ffff for 00:1c.4 → 00.0"]
    );
    // Another port, and a function further down.
    let other = [("0000:00:1c.0", None, 0x06_0400), ("0000:02:00.0", Some("0000:00:1c.0"), 0x08_8000)];
    assert!(matches!(regions(with(proliant), &other), Verdict::Pass(_)));
    let deeper = [
        behind[0],
        ("0000:02:00.0", Some("0000:00:1c.4"), 0x06_0400),
        ("0000:03:00.0", Some("0000:02:00.0"), 0x02_0000),
    ];
    assert!(matches!(regions(with(proliant), &deeper), Verdict::Pass(_)));
    // Another domain.
    assert!(matches!(regions(with(intel_laptop), &[("0001:00:14.0", None, 0x02_0000)]), Verdict::Pass(_)));
    // Named by its own bus, which the kernel takes too.
    let odd = [("0000:00:1c.0", None, 0x06_0400), ("0000:11:00.0", Some("0000:00:1c.0"), 0x01_0601)];
    assert!(matches!(regions(with(machines::intel_odd_scope), &odd), Verdict::Found(_)));
}

#[test]
fn regions_of_ivrs() {
    let with = |table: fn() -> Vec<u8>, address| regions(amd_host(&table()), &[(address, None, 0x01_0802)]);
    let Verdict::Found(findings) = with(amd_all_buses, "0000:01:00.0") else { panic!() };
    assert_eq!(findings[0].evidence[0].value, "0x8a100000-0x8a100000 for 00:00.0 to 0f:1f.7");
    assert!(findings[0].remedy.text.ends_with("another slot does not help"));
    assert!(matches!(with(amd_all_buses, "0000:10:00.0"), Verdict::Pass(_)));
    let Verdict::Found(findings) = with(amd_two_regions, "0000:c4:00.7") else { panic!() };
    assert_eq!(findings[0].evidence[0].value, "0x6a800000-0x6a81ffff for c4:00.7");
    assert!(matches!(with(amd_two_regions, "0000:c4:00.6"), Verdict::Pass(_)));
}

#[test]
fn regions_that_nobody_can_see() {
    let mut host = off("ro");
    host.system.firmware.dmar = Fact::Unreadable(Errno::EACCES);
    assert_eq!(
        blind(&host, "firmware-regions"),
        "/sys/firmware/acpi/tables/DMAR: EACCES (permission denied) (needs root)"
    );
    host.system.firmware.dmar = Fact::Malformed("DMAR: its bytes add up to 0x03".into());
    assert!(blind(&host, "firmware-regions").contains("add up"));
    // The kernel knows better once it is at work.
    host.devices[0].group = Fact::Known(1);
    let region = ReservedRegion { start: 0xfee0_0000, end: 0xfeef_ffff, kind: "msi".into() };
    host.groups.insert(1, Group { reserved: Fact::Known(vec![region]), ..Group::default() });
    assert!(matches!(ask(&host, "firmware-regions"), Verdict::NotApplicable(_)));
}

#[test]
fn who_is_covered() {
    let mut host = host();
    assert_eq!(covered(&host, &host.devices[0]), Some(true));
    let Fact::Known(dmar) = &mut host.system.firmware.dmar else { panic!() };
    dmar.units.pop();
    assert_eq!(covered(&host, &host.devices[0]), Some(false));
    assert_eq!(covered(&host, &device("0000:00:02.0", None, 0x03_0000)), Some(true));
    assert_eq!(covered(&host, &device("10000:01:00.0", None, 0x01_0802)), None);
    host.system.firmware.dmar = Fact::Unreadable(Errno::EACCES);
    assert_eq!(covered(&host, &host.devices[0]), None);
    let amd = amd_host(&machines::amd_desktop());
    assert_eq!(covered(&amd, &amd.devices[0]), Some(true));
}

/// The reasons of `bind` name the cause where the tables were read.
#[test]
fn left_out() {
    let mut host = host();
    host.devices = vec![device("0000:00:02.0", None, 0x03_0000)];
    let evidence = |host: &Snapshot| crate::lending::iommu_refusal(host, &host.devices[0]).unwrap().evidence;
    assert_eq!(evidence(&host), "it is in no IOMMU group although an IOMMU is at work");
    host.command_line = Fact::Known("ro quiet".into());
    assert!(evidence(&host).contains("Debian's kernels leave the integrated graphics out"));
    host.command_line = Fact::Known("intel_iommu=on,igfx_off".into());
    assert!(evidence(&host).contains("igfx_off"));
    host.devices = vec![device("0000:01:00.0", None, 0x01_0802)];
    let Fact::Known(dmar) = &mut host.system.firmware.dmar else { panic!() };
    dmar.units.pop();
    assert!(evidence(&host).contains("the firmware's table gives this device none"));
}
