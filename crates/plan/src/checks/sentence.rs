//! Whether a device can be lent, in one sentence.

use std::collections::HashSet;

use passthru_model::plan::NoPlan;
use passthru_model::{Finding, Judged, Reason, Severity, SourceKind, Verdict, When};
use passthru_pci::Address;

use super::{Host, by_id, uses};

/// How many places that could not be looked at a sentence names.
const SHOWN: usize = 3;

/// Whether a device can be lent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lendable {
    /// Now, as it is.
    Now,
    /// Now, together with these.
    With(Vec<Address>),
    /// After this was done, the nearest first.
    After(Vec<String>),
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
            Self::After(_) => "after",
            Self::Cannot(_) => "cannot",
            Self::Unknown(_) => "unknown",
        }
    }

    /// The sentence, without the device's name at its beginning.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Now => "can be lent now".into(),
            Self::With(companions) => {
                let all: Vec<String> = companions.iter().map(ToString::to_string).collect();
                format!("can be lent now together with {}", all.join(" "))
            }
            Self::After(what) => format!("can be lent after this: {}", what.join("; ")),
            Self::Cannot(why) => format!("cannot be lent, because {}", why.join("; ")),
            Self::Unknown(what) => {
                let (first, more) = what.split_at(what.len().min(SHOWN));
                let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
                format!("may or may not be lent: nobody could look at {}{more}", first.join("; "))
            }
        }
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
        let mut remedies: Vec<String> = Vec::new();
        for (_, finding) in found {
            let text = finding.remedy.text.trim_end_matches('.').to_owned();
            if !remedies.contains(&text) {
                remedies.push(text);
            }
        }
        return Lendable::After(remedies);
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
