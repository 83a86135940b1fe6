//! The gate through which virtual machines are started, with the real program as the
//! launcher: nothing starts before "go", what cannot start is said, and what starts is as if
//! it had been started directly.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test that makes files and starts programs"
)]

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use passthru_apply::launcher::{Order, Rights, Waiting, start_with};
use passthru_apply::tee::Tee;
use passthru_apply::vm::{End, Running, StartError, Watch};

fn order(argv: &[&str]) -> Order {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    Order { argv, environment: Vec::new(), locked_memory: None, rights: None }
}

fn launch(order: &Order) -> Result<Waiting, StartError> {
    start_with(Path::new(env!("CARGO_BIN_EXE_passthru")), order, None, &[])
}

fn end(running: Running) -> End {
    let mut watch = Watch::start().unwrap();
    running.wait(&mut watch, Duration::from_secs(20), &mut || {}).unwrap()
}

fn script(text: &str) -> Order {
    order(&["sh", "-c", text])
}

#[test]
fn nothing_starts_before_go() {
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("mark");
    let touch = script(&format!("echo $$ > {}; exit 7", mark.display()));
    launch(&touch).unwrap().give_up();
    // Whoever would have said it is gone: the socket closes.
    drop(launch(&touch).unwrap());
    std::thread::sleep(Duration::from_millis(300));
    assert!(!mark.exists());
    let waiting = launch(&touch).unwrap();
    let id = waiting.id();
    assert_eq!(end(waiting.go().unwrap()), End::Code(7));
    // The process that was named before is the program.
    assert_eq!(fs::read_to_string(&mark).unwrap().trim(), id.to_string());
}

/// What is given is there under its number, for the program and for nobody else who is started.
#[test]
fn descriptors_are_given_under_their_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let (file, out) = (directory.path().join("given"), directory.path().join("out"));
    fs::write(&file, "what is in it").unwrap();
    let given = [OwnedFd::from(fs::File::open(&file).unwrap())];
    let number = given[0].as_raw_fd();
    let reads = script(&format!("cat /proc/self/fd/{number} > {}; exit 5", out.display()));
    let program = Path::new(env!("CARGO_BIN_EXE_passthru"));
    let waiting = start_with(program, &reads, None, &given).unwrap();
    assert_eq!(end(waiting.go().unwrap()), End::Code(5));
    assert_eq!(fs::read_to_string(&out).unwrap(), "what is in it");
    // Whoever is started after that has it no more.
    let without = script(&format!("[ -e /proc/self/fd/{number} ] && exit 1; exit 6"));
    assert_eq!(end(launch(&without).unwrap().go().unwrap()), End::Code(6));
}

#[test]
fn what_cannot_start_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    fs::write(&plain, "nothing").unwrap();
    for missing in ["/not/there", "passthru-test-no-such-program", ""] {
        let error = launch(&order(&[missing])).unwrap().go().unwrap_err();
        assert!(matches!(error, StartError::NotFound { .. }), "{missing}: {error}");
    }
    for wrong in [plain.to_str().unwrap(), "/"] {
        let error = launch(&order(&[wrong])).unwrap().go().unwrap_err();
        assert!(matches!(error, StartError::NotExecutable { .. }), "{wrong}: {error}");
    }
    // A signal ends it before: nobody takes that for a machine that ran.
    let waiting = launch(&order(&["true"])).unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(waiting.id().cast_signed()).unwrap(),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(end(waiting.go().unwrap()), End::Signal(15));
}

#[test]
fn it_is_as_if_started_directly() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("said");
    let show = "exec > $OUT; ls -l /proc/self/fd | grep -c -e socket: -e pipe: ; \
                readlink /proc/self/fd/0; ps -o pgid= -p $$; grep SigIgn /proc/self/status; echo ${GONE-gone}";
    let mut order = script(show);
    order.environment = vec![("OUT".into(), Some(path.display().to_string())), ("GONE".into(), None)];
    assert_eq!(end(launch(&order).unwrap().go().unwrap()), End::Code(0));
    let said = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    let own = fs::read_link("/proc/self/fd/0").unwrap();
    assert_eq!(lines[1], own.to_str().unwrap(), "another standard input:\n{said}");
    let group = rustix::process::getpgrp().as_raw_nonzero().to_string();
    assert_eq!(lines[2], group, "another process group:\n{said}");
    // What this test's own starter ignores (nohup does) it may ignore as well, and no more: Rust
    // itself ignores SIGPIPE, which must not be passed on. The starter is asked, as another test
    // of this process may handle signals by now.
    const PIPE: u64 = 1 << (13 - 1);
    let ignored = |status: &str| {
        let line = status.lines().find_map(|line| line.trim().strip_prefix("SigIgn:")).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap() & 0x7fff_ffff
    };
    let starter = rustix::process::getppid().unwrap().as_raw_nonzero();
    let starter = ignored(&fs::read_to_string(format!("/proc/{starter}/status")).unwrap());
    assert_eq!(ignored(lines[3]) & (!starter | PIPE), 0, "other signals are ignored:\n{said}");
    assert_eq!(lines[4], "gone");
}

