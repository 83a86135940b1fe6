//! The chains from a device to what on the host depends on it.

use passthru_formats::Errno;
use passthru_plan::uses::Uses;
use passthru_testkit::fake::machine::{Mounted, Process};
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

/// Device-mapper devices by their kinds, md by its level.
#[test]
fn stacks_are_named() {
    let kind = |k: &Kernel, name: &str, uuid: &str| {
        k.put_file(&format!("/sys/class/block/{name}/dm/uuid"), uuid);
    };
    let table: [Case<'_>; 5] = [
        (
            "a logical volume on dm-crypt",
            |k| {
                k.stack("dm-0", Some("luks-root"), (253, 0), &["nvme0n1p2"]);
                k.stack("dm-1", Some("vg--a-root--x"), (253, 1), &["dm-0"]);
                k.mount("dm-1", "/srv").unwrap();
            },
            &["mounted: nvme0n1 → nvme0n1p2 → dm-crypt luks-root → vg-a/root-x → mounted on /srv"],
        ),
        (
            "a logical volume that nobody uses",
            |k| k.stack("dm-1", Some("vg0-root"), (253, 1), &["nvme0n1"]),
            &["holders: nvme0n1 → held by vg0/root"],
        ),
        (
            "a volume without a group in its name",
            |k| k.stack("dm-1", Some("vg--root"), (253, 1), &["nvme0n1"]),
            &["holders: nvme0n1 → held by dm-1 (vg--root)"],
        ),
        (
            "multipath",
            |k| k.stack("dm-2", Some("mpatha"), (253, 2), &["nvme0n1"]),
            &["holders: nvme0n1 → held by multipath mpatha"],
        ),
        (
            "md",
            |k| {
                k.stack("md127", None, (9, 127), &["nvme0n1"]);
                k.mount("md127", "/srv").unwrap();
            },
            &["mounted: nvme0n1 → md127 (raid1) → mounted on /srv"],
        ),
    ];
    for (told, arrange, wanted) in table {
        let kernel = host([nvme()]);
        arrange(&kernel);
        kind(&kernel, "dm-0", "CRYPT-LUKS2-0123-luks-root\n");
        kind(&kernel, "dm-1", "LVM-0123456789\n");
        kind(&kernel, "dm-2", "mpath-3600\n");
        kernel.put_file("/sys/class/block/md127/md/level", "raid1\n");
        assert_eq!(uses(&kernel, DISK), wanted, "{told}");
    }
}

/// What the next boot will mount, by every way to name a disk.
#[test]
fn tables() {
    let fstab = |k: &Kernel, line: &str| {
        k.put_file("/etc/fstab", format!("# comment\n{line}\n"));
        k.put_link("/dev/disk/by-uuid/0a5b-11", "../../nvme0n1p1");
        k.put_link("/dev/disk/by-label/My\\x20Disk", "../../nvme0n1");
        k.put_link("/dev/mapper/vg0-data", "../dm-0");
        k.put_link("/dev/vg0/data", "../dm-0");
        k.stack("dm-0", Some("vg0-data"), (253, 0), &["nvme0n1p2"]);
    };
    let boot = ": the host mounts it at boot";
    for (line, wanted) in [
        ("UUID=0A5B-11 /data ext4", format!("fstab: nvme0n1 → nvme0n1p1 → named in /etc/fstab for /data{boot}")),
        (
            "LABEL=My\\040Disk /my\\040data auto noauto 0 0",
            format!("fstab: nvme0n1 → named in /etc/fstab for /my data{boot}"),
        ),
        (
            "/dev/vg0/data /data ext4",
            format!("fstab: nvme0n1 → nvme0n1p2 → dm-0 (vg0-data) → named in /etc/fstab for /data{boot}"),
        ),
        (
            "/dev/mapper/vg0-data none swap",
            "fstab: nvme0n1 → nvme0n1p2 → dm-0 (vg0-data) → named in /etc/fstab for swap: the host uses it at boot"
                .to_owned(),
        ),
        (
            "/dev/nvme0n1p1 /data btrfs",
            format!("fstab: nvme0n1 → nvme0n1p1 → named in /etc/fstab for /data{boot}"),
        ),
    ] {
        let kernel = host([nvme()]);
        fstab(&kernel, line);
        let found = uses(&kernel, DISK);
        let found: Vec<_> = found.iter().filter(|f| !f.starts_with("holders")).collect();
        assert_eq!(found, [&wanted], "{line}");
        assert!(!snapshot(&kernel).usage.tables.at_least().is_empty());
    }
    for line in [
        "UUID=0000 /data ext4",
        "LABEL=none /data ext4",
        "PARTUUID=1 /data ext4",
        "/dev/sdz1 /data ext4",
        "nas:/x /data nfs",
        "tmpfs /tmp tmpfs",
    ] {
        let kernel = host([nvme()]);
        fstab(&kernel, line);
        assert!(uses(&kernel, DISK).iter().all(|f| !f.starts_with("fstab")), "{line}");
    }
    let kernel = host([nvme()]);
    fstab(&kernel, "UUID=0a5b-11 /data ext4");
    kernel.mount("nvme0n1p1", "/data").unwrap();
    assert_eq!(
        uses(&kernel, DISK)[0],
        "mounted: nvme0n1 → nvme0n1p1 → mounted on /data",
        "what is mounted is not told of twice"
    );
    assert!(uses(&kernel, DISK).iter().all(|f| !f.starts_with("fstab")));
}

