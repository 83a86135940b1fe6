//! The hosts that are drawn by hand, one function each: from public descriptions of
//! people's machines, and of kinds of hosts that matter and that no lab has.
//!
//! After a change, `PASSTHRU_DRAW=1 cargo test -p passthru --test hosts` writes the
//! fixtures anew.

use passthru_testkit::acpi::machines;

use crate::drawing::{Drawing, IO, MEM, MEM64, MEM64_PREFETCH, Pci};
use crate::systems::{ARCH, DEBIAN, FEDORA, GENTOO, UBUNTU};
use crate::troubles;

/// A host's name and how it is drawn.
type Drawn = (&'static str, fn() -> Drawing);

/// Every drawn host.
pub(crate) const ALL: &[Drawn] = &[
    ("gt630-desktop", gt630_desktop),
    ("iris-pro-laptop", iris_pro_laptop),
    ("connectx3-server", connectx3_server),
    ("vmd", vmd),
    ("no-iommu", no_iommu),
    ("no-iommu-mode", no_iommu_mode),
    ("iommu-off", iommu_off),
    ("acs-override", acs_override),
    ("sriov", sriov),
    ("nvme-multipath", nvme_multipath),
    ("lvm-on-luks", lvm_on_luks),
    ("btrfs-two-disks", btrfs_two_disks),
    ("without-root", without_root),
    ("interrupted", interrupted),
    ("garbage", garbage),
    ("busy", busy),
    ("misfits", misfits),
    ("proliant", proliant),
    ("amd-laptop", amd_laptop),
    ("grid-k2-server", grid_k2_server),
    ("arch-twins", arch_twins),
];

/// What old USB controllers have: the kernel may give it up (`drivers/iommu/intel/iommu.c`,
/// `device_rmrr_is_relaxable`).
const RELAXABLE: &str = "0x00000000bdcf9000 0x00000000bdd1dfff direct-relaxable\n\
                         0x00000000fee00000 0x00000000feefffff msi\n";
/// What some servers' firmware claims for network cards too, and the kernel insists on.
const CLAIMED: &str = "0x00000000bdff6000 0x00000000bdffcfff direct\n\
                       0x00000000fee00000 0x00000000feefffff msi\n";

/// A workstation with a second graphics card to lend, as a wiki page describes it:
/// MSI C236M, Xeon E3-1235L v5, GT 630, two Logitech receivers on the chipset's USB.
fn gt630_desktop() -> Drawing {
    let mut host = Drawing::new("4.4.26-gentoo", "BOOT_IMAGE=/kernel root=/dev/sda2 intel_iommu=on");
    // As the page says, virtio drivers are modules; the balloon was forgotten.
    host.system(&GENTOO, false);
    host.kernel("4.4.26-gentoo", &["VIRTIO_IOMMU", "VIRTIO_BALLOON", "DRM_SIMPLEDRM", "VFIO_VIRQFD"], &[]);
    host.dmar();
    host.units(&["dmar0", "dmar1"]);
    troubles::all_right(&mut host);
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "8086:1918", 0x07).subsystem("1462:7972").group(0);
    host.pci("pci0000:00/0000:00:01.0", 0x06_0400, "8086:1901", 0x07)
        .driver("pcieport")
        .group(1)
        .unit("dmar1")
        .awake(-1, 120, "")
        // The processor's graphics port has no ACS: that is what makes group 1.
        .root_port(1, None);
    host.pci("pci0000:00/0000:00:02.0", 0x03_0000, "8086:191d", 0x06)
        .subsystem("1462:7972")
        .driver("i915")
        .group(2)
        .unit("dmar0")
        .attribute("boot_vga", "1");
    host.class("drm", "pci0000:00/0000:00:02.0/drm/card0");
    host.class("drm", "pci0000:00/0000:00:02.0/drm/card0/card0-HDMI-A-1");
    host.file("sys/devices/pci0000:00/0000:00:02.0/drm/card0/card0-HDMI-A-1/status", "connected\n");
    host.class("drm", "pci0000:00/0000:00:02.0/drm/renderD128");
    host.class("graphics", "pci0000:00/0000:00:02.0/graphics/fb0");
    host.pci("pci0000:00/0000:00:08.0", 0x08_8000, "8086:1911", 0).group(3);
    host.pci("pci0000:00/0000:00:14.0", 0x0c_0330, "8086:a12f", 0x31)
        .subsystem("1462:7972")
        .driver("xhci_hcd")
        .group(4);
    host.keyboard(
        "Logitech K120",
        "pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/0003:046D:C330.0001/input/input3",
    );
    host.mouse(
        "Logitech Unifying",
        "pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0/0003:046D:C52B.0002/input/input4",
    );
    host.pci("pci0000:00/0000:00:17.0", 0x01_0601, "8086:a102", 0x31)
        .subsystem("1462:7972")
        .driver("ahci")
        .group(5);
    let sda = "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda";
    host.block(sda, "8:0", &[]);
    host.block(&format!("{sda}/sda1"), "8:1", &[]);
    host.block(&format!("{sda}/sda2"), "8:2", &[]);
    host.mount("8:2", "/", "ext4", "/dev/sda2");
    host.mount("8:1", "/boot", "vfat", "/dev/sda1");
    host.pci("pci0000:00/0000:00:01.0/0000:01:00.0", 0x03_0000, "10de:1284", 0xa1)
        .subsystem("10b0:1284")
        .driver("nvidia")
        .group(1)
        .unit("dmar1")
        .attribute("boot_vga", "0")
        .awake(-1, 131, "bus")
        .link(("2.5", 8), ("5.0", 8))
        .regions(&[
            (0, 0xde00_0000, 16 << 20, MEM),
            (1, 0xc000_0000, 128 << 20, MEM64_PREFETCH),
            (3, 0xc800_0000, 32 << 20, MEM64_PREFETCH),
            (5, 0xe000, 128, IO),
            Pci::rom(0xdf00_0000, 512 << 10),
        ])
        .config(4096, &[0x01, 0x05, 0x10, 0x09], &[0x0002, 0x0004, 0x000b]);
    let rom = "stat /sys/bus/pci/devices/0000:01:00.0/rom";
    host.instead(
        &format!("{rom} ! ENOENT"),
        &format!("{rom} = file mode=0100600 uid=0 gid=0 rdev=0:0 size=524288"),
    );
    host.class("drm", "pci0000:00/0000:00:01.0/0000:01:00.0/drm/card1");
    host.class("drm", "pci0000:00/0000:00:01.0/0000:01:00.0/drm/renderD129");
    host.pci("pci0000:00/0000:00:01.0/0000:01:00.1", 0x04_0300, "10de:0e0f", 0xa1)
        .subsystem("10b0:1284")
        .driver("snd_hda_intel")
        .group(1)
        .unit("dmar1")
        .awake(-1, 17, "bus")
        .regions(&[(0, 0xdf08_0000, 16 << 10, MEM)])
        .config(4096, &[0x01, 0x05, 0x10], &[]);
    host.class("sound", "pci0000:00/0000:00:01.0/0000:01:00.1/sound/card1");
    host.pci("pci0000:00/0000:00:1f.0", 0x06_0100, "8086:a149", 0x31).subsystem("1462:7972").group(6).config(
        256,
        &[],
        &[],
    );
    host.pci("pci0000:00/0000:00:1f.4", 0x0c_0500, "8086:a123", 0x31)
        .subsystem("1462:7972")
        .driver("i801_smbus")
        .group(6)
        .config(256, &[0x01], &[]);
    host.pci("pci0000:00/0000:00:1f.6", 0x02_0000, "8086:15b7", 0x31)
        .subsystem("1462:7972")
        .driver("e1000e")
        .group(7);
    host.interface("pci0000:00/0000:00:1f.6/net/enp0s31f6", true, true);
    host
}

