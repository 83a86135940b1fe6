//! A directory as a source: links of every kind, followed by the kernel (`openat2`) and by
//! hand, lead to the same places and never out of the root.

#![allow(clippy::disallowed_methods, reason = "a test that makes trees of files and links")]

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use passthru_host::source::{Directory, Source};

const SECRET: &str = "outside";

/// Targets of links; `OUT` stands for the absolute path of a directory beside the root.
const TARGETS: &[&str] = &[
    "file",
    "./file",
    "../file",
    "/file",
    "/a/file",
    "//a//file",
    "/a/b/../file",
    "/a/../a/b/../../file",
    "a",
    "/a",
    "/a/",
    "a/b/.",
    "b/..",
    ".",
    "..",
    "/",
    "/..",
    "../..",
    "../../../../../../../file",
    "/../../../file",
    "missing",
    "/missing/file",
    "a/missing/../file",
    "file/x",
    "file/..",
    "file/.",
    "file/",
    "l0",
    "l3/b",
    "l13/file",
    "self",
    "self/x",
    "pong",
    "/ping",
    "OUT",
    "OUT/secret",
    "../../../../../../../../../../../../OUT/secret",
    "deep39",
    "deep40",
    "deep41",
];

/// A tree with every link in three directories, and chains of links as long as the kernel
/// follows them and longer.
fn tree(root: &Path, outside: &Path) {
    fs::create_dir_all(root.join("a/b/c")).unwrap();
    for at in ["", "a", "a/b"] {
        let at = root.join(at);
        fs::write(at.join("file"), format!("{}\n", at.strip_prefix(root).unwrap().display())).unwrap();
        for (number, target) in TARGETS.iter().enumerate() {
            let target = target.replace("OUT", &outside.to_string_lossy());
            symlink(target, at.join(format!("l{number}"))).unwrap();
        }
        symlink("self", at.join("self")).unwrap();
        symlink("pong", at.join("ping")).unwrap();
        symlink("ping", at.join("pong")).unwrap();
        symlink("file", at.join("deep1")).unwrap();
        for n in 2..=42 {
            symlink(format!("deep{}", n - 1), at.join(format!("deep{n}"))).unwrap();
        }
        symlink(std::ffi::OsStr::from_bytes(b"odd\xff"), at.join("odd")).unwrap();
    }
}

/// What is asked: every link alone, below every directory, and as a directory.
fn paths() -> Vec<String> {
    let links: Vec<String> = (0..TARGETS.len()).map(|n| format!("l{n}")).collect();
    let others =
        ["file", "a", "b", "self", "ping", "deep39", "deep40", "deep41", "odd", "nothing", "..", "."];
    let names: Vec<&str> = links.iter().map(String::as_str).chain(others).collect();
    let mut paths = vec!["/".to_owned()];
    for at in ["", "/a", "/a/b", "/a/b/c", "/a/l3", "/l8", "/a/../a", "/../a"] {
        for name in &names {
            paths.push(format!("{at}/{name}"));
            for below in ["file", "..", "../file", "b/file", "l3", "../l10/file", "."] {
                paths.push(format!("{at}/{name}/{below}"));
            }
        }
    }
    // The directories that are kept open are those below /sys.
    let kept: Vec<String> = paths.iter().map(|path| format!("/sys{path}")).collect();
    paths.extend(kept);
    paths
}

/// Everything a source answers about a path.
fn answers(source: &Directory, path: &str) -> [String; 5] {
    let mut bytes = Vec::new();
    let read = source.read(path, &mut bytes).map(|()| String::from_utf8_lossy(&bytes).into_owned());
    let mut parts = String::new();
    let in_parts = source.read_parts(path, &mut |part| parts.push_str(&String::from_utf8_lossy(part)));
    [
        format!("read {read:?}"),
        format!("parts {:?}", in_parts.map(|()| parts)),
        format!("link {:?}", source.link(path)),
        format!("list {:?}", source.list(path)),
        format!("stat {:?}", source.stat(path).map(|stat| (stat.mode, stat.size))),
    ]
}

