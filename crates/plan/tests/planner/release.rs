//! Plans and refusals of `release`.

use passthru_formats::Errno;
use passthru_model::plan::NoPlan;
use passthru_model::{Lease, LeaseRecord, Plan, Reason, Records, Step};
use passthru_pci::Id;
use passthru_plan::planner::{ReleaseTo, ReleaseWish, plan_release};
use passthru_testkit::fake::{Kernel, Part};

use super::bind::bind_with;
use super::{DISK, address, host, lines, nvme, reasons, refusals};

fn release(
    kernel: &Kernel,
    lease: Option<&Lease>,
    adopt: Option<ReleaseTo>,
    allow: &[Reason],
) -> Result<Plan, NoPlan> {
    let leases: Vec<_> = lease.into_iter().cloned().map(LeaseRecord::Valid).collect();
    let devices = [address(DISK)];
    let wish = ReleaseWish { devices: &devices, adopt, allow, records: &Records::leases(leases) };
    plan_release(&kernel.snapshot(&devices), &wish)
}

/// The lease that binding makes.
fn lease_of(kernel: &Kernel) -> Lease {
    let plan = bind_with(kernel, &[DISK], false, &[], &[]).unwrap();
    let open = plan.steps.iter().find_map(|step| match step {
        Step::OpenLease { lease } => Some(lease.clone()),
        _ => None,
    });
    open.unwrap()
}

/// On `vfio-pci`, known to `nvme`.
fn lent() -> Kernel {
    let kernel = host([nvme(), Part::new("0000:09:00.0", 0x01_0802).on("nvme")]);
    kernel.with(|m| {
        let function = m.functions.get_mut(&address(DISK)).unwrap();
        function.driver = Some("vfio-pci".into());
        function.driver_override = Some("vfio-pci".into());
    });
    kernel
}

const CLOSED: &str = "# strike 0000:01:00.0 from /run/passthru/leases";

#[test]
fn the_steps() {
    let lease = lease_of(&host([nvme()]));
    let back = [
        "echo nvme > 01:00.0/driver_override",
        "echo 0000:01:00.0 > 01:00.0/driver/unbind",
        "echo 0000:01:00.0 > /sys/bus/pci/drivers_probe",
        "echo > 01:00.0/driver_override",
        CLOSED,
    ];
    assert_eq!(lines(&release(&lent(), Some(&lease), None, &[]).unwrap()), back);
    // Its driver's module went meanwhile.
    let kernel = lent();
    kernel.with(|m| m.drivers.get_mut("nvme").unwrap().loaded = false);
    let plan = release(&kernel, Some(&lease), None, &[]).unwrap();
    assert_eq!(lines(&plan)[0], "modprobe nvme");
    assert_eq!(lines(&plan)[1..], back);
    // It had an override of its own.
    let lease = Lease { original_override: Some("nvme".into()), ..lease };
    let plan = release(&lent(), Some(&lease), None, &[]).unwrap();
    assert_eq!(lines(&plan), [back[0], back[1], back[2], CLOSED]);
    // It was on none, with none.
    let lease = Lease { original_driver: None, original_override: None, ..lease };
    let plan = release(&lent(), Some(&lease), None, &[]).unwrap();
    assert_eq!(lines(&plan), [back[1], back[3], CLOSED]);
    // It was bound by an override: that there is none may not be so, and is looked at first.
    let kernel = lent();
    kernel.with(|m| m.functions.get_mut(&address(DISK)).unwrap().driver_override = None);
    let planned = lines(&release(&kernel, Some(&lease), None, &[]).unwrap());
    assert_eq!(
        planned,
        ["echo > 01:00.0/driver_override", "echo 0000:01:00.0 > 01:00.0/driver/unbind", CLOSED]
    );
}

#[test]
fn the_device_is_another_one_now_or_gone() {
    let lease = lease_of(&host([nvme()]));
    let other = Lease { id: Id { vendor: 0x144d, device: 0xa808 }, ..lease.clone() };
    let plan = release(&lent(), Some(&other), None, &[]).unwrap();
    assert_eq!(lines(&plan), [CLOSED]);
    assert_eq!(
        plan.notes,
        [
            "0000:01:00.0 is another device now (1b36:0108, the lease is for 144d:a808): the lease is closed, the device left alone"
        ]
    );
    let twin = Lease { subsystem: Some(Id { vendor: 1, device: 2 }), ..lease.clone() };
    assert_eq!(lines(&release(&lent(), Some(&twin), None, &[]).unwrap()), [CLOSED]);
    let gone = host([Part::new("0000:09:00.0", 0x01_0802)]);
    let plan = release(&gone, Some(&lease), None, &[]).unwrap();
    assert_eq!(lines(&plan), [CLOSED]);
    assert_eq!(plan.notes, ["0000:01:00.0 is not there any more: its lease is closed"]);
    assert_eq!(release(&gone, None, None, &[]), Err(NoPlan::NoDevice(address(DISK))));
}

