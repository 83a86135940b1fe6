//! Hosts in a state that is not as it should be, or of which little can be seen.

use crate::drawing::{Drawing, MEM64_PREFETCH, Pci};
use crate::systems::DEBIAN;
use crate::troubles;

/// What any host has: a disk with the root on it, a spare disk, a network card; on no
/// IOMMU.
fn small(command_line: &str) -> Drawing {
    let mut host = Drawing::new("6.1.0-18-amd64", command_line);
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "8086:3ec2", 0x07);
    host.pci("pci0000:00/0000:00:02.0", 0x03_0000, "8086:3e92", 0).driver("i915").attribute("boot_vga", "1");
    host.class("drm", "pci0000:00/0000:00:02.0/drm/card0");
    // Without an IOMMU the kernel leaves access control off.
    host.pci("pci0000:00/0000:00:1b.0", 0x06_0400, "8086:a340", 0xf0)
        .driver("pcieport")
        .root_port(21, Some((6, 0x1f, 0)));
    host.pci("pci0000:00/0000:00:1b.0/0000:01:00.0", 0x01_0802, "15b7:5006", 0)
        .driver("nvme")
        .awake(-1, 16, "");
    let disk = "pci0000:00/0000:00:1b.0/0000:01:00.0/nvme/nvme0/nvme0n1";
    host.block(disk, "259:0", &[]);
    host.block(&format!("{disk}/nvme0n1p1"), "259:1", &[]);
    host.mount("259:1", "/", "ext4", "/dev/nvme0n1p1");
    host.pci("pci0000:00/0000:00:1c.0", 0x06_0400, "8086:a338", 0xf0)
        .driver("pcieport")
        .root_port(5, Some((6, 0x1f, 0)));
    host.pci("pci0000:00/0000:00:1c.0/0000:02:00.0", 0x02_0000, "8086:1533", 0x03)
        .subsystem("8086:0002")
        .driver("igb")
        .awake(-1, 17, "flr");
    host.interface("pci0000:00/0000:00:1c.0/0000:02:00.0/net/enp2s0", false, false);
    host
}

/// The firmware has no IOMMU, or it is switched off there.
pub(super) fn no_iommu() -> Drawing {
    let mut host = small("root=/dev/nvme0n1p1 ro quiet iommu=pt");
    host.file("etc/os-release", DEBIAN.release);
    host.maker(false, false);
    host
}

/// One on which packets are switched in user space, without any protection.
pub(super) fn no_iommu_mode() -> Drawing {
    let mut host = small("root=/dev/nvme0n1p1 ro vfio.enable_unsafe_noiommu_mode=1");
    host.file("etc/os-release", DEBIAN.release);
    host.pci("pci0000:00/0000:00:1d.0", 0x06_0400, "8086:a330", 0xf0)
        .driver("pcieport")
        .root_port(9, Some((6, 0x1f, 0)));
    host.pci("pci0000:00/0000:00:1d.0/0000:03:00.0", 0x02_0000, "8086:1521", 0x01)
        .driver("vfio-pci")
        .attribute("driver_override", "vfio-pci")
        // Groups without a domain (`drivers/iommu/iommu.c`, `iommu_group_show_type`).
        .group_with(0, "unknown", "")
        .awake(-1, 40, "flr");
    host.file("sys/kernel/iommu_groups/0/name", "vfio-noiommu\n");
    host.file("dev/vfio/noiommu-0", "");
    host
}

/// The firmware has one, and the kernel was told not to use it.
pub(super) fn iommu_off() -> Drawing {
    let mut host = small("root=/dev/nvme0n1p1 ro intel_iommu=off");
    host.dmar();
    // Nothing has loaded KVM.
    host.file("etc/os-release", DEBIAN.release);
    host.maker(false, true);
    host.kernel("6.1.0-18-amd64", &[], &[]);
    host
}

