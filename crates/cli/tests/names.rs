//! Names equal lspci's: on a synthetic host with the system's pci.ids, `list --groups` and
//! `lspci -nn` print the same line for each function.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a test that makes a tree and compares two programs on it"
)]

mod support;

use std::collections::BTreeMap;
use std::process::Command;

use passthru_testkit::synthetic;
use support::{passthru, run};

/// Where distributions keep the file (Debian and Ubuntu, Fedora and Arch, older ones).
const FILES: [&str; 3] = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids", "/usr/share/pci.ids"];

/// Functions of the host: some are in domains of their own, so that both programs show
/// domains, and on the smaller host none is.
const SIZES: [usize; 2] = [40, 300];

/// lspci makes a device's name in 128 bytes and cuts what is longer (`lspci.c`,
/// `show_terse`); we do not cut.
fn same(theirs: &str, ours: &str) -> bool {
    match theirs.rsplit_once("...") {
        Some((begin, end)) if theirs != ours => {
            ours.starts_with(begin) && ours.ends_with(end) && begin.len() > 120
        }
        _ => theirs == ours,
    }
}

#[test]
fn equal_lspci() {
    let Some(ids) = FILES.iter().map(std::path::Path::new).find(|path| path.exists()) else {
        println!("NOT TESTED: no pci.ids on this machine ({})", FILES.join(", "));
        return;
    };
    if Command::new("lspci").arg("--version").output().is_err() {
        println!("NOT TESTED: no lspci on this machine (package pciutils)");
        return;
    }
    for functions in SIZES {
        let dir = tempfile::tempdir().expect("a directory");
        let built = synthetic::build(dir.path(), functions, ids).expect("a synthetic host");
        assert_eq!(built.functions, functions);
        let sysfs = format!("sysfs.path={}", dir.path().join("sys/bus/pci").display());
        let mut lspci = Command::new("lspci");
        lspci
            .args(["-nn", "-A", "linux-sysfs", "-O", &sysfs, "-i"])
            .arg(dir.path().join("usr/share/misc/pci.ids"));
        let theirs = run(&mut lspci).code(0);
        let ours = run(passthru().arg("--root").arg(dir.path()).args(["list", "--groups"])).code(0);
        let by_address = |lines: Vec<&str>| {
            let slot = |line: &str| line.split(' ').next().unwrap_or("").to_owned();
            lines.into_iter().map(|line| (slot(line), line.to_owned())).collect::<BTreeMap<_, _>>()
        };
        let theirs = by_address(theirs.out.lines().collect());
        let ours = by_address(ours.out.lines().filter_map(|line| line.strip_prefix('\t')).collect());
        assert_eq!(theirs.len(), functions, "lspci shows every function");
        let differ: Vec<String> = theirs
            .iter()
            .filter(|(address, line)| !ours.get(*address).is_some_and(|ours| same(line, ours)))
            .map(|(address, line)| {
                format!("lspci:    {line}\npassthru: {}", ours.get(address).map_or("", |l| l))
            })
            .collect();
        assert!(
            differ.is_empty() && ours.len() == functions,
            "{} of {functions} differ:\n{}",
            differ.len(),
            differ.join("\n")
        );
        println!("{functions} functions have the lines that lspci gives them");
    }
}
