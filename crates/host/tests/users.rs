//! Users are found in the files of a host, and numbers always are somebody.

#![allow(clippy::disallowed_methods, reason = "a test that makes files")]

use std::fs;

use passthru_host::source::{Directory, Source};
use passthru_host::users::{Wanted, find};

fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Directory) {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    for (path, text) in files {
        fs::write(root.path().join(path), text).unwrap();
    }
    let source = Directory::at(root.path().to_str().unwrap()).unwrap();
    (root, source)
}

fn id(uid: u32, gid: Option<u32>) -> Wanted {
    Wanted::Id { uid, gid }
}

#[test]
fn with_the_groups_they_are_in() {
    let (_root, source) = host(&[
        ("etc/passwd", "nonsense\nroot:x:0:0::/root:/bin/sh\nalice:x:1000:1001::/home/alice:/bin/zsh\n"),
        (
            "etc/group",
            "root:x:0:\nkvm:x:104:bob,alice\nalice:x:1001:\nalicekin:x:7:alices\nnonsense\naudio:x:29:alice\n",
        ),
    ]);
    let alice = find(&source, &Wanted::Name("alice".into())).unwrap();
    assert_eq!((alice.uid, alice.gid, &alice.groups[..]), (1000, 1001, &[29, 104, 1001][..]));
    assert_eq!(
        (&*alice.home, &*alice.shell, &*alice.to_string()),
        ("/home/alice", "/bin/zsh", "alice (1000)")
    );
    assert_eq!(find(&source, &id(1000, None)).unwrap(), alice);
    let other = find(&source, &id(1000, Some(5))).unwrap();
    assert_eq!((other.gid, &other.groups[..]), (5, &[5, 29, 104][..]));
    assert!(find(&source, &Wanted::Name("root".into())).unwrap().is_root());
}

#[test]
fn who_is_nobody_here() {
    let (_root, source) = host(&[("etc/passwd", "root:x:0:0::/root:/bin/sh\n")]);
    let unknown = find(&source, &id(1234, None)).unwrap();
    assert_eq!((unknown.name.as_deref(), unknown.gid, &unknown.groups[..]), (None, 65534, &[65534][..]));
    assert_eq!(find(&source, &id(1234, Some(50))).unwrap().groups, [50]);
    // No comment, no line of the NIS mode, no part of a name.
    for name in ["bob", "roo", "roots", "#", "+root"] {
        let error = find(&source, &Wanted::Name(name.into())).unwrap_err().to_string();
        assert!(error.contains(&format!("no user {name}")) && error.contains("getent"), "{error}");
    }
    // Without any file, numbers are still numbers.
    let (_root, empty) = host(&[]);
    assert_eq!(find(&empty, &id(7, Some(8))).unwrap().gid, 8);
    assert!(find(&empty, &Wanted::Name("root".into())).is_err());
    assert!(empty.read("/etc/passwd", &mut Vec::new()).is_err());
}
