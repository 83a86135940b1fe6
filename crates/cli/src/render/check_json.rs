//! The JSON views of `check` and `explain`.

use passthru_model::{Finding, Judged, Severity, Snapshot, Verdict, When};
use passthru_pci::Address;
use passthru_plan::checks::sentence::Lendable;
use passthru_plan::checks::{Check, by_id};
use passthru_plan::explain::{Cause, Recognised, causes};
use serde::Serialize;

use super::json::VERSION;

/// The answer of `check`.
#[derive(Serialize)]
pub(crate) struct Checked<'a> {
    version: u32,
    kind: &'static str,
    root: bool,
    errors: usize,
    warnings: usize,
    notes: usize,
    could_not_look: usize,
    reboot_required: bool,
    checks: Vec<JudgedView<'a>>,
    devices: Vec<SentenceView<'a>>,
}

#[derive(Serialize)]
struct JudgedView<'a> {
    id: &'static str,
    title: &'static str,
    subject: &'static str,
    severity: &'static str,
    device: Option<Address>,
    verdict: &'static str,
    text: Option<&'a str>,
    after: Option<&'static str>,
    findings: Vec<FindingView<'a>>,
    unseen: Vec<UnseenView<'a>>,
}

#[derive(Serialize)]
struct FindingView<'a> {
    severity: &'static str,
    summary: &'a str,
    evidence: Vec<EvidenceView<'a>>,
    consequence: &'a str,
    remedy: RemedyView<'a>,
}

#[derive(Serialize)]
struct EvidenceView<'a> {
    place: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct RemedyView<'a> {
    text: &'a str,
    commands: &'a [String],
    when: &'static str,
}

#[derive(Serialize)]
struct UnseenView<'a> {
    path: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
struct SentenceView<'a> {
    device: Address,
    state: &'static str,
    with: &'a [Address],
    sentence: String,
}

/// The findings of this severity.
pub(crate) fn count(judged: &[Judged], severity: Severity) -> usize {
    judged.iter().flat_map(|one| one.verdict.findings()).filter(|f| f.severity == severity).count()
}

impl<'a> Checked<'a> {
    /// What every check says.
    pub(crate) fn new(
        snapshot: &Snapshot,
        judged: &'a [Judged],
        sentences: &'a [(Address, Lendable)],
    ) -> Self {
        let findings = || judged.iter().flat_map(|one| one.verdict.findings());
        let reboot = |f: &Finding| {
            f.severity == Severity::Error && matches!(f.remedy.when, When::Reboot | When::Firmware)
        };
        Self {
            version: VERSION,
            kind: "check",
            root: snapshot.rights.root,
            errors: count(judged, Severity::Error),
            warnings: count(judged, Severity::Warning),
            notes: count(judged, Severity::Note),
            could_not_look: judged
                .iter()
                .filter(|one| matches!(one.verdict, Verdict::CouldNotLook(_)))
                .count(),
            reboot_required: findings().any(reboot),
            checks: judged.iter().filter_map(judged_view).collect(),
            devices: sentences.iter().map(sentence_view).collect(),
        }
    }
}

fn judged_view(one: &Judged) -> Option<JudgedView<'_>> {
    let check = by_id(one.id)?;
    let (text, after) = match &one.verdict {
        Verdict::Pass(text) | Verdict::NotApplicable(text) => (Some(text.as_str()), None),
        Verdict::After(before) => (None, Some(*before)),
        Verdict::Found(_) | Verdict::CouldNotLook(_) => (None, None),
    };
    Some(JudgedView {
        id: one.id,
        title: check.title,
        subject: check.subject.name(),
        severity: check.severity.name(),
        device: one.device,
        verdict: one.verdict.name(),
        text: text.filter(|text| !text.is_empty()),
        after,
        findings: one.verdict.findings().iter().map(finding_view).collect(),
        unseen: unseen_views(&one.verdict),
    })
}

