//! The chains from a device to what on the host depends on it.

use passthru_formats::Errno;
use passthru_plan::uses::Uses;
use passthru_testkit::fake::machine::Mounted;
use passthru_testkit::fake::{Gives, Kernel, Part};

use super::{DISK, address, host, nvme, snapshot};

/// What it is, how the host comes to it, and the uses that are found.
type Case<'a> = (&'a str, fn(&Kernel), &'a [&'a str]);
type PartCase<'a> = (&'a str, Part, fn(&Kernel), &'a [&'a str]);

/// Every use of a device: the reason, where there is one, and the chain.
fn uses(kernel: &Kernel, device: &str) -> Vec<String> {
    let snapshot = snapshot(kernel);
    let uses = Uses::of(&snapshot);
    let line = |found: &passthru_plan::uses::Use| {
        let reason = found.blocks.map_or("-", passthru_model::Reason::name);
        format!("{reason}: {}", found.line())
    };
    uses.device(address(device)).iter().map(line).collect()
}

#[test]
fn disks() {
    let table: [Case<'_>; 14] = [
        ("nothing", |_| {}, &["-: disk nvme0n1"]),
        (
            "a partition",
            |k| k.mount("nvme0n1p2", "/home").unwrap(),
            &["mounted: nvme0n1 → nvme0n1p2 → mounted on /home"],
        ),
        ("the whole disk", |k| k.mount("nvme0n1", "/srv").unwrap(), &["mounted: nvme0n1 → mounted on /srv"]),
        (
            "the root file system, and more of it than a line holds",
            |k| ["/", "/boot", "/home", "/var"].iter().for_each(|p| k.mount("nvme0n1p1", p).unwrap()),
            &["root-file-system: nvme0n1 → nvme0n1p1 → mounted on /, /boot, /home and 1 more"],
        ),
        ("swap", |k| k.swapon("nvme0n1p2").unwrap(), &["swap: nvme0n1 → nvme0n1p2 → swap"]),
        (
            "dm-crypt below LVM with the root on it, and swap beside",
            |k| {
                k.stack("dm-0", Some("luks"), (253, 0), &["nvme0n1p2"]);
                k.stack("dm-1", Some("vg0-root"), (253, 1), &["dm-0"]);
                k.mount("dm-1", "/").unwrap();
                k.swapon("nvme0n1p1").unwrap();
            },
            &[
                "swap: nvme0n1 → nvme0n1p1 → swap",
                "root-file-system: nvme0n1 → nvme0n1p2 → dm-0 (luks) → dm-1 (vg0-root) → mounted on /",
            ],
        ),
        (
            "swap by its mapper name",
            |k| {
                k.stack("dm-0", Some("vg0-swap"), (253, 0), &["nvme0n1p1"]);
                k.with(|m| m.swaps.push("/dev/mapper/vg0-swap".into()));
            },
            &["swap: nvme0n1 → nvme0n1p1 → dm-0 (vg0-swap) → swap"],
        ),
        (
            "md, not mounted",
            |k| k.stack("md0", None, (9, 0), &["nvme0n1"]),
            &["holders: nvme0n1 → held by md0"],
        ),
        (
            "a holder that holds itself",
            |k| k.stack("dm-0", None, (253, 0), &["nvme0n1", "dm-0"]),
            &["holders: nvme0n1 → dm-0 → held by dm-0"],
        ),
        (
            "btrfs, whose device number is nobody's",
            |k| {
                let (point, source) = ("/data".into(), "/dev/nvme0n1p1".into());
                let mount = Mounted { number: (0, 31), point, kind: "btrfs".into(), source };
                k.with(|m| m.mounts.push(mount));
            },
            &["mounted: nvme0n1 → nvme0n1p1 → mounted on /data"],
        ),
        (
            "process 1's mounts unreadable",
            |k| k.fail("/proc/1/mountinfo", Errno::EACCES),
            &[
                "not-seen: nvme0n1 → could not look at all mounts: /proc/1/mountinfo: EACCES (permission denied)",
            ],
        ),
        (
            "a mount seen, others not",
            |k| {
                k.mount("nvme0n1p1", "/srv").unwrap();
                k.fail("/proc/swaps", Errno::EIO);
            },
            &[
                "mounted: nvme0n1 → nvme0n1p1 → mounted on /srv",
                "not-seen: nvme0n1 → could not look at all mounts: /proc/swaps: EIO (input/output error)",
            ],
        ),
        (
            "holders unreadable",
            |k| k.fail("/sys/class/block/nvme0n1p1/holders", Errno::EACCES),
            &["not-seen: nvme0n1 → nvme0n1p1 → could not look at what is stacked on it"],
        ),
        (
            "no block device to be seen at all",
            |k| k.fail("/sys/class/block", Errno::EACCES),
            &["not-seen: could not look at block devices: /sys/class/block: EACCES (permission denied)"],
        ),
    ];
    for (told, arrange, wanted) in table {
        let kernel = host([nvme()]);
        arrange(&kernel);
        assert_eq!(uses(&kernel, DISK), wanted, "{told}");
    }
}

