//! The other half of the white list: the words that may leave the machine. See `table`.

/// Where an unknown record is withheld with its path, rather than left out whole:
/// below these, paths are made of the kernel's names.
pub(super) const KERNEL_TREES: &[&str] = &["/sys/**", "/proc/**", "/dev/**"];

/// Components of paths below `/sys`, `/proc` and `/dev` that are kept.
#[rustfmt::skip]
pub(super) const NODES: &[&str] = &[
    // Directories and links; the list of modules to which Debian has a link.
    "..", "sys", "proc", "dev", "etc", "modules", "bus", "class", "devices", "drivers", "module", "kernel", "virtual",
    "system", "firmware", "acpi", "tables", "iommu_groups", "iommu", "pci", "usb", "scsi", "block", "bdi",
    "dm", "md", "net", "drm", "graphics", "sound", "input", "hwmon", "leds", "ptp", "infiniband", "vfio",
    "vfio-dev", "nvme", "nvme-subsystem", "nvme-fabrics", "ctl", "virtio", "platform", "pnp", "serio",
    "hid", "dmi", "id", "node", "self", "fd", "ns", "sysvipc", "tty", "fs", "driver", "irq", "asound",
    "mapper", "disk", "dri", "snd", "shm", "subsystem", "device", "power", "slots", "holders", "slaves",
    "queue", "parameters", "parent", "physfn", "virtfn#", "iommu_group", "uevent", "model", "serial",
    "state", "firmware_rev", "subsysnqn", "iopolicy", "subsystype", "#", "bind", "unbind", "new_id",
    "remove_id", "%:%:%.#.json", "char", "root", "usb_device", "misc", "gpus", "nvidia", "information",
    "#:#", "run", "udev", "data", "b#:#", "scsi_host", "scsi_device", "scsi_disk", "mdev_bus", "tpm", "tpmrm",
    "watchdog", "uio", "nvme-generic", "scsi_generic", "scsi_tape", "bsg", "infiniband_verbs",
    "infiniband_mad", "accel", "video#linux", "by-uuid", "by-label", "by-partuuid",
    "by-partlabel", "by-id", "by-path", "by-diskseq", "by-dname",
    // PCI, ACPI, platform.
    "pci%:%", "%:%:%.#", "LNXSYSTM:%", "PNP%:%", "ACPI%:%", "AMDI%:%", "INT%:%", "INTL%:%", "dmar#",
    "ivhd#", "smmu#", "smmu#.0x%", "arm-smmu.#.auto", "iommu#", "efi-framebuffer.#",
    "simple-framebuffer.#", "pcspkr", "i8042", "serio#", "alarmtimer.#.auto",
    // Disks.
    "ata#", "host#", "target#:#:#", "#:#:#:#", "nvme#", "nvme#n#", "nvme#c#n#", "nvme#n#p#",
    "nvme-subsys#", "virtio#", "mmc#", "mmc#:%", "nvmeq#", "ng#n#",
    // USB and HID.
    "usb#", "#-#", "#-#.#", "#-#.#.#", "#-#.#.#.#", "#-#:#.#", "#-#.#:#.#", "#-#.#.#:#.#",
    "#-#.#.#.#:#.#", "%:%:%.%",
    // Displays, sound, input.
    "card#", "card#-*-#", "renderD#", "controlD#", "fb#", "fbcon", "version", "ttm", "vgacon", "vtcon#",
    "controlC#", "pcmC#D#@", "hwC#D#", "midiC#D#", "seq", "timer", "input#", "event#", "mouse#", "js#",
    "mice", "vfio#", "tpm#", "tpmrm#", "watchdog#", "uio#", "uverbs#", "umad#", "issm#", "accel#", "video#",
    "sg#", "st#", "nst#", "ttyS#", "ttyUSB#", "ttyACM#", "hidraw#",
    // ACPI tables.
    "DMAR", "IVRS", "IORT", "VIOT", "APIC", "FACP", "FACS", "DSDT", "SSDT", "SSDT#", "MCFG", "HPET",
    "SRAT", "SLIT", "BGRT", "BERT", "WAET", "FPDT", "TPM2", "dynamic",
];

