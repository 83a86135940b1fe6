//! IOMMU groups and units.

use std::collections::BTreeMap;

use passthru_formats::reserved_regions;
use passthru_model::{Device, Fact, Group, ReservedRegion};

use crate::ask::{Asker, some_text};

/// Groups from the devices' own links: no directory of groups needs to be listed.
pub(crate) fn collect(devices: &[Device]) -> BTreeMap<u32, Group> {
    let mut groups: BTreeMap<u32, Group> = BTreeMap::new();
    for device in devices {
        if let Some(number) = device.group.known() {
            groups.entry(*number).or_default().members.push(device.address);
        }
    }
    groups
}

/// Types, names and reserved regions of these groups.
pub(crate) fn read_detail<'g>(ask: &mut Asker<'_>, groups: impl Iterator<Item = (&'g u32, &'g mut Group)>) {
    for (number, group) in groups {
        let at = |name: &str| format!("/sys/kernel/iommu_groups/{number}/{name}");
        group.kind = ask.text(None, "group.type", &at("type"), some_text);
        group.name = ask.text(None, "group.name", &at("name"), some_text);
        group.reserved = reserved(ask, *number);
    }
}

/// What is kept of a group's addresses.
pub(crate) fn reserved(ask: &mut Asker<'_>, number: u32) -> Fact<Vec<ReservedRegion>> {
    let path = format!("/sys/kernel/iommu_groups/{number}/reserved_regions");
    ask.bytes(None, "group.reserved", &path, |text| {
        let region = |r: reserved_regions::Region<'_>| ReservedRegion {
            start: r.start,
            end: r.end,
            kind: r.kind.word().to_owned(),
        };
        let all: Result<Vec<_>, _> = reserved_regions::parse(text).map(|r| r.map(region)).collect();
        all.ok().map(Fact::Known)
    })
}

/// The units at work, by name.
pub(crate) fn units(ask: &mut Asker<'_>) -> Fact<Vec<String>> {
    match ask.source.list("/sys/class/iommu") {
        Ok(names) => Fact::Known(names),
        // No such class: no unit driver ever registered one.
        Err(error) => match ask.failed(None, "iommu_units", "/sys/class/iommu", error) {
            Fact::Absent => Fact::Known(Vec::new()),
            other => other,
        },
    }
}

/// Firmware tables that describe an IOMMU. The directory is world-readable.
pub(crate) fn tables(ask: &mut Asker<'_>) -> Fact<Vec<String>> {
    const PATH: &str = "/sys/firmware/acpi/tables";
    match ask.source.list(PATH) {
        Ok(names) => Fact::Known(
            names.into_iter().filter(|n| matches!(n.as_str(), "DMAR" | "IVRS" | "VIOT" | "IORT")).collect(),
        ),
        Err(error) => ask.failed(None, "iommu_tables", PATH, error),
    }
}
