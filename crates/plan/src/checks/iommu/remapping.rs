//! Interrupt remapping, and the switches that do without it.

use passthru_formats::acpi::ivrs::Entry;
use passthru_formats::cmdline;
use passthru_model::system::Tool;
use passthru_model::system::firmware::{IOMMUFD_UNSAFE, Make, TYPE1_UNSAFE, UNITS};
use passthru_model::{Device, Evidence, Fact, Finding, Remedy, Severity, Unseen, Verdict, When};

use super::super::processor::running;
use super::super::{Ask, Check, Host, Subject, early, evidence, remedy};
use super::switches::{OPTION, Switch, forbid, switches, unseen_switches};
use super::{AFTER_OFF, command_line, firmware, in_vm, table_path, unread_tables, unseen};
use crate::firmware::remapping_switched_off;

const INTERRUPTS: &str = "/proc/interrupts";

pub(super) const REMAPPING: Check = Check {
    id: "interrupt-remapping",
    title: "interrupts are not remapped",
    severity: Severity::Error,
    subject: Subject::Iommu,
    after: AFTER_OFF,
    about: "A device signals an interrupt by a write to memory. Without remapping, a guest that programs its \
         device can write any interrupt of the host (CVE-2011-1898), so VFIO refuses: the kernel says \
         `vfio_iommu_type1_attach_group: No interrupt remapping support. Use the module param \
         \"allow_unsafe_interrupts\" to enable VFIO IOMMU support on this platform`, QEMU `vfio 0000:01:00.0: \
         failed to setup container for group 13: Failed to set iommu for container: Operation not permitted`. With \
         iommufd QEMU says `error bind device fd=37 to iommufd=36: Operation not permitted`, and the kernel is \
         silent; only once it is allowed it warns `MSI interrupts are not secure, they cannot be isolated by the platform.`\n\n\
         Causes: the firmware forbids it (DMAR, flag bit 0) or one IOMMU cannot do it (`ecap` bit 3: one is \
         enough to do without it everywhere); Intel's 5500, 5520 and X58 in early revisions, whose \
         erratum makes the kernel refuse; on AMD, firmware that does not name the chipset's I/O APIC (`AMD-Vi: \
         No southbridge IOAPIC found`, `Disabling interrupt remapping`); `intremap=off`; virtio-iommu, which has none \
         on x86. On Arm the interrupt controller isolates devices, and the question does not arise. Whether it is \
         at work shows in /proc/interrupts: `IR-PCI-MSI` instead of `PCI-MSI`.\n\n\
         Where it cannot be had, `vfio_iommu_type1.allow_unsafe_interrupts=1` does without: the guest can then \
         disturb or take over the host through interrupts. Only for guests you trust. The switch can be written at \
         run time and works at once. Trap: `iommufd.allow_unsafe_interrupts` is another switch, and each backend \
         goes by its own.",
    sources: &[
        "drivers/vfio/vfio_iommu_type1.c, vfio_iommu_type1_attach_group",
        "drivers/iommu/iommufd/device.c, iommufd_device_bind",
        "drivers/iommu/intel/irq_remapping.c, intel_prepare_irq_remapping",
        "arch/x86/kernel/early-quirks.c, intel_remapping_check",
        "drivers/iommu/amd/init.c, check_ioapic_information",
        "drivers/iommu/irq_remapping.c, setup_irqremap",
    ],
    ask: Ask::Host(remapped),
};

pub(super) const UNSAFE: Check = Check {
    id: "unsafe-interrupts",
    title: "unsafe interrupts are allowed",
    severity: Severity::Warning,
    subject: Subject::Iommu,
    after: AFTER_OFF,
    about: "`allow_unsafe_interrupts` lets a device be lent although its interrupts are not isolated. Many \
         guides set it everywhere. Where interrupts are remapped it changes nothing today, and takes the refusal \
         away on the day a firmware update or a parameter switches remapping off.\n\n\
         VFIO's own backend (`vfio_iommu_type1`) and `iommufd` have a switch each. Where remapping is missing and \
         only one is set, the other refuses with `Operation not permitted`.",
    sources: &[
        "drivers/vfio/vfio_iommu_type1.c, allow_unsafe_interrupts",
        "drivers/iommu/iommufd/device.c, allow_unsafe_interrupts",
    ],
    ask: Ask::Host(allowed),
};