#[test]
fn the_rights_are_gone_for_good() {
    if !rustix::process::geteuid().is_root() {
        // Only root can become somebody else; and it says so.
        let mut order = script("true");
        order.rights = Some(Rights { uid: 1, gid: 1, groups: vec![1] });
        assert!(matches!(launch(&order).unwrap_err(), StartError::Prepare { .. }));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("said");
    fs::write(&path, "").unwrap();
    std::os::unix::fs::chown(&path, Some(4242), None).unwrap();
    fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let text = format!(
        "exec > {}; grep -E '^(Uid|Gid|Groups|NoNewPrivs|CapEff|CapPrm|CapInh|CapAmb):' /proc/self/status; ulimit -l",
        path.display()
    );
    let mut order = script(&text);
    order.rights = Some(Rights { uid: 4242, gid: 4243, groups: vec![29, 4243] });
    let before = passthru_apply::launcher::locked_memory_limit();
    // Not every root may raise the hard limit; the lab's does.
    let wanted = before.min(1 << 30);
    order.locked_memory = Some(wanted);
    assert_eq!(end(launch(&order).unwrap().go().unwrap()), End::Code(0));
    assert_eq!(passthru_apply::launcher::locked_memory_limit(), before, "our own limit was changed");
    let said = fs::read_to_string(&path).unwrap().replace('\t', " ");
    for line in [
        "Uid: 4242 4242 4242 4242",
        "Gid: 4243 4243 4243 4243",
        "Groups: 29 4243",
        "NoNewPrivs: 1",
        "CapInh: 0000000000000000",
        "CapPrm: 0000000000000000",
        "CapEff: 0000000000000000",
        "CapAmb: 0000000000000000",
    ] {
        assert!(said.lines().any(|found| found.trim_end() == line), "no {line:?} in:\n{said}");
    }
    let limit = said.lines().last().unwrap();
    assert!(limit == "unlimited" || limit.parse::<u64>().unwrap() >= wanted >> 10, "{limit}");
}

/// A program that pretends to be QEMU, and what it does.
fn emulator(directory: &Path, script: &str) -> String {
    let path = directory.join("qemu-system-x86_64");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn listened(order: &Order) -> (Running, Tee) {
    let program = Path::new(env!("CARGO_BIN_EXE_passthru"));
    let (tee, error_output) = Tee::start_with(program).unwrap();
    let running = start_with(program, order, Some(error_output), &[]).unwrap().go().unwrap();
    (running, tee)
}

#[test]
fn what_it_says_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let text = "qemu-system-x86_64: -device vfio-pci,host=01:00.0: vfio 0000:01:00.0: group 1 is not viable";
    let program = emulator(directory.path(), &format!("echo '{text}' >&2; exit 1"));
    let (running, tee) = listened(&order(&[&program]));
    assert_eq!(end(running), End::Code(1));
    let tail = tee.tail();
    assert_eq!(tail, format!("{text}\n"));
    let found = passthru_plan::explain::reasons(&tail, &[], &[]);
    assert_eq!(found.last().unwrap().signature.id, "companions");

    // Of very much, the end.
    let program = emulator(
        directory.path(),
        "i=0; while [ $i -lt 30000 ]; do echo \"line $i\"; i=$((i+1)); done >&2; echo last >&2",
    );
    let (running, tee) = listened(&order(&[&program]));
    assert_eq!(end(running), End::Code(0));
    let tail = tee.tail();
    assert!(tail.len() > 30_000 && tail.len() <= passthru_apply::tee::KEPT, "{}", tail.len());
    assert!(tail.ends_with("line 29999\nlast\n"), "{}", &tail[tail.len() - 40..]);
}

#[test]
fn a_child_that_stays_holds_nothing_up() {
    let directory = tempfile::tempdir().unwrap();
    let program = emulator(directory.path(), "sleep 120 & echo said >&2; exit 3");
    let (running, tee) = listened(&order(&[&program]));
    assert_eq!(end(running), End::Code(3));
    let start = std::time::Instant::now();
    assert_eq!(tee.tail(), "said\n");
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn its_words_come_through_and_it_outlives_us() {
    // In the place of `run`: a shell that starts the process that passes on, and is killed.
    let directory = tempfile::tempdir().unwrap();
    let said = directory.path().join("said");
    let killed = directory.path().join("killed");
    let line = format!(
        "(echo one; until [ -e '{}' ]; do sleep 0.1; done; echo two) 2>&1 | '{}' {} 2>'{}' >/dev/null & wait",
        killed.display(),
        env!("CARGO_BIN_EXE_passthru"),
        passthru_apply::tee::ARGUMENT,
        said.display()
    );
    let mut shell = std::process::Command::new("sh").args(["-c", &line]).spawn().unwrap();
    let wait_for = |text: &str| {
        let start = std::time::Instant::now();
        while fs::read_to_string(&said).unwrap_or_default() != text {
            assert!(start.elapsed() < Duration::from_secs(120), "no {text:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait_for("one\n");
    shell.kill().unwrap();
    shell.wait().unwrap();
    fs::write(&killed, "").unwrap();
    wait_for("one\ntwo\n");
}
