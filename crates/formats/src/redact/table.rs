//! The white list: everything that may leave the machine in a redacted capture.
//!
//! This file is the whole of it, to be read by a reviewer from top to bottom. A record
//! that no row of [`RULES`] fits is withheld, a word that no list has is replaced.
//!
//! Patterns: `*` is any text without `/`, `**` any components, `#` a decimal number (ten
//! digits), `%` hexadecimal digits (eight), `@` lower-case letters (three); the rest
//! stands for itself. What `*` stood for in a path goes through [`NODES`] (or [`INTERFACES`], [`BLOCKS`] below
//! directories of such names) like every component of a link's target.

use crate::capture::Op;

/// What is done with an answer. Errors are always kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Kept where it is short printable ASCII; UUIDs and MAC addresses in it are
    /// replaced all the same. For values the kernel or the firmware's maker chose.
    Keep,
    /// Kept byte for byte: public data, not of this machine.
    Public,
    /// `uevent`: the keys of [`UEVENT`].
    Uevent,
    /// Configuration space: header and known registers; serial number replaced, vital
    /// product data and vendors' registers zeroed.
    Config,
    /// A link below `/sys` (or, from a descriptor, to a device node): each component as
    /// in paths.
    Path,
    /// A link whose last component is an interface.
    InterfacePath,
    /// Where a process's descriptor leads: [`DESCRIPTORS`], the rest is one word.
    Descriptor,
    /// `/proc/PID/fdinfo/N`: the flags it was opened with.
    OpenFlags,
    /// Which namespace a process lives in: a number the kernel counts up.
    Namespace,
    /// Names in a directory, each as a component of a path.
    Names,
    /// Names in a directory that are numbers; the others are left out.
    Numbers,
    /// Mode, size and device numbers; owners from 1000 on are replaced.
    Stat,
    /// One MAC address.
    Mac,
    /// One UUID.
    Uuid,
    /// Name of a device-mapper device.
    MapperName,
    /// The tag of a directory the hypervisor shares, as the mount table names it.
    ShareTag,
    /// UUID of a device-mapper device; the part that says its kind is kept.
    MapperUuid,
    /// A mount table.
    Mountinfo,
    /// `/proc/swaps`.
    Swaps,
    /// `/proc/net/route`.
    Route4,
    /// `/proc/net/ipv6_route`.
    Route6,
    /// `/proc/net/tcp` and `tcp6`: listening and standing sockets, addresses replaced.
    Sockets,
    /// `/proc/net/if_inet6`.
    IfInet6,
    /// `/proc/net/fib_trie`: the machine's own addresses.
    FibTrie,
    /// sshd's configuration: the ports.
    SshPorts,
    /// `/etc/fstab`: comments left out.
    Fstab,
    /// `/etc/crypttab`: names and disks.
    Crypttab,
    /// A record of udev's database: what is on the disk.
    UdevRecord,
    /// `/proc/driver/nvidia/gpus/*/information`: the minor number.
    NvidiaMinor,
    /// What a USB device calls itself.
    Product,
    /// A link below `/dev` to a node; what it is asked by is a name of a disk.
    DiskLink,
    /// Names in an interface's directory: what it stands on and what stands on it.
    Uppers,
    /// A process id.
    Number,
    /// The kernel command line: [`PARAMETERS`].
    CommandLine,
    /// The kernel's release: [`RELEASES`].
    Release,
    /// A process's name: [`PROCESSES`].
    Process,
    /// `/proc/PID/stat`: the name as above, numbers up to the start time.
    ProcessStat,
    /// `/proc/bus/input/devices`: names of [`INPUTS`], no serial numbers.
    Input,
    /// `/proc/modules`: without addresses.
    Modules,
    /// `/etc/os-release`: the keys of [`OS_RELEASE`].
    OsRelease,
    /// A table of the firmware that one of the parsers of `crate::acpi` understands, byte for
    /// byte: addresses and devices of the machine's kind, the maker's name. Another is withheld.
    AcpiTable,
    /// The firmware's switch: five bytes, the last 0 or 1.
    SecureBoot,
    /// `/proc/interrupts`: the names of chips; neither counts nor who uses them.
    Interrupts,
    /// `/proc/cpuinfo`: the first processor, the keys of [`CPU_KEYS`].
    CpuInfo,
    /// A kernel's configuration: the options that matter for lending.
    KernelConfig,
    /// The same, packed.
    PackedConfig,
    /// depmod's lists: paths of modules.
    ModulePaths,
    /// `/etc/modules` and its like: names of modules.
    ModuleLines,
    /// modprobe.d(5): options of [`OPTION_MODULES`], names of modules.
    Modprobe,
    /// Configuration of a generator of initramfs images: the keys of [`GENERATOR_KEYS`].
    Assignments,
    /// `/proc/iomem`: framebuffers and PCI functions by name.
    Iomem,
    /// The kernel's log: what of it has a known text, without names; the rest is left out.
    KernelLog,
    /// `/proc/self/status`: the effective capabilities.
    Capabilities,
    /// `/etc/libvirt/qemu.conf`: the list of device nodes, where there is one.
    LibvirtConfig,
    /// AppArmor's profiles: those of libvirt itself.
    Profiles,
    /// Names of SELinux's booleans for virtual machines.
    Booleans,
    /// Left out, and said so.
    Withhold,
}

