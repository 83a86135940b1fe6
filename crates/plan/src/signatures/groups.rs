//! Groups, the IOMMU, the firmware's wishes, interrupt remapping.

use super::{Signature, of};

pub(super) const SIGNATURES: &[Signature] = &[
    of(
        "group-not-viable",
        "companions",
        &["host-driver-at-boot"],
        "a companion is on a host driver",
        "Another device of the IOMMU group is still bound to a driver of the host, so VFIO gives out none of them.",
    ),
    of(
        "no-group",
        "no-iommu",
        &["iommu-firmware", "iommu-kernel"],
        "the device is in no IOMMU group",
        "The kernel has no IOMMU at work for this device: it is off in the firmware, not used by the kernel, or \
         no unit covers the device.",
    ),
    of(
        "no-passthrough",
        "iommu-firmware",
        &["iommu-kernel", "vfio-modules"],
        "libvirt sees no VFIO on this host",
        "libvirt found no IOMMU group, or /dev/vfio/vfio is missing: the IOMMU is off in the firmware or in the \
         kernel, or the vfio module is not loaded.",
    ),
    of(
        "iommu-parameter-read",
        "iommu-kernel",
        &["iommu-firmware"],
        "the kernel read the parameter",
        "The kernel understood `intel_iommu=on`, and no more: it says so without any IOMMU in the machine; \
         only groups show that one is at work.",
    ),
    of(
        "dmar-broken",
        "iommu-firmware",
        &["log-dmar-broken"],
        "the firmware's DMAR table is wrong",
        "The firmware describes an IOMMU that does not answer at its address, so the kernel uses none.",
    ),
    of(
        "rmrr-broken",
        "firmware-regions",
        &["log-rmrr-broken"],
        "the firmware's table names memory it did not reserve",
        "A region the DMAR table demands for a device is not marked as reserved in the memory map; the \
         kernel goes on, and only an update of the firmware mends it.",
    ),
    of(
        "ivrs-broken",
        "iommu-firmware",
        &["log-ivrs-broken"],
        "the firmware's IVRS table is wrong",
        "The kernel refuses AMD's table of IOMMUs, so that there is no IOMMU at work.",
    ),
    of(
        "direct-mapping",
        "firmware-mapping",
        &["firmware-regions"],
        "the firmware demands a fixed mapping",
        "The firmware keeps a region of memory mapped one to one for this device (RMRR, IVMD), and the kernel \
         refuses to give such a device to a guest.",
    ),
    of(
        "container-direct-mapping",
        "firmware-mapping",
        &["firmware-regions"],
        "the kernel refuses the group",
        "The group could not be put into the container, or the device not be given to iommufd: as a rule the firmware \
         demands a fixed mapping for it or one of its group, and the kernel's log says `Firmware has requested this device have a 1:1 IOMMU mapping`.",
    ),
    of(
        "container-refused",
        "interrupt-remapping",
        &["unsafe-interrupts", "firmware-mapping"],
        "the kernel refuses to use the IOMMU for the guest",
        "VFIO refuses an IOMMU without interrupt remapping, through which a guest could inject interrupts into \
         the host; older Intel kernels also refuse a device with an RMRR this way.",
    ),
    of(
        "container-no-driver",
        "vfio-modules",
        &[],
        "the IOMMU driver of VFIO is missing",
        "The module vfio_iommu_type1 is not loaded, or does not fit this IOMMU.",
    ),
    of(
        "container-invalid",
        "firmware-mapping",
        &["interrupt-remapping"],
        "the kernel refuses to use the IOMMU for the guest",
        "Attaching the group to the guest's address space failed in the IOMMU driver; the kernel's log of that \
         second says why.",
    ),
    of(
        "container-busy",
        "held",
        &["companions"],
        "the group is in another container",
        "Another process, or this one under another address space, has the group already.",
    ),
    of(
        "iommufd-busy",
        "companions",
        &["held", "host-driver-at-boot"],
        "the group is in use",
        "iommufd takes a device only if no other of its IOMMU group is on a driver of the host or in another process.",
    ),
    of(
        "no-remapping",
        "interrupt-remapping",
        &["unsafe-interrupts"],
        "no interrupt remapping",
        "The IOMMU cannot check which interrupts a device sends, so VFIO refuses it unless \
         allow_unsafe_interrupts is set, and then a guest can inject interrupts into the host.",
    ),
    of(
        "remapping-off",
        "interrupt-remapping",
        &[],
        "interrupt remapping was switched off at boot",
        "The kernel found the firmware's description of interrupt remapping unusable and went on without.",
    ),
    of(
        "x2apic-opt-out",
        "interrupt-remapping",
        &[],
        "the firmware asked for no x2APIC",
        "Interrupt remapping works, in the older xAPIC mode: that alone hinders nothing.",
    ),
    of(
        "interrupt-fault",
        "interrupt-remapping",
        &["log-interrupt-fault"],
        "the IOMMU blocked an interrupt",
        "A device sent an interrupt that nobody had set up for it; often a device that was reset while it still \
         sent some, or a guest driver gone wrong.",
    ),
    of(
        "iommu-timeout",
        "broken-reset",
        &["power-state", "log-iommu-timeout"],
        "the IOMMU waits in vain for a device",
        "AMD's IOMMU asked a device to forget translations and got no answer: mostly one that hangs after a reset \
         or is without power.",
    ),
    of(
        "dma-fault",
        "log-dma-fault",
        &["firmware-regions", "power-state"],
        "the IOMMU blocked a DMA access",
        "A device accessed memory that was not mapped for it: one that still ran when it changed hands, or one \
         whose firmware uses memory that no table names.",
    ),
    of(
        "noiommu-mode",
        "no-iommu-mode",
        &[],
        "VFIO works without an IOMMU",
        "The device was put into a group of the unsafe no-IOMMU mode: nothing is isolated, and QEMU cannot use it.",
    ),
    of(
        "not-assignable",
        "companions",
        &["group-prediction"],
        "libvirt finds the device not isolated",
        "A switch above the device lacks ACS, so other devices could reach it; libvirt refuses that unless \
         relaxed_acs_check is set.",
    ),
    of(
        "address-too-wide",
        "address-width",
        &["firmware-regions"],
        "the IOMMU cannot map an address of the guest",
        "The guest uses addresses wider than this IOMMU translates (39 bits on most client machines), or ones \
         the IOMMU reserves.",
    ),
    of(
        "peer-map",
        "address-width",
        &[],
        "a BAR of a device could not be mapped for its peers",
        "Another lent device's memory cannot be mapped into the IOMMU: transfers from device to device fail, \
         and nothing else does.",
    ),
    of(
        "guest-address-limit",
        "address-width",
        &[],
        "the guest needs more address bits than its processor has",
        "The guest's memory and windows do not fit below the limit of its processor's physical address bits.",
    ),
];
