//! A change that waits to be confirmed: it stays where somebody does so in time, and is
//! undone otherwise, by whoever comes next.

use passthru_apply::books::{self, Patience};
use passthru_apply::journal::JOURNAL;
use passthru_apply::recover::{self, Awaited, RecoverError};
use passthru_apply::transaction::{self, ChangeError, Confirm, ConfirmError};
use passthru_formats::Errno;
use passthru_testkit::fake::{Fault, Kernel, What};
use proptest::prelude::*;

use crate::support::{CRASHES, FAILURES, How, Scene, clean_up, count, is_no_failure, of_scenes, writes};

const WITHIN: u64 = 60;

fn how(watch: &dyn Fn() -> Result<(), String>) -> How<'_> {
    How { confirm: Some(Confirm { within: WITHIN, watch }), ..How::default() }
}

/// The change, on a copy of its host, for which something goes wrong.
fn waiting(scene: &Scene, faults: impl IntoIterator<Item = Fault>) -> (Kernel, Result<(), ChangeError>) {
    let kernel = scene.first.copy_with(faults);
    let result = scene.change.run_with(&kernel, how(&|| Ok(()))).map(drop);
    (kernel, result)
}

fn confirm(kernel: &Kernel) -> Result<passthru_model::Plan, ConfirmError> {
    transaction::confirm(kernel, Patience::NONE)
}

/// What the next verb does first.
fn next_verb(kernel: &Kernel) -> Result<(), ChangeError> {
    let guard = books::lock(kernel, Patience::NONE, "bind")?;
    recover::under(&guard, Awaited::Stays)?;
    Ok(())
}

/// What is not as after the change, but for the journal that waits.
fn not_waiting(scene: &Scene, kernel: &Kernel) -> Vec<String> {
    let mut left = scene.not_last(kernel);
    left.retain(|line| !line.starts_with(JOURNAL));
    left
}

#[test]
fn confirmed_in_time_it_stays() {
    of_scenes("confirmed", 8, |scene, cases| {
        count(cases);
        let (kernel, result) = waiting(scene, []);
        prop_assert!(result.is_ok(), "{result:?}");
        let told = || scene.told(&kernel, &[]);
        prop_assert!(not_waiting(scene, &kernel).is_empty() && kernel.file(JOURNAL).is_some(), "{}", told());
        // Nothing else can be changed meanwhile, whatever it is about.
        let before = kernel.state();
        let next = kernel.process();
        let refused = scene.change.run(&next);
        let awaiting = |error: &ChangeError| match error {
            ChangeError::Recover(RecoverError::Awaiting { devices, left }) => {
                *devices == scene.plan.devices && *left == WITHIN
            }
            _ => false,
        };
        prop_assert!(refused.as_ref().is_err_and(awaiting), "{refused:?}: {}", told());
        prop_assert!(writes(&next, 0).is_empty(), "{:#?}", next.made());
        prop_assert_eq!(before.differences(&kernel.state()), Vec::<String>::new(), "{}", told());
        // Confirmed by a process that fails or dies, and by the next one then.
        let whole = kernel.copy().process();
        let plan = confirm(&whole);
        prop_assert!(plan.as_ref().is_ok_and(|plan| *plan == scene.plan), "{plan:?}");
        prop_assert_eq!(scene.not_last(&whole), Vec::<String>::new(), "{}", told());
        prop_assert_eq!(confirm(&whole.process()), Err(ConfirmError::None));
        for at in 0..whole.changes() {
            for what in CRASHES.into_iter().chain(FAILURES) {
                count(cases);
                let first = kernel.copy_with([Fault { at, what }]);
                let failed = confirm(&first).is_err();
                prop_assert_eq!(failed, !is_no_failure(&first, Fault { at, what }), "{:?} at {}", what, at);
                let second = confirm(&first.process());
                let done = matches!(second, Ok(_) | Err(ConfirmError::None));
                prop_assert!(done, "{second:?} after {what:?} at {at}: {}", told());
                prop_assert_eq!(scene.not_last(&first), Vec::<String>::new(), "{}", told());
                prop_assert!(clean_up(&first.process()).is_ok_and(|cleanup| cleanup.is_empty()));
            }
        }
        Ok(())
    });
}

