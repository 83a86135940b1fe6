//! One changing call fails, before or after its effect: everything is as it was, and
//! nothing else is said.

use std::cell::Cell;

use passthru_apply::transaction::ChangeError;
use passthru_testkit::fake::{Fault, Kernel};
use passthru_testkit::hosts::{host, pick};
use proptest::prelude::*;

use crate::support::{FAILURES, Scene, Wish, is_no_failure, recover, runner, stride, tell};

#[test]
fn one_failing_call_leaves_everything_as_it_was() {
    let (cases, hosts) = (Cell::new(0), Cell::new(0));
    let mut runner = runner(8);
    let run = runner.run(&(host(), pick()), |(spec, pick)| {
        hosts.set(hosts.get() + 1);
        let wish = Wish { devices: spec.devices(&pick), with_group: pick.with_group };
        for scene in Scene::both(&spec.build(), &wish) {
            for at in 0..scene.calls {
                for what in FAILURES {
                    cases.set(cases.get() + 1);
                    let faults = [Fault { at, what }];
                    let (kernel, result) = scene.with(faults);
                    check_failed(&scene, &kernel, &faults, result)?;
                }
            }
        }
        Ok(())
    });
    tell("one call fails", cases.get(), hosts.get());
    run.unwrap();
}

fn check_failed<T: std::fmt::Debug>(
    scene: &Scene,
    kernel: &Kernel,
    faults: &[Fault],
    result: Result<T, ChangeError>,
) -> Result<(), TestCaseError> {
    let told = || scene.told(kernel, faults);
    if is_no_failure(kernel, faults[0]) {
        let left = scene.not_last(kernel);
        prop_assert!(result.is_ok() && left.is_empty(), "{result:?} and yet {left:#?}: {}", told());
        return Ok(());
    }
    match &result {
        Ok(_) => return Err(TestCaseError::fail(format!("it did not fail: {}", told()))),
        Err(ChangeError::Failed(failure)) => {
            prop_assert!(failure.left.is_empty(), "{:?} is left: {}", failure.left, told());
        }
        // Before the first step: nothing was done.
        Err(ChangeError::Books(_)) => {}
        Err(other) => return Err(TestCaseError::fail(format!("{other:?}: {}", told()))),
    }
    let left = scene.not_first(kernel);
    prop_assert!(left.is_empty(), "{result:?} and yet {left:#?}: {}", told());
    // Each step that was undone is recorded as that, before the journal is closed.
    let made = kernel.made();
    if let Some(start) = made.iter().position(|call| call.contains(r#""record":"undo","#)) {
        let changes = |call: &String| call.starts_with("write ") || call.contains("/leases/");
        if let Some(last) = made.iter().rposition(changes).filter(|last| *last > start) {
            let next = made.get(last + 1);
            prop_assert!(next.is_some_and(|call| call.contains("undone")), "{next:?}: {}", told());
        }
    }
    Ok(())
}

/// Two calls fail, the second mostly while the first is being undone. What is said is
/// true, and where something is left a later `recover` looks after it.
#[test]
fn two_failing_calls_are_told_truthfully_and_looked_after() {
    let (cases, hosts) = (Cell::new(0), Cell::new(0));
    let mut runner = runner(3);
    let run = runner.run(&(host(), pick()), |(spec, pick)| {
        hosts.set(hosts.get() + 1);
        let wish = Wish { devices: spec.devices(&pick), with_group: pick.with_group };
        for scene in Scene::both(&spec.build(), &wish) {
            for first in (0..scene.calls).step_by(stride()) {
                for second in first + 1..first + 16 {
                    cases.set(cases.get() + 1);
                    let what = FAILURES[(first + second) % FAILURES.len()];
                    let faults = [Fault { at: first, what }, Fault { at: second, what }];
                    let (kernel, result) = scene.with(faults);
                    if is_no_failure(&kernel, faults[0]) {
                        check_failed(&scene, &kernel, &faults, result)?;
                    } else {
                        check_twice_failed(&scene, &kernel, &faults, result)?;
                    }
                }
            }
        }
        Ok(())
    });
    tell("two calls fail", cases.get(), hosts.get());
    run.unwrap();
}

fn check_twice_failed<T: std::fmt::Debug>(
    scene: &Scene,
    kernel: &Kernel,
    faults: &[Fault],
    result: Result<T, ChangeError>,
) -> Result<(), TestCaseError> {
    let told = || scene.told(kernel, faults);
    let left = scene.not_first(kernel);
    match &result {
        Ok(_) => return Err(TestCaseError::fail(format!("it did not fail: {}", told()))),
        Err(ChangeError::Failed(failure)) if failure.left.is_empty() => {
            prop_assert!(left.is_empty(), "said to be as it was: {left:#?}: {}", told());
        }
        Err(ChangeError::Failed(_)) => {}
        // Before the first step. A journal that announces nothing may be left.
        Err(_) => {
            let left: Vec<_> = left.iter().filter(|l| !l.starts_with("/run/passthru/journal")).collect();
            prop_assert!(left.is_empty(), "{result:?} and {left:#?}: {}", told());
        }
    }
    let later = kernel.process();
    let recovered = recover(&later);
    prop_assert!(recovered.is_ok(), "{recovered:?} after {result:?}: {}", told());
    let left = scene.not_first(&later);
    prop_assert!(left.is_empty(), "{result:?}, {recovered:?}, and yet {left:#?}: {}", told());
    Ok(())
}
