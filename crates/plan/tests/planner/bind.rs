//! Plans and refusals of `bind`.

use passthru_formats::Errno;
use passthru_model::plan::NoPlan;
use passthru_model::{Intent, LeaseRecord, Plan, Reason, Records, Snapshot};
use passthru_plan::planner::{BindWish, plan_bind};
use passthru_testkit::fake::{Gives, Kernel, Part};

use super::{DISK, address, host, lines, nvme, reasons, refusals, snapshot};

/// Wishes in their simplest form.
fn bind(kernel: &Kernel, devices: &[&str], with_group: bool, allow: &[Reason]) -> Result<Plan, NoPlan> {
    bind_with(kernel, devices, with_group, allow, &[])
}

pub(crate) fn bind_with(
    kernel: &Kernel,
    devices: &[&str],
    with_group: bool,
    allow: &[Reason],
    leases: &[LeaseRecord],
) -> Result<Plan, NoPlan> {
    let devices: Vec<_> = devices.iter().map(|d| address(d)).collect();
    let wish = BindWish {
        devices: &devices,
        with_group,
        driver: "vfio-pci",
        allow,
        records: &Records::leases(leases.to_vec()),
        now: 1,
        holder: None,
    };
    plan_bind(&kernel.snapshot(&devices), &wish)
}

/// The disk alone, on a host that was read already.
fn plain(snapshot: &Snapshot) -> Result<Plan, NoPlan> {
    let wish = BindWish {
        devices: &[address(DISK)],
        with_group: false,
        driver: "vfio-pci",
        allow: &[],
        records: &Records::default(),
        now: 1,
        holder: None,
    };
    plan_bind(snapshot, &wish)
}

fn sound() -> Part {
    Part::new("0000:01:00.1", 0x04_0300).on("snd_hda_intel")
}

#[test]
fn the_steps() {
    let plan = bind(&host([nvme()]), &[DISK], false, &[]).unwrap();
    assert_eq!((plan.intent, &plan.devices[..]), (Intent::Bind, &[address(DISK)][..]));
    assert_eq!(
        lines(&plan),
        [
            "# note in /run/passthru/leases: 0000:01:00.0 was on nvme",
            "echo vfio-pci > 01:00.0/driver_override",
            "exec 9</dev/nvme0n1    # opened with O_EXCL, so that nobody can mount it meanwhile",
            "echo 0000:01:00.0 > 01:00.0/driver/unbind",
            "echo 0000:01:00.0 > /sys/bus/pci/drivers_probe",
        ]
    );
    assert_eq!(plan.losses[0].what, "disk nvme0n1");
}

/// All functions are unbound before any is bound; the module comes first.
#[test]
fn the_steps_of_a_set() {
    let kernel = host([nvme(), sound()]);
    kernel.with(|m| m.drivers.get_mut("vfio-pci").unwrap().loaded = false);
    let plan = bind(&kernel, &[DISK, "0000:01:00.1"], false, &[]).unwrap();
    let lines: Vec<_> = lines(&plan).into_iter().filter(|l| !l.starts_with(['#', 'e'])).collect();
    assert_eq!(lines, ["modprobe vfio-pci"]);
    let order = |word: &str| {
        let steps = super::lines(&plan);
        let found: Vec<_> =
            steps.iter().enumerate().filter(|(_, l)| l.ends_with(word)).map(|(i, _)| i).collect();
        (found[0], found[found.len() - 1])
    };
    assert!(order("driver_override").1 < order("driver/unbind").0);
    assert!(order("driver/unbind").1 < order("drivers_probe").0);
}

/// What waits for `vfio-pci` by its override must not be taken when it is loaded.
#[test]
fn a_device_that_waits_for_the_driver() {
    let kernel = host([Part::new(DISK, 0x01_0802).overridden("vfio-pci")]);
    kernel.with(|m| m.drivers.get_mut("vfio-pci").unwrap().loaded = false);
    let plan = bind(&kernel, &[DISK], false, &[]).unwrap();
    assert_eq!(
        lines(&plan),
        [
            "echo > 01:00.0/driver_override",
            "modprobe vfio-pci",
            "# note in /run/passthru/leases: 0000:01:00.0 was on no driver",
            "echo vfio-pci > 01:00.0/driver_override",
            "echo 0000:01:00.0 > /sys/bus/pci/drivers_probe",
        ]
    );
}