/// A desktop whose kernel is patched, as guides for gaming in a virtual machine advise: each
/// function is in a group of its own, and the port of the graphics card isolates nothing.
pub(super) fn acs_override() -> Drawing {
    let command_line = "root=/dev/sda1 ro amd_iommu=on pcie_acs_override=downstream,multifunction";
    let mut host = Drawing::new("6.8.12-4-pve", command_line);
    host.ivrs();
    host.units(&["ivhd0"]);
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "1022:1480", 0).group(0);
    host.pci("pci0000:00/0000:00:01.1", 0x06_0400, "1022:1483", 0)
        .driver("pcieport")
        .group(1)
        .root_port(1, None);
    host.pci("pci0000:00/0000:00:01.1/0000:01:00.0", 0x03_0000, "10de:2204", 0xa1)
        .driver("nouveau")
        .group(2)
        .attribute("boot_vga", "0")
        .awake(-1, 90, "bus")
        .config(4096, &[0x01, 0x05, 0x10], &[]);
    host.pci("pci0000:00/0000:00:01.1/0000:01:00.1", 0x04_0300, "10de:1aef", 0xa1)
        .driver("snd_hda_intel")
        .group(3)
        .awake(-1, 91, "bus")
        .config(4096, &[0x01, 0x05, 0x10], &[]);
    host.pci("pci0000:00/0000:00:03.1", 0x06_0400, "1022:1483", 0)
        .driver("pcieport")
        .group(4)
        .root_port(2, Some((6, 0x5f, 0x1d)));
    host.pci("pci0000:00/0000:00:03.1/0000:02:00.0", 0x01_0601, "1b21:1064", 0x02)
        .driver("ahci")
        .group(5)
        .awake(-1, 92, "pm");
    let sda = "pci0000:00/0000:00:03.1/0000:02:00.0/ata1/host0/target0:0:0/0:0:0:0/block/sda";
    host.block(sda, "8:0", &[]);
    host.block(&format!("{sda}/sda1"), "8:1", &[]);
    host.mount("8:1", "/", "ext4", "/dev/sda1");
    host
}

/// The workstation, captured by somebody who is not root: 64 bytes of configuration space,
/// and other processes' name spaces are none of their business.
pub(super) fn without_root() -> Drawing {
    let mut host = super::machines::gt630_desktop();
    host.root = false;
    // It is listed, and not for them to read.
    host.unreadable_table("DMAR");
    let card = "pci0000:00/0000:00:01.0/0000:01:00.0";
    host.pci(card, 0x03_0000, "10de:1284", 0xa1).subsystem("10b0:1284").driver("nvidia").config(64, &[], &[]);
    let sound = "pci0000:00/0000:00:01.0/0000:01:00.1";
    host.pci(sound, 0x04_0300, "10de:0e0f", 0xa1).subsystem("10b0:1284").driver("snd_hda_intel").config(
        64,
        &[],
        &[],
    );
    // A spare disk of which it could be known with root's rights that nobody uses it.
    host.pci("pci0000:00/0000:00:1d.0", 0x06_0400, "8086:a118", 0xf1).driver("pcieport").group(9);
    let disk = "pci0000:00/0000:00:1d.0/0000:02:00.0";
    host.pci(disk, 0x01_0802, "144d:a802", 0x01).subsystem("144d:a801").driver("nvme").group(10);
    host.block(&format!("{disk}/nvme/nvme0/nvme0n1"), "259:0", &[]);
    host.raw_link("proc/412/ns/mnt", "mnt:[4026532201]");
    // Nor are their open files.
    host.directory("proc/412/fd");
    for process in ["1", "412"] {
        let empty = format!("list /proc/{process}/fd");
        host.instead(&empty, &format!("{empty} ! EACCES"));
    }
    host.instead("link /proc/1/ns/mnt -> mnt:[4026531841]", "link /proc/1/ns/mnt ! EACCES");
    host.instead("link /proc/412/ns/mnt -> mnt:[4026532201]", "link /proc/412/ns/mnt ! EACCES");
    host
}

