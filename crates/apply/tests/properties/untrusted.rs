//! Journals, leases and records of stuck devices that are not what passthru wrote: cut off,
//! full of garbage, somebody else's, links, directories, huge. Each is told of, none is
//! followed, and what they stand for stays as it is. And plans that are not any more what
//! somebody agreed to.

use passthru_apply::books;
use passthru_apply::journal::JOURNAL;
use passthru_apply::parked::Settled;
use passthru_apply::transaction::ChangeError;
use passthru_model::plan::NoPlan;
use passthru_model::{LeaseRecord, Reason, StuckRecord};
use passthru_pci::Address;
use passthru_testkit::fake::{Effect, Fault, Kernel, Part, What};
use proptest::prelude::*;

use crate::support::{How, Wish, clean_up, count, of_scenes, release, tell, writes};

const LEASE: &str = "/run/passthru/leases/0000:01:00.0.json";
const STUCK: &str = "/run/passthru/stuck/0000:01:00.0.json";

fn device() -> Address {
    "0000:01:00.0".parse().unwrap()
}

fn wish(device: &str) -> Wish {
    Wish { devices: vec![device.parse().unwrap()], with_group: false }
}

fn host() -> Kernel {
    Kernel::with_parts([
        Part::new("0000:01:00.0", 0x01_0802).on("nvme").disk("nvme0n1", 0, &[]),
        Part::new("0000:02:00.0", 0x02_0000).on("e1000e").interface("eth0"),
    ])
}

/// One device bound; one whose bind was killed; one that is stuck.
fn bound() -> Kernel {
    let kernel = host();
    wish("0000:01:00.0").bind(&kernel).unwrap();
    kernel
}

fn interrupted() -> Kernel {
    let dead = host().copy_with([Fault { at: 12, what: What::CrashAfter }]);
    wish("0000:01:00.0").bind(&dead).unwrap_err();
    dead.process()
}

fn stuck() -> Kernel {
    let whole = host();
    wish("0000:01:00.0").bind(&whole).unwrap();
    let at = writes(&whole, 0)[1];
    let kernel = host().copy_with([Fault { at, what: What::Hang(Effect::AtOnce) }]);
    wish("0000:01:00.0").bind(&kernel).unwrap_err();
    kernel
}

/// What a person who looks at a broken file finds: nothing was done by it, and every verb
/// says what is wrong with it.
fn check_broken(kernel: &Kernel, path: &str, told: &str) {
    let before = kernel.state();
    let errors =
        || [release(kernel, &[device()]).unwrap_err(), wish("0000:01:00.0").bind(kernel).unwrap_err()];
    match path {
        JOURNAL => {
            for error in errors().into_iter().chain([clean_up(kernel).unwrap_err()]) {
                assert!(error.to_string().contains(JOURNAL), "{told}: {error}");
            }
        }
        LEASE => {
            let leases = books::leases(kernel).unwrap();
            assert!(
                matches!(&leases[..], [LeaseRecord::Broken(_, why)] if !why.is_empty()),
                "{told}: {leases:?}"
            );
            for error in errors() {
                let said = matches!(&error, ChangeError::NoPlan(NoPlan::Unknown(what)) if what.contains("0000:01:00.0.json"));
                assert!(said, "{told}: {error:?}");
            }
        }
        _ => {
            let records = books::stuck(kernel).unwrap();
            assert!(
                matches!(&records[..], [StuckRecord::Broken(_, why)] if !why.is_empty()),
                "{told}: {records:?}"
            );
            for error in errors() {
                let ChangeError::NoPlan(NoPlan::Refused(refusals)) = &error else {
                    panic!("{told}: {error:?}")
                };
                assert!(refusals.iter().any(|r| r.reason == Reason::Stuck), "{told}: {refusals:?}");
            }
            let cleanup = clean_up(kernel).unwrap();
            assert!(matches!(&cleanup.settled[..], [Settled::Broken(..)]), "{told}: {cleanup:?}");
        }
    }
    assert_eq!(before.differences(&kernel.state()), Vec::<String>::new(), "{told}");
    if path != JOURNAL {
        let other = kernel.copy();
        wish("0000:02:00.0").bind(&other).unwrap_or_else(|error| panic!("{told}: {error:?}"));
    }
}

#[test]
fn files_that_are_not_ours() {
    let mut cases = 0;
    for (kernel, path) in [(bound(), LEASE), (interrupted(), JOURNAL), (stuck(), STUCK)] {
        let file = kernel.with(|m| m.files[path].clone());
        let mut check = |told: &str, spoil: &dyn Fn(&mut passthru_testkit::fake::Machine)| {
            cases += 1;
            let kernel = kernel.copy();
            kernel.with(|m| spoil(m));
            check_broken(&kernel, path, &format!("{path} {told}"));
        };
        check("of another user", &|m| m.files.get_mut(path).unwrap().uid = 1000);
        for mode in [0o666, 0o622, 0o664, 0o602] {
            check("that others may write to", &|m| m.files.get_mut(path).unwrap().mode = mode);
        }
        check("as a link", &|m| {
            m.files.remove(path);
            m.files.insert("/run/elsewhere".into(), file.clone());
            m.links.insert(path.into(), "/run/elsewhere".into());
        });
        check("as a directory", &|m| {
            m.files.remove(path);
            m.directories.insert(path.into());
        });
        check("of a later version", &|m| {
            let text = String::from_utf8(file.bytes.clone()).unwrap();
            let text = text.replacen("\"version\":2", "\"version\":9", 1);
            let text = text.replacen("\"version\": 2", "\"version\": 9", 1);
            let text = text.replacen("\"version\": 1", "\"version\": 9", 1);
            m.files.get_mut(path).unwrap().bytes = text.into_bytes();
        });
        // A journal with no whole line announces nothing: this one has one.
        check("of 5 MB", &|m| {
            let bytes = &mut m.files.get_mut(path).unwrap().bytes;
            *bytes = vec![b'{'; 5 << 20];
            bytes.push(b'\n');
        });
        check("of 5 MB of zeros", &|m| {
            let bytes = &mut m.files.get_mut(path).unwrap().bytes;
            bytes.extend(vec![0; 5 << 20]);
            bytes.push(b'\n');
        });
    }
    tell("files that are not ours", cases, 3);
}