fn unseen_views(verdict: &Verdict) -> Vec<UnseenView<'_>> {
    match verdict {
        Verdict::CouldNotLook(unseen) => {
            unseen.iter().map(|u| UnseenView { path: &u.path, why: &u.why }).collect()
        }
        _ => Vec::new(),
    }
}

fn finding_view(finding: &Finding) -> FindingView<'_> {
    FindingView {
        severity: finding.severity.name(),
        summary: &finding.summary,
        evidence: finding
            .evidence
            .iter()
            .map(|seen| EvidenceView { place: &seen.place, value: &seen.value })
            .collect(),
        consequence: &finding.consequence,
        remedy: RemedyView {
            text: &finding.remedy.text,
            commands: &finding.remedy.commands,
            when: finding.remedy.when.name(),
        },
    }
}

fn sentence_view((device, lendable): &(Address, Lendable)) -> SentenceView<'_> {
    SentenceView {
        device: *device,
        state: lendable.name(),
        with: lendable.with(),
        sentence: format!("{device} {}.", lendable.words()),
    }
}

/// The answer of `explain`: one id, or all of them.
#[derive(Serialize)]
pub(crate) struct Explained<'a> {
    version: u32,
    kind: &'static str,
    checks: Vec<AboutView<'a>>,
}

#[derive(Serialize)]
struct AboutView<'a> {
    id: &'a str,
    title: &'a str,
    subject: &'a str,
    severity: &'a str,
    after: &'a [&'a str],
    about: &'a str,
    sources: &'a [&'a str],
}

impl<'a> Explained<'a> {
    /// What these checks are about.
    pub(crate) fn new(checks: impl Iterator<Item = &'a Check>) -> Self {
        let view = |check: &'a Check| AboutView {
            id: check.id,
            title: check.title,
            subject: check.subject.name(),
            severity: check.severity.name(),
            after: check.after,
            about: check.about,
            sources: check.sources,
        };
        Self { version: VERSION, kind: "explain", checks: checks.map(view).collect() }
    }
}

/// The answer of `explain -`.
#[derive(Serialize)]
pub(crate) struct Messages<'a> {
    version: u32,
    kind: &'static str,
    messages: Vec<MessageView<'a>>,
}

#[derive(Serialize)]
struct MessageView<'a> {
    line: usize,
    text: &'a str,
    program: &'a str,
    from: &'a str,
    title: &'a str,
    meaning: &'a str,
    device: Option<Address>,
    devices: Vec<Address>,
    causes: Vec<CauseView<'a>>,
}

#[derive(Serialize)]
struct CauseView<'a> {
    id: &'a str,
    here: Option<bool>,
    findings: Vec<FindingView<'a>>,
    unseen: Vec<UnseenView<'a>>,
}

impl<'a> Messages<'a> {
    /// What these messages mean, and what the checks say of this host; `snapshot` is `None` where
    /// there is none.
    pub(crate) fn new(found: &'a [Recognised], snapshot: Option<&Snapshot>, judged: &'a [Judged]) -> Self {
        let view = |one: &'a Recognised| MessageView {
            line: one.line_number,
            text: &one.text,
            program: one.program.name(),
            from: one.from,
            title: one.signature.title,
            meaning: one.signature.meaning,
            device: one.device,
            devices: snapshot.map(|snapshot| one.devices(snapshot)).unwrap_or_default(),
            causes: snapshot
                .map(|snapshot| causes(one, snapshot, judged).into_iter().map(cause_view).collect())
                .unwrap_or_default(),
        };
        Self { version: VERSION, kind: "explain-messages", messages: found.iter().map(view).collect() }
    }
}

fn cause_view(cause: Cause<'_>) -> CauseView<'_> {
    CauseView {
        id: cause.id,
        here: cause.is_here(),
        findings: cause.judged.iter().flat_map(|j| j.verdict.findings()).map(finding_view).collect(),
        unseen: cause.judged.iter().flat_map(|j| unseen_views(&j.verdict)).collect(),
    }
}
