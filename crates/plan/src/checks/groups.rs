//! IOMMU groups: whether the kernel's are those that the hardware isolates.

use passthru_model::{Device, Evidence, Finding, Remedy, Severity, Unseen, Verdict, When};
use passthru_pci::Address;

use super::{Ask, Check, Host, Subject, could_not_look, remedy};
use crate::groups::compare::{Difference, compare, explained_by_override};
use crate::groups::slots::{Advice, advice};
use crate::groups::{Doubt, Group, Override, Prediction};

/// How many places are named where there are many.
const SHOWN: usize = 8;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "group-prediction",
        title: "the kernel's IOMMU groups are not those that the hardware isolates",
        severity: Severity::Warning,
        subject: Subject::Groups,
        after: &[],
        about: "passthru works out the groups by itself, from the topology, the ACS registers (what `lspci -vvv` \
        shows as `ACSCap` and `ACSCtl`), functions that share a slot, bridges to conventional PCI, and the \
        kernel's table of devices whose registers do not tell the truth; and compares them with the kernel's.\n\n\
        Groups that are finer than that mostly come from `pcie_acs_override=` on the command line of a patched \
        kernel (Proxmox, linux-zen, Unraid and others have the patch). It makes the kernel believe that ports \
        isolate which do not: devices in different groups can then still reach each other without the IOMMU, a \
        guest can write into the memory of the host's or another guest's device, and what it does may be \
        redirected to a neighbour. On a kernel without the patch the parameter does nothing, and nothing complains.\n\n\
        They may also be finer because the kernel is newer than passthru's copy of its table (Linux 6.18). Groups \
        that are coarser come from an older kernel that does not have a row of the table yet, from requester ids \
        that the firmware aliases (AMD: IVRS), or from a unit driver that groups by itself. They do no harm.\n\n\
        Real isolation is had from another slot, behind a port that has ACS; `passthru show DEVICE` says which.",
        sources: &[
            "drivers/iommu/iommu.c, pci_device_group",
            "drivers/pci/pci.c, pci_acs_enabled",
            "drivers/pci/quirks.c, pci_dev_acs_enabled (Linux 6.18)",
            "drivers/pci/search.c, pci_for_each_dma_alias",
            "PCI Express Base Specification, 6.12 Access Control Services",
        ],
        ask: Ask::HostFor(prediction, matters),
    },
    Check {
        id: "predicted-companions",
        title: "with an IOMMU at work it will share its group with other devices",
        severity: Severity::Warning,
        subject: Subject::Groups,
        after: &[],
        about: "No IOMMU is at work on this host, so it has no groups yet. From the topology and the registers \
        passthru works out which ones the kernel will make, and why: that decides whether a device can be lent \
        alone, before anything is changed in the firmware or on the command line, and for a machine of which there \
        is nothing but what `lspci -nnk -vvvxxxx` printed on it (`--from FILE`).\n\n\
        The registers are read as the kernel will set them: with an IOMMU it switches on what the ports offer. \
        `passthru list --groups` shows all groups beforehand.",
        sources: &["drivers/pci/pci.c, pci_enable_acs", "drivers/iommu/iommu.c, pci_device_group"],
        ask: Ask::Named(beforehand),
    },
];

fn matters(_: &Host<'_>, device: &Device) -> bool {
    device.group.known().is_some()
}

fn prediction(host: &Host<'_>) -> Verdict {
    let snapshot = host.snapshot;
    if !snapshot.iommu_active() {
        return Verdict::NotApplicable("no IOMMU is at work, so there are no groups to compare".into());
    }
    let prediction = host.prediction();
    let found = compare(snapshot, prediction);
    let mut findings: Vec<Finding> = Vec::new();
    let (finer, coarser): (Vec<_>, Vec<_>) =
        found.differences.iter().partition(|d| matches!(d, Difference::Finer { .. }));
    if !finer.is_empty() {
        findings.push(finer_finding(host, prediction, &finer));
    }
    if !coarser.is_empty() {
        findings.push(coarser_finding(host, prediction, &coarser));
    }
    if !findings.is_empty() {
        return Verdict::Found(findings);
    }
    if found.unpredicted > 0 {
        let mut unseen: Vec<Unseen> = prediction
            .groups
            .iter()
            .flat_map(|group| &group.doubts)
            .map(|doubt| Unseen { path: config(doubt.about), why: doubt.why.clone() })
            .collect();
        unseen.sort_by(|a, b| a.path.cmp(&b.path));
        unseen.dedup();
        unseen.truncate(SHOWN);
        return Verdict::CouldNotLook(unseen);
    }
    Verdict::Pass(format!("all {} functions are in the groups that the hardware isolates", found.agree))
}