use Op::{Link, List, Read, Stat};
use Treatment as T;

/// Operation, pattern of the path, what is done. The first that fits counts.
pub(super) const RULES: &[(Op, &str, Treatment)] = &[
    // PCI functions.
    (List, "/sys/bus/pci/devices", T::Names),
    (Link, "/sys/bus/pci/devices/*", T::Path),
    (Stat, "/sys/bus/pci/devices/*", T::Stat),
    (Read, "/sys/bus/pci/devices/*/uevent", T::Uevent),
    (Read, "/sys/bus/pci/devices/*/config", T::Config),
    (Read, "/sys/bus/pci/devices/*/vendor", T::Keep),
    (Read, "/sys/bus/pci/devices/*/device", T::Keep),
    (Read, "/sys/bus/pci/devices/*/subsystem_vendor", T::Keep),
    (Read, "/sys/bus/pci/devices/*/subsystem_device", T::Keep),
    (Read, "/sys/bus/pci/devices/*/class", T::Keep),
    (Read, "/sys/bus/pci/devices/*/revision", T::Keep),
    (Read, "/sys/bus/pci/devices/*/modalias", T::Keep),
    (Read, "/sys/bus/pci/devices/*/resource", T::Keep),
    (Read, "/sys/bus/pci/devices/*/numa_node", T::Keep),
    (Read, "/sys/bus/pci/devices/*/local_cpulist", T::Keep),
    (Read, "/sys/bus/pci/devices/*/current_link_speed", T::Keep),
    (Read, "/sys/bus/pci/devices/*/current_link_width", T::Keep),
    (Read, "/sys/bus/pci/devices/*/max_link_speed", T::Keep),
    (Read, "/sys/bus/pci/devices/*/max_link_width", T::Keep),
    (Read, "/sys/bus/pci/devices/*/reset_method", T::Keep),
    (Read, "/sys/bus/pci/devices/*/driver_override", T::Keep),
    (Read, "/sys/bus/pci/devices/*/power_state", T::Keep),
    (Read, "/sys/bus/pci/devices/*/power/runtime_status", T::Keep),
    (Read, "/sys/bus/pci/devices/*/power/control", T::Keep),
    (Read, "/sys/bus/pci/devices/*/d3cold_allowed", T::Keep),
    (Read, "/sys/bus/pci/devices/*/boot_vga", T::Keep),
    (Read, "/sys/bus/pci/devices/*/enable", T::Keep),
    (Read, "/sys/bus/pci/devices/*/irq", T::Keep),
    (Read, "/sys/bus/pci/devices/*/label", T::Keep),
    (Read, "/sys/bus/pci/devices/*/sriov_numvfs", T::Keep),
    (Read, "/sys/bus/pci/devices/*/sriov_totalvfs", T::Keep),
    (Read, "/sys/bus/pci/devices/*/sriov_drivers_autoprobe", T::Keep),
    (Read, "/sys/bus/pci/devices/*/resource#_resize", T::Keep),
    (Stat, "/sys/bus/pci/devices/*/rom", T::Stat),
    (Stat, "/sys/bus/pci/devices/*/reset", T::Stat),
    (Stat, "/sys/bus/pci/devices/*/config", T::Stat),
    (Link, "/sys/bus/pci/devices/*/driver", T::Path),
    (Link, "/sys/bus/pci/devices/*/driver/module", T::Path),
    (Link, "/sys/bus/pci/devices/*/iommu_group", T::Path),
    (Link, "/sys/bus/pci/devices/*/iommu", T::Path),
    (Link, "/sys/bus/pci/devices/*/physfn", T::Path),
    (Link, "/sys/bus/pci/devices/*/virtfn#", T::Path),
    (Link, "/sys/bus/pci/devices/*/subsystem", T::Path),
    (List, "/sys/bus/pci/drivers", T::Names),
    (Link, "/sys/bus/pci/drivers/*/module", T::Path),
    (List, "/sys/bus/pci/slots", T::Names),
    // IOMMU.
    (List, "/sys/kernel/iommu_groups", T::Names),
    (List, "/sys/kernel/iommu_groups/#/devices", T::Names),
    (Read, "/sys/kernel/iommu_groups/#/name", T::Keep),
    (Read, "/sys/kernel/iommu_groups/#/type", T::Keep),
    (Read, "/sys/kernel/iommu_groups/#/reserved_regions", T::Keep),
    (List, "/sys/class/iommu", T::Names),
    (Link, "/sys/class/iommu/*", T::Path),
    (List, "/sys/class/iommu/*/devices", T::Names),
    (List, "/sys/firmware/acpi/tables", T::Names),
    (Read, "/sys/class/iommu/*/intel-iommu/cap", T::Keep),
    (Read, "/sys/class/iommu/*/intel-iommu/ecap", T::Keep),
    (Read, "/sys/class/iommu/*/intel-iommu/address", T::Keep),
    (Read, "/sys/class/iommu/*/intel-iommu/version", T::Keep),
    (Read, "/sys/class/iommu/*/amd-iommu/cap", T::Keep),
    (Read, "/sys/class/iommu/*/amd-iommu/features", T::Keep),
    (Read, "/sys/firmware/acpi/tables/DMAR", T::AcpiTable),
    (Read, "/sys/firmware/acpi/tables/IVRS", T::AcpiTable),
    (Read, "/sys/firmware/acpi/tables/IORT", T::AcpiTable),
    (Read, "/sys/firmware/acpi/tables/VIOT", T::AcpiTable),
    (Stat, "/sys/firmware/efi", T::Stat),
    (Read, "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", T::SecureBoot),
    (Read, "/sys/kernel/security/lockdown", T::Keep),
    (Read, "/proc/interrupts", T::Interrupts),
    (Stat, "/sys/firmware/acpi/tables/DMAR", T::Stat),
    (Stat, "/sys/firmware/acpi/tables/IVRS", T::Stat),
    (Stat, "/sys/firmware/acpi/tables/IORT", T::Stat),
    (Stat, "/sys/firmware/acpi/tables/VIOT", T::Stat),
    // Disks.
    (List, "/sys/class/block", T::Names),
    (Link, "/sys/class/block/*", T::Path),
    (Read, "/sys/class/block/*/dev", T::Keep),
    (Read, "/sys/class/block/*/size", T::Keep),
    (Read, "/sys/class/block/*/ro", T::Keep),
    (Read, "/sys/class/block/*/removable", T::Keep),
    (Read, "/sys/class/block/*/hidden", T::Keep),
    (Read, "/sys/class/block/*/dm/name", T::MapperName),
    (Read, "/sys/class/block/*/dm/uuid", T::MapperUuid),
    (Read, "/sys/class/block/*/md/level", T::Keep),
    (List, "/sys/class/block/*/holders", T::Names),
    (List, "/sys/class/block/*/slaves", T::Names),
    (Link, "/sys/class/block/*/device", T::Path),
    (Link, "/sys/class/block/*/subsystem", T::Path),
    (List, "/sys/class/nvme", T::Names),
    (Link, "/sys/class/nvme/*", T::Path),
    (List, "/sys/class/nvme-subsystem", T::Names),
    (Link, "/sys/class/nvme-subsystem/*", T::Path),
    (List, "/sys/class/nvme-subsystem/*", T::Names),
    (Link, "/sys/class/nvme-subsystem/*/*", T::Path),
    (List, "/sys/bus/virtio/drivers/9pnet_virtio", T::Names),
    (Link, "/sys/bus/virtio/drivers/9pnet_virtio/*", T::Path),
    (Read, "/sys/bus/virtio/drivers/9pnet_virtio/*/mount_tag", T::ShareTag),
    (List, "/sys/bus/virtio/drivers/virtiofs", T::Names),
    (Link, "/sys/bus/virtio/drivers/virtiofs/*", T::Path),
    (List, "/sys/fs/btrfs", T::Names),
    (List, "/sys/fs/btrfs/*/devices", T::Names),
    (Read, "/proc/self/mountinfo", T::Mountinfo),
    (Read, "/proc/#/mountinfo", T::Mountinfo),
    (Read, "/proc/swaps", T::Swaps),
    (Read, "/etc/fstab", T::Fstab),
    (Read, "/etc/crypttab", T::Crypttab),
    (List, "/dev/disk", T::Names),
    (List, "/dev/disk/*", T::Names),
    (Link, "/dev/disk/*/*", T::DiskLink),
    (Link, "/dev/*/*", T::DiskLink),
    (Link, "/dev/*", T::DiskLink),
    (Read, "/run/udev/data/b#:#", T::UdevRecord),
    (Stat, "/sys/module/zfs", T::Stat),
    (List, "/sys/class/scsi_host", T::Names),
    (Link, "/sys/class/scsi_host/*", T::Path),
    // Network.
    (List, "/sys/class/net", T::Names),
    (Link, "/sys/class/net/*", T::Path),
    (Read, "/sys/class/net/*/operstate", T::Keep),
    (List, "/sys/class/net/*", T::Uppers),
    (Read, "/sys/class/net/*/flags", T::Keep),
    (Read, "/sys/class/net/*/carrier", T::Keep),
    (Read, "/sys/class/net/*/type", T::Keep),
    (Read, "/sys/class/net/*/dev_port", T::Keep),
    (Read, "/sys/class/net/*/address", T::Mac),
    (Link, "/sys/class/net/*/master", T::InterfacePath),
    (Link, "/sys/class/net/*/device", T::Path),
    (Read, "/proc/net/route", T::Route4),
    (Read, "/proc/net/ipv6_route", T::Route6),
    (Read, "/proc/net/tcp", T::Sockets),
    (Read, "/proc/net/tcp6", T::Sockets),
    (Read, "/proc/net/if_inet6", T::IfInet6),
    (Read, "/proc/net/fib_trie", T::FibTrie),
    (Read, "/proc/#/net/tcp", T::Sockets),
    (Read, "/proc/#/net/tcp6", T::Sockets),
    (Read, "/proc/#/net/route", T::Route4),
    (Read, "/proc/#/net/ipv6_route", T::Route6),
    (Read, "/proc/#/net/if_inet6", T::IfInet6),
    (List, "/proc/#/root/sys/class/net", T::Names),
    (Link, "/proc/#/root/sys/class/net/*", T::Path),
    (Read, "/etc/ssh/sshd_config", T::SshPorts),
    (List, "/etc/ssh/sshd_config.d", T::Names),
    (Read, "/etc/ssh/sshd_config.d/*", T::SshPorts),
    // Displays, sound, input, VFIO.
    (List, "/sys/class/drm", T::Names),
    (Link, "/sys/class/drm/*", T::Path),
    (Read, "/sys/class/drm/*/status", T::Keep),
    (Read, "/sys/class/drm/*/enabled", T::Keep),
    (List, "/sys/class/graphics", T::Names),
    (Link, "/sys/class/graphics/*", T::Path),
    (List, "/sys/class/sound", T::Names),
    (Link, "/sys/class/sound/*", T::Path),
    (List, "/sys/class/input", T::Names),
    (Link, "/sys/class/input/*", T::Path),
    (List, "/sys/class/vfio", T::Names),
    (Link, "/sys/class/vfio/*", T::Path),
    (List, "/sys/class/vfio-dev", T::Names),
    (Link, "/sys/class/vfio-dev/*", T::Path),
    (Read, "/proc/bus/input/devices", T::Input),
    (Read, "/proc/fb", T::Keep),
    // Other things below functions, and what their nodes lead to.
    (List, "/sys/bus/usb/devices", T::Names),
    (Link, "/sys/bus/usb/devices/*", T::Path),
    (Read, "/sys/bus/usb/devices/*/bDeviceClass", T::Keep),
    (Read, "/sys/bus/usb/devices/*/product", T::Product),
    (List, "/sys/class/mdev_bus", T::Names),
    (Link, "/sys/class/mdev_bus/*", T::Path),
    (List, "/sys/class/mdev_bus/*", T::Names),
    (List, "/sys/class/tpm", T::Names),
    (Link, "/sys/class/tpm/*", T::Path),
    (Link, "/sys/class/tpmrm/*", T::Path),
    (List, "/sys/class/watchdog", T::Names),
    (Link, "/sys/class/watchdog/*", T::Path),
    (Read, "/sys/class/watchdog/*/state", T::Keep),
    (Link, "/sys/class/uio/*", T::Path),
    (Link, "/sys/class/nvme-generic/*", T::Path),
    (Link, "/sys/class/scsi_generic/*", T::Path),
    (Link, "/sys/class/scsi_tape/*", T::Path),
    (Link, "/sys/class/bsg/*", T::Path),
    (Link, "/sys/class/infiniband_verbs/*", T::Path),
    (Link, "/sys/class/infiniband_mad/*", T::Path),
    (Link, "/sys/class/accel/*", T::Path),
    (Link, "/sys/class/video4linux/*", T::Path),
    (Link, "/sys/class/tty/*", T::Path),
    (Link, "/sys/dev/block/#:#", T::Path),
    (Link, "/sys/dev/char/#:#", T::Path),
    (List, "/proc/driver/nvidia/gpus", T::Names),
    (Read, "/proc/driver/nvidia/gpus/*/information", T::NvidiaMinor),
    (List, "/dev/vfio", T::Names),
    (List, "/dev/vfio/devices", T::Names),
    (Stat, "/dev/vfio/vfio", T::Stat),
    (Stat, "/dev/vfio/#", T::Stat),
    (Stat, "/dev/vfio/devices/*", T::Stat),
    (Stat, "/dev/iommu", T::Stat),
    (Stat, "/dev/kvm", T::Stat),
    // Processes: who holds which device, never their arguments (a virtual machine's name is
    // looked for in them, and is not sent).
    (List, "/proc", T::Numbers),
    (List, "/proc/#/fd", T::Numbers),
    (Link, "/proc/#/fd/#", T::Descriptor),
    (Stat, "/proc/#/fd/#", T::Stat),
    (Read, "/proc/#/fdinfo/#", T::OpenFlags),
    (Link, "/proc/self", T::Number),
    (Link, "/proc/self/ns/net", T::Namespace),
    (Link, "/proc/#/ns/net", T::Namespace),
    (Link, "/proc/self/ns/mnt", T::Namespace),
    (Link, "/proc/#/ns/mnt", T::Namespace),
    (Read, "/proc/#/comm", T::Process),
    (Read, "/proc/#/stat", T::ProcessStat),
    // The processor, installed kernels, modules at boot.
    (Read, "/proc/cpuinfo", T::CpuInfo),
    (Stat, "/sys/module/kvm", T::Stat),
    (Stat, "/sys/module/kvm_intel", T::Stat),
    (Stat, "/sys/module/kvm_amd", T::Stat),
    (List, "/lib/modules", T::Names),
    (List, "/usr/lib/modules", T::Names),
    (List, "/run/booted-system/kernel-modules/lib/modules", T::Names),
    (Read, "/lib/modules/*/modules.dep", T::ModulePaths),
    (Read, "/lib/modules/*/modules.builtin", T::ModulePaths),
    (Read, "/lib/modules/*/config", T::KernelConfig),
    (Read, "/usr/lib/modules/*/modules.dep", T::ModulePaths),
    (Read, "/usr/lib/modules/*/modules.builtin", T::ModulePaths),
    (Read, "/usr/lib/modules/*/config", T::KernelConfig),
    (Read, "/run/booted-system/kernel-modules/lib/modules/*/modules.dep", T::ModulePaths),
    (Read, "/run/booted-system/kernel-modules/lib/modules/*/modules.builtin", T::ModulePaths),
    (Read, "/run/booted-system/kernel-modules/lib/modules/*/config", T::KernelConfig),
    (Read, "/boot/config-*", T::KernelConfig),
    (Read, "/proc/config.gz", T::PackedConfig),
    (List, "/etc/modprobe.d", T::Names),
    (List, "/run/modprobe.d", T::Names),
    (List, "/usr/local/lib/modprobe.d", T::Names),
    (List, "/usr/lib/modprobe.d", T::Names),
    (List, "/lib/modprobe.d", T::Names),
    (Read, "/etc/modprobe.d/*", T::Modprobe),
    (Read, "/run/modprobe.d/*", T::Modprobe),
    (Read, "/usr/local/lib/modprobe.d/*", T::Modprobe),
    (Read, "/usr/lib/modprobe.d/*", T::Modprobe),
    (Read, "/lib/modprobe.d/*", T::Modprobe),
    (Read, "/etc/modules", T::ModuleLines),
    (List, "/etc/modules-load.d", T::Names),
    (List, "/run/modules-load.d", T::Names),
    (List, "/usr/local/lib/modules-load.d", T::Names),
    (List, "/usr/lib/modules-load.d", T::Names),
    (Read, "/etc/modules-load.d/*", T::ModuleLines),
    (Read, "/run/modules-load.d/*", T::ModuleLines),
    (Read, "/usr/local/lib/modules-load.d/*", T::ModuleLines),
    (Read, "/usr/lib/modules-load.d/*", T::ModuleLines),
    (Read, "/etc/initramfs-tools/modules", T::ModuleLines),
    (Read, "/etc/initramfs-tools/initramfs.conf", T::Assignments),
    (List, "/etc/initramfs-tools/conf.d", T::Names),
    (List, "/usr/share/initramfs-tools/conf.d", T::Names),
    (Read, "/etc/initramfs-tools/conf.d/*", T::Assignments),
    (Read, "/usr/share/initramfs-tools/conf.d/*", T::Assignments),
    (Read, "/etc/dracut.conf", T::Assignments),
    (List, "/etc/dracut.conf.d", T::Names),
    (List, "/usr/lib/dracut/dracut.conf.d", T::Names),
    (Read, "/etc/dracut.conf.d/*", T::Assignments),
    (Read, "/usr/lib/dracut/dracut.conf.d/*", T::Assignments),
    (Read, "/etc/mkinitcpio.conf", T::Assignments),
    (List, "/etc/mkinitcpio.conf.d", T::Names),
    (Read, "/etc/mkinitcpio.conf.d/*", T::Assignments),
    (Read, "/proc/iomem", T::Iomem),
    // Kernel, modules, system.
    (Read, "/proc/cmdline", T::CommandLine),
    (Read, "/proc/modules", T::Modules),
    (Read, "/proc/sys/kernel/osrelease", T::Release),
    (Read, "/proc/sys/kernel/random/boot_id", T::Uuid),
    (Read, "/sys/module/vfio*/parameters/*", T::Keep),
    (Read, "/sys/module/iommufd/parameters/*", T::Keep),
    (Read, "/sys/module/kvm*/parameters/*", T::Keep),
    (Read, "/sys/module/nvme_core/parameters/multipath", T::Keep),
    (Read, "/sys/devices/system/node/online", T::Keep),
    (Read, "/etc/os-release", T::OsRelease),
    (Read, "/usr/lib/os-release", T::OsRelease),
    // Which tools change the boot configuration.
    (Stat, "/etc/NIXOS", T::Stat),
    (Stat, "/etc/default/grub", T::Stat),
    (Stat, "/etc/kernel/cmdline", T::Stat),
    (Stat, "/etc/kernel/proxmox-boot-uuids", T::Stat),
    (Stat, "/run/ostree-booted", T::Stat),
    (Stat, "/bin/kernel-install", T::Stat),
    (Stat, "/sbin/dracut", T::Stat),
    (Stat, "/sbin/grubby", T::Stat),
    (Stat, "/sbin/update-grub", T::Stat),
    (Stat, "/sbin/update-initramfs", T::Stat),
    (Stat, "/usr/bin/dracut", T::Stat),
    (Stat, "/usr/bin/grub-mkconfig", T::Stat),
    (Stat, "/usr/bin/grubby", T::Stat),
    (Stat, "/usr/bin/kernel-install", T::Stat),
    (Stat, "/usr/bin/kernelstub", T::Stat),
    (Stat, "/usr/bin/mkinitcpio", T::Stat),
    (Stat, "/usr/sbin/dracut", T::Stat),
    (Stat, "/usr/sbin/grub-mkconfig", T::Stat),
    (Stat, "/usr/sbin/grub2-mkconfig", T::Stat),
    (Stat, "/usr/sbin/grubby", T::Stat),
    (Stat, "/usr/sbin/proxmox-boot-tool", T::Stat),
    (Stat, "/usr/sbin/update-grub", T::Stat),
    (Stat, "/usr/sbin/update-initramfs", T::Stat),
    // Log, memory, software.
    (Read, "/dev/kmsg", T::KernelLog),
    (Read, "/var/log/dmesg", T::KernelLog),
    (Read, "/var/log/kern.log", T::KernelLog),
    (Read, "/proc/meminfo", T::Keep),
    (Read, "/proc/self/limits", T::Keep),
    (Read, "/proc/self/status", T::Capabilities),
    (Stat, "/usr/bin/qemu-system-x86_64", T::Stat),
    (Stat, "/usr/bin/qemu-system-aarch64", T::Stat),
    (Stat, "/usr/bin/qemu-system-riscv64", T::Stat),
    (Stat, "/usr/bin/qemu-kvm", T::Stat),
    (Stat, "/usr/bin/kvm", T::Stat),
    (Stat, "/usr/local/bin/qemu-system-x86_64", T::Stat),
    (Stat, "/usr/local/bin/qemu-system-aarch64", T::Stat),
    (Stat, "/usr/local/bin/qemu-system-riscv64", T::Stat),
    (Stat, "/usr/local/bin/qemu-kvm", T::Stat),
    (Stat, "/usr/local/bin/kvm", T::Stat),
    (Stat, "/usr/libexec/qemu-system-x86_64", T::Stat),
    (Stat, "/usr/libexec/qemu-system-aarch64", T::Stat),
    (Stat, "/usr/libexec/qemu-system-riscv64", T::Stat),
    (Stat, "/usr/libexec/qemu-kvm", T::Stat),
    (Stat, "/usr/libexec/kvm", T::Stat),
    (Stat, "/run/current-system/sw/bin/qemu-system-x86_64", T::Stat),
    (Stat, "/run/current-system/sw/bin/qemu-system-aarch64", T::Stat),
    (Stat, "/run/current-system/sw/bin/qemu-system-riscv64", T::Stat),
    (Stat, "/run/current-system/sw/bin/qemu-kvm", T::Stat),
    (Stat, "/run/current-system/sw/bin/kvm", T::Stat),
    (Read, "/etc/libvirt/qemu.conf", T::LibvirtConfig),
    (Read, "/sys/module/apparmor/parameters/enabled", T::Keep),
    (Read, "/sys/kernel/security/apparmor/profiles", T::Profiles),
    (Stat, "/etc/apparmor.d/abstractions/libvirt-qemu", T::Stat),
    (Read, "/sys/fs/selinux/enforce", T::Keep),
    (List, "/sys/fs/selinux/booleans", T::Booleans),
    (Read, "/sys/fs/selinux/booleans/*", T::Keep),
    (Read, "/sys/class/dmi/id/sys_vendor", T::Keep),
    (Read, "/sys/class/dmi/id/product_name", T::Keep),
    (Read, "/sys/class/dmi/id/board_vendor", T::Keep),
    (Read, "/sys/class/dmi/id/board_name", T::Keep),
    (Read, "/sys/class/dmi/id/bios_vendor", T::Keep),
    (Read, "/sys/class/dmi/id/bios_version", T::Keep),
    (Read, "/sys/class/dmi/id/bios_date", T::Keep),
    (Read, "/sys/class/dmi/id/chassis_type", T::Keep),
    (Read, "/usr/share/misc/pci.ids", T::Public),
    (Read, "/usr/share/hwdata/pci.ids", T::Public),
    (Read, "/usr/share/pci.ids", T::Public),
    // passthru's own books: which devices are lent, and never to whose program.
    (List, "/run/passthru/leases", T::Names),
    (List, "/run/passthru/stuck", T::Names),
    (Read, "/run/passthru/stuck/*", T::Withhold),
    (Link, "/run/passthru/stuck/*", T::Withhold),
    (Stat, "/run/passthru/stuck/*", T::Withhold),
    (Link, "/run/passthru/leases/*", T::Withhold),
    (Stat, "/run/passthru/leases/*", T::Withhold),
    (Link, "/run/passthru/journal", T::Withhold),
    (Stat, "/run/passthru/journal", T::Withhold),
    (Read, "/run/passthru/leases/*", T::Withhold),
    (Read, "/run/passthru/journal", T::Withhold),
    (Stat, "/proc/#", T::Stat),
    // Known, and never sent; their paths tell nothing.
    (Read, "/sys/bus/pci/devices/*/vpd", T::Withhold),
    (Read, "/sys/bus/pci/devices/*/rom", T::Withhold),
    (Read, "/sys/class/net/*/ifalias", T::Withhold),
    (Read, "/sys/class/net/*/phys_switch_id", T::Withhold),
    (Read, "/sys/class/net/*/phys_port_id", T::Withhold),
    (Read, "/sys/class/block/*/device/serial", T::Withhold),
    (Read, "/sys/class/block/*/device/wwid", T::Withhold),
    (Read, "/sys/class/drm/*/edid", T::Withhold),
    (Read, "/sys/class/dmi/id/product_serial", T::Withhold),
    (Read, "/sys/class/dmi/id/product_uuid", T::Withhold),
    (Read, "/sys/class/dmi/id/board_serial", T::Withhold),
    (Read, "/sys/class/dmi/id/chassis_serial", T::Withhold),
    (Read, "/proc/#/cmdline", T::Withhold),
    (Read, "/proc/#/environ", T::Withhold),
    (Read, "/proc/sys/kernel/hostname", T::Withhold),
    (Read, "/etc/hostname", T::Withhold),
    (Read, "/etc/machine-id", T::Withhold),
];

/// Where an unknown record is withheld with its path, rather than left out whole:
/// below these, paths are made of the kernel's names.
pub(super) const KERNEL_TREES: &[&str] = &["/sys/**", "/proc/**", "/dev/**"];

/// Components of paths below `/sys`, `/proc` and `/dev` that are kept.
#[rustfmt::skip]
pub(super) const NODES: &[&str] = &[
    // Directories and links.
    "..", "sys", "proc", "dev", "bus", "class", "devices", "drivers", "module", "kernel", "virtual",
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
    "standard", "WSL#", "coreos", "flatcar", "ubuntu", "debian",
];

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