/// A laptop with Iris Pro graphics on which Phyllome OS runs from the second NVMe disk, as
/// the handbook of that distribution lists it.
fn iris_pro_laptop() -> Drawing {
    let mut host = Drawing::new("5.14.0-phyllome", "root=/dev/nvme1n1p3 intel_iommu=on iommu=pt");
    host.dmar();
    host.units(&["dmar0", "dmar1"]);
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "8086:1910", 0x0a).group(1);
    host.pci("pci0000:00/0000:00:02.0", 0x03_0000, "8086:193b", 0x09)
        .driver("i915")
        .group(0)
        .attribute("boot_vga", "1");
    host.class("drm", "pci0000:00/0000:00:02.0/drm/card0");
    host.class("drm", "pci0000:00/0000:00:02.0/drm/card0/card0-eDP-1");
    host.file("sys/devices/pci0000:00/0000:00:02.0/drm/card0/card0-eDP-1/status", "connected\n");
    host.pci("pci0000:00/0000:00:08.0", 0x08_8000, "8086:1911", 0).group(2);
    host.pci("pci0000:00/0000:00:14.0", 0x0c_0330, "8086:a12f", 0x31)
        .driver("xhci_hcd")
        .group(3)
        .unit("dmar1")
        .awake(-1, 124, "")
        .regions(&[(0, 0xed20_0000, 64 << 10, MEM64)])
        .config(256, &[0x01, 0x05], &[]);
    host.keyboard("Logitech, Inc. Keyboard K120", "pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0/input/input5");
    host.mouse("Logitech, Inc. Mouse", "pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0/input/input6");
    // The keyboard of the laptop itself.
    host.keyboard("AT Translated Set 2 keyboard", "platform/i8042/serio0/input/input2");
    host.pci("pci0000:00/0000:00:14.2", 0x11_8000, "8086:a131", 0x31)
        .driver("intel_pch_thermal")
        .group(3)
        .unit("dmar1")
        .awake(-1, 18, "")
        .config(256, &[0x01, 0x05], &[]);
    host.pci("pci0000:00/0000:00:16.0", 0x07_8000, "8086:a13a", 0x31).driver("mei_me").group(4);
    let ports = [("1c.0", "a110", 5), ("1c.1", "a111", 6), ("1c.4", "a114", 7), ("1d.0", "a118", 8)];
    for (port, id, group) in ports {
        // Sunrise Point: the registers of access control are dwords.
        host.pci(&format!("pci0000:00/0000:00:{port}"), 0x06_0400, &format!("8086:{id}"), 0xf1)
            .driver("pcieport")
            .group(group)
            .root_port(group as u16, Some((8, 0x1d, 0x1d)));
    }
    host.pci("pci0000:00/0000:00:1c.0/0000:02:00.0", 0x08_0501, "1217:8621", 0x01)
        .driver("sdhci-pci")
        .group(13);
    host.pci("pci0000:00/0000:00:1c.1/0000:03:00.0", 0x02_8000, "8086:24f3", 0x3a)
        .subsystem("8086:0130")
        .driver("iwlwifi")
        .group(14)
        .unit("dmar1")
        .awake(-1, 130, "flr bus")
        .link(("2.5", 1), ("2.5", 1))
        .regions(&[(0, 0xed10_0000, 8 << 10, MEM64)])
        .config(4096, &[0x01, 0x05, 0x10], &[0x0001, 0x0003, 0x0018]);
    host.interface("pci0000:00/0000:00:1c.1/0000:03:00.0/net/wlp3s0", true, false);
    host.pci("pci0000:00/0000:00:1c.4/0000:3d:00.0", 0x01_0802, "144d:a802", 0x01)
        .subsystem("144d:a801")
        .driver("nvme")
        .group(15);
    let disk = "pci0000:00/0000:00:1c.4/0000:3d:00.0/nvme/nvme0/nvme0n1";
    host.block(disk, "259:0", &[]);
    host.block(&format!("{disk}/nvme0n1p1"), "259:1", &[]);
    host.pci("pci0000:00/0000:00:1d.0/0000:3e:00.0", 0x01_0802, "8086:f1a8", 0x03)
        .subsystem("8086:390d")
        .driver("nvme")
        .group(16);
    let disk = "pci0000:00/0000:00:1d.0/0000:3e:00.0/nvme/nvme1/nvme1n1";
    host.block(disk, "259:2", &[]);
    for n in 1..=3 {
        host.block(&format!("{disk}/nvme1n1p{n}"), &format!("259:{}", n + 2), &[]);
    }
    host.mount("259:5", "/", "ext4", "/dev/nvme1n1p3");
    host.mount("259:3", "/boot/efi", "vfat", "/dev/nvme1n1p1");
    host.mount("259:4", "/boot", "ext4", "/dev/nvme1n1p2");
    host.pci("pci0000:00/0000:00:1f.0", 0x06_0100, "8086:a14e", 0x31).group(11).config(256, &[0x01], &[]);
    host.pci("pci0000:00/0000:00:1f.2", 0x05_8000, "8086:a121", 0x31).group(11).config(256, &[0x01], &[]);
    host.pci("pci0000:00/0000:00:1f.3", 0x04_0300, "8086:a170", 0x31)
        .driver("snd_hda_intel")
        .group(11)
        .config(256, &[0x01], &[]);
    host.class("sound", "pci0000:00/0000:00:1f.3/sound/card0");
    host.pci("pci0000:00/0000:00:1f.4", 0x0c_0500, "8086:a123", 0x31).driver("i801_smbus").group(11).config(
        256,
        &[],
        &[],
    );
    host.pci("pci0000:00/0000:00:1f.6", 0x02_0000, "8086:15b7", 0x31).driver("e1000e").group(12);
    host.interface("pci0000:00/0000:00:1f.6/net/enp0s31f6", true, true);
    host
}

