//! What is around the functions: busses, drivers, groups, classes, `/proc`, `/etc`.
//!
//! Owns the uses of devices (a root disk, swap, a route, screens) that a reader of
//! the whole host has to find. It must not change a function's own attributes.

use std::collections::BTreeSet;
use std::io;

use super::topology::{Function, Kind, Topology};
use super::tree::Tree;

pub(super) fn write(tree: &mut Tree, host: &Topology, pci_ids: &[u8]) -> io::Result<()> {
    bus(tree, host)?;
    groups(tree, host)?;
    for class in ["block", "net", "drm", "iommu", "nvme", "vfio"] {
        tree.directory(&format!("sys/class/{class}"))?;
    }
    for f in &host.functions {
        match (f.kind, f.driver) {
            (Kind::Nvme, Some("nvme")) => disk(tree, f)?,
            (Kind::Net, Some("i40e")) => interface(tree, f)?,
            (Kind::Display, Some("amdgpu")) => screen(tree, f)?,
            _ => {}
        }
    }
    tree.directory("sys/devices/virtual/iommu/dmar0")?;
    tree.link("sys/class/iommu/dmar0", "sys/devices/virtual/iommu/dmar0")?;
    tree.directory("sys/firmware/acpi/tables")?;
    tree.file("sys/firmware/acpi/tables/DMAR", b"DMAR")?;
    proc(tree)?;
    tree.directory("etc")?;
    tree.file("etc/os-release", b"ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Synthetic\"\n")?;
    tree.directory("usr/share/misc")?;
    tree.file("usr/share/misc/pci.ids", pci_ids)
}

fn device(f: &Function) -> String {
    format!("sys/devices/{}", f.path)
}

fn bus(tree: &mut Tree, host: &Topology) -> io::Result<()> {
    tree.directory("sys/bus/pci/devices")?;
    let drivers: BTreeSet<_> = host.functions.iter().filter_map(|f| f.driver).collect();
    for driver in drivers {
        tree.directory(&format!("sys/bus/pci/drivers/{driver}"))?;
        for name in ["bind", "unbind", "new_id", "remove_id"] {
            tree.shared(&format!("sys/bus/pci/drivers/{driver}/{name}"), "")?;
        }
    }
    for f in &host.functions {
        tree.link(&format!("sys/bus/pci/devices/{}", f.address), &device(f))?;
        if let Some(driver) = f.driver {
            tree.link(&format!("sys/bus/pci/drivers/{driver}/{}", f.address), &device(f))?;
        }
    }
    Ok(())
}

fn groups(tree: &mut Tree, host: &Topology) -> io::Result<()> {
    for group in 0..host.groups {
        let at = format!("sys/kernel/iommu_groups/{group}");
        tree.directory(&format!("{at}/devices"))?;
        tree.shared(&format!("{at}/type"), "DMA-FQ\n")?;
        tree.shared(&format!("{at}/reserved_regions"), "0x00000000fee00000 0x00000000feefffff msi\n")?;
    }
    tree.directory("dev/vfio")?;
    tree.file("dev/vfio/vfio", b"")?;
    let mut lent = BTreeSet::new();
    for f in &host.functions {
        tree.link(&format!("sys/kernel/iommu_groups/{}/devices/{}", f.group, f.address), &device(f))?;
        if f.driver == Some("vfio-pci") && lent.insert(f.group) {
            tree.file(&format!("dev/vfio/{}", f.group), b"")?;
        }
    }
    Ok(())
}

/// A controller, its name space, and on the first one the host's partitions.
fn disk(tree: &mut Tree, f: &Function) -> io::Result<()> {
    let n = f.unit;
    let controller = format!("{}/nvme/nvme{n}", device(f));
    let disk = format!("{controller}/nvme{n}n1");
    let partitions = if n == 0 { 3 } else { usize::from(n.is_multiple_of(3)) };
    tree.directory(&disk)?;
    tree.link(&format!("sys/class/nvme/nvme{n}"), &controller)?;
    let block = |tree: &mut Tree, path: &str, name: &str, minor: usize| {
        tree.directory(&format!("{path}/holders"))?;
        tree.directory(&format!("{path}/slaves"))?;
        // 259 is the block layer's extended major; minors count through all disks.
        tree.file(&format!("{path}/dev"), format!("259:{minor}\n").as_bytes())?;
        tree.shared(&format!("{path}/size"), "1953525168\n")?;
        tree.shared(&format!("{path}/ro"), "0\n")?;
        tree.link(&format!("sys/class/block/{name}"), path)
    };
    block(tree, &disk, &format!("nvme{n}n1"), n * 16)?;
    tree.shared(&format!("{disk}/hidden"), "0\n")?;
    tree.shared(&format!("{disk}/removable"), "0\n")?;
    for p in 1..=partitions {
        let name = format!("nvme{n}n1p{p}");
        block(tree, &format!("{disk}/{name}"), &name, n * 16 + p)?;
        tree.shared(&format!("{disk}/{name}/partition"), &format!("{p}\n"))?;
    }
    Ok(())
}

