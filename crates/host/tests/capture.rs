//! What is replayed equals what was read: a synthetic host, captured, written, parsed.

#![allow(clippy::disallowed_methods, reason = "a test that makes a tree of files")]

use std::fs;

use passthru_formats::capture::parse;
use passthru_formats::redact::redact;
use passthru_host::source::{Directory, Replay, Source};
use passthru_host::{capture, snapshot};
use passthru_model::{DetailOf, Snapshot, Wants};
use passthru_testkit::synthetic;

const IDS: &str = "8086  Intel Corporation\n\t1533  I210 Gigabit Network Connection\n\t\t8086 0002  I210-T1\n\
    144d  Samsung Electronics Co Ltd\n\ta802  NVMe SSD Controller SM951/PM951\n\
    C 01  Mass storage controller\n\t08  Non-Volatile memory controller\n\t\t02  NVM Express\n";

/// A snapshot without what says by which way it was read.
fn compared(source: &dyn Source, wants: &Wants) -> String {
    let host: Snapshot = snapshot(source, wants).expect("a host");
    format!("{:#?}", Snapshot { source: passthru_model::SourceKind::Live, ..host })
}

#[test]
fn replay_equals_reading() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("pci.ids"), IDS).unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    synthetic::build(&root, 120, &dir.path().join("pci.ids")).unwrap();
    // Errors are recorded as well as answers.
    fs::remove_file(root.join("proc/swaps")).unwrap();
    fs::create_dir(root.join("proc/swaps")).unwrap();
    let source = Directory::at(&root.to_string_lossy()).unwrap();
    let captured = capture(&source, "test", &|_| {}).expect("a host");
    assert!(captured.refused.is_empty(), "{:?}", captured.refused);
    let text = captured.capture.to_text();
    let replay = Replay::new(parse(text.as_bytes()).expect("what was written can be read"));
    let list = Wants { revision: true, usage: true, names: true, ..Wants::default() };
    let some = snapshot(&source, &Wants::default()).unwrap().devices[7].address;
    for wants in [
        Wants::default(),
        list,
        Wants { detail: DetailOf::Some(vec![some]), group_detail: true, ..Wants::all() },
        Wants::all(),
    ] {
        let (live, again) = (compared(&source, &wants), compared(&replay, &wants));
        if live != again {
            let differ = live.lines().zip(again.lines()).find(|(a, b)| a != b);
            panic!("replay differs from reading: {differ:?}");
        }
    }
    // Redacted, what is left out is left out; devices, drivers and groups are the same.
    let (redacted, _) = redact(&captured.capture);
    let redacted = Replay::new(parse(redacted.to_text().as_bytes()).expect("redacted captures can be read"));
    let names = |source: &dyn Source| {
        let host = snapshot(source, &Wants::default()).expect("a host");
        let device =
            |d: &passthru_model::Device| format!("{} {:?} {:?} {:?}", d.address, d.id, d.driver, d.group);
        host.devices.iter().map(device).collect::<Vec<_>>()
    };
    assert_eq!(names(&source), names(&redacted));
    // The same host gives the same file.
    let twice = capture(&source, "test", &|_| {}).expect("a host").capture.to_text();
    assert!(twice == text, "two captures of one host differ");
}
