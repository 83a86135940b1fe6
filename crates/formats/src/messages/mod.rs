//! What QEMU, libvirt, the kernel and the tools around them say when something is wrong:
//! their exact texts, old and new, with holes for what differs.
//!
//! | module | holds |
//! |---|---|
//! | this one | [`scan`], [`clean`]: finding known texts |
//! | `pattern` | one text with holes |
//! | `kernel`, `qemu`, `libvirt`, `tools` | the texts |
//!
//! What a text means, and which check knows its cause, is `passthru_plan`'s to say.

mod kernel;
mod libvirt;
mod pattern;
mod qemu;
mod tools;

use std::borrow::Cow;
use std::sync::OnceLock;

use passthru_pci::Address;

use pattern::Pattern;

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Program {
    /// The kernel, in its log.
    Kernel,
    /// QEMU, on its error output.
    Qemu,
    /// libvirt and its security driver.
    Libvirt,
    /// Programs around them: shells, kmod, dracut, DPDK.
    Tool,
}

impl Program {
    /// The word in output and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Qemu => "qemu",
            Self::Libvirt => "libvirt",
            Self::Tool => "tool",
        }
    }
}

/// One exact text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// What it says, in one name: several texts have the same where versions differ.
    pub name: &'static str,
    /// Who says it.
    pub program: Program,
    /// The text, with holes: `{device}` an address, `{name#}` a number, `{name%}` a
    /// hexadecimal number, `{name}` a word, `{name*}` and `{*}` anything.
    pub pattern: &'static str,
    /// The file of the program's source it stands in, and which versions say it so.
    pub from: &'static str,
}

/// A known text in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Number of the line, from 1.
    pub line: usize,
    /// Which text.
    pub text: &'static Text,
    /// What the text matched of the line, from its first literal or hole to its last.
    pub matched: String,
    /// The same without what might tell whose machine it is: paths, and names of profiles,
    /// tasks, virtual machines. It is recognised as the same text.
    pub anonymous: String,
    /// The device it names, or that stands before it on the line (`vfio 0000:01:00.0: …`).
    pub device: Option<Address>,
    /// What stands in its other holes, by name.
    pub captures: Vec<(&'static str, String)>,
}

impl Hit {
    /// What stands in the hole of this name.
    #[must_use]
    pub fn capture(&self, name: &str) -> Option<&str> {
        self.captures.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }
}

/// All texts, in the order in which a line is compared with them: of two that fit, the
/// earlier is meant.
pub fn texts() -> impl Iterator<Item = &'static Text> {
    [kernel::TEXTS, qemu::TEXTS, libvirt::TEXTS, tools::TEXTS].into_iter().flatten()
}

fn patterns() -> &'static [(&'static Text, Pattern)] {
    static PATTERNS: OnceLock<Vec<(&Text, Pattern)>> = OnceLock::new();
    PATTERNS.get_or_init(|| texts().map(|text| (text, Pattern::new(text.pattern))).collect())
}

/// How much of one line is looked at, in bytes. The longest known text has about 300.
const LONGEST: usize = 4096;

/// The known texts of these programs, at most one for each line. Lines are separated by
/// newlines; anything may stand before and after a text.
#[must_use]
pub fn scan(text: &str, of: &[Program]) -> Vec<Hit> {
    let bytes = text.as_bytes();
    let mut found: Vec<(usize, usize, Hit)> = Vec::new();
    for (rank, (known, pattern)) in
        patterns().iter().enumerate().filter(|(_, (t, _))| of.contains(&t.program))
    {
        let mut from = 0;
        while let Some(at) = pattern.anchor().find(&bytes[from..]).map(|at| from + at) {
            let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |n| n + 1);
            let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n);
            if let Some(hit) = hit(known, pattern, &text[start..end]) {
                found.push((start, rank, hit));
            }
            from = end;
        }
    }
    found.sort_by_key(|(start, rank, _)| (*start, *rank));
    found.dedup_by_key(|(start, ..)| *start);
    let (mut line, mut counted) = (1, 0);
    let number = |(start, _, hit): (usize, usize, Hit)| {
        line += memchr::memchr_iter(b'\n', &bytes[counted..start]).count();
        counted = start;
        Hit { line, ..hit }
    };
    found.into_iter().map(number).collect()
}

/// Holes in which nothing stands that somebody chose.
const PUBLIC: &[&str] = &[
    "class",
    "from",
    "header",
    "kind",
    "node",
    "operation",
    "permission",
    "range",
    "region",
    "reset",
    "to",
    "vendor",
];