/// Connectors of graphics cards, the `*` of `card#-*-#` (`drivers/gpu/drm/drm_connector.c`).
#[rustfmt::skip]
pub(super) const CONNECTORS: &[&str] = &[
    "VGA", "DVI-I", "DVI-D", "DVI-A", "HDMI-A", "HDMI-B", "DP", "eDP", "LVDS", "DSI", "DPI", "Virtual",
    "TV", "Writeback", "SPI", "USB", "Unknown", "Component", "Composite", "SVIDEO", "DIN",
];

/// Block devices' kernel names: components below `block`, `holders`, `slaves`, and
/// behind `/dev/`.
#[rustfmt::skip]
pub(super) const BLOCKS: &[&str] = &[
    "sd@", "sd@#", "vd@", "vd@#", "xvd@", "xvd@#", "hd@", "hd@#", "nvme#n#", "nvme#n#p#", "nvme#c#n#",
    "mmcblk#", "mmcblk#p#", "mmcblk#boot#", "dm-#", "md#", "md#p#", "loop#", "loop#p#", "sr#", "zram#",
    "ram#", "nbd#", "nbd#p#", "zd#", "zd#p#", "bcache#", "bcache#p#", "pmem#", "pmem#p#", "rbd#", "drbd#",
    "fd#",
];

/// Network interfaces' names: what the kernel, udev and libvirt make up. Names made
/// from a MAC address (`enx…`) and names people choose are replaced.
#[rustfmt::skip]
pub(super) const INTERFACES: &[&str] = &[
    "lo", "eth#", "wlan#", "wwan#", "usb#", "ib#", "eno#", "eno#np#", "eno#d#", "ens#", "ens#f#",
    "ens#f#np#", "ens#np#", "ens#d#", "enp#s#", "enp#s#f#", "enp#s#f#np#", "enp#s#np#", "enp#s#f#v#",
    "enp#s#v#", "enp#s#f#d#", "enp#s#f#np#v#", "enP#p#s#", "enP#p#s#f#", "enP#s#", "enp#s#u#",
    "enp#s#u#u#", "enp#s#f#u#", "enp#s#f#u#u#", "wlp#s#", "wlp#s#f#", "wlo#", "wls#", "wlP#p#s#",
    "wlp#s#u#", "ibp#s#", "ibp#s#f#", "br#", "virbr#", "virbr#-nic", "vnet#", "tap#", "tun#", "docker#",
    "lxcbr#", "lxdbr#", "incusbr#", "bond#", "team#", "dummy#", "macvtap#", "macvlan#", "ipvlan#", "wg#",
    "sit#", "ip#tnl#", "gre#", "gretap#", "erspan#", "tunl#", "ip_vti#", "ip#_vti#", "vmbr#", "fwbr#i#",
    "fwpr#p#", "fwln#i#", "tap#i#", "can#", "nlmon#", "vxlan#", "ifb#",
];

/// Names of programs that hold devices, or that everybody runs.
#[rustfmt::skip]
pub(super) const PROCESSES: &[&str] = &[
    "qemu-system-x86", "qemu-system-arm", "qemu-system-aar", "qemu-system-ppc", "qemu-system-ris",
    "qemu-kvm", "kvm", "libvirtd", "virtqemud", "virtnodedevd", "crosvm", "cloud-hyperviso",
    "firecracker", "spdk_tgt", "passthru", "Xorg", "Xwayland", "gnome-shell", "kwin_wayland", "sddm",
    "sshd", "sshd-session", "sshd-auth", "dropbear", "gdm#", "gdm-session-wor", "lightdm", "weston", "sway", "systemd", "systemd-logind", "systemd-udevd",
    "init", "pipewire", "wireplumber", "pulseaudio", "nvidia-persiste", "nvidia-smi", "incusd", "lxd",
    "pvedaemon", "containerd", "dockerd", "kubelet",
];

