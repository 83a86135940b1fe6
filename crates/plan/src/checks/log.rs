//! Past trouble in the kernel's log: one check for each text of the kernel's that
//! [`crate::signatures`] knows. They say that something happened since the boot, not that it
//! is still so; that is for the checks of the cause, which stand before them.

use passthru_model::system::{Log, LogLine};
use passthru_model::{Evidence, Fact, Finding, Remedy, Severity, Verdict, When};
use passthru_pci::Address;

use super::{Ask, Check, Host, Subject, could_not_look, not_known};
use crate::signatures::{self, Signature};

/// What is asked when nothing else is known of the log.
const PLACE: &str = "/dev/kmsg";

fn judge(
    host: &Host<'_>,
    signature: &'static Signature,
    severity: Severity,
    device: Option<Address>,
    remedy: (When, &str),
) -> Verdict {
    let log = match &host.snapshot.system.log {
        Fact::Known(log) => log,
        Fact::Absent => return could_not_look(PLACE, "there is no log of the kernel here"),
        fact => return not_known(fact, PLACE),
    };
    let about = |line: &&LogLine| line.name == signature.name && (device.is_none() || line.device == device);
    let lines: Vec<&LogLine> = log.lines.iter().filter(about).collect();
    if lines.is_empty() {
        return Verdict::Pass(format!("nothing of it in {} since the boot", log.place));
    }
    Finding {
        severity,
        summary: format!("the kernel's log: {}", signature.title),
        evidence: lines.into_iter().map(|line| evidence(log, line)).collect(),
        consequence: signature.meaning.into(),
        remedy: Remedy::new(remedy.0, remedy.1),
    }
    .into()
}

fn evidence(log: &Log, line: &LogLine) -> Evidence {
    let time = line.time.map_or_else(String::new, |t| format!("[{:5}.{:06}] ", t / 1_000_000, t % 1_000_000));
    let often =
        if line.count > 1 { format!(" ({} times, this is the last)", line.count) } else { String::new() };
    Evidence::new(log.place, format!("{time}{}{often}", line.text))
}

const fn of(
    id: &'static str,
    name: &'static str,
    severity: Severity,
    about: &'static str,
    sources: &'static [&'static str],
    ask: Ask,
) -> Check {
    let title = signatures::known(name).title;
    Check { id, title, severity, subject: Subject::Log, after: &[], about, sources, ask }
}

/// A check of the log: its name, whether it is about `host` or a `device`, how bad it is, what
/// to do and when that helps, the long text, where it can be read up.
macro_rules! log {
    ($name:literal, host, $severity:ident, $when:ident $todo:literal, $about:literal, $sources:expr) => {
        log!(@ $name, $severity, $about, $sources, Ask::Host(|host| {
            const SIGNATURE: &Signature = signatures::known($name);
            judge(host, SIGNATURE, Severity::$severity, None, (When::$when, $todo))
        }))
    };
    ($name:literal, device, $severity:ident, $when:ident $todo:literal, $about:literal, $sources:expr) => {
        log!(@ $name, $severity, $about, $sources, Ask::Device(|host, device| {
            const SIGNATURE: &Signature = signatures::known($name);
            judge(host, SIGNATURE, Severity::$severity, Some(device.address), (When::$when, $todo))
        }))
    };
    (@ $name:literal, $severity:ident, $about:literal, $sources:expr, $ask:expr) => {
        of(concat!("log-", $name), $name, Severity::$severity, $about, $sources, $ask)
    };
}

