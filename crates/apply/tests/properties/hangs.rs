//! A write does not come back: its device is stuck and parked, everything else is as it
//! was and can be used, and when it has come back `recover` leads to the first state.

use std::collections::BTreeSet;

use passthru_apply::books::{self, Patience};
use passthru_apply::journal::JOURNAL;
use passthru_apply::parked::Settled;
use passthru_apply::recover::{Cleanup, RecoverError};
use passthru_apply::transaction::{self, ChangeError, Confirm};
use passthru_formats::Errno;
use passthru_model::plan::NoPlan;
use passthru_model::{Reason, StuckRecord};
use passthru_pci::Address;
use passthru_testkit::fake::{Effect, Fault, Kernel, Part, What};
use passthru_testkit::hosts::{HostSpec, Pick};
use proptest::prelude::*;

use crate::support::{
    CRASHES, Cases, Change, How, Scene, Wish, clean_up, count, property, release, stride, writes,
};

const EFFECTS: [Effect; 3] = [Effect::AtOnce, Effect::Late, Effect::Never];

/// A card beside the generated ones, which nobody uses.
fn spare() -> Address {
    "0000:7f:00.0".parse().unwrap()
}

/// The changes of a wish on a host with a spare card.
fn scenes(spec: &HostSpec, pick: &Pick) -> Vec<Scene> {
    let kernel = spec.build();
    let part = Part::new(&spare().to_string(), 0x02_0000).on("r8169").interface("spare0").group(990);
    kernel.with(|m| m.put(part));
    Scene::both(&kernel, &Wish { devices: spec.devices(pick), with_group: pick.with_group })
}

/// The device on which something hangs.
fn hung(kernel: &Kernel) -> Option<Address> {
    kernel.with(|m| m.hangs.first().map(|hang| hang.device))
}

/// What is not as it was, of everything but the device that is stuck.
fn others(scene: &Scene, kernel: &Kernel, stuck: Address) -> Vec<String> {
    let one = scene.first.copy();
    let two = kernel.copy();
    let group = one.with(|m| m.functions[&stuck].group);
    for kernel in [&one, &two] {
        kernel.with(|m| {
            m.functions.remove(&stuck);
            m.files.retain(|path, _| !path.contains(&stuck.to_string()));
        });
    }
    let mut left = scene.not_first_but(&one, &two);
    left.retain(|line| !line.starts_with("nodes:") || group.is_none());
    left
}

/// While it hangs: it is recorded, the journal and the lock are free, every verb refuses it
/// and neither writes to it nor reads what would hang, and another device can be lent.
fn check_parked(scene: &Scene, kernel: &Kernel, told: &dyn Fn() -> String) -> Result<(), TestCaseError> {
    let stuck = hung(kernel).unwrap();
    let left = others(scene, kernel, stuck);
    prop_assert!(left.is_empty(), "{left:#?}: {}", told());
    prop_assert!(kernel.file(JOURNAL).is_none(), "the journal is still there: {}", told());
    prop_assert_eq!(kernel.state().held, 0, "held: {}", told());
    let records = books::stuck(kernel).unwrap();
    prop_assert!(
        matches!(&records[..], [StuckRecord::Valid(record)] if record.device == stuck),
        "{records:?}: {}",
        told()
    );
    let before = kernel.state();
    let reads = kernel.with(|m| m.hanging_reads);
    let bind = |with_group| Wish { devices: vec![stuck], with_group };
    for what in 0..4 {
        let next = kernel.process();
        let error = match what {
            0 => bind(false).bind(&next).map(drop),
            1 => bind(true).bind(&next).map(drop),
            2 => release(&next, &[stuck]).map(drop),
            _ => bind(true).plan(&next).map(drop),
        };
        let is_stuck = |error: &ChangeError| match error {
            ChangeError::NoPlan(NoPlan::Refused(refusals)) => {
                refusals.iter().any(|r| r.reason == Reason::Stuck && r.device == stuck)
            }
            _ => false,
        };
        prop_assert!(error.as_ref().is_err_and(is_stuck), "{what}: {error:?}: {}", told());
        prop_assert!(writes(&next, 0).is_empty(), "{what} wrote: {:#?}: {}", next.made(), told());
    }
    let still = clean_up(&kernel.process());
    let is_still = |cleanup: &Cleanup| {
        cleanup.interrupted.is_none()
            && matches!(&cleanup.settled[..], [Settled::Still(s)] if s.device == stuck)
    };
    prop_assert!(still.as_ref().is_ok_and(is_still), "{still:?}: {}", told());
    prop_assert_eq!(before.differences(&kernel.state()), Vec::<String>::new(), "{}", told());
    prop_assert_eq!(reads, kernel.with(|m| m.hanging_reads), "a read that hangs: {}", told());
    let other = kernel.copy().process();
    let bound = Wish { devices: vec![spare()], with_group: false }.bind(&other);
    prop_assert!(bound.is_ok(), "the spare card: {bound:?}: {}", told());
    let released = release(&other, &[spare()]);
    prop_assert!(released.is_ok(), "the spare card: {released:?}: {}", told());
    Ok(())
}

