use proptest::prelude::*;

use super::*;

fn capture(records: &[(Op, &str, Answer)]) -> Capture {
    let mut capture = Capture::new(Header { tool: "passthru 0.1.0".into(), root: false, redacted: true });
    for (op, path, answer) in records {
        capture.insert(*op, path, answer.clone()).unwrap();
    }
    capture
}

fn output(code: Option<i32>, stdout: &[u8], stderr: &[u8]) -> Answer {
    Answer::Output(Box::new(Output { code, stdout: stdout.into(), stderr: stderr.into() }))
}

#[test]
fn a_capture_as_a_person_sees_it() {
    let mut config = [0; 64];
    config[..4].copy_from_slice(&[0xde, 0x10, 0x84, 0x12]);
    config[0x30..0x32].copy_from_slice(&[1, 2]);
    let stat = Stat { mode: 0o020_600, uid: 0, gid: 107, rdev: (10, 196), size: 0 };
    let c = capture(&[
        (Op::Read, "/sys/d/revision", Answer::Data(b"0xa1\n".into())),
        (Op::Read, "/sys/d/reset_method", Answer::Error(Errno::ENOENT)),
        (Op::Read, "/sys/d/config", Answer::Data(config.into())),
        (Op::Link, "/sys/d", Answer::Link("../../devices/My Disk".into())),
        (Op::List, "/sys", Answer::List(vec!["a b".into(), "d".into()])),
        (Op::Stat, "/dev/vfio/7", Answer::Stat(stat)),
        (Op::Read, "/proc/cmdline", Answer::Data(b"quiet\n\nx".into())),
        (Op::Read, "/proc/1/cmdline", Answer::Data(b"qemu\0-m\x001024\0".into())),
        (Op::Read, "/proc/swaps", Answer::Data(b"".into())),
        (Op::Read, "/sys/class/net/eth0/address", Answer::Withheld),
        (Op::Command, &command_key(&["virsh", "list", "a b", "", "="]), output(Some(1), b"", b"no\n")),
        (Op::Command, "uname -r", output(None, b"6.12\n", b"")),
    ]);
    let text = "passthru-capture 1\ntool: passthru 0.1.0\nrights: user\nredacted: yes\n\
        stat /dev/vfio/7 = char mode=0020600 uid=0 gid=107 rdev=10:196 size=0\n\
        read /proc/1/cmdline\ne qemu\\000-m\\0001024\\000\n\\ no newline\n\
        read /proc/cmdline\n| quiet\n|\n| x\n\\ no newline\n\
        read /proc/swaps\n\
        list /sys\n- a\\040b\n- d\n\
        read /sys/class/net/eth0/address ! withheld\n\
        link /sys/d -> ../../devices/My\\040Disk\n\
        read /sys/d/config\nx 0000 de108412000000000000000000000000\n\
        x 0030 01020000000000000000000000000000\nx 0040\n\
        read /sys/d/reset_method ! ENOENT\n\
        read /sys/d/revision\n| 0xa1\n\
        command uname -r = signal\n| 6.12\n\
        command virsh list a\\040b \\e \\075 = exit 1\nstderr\n| no\n\
        end 12\n";
    assert_eq!(c.to_text(), text);
    assert_eq!(parse(text.as_bytes()).unwrap(), c);
    // A person may leave notes in it.
    assert_eq!(parse(text.replace("list /sys\n", "\n# look here\nlist /sys\n").as_bytes()).unwrap(), c);
}

#[test]
fn looking_up() {
    let c = capture(&[
        (Op::Read, "/a", Answer::Data(b"1".into())),
        (Op::Stat, "/a", Answer::Error(Errno::EACCES)),
        (Op::Command, &command_key(&["lspci", "-n"]), output(Some(0), b"", b"")),
    ]);
    assert_eq!(c.get(Op::Read, "/a"), Some(&Answer::Data(b"1".into())));
    assert_eq!(c.get(Op::Stat, "/a"), Some(&Answer::Error(Errno::EACCES)));
    assert_eq!((c.get(Op::Link, "/a"), c.get(Op::Read, "/b")), (None, None));
    assert!(c.command(&["lspci", "-n"]).is_some() && c.command(&["lspci -n"]).is_none());
    assert_eq!((c.len(), c.is_empty(), c.header().redacted), (3, false, true));
}

