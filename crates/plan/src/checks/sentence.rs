//! Whether a device can be lent, in one sentence.

use std::collections::HashSet;

use passthru_model::plan::NoPlan;
use passthru_model::{Device, Finding, Judged, Reason, Severity, SourceKind, Verdict, When};
use passthru_pci::Address;

use super::{Host, by_id, uses};
use crate::groups::{Group, Override};
use crate::lending::companions;
use crate::planner::goes_along;

/// How many places that could not be looked at a sentence names.
const SHOWN: usize = 3;

/// Whether a device can be lent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lendable {
    /// Now, as it is.
    Now,
    /// Now, together with these.
    With(Vec<Address>),
    /// After this was done, the nearest first; then together with these.
    After(Vec<String>, Vec<Address>),
    /// Not with this hardware, as it is plugged; why.
    Cannot(Vec<String>),
    /// Nobody can say; what could not be looked at.
    Unknown(Vec<String>),
}

impl Lendable {
    /// The word in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::With(_) => "with",
            Self::After(..) => "after",
            Self::Cannot(_) => "cannot",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Who has to go along, now or then.
    #[must_use]
    pub fn with(&self) -> &[Address] {
        match self {
            Self::With(with) | Self::After(_, with) => with,
            Self::Now | Self::Cannot(_) | Self::Unknown(_) => &[],
        }
    }

    /// The sentence, without the device's name at its beginning.
    #[must_use]
    pub fn words(&self) -> String {
        let all = |devices: &[Address]| devices.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        match self {
            Self::Now => "can be lent now".into(),
            Self::With(companions) => format!("can be lent now together with {}", all(companions)),
            Self::After(what, with) => {
                let with = if with.is_empty() {
                    String::new()
                } else {
                    format!(", then together with {}", all(with))
                };
                let what: Vec<String> = what.iter().map(|text| inside(text)).collect();
                format!("can be lent after this: {}{with}", what.join("; "))
            }
            Self::Cannot(why) => format!("cannot be lent, because {}", why.join("; ")),
            Self::Unknown(what) => {
                let (first, more) = what.split_at(what.len().min(SHOWN));
                let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
                format!("may or may not be lent: nobody could look at {}{more}", first.join("; "))
            }
        }
    }
}

/// A sentence as a part of another: its first word small, unless it is an abbreviation.
fn inside(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(text[first.len_utf8()..].chars()).collect()
        }
        _ => text.to_owned(),
    }
}

/// Sums up what the checks say of one device.
#[must_use]
pub fn sum_up(host: &Host<'_>, judged: &[Judged], device: Address) -> Lendable {
    let concerns = |one: &&Judged| one.device.is_none_or(|d| d == device);
    let errors = |one: &'_ Judged| -> Vec<(&'static str, Finding)> {
        let found = one.verdict.findings().iter().filter(|f| f.severity == Severity::Error);
        found.map(|finding| (one.id, finding.clone())).collect()
    };
    let mut found: Vec<(&'static str, Finding)> = judged.iter().filter(concerns).flat_map(errors).collect();
    let companions = with_group(host, device);
    if companions.is_some() {
        // Going along together is what helps, and the planner agrees.
        found.retain(|(id, _)| *id != Reason::Companions.name());
    }
    found.sort_by_key(|(_, finding)| finding.remedy.when);
    if found.iter().any(|(_, f)| f.remedy.when == When::Hardware) {
        let hard = found.iter().filter(|(_, f)| f.remedy.when == When::Hardware);
        return Lendable::Cannot(hard.map(|(_, finding)| finding.summary.clone()).collect());
    }
    if !found.is_empty() {
        let then = then_with(host, device);
        if !then.is_empty() && found.iter().any(|(id, _)| *id != Reason::Companions.name()) {
            // The end of the sentence says it.
            found.retain(|(id, _)| *id != Reason::Companions.name());
        }
        let mut remedies: Vec<String> = Vec::new();
        for (_, finding) in found {
            let text = finding.remedy.text.trim_end_matches('.').to_owned();
            if !remedies.contains(&text) {
                remedies.push(text);
            }
        }
        return Lendable::After(remedies, then);
    }
    let mut blind: Vec<String> = judged
        .iter()
        .filter(concerns)
        // What only a warning would come of does not stand in the way.
        .filter(|one| by_id(one.id).is_some_and(|check| check.severity == Severity::Error))
        .filter_map(|one| match &one.verdict {
            Verdict::CouldNotLook(unseen) => Some(unseen),
            _ => None,
        })
        .flatten()
        .map(|unseen| match host.snapshot.source {
            SourceKind::Capture | SourceKind::Pasted if unseen.why.contains("ENODATA") => {
                format!("{} (not in what was given)", unseen.path)
            }
            _ => format!("{} ({})", unseen.path, unseen.why),
        })
        .collect();
    let mut seen = HashSet::new();
    blind.retain(|place| seen.insert(place.clone()));
    if !blind.is_empty() {
        return Lendable::Unknown(blind);
    }
    match companions {
        Some(companions) if !companions.is_empty() => Lendable::With(companions),
        _ => Lendable::Now,
    }
}