/// A disk with two ways to it belongs to both; a mount of it holds both.
#[test]
fn nvme_multipath() {
    let path = |controller: &str| Gives::Path {
        controller: controller.into(),
        subsystem: "nvme-subsys0".into(),
        disk: "nvme0n1".into(),
        number: (259, 0),
    };
    let kernel = host([
        Part::new(DISK, 0x01_0802).on("nvme").gives(path("nvme0")),
        Part::new("0000:02:00.0", 0x01_0802).on("nvme").gives(path("nvme1")),
    ]);
    let blocks = snapshot(&kernel).usage.blocks;
    let names: Vec<_> = blocks.at_least().iter().map(|b| (b.name.as_str(), b.hidden)).collect();
    assert_eq!(names, [("nvme0c0n1", true), ("nvme0c1n1", true), ("nvme0n1", false)]);
    for device in [DISK, "0000:02:00.0"] {
        assert_eq!(uses(&kernel, device), ["-: disk nvme0n1"], "{device}");
    }
    kernel.mount("nvme0n1", "/").unwrap();
    for device in [DISK, "0000:02:00.0"] {
        assert_eq!(uses(&kernel, device), ["root-file-system: nvme0n1 → mounted on /"], "{device}");
    }
}

#[test]
fn interfaces() {
    const CARD: &str = "0000:02:00.0";
    let card = || Part::new(CARD, 0x02_0000).on("e1000e");
    let elsewhere = Gives::Interface { name: "eth0".into(), elsewhere: true };
    let none = "not-seen: no interface of it is seen here: it may be in another network namespace";
    let table: [PartCase<'_>; 9] = [
        ("up", card().interface("eth0"), |_| {}, &["-: eth0 (up)"]),
        (
            "the default route",
            card().interface("eth0"),
            |k| k.with(|m| m.default_routes.push(("eth0".into(), false))),
            &["default-route: eth0 → carries the default route"],
        ),
        (
            "that of version 6",
            card().interface("eth0"),
            |k| k.with(|m| m.default_routes.push(("eth0".into(), true))),
            &["default-route: eth0 → carries the default route"],
        ),
        (
            "in a bridge",
            card().interface("eth0"),
            |k| drop(k.with(|m| m.masters.insert("eth0".into(), "br0".into()))),
            &["network-member: eth0 → member of br0"],
        ),
        (
            "routes unreadable",
            card().interface("eth0"),
            |k| k.fail("/proc/net/route", Errno::EACCES),
            &["not-seen: eth0 → could not look at routes: /proc/net/route: EACCES (permission denied)"],
        ),
        ("moved away", card().gives(elsewhere), |_| {}, &[none]),
        ("none at all", card(), |_| {}, &[none]),
        ("on a driver that makes none", Part::new(CARD, 0x02_0000).on("uio_pci_generic"), |_| {}, &[]),
        ("lent", Part::new(CARD, 0x02_0000).lent("e1000e").interface("eth0"), |_| {}, &[]),
    ];
    for (told, part, arrange, wanted) in table {
        let kernel = host([part]);
        arrange(&kernel);
        assert_eq!(uses(&kernel, CARD), wanted, "{told}");
    }
}

