//! What may be done to an answer before it is shown to others.

/// What is done with an answer. Errors are always kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Kept where it is short printable ASCII; UUIDs and MAC addresses in it are
    /// replaced all the same. For values the kernel or the firmware's maker chose.
    Keep,
    /// Kept byte for byte: public data, not of this machine.
    Public,
    /// `uevent`: the keys of [`UEVENT`](super::words::UEVENT).
    Uevent,
    /// Configuration space: header and known registers; serial number replaced, vital
    /// product data and vendors' registers zeroed.
    Config,
    /// A link below `/sys` (or, from a descriptor, to a device node): each component as
    /// in paths.
    Path,
    /// A link whose last component is an interface.
    InterfacePath,
    /// Where a process's descriptor leads: [`DESCRIPTORS`](super::words::DESCRIPTORS), the rest is one word.
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
    /// The kernel command line: [`PARAMETERS`](super::words::PARAMETERS).
    CommandLine,
    /// The kernel's release: [`RELEASES`](super::words::RELEASES).
    Release,
    /// A process's name: [`PROCESSES`](super::words::PROCESSES).
    Process,
    /// `/proc/PID/stat`: the name as above, numbers up to the start time.
    ProcessStat,
    /// `/proc/bus/input/devices`: names of [`INPUTS`](super::words::INPUTS), no serial numbers.
    Input,
    /// `/proc/modules`: without addresses.
    Modules,
    /// `/etc/os-release`: the keys of [`OS_RELEASE`](super::words::OS_RELEASE).
    OsRelease,
    /// A table of the firmware that one of the parsers of `crate::acpi` understands, byte for
    /// byte: addresses and devices of the machine's kind, the maker's name. Another is withheld.
    AcpiTable,
    /// The firmware's switch: five bytes, the last 0 or 1.
    SecureBoot,
    /// `/proc/interrupts`: the names of chips; neither counts nor who uses them.
    Interrupts,
    /// `/proc/cpuinfo`: the first processor, the keys of [`CPU_KEYS`](super::words::CPU_KEYS).
    CpuInfo,
    /// A kernel's configuration: the options that matter for lending.
    KernelConfig,
    /// The same, packed.
    PackedConfig,
    /// depmod's lists: paths of modules.
    ModulePaths,
    /// `/etc/modules` and its like: names of modules.
    ModuleLines,
    /// modprobe.d(5): options of [`OPTION_MODULES`](super::words::OPTION_MODULES), names of modules.
    Modprobe,
    /// An initramfs image: names of modules, and the files that decide about them, each as its
    /// like outside.
    Image,
    /// Configuration of a generator of initramfs images: the keys of [`GENERATOR_KEYS`](super::words::GENERATOR_KEYS).
    Assignments,
    /// `/proc/iomem`: framebuffers and PCI functions by name.
    Iomem,
    /// The kernel's log: what of it has a known text, without names; the rest is left out.
    KernelLog,
    /// auditd's log: refusals with a known text, as in the kernel's log, since the last boot.
    AuditLog,
    /// `/proc/self/status`: the effective capabilities.
    Capabilities,
    /// libvirt's `qemu.conf`: the list of device nodes, where there is one.
    LibvirtConfig,
    /// AppArmor's profiles: those of libvirt itself.
    Profiles,
    /// Names of SELinux's booleans for virtual machines.
    Booleans,
    /// Left out, and said so.
    Withhold,
}