/// Whether interrupts are remapped.
enum State {
    Yes(Evidence),
    No(Missing),
    /// Not a question on this machine; why.
    NotHere(String),
    Unknown(Vec<Unseen>),
}

/// Why they are not.
struct Missing {
    summary: String,
    evidence: Vec<Evidence>,
    /// What gives remapping back; `None` where nothing does.
    remedy: Option<Remedy>,
    /// Whether that is the owner's own doing to undo: then nothing has to be worked around.
    own: bool,
}

fn state(host: &Host<'_>) -> State {
    let firmware = firmware(host);
    let system = &host.snapshot.system;
    let has = |make| firmware.units.iter().any(|unit| unit.make == make);
    if has(Make::Arm) {
        return State::NotHere("the interrupt controller of this machine isolates devices".into());
    }
    if firmware.remapped_interrupts == Fact::Known(true) {
        return State::Yes(Evidence::new(INTERRUPTS, "IR-PCI-MSI"));
    }
    let mut seen = Vec::new();
    if firmware.remapped_interrupts == Fact::Known(false) {
        seen = evidence(INTERRUPTS, "PCI-MSI, not IR-PCI-MSI");
    }
    let because = |summary: &str, more: Vec<Evidence>, remedy, own| {
        let evidence = more.into_iter().chain(seen.clone()).collect();
        State::No(Missing { summary: summary.into(), evidence, remedy, own })
    };
    let missing = |summary: &str, more, remedy| because(summary, more, remedy, false);
    if let Some(word) = remapping_switched_off(command_line(host)) {
        let remedy = remedy::remove_parameters(system, word);
        return because(
            &format!("{word} switches interrupt remapping off"),
            evidence("/proc/cmdline", word),
            Some(remedy),
            true,
        );
    }
    let update = "Look for a switch of that name or for x2APIC in the firmware's set-up, or for an update";
    let update = || Some(Remedy::new(When::Firmware, update));
    if let Some(dmar) = firmware.dmar.known().filter(|dmar| !dmar.interrupt_remapping()) {
        return missing(
            "the firmware offers no interrupt remapping",
            evidence(table_path("DMAR"), format!("flags {:#04x}, bit 0 is not set", dmar.flags)),
            update(),
        );
    }
    if let Some(unit) = firmware.units.iter().find(|unit| unit.remaps_interrupts() == Some(false)) {
        let ecap = unit.extended.known().copied().unwrap_or(0);
        return missing(
            &format!("the IOMMU {} cannot remap interrupts", unit.name),
            evidence(unit.register("ecap"), format!("{ecap:x}, bit 3 is not set")),
            None,
        );
    }
    if let Some(shown) = drains_badly(host) {
        return missing(
            "the kernel does not remap interrupts with this chipset: it has an erratum",
            shown,
            None,
        );
    }
    if has(Make::Virtio) {
        let remedy = "Give this virtual machine an IOMMU that remaps interrupts (QEMU: -device intel-iommu,intremap=on)";
        let remedy = in_vm(host).then(|| Remedy::new(When::Firmware, remedy));
        let name = firmware.units.iter().find(|unit| unit.make == Make::Virtio).map_or("", |u| &u.name);
        return missing("virtio-iommu does not remap interrupts", evidence(UNITS, name), remedy);
    }
    if let Some(ivrs) = firmware.ivrs.known() {
        // Device 00:14.0 is where the chipset's I/O APIC is on AMD, always (`IOAPIC_SB_DEVID`).
        let south = |e: &Entry| matches!(e, Entry::Special { device: 0xa0, variety: 1, .. });
        let named = ivrs.used_units().any(|unit| unit.devices.iter().any(south));
        let told = cmdline::parse(command_line(host)).any(|p| p.key.starts_with("ivrs_ioapic"));
        if !named && !told {
            return missing(
                "the firmware does not name the I/O APIC of the chipset, so the kernel does not remap interrupts",
                evidence(table_path("IVRS"), "no I/O APIC at 00:14.0"),
                update(),
            );
        }
    }
    match &firmware.remapped_interrupts {
        Fact::Known(false) => {
            let kernel = running(host);
            let config = kernel.and_then(|kernel| Some((kernel, kernel.config.known()?)));
            if let Some((kernel, config)) = config.filter(|(_, config)| !config.is_on("IRQ_REMAP")) {
                return because(
                    "this kernel is built without interrupt remapping",
                    evidence(&kernel.config_path, config.line("IRQ_REMAP")),
                    Some(Remedy::new(When::Reboot, "Boot a kernel with CONFIG_IRQ_REMAP")),
                    true,
                );
            }
            let log = "journalctl -k -b --grep 'DMAR-IR|AMD-Vi|remap'";
            let unread = unread_tables(host.snapshot);
            let look = |text: &str| Some(Remedy::new(When::Reboot, text).command(log));
            if unread.is_empty() {
                let text =
                    "Look in the kernel's log for what it did not like, and for an update of the firmware";
                missing(
                    "the kernel does not remap interrupts, and the tables do not say why",
                    vec![],
                    look(text),
                )
            } else {
                let why = unread.into_iter().map(|unseen| Evidence::new(unseen.path, unseen.why)).collect();
                let text =
                    "Check again as root, who can read the firmware's tables, and look in the kernel's log";
                missing(
                    "the kernel does not remap interrupts; the tables that may say why were not read",
                    why,
                    look(text),
                )
            }
        }
        // Neither chip is named: not an x86 machine, or nobody can see.
        Fact::Absent if has(Make::Intel) || has(Make::Amd) => State::Unknown(vec![Unseen {
            path: INTERRUPTS.into(),
            why: "it is not there, or names no chip of PCI interrupts".into(),
        }]),
        Fact::Absent => State::NotHere("this is not an x86 machine".into()),
        other => {
            let mut all: Vec<Unseen> = unseen(other, INTERRUPTS).into_iter().collect();
            all.extend(unread_tables(host.snapshot));
            State::Unknown(all)
        }
    }
}