/// A passthru that was killed between unbinding a network card and binding it; the leases
/// of it, of a device that has been unplugged since, of another device at the same place,
/// and a file that is no lease.
pub(super) fn interrupted() -> Drawing {
    let mut host = Drawing::new("6.1.0-18-amd64", "root=/dev/sda1 ro intel_iommu=on");
    host.dmar();
    host.units(&["dmar0"]);
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "8086:3ec2", 0x07).group(0);
    for (port, bus, group) in [("1c.0", "02", 8), ("1c.1", "03", 9)] {
        host.pci(&format!("pci0000:00/0000:00:{port}"), 0x06_0400, "8086:a338", 0xf0)
            .driver("pcieport")
            .group(group - 7);
        host.pci(&format!("pci0000:00/0000:00:{port}/0000:{bus}:00.0"), 0x02_0000, "8086:1533", 0x03)
            .subsystem("8086:0002")
            .group(group)
            .unit("dmar0")
            .attribute("driver_override", if bus == "02" { "vfio-pci" } else { "(null)" })
            .awake(-1, 17, "flr");
    }
    let lease = |device: &str, id: &str, holder: &str| {
        format!(
            "{{\"version\":1,\"boot_id\":\"6a0e1d2c-0000-4000-8000-000000000001\",\"device\":\"{device}\",\
             \"id\":\"{id}\",\"subsystem\":\"8086:0002\",\"original_driver\":\"igb\",\
             \"original_module\":\"igb\",\"original_override\":\"igb\",\"vfio_driver\":\"vfio-pci\",\
             \"adopted\":false,\"since\":1763693000,\"holder\":{holder}}}"
        )
    };
    let holder = "{\"pid\":412,\"start\":90210,\"program\":\"qemu-system-x86_64\"}";
    let first = lease("0000:02:00.0", "8086:1533", "null");
    let leases = "run/passthru/leases";
    host.file(&format!("{leases}/0000:02:00.0.json"), &format!("{first}\n"));
    host.file(&format!("{leases}/0000:03:00.0.json"), &lease("0000:03:00.0", "8086:10d3", holder));
    host.file(&format!("{leases}/0000:04:00.0.json"), &lease("0000:04:00.0", "8086:1533", "null"));
    // One on which an unbind has not come back, its node given to a user.
    let granted = "{\"node\":\"/dev/vfio/10\",\"before\":{\"uid\":0,\"gid\":0,\"mode\":384},\
                   \"now\":{\"uid\":1000,\"gid\":0,\"mode\":384},\"holder\":null}";
    let hangs = lease("0000:06:00.0", "8086:1533", "null").replace("\"version\":1", "\"version\":2");
    let hangs = hangs.replace("\"holder\":null", &format!("\"holder\":null,\"granted\":{granted}"));
    host.pci("pci0000:00/0000:00:1c.2", 0x06_0400, "8086:a338", 0xf0).driver("pcieport").group(3);
    host.pci("pci0000:00/0000:00:1c.2/0000:06:00.0", 0x02_0000, "8086:1533", 0x03)
        .subsystem("8086:0002")
        .driver("vfio-pci")
        .group(10)
        .unit("dmar0")
        .attribute("driver_override", "vfio-pci")
        .awake(-1, 18, "flr");
    host.file(&format!("{leases}/0000:06:00.0.json"), &hangs);
    let unbind = "/sys/bus/pci/devices/0000:06:00.0/driver/unbind";
    host.file(
        "run/passthru/stuck/0000:06:00.0.json",
        &format!(
            "{{\"version\":1,\"boot_id\":\"6a0e1d2c-0000-4000-8000-000000000001\",\
             \"device\":\"0000:06:00.0\",\"path\":\"{unbind}\",\"text\":\"0000:06:00.0\",\
             \"task\":{{\"pid\":977,\"start\":120044,\"waits_in\":\"vfio_unregister_group_dev\"}},\
             \"since\":1763693100,\"plan\":{{\"version\":2,\"intent\":\"release\",\
             \"devices\":[\"0000:06:00.0\"],\"steps\":[{{\"do\":\"unbind\",\
             \"device\":\"0000:06:00.0\",\"driver\":\"vfio-pci\",\"override_now\":\"vfio-pci\"}}],\
             \"losses\":[],\"notes\":[]}},\"todo\":[0]}}\n"
        ),
    );
    host.file(&format!("{leases}/0000:05:00.0.json"), "{\"version\":1,");
    let steps = format!(
        "{{\"do\":\"open-lease\",\"lease\":{first}}},\
         {{\"do\":\"set-override\",\"device\":\"0000:02:00.0\",\"before\":\"igb\",\"value\":\"vfio-pci\"}},\
         {{\"do\":\"unbind\",\"device\":\"0000:02:00.0\",\"driver\":\"igb\",\"override_now\":\"vfio-pci\"}},\
         {{\"do\":\"probe\",\"device\":\"0000:02:00.0\",\"driver\":\"vfio-pci\"}}"
    );
    let mut journal = format!(
        "{{\"record\":\"plan\",\"version\":1,\"plan\":{{\"version\":1,\"intent\":\"bind\",\
         \"devices\":[\"0000:02:00.0\"],\"steps\":[{steps}],\"losses\":[],\"notes\":[]}}}}\n"
    );
    for step in 0..3 {
        journal.push_str(&format!("{{\"record\":\"begin\",\"step\":{step}}}\n"));
        journal.push_str(&format!("{{\"record\":\"done\",\"step\":{step}}}\n"));
    }
    // Cut off while it was written.
    journal.push_str("{\"record\":\"beg");
    host.file("run/passthru/journal", &journal);
    host
}

