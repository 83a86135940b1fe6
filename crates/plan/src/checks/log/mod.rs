//! Past trouble in the kernel's log: one check for each text of the kernel's that
//! [`crate::signatures`] knows. They say that something happened since the boot, not that it
//! is still so; that is for the checks of the cause, which stand before them.

use passthru_formats::audit;
use passthru_model::system::{Log, LogLine};
use passthru_model::{Device, Evidence, Fact, Finding, Remedy, Severity, Snapshot, Verdict, When};
use passthru_pci::Address;

use super::{Ask, Check, Host, Subject, could_not_look, might_be_lent, not_known};
use crate::signatures::{self, Signature};

/// What is asked when nothing else is known of the log.
const PLACE: &str = "/dev/kmsg";

/// What a check of the log is asked about.
#[derive(Clone, Copy)]
enum About<'a> {
    /// The host, by what a kernel says when it boots or when a module comes up at boot.
    Boot,
    /// The host, by what is said at any time.
    Host,
    /// The host, by what security modules refuse: where auditd runs, that is in its log.
    Refusal,
    /// A device.
    Device(&'a Device),
    /// What is said of devices and belongs to none that is asked about: one that is gone, or
    /// none that is named.
    Others,
}

impl About<'_> {
    fn has(self, host: &Host<'_>, line: &LogLine) -> bool {
        match self {
            Self::Boot | Self::Host | Self::Refusal => true,
            Self::Device(device) => concerns(host.snapshot, device, line),
            Self::Others => {
                let mut asked = host.snapshot.devices.iter().filter(|device| might_be_lent(device));
                !asked.any(|device| concerns(host.snapshot, device, line))
            }
        }
    }
}

/// Whether a line matters to a device: it names the device, a bridge above it (whose sleep is
/// the device's, and under whose number conventional devices send), or, where the IOMMU stopped
/// a request, a function that no device has and this one's requests can seem to come from: of its
/// own slot, or the first of its bus (PCIe-to-PCI bridges). Its companions are asked about
/// themselves.
fn concerns(snapshot: &Snapshot, device: &Device, line: &LogLine) -> bool {
    let Some(named) = line.device else { return false };
    let (at, bus) = (device.address, |address: Address| (address.domain(), address.bus()));
    if snapshot.device(named).is_none() {
        let first = (named.device(), named.function()) == (0, 0);
        return matches!(line.name, "dma-fault" | "interrupt-fault")
            && (named.slot() == at.slot() || (first && bus(named) == bus(at)));
    }
    let up = |address: &Address| snapshot.device(*address).and_then(|device| device.parent);
    // There are 256 buses at most, and what is pasted may lead round in a circle.
    named == at || std::iter::successors(device.parent, up).take(256).any(|bridge| bridge == named)
}

fn judge(
    host: &Host<'_>,
    signature: &'static Signature,
    severity: Severity,
    about: About<'_>,
    remedy: (When, &str),
) -> Verdict {
    let system = &host.snapshot.system;
    let kernel = match &system.log {
        Fact::Known(log) => Ok(log),
        Fact::Absent => Err(could_not_look(PLACE, "there is no log of the kernel here")),
        fact => Err(not_known(fact, PLACE)),
    };
    let audit = match (about, &system.audit) {
        (About::Refusal, Fact::Known(log)) => Ok(Some(log)),
        (About::Refusal, fact @ (Fact::Unreadable(_) | Fact::Malformed(_))) => {
            Err(not_known(fact, audit::PATH))
        }
        _ => Ok(None),
    };
    let logs = kernel.iter().copied().chain(audit.iter().copied().flatten());
    let wanted = |line: &&LogLine| line.name == signature.name && about.has(host, line);
    let found: Vec<Evidence> =
        logs.flat_map(|log| log.lines.iter().filter(wanted).map(|line| evidence(host, log, line))).collect();
    if found.is_empty() {
        return match (kernel, audit) {
            (Err(blind), _) | (_, Err(blind)) => blind,
            (Ok(log), Ok(audit)) => nothing(about, log, audit),
        };
    }
    let from =
        if found.iter().all(|seen| seen.place == audit::PATH) { "the audit log" } else { "the kernel's log" };
    Finding {
        severity,
        summary: format!("{from}: {}", signature.title),
        evidence: found,
        consequence: signature.meaning.into(),
        remedy: Remedy::new(remedy.0, remedy.1),
    }
    .into()
}