/// Each reason, whether it can be overridden, and what is said.
#[test]
fn refusals_one_by_one() {
    type Arrange = fn(&Kernel);
    let usb = Part::new(DISK, 0x0c_0330).on("xhci_hcd").gives(Gives::Keyboard("K".into()));
    let card = || Part::new(DISK, 0x02_0000).on("igb").interface("eth0");
    let mut screen = Part::new(DISK, 0x03_0000).on("nouveau");
    screen.function.boot_vga = Some(true);
    let regions = |k: &Kernel| {
        let regions = "0x00000000000e0000 0x00000000000fffff direct\n".to_owned();
        k.with(|m| m.reserved.insert(1, regions));
    };
    let table: [(Part, Arrange, Reason, bool, &str); 15] = [
        (nvme(), |k| k.mount("nvme0n1p1", "/srv").unwrap(), Reason::Mounted, true, "unmount it first"),
        (
            nvme(),
            |k| k.mount("nvme0n1p1", "/").unwrap(),
            Reason::RootFileSystem,
            false,
            "the host runs from it",
        ),
        (nvme(), |k| k.swapon("nvme0n1p1").unwrap(), Reason::Swap, true, "swapoff it first"),
        (nvme(), |k| k.stack("md0", None, (9, 0), &["nvme0n1"]), Reason::Holders, true, "stacked on it"),
        (nvme(), |k| k.fail("/proc/swaps", Errno::EACCES), Reason::NotSeen, true, "--allow not-seen"),
        (
            card(),
            |k| k.with(|m| m.default_routes.push(("eth0".into(), false))),
            Reason::DefaultRoute,
            true,
            "move the default route off eth0",
        ),
        (
            card(),
            |k| drop(k.with(|m| m.masters.insert("eth0".into(), "bond0".into()))),
            Reason::NetworkMember,
            true,
            "take eth0 out of the bridge or bond",
        ),
        (card(), |k| k.add_vfs(address(DISK), 1), Reason::VirtualFunctions, true, "write 0 to sriov_numvfs"),
        (screen, |_| {}, Reason::Display, true, "to another card"),
        (usb, |_| {}, Reason::LastKeyboard, true, "plug a keyboard in elsewhere"),
        (nvme(), regions, Reason::FirmwareMapping, true, "firmware setting"),
        (nvme().group(None), |_| {}, Reason::NoIommu, true, "no unit covers it"),
        (nvme(), |k| k.with(|m| m.units.clear()), Reason::NoIommuMode, true, "switch on the IOMMU"),
        (
            Part::new(DISK, 0x06_0400).on("pcieport"),
            |_| {},
            Reason::Bridge,
            false,
            "name the device behind it",
        ),
        (Part::new(DISK, 0x06_0100).on("lpc_ich"), |_| {}, Reason::Bridge, false, "a group of its own"),
    ];
    for (part, arrange, reason, can_be_allowed, hint) in table {
        let kernel = host([part]);
        arrange(&kernel);
        let found = refusals(bind(&kernel, &[DISK], false, &[]));
        let named: Vec<_> = found.iter().map(|r| r.reason).collect();
        assert_eq!(named, [reason]);
        assert!(found[0].hint.contains(hint), "{reason}: {}", found[0].hint);
        assert!(!found[0].evidence.is_empty());
        assert_eq!(bind(&kernel, &[DISK], false, &[reason]).is_ok(), can_be_allowed, "--allow {reason}");
        // One name allows one reason.
        let others: Vec<_> = Reason::ALL.into_iter().filter(|r| *r != reason).collect();
        assert_eq!(reasons(bind(&kernel, &[DISK], false, &others)), [("01:00.0".into(), reason)]);
    }
}

