//! `explain`: what a finding means; what pasted messages mean, and whether this host has their
//! cause.

use std::io::{self, Read as _, Write};

use anstyle::Style;
use passthru_model::Wants;
use passthru_model::{Judged, Snapshot};
use passthru_plan::checks::{self, Check};
use passthru_plan::explain::{Recognised, recognise};

use super::check::Read;
use super::print_json;
use crate::args::Explain;
use crate::context::{Context, Out};
use crate::exit::{Code, Failure, Outcome};
use crate::render::check_json::{Explained, Messages};
use crate::render::messages;
use crate::render::wrap;

/// How wide prose is set where nobody says how wide the terminal is, and at most.
const PROSE: usize = 80;

pub(crate) fn run(context: &Context, options: &Explain) -> Outcome {
    let Some(id) = &options.id else { return list(context) };
    if id == "-" {
        return messages(context);
    }
    let Some(check) = checks::by_id(id) else { return Err(unknown(id)) };
    if context.global.json {
        print_json(&Explained::new(std::iter::once(check)))?;
        return Ok(Code::Done.into());
    }
    Out::new().write(|out, width, colour| write(out, check, prose(width), colour))?;
    Ok(Code::Done.into())
}

fn prose(width: Option<usize>) -> Option<usize> {
    Some(width.unwrap_or(PROSE).min(PROSE))
}

/// All ids, by subject.
fn list(context: &Context) -> Outcome {
    if context.global.json {
        print_json(&Explained::new(checks::all()))?;
        return Ok(Code::Done.into());
    }
    let widest = checks::all().map(|check| check.id.len()).max().unwrap_or(0);
    Out::new().write(|out, width, colour| {
        let bold = if colour { Style::new().bold() } else { Style::new() };
        for (subject, checks) in checks::by_subject() {
            writeln!(out, "{bold}{}{bold:#}", subject.name())?;
            for check in checks {
                wrap::write(out, &format!("  {:widest$}  ", check.id), widest + 4, check.title, width)?;
            }
        }
        Ok(())
    })?;
    Ok(Code::Done.into())
}

fn write(out: &mut dyn Write, check: &Check, width: Option<usize>, colour: bool) -> io::Result<()> {
    let bold = if colour { Style::new().bold() } else { Style::new() };
    wrap::write(out, &format!("{bold}{}{bold:#}: ", check.id), 0, check.title, width)?;
    writeln!(out, "{} · {}\n", check.subject.name(), check.severity.name())?;
    wrap::write(out, "", 0, check.about, width)?;
    if !check.after.is_empty() {
        let text = format!("It is not asked as long as this stands: {}.", check.after.join(", "));
        writeln!(out)?;
        wrap::write(out, "", 0, &text, width)?;
    }
    writeln!(out, "\nSources:")?;
    for source in check.sources {
        wrap::write(out, "  ", 4, source, width)?;
    }
    Ok(())
}

/// The most that is read of a paste, in bytes: a log of some thousand lines. Of more the end
/// counts, where the failure is.
const PASTE: usize = 4 << 20;

/// What a paste on standard input means, and which of the causes this host has.
fn messages(context: &Context) -> Outcome {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut bytes);
    read.map_err(|error| {
        Failure::new(Code::Usage, format!("explain -: cannot read standard input: {error}"))
    })?;
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(PASTE)..]);
    let found = recognise(&text);
    let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
    if found.is_empty() {
        let what = match lines {
            0 => "there is nothing on standard input".to_owned(),
            1 => "the line says nothing that passthru knows".to_owned(),
            n => format!("none of the {n} lines says anything that passthru knows"),
        };
        return Err(Failure::new(Code::Usage, format!("explain -: {what}"))
            .hint("paste the messages of QEMU, libvirt or the kernel's log as they are")
            .hint("`passthru check` looks for causes without any message"));
    }
    let host = judge(context, &found);
    let (snapshot, judged) = match &host {
        Ok((read, judged)) => (Some(&*read.snapshot), judged.as_slice()),
        Err(failure) => {
            context.note(&format!(
                "whether this host has the causes could not be looked at: {}",
                failure.message
            ));
            (None, &[][..])
        }
    };
    if context.global.json {
        print_json(&Messages::new(&found, snapshot, judged))?;
    } else {
        Out::new().write(|out, width, colour| {
            messages::write(out, &found, snapshot, judged, lines, width, colour)
        })?;
    }
    Ok(Code::Done.into())
}

/// Asks the checks, about the devices the messages name.
fn judge(context: &Context, found: &[Recognised]) -> Result<(Read, Vec<Judged>), Failure> {
    let source = context.source()?;
    let snapshot: Snapshot = context.snapshot(&*source, &Wants::default())?;
    let mut named: Vec<_> = found.iter().flat_map(|one| one.devices(&snapshot)).collect();
    named.sort_unstable();
    named.dedup();
    let read = Read::new(context, &*source, (!named.is_empty()).then_some(named), None)?;
    let judged = read.judge(&read.host());
    Ok((read, judged))
}

/// An id that nobody has, and the ones that were perhaps meant.
fn unknown(id: &str) -> Failure {
    let mut near: Vec<(usize, &str)> =
        checks::all().map(|check| (distance(id, check.id), check.id)).collect();
    near.sort_unstable();
    let limit = (id.chars().count() / 3).max(2);
    let mut near: Vec<&str> =
        near.into_iter().filter(|(far, _)| *far <= limit).map(|(_, id)| id).take(3).collect();
    if near.is_empty() {
        near = checks::all().map(|check| check.id).filter(|known| shares_word(id, known)).take(3).collect();
    }
    let failure = Failure::new(Code::Usage, format!("explain {id}: no finding has this id"));
    let failure =
        if near.is_empty() { failure } else { failure.hint(format!("did you mean {}?", near.join(", "))) };
    failure.hint("`passthru explain` lists all ids")
}

/// Whether one of the id's words is one of the other's.
fn shares_word(id: &str, known: &str) -> bool {
    id.split('-').any(|word| word.len() > 2 && known.split('-').any(|other| other == word))
}

/// Levenshtein's distance in characters; of a long text only the beginning counts.
fn distance(a: &str, b: &str) -> usize {
    const MOST: usize = 64;
    let b: Vec<char> = b.chars().take(MOST).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(MOST).enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = corner + usize::from(from != *to);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, far) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("mounted", "muonted", 2), ("swap", "swap", 0)]
        {
            assert_eq!(distance(a, b), far, "{a} {b}");
            assert_eq!(distance(b, a), far, "{b} {a}");
        }
    }

    #[test]
    fn near_ids_are_told() {
        assert_eq!(unknown("monted").hints[0], "did you mean mounted?");
        assert!(unknown("iommu").hints[0].contains("no-iommu"), "{:?}", unknown("iommu").hints);
        assert_eq!(unknown("qqqqqqqq").hints.len(), 1);
    }
}