/// A two-socket server with a ConnectX-3 on the second socket, as a wiki page has it:
/// two units, and regions that the firmware keeps mapped for the old USB controllers, here
/// for a network port too.
fn connectx3_server() -> Drawing {
    let mut host = Drawing::new(
        "5.15.0-91-generic",
        "root=/dev/sda1 intel_iommu=on vfio_iommu_type1.allow_unsafe_interrupts=1",
    );
    // An image for virtual machines, without linux-modules-extra; and an older kernel.
    host.system(&UBUNTU, false);
    host.kernel("5.15.0-91-generic", &[], &["vfio", "vfio-pci", "vfio-pci-core", "vfio_iommu_type1"]);
    host.kernel("5.4.0-170-generic", &["IRQ_REMAP"], &["vfio", "vfio-pci"]);
    host.file("etc/modules", "# /etc/modules: kernel modules to load at boot time.\n\nvfio\nvfio_pci\n");
    host.image(
        "boot/initrd.img-5.15.0-91-generic",
        &["ahci", "i2c_i801", "igb"],
        &[("/etc/modprobe.d/blacklist.conf", "blacklist pcspkr\nblacklist i2c-i801\n")],
    );
    host.file("lib/modprobe.d/aliases.conf", "alias net-pf-1 unix\n");
    host.file("etc/modprobe.d/blacklist.conf", "blacklist pcspkr\nblacklist i2c_i801\n");
    host.dmar();
    host.units(&["dmar0", "dmar1"]);
    // As the page's log prints them.
    host.unit("dmar0", 0xfbff_e000, 0x00d2_078c_106f_0466, 0x00f0_20de);
    host.unit("dmar1", 0xebff_c000, 0x00d2_078c_106f_0466, 0x00f0_20de);
    host.processor("GenuineIntel", 46);
    troubles::selinux(&mut host);
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "8086:0e00", 0x04).group(0);
    for (function, group) in [("1a.0", 20), ("1d.0", 21)] {
        let id = if function == "1a.0" { "8086:1d2d" } else { "8086:1d26" };
        host.pci(&format!("pci0000:00/0000:00:{function}"), 0x0c_0320, id, 0x06)
            .driver("ehci-pci")
            .group_with(group, "DMA", RELAXABLE)
            .unit("dmar1")
            .awake(0, 23, "pm")
            .regions(&[(0, 0xdf12_0000, 1 << 10, MEM)])
            .config(256, &[0x01, 0x0a, 0x13], &[]);
    }
    host.pci("pci0000:00/0000:00:1f.0", 0x06_0100, "8086:1d41", 0x06).driver("lpc_ich").group(22);
    host.pci("pci0000:00/0000:00:1f.2", 0x01_0601, "8086:1d02", 0x06).driver("ahci").group(22);
    let sda = "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda";
    host.block(sda, "8:0", &[]);
    host.block(&format!("{sda}/sda1"), "8:1", &[]);
    host.block(&format!("{sda}/sda5"), "8:5", &[]);
    host.mount("8:1", "/", "ext4", "/dev/sda1");
    host.swap("/dev/sda5");
    host.pci("pci0000:00/0000:00:01.0", 0x06_0400, "8086:0e02", 0x04).driver("pcieport").group(1);
    for function in 0..2 {
        let place = format!("pci0000:00/0000:00:01.0/0000:04:00.{function}");
        host.pci(&place, 0x02_0000, "8086:1521", 0x01)
            .subsystem("15d9:1521")
            .driver("igb")
            .group_with(30 + function, "DMA", if function == 1 { CLAIMED } else { RELAXABLE })
            .attribute("label", &format!("Onboard LAN {}", function + 1))
            .awake(0, 40, "flr");
        host.interface(&format!("{place}/net/eth{function}"), function == 0, function == 0);
    }
    host.pci("pci0000:80/0000:80:02.0", 0x06_0400, "8086:0e04", 0x04)
        .driver("pcieport")
        .group(45)
        .unit("dmar0")
        .awake(1, 90, "");
    host.pci("pci0000:80/0000:80:02.0/0000:83:00.0", 0x02_8000, "15b3:1003", 0)
        .subsystem("15b3:0050")
        .driver("mlx4_core")
        .group(46)
        .unit("dmar0")
        .awake(1, 93, "bus")
        .link(("8.0", 8), ("8.0", 8))
        .regions(&[
            (0, 0xfbe0_0000, 1 << 20, MEM64),
            (2, 0x3800_fe00_0000, 8 << 20, MEM64_PREFETCH),
            Pci::rom(0xfbd0_0000, 1 << 20),
        ])
        .config(4096, &[0x01, 0x03, 0x11, 0x10], &[0x000e, 0x0003, 0x0001, 0x0019]);
    host.interface("pci0000:80/0000:80:02.0/0000:83:00.0/net/ib0", false, false);
    host
}