/// Device nodes and kernel objects a descriptor may lead to; the rest is `/file`.
#[rustfmt::skip]
pub(super) const DESCRIPTORS: &[&str] = &[
    "/dev/vfio/vfio", "/dev/vfio/#", "/dev/vfio/devices/vfio#", "/dev/iommu", "/dev/kvm", "/dev/null",
    "/dev/kfd", "/dev/dri/card#", "/dev/dri/renderD#", "/dev/fb#", "/dev/nvidia#", "/dev/nvidiactl",
    "/dev/nvidia-modeset", "/dev/nvidia-uvm", "/dev/snd/controlC#", "/dev/snd/pcmC#D#@",
    "/dev/input/event#", "/dev/vhost-net", "/dev/snd/hwC#D#", "/dev/snd/midiC#D#", "/dev/snd/timer",
    "/dev/snd/seq", "/dev/nvidia-uvm-tools", "/dev/nvidia-caps/nvidia-cap#", "/dev/nvme#", "/dev/ng#n#",
    "/dev/sg#", "/dev/st#", "/dev/nst#", "/dev/bsg/#:#:#:#", "/dev/uio#", "/dev/watchdog",
    "/dev/watchdog#", "/dev/tpm#", "/dev/tpmrm#", "/dev/ttyS#", "/dev/ttyUSB#", "/dev/ttyACM#",
    "/dev/infiniband/uverbs#", "/dev/infiniband/umad#", "/dev/infiniband/issm#",
    "/dev/infiniband/rdma_cm", "/dev/accel/accel#", "/dev/video#", "/dev/media#", "/dev/rtc#",
    "/dev/ptp#", "/dev/mei#", "/dev/i2c-#", "/dev/bus/usb/#/#", "socket:[#]", "anon_inode:[vfio-device]", "anon_inode:[vfio-group]",
    "anon_inode:kvm-vm", "anon_inode:kvm-vcpu:#", "anon_inode:[eventfd]", "anon_inode:[eventpoll]",
    "anon_inode:[iommufd]",
];

/// Mount points, and directories inside file systems, that every system has.
#[rustfmt::skip]
pub(super) const MOUNT_POINTS: &[&str] = &[
    "/", "/boot", "/boot/efi", "/efi", "/home", "/root", "/opt", "/srv", "/tmp", "/usr", "/usr/local",
    "/var", "/var/log", "/var/tmp", "/var/cache", "/var/lib", "/var/lib/libvirt",
    "/var/lib/libvirt/images", "/var/lib/docker", "/var/lib/containers", "/var/lib/nfs/rpc_pipefs",
    "/var/lib/vz", "/mnt", "/media", "/swap", "/etc", "/etc/pve", "/nix", "/nix/store", "/sysroot",
    "/ostree", "/.snapshots", "/snap", "/data", "/dev", "/dev/pts", "/dev/shm", "/dev/hugepages",
    "/dev/mqueue", "/dev/console", "/proc", "/proc/sys/fs/binfmt_misc", "/proc/fs/nfsd", "/sys",
    "/sys/fs/cgroup", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct",
    "/sys/fs/cgroup/cpuset", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/devices", "/sys/fs/cgroup/freezer",
    "/sys/fs/cgroup/blkio", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified",
    "/sys/fs/cgroup/hugetlb", "/sys/fs/cgroup/perf_event", "/sys/fs/cgroup/net_cls,net_prio",
    "/sys/fs/cgroup/rdma", "/sys/fs/cgroup/misc", "/sys/fs/bpf", "/sys/fs/pstore",
    "/sys/fs/fuse/connections", "/sys/fs/selinux", "/sys/kernel/debug", "/sys/kernel/debug/tracing",
    "/sys/kernel/tracing", "/sys/kernel/security", "/sys/kernel/config", "/sys/firmware/efi/efivars",
    "/run", "/run/lock", "/run/user", "/run/credentials", "/run/rpc_pipefs", "/run/initramfs",
    "/lib/modules", "/run/user/#", "/@", "/@home", "/@root", "/@srv", "/@var", "/@var_log", "/@log",
    "/@cache", "/@tmp", "/@opt", "/@snapshots", "/@swap", "/@rootfs", "/@/.snapshots", "/swapfile",
    "/swap.img", "/swap/swapfile", "/swapfile#",
];

/// File systems.
#[rustfmt::skip]
pub(super) const FILE_SYSTEMS: &[&str] = &[
    "ext#", "xfs", "btrfs", "zfs", "bcachefs", "f2fs", "vfat", "exfat", "ntfs", "ntfs3", "iso9660", "udf",
    "squashfs", "erofs", "overlay", "nfs", "nfs#", "cifs", "smb3", "9p", "ceph", "virtiofs", "fuse",
    "fuseblk", "fuse.*", "tmpfs", "ramfs", "rootfs", "devtmpfs", "devpts", "proc", "sysfs", "cgroup",
    "cgroup2", "securityfs", "debugfs", "tracefs", "configfs", "pstore", "efivarfs", "bpf", "mqueue",
    "hugetlbfs", "fusectl", "binfmt_misc", "autofs", "nsfs", "rpc_pipefs", "nfsd", "selinuxfs",
    "composefs", "bcache", "jfs", "reiserfs", "minix",
];