/// Each of two keyboards may go, and both of them at once may not.
#[test]
fn the_last_keyboards_together() {
    const OTHER: &str = "0000:02:00.0";
    let usb =
        |at: &str, name: &str| Part::new(at, 0x0c_0330).on("xhci_hcd").gives(Gives::Keyboard(name.into()));
    let kernel =
        host([usb(DISK, "A"), usb(OTHER, "B"), Part::new("0000:03:00.0", 0x04_0300).on("snd_hda_intel")]);
    assert!(bind(&kernel, &[DISK, "0000:03:00.0"], false, &[]).is_ok());
    assert!(bind(&kernel, &[OTHER], false, &[]).is_ok());
    let found = refusals(bind(&kernel, &[DISK, OTHER], false, &[]));
    let told: Vec<_> = found.iter().map(|r| (r.device.to_string(), r.reason, r.evidence.as_str())).collect();
    assert_eq!(
        told,
        [
            (DISK.to_owned(), Reason::LastKeyboard, "keyboard \"A\", and every other one goes with it"),
            (OTHER.to_owned(), Reason::LastKeyboard, "keyboard \"B\", and every other one goes with it"),
        ]
    );
    assert!(bind(&kernel, &[DISK, OTHER], false, &[Reason::LastKeyboard]).is_ok());
    // A third one stays.
    let kernel = host([usb(DISK, "A"), usb(OTHER, "B"), usb("0000:03:00.0", "C")]);
    assert!(bind(&kernel, &[DISK, OTHER], false, &[]).is_ok());
}

/// Who is not root is told to be; root, who could not look either, is not.
#[test]
fn what_could_not_be_seen() {
    const SYSFS: &str = "/sys/bus/pci/devices/0000:01:00.0";
    type Arrange = fn(&Kernel);
    let table: [(Arrange, &str, &str); 3] = [
        (
            |k| k.fail("/proc/swaps", Errno::EACCES),
            "run as root, so that passthru can look",
            "root could not see it either: find out why, or add --allow not-seen if you know that the host does not use the device",
        ),
        (
            |k| {
                ["modalias", "uevent", "class"]
                    .iter()
                    .for_each(|n| k.fail(&format!("{SYSFS}/{n}"), Errno::EIO));
            },
            "run as root, or look at `passthru show`",
            "look at `passthru show`",
        ),
        (
            |k| k.fail("/sys/kernel/iommu_groups/1/reserved_regions", Errno::EIO),
            "run as root, or look at `passthru show`",
            "look at `passthru show`",
        ),
    ];
    for (arrange, user, root) in table {
        let kernel = host([nvme()]);
        arrange(&kernel);
        let mut snapshot = snapshot(&kernel);
        for (is_root, hint) in [(false, user), (true, root)] {
            snapshot.rights.root = is_root;
            let found = refusals(plain(&snapshot));
            let all: Vec<_> = found.iter().map(|r| (r.reason, r.hint.as_str())).collect();
            assert_eq!(all, [(Reason::NotSeen, hint)]);
        }
    }
}

/// Two reasons are told together, and allowed one by one.
#[test]
fn all_reasons_at_once() {
    let kernel = host([nvme()]);
    kernel.mount("nvme0n1p1", "/srv").unwrap();
    kernel.swapon("nvme0n1p2").unwrap();
    let both = reasons(bind(&kernel, &[DISK], false, &[]));
    assert_eq!(both, [("01:00.0".into(), Reason::Mounted), ("01:00.0".into(), Reason::Swap)]);
    let one = reasons(bind(&kernel, &[DISK], false, &[Reason::Mounted]));
    assert_eq!(one, [("01:00.0".into(), Reason::Swap)]);
    assert!(bind(&kernel, &[DISK], false, &[Reason::Mounted, Reason::Swap]).is_ok());
}

#[test]
fn companions() {
    let other = || Part::new("0000:02:00.0", 0x02_0000).on("e1000e").interface("eth0").group(1);
    // Of the same card: the line to type names the slot.
    let kernel = host([nvme(), sound()]);
    let found = refusals(bind(&kernel, &[DISK], false, &[]));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].reason, Reason::Companions);
    assert_eq!(found[0].hint, "to lend the whole card, name it: 0000:01:00");
    assert!(found[0].evidence.contains("0000:01:00.1 (on snd_hda_intel)"), "{}", found[0].evidence);
    // Another card: only with the group.
    let kernel = host([nvme(), other()]);
    let found = refusals(bind(&kernel, &[DISK], false, &[]));
    assert_eq!(found[0].hint, "to take them along, add --with-group");
    let plan = bind(&kernel, &[DISK], true, &[]).unwrap();
    assert_eq!(plan.devices, [address(DISK), address("0000:02:00.0")]);
    // What goes along is examined like the device itself.
    kernel.with(|m| m.default_routes.push(("eth0".into(), false)));
    assert_eq!(reasons(bind(&kernel, &[DISK], true, &[])), [("02:00.0".into(), Reason::DefaultRoute)]);
    // The port above stays where it is; a bridge on a host driver is in the way.
    let port = |driver| Part::new("0000:00:01.0", 0x06_0400).on(driver).group(1);
    assert_eq!(bind(&host([nvme(), port("pcieport")]), &[DISK], true, &[]).unwrap().devices, [address(DISK)]);
    let isa = || Part::new("0000:00:1f.0", 0x06_0100).on("lpc_ich").group(1);
    assert_eq!(
        reasons(bind(&host([nvme(), isa()]), &[DISK], true, &[])),
        [("00:1f.0".into(), Reason::Bridge)]
    );
    let named = reasons(bind(&host([nvme(), isa()]), &[DISK], false, &[]));
    assert_eq!(named, [("01:00.0".into(), Reason::Companions)]);
}

