//! Letting a user use the nodes of lent devices, and putting them back.

use passthru_model::lease::LEASE_VERSION;
use passthru_model::plan::NoPlan;
use passthru_model::{Access, Granted, Holder, Lease, LeaseRecord, Node, Plan, Reason, Records, User};
use passthru_plan::planner::{
    GrantWish, ReleaseWish, group_node, may_use, plan_grant, plan_release, plan_ungrant,
};
use passthru_testkit::fake::{Kernel, Part};

use super::{DISK, address, host, lines, nvme, refusals, snapshot};

const ROOT: Access = Access { uid: 0, gid: 0, mode: 0o600 };
const KVM: Access = Access { uid: 0, gid: 104, mode: 0o660 };
const ALICES: Access = Access { uid: 1000, gid: 0, mode: 0o600 };

fn alice() -> User {
    User {
        name: Some("alice".into()),
        uid: 1000,
        gid: 1001,
        groups: vec![29, 1001],
        home: "/home/alice".into(),
        shell: "/bin/sh".into(),
    }
}

fn granted(before: Access, now: Access) -> Granted {
    Granted { node: "/dev/vfio/1".into(), before, now, holder: None }
}

/// Two functions of one group on `vfio-pci`.
fn lent() -> Kernel {
    let kernel = host([nvme(), Part::new("0000:01:00.1", 0x02_0000).on("e1000e").group(1)]);
    kernel.with(|m| {
        for function in m.functions.values_mut() {
            function.group = Some(1);
            function.driver = Some("vfio-pci".into());
            function.driver_override = Some("vfio-pci".into());
        }
    });
    kernel
}

fn lease(kernel: &Kernel, device: &str, granted: Option<Granted>) -> LeaseRecord {
    let device = address(device);
    let id = kernel.with(|m| m.functions[&device].id);
    let subsystem = kernel.with(|m| m.functions[&device].subsystem);
    LeaseRecord::Valid(Lease {
        version: LEASE_VERSION,
        boot_id: String::new(),
        device,
        id,
        subsystem,
        original_driver: None,
        original_module: None,
        original_override: None,
        vfio_driver: "vfio-pci".into(),
        adopted: false,
        since: 0,
        holder: None,
        granted: granted.map(Box::new),
    })
}

fn records(leases: Vec<LeaseRecord>, access: Option<Access>) -> Records {
    let nodes = access.map(|access| Node { path: "/dev/vfio/1".into(), access });
    Records { nodes: nodes.into_iter().collect(), ..Records::leases(leases) }
}

fn grant(kernel: &Kernel, devices: &[&str], records: &Records) -> Result<Plan, NoPlan> {
    let snapshot = snapshot(kernel);
    let node = |device: &&str| (address(device), group_node(&snapshot, address(device)).unwrap());
    let nodes: Vec<_> = devices.iter().map(node).collect();
    let (user, holder) = (alice(), Holder { pid: 7, start: 8, program: "passthru run".into() });
    let wish = GrantWish { nodes: &nodes, user: &user, records, holder: Some(&holder) };
    plan_grant(&wish)
}

#[test]
fn who_may_use_a_node() {
    for (uid, gid, mode, may) in [
        (0, 0, 0o600, false),
        (1000, 0, 0o600, true),
        // The owner's bits count for the owner, whatever the others say.
        (1000, 29, 0o066, false),
        (0, 29, 0o660, true),
        (0, 29, 0o640, false),
        (0, 1001, 0o660, true),
        (0, 30, 0o660, false),
        (0, 29, 0o606, false),
        (0, 0, 0o666, true),
    ] {
        assert_eq!(may_use(&Access { uid, gid, mode }, &alice()), may, "{uid} {gid} {mode:o}");
    }
    assert!(may_use(&Access { uid: 5, gid: 5, mode: 0 }, &User { uid: 0, ..alice() }));
}