/// What a device's group will be.
fn beforehand(host: &Host<'_>, device: &Device) -> Verdict {
    let snapshot = host.snapshot;
    if snapshot.iommu_active() {
        return Verdict::NotApplicable("an IOMMU is at work: the groups are there".into());
    }
    let prediction = host.prediction();
    let Some(group) = prediction.group(device.address) else {
        return could_not_look(device.path.clone(), "the device is not among those that were read");
    };
    if !group.doubts.is_empty() {
        let unseen = |d: &Doubt| Unseen { path: config(d.about), why: d.why.clone() };
        return Verdict::CouldNotLook(group.doubts.iter().take(SHOWN).map(unseen).collect());
    }
    let is_bridge = |address: &&Address| snapshot.device(**address).is_some_and(Device::is_bus_bridge);
    let others = group.members.iter().filter(|m| **m != device.address && !is_bridge(m));
    let others: Vec<String> = others.map(ToString::to_string).collect();
    if others.is_empty() {
        return Verdict::Pass("with an IOMMU at work it will share its group with no other device".into());
    }
    let slot = advice(snapshot, prediction, group, device.address).map(|advice| advice.words());
    Finding {
        severity: Severity::Warning,
        summary: format!("with an IOMMU at work it will be in one group with {}", others.join(", ")),
        evidence: reasons(group).collect(),
        consequence: "They can only be lent together.".into(),
        remedy: Remedy::new(
            // They can be lent together as they are; only another slot is work.
            if slot.is_some() { When::Hardware } else { When::Now },
            slot.map_or_else(
                || "Plan to lend them together".into(),
                |slot| format!("Plan to lend them together; {slot}"),
            ),
        ),
    }
    .into()
}

fn config(address: Address) -> String {
    passthru_model::device::attribute_of(address, "config")
}

/// Why a predicted group is together, with the place where it can be seen.
fn reasons(group: &Group) -> impl Iterator<Item = Evidence> + '_ {
    group.lines().into_iter().zip(group.reasons()).map(|(line, (_, merge))| {
        let seen_at = merge.why.gaps().first().map(|gap| gap.device).or(merge.why.through());
        Evidence::new(config(seen_at.unwrap_or(merge.with)), line)
    })
}

/// What people can compare it with, in the order in which they would look.
fn members(host: &Host<'_>, number: u32) -> Evidence {
    let members = host.snapshot.groups.get(&number).map(|g| g.members.as_slice()).unwrap_or_default();
    let all: Vec<String> = members.iter().map(ToString::to_string).collect();
    Evidence::new(format!("/sys/kernel/iommu_groups/{number}/devices"), all.join(" "))
}

fn finer_finding(host: &Host<'_>, prediction: &Prediction, finer: &[&Difference]) -> Finding {
    let snapshot = host.snapshot;
    let line = snapshot.command_line.known().map_or("", String::as_str);
    let word = line.split_whitespace().find(|w| w.starts_with("pcie_acs_override="));
    let asked_for = Override::on(snapshot).is_some();
    let explained = explained_by_override(snapshot).is_some();
    let mut evidence = Vec::new();
    evidence.extend(word.map(|word| Evidence::new("/proc/cmdline", word)));
    for difference in finer.iter().take(SHOWN) {
        if let Difference::Finer { predicted, kernel } = difference {
            evidence.extend(reasons(&prediction.groups[*predicted]));
            evidence.extend(kernel.iter().map(|number| members(host, *number)));
        }
    }
    let consequence = "Devices in different groups may still reach each other without the IOMMU, so a guest \
                       may reach the host's devices or another guest's.";
    let known = snapshot.command_line.known().is_some();
    let (severity, summary, remedy) = match (asked_for, explained, known) {
        (true, true, _) => (
            Severity::Warning,
            "pcie_acs_override makes the groups finer than the hardware isolates: the isolation is not real",
            remedy::remove_parameters(&snapshot.system, word.unwrap_or("pcie_acs_override")),
        ),
        (true, false, _) => (
            Severity::Warning,
            "the groups are finer than the hardware isolates, and pcie_acs_override explains only a part of it",
            remedy::remove_parameters(&snapshot.system, word.unwrap_or("pcie_acs_override")),
        ),
        (false, _, false) => (
            Severity::Warning,
            "the groups are finer than the registers explain: a quirk that is not known here, or an override",
            Remedy::new(When::Now, "Look for pcie_acs_override on the kernel's command line"),
        ),
        (false, _, true) => (
            Severity::Note,
            "the groups are finer than the registers explain: the kernel uses a quirk that is not known here",
            Remedy::new(When::Now, "Look whether this kernel is patched; a newer one may know more devices"),
        ),
    };
    Finding { severity, summary: summary.into(), evidence, consequence: consequence.into(), remedy }
}