#[test]
fn tables_of_keys_and_tables_unread() {
    let kernel = host([nvme()]);
    kernel.put_file("/etc/crypttab", "home /dev/nvme0n1p2 none luks\n");
    assert_eq!(
        uses(&kernel, DISK),
        ["fstab: nvme0n1 → nvme0n1p2 → named in /etc/crypttab as home: the host opens it at boot"]
    );
    kernel.stack("dm-0", Some("home"), (253, 0), &["nvme0n1p2"]);
    assert_eq!(uses(&kernel, DISK), ["holders: nvme0n1 → nvme0n1p2 → held by dm-0 (home)"]);
    let kernel = host([nvme()]);
    kernel.fail("/etc/crypttab", Errno::EACCES);
    assert_eq!(
        uses(&kernel, DISK),
        [
            "not-seen: nvme0n1 → could not look at what is mounted at boot: /etc/crypttab: EACCES (permission denied)"
        ]
    );
    // Without udev nobody knows which disk has the UUID.
    let kernel = host([nvme()]);
    kernel.put_file("/etc/fstab", "UUID=1 / ext4\n");
    assert_eq!(
        uses(&kernel, DISK),
        [
            "not-seen: nvme0n1 → could not look at what is mounted at boot: /dev/disk/by-uuid: ENOENT (no such file or directory)"
        ]
    );
}