#[test]
fn displays() {
    const CARD: &str = "0000:03:00.0";
    let card = || Part::new(CARD, 0x03_0000).on("nouveau");
    let shows = |name: &str, connected: &[&str]| Gives::Display {
        name: name.into(),
        connected: connected.iter().map(|c| (*c).to_owned()).collect(),
    };
    let boot = |mut part: Part| {
        part.function.boot_vga = Some(true);
        part
    };
    let table = [
        ("idle", card().gives(shows("card0", &[])).gives(shows("renderD128", &[])), "-: card0, renderD128"),
        ("a monitor", card().gives(shows("card0", &["HDMI-A-1"])), "display: card0 → a monitor on HDMI-A-1"),
        ("a framebuffer", card().gives(shows("fb0", &[])), "display: a framebuffer of the console"),
        (
            "the firmware's display",
            boot(card().gives(shows("card0", &[]))),
            "display: card0 → the display the firmware started on",
        ),
    ];
    for (told, part, wanted) in table {
        assert_eq!(uses(&host([part]), CARD), [wanted], "{told}");
    }
    let lent = boot(Part::new(CARD, 0x03_0000).lent("nouveau").gives(shows("card0", &[])));
    assert_eq!(uses(&host([lent]), CARD), Vec::<String>::new(), "once lent it shows no console");
}

#[test]
fn keyboards() {
    let controller = |address: &str, name: &str| {
        Part::new(address, 0x0c_0330)
            .on("xhci_hcd")
            .gives(Gives::Keyboard(name.into()))
            .gives(Gives::Mouse(format!("{name}'s mouse")))
    };
    let one = host([controller("0000:04:00.0", "A")]);
    assert_eq!(
        uses(&one, "0000:04:00.0"),
        ["last-keyboard: the only keyboard \"A\"", "-: mouse \"A's mouse\""]
    );
    let two = host([controller("0000:04:00.0", "A"), controller("0000:05:00.0", "B")]);
    assert_eq!(uses(&two, "0000:04:00.0"), ["-: keyboard \"A\"", "-: mouse \"A's mouse\""]);
    // Two keyboards, but on one controller: both would be gone.
    let both = host([controller("0000:04:00.0", "A").gives(Gives::Keyboard("B".into()))]);
    let found = uses(&both, "0000:04:00.0");
    assert_eq!(
        found[..2],
        ["last-keyboard: the only keyboard \"A\"", "last-keyboard: the only keyboard \"B\""]
    );
}

#[test]
fn virtual_machines_and_virtual_functions() {
    let lent = || Part::new(DISK, 0x01_0802).lent("nvme").group(7);
    let kernel = host([lent(), Part::new("0000:01:00.1", 0x04_0300).lent("snd_hda_intel").group(7)]);
    assert_eq!(uses(&kernel, DISK), Vec::<String>::new());
    kernel.start_vm(4711, 7).unwrap();
    let held = "held: /dev/vfio/7 → held by qemu-system-x86 (process 4711)";
    assert_eq!(uses(&kernel, DISK), [held]);
    assert_eq!(uses(&kernel, "0000:01:00.1"), [held], "the group is held, and with it every member");
    let kernel = host([lent()]);
    kernel.fail("/proc/1/fd", Errno::EACCES);
    assert_eq!(
        uses(&kernel, DISK),
        ["not-seen: could not look at who holds it: /proc/1/fd: EACCES (permission denied)"]
    );
    let kernel = host([Part::new("0000:06:00.0", 0x02_0000).on("igb").interface("eth0")]);
    kernel.add_vfs(address("0000:06:00.0"), 2);
    assert_eq!(
        uses(&kernel, "0000:06:00.0"),
        ["virtual-functions: 2 active virtual functions", "-: eth0 (up)"]
    );
    let sound = Part::new("0000:07:00.0", 0x04_0300).on("snd_hda_intel").gives(Gives::Sound("card0".into()));
    assert_eq!(uses(&host([sound]), "0000:07:00.0"), ["-: sound card0"]);
}
