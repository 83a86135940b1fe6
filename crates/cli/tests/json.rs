//! `docs/json.md` against what the program prints: every key of every answer on every
//! fixture is documented, with the type it has, and nothing is documented that no fixture
//! shows.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a test that runs the program and reads the documentation"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Seek, Write};
use std::path::Path;

use serde_json::Value;
use support::{passthru, run};

/// A documented key: in which answers it is, and the types it may have.
struct Documented {
    answers: BTreeSet<String>,
    types: BTreeSet<String>,
}

/// The tables of the page: under `## list, show` a row begins
/// ``| `devices[].address` | string |``.
fn documentation() -> BTreeMap<String, Documented> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/json.md");
    let text = fs::read_to_string(path).expect("docs/json.md");
    let mut all: BTreeMap<String, Documented> = BTreeMap::new();
    let mut answers: Vec<String> = Vec::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            answers = heading.split(", ").map(|name| name.trim().to_owned()).collect();
        }
        let Some(row) = line.strip_prefix("| `") else { continue };
        let mut cells = row.split('|');
        let key = cells.next().expect("a key").trim().trim_end_matches('`').to_owned();
        let types: BTreeSet<String> =
            cells.next().unwrap_or("").split(" or ").map(|t| t.trim().to_owned()).collect();
        let meaning = cells.next().unwrap_or("").trim();
        assert!(!meaning.is_empty(), "docs/json.md does not say what `{key}` means");
        let entry = all.entry(key).or_insert(Documented { answers: BTreeSet::new(), types: BTreeSet::new() });
        entry.answers.extend(answers.iter().cloned());
        entry.types.extend(types);
    }
    all
}

/// Every key below a value with the types it has.
fn keys(value: &Value, path: &str, found: &mut BTreeMap<String, BTreeSet<&'static str>>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_u64() => "number",
        Value::Number(_) => "a negative or broken number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !path.is_empty() {
        found.entry(path.to_owned()).or_default().insert(kind);
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| keys(item, &format!("{path}[]"), found)),
        Value::Object(fields) => {
            let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            fields.iter().for_each(|(name, value)| keys(value, &join(name), found));
        }
        _ => {}
    }
}

/// What somebody pastes into `explain -`.
const PASTE: &str = "\
qemu-system-x86_64: -device vfio-pci,host=0000:01:00.0: vfio 0000:01:00.0: group 1 is not viable
vfio: Unable to power on device, stuck in D3
vfio 0000:05:00.0: Failed to set up TRIGGER eventfd signaling for interrupt INTX-0: VFIO_DEVICE_SET_IRQS \
failure: Device or resource busy
vfio 0000:00:17.0: Failed to set up TRIGGER eventfd signaling for interrupt INTX-0: VFIO_DEVICE_SET_IRQS \
failure: Device or resource busy
";

/// Every answer of a host: its `kind` and what it is.
fn answers(directory: &Path) -> Vec<(String, String, Value)> {
    let devices = fs::read_to_string(directory.join("devices")).expect("the file `devices`");
    let mut lines: Vec<String> =
        ["--json", "list --json", "status --json", "check --json", "explain --json -"]
            .map(str::to_owned)
            .into();
    lines.push("explain --json reset".into());
    for line in devices.lines().filter(|line| !line.starts_with('#')) {
        let (device, options) = line.split_once(' ').unwrap_or((line, ""));
        lines.push(format!("show --json {device}"));
        lines.push(format!("check --json {device}"));
        lines.push(format!("bind --json --dry-run {device} {options}"));
        lines.push(format!("release --json --dry-run {device}"));
        for program in [
            "--user 1000:1000 -- qemu-system-x86_64 -M q35 -m 2G",
            "--iommufd --user 1000:1000 -- qemu-system-x86_64 -M q35 -m 2G",
            "-- ./wrapper {devices}",
        ] {
            lines.push(format!("run --json --dry-run -d {device} {options} {program}"));
        }
    }
    let mut paste = tempfile::tempfile().expect("a file");
    paste.write_all(PASTE.as_bytes()).expect("a file can be written");
    let mut all = Vec::new();
    for line in lines {
        paste.rewind().expect("a file");
        let said = run(passthru()
            .args(["--from", "host.capture"])
            .args(line.split_whitespace())
            .stdin(paste.try_clone().expect("a file"))
            .current_dir(directory));
        // A name of nothing is told of on standard error only.
        if said.out.is_empty() && said.code != Some(0) {
            continue;
        }
        let value: Value =
            serde_json::from_str(&said.out).unwrap_or_else(|error| said.fail(&format!("no JSON: {error}")));
        let kind = value["kind"].as_str().unwrap_or_else(|| said.fail("no `kind`")).to_owned();
        assert_eq!(value["version"], 1, "{line}");
        all.push((kind, line, value));
    }
    all
}

#[test]
fn every_key_is_documented() {
    let documented = documentation();
    let hosts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hosts");
    let mut wrong = BTreeSet::new();
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut count = 0;
    for host in fs::read_dir(hosts).expect("fixtures/hosts") {
        let host = host.expect("a fixture").path();
        for (kind, line, value) in answers(&host) {
            count += 1;
            let mut found = BTreeMap::new();
            keys(&value, "", &mut found);
            for (key, types) in found {
                let at =
                    format!("{}: passthru {line}", host.file_name().unwrap_or_default().to_string_lossy());
                match documented.get(&key) {
                    // Members of arrays are documented with their array.
                    None if key.ends_with("[]") => {}
                    None => {
                        wrong.insert(format!("`{key}` of {kind} is not documented (type {types:?})"));
                    }
                    Some(entry) => {
                        if !entry.answers.contains(&kind) {
                            wrong.insert(format!("`{key}` is not documented for {kind}"));
                        }
                        for found in types.iter().filter(|found| !entry.types.contains(**found)) {
                            wrong.insert(format!("`{key}` is {found}, not {:?} ({at})", entry.types));
                        }
                        shown.entry(key).or_default().extend(types.iter().map(|t| (*t).to_owned()));
                    }
                }
            }
        }
    }
    println!("{count} answers, {} keys", shown.len());
    for (key, entry) in &documented {
        let Some(types) = shown.get(key) else {
            wrong.insert(format!("`{key}` is documented, and no fixture shows it"));
            continue;
        };
        // A null need not occur; every other type must.
        for missing in entry.types.iter().filter(|t| *t != "null" && !types.contains(*t)) {
            wrong.insert(format!("`{key}` is documented to be {missing}, and in no fixture is"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

/// A refusal under `--json` is JSON on standard output and words on standard error.
#[test]
fn refusals_say_that_nothing_was_tried() {
    let capture = support::fixture("gt630-desktop");
    let verb = ["bind", "--dry-run", "00:02.0"];
    let said = run(passthru().arg("--from").arg(&capture).arg("--json").args(verb)).code(3);
    let value: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!((&value["dry_run"], &value["changed"]), (&true.into(), &false.into()), "{value:#}");
    assert_eq!(value["refusals"][0]["reason"], "display", "{value:#}");
    assert!(said.err.starts_with("error: "), "{said:?}");
}