/// The host bridge of a chipset that loses interrupts when they are remapped, for which the
/// kernel refuses to (`arch/x86/kernel/early-quirks.c`, `intel_remapping_check`): Intel's 5500,
/// 5520 and X58 in early revisions.
fn drains_badly(host: &Host<'_>) -> Option<Vec<Evidence>> {
    let broken = |device: &&Device| {
        let (Some(id), Some(revision)) = (device.id.known(), device.revision.known()) else { return false };
        id.vendor == 0x8086
            && matches!(id.device, 0x3403 | 0x3405 | 0x3406)
            && (*revision <= 0x13 || (id.device, *revision) == (0x3405, 0x22))
    };
    let bridge = host.snapshot.devices.iter().find(broken)?;
    let (id, revision) = (bridge.id.known()?, bridge.revision.known()?);
    Some(evidence(bridge.address.to_string(), format!("{id}, revision {revision:#04x}")))
}

fn remapped(host: &Host<'_>) -> Verdict {
    let missing = match state(host) {
        State::Yes(evidence) => return Verdict::Pass(format!("{} in {}", evidence.value, evidence.place)),
        State::NotHere(why) => return Verdict::NotApplicable(why),
        State::Unknown(unseen) => return Verdict::CouldNotLook(unseen),
        State::No(missing) => missing,
    };
    let Missing { summary, evidence, remedy, own } = missing;
    let [type1, _] = switches(host);
    if let Some(place) = &type1.on {
        let mut evidence = evidence;
        evidence.push(place.clone());
        return Finding {
            severity: Severity::Warning,
            summary: format!("{summary}, and unsafe interrupts are allowed"),
            evidence,
            consequence: "Lending works, and a guest can send any interrupt to the host with its device."
                .into(),
            remedy: remedy.unwrap_or_else(|| {
                Remedy::new(When::Now, "Lend devices only to guests you trust as much as the host")
            }),
        }
        .into();
    }
    let remedy = match remedy {
        // What the owner did is to be undone, not worked around.
        Some(remedy) if own => remedy,
        Some(first) => {
            let text = format!(
                "{}; where that does not help, allow unsafe interrupts for guests you trust as much as the host, \
                 which they can then disturb or take over",
                first.text
            );
            let mut remedy = allow(host, &text);
            remedy.commands.splice(..0, first.commands);
            remedy
        }
        None => allow(
            host,
            "Allow unsafe interrupts, and only for guests you trust as much as the host, which they can then \
             disturb or take over",
        ),
    };
    Finding {
        severity: Severity::Error,
        summary,
        evidence,
        consequence: "VFIO refuses: QEMU says `Failed to set iommu for container: Operation not permitted`."
            .into(),
        remedy,
    }
    .into()
}

