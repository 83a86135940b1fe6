//! Every captured host of `fixtures/hosts`, and what passthru says about it: text, JSON,
//! messages, exit codes, compared with what is stored beside the capture.
//!
//! A host is a directory with `host.capture` and `devices`: one line for each device that
//! is shown, bound, released and run in a dry run, options of `bind` and `run` behind its
//! name. A snapshot is `snapshots/COMMAND.snap`. To accept new ones: `cargo insta review`,
//! or `INSTA_UPDATE=always cargo test -p passthru --test hosts`, and look at the
//! difference.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a test that makes directories, runs the program and says what it did"
)]

mod drawing;
mod drawn;
mod firmware;
mod systems;
mod troubles;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hosts")
}

/// The hosts, by name.
fn hosts() -> Vec<(String, PathBuf)> {
    let mut hosts: Vec<_> = fs::read_dir(fixtures())
        .expect("fixtures/hosts")
        .map(|entry| entry.expect("an entry of fixtures/hosts").path())
        .filter(|path| path.join("host.capture").exists())
        .map(|path| (path.file_name().expect("a name").to_string_lossy().into_owned(), path))
        .collect();
    hosts.sort();
    assert!(hosts.len() >= 10, "only {} hosts in fixtures/hosts", hosts.len());
    hosts
}

/// Runs the program in the host's directory, so that no path of this machine is said.
fn run(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_passthru"))
        .args(["--from", "host.capture"])
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .output()
        .expect("the program starts");
    let mut text = format!("$ passthru {}\n", [&["--from", "host.capture"], arguments].concat().join(" "));
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !bytes.is_empty() {
            text.push_str(&format!("----- {name} -----\n{}", String::from_utf8_lossy(bytes)));
        }
    }
    let code = output.status.code().map_or_else(|| output.status.to_string(), |code| code.to_string());
    text.push_str(&format!("----- exit code {code} -----\n"));
    text
}

/// What is asked of every host: the snapshot's name and the arguments.
fn commands(directory: &Path) -> Vec<(String, Vec<String>)> {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut commands: Vec<(String, Vec<String>)> = [
        ("overview", ""),
        ("status", "status"),
        ("list", "list"),
        ("list-json", "list --json"),
        ("list-groups", "list --groups"),
        ("list-tree", "list --tree"),
        ("check", "check"),
        ("check-json", "check --json"),
    ]
    .map(|(name, line)| (name.to_owned(), words(line)))
    .into();
    let devices = fs::read_to_string(directory.join("devices")).expect("the file `devices`");
    for line in devices.lines().filter(|line| !line.starts_with('#')) {
        let (device, options) = line.split_once(' ').unwrap_or((line, ""));
        let slug = line.replace([':', '.', '/', ' '], "-").replace("--", "-");
        let guest = "-- qemu-system-x86_64 -M q35 -m 2G";
        if options.is_empty() {
            let check = format!("check {device}");
            // Of the first what passed as well, and as JSON.
            if commands.iter().any(|(name, _)| name.ends_with(".check")) {
                commands.push((format!("{slug}.check"), words(&check)));
            } else {
                commands.push((format!("{slug}.check"), words(&format!("{check} -v"))));
                commands.push((format!("{slug}.check-json"), words(&format!("{check} --json"))));
            }
            commands.push((format!("{slug}.show"), words(&format!("show {device}"))));
            commands.push((format!("{slug}.release"), words(&format!("release --dry-run {device}"))));
        }
        commands.push((format!("{slug}.bind"), words(&format!("bind --dry-run {device} {options}"))));
        commands
            .push((format!("{slug}.run"), words(&format!("run --dry-run -d {device} {options} {guest}"))));
    }
    commands
}

