//! What the line-by-line formats share: the error that names a bad line, and the
//! escapes of the kernel's `seq_file`.

use std::borrow::Cow;

/// One line that is not what the format says.
///
/// The line-by-line parsers give one of these per bad line and go on, so that one
/// line of nonsense hides only itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not of the form '{form}': '{text}'")]
pub struct LineError {
    /// Number of the line, from 1.
    pub line: usize,
    /// The form that was expected.
    pub form: &'static str,
    /// The line, cut after [`LineError::SHOWN`] characters and with control
    /// characters escaped.
    pub text: String,
}

impl LineError {
    /// How many characters of a bad line are kept.
    pub const SHOWN: usize = 80;

    pub(crate) fn new(line: usize, form: &'static str, text: &[u8]) -> Self {
        // No more of a hostile line than can be shown is looked at.
        let head = &text[..text.len().min(4 * Self::SHOWN)];
        let mut shown = String::new();
        for (i, c) in String::from_utf8_lossy(head).chars().enumerate() {
            if i == Self::SHOWN {
                shown.push('…');
                break;
            }
            if c.is_control() {
                shown.extend(c.escape_default());
            } else {
                shown.push(c);
            }
        }
        Self { line, form, text: shown }
    }
}

/// The lines of a file with their numbers, from 1; a last line without its newline
/// counts, an empty rest does not.
pub fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut rest = text;
    let mut number = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or(&[]);
        number += 1;
        Some((number, line))
    })
}

/// The fields of a line, separated by spaces and tabs.
pub(crate) fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|c| matches!(c, b' ' | b'\t')).filter(|f| !f.is_empty())
}

/// Undoes `\040`-style octal escapes (`fs/seq_file.c`, `mangle_path`). Bytes that
/// are not UTF-8 become U+FFFD: these texts are shown and compared, never opened.
pub(crate) fn unescape(field: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', field).is_none() {
        return String::from_utf8_lossy(field);
    }
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some(&c) = rest.first() {
        match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = &rest[4..];
            }
            _ => {
                out.push(c);
                rest = &rest[1..];
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// The other direction of [`unescape`], for what the kernel escapes in mount tables
/// (`fs/proc_namespace.c`: space, tab, newline, backslash and `#`).
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    let special = |c: u8| matches!(c, b' ' | b'\t' | b'\n' | b'\\' | b'#');
    if !text.bytes().any(special) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match u8::try_from(c) {
            Ok(b) if special(b) => out.push_str(&format!("\\{b:03o}")),
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_one() {
        let all = |t: &'static str| lines(t.as_bytes()).map(|(n, l)| (n, l.len())).collect::<Vec<_>>();
        assert_eq!(all(""), []);
        assert_eq!(all("\n"), [(1, 0)]);
        assert_eq!(all("a\n\nbc"), [(1, 1), (2, 0), (3, 2)]);
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape(br"/mnt/My\040Disk"), "/mnt/My Disk");
        assert_eq!(unescape(br"a\134040b"), r"a\040b");
        assert_eq!(unescape(br"a\9b\40"), r"a\9b\40");
        assert_eq!(unescape(b"\\377"), "\u{fffd}");
        for text in ["/mnt/My Disk", "a\\040b", "tab\t#\n", "ü plain"] {
            assert_eq!(unescape(escape(text).as_bytes()), text);
        }
    }

    #[test]
    fn bad_lines_are_shown_short_and_harmless() {
        let error = LineError::new(3, "A B", &[b"\x1b[2J".as_slice(), &[b'x'; 500]].concat());
        assert!(error.text.chars().count() <= LineError::SHOWN + 12, "{error}");
        assert!(!error.text.contains('\x1b') && error.text.ends_with('…'));
        assert!(error.to_string().starts_with("line 3 is not of the form 'A B': '\\u{1b}[2Jxxx"));
    }
}
