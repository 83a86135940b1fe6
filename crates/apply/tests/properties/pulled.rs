//! Somebody pulls a card at any call of a change (true surprise removal: nobody asked the
//! host), and perhaps plugs another one in at its place: nothing is written to that one,
//! the other devices of the change are as they were, and nothing is left in the books.

use passthru_apply::books;
use passthru_apply::journal::JOURNAL;
use passthru_apply::recover::Recovered;
use passthru_apply::transaction::ChangeError;
use passthru_model::{LeaseRecord, Plan, Step};
use passthru_pci::Address;
use passthru_testkit::fake::{Effect, Fault, Kernel, What};
use proptest::prelude::*;

use crate::support::{CRASHES, How, Scene, clean_up, count, differences_that, of_scenes, release, stride};

/// The calls before the plan is made under the lock: three directories, the lock.
const PLANNED: usize = 4;

/// What is not as in a kernel, of everything but a device.
fn others(wanted: &Kernel, plan: &Plan, kernel: &Kernel, device: Address) -> Vec<String> {
    let [one, two] = [wanted, kernel].map(|kernel| {
        let copy = kernel.copy();
        copy.with(|m| {
            m.functions.remove(&device);
            m.files.retain(|path, _| !path.contains(&device.to_string()));
            m.damage.clear();
        });
        copy
    });
    differences_that(&one, plan, &two.state(), |line| !line.starts_with("nodes:"))
}

/// Its lease, if there is one.
fn lease(kernel: &Kernel, device: Address) -> Option<LeaseRecord> {
    let name = format!("{device}.json");
    books::leases(kernel).unwrap().into_iter().find(|record| match record {
        LeaseRecord::Valid(lease) => lease.device == device,
        LeaseRecord::Broken(broken, _) => *broken == name,
    })
}

/// The calls at which a device can be pulled: not in the middle of a write to it, of which
/// nobody can know to whom it went.
fn calls(scene: &Scene, device: Address) -> Vec<usize> {
    let made = scene.last.made();
    let about = |call: &String| call.starts_with("write ") && call.contains(&device.to_string());
    (0..made.len()).filter(|at| !about(&made[*at])).collect()
}

/// After the change, whatever came of it: who looks after it, and gives back what is lent.
fn check(scene: &Scene, kernel: &Kernel, faults: &[Fault], device: Address) -> Result<(), TestCaseError> {
    let told = || scene.told(kernel, faults);
    let there = |kernel: &Kernel| {
        kernel.with(|m| m.functions.get(&device).map(|f| (f.driver.clone(), f.driver_override.clone())))
    };
    let found = there(kernel);
    let next = kernel.process();
    let recovered = clean_up(&next);
    prop_assert!(recovered.is_ok(), "{recovered:?}: {}\nthen {:#?}", told(), next.made());
    prop_assert!(next.file(JOURNAL).is_none(), "the journal is still there: {}", told());
    // What another card at its place is on does not turn a release of the others back.
    if let Some(Recovered { interrupted, finished, .. }) = recovered.unwrap().interrupted {
        let begun = interrupted.begun > 0 && interrupted.undoing.is_none();
        prop_assert!(finished || !(begun && scene.change.is_release()), "undone: {}", told());
    }
    let first = others(&scene.first, &scene.plan, &next, device);
    let last = others(&scene.last, &scene.plan, &next, device);
    prop_assert!(
        first.is_empty() || last.is_empty(),
        "neither {first:#?} nor {last:#?}: {}\nthen {:#?}",
        told(),
        next.made()
    );
    let lent: Vec<_> = scene.plan.devices.iter().copied().filter(|d| lease(&next, *d).is_some()).collect();
    let released = release(&next, &lent);
    prop_assert!(released.is_ok(), "{released:?}: {}", told());
    prop_assert!(lease(&next, device).is_none(), "a lease is left: {}", told());
    // A module that is loaded for another one takes what it knows, as on every host.
    let now = there(&next);
    let loads = |driver: &str| next.made().contains(&format!("modprobe -- {driver}"));
    let taken = match (&found, &now) {
        (Some((None, before)), Some((Some(driver), after))) => before == after && loads(driver),
        _ => false,
    };
    prop_assert!(found == now || taken, "{found:?} is {now:?}: something was written to it: {}", told());
    Ok(())
}

#[test]
fn a_card_pulled_at_any_call() {
    of_scenes("pulled", 3, |scene, cases| {
        for at in 0..scene.calls {
            for device in &scene.plan.devices {
                count(cases);
                let faults = [Fault { at, what: What::Unplug(*device) }];
                let (kernel, result) = scene.with(faults);
                if result.is_ok() {
                    // After its last step, or it was nothing that the change was about.
                    prop_assert!(kernel.file(JOURNAL).is_none(), "{}", scene.told(&kernel, &faults));
                }
                check(scene, &kernel, &faults, *device)?;
            }
        }
        Ok(())
    });
}

#[test]
fn another_card_at_its_place_at_any_call() {
    of_scenes("another at its place", 3, |scene, cases| {
        for device in &scene.plan.devices {
            for at in calls(scene, *device) {
                count(cases);
                let faults = [Fault { at, what: What::Swap(*device) }];
                let kernel = scene.first.copy_with(faults);
                let how = How { shown: Some(&scene.plan), ..How::default() };
                let result = scene.change.run_with(&kernel, how);
                // To close a lease is the same, whatever is at the place now.
                let mut about = scene.plan.steps.iter().filter(|step| step.device() == Some(*device));
                if at < PLANNED && !about.all(|step| matches!(step, Step::CloseLease { .. })) {
                    // What somebody agreed to was about the other one, which the host may
                    // even need.
                    let refused = matches!(result, Err(ChangeError::Stale | ChangeError::NoPlan(_)));
                    prop_assert!(refused, "{result:?}");
                }
                let made = kernel.made();
                let written: Vec<_> = made[at..]
                    .iter()
                    .filter(|call| call.starts_with("write ") && call.contains(&device.to_string()))
                    .collect();
                prop_assert!(
                    written.is_empty(),
                    "written to another device: {}",
                    scene.told(&kernel, &faults)
                );
                check(scene, &kernel, &faults, *device)?;
            }
        }
        Ok(())
    });
}

/// Between a crash and whoever looks after it.
#[test]
fn another_card_at_its_place_after_a_crash() {
    of_scenes("a crash, then another at its place", 5, |scene, cases| {
        for device in &scene.plan.devices {
            for at in (0..scene.calls).step_by(stride()) {
                count(cases);
                let faults = [Fault { at, what: CRASHES[at % 3] }];
                let (dead, _) = scene.with(faults);
                dead.swap(*device);
                check(scene, &dead, &faults, *device)?;
            }
        }
        Ok(())
    });
}

/// Between a write that hung and whoever undoes what is left: the card with the lease is
/// gone, and the lease with it.
#[test]
fn another_card_at_the_place_of_a_stuck_one() {
    of_scenes("a hang, then another at its place", 3, |scene, cases| {
        for at in scene.writes() {
            for effect in [Effect::AtOnce, Effect::Late, Effect::Never] {
                count(cases);
                let faults = [Fault { at, what: What::Hang(effect) }];
                let (kernel, result) = scene.with(faults);
                prop_assert!(result.is_err(), "{}", scene.told(&kernel, &faults));
                let device = kernel.with(|m| m.hangs[0].device);
                kernel.come_back(device);
                kernel.swap(device);
                check(scene, &kernel, &faults, device)?;
                prop_assert_eq!(books::stuck(&kernel).unwrap(), []);
            }
        }
        Ok(())
    });
}