#[test]
fn by_hand_equals_the_kernel() {
    let dir = tempfile::tempdir().unwrap();
    let (root, outside) = (dir.path().join("root"), dir.path().join("out"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), SECRET).unwrap();
    fs::create_dir(&root).unwrap();
    tree(&root, &outside);
    fs::create_dir(root.join("sys")).unwrap();
    tree(&root.join("sys"), &outside);
    let text = root.to_string_lossy();
    let kernel = Directory::at(&text).unwrap();
    let hand = Directory::at(&text).unwrap().by_hand();
    let mut differ = Vec::new();
    let mut found = 0;
    let all = paths();
    for path in &all {
        for (theirs, ours) in answers(&kernel, path).into_iter().zip(answers(&hand, path)) {
            found += usize::from(theirs.contains("Ok("));
            assert!(!theirs.contains(SECRET) && !ours.contains(SECRET), "{path} leads out: {theirs}; {ours}");
            if theirs != ours {
                differ.push(format!("{path}: openat2 {theirs}, by hand {ours}"));
            }
        }
    }
    assert!(found > all.len() / 3, "only {found} answers of {} paths are no errors", all.len());
    let shown = differ.iter().take(30).cloned().collect::<Vec<_>>().join("\n");
    assert!(differ.is_empty(), "{} of {} answers differ:\n{shown}", differ.len(), all.len() * 5);
}

/// The same path twice has the same answer, whatever was asked between: directories and
/// links that are kept must not be taken for others.
#[test]
fn what_is_kept_does_not_show() {
    let dir = tempfile::tempdir().unwrap();
    let devices = dir.path().join("sys/bus/pci/devices");
    fs::create_dir_all(&devices).unwrap();
    for n in 0..6 {
        let real = dir.path().join(format!("sys/devices/pci0000:00/0000:00:0{n}.0"));
        fs::create_dir_all(&real).unwrap();
        fs::write(real.join("class"), format!("0x0{n}0000\n")).unwrap();
        symlink(
            format!("../../../devices/pci0000:00/0000:00:0{n}.0"),
            devices.join(format!("0000:00:0{n}.0")),
        )
        .unwrap();
    }
    // One that leads through another link, one beyond the root, one to an absolute place.
    symlink("0000:00:01.0", devices.join("0000:01:00.0")).unwrap();
    symlink("../../../../../../sys/devices/pci0000:00/0000:00:02.0", devices.join("0000:02:00.0")).unwrap();
    symlink("/sys/devices/pci0000:00/0000:00:03.0", devices.join("0000:03:00.0")).unwrap();
    // By text this leads to a link to 0000:00:05.0; through the link to a directory of its own.
    symlink("0000:00:04.0/../0000:09:00.0", devices.join("0000:04:00.0")).unwrap();
    symlink("0000:00:05.0", devices.join("0000:09:00.0")).unwrap();
    let real = dir.path().join("sys/devices/pci0000:00/0000:09:00.0");
    fs::create_dir(&real).unwrap();
    fs::write(real.join("class"), "0x090000\n").unwrap();
    let text = dir.path().to_string_lossy();
    for source in [Directory::at(&text).unwrap(), Directory::at(&text).unwrap().by_hand()] {
        for _ in 0..2 {
            for (name, class) in [
                ("0000:00:00.0", "0x000000\n"),
                ("0000:00:05.0", "0x050000\n"),
                ("0000:01:00.0", "0x010000\n"),
                ("0000:02:00.0", "0x020000\n"),
                ("0000:03:00.0", "0x030000\n"),
                ("0000:04:00.0", "0x090000\n"),
                ("0000:09:00.0", "0x050000\n"),
            ] {
                let base = format!("/sys/bus/pci/devices/{name}");
                source.link(&base).unwrap();
                let mut bytes = Vec::new();
                source
                    .read(&format!("{base}/class"), &mut bytes)
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(String::from_utf8_lossy(&bytes), class, "{name}");
            }
        }
    }
}
