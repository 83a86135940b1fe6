mod beside;
mod failures;

use std::collections::HashSet;

use passthru_formats::messages;

use super::*;
use crate::checks;

#[test]
fn texts_and_meanings_belong_together() {
    let texts: HashSet<&str> = messages::texts().map(|text| text.name).collect();
    let mut seen = HashSet::new();
    for signature in all() {
        assert!(seen.insert(signature.name), "{} stands there twice", signature.name);
        assert!(texts.contains(signature.name), "{} has no text", signature.name);
        assert!(signature.meaning.ends_with('.') && !signature.title.ends_with('.'), "{}", signature.name);
        let mut ids = HashSet::new();
        for id in signature.ids() {
            assert!(ids.insert(id), "{}: {id} twice", signature.name);
            assert!(checks::by_id(id).is_some(), "{}: no check {id}", signature.name);
        }
    }
    for name in texts {
        assert!(seen.contains(name), "{name} means nothing");
    }
}

/// The row of the list of failures that a line answers, or 0; the line, what it is, and which
/// device it names.
type Quoted = (u8, &'static str, &'static str, Option<&'static str>);

fn quoted() -> impl Iterator<Item = &'static Quoted> {
    failures::QUOTED.iter().chain(beside::QUOTED)
}

#[test]
fn quoted_lines_mean_what_they_mean() {
    for (row, line, name, device) in quoted() {
        let found = crate::explain::recognise(line);
        let names: Vec<&str> = found.iter().map(|one| one.signature.name).collect();
        assert_eq!(names, [*name], "row {row}: {line}");
        assert_eq!(found[0].device.map(|d| d.to_string()).as_deref(), *device, "{line}");
    }
}

#[test]
fn every_failure_that_speaks_is_recognised() {
    // 3, 5, 10 and 23 leave no error text: a wrong driver, a dark screen, a dead line, a
    // setting that is gone.
    for row in (1..=25u8).filter(|row| ![3, 5, 10, 23].contains(row)) {
        assert!(failures::QUOTED.iter().any(|(of, ..)| *of == row), "row {row}");
    }
}

#[test]
fn ordinary_lines_mean_nothing() {
    for line in [
        "vfio-pci 0000:01:00.0: enabling device (0000 -> 0003)",
        "vfio_pci: add [10de:1284[ffffffff:ffffffff]] class 0x000000/00000000",
        "pci 0000:01:00.0: Adding to iommu group 1",
        "audit: type=1400 audit(1.2:3): apparmor=\"DENIED\" operation=\"open\" profile=\"snap.firefox\" name=\"/etc/fstab\"",
        "audit: type=1400 audit(1.2:3): apparmor=\"DENIED\" operation=\"open\" profile=\"libvirt-7d3f1c92\" name=\"/etc/gnutls/config\" pid=6142",
        "[drm] Initialized simpledrm 1.0.0 20200625 for simple-framebuffer.0 on minor 0",
        "can't reserve a table for two",
        "error: Failed to start domain 'win10'",
    ] {
        assert_eq!(crate::explain::recognise(line), [], "{line}");
    }
}