/// A bus bridge on a driver with which the group is not viable cannot be taken along, and
/// must not be overlooked.
#[test]
fn a_port_on_the_wrong_driver() {
    let kernel = host([nvme(), Part::new("0000:00:01.0", 0x06_0400).on("shpchp").group(1)]);
    for with_group in [false, true] {
        let found = reasons(bind(&kernel, &[DISK], with_group, &Reason::ALL));
        assert_eq!(found, [("00:01.0".into(), Reason::Bridge)], "with group: {with_group}");
    }
}

#[test]
fn no_plan_without_facts() {
    let missing = bind(&host([nvme()]), &["0000:09:00.0"], false, &[]);
    assert_eq!(missing, Err(NoPlan::NoDevice(address("0000:09:00.0"))));
    let kernel = host([nvme()]);
    kernel.fail("/sys/bus/pci/devices/0000:01:00.0/driver_override", Errno::EIO);
    let Err(NoPlan::Unknown(what)) = bind(&kernel, &[DISK], false, &[]) else { panic!() };
    assert_eq!(what, "driver_override of 0000:01:00.0: EIO (input/output error)");
    let kernel = host([nvme()]);
    kernel.fail("/sys/bus/pci/devices/0000:01:00.0/modalias", Errno::EIO);
    kernel.fail("/sys/bus/pci/devices/0000:01:00.0/uevent", Errno::EIO);
    kernel.fail("/sys/bus/pci/devices/0000:01:00.0/class", Errno::EIO);
    assert_eq!(reasons(bind(&kernel, &[DISK], false, &[])), [("01:00.0".into(), Reason::NotSeen)]);
    let mut blind = snapshot(&host([nvme()]));
    blind.devices.iter_mut().for_each(|d| d.detail = None);
    assert!(matches!(plain(&blind), Err(NoPlan::Unknown(_))));
}

/// On `vfio-pci` already, by somebody else: a lease that says so, and nothing else.
#[test]
fn what_is_bound_already() {
    let kernel = host([Part::new(DISK, 0x01_0802).lent("nvme").overridden("vfio-pci")]);
    let plan = bind(&kernel, &[DISK], false, &[]).unwrap();
    assert_eq!(lines(&plan), ["# note in /run/passthru/leases: 0000:01:00.0 was on vfio-pci"]);
    assert!(plan.notes[0].contains("release leaves it there"), "{}", plan.notes[0]);
    let passthru_model::Step::OpenLease { lease } = &plan.steps[0] else { panic!() };
    assert!(lease.adopted);
    let leases = [LeaseRecord::Valid(lease.clone())];
    let again = bind_with(&kernel, &[DISK], false, &[], &leases).unwrap();
    assert_eq!(again.steps, []);
    let held = host([Part::new(DISK, 0x01_0802).lent("nvme")]);
    held.start_vm(4711, 1).unwrap();
    assert_eq!(reasons(bind(&held, &[DISK], false, &[])), [("01:00.0".into(), Reason::Held)]);
}

/// A lease of a later version may be the only record: nothing is written over it.
#[test]
fn a_lease_that_is_none() {
    let broken = [LeaseRecord::Broken("0000:01:00.0.json".into(), "it is of version 2".into())];
    let Err(NoPlan::Unknown(what)) = bind_with(&host([nvme()]), &[DISK], false, &[], &broken) else {
        panic!()
    };
    assert_eq!(
        what,
        "the lease of 0000:01:00.0, in /run/passthru/leases/0000:01:00.0.json: it is of version 2"
    );
    let other = [LeaseRecord::Broken("README".into(), "expected value".into())];
    assert!(bind_with(&host([nvme()]), &[DISK], false, &[], &other).is_ok());
}
