//! `explain -` for people: each message that is known, what it means, and whether this host has
//! the cause.

use std::io::{self, Write};

use anstyle::Style;
use passthru_model::{Judged, Snapshot, Verdict};
use passthru_plan::checks::{Ask, by_id};
use passthru_plan::explain::{Cause, Recognised, causes};

use super::wrap;

/// Where the values of the fields begin.
const INDENT: usize = 11;

/// All of them; `lines` is how many the paste had.
pub(crate) fn write(
    out: &mut dyn Write,
    found: &[Recognised],
    snapshot: Option<&Snapshot>,
    judged: &[Judged],
    lines: usize,
    width: Option<usize>,
    colour: bool,
) -> io::Result<()> {
    let bold = if colour { Style::new().bold() } else { Style::new() };
    for (number, one) in found.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        let first = format!("{bold}line {}, {}{bold:#}: ", one.line_number, one.program.name());
        wrap::write(out, &first, 2, &one.text, width)?;
        let text = format!("{}. {}", capital(one.signature.title), one.signature.meaning);
        field(out, "means", &text, width, colour)?;
        let Some(snapshot) = snapshot else { continue };
        if let Some(device) = one.device.filter(|device| snapshot.device(*device).is_none()) {
            let text = format!("{device} is not on this host; what follows is about the host as a whole");
            field(out, "device", &text, width, colour)?;
        }
        for (number, cause) in causes(one, snapshot, judged).iter().enumerate() {
            say(out, if number == 0 { "here" } else { "" }, cause, width, colour)?;
        }
        let ids: Vec<&str> = one.signature.ids().collect();
        field(out, "more", &format!("passthru explain {}", ids[0]), width, colour)?;
    }
    if found.len() < lines {
        let rest = lines - found.len();
        let (s, say) = if rest == 1 { ("", "says") } else { ("s", "say") };
        writeln!(out, "\n{rest} other line{s} {say} nothing more that passthru knows.")?;
    }
    Ok(())
}

/// Whether this host has a cause, and what to do.
fn say(
    out: &mut dyn Write,
    name: &str,
    cause: &Cause<'_>,
    width: Option<usize>,
    colour: bool,
) -> io::Result<()> {
    let id = cause.id;
    if let Some((address, there)) = cause.address {
        let text = if there {
            format!("no, {id}: a device has the address {address} now; `passthru list` shows which")
        } else {
            format!("yes, {id}: no device has the address {address} now; `passthru list` shows what is where")
        };
        return field(out, name, &text, width, colour);
    }
    match cause.is_here() {
        Some(true) => {
            let mut name = name;
            for finding in cause.judged.iter().flat_map(|one| one.verdict.findings()) {
                field(out, name, &format!("yes, {id}: {}", finding.summary), width, colour)?;
                name = "";
                for seen in &finding.evidence {
                    field(out, "", &format!("{}: {}", seen.place, seen.value), width, colour)?;
                }
                field(out, "remedy", &finding.remedy.text, width, colour)?;
                for command in &finding.remedy.commands {
                    writeln!(out, "{:INDENT$}$ {command}", "")?;
                }
            }
            Ok(())
        }
        Some(false) => field(out, name, &format!("no, {id}: nothing of the kind is seen now"), width, colour),
        None => {
            let why: Vec<String> = cause
                .judged
                .iter()
                .filter_map(|one| match &one.verdict {
                    Verdict::CouldNotLook(unseen) => Some(
                        unseen
                            .iter()
                            .map(|u| format!("{}: {}", u.path, u.why))
                            .collect::<Vec<_>>()
                            .join("; "),
                    ),
                    Verdict::After(before) => Some(format!("not asked as long as {before} stands")),
                    _ => None,
                })
                .collect();
            let why = if by_id(id).is_none() {
                "there is no check for it".to_owned()
            } else if by_id(id).is_some_and(|check| matches!(check.ask, Ask::Never)) {
                format!("it cannot be seen on a host; `passthru explain {id}` says where to look")
            } else if why.is_empty() {
                "it is asked of a device that is named: `passthru check DEVICE`".to_owned()
            } else {
                why.join("; ")
            };
            field(out, name, &format!("nobody can say, {id}: {why}"), width, colour)
        }
    }
}

fn field(out: &mut dyn Write, name: &str, value: &str, width: Option<usize>, colour: bool) -> io::Result<()> {
    let dim = if colour { Style::new().dimmed() } else { Style::new() };
    wrap::write(out, &format!("  {dim}{name:8}{dim:#} "), INDENT, value, width)
}

/// With a capital at its beginning, unless that is a name such as vfio-pci.
fn capital(text: &str) -> String {
    if text.split(' ').next().is_some_and(|word| word.contains(['-', '_', '/'])) {
        return text.to_owned();
    }
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::capital;

    #[test]
    fn names_keep_their_letters() {
        for (text, begun) in [
            ("a companion is in the way", "A companion is in the way"),
            ("vfio-pci is blacklisted", "vfio-pci is blacklisted"),
            ("/dev/kvm is closed", "/dev/kvm is closed"),
            ("", ""),
        ] {
            assert_eq!(capital(text), begun);
        }
    }
}