/// The `*` of `fuse.*` above.
#[rustfmt::skip]
pub(super) const FUSES: &[&str] = &[
    "sshfs", "lxcfs", "portal", "gvfsd-fuse", "snapfuse", "s3fs", "rclone", "mergerfs", "glusterfs",
    "ceph-fuse", "ntfs-3g",
];

/// Names of file systems without a disk, in the place of their source.
#[rustfmt::skip]
pub(super) const PSEUDO_SOURCES: &[&str] = &[
    "none", "udev", "dev", "run", "systemd-1", "gvfsd-fuse", "portal", "sunrpc", "efivarfs", "cgroup#",
    "shm", "lxcfs", "rootfs", "overlay", "composefs",
];

/// Options of mounts; the others are left out.
#[rustfmt::skip]
pub(super) const MOUNT_OPTIONS: &[&str] = &[
    "rw", "ro", "nosuid", "nodev", "noexec", "relatime", "noatime", "nodiratime", "strictatime",
    "lazytime", "sync", "dirsync", "discard", "subvolid=#",
];

/// Fields of a mount line before the hyphen.
#[rustfmt::skip]
pub(super) const MOUNT_FIELDS: &[&str] = &[
    "shared:#", "master:#", "propagate_from:#", "unbindable",
];

/// Kernel parameters that stay with their value (its UUIDs and MAC addresses replaced).
#[rustfmt::skip]
pub(super) const PARAMETERS: &[&str] = &[
    // IOMMU, VFIO, PCI, virtualization.
    "iommu", "iommu.*", "intel_iommu", "amd_iommu", "amd_iommu_intr", "amd_iommu_dump", "intremap",
    "vfio.*", "vfio-pci.*", "vfio_pci.*", "vfio_iommu_type1.*", "iommufd.*", "pci", "pcie_aspm",
    "pcie_aspm.*", "pcie_ports", "pcie_port_pm", "pcie_acs_override", "pci-stub.ids", "xen-pciback.*",
    "kvm", "kvm.*", "kvm-intel.*", "kvm-amd.*", "kvm_intel.*", "kvm_amd.*", "passthru.*", "hugepages",
    "hugepagesz", "default_hugepagesz", "transparent_hugepage", "isolcpus", "nohz_full", "nohz",
    "rcu_nocbs", "irqaffinity", "efi", "mitigations", "nosmt", "spectre_v#", "l1tf", "x2apic_phys",
    "nox2apic", "noapic", "nolapic", "apic", "split_lock_detect", "tsx", "cma",
    // Displays and drivers.
    "video", "nomodeset", "modprobe.blacklist", "module_blacklist", "rd.driver.pre", "rd.driver.post",
    "rd.driver.blacklist", "rdblacklist", "rdloaddriver", "initcall_blacklist", "nouveau.*", "nvidia.*",
    "nvidia-drm.*", "nvidia_drm.*", "i915.*", "xe.*", "amdgpu.*", "radeon.*", "fbcon", "vga", "drm.*",
    "drm_kms_helper.*", "nvme.*", "nvme_core.*", "libata.*", "ahci.*", "usbcore.*", "snd_hda_intel.*",
    "efifb",
    // Booting, consoles, the rest that tells nothing of its owner.
    "quiet", "splash", "reboot", "nomodule", "swiotlb", "random.*", "ro", "rw", "rhgb", "debug", "single",
    "auto", "panic", "loglevel", "console", "earlycon", "earlyprintk", "nokaslr", "kaslr", "plymouth.*",
    "vt.*", "rootwait", "rootdelay", "rootfstype", "noresume", "crashkernel", "rd.shell", "rd.emergency",
    "rd.auto", "rd.luks", "rd.lvm", "rd.md", "rd.dm", "net.ifnames", "biosdevname", "selinux",
    "enforcing", "apparmor", "security", "lsm", "audit", "lockdown", "module.sig_enforce", "acpi",
    "acpi_osi", "acpi_enforce_resources", "acpi_backlight", "acpi.*", "processor.max_cstate",
    "intel_idle.max_cstate", "intel_pstate", "amd_pstate", "cpuidle.*", "idle", "nmi_watchdog",
    "nowatchdog", "tsc", "clocksource", "hpet", "preempt", "threadirqs", "mem", "maxcpus", "nr_cpus",
    "zswap.*", "swapaccount", "cgroup_enable", "cgroup_disable", "cgroup_no_v#",
    "systemd.unified_cgroup_hierarchy", "systemd.show_status", "systemd.log_level", "init_on_alloc",
    "init_on_free", "page_poison", "slab_nomerge", "psi", "iomem", "mce", "edac_report", "printk.*",
    "log_buf_len", "fsck.mode", "fsck.repair",
];

