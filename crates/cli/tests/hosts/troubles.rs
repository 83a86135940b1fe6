//! What the kernel's log, the memory and the programs of drawn hosts say.

use crate::drawing::Drawing;

/// Every text of the kernel's that passthru knows, said of the devices of `misfits` as kernels
/// said it in public reports; and between them what means nothing.
const LOG: &[&str] = &[
    "Linux version 6.1.0-7-amd64 (debian-kernel@lists.debian.org)",
    "x86/cpu: VMX (outside TXT) disabled by BIOS",
    "DMAR: [Firmware Bug]: Your BIOS is broken; DMAR reported at address fed90000 returns all ones!",
    "DMAR: [Firmware Bug]: No firmware reserved region can cover this RMRR [0x00000000bdff6000-0x00000000bdffcfff], contact BIOS vendor for fixes",
    "DMAR: IOMMU enabled",
    "AMD-Vi: [Firmware Bug]: IVRS invalid checksum",
    "AMD-Vi: Completion-Wait loop timed out",
    "DMAR-IR: Not enabling interrupt remapping",
    "kvm: no hardware support",
    "Lockdown: setpci: direct PCI access is restricted; see man kernel_lockdown.7",
    "efifb: cannot reserve video memory at 0xc0000000",
    "vfio_pci: invalid id string \"1002-731f\"",
    "vfio-pci 0000:06:00.0: 8086:37c8 exists in vfio-pci device denylist, driver probing disallowed.",
    "vfio-pci 0000:06:00.0: Adding kernel taint for vfio-noiommu group on device",
    "vfio_iommu_type1_attach_group: No interrupt remapping support.  Use the module param \"allow_unsafe_interrupts\" to enable VFIO IOMMU support on this platform",
    "vfio-pci 0000:01:00.0: enabling device (0002 -> 0003)",
    "vfio-pci 0000:01:00.0: BAR 0: can't reserve [mem 0x380000000000-0x38000fffffff 64bit pref]",
    "vfio-pci 0000:01:00.0: BAR 0: can't reserve [mem 0x380000000000-0x38000fffffff 64bit pref]",
    "vfio-pci 0000:01:00.0: Invalid PCI ROM header signature: expecting 0xaa55, got 0xffff",
    "vfio-pci 0000:01:00.0: not ready 1023ms after bus reset; waiting",
    "vfio-pci 0000:01:00.0: not ready 65535ms after bus reset; giving up",
    "vfio-pci 0000:01:00.0: vfio_bar_restore: reset recovery - restoring BARs",
    "vfio-pci 0000:02:00.0: Unable to change power state from D3cold to D0, device inaccessible",
    "vfio-pci 0000:02:00.0: Refused to change power state from D3hot to D0",
    "NVRM: Attempting to remove device 0000:02:00.0 with non-zero usage count!",
    "INFO: task tee:14093 blocked for more than 120 seconds.",
    "genirq: Flags mismatch irq 16. 00000000 (vfio-intx(0000:03:00.0)) vs. 00000080 (ehci_hcd:usb1)",
    "irq 16: nobody cared (try booting with the \"irqpoll\" option)",
    "mlx4_core 0000:03:00.0: not enough MMIO resources for SR-IOV",
    "vfio-pci 0000:03:00.0: Cannot bind to PF with SR-IOV enabled",
    "vfio-pci 0000:03:00.0: VF token required to access device",
    "vfio-pci 0000:03:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.",
    "DMAR: [DMA Read NO_PASID] Request device [04:00.0] fault addr 0x7e4b3000 [fault reason 0x06] PTE Read access is not set",
    "DMAR: [INTR-REMAP] Request device [04:00.0] fault index 0x24 [fault reason 0x22] Present field in the IRTE entry is clear",
    "vfio-pci 0000:04:00.0: timed out waiting for pending transaction; performing function level reset anyway",
    "vfio-pci 0000:04:00.0: Masking broken INTx support",
    "pci 0000:05:00.0: unknown header type 7f, ignoring device",
    "vfio-pci: probe of 0000:05:00.0 failed with error -19",
    "vfio-pci 0000:06:00.0: Relaying device request to user (#0)",
    "vfio-pci 0000:06:00.0: No device request channel registered, blocked until released by user",
    "vfio_pin_pages_remote: RLIMIT_MEMLOCK (8388608) exceeded",
    "audit: type=1400 audit(1700000000.1:2): apparmor=\"DENIED\" operation=\"open\" profile=\"libvirt-7d3f1c92-4a6b-4e81-9f25-3c8a1e7b5d04\" name=\"/dev/vfio/24\" pid=6142 comm=\"qemu-system-x86\" requested_mask=\"wr\" denied_mask=\"wr\"",
    "audit: type=1400 audit(1700000000.2:3): avc:  denied  { read write } for  pid=2218 comm=\"qemu-kvm\" name=\"24\" dev=\"devtmpfs\" ino=217 scontext=system_u:system_r:svirt_t:s0:c1,c2 tcontext=system_u:object_r:vfio_device_t:s0 tclass=chr_file permissive=0",
];