/// Nonsense in as many files as there are kinds of files.
pub(super) fn garbage() -> Drawing {
    let mut host = Drawing::new("6.1.0-18-amd64", "\u{7f}ELF\u{1}");
    host.dmar();
    host.units(&["dmar0"]);
    host.table("DMAR", b"DMAR\x30\0\0\0not much of a table");
    host.file("sys/devices/virtual/iommu/dmar0/intel-iommu/cap", "wide\n");
    host.bytes("proc/interrupts", b"\xff\xfe\0");
    host.bytes("proc/cpuinfo", b"address sizes: many\n");
    host.file("sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", "yes");
    host.file("sys/kernel/security/lockdown", "none\n");
    let at = |name: &str| format!("sys/devices/pci0000:00/0000:00:{name}");
    host.raw_link("sys/bus/pci/devices/not-an-address", "../../../devices/nowhere");
    // Nothing makes sense.
    host.pci("pci0000:00/0000:00:01.0", 0x01_0802, "8086:f1a8", 0)
        .awake(0, 1, "\u{1b}[31mred")
        .attribute("revision", "0xzz")
        .attribute("numa_node", "minus one")
        .attribute("irq", "-7")
        .attribute("current_link_width", "many")
        .attribute("d3cold_allowed", "perhaps")
        .attribute("driver_override", "a\u{7}b")
        .attribute("sriov_totalvfs", "99999999999999999999");
    host.bytes(&at("01.0/uevent"), b"\0\xff\xfe\n====\nPCI_ID=zzzz:\n");
    host.file(&at("01.0/resource"), "0x1\n0x2 0x1\nthree\n");
    host.bytes(&at("01.0/config"), &[0xff; 17]);
    host.raw_link(&at("01.0/iommu_group"), "../../../kernel/iommu_groups/eleven");
    host.raw_link(&at("01.0/physfn"), "../something");
    // Its single attributes say what it is, where uevent does not.
    host.file(&at("01.0/vendor"), "0x8086\n");
    host.file(&at("01.0/device"), "0xf1a8\n");
    host.file(&at("01.0/class"), "0x010802\n");
    // A device of which nothing at all is known.
    host.raw_link("sys/bus/pci/devices/0000:00:02.0", "../../../devices/pci0000:00/0000:00:02.0");
    host.bytes(&at("02.0/uevent"), b"");
    host.bytes(&at("02.0/vendor"), b"8086");
    // A sound one, whose group does not make sense.
    host.pci("pci0000:00/0000:00:03.0", 0x02_0000, "8086:1533", 0x03)
        .driver("igb")
        .group_with(7, "", "0x0 high nonsense\n")
        .awake(0, 17, "flr");
    host.interface("pci0000:00/0000:00:03.0/net/eth0", true, false);
    host.file("sys/devices/pci0000:00/0000:00:03.0/net/eth0/flags", "up\n");
    // A sound one altogether: nonsense elsewhere must not keep it from being shown.
    host.pci("pci0000:00/0000:00:04.0", 0x04_0300, "8086:a170", 0x31).driver("snd_hda_intel").group(8);
    host.block("pci0000:00/0000:00:01.0/nvme/nvme0/nvme0n1", "two:numbers", &[]);
    host.mount("nonsense", "", "", "");
    host.swap("");
    host.bytes("proc/bus/input/devices", b"N: Name=\xff\xff\nS: Sysfs=\nB: EV=zz\n\n\n\n");
    host
}