/// Does without remapping: now, and after every boot.
fn allow(host: &Host<'_>, text: &str) -> Remedy {
    let system = &host.snapshot.system;
    let iommufd = firmware(host).iommufd_unsafe.known().is_some();
    let modules = ["vfio_iommu_type1", "iommufd"].into_iter().take(if iommufd { 2 } else { 1 });
    let lines: Vec<String> = modules.map(|module| format!("options {module} {OPTION}=1")).collect();
    let mut remedy = early::add_modprobe(system, Remedy::new(When::Now, text), "unsafe-interrupts", &lines)
        .command("modprobe vfio_iommu_type1")
        .command(format!("echo 1 > {TYPE1_UNSAFE}"));
    if iommufd {
        remedy = remedy.command(format!("echo 1 > {IOMMUFD_UNSAFE}"));
    }
    // The initramfs loads neither; on NixOS the files themselves are made anew.
    match system.has(Tool::NixOs) {
        true => remedy.commands(remedy::rebuild_initramfs(system)),
        false => remedy,
    }
}

fn allowed(host: &Host<'_>) -> Verdict {
    let switches = switches(host);
    let blind = unseen_switches(host, &switches);
    let set: Vec<&Switch> = switches.iter().filter(|switch| switch.on.is_some()).collect();
    if set.is_empty() {
        return if blind.is_empty() {
            Verdict::Pass("they are not allowed".into())
        } else {
            Verdict::CouldNotLook(blind)
        };
    }
    let shown = || set.iter().filter_map(|switch| switch.on.clone());
    match state(host) {
        State::Yes(remaps) => Finding {
            severity: Severity::Warning,
            summary: "unsafe interrupts are allowed although this host remaps interrupts".into(),
            evidence: shown().chain([remaps]).collect(),
            consequence: "Should remapping ever be off, devices are lent without a word about it.".into(),
            remedy: forbid(host, &set),
        }
        .into(),
        State::No(_) => {
            let Some(other) = switches.iter().find(|switch| switch.loaded && switch.on.is_none()) else {
                return Verdict::Pass("interrupts are not remapped, and unsafe ones are allowed".into());
            };
            Finding {
                severity: Severity::Warning,
                summary: format!("unsafe interrupts are allowed for {} only", set[0].module),
                evidence: shown().chain([Evidence::new(other.path, "N")]).collect(),
                consequence: format!("A guest that uses {} is refused.", other.module),
                remedy: Remedy::new(
                    When::Now,
                    format!("Allow them for {} too, or for neither", other.module),
                )
                .command(format!("echo 1 > {}", other.path)),
            }
            .into()
        }
        State::NotHere(why) => Finding {
            severity: Severity::Warning,
            summary: "unsafe interrupts are allowed and need not be".into(),
            evidence: shown().collect(),
            consequence: format!("It has no effect: {why}."),
            remedy: forbid(host, &set),
        }
        .into(),
        State::Unknown(unseen) => Verdict::CouldNotLook(unseen),
    }
}
