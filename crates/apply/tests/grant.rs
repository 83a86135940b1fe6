//! Letting a user use a node on the fake kernel: at every call something fails or the process
//! dies, and nothing is lost; whoever comes next puts back what was done for the dead.

use passthru_apply::books::{self, Patience};
use passthru_apply::guests;
use passthru_apply::reap::What as Reaped;
use passthru_apply::recover::{self, Awaited, Cleanup};
use passthru_apply::transaction::{self, Applied, ChangeError, MakePlan, Order};
use passthru_formats::Errno;
use passthru_model::{Access, Holder, Records, Snapshot, User, Wants};
use passthru_pci::Address;
use passthru_plan::planner::{
    BindWish, GrantWish, ReleaseWish, group_node, plan_bind, plan_grant, plan_release, plan_ungrant,
};
use passthru_testkit::fake::{Fault, Kernel, Part, What};

const WRONG: [What; 6] = [
    What::FailBefore(Errno::EIO),
    What::FailBefore(Errno::ENOSPC),
    What::FailAfter(Errno::EIO),
    What::CrashBefore,
    What::CrashWithin,
    What::CrashAfter,
];

/// What an order does to the two devices.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    Bind,
    Grant,
    Ungrant,
    Release,
}

fn devices() -> [Address; 2] {
    ["0000:01:00.0", "0000:02:00.0"].map(|text| text.parse().unwrap())
}

fn host() -> Kernel {
    Kernel::with_parts([
        Part::new("0000:01:00.0", 0x01_0802).on("nvme").disk("nvme0n1", 0, &[]),
        Part::new("0000:02:00.0", 0x02_0000).on("e1000e").interface("eth0"),
    ])
}

fn alice() -> User {
    let (home, shell) = (String::new(), String::new());
    User { name: None, uid: 1000, gid: 1000, groups: vec![1000], home, shell }
}

fn holder(pid: u32) -> Holder {
    Holder { pid, start: 0, program: "passthru run".into() }
}

fn change(kernel: &Kernel, change: Change, of: Option<&Holder>) -> Result<Applied, ChangeError> {
    let (devices, user) = (devices(), alice());
    let make = |snapshot: &Snapshot, records: &Records| match change {
        Change::Bind => plan_bind(
            snapshot,
            &BindWish {
                devices: &devices,
                with_group: false,
                driver: "vfio-pci",
                allow: &[],
                records,
                now: 1_750_000_000,
                holder: of,
            },
        ),
        Change::Grant => {
            let nodes = devices.map(|device| (device, group_node(snapshot, device).unwrap()));
            plan_grant(&GrantWish { nodes: &nodes, user: &user, records, holder: of })
        }
        Change::Ungrant => Ok(plan_ungrant(&devices, records)),
        Change::Release => {
            plan_release(snapshot, &ReleaseWish { devices: &devices, adopt: None, allow: &[], records })
        }
    };
    let make: MakePlan<'_> = &make;
    let wants = Wants::for_plan(&devices);
    let order =
        Order { verb: "run", patience: Patience::NONE, wants: &wants, make, shown: None, confirm: None };
    transaction::change(kernel, &order)
}

fn recover(kernel: &Kernel) -> Cleanup {
    let guard = books::lock(kernel, Patience::NONE, "recover").unwrap();
    recover::under(&guard, Awaited::Undone).unwrap()
}

fn access(kernel: &Kernel) -> Vec<Access> {
    let records = books::records_and_nodes(kernel).unwrap();
    records.nodes.iter().map(|node| node.access).collect()
}

