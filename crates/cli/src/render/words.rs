//! Facts in words.

use std::fmt::{Display, Write};

use passthru_formats::Errno;
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
        // What a capture or a listing does not have in it.
        Fact::Unreadable(Errno::ENODATA) => "not known: not in what was read".into(),
        Fact::Unreadable(error) => format!("could not be read: {error}"),
        Fact::Malformed(text) => format!("makes no sense: '{text}'"),
        Fact::NotRead => "not read".into(),
    }
}

/// Values with blanks between them: devices, as the next command takes them.
pub(crate) fn list<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(" ")
}

/// Appends; writing to a String cannot fail.
pub(crate) fn put(text: &mut String, what: impl Display) {
    let _ = write!(text, "{what}");
}

fn made(fill: impl FnOnce(&mut String)) -> String {
    let mut text = String::new();
    fill(&mut text);
    text
}

/// A fact in a narrow column: `-` for none, `?` for what is not known.
pub(crate) fn push_short<T: Display>(text: &mut String, fact: &Fact<T>) {
    match fact {
        Fact::Known(value) => put(text, value),
        Fact::Absent => text.push('-'),
        _ => text.push('?'),
    }
}

/// As [`push_short`].
pub(crate) fn short<T: Display>(fact: &Fact<T>) -> String {
    made(|text| push_short(text, fact))
}

/// Vendor and device name.
pub(crate) fn push_name(text: &mut String, snapshot: &Snapshot, device: &Device) {
    match device.id.known() {
        Some(id) => put(text, wording::device(&snapshot.names, *id, Style::Names)),
        None => text.push('?'),
    }
}

/// As [`push_name`].
pub(crate) fn name(snapshot: &Snapshot, device: &Device) -> String {
    made(|text| push_name(text, snapshot, device))
}

/// Class name.
pub(crate) fn push_class(text: &mut String, snapshot: &Snapshot, device: &Device) {
    match device.class.known() {
        Some(class) => put(text, wording::class(&snapshot.names, *class, Style::Names)),
        None => text.push('?'),
    }
}

/// As [`push_class`].
pub(crate) fn class(snapshot: &Snapshot, device: &Device) -> String {
    made(|text| push_class(text, snapshot, device))
}

/// Whether lspci would show domains: where any function is in another than 0.
pub(crate) fn with_domains(snapshot: &Snapshot) -> bool {
    snapshot.devices.iter().any(|d| d.address.domain() != 0)
}

/// An address as lspci shows it.
pub(crate) fn push_address(text: &mut String, device: &Device, with_domains: bool) {
    let address = device.address;
    if with_domains || address.domain() != 0 {
        put(text, address);
    } else {
        let (bus, slot) = (address.bus(), address.device());
        put(text, format_args!("{bus:02x}:{slot:02x}.{:x}", address.function()));
    }
}

/// As [`push_address`].
pub(crate) fn address(device: &Device, with_domains: bool) -> String {
    made(|text| push_address(text, device, with_domains))
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
            format!("yes, with {}", list(companions.iter().map(|c| c.short())))
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