/// What it means that nothing is there.
fn nothing(about: About<'_>, log: &Log, audit: Option<&Log>) -> Verdict {
    let places =
        audit.map_or_else(|| log.place.to_owned(), |audit| format!("{} and {}", log.place, audit.place));
    match about {
        _ if log.whole && audit.is_none_or(|audit| audit.whole) => {
            Verdict::Pass(format!("nothing of it in {places} since the boot"))
        }
        // It would have stood in the part that is gone, so that the rest says nothing.
        About::Boot => could_not_look(
            log.place,
            "the beginning of the log, where it would stand, was overwritten or rotated away",
        ),
        // It is said whenever a device is used: the log goes back some time, and what is older
        // has passed, or comes again at the next use.
        _ => Verdict::Pass(format!("nothing of it in what is left of {places}: the beginning is gone")),
    }
}

fn evidence(host: &Host<'_>, log: &Log, line: &LogLine) -> Evidence {
    let time = line.time.map_or_else(String::new, |t| format!("[{:5}.{:06}] ", t / 1_000_000, t % 1_000_000));
    let often =
        if line.count > 1 { format!(" ({} times, this is the last)", line.count) } else { String::new() };
    let gone = line.device.filter(|device| host.snapshot.device(*device).is_none());
    let gone = gone.map_or_else(String::new, |device| format!("; nothing has the address {device} now"));
    Evidence::new(log.place, format!("{time}{}{often}{gone}", line.text))
}

/// Texts about a state of the host or a device at which other checks look themselves, and which
/// these are. Not here is what happened to a device and may happen again whatever it looks like
/// now (a reset without an answer, a DMA fault), a state that looks like one of health (a device
/// that refuses to wake is in D3hot, as one that sleeps), and what those checks see only for the
/// one who asks them (the limit of locked memory).
const STATES: &[(&str, &[&str])] = &[
    ("log-dmar-broken", &["iommu-firmware", "iommu-kernel"]),
    ("log-ivrs-broken", &["iommu-firmware", "iommu-kernel"]),
    ("log-no-remapping", &["interrupt-remapping"]),
    ("log-remapping-off", &["interrupt-remapping"]),
    ("log-virtualization-off", &["cpu-virtualization", "kvm"]),
    ("log-virtualization-none", &["cpu-virtualization", "kvm"]),
    ("log-bar-taken", &["boot-framebuffer"]),
    ("log-power-inaccessible", &["power-state"]),
    ("log-header-gone", &["power-state"]),
    ("log-intx-shared", &["shared-interrupt"]),
];

