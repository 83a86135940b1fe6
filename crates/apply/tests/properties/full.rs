//! `/run` becomes full or read-only in the middle of a change, for good: what is said is
//! true, and when there is room again whoever comes next finds its way, also when the
//! process died after that.

use passthru_apply::transaction::ChangeError;
use passthru_formats::Errno;
use passthru_testkit::fake::{Effect, Fault, Kernel, What};
use proptest::prelude::*;

use crate::support::{CRASHES, Scene, clean_up, count, of_scenes, stride};

const FULL: [What; 2] = [What::Full(Errno::ENOSPC), What::Full(Errno::EROFS)];

/// With room again, and nobody hanging any more.
fn check_later(scene: &Scene, kernel: &Kernel, faults: &[Fault]) -> Result<(), TestCaseError> {
    let told = || scene.told(kernel, faults);
    let later = kernel.process();
    for device in later.with(|m| m.hangs.iter().map(|hang| hang.device).collect::<Vec<_>>()) {
        later.come_back(device);
    }
    let recovered = clean_up(&later);
    prop_assert!(recovered.is_ok(), "{recovered:?}: {}\nthen {:#?}", told(), later.made());
    let left = scene.not_first(&later);
    // A release of which the journal could not be closed may be finished.
    let right = left.is_empty() || scene.change.is_release() && scene.not_last(&later).is_empty();
    prop_assert!(right, "{recovered:?} and yet {left:#?}: {}\nthen {:#?}", told(), later.made());
    let before = later.state();
    prop_assert!(clean_up(&later.process()).is_ok_and(|cleanup| cleanup.is_empty()));
    prop_assert_eq!(before, later.state());
    Ok(())
}

#[test]
fn the_books_disk_is_full_from_a_call_on() {
    of_scenes("full or read-only", 5, |scene, cases| {
        for at in 0..scene.calls {
            for what in FULL {
                count(cases);
                let faults = [Fault { at, what }];
                let (kernel, result) = scene.with(faults);
                let told = || scene.told(&kernel, &faults);
                let left = scene.not_first(&kernel);
                match &result {
                    // The last call removes the journal, for which a full disk has room.
                    Ok(_) => {
                        let last = scene.not_last(&kernel);
                        prop_assert!(last.is_empty(), "done, and yet {last:#?}: {}", told());
                        continue;
                    }
                    Err(ChangeError::Failed(failure)) if failure.left.is_empty() => {
                        prop_assert!(left.is_empty(), "said to be as it was: {left:#?}: {}", told());
                    }
                    Err(ChangeError::Failed(failure)) => {
                        prop_assert!(!left.is_empty(), "nothing is left, but {failure:?}: {}", told());
                    }
                    // Before the first step; a journal that announces nothing may be left.
                    Err(ChangeError::Books(_) | ChangeError::Recover(_)) => {
                        let left: Vec<_> =
                            left.iter().filter(|l| !l.starts_with("/run/passthru/journal")).collect();
                        prop_assert!(left.is_empty(), "{result:?} and {left:#?}: {}", told());
                    }
                    Err(error) => return Err(TestCaseError::fail(format!("{error:?}: {}", told()))),
                }
                check_later(scene, &kernel, &faults)?;
            }
        }
        Ok(())
    });
}

#[test]
fn and_then_the_process_dies() {
    of_scenes("full or read-only, then a crash", 1, |scene, cases| {
        for at in (0..scene.calls).step_by(stride()) {
            let full = Fault { at, what: FULL[at % 2] };
            let (whole, _) = scene.with([full]);
            for then in at + 1..whole.changes() {
                count(cases);
                let faults = [full, Fault { at: then, what: CRASHES[(at + then) % 3] }];
                let (dead, _) = scene.with(faults);
                prop_assert!(dead.is_dead());
                check_later(scene, &dead, &faults)?;
            }
        }
        Ok(())
    });
}

/// There is no room for the record of a stuck device, or of what is undone meanwhile.
#[test]
fn and_a_write_hangs() {
    of_scenes("a hang, then full or read-only", 2, |scene, cases| {
        for at in scene.writes() {
            let hang = Fault { at, what: What::Hang(Effect::AtOnce) };
            let (whole, _) = scene.with([hang]);
            for then in at + 1..whole.changes() {
                count(cases);
                let faults = [hang, Fault { at: then, what: FULL[(at + then) % 2] }];
                let (kernel, result) = scene.with(faults);
                let told = || scene.told(&kernel, &faults);
                let truthful = |error: &ChangeError| match error {
                    ChangeError::Failed(failure) => !failure.left.is_empty(),
                    _ => false,
                };
                prop_assert!(result.as_ref().is_err_and(truthful), "{result:?}: {}", told());
                check_later(scene, &kernel, &faults)?;
            }
        }
        Ok(())
    });
}
