//! `check` for people: findings by severity, then what could not be looked at, then how many
//! checks passed. Knows no particular check.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use passthru_model::{Finding, Judged, Remedy, Severity, Snapshot, SourceKind, Verdict, When};
use passthru_pci::Address;
use passthru_plan::checks::sentence::Lendable;

use super::{words, wrap};

/// What stands in for the address where findings of several devices differ in nothing else.
const STAND_IN: &str = "ADDRESS";
/// How wide the names of the fields are.
const WIDTH: usize = 12;
/// Where the values of the fields begin.
const INDENT: usize = WIDTH + 3;

/// Everything `check` has to say.
pub(crate) struct Report<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) judged: &'a [Judged],
    /// Each device that was named, and whether it can be lent.
    pub(crate) sentences: &'a [(Address, Lendable)],
}

/// One finding, of one device or of several that differ in their address only.
struct Folded<'a> {
    id: &'static str,
    finding: &'a Finding,
    devices: Vec<Address>,
    commands: Vec<&'a str>,
}

impl Folded<'_> {
    /// A text of the finding, for one device as it is.
    fn words(&self, text: &str) -> String {
        match self.devices.as_slice() {
            [] | [_] => text.to_owned(),
            [first, ..] => without_address(text, Some(*first)),
        }
    }
}

/// The checks that wanted to look, and about how many devices.
fn who(ids: &BTreeSet<&str>, devices: usize, verbose: bool) -> String {
    const NAMED: usize = 4;
    let devices = if devices > 1 { format!(", {devices} devices") } else { String::new() };
    let all: Vec<&str> = ids.iter().copied().collect();
    match all.as_slice() {
        [] => String::new(),
        [first @ .., _] if all.len() > NAMED + 1 && !verbose => {
            let (first, more) = (first[..NAMED].join(", "), all.len() - NAMED);
            format!(" [{first} and {more} more checks{devices}]")
        }
        all => format!(" [{}{devices}]", all.join(", ")),
    }
}

fn without_address(text: &str, device: Option<Address>) -> String {
    device.map_or_else(|| text.to_owned(), |device| text.replace(&device.to_string(), STAND_IN))
}

/// The findings in the order of the checks, those of several devices that say the same as one.
fn fold(judged: &[Judged]) -> Vec<Folded<'_>> {
    let mut all: Vec<Folded<'_>> = Vec::new();
    let mut at: HashMap<String, usize> = HashMap::new();
    for one in judged {
        for finding in one.verdict.findings() {
            let Finding { severity, summary, evidence, consequence, remedy } = finding;
            let mut key = format!("{}\0{}\0{summary}\0{consequence}", one.id, severity.name());
            for seen in evidence {
                key.extend(["\0", &seen.place, "\0", &seen.value]);
            }
            key.extend(["\0", remedy.when.name(), "\0", &remedy.text]);
            for command in &remedy.commands {
                key.extend(["\0", command]);
            }
            let place = *at.entry(without_address(&key, one.device)).or_insert(all.len());
            if place == all.len() {
                all.push(Folded { id: one.id, finding, devices: Vec::new(), commands: Vec::new() });
            }
            let folded = &mut all[place];
            folded.devices.extend(one.device.filter(|device| !folded.devices.contains(device)));
            for command in &remedy.commands {
                if !folded.commands.contains(&command.as_str()) {
                    folded.commands.push(command);
                }
            }
        }
    }
    all
}

/// Everything, to a terminal of this width.
pub(crate) fn write(
    out: &mut dyn Write,
    report: &Report<'_>,
    width: Option<usize>,
    colour: bool,
    verbose: bool,
) -> io::Result<()> {
    let mut page = Page { out, width, colour, begun: false };
    let found = fold(report.judged);
    for (severity, title, tint) in [
        (Severity::Error, "Errors: as long as they stand, lending does not work", AnsiColor::Red),
        (Severity::Warning, "Warnings: lending works, and something may go wrong", AnsiColor::Yellow),
        (Severity::Note, "Notes", AnsiColor::Cyan),
    ] {
        let mut of = found.iter().filter(|folded| folded.finding.severity == severity).peekable();
        if of.peek().is_some() {
            page.heading(title, Some(tint))?;
        }
        for folded in of {
            page.finding(folded)?;
        }
    }
    // Of everything that a listing does not have, a list would only be long.
    // Of everything that a listing does not have, a list would only be long.
    let pasted = report.snapshot.source == SourceKind::Pasted && !verbose;
    page.blind(report.judged, report.snapshot.source, verbose)?;
    page.counts(report.judged, &found)?;
    if verbose {
        page.passed(report.judged)?;
    }
    if !report.sentences.is_empty() {
        page.gap()?;
    }
    for (address, lendable) in report.sentences {
        let name = report.snapshot.device(*address).map(|device| words::name(report.snapshot, device));
        let name = name.filter(|name| !name.is_empty()).map_or_else(String::new, |name| format!(" ({name})"));
        let said = match lendable {
            Lendable::Unknown(_) if pasted => {
                "may or may not be lent: lspci does not print everything that this depends on".into()
            }
            other => other.words(),
        };
        page.text("", 0, &format!("{address}{name} {said}."))?;
    }
    Ok(())
}

