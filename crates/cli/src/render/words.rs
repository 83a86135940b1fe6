//! Facts in words.

use std::fmt::Display;

use passthru_formats::pci_ids::wording::{self, Style};
use passthru_model::{Device, Fact, Snapshot};
use passthru_plan::lending::Lending;

/// A fact for people: what is not known says why.
pub(crate) fn fact<T: Display>(fact: &Fact<T>) -> String {
    match fact {
        Fact::Known(value) => value.to_string(),
        other => missing(other),
    }
}

/// What stands in for a value that is not known.
pub(crate) fn missing<T>(fact: &Fact<T>) -> String {
    match fact {
        Fact::Known(_) => String::new(),
        Fact::Absent => "none".into(),
        Fact::Unreadable(error) => format!("could not be read: {error}"),
        Fact::Malformed(text) => format!("makes no sense: '{text}'"),
        Fact::NotRead => "not read".into(),
    }
}

/// A fact in a narrow column: `-` for none, `?` for what is not known.
pub(crate) fn short<T: Display>(fact: &Fact<T>) -> String {
    match fact {
        Fact::Known(value) => value.to_string(),
        Fact::Absent => "-".into(),
        _ => "?".into(),
    }
}

/// Vendor and device name.
pub(crate) fn name(snapshot: &Snapshot, device: &Device) -> String {
    match device.id.known() {
        Some(id) => wording::device(&snapshot.names, *id, Style::Names).to_string(),
        None => "?".into(),
    }
}

/// Class name.
pub(crate) fn class(snapshot: &Snapshot, device: &Device) -> String {
    match device.class.known() {
        Some(class) => wording::class(&snapshot.names, *class, Style::Names).to_string(),
        None => "?".into(),
    }
}

/// Whether lspci would show domains: where any function is in another than 0.
pub(crate) fn with_domains(snapshot: &Snapshot) -> bool {
    snapshot.devices.iter().any(|d| d.address.domain() != 0)
}

/// An address as lspci shows it.
pub(crate) fn address(device: &Device, with_domains: bool) -> String {
    if with_domains { device.address.to_string() } else { device.address.short() }
}

/// The line `lspci -nns ADDRESS` prints, without its end.
pub(crate) fn lspci(snapshot: &Snapshot, device: &Device, with_domains: bool) -> String {
    let (Some(id), Some(class)) = (device.id.known(), device.class.known()) else {
        return format!("{} (its ids could not be read)", address(device, with_domains));
    };
    wording::Terse {
        names: &snapshot.names,
        slot: &address(device, with_domains),
        class: *class,
        id: *id,
        revision: device.revision.known().copied(),
        style: Style::Both,
        verbose: false,
    }
    .to_string()
}

/// Whether it can be lent, in a few words.
pub(crate) fn lending(lending: &Lending) -> String {
    match lending {
        Lending::Ready => "yes".into(),
        Lending::With(companions) => {
            let all: Vec<_> = companions.iter().map(|c| c.short()).collect();
            format!("yes, with {}", all.join(" "))
        }
        Lending::Bound => "bound".into(),
        Lending::Lent => "lent".into(),
        Lending::InUse(reasons) => {
            let all: Vec<_> = reasons.iter().map(|r| r.name()).collect();
            format!("no: {}", all.join(", "))
        }
        Lending::NoIommu => "no: no IOMMU".into(),
        Lending::Kept => "no: kept by the firmware".into(),
        Lending::Chipset => "-".into(),
    }
}