/// Kernel parameters that name a disk: the form is kept, the value replaced.
#[rustfmt::skip]
pub(super) const DEVICE_PARAMETERS: &[&str] = &[
    "root", "resume",
];

/// Words of process 1 behind `--`.
#[rustfmt::skip]
pub(super) const INIT_WORDS: &[&str] = &[
    "single", "emergency", "rescue", "1", "2", "3", "4", "5", "s", "S",
];

/// Parts of a kernel release behind the version's numbers.
#[rustfmt::skip]
pub(super) const RELEASES: &[&str] = &[
    "#", "rc#", "amd64", "arm64", "x86", "64", "i686", "686", "pae", "aarch64", "riscv64", "generic",
    "lowlatency", "hwe", "oem", "aws", "azure", "gcp", "oracle", "kvm", "cloud", "rt", "rt#", "deb#u#",
    "deb#", "bpo", "bpo#", "fc#", "el#", "el#uek", "uek", "arch#", "arch", "zen#", "zen", "lts",
    "hardened", "hardened#", "default", "lp#", "pve", "proxmox", "MANJARO", "gentoo", "dist", "cachyos",
    "xanmod#", "liquorix", "nixos", "valve#", "neptune", "truenas", "production", "Unraid", "microsoft",
    "standard", "WSL#", "coreos", "flatcar", "ubuntu", "debian", "linux",
];

/// Files of `/boot` that are named after a kernel's release: what stands before and behind it.
pub(super) const BOOT_FILES: [(&str, &str); 5] =
    [("config-", ""), ("initrd.img-", ""), ("initrd-", ""), ("initramfs-", ".img"), ("initramfs-", "")];

/// Names of input devices that are not somebody's.
#[rustfmt::skip]
pub(super) const INPUTS: &[&str] = &[
    "Power Button", "Sleep Button", "Lid Switch", "Video Bus", "PC Speaker",
    "AT Translated Set # keyboard", "ImPS/# Generic Wheel Mouse", "ImExPS/# Generic Explorer Mouse",
    "VirtualPS/# VMware VMMouse", "QEMU QEMU USB Keyboard", "QEMU QEMU USB Mouse", "QEMU QEMU USB Tablet",
    "QEMU Virtio Keyboard", "QEMU Virtio Mouse", "QEMU Virtio Tablet", "Intel HID events",
    "HDA Intel PCH Line Out", "HDA NVidia HDMI/DP,pcm=#", "HD-Audio Generic HDMI/DP,pcm=#",
];

/// Keys of a PCI function's `uevent`; other lines are left out.
#[rustfmt::skip]
pub(super) const UEVENT: &[&str] = &[
    "DRIVER", "PCI_CLASS", "PCI_ID", "PCI_SUBSYS_ID", "PCI_SLOT_NAME", "MODALIAS",
];

/// Nodes in libvirt's `cgroup_device_acl` that are not somebody's.
#[rustfmt::skip]
pub(super) const ACL_NODES: &[&str] = &[
    "/dev/null", "/dev/full", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/ptmx", "/dev/kvm", "/dev/kqemu",
    "/dev/rtc", "/dev/hpet", "/dev/net/tun", "/dev/userfaultfd", "/dev/vfio/vfio", "/dev/vfio/#", "/dev/iommu",
    "/dev/kvmfr#", "/dev/input/event#", "/dev/sev", "/dev/nvidiactl", "/dev/nvidia#", "/dev/dri/renderD#",
];

/// Keys of `os-release`; other lines are left out.
#[rustfmt::skip]
pub(super) const OS_RELEASE: &[&str] = &[
    "ID", "ID_LIKE", "NAME", "PRETTY_NAME", "VERSION", "VERSION_ID", "VERSION_CODENAME", "VARIANT",
    "VARIANT_ID", "PLATFORM_ID", "CPE_NAME",
];