/// Intel VMD: the disks live in a domain of their own (10000) behind an endpoint.
fn vmd() -> Drawing {
    let mut host = Drawing::new("6.1.0-18-amd64", "root=/dev/nvme0n1p2 ro intel_iommu=on");
    host.dmar();
    host.units(&["dmar0"]);
    host.secure_boot(true);
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "8086:2020", 0x04).group(0);
    let vmd = "pci0000:64/0000:64:00.5";
    host.pci(vmd, 0x01_0400, "8086:201d", 0x04)
        .subsystem("8086:0000")
        .driver("vmd")
        .group(5)
        .unit("dmar0")
        .awake(0, 0, "")
        .config(4096, &[0x10, 0x11, 0x01], &[]);
    // The IOMMU knows these functions by the VMD's own address only
    // (`pci_real_dma_dev`), so they are in its group.
    for (port, disk, n) in [("02.0", "01:00.0", 0), ("03.0", "02:00.0", 1)] {
        let at = format!("{vmd}/pci10000:00/10000:00:{port}");
        host.pci(&at, 0x06_0400, "8086:2030", 0x04).driver("pcieport").group(5);
        let at = format!("{at}/10000:{disk}");
        host.pci(&at, 0x01_0802, "8086:0a54", 0)
            .subsystem("8086:4702")
            .driver("nvme")
            .group(5)
            .awake(0, 30, "flr");
        let at = format!("{at}/nvme/nvme{n}/nvme{n}n1");
        host.block(&at, &format!("259:{}", 4 * n), &[]);
        if n == 0 {
            host.block(&format!("{at}/nvme0n1p2"), "259:2", &[]);
        }
    }
    host.mount("259:2", "/", "ext4", "/dev/nvme0n1p2");
    host.pci("pci0000:64/0000:64:02.0", 0x06_0400, "8086:2030", 0x04).driver("pcieport").group(6);
    host.pci("pci0000:64/0000:64:02.0/0000:65:00.0", 0x02_0000, "8086:1572", 0x02)
        .subsystem("8086:0007")
        .driver("i40e")
        .group(7)
        .awake(0, 40, "flr bus");
    host.interface("pci0000:64/0000:64:02.0/0000:65:00.0/net/ens1", false, false);
    host
}

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
fn no_iommu() -> Drawing {
    let mut host = small("root=/dev/nvme0n1p1 ro quiet iommu=pt");
    host.file("etc/os-release", DEBIAN.release);
    host.maker(false, false);
    host
}

/// One on which packets are switched in user space, without any protection.
fn no_iommu_mode() -> Drawing {
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
fn iommu_off() -> Drawing {
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
fn acs_override() -> Drawing {
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

/// A network card with virtual functions: one on the host, one bound to VFIO by somebody
/// else, one on no driver.
fn sriov() -> Drawing {
    let mut host = Drawing::new("6.1.0-18-amd64", "root=/dev/sda1 ro intel_iommu=on iommu=pt");
    host.dmar();
    host.units(&["dmar0"]);
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "8086:0e00", 0x04).group(0);
    host.pci("pci0000:00/0000:00:03.0", 0x06_0400, "8086:0e08", 0x04).driver("pcieport").group(1);
    let bus = "pci0000:00/0000:00:03.0";
    let function = format!("{bus}/0000:05:00.0");
    host.pci(&function, 0x02_0000, "8086:10c9", 0x01)
        .subsystem("8086:a03c")
        .driver("igb")
        .group_with(18, "identity", "0x00000000fee00000 0x00000000feefffff msi\n")
        .unit("dmar0")
        .attribute("sriov_totalvfs", "7")
        .attribute("sriov_numvfs", "3")
        .awake(0, 41, "flr bus")
        .config(4096, &[0x01, 0x05, 0x11, 0x10], &[0x0001, 0x0003, 0x000e, 0x0010]);
    host.interface(&format!("{function}/net/enp5s0f0"), true, false);
    for (n, slot, driver) in [(0, "10.0", Some("igbvf")), (1, "10.2", Some("vfio-pci")), (2, "10.4", None)] {
        let place = format!("{bus}/0000:05:{slot}");
        let mut vf = host
            .pci(&place, 0x02_0000, "8086:10ca", 0x01)
            .subsystem("8086:a03c")
            .group(40 + n)
            .unit("dmar0")
            .virtual_of(&function)
            .awake(0, 0, "flr")
            .config(4096, &[0x11, 0x10], &[0x0001, 0x000e]);
        if let Some(driver) = driver {
            vf = vf.driver(driver);
        }
        drop(vf);
        if driver == Some("igbvf") {
            host.interface(&format!("{place}/net/enp5s0f0v0"), false, false);
        }
    }
    host.file(&format!("sys/devices/{bus}/0000:05:10.2/driver_override"), "vfio-pci\n");
    host.file("dev/vfio/41", "");
    host
}

/// NVMe with the kernel's own multipath: the disk hangs below a subsystem, its path below
/// the controller is hidden.
fn nvme_multipath() -> Drawing {
    let mut host = Drawing::new("6.1.0-18-amd64", "root=/dev/nvme0n1p1 ro intel_iommu=on");
    host.dmar();
    host.units(&["dmar0"]);
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "8086:3ec2", 0x07).group(0);
    for n in 0..2 {
        let port = format!("pci0000:00/0000:00:1b.{n}");
        host.pci(&port, 0x06_0400, "8086:a340", 0xf0).driver("pcieport").group(1 + n);
        let place = format!("{port}/0000:0{}:00.0", n + 1);
        host.pci(&place, 0x01_0802, "144d:a824", 0).driver("nvme").group(8 + n).awake(0, 16 + n, "flr");
        host.class("nvme", &format!("{place}/nvme/nvme{n}"));
        let hidden = format!("{place}/nvme/nvme{n}/nvme{n}c{n}n1");
        let at = host.block(&hidden, "0:0", &[]);
        host.file(&format!("{at}/hidden"), "1\n");
        let subsystem = format!("virtual/nvme-subsystem/nvme-subsys{n}");
        host.class("nvme-subsystem", &subsystem);
        host.link(&format!("sys/devices/{subsystem}/nvme{n}"), &format!("sys/devices/{place}/nvme/nvme{n}"));
        host.block(&format!("{subsystem}/nvme{n}n1"), &format!("259:{}", 4 * n), &[]);
    }
    host.block("virtual/nvme-subsystem/nvme-subsys0/nvme0n1/nvme0n1p1", "259:1", &[]);
    host.mount("259:1", "/", "xfs", "/dev/nvme0n1p1");
    host
}

/// Root and swap on LVM on LUKS on a partition; and a second disk in an md mirror that is
/// not mounted.
fn lvm_on_luks() -> Drawing {
    let mut host = Drawing::new("6.1.0-18-amd64", "root=/dev/mapper/vg0-root ro intel_iommu=on");
    host.dmar();
    host.units(&["dmar0"]);
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "8086:3ec2", 0x07).group(0);
    for n in 0..2 {
        let port = format!("pci0000:00/0000:00:1b.{n}");
        host.pci(&port, 0x06_0400, "8086:a340", 0xf0).driver("pcieport").group(1 + n);
        let place = format!("{port}/0000:0{}:00.0", n + 1);
        host.pci(&place, 0x01_0802, "15b7:5006", 0).driver("nvme").group(8 + n).awake(0, 16 + n, "flr");
        let disk = format!("{place}/nvme/nvme{n}/nvme{n}n1");
        host.block(&disk, &format!("259:{}", 8 * n), if n == 1 { &["md127"] } else { &[] });
        if n == 0 {
            host.block(&format!("{disk}/nvme0n1p1"), "259:1", &[]);
            host.block(&format!("{disk}/nvme0n1p2"), "259:2", &["dm-0"]);
        }
    }
    host.block("virtual/block/md127", "9:127", &[]);
    host.mapper("dm-0", "254:0", "luks-root", &["dm-1", "dm-2"]);
    host.mapper("dm-1", "254:1", "vg0-root", &[]);
    host.mapper("dm-2", "254:2", "vg0-swap", &[]);
    host.mount("259:1", "/boot", "ext4", "/dev/nvme0n1p1");
    host.mount("254:1", "/", "ext4", "/dev/mapper/vg0-root");
    host.swap("/dev/dm-2");
    host
}

