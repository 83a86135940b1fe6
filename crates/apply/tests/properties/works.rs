//! A plan does what it says, takes nothing the host needs, and release leads back.

use std::cell::Cell;

use passthru_apply::transaction::ChangeError;
use passthru_model::{Intent, LeaseRecord, Plan, Step};
use passthru_testkit::fake::Kernel;
use passthru_testkit::hosts::{host, pick};
use proptest::prelude::*;

use crate::support::{Change, Scene, Wish, differences, release, runner, tell};

/// Every wish of a host: each endpoint alone and with its group, and what was picked.
fn wishes(spec: &passthru_testkit::hosts::HostSpec, pick: &passthru_testkit::hosts::Pick) -> Vec<Wish> {
    let mut wishes = vec![Wish { devices: spec.devices(pick), with_group: pick.with_group }];
    for device in spec.endpoints() {
        wishes.extend([false, true].map(|with_group| Wish { devices: vec![device], with_group }));
    }
    wishes
}

fn leased(kernel: &Kernel) -> Vec<passthru_pci::Address> {
    let leases = passthru_apply::books::leases(kernel).unwrap();
    let device = |record: &LeaseRecord| match record {
        LeaseRecord::Valid(lease) => lease.device,
        LeaseRecord::Broken(name, why) => panic!("{name}: {why}"),
    };
    leases.iter().map(device).collect()
}

#[test]
fn a_plan_does_what_it_says_and_release_leads_back() {
    let (cases, refused, hosts) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let mut runner = runner(60);
    let run = runner.run(&(host(), pick()), |(spec, pick)| {
        hosts.set(hosts.get() + 1);
        let first = spec.build();
        for wish in wishes(&spec, &pick) {
            let kernel = first.copy();
            let Ok(plan) = wish.plan(&kernel) else {
                refused.set(refused.get() + 1);
                prop_assert!(wish.bind(&kernel).is_err());
                prop_assert_eq!(
                    differences(&first, &Plan::new(Intent::Bind, Vec::new()), &kernel.state()),
                    Vec::<String>::new()
                );
                continue;
            };
            cases.set(cases.get() + 1);
            let before = leased(&kernel);
            let applied = wish.bind(&kernel);
            prop_assert!(applied.is_ok(), "{wish:?}: {applied:?}\n{:#?}", kernel.made());
            check_bound(&wish, &plan.devices, &first, &kernel)?;
            if plan.devices.iter().any(|device| before.contains(device)) {
                // It was lent before this: release leads further back than to the start.
                continue;
            }
            let held = |a: &passthru_pci::Address| {
                kernel.with(|m| m.functions[a].group.is_some_and(|group| m.is_held(group)))
            };
            let released = release(&kernel, &plan.devices);
            if plan.devices.iter().any(held) {
                // A virtual machine has its group: not before that ends.
                prop_assert!(matches!(released, Err(ChangeError::NoPlan(_))), "{released:?}");
                continue;
            }
            prop_assert!(released.is_ok(), "{wish:?}: {released:?}\n{:#?}", kernel.made());
            let mut both = plan.clone();
            both.steps.extend(released.unwrap().plan.steps);
            let left = differences(&first, &both, &kernel.state());
            prop_assert!(left.is_empty(), "{wish:?}\n{left:#?}\n{:#?}", kernel.made());
        }
        Ok(())
    });
    tell("bind and release", cases.get(), hosts.get());
    tell("refused, nothing touched", refused.get(), hosts.get());
    run.unwrap();
}

/// After a bind: on the right driver, with a lease, the groups such that a guest can have
/// them, and nothing the host needed is gone.
fn check_bound(
    wish: &Wish,
    devices: &[passthru_pci::Address],
    first: &Kernel,
    kernel: &Kernel,
) -> Result<(), TestCaseError> {
    let was = first.state();
    let leases = leased(kernel);
    let (damage, problems) = kernel.with(|machine| {
        let mut problems = Vec::new();
        for device in devices {
            let function = &machine.functions[device];
            if function.driver.as_deref() != Some("vfio-pci") {
                problems.push(format!("{device} is on {:?}", function.driver));
            }
            if function.class.is_bridge() {
                problems.push(format!("{device} is a bridge"));
            }
            if !leases.contains(device) {
                problems.push(format!("{device} has no lease"));
            }
            match function.group {
                Some(group) => {
                    let bad = machine.not_viable(group).map(|a| format!("{a} hinders group {group}"));
                    problems.extend(bad);
                }
                None => problems.push(format!("{device} is in no group")),
            }
            // One that was on none meanwhile may join the others.
            let lent = was.functions[device].0.as_deref() == Some("vfio-pci");
            if lent && function.group.is_some_and(|group| machine.is_held(group)) {
                problems.push(format!("{device} is in a group that is held"));
            }
        }
        (machine.damage.clone(), problems)
    });
    prop_assert!(damage.is_empty(), "{wish:?} cost the host {damage:#?}");
    prop_assert!(problems.is_empty(), "{wish:?}: {problems:#?}\n{:#?}", kernel.made());
    prop_assert!(kernel.file("/run/passthru/journal").is_none());
    Ok(())
}

/// A second bind of the same, and a second release, have nothing to do.
#[test]
fn twice_is_once() {
    let cases = Cell::new(0);
    let mut runner = runner(40);
    let run = runner.run(&(host(), pick()), |(spec, pick)| {
        let first = spec.build();
        let wish = Wish { devices: spec.devices(&pick), with_group: pick.with_group };
        let Some(scene) = Scene::of(&first, Change::Bind(wish.clone())) else { return Ok(()) };
        cases.set(cases.get() + 1);
        let again = Wish { devices: scene.plan.devices.clone(), with_group: false };
        let plan = again.plan(&scene.last);
        // One on no driver may join a group that a machine holds; bound there, it is the machine's.
        let group = |device| scene.last.with(|m| m.functions[device].group.filter(|group| m.is_held(*group)));
        if scene.plan.devices.iter().any(|device| group(device).is_some()) {
            prop_assert!(matches!(plan, Err(ChangeError::NoPlan(_))), "{plan:?}");
            return Ok(());
        }
        prop_assert!(plan.as_ref().is_ok_and(|plan| plan.steps.is_empty()), "{plan:?}");
        let kernel = scene.last.copy();
        prop_assert!(release(&kernel, &scene.plan.devices).is_ok());
        let released = kernel.state();
        // What never had a lease is on vfio-pci again at the most, and refused.
        if let Ok(applied) = release(&kernel, &scene.plan.devices) {
            prop_assert_eq!(applied.plan.steps, Vec::<Step>::new());
        }
        prop_assert_eq!(released, kernel.state());
        Ok(())
    });
    tell("twice is once", cases.get(), cases.get());
    run.unwrap();
}