/// Keys of `/proc/cpuinfo`.
#[rustfmt::skip]
pub(super) const CPU_KEYS: &[&str] = &[
    "processor", "vendor_id", "cpu family", "model", "model name", "stepping", "flags", "address sizes",
    "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features",
];

/// Modules whose options stay; of others only that there are some.
#[rustfmt::skip]
pub(super) const OPTION_MODULES: &[&str] = &[
    "vfio", "vfio_pci", "vfio_iommu_type1", "iommufd", "kvm", "kvm_intel", "kvm_amd", "pci_stub", "nvidia",
    "nvidia_drm", "nvidia_modeset", "nouveau", "amdgpu", "radeon", "i915", "xe", "snd_hda_intel", "nvme",
    "nvme_core", "xhci_pci", "xhci_hcd", "ast", "mgag200",
];

/// Files people, packages and guides put into directories of configuration, without `.conf`.
#[rustfmt::skip]
pub(super) const CONF_NAMES: &[&str] = &[
    "vfio", "vfio-pci", "vfio_pci", "#-vfio", "kvm", "kvm-intel", "kvm-amd", "kvm_intel", "kvm_amd", "qemu",
    "qemu-system-x86", "blacklist", "blacklist-nouveau", "blacklist-nvidia", "blacklist-amdgpu", "nvidia",
    "nouveau", "amdgpu", "radeon", "i915", "local", "local-drivers", "passthru", "passthrough", "iommu",
    "modules", "pve-blacklist", "nvidia-blacklists-nouveau", "nvidia-installer-disable-nouveau",
    "amd#-microcode-blacklist", "intel-microcode-blacklist", "blacklist-ath_pci", "blacklist-firewire",
    "blacklist-framebuffer", "blacklist-rare-network", "alsa-base", "aliases", "mdadm", "systemd", "dkms",
    "fbdev-blacklist", "lockd", "tuned", "mlx#", "libmlx#", "zfs", "truescale", "mlx#_core", "README",
    "resume", "driver-policy", "splash", "#-debian", "#-fedora", "#-dist", "#-generic-hostonly",
    "#-generic-image", "cups-filters", "fwupd-msr", "fwupd-platform-integrity",
];

/// Keys of the configuration of generators of initramfs images.
#[rustfmt::skip]
pub(super) const GENERATOR_KEYS: &[&str] = &[
    "MODULES", "HOOKS", "BUSYBOX", "COMPRESS", "drivers", "add_drivers", "force_drivers", "omit_drivers",
    "dracutmodules", "add_dracutmodules", "omit_dracutmodules", "install_items", "hostonly",
    "early_microcode", "compress",
];

/// Known capabilities of configuration space: id, and how many bytes of it are kept.
/// Of others only id and link are.
pub(super) const CAPABILITIES: &[(u8, usize)] = &[
    (0x01, 8),    // power management
    (0x03, 2),    // vital product data: holds serial numbers
    (0x05, 24),   // MSI
    (0x07, 24),   // PCI-X
    (0x09, 3),    // vendor specific: its length
    (0x0d, 8),    // subsystem of a bridge
    (0x10, 0x3c), // PCI Express
    (0x11, 12),   // MSI-X
    (0x12, 8),    // SATA
    (0x13, 6),    // advanced features
];

/// The same for extended capabilities.
pub(super) const EXTENDED_CAPABILITIES: &[(u16, usize)] = &[
    (0x0001, 0x48), // advanced error reporting
    (0x0002, 0x1c), // virtual channel
    (0x0003, 4),    // device serial number: replaced
    (0x000b, 8),    // vendor specific: its id and length
    (0x000d, 12),   // access control services, in dwords on some Intel root ports
    (0x000e, 8),    // alternative routing-id
    (0x000f, 8),    // address translation
    (0x0010, 0x40), // SR-IOV
    (0x0013, 16),   // page requests
    (0x0015, 0x34), // resizable BAR
    (0x0017, 12),   // TPH
    (0x0018, 8),    // latency tolerance
    (0x0019, 0x0c), // secondary PCI Express
    (0x001b, 8),    // PASID
    (0x001e, 0x10), // L1 substates
    (0x001f, 12),   // precision time
    (0x0024, 0x34), // VF resizable BAR
    (0x0025, 12),   // data link feature
];
