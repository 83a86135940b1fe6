//! What real programs wrote about what is beside the list of failures, as users quote it in public
//! issues and threads.

use super::Quoted;

pub(super) const QUOTED: &[Quoted] = &[
    (0, "systemd-modules-load[233]: Failed to find module 'vfio_pcix'", "initramfs-module", None),
    (
        0,
        "systemd[1]: Failed to look up module alias 'autofs4': Function not implemented",
        "module-missing",
        None,
    ),
    (
        0,
        "systemd-modules-load[173]: Failed to lookup alias 'loop': Function not implemented",
        "module-missing",
        None,
    ),
    (0, "ioctl(KVM_CREATE_VM) failed: Device or resource busy", "kvm-busy", None),
    (
        0,
        "internal error: cannot load AppArmor profile 'libvirt-91916cbc-63e6-437c-9932-4ce813b079d2'",
        "apparmor-profile",
        None,
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
    (
        0,
        "DMAR-IR: Failed to enable irq remapping. You are vulnerable to irq-injection attacks.",
        "remapping-off",
        None,
    ),
    (0, "DMAR-IR: Failed to setup irq remapping for dmar1", "remapping-off", None),
    (
        0,
        "DMAR-IR: [Firmware Bug]: ioapic 2 has no mapping iommu, interrupt remapping will be disabled",
        "remapping-off",
        None,
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
