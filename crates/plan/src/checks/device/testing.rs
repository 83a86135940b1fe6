//! Hosts made by hand for the tests of these checks.

use passthru_formats::config_space::{self, ConfigSpace};
use passthru_formats::pci_ids::Names;
use passthru_model::{
    Detail, Device, Fact, Finding, Group, Records, Rights, Snapshot, SourceKind, System, Usage, Verdict,
};
use passthru_pci::{Address, Class};

use crate::checks::Host;

fn address(short: &str) -> Address {
    format!("0000:{short}").parse().unwrap()
}

/// A device on no driver in group 1, below a port unless it is on bus 0.
pub(super) fn device(short: &str, id: &str, class: u32) -> Device {
    Device {
        address: address(short),
        path: format!("/sys/devices/pci0000:00/0000:{short}"),
        parent: (!short.starts_with("00:")).then(|| address("00:01.0")),
        id: Fact::Known(id.parse().unwrap()),
        subsystem: Fact::Absent,
        class: Fact::Known(Class::new(class)),
        revision: Fact::Known(0),
        driver: Fact::Absent,
        modalias: Fact::Absent,
        group: Fact::Known(1),
        physical_function: Fact::Absent,
        boot_vga: Fact::Absent,
        detail: Some(Box::new(Detail {
            power_state: Fact::Known("D0".into()),
            config: Fact::Known(config_of(&[], |bytes| bytes.truncate(64))),
            ..Detail::default()
        })),
    }
}

/// Configuration space of 256 bytes with these capabilities.
pub(super) fn config(capabilities: &[u8]) -> ConfigSpace {
    config_of(capabilities, |_| ())
}

/// The same, changed.
pub(super) fn config_of(capabilities: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> ConfigSpace {
    let mut bytes = vec![0; 256];
    bytes[..4].copy_from_slice(&[0x86, 0x80, 0x33, 0x15]);
    if !capabilities.is_empty() {
        bytes[6] = 0x10;
        bytes[0x34] = 0x40;
    }
    for (i, id) in capabilities.iter().enumerate() {
        let at = 0x40 + i * 0x20;
        bytes[at] = *id;
        bytes[at + 1] = if i + 1 < capabilities.len() { (at + 0x20) as u8 } else { 0 };
    }
    change(&mut bytes);
    config_space::parse(&bytes).unwrap()
}

/// A host with these devices, on Linux 6.1.
pub(super) fn snapshot(devices: &[Device]) -> Snapshot {
    let members = devices.iter().map(|device| device.address).collect();
    Snapshot {
        source: SourceKind::Directory,
        rights: Rights { root: true },
        devices: devices.to_vec(),
        groups: [(1, Group { members, ..Group::default() })].into(),
        iommu_units: Fact::Known(vec!["dmar0".into()]),
        names: Names::default(),
        names_from: None,
        usage: Usage::default(),
        system: System::default(),
        drivers: Fact::Absent,
        kernel: Fact::Known("6.1.0-18-amd64".into()),
        command_line: Fact::Absent,
        iommu_tables: Fact::Absent,
        boot_id: Fact::Absent,
        unread: Vec::new(),
    }
}

/// What a check says about a device.
pub(super) fn ask(check: fn(&Host<'_>, &Device) -> Verdict, snapshot: &Snapshot, short: &str) -> Verdict {
    check(&Host::new(snapshot, &Records::default()), snapshot.device(address(short)).unwrap())
}

#[track_caller]
pub(super) fn findings(verdict: Verdict) -> Vec<Finding> {
    match verdict {
        Verdict::Found(findings) => findings,
        other => panic!("no finding: {other:?}"),
    }
}

pub(super) const fn passes(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Pass(_))
}

/// It could not look, and says where and why.
pub(super) fn is_blind(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::CouldNotLook(unseen) if unseen.iter().all(|u| !u.path.is_empty() && !u.why.is_empty()) && !unseen.is_empty())
}