/// Whether a kernel is as before the change; or as after it, where it is a release and both
/// are right.
fn is_settled(scene: &Scene, kernel: &Kernel, last_too: bool) -> Vec<String> {
    let left = scene.not_first(kernel);
    if last_too && scene.not_last(kernel).is_empty() { Vec::new() } else { left }
}

/// It has come back: `recover` leads to the first state, interrupted anywhere or not, and a
/// second time does nothing.
fn check_freed(
    scene: &Scene,
    kernel: &Kernel,
    last_too: bool,
    cases: &Cases,
    told: &dyn Fn() -> String,
) -> Result<(), TestCaseError> {
    let stuck = hung(kernel).unwrap();
    kernel.come_back(stuck);
    let whole = kernel.copy().process();
    let freed = clean_up(&whole);
    let is_free =
        |cleanup: &Cleanup| matches!(cleanup.settled[..], [Settled::Free(device)] if device == stuck);
    prop_assert!(freed.as_ref().is_ok_and(is_free), "{freed:?}: {}\nthen {:#?}", told(), whole.made());
    let left = is_settled(scene, &whole, last_too);
    prop_assert!(left.is_empty(), "{freed:?} and yet {left:#?}: {}\nthen {:#?}", told(), whole.made());
    let before = whole.state();
    let again = clean_up(&whole.process());
    prop_assert!(again.as_ref().is_ok_and(Cleanup::is_empty), "{again:?}: {}", told());
    prop_assert_eq!(before, whole.state());
    for at in (0..whole.changes()).step_by(stride()) {
        count(cases);
        let what = match at % 4 {
            3 => What::FailBefore(Errno::ENOSPC),
            nth => CRASHES[nth],
        };
        let second = kernel.copy_with([Fault { at, what }]);
        let _ = clean_up(&second);
        let third = second.process();
        let recovered = clean_up(&third);
        let left = is_settled(scene, &third, last_too);
        prop_assert!(
            recovered.is_ok() && left.is_empty(),
            "{what:?} at {at} of recover, then {recovered:?}, {left:#?}: {}\nthen {:#?}\nthen {:#?}",
            told(),
            second.made(),
            third.made()
        );
    }
    Ok(())
}

#[test]
fn a_write_that_does_not_come_back() {
    property("a write hangs", 3, |spec, pick, cases| {
        for scene in scenes(spec, pick) {
            for at in scene.writes() {
                for effect in EFFECTS {
                    count(cases);
                    let faults = [Fault { at, what: What::Hang(effect) }];
                    let (kernel, result) = scene.with(faults);
                    let told = || scene.told(&kernel, &faults);
                    check_failed(&result, &kernel, &told)?;
                    check_parked(&scene, &kernel, &told)?;
                    check_freed(&scene, &kernel, false, cases, &told)?;
                }
            }
        }
        Ok(())
    });
}

/// The result says that this one device is stuck, and nothing else is left.
fn check_failed<T: std::fmt::Debug>(
    result: &Result<T, ChangeError>,
    kernel: &Kernel,
    told: &dyn Fn() -> String,
) -> Result<(), TestCaseError> {
    let start = format!("{} is stuck: ", hung(kernel).unwrap());
    let truthful = |error: &ChangeError| match error {
        ChangeError::Failed(failure) => {
            matches!(&failure.left[..], [line] if line.starts_with(&start) && line.contains("process 90"))
        }
        _ => false,
    };
    prop_assert!(result.as_ref().is_err_and(truthful), "{result:?}: {}", told());
    Ok(())
}

#[test]
fn a_write_of_an_undo_that_does_not_come_back() {
    property("a failure, then a hang", 1, |spec, pick, cases| {
        for scene in scenes(spec, pick) {
            for at in (0..scene.calls).step_by(stride()) {
                let fault = Fault { at, what: What::FailAfter(Errno::EIO) };
                let (whole, _) = scene.with([fault]);
                for then in writes(&whole, at + 1) {
                    count(cases);
                    let faults = [fault, Fault { at: then, what: What::Hang(EFFECTS[(at + then) % 3]) }];
                    let (kernel, result) = scene.with(faults);
                    let told = || scene.told(&kernel, &faults);
                    check_failed(&result, &kernel, &told)?;
                    check_parked(&scene, &kernel, &told)?;
                    check_freed(&scene, &kernel, false, cases, &told)?;
                }
            }
        }
        Ok(())
    });
}

