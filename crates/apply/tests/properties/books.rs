//! Journals and leases that are cut off at any byte, garbage, of another version, links,
//! or not to be read: one clear error each, nothing followed blindly, nothing lost.

use passthru_apply::books::{self, BooksError};
use passthru_apply::journal::JOURNAL;
use passthru_apply::recover::RecoverError;
use passthru_apply::transaction::ChangeError;
use passthru_formats::Errno;
use passthru_model::LeaseRecord;
use passthru_pci::Address;
use passthru_testkit::fake::{Fault, Kernel, Part, What};

use crate::support::{Wish, recover, release, tell};

const LEASE: &str = "/run/passthru/leases/0000:01:00.0.json";

fn disk() -> Kernel {
    Kernel::with_parts([Part::new("0000:01:00.0", 0x01_0802).on("nvme").disk("nvme0n1", 0, &[])])
}

fn device() -> Address {
    "0000:01:00.0".parse().unwrap()
}

fn wish() -> Wish {
    Wish { devices: vec![device()], with_group: false }
}

/// The device, and what it can be given back by.
fn accounted_for(kernel: &Kernel, told: &str) {
    let function = kernel.with(|m| m.functions[&device()].clone());
    if function.driver.as_deref() == Some("nvme") && function.driver_override.is_none() {
        return;
    }
    let released = release(kernel, &[device()]);
    assert!(released.is_ok(), "{told}: {function:?} and {released:?}");
    let function = kernel.with(|m| m.functions[&device()].clone());
    assert_eq!((function.driver.as_deref(), function.driver_override), (Some("nvme"), None), "{told}");
}

/// A journal cut off at any byte: undone as far as it tells, and what it does not tell of
/// can still be given back by the lease.
#[test]
fn a_journal_cut_off_at_any_byte() {
    let mut cases = 0;
    let whole = disk().copy();
    wish().bind(&whole).unwrap();
    let calls = whole.changes();
    for at in 0..calls {
        let dead = disk().copy_with([Fault { at, what: What::CrashAfter }]);
        wish().bind(&dead).unwrap_err();
        let Some(journal) = dead.file(JOURNAL) else { continue };
        for cut in (0..=journal.len()).rev().step_by(if at % 8 == 0 { 1 } else { 37 }) {
            cases += 1;
            let next = dead.copy();
            next.with(|m| m.files.get_mut(JOURNAL).unwrap().bytes.truncate(cut));
            let told = format!("died after call {at}, journal cut off at {cut} of {}", journal.len());
            let recovered = recover(&next);
            assert!(recovered.is_ok(), "{told}: {recovered:?}");
            assert!(next.file(JOURNAL).is_none(), "{told}");
            accounted_for(&next, &told);
        }
    }
    tell("journal cut off", cases, 1);
}

/// Garbage at any byte: nothing is done where a line is not what a journal says.
#[test]
fn a_journal_with_garbage_in_it() {
    let dead = disk().copy_with([Fault { at: 12, what: What::CrashAfter }]);
    wish().bind(&dead).unwrap_err();
    let journal = dead.file(JOURNAL).unwrap();
    let state = dead.state().without_books();
    for at in 0..journal.len() {
        let next = dead.copy();
        next.with(|m| m.files.get_mut(JOURNAL).unwrap().bytes[at] = b'\xff');
        match recover(&next) {
            // The last line end, or a letter of a note or a loss.
            Ok(_) => accounted_for(&next, &format!("garbage at {at}")),
            Err(ChangeError::Recover(RecoverError::Books(BooksError::Malformed { path, why, .. }))) => {
                assert_eq!(path, JOURNAL);
                assert!(!why.is_empty());
                assert_eq!(state, next.state().without_books(), "garbage at {at}");
            }
            // A driver's name with a wrong letter: the host is not as the journal says.
            Err(ChangeError::Recover(RecoverError::Steps { errors, .. })) => assert!(!errors.is_empty()),
            Err(error) => panic!("garbage at {at}: {error:?}"),
        }
    }
}

/// Where /run outlives a boot: neither its leases nor its journal say anything about this
/// one, and nothing is undone that the reboot undid.
#[test]
fn books_of_an_earlier_boot() {
    let dead = disk().copy_with([Fault { at: 12, what: What::CrashAfter }]);
    wish().bind(&dead).unwrap_err();
    let (journal, lease) = (dead.file(JOURNAL).unwrap(), dead.file(LEASE).unwrap());
    let next = disk();
    next.put_file(JOURNAL, journal);
    next.put_file(LEASE, lease);
    next.with(|m| m.boot_id = "0b007000-1111-4222-8333-ffffffffffff".into());
    let before = next.state().without_books();
    let recovered = recover(&next).unwrap().unwrap();
    assert!(recovered.interrupted.other_boot && !recovered.finished);
    assert_eq!((before, next.file(JOURNAL)), (next.state().without_books(), None));
    assert!(books::leases(&next).unwrap().is_empty());
    wish().bind(&next).unwrap();
    let leases = books::leases(&next).unwrap();
    assert!(matches!(&leases[..], [LeaseRecord::Valid(lease)] if lease.device == device()), "{leases:?}");
    release(&next, &[device()]).unwrap();
    assert_eq!(next.file(LEASE), None);
}