/// One btrfs over two disks: the kernel shows the mount with the first one only.
fn btrfs_two_disks() -> Drawing {
    let mut host = Drawing::new("6.1.0-18-amd64", "root=/dev/nvme0n1p2 rootflags=subvol=@ ro intel_iommu=on");
    host.dmar();
    host.units(&["dmar0"]);
    host.table("DMAR", &machines::intel_without_remapping());
    host.interrupts(false);
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "8086:3ec2", 0x07).group(0);
    for n in 0..3 {
        let port = format!("pci0000:00/0000:00:1b.{n}");
        host.pci(&port, 0x06_0400, "8086:a340", 0xf0).driver("pcieport").group(1 + n);
        let place = format!("{port}/0000:0{}:00.0", n + 1);
        host.pci(&place, 0x01_0802, "15b7:5006", 0).driver("nvme").group(8 + n).awake(0, 16, "flr");
        host.block(&format!("{place}/nvme/nvme{n}/nvme{n}n1"), &format!("259:{}", 8 * n), &[]);
    }
    let first = "pci0000:00/0000:00:1b.0/0000:01:00.0/nvme/nvme0/nvme0n1";
    host.block(&format!("{first}/nvme0n1p1"), "259:1", &[]);
    host.block(&format!("{first}/nvme0n1p2"), "259:2", &[]);
    let members = "sys/fs/btrfs/4d3e7c1a-0000-4000-8000-000000000002/devices";
    host.link(&format!("{members}/nvme0n1p2"), &format!("sys/devices/{first}/nvme0n1p2"));
    let second = "pci0000:00/0000:00:1b.1/0000:02:00.0/nvme/nvme1/nvme1n1";
    host.link(&format!("{members}/nvme1n1"), &format!("sys/devices/{second}"));
    host.directory("sys/fs/btrfs/features");
    host.mount("259:1", "/boot/efi", "vfat", "/dev/nvme0n1p1");
    host.mount("0:26", "/", "btrfs", "/dev/nvme0n1p2");
    host.mount("0:26", "/home", "btrfs", "/dev/nvme0n1p2");
    host
}

