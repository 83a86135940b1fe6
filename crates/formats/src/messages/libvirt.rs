//! What libvirt says. The order matters: see [`super::texts`].

use super::{Program, Text};

const fn of(name: &'static str, pattern: &'static str, from: &'static str) -> Text {
    Text { name, program: Program::Libvirt, pattern, from }
}

pub(super) const TEXTS: &[Text] = &[
    of(
        "no-passthrough",
        "host doesn't support passthrough of host PCI devices",
        "src/qemu/qemu_hostdev.c, qemuHostdevPreparePCIDevicesCheckSupport",
    ),
    of(
        "no-passthrough",
        "VFIO device assignment is currently not supported on this system",
        "src/qemu/qemu_driver.c, qemuNodeDeviceDetachFlags",
    ),
    of(
        "no-passthrough",
        "host doesn't support VFIO PCI passthrough",
        "src/qemu/qemu_hostdev.c, qemuHostdevPreparePCIDevicesCheckSupport",
    ),
    of("no-passthrough", "host doesn't support legacy PCI passthrough", "src/qemu/qemu_hostdev.c"),
    of(
        "used-by-domain",
        "PCI device {device} is in use by driver {driver}, domain {domain*}",
        "src/hypervisor/virhostdev.c, virHostdevIsPCINodeDeviceUsed",
    ),
    of("used-by-domain", "PCI device {device} is in use", "src/hypervisor/virhostdev.c"),
    of(
        "not-detached",
        "Unmanaged PCI device {device} must be manually detached from the host",
        "src/hypervisor/virhostdev.c, virHostdevPreparePCIDevicesImpl",
    ),
    of(
        "not-assignable",
        "Device {device} is behind a switch lacking ACS and cannot be assigned",
        "src/util/virpci.c, virPCIDeviceIsAssignable",
    ),
    of("not-assignable", "PCI device {device} is not assignable", "src/hypervisor/virhostdev.c"),
    of(
        "bridge",
        "Non-endpoint PCI devices cannot be assigned to guests",
        "src/hypervisor/virhostdev.c, 2.0 and later",
    ),
    of(
        "header-unknown",
        "Unknown PCI header type '{header}' for device '{device}'",
        "src/util/virpci.c, virPCIGetHeaderType",
    ),
    of(
        "no-reset",
        "Unable to reset PCI device {device}: no FLR, PM reset or bus reset available",
        "src/util/virpci.c, virPCIDeviceReset",
    ),
    of(
        "bus-reset-foreign",
        "Active {other*} devices on bus with {device}, not doing bus reset",
        "src/util/virpci.c, virPCIDeviceTrySecondaryBusReset",
    ),
    of(
        "driver-prohibited",
        "Failed to load PCI driver module {module}: administratively prohibited",
        "src/util/virpci.c, virPCIProbeDriver",
    ),
    of(
        "driver-unloadable",
        "Failed to load PCI driver module {module}",
        "src/util/virpci.c, virPCIProbeDriver",
    ),
    of(
        "driver-prohibited",
        "Failed to load PCI stub module {module}: administratively prohibited",
        "src/util/virpci.c, virPCIProbeStubDriver, older versions",
    ),
    of(
        "driver-unloadable",
        "Failed to load PCI stub module {module}",
        "src/util/virpci.c, virPCIProbeStubDriver, older versions",
    ),
    of(
        "bind-failed",
        "Failed to bind PCI device '{device}' to {driver}: {error*}",
        "src/util/virpci.c, older versions, by new_id",
    ),
    of(
        "bind-failed",
        "Failed to add PCI device ID '{id*}' to {driver}: {error*}",
        "src/util/virpci.c, older versions, by new_id",
    ),
    of(
        "no-host-device",
        "Device {device} not found: could not access {path}",
        "src/util/virpci.c, virPCIDeviceNew",
    ),
    of(
        "memlock-libvirt",
        "cannot limit locked memory of process {pid#} to {limit#}: {error*}",
        "src/util/virprocess.c, virProcessSetMaxMemLock",
    ),
    of("memlock-libvirt", "cannot limit locked memory to {limit#}: {error*}", "src/util/virprocess.c"),
    of(
        "no-group",
        "Invalid device {device} iommu_group file {path} is not a symlink",
        "src/util/virpci.c, virPCIDeviceAddressGetIOMMUGroupNum",
    ),
    of(
        "apparmor-profile",
        "unable to set AppArmor profile '{profile}' for '{path}': {error*}",
        "src/security/security_apparmor.c and src/util/vircommand.c",
    ),
    of(
        "apparmor-profile",
        "cannot load AppArmor profile '{profile}'",
        "src/security/security_apparmor.c, load_profile",
    ),
    of(
        "bind-failed",
        "Failed to add driver '{driver}' to driver_override interface of PCI device '{device}': {error*}",
        "src/util/virpci.c, virPCIDeviceBindWithDriverOverride",
    ),
    of(
        "bind-failed",
        "Failed to trigger a probe for PCI device '{device}': {error*}",
        "src/util/virpci.c, virPCIDeviceRebind",
    ),
    of(
        "unbind-failed",
        "Failed to unbind PCI device '{device}' from {driver}: {error*}",
        "src/util/virpci.c, virPCIDeviceUnbind",
    ),
    of(
        "before-exec",
        "Process exited prior to exec: {error*}",
        "src/qemu/qemu_process.c, qemuProcessReportLogError",
    ),
];
