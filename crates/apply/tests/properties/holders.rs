//! Devices that were bound for a process go back when it is gone: by the next verb or by
//! `recover`, whatever goes wrong with that. Not while somebody still holds them.

use passthru_apply::recover::Cleanup;
use passthru_apply::transaction::ChangeError;
use passthru_formats::Errno;
use passthru_model::{Holder, Step};
use passthru_testkit::fake::machine::Process;
use passthru_testkit::fake::{Effect, Fault, Kernel, What};
use passthru_testkit::hosts::{HostSpec, Pick};
use proptest::prelude::*;

use crate::support::{CRASHES, Cases, Wish, clean_up, count, differences, property, release};

/// The virtual machine.
const VM: u32 = 4500;

fn holder() -> Holder {
    Holder { pid: VM, start: 777, program: "qemu-system-x86_64".into() }
}

/// How a process can be gone.
#[derive(Debug, Clone, Copy)]
enum End {
    /// It was collected.
    Collected,
    /// It waits to be collected.
    Zombie,
    /// Another one has its id.
    Reused,
}

const ENDS: [End; 3] = [End::Collected, End::Zombie, End::Reused];

impl End {
    fn happen(self, kernel: &Kernel) {
        kernel.end(VM);
        let process = match self {
            Self::Collected => return,
            Self::Zombie => Process { start: Some(777), zombie: true, ..Process::named("qemu-system-x86") },
            Self::Reused => Process { start: Some(778), ..Process::named("bash") },
        };
        kernel.with(|m| m.processes.insert(VM, process));
    }
}

/// A wish that was carried out for a process: before, bound, and both plans, by which
/// states are compared. `None` where nothing was bound for it.
struct Lent {
    first: Kernel,
    bound: Kernel,
    plan: passthru_model::Plan,
    groups: Vec<u32>,
}

fn lent(spec: &HostSpec, pick: &Pick) -> Option<Lent> {
    let first = spec.build();
    first.with(|m| {
        m.processes.insert(VM, Process { start: Some(777), ..Process::named("qemu-system-x86") });
    });
    let wish = Wish { devices: spec.devices(pick), with_group: pick.with_group };
    let bound = first.copy();
    let mut plan = wish.bind_for(&bound, &holder()).ok()?.plan;
    let opened = plan.steps.iter().filter(|step| matches!(step, Step::OpenLease { .. })).count();
    // One that had a lease before goes further back than to the start; one that was lent by
    // somebody else is not given back, and may be held already.
    let closed = plan.steps.iter().any(|step| matches!(step, Step::CloseLease { .. }));
    let groups: Vec<u32> = bound.with(|m| plan.devices.iter().filter_map(|d| m.functions[d].group).collect());
    if opened != plan.devices.len() || closed || groups.iter().any(|g| bound.with(|m| m.is_held(*g))) {
        return None;
    }
    let whole = bound.copy();
    plan.steps.extend(release(&whole, &plan.devices).ok()?.plan.steps);
    Some(Lent { first, bound, plan, groups })
}

impl Lent {
    fn not_first(&self, kernel: &Kernel) -> Vec<String> {
        let now = kernel.copy();
        for one in [&now, &self.first] {
            one.with(|m| m.processes.remove(&VM));
        }
        differences(&self.first, &self.plan, &now.state())
    }
}

fn given_back(cleanup: &Cleanup) -> bool {
    matches!(&cleanup.reaped[..], [one] if one.failed.is_none() && one.holder == holder())
}

#[test]
fn what_a_dead_process_held_goes_back() {
    property("its process is gone", 4, |spec, pick, cases| {
        let Some(lent) = lent(spec, pick) else { return Ok(()) };
        // While it lives nothing is given back.
        let alive = lent.bound.copy();
        let before = alive.state();
        prop_assert!(clean_up(&alive).is_ok_and(|cleanup| cleanup.is_empty()));
        prop_assert_eq!(before, alive.state());
        for end in ENDS {
            count(cases);
            let kernel = lent.bound.copy();
            end.happen(&kernel);
            let whole = kernel.copy().process();
            let cleanup = clean_up(&whole);
            let left = lent.not_first(&whole);
            prop_assert!(
                cleanup.as_ref().is_ok_and(given_back) && left.is_empty(),
                "{end:?}: {cleanup:?}, {left:#?}\n{:#?}",
                whole.made()
            );
            prop_assert!(clean_up(&whole.process()).is_ok_and(|cleanup| cleanup.is_empty()));
            // The next verb, whatever it is about.
            let next = kernel.copy();
            let released = release(&next, &lent.plan.devices[..1]);
            // One that was lent by somebody else is without a lease again, and refused.
            let right = matches!(released, Ok(_) | Err(ChangeError::NoPlan(_)));
            prop_assert!(right, "{end:?}: {released:?}");
            prop_assert_eq!(lent.not_first(&next), Vec::<String>::new());
            still_held(&lent, &kernel, end, cases)?;
            gone_wrong(&lent, &kernel, whole.changes(), cases)?;
        }
        Ok(())
    });
}

/// A process that the virtual machine left behind holds the node of a group.
fn still_held(lent: &Lent, kernel: &Kernel, end: End, cases: &Cases) -> Result<(), TestCaseError> {
    for group in &lent.groups {
        let kernel = kernel.copy();
        if kernel.start_vm(4999, *group).is_err() {
            continue;
        }
        count(cases);
        // What is in that group stays as it is; the others go back.
        let in_group = |device: &passthru_pci::Address| {
            kernel.with(|m| m.functions.get(device).is_some_and(|f| f.group == Some(*group)))
        };
        let before = kernel.state();
        let cleanup = clean_up(&kernel.process());
        let left_alone = |c: &Cleanup| c.reaped.iter().all(|r| !r.devices.iter().any(in_group));
        prop_assert!(cleanup.as_ref().is_ok_and(left_alone), "{end:?}: {cleanup:?}");
        let now = kernel.state();
        for device in lent.plan.devices.iter().filter(|device| in_group(device)) {
            prop_assert_eq!(before.functions.get(device), now.functions.get(device));
        }
        kernel.end(4999);
        let cleanup = clean_up(&kernel.process());
        prop_assert!(cleanup.as_ref().is_ok_and(given_back), "{end:?}: {cleanup:?}");
        prop_assert_eq!(lent.not_first(&kernel), Vec::<String>::new());
    }
    Ok(())
}

/// Whoever gives it back dies, fails, or hangs; the next one finds its way.
fn gone_wrong(lent: &Lent, kernel: &Kernel, calls: usize, cases: &Cases) -> Result<(), TestCaseError> {
    let failing = What::FailBefore(Errno::EIO);
    for at in 0..calls {
        for what in [CRASHES[at % 3], failing, What::Full(Errno::ENOSPC), What::Hang(Effect::Late)] {
            count(cases);
            let one = kernel.copy_with([Fault { at, what }]);
            let result = clean_up(&one);
            if result.as_ref().is_ok_and(given_back) {
                prop_assert_eq!(lent.not_first(&one), Vec::<String>::new(), "{:?} at {}", what, at);
            }
            for device in &lent.plan.devices {
                one.come_back(*device);
            }
            // One looks after what was begun, and the device goes back with it or after it.
            let next = one.process();
            let cleanup = clean_up(&next);
            let left = lent.not_first(&next);
            prop_assert!(
                cleanup.is_ok() && left.is_empty(),
                "{what:?} at {at}: {result:?}, then {cleanup:?}, {left:#?}\n{:#?}\nthen {:#?}",
                one.made(),
                next.made()
            );
        }
    }
    Ok(())
}