#[test]
fn records_that_cannot_be() {
    let mut c = Capture::default();
    let data = || Answer::Data(Vec::new());
    for (op, path, answer, why) in [
        (Op::Read, "etc/passwd", data(), InvalidRecord::Relative),
        (Op::Read, "", data(), InvalidRecord::Relative),
        (Op::Read, "/sys/../etc/passwd", data(), InvalidRecord::Component),
        (Op::Read, "/sys/..", data(), InvalidRecord::Component),
        (Op::Read, "/sys//a", data(), InvalidRecord::Component),
        (Op::Read, "/sys/./a", data(), InvalidRecord::Component),
        (Op::Read, "/sys/", data(), InvalidRecord::Component),
        (Op::Read, "/a\0b", data(), InvalidRecord::Nul),
        (Op::Read, &"/a".repeat(3000), data(), InvalidRecord::TooLong),
        (Op::Read, "/a", Answer::Link("b".into()), InvalidRecord::Mismatch),
        (Op::List, "/a", data(), InvalidRecord::Mismatch),
        (Op::List, "/a", Answer::List(vec!["..".into()]), InvalidRecord::Name),
        (Op::List, "/a", Answer::List(vec!["a/b".into()]), InvalidRecord::Name),
        (Op::List, "/a", Answer::List(vec!["a".repeat(1000)]), InvalidRecord::TooLong),
        (Op::Link, "/a", Answer::Link("a\0".into()), InvalidRecord::Nul),
        (Op::Read, "/a", Answer::Data(vec![0; MAX_RECORD + 1]), InvalidRecord::TooLarge),
        (Op::Command, "ls  -l", Answer::Withheld, InvalidRecord::Name),
        (Op::Command, "a = b", Answer::Withheld, InvalidRecord::Name),
    ] {
        assert_eq!(c.insert(op, path, answer), Err(why), "{op:?} {path:.20}");
    }
    assert!(c.is_empty());
    assert_eq!(c.insert(Op::Read, "/", Answer::Withheld), Ok(()));
    assert_eq!(c.insert(Op::Link, "/sys/a", Answer::Link("../../../x".into())), Ok(()));
}

#[test]
fn hostile_and_damaged_files() {
    const HEAD: &str = "passthru-capture 1\n";
    for (body, line, problem) in [
        ("read /sys/../etc/shadow\nend 1\n", 3, InvalidRecord::Component.into()),
        ("read sys\nend 1\n", 3, InvalidRecord::Relative.into()),
        ("read /a\\000\nend 1\n", 3, InvalidRecord::Nul.into()),
        ("read /a\\0\nend 1\n", 2, Problem::Escape),
        ("read /a\\777\nend 1\n", 2, Problem::Escape),
        ("read /a\\377\nend 1\n", 2, Problem::Encoding),
        ("read /a ! EWHAT\nend 1\n", 2, Problem::Answer),
        ("read /a b\nend 1\n", 2, Problem::Answer),
        ("read /a -> b\nend 1\n", 2, Problem::Answer),
        ("list /a\n| x\nend 1\n", 3, Problem::Misplaced),
        ("list /a\n- ..\nend 1\n", 4, InvalidRecord::Name.into()),
        ("read /a\n- x\nend 1\n", 3, Problem::Misplaced),
        ("read /a\n| x\nx 0000 00\nend 1\n", 4, Problem::Misplaced),
        ("read /a\n| x\n\\ no newline\n| y\nend 1\n", 5, Problem::Misplaced),
        ("read /a\n\\ no newline\nend 1\n", 3, Problem::Misplaced),
        ("read /a\nx 0000 0\nend 1\n", 3, Problem::Row),
        ("read /a\nx 0000 0g\nend 1\n", 3, Problem::Row),
        ("read /a\nx 0010 00\nx 0000 00\nend 1\n", 4, Problem::Row),
        ("read /a\nx ffffffff\nend 1\n", 3, Problem::Row),
        ("read /a\nx 0000 00\nend 1\n", 4, Problem::Row),
        ("read /a\nx 0010\nx 0010 00\nend 1\n", 4, Problem::Misplaced),
        ("stat /a = file mode=0040000 uid=0 gid=0 rdev=0:0 size=0\nend 1\n", 2, Problem::Answer),
        ("stat /a = file mode=0100644 uid=0 gid=0 rdev=0:0 size=-1\nend 1\n", 2, Problem::Answer),
        ("command a = exit x\nend 1\n", 2, Problem::Answer),
        ("command  = exit 0\nend 1\n", 3, InvalidRecord::Name.into()),
        ("read /a\nstderr\nend 1\n", 3, Problem::Misplaced),
        ("read /a\nread /a\nend 2\n", 4, Problem::Twice),
        ("read /a\nend 2\n", 3, Problem::Count),
        ("read /a\nend 1\nread /b\n", 4, Problem::Misplaced),
        ("| x\nend 0\n", 2, Problem::Misplaced),
        ("rm /a\nend 1\n", 2, Problem::Unknown),
        ("read\nend 1\n", 2, Problem::Unknown),
        ("read /a\nrights: root\nend 1\n", 3, Problem::Unknown),
        ("rights: king\nend 0\n", 2, Problem::Answer),
    ] {
        let error = parse(format!("{HEAD}{body}").as_bytes()).unwrap_err();
        assert_eq!(error, CaptureError::Line { line, problem }, "{body}");
    }
    let error = parse(b"passthru-capture 1\nread /a\n| \xff\nend 1\n").unwrap_err();
    assert_eq!(error, CaptureError::Line { line: 3, problem: Problem::Encoding });
    assert_eq!(parse(b""), Err(CaptureError::NotACapture));
    assert_eq!(parse(b"\x7fELF"), Err(CaptureError::NotACapture));
    assert_eq!(parse(b"passthru-capture 2\n"), Err(CaptureError::Version { found: "2".into() }));
    assert_eq!(parse(b"passthru-capture 1\nread /a\n| x"), Err(CaptureError::Truncated { records: 0 }));
}