/// Makes notes of what a check of the log found, where every check that looks at the state
/// itself has passed since.
pub(super) fn settle(id: &str, findings: &mut [Finding], passed: impl Fn(&'static str) -> bool) {
    let Some((_, causes)) = STATES.iter().find(|(of, _)| *of == id) else { return };
    if !causes.iter().all(|cause| passed(cause)) {
        return;
    }
    for finding in findings {
        finding.severity = Severity::Note;
        finding.consequence.push_str(&format!(
            " That is past: what looks at it now ({}) finds nothing wrong.",
            causes.join(", ")
        ));
    }
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

/// A check of the log: its name, whether it is about the `host` (by what is said at `boot`, or is
/// a `refusal`) or a `device`, how bad it is, what to do and when that helps, the long text, where it can be read up.
macro_rules! log {
    ($name:literal, boot, $severity:ident, $when:ident $todo:literal, $about:literal, $sources:expr) => {
        log!(@ $name, $severity, $about, $sources, Ask::Host(|host| {
            log!(judge $name, $severity, $when $todo, host, About::Boot)
        }))
    };
    ($name:literal, host, $severity:ident, $when:ident $todo:literal, $about:literal, $sources:expr) => {
        log!(@ $name, $severity, $about, $sources, Ask::Host(|host| {
            log!(judge $name, $severity, $when $todo, host, About::Host)
        }))
    };
    ($name:literal, refusal, $severity:ident, $when:ident $todo:literal, $about:literal, $sources:expr) => {
        log!(@ $name, $severity, $about, $sources, Ask::Host(|host| {
            log!(judge $name, $severity, $when $todo, host, About::Refusal)
        }))
    };
    ($name:literal, device, $severity:ident, $when:ident $todo:literal, $about:literal, $sources:expr) => {
        log!(@ $name, $severity, $about, $sources, Ask::DeviceOrOthers(
            |host, device| log!(judge $name, $severity, $when $todo, host, About::Device(device)),
            |host| log!(judge $name, $severity, $when $todo, host, About::Others),
        ))
    };
    (judge $name:literal, $severity:ident, $when:ident $todo:literal, $host:ident, $about:expr) => {{
        const SIGNATURE: &Signature = signatures::known($name);
        judge($host, SIGNATURE, Severity::$severity, $about, (When::$when, $todo))
    }};
    (@ $name:literal, $severity:ident, $about:literal, $sources:expr, $ask:expr) => {
        of(concat!("log-", $name), $name, Severity::$severity, $about, $sources, $ask)
    };
}

pub(super) const CHECKS: &[Check] = &[
    log!("dmar-broken", boot, Warning, Firmware "Update the firmware, or switch VT-d off and on again in its set-up",
        "`DMAR: [Firmware Bug]: Your BIOS is broken; DMAR reported at address fed90000 returns all ones!` The DMAR table \
         names an IOMMU whose registers read as ones: VT-d is off although the table is there, or the table is wrong. \
         The kernel uses no IOMMU then, whatever its command line says.",
        &["drivers/iommu/intel/dmar.c, dmar_validate_one_drhd"]),
    log!("rmrr-broken", boot, Note, Firmware "Update the firmware where an update is to be had",
        "`DMAR: [Firmware Bug]: No firmware reserved region can cover this RMRR [0x…-0x…], contact BIOS vendor for fixes`: \
         the DMAR table demands a fixed mapping for memory that the memory map does not call reserved. Lending works; \
         the device that uses the region may misbehave.",
        &["drivers/iommu/intel/iommu.c, rmrr_sanity_check"]),
    log!("ivrs-broken", boot, Warning, Firmware "Update the firmware",
        "`AMD-Vi: [Firmware Bug]: IVRS invalid checksum` or `AMD-Vi: IVRS table error: …`: the kernel does not trust the \
         table, so AMD's IOMMU stays unused and there are no groups.",
        &["drivers/iommu/amd/init.c, check_ivrs_checksum"]),
    log!("no-remapping", host, Warning, Firmware "Switch interrupt remapping (x2APIC, VT-d) on in the firmware's set-up",
        "`vfio_iommu_type1_attach_group: No interrupt remapping support.  Use the module param \"allow_unsafe_interrupts\" to \
         enable VFIO IOMMU support on this platform`: somebody tried to lend a device, and VFIO refused. QEMU says \
         `Failed to set iommu for container: Operation not permitted` meanwhile. The parameter makes it work at the price \
         that a guest can inject interrupts into the host.",
        &["drivers/vfio/vfio_iommu_type1.c, vfio_iommu_type1_attach_group"]),
    log!("remapping-off", boot, Warning, Firmware "Update the firmware; for AMD see `ivrs_ioapic=` in kernel-parameters.txt",
        "`AMD-Vi: [Firmware Bug]: : No southbridge IOAPIC found`, `AMD-Vi: Disabling interrupt remapping`, `DMAR-IR: Not \
         enabling interrupt remapping`, `DMAR-IR: Failed to enable irq remapping. You are vulnerable to irq-injection attacks.` \
         (by itself where a unit cannot do it at all) and `DMAR-IR: This system BIOS has enabled interrupt remapping on a chipset that \
         contains an erratum making that feature unstable`: the kernel does without, and VFIO then refuses the devices.",
        &["drivers/iommu/amd/init.c, check_ioapic_information", "drivers/iommu/intel/irq_remapping.c"]),
    log!("virtualization-off", boot, Warning, Firmware "Switch VT-x (Intel) or SVM (AMD) on in the firmware's set-up",
        "`kvm: disabled by bios`, `x86/cpu: VMX (outside TXT) disabled by BIOS`, `SVM disabled (by BIOS) in MSR_VM_CR`: the \
         processor can do it and the firmware forbids it. A full power-off, not only a reboot, may be needed for the \
         setting to hold.",
        &["arch/x86/kernel/cpu/feat_ctl.c, init_ia32_feat_ctl", "arch/x86/kvm/svm/svm.c"]),
    log!("virtualization-none", boot, Warning, Firmware "Look whether VT-x (Intel) or SVM (AMD) is on in the firmware's set-up; in a virtual machine, switch on nested virtualization",
        "`kvm: no hardware support`, `VMX not supported by CPU 0`, `SVM not supported by CPU 0`: the kernel does not see \
         virtualization in the processor. Where the firmware switched it off, newer kernels hide it from KVM, so this text \
         comes in that case too. In a virtual machine the host hides it unless nested virtualization is on. Only a \
         processor whose data sheet names neither VT-x nor AMD-V cannot do it at all.",
        &["arch/x86/kvm/x86.c", "arch/x86/kvm/vmx/vmx.c", "arch/x86/kernel/cpu/amd.c, init_amd"]),
    log!("vfio-ids", boot, Warning, Reboot "Write the ids as VENDOR:DEVICE in hexadecimal, separated by commas without blanks",
        "`vfio_pci: invalid id string \"10de-1284\"`: the kernel passed over a word of `vfio-pci.ids=`, so that device stays \
         on its host driver. Four hexadecimal digits, a colon, four more; `lspci -nn` shows them in brackets.",
        &["drivers/vfio/pci/vfio_pci.c, vfio_pci_fill_ids"]),
    log!("noiommu-mode", host, Warning, Now "Switch the mode off (enable_unsafe_noiommu_mode=0) and the IOMMU on",
        "`Adding kernel taint for vfio-noiommu group on device`: since the boot a device was bound to a vfio driver without \
         an IOMMU, and the kernel is tainted from then on. `vfio-noiommu device opened by user` says that a process had \
         it as well: then the device can have written everywhere. Only a reboot clears the taint.",
        &["drivers/vfio/group.c, vfio_group_find_or_alloc and vfio_device_open_file"]),
    log!("framebuffer-memory-taken", boot, Note, Reboot "Give the screen to another card, or expect it to stay dark until the card is released",
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
    log!("apparmor-denied", refusal, Warning, Now "Allow the file in /etc/apparmor.d/local/abstractions/libvirt-qemu, then start the machine again",
        "`apparmor=\"DENIED\" operation=\"open\" profile=\"libvirt-UUID\" name=\"/dev/vfio/13\"`: libvirt writes a profile for each \
         machine from what stands in its XML. What is given by qemu:commandline, or by a path it does not see (a ROM file \
         in a home directory), is not in it. Where auditd runs, it stands in /var/log/audit/audit.log.",
        &["security/apparmor/audit.c, audit_pre", "auditd(8)", "libvirt, src/security/virt-aa-helper.c"]),
    log!("selinux-denied", refusal, Warning, Now "Let `ausearch -m avc -ts boot | audit2why` say which label or boolean it is",
        "`avc:  denied  { read write } for … tcontext=…:vfio_device_t:s0 tclass=chr_file`: a virtual machine of libvirt's \
         (svirt_t) was refused something. Labels are put right by restorecon, switches are the booleans virt_*. Where \
         auditd runs, it stands in /var/log/audit/audit.log.",
        &["security/selinux/avc.c", "auditd(8)", "getsebool(8)"]),
];

#[cfg(test)]
mod tests;
