//! What the kernel says in its log. The order matters: see [`super::texts`].

use super::{Program, Text};

const fn of(name: &'static str, pattern: &'static str, from: &'static str) -> Text {
    Text { name, program: Program::Kernel, pattern, from }
}

pub(super) const TEXTS: &[Text] = &[
    // The device and its framebuffer.
    of(
        "bar-taken",
        "{device}: BAR {bar#}: can't reserve {range*}",
        "drivers/pci/pci.c, __pci_request_region",
    ),
    of(
        "bar-taken",
        "{device}: BAR {bar#} {range*}: can't reserve",
        "in the form of other messages since 6.8; not so in 6.18",
    ),
    of(
        "framebuffer-memory-taken",
        "efifb: cannot reserve video memory at {address%}",
        "drivers/video/fbdev/efifb.c",
    ),
    of(
        "framebuffer-memory-taken",
        "vesafb: cannot reserve video memory at {address%}",
        "drivers/video/fbdev/vesafb.c",
    ),
    of(
        "framebuffer-memory-taken",
        "simplefb: cannot reserve video memory at {*}",
        "drivers/video/fbdev/simplefb.c",
    ),
    // Power.
    of(
        "power-inaccessible",
        "{device}: Unable to change power state from {from} to {to}, device inaccessible",
        "drivers/pci/pci.c, 5.19 and later",
    ),
    of(
        "power-inaccessible",
        "{device}: can't change power state from {from} to {to} (config space inaccessible)",
        "drivers/pci/pci.c, 5.5 to 5.18",
    ),
    of(
        "power-refused",
        "{device}: Refused to change power state from {from} to {to}",
        "drivers/pci/pci.c, 5.19 and later",
    ),
    of(
        "power-refused",
        "{device}: refused to change power state from {from} to {to}",
        "drivers/pci/pci.c, 5.5 to 5.18",
    ),
    of(
        "power-refused",
        "{device}: Refused to change power state, currently in {from}",
        "drivers/pci/pci.c, before 5.5",
    ),
    of("power-inaccessible", "{device}: Invalid power transition (from {from} to {to})", "drivers/pci/pci.c"),
    of(
        "power-inaccessible",
        "{device}: invalid power transition (from {from} to {to})",
        "drivers/pci/pci.c, before 5.19",
    ),
    of("header-gone", "{device}: unknown header type {header}, ignoring device", "drivers/pci/probe.c"),
    // Reset.
    of(
        "reset-no-answer",
        "{device}: not ready {ms#}ms after {reset*}; giving up",
        "drivers/pci/pci.c, pci_dev_wait",
    ),
    of(
        "reset-slow",
        "{device}: not ready {ms#}ms after {reset*}; waiting",
        "drivers/pci/pci.c, pci_dev_wait",
    ),
    of(
        "reset-pending",
        "{device}: timed out waiting for pending transaction; performing {*}function level reset anyway",
        "drivers/pci/pci.c, pcie_flr and pci_af_flr",
    ),
    of(
        "reset-restored",
        "{device}: vfio_bar_restore: reset recovery - restoring BARs",
        "drivers/vfio/pci/vfio_pci_config.c",
    ),
    // The firmware's wishes.
    of(
        "direct-mapping",
        "{device}: Firmware has requested this device have a 1:1 IOMMU mapping",
        "drivers/iommu/iommu.c, 6.6 and later",
    ),
    of(
        "direct-mapping",
        "{device}: DMAR: Device is ineligible for IOMMU domain attach due to platform RMRR requirement",
        "drivers/iommu/intel/iommu.c, 5.7 to 6.5",
    ),
    of(
        "direct-mapping",
        "{device}: Device is ineligible for IOMMU domain attach due to platform RMRR requirement",
        "drivers/iommu/intel-iommu.c, before 5.7",
    ),
    of(
        "dmar-broken",
        "[Firmware Bug]: Your BIOS is broken; DMAR reported at address {address%}{*}!",
        "drivers/iommu/intel/dmar.c, warn_invalid_dmar",
    ),
    of(
        "rmrr-broken",
        "DMAR: [Firmware Bug]: No firmware reserved region can cover this RMRR [{region}]",
        "arch/x86/include/asm/iommu.h, arch_rmrr_sanity_check",
    ),
    of(
        "rmrr-broken",
        "DMAR: [Firmware Bug]: Your BIOS is broken; bad RMRR [{region}]",
        "drivers/iommu/intel/iommu.c",
    ),
    of("ivrs-broken", "AMD-Vi: [Firmware Bug]: IVRS invalid checksum", "drivers/iommu/amd/init.c"),
    of("ivrs-broken", "AMD-Vi: IVRS table error: {error*}", "drivers/iommu/amd/init.c"),
    // Interrupt remapping.
    of(
        "no-remapping",
        "No interrupt remapping support.  Use the module param \"allow_unsafe_interrupts\" to enable VFIO IOMMU support on this platform",
        "drivers/vfio/vfio_iommu_type1.c, vfio_iommu_type1_attach_group",
    ),
    of(
        "no-remapping",
        "No interrupt remapping support. Use the module param \"allow_unsafe_interrupts\" to enable VFIO IOMMU support on this platform",
        "the same, as forums fold the blanks",
    ),
    of(
        "no-remapping",
        "No interrupt remapping support, disallowing device assignment. Re-enble with \"allow_unsafe_assigned_interrupts=1\" module option.",
        "virt/kvm/iommu.c, before 4.12",
    ),
    of("remapping-off", "AMD-Vi: Disabling interrupt remapping", "drivers/iommu/amd/init.c"),
    of(
        "remapping-off",
        "AMD-Vi: {*}: No southbridge IOAPIC found",
        "drivers/iommu/amd/init.c, check_ioapic_information",
    ),
    of("remapping-off", "DMAR-IR: Not enabling interrupt remapping", "drivers/iommu/intel/irq_remapping.c"),
    of(
        "remapping-off",
        "DMAR-IR: This system BIOS has enabled interrupt remapping",
        "drivers/iommu/intel/irq_remapping.c",
    ),
    of(
        "remapping-off",
        "DMAR-IR: Failed to enable irq remapping. You are vulnerable to irq-injection attacks.",
        "drivers/iommu/intel/irq_remapping.c, intel_cleanup_irq_remapping",
    ),
    of(
        "remapping-off",
        "DMAR-IR: Failed to setup irq remapping for {unit}",
        "drivers/iommu/intel/irq_remapping.c, intel_prepare_irq_remapping",
    ),
    of(
        "remapping-off",
        "ioapic {id#} has no mapping iommu, interrupt remapping will be disabled",
        "drivers/iommu/intel/irq_remapping.c, parse_ioapics_under_ir",
    ),
    of(
        "x2apic-opt-out",
        "DMAR-IR: x2apic is disabled because BIOS sets x2apic opt out bit.",
        "drivers/iommu/intel/irq_remapping.c",
    ),
    // DMA.
    of(
        "dma-fault",
        "DMAR: [DMA {kind*}] Request device [{device}] {*}fault addr {address%} {*}[fault reason {reason%}]",
        "drivers/iommu/intel/dmar.c, dmar_fault_do_one",
    ),
    of(
        "interrupt-fault",
        "DMAR: [INTR-REMAP] Request device [{device}] fault index {index%} {*}[fault reason {reason%}]",
        "drivers/iommu/intel/dmar.c, dmar_fault_do_one",
    ),
    of(
        "dma-fault",
        "AMD-Vi: Event logged [IO_PAGE_FAULT device={device} domain={domain%} address={address%}",
        "drivers/iommu/amd/iommu.c, amd_iommu_report_page_fault",
    ),
    of(
        "dma-fault",
        "{device}: AMD-Vi: Event logged [IO_PAGE_FAULT domain={domain%} address={address%}",
        "drivers/iommu/amd/iommu.c, 4.13 and later",
    ),
    of("iommu-timeout", "Completion-Wait loop timed out", "drivers/iommu/amd/iommu.c, wait_on_sem"),
    // Memory.
    of(
        "memlock",
        "vfio_pin_pages_remote: RLIMIT_MEMLOCK ({limit#}) exceeded",
        "drivers/vfio/vfio_iommu_type1.c",
    ),
    of(
        "memlock",
        "vfio_pin_page_external: Task {task} ({pid#}) RLIMIT_MEMLOCK ({limit#}) exceeded",
        "drivers/vfio/vfio_iommu_type1.c",
    ),
    of("memlock", "RLIMIT_MEMLOCK ({limit#}) exceeded", "drivers/vfio/vfio_iommu_type1.c, under other names"),
    // Interrupts.
    of(
        "intx-shared",
        "genirq: Flags mismatch irq {irq#}. {*}vfio-intx({device})",
        "kernel/irq/manage.c, __setup_irq",
    ),
    of(
        "irq-nobody",
        "irq {irq#}: nobody cared (try booting with the \"irqpoll\" option)",
        "kernel/irq/spurious.c",
    ),
    of("intx-broken", "{device}: Masking broken INTx support", "drivers/vfio/pci/vfio_pci_core.c"),
    // Binding and unbinding.
    of(
        "vfio-probe-failed",
        "{device}: probe with driver vfio-pci failed with error -{errno#}",
        "drivers/base/dd.c, 6.10 and later",
    ),
    of("vfio-probe-failed", "vfio-pci: probe of {device} failed with error -{errno#}", "drivers/base/dd.c"),
    of("sriov-bound", "{device}: Cannot bind to PF with SR-IOV enabled", "drivers/vfio/pci/vfio_pci_core.c"),
    of(
        "vf-token",
        "{device}: VF token required to access device",
        "drivers/vfio/pci/vfio_pci_core.c, 5.7 and later",
    ),
    of("vf-token", "{device}: Incorrect VF token provided for device", "drivers/vfio/pci/vfio_pci_core.c"),
    of(
        "holder-asked",
        "{device}: Relaying device request to user (#{count#})",
        "drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_request",
    ),
    of(
        "holder-deaf",
        "{device}: No device request channel registered, blocked until released by user",
        "drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_request",
    ),
    of(
        "holder-deaf",
        "{device}: Device is currently in use, task \"{task*}\" ({pid#}) blocked until device is released",
        "drivers/vfio/vfio_main.c, vfio_unregister_group_dev",
    ),
    of(
        "nvidia-in-use",
        "NVRM: Attempting to remove device {device} with non-zero usage count!",
        "NVIDIA/open-gpu-kernel-modules, kernel-open/nvidia/nv-pci.c, nv_pci_remove",
    ),
    of(
        "nvidia-in-use",
        "NVRM: Attempting to remove minor device {minor#} with non-zero usage count!",
        "NVIDIA's older drivers",
    ),
    of(
        "task-hung",
        "INFO: task {task*}:{pid#} blocked for more than {seconds#} seconds.",
        "kernel/hung_task.c",
    ),
    of("vfio-ids", "vfio_pci: invalid id string \"{id}\"", "drivers/vfio/pci/vfio_pci.c, vfio_pci_fill_ids"),
    of(
        "vfio-denylist",
        "{device}: {vendor%}:{product%} exists in vfio-pci device denylist, driver probing disallowed.",
        "drivers/vfio/pci/vfio_pci.c, vfio_pci_is_denylisted",
    ),
    of(
        "noiommu-mode",
        "Adding kernel taint for vfio-noiommu group on device",
        "drivers/vfio/group.c, vfio_group_find_or_alloc",
    ),
    of(
        "noiommu-mode",
        "vfio-noiommu device opened by user ({task}:{pid#})",
        "drivers/vfio/group.c, vfio_device_open_file",
    ),
    // ROM.
    of(
        "rom-bad",
        "{device}: Invalid PCI ROM header signature: expecting 0xaa55, got {got%}",
        "drivers/pci/rom.c, pci_get_rom_size",
    ),
    of(
        "rom-bad",
        "{device}: Invalid PCI ROM data signature: expecting 0x52494350, got {got%}",
        "drivers/pci/rom.c, pci_get_rom_size",
    ),
    of("sriov-memory", "{device}: not enough MMIO resources for SR-IOV", "drivers/pci/iov.c, sriov_enable"),
    // The processor.
    of("virtualization-off", "kvm: disabled by bios", "arch/x86/kvm/x86.c, before 6.3"),
    of(
        "virtualization-off",
        "kvm: support for '{vendor}' disabled by bios",
        "arch/x86/kvm/x86.c, before 6.3",
    ),
    of("virtualization-off", "VMX (outside TXT) disabled by BIOS", "arch/x86/kernel/cpu/feat_ctl.c"),
    of(
        "virtualization-off",
        "VMX not enabled (by BIOS) in MSR_IA32_FEAT_CTL on CPU {cpu#}",
        "arch/x86/kvm/vmx/vmx.c",
    ),
    of(
        "virtualization-off",
        "SVM disabled (by BIOS) in MSR_VM_CR",
        "arch/x86/kernel/cpu/amd.c, 6.7 and later; arch/x86/kvm/svm/svm.c, 6.3 to 6.6, with the CPU's number",
    ),
    of("virtualization-none", "kvm: no hardware support", "arch/x86/kvm/x86.c, before 6.3"),
    of("virtualization-none", "VMX not supported by CPU {cpu#}", "arch/x86/kvm/vmx/vmx.c"),
    of("virtualization-none", "SVM not supported by CPU {cpu#}", "arch/x86/kvm/svm/svm.c"),
    of(
        "lockdown",
        "Lockdown: {task}: {what*} is restricted; see man kernel_lockdown.7",
        "security/lockdown/lockdown.c",
    ),
    // Security modules, in the log where no auditd runs.
    of(
        "apparmor-denied",
        "apparmor=\"DENIED\" operation=\"{operation}\" {*}name=\"/dev/vfio/{node}\"",
        "security/apparmor/audit.c, audit_pre",
    ),
    // Programs in a machine's profile are refused much that they do well without (certificates,
    // /proc, /sys): devices, firmware, ROMs and disks are what a machine cannot start without.
    of(
        "apparmor-denied",
        "apparmor=\"DENIED\" operation=\"{operation}\" {*}profile=\"libvirt-{*}\" name=\"/dev/{path}\"",
        "security/apparmor/audit.c, audit_pre",
    ),
    of(
        "apparmor-denied",
        "apparmor=\"DENIED\" operation=\"{operation}\" {*}profile=\"libvirt-{*}\" name=\"/var/lib/libvirt/images/{path}\"",
        "security/apparmor/audit.c, audit_pre",
    ),
    of(
        "apparmor-denied",
        "apparmor=\"DENIED\" operation=\"{operation}\" {*}profile=\"libvirt-{*}\" name=\"{path*}.rom\"",
        "security/apparmor/audit.c, audit_pre",
    ),
    of(
        "apparmor-denied",
        "apparmor=\"DENIED\" operation=\"{operation}\" {*}profile=\"libvirt-{*}\" name=\"{path*}.bin\"",
        "security/apparmor/audit.c, audit_pre",
    ),
    of(
        "apparmor-denied",
        "apparmor=\"DENIED\" operation=\"{operation}\" {*}profile=\"libvirt-{*}\" name=\"{path*}.fd\"",
        "security/apparmor/audit.c, audit_pre",
    ),
    of(
        "apparmor-denied",
        "apparmor=\"DENIED\" operation=\"{operation}\" {*}profile=\"libvirt-{*}\" name=\"{path*}.qcow2\"",
        "security/apparmor/audit.c, audit_pre",
    ),
    of(
        "apparmor-denied",
        "apparmor=\"DENIED\" operation=\"{operation}\" {*}profile=\"libvirt-{*}\" name=\"{path*}.img\"",
        "security/apparmor/audit.c, audit_pre",
    ),
    of(
        "apparmor-denied",
        "apparmor=\"DENIED\" operation=\"{operation}\" {*}profile=\"libvirt-{*}\" name=\"{path*}.raw\"",
        "security/apparmor/audit.c, audit_pre",
    ),
    of(
        "apparmor-denied",
        "apparmor=\"DENIED\" operation=\"{operation}\" {*}profile=\"libvirt-{*}\" name=\"{path*}.iso\"",
        "security/apparmor/audit.c, audit_pre",
    ),
    of(
        "selinux-denied",
        "avc:  denied  {permission*} for {*}vfio{*} tclass={class}",
        "security/selinux/avc.c, avc_audit_pre_callback",
    ),
    of(
        "selinux-denied",
        "avc:  denied  {permission*} for {*}svirt_t{*} tclass={class}",
        "security/selinux/avc.c, avc_audit_pre_callback",
    ),
    // What sounds good and is not.
    of("iommu-parameter-read", "Intel-IOMMU: enabled", "drivers/iommu/intel-iommu.c, before 4.2"),
    of("iommu-parameter-read", "DMAR: IOMMU enabled", "drivers/iommu/intel/iommu.c, intel_iommu_setup"),
    of("iommu-parameter-read", "DMAR: Forcing Intel-IOMMU to enabled", "drivers/iommu/intel/iommu.c"),
];
