//! Why no IOMMU is at work: the firmware offers none, or the kernel does not use it.

use passthru_model::system::Tool;
use passthru_model::system::firmware::{TABLES, UNITS};
use passthru_model::{Fact, Finding, Remedy, Severity, Verdict, When};

use super::super::processor::running;
use super::super::{Ask, Check, Host, Subject, early, evidence, remedy};
use super::{command_line, cpu, firmware, in_vm, table_path, tables, units};
use crate::firmware::{intel_word, switched_off};

pub(super) const FIRMWARE: Check = Check {
    id: "iommu-firmware",
    title: "the firmware offers no IOMMU",
    severity: Severity::Error,
    subject: Subject::Iommu,
    after: &[],
    about: "The firmware tells the kernel of an IOMMU by a table: DMAR on Intel, IVRS on AMD, IORT on Arm, \
         VIOT for virtio-iommu. Without one there is none for the kernel, whatever stands on its command line: \
         no IOMMU groups appear, QEMU says `VFIO device assignment is currently not supported on this system` or \
         `vfio 0000:01:00.0: no iommu_group found: No such file or directory`, libvirt `host doesn't support \
         passthrough of host PCI devices`, virt-host-validate `No ACPI DMAR table found, IOMMU either disabled in \
         BIOS or not supported by this hardware platform`.\n\n\
         It is switched off in the firmware's set-up, or the hardware has none; software cannot tell which. \
         The switch is called `VT-d` or `Intel Virtualization Technology for Directed I/O` on Intel (often under \
         System Agent or Chipset; `VT-x` is another one), and `IOMMU` or `AMD-Vi` on AMD (often under AMD CBS, NBIO \
         Common Options, where `Auto` may mean off; `SVM` is another one). On some machines it is there only \
         once the processor's virtualization is switched on. A virtual machine has what its hypervisor gives it: \
         QEMU's `-device intel-iommu,intremap=on` with `-M q35,kernel-irqchip=split`, libvirt's `<iommu \
         model='intel'>`.\n\n\
         Trap: `DMAR: IOMMU enabled` in the kernel's log is printed while the command line is read, table or not.",
    sources: &[
        "drivers/iommu/intel/dmar.c, dmar_table_detect",
        "drivers/iommu/amd/init.c, amd_iommu_detect",
        "Intel Virtualization Technology for Directed I/O, chapter 8",
        "ACPI Specification 6.5, 5.2.34",
    ],
    ask: Ask::Host(in_firmware),
};

pub(super) const KERNEL: Check = Check {
    id: "iommu-kernel",
    title: "the kernel does not use the IOMMU",
    severity: Severity::Error,
    subject: Subject::Iommu,
    after: &["iommu-firmware"],
    about: "The firmware's table is there, and the kernel has not put the IOMMU to work: /sys/class/iommu is \
         empty and no device has a group. QEMU and libvirt say the same as without the table, virt-host-validate \
         `IOMMU appears to be disabled in kernel. Add intel_iommu=on to kernel cmdline arguments`.\n\n\
         Causes: `intel_iommu=off`, `amd_iommu=off` or `iommu=off` on the command line; on Intel a kernel that \
         wants to be told (`CONFIG_INTEL_IOMMU_DEFAULT_ON` is not set in Fedora and older distributions: \
         `intel_iommu=on` does it); a kernel without the driver; virtio-iommu, whose driver is a module that has \
         to be in the initramfs, as devices that were found before it stay without a group.\n\n\
         AMD needs no parameter: `amd_iommu=on` is no option (`AMD-Vi: Unknown option - 'on'`). `iommu=pt` turns \
         nothing on anywhere. `DMAR-IR: Enabled IRQ remapping` in the log says nothing about it either.",
    sources: &[
        "drivers/iommu/intel/iommu.c, intel_iommu_setup",
        "arch/x86/kernel/pci-dma.c, iommu_setup",
        "drivers/iommu/amd/init.c, parse_amd_iommu_options",
        "drivers/acpi/viot.c, viot_dev_iommu_init",
        "Documentation/admin-guide/kernel-parameters.txt",
    ],
    ask: Ask::Host(in_kernel),
};

