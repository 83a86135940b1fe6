//! Hosts on which much is in use, in ways that are easily missed.

use passthru_testkit::acpi::machines;

use crate::drawing::Drawing;

/// Intel VMD: the disks live in a domain of their own (10000) behind an endpoint.
pub(super) fn vmd() -> Drawing {
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

/// A network card with virtual functions: one on the host, one bound to VFIO by somebody
/// else, one on no driver.
pub(super) fn sriov() -> Drawing {
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
pub(super) fn nvme_multipath() -> Drawing {
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
pub(super) fn lvm_on_luks() -> Drawing {
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
pub(super) fn btrfs_two_disks() -> Drawing {
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

/// A host of which almost everything is used by somebody: volumes, a bridge over a bond
/// with somebody working over SSH, a container with an interface of its own, a desktop.
pub(super) fn busy() -> Drawing {
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
