//! The process dies at a changing call, and perhaps the one that looks after it too.
//! Whoever comes next finds its way: an interrupted bind is undone, an interrupted
//! release finished, an interrupted undo finished.

use std::cell::Cell;

use passthru_testkit::fake::{Fault, Kernel, What};
use passthru_testkit::hosts::{host, pick};
use proptest::prelude::*;

use crate::support::{CRASHES, Change, FAILURES, Scene, Wish, recover, runner, stride, tell};

#[test]
fn a_crash_at_any_call_is_recovered_from() {
    let (cases, hosts) = (Cell::new(0), Cell::new(0));
    let mut runner = runner(8);
    let run = runner.run(&(host(), pick()), |(spec, pick)| {
        hosts.set(hosts.get() + 1);
        let wish = Wish { devices: spec.devices(&pick), with_group: pick.with_group };
        for scene in Scene::both(&spec.build(), &wish) {
            for at in 0..scene.calls {
                for what in CRASHES {
                    cases.set(cases.get() + 1);
                    let faults = [Fault { at, what }];
                    let (kernel, result) = scene.with(faults);
                    prop_assert!(kernel.is_dead() && result.is_err());
                    check_recovered(&scene, &kernel, &faults, false)?;
                }
                cases.set(cases.get() + 1);
                let faults = [Fault { at, what: What::CrashAfter }];
                let (kernel, _) = scene.with(faults);
                check_next_change(&scene, &kernel, &faults)?;
            }
        }
        Ok(())
    });
    tell("one crash", cases.get(), hosts.get());
    run.unwrap();
}

/// Recovers, and looks whether it led where it should.
fn check_recovered(
    scene: &Scene,
    kernel: &Kernel,
    faults: &[Fault],
    undoing: bool,
) -> Result<(), TestCaseError> {
    let told = || scene.told(kernel, faults);
    let next = kernel.process();
    let recovered = recover(&next);
    prop_assert!(recovered.is_ok(), "{recovered:?}: {}\nthen\n{:#?}", told(), next.made());
    let (not_first, not_last) = (scene.not_first(&next), scene.not_last(&next));
    let release = matches!(scene.change, Change::Release(_));
    let finished = recovered.as_ref().is_ok_and(|r| r.as_ref().is_some_and(|r| r.finished));
    let (right, wrong) = match (&scene.change, &recovered) {
        (Change::Bind(_), Ok(Some(_))) => (not_first.is_empty(), not_first),
        (Change::Release(_), Ok(Some(_))) if finished => (not_last.is_empty(), not_last),
        // Before its first step, after its last, or while it was undone.
        (_, _) => (not_first.is_empty() || not_last.is_empty(), not_first),
    };
    prop_assert!(right, "{recovered:?} and yet {wrong:#?}: {}\nthen\n{:#?}", told(), next.made());
    prop_assert!(!(undoing && release && finished), "an undo was turned into its opposite: {}", told());
    let before = next.state();
    prop_assert_eq!(recover(&next).ok().flatten(), None);
    prop_assert_eq!(before, next.state());
    Ok(())
}

/// The same change by the next process, which recovers first.
fn check_next_change(scene: &Scene, kernel: &Kernel, faults: &[Fault]) -> Result<(), TestCaseError> {
    let next = kernel.process();
    let result = scene.change.run(&next);
    // A release that was finished while recovering can find nothing left to give back.
    let refused = matches!(
        (&scene.change, &result),
        (Change::Release(_), Err(passthru_apply::transaction::ChangeError::NoPlan(_)))
    );
    prop_assert!(result.is_ok() || refused, "{result:?}: {}", scene.told(kernel, faults));
    let left = scene.not_last(&next);
    prop_assert!(left.is_empty(), "{result:?} and yet {left:#?}: {}", scene.told(kernel, faults));
    Ok(())
}

/// Whoever recovers dies too, at every call it makes, and the third one finds its way.
#[test]
fn a_crash_while_recovering_is_recovered_from() {
    let (cases, hosts) = (Cell::new(0), Cell::new(0));
    let mut runner = runner(3);
    let run = runner.run(&(host(), pick()), |(spec, pick)| {
        hosts.set(hosts.get() + 1);
        let wish = Wish { devices: spec.devices(&pick), with_group: pick.with_group };
        for scene in Scene::both(&spec.build(), &wish) {
            for at in (0..scene.calls).step_by(stride()) {
                let faults = [Fault { at, what: CRASHES[at % CRASHES.len()] }];
                let (dead, _) = scene.with(faults);
                let calls = {
                    let whole = dead.copy();
                    prop_assert!(recover(&whole).is_ok());
                    whole.changes()
                };
                for then in 0..calls {
                    cases.set(cases.get() + 1);
                    let what = CRASHES[(at + then) % CRASHES.len()];
                    let second = dead.copy_with([Fault { at: then, what }]);
                    prop_assert!(recover(&second).is_err() && second.is_dead());
                    let all = [faults[0], Fault { at: then, what }];
                    check_recovered(&scene, &second, &all, false)?;
                }
            }
        }
        Ok(())
    });
    tell("two crashes", cases.get(), hosts.get());
    run.unwrap();
}

/// A call fails, and the process dies while it undoes what it did.
#[test]
fn a_crash_while_undoing_is_recovered_from() {
    let (cases, hosts) = (Cell::new(0), Cell::new(0));
    let mut runner = runner(3);
    let run = runner.run(&(host(), pick()), |(spec, pick)| {
        hosts.set(hosts.get() + 1);
        let wish = Wish { devices: spec.devices(&pick), with_group: pick.with_group };
        for scene in Scene::both(&spec.build(), &wish) {
            for at in (0..scene.calls).step_by(stride()) {
                let what = FAILURES[at % FAILURES.len()];
                let (whole, _) = scene.with([Fault { at, what }]);
                for then in at + 1..whole.changes() {
                    cases.set(cases.get() + 1);
                    let crash = Fault { at: then, what: CRASHES[(at + then) % CRASHES.len()] };
                    let faults = [Fault { at, what }, crash];
                    let (dead, _) = scene.with(faults);
                    prop_assert!(dead.is_dead());
                    check_recovered(&scene, &dead, &faults, then > at + 1)?;
                }
            }
        }
        Ok(())
    });
    tell("a failure, then a crash", cases.get(), hosts.get());
    run.unwrap();
}
