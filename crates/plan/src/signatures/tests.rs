use std::collections::HashSet;

use passthru_formats::messages;

use super::*;
use crate::checks;

/// Checks that other subjects bring.
const PROMISED: &[&str] = &[
    "acs-override",
    "address-width",
    "apparmor",
    "boot-framebuffer",
    "broken-reset",
    "cpu-virtualization",
    "firmware-regions",
    "group-prediction",
    "host-driver-at-boot",
    "hugepages",
    "identical-twins",
    "interrupt-remapping",
    "iommu-firmware",
    "iommu-kernel",
    "kernel-config",
    "kvm",
    "libvirt-device-acl",
    "locked-memory",
    "lockdown",
    "parameter-harmful",
    "parameter-useless",
    "power-state",
    "qemu",
    "qemu-vfio",
    "reset",
    "rom",
    "selinux",
    "shared-interrupt",
    "unsafe-interrupts",
    "vfio-modules",
    "vfio-virqfd",
    "device-moved",
    "new-id",
    "node-access",
];

#[test]
fn texts_and_meanings_belong_together() {
    let texts: HashSet<&str> = messages::texts().map(|text| text.name).collect();
    let mut seen = HashSet::new();
    for signature in all() {
        assert!(seen.insert(signature.name), "{} stands there twice", signature.name);
        assert!(texts.contains(signature.name), "{} has no text", signature.name);
        assert!(signature.meaning.ends_with('.') && !signature.title.ends_with('.'), "{}", signature.name);
        let mut ids = HashSet::new();
        for id in signature.ids() {
            assert!(ids.insert(id), "{}: {id} twice", signature.name);
            let known = checks::by_id(id).is_some() || PROMISED.contains(&id) || id.starts_with("log-");
            assert!(known, "{}: no check {id}", signature.name);
        }
    }
    for name in texts {
        assert!(seen.contains(name), "{name} means nothing");
    }
}