/// The workstation, captured by somebody who is not root: 64 bytes of configuration space,
/// and other processes' name spaces are none of their business.
fn without_root() -> Drawing {
    let mut host = gt630_desktop();
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
fn interrupted() -> Drawing {
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
fn garbage() -> Drawing {
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

/// A host of which almost everything is used by somebody: volumes, a bridge over a bond
/// with somebody working over SSH, a container with an interface of its own, a desktop.
fn busy() -> Drawing {
    let mut host = Drawing::new("6.12.0-amd64", "root=/dev/mapper/vg0-root ro intel_iommu=on");
    host.dmar();
    host.units(&["dmar0"]);
    // A processor of the 12th generation: more bits than its IOMMU.
    host.processor("GenuineIntel", 46);
    host.secure_boot(false);
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "8086:4660", 0x02).group(0);
    for (n, bus) in (1..=9).enumerate() {
        let port = format!("pci0000:00/0000:00:1c.{}", n % 8);
        let port = if n < 8 { port } else { "pci0000:00/0000:00:1d.0".to_owned() };
        host.pci(&port, 0x06_0400, "8086:7ab8", 0x11).driver("pcieport").group(1 + bus);
    }
    let below = |n: usize| match n {
        9 => "pci0000:00/0000:00:1d.0/0000:09:00".to_owned(),
        n => format!("pci0000:00/0000:00:1c.{}/0000:0{n}:00", n - 1),
    };
    // A graphics card with a desktop on it.
    let card = format!("{}.0", below(1));
    host.pci(&card, 0x03_0000, "1002:73ff", 0xc1).driver("amdgpu").group(21).awake(0, 80, "bus");
    host.class("drm", &format!("{card}/drm/card0"));
    host.class("drm", &format!("{card}/drm/renderD128"));
    let sound = format!("{}.1", below(1));
    host.pci(&sound, 0x04_0300, "1002:ab28", 0).driver("snd_hda_intel").group(22).awake(0, 81, "bus");
    host.class("sound", &format!("{sound}/sound/card0"));
    host.class("sound", &format!("{sound}/sound/card0/controlC0"));
    host.process(2211, "gnome-shell", &["/dev/dri/card0", "/dev/dri/renderD128"]);
    host.process(2300, "Xwayland", &["/dev/dri/renderD128"]);
    host.process(2600, "pipewire", &["/dev/snd/controlC0", "/dev/snd/seq"]);
    // Disks: the root on a volume, one that is mounted at boot, one with a volume group that
    // is not active, one that somebody reads raw.
    for n in 0..4 {
        let place = format!("{}.0", below(n + 2));
        host.pci(&place, 0x01_0802, "144d:a80a", 0).driver("nvme").group(30 + n as u32).awake(0, 90, "flr");
        let disk = format!("{place}/nvme/nvme{n}/nvme{n}n1");
        host.block(&disk, &format!("259:{}", 8 * n), &[]);
        host.block(
            &format!("{disk}/nvme{n}n1p1"),
            &format!("259:{}", 8 * n + 1),
            if n == 0 { &["dm-0"] } else { &[] },
        );
    }
    host.mapper("dm-0", "254:0", "vg0-root", &[]);
    host.file("sys/devices/virtual/block/dm-0/dm/uuid", "LVM-3Jz7wD0root\n");
    host.mount("254:0", "/", "ext4", "/dev/mapper/vg0-root");
    host.file("run/udev/data/b259:9", "S:disk/by-uuid/5c1e\nE:ID_FS_TYPE=ext4\n");
    host.file("run/udev/data/b259:17", "E:ID_FS_TYPE=LVM2_member\n");
    host.raw_link("dev/disk/by-uuid/5c1e2d7a-0000-4000-8000-000000000003", "../../nvme1n1p1");
    host.raw_link("dev/mapper/vg0-root", "../dm-0");
    for name in ["dm-0", "nvme1n1p1"] {
        host.file(&format!("dev/{name}"), "");
    }
    host.file(
        "etc/fstab",
        "# what is mounted at boot\n/dev/mapper/vg0-root / ext4 defaults 0 1\n\
         UUID=5C1E2D7A-0000-4000-8000-000000000003 /data ext4 nofail 0 2\n\
         LABEL=stick /media/stick auto noauto 0 0\nnas:/export /mnt nfs4 defaults 0 0\n",
    );
    host.file("etc/crypttab", "# nothing\n");
    host.process(2500, "dd", &["/dev/nvme3n1p1"]);
    // Two cards in a bond below a bridge, and one that a container has.
    for (n, name) in [(6, "enp6s0"), (7, "enp7s0")] {
        let place = format!("{}.0", below(n));
        host.pci(&place, 0x02_0000, "8086:1533", 0x03).driver("igb").group(40 + n as u32).awake(0, 91, "flr");
        if n == 6 {
            host.interface(&format!("{place}/net/{name}"), true, false);
            let at = format!("sys/devices/{place}/net/{name}");
            host.link(&format!("{at}/master"), "sys/devices/virtual/net/bond0");
            host.raw_link(&format!("{at}/upper_bond0"), "../../../../../virtual/net/bond0");
        } else {
            host.raw_link(
                &format!("proc/900/root/sys/class/net/{name}"),
                &format!("../../devices/{place}/net/{name}"),
            );
        }
    }
    host.virtual_interface("bond0", Some("br0"));
    host.link("sys/devices/virtual/net/bond0/master", "sys/devices/virtual/net/br0");
    host.virtual_interface("br0", None);
    host.network("br0", "000200C0", "00FFFFFF");
    host.file("proc/net/fib_trie", "Local:\n  |-- 192.0.2.1\n     /32 host LOCAL\n");
    host.connection("010200C0:0016", "070200C0:C93B", 35671);
    host.file("etc/ssh/sshd_config", "Port 22\n");
    host.process(812, "sshd-session", &["socket:[35671]"]);
    host.process(900, "systemd", &[]);
    host.raw_link("proc/900/ns/net", "net:[4026532400]");
    for process in ["1", "self"] {
        host.raw_link(&format!("proc/{process}/ns/net"), "net:[4026531840]");
    }
    // A virtual machine has this one.
    host.pci(&format!("{}.0", below(8)), 0x01_0802, "144d:a80a", 0)
        .driver("vfio-pci")
        .group(48)
        .attribute("driver_override", "vfio-pci")
        .awake(0, 92, "flr");
    host.file("dev/vfio/48", "");
    host.process(4711, "qemu-system-x86", &["/dev/vfio/vfio", "/dev/vfio/48"]);
    host.file("proc/4711/cmdline", "qemu-system-x86_64\0-name\0guest=win11,debug-threads=on\0");
    // A storage controller without disks; on the root bus a watchdog that runs, and USB.
    let sas = format!("{}.0", below(9));
    host.pci(&sas, 0x01_0700, "1000:0097", 0x02).driver("mpt3sas").group(49).awake(0, 93, "flr");
    host.class("scsi_host", &format!("{sas}/host2/scsi_host/host2"));
    let esb = "pci0000:00/0000:00:05.0";
    host.pci(esb, 0x08_8000, "8086:25ab", 0).driver("i6300esb").group(50);
    host.class("watchdog", &format!("{esb}/watchdog/watchdog0"));
    host.file(&format!("sys/devices/{esb}/watchdog/watchdog0/state"), "active\n");
    let usb = "pci0000:00/0000:00:14.0";
    host.pci(usb, 0x0c_0330, "8086:7ae0", 0x11).driver("xhci_hcd").group(51).awake(0, 94, "pm");
    for (name, kind, product) in
        [("1-1", "00", "USB Receiver"), ("1-2", "09", "Hub"), ("1-3", "ef", "Webcam")]
    {
        let at = format!("{usb}/usb1/{name}");
        host.link(&format!("sys/bus/usb/devices/{name}"), &format!("sys/devices/{at}"));
        host.file(&format!("sys/devices/{at}/bDeviceClass"), &format!("{kind}\n"));
        host.file(&format!("sys/devices/{at}/product"), &format!("{product}\n"));
    }
    host.keyboard("Some Keyboard", &format!("{usb}/usb1/1-1/1-1:1.0/0003:046D:C52B.0001/input/input3"));
    // A guest has a slice of the processor's graphics; a TPM on the chipset's SPI.
    let graphics = "pci0000:00/0000:00:02.0";
    host.pci(graphics, 0x03_0000, "8086:4680", 0x0c).driver("i915").group(52).awake(0, 95, "flr");
    host.link("sys/class/mdev_bus/0000:00:02.0", &format!("sys/devices/{graphics}"));
    host.directory(&format!("sys/devices/{graphics}/1c2f9a5e-6b0d-4d5c-9a59-0d9e5bb1a3c4"));
    let spi = "pci0000:00/0000:00:1f.5";
    host.pci(spi, 0x0c_8000, "8086:7aa4", 0x11).driver("intel-spi").group(53).awake(0, 96, "");
    host.class("tpm", &format!("{spi}/spi_master/spi0/spi-PRP0001:00/tpm/tpm0"));
    host
}

/// Devices that can be lent and make trouble afterwards: each is of a kind of which public
/// reports tell (the ConnectX-3 beside an old USB controller on linux-rdma in May 2020, the
/// AHCI adapter in Linux 63ba51db24ed, the others in many places).
fn misfits() -> Drawing {
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

/// A server whose firmware keeps memory for functions behind bridges, its IOMMU not used:
/// HP's DL360 G7, with its management processor and its disk controller.
fn proliant() -> Drawing {
    let mut host = Drawing::new("4.18.0-553.el8_10.x86_64", "root=/dev/sda2 ro crashkernel=auto");
    host.table("DMAR", &machines::proliant());
    host.processor("GenuineIntel", 40);
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "8086:3406", 0x22);
    host.pci("pci0000:00/0000:00:01.0", 0x06_0400, "8086:3408", 0x22).driver("pcieport");
    let disks = "pci0000:00/0000:00:01.0/0000:03:00.0";
    host.pci(disks, 0x01_0400, "103c:323a", 0x01).subsystem("103c:3245").driver("hpsa").awake(0, 28, "");
    let sda = format!("{disks}/host0/target0:1:0/0:1:0:0/block/sda");
    host.block(&sda, "8:0", &[]);
    host.block(&format!("{sda}/sda2"), "8:2", &[]);
    host.mount("8:2", "/", "xfs", "/dev/sda2");
    host.pci("pci0000:00/0000:00:03.0", 0x06_0400, "8086:340a", 0x22).driver("pcieport");
    let card = "pci0000:00/0000:00:03.0/0000:0a:00.0";
    host.pci(card, 0x02_0000, "8086:1521", 0x01).subsystem("8086:0001").driver("igb").awake(0, 24, "flr");
    host.interface(&format!("{card}/net/ens3"), false, false);
    host.pci("pci0000:00/0000:00:07.0", 0x06_0400, "8086:340e", 0x22).driver("pcieport");
    let card = "pci0000:00/0000:00:07.0/0000:07:00.0";
    host.pci(card, 0x01_0802, "144d:a804", 0).subsystem("144d:a801").driver("nvme").awake(0, 30, "flr");
    host.block(&format!("{card}/nvme/nvme0/nvme0n1"), "259:0", &[]);
    host.pci("pci0000:00/0000:00:1c.4", 0x06_0400, "8086:3a48", 0).driver("pcieport");
    host.pci("pci0000:00/0000:00:1c.4/0000:02:00.0", 0x08_8000, "103c:3306", 0x04)
        .driver("hpilo")
        .awake(0, 21, "");
    host.pci("pci0000:00/0000:00:1d.0", 0x0c_0300, "8086:3a34", 0).driver("uhci_hcd").awake(0, 20, "");
    host
}

/// A laptop whose firmware excludes memory for all devices, so that the kernel lends none.
fn amd_laptop() -> Drawing {
    let claimed = "0x000000008a100000 0x000000008a100fff direct\n0x00000000fee00000 0x00000000feefffff msi\n\
                   0x000000fd00000000 0x000000ffffffffff reserved\n";
    let mut host = Drawing::new("6.12.0-amd64", "root=/dev/nvme0n1p2 ro quiet");
    host.table("IVRS", &machines::amd_all_buses());
    host.units(&["ivhd0"]);
    let unit = "sys/devices/virtual/iommu/ivhd0/amd-iommu";
    host.file(&format!("{unit}/cap"), "190b640f\n");
    host.file(&format!("{unit}/features"), "0:246577efa2254afa\n");
    host.processor("AuthenticAMD", 48);
    host.secure_boot(false);
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "1022:14e8", 0).group_with(0, "DMA-FQ", claimed);
    for (port, bus, group) in [("01.2", "01", 3), ("02.2", "02", 5)] {
        let port = format!("pci0000:00/0000:00:{port}");
        host.pci(&port, 0x06_0400, "1022:14ee", 0).driver("pcieport").group_with(group, "DMA-FQ", claimed);
        let disk = format!("{port}/0000:{bus}:00.0");
        host.pci(&disk, 0x01_0802, "144d:a80a", 0)
            .driver("nvme")
            .group_with(group + 1, "DMA-FQ", claimed)
            .unit("ivhd0")
            .awake(-1, 40, "flr bus");
        let n = group / 5;
        let disk = format!("{disk}/nvme/nvme{n}/nvme{n}n1");
        host.block(&disk, &format!("259:{}", 4 * n), &[]);
        if n == 0 {
            host.block(&format!("{disk}/nvme0n1p2"), "259:2", &[]);
        }
    }
    host.mount("259:2", "/", "ext4", "/dev/nvme0n1p2");
    host
}

/// A server with a GRID K2, set up as OpenNebula's documentation of PCI passthrough once said
/// for Fedora 22, on a Fedora of today: the lists of modules, the file for dracut without
/// blanks, ids that fit both of the card's processors.
fn grid_k2_server() -> Drawing {
    let line = "root=/dev/sda1 ro intel_iommu=on rd.driver.pre=vfio-pci rd.driver.blacklist=nouveau";
    let mut host = Drawing::new("6.11.4-301.fc41.x86_64", line);
    host.dmar();
    host.units(&["dmar0"]);
    host.system(&FEDORA, false);
    host.kernel("6.11.4-301.fc41.x86_64", &["VFIO_VIRQFD"], &[]);
    host.file(
        "etc/dracut.conf.d/local.conf",
        "add_drivers+=\"vfio vfio_iommu_type1 vfio_pci vfio_virqfd\"\n",
    );
    host.file("etc/dracut.conf.d/gpu", "force_drivers+=\" vfio_pci \"\n");
    host.file(
        "etc/modprobe.d/blacklist.conf",
        "blacklist nouveau\nblacklist lbm-nouveau\noptions nouveau modeset=0\nalias nouveau off\nalias lbm-nouveau off\n",
    );
    host.file("etc/modprobe.d/local.conf", "options vfio-pci ids=10de:11bf\n");
    // Made before any of this, for another card.
    host.image(
        "boot/initramfs-6.11.4-301.fc41.x86_64.img",
        &["ahci", "nouveau"],
        &[("/etc/modprobe.d/local.conf", "options vfio-pci ids=10de:118a\n")],
    );
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "8086:0e00", 0x04).group(0);
    host.pci("pci0000:00/0000:00:02.0", 0x06_0400, "8086:0e04", 0x04).driver("pcieport").group(1);
    let switch = "pci0000:00/0000:00:02.0/0000:02:00.0";
    host.pci(switch, 0x06_0400, "10b5:8747", 0xca).driver("pcieport").group(2);
    for (port, bus, group, driver) in [("08.0", 4, 45, "vfio-pci"), ("10.0", 5, 46, "nouveau")] {
        let port = format!("{switch}/0000:03:{port}");
        host.pci(&port, 0x06_0400, "10b5:8747", 0xca).driver("pcieport").group(group - 20);
        host.pci(&format!("{port}/0000:0{bus}:00.0"), 0x03_0000, "10de:11bf", 0xa1)
            .subsystem("10de:100a")
            .driver(driver)
            .group(group)
            .unit("dmar0")
            .attribute("boot_vga", "0")
            .awake(0, 40, "bus");
    }
    host.pci("pci0000:00/0000:00:1f.2", 0x01_0601, "8086:1d02", 0x06).driver("ahci").group(22);
    let sda = "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda";
    host.block(sda, "8:0", &[]);
    host.block(&format!("{sda}/sda1"), "8:1", &[]);
    host.mount("8:1", "/", "ext4", "/dev/sda1");
    host
}