fn coarser_finding(host: &Host<'_>, prediction: &Prediction, coarser: &[&Difference]) -> Finding {
    let mut evidence = Vec::new();
    for difference in coarser.iter().take(SHOWN) {
        if let Difference::Coarser { kernel, predicted } = difference {
            evidence.push(members(host, *kernel));
            for group in predicted.iter().map(|i| &prediction.groups[*i]) {
                let all: Vec<String> = group.members.iter().map(ToString::to_string).collect();
                let first = group.members.first().copied().map_or_else(String::new, config);
                evidence.push(Evidence::new(first, format!("by the registers together: {}", all.join(" "))));
            }
        }
    }
    Finding {
        severity: Severity::Note,
        summary: "the kernel puts more devices together than the registers and the topology explain".into(),
        evidence,
        consequence: "More has to go along with a device than the hardware would ask for.".into(),
        remedy: Remedy::new(
            When::Reboot,
            "Try a newer kernel, which may know the hardware better; else use another slot",
        ),
    }
}

/// Why a device's companions are with it, as evidence, and whether another slot would help.
pub(super) fn together(host: &Host<'_>, device: Address) -> (Vec<Evidence>, Option<String>) {
    let prediction = host.prediction();
    let Some(group) = prediction.group(device).filter(|group| group.doubts.is_empty()) else {
        return (Vec::new(), None);
    };
    let slot = advice(host.snapshot, prediction, group, device);
    let helps = slot.filter(|advice| matches!(advice, Advice::Ports(_)));
    (reasons(group).collect(), helps.map(|advice| advice.words()))
}

#[cfg(test)]
mod tests {
    use passthru_formats::config_space::decode::PortType;
    use passthru_model::{Fact, Records, Snapshot};

    use super::*;
    use crate::groups::testing::{function, machine, root_port};

    fn ask(snapshot: &Snapshot) -> Verdict {
        prediction(&Host::new(snapshot, &Records::default()))
    }

    /// A card behind a port without ACS, in these groups.
    fn host(port: u32, card: u32) -> Snapshot {
        machine([
            root_port("00:01.0", false).group(port),
            function("01:00.0", &["00:01.0"]).express(PortType::Endpoint).group(card),
            root_port("00:02.0", true).group(9),
        ])
    }

    #[test]
    fn passes_and_cannot_look() {
        assert!(matches!(ask(&host(1, 1)), Verdict::Pass(said) if said.starts_with("all 3 ")));
        let off = machine([function("00:00.0", &[])]);
        assert!(matches!(ask(&off), Verdict::NotApplicable(_)));
        let cut = machine([
            root_port("00:01.0", false).cut(64).group(1),
            function("01:00.0", &["00:01.0"]).group(1),
        ]);
        let Verdict::CouldNotLook(unseen) = ask(&cut) else { panic!("{:?}", ask(&cut)) };
        assert_eq!(unseen.len(), 1);
        assert_eq!(unseen[0].path, "/sys/bus/pci/devices/0000:00:01.0/config");
        assert!(unseen[0].why.contains("needs root"));
    }

    #[test]
    fn finer_by_override() {
        let mut finer = host(1, 2);
        let [note] = ask(&finer).findings().to_vec().try_into().unwrap();
        assert_eq!(note.severity, Severity::Note);
        assert!(note.evidence[0].value.contains("no ACS"), "{:?}", note.evidence);
        finer.command_line = Fact::Known("ro pcie_acs_override=downstream,multifunction quiet".into());
        let [warning] = ask(&finer).findings().to_vec().try_into().unwrap();
        assert_eq!(warning.severity, Severity::Warning);
        assert!(warning.summary.contains("not real"));
        assert_eq!(
            warning.evidence[0],
            Evidence::new("/proc/cmdline", "pcie_acs_override=downstream,multifunction")
        );
        finer.command_line = Fact::NotRead;
        assert!(ask(&finer).findings()[0].summary.contains("or an override"));
    }

    #[test]
    fn companions_beforehand() {
        let mut off = machine([
            root_port("00:01.0", false),
            function("01:00.0", &["00:01.0"]).express(PortType::Endpoint),
            function("01:00.1", &["00:01.0"]).express(PortType::Endpoint),
            root_port("00:02.0", true),
            function("02:00.0", &["00:02.0"]).express(PortType::Endpoint),
        ]);
        let ask = |host: &Snapshot, device: usize| {
            beforehand(&Host::new(host, &Records::default()), &host.devices[device])
        };
        let found = ask(&off, 2);
        let [finding] = found.findings() else { panic!("{found:?}") };
        assert!(finding.summary.ends_with("one group with 0000:01:00.1"), "{}", finding.summary);
        assert!(matches!(ask(&off, 4), Verdict::Pass(_)));
        off.devices[0].detail = None;
        assert!(matches!(ask(&off, 2), Verdict::CouldNotLook(_)));
        assert!(matches!(ask(&host(1, 1), 1), Verdict::NotApplicable(_)));
    }

    #[test]
    fn coarser_is_a_note() {
        let coarser = machine([root_port("00:01.0", true).group(1), root_port("00:02.0", true).group(1)]);
        let [note] = ask(&coarser).findings().to_vec().try_into().unwrap();
        assert_eq!((note.severity, note.evidence.len()), (Severity::Note, 3));
    }
}