/// A link to nowhere is no missing file: nothing is made where it points to.
#[test]
fn a_link_to_nowhere_in_the_place_of_the_journal() {
    let kernel = host();
    kernel.with(|m| m.directories.extend(["/run/passthru".into()]));
    kernel.with(|m| m.links.insert(JOURNAL.into(), "/etc/cron.d/x".into()));
    let before = kernel.state().without_books();
    let error = wish("0000:01:00.0").bind(&kernel).unwrap_err();
    assert!(error.to_string().contains(JOURNAL), "{error}");
    assert_eq!(before.differences(&kernel.state().without_books()), Vec::<String>::new());
    assert_eq!(kernel.file("/etc/cron.d/x"), None);
}

#[test]
fn a_stuck_record_cut_off_at_any_byte() {
    let kernel = stuck();
    let text = kernel.file(STUCK).unwrap();
    let end = text.iter().rposition(|c| *c == b'}').unwrap();
    for cut in (0..=end).step_by(3) {
        let kernel = kernel.copy();
        kernel.put_file(STUCK, &text[..cut]);
        check_broken(&kernel, STUCK, &format!("cut off at {cut}"));
    }
    tell("stuck record cut off", end / 3 + 1, 1);
}

/// Garbage at any byte. Where it is a letter of a word that can be any word the record is
/// understood, and what is said of what then fails is true.
#[test]
fn records_with_garbage_at_any_byte() {
    let mut cases = 0;
    for (kernel, path) in [(bound(), LEASE), (stuck(), STUCK)] {
        for at in (0..kernel.file(path).unwrap().len()).step_by(2) {
            cases += 1;
            let kernel = kernel.copy();
            kernel.with(|m| m.files.get_mut(path).unwrap().bytes[at] = 0xff);
            let broken = match path {
                LEASE => matches!(books::leases(&kernel).unwrap()[..], [LeaseRecord::Broken(..)]),
                _ => matches!(books::stuck(&kernel).unwrap()[..], [StuckRecord::Broken(..)]),
            };
            if broken {
                check_broken(&kernel, path, &format!("garbage at {at}"));
                continue;
            }
            kernel.come_back(device());
            let other = kernel.with(|m| m.functions[&"0000:02:00.0".parse().unwrap()].clone());
            let _ = (clean_up(&kernel), release(&kernel, &[device()]));
            let now = kernel.with(|m| m.functions[&other.address].clone());
            assert_eq!(other, now, "garbage at {at}");
        }
    }
    tell("garbage in records", cases, 2);
}

/// Any difference between the plan somebody agreed to and the one made under the lock is
/// refused before anything is written.
#[test]
fn a_stale_plan_is_refused() {
    of_scenes("stale", 20, |scene, cases| {
        let refused = |kernel: &Kernel, shown: &passthru_model::Plan| {
            count(cases);
            let before = kernel.state();
            let kernel = kernel.process();
            let result = scene.change.run_with(&kernel, How { shown: Some(shown), ..How::default() });
            let right = matches!(result, Err(ChangeError::Stale | ChangeError::NoPlan(_)));
            prop_assert!(right, "{result:?}: {}", scene.told(&kernel, &[]));
            prop_assert!(writes(&kernel, 0).is_empty());
            prop_assert_eq!(before.differences(&kernel.state()), Vec::<String>::new());
            Ok(())
        };
        for nth in 0..scene.plan.steps.len() {
            let mut shown = scene.plan.clone();
            shown.steps.remove(nth);
            refused(&scene.first.copy(), &shown)?;
        }
        for nth in 0..scene.plan.losses.len() {
            let mut shown = scene.plan.clone();
            shown.losses.remove(nth);
            refused(&scene.first.copy(), &shown)?;
        }
        for device in &scene.plan.devices {
            let steps = || scene.plan.steps.iter().filter(|step| step.device() == Some(*device));
            // Of one that was lent by somebody else only the lease is closed, gone or not.
            if steps().any(|step| !matches!(step, passthru_model::Step::CloseLease { .. })) {
                let kernel = scene.first.copy();
                kernel.unplug(*device);
                refused(&kernel, &scene.plan)?;
            }
            if steps().any(|step| matches!(step, passthru_model::Step::SetOverride { .. })) {
                let kernel = scene.first.copy();
                kernel.with(|m| m.functions.get_mut(device).unwrap().driver_override = Some("other".into()));
                refused(&kernel, &scene.plan)?;
            }
        }
        Ok(())
    });
}
