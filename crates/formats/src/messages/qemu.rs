//! What QEMU says on its error output. The order matters: see [`super::texts`].

use super::{Program, Text};

const fn of(name: &'static str, pattern: &'static str, from: &'static str) -> Text {
    Text { name, program: Program::Qemu, pattern, from }
}

pub(super) const TEXTS: &[Text] = &[
    of(
        "group-not-viable",
        "vfio {device}: group {group#} is not viable",
        "hw/vfio/container-legacy.c, 2.8 and later",
    ),
    of(
        "group-not-viable",
        "vfio: error, group {group#} is not viable, please ensure all devices within the iommu_group are bound to their vfio bus driver.",
        "hw/vfio/common.c, before 2.8",
    ),
    of("group-not-viable", "group {group#} is not viable", "hw/vfio/container-legacy.c"),
    of(
        "group-not-viable",
        "Please ensure all devices within the iommu_group are bound to their vfio bus driver.",
        "hw/vfio/container-legacy.c",
    ),
    of("group-not-viable", "VFIO group is not viable", "util/vfio-helpers.c (nvme://)"),
    of("no-group", "vfio {device}: no iommu_group found", "hw/vfio/device.c, 2.8 and later"),
    of("no-group", "vfio: error no iommu_group for device", "hw/vfio/pci.c, before 2.8"),
    of("no-group", "no iommu_group found", "hw/vfio/device.c"),
    of("no-device", "{device}: no such host device", "hw/vfio/pci.c, 2.8 and later"),
    of("no-device", "vfio: error: no such host device: {*}{device}", "hw/vfio/pci.c, before 2.8"),
    // Before the general texts that end in the same error.
    of(
        "memlock-map",
        "vfio_container_dma_map({*}) = -12 (Cannot allocate memory)",
        "hw/vfio/listener.c, 9.0 and later",
    ),
    of("memlock-map", "vfio_dma_map({*}) = -12 (Cannot allocate memory)", "hw/vfio/common.c, before 9.0"),
    of(
        "memlock-map",
        "VFIO_MAP_DMA failed: Cannot allocate memory",
        "hw/vfio/container.c, before 10.2, and util/vfio-helpers.c",
    ),
    of("memlock-map", "VFIO_MAP_DMA: -12", "hw/vfio/common.c, before 5.2"),
    of(
        "memlock-map",
        "memory listener initialization failed for container: Cannot allocate memory",
        "hw/vfio/common.c, before 5.2",
    ),
    of(
        "address-too-wide",
        "vfio_container_dma_map({*}, {iova%}, {size%}, {*}) = -22 (Invalid argument)",
        "hw/vfio/listener.c, 9.0 and later",
    ),
    of(
        "address-too-wide",
        "vfio_dma_map({*}, {iova%}, {size%}, {*}) = -22 (Invalid argument)",
        "hw/vfio/common.c, before 9.0",
    ),
    of("address-too-wide", "VFIO_MAP_DMA failed: Invalid argument", "hw/vfio/container.c, before 10.2"),
    of(
        "address-too-wide",
        "can't map guest IOVA region {from%}..{to%}",
        "hw/vfio/common.c, vfio_listener_region_add, before 8.2",
    ),
    of("address-too-wide", "IOMMU_IOAS_MAP failed: Invalid argument", "backends/iommufd.c, before 10.2"),
    of("peer-map", "vfio_container_dma_map({*}) = -14 (Bad address)", "hw/vfio/listener.c, 9.0 and later"),
    of("peer-map", "vfio_dma_map({*}) = -14 (Bad address)", "hw/vfio/common.c, before 9.0"),
    of(
        "peer-map",
        "{device}: PCI peer-to-peer transactions on BARs are not supported.",
        "hw/vfio/listener.c, 10.0 and later",
    ),
    of(
        "peer-map",
        ": PCI peer-to-peer transactions on BARs are not supported.",
        "hw/vfio/listener.c, 10.0 and later, of a device that was given as a descriptor",
    ),
    of("peer-map", "IOMMU_IOAS_MAP failed: Bad address", "backends/iommufd.c"),
    of("peer-map", "failed to vfio_dma_map. pci p2p may not work", "hw/vfio/common.c, before 10.0"),
    of(
        "guest-address-limit",
        "Address space limit {limit%} < {need%} phys-bits too low ({bits#})",
        "hw/i386/pc.c, 7.1 and later",
    ),
    // The node of the group.
    of(
        "node-missing",
        "failed to open /dev/vfio/vfio: No such file or directory",
        "hw/vfio/container-legacy.c",
    ),
    of(
        "node-missing",
        "failed to open /dev/vfio/{node}: No such file or directory",
        "hw/vfio/common.c and container.c, 2.8 and later",
    ),
    of(
        "node-missing",
        "Could not open '/dev/vfio/{node}': No such file or directory",
        "util/osdep.c, since hw/vfio opens the node by qemu_open",
    ),
    of(
        "node-missing",
        "vfio: error opening /dev/vfio/{node}: No such file or directory",
        "hw/vfio/common.c, before 2.8",
    ),
    of(
        "node-missing",
        "vfio: failed to open /dev/vfio/vfio: No such file or directory",
        "hw/vfio/common.c, before 2.8",
    ),
    of(
        "node-denied",
        "failed to open /dev/vfio/{node}: Permission denied",
        "hw/vfio/common.c and container.c, 2.8 and later",
    ),
    of(
        "node-denied",
        "Could not open '/dev/vfio/{node}': Permission denied",
        "util/osdep.c, since hw/vfio opens the node by qemu_open",
    ),
    of(
        "node-denied",
        "vfio: error opening /dev/vfio/{node}: Permission denied",
        "hw/vfio/common.c, before 2.8",
    ),
    of(
        "node-cgroup",
        "failed to open /dev/vfio/{node}: Operation not permitted",
        "hw/vfio/common.c and container.c, 2.8 and later",
    ),
    of(
        "node-cgroup",
        "Could not open '/dev/vfio/{node}': Operation not permitted",
        "util/osdep.c, since hw/vfio opens the node by qemu_open",
    ),
    of(
        "node-cgroup",
        "vfio: error opening /dev/vfio/{node}: Operation not permitted",
        "hw/vfio/common.c, before 2.8",
    ),
    of(
        "node-busy",
        "failed to open /dev/vfio/{node}: Device or resource busy",
        "hw/vfio/common.c and container.c, 2.8 and later",
    ),
    of(
        "node-busy",
        "Could not open '/dev/vfio/{node}': Device or resource busy",
        "util/osdep.c, since hw/vfio opens the node by qemu_open",
    ),
    of(
        "node-busy",
        "vfio: error opening /dev/vfio/{node}: Device or resource busy",
        "hw/vfio/common.c, before 2.8",
    ),
    of("no-iommu-model", "No available IOMMU models", "hw/vfio/container-legacy.c, vfio_get_iommu_type"),
    of("no-iommu-model", "vfio: error: No available IOMMU models", "hw/vfio/common.c, before 2.8"),
    of("no-iommu-model", "VFIO IOMMU Type1 is not supported", "util/vfio-helpers.c (nvme://)"),
    // The container: what EPERM and EINVAL mean there is the kernel's to say.
    of(
        "container-refused",
        "ailed to set iommu for container: Operation not permitted",
        "hw/vfio/container-legacy.c",
    ),
    of(
        "container-no-driver",
        "ailed to set iommu for container: No such device",
        "hw/vfio/container-legacy.c",
    ),
    of("container-invalid", "ailed to set iommu for container: {error*}", "hw/vfio/container-legacy.c"),
    of(
        "container-direct-mapping",
        "ailed to set group container: Invalid argument",
        "hw/vfio/container-legacy.c",
    ),
    of(
        "container-busy",
        "ailed to set group container: Device or resource busy",
        "hw/vfio/container-legacy.c",
    ),
    // The same through iommufd (`-device vfio-pci,iommufd=…`).
    of(
        "container-refused",
        "error bind device fd={fd#} to iommufd={iommufd#}: Operation not permitted",
        "hw/vfio/iommufd.c, iommufd_cdev_connect_and_bind",
    ),
    of(
        "iommufd-busy",
        "error bind device fd={fd#} to iommufd={iommufd#}: Device or resource busy",
        "hw/vfio/iommufd.c, iommufd_cdev_connect_and_bind",
    ),
    of(
        "container-direct-mapping",
        "error bind device fd={fd#} to iommufd={iommufd#}: Invalid argument",
        "hw/vfio/iommufd.c, iommufd_cdev_connect_and_bind",
    ),
    of(
        "container-invalid",
        "[iommufd={iommufd#}] error attach {device} ({fd#}) to id={id#}: {error*}",
        "hw/vfio/iommufd.c, iommufd_cdev_attach_ioas_hwpt",
    ),
    of(
        "container-invalid",
        // Given as a descriptor it has no address: it is called by its id, or VFIO_FD and a number.
        "[iommufd={iommufd#}] error attach {*} ({fd#}) to id={id#}: {error*}",
        "hw/vfio/iommufd.c, iommufd_cdev_attach_ioas_hwpt",
    ),
    of("container-invalid", "Failed to allocate hwpt: {error*}", "backends/iommufd.c"),
    of(
        "qemu-no-iommufd",
        "Parameter 'qom-type' does not accept value 'iommufd'",
        "qapi/qapi-visit-core.c, input_type_enum, before 9.0",
    ),
    of("qemu-no-iommufd", "invalid object type: iommufd", "qom/object_interfaces.c, old versions"),
    of("qemu-no-iommufd", "Property 'vfio-pci.iommufd' not found", "qom/object.c, before 9.0"),
    of("qemu-no-iommufd", "Property '.iommufd' not found", "qom/object.c, old versions"),
    of(
        "cdev-missing",
        "couldn't open directory {path*}/vfio-dev: No such file or directory",
        "hw/vfio/iommufd.c, iommufd_cdev_getfd",
    ),
    of(
        "cdev-refused",
        "Failed to open /dev/vfio/devices/{node}",
        "hw/vfio/iommufd.c, iommufd_cdev_getfd; the kernel's error is not said",
    ),
    of(
        "iommufd-missing",
        "Could not open '/dev/iommu': No such file or directory",
        "util/osdep.c, by backends/iommufd.c",
    ),
    of(
        "node-denied",
        "Could not open '/dev/iommu': Permission denied",
        "util/osdep.c, by backends/iommufd.c",
    ),
    of(
        "node-cgroup",
        "Could not open '/dev/iommu': Operation not permitted",
        "util/osdep.c, by backends/iommufd.c",
    ),
    of(
        "device-refused",
        "vfio {device}: error getting device from group {group#}: {error*}",
        "hw/vfio/container-legacy.c, 2.8 and later",
    ),
    of(
        "device-refused",
        "vfio: error getting device {device} from group {group#}: {error*}",
        "hw/vfio/common.c, before 2.8",
    ),
    of("device-refused", "error getting device from group {group#}: {error*}", "hw/vfio/container-legacy.c"),
    of(
        "device-refused",
        "Verify all devices in group {group#} are bound to vfio-<bus> or pci-stub and not already in use",
        "hw/vfio/container-legacy.c",
    ),
    of("device-attached", "vfio {device}: device is already attached", "hw/vfio/container-legacy.c"),
    of("device-attached", "vfio: error: device {device} is already attached", "hw/vfio/pci.c, before 2.8"),
    of(
        "stuck-in-d3",
        "vfio: Unable to power on device, stuck in D{state#}",
        "hw/vfio/pci.c, vfio_pci_pre_reset",
    ),
    of(
        "no-reset",
        "vfio: Cannot reset device {device}, no available reset mechanism.",
        "hw/vfio/pci.c, vfio_pci_hot_reset",
    ),
    of(
        "reset-foreign-group",
        "vfio: Cannot reset device {device}, depends on group {group#} which is not owned.",
        "hw/vfio/pci.c, vfio_pci_hot_reset",
    ),
    of(
        "reset-foreign-group",
        "vfio: Cannot reset device {device}, depends on device {other*} which is not owned.",
        "hw/vfio/iommufd.c",
    ),
    of(
        "intx-busy",
        "Failed to set up TRIGGER eventfd signaling for interrupt INTX-0: VFIO_DEVICE_SET_IRQS failure: Device or resource busy",
        "hw/vfio/common.c, 4.1 and later",
    ),
    of(
        "intx-busy",
        "vfio: Error: Failed to setup INTx fd: Device or resource busy",
        "hw/vfio/pci.c, before 4.1",
    ),
    of("intx-busy", "failed to setup INTx fd: Device or resource busy", "hw/vfio/pci.c, before 4.1"),
    of("rom-unreadable", "vfio-pci: Cannot read device rom at {device}", "hw/vfio/pci.c, vfio_pci_load_rom"),
    of("rom-unreadable", "Device option ROM contents are probably invalid (check dmesg).", "hw/vfio/pci.c"),
    of(
        "no-vfio-device",
        "'vfio-pci' is not a valid device model name",
        "qom/qom-qmp-cmds.c and system/qdev-monitor.c",
    ),
    of("no-vfio-device", "Device 'vfio-pci' not found", "qdev-monitor.c, old versions"),
    of("kvm-missing", "Could not access KVM kernel module: No such file or directory", "accel/kvm/kvm-all.c"),
    of("kvm-denied", "Could not access KVM kernel module: Permission denied", "accel/kvm/kvm-all.c"),
    of(
        "kvm-busy",
        "ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy",
        "accel/kvm/kvm-all.c, older versions",
    ),
    of("kvm-busy", "ioctl(KVM_CREATE_VM) failed: Device or resource busy", "accel/kvm/kvm-all.c"),
    of("guest-memory", "cannot set up guest memory '{memory}': Cannot allocate memory", "softmmu/physmem.c"),
    of(
        "hugepages-short",
        "unable to map backing store for guest RAM: Cannot allocate memory",
        "util/mmap-alloc.c users, softmmu/physmem.c",
    ),
    of(
        "hugepages-missing",
        "can't open backing store {path} for guest RAM: No such file or directory",
        "softmmu/physmem.c",
    ),
    of(
        "hugepages-short",
        "os_mem_prealloc: Insufficient free host memory pages available to allocate guest RAM",
        "util/oslib-posix.c, 6.2 and before",
    ),
    of(
        "hugepages-short",
        "preallocating memory failed: {error*}",
        "util/oslib-posix.c, 7.0 and later (os_mem_prealloc, since 7.2 qemu_prealloc_mem)",
    ),
];