fn in_firmware(host: &Host<'_>) -> Verdict {
    let units = match units(host) {
        Ok(units) => units,
        Err(verdict) => return verdict,
    };
    if !units.is_empty() {
        return Verdict::Pass(format!("{} at work", units.join(", ")));
    }
    let tables = match tables(host) {
        Ok(tables) => tables,
        Err(verdict) => return verdict,
    };
    let (place, value) = match tables {
        [] => (TABLES.to_owned(), "no DMAR, IVRS, VIOT or IORT".to_owned()),
        // Arm's table also describes interrupts, and is there without an SMMU too.
        [only] if only == "IORT" => match &firmware(host).iort {
            Fact::Known(iort) if iort.smmus().next().is_none() => {
                (table_path("IORT"), format!("{} nodes, no SMMU", iort.nodes.len()))
            }
            Fact::Known(_) => return Verdict::Pass("IORT names an SMMU".into()),
            other => {
                return super::unseen(other, table_path("IORT")).map_or_else(
                    || Verdict::Pass(String::new()),
                    |unseen| Verdict::CouldNotLook(vec![unseen]),
                );
            }
        },
        some => return Verdict::Pass(format!("{} there", some.join(", "))),
    };
    let vendor = cpu(host).map_or("", |cpu| cpu.vendor.as_str());
    let (when, text) = if in_vm(host) {
        (
            When::Firmware,
            "Give this virtual machine an IOMMU where it is defined (QEMU: -M q35,kernel-irqchip=split -device \
             intel-iommu,intremap=on; libvirt: <iommu model='intel'><driver intremap='on'/></iommu>)",
        )
    } else {
        let text = match vendor {
            "GenuineIntel" => "Switch VT-d on in the firmware's set-up (it is not the same as VT-x)",
            "AuthenticAMD" | "HygonGenuine" => {
                "Switch IOMMU (AMD-Vi) on in the firmware's set-up (it is not the same as SVM; where it says Auto, \
                 choose Enabled)"
            }
            _ => "Switch VT-d (Intel), IOMMU or AMD-Vi (AMD), SMMU (Arm) on in the firmware's set-up",
        };
        (When::Firmware, text)
    };
    Finding {
        severity: Severity::Error,
        summary:
            "the firmware tells the kernel of no IOMMU: it is switched off there, or the hardware has none"
                .into(),
        evidence: evidence(place, value),
        consequence: "No device can be lent: QEMU says `no iommu_group found`.".into(),
        remedy: Remedy::new(when, text),
    }
    .into()
}

/// The word on the command line that `iommu-kernel` names as the cause.
pub(in crate::checks) fn word<'a>(host: &Host<'a>) -> Option<&'a str> {
    let (Ok(units), Ok(tables)) = (units(host), tables(host)) else { return None };
    units.is_empty().then(|| switched_off(command_line(host), tables)).flatten()
}