/// An Arch desktop with two cards of one kind, after an update of the kernel and with every
/// parameter that guides name.
fn arch_twins() -> Drawing {
    let line = "root=/dev/nvme0n1p2 rw amd_iommu=on iommu=pt video=efifb:off pci-stub.ids=1022:149c \
        vfio-pci.ids=10de:2204,10de.1aef pcie_acs_override=downstream,multifunction vfio_pci.id=10de:1aef";
    let mut host = Drawing::new("6.17.1-arch1-1", line);
    host.ivrs();
    host.units(&["ivhd0"]);
    host.system(&ARCH, true);
    host.kernel("6.17.2-arch1-1", &["VFIO_VIRQFD"], &[]);
    host.file(
        "etc/mkinitcpio.conf",
        "MODULES=(nvidia vfio_pci vfio vfio_iommu_type1)\nHOOKS=(base udev modconf kms block)\n",
    );
    host.file(
        "proc/modules",
        "vfio_pci 16384 0 - Live 0x0000000000000000\nnvidia 60710912 0 - Live 0x0000000000000000\n",
    );
    host.file("proc/fb", "0 nvidia-drmdrmfb\n");
    host.pci("pci0000:00/0000:00:00.0", 0x06_0000, "1022:1480", 0).group(0);
    for (port, bus, group, driver, first) in [("01.1", 1, 14, "nvidia", "0"), ("03.1", 7, 15, "nvidia", "1")]
    {
        let port = format!("pci0000:00/0000:00:{port}");
        host.pci(&port, 0x06_0400, "1022:1483", 0).driver("pcieport").group(group - 10);
        host.pci(&format!("{port}/0000:0{bus}:00.0"), 0x03_0000, "10de:2204", 0xa1)
            .subsystem("1458:4043")
            .driver(driver)
            .group(group)
            .unit("ivhd0")
            .attribute("boot_vga", first)
            .awake(-1, 60, "bus");
    }
    host.class("drm", "pci0000:00/0000:00:03.1/0000:07:00.0/drm/card0");
    host.pci("pci0000:00/0000:00:01.2", 0x06_0400, "1022:1483", 0).driver("pcieport").group(7);
    host.pci("pci0000:00/0000:00:01.2/0000:02:00.0", 0x01_0802, "144d:a80a", 0).driver("nvme").group(17);
    let disk = "pci0000:00/0000:00:01.2/0000:02:00.0/nvme/nvme0/nvme0n1";
    host.block(disk, "259:0", &[]);
    host.block(&format!("{disk}/nvme0n1p2"), "259:2", &[]);
    host.mount("259:2", "/", "ext4", "/dev/nvme0n1p2");
    host
}
