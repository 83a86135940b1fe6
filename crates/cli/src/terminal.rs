//! What may reach a terminal. Names come from firmware, from other people's captures, from
//! whoever may mount or name something on this host: a control character among them could
//! move the cursor or answer for the user, so none is passed on.

use std::borrow::Cow;
use std::io::{self, Write};

/// What stands in for a control character: one column, as the character would be counted.
const STAND_IN: &str = "\u{fffd}";

const ESC: u8 = 0x1b;

/// The text with a stand-in for every control character but the line's end and the tab.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let odd = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(odd) { Cow::Owned(text.replace(odd, STAND_IN)) } else { Cow::Borrowed(text) }
}

/// One line to standard error, our own colours in it. A reader that went away is no
/// failure: the exit code still says what happened.
pub(crate) fn say(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// Passes on everything but control characters. Where there is colour, sequences that
/// only set one (`ESC [ … m`) pass too.
pub(crate) struct Printable<W> {
    pub(crate) inner: W,
    pub(crate) colour: bool,
}

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !suspicious(bytes) {
            return self.inner.write_all(bytes);
        }
        let mut rest = bytes;
        while let Some((at, length)) = next_odd(rest) {
            self.inner.write_all(&rest[..at])?;
            let odd = &rest[at..];
            let sequence = if self.colour { colour_sequence(odd) } else { 0 };
            let length = if sequence > 0 {
                self.inner.write_all(&odd[..sequence])?;
                sequence
            } else {
                self.inner.write_all(STAND_IN.as_bytes())?;
                length
            };
            rest = &odd[length..];
        }
        self.inner.write_all(rest)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Whether a closer look is needed. Without an early end, so that it is done many bytes at
/// a time: all output goes through here.
fn suspicious(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(false, |found, &b| found | (b < 0x20 && b != b'\n' && b != b'\t') | (b == 0x7f) | (b == 0xc2))
}

/// Where the next control character stands, and its length: one byte, or the two of
/// U+0080 to U+009F, which some terminals obey as well.
fn next_odd(bytes: &[u8]) -> Option<(usize, usize)> {
    let one = bytes.iter().position(|&b| b == 0x7f || (b < 0x20 && b != b'\n' && b != b'\t'));
    let until = &bytes[..one.unwrap_or(bytes.len())];
    let mut from = 0;
    while let Some(at) = until[from..].iter().position(|b| *b == 0xc2) {
        if until.get(from + at + 1).is_some_and(|b| (0x80..0xa0).contains(b)) {
            return Some((from + at, 2));
        }
        from += at + 1;
    }
    one.map(|at| (at, 1))
}

/// The length of the sequence that sets a colour at the beginning of `bytes`, or 0.
fn colour_sequence(bytes: &[u8]) -> usize {
    let [ESC, b'[', rest @ ..] = bytes else { return 0 };
    let parameters = rest.iter().take_while(|b| b.is_ascii_digit() || **b == b';').count();
    if rest.get(parameters) == Some(&b'm') { parameters + 3 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str, colour: bool) -> String {
        let mut out = Printable { inner: Vec::new(), colour };
        out.write_all(text.as_bytes()).unwrap();
        String::from_utf8(out.inner).unwrap()
    }

    #[test]
    fn nothing_moves_the_cursor() {
        for (text, plain, coloured) in [
            ("a\tb\n", "a\tb\n", "a\tb\n"),
            ("é — → 名\n", "é — → 名\n", "é — → 名\n"),
            ("\x1b[1mbold\x1b[0m", "\u{fffd}[1mbold\u{fffd}[0m", "\x1b[1mbold\x1b[0m"),
            ("\x1b[2J\x1b]0;t\x07", "\u{fffd}[2J\u{fffd}]0;t\u{fffd}", "\u{fffd}[2J\u{fffd}]0;t\u{fffd}"),
            ("x\u{9b}2Jy\u{7f}\r", "x\u{fffd}2Jy\u{fffd}\u{fffd}", "x\u{fffd}2Jy\u{fffd}\u{fffd}"),
            ("\u{80}\u{a0}\u{c2}", "\u{fffd}\u{a0}\u{c2}", "\u{fffd}\u{a0}\u{c2}"),
            ("\x1b[", "\u{fffd}[", "\u{fffd}["),
            ("", "", ""),
        ] {
            assert_eq!(printed(text, false), plain, "{text:?}");
            assert_eq!(printed(text, true), coloured, "{text:?}");
            assert_eq!(clean(text), plain, "{text:?}");
        }
    }
}