#[test]
fn rows_of_zeros_do_not_fill_the_memory() {
    let mut text = String::from("passthru-capture 1\n");
    for i in 0..40 {
        text.push_str(&format!("read /a{i}\nx 1000000\n"));
    }
    text.push_str("end 40\n");
    let error = parse(text.as_bytes()).unwrap_err();
    assert_eq!(error, CaptureError::Line { line: 35, problem: Problem::Row });
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ -~\n\t]{0,60}".prop_map(String::into_bytes),
        "\\PC{0,20}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..80),
        proptest::collection::vec(prop_oneof![Just(0u8), Just(b'\n'), any::<u8>()], 0..80),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9:.]{1,12}", "[^/\0]{1,6}"].prop_filter("a name", |n| check_name(n).is_ok())
}

fn record() -> impl Strategy<Value = (Op, String, Answer)> {
    let path = || proptest::collection::vec(name(), 0..4).prop_map(|c| format!("/{}", c.join("/")));
    let error = prop_oneof![Just(Answer::Withheld), (1..4096i32).prop_map(|n| Answer::Error(Errno(n))),];
    let stat = (any::<u32>(), any::<u32>(), any::<u32>(), any::<(u32, u32)>(), any::<u64>());
    prop_oneof![
        (path(), bytes()).prop_map(|(p, b)| (Op::Read, p, Answer::Data(b))),
        (path(), proptest::collection::vec(name(), 0..4)).prop_map(|(p, n)| (Op::List, p, Answer::List(n))),
        (path(), "[^\0]{0,12}").prop_map(|(p, t)| (Op::Link, p, Answer::Link(t))),
        (path(), stat).prop_map(|(p, (mode, uid, gid, rdev, size))| {
            (Op::Stat, p, Answer::Stat(Stat { mode, uid, gid, rdev, size }))
        }),
        (proptest::collection::vec("[^\0]{0,6}", 1..4), any::<Option<i32>>(), bytes(), bytes()).prop_map(
            |(argv, code, stdout, stderr)| {
                let key = command_key(&argv.iter().map(String::as_str).collect::<Vec<_>>());
                (Op::Command, key, output(code, &stdout, &stderr))
            }
        ),
        (path(), error).prop_map(|(p, e)| (Op::Read, p, e)),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(records in proptest::collection::vec(record(), 0..12), root: bool) {
        let mut c = Capture::new(Header { tool: "passthru 0.1".into(), root, redacted: false });
        for (op, path, answer) in records {
            c.insert(op, &path, answer).unwrap();
        }
        let text = c.to_text();
        prop_assert!(!text.chars().any(|c| encode::is_odd(c) && c != '\n' && c != '\t'));
        prop_assert_eq!(parse(text.as_bytes()), Ok(c));
    }

    #[test]
    fn a_file_that_is_cut_off_is_no_capture(records in proptest::collection::vec(record(), 0..6), cut: prop::sample::Index) {
        let mut c = Capture::default();
        for (op, path, answer) in records {
            c.insert(op, &path, answer).unwrap();
        }
        let text = c.to_text();
        // Without its last newline it is still whole.
        let cut = cut.index(text.len() - 1);
        prop_assert!(parse(&text.as_bytes()[..cut]).is_err());
    }
}
