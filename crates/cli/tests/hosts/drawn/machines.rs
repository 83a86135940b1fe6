//! Hosts after public descriptions of people's machines.

use passthru_testkit::acpi::machines;

use crate::drawing::{Drawing, IO, MEM, MEM64, MEM64_PREFETCH, Pci};
use crate::systems::{ARCH, FEDORA, GENTOO, UBUNTU};
use crate::troubles;

/// What old USB controllers have: the kernel may give it up (`drivers/iommu/intel/iommu.c`,
/// `device_rmrr_is_relaxable`).
const RELAXABLE: &str = "0x00000000bdcf9000 0x00000000bdd1dfff direct-relaxable\n\
                         0x00000000fee00000 0x00000000feefffff msi\n";
/// What some servers' firmware claims for network cards too, and the kernel insists on.
const CLAIMED: &str = "0x00000000bdff6000 0x00000000bdffcfff direct\n\
                       0x00000000fee00000 0x00000000feefffff msi\n";

/// A workstation with a second graphics card to lend, as a wiki page describes it:
/// MSI C236M, Xeon E3-1235L v5, GT 630, two Logitech receivers on the chipset's USB.
pub(super) fn gt630_desktop() -> Drawing {
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
pub(super) fn iris_pro_laptop() -> Drawing {
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
pub(super) fn connectx3_server() -> Drawing {
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

/// A server whose firmware keeps memory for functions behind bridges, its IOMMU not used:
/// HP's DL360 G7, with its management processor and its disk controller.
pub(super) fn proliant() -> Drawing {
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
pub(super) fn amd_laptop() -> Drawing {
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
pub(super) fn grid_k2_server() -> Drawing {
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
pub(super) fn arch_twins() -> Drawing {
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
