//! Nodes and rights, memory, KVM, libvirt, modules, shells.

use super::{Signature, of};

pub(super) const SIGNATURES: &[Signature] = &[
    of(
        "node-missing",
        "vfio-modules",
        &["host-driver-at-boot", "no-iommu"],
        "the group's node is not there",
        "No device of the group is on a vfio driver, or (for /dev/vfio/vfio) the vfio module is not loaded.",
    ),
    of(
        "node-denied",
        "node-access",
        &["apparmor", "selinux"],
        "no right to the group's node",
        "The user QEMU runs as may not open the node: its owner and mode, or AppArmor or SELinux.",
    ),
    of(
        "node-cgroup",
        "libvirt-device-acl",
        &["apparmor", "selinux"],
        "the control group forbids the node",
        "`Operation not permitted` instead of `Permission denied` comes from a device control group: of libvirt \
         (cgroup_device_acl) or of a container.",
    ),
    of(
        "node-busy",
        "held",
        &[],
        "another process has the group",
        "A group can be opened once only, and a process has it: mostly another virtual machine.",
    ),
    of(
        "cdev-missing",
        "host-driver-at-boot",
        &["kernel-config", "vfio-modules"],
        "the device has no node for iommufd",
        "It is not on a vfio driver, or the kernel was built without CONFIG_VFIO_DEVICE_CDEV and gives devices out by \
         groups only.",
    ),
    of(
        "cdev-refused",
        "node-access",
        &["held", "libvirt-device-acl", "apparmor", "selinux"],
        "the device's node could not be opened",
        "The user QEMU runs as may not open the node in /dev/vfio/devices, or another process has the device or its \
         group; QEMU does not say which error it was.",
    ),
    of(
        "iommufd-missing",
        "vfio-modules",
        &["kernel-config"],
        "iommufd is not there",
        "The module iommufd is not loaded, or the kernel was built without it (CONFIG_IOMMUFD).",
    ),
    of(
        "qemu-no-iommufd",
        "qemu-vfio",
        &["qemu"],
        "this QEMU has no iommufd",
        "QEMU 9.0 brought it. Without iommufd (`--iommufd`, `iommufd=` on the line) the device is opened by its group.",
    ),
    of(
        "no-iommu-model",
        "vfio-modules",
        &[],
        "the IOMMU driver of VFIO is missing",
        "The module vfio_iommu_type1 is not loaded.",
    ),
    of(
        "used-by-domain",
        "held",
        &[],
        "another virtual machine has it",
        "libvirt has given the device to another running domain.",
    ),
    of(
        "not-detached",
        "host-driver-at-boot",
        &["companions"],
        "the device is on its host driver",
        "The domain's hostdev has managed='no', so that libvirt does not bind the device, and nobody else has.",
    ),
    of(
        "driver-unloadable",
        "vfio-modules",
        &["vfio-virqfd", "kernel-config"],
        "a vfio module cannot be loaded",
        "The running kernel has no such module, or it is blacklisted, or the kernel was updated and its modules \
         removed.",
    ),
    of(
        "driver-prohibited",
        "vfio-modules",
        &[],
        "vfio-pci is blacklisted",
        "A file in modprobe.d forbids the module, and libvirt obeys.",
    ),
    of(
        "apparmor-profile",
        "apparmor",
        &[],
        "the machine's AppArmor profile is not there",
        "libvirt wrote the profile of the virtual machine and the kernel does not have it: it could not be loaded, or \
         the files in /etc/apparmor.d/libvirt are stale.",
    ),
    of(
        "unbind-failed",
        "held",
        &["clients", "stuck"],
        "libvirt could not take the device from its driver",
        "The driver did not let go of the device; the end of the line is the kernel's error.",
    ),
    of(
        "bind-failed",
        "no-iommu",
        &["bridge", "virtual-functions", "vfio-modules"],
        "libvirt could not bind the device",
        "The kernel refused to put the device on this driver; the end of the line is the kernel's error.",
    ),
    of(
        "before-exec",
        "apparmor",
        &["selinux", "libvirt-device-acl", "hugepages"],
        "libvirt failed before it started QEMU",
        "QEMU did not run at all: what libvirt prepares (control groups, namespaces, labels, limits) failed, and \
         the rest of the line says what.",
    ),
    of(
        "memlock",
        "locked-memory",
        &["log-memlock"],
        "the limit of locked memory was reached",
        "VFIO keeps all of a guest's memory in place, and the process may lock less than that.",
    ),
    of(
        "memlock-map",
        "locked-memory",
        &[],
        "the guest's memory could not be locked",
        "VFIO keeps all of a guest's memory in place: the limit of locked memory is too low, or, where it is \
         not, memory ran out.",
    ),
    of(
        "memlock-libvirt",
        "locked-memory",
        &[],
        "libvirt could not raise the limit of locked memory",
        "libvirt runs without the right to raise it, as a session daemon or in a container.",
    ),
    of(
        "guest-memory",
        "hugepages",
        &["locked-memory"],
        "the guest's memory could not be allocated",
        "The host has not that much memory free, or hugepages took it away.",
    ),
    of(
        "hugepages-short",
        "hugepages",
        &[],
        "too few hugepages are free",
        "The guest's memory is to come from hugepages, and fewer are free than it needs.",
    ),
    of(
        "hugepages-missing",
        "hugepages",
        &[],
        "no hugepages are mounted there",
        "The path given for the guest's memory does not exist: no hugetlbfs is mounted there.",
    ),
    of(
        "no-vfio-device",
        "qemu-vfio",
        &["qemu"],
        "this QEMU cannot do VFIO",
        "QEMU was built without vfio-pci, or its module is in a package that is not installed.",
    ),
    of(
        "kvm-missing",
        "kvm",
        &["cpu-virtualization"],
        "there is no KVM",
        "/dev/kvm is not there: the module is not loaded, or virtualization is off in the firmware.",
    ),
    of(
        "kvm-denied",
        "kvm",
        &[],
        "no right to KVM",
        "The user may not open /dev/kvm; mostly the group kvm is missing.",
    ),
    of(
        "kvm-busy",
        "kvm",
        &[],
        "another hypervisor has the processor",
        "VirtualBox or VMware runs a machine: the processor's virtualization has one user at a time.",
    ),
    of(
        "virtualization-off",
        "cpu-virtualization",
        &["kvm", "log-virtualization-off"],
        "virtualization is off in the firmware",
        "The processor could run virtual machines, and the firmware has switched that off.",
    ),
    of(
        "virtualization-none",
        "cpu-virtualization",
        &["kvm", "log-virtualization-none"],
        "the processor shows no virtualization",
        "The processor does not offer VT-x or AMD-V: mostly the firmware has switched it off; else this is a virtual \
         machine without nested virtualization, or the processor cannot.",
    ),
    of(
        "lockdown",
        "lockdown",
        &["log-lockdown"],
        "the kernel is locked down",
        "With Secure Boot the kernel forbids what could change it; VFIO itself is not among that.",
    ),
    of(
        "apparmor-denied",
        "apparmor",
        &["log-apparmor-denied"],
        "AppArmor forbade it",
        "The profile of the virtual machine does not allow the file; libvirt writes it for what stands in the \
         domain, and local rules belong into /etc/apparmor.d/local.",
    ),
    of(
        "selinux-denied",
        "selinux",
        &["log-selinux-denied"],
        "SELinux forbade it",
        "The policy does not allow it to virtual machines: a label is wrong, or a boolean (virt_use_*) is off.",
    ),
    of(
        "vfio-ids",
        "parameter-useless",
        &["identical-twins", "log-vfio-ids"],
        "an id given to vfio-pci makes no sense",
        "The parameter ids= has a word that is not VENDOR:DEVICE in hexadecimal, and the kernel passed over it.",
    ),
    of(
        "vfio-denylist",
        "log-vfio-denylist",
        &[],
        "vfio-pci refuses this device by name",
        "The device is on the kernel's own list of devices that cannot be given to users safely \
         (disable_denylist=1 overrides it).",
    ),
    of(
        "virqfd-gone",
        "vfio-virqfd",
        &[],
        "the module vfio_virqfd is no more",
        "Since Linux 6.2 it is part of vfio: take its name out of every list of modules.",
    ),
    of(
        "initramfs-module",
        "vfio-modules",
        &["vfio-virqfd"],
        "a list asks for a module this kernel lacks",
        "A list of modules, for the initramfs or in modules-load.d, names one that this kernel has built in, or not at all.",
    ),
    of(
        "module-missing",
        "vfio-modules",
        &["kernel-config"],
        "this kernel lacks a module",
        "The running kernel has no such module: it is built in, not built, or the kernel was updated and its \
         modules removed.",
    ),
    of(
        "dracut-blanks",
        "initramfs-config",
        &[],
        "a list of dracut lacks its blanks",
        "In add_drivers+=\" … \" and force_drivers+=\" … \" the first and the last name need a blank beside the quote, \
         or they run together with those of the next file.",
    ),
    of(
        "dracut-hang",
        "vfio-virqfd",
        &["vfio-modules", "initramfs-config"],
        "the boot stops in the initramfs",
        "If nothing follows, dracut waits for a module that does not exist or for a disk whose controller was \
         taken away.",
    ),
    of(
        "new-id-twice",
        "new-id",
        &[],
        "the id was added already",
        "Writing the same id to new_id a second time fails, and every device with this id is taken, twins too: \
         use driver_override instead.",
    ),
    of(
        "bind-invalid",
        "bridge",
        &["no-iommu", "new-id"],
        "the kernel refuses to bind the device",
        "vfio-pci answers so for a bridge and for a device in no IOMMU group.",
    ),
    of(
        "bind-io-error",
        "new-id",
        &["no-iommu", "bridge", "virtual-functions", "held"],
        "the kernel refuses what was written",
        "The write failed in the driver; for new_id it means the same id or a device that could not be bound. dash and \
         busybox say `I/O error` whatever the kernel's error was: in bash the same line names it.",
    ),
    of(
        "bind-no-device",
        "new-id",
        &["device-moved", "host-driver-at-boot"],
        "the driver does not take the device, or there is none",
        "Writing to bind gives this where no driver_override and no id makes the driver fit the device, where it is \
         bound already, or where no device has the address.",
    ),
    of(
        "bind-busy",
        "virtual-functions",
        &["held", "host-driver-at-boot"],
        "the device is in use by a driver",
        "It is still bound to another driver, or has virtual functions.",
    ),
];
