//! Prose in lines.

use std::io::{self, Write};

/// The narrowest a column of prose becomes, whatever the terminal: below, a line would hold
/// less than a path.
const NARROWEST: usize = 30;

/// The words of a text in lines of at most `width` columns, one for each character; `None`
/// leaves the lines as they are. Lines that are there already stay apart, and a word is never
/// cut.
pub(crate) fn lines(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else { return text.lines().map(str::to_owned).collect() };
    let width = width.max(NARROWEST);
    let mut all = Vec::new();
    for line in text.lines() {
        let (mut made, mut columns) = (String::new(), 0);
        for word in line.split_whitespace() {
            let wide = word.chars().count();
            if columns > 0 && columns + 1 + wide > width {
                all.push(std::mem::take(&mut made));
                columns = 0;
            }
            if columns > 0 {
                made.push(' ');
                columns += 1;
            }
            made.push_str(word);
            columns += wide;
        }
        all.push(made);
    }
    all
}

/// Writes a text behind what stands at the beginning of its first line; the other lines are
/// indented as far. `width` is that of the terminal.
pub(crate) fn write(
    out: &mut dyn Write,
    first: &str,
    indent: usize,
    text: &str,
    width: Option<usize>,
) -> io::Result<()> {
    let made = lines(text, width.map(|width| width.saturating_sub(indent)));
    for (number, line) in made.iter().enumerate() {
        match (number, line.is_empty()) {
            (0, _) => writeln!(out, "{first}{line}")?,
            (_, true) => writeln!(out)?,
            (_, false) => writeln!(out, "{:indent$}{line}", "")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_move_to_the_next_line() {
        let text = "one two three four five six seven eight\n\nnine";
        assert_eq!(lines(text, None), ["one two three four five six seven eight", "", "nine"]);
        assert_eq!(lines(text, Some(30)), ["one two three four five six", "seven eight", "", "nine"]);
        assert_eq!(lines(text, Some(1)), lines(text, Some(NARROWEST)));
        let long = "x".repeat(50);
        assert_eq!(lines(&format!("a {long} b"), Some(30)), ["a", &long, "b"]);
        assert!(lines("", Some(30)).is_empty());
    }

    #[test]
    fn what_follows_is_indented() {
        let mut out = Vec::new();
        write(&mut out, "  why  ", 7, "one two three four five six seven\n\neight", Some(37)).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "  why  one two three four five six\n       seven\n\n       eight\n"
        );
    }
}
