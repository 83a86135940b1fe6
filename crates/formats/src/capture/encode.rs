//! How bytes stand in the file: plain where that is safe to look at and to send,
//! escaped or hexadecimal otherwise.

use std::borrow::Cow;

/// Whether a character must be escaped wherever it stands: controls, and the
/// invisible characters that change how a line looks (Unicode `Cf` of the
/// bidirectional algorithm, zero width, byte order mark).
pub(super) fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Writes text with `\ooo` for odd characters, blanks, backslashes and bytes that are
/// no UTF-8.
pub(super) fn escape_into(out: &mut String, bytes: &[u8]) {
    escape(out, bytes, |c| c == ' ');
}

fn escape(out: &mut String, bytes: &[u8], also: impl Fn(char) -> bool) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\\' || is_odd(c) || also(c) {
                let mut buffer = [0; 4];
                octal(out, c.encode_utf8(&mut buffer).as_bytes());
            } else {
                out.push(c);
            }
        }
        octal(out, chunk.invalid());
    }
}

fn octal(out: &mut String, bytes: &[u8]) {
    for b in bytes {
        out.push('\\');
        for shift in [6, 3, 0] {
            out.push(char::from(b'0' + (b >> shift & 7)));
        }
    }
}

/// Undoes [`escape_into`]; `None` where a backslash is not followed by three octal
/// digits of a byte.
pub(super) fn unescape(text: &str) -> Option<Cow<'_, [u8]>> {
    let bytes = text.as_bytes();
    if memchr::memchr(b'\\', bytes).is_none() {
        return Some(Cow::Borrowed(bytes));
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] = rest[at + 1..] else { return None };
        out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
        rest = &rest[at + 4..];
    }
    out.extend_from_slice(rest);
    Some(Cow::Owned(out))
}

/// Bytes in one row of hexadecimal.
const ROW: usize = 16;

/// Writes a file's contents as lines.
pub(super) fn contents(out: &mut String, bytes: &[u8]) {
    match form(bytes) {
        Form::Plain(text) => {
            for line in text.split_inclusive('\n') {
                let body = line.strip_suffix('\n').unwrap_or(line);
                out.push_str(if body.is_empty() { "|" } else { "| " });
                out.push_str(body);
                out.push('\n');
            }
            no_newline(out, bytes);
        }
        Form::Escaped => {
            for line in bytes.split_inclusive(|&c| c == b'\n') {
                let body = line.strip_suffix(b"\n").unwrap_or(line);
                out.push('e');
                // No blank at the end of a line: mail programs eat them.
                if !body.is_empty() {
                    out.push(' ');
                    escape(out, body, |_| false);
                }
                out.push('\n');
            }
            no_newline(out, bytes);
        }
        Form::Hexadecimal => hexadecimal(out, bytes),
    }
}

enum Form<'a> {
    Plain(&'a str),
    Escaped,
    Hexadecimal,
}

fn form(bytes: &[u8]) -> Form<'_> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.chars().all(|c| matches!(c, '\n' | '\t') || !is_odd(c))
    {
        return Form::Plain(text);
    }
    let readable = bytes.iter().filter(|c| matches!(c, b' '..=b'~' | b'\n' | b'\t')).count();
    if readable >= bytes.len() - bytes.len() / 4 { Form::Escaped } else { Form::Hexadecimal }
}

fn no_newline(out: &mut String, bytes: &[u8]) {
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        out.push_str("\\ no newline\n");
    }
}

fn hexadecimal(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (i, row) in bytes.chunks(ROW).enumerate() {
        if row.iter().all(|&b| b == 0) {
            continue;
        }
        out.push_str(&format!("x {:04x} ", i * ROW));
        for b in row {
            out.push(char::from(DIGITS[usize::from(b >> 4)]));
            out.push(char::from(DIGITS[usize::from(b & 0xf)]));
        }
        out.push('\n');
    }
    out.push_str(&format!("x {:04x}\n", bytes.len()));
}

/// Reads one row, `0040 8680…`, onto the bytes before it; a row without bytes sets the
/// size. `None` where it is no such row, goes back, or goes beyond `limit`.
pub(super) fn row(into: &mut Vec<u8>, text: &str, limit: usize) -> Option<()> {
    let (offset, digits) = text.split_once(' ').unwrap_or((text, ""));
    if offset.is_empty() || offset.len() > 8 || digits.len() % 2 != 0 {
        return None;
    }
    let offset = offset.bytes().try_fold(0usize, |n, c| Some(n << 4 | nibble(c)?))?;
    if offset < into.len() || offset + digits.len() / 2 > limit {
        return None;
    }
    into.resize(offset, 0);
    for pair in digits.as_bytes().chunks_exact(2) {
        into.push((nibble(pair[0])? << 4 | nibble(pair[1])?) as u8);
    }
    Some(())
}

fn nibble(c: u8) -> Option<usize> {
    (c as char).to_digit(16).map(|n| n as usize)
}