#[test]
fn not_confirmed_it_is_undone() {
    of_scenes("not confirmed", 3, |scene, cases| {
        let (kernel, result) = waiting(scene, []);
        prop_assert!(result.is_ok(), "{result:?}");
        let told = || scene.told(&kernel, &[]);
        let early = kernel.copy();
        early.with(|m| m.clock += WITHIN - 1);
        prop_assert!(next_verb(&early).is_err() && confirm(&early).is_ok());
        let late = kernel.copy();
        late.with(|m| m.clock += WITHIN);
        // Too late is an error, and changes nothing.
        let before = late.state();
        prop_assert_eq!(confirm(&late.process()), Err(ConfirmError::Late(0)));
        prop_assert_eq!(before, late.state());
        type Undo = fn(&Kernel) -> Result<(), ChangeError>;
        let by: [(&str, &Kernel, Undo); 3] = [
            ("the next verb", &late, next_verb),
            ("recover", &late, |kernel| clean_up(kernel).map(drop)),
            ("recover before the time", &kernel, |kernel| clean_up(kernel).map(drop)),
        ];
        for (name, from, undo) in by {
            let whole = from.copy().process();
            let undone = undo(&whole);
            let left = scene.not_first(&whole);
            prop_assert!(undone.is_ok() && left.is_empty(), "{name}: {undone:?}, {left:#?}: {}", told());
            prop_assert_eq!(confirm(&whole.process()), Err(ConfirmError::None));
            for at in 0..whole.changes() {
                count(cases);
                let first = from.copy_with([Fault { at, what: CRASHES[at % 3] }]);
                prop_assert!(undo(&first).is_err() && first.is_dead());
                let second = first.process();
                let undone = clean_up(&second);
                let left = scene.not_first(&second);
                prop_assert!(
                    undone.is_ok() && left.is_empty(),
                    "{name}, killed at {at}: {undone:?}, {left:#?}: {}\nthen {:#?}\nthen {:#?}",
                    told(),
                    first.made(),
                    second.made()
                );
            }
        }
        // In another boot it says nothing, and cannot be confirmed.
        count(cases);
        let booted = kernel.copy();
        booted.with(|m| m.boot_id = "0b007000-1111-4222-8333-ffffffffffff".into());
        let before = booted.state().without_books();
        prop_assert_eq!(confirm(&booted.process()), Err(ConfirmError::None));
        prop_assert!(next_verb(&booted).is_ok() && booted.file(JOURNAL).is_none());
        prop_assert_eq!(before.functions, booted.state().functions);
        Ok(())
    });
}

/// The change itself fails or dies before anybody could confirm it.
#[test]
fn interrupted_before_it_waits() {
    of_scenes("to be confirmed, and interrupted", 3, |scene, cases| {
        let (whole, _) = waiting(scene, []);
        for at in 0..whole.changes() {
            for what in CRASHES {
                count(cases);
                let faults = [Fault { at, what }];
                let (dead, result) = waiting(scene, faults);
                prop_assert!(result.is_err() && dead.is_dead());
                let next = dead.process();
                let recovered = clean_up(&next);
                prop_assert!(recovered.is_ok(), "{recovered:?}: {}", scene.told(&dead, &faults));
                let left = scene.not_first(&next);
                prop_assert!(left.is_empty(), "{left:#?}: {}", scene.told(&dead, &faults));
            }
            for what in FAILURES {
                count(cases);
                let faults = [Fault { at, what }];
                let (kernel, result) = waiting(scene, faults);
                let left = scene.not_first(&kernel);
                prop_assert!(
                    result.is_err() && left.is_empty(),
                    "{result:?}, {left:#?}: {}",
                    scene.told(&kernel, &faults)
                );
            }
        }
        // Nobody would undo it in time: it is undone at once.
        count(cases);
        let kernel = scene.first.copy().process();
        let result = scene.change.run_with(&kernel, how(&|| Err("no more processes".into())));
        prop_assert!(
            matches!(&result, Err(ChangeError::NoWatch(why)) if why == "no more processes"),
            "{result:?}"
        );
        prop_assert_eq!(scene.not_first(&kernel), Vec::<String>::new());
        Ok(())
    });
}

#[test]
fn nothing_to_confirm() {
    let kernel = Kernel::default();
    assert_eq!(confirm(&kernel), Err(ConfirmError::None));
    // A change that is merely interrupted is not confirmed by anybody.
    kernel.put_file(JOURNAL, "");
    assert_eq!(confirm(&kernel), Err(ConfirmError::None));
    kernel.fail("/proc/uptime", Errno::EACCES);
    assert!(matches!(confirm(&kernel), Err(ConfirmError::Books(_))));
    let dead = kernel.process_with([Fault { at: 0, what: What::CrashBefore }]);
    assert!(matches!(confirm(&dead), Err(ConfirmError::Books(_))));
}