struct Page<'o> {
    out: &'o mut dyn Write,
    width: Option<usize>,
    colour: bool,
    begun: bool,
}

impl Page<'_> {
    fn gap(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) { writeln!(self.out) } else { Ok(()) }
    }

    fn style(&self, style: Style) -> Style {
        if self.colour { style } else { Style::new() }
    }

    fn text(&mut self, first: &str, indent: usize, text: &str) -> io::Result<()> {
        wrap::write(self.out, first, indent, text, self.width)
    }

    fn heading(&mut self, title: &str, tint: Option<AnsiColor>) -> io::Result<()> {
        self.gap()?;
        let style = self.style(Style::new().bold().fg_color(tint.map(Into::into)));
        writeln!(self.out, "{style}{title}{style:#}")
    }

    fn field(&mut self, name: &str, value: &str) -> io::Result<()> {
        let dim = self.style(Style::new().dimmed());
        self.text(&format!("  {dim}{name:WIDTH$}{dim:#} "), INDENT, value)
    }

    fn finding(&mut self, folded: &Folded<'_>) -> io::Result<()> {
        let bold = self.style(Style::new().bold());
        let Finding { summary, evidence, consequence, remedy, .. } = folded.finding;
        self.gap()?;
        let first = format!("{bold}{}{bold:#}: ", folded.id);
        self.text(&first, 2, &folded.words(summary))?;
        if !folded.devices.is_empty() {
            let all: Vec<String> = folded.devices.iter().map(ToString::to_string).collect();
            self.field(if all.len() == 1 { "device" } else { "devices" }, &all.join(" "))?;
        }
        for (number, seen) in evidence.iter().enumerate() {
            let text = folded.words(&format!("{}: {}", seen.place, seen.value));
            self.field(if number == 0 { "evidence" } else { "" }, &text)?;
        }
        self.field("consequence", &folded.words(consequence))?;
        let when = after(remedy);
        self.field("remedy", &format!("{}{when}", folded.words(remedy.text.trim_end_matches('.'))))?;
        for command in &folded.commands {
            // Not wrapped: it is there to be pasted.
            writeln!(self.out, "{:INDENT$}$ {command}", "")?;
        }
        Ok(())
    }

    /// What could not be looked at: each place once, with the checks that wanted to. Where many
    /// places have one reason, only the first are named, unless somebody asks.
    fn blind(&mut self, judged: &[Judged], source: SourceKind, verbose: bool) -> io::Result<()> {
        const NAMED: usize = 3;
        type Who<'a> = (BTreeSet<&'a str>, BTreeSet<Address>);
        let mut reasons: BTreeMap<String, BTreeMap<String, Who<'_>>> = BTreeMap::new();
        for one in judged {
            let Verdict::CouldNotLook(unseen) = &one.verdict else { continue };
            for unseen in unseen {
                let why = match source {
                    SourceKind::Live | SourceKind::Directory => unseen.why.clone(),
                    _ if !unseen.why.contains("ENODATA") => unseen.why.clone(),
                    SourceKind::Pasted => "lspci does not print it".into(),
                    SourceKind::Capture => "it is not in this capture".into(),
                };
                let path = without_address(&unseen.path, one.device);
                let (ids, devices) = reasons.entry(why).or_default().entry(path).or_default();
                ids.insert(one.id);
                devices.extend(one.device);
            }
        }
        if reasons.is_empty() {
            return Ok(());
        }
        self.heading("Could not look at", None)?;
        for (why, places) in &reasons {
            if verbose || places.len() <= NAMED + 1 {
                for (path, (ids, devices)) in places {
                    let path = match devices.first() {
                        Some(only) if devices.len() == 1 => path.replace(STAND_IN, &only.to_string()),
                        _ => path.clone(),
                    };
                    let who = who(ids, devices.len(), verbose);
                    self.text("  ", 4, &format!("{path}: {why}{who}"))?;
                }
                continue;
            }
            let first: Vec<&str> = places.keys().take(NAMED).map(String::as_str).collect();
            let ids = places.values().flat_map(|(ids, _)| ids.iter().copied()).collect();
            let (first, more) = (first.join(", "), places.len() - NAMED);
            let who = who(&ids, 0, false);
            self.text("  ", 4, &format!("{first} and {more} more places (-v names them): {why}{who}"))?;
        }
        if reasons.keys().any(|why| why.contains("needs root")) {
            self.text(
                "",
                0,
                "As root these can be looked at; until then nobody says that they are in order.",
            )?;
        }
        Ok(())
    }

    /// How many checks ended in which way.
    fn counts(&mut self, judged: &[Judged], found: &[Folded<'_>]) -> io::Result<()> {
        let count = |severity| found.iter().filter(|f| f.finding.severity == severity).count();
        let s = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let mut parts = vec![
            s(count(Severity::Error), "error"),
            s(count(Severity::Warning), "warning"),
            s(count(Severity::Note), "note"),
        ];
        let tally = tally(judged);
        for (how, one, several) in [
            (How::Blind, "could not look", "could not look"),
            (How::After, "waits for a finding above", "wait for a finding above"),
            (How::Passed, "passed", "passed"),
            (How::Pointless, "does not apply here", "do not apply here"),
        ] {
            match tally.values().filter(|other| **other == how).count() {
                0 => {}
                1 => parts.push(format!("1 check {one}")),
                n => parts.push(format!("{n} checks {several}")),
            }
        }
        self.gap()?;
        self.text("", 0, &format!("{}.", parts.join("; ")))
    }

    /// The checks without a finding, and what they say.
    fn passed(&mut self, judged: &[Judged]) -> io::Result<()> {
        for (title, what) in [
            ("Passed", How::Passed),
            ("Do not apply here", How::Pointless),
            ("Wait for a finding", How::After),
        ] {
            let mut lines: Vec<(String, Vec<Address>)> = Vec::new();
            let mut at: HashMap<String, usize> = HashMap::new();
            for one in judged.iter().filter(|one| how(&one.verdict) == what) {
                let text = match &one.verdict {
                    Verdict::Pass(text) | Verdict::NotApplicable(text) => text.clone(),
                    Verdict::After(before) => format!("makes no sense as long as {before} stands"),
                    Verdict::Found(_) | Verdict::CouldNotLook(_) => continue,
                };
                let line = if text.is_empty() { one.id.to_owned() } else { format!("{}: {text}", one.id) };
                let line = without_address(&line, one.device);
                let place = *at.entry(line).or_insert_with_key(|line| {
                    lines.push((line.clone(), Vec::new()));
                    lines.len() - 1
                });
                lines[place].1.extend(one.device);
            }
            if !lines.is_empty() {
                self.heading(title, None)?;
            }
            for (line, devices) in lines {
                let text = match devices.as_slice() {
                    [] => line,
                    [only] => format!("{} [{only}]", line.replace(STAND_IN, &only.to_string())),
                    several => format!("{line} [{} devices]", several.len()),
                };
                self.text("  ", 4, &text)?;
            }
        }
        Ok(())
    }
}

/// When a remedy works, where that is not at once.
fn after(remedy: &Remedy) -> &'static str {
    match remedy.when {
        // Most texts say it themselves.
        When::Reboot if !remedy.text.contains("boot") => " (works after the next boot)",
        _ => "",
    }
}

/// How a check ended, over all devices: what a person most needs to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    Found,
    Blind,
    After,
    Passed,
    Pointless,
}

fn tally(judged: &[Judged]) -> BTreeMap<&'static str, How> {
    let mut all: BTreeMap<&'static str, How> = BTreeMap::new();
    for one in judged {
        let how = how(&one.verdict);
        all.entry(one.id).and_modify(|old| *old = (*old).min(how)).or_insert(how);
    }
    all
}

const fn how(verdict: &Verdict) -> How {
    match verdict {
        Verdict::Found(_) => How::Found,
        Verdict::CouldNotLook(_) => How::Blind,
        Verdict::After(_) => How::After,
        Verdict::Pass(_) => How::Passed,
        Verdict::NotApplicable(_) => How::Pointless,
    }
}