/// From the first state through binding and granting to both ways back; before each change,
/// every call of it goes wrong in every way on a machine of its own.
#[test]
fn wherever_it_goes_wrong_nothing_is_lost() {
    let mut cases = 0;
    for last in [Change::Ungrant, Change::Release] {
        let kernel = host();
        for step in [Change::Bind, Change::Grant, last] {
            let whole = kernel.copy().process();
            change(&whole, step, None).unwrap();
            assert!(whole.changes() > 4);
            for at in 0..whole.changes() {
                for what in WRONG {
                    cases += 1;
                    let one = kernel.copy_with([Fault { at, what }]);
                    let result = change(&one, step, None);
                    let told = format!("{step:?}, {what:?} at {at}: {result:?}\n{:#?}", one.made());
                    if matches!(&result, Err(ChangeError::Failed(failure)) if failure.left.is_empty()) {
                        assert_eq!(kernel.state().differences(&one.state()), [""; 0], "{told}");
                    }
                    let next = one.process();
                    recover(&next);
                    let (first, done) = (kernel.state(), whole.state());
                    let now = next.state().without_books();
                    let right = [&first, &done]
                        .iter()
                        .any(|state| state.functions == now.functions && state.access == now.access);
                    assert!(right, "{told}\nrecovered to {now:#?}");
                    // Whatever was left, everything can be given back.
                    change(&next, Change::Release, None).unwrap();
                    assert_eq!(host().state().differences(&next.state()), [""; 0], "{told}");
                }
            }
            change(&kernel, step, None).unwrap();
        }
    }
    assert!(cases > 500, "{cases}");
}

/// `run` dies with its machine alive; then the machine ends as well.
#[test]
fn the_dead_are_cleaned_up_after_when_nobody_holds_on() {
    let kernel = host();
    let first = kernel.state();
    kernel.with(|m| m.processes.insert(70, Default::default()));
    change(&kernel, Change::Bind, Some(&holder(70))).unwrap();
    change(&kernel, Change::Grant, Some(&holder(70))).unwrap();
    assert!(access(&kernel).iter().all(|access| access.uid == 1000));
    // Handed over to the machine, which two processes are: one holds a node, one does not.
    kernel.with(|m| m.processes.insert(71, Default::default()));
    let guard = books::lock(&kernel, Patience::NONE, "run").unwrap();
    guests::hand_over(&guard, &holder(70), &holder(71)).unwrap();
    // Nothing is written where nothing is to be passed on.
    guests::hand_over(&guard, &holder(70), &holder(99)).unwrap();
    drop(guard);
    kernel.end(70);
    assert!(recover(&kernel).is_empty());
    let group = kernel.with(|m| m.functions[&devices()[0]].group.unwrap());
    kernel.start_vm(72, group).unwrap();
    kernel.end(71);
    let cleanup = recover(&kernel);
    assert_eq!(cleanup.reaped.len(), 1);
    let reaped = &cleanup.reaped[0];
    assert_eq!((&reaped.devices[..], reaped.what, &reaped.failed), (&devices()[1..], Reaped::Devices, &None));
    assert_eq!(access(&kernel), [Access { uid: 1000, gid: 0, mode: 0o600 }]);
    kernel.end(72);
    assert_eq!(recover(&kernel).reaped.len(), 1);
    assert_eq!(first.differences(&kernel.state()), [""; 0]);
    assert!(recover(&kernel).is_empty());
}

/// Bound by a person, used by a `run` that died: the node is put back, the device stays.
#[test]
fn what_a_person_bound_stays_bound() {
    let kernel = host();
    change(&kernel, Change::Bind, None).unwrap();
    let bound = kernel.state();
    kernel.with(|m| m.processes.insert(70, Default::default()));
    change(&kernel, Change::Grant, Some(&holder(70))).unwrap();
    assert!(recover(&kernel).is_empty());
    kernel.end(70);
    let cleanup = recover(&kernel);
    assert_eq!(cleanup.reaped.iter().map(|reaped| reaped.what).collect::<Vec<_>>(), [Reaped::Nodes]);
    assert_eq!(bound.differences(&kernel.state()), [""; 0]);
    // A grant for a person has no process to die.
    change(&kernel, Change::Grant, None).unwrap();
    assert!(recover(&kernel).is_empty());
    change(&kernel, Change::Release, None).unwrap();
    assert_eq!(host().state().differences(&kernel.state()), [""; 0]);
}
