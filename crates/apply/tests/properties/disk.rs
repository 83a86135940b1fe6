//! The books as real files on a tmpfs, by the very calls the live machine gets: one call
//! fails, or the process dies there and leaves torn lines and half-written files.

#![expect(clippy::disallowed_methods, reason = "real files, looked at past everything that is tested")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use passthru_apply::files::Files;
use passthru_apply::target::LockError;
use passthru_formats::Errno;
use passthru_testkit::fake::{Fault, What};
use proptest::prelude::*;

use crate::support::{CRASHES, FAILURES, Scene, Wish, clean_up, count, is_no_failure, property, tell};

/// A directory on a tmpfs that this process may write to.
fn tmpfs() -> Option<PathBuf> {
    let asked = std::env::var_os("TMPDIR").map(PathBuf::from);
    let is_tmpfs = |path: &PathBuf| {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let on = |line: &&str| line.split(' ').nth(2) == Some("tmpfs");
        let at = |line: &&str| line.split(' ').nth(1).is_some_and(|point| path == Path::new(point));
        mounts.lines().filter(on).any(|line| at(&line))
    };
    let found = asked.into_iter().chain(["/dev/shm", "/tmp", "/run"].map(PathBuf::from)).find(is_tmpfs)?;
    tempfile::tempdir_in(&found).is_ok().then_some(found)
}

#[test]
fn on_a_real_tmpfs() {
    let Some(above) = tmpfs() else {
        tell("skipped, there is no tmpfs to write to: on a real tmpfs", 0, 0);
        return;
    };
    property("on a real tmpfs", 3, |spec, pick, cases| {
        let wish = Wish { devices: spec.devices(pick), with_group: pick.with_group };
        for scene in Scene::both(&spec.build().on_disk(&above), &wish) {
            for at in 0..scene.calls {
                let what = FAILURES.into_iter().chain(CRASHES).chain([What::Full(Errno::ENOSPC)]).nth(at % 7);
                for what in what.into_iter().chain([CRASHES[1]]) {
                    count(cases);
                    let faults = [Fault { at, what }];
                    let (kernel, result) = scene.with(faults);
                    let told = || scene.told(&kernel, &faults);
                    let left = scene.not_first(&kernel);
                    if FAILURES.contains(&what) && !is_no_failure(&kernel, faults[0]) {
                        prop_assert!(result.is_err() && left.is_empty(), "{result:?}, {left:#?}: {}", told());
                    }
                    let next = kernel.process();
                    let recovered = clean_up(&next);
                    prop_assert!(recovered.is_ok(), "{recovered:?}: {}", told());
                    let left = scene.not_first(&next);
                    let finished = scene.not_last(&next).is_empty();
                    let may_be = scene.change.is_release() || result.is_ok() || at + 1 == scene.calls;
                    prop_assert!(left.is_empty() || finished && may_be, "{left:#?}: {}", told());
                    let before = next.state();
                    prop_assert!(clean_up(&next.process()).is_ok_and(|cleanup| cleanup.is_empty()));
                    prop_assert_eq!(before, next.state());
                }
            }
        }
        Ok(())
    });
}

/// The files themselves: a lock that is held, links that are not followed.
#[test]
fn real_files() {
    let root = tempfile::tempdir().unwrap();
    let files = Files::below(&root.path().to_string_lossy());
    files.make_directory("/books").unwrap();
    files.make_directory("/books").unwrap();
    let held = files.lock("/books/lock", Duration::ZERO, "bind 1 2\n", &|_| {}).unwrap();
    let busy = files.lock("/books/lock", Duration::ZERO, "bind 3 4\n", &|_| {});
    assert!(matches!(&busy, Err(LockError::Busy { holder, .. }) if holder == "bind 1 2"), "{:?}", busy.err());
    drop(held);
    assert!(files.lock("/books/lock", Duration::ZERO, "bind 3 4\n", &|_| {}).is_ok());
    files.append("/books/journal", b"one\n").unwrap();
    files.append("/books/journal", b"two\n").unwrap();
    assert_eq!(std::fs::read(root.path().join("books/journal")).unwrap(), b"one\ntwo\n");
    files.store("/books/journal", b"three\n", 0o600).unwrap();
    assert_eq!(std::fs::read(root.path().join("books/journal")).unwrap(), b"three\n");
    std::os::unix::fs::symlink("/nowhere/at/all", root.path().join("books/link")).unwrap();
    assert_eq!(files.append("/books/link", b"x"), Err(Errno::ELOOP));
    assert_eq!(files.make_directory("/books/link"), Err(Errno::ENOTDIR));
    assert!(files.lock("/books/link", Duration::ZERO, "", &|_| {}).is_err());
    files.remove("/books/journal").unwrap();
    files.remove("/books/journal").unwrap();
}