/// Who goes along, where the planner would bind the device with its group.
fn with_group(host: &Host<'_>, device: Address) -> Option<Vec<Address>> {
    match uses::plan(host, &[device], true) {
        Ok(plan) => Some(plan.devices.into_iter().filter(|d| *d != device).collect()),
        Err(NoPlan::Refused(_) | NoPlan::NoDevice(_) | NoPlan::Unknown(_)) => None,
    }
}

/// Who has to go along once everything else that is in the way was mended: by the kernel's group,
/// and without one by the group that it is certain to make.
fn then_with(host: &Host<'_>, device: Address) -> Vec<Address> {
    let snapshot = host.snapshot;
    let Some(device) = snapshot.device(device) else { return Vec::new() };
    let mates: Vec<&Device> = if device.group.known().is_some() {
        if companions(snapshot, device).iter().all(|mate| mate.is_bus_bridge()) {
            return Vec::new();
        }
        snapshot.group_mates(device).collect()
    } else {
        // Only a patched kernel heeds an override, and nobody sees whether this one is.
        let certain = |group: &&Group| group.doubts.is_empty() && Override::on(snapshot).is_none();
        let Some(group) = host.prediction().group(device.address).filter(certain) else { return Vec::new() };
        let others = group.members.iter().filter(|member| **member != device.address);
        others.filter_map(|member| snapshot.device(*member)).collect()
    };
    let mut along: Vec<&Device> = mates.into_iter().filter(|mate| goes_along(mate)).collect();
    if along.iter().any(|mate| mate.class.known().is_none_or(|class| class.is_bridge())) {
        // A bridge the machine stands on never goes along.
        along.clear();
    }
    along.into_iter().map(|mate| mate.address).collect()
}

#[cfg(test)]
mod tests {
    use passthru_formats::config_space::decode::PortType;
    use passthru_model::{Fact, Records, Remedy, Snapshot};
    use passthru_pci::Class;

    use super::*;
    use crate::groups::testing::{function, machine, root_port};

    const CARD: &str = "0000:01:00.0";

    /// What is said of the card's first function where these checks find an error.
    fn said(host: &Snapshot, ids: &[&'static str]) -> String {
        let error = |id: &&'static str| Judged {
            id,
            device: None,
            verdict: Verdict::from(Finding {
                severity: Severity::Error,
                summary: "it is so".into(),
                evidence: Vec::new(),
                consequence: String::new(),
                remedy: Remedy::new(When::Now, format!("mend {id}.")),
            }),
        };
        let judged: Vec<Judged> = ids.iter().map(error).collect();
        sum_up(&Host::new(host, &Records::default()), &judged, CARD.parse().unwrap()).words()
    }

    /// A card of two functions behind a port.
    fn card(group: Option<u32>) -> Snapshot {
        let grouped = |made| match group {
            Some(number) => crate::groups::testing::Made::group(made, number),
            None => made,
        };
        machine([
            grouped(root_port("00:01.0", false)),
            grouped(function("01:00.0", &["00:01.0"]).express(PortType::Endpoint)),
            grouped(function("01:00.1", &["00:01.0"]).express(PortType::Endpoint)),
        ])
    }

    #[test]
    fn a_remedy_inside_a_sentence() {
        let after = Lendable::After(vec!["Switch VT-d on".into(), "QEMU 9".into(), "é".into()], Vec::new());
        assert_eq!(after.words(), "can be lent after this: switch VT-d on; QEMU 9; é");
    }

    #[test]
    fn what_goes_along_afterwards() {
        const WITH: &str = "can be lent after this: mend kvm, then together with 0000:01:00.1";
        const ALONE: &str = "can be lent after this: mend kvm";
        assert_eq!(said(&card(Some(1)), &["kvm"]), WITH);
        // Who goes along is said once.
        assert_eq!(said(&card(Some(1)), &["kvm", "companions"]), WITH);
        let mut host = card(Some(1));
        host.devices[2].driver = Fact::Known("vfio-pci".into());
        assert_eq!(said(&host, &["kvm"]), ALONE, "it went along already");
        let mut host = card(Some(1));
        host.devices[2].class = Fact::Known(Class::new(0x06_0100));
        host.devices[2].driver = Fact::Known("lpc_ich".into());
        assert_eq!(said(&host, &["kvm"]), ALONE, "nobody lends it");
    }

    #[test]
    fn what_will_go_along_with_an_iommu() {
        const ALONE: &str = "can be lent after this: mend iommu-kernel";
        let with = format!("{ALONE}, then together with 0000:01:00.1");
        assert_eq!(said(&card(None), &["iommu-kernel"]), with);
        let mut host = card(None);
        host.command_line = Fact::Known("pcie_acs_override=downstream".into());
        assert_eq!(said(&host, &["iommu-kernel"]), ALONE);
        let mut host = card(None);
        host.devices[0].detail = None;
        assert_eq!(said(&host, &["iommu-kernel"]), ALONE, "whether the port isolates is not known");
    }
}