/// What udev found on a disk that nothing is stacked on.
#[test]
fn members() {
    let record = |k: &Kernel, kind: &str| {
        k.put_file("/run/udev/data/b259:2", format!("S:disk/by-id/x\nE:ID_FS_TYPE={kind}\n"));
    };
    for (kind, wanted) in [
        ("LVM2_member", "-: nvme0n1 → nvme0n1p2 → holds an inactive LVM physical volume"),
        ("crypto_LUKS", "-: nvme0n1 → nvme0n1p2 → holds an inactive LUKS volume"),
        ("linux_raid_member", "-: nvme0n1 → nvme0n1p2 → holds an inactive RAID member"),
        ("zfs_member", "-: nvme0n1 → nvme0n1p2 → holds an inactive ZFS pool"),
        ("ext4", "-: disk nvme0n1"),
    ] {
        let kernel = host([nvme()]);
        record(&kernel, kind);
        assert_eq!(uses(&kernel, DISK), [wanted], "{kind}");
    }
    let kernel = host([nvme()]);
    kernel.put_file("/sys/module/zfs/version", "2\n");
    assert_eq!(
        uses(&kernel, DISK),
        ["nvme0n1p1", "nvme0n1p2"].map(|part| format!(
            "not-seen: nvme0n1 → {part} → could not look at whether ZFS uses it: udev has no record of it"
        ))
    );
    record(&kernel, "zfs_member");
    kernel.put_file("/run/udev/data/b259:1", "I:1\n");
    assert_eq!(uses(&kernel, DISK), ["holders: nvme0n1 → nvme0n1p2 → a member of a ZFS pool (udev)"]);
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

/// What stands on an interface carries it along, however high.
#[test]
fn interfaces_on_interfaces() {
    const CARD: &str = "0000:02:00.0";
    let kernel = host([Part::new(CARD, 0x02_0000).on("e1000e").interface("eth0")]);
    kernel.with(|m| m.masters.insert("eth0".into(), "bond0".into()));
    for (name, upper) in [("bond0", Some("bond0.7")), ("bond0.7", Some("br0")), ("br0", None)] {
        kernel.put_link(&format!("/sys/class/net/{name}"), &format!("../../devices/virtual/net/{name}"));
        kernel.put_file(&format!("/sys/class/net/{name}/flags"), "0x1003\n");
        if let Some(upper) = upper {
            kernel
                .put_link(&format!("/sys/devices/virtual/net/{name}/upper_{upper}"), &format!("../{upper}"));
        }
    }
    kernel.put_file(
        "/proc/net/route",
        format!("{HEADING}br0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"),
    );
    assert_eq!(
        uses(&kernel, CARD),
        [
            "network-member: eth0 → member of bond0",
            "network-member: eth0 → bond0 → bond0.7 stands on it",
            "network-member: eth0 → bond0 → bond0.7 → br0 stands on it",
            "default-route: eth0 → bond0 → bond0.7 → br0 → carries the default route",
        ]
    );
}

const HEADING: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";

/// A table of sockets: local, peer, state, inode; addresses in the kernel's own order.
fn sockets(all: &[(&str, &str, u8, u64)]) -> String {
    let mut table = String::from("  sl  local_address rem_address   st\n");
    for (nth, (local, peer, state, inode)) in all.iter().enumerate() {
        table.push_str(&format!(
            "{nth:4}: {local} {peer} {state:02X} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1\n"
        ));
    }
    table
}

/// Two cards: eth0 has 192.0.2.0/24, eth1 the way to everywhere.
fn connected(table: &[(&str, &str, u8, u64)]) -> Kernel {
    let kernel = host([
        Part::new("0000:02:00.0", 0x02_0000).on("e1000e").interface("eth0"),
        Part::new("0000:03:00.0", 0x02_0000).on("e1000e").interface("eth1"),
    ]);
    kernel.put_file(
        "/proc/net/route",
        format!(
            "{HEADING}eth1\t00000000\t016433C6\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
             eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
             eth1\t006433C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        ),
    );
    kernel.put_file("/proc/net/tcp", sockets(table));
    kernel
}

fn process(kernel: &Kernel, pid: u32, name: &str, holds: &[&str]) {
    let holds = holds.iter().map(|held| (*held).to_owned()).collect();
    kernel.with(|m| m.processes.insert(pid, Process { holds, ..Process::named(name) }));
}

#[test]
fn ssh_connections() {
    const NEAR: (&str, &str) = ("010200C0:0016", "070200C0:C93B");
    let (eth0, eth1) = ("0000:02:00.0", "0000:03:00.0");
    let route = "default-route: eth1 → carries the default route";
    // To port 22, from the same network.
    let kernel = connected(&[(NEAR.0, NEAR.1, 1, 77)]);
    assert_eq!(
        uses(&kernel, eth0),
        ["ssh-connection: eth0 → SSH connection from 192.0.2.7:51515 to 192.0.2.1:22"]
    );
    assert_eq!(uses(&kernel, eth1), [route]);
    // The process that has it.
    process(&kernel, 812, "sshd-session", &["socket:[77]"]);
    let by = "ssh-connection: eth0 → SSH connection from 192.0.2.7:51515 to 192.0.2.1:22 (sshd-session, process 812)";
    assert_eq!(uses(&kernel, eth0), [by]);
    // From far away to eth0's address: the answers leave through eth1.
    let kernel = connected(&[(NEAR.0, "097100CB:C93B", 1, 77)]);
    let far = "SSH connection from 203.0.113.9:51515 to 192.0.2.1:22";
    assert_eq!(uses(&kernel, eth0), [format!("ssh-connection: eth0 → {far}")]);
    assert_eq!(uses(&kernel, eth1), [route.to_owned(), format!("ssh-connection: eth1 → {far}")]);
    // Another port, that a server listens on; without the server's process nobody knows.
    let other = ("010200C0:08AE", "070200C0:C93B", 1, 78);
    let kernel = connected(&[("00000000:08AE", "00000000:0000", 10, 5), other]);
    assert_eq!(uses(&kernel, eth0), ["-: eth0 (up)"]);
    process(&kernel, 700, "sshd", &["socket:[5]"]);
    let text = "ssh-connection: eth0 → SSH connection from 192.0.2.7:51515 to 192.0.2.1:2222";
    assert_eq!(uses(&kernel, eth0), [text]);
    // systemd listens, and starts a server for each connection.
    let kernel = connected(&[("00000000:08AE", "00000000:0000", 10, 5), other]);
    process(&kernel, 1, "systemd", &["socket:[5]"]);
    assert_eq!(uses(&kernel, eth0), ["-: eth0 (up)"]);
    process(&kernel, 701, "sshd", &["socket:[78]"]);
    assert_eq!(uses(&kernel, eth0), [format!("{text} (sshd, process 701)")]);
    // What a server connects to for somebody's tunnel is no connection to here.
    let tunnel = ("010200C0:C93B", "070200C0:0050", 1, 79);
    let kernel = connected(&[("00000000:0016", "00000000:0000", 10, 5), tunnel]);
    process(&kernel, 702, "sshd", &["socket:[5]", "socket:[79]"]);
    assert_eq!(uses(&kernel, eth0), ["-: eth0 (up)"]);
    // By the configuration, and where that cannot be read.
    let kernel = connected(&[("00000000:08AE", "00000000:0000", 10, 5), other]);
    kernel.put_file("/etc/ssh/sshd_config.d/port.conf", "Port 2222\n");
    assert_eq!(uses(&kernel, eth0), [text]);
    let kernel = connected(&[("00000000:08AE", "00000000:0000", 10, 5), other]);
    kernel.fail("/etc/ssh/sshd_config", Errno::EACCES);
    assert_eq!(
        uses(&kernel, eth0),
        [
            "not-seen: eth0 → could not look at SSH connections: /etc/ssh/sshd_config: EACCES (permission denied)"
        ]
    );
    // Loopback, a connection with itself, one that ends, one that leaves.
    for table in [
        &[("0100007F:0016", "0100007F:C93B", 1, 77)][..],
        &[(NEAR.0, "010200C0:C93B", 1, 77), ("010200C0:C93B", NEAR.0, 1, 78)],
        &[(NEAR.0, NEAR.1, 6, 0)],
        &[("010200C0:C93B", "070200C0:0016", 1, 77)],
    ] {
        assert_eq!(uses(&connected(table), eth0), ["-: eth0 (up)"], "{table:?}");
    }
    // Nobody knows the way.
    let kernel = connected(&[(NEAR.0, NEAR.1, 1, 77)]);
    kernel.put_file("/proc/net/route", HEADING);
    for (card, name) in [(eth0, "eth0"), (eth1, "eth1")] {
        let end = "nobody knows through which interface it goes: SSH connection from 192.0.2.7:51515 to 192.0.2.1:22";
        assert_eq!(uses(&kernel, card), [format!("not-seen: {name} → {end}")]);
    }
    kernel.fail("/proc/net/tcp", Errno::EACCES);
    assert_eq!(
        uses(&kernel, eth0),
        ["not-seen: eth0 → could not look at SSH connections: /proc/net/tcp: EACCES (permission denied)"]
    );
}

#[test]
fn ssh_connections_of_version_6() {
    let kernel = connected(&[]);
    kernel.put_file(
        "/proc/net/tcp6",
        sockets(&[
            ("000080FE000000000000000001000000:0016", "000080FE000000000000000002000000:8000", 1, 9),
            ("0000000000000000FFFF0000010200C0:0016", "0000000000000000FFFF0000070200C0:C93B", 1, 10),
        ]),
    );
    kernel.put_file("/proc/net/if_inet6", "fe800000000000000000000000000001 03 40 20 80 eth1\n");
    assert_eq!(
        uses(&kernel, "0000:02:00.0"),
        ["ssh-connection: eth0 → SSH connection from 192.0.2.7:51515 to 192.0.2.1:22"],
        "an address of version 4 in the table of version 6"
    );
    assert_eq!(
        uses(&kernel, "0000:03:00.0")[1],
        "ssh-connection: eth1 → SSH connection from [fe80::2]:32768 to [fe80::1]:22"
    );
}

/// An interface that a container has, and who is connected to it there.
#[test]
fn other_network_namespaces() {
    const CARD: &str = "0000:02:00.0";
    let elsewhere = Gives::Interface { name: "eth0".into(), elsewhere: true };
    let kernel = host([Part::new(CARD, 0x02_0000).on("e1000e").gives(elsewhere)]);
    process(&kernel, 900, "systemd", &[]);
    kernel.put_link("/proc/self/ns/net", "net:[1]");
    kernel.put_link("/proc/1/ns/net", "net:[1]");
    kernel.put_link("/proc/900/ns/net", "net:[2]");
    let at = "../../devices/pci0000:02/0000:02:00.0/net/eth7";
    kernel.put_link("/proc/900/root/sys/class/net/eth7", at);
    let moved = "network-namespace: eth7 → in the network namespace of systemd (process 900)";
    assert_eq!(uses(&kernel, CARD), [moved]);
    kernel.put_file("/proc/900/net/tcp", sockets(&[("010200C0:0016", "070200C0:C93B", 1, 77)]));
    kernel.put_file(
        "/proc/900/net/route",
        format!("{HEADING}eth7\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"),
    );
    assert_eq!(
        uses(&kernel, CARD),
        [moved, "ssh-connection: eth7 → SSH connection from 192.0.2.7:51515 to 192.0.2.1:22"]
    );
}

/// Processes that have device nodes open.
#[test]
fn clients() {
    let (card, sound, usb) = ("0000:03:00.0", "0000:04:00.0", "0000:05:00.0");
    let shows = |name: &str| Gives::Display { name: name.into(), connected: Vec::new() };
    let kernel = host([
        nvme(),
        Part::new(card, 0x03_0000).on("amdgpu").gives(shows("card0")).gives(shows("renderD128")),
        Part::new(sound, 0x04_0300).on("snd_hda_intel").gives(Gives::Sound("card0".into())),
        Part::new(usb, 0x0c_0330).on("xhci_hcd"),
    ]);
    kernel.put_link(
        "/sys/class/sound/controlC0",
        "../../devices/pci0000:04/0000:04:00.0/sound/card0/controlC0",
    );
    kernel.put_link("/sys/class/sound/card0", "../../devices/pci0000:04/0000:04:00.0/sound/card0");
    for (pid, name, holds) in [
        (
            2211,
            "gnome-shell",
            &["/dev/dri/renderD128", "/dev/dri/renderD128", "/dev/input/event3", "/dev/null"][..],
        ),
        (2300, "Xwayland", &["/dev/dri/renderD128", "socket:[5]"]),
        (2400, "rocm", &["/dev/kfd"]),
        (2500, "dd", &["/dev/nvme0n1p2", "/home/x"]),
        (2600, "pipewire", &["/dev/snd/controlC0", "/dev/snd/seq"]),
    ] {
        process(&kernel, pid, name, holds);
    }
    assert_eq!(uses(&kernel, DISK), ["clients: nvme0n1 → nvme0n1p2 → open by dd (process 2500)"]);
    assert_eq!(
        uses(&kernel, card),
        [
            "clients: /dev/dri/renderD128 → open by gnome-shell (process 2211), Xwayland (process 2300)",
            "clients: /dev/kfd → open by rocm (process 2400)",
            "-: card0, renderD128"
        ]
    );
    assert_eq!(
        uses(&kernel, sound),
        ["clients: /dev/snd/controlC0 → open by pipewire (process 2600)", "-: sound card0"]
    );
    assert_eq!(uses(&kernel, usb), Vec::<String>::new());
    // Ourselves we do not hold.
    kernel.put_link("/proc/self", "2500");
    assert_eq!(uses(&kernel, DISK), ["-: disk nvme0n1"]);
    // What could not be looked at is free for nobody.
    kernel.with(|m| m.processes.clear());
    process(&kernel, 1, "systemd", &[]);
    kernel.fail("/proc/1/fd", Errno::EACCES);
    let blind = "could not look at who has it open: /proc/1/fd: EACCES (permission denied)";
    assert_eq!(uses(&kernel, DISK), [format!("not-seen: nvme0n1 → {blind}")]);
    assert_eq!(uses(&kernel, card)[0], format!("not-seen: {blind}"));
    assert_eq!(uses(&kernel, sound)[0], format!("not-seen: {blind}"));
    assert_eq!(uses(&kernel, usb), Vec::<String>::new());
}

/// NVIDIA's nodes, which sysfs does not know.
#[test]
fn clients_of_nvidia() {
    let (first, second) = ("0000:03:00.0", "0000:04:00.0");
    let kernel = host([first, second].map(|at| Part::new(at, 0x03_0000).on("nvidia")));
    process(&kernel, 7, "cuda", &["/dev/nvidia1", "/dev/nvidiactl"]);
    let all =
        ["/dev/nvidia1", "/dev/nvidiactl"].map(|node| format!("clients: {node} → open by cuda (process 7)"));
    assert_eq!((uses(&kernel, first), uses(&kernel, second)), (all.to_vec(), all.to_vec()));
    for (minor, at) in [first, second].into_iter().enumerate() {
        let text = format!("Model: \t x\nDevice Minor: \t {minor}\n");
        kernel.put_file(&format!("/proc/driver/nvidia/gpus/{at}/information"), text);
    }
    assert_eq!((uses(&kernel, first), uses(&kernel, second)), (Vec::new(), vec![all[0].clone()]));
}

/// What else hangs below functions.
#[test]
fn services_and_losses() {
    const AT: &str = "0000:03:00.0";
    let at = |rest: &str| format!("../../devices/pci0000:03/{AT}/{rest}");
    let made = |class: u32, driver: &str| host([Part::new(AT, class).on(driver)]);
    let kernel = made(0x03_0000, "i915");
    kernel.put_link(&format!("/sys/class/mdev_bus/{AT}"), "../../devices/pci0000:03/0000:03:00.0");
    kernel.put_file(
        &format!("/sys/devices/pci0000:03/{AT}/aa618089-8b16-4d01-a136-25a0f3c73123/mdev_type/name"),
        "x\n",
    );
    let found = uses(&kernel, AT);
    assert_eq!(found, ["mediated-devices: 1 mediated device: aa618089-8b16-4d01-a136-25a0f3c73123"]);
    let kernel = made(0x10_8000, "tpm_crb");
    kernel.put_link("/sys/class/tpm/tpm0", &at("tpm/tpm0"));
    assert_eq!(uses(&kernel, AT), ["tpm: tpm0 → the trusted platform module"]);
    let kernel = made(0x08_8000, "i6300esb");
    kernel.put_link("/sys/class/watchdog/watchdog0", &at("watchdog/watchdog0"));
    assert_eq!(uses(&kernel, AT), ["-: watchdog0 → a watchdog that is not running"]);
    process(&kernel, 1, "systemd", &["/dev/watchdog"]);
    assert_eq!(uses(&kernel, AT)[0], "watchdog: /dev/watchdog → open by systemd (process 1)");
    kernel.fail("/sys/class/tpm", Errno::EIO);
    assert!(uses(&kernel, AT)[1].starts_with("not-seen: could not look at whether mediated devices"));
    let kernel = made(0x0c_0330, "xhci_hcd");
    for (name, kind, product) in [("1-1", "00", "USB Receiver"), ("1-2", "09", "Hub"), ("1-1:1.0", "", "")] {
        let path = format!("/sys/bus/usb/devices/{name}");
        kernel.put_link(&path, &format!("../../../devices/pci0000:03/{AT}/usb1/{name}"));
        kernel.put_file(&format!("{path}/bDeviceClass"), kind);
        kernel.put_file(&format!("{path}/product"), product);
    }
    assert_eq!(uses(&kernel, AT), ["-: USB device \"USB Receiver\""]);
    let kernel = made(0x01_0700, "mpt3sas");
    kernel.put_link("/sys/class/scsi_host/host2", &at("host2/scsi_host/host2"));
    assert_eq!(uses(&kernel, AT), ["-: SCSI host host2 without disks"]);
}

/// Keyboards that cannot be looked for may be anywhere.
#[test]
fn lists_that_cannot_be_read() {
    let usb = "0000:04:00.0";
    let kernel =
        host([Part::new(usb, 0x0c_0330).on("xhci_hcd"), Part::new("0000:03:00.0", 0x03_0000).on("xe")]);
    kernel.fail("/proc/bus/input/devices", Errno::EIO);
    kernel.fail("/sys/class/drm", Errno::EIO);
    let error = "EIO (input/output error)";
    assert_eq!(
        uses(&kernel, usb),
        [format!("not-seen: could not look at keyboards: /proc/bus/input/devices: {error}")]
    );
    assert_eq!(
        uses(&kernel, "0000:03:00.0"),
        [format!("not-seen: could not look at what it shows: /sys/class/drm: {error}")]
    );
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
    kernel.put_file("/proc/4711/cmdline", "qemu\0-name\0guest=win11,debug-threads=on\0");
    let held = "held: /dev/vfio/7 → held by qemu-system-x86 \"win11\" (process 4711)";
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
    kernel.with(|m| {
        let vf = m.virtual_functions(address("0000:06:00.0")).next().unwrap();
        m.functions.get_mut(&vf).unwrap().driver = Some("vfio-pci".into());
    });
    kernel.start_vm(9, 1000).unwrap();
    assert_eq!(
        uses(&kernel, "0000:06:00.0")[1],
        "virtual-functions: 0000:06:01.0 → /dev/vfio/1000 → held by qemu-system-x86 (process 9)"
    );
    let sound = Part::new("0000:07:00.0", 0x04_0300).on("snd_hda_intel").gives(Gives::Sound("card0".into()));
    assert_eq!(uses(&host([sound]), "0000:07:00.0"), ["-: sound card0"]);
}

/// udev sets the owner of a group's node through a descriptor that has not opened it.
#[test]
fn naming_a_group_is_not_holding_it() {
    let kernel = host([Part::new("0000:06:00.0", 0x02_0000).on("vfio-pci")]);
    let group = kernel.with(|m| m.functions[&address("0000:06:00.0")].group.unwrap());
    let node = format!("/dev/vfio/{group}");
    let held = |process: Process| {
        kernel.with(|m| m.processes.insert(4301, process));
        uses(&kernel, "0000:06:00.0").iter().any(|line| line.contains("process 4301"))
    };
    assert!(held(Process { holds: vec![node.clone()], ..Process::named("(udev-worker)") }));
    assert!(!held(Process { names: vec![node.clone()], ..Process::named("(udev-worker)") }));
    assert!(!held(Process { names: vec![node.clone()], ..Process::named("qemu-system-x86") }));
    let both = Process { holds: vec![node.clone()], names: vec![node], ..Process::named("qemu-system-x86") };
    assert!(held(both));
}

/// udev looks into every disk that somebody has closed, for a moment.
#[test]
fn udev_is_nobody_who_uses_a_disk() {
    let kernel = host([nvme()]);
    let opened = |name: &str| {
        let holds = vec!["/dev/nvme0n1".to_owned()];
        let process = Process { name: name.to_owned(), holds, ..Process::default() };
        kernel.with(|m| m.processes.insert(4300, process));
        Uses::of(&kernel.snapshot(&[]))
            .device(address(DISK))
            .iter()
            .any(|u| u.blocks == Some(passthru_model::Reason::Clients))
    };
    assert!(opened("dd"));
    assert!(!opened("(udev-worker)"));
}
