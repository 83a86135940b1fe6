//! The text that the real lspci prints of a dump, read back: what [`passthru_formats::lspci`]
//! makes of it against the dump's own bytes.
//!
//! The dumps are those of `tests/q35.txt`, and the files of a directory given in
//! `PASSTHRU_DUMPS` (the ones in pciutils' `tests/` are real machines').

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "this test compares with a program and needs files for it"
)]

use std::path::Path;
use std::process::Command;

use passthru_formats::config_space::decode::{Express, PortType};
use passthru_formats::config_space::{ConfigSpace, parse};
use passthru_formats::lspci::{self, Function};

const Q35: &str = include_str!("q35.txt");

/// What lspci prints of a dump with these options.
fn printed(dump: &str, name: &str, options: &str) -> Option<String> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("text-{name}-{}", std::process::id()));
    std::fs::write(&file, dump).unwrap();
    let output = Command::new("lspci").arg("-F").arg(&file).args(options.split(' ')).output();
    std::fs::remove_file(&file).unwrap();
    Some(String::from_utf8_lossy(&output.ok()?.stdout).into_owned())
}

fn space(function: &Function) -> Option<ConfigSpace> {
    parse(&function.config(false)?).ok()
}

/// What must be the same in the text and in the bytes; how many functions there were, and how
/// many with ACS registers.
fn compare(dump: &str, name: &str) -> Option<(usize, usize)> {
    let bytes = lspci::parse(printed(dump, name, "-Dnnxxxx")?.as_bytes()).ok()?;
    let text = lspci::parse(printed(dump, name, "-Dnnvvv")?.as_bytes()).ok()?;
    assert_eq!(bytes.functions.len(), text.functions.len(), "{name}");
    let (mut functions, mut with_acs) = (0, 0);
    for (dumped, said) in bytes.functions.iter().zip(&text.functions) {
        let place = format!("{name}: {}", dumped.address);
        assert!(said.bytes.is_empty() && dumped.capabilities_printed() == 0, "{place}");
        let (Some(dumped), Some(said)) = (space(dumped), space(said)) else { continue };
        functions += 1;
        assert_eq!((dumped.id(), dumped.class()), (said.id(), said.class()), "{place}");
        assert_eq!(dumped.revision(), said.revision(), "{place}");
        if dumped.bus_numbers().is_some() {
            assert_eq!(dumped.bus_numbers(), said.bus_numbers(), "{place}");
        }
        // Where the text ends, nothing is said; nor where the dump has less than the text.
        if said.bytes().len() < 256 || dumped.bytes().len() < 256 {
            continue;
        }
        let places = |space: &ConfigSpace| -> Vec<u8> {
            space.capabilities().items.iter().map(|c| c.offset).collect()
        };
        assert_eq!(places(&dumped), places(&said), "{place}");
        // Of ports lspci does not print it.
        let resets = |e: &Express| e.port_type == PortType::Endpoint && e.function_level_reset;
        let express = |space: &ConfigSpace| {
            space.express().map(|e| (e.version, e.port_type, resets(&e), e.slot.map(|s| s.number)))
        };
        assert_eq!(express(&dumped), express(&said), "{place}");
        assert_eq!(dumped.power_management(), said.power_management(), "{place}");
        assert_eq!(dumped.msi(), said.msi(), "{place}");
        assert_eq!(
            dumped.msix().map(|m| (m.enabled, m.vectors)),
            said.msix().map(|m| (m.enabled, m.vectors)),
            "{place}"
        );
        if said.bytes().len() == 4096 && dumped.bytes().len() == 4096 {
            assert_eq!(dumped.access_control(), said.access_control(), "{place}");
            with_acs += usize::from(dumped.access_control().is_some());
        }
    }
    Some((functions, with_acs))
}

#[test]
fn text_and_dump_say_the_same() {
    let Some(found) = compare(Q35, "q35") else {
        return eprintln!("SKIPPED: lspci is not installed");
    };
    assert!(found.0 >= 10 && found.1 >= 1, "{found:?}");
    let (mut files, mut functions, mut with_acs) = (0, 0, 0);
    if let Some(directory) = std::env::var_os("PASSTHRU_DUMPS") {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let Ok(dump) = std::fs::read(&path) else { continue };
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if let Some(found) = compare(&String::from_utf8_lossy(&dump), &name) {
                (files, functions, with_acs) = (files + 1, functions + found.0, with_acs + found.1);
            }
        }
    }
    println!("q35: {found:?}; {files} further files, {functions} functions, {with_acs} with ACS");
}