#[test]
fn journals_that_nobody_should_follow() {
    let plan = |version: u32| {
        format!(
            r#"{{"record":"plan","version":{version},"plan":{{"version":1,"intent":"bind","devices":[],"steps":[],"losses":[],"notes":[]}}}}"#
        )
    };
    let table = [
        (plan(3), "line 1: version 3; this passthru knows 1 to 2"),
        ("garbage".into(), "line 1: expected value"),
        (r#"{"record":"begin","step":0}"#.into(), "line 1: Begin { step: 0 } makes no sense there"),
        (format!("{}\n{}", plan(1), plan(1)), "line 2: Plan"),
        (
            format!("{}\n{{\"record\":\"begin\",\"step\":0}}", plan(1)),
            "line 2: Begin { step: 0 } makes no sense",
        ),
        (format!("{}\n{{\"record\":\"undone\",\"step\":0}}", plan(1)), "line 2: Undone { step: 0 } makes no"),
        (format!("{}\n{{\"record\":\"explode\"}}", plan(1)), "line 2: unknown variant `explode`"),
    ];
    for (text, wanted) in table {
        let kernel = disk();
        kernel.put_file(JOURNAL, format!("{text}\n"));
        let before = kernel.state();
        for error in [recover(&kernel).unwrap_err(), wish().bind(&kernel).unwrap_err()] {
            let said = error.to_string();
            assert!(said.contains(JOURNAL) && said.contains(wanted), "{text}: {said}");
        }
        assert_eq!(before.differences(&kernel.state()), Vec::<String>::new(), "{text}");
    }
}

/// A lease cut off at any byte is no lease. Nothing is given back by it, nothing is bound
/// over it, and the file stays for a person to look at.
#[test]
fn a_lease_cut_off_at_any_byte() {
    let bound = disk();
    wish().bind(&bound).unwrap();
    let lease = bound.file(LEASE).unwrap();
    let end = lease.iter().rposition(|c| *c == b'}').unwrap();
    for cut in 0..=end {
        broken(&bound, &lease[..cut], &format!("cut off at {cut}"));
    }
    tell("lease cut off", end + 1, 1);
}

fn broken(bound: &Kernel, bytes: &[u8], told: &str) {
    let kernel = bound.copy();
    kernel.put_file(LEASE, bytes);
    let before = kernel.state();
    let leases = books::leases(&kernel).unwrap();
    assert!(
        matches!(&leases[..], [LeaseRecord::Broken(name, why)] if LEASE.ends_with(name) && !why.is_empty())
    );
    for error in [release(&kernel, &[device()]).unwrap_err(), wish().bind(&kernel).unwrap_err()] {
        let ChangeError::NoPlan(passthru_model::plan::NoPlan::Unknown(what)) = &error else {
            panic!("{told}: {error:?}")
        };
        assert!(what.contains("0000:01:00.0.json"), "{told}: {what}");
    }
    assert_eq!(before.differences(&kernel.state()), Vec::<String>::new(), "{told}");
}

#[test]
fn leases_that_nobody_should_follow() {
    let bound = disk();
    wish().bind(&bound).unwrap();
    let lease = String::from_utf8(bound.file(LEASE).unwrap()).unwrap();
    let table = [
        ("of a later version", lease.replace("\"version\": 2", "\"version\": 3")),
        ("with a field of a later version", lease.replace("\"adopted\"", "\"new\": 1,\n  \"adopted\"")),
        ("about another device", lease.replace("0000:01:00.0", "0000:02:00.0")),
        ("a driver that is a number", lease.replace("\"nvme\"", "7")),
        ("garbage", "\u{0}\u{1}\u{2}".into()),
        (
            "too large",
            format!("{lease}{}", " ".repeat(70_000)).replace('}', &format!("{}}}", " ".repeat(70_000))),
        ),
    ];
    for (told, text) in table {
        assert_ne!(text, lease, "{told}");
        broken(&bound, text.as_bytes(), told);
    }
    // A link in the place of a lease leads nowhere.
    let kernel = bound.copy();
    kernel.put_file("/home/user/lease.json", lease);
    kernel.with(|m| {
        m.files.remove(LEASE);
        m.links.insert(LEASE.into(), "/home/user/lease.json".into());
    });
    let leases = books::leases(&kernel).unwrap();
    assert!(matches!(&leases[..], [LeaseRecord::Broken(_, why)] if why.contains("symbolic link")));
    // Half a file of a store that was cut off is nobody's lease.
    let kernel = bound.copy();
    kernel.put_file("/run/passthru/leases/.new-x", "{");
    assert_eq!(books::leases(&kernel).unwrap().len(), 1);
}

/// `/run` that is full, read-only, or not ours: said before anything is done.
#[test]
fn books_that_cannot_be_kept() {
    for (path, error) in [
        ("/run/passthru", Errno::EACCES),
        ("/run/passthru/lock", Errno::EROFS),
        (JOURNAL, Errno::ENOSPC),
        ("/run/passthru/leases", Errno::EACCES),
    ] {
        let kernel = disk();
        kernel.with(|m| m.directories.extend(["/run/passthru".into(), "/run/passthru/leases".into()]));
        kernel.fail(path, error);
        let before = kernel.state();
        let result = wish().bind(&kernel);
        let Err(ChangeError::Books(_) | ChangeError::Recover(RecoverError::Books(_))) = &result else {
            panic!("{path}: {result:?}")
        };
        assert!(result.unwrap_err().to_string().contains(path), "{path}");
        assert_eq!(before.differences(&kernel.state()), Vec::<String>::new(), "{path}");
    }
    let kernel = disk();
    kernel.with(|m| m.links.insert("/run/passthru".into(), "/home/user".into()));
    assert!(matches!(wish().bind(&kernel), Err(ChangeError::Books(BooksError::File { verb: "make", .. }))));
}