/// The log of a host, a record a second.
pub(super) fn kernel_log(host: &mut Drawing, lines: &[&str]) {
    let mut log = String::new();
    for (i, line) in lines.iter().enumerate() {
        log.push_str(&format!("4,{i},{i}000000,-;{line}\n SUBSYSTEM=pci\n"));
    }
    host.file("dev/kmsg", &log);
}

/// A host on which all of it is wrong.
pub(super) fn all_wrong(host: &mut Drawing) {
    kernel_log(host, LOG);
    memory(host, "8388608", "0000000000000000", (64, 0));
    // As guides for shared memory have people write it.
    host.file(
        "etc/libvirt/qemu.conf",
        "cgroup_device_acl = [\n    \"/dev/null\", \"/dev/full\", \"/dev/zero\",\n    \"/dev/kvm\", \"/dev/kvmfr0\"\n]\n",
    );
    host.file("sys/module/apparmor/parameters/enabled", "Y\n");
    host.file("sys/kernel/security/apparmor/profiles", "libvirtd (enforce)\nvirt-aa-helper (enforce)\n");
}

/// A host on which nothing of it is.
pub(super) fn all_right(host: &mut Drawing) {
    kernel_log(host, &["Linux version 6.1", "Command line: quiet", "DMAR: IOMMU enabled"]);
    memory(host, "unlimited", "000001ffffffffff", (512, 512));
    host.file("usr/bin/qemu-system-x86_64", "");
    host.file("etc/libvirt/qemu.conf", "#cgroup_device_acl = [\n#    \"/dev/null\"\n#]\nuser = \"qemu\"\n");
    host.file("sys/module/apparmor/parameters/enabled", "Y\n");
    host.file("sys/kernel/security/apparmor/profiles", "libvirtd (enforce)\nvirt-aa-helper (enforce)\n");
    host.file("etc/apparmor.d/abstractions/libvirt-qemu", "");
}

/// SELinux that enforces, with a switch that is off.
pub(super) fn selinux(host: &mut Drawing) {
    host.file("etc/libvirt/qemu.conf", "");
    host.file("sys/fs/selinux/enforce", "1");
    host.file("sys/fs/selinux/booleans/virt_use_sysfs", "0 0");
    host.file("sys/fs/selinux/booleans/virt_use_usb", "1 1");
}

fn memory(host: &mut Drawing, locked: &str, capabilities: &str, (total, free): (u32, u32)) {
    host.file(
        "proc/meminfo",
        &format!(
            "MemTotal:       16318412 kB\nHugePages_Total:    {total}\nHugePages_Free:     {free}\nHugepagesize:       2048 kB\n"
        ),
    );
    host.file(
        "proc/self/limits",
        &format!(
            "Limit                     Soft Limit           Hard Limit           Units     \n\
             Max locked memory         {locked:<20} {locked:<20} bytes     \n"
        ),
    );
    host.file("proc/self/status", &format!("Name:\tpassthru\nCapEff:\t{capabilities}\n"));
}