pub(super) const CHECKS: &[Check] = &[
    log!("dmar-broken", host, Warning, Firmware "Update the firmware, or switch VT-d off and on again in its set-up",
        "`DMAR: [Firmware Bug]: Your BIOS is broken; DMAR reported at address fed90000 returns all ones!` The DMAR table \
         names an IOMMU whose registers read as ones: VT-d is off although the table is there, or the table is wrong. \
         The kernel uses no IOMMU then, whatever its command line says.",
        &["drivers/iommu/intel/dmar.c, dmar_validate_one_drhd"]),
    log!("rmrr-broken", host, Note, Firmware "Update the firmware where an update is to be had",
        "`DMAR: [Firmware Bug]: No firmware reserved region can cover this RMRR [0x…-0x…], contact BIOS vendor for fixes`: \
         the DMAR table demands a fixed mapping for memory that the memory map does not call reserved. Lending works; \
         the device that uses the region may misbehave.",
        &["drivers/iommu/intel/iommu.c, rmrr_sanity_check"]),
    log!("ivrs-broken", host, Warning, Firmware "Update the firmware",
        "`AMD-Vi: [Firmware Bug]: IVRS invalid checksum` or `AMD-Vi: IVRS table error: …`: the kernel does not trust the \
         table, so AMD's IOMMU stays unused and there are no groups.",
        &["drivers/iommu/amd/init.c, check_ivrs_checksum"]),
    log!("no-remapping", host, Warning, Firmware "Switch interrupt remapping (x2APIC, VT-d) on in the firmware's set-up",
        "`vfio_iommu_type1_attach_group: No interrupt remapping support.  Use the module param \"allow_unsafe_interrupts\" to \
         enable VFIO IOMMU support on this platform`: somebody tried to lend a device, and VFIO refused. QEMU says \
         `Failed to set iommu for container: Operation not permitted` meanwhile. The parameter makes it work at the price \
         that a guest can inject interrupts into the host.",
        &["drivers/vfio/vfio_iommu_type1.c, vfio_iommu_type1_attach_group"]),
    log!("remapping-off", host, Warning, Firmware "Update the firmware; for AMD see `ivrs_ioapic=` in kernel-parameters.txt",
        "`AMD-Vi: [Firmware Bug]: : No southbridge IOAPIC found`, `AMD-Vi: Disabling interrupt remapping`, `DMAR-IR: Not \
         enabling interrupt remapping` and `DMAR-IR: This system BIOS has enabled interrupt remapping on a chipset that \
         contains an erratum making that feature unstable`: the kernel does without, and VFIO then refuses the devices.",
        &["drivers/iommu/amd/init.c, check_ioapic_information", "drivers/iommu/intel/irq_remapping.c"]),
    log!("virtualization-off", host, Warning, Firmware "Switch VT-x (Intel) or SVM (AMD) on in the firmware's set-up",
        "`kvm: disabled by bios`, `x86/cpu: VMX (outside TXT) disabled by BIOS`, `SVM disabled (by BIOS) in MSR_VM_CR`: the \
         processor can do it and the firmware forbids it. A full power-off, not only a reboot, may be needed for the \
         setting to hold.",
        &["arch/x86/kernel/cpu/feat_ctl.c, init_ia32_feat_ctl", "arch/x86/kvm/svm/svm.c"]),
    log!("virtualization-none", host, Warning, Firmware "Look whether VT-x (Intel) or SVM (AMD) is on in the firmware's set-up; in a virtual machine, switch on nested virtualization",
        "`kvm: no hardware support`, `VMX not supported by CPU 0`, `SVM not supported by CPU 0`: the kernel does not see \
         virtualization in the processor. Where the firmware switched it off, newer kernels hide it from KVM, so this text \
         comes in that case too. In a virtual machine the host hides it unless nested virtualization is on. Only a \
         processor whose data sheet names neither VT-x nor AMD-V cannot do it at all.",
        &["arch/x86/kvm/x86.c", "arch/x86/kvm/vmx/vmx.c", "arch/x86/kernel/cpu/amd.c, init_amd"]),
    log!("vfio-ids", host, Warning, Reboot "Write the ids as VENDOR:DEVICE in hexadecimal, separated by commas without blanks",
        "`vfio_pci: invalid id string \"10de-1284\"`: the kernel passed over a word of `vfio-pci.ids=`, so that device stays \
         on its host driver. Four hexadecimal digits, a colon, four more; `lspci -nn` shows them in brackets.",
        &["drivers/vfio/pci/vfio_pci.c, vfio_pci_fill_ids"]),
    log!("noiommu-mode", host, Warning, Now "Switch the mode off (enable_unsafe_noiommu_mode=0) and the IOMMU on",
        "`Adding kernel taint for vfio-noiommu group on device`: since the boot a device was bound to a vfio driver without \
         an IOMMU, and the kernel is tainted from then on. `vfio-noiommu device opened by user` says that a process had \
         it as well: then the device can have written everywhere. Only a reboot clears the taint.",
        &["drivers/vfio/group.c, vfio_group_find_or_alloc and vfio_device_open_file"]),
    log!("framebuffer-memory-taken", host, Note, Reboot "Give the screen to another card, or expect it to stay dark until the card is released",
        "`efifb: cannot reserve video memory at 0xc0000000`: the framebuffer the firmware left lies in memory that \
         something else holds. After a BAR was moved or resized the picture of the boot cannot come back.",
        &["drivers/video/fbdev/efifb.c, efifb_probe"]),
    log!("bar-taken", device, Warning, Now "Release what draws on the card's memory before it is lent (see `passthru explain boot-framebuffer`)",
        "`vfio-pci 0000:01:00.0: BAR 1: can't reserve [mem 0xe0000000-0xefffffff 64bit pref]`: the guest starts, and its \
         driver does not: the card's memory could not be mapped. On a card that was the boot display the holder is efifb, \
         simpledrm or vesafb (`BOOTFB` in /proc/iomem). `video=efifb:off` does not help with simpledrm.",
        &["drivers/pci/pci.c, __pci_request_region", "drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_setup_barmap"]),
    log!("direct-mapping", device, Warning, Firmware "Switch the firmware's use of the device off, or plug it into another slot",
        "`Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 \
         mapping.` or on older kernels `Device is ineligible for IOMMU domain attach due to platform RMRR requirement.`: \
         somebody tried to lend it, and the kernel refused. `passthru explain firmware-mapping` says more.",
        &["drivers/iommu/iommu.c, __iommu_device_set_domain"]),
    log!("power-inaccessible", device, Warning, Now "Set `d3cold_allowed` of the device and its port to 0, and vfio-pci's disable_idle_d3=1",
        "`Unable to change power state from D3cold to D0, device inaccessible`; before 5.19 `can't change power state from \
         D3cold to D0 (config space inaccessible)`. The device does not answer: no power, no link, or it hangs after a \
         reset. QEMU then says `vfio: Unable to power on device, stuck in D3`, libvirt `Unknown PCI header type '127'`. \
         Where switching off power saving does not help, the reset is broken, and only a power cycle helps.",
        &["drivers/pci/pci.c, pci_power_up", "Documentation/power/pci.rst"]),
    log!("power-refused", device, Warning, Now "Set vfio-pci's disable_idle_d3=1 and `power/control` of the device to on",
        "`Refused to change power state from D3hot to D0`; before 5.5 `Refused to change power state, currently in D3`. \
         The device stayed in the state it was in. Now and then at suspend it means nothing; when a guest starts it is \
         the reason why the guest does not.",
        &["drivers/pci/pci.c, pci_power_up"]),
    log!("header-gone", device, Warning, Now "Power the machine off and on; a rescan does not bring the device back",
        "`unknown header type 7f, ignoring device`: on a rescan the device read as ones. It lost its power or hangs after a \
         reset.",
        &["drivers/pci/probe.c, pci_setup_device"]),
    log!("reset-no-answer", device, Warning, Now "Power the machine off and on; see `passthru explain broken-reset`",
        "`not ready 65535ms after FLR; giving up`: the device was reset and never answered again. Devices that do that \
         work for one guest after each boot. Some AMD cards have the module vendor-reset.",
        &["drivers/pci/pci.c, pci_dev_wait"]),
    log!("reset-slow", device, Note, Now "Wait: if no `giving up` follows, the device came back",
        "`not ready 1023ms after FLR; waiting`: the kernel waits up to a minute. Large network cards and some NVMe disks \
         take seconds; a graphics card that does so often hangs the next time.",
        &["drivers/pci/pci.c, pci_dev_wait"]),
    log!("reset-pending", device, Note, Now "Shut guests down in an orderly way, so that the device is quiet when it is reset",
        "`timed out waiting for pending transaction; performing function level reset anyway`: the device was still \
         transferring when it was reset, as after a guest that was killed.",
        &["drivers/pci/pci.c, pcie_flr"]),
    log!("reset-restored", device, Note, Now "Nothing, unless the guest's driver fails afterwards",
        "`vfio_bar_restore: reset recovery - restoring BARs`: the device lost its BARs, because its guest reset it by a way of \
         its own; VFIO wrote them again. Many lines of it mean that the device resets again and again.",
        &["drivers/vfio/pci/vfio_pci_config.c, vfio_bar_restore"]),
    log!("dma-fault", device, Warning, Now "Look whether it goes on; if so reset or unplug the device, and update its firmware",
        "`DMAR: [DMA Read NO_PASID] Request device [01:00.0] fault addr 0x7e4b3000 [fault reason 0x06] PTE Read access is not \
         set` or `AMD-Vi: Event logged [IO_PAGE_FAULT …]`. A few while a device changes hands are what the IOMMU is \
         there for. If they go on, the device uses memory nobody mapped: a firmware that still works on it, a function \
         that sends under the number of another (SATA controllers of Marvell), or a driver's fault.",
        &["drivers/iommu/intel/dmar.c, dmar_fault_do_one", "drivers/iommu/amd/iommu.c, amd_iommu_report_page_fault"]),
    log!("interrupt-fault", device, Warning, Now "Reset the device; if it goes on, update the kernel and the device's firmware",
        "`DMAR: [INTR-REMAP] Request device [01:00.0] fault index 0x24 [fault reason 0x22] Present field in the IRTE entry is \
         clear`: the device sent an interrupt that is no longer set up, mostly just after it changed hands.",
        &["drivers/iommu/intel/dmar.c, dmar_fault_do_one"]),
    log!("iommu-timeout", host, Warning, Now "Look which device hung before it; power the machine off and on to bring it back",
        "`AMD-Vi: Completion-Wait loop timed out`: the IOMMU waits for an answer of a device's, mostly of a graphics card that \
         hangs after a reset. While it goes on, everything that uses the IOMMU is slow, and the host may stop.",
        &["drivers/iommu/amd/iommu.c, wait_on_sem"]),
    log!("intx-shared", device, Warning, Now "Switch MSI on for the guest's driver, or take the other device's driver off the line",
        "`genirq: Flags mismatch irq 18. 00000000 (vfio-intx(0000:01:04.0)) vs. 00000080 (ehci_hcd:usb1)`: the device cannot \
         share its interrupt line, and somebody has it. QEMU says `Failed to set up TRIGGER eventfd signaling for \
         interrupt INTX-0: VFIO_DEVICE_SET_IRQS failure: Device or resource busy`.",
        &["kernel/irq/manage.c, __setup_irq", "drivers/vfio/pci/vfio_pci_intrs.c, vfio_intx_enable"]),
    log!("intx-broken", device, Note, Now "Use the device with MSI in the guest",
        "`Masking broken INTx support`: the kernel knows that this device's DisINTx bit does not work, and shows the guest no \
         line interrupt at all.",
        &["drivers/vfio/pci/vfio_pci_core.c, vfio_pci_nointx"]),
    log!("irq-nobody", host, Warning, Reboot "Find out by /proc/interrupts who shares the line; prefer MSI",
        "`irq 16: nobody cared (try booting with the \"irqpoll\" option)`: a device on the line keeps it raised and no driver \
         answers, as after a device with line interrupts was taken from its driver. The kernel switches the line off, and \
         all devices on it are deaf or slow until the next boot.",
        &["kernel/irq/spurious.c, note_interrupt"]),
    log!("rom-bad", device, Note, Now "Give QEMU the ROM as a file (romfile=), or switch it off (rombar=0)",
        "`Invalid PCI ROM header signature: expecting 0xaa55, got 0xffff`: the ROM cannot be read from the card. The boot \
         display's is a used copy; others sleep. A guest with UEFI does without on cards with a driver of its own.",
        &["drivers/pci/rom.c, pci_get_rom_size"]),
    log!("vfio-probe-failed", device, Warning, Now "Look at the findings about groups and bridges: they say why",
        "`vfio-pci: probe of 0000:01:00.0 failed with error -22`, since 6.10 `vfio-pci 0000:01:00.0: probe with driver vfio-pci \
         failed with error -22`. -22 is a device without an IOMMU group, a bridge, or one on the kernel's denylist, -16 a \
         physical function with virtual ones.",
        &["drivers/base/dd.c, call_driver_probe", "drivers/vfio/pci/vfio_pci_core.c"]),
    log!("vfio-denylist", device, Warning, Now "Leave it with the host; disable_denylist=1 of vfio-pci overrides at your own risk",
        "`8086:37c8 exists in vfio-pci device denylist, driver probing disallowed.`: certain devices (Intel's QAT \
         functions, DSA and IAX of Sapphire Rapids) cannot be given to untrusted users safely, and vfio-pci refuses them.",
        &["drivers/vfio/pci/vfio_pci.c, vfio_pci_dev_in_denylist"]),
    log!("sriov-bound", device, Warning, Now "Write 0 to sriov_numvfs, or lend the virtual functions instead",
        "`Cannot bind to PF with SR-IOV enabled`: vfio-pci refused the physical function, with `Device or resource busy`, because \
         its virtual functions are switched on.",
        &["drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_register_device"]),
    log!("vf-token", device, Note, Now "Give QEMU the token: -device vfio-pci,…,vf-token=UUID",
        "`VF token required to access device`: the physical function is on vfio-pci as well, and whoever has it could look \
         into its virtual functions. Both sides must show the same UUID.",
        &["drivers/vfio/pci/vfio_pci_core.c, vfio_pci_validate_vf_token"]),
    log!("sriov-memory", device, Warning, Firmware "Switch on above 4G decoding and SR-IOV in the firmware, or boot with pci=realloc",
        "`not enough MMIO resources for SR-IOV`: there is no address space for the virtual functions' BARs, and writing to \
         sriov_numvfs fails with `Cannot allocate memory`.",
        &["drivers/pci/iov.c, sriov_enable"]),
    log!("holder-asked", device, Note, Now "Stop the virtual machine that has the device, then release it",
        "`Relaying device request to user (#0)`: an unbind waits for a virtual machine, and the kernel asks it to let go. \
         QEMU unplugs the device from the guest, if the guest agrees.",
        &["drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_request"]),
    log!("holder-deaf", device, Warning, Now "End the process that has the device open (`passthru status` names it)",
        "`No device request channel registered, blocked until released by user` or `Device is currently in use, task \"tee\" (812) \
         blocked until device is released`: the unbind hangs until the holder closes the device.",
        &["drivers/vfio/vfio_main.c, vfio_unregister_group_dev"]),
    log!("nvidia-in-use", device, Warning, Reboot "Boot again, and next time end every user of the card before it is unbound",
        "`NVRM: Attempting to remove device 0000:01:00.0 with non-zero usage count!`: the driver waits for ever for who has the card \
         open (a display server, nvidia-persistenced, a browser). The writer hangs, and with it everything that asks \
         the device. passthru refuses such an unbind beforehand.",
        &["NVIDIA/open-gpu-kernel-modules, kernel-open/nvidia/nv-pci.c, nv_pci_remove_helper"]),
    log!("task-hung", host, Note, Now "Look with `passthru status` whether it is a write to a device, and end who it waits for",
        "`INFO: task tee:14093 blocked for more than 120 seconds.`: a process has been in the kernel for minutes. It need not \
         have to do with lending; it has where the process wrote to `unbind`.",
        &["kernel/hung_task.c, check_hung_task"]),
    log!("memlock", host, Warning, Now "Raise the limit of locked memory for that virtual machine, or start it by `passthru run`",
        "`vfio_pin_pages_remote: RLIMIT_MEMLOCK (65536) exceeded`: a guest with a lent device was started by somebody who may \
         not lock that much memory. QEMU says `VFIO_MAP_DMA failed: Cannot allocate memory`.",
        &["drivers/vfio/vfio_iommu_type1.c, vfio_pin_pages_remote"]),
    log!("lockdown", host, Note, Now "Nothing, unless a tool that writes to hardware directly is needed",
        "`Lockdown: setpci: direct PCI access is restricted; see man kernel_lockdown.7`: Secure Boot is on, and a program \
         wanted what it forbids. VFIO works under lockdown; setpci, unsigned modules and /dev/mem do not.",
        &["security/lockdown/lockdown.c", "kernel_lockdown(7)"]),
    log!("apparmor-denied", host, Warning, Now "Allow the file in /etc/apparmor.d/local/abstractions/libvirt-qemu, then start the machine again",
        "`apparmor=\"DENIED\" operation=\"open\" profile=\"libvirt-UUID\" name=\"/dev/vfio/13\"`: libvirt writes a profile for each \
         machine from what stands in its XML. What is given by qemu:commandline, or by a path it does not see (a ROM file \
         in a home directory), is not in it.",
        &["security/apparmor/audit.c, audit_pre", "libvirt, src/security/virt-aa-helper.c"]),
    log!("selinux-denied", host, Warning, Now "Let `ausearch -m avc -ts boot | audit2why` say which label or boolean it is",
        "`avc:  denied  { read write } for … tcontext=…:vfio_device_t:s0 tclass=chr_file`: a virtual machine of libvirt's \
         (svirt_t) was refused something. Labels are put right by restorecon, switches are the booleans virt_*.",
        &["security/selinux/avc.c", "getsebool(8)"]),
];