/// What real programs wrote, as users quote it in public issues and threads, and what it is.
/// The first number is the row of the list of failures this answers; 0 for what is beside it.
const QUOTED: &[(u8, &str, &str, Option<&str>)] = &[
    (
        1,
        "qemu-system-x86_64: -device vfio-pci,host=01:00.0: vfio 0000:01:00.0: group 1 is not viable",
        "group-not-viable",
        Some("0000:01:00.0"),
    ),
    (
        1,
        "qemu-system-x86_64: -device vfio-pci,host=02:00.0,id=h0: vfio error: 0000:02:00.0: group 1 is not viable",
        "group-not-viable",
        Some("0000:02:00.0"),
    ),
    (
        1,
        "qemu-system-x86_64: -device vfio-pci,host=01:00.0: vfio: error, group 1 is not viable, please ensure all devices within the iommu_group are bound to their vfio bus driver.",
        "group-not-viable",
        Some("0000:01:00.0"),
    ),
    (
        1,
        "Please ensure all devices within the iommu_group are bound to their vfio bus driver.",
        "group-not-viable",
        None,
    ),
    (
        2,
        "error: unsupported configuration: host doesn't support passthrough of host PCI devices",
        "no-passthrough",
        None,
    ),
    (
        2,
        "error: argument unsupported: VFIO device assignment is currently not supported on this system",
        "no-passthrough",
        None,
    ),
    (
        2,
        "kvm: -device vfio-pci,host=0000:03:00.0,id=hostpci0: vfio 0000:03:00.0: no iommu_group found: No such file or directory",
        "no-group",
        Some("0000:03:00.0"),
    ),
    (
        2,
        "qemu: -device vfio-pci,host=01:00.0: vfio: error no iommu_group for device",
        "no-group",
        Some("0000:01:00.0"),
    ),
    (2, "[    0.033906] DMAR: IOMMU enabled", "iommu-parameter-read", None),
    (2, "Intel-IOMMU: enabled", "iommu-parameter-read", None),
    (4, "dracut-install: Failed to find module 'vfio_virqfd'", "virqfd-gone", None),
    (4, "==> ERROR: module not found: 'vfio_virqfd'", "virqfd-gone", None),
    (4, "==> ERROR: module not found: `vfio_virqfd'", "virqfd-gone", None),
    (4, "==> ERROR: module not found: `vfio_pcix'", "initramfs-module", None),
    (0, "systemd-modules-load[233]: Failed to find module 'vfio_pcix'", "initramfs-module", None),
    (0, "ioctl(KVM_CREATE_VM) failed: Device or resource busy", "kvm-busy", None),
    (
        0,
        "internal error: cannot load AppArmor profile 'libvirt-91916cbc-63e6-437c-9932-4ce813b079d2'",
        "apparmor-profile",
        None,
    ),
    (
        25,
        "vfio-pci 0000:3d:00.0: 8086:37c8 exists in vfio-pci device denylist, driver probing disallowed.",
        "vfio-denylist",
        Some("0000:3d:00.0"),
    ),
    (
        4,
        "dracut: WARNING: <key>+=\" <values> \": <values> should have surrounding white spaces!",
        "dracut-blanks",
        None,
    ),
    (4, "         Starting dracut pre-udev hook...", "dracut-hang", None),
    (
        6,
        "[34060.617993] vfio-pci 0000:4e:00.0: BAR 3: can't reserve [mem 0x60000000-0x61ffffff 64bit pref]",
        "bar-taken",
        Some("0000:4e:00.0"),
    ),
    (
        6,
        "vfio-pci 0000:08:00.0: BAR 3: can't reserve [mem 0xf0000000-0xf1ffffff 64bit pref]",
        "bar-taken",
        Some("0000:08:00.0"),
    ),
    (7, "qemu-system-x86_64: vfio: Unable to power on device, stuck in D3", "stuck-in-d3", None),
    (
        7,
        "vfio-pci 0000:06:00.0: Unable to change power state from D3cold to D0, device inaccessible",
        "power-inaccessible",
        Some("0000:06:00.0"),
    ),
    (
        7,
        "vfio-pci 0000:0a:00.0: can't change power state from D3cold to D0 (config space inaccessible)",
        "power-inaccessible",
        Some("0000:0a:00.0"),
    ),
    (
        7,
        "vfio-pci 0000:01:00.0: Refused to change power state, currently in D3",
        "power-refused",
        Some("0000:01:00.0"),
    ),
    (
        7,
        "amdgpu 0000:63:00.0: refused to change power state from D0 to D3hot",
        "power-refused",
        Some("0000:63:00.0"),
    ),
    (
        7,
        "libvirtd: internal error: Unknown PCI header type '127' for device '0000:05:00.0'",
        "header-unknown",
        Some("0000:05:00.0"),
    ),
    (
        8,
        "vfio-pci 0000:01:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.",
        "direct-mapping",
        Some("0000:01:00.0"),
    ),
    (
        8,
        "vfio 0000:01:00.0: failed to setup container for group 13: Failed to set group container: Invalid argument",
        "container-direct-mapping",
        Some("0000:01:00.0"),
    ),
    (
        8,
        "vfio-pci 0000:07:00.0: Device is ineligible for IOMMU domain attach due to platform RMRR requirement.  Contact your platform vendor.",
        "direct-mapping",
        Some("0000:07:00.0"),
    ),
    (
        8,
        "vfio-pci 0000:07:00.0: DMAR: Device is ineligible for IOMMU domain attach due to platform RMRR requirement.  Contact your platform vendor.",
        "direct-mapping",
        Some("0000:07:00.0"),
    ),
    (
        9,
        "kernel: NVRM: Attempting to remove device 0000:01:00.0 with non-zero usage count!",
        "nvidia-in-use",
        Some("0000:01:00.0"),
    ),
    (9, "NVRM: Attempting to remove minor device 1 with non-zero usage count!", "nvidia-in-use", None),
    (9, "INFO: task tee:14093 blocked for more than 120 seconds.", "task-hung", None),
    (11, "-bash: echo: write error: File exists", "new-id-twice", None),
    (11, "sh: 1: echo: echo: I/O error", "bind-io-error", None),
    (
        12,
        "qemu-system-x86_64: -device vfio-pci,host=00:02.0,bus=port.1,multifunction=on: vfio 0000:00:02.0: failed to open /dev/vfio/1: No such file or directory",
        "node-missing",
        Some("0000:00:02.0"),
    ),
    (
        12,
        "qemu-system-x86_64: -device vfio-pci,host=00:07.1,bus=pcie.0: vfio error: 0000:00:07.1: failed to open /dev/vfio/7: No such file or directory",
        "node-missing",
        Some("0000:00:07.1"),
    ),
    (
        12,
        "vfio 0000:01:00.0: failed to open /dev/vfio/13: Permission denied",
        "node-denied",
        Some("0000:01:00.0"),
    ),
    (
        12,
        "vfio 0000:01:00.0: Could not open '/dev/vfio/2': Device or resource busy",
        "node-busy",
        Some("0000:01:00.0"),
    ),
    (12, "Could not open '/dev/vfio/13': Operation not permitted", "node-cgroup", None),
    (
        12,
        "qemu-kvm: -device vfio-pci,host=41:00.0: vfio: error opening /dev/vfio/26: Operation not permitted",
        "node-cgroup",
        Some("0000:41:00.0"),
    ),
    (
        12,
        "vfio 0000:01:00.0: failed to setup container for group 1: No available IOMMU models",
        "no-iommu-model",
        Some("0000:01:00.0"),
    ),
    (12, "EAL: Cannot open /dev/vfio/151: Device or resource busy", "node-busy", None),
    (
        13,
        "vfio 0000:65:00.0: error getting device from group 43: Inappropriate ioctl for device",
        "device-refused",
        Some("0000:65:00.0"),
    ),
    (
        13,
        "Verify all devices in group 43 are bound to vfio-<bus> or pci-stub and not already in use",
        "device-refused",
        None,
    ),
    (
        14,
        "vfio 0000:01:00.0: failed to setup container for group 1: memory listener initialization failed: Region pc.ram: vfio_dma_map(0x561a1c0, 0x100000, 0x7ff00000, 0x7f4abff00000) = -12 (Cannot allocate memory)",
        "memlock-map",
        Some("0000:01:00.0"),
    ),
    (14, "qemu-kvm: VFIO_MAP_DMA failed: Cannot allocate memory", "memlock-map", None),
    (
        14,
        "vfio_container_dma_map(0x55a21b03a150, 0x0, 0x80000000, 0x7fce2c28b000) = -12 (Cannot allocate memory)",
        "memlock-map",
        None,
    ),
    (14, "[  379.764947] vfio_pin_pages_remote: RLIMIT_MEMLOCK (9663676416) exceeded", "memlock", None),
    (
        14,
        "error: internal error: Process exited prior to exec: libvirt:  error : cannot limit locked memory to 18253611008: Operation not permitted",
        "memlock-libvirt",
        None,
    ),
    (
        15,
        "qemu-kvm: vfio_dma_map(0x55d3e6d2a0c0, 0x380000000000, 0x4000000, 0x7f4f3c000000) = -22 (Invalid argument)",
        "address-too-wide",
        None,
    ),
    (
        15,
        "warning: vfio_container_dma_map(0x55fab36ce610, 0x380010000000, 0x108000, 0x7fd336000000) = -22 (Invalid argument)",
        "address-too-wide",
        None,
    ),
    (
        15,
        "qemu-system-x86_64: Address space limit 0xffffffffff < 0x1fc3fffffff phys-bits too low (40)",
        "guest-address-limit",
        None,
    ),
    (
        16,
        "kvm: -device vfio-pci,host=0000:01:00.0,id=hostpci1,bus=ich9-pcie-port-2,addr=0x0: vfio 0000:01:00.0: Failed to set up TRIGGER eventfd signaling for interrupt INTX-0: VFIO_DEVICE_SET_IRQS failure: Device or resource busy",
        "intx-busy",
        Some("0000:01:00.0"),
    ),
    (
        16,
        "genirq: Flags mismatch irq 18. 00000000 (vfio-intx(0000:01:04.0)) vs. 00000080 (ehci_hcd:usb1)",
        "intx-shared",
        Some("0000:01:04.0"),
    ),
    (16, "vfio: Error: Failed to setup INTx fd: Device or resource busy", "intx-busy", None),
    (
        17,
        "kvm: vfio: Cannot reset device 0000:00:1f.3, no available reset mechanism.",
        "no-reset",
        Some("0000:00:1f.3"),
    ),
    (
        17,
        "vfio: Cannot reset device 0000:02:00.1, depends on group 24 which is not owned.",
        "reset-foreign-group",
        Some("0000:02:00.1"),
    ),
    (
        17,
        "error: internal error: Unable to reset PCI device 0000:00:02.0: no FLR, PM reset or bus reset available",
        "no-reset",
        Some("0000:00:02.0"),
    ),
    (
        17,
        "internal error Unable to reset PCI device 0000:01:08.0: internal error Active 0000:01:0a.0 devices on bus with 0000:01:08.0, not doing bus reset",
        "bus-reset-foreign",
        Some("0000:01:08.0"),
    ),
    (
        18,
        "vfio-pci 0000:0b:00.0: not ready 65535ms after FLR; giving up",
        "reset-no-answer",
        Some("0000:0b:00.0"),
    ),
    (
        18,
        "vfio-pci 0000:03:00.0: not ready 1023ms after bus reset; waiting",
        "reset-slow",
        Some("0000:03:00.0"),
    ),
    (
        18,
        "vfio-pci 0000:01:00.1: timed out waiting for pending transaction; performing function level reset anyway",
        "reset-pending",
        Some("0000:01:00.1"),
    ),
    (
        19,
        "vfio_iommu_type1_attach_group: No interrupt remapping support.  Use the module param \"allow_unsafe_interrupts\" to enable VFIO IOMMU support on this platform",
        "no-remapping",
        None,
    ),
    (
        19,
        "vfio_iommu_type1_attach_group: No interrupt remapping support. Use the module param \u{201c}allow_unsafe_interrupts\u{201d} to enable VFIO IOMMU support on this platform",
        "no-remapping",
        None,
    ),
    (
        19,
        "vfio 0000:06:00.0: failed to setup container for group 13: Failed to set iommu for container: Operation not permitted",
        "container-refused",
        Some("0000:06:00.0"),
    ),
    (
        19,
        "qemu-system-x86_64: -device vfio-pci,host=0000:06:00.0,iommufd=iommufd0: vfio 0000:06:00.0: error bind device fd=37 to iommufd=36: Operation not permitted",
        "container-refused",
        Some("0000:06:00.0"),
    ),
    (
        1,
        "vfio 0000:06:00.0: error bind device fd=37 to iommufd=36: Device or resource busy",
        "iommufd-busy",
        Some("0000:06:00.0"),
    ),
    (
        8,
        "vfio 0000:06:00.0: error bind device fd=37 to iommufd=36: Invalid argument",
        "container-direct-mapping",
        Some("0000:06:00.0"),
    ),
    (
        8,
        "vfio 0000:06:00.0: [iommufd=36] error attach 0000:06:00.0 (37) to id=2: Invalid argument",
        "container-invalid",
        Some("0000:06:00.0"),
    ),
    (
        12,
        "vfio /sys/bus/pci/devices/0000:06:00.0: couldn't open directory /sys/bus/pci/devices/0000:06:00.0/vfio-dev: No such file or directory",
        "cdev-missing",
        Some("0000:06:00.0"),
    ),
    (
        12,
        "vfio /sys/bus/pci/devices/0000:06:00.0/vfio-dev: Failed to open /dev/vfio/devices/vfio0",
        "cdev-refused",
        Some("0000:06:00.0"),
    ),
    (12, "Could not open '/dev/iommu': No such file or directory", "iommufd-missing", None),
    (20, "modprobe: FATAL: Module nvidia_drm is in use.", "module-in-use", None),
    (21, "efifb: cannot reserve video memory at 0xc0000000", "framebuffer-memory-taken", None),
    (
        22,
        "qemu-system-x86_64: -device vfio-pci,host=0a:00.0: vfio /sys/bus/pci/devices/0000:0a:00.0: no such host device: No such file or directory",
        "no-device",
        Some("0000:0a:00.0"),
    ),
    (
        22,
        "error: Device 0000:01:00.1 not found: could not access /sys/bus/pci/devices/0000:01:00.1/config: No such file or directory",
        "no-host-device",
        Some("0000:01:00.1"),
    ),
    (24, "vfio-pci 0000:00:02.1: not enough MMIO resources for SR-IOV", "sriov-memory", Some("0000:00:02.1")),
    (25, "bash: echo: write error: Invalid argument", "bind-invalid", None),
    (25, "vfio-pci: probe of 0000:00:1c.0 failed with error -22", "vfio-probe-failed", Some("0000:00:1c.0")),
    (
        25,
        "vfio-pci 0000:00:1c.0: probe with driver vfio-pci failed with error -22",
        "vfio-probe-failed",
        Some("0000:00:1c.0"),
    ),
    (25, "error: internal error: Non-endpoint PCI devices cannot be assigned to guests", "bridge", None),
    (25, "kvm: vfio-pci: Cannot read device rom at 0000:01:00.0", "rom-unreadable", Some("0000:01:00.0")),
    (
        25,
        "vfio-pci 0000:01:00.0: Invalid PCI ROM header signature: expecting 0xaa55, got 0xffff",
        "rom-bad",
        Some("0000:01:00.0"),
    ),
    (
        0,
        "error: Requested operation is not valid: PCI device 0000:01:00.0 is in use by driver QEMU, domain win10",
        "used-by-domain",
        Some("0000:01:00.0"),
    ),
    (
        0,
        "error: unsupported configuration: Unmanaged PCI device 0000:01:00.0 must be manually detached from the host",
        "not-detached",
        Some("0000:01:00.0"),
    ),
    (
        0,
        "internal error: Process exited prior to exec: libvirt:  error : unable to set AppArmor profile 'libvirt-91916cbc-63e6-437c-9932-4ce813b079d2' for '/usr/bin/qemu-system-x86_64': No such file or directory",
        "apparmor-profile",
        None,
    ),
    (
        0,
        "internal error: Process exited prior to exec: libvirt:  error : Cannot delete directory '/run/libvirt/qemu/2-instance-00000002.shm': Device or resource busy",
        "before-exec",
        None,
    ),
    (
        0,
        "[ 8421.113049] audit: type=1400 audit(1756795234.881:142): apparmor=\"DENIED\" operation=\"open\" profile=\"libvirt-7d3f1c92-4a6b-4e81-9f25-3c8a1e7b5d04\" name=\"/dev/vfio/13\" pid=6142 comm=\"qemu-system-x86\" requested_mask=\"wr\" denied_mask=\"wr\"",
        "apparmor-denied",
        None,
    ),
    (
        0,
        "[ 8421.113049] audit: type=1400 audit(1756795234.881:142): apparmor=\"DENIED\" operation=\"open\" profile=\"libvirt-7d3f1c92-4a6b-4e81-9f25-3c8a1e7b5d04\" name=\"/home/ops/vbios.rom\" pid=6142 comm=\"qemu-system-x86\"",
        "apparmor-denied",
        None,
    ),
    (
        0,
        "type=AVC msg=audit(1616.1:2): avc:  denied  { read write } for  pid=2218 comm=\"qemu-kvm\" name=\"13\" dev=\"devtmpfs\" ino=217 scontext=system_u:system_r:svirt_t:s0:c1,c2 tcontext=system_u:object_r:vfio_device_t:s0 tclass=chr_file permissive=0",
        "selinux-denied",
        None,
    ),
    (
        0,
        "[    1.2] DMAR: [DMA Read] Request device [01:00.0] fault addr 7e4b3000 [fault reason 06] PTE Read access is not set",
        "dma-fault",
        Some("0000:01:00.0"),
    ),
    (
        0,
        "DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0xcf000000 [fault reason 0x05] PTE Write access is not set",
        "dma-fault",
        Some("0000:03:00.0"),
    ),
    (
        0,
        "AMD-Vi: Event logged [IO_PAGE_FAULT device=0000:0b:00.0 domain=0x000e address=0xc6f40 flags=0x0020]",
        "dma-fault",
        Some("0000:0b:00.0"),
    ),
    (
        0,
        "vfio-pci 0000:0b:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000e address=0xc6f40 flags=0x0020]",
        "dma-fault",
        Some("0000:0b:00.0"),
    ),
    (0, "kvm: disabled by bios", "virtualization-off", None),
    (0, "[    0.317] SVM disabled (by BIOS) in MSR_VM_CR", "virtualization-off", None),
    (0, "kvm_amd: SVM disabled (by BIOS) in MSR_VM_CR on CPU 17", "virtualization-off", None),
    (0, "kvm_amd: SVM not supported by CPU 1", "virtualization-none", None),
    (0, "Could not access KVM kernel module: Permission denied", "kvm-denied", None),
    (
        0,
        "DMAR: [Firmware Bug]: Your BIOS is broken; DMAR reported at address fed90000 returns all ones!",
        "dmar-broken",
        None,
    ),
    (
        0,
        "vfio-pci 0000:02:00.0: No device request channel registered, blocked until released by user",
        "holder-deaf",
        Some("0000:02:00.0"),
    ),
    (0, "vfio-pci 0000:02:00.0: Relaying device request to user (#0)", "holder-asked", Some("0000:02:00.0")),
    (
        0,
        "error: internal error: Failed to load PCI driver module vfio-pci: administratively prohibited",
        "driver-prohibited",
        None,
    ),
    (0, "error: internal error: Failed to load PCI driver module vfio-pci", "driver-unloadable", None),
    (
        0,
        "error: internal error: Failed to load PCI stub module vfio-pci: administratively prohibited",
        "driver-prohibited",
        None,
    ),
];