fn in_kernel(host: &Host<'_>) -> Verdict {
    let units = match units(host) {
        Ok(units) => units,
        Err(verdict) => return verdict,
    };
    if !units.is_empty() {
        return Verdict::Pass(format!("{} at work", units.join(", ")));
    }
    let tables = match tables(host) {
        Ok(tables) => tables,
        Err(verdict) => return verdict,
    };
    if let Some(unseen) = super::unseen(&host.snapshot.command_line, "/proc/cmdline") {
        return Verdict::CouldNotLook(vec![unseen]);
    }
    let (line, system) = (command_line(host), &host.snapshot.system);
    let has = |name: &str| tables.iter().any(|table| table == name);
    let mut shown = evidence(UNITS, "empty");
    shown.extend(evidence(TABLES, tables.join(", ")));
    let on_line = |value: &str| evidence("/proc/cmdline", value);
    let (summary, remedy) = if let Some(word) = switched_off(line, tables) {
        shown.extend(on_line(word));
        let add = if has("DMAR") { "intel_iommu=on" } else { "" };
        (
            format!("{word} keeps the kernel from using the IOMMU"),
            remedy::parameters_changed(system, add, word),
        )
    } else if let Some(wrong) = broken(host) {
        shown.extend(evidence(wrong.0, wrong.1));
        (
            "the firmware's table is broken".to_owned(),
            Remedy::new(When::Firmware, "Look for an update of the firmware"),
        )
    } else if let Some((kernel, option, line)) = without_driver(host, tables) {
        shown.extend(evidence(kernel, line));
        (
            "this kernel has no driver for the IOMMU".to_owned(),
            Remedy::new(When::Reboot, format!("Boot a kernel with CONFIG_{option}")),
        )
    } else if has("DMAR") && !intel_word(line, "on") && !on_by_default(host) {
        shown.extend(on_line("no intel_iommu=on"));
        (
            "this kernel uses Intel's IOMMU only when told to".to_owned(),
            remedy::add_parameters(system, "intel_iommu=on"),
        )
    } else if has("VIOT") {
        ("the driver of virtio-iommu was not there in time".to_owned(), virtio(host))
    } else {
        let why = "Boot a kernel with the IOMMU's driver (CONFIG_INTEL_IOMMU, CONFIG_AMD_IOMMU, \
                   CONFIG_ARM_SMMU_V3); its log says what else it did not like";
        (
            "nothing on the command line keeps the kernel from using the IOMMU, and it does not".to_owned(),
            Remedy::new(When::Reboot, why).command("journalctl -k -b --grep 'DMAR|AMD-Vi|smmu'"),
        )
    };
    Finding {
        severity: Severity::Error,
        summary,
        evidence: shown,
        consequence: "No device can be lent: QEMU says `no iommu_group found`.".into(),
        remedy,
    }
    .into()
}

/// What the running kernel was built without that its tables ask for: the file of its
/// configuration, the option, and its line.
fn without_driver<'a>(host: &Host<'a>, tables: &[String]) -> Option<(&'a str, &'static str, String)> {
    let kernel = running(host)?;
    let config = kernel.config.known()?;
    let missing = |(table, option): (&str, &'static str)| {
        (tables.iter().any(|one| one == table) && !config.is_on(option)).then_some(option)
    };
    let option = [("DMAR", "INTEL_IOMMU"), ("IVRS", "AMD_IOMMU")].into_iter().find_map(missing)?;
    Some((&kernel.config_path, option, config.line(option)))
}

/// Whether the running kernel uses Intel's IOMMU without being told; `false` where that is not
/// known. Debian's option excepts graphics only.
pub(in crate::checks) fn on_by_default(host: &Host<'_>) -> bool {
    let config = running(host).and_then(|kernel| kernel.config.known());
    let default = |option| config.is_some_and(|config| config.is_on(option));
    default("INTEL_IOMMU_DEFAULT_ON") || default("INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF")
}

/// A table that does not add up, and how.
fn broken(host: &Host<'_>) -> Option<(String, String)> {
    let firmware = firmware(host);
    let wrong = |name, text: &String| Some((table_path(name), text.clone()));
    match (&firmware.dmar, &firmware.ivrs, &firmware.viot, &firmware.iort) {
        (Fact::Malformed(text), ..) => wrong("DMAR", text),
        (_, Fact::Malformed(text), ..) => wrong("IVRS", text),
        (_, _, Fact::Malformed(text), _) => wrong("VIOT", text),
        (.., Fact::Malformed(text)) => wrong("IORT", text),
        _ => None,
    }
}

/// Puts the driver of virtio-iommu where it is in time.
fn virtio(host: &Host<'_>) -> Remedy {
    let system = &host.snapshot.system;
    let text = "Put the module virtio_iommu into the initramfs and boot again";
    let remedy =
        early::load_first(system, Remedy::new(When::Reboot, text), "virtio-iommu", &["virtio_iommu"]);
    // rpm-ostree has made the new image with that.
    match system.has(Tool::RpmOstree) {
        true => remedy,
        false => remedy.commands(remedy::rebuild_initramfs(system)),
    }
}