/// Devices that can be lent and make trouble afterwards: each is of a kind of which public
/// reports tell (the ConnectX-3 beside an old USB controller on linux-rdma in May 2020, the
/// AHCI adapter in Linux 63ba51db24ed, the others in many places).
pub(super) fn misfits() -> Drawing {
    let mut host = Drawing::new("6.1.0-7-amd64", "root=/dev/sda1 ro quiet intel_iommu=on");
    host.dmar();
    host.units(&["dmar0"]);
    host.system(&DEBIAN, false);
    host.kernel("6.1.0-7-amd64", &["VFIO_PCI_VGA", "VFIO_VIRQFD"], &[]);
    // Still drawing on the card that the host was started on.
    host.file(
        "proc/iomem",
        "00001000-0009ffff : System RAM\n\
         380000000000-3bffffffffff : PCI Bus 0000:00\n  \
           380000000000-38000fffffff : PCI Bus 0000:01\n    \
             380000000000-38000fffffff : 0000:01:00.0\n      \
               380000000000-3800007effff : BOOTFB\n",
    );
    host.file("proc/fb", "0 simpledrmdrmfb\n");
    troubles::all_wrong(&mut host);
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "8086:0e00", 0x04).group(0);
    host.pci("pci0000:00/0000:00:1a.0", 0x0c_0320, "8086:1d2d", 0x06)
        .driver("ehci-pci")
        .group(2)
        .awake(-1, 16, "")
        .config(256, &[0x01, 0x0a, 0x13], &[])
        .pin(1, false);
    host.pci("pci0000:00/0000:00:1b.0", 0x04_0300, "8086:1d20", 0x06)
        .driver("snd_hda_intel")
        .group(3)
        .awake(-1, 46, "")
        .config(256, &[0x01, 0x05, 0x10], &[])
        .pin(1, true);
    host.pci("pci0000:00/0000:00:1f.2", 0x01_0601, "8086:1d02", 0x06)
        .driver("ahci")
        .group(4)
        .awake(-1, 45, "pm");
    let sda = "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda";
    host.block(sda, "8:0", &[]);
    host.block(&format!("{sda}/sda1"), "8:1", &[]);
    host.mount("8:1", "/", "ext4", "/dev/sda1");
    for n in 1..=6 {
        host.pci(&format!("pci0000:00/0000:00:1c.{n}"), 0x06_0400, "8086:1d10", 0xb6)
            .driver("pcieport")
            .group(4 + n)
            .awake(-1, 24 + n, "pm");
    }
    let below = |n: u32, function: u32| format!("pci0000:00/0000:00:1c.{n}/0000:0{n}:00.{function}");
    // An RX 5700, each function in a group of its own; the host was started on it.
    host.pci(&below(1, 0), 0x03_0000, "1002:731f", 0xc1)
        .subsystem("1da2:e409")
        .group(21)
        .unit("dmar0")
        .attribute("boot_vga", "1")
        .awake(-1, 16, "bus")
        .regions(&[(0, 0x3800_0000_0000, 256 << 20, MEM64_PREFETCH), Pci::rom(0xdf00_0000, 128 << 10)])
        .config(4096, &[0x01, 0x05, 0x10], &[0x000b, 0x0001, 0x000d])
        .pin(1, false);
    let rom = "stat /sys/bus/pci/devices/0000:01:00.0/rom";
    host.instead(
        &format!("{rom} ! ENOENT"),
        &format!("{rom} = file mode=0100600 uid=0 gid=0 rdev=0:0 size=131072"),
    );
    host.pci(&below(1, 1), 0x04_0300, "1002:ab38", 0)
        .subsystem("1002:ab38")
        .driver("snd_hda_intel")
        .group(22)
        .unit("dmar0")
        .awake(-1, 17, "")
        .config(4096, &[0x01, 0x05, 0x10], &[0x000d])
        .pin(2, true);
    // A second card that sleeps and has no ROM, as in laptops.
    host.pci(&below(2, 0), 0x03_0200, "10de:1f15", 0xa1)
        .subsystem("1043:109f")
        .group(23)
        .unit("dmar0")
        .awake(-1, 0, "pm bus")
        .attribute("power_state", "D3cold");
    host.pci(&below(3, 0), 0x02_8000, "15b3:1003", 0)
        .subsystem("15b3:0050")
        .driver("mlx4_core")
        .group(24)
        .unit("dmar0")
        .awake(-1, 16, "bus")
        .config(4096, &[0x01, 0x11, 0x10], &[0x0003])
        .pin(1, true);
    host.interface(&format!("{}/net/ib0", below(3, 0)), false, false);
    host.pci(&below(4, 0), 0x01_0601, "1022:7901", 0x51)
        .driver("ahci")
        .group(25)
        .unit("dmar0")
        .awake(-1, 48, "flr pm bus")
        .config(4096, &[0x01, 0x05, 0x10], &[])
        .pin(1, true);
    // One that has fallen off its bus.
    host.pci(&below(5, 0), 0x02_0000, "8086:15f3", 0x03).group(26).unit("dmar0").awake(-1, 18, "flr bus");
    host.bytes(&format!("sys/devices/{}/config", below(5, 0)), &[0xff; 4096]);
    // And one with which nothing is wrong.
    host.pci(&below(6, 0), 0x01_0802, "144d:a80a", 0)
        .driver("nvme")
        .group(27)
        .unit("dmar0")
        .awake(-1, 50, "flr bus")
        .config(4096, &[0x01, 0x05, 0x10, 0x11], &[])
        .pin(1, true);
    let disk = format!("{}/nvme/nvme0/nvme0n1", below(6, 0));
    host.block(&disk, "259:0", &[]);
    host
}