fn interface(tree: &mut Tree, f: &Function) -> io::Result<()> {
    let n = f.unit;
    let at = format!("{}/net/eth{n}", device(f));
    tree.directory(&at)?;
    let up = n.is_multiple_of(2);
    let mac = format!("02:00:00:{:02x}:{:02x}:{:02x}\n", n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff);
    tree.file(&format!("{at}/address"), mac.as_bytes())?;
    tree.file(&format!("{at}/ifindex"), format!("{}\n", n + 2).as_bytes())?;
    for (name, text) in [
        ("operstate", if up { "up\n" } else { "down\n" }),
        ("carrier", if up { "1\n" } else { "0\n" }),
        ("flags", if up { "0x1003\n" } else { "0x1002\n" }),
        ("type", "1\n"),
        ("mtu", "1500\n"),
        ("uevent", ""),
    ] {
        tree.shared(&format!("{at}/{name}"), text)?;
    }
    tree.link(&format!("{at}/device"), &device(f))?;
    tree.link(&format!("sys/class/net/eth{n}"), &at)
}

fn screen(tree: &mut Tree, f: &Function) -> io::Result<()> {
    let n = f.unit;
    for (name, connector) in [(format!("card{n}"), true), (format!("renderD{}", 128 + n), false)] {
        let at = format!("{}/drm/{name}", device(f));
        tree.directory(&at)?;
        tree.link(&format!("{at}/device"), &device(f))?;
        tree.link(&format!("sys/class/drm/{name}"), &at)?;
        if connector {
            let port = format!("{at}/{name}-HDMI-A-1");
            tree.directory(&port)?;
            tree.shared(&format!("{port}/status"), if n == 0 { "connected\n" } else { "disconnected\n" })?;
            tree.shared(&format!("{port}/enabled"), if n == 0 { "enabled\n" } else { "disabled\n" })?;
            tree.link(&format!("sys/class/drm/{name}-HDMI-A-1"), &port)?;
        }
    }
    Ok(())
}

/// One process besides the reader, and what the host keeps on its first disk and
/// its first interface.
fn proc(tree: &mut Tree) -> io::Result<()> {
    const MOUNTS: &str = "\
        21 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n\
        22 21 0:20 / /sys rw,nosuid shared:2 - sysfs sysfs rw\n\
        23 21 0:21 / /proc rw,nosuid shared:3 - proc proc rw\n\
        24 21 259:1 / /boot/efi rw,relatime shared:4 - vfat /dev/nvme0n1p1 rw\n";
    for process in ["1", "self"] {
        tree.directory(&format!("proc/{process}/fd"))?;
        tree.file(&format!("proc/{process}/mountinfo"), MOUNTS.as_bytes())?;
        tree.file(&format!("proc/{process}/comm"), b"systemd\n")?;
        tree.file(
            &format!("proc/{process}/stat"),
            b"1 (systemd) S 0 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n",
        )?;
    }
    tree.raw_link("proc/1/fd/0", "/dev/null")?;
    for directory in ["proc/net", "proc/bus/input", "proc/sys/kernel/random", "dev"] {
        tree.directory(directory)?;
    }
    tree.file("dev/null", b"")?;
    for (path, text) in [
        ("cmdline", "BOOT_IMAGE=/boot/vmlinuz root=/dev/nvme0n1p2 ro quiet intel_iommu=on\n"),
        ("bus/input/devices", ""),
        ("sys/kernel/osrelease", "6.12.0-synthetic\n"),
        ("sys/kernel/random/boot_id", "00000000-0000-4000-8000-000000000000\n"),
        (
            "swaps",
            "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
             /dev/nvme0n1p3                          partition\t8388604\t\t0\t\t-2\n",
        ),
        (
            "net/route",
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
             eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n",
        ),
        (
            "net/tcp",
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
        ),
        (
            "net/ipv6_route",
            "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
             fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n",
        ),
    ] {
        tree.file(&format!("proc/{path}"), text.as_bytes())?;
    }
    Ok(())
}