#[test]
fn every_host_and_command() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (host, directory) in hosts() {
        let snapshots = directory.join("snapshots");
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&snapshots);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_description(format!("host {host}"));
        let mut expected = BTreeSet::new();
        for (name, arguments) in commands(&directory) {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let text = run(&directory, &arguments);
            expected.insert(format!("{name}.snap"));
            count += 1;
            // All are looked at before the first difference ends the test.
            let same = catch_unwind(AssertUnwindSafe(|| {
                settings.bind(|| insta::assert_snapshot!(name.as_str(), text));
            }));
            if same.is_err() {
                wrong.push(format!("{host}: passthru {}", arguments.join(" ")));
            }
        }
        for entry in fs::read_dir(&snapshots).expect("snapshots") {
            let file = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            if file.ends_with(".snap") && !expected.contains(&file) {
                wrong.push(format!("{host}: nothing makes snapshots/{file} any more"));
            }
        }
    }
    println!("{count} commands on {} hosts", hosts().len());
    assert!(wrong.is_empty(), "{} of {count} differ:\n  {}", wrong.len(), wrong.join("\n  "));
}

/// No answer may panic, whatever the host; and the same question has the same answer.
#[test]
fn answers_are_the_same_twice() {
    for (host, directory) in hosts() {
        for arguments in [
            &["list", "--json"][..],
            &[],
            &["list", "-o", "full"],
            &["list", "-v"],
            &["check", "-v"],
            &["check", "--json"],
        ] {
            let first = run(&directory, arguments);
            assert!(!first.contains("panicked"), "{host}: {first}");
            // Findings are no failure.
            let found = arguments.first() == Some(&"check") && first.ends_with("exit code 1 -----\n");
            assert!(found || first.ends_with("exit code 0 -----\n"), "{host}: {first}");
            assert_eq!(first, run(&directory, arguments), "{host}");
        }
    }
}

/// The drawn hosts' captures are what the program captures of them today. A reader that
/// asks for something new finds no answer in an old capture, so they are drawn anew then.
#[test]
fn drawn_hosts_are_current() {
    let redraw = std::env::var_os("PASSTHRU_DRAW").is_some();
    for (name, draw) in drawn::ALL {
        let root = tempfile::tempdir().expect("a directory");
        let drawing = draw().build(root.path()).expect("a host can be drawn");
        let output = Command::new(env!("CARGO_BIN_EXE_passthru"))
            .args(["capture", "--show", "--with-identifiers", "--root"])
            .arg(root.path())
            .env_clear()
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let mut text = String::from_utf8(output.stdout).expect("a capture is UTF-8");
        let rights = if drawing.root { "rights: root\n" } else { "rights: user\n" };
        text = text.replacen("rights: user\n", rights, 1).replacen("rights: root\n", rights, 1);
        for (line, stands) in &drawing.changes {
            assert!(text.contains(&format!("\n{line}\n")), "{name}: no line '{line}'");
            text = text.replacen(&format!("\n{line}\n"), &format!("\n{stands}\n"), 1);
        }
        let file = fixtures().join(name).join("host.capture");
        if redraw {
            fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
            fs::write(&file, &text).expect("the fixture can be written");
        }
        let stored = fs::read_to_string(&file).unwrap_or_default();
        if stored != text {
            let at = stored.lines().zip(text.lines()).position(|(a, b)| a != b).unwrap_or(0);
            panic!(
                "{name}: line {}: stored {:?}, drawn {:?}\n\
                 PASSTHRU_DRAW=1 cargo test -p passthru --test hosts  draws it anew",
                at + 1,
                stored.lines().nth(at),
                text.lines().nth(at)
            );
        }
    }
}

/// The white list knows every path that a reader asks for: nothing of a drawn host is held
/// back but what always is.
#[test]
fn drawn_hosts_can_be_redacted() {
    for (name, _) in drawn::ALL {
        let bytes = fs::read(fixtures().join(name).join("host.capture")).expect("a capture");
        let capture = passthru_formats::capture::parse(&bytes).expect("a capture");
        let (redacted, report) = passthru_formats::redact::redact(&capture);
        let held_back = |path: &str| {
            path.starts_with("/run/passthru/")
                || path.ends_with("/cmdline")
                // Drawn without content, and what is no table is not sent.
                || path.starts_with("/sys/firmware/acpi/tables/")
        };
        let withheld = redacted.iter().filter(|(_, path, answer)| {
            matches!(answer, passthru_formats::capture::Answer::Withheld) && !held_back(path)
        });
        let withheld: Vec<&str> = withheld.map(|(_, path, _)| path).collect();
        // Nonsense is not sent.
        if *name != "garbage" {
            assert!(withheld.is_empty() && report.left_out == 0, "{name}: {report}: {withheld:?}");
        }
    }
}