#[cfg(test)]
mod tests {
    use passthru_formats::Errno;
    use passthru_formats::messages::{self, Program};
    use passthru_model::Snapshot;

    use super::super::by_id;
    use super::super::testing::{function, host_with, verdict};
    use super::*;

    fn host(log: Fact<Log>) -> Snapshot {
        let mut host = host_with(|system| system.log = log);
        host.devices = vec![function("01:00.0"), function("02:00.0")];
        host
    }

    fn line(name: &'static str, device: Option<&str>) -> LogLine {
        let device = device.map(|d| d.parse().unwrap());
        LogLine { name, device, time: Some(5_690_800), count: 3, text: "the text".into() }
    }

    #[test]
    fn every_text_of_the_kernel_has_its_check() {
        // This one is no trouble by itself.
        let quiet = ["iommu-parameter-read", "x2apic-opt-out"];
        for text in messages::texts().filter(|t| t.program == Program::Kernel && !quiet.contains(&t.name)) {
            let id = format!("log-{}", text.name);
            let check = by_id(&id).unwrap_or_else(|| panic!("no check {id}"));
            // Texts that name a device in every version are about devices.
            let named = messages::texts()
                .filter(|t| t.name == text.name && t.program == Program::Kernel)
                .any(|t| t.pattern.contains("{device}"));
            assert_eq!(matches!(check.ask, Ask::Device(_)), named, "{id}");
        }
        for signature in signatures::all() {
            for id in signature.ids().filter(|id| id.starts_with("log-")) {
                assert!(by_id(id).is_some(), "{}: {id}", signature.name);
            }
        }
    }