#[test]
fn what_stays_where_it_is() {
    // Bound by somebody else before it was lent.
    let adopted = lease_of(&lent());
    assert!(adopted.adopted);
    let plan = release(&lent(), Some(&adopted), None, &[]).unwrap();
    assert_eq!(lines(&plan), [CLOSED]);
    assert_eq!(plan.notes, ["0000:01:00.0 was on vfio-pci before it was lent: it stays there"]);
    // Given back by hand.
    let lease = lease_of(&host([nvme()]));
    let plan = release(&host([nvme()]), Some(&lease), None, &[]).unwrap();
    assert_eq!(lines(&plan), [CLOSED]);
    assert_eq!(plan.notes, ["0000:01:00.0 is on nvme already"]);
    // By hand, but the override was forgotten.
    let plan = release(&host([nvme().overridden("vfio-pci")]), Some(&lease), None, &[]).unwrap();
    assert_eq!(lines(&plan), ["echo > 01:00.0/driver_override", CLOSED]);
    // Never lent.
    let plan = release(&host([nvme()]), None, None, &[]).unwrap();
    assert_eq!(
        (plan.steps.len(), &plan.notes[0][..]),
        (0, "0000:01:00.0 is on nvme and has no lease: nothing to give back")
    );
}

#[test]
fn without_a_lease() {
    let found = refusals(release(&lent(), None, None, &[]));
    assert_eq!(found[0].reason, Reason::NoLease);
    assert_eq!(
        found[0].hint,
        "say where it goes: passthru release 0000:01:00.0 --adopt DRIVER (or --adopt none)"
    );
    let to = |to| lines(&release(&lent(), None, Some(to), &[]).unwrap());
    assert_eq!(
        to(ReleaseTo::Driver("nvme".into())),
        [
            "echo nvme > 01:00.0/driver_override",
            "echo 0000:01:00.0 > 01:00.0/driver/unbind",
            "echo 0000:01:00.0 > /sys/bus/pci/drivers_probe",
            "echo > 01:00.0/driver_override",
        ]
    );
    assert_eq!(
        to(ReleaseTo::Nothing),
        ["echo 0000:01:00.0 > 01:00.0/driver/unbind", "echo > 01:00.0/driver_override"]
    );
}

/// Unbinding a held device hangs: nothing allows it.
#[test]
fn a_held_device() {
    let lease = lease_of(&host([nvme()]));
    let kernel = lent();
    kernel.start_vm(4711, 1).unwrap();
    let held = [("01:00.0".to_owned(), Reason::Held)];
    assert_eq!(reasons(release(&kernel, Some(&lease), None, &[])), held);
    assert_eq!(reasons(release(&kernel, Some(&lease), None, &Reason::ALL)), held);
    // Somebody's unbind waits for the machine: the link goes first.
    kernel.with(|m| m.functions.get_mut(&address(DISK)).unwrap().driver = None);
    assert_eq!(reasons(release(&kernel, Some(&lease), None, &Reason::ALL)), held);
    let kernel = lent();
    kernel.with(|m| m.functions.get_mut(&address(DISK)).unwrap().driver = None);
    assert!(release(&kernel, Some(&lease), None, &[]).is_ok(), "nobody holds it");
    let kernel = lent();
    kernel.fail("/proc/1/fd", Errno::EACCES);
    assert_eq!(reasons(release(&kernel, Some(&lease), None, &[])), [("01:00.0".to_owned(), Reason::NotSeen)]);
    assert!(release(&kernel, Some(&lease), None, &[Reason::NotSeen]).is_ok());
}

#[test]
fn a_lease_that_is_none() {
    let broken = LeaseRecord::Broken("0000:01:00.0.json".into(), "it is of version 2".into());
    let records = Records::leases(vec![broken]);
    let devices = [address(DISK)];
    let wish = |adopt| ReleaseWish { devices: &devices, adopt, allow: &[], records: &records };
    let snapshot = lent().snapshot(&devices);
    let Err(NoPlan::Unknown(what)) = plan_release(&snapshot, &wish(None)) else { panic!() };
    assert!(what.contains("it is of version 2"), "{what}");
    assert!(plan_release(&snapshot, &wish(Some(ReleaseTo::Nothing))).is_ok());
}

#[test]
fn no_plan_without_facts() {
    let lease = lease_of(&host([nvme()]));
    let kernel = lent();
    kernel.fail("/sys/bus/pci/devices/0000:01:00.0/driver_override", Errno::EIO);
    assert!(matches!(release(&kernel, Some(&lease), None, &[]), Err(NoPlan::Unknown(_))));
}