fn hit(known: &'static Text, pattern: &Pattern, line: &str) -> Option<Hit> {
    let line = &line[..floor(line, LONGEST)];
    let found = pattern.find(line)?;
    let (start, end) = (found.range.start, found.range.end);
    let mut hit = Hit {
        line: 0,
        text: known,
        matched: line[start..end].to_owned(),
        anonymous: String::new(),
        device: None,
        captures: Vec::new(),
    };
    let mut done = start;
    for (name, at) in found.captures {
        let value = &line[at.clone()];
        let number = value.trim_start_matches("0x").bytes().all(|c| c.is_ascii_hexdigit());
        let shown = match name {
            "" => "",
            "device" => value,
            "task" | "profile" | "path" | "domain" => "0",
            name if number || (PUBLIC.contains(&name) && value.is_ascii()) => value,
            // Every hole takes it.
            _ => "0",
        };
        hit.anonymous.push_str(&line[done..at.start]);
        hit.anonymous.push_str(shown);
        done = at.end;
        match (name, value.parse()) {
            ("", _) => {}
            ("device", Ok(address)) if hit.device.is_none() => hit.device = Some(address),
            _ => hit.captures.push((name, value.to_owned())),
        }
    }
    hit.anonymous.push_str(&line[done..end]);
    if hit.device.is_none() && known.program != Program::Kernel {
        hit.device = pattern::last_address(&line[..start]).and_then(|text| text.parse().ok());
    }
    Some(hit)
}

fn floor(text: &str, most: usize) -> usize {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

/// Text as it was before a terminal, a forum or a word processor had it: without escape
/// sequences and control characters, with straight quotes and plain blanks. Lines stay lines.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    let plain = |c: char| (c.is_ascii() && !c.is_control()) || c == '\n';
    if text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => {
                // ECMA-48: CSI ends with a byte from @ to ~.
                if chars.next_if_eq(&'[').is_some() {
                    while chars.next_if(|c| ('\x20'..='\x3f').contains(c)).is_some() {}
                    chars.next_if(|c| ('\x40'..='\x7e').contains(c));
                }
            }
            '‘' | '’' | '‚' | '′' => out.push('\''),
            '“' | '”' | '„' => out.push('"'),
            '\u{a0}' | '\u{202f}' | '\t' => out.push(' '),
            '\u{200b}' | '\u{feff}' => {}
            c if c.is_control() && c != '\n' => {}
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: &[Program] = &[Program::Kernel, Program::Qemu, Program::Libvirt, Program::Tool];

    #[test]
    fn texts_of_a_paste() {
        let text = "\u{feff}first\n\x1b[1;31mqemu-system-x86_64: -device vfio-pci,host=01:00.0: vfio 0000:01:00.0: group 1 is not viable\x1b[0m\r\n\nPlease ensure all devices within the iommu_group are bound to their vfio bus driver.";
        let hits = scan(&clean(text), ALL);
        assert_eq!(hits.iter().map(|h| h.line).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(hits[0].device, "01:00.0".parse().ok());
        assert_eq!(hits[0].capture("group"), Some("1"));
        assert_eq!(hits[0].matched, "vfio 0000:01:00.0: group 1 is not viable");
        assert!(scan(&clean(text), &[Program::Kernel]).is_empty());
    }

    #[test]
    fn quotes_of_a_forum() {
        assert_eq!(clean("Could not open ‘/dev/vfio/1’:\u{a0}x\t\0"), "Could not open '/dev/vfio/1': x ");
        assert!(matches!(clean("plain\nascii"), Cow::Borrowed(_)));
        assert_eq!(clean("\x1b[\x1b[31;1\x1b"), "");
    }

    #[test]
    fn every_text_has_an_anchor_and_its_holes_are_closed() {
        for (text, pattern) in patterns() {
            assert!(
                pattern.anchor().needle().len() >= 8,
                "{}: '{}' is found everywhere",
                text.name,
                text.pattern
            );
            assert_eq!(
                text.pattern.matches('{').count(),
                text.pattern.matches('}').count(),
                "{}",
                text.pattern
            );
            assert!(!text.from.is_empty(), "{}", text.name);
            for hole in text.pattern.split('{').skip(1) {
                let name = hole.split('}').next().unwrap_or_default().trim_end_matches(['*', '#', '%']);
                assert!(name.chars().all(|c| c.is_ascii_lowercase()), "{}: '{name}'", text.pattern);
            }
        }
    }

    #[test]
    fn every_text_is_found_in_itself() {
        for text in texts() {
            let mut line = String::from("before: ");
            for (i, part) in text.pattern.split(['{', '}']).enumerate() {
                line.push_str(match part {
                    literal if i % 2 == 0 => literal,
                    "device" => "0000:01:00.0",
                    hole if hole.ends_with('*') => "a b",
                    hole if hole.ends_with('#') => "7",
                    hole if hole.ends_with('%') => "0x1f",
                    _ => "word",
                });
            }
            let hits = scan(&line, &[text.program]);
            assert_eq!(hits.iter().map(|h| h.text.name).collect::<Vec<_>>(), [text.name], "{line}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(?s).{0,400}", which in 0..200usize, cut in 0..120usize) {
            // Random text, and pieces of known ones in it.
            let known = texts().nth(which % texts().count()).map_or("", |t| t.pattern);
            let cut = floor(known, cut);
            let mixed = format!("{text}{}{text}\n{}{}", &known[..cut], &known[cut..], known.replace(['{', '}'], "7"));
            for hit in scan(&clean(&mixed), ALL) {
                let again = scan(&hit.anonymous, &[hit.text.program]);
                prop_assert!(again.iter().any(|h| h.anonymous == hit.anonymous), "{hit:?}: {again:?}");
                prop_assert!(hit.line >= 1 && hit.line <= mixed.matches('\n').count() + 1);
            }
        }
    }
}