    #[test]
    fn they_fire_for_their_device_and_pass() {
        let log = |lines| host(Fact::Known(Log { place: "/dev/kmsg", lines }));
        let first = log(vec![line("bar-taken", Some("01:00.0")), line("memlock", None)]);
        assert_eq!(verdict(&first, "log-bar-taken"), "the kernel's log: something else holds the BAR");
        assert_eq!(
            verdict(&first, "log-memlock"),
            "the kernel's log: the limit of locked memory was reached"
        );
        assert_eq!(verdict(&first, "log-dma-fault"), "pass");
        let other = log(vec![line("bar-taken", Some("02:00.0"))]);
        assert_eq!(verdict(&other, "log-bar-taken"), "pass");
        assert_eq!(
            verdict(&host(Fact::Unreadable(Errno::EPERM)), "log-memlock"),
            "could not look at /dev/kmsg"
        );
        assert_eq!(verdict(&host(Fact::Absent), "log-bar-taken"), "could not look at /dev/kmsg");
    }

    #[test]
    fn evidence_says_when_and_how_often() {
        let log = Log { place: "/dev/kmsg", lines: Vec::new() };
        let shown = evidence(&log, &line("memlock", None));
        assert_eq!(shown.value, "[    5.690800] the text (3 times, this is the last)");
    }
}