/// It comes back while a change of another device waits to be confirmed: nothing is undone
/// before that is.
#[test]
fn it_comes_back_while_a_change_waits() {
    property("a hang, then a change that waits", 1, |spec, pick, cases| {
        for scene in scenes(spec, pick) {
            for at in scene.writes() {
                count(cases);
                let faults = [Fault { at, what: What::Hang(Effect::AtOnce) }];
                let (kernel, _) = scene.with(faults);
                let told = || scene.told(&kernel, &faults);
                let stuck = hung(&kernel).unwrap();
                let confirm = Some(Confirm { within: 60, watch: &|| Ok(()) });
                let other = Change::Bind(Wish { devices: vec![spare()], with_group: false });
                let bound = other.run_with(&kernel.process(), How { confirm, ..How::default() });
                prop_assert!(bound.is_ok(), "{bound:?}: {}", told());
                kernel.come_back(stuck);
                let before = kernel.state();
                let refused = other.run(&kernel.process());
                let waits = matches!(refused, Err(ChangeError::Recover(RecoverError::Awaiting { .. })));
                prop_assert!(waits, "{refused:?}: {}", told());
                prop_assert_eq!(before.differences(&kernel.state()), Vec::<String>::new(), "{}", told());
                prop_assert!(transaction::confirm(&kernel.process(), Patience::NONE).is_ok());
                let freed = clean_up(&kernel.process()).map(|cleanup| cleanup.settled);
                prop_assert!(
                    matches!(freed.as_deref(), Ok([Settled::Free(device)]) if *device == stuck),
                    "{freed:?}: {}",
                    told()
                );
            }
        }
        Ok(())
    });
}

/// Whoever recovers hangs.
#[test]
fn a_write_of_a_recovery_that_does_not_come_back() {
    property("a crash, then a hang", 1, |spec, pick, cases| {
        for scene in scenes(spec, pick) {
            for at in (0..scene.calls).step_by(stride()) {
                let crash = Fault { at, what: CRASHES[at % 3] };
                let (dead, _) = scene.with([crash]);
                let whole = dead.copy().process();
                prop_assert!(clean_up(&whole).is_ok());
                for then in writes(&whole, 0) {
                    count(cases);
                    let hang = Fault { at: then, what: What::Hang(EFFECTS[(at + then) % 3]) };
                    let kernel = dead.copy_with([hang]);
                    let told = || scene.told(&kernel, &[crash, hang]);
                    let recovered = clean_up(&kernel);
                    let stuck = hung(&kernel).unwrap();
                    let said = |cleanup: &Cleanup| {
                        let found = cleanup.interrupted.iter().flat_map(|r| &r.stuck).map(|s| s.device);
                        found.collect::<BTreeSet<_>>() == [stuck].into()
                    };
                    prop_assert!(recovered.as_ref().is_ok_and(said), "{recovered:?}: {}", told());
                    check_parked(&scene, &kernel, &told)?;
                    check_freed(&scene, &kernel, false, cases, &told)?;
                }
            }
        }
        Ok(())
    });
}

/// The process is killed while its helper hangs: nobody has recorded that the device is
/// stuck. Whoever recovers finds out, and parks it.
#[test]
fn killed_while_a_write_hangs() {
    property("killed while a write hangs", 1, |spec, pick, cases| {
        for scene in scenes(spec, pick) {
            for at in scene.writes() {
                for effect in EFFECTS {
                    count(cases);
                    let faults = [Fault { at, what: What::CrashHanging(effect) }];
                    let (dead, result) = scene.with(faults);
                    let told = || scene.told(&dead, &faults);
                    prop_assert!(result.is_err() && dead.is_dead());
                    // It comes back before anybody looks.
                    let back = dead.copy();
                    back.come_back(hung(&back).unwrap());
                    let recovered = clean_up(&back);
                    let left = is_settled(&scene, &back, true);
                    prop_assert!(
                        recovered.is_ok() && left.is_empty(),
                        "{recovered:?}, {left:#?}: {}",
                        told()
                    );
                    // Somebody looks while it hangs, and is killed too, or not.
                    let whole = dead.copy().process();
                    let recovered = clean_up(&whole);
                    prop_assert!(recovered.is_ok(), "{recovered:?}: {}\nthen {:#?}", told(), whole.made());
                    check_parked(&scene, &whole, &told)?;
                    for then in (0..whole.changes()).step_by(stride()) {
                        count(cases);
                        let second = dead.copy_with([Fault { at: then, what: CRASHES[then % 3] }]);
                        prop_assert!(clean_up(&second).is_err() && second.is_dead());
                        let third = second.process();
                        let recovered = clean_up(&third);
                        let told =
                            || format!("{}\nthen {:#?}\nthen {:#?}", told(), second.made(), third.made());
                        prop_assert!(recovered.is_ok(), "{recovered:?}: {}", told());
                        check_parked(&scene, &third, &told)?;
                        check_freed(&scene, &third, true, cases, &told)?;
                    }
                    check_freed(&scene, &whole, true, cases, &told)?;
                }
            }
        }
        Ok(())
    });
}
