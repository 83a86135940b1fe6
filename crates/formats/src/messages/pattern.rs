//! A text with holes, and finding it in a line.
//!
//! Not a regular expression: between two holes that take anything the text either
//! stands there or not, so that finding it takes time proportional to the line.

use std::ops::Range;

use memchr::memmem;

/// What a hole takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `{device}`: the address of a function, with or without its domain.
    Device,
    /// `{…#}`: decimal digits.
    Decimal,
    /// `{…%}`: hexadecimal digits, with or without `0x`.
    Hex,
    /// `{…}`: one word, ended by a blank, a quote, a bracket or `,`, `;`, `:`.
    Word,
}

#[derive(Debug, Clone, Copy)]
enum Piece {
    Literal(&'static str),
    Hole(&'static str, Kind),
}

/// Pieces that stand side by side; before each such run anything may stand.
#[derive(Debug)]
struct Run {
    /// The name of what stands before it, empty where nobody asks; `None` for the first.
    before: Option<&'static str>,
    pieces: Vec<Piece>,
}

/// A text with holes, ready to be looked for.
#[derive(Debug)]
pub(super) struct Pattern {
    runs: Vec<Run>,
    /// The longest literal: no line without it matches.
    anchor: memmem::Finder<'static>,
}

/// Where a pattern was found.
#[derive(Debug)]
pub(super) struct Found {
    /// From the first byte that belongs to it to the last.
    pub(super) range: Range<usize>,
    /// What stands in the holes, in their order, by name; `*` has the empty one.
    pub(super) captures: Vec<(&'static str, Range<usize>)>,
}

impl Pattern {
    /// Reads a pattern: text with holes `{name}`, `{name#}`, `{name%}`, `{device}`, and
    /// `{*}` or `{name*}` for anything, also nothing. There is no escape for a brace.
    pub(super) fn new(text: &'static str) -> Self {
        let mut runs = vec![Run { before: None, pieces: Vec::new() }];
        let (mut rest, mut anchor) = (text, "");
        while !rest.is_empty() {
            let (literal, hole, next) = match rest.split_once('{') {
                Some((literal, more)) => {
                    let (hole, next) = more.split_once('}').unwrap_or((more, ""));
                    (literal, Some(hole), next)
                }
                None => (rest, None, ""),
            };
            let pieces = |runs: &mut Vec<Run>, piece| {
                if let Some(run) = runs.last_mut() {
                    run.pieces.push(piece);
                }
            };
            if !literal.is_empty() {
                pieces(&mut runs, Piece::Literal(literal));
                if literal.len() > anchor.len() {
                    anchor = literal;
                }
            }
            match hole.map(|hole| (hole, hole.strip_suffix('*'))) {
                Some((_, Some(before))) => runs.push(Run { before: Some(before), pieces: Vec::new() }),
                Some((hole, None)) => pieces(&mut runs, hole_of(hole)),
                None => {}
            }
            rest = next;
        }
        // What anything may stand before begins with what comes then.
        if runs.len() > 1 && runs[0].pieces.is_empty() {
            runs.remove(0);
        }
        Self { runs, anchor: memmem::Finder::new(anchor) }
    }

    /// The text no match is without.
    pub(super) fn anchor(&self) -> &memmem::Finder<'static> {
        &self.anchor
    }

    /// Looks for it anywhere in a line, the leftmost first.
    pub(super) fn find(&self, line: &str) -> Option<Found> {
        let mut captures = Vec::new();
        let (mut first, mut at) = (None, 0);
        for run in &self.runs {
            let (start, end) = run.find(line, at, &mut captures)?;
            if first.is_none() {
                first = Some(start);
            }
            at = end;
        }
        Some(Found { range: first.unwrap_or(0)..at, captures })
    }
}

fn hole_of(hole: &'static str) -> Piece {
    let (name, kind) = match (hole, hole.strip_suffix('#'), hole.strip_suffix('%')) {
        ("device", ..) => (hole, Kind::Device),
        (_, Some(name), _) => (name, Kind::Decimal),
        (_, _, Some(name)) => (name, Kind::Hex),
        _ => (hole, Kind::Word),
    };
    Piece::Hole(name, kind)
}

impl Run {
    /// Where it first stands from `from` on. A run without pieces takes the rest of the line.
    fn find(
        &self,
        line: &str,
        from: usize,
        captures: &mut Vec<(&'static str, Range<usize>)>,
    ) -> Option<(usize, usize)> {
        let Some(head) = self.pieces.first() else {
            captures.extend(self.before.map(|name| (name, from..line.len())));
            return Some((from, line.len()));
        };
        let mut at = from;
        loop {
            let rest = line.get(at..)?;
            at += match head {
                Piece::Literal(text) => memmem::find(rest.as_bytes(), text.as_bytes())?,
                // In the middle of a word no hole begins.
                Piece::Hole(..) => rest.find(|c: char| c.is_ascii_alphanumeric() || c == '/')?,
            };
            let before = captures.len();
            captures.extend(self.before.map(|name| (name, from..at)));
            if let Some(end) = self.stands(line, at, captures) {
                return Some((at, end));
            }
            captures.truncate(before);
            let step = match head {
                Piece::Literal(_) => 1,
                Piece::Hole(..) => {
                    word(&line.as_bytes()[at..], |c| c.is_ascii_alphanumeric() || c == b':').max(1)
                }
            };
            at += step;
            while !line.is_char_boundary(at) {
                at += 1;
            }
        }
    }

    fn stands(
        &self,
        line: &str,
        mut at: usize,
        captures: &mut Vec<(&'static str, Range<usize>)>,
    ) -> Option<usize> {
        for piece in &self.pieces {
            let rest = line.as_bytes().get(at..)?;
            let length = match piece {
                Piece::Literal(text) => rest.starts_with(text.as_bytes()).then_some(text.len())?,
                Piece::Hole(name, kind) => {
                    let length = kind.length(rest)?;
                    captures.push((*name, at..at + length));
                    length
                }
            };
            at += length;
        }
        Some(at)
    }
}

impl Kind {
    /// How many bytes at the beginning of a text belong to it; `None` for none.
    fn length(self, text: &[u8]) -> Option<usize> {
        let length = match self {
            Self::Device => return address(text),
            Self::Decimal => word(text, |c| c.is_ascii_digit()),
            Self::Hex => {
                let prefix = if text.starts_with(b"0x") { 2 } else { 0 };
                let digits = word(&text[prefix..], |c| c.is_ascii_hexdigit());
                if digits == 0 { 0 } else { prefix + digits }
            }
            Self::Word => word(text, |c| {
                c > b' '
                    && !matches!(c, b'\'' | b'"' | b'`' | b'(' | b')' | b'[' | b']' | b'<' | b'>')
                    && !matches!(c, b',' | b';' | b':')
            }),
        };
        (length > 0).then_some(length)
    }
}

fn word(text: &[u8], of: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|c| !of(*c)).unwrap_or(text.len())
}

/// `[domain:]bus:device.function`, and nothing that goes on like a word.
fn address(text: &[u8]) -> Option<usize> {
    let hex = word(text, |c| c.is_ascii_hexdigit());
    let domain = if (4..=8).contains(&hex) && text.get(hex) == Some(&b':') { hex + 1 } else { 0 };
    let [b0, b1, b':', d0, d1, b'.', f, ..] = text.get(domain..)? else { return None };
    let digits = [b0, b1, d0, d1].iter().all(|c| c.is_ascii_hexdigit()) && (b'0'..=b'7').contains(f);
    let end = domain + 7;
    (digits && !text.get(end).is_some_and(u8::is_ascii_alphanumeric)).then_some(end)
}

/// The last address in a text.
pub(super) fn last_address(text: &str) -> Option<&str> {
    let words = text.rsplit(|c: char| !(c.is_ascii_hexdigit() || matches!(c, ':' | '.')));
    words.map(|word| word.trim_end_matches(':')).find(|word| address(word.as_bytes()) == Some(word.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'l>(pattern: &'static str, line: &'l str) -> Option<(&'l str, Vec<(&'static str, &'l str)>)> {
        let found = Pattern::new(pattern).find(line)?;
        let named = found.captures.into_iter().filter(|(name, _)| !name.is_empty());
        let captures = named.map(|(name, at)| (name, &line[at])).collect();
        Some((&line[found.range], captures))
    }

    #[test]
    fn holes() {
        assert_eq!(
            found("group {group#} is", "a group 13 is b"),
            Some(("group 13 is", vec![("group", "13")]))
        );
        assert_eq!(
            found("group {group#} is", "group x is, group 7 is"),
            Some(("group 7 is", vec![("group", "7")]))
        );
        assert_eq!(
            found("{device}: gone", "x 10000:e1:1f.7: here, 01:00.1: gone"),
            Some(("01:00.1: gone", vec![("device", "01:00.1")]))
        );
        assert_eq!(
            found("{device}: gone", "10000:e1:1f.7: gone"),
            Some(("10000:e1:1f.7: gone", vec![("device", "10000:e1:1f.7")]))
        );
        for no in
            ["0000:01:00.8: gone", "0000:01:00.0a: gone", "100:00.0: gone", "01:00: gone", ":.: gone", ""]
        {
            assert_eq!(found("{device}: gone", no), None, "{no}");
        }
        assert_eq!(
            found("'{path}': {error*}", "open 'a/b.c': No such"),
            Some(("'a/b.c': No such", vec![("path", "a/b.c"), ("error", "No such")]))
        );
        assert_eq!(
            found("at {at%} {*}end", "at 0x1f … the end."),
            Some(("at 0x1f … the end", vec![("at", "0x1f")]))
        );
        assert_eq!(found("at {at%}", "at 0x"), None);
        assert_eq!(found("{*} end", "the end"), Some((" end", vec![])));
        assert_eq!(found("a{*}b{middle*}c", "xx a1b2b3c"), Some(("a1b2b3c", vec![("middle", "2b3")])));
        assert_eq!(
            found("{device} x", "é é é 0000:01:00.0 x"),
            Some(("0000:01:00.0 x", vec![("device", "0000:01:00.0")]))
        );
    }

    #[test]
    fn anchors() {
        assert_eq!(Pattern::new("a {x} longest {y*}").anchor().needle(), b" longest ");
    }
}