#[test]
fn one_node_for_two_devices() {
    let kernel = lent();
    let both = ["0000:01:00.0", "0000:01:00.1"];
    let leases = || both.map(|device| lease(&kernel, device, None)).to_vec();
    let plan = grant(&kernel, &both, &records(leases(), Some(KVM))).unwrap();
    let wanted = [
        "# strike 0000:01:00.0 from /run/passthru/leases",
        "# note in /run/passthru/leases: 0000:01:00.0 was on no driver",
        "# strike 0000:01:00.1 from /run/passthru/leases",
        "# note in /run/passthru/leases: 0000:01:00.1 was on no driver",
        // The group stays, and nothing that was allowed is forbidden.
        "chown 1000:104 /dev/vfio/1 && chmod 660 /dev/vfio/1",
    ];
    assert_eq!(lines(&plan), wanted);
    // Where alice may use it already, nothing is done.
    assert!(grant(&kernel, &both, &records(leases(), Some(ALICES))).unwrap().steps.is_empty());
}

#[test]
fn no_plan_without_what_it_rests_on() {
    let kernel = lent();
    let unknown = |result: Result<Plan, NoPlan>, wanted: &str| match result {
        Err(NoPlan::Unknown(what)) => assert!(what.contains(wanted), "{what}"),
        other => panic!("{other:?}"),
    };
    unknown(grant(&kernel, &[DISK], &records(vec![lease(&kernel, DISK, None)], None)), "/dev/vfio/1");
    unknown(grant(&kernel, &[DISK], &records(Vec::new(), Some(ROOT))), "no lease");
    let bobs = Access { uid: 1002, ..ALICES };
    let taken = records(vec![lease(&kernel, DISK, Some(granted(ROOT, bobs)))], Some(bobs));
    let refused = refusals(grant(&kernel, &[DISK], &taken));
    assert_eq!(refused[0].reason, Reason::Held);
    assert!(refused[0].evidence.contains("given to user 1002"), "{}", refused[0].evidence);
    // A grant that somebody undid by hand is none any more.
    let undone = records(vec![lease(&kernel, DISK, Some(granted(ROOT, bobs)))], Some(ROOT));
    assert_eq!(lines(&grant(&kernel, &[DISK], &undone).unwrap()).len(), 3);
}

#[test]
fn the_last_one_puts_the_node_back() {
    let kernel = lent();
    let both = ["0000:01:00.0", "0000:01:00.1"];
    let leases = || both.map(|device| lease(&kernel, device, Some(granted(KVM, ALICES)))).to_vec();
    const BACK: &str = "chown 0:104 /dev/vfio/1 && chmod 660 /dev/vfio/1";
    let back = |plan: &Plan| lines(plan).iter().position(|line| line == BACK);
    for (devices, wanted) in [(&both[..1], None), (&both[..], Some(0))] {
        let devices: Vec<_> = devices.iter().map(|device| address(device)).collect();
        let found = records(leases(), Some(ALICES));
        assert_eq!(back(&plan_ungrant(&devices, &found)), wanted, "{devices:?}");
        let wish = ReleaseWish { devices: &devices, adopt: None, allow: &[], records: &found };
        let plan = plan_release(&kernel.snapshot(&devices), &wish).unwrap();
        assert_eq!(back(&plan), wanted, "{devices:?}: {:?}", lines(&plan));
        assert_eq!(lines(&plan).iter().filter(|line| *line == BACK).count(), wanted.iter().count());
    }
    // Gone, as it was already, or changed by somebody else.
    let all = both.map(address);
    for (access, notes) in [(None, 0), (Some(KVM), 0), (Some(Access { mode: 0o666, ..ROOT }), 1)] {
        let plan = plan_ungrant(&all, &records(leases(), access));
        assert_eq!((back(&plan), plan.notes.len()), (None, notes), "{access:?}");
        assert_eq!(plan.steps.len(), 4, "the leases are to forget the grant");
    }
    // Nothing to put back.
    let none = both.map(|device| lease(&kernel, device, None)).to_vec();
    assert!(plan_ungrant(&all, &records(none, Some(ROOT))).steps.is_empty());
}