#[test]
fn quoted_lines_mean_what_they_mean() {
    for (row, line, name, device) in QUOTED {
        let found = crate::explain::recognise(line);
        let names: Vec<&str> = found.iter().map(|one| one.signature.name).collect();
        assert_eq!(names, [*name], "row {row}: {line}");
        assert_eq!(found[0].device.map(|d| d.to_string()).as_deref(), *device, "{line}");
    }
}

#[test]
fn every_failure_that_speaks_is_recognised() {
    // 3, 5, 10 and 23 leave no error text: a wrong driver, a dark screen, a dead line, a
    // setting that is gone.
    for row in (1..=25u8).filter(|row| ![3, 5, 10, 23].contains(row)) {
        assert!(QUOTED.iter().any(|(of, ..)| *of == row), "row {row}");
    }
}

#[test]
fn ordinary_lines_mean_nothing() {
    for line in [
        "vfio-pci 0000:01:00.0: enabling device (0000 -> 0003)",
        "vfio_pci: add [10de:1284[ffffffff:ffffffff]] class 0x000000/00000000",
        "pci 0000:01:00.0: Adding to iommu group 1",
        "audit: type=1400 audit(1.2:3): apparmor=\"DENIED\" operation=\"open\" profile=\"snap.firefox\" name=\"/etc/fstab\"",
        "audit: type=1400 audit(1.2:3): apparmor=\"DENIED\" operation=\"open\" profile=\"libvirt-7d3f1c92\" name=\"/etc/gnutls/config\" pid=6142",
        "[drm] Initialized simpledrm 1.0.0 20200625 for simple-framebuffer.0 on minor 0",
        "can't reserve a table for two",
        "error: Failed to start domain 'win10'",
    ] {
        assert_eq!(crate::explain::recognise(line), [], "{line}");
    }
}
