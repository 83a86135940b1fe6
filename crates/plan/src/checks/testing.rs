//! Hosts made by hand, for the tests of checks that look at no device.

use passthru_formats::pci_ids::Names;
use passthru_model::{Device, Fact, Records, Rights, Snapshot, SourceKind, System, Usage, Verdict};

use super::{Ask, Host, by_id};

/// A host of which nothing was read, and then what `set` sets.
pub(crate) fn host_with(set: impl FnOnce(&mut System)) -> Snapshot {
    let mut system = System::default();
    set(&mut system);
    Snapshot {
        source: SourceKind::Live,
        rights: Rights { root: true },
        devices: Vec::new(),
        groups: std::collections::BTreeMap::default(),
        iommu_units: Fact::NotRead,
        names: Names::default(),
        names_from: None,
        usage: Usage::default(),
        system,
        drivers: Fact::NotRead,
        kernel: Fact::NotRead,
        command_line: Fact::NotRead,
        iommu_tables: Fact::NotRead,
        boot_id: Fact::NotRead,
        unread: Vec::new(),
    }
}

/// A function of which nothing but its address is known.
pub(crate) fn function(address: &str) -> Device {
    Device {
        address: address.parse().unwrap_or_else(|_| panic!("{address}")),
        path: String::new(),
        parent: None,
        id: Fact::NotRead,
        subsystem: Fact::NotRead,
        class: Fact::NotRead,
        revision: Fact::NotRead,
        driver: Fact::NotRead,
        modalias: Fact::NotRead,
        group: Fact::NotRead,
        physical_function: Fact::NotRead,
        boot_vga: Fact::NotRead,
        detail: None,
    }
}

/// What one check says, in a few words: of the host, or of the host's first device.
pub(super) fn verdict(snapshot: &Snapshot, id: &str) -> String {
    let records = Records::default();
    let host = Host::new(snapshot, &records);
    let check = by_id(id).unwrap_or_else(|| panic!("no check {id}"));
    let said = match check.ask {
        Ask::Host(ask) | Ask::HostFor(ask, _) => ask(&host),
        Ask::Device(ask) | Ask::DeviceOrOthers(ask, _) | Ask::Named(ask) => ask(&host, &snapshot.devices[0]),
        Ask::Use(_) | Ask::Never => panic!("{id} is not asked so"),
    };
    match said {
        Verdict::Pass(_) => "pass".into(),
        Verdict::Found(findings) => {
            for finding in &findings {
                assert!(
                    !finding.evidence.is_empty() && finding.consequence.ends_with(['.', '`']),
                    "{finding:?}"
                );
            }
            findings.into_iter().map(|f| f.summary).collect::<Vec<_>>().join("; ")
        }
        Verdict::NotApplicable(_) => "not applicable".into(),
        Verdict::CouldNotLook(unseen) => {
            let paths: Vec<String> = unseen.into_iter().map(|u| u.path).collect();
            format!("could not look at {}", paths.join(" "))
        }
        Verdict::After(id) => format!("after {id}"),
    }
}
