//! Columns aligned to each other and to the terminal.

use std::io::{self, Write};

use anstyle::Style;

/// Blanks between columns.
const GAP: usize = 2;

/// A column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Its heading.
    pub(crate) title: &'static str,
    /// The narrowest it may become where the terminal is too narrow; `None` is never
    /// narrowed.
    pub(crate) narrowest: Option<usize>,
}

/// Cells, row by row, in one piece of memory: a large host has tens of thousands of them.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    text: String,
    /// Where each cell ends in the text, and how many columns it takes.
    ends: Vec<(usize, usize)>,
}

impl Cells {
    /// Adds the next cell, which `fill` appends to the text it is given.
    pub(crate) fn add(&mut self, fill: impl FnOnce(&mut String)) {
        let start = self.text.len();
        fill(&mut self.text);
        self.ends.push((self.text.len(), columns_of(&self.text[start..])));
    }
}

/// Writes rows under headings. On a terminal the columns that may be narrowed are, the
/// widest first, until the rows fit.
pub(crate) fn write(
    out: &mut dyn Write,
    columns: &[Column],
    cells: &Cells,
    terminal: Option<usize>,
    colour: bool,
) -> io::Result<()> {
    let mut widths: Vec<usize> = columns.iter().map(|c| columns_of(c.title)).collect();
    for row in cells.ends.chunks_exact(columns.len().max(1)) {
        for ((_, width), widest) in row.iter().zip(&mut widths) {
            *widest = (*widest).max(*width);
        }
    }
    if let Some(terminal) = terminal {
        fit(&mut widths, columns, terminal);
    }
    let bold = if colour { Style::new().bold() } else { Style::new() };
    let titles: Vec<(&str, usize)> = columns.iter().map(|c| (c.title, columns_of(c.title))).collect();
    write!(out, "{bold}")?;
    line(out, &titles, &widths)?;
    write!(out, "{bold:#}")?;
    let mut row = Vec::with_capacity(columns.len());
    let mut start = 0;
    for ends in cells.ends.chunks_exact(columns.len().max(1)) {
        row.clear();
        for (end, width) in ends {
            row.push((&cells.text[start..*end], *width));
            start = *end;
        }
        line(out, &row, &widths)?;
    }
    Ok(())
}

/// How many columns a text takes: one for each character. Names of devices are ASCII but
/// for a few.
fn columns_of(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

fn fit(widths: &mut [usize], columns: &[Column], terminal: usize) {
    let gaps = GAP * columns.len().saturating_sub(1);
    loop {
        let total = widths.iter().sum::<usize>() + gaps;
        let Some(over) = total.checked_sub(terminal).filter(|over| *over > 0) else { return };
        let narrowable = |i: &usize| columns[*i].narrowest.is_some_and(|n| widths[*i] > n);
        let Some(widest) = (0..widths.len()).filter(narrowable).max_by_key(|i| widths[*i]) else { return };
        let narrowest = columns[widest].narrowest.unwrap_or(widths[widest]);
        // Down to the next widest at most, so that the columns are narrowed together.
        let next = (0..widths.len())
            .filter(|i| *i != widest && columns[*i].narrowest.is_some())
            .map(|i| widths[i])
            .max()
            .unwrap_or(0);
        let step = if widths[widest] > next { over.min(widths[widest] - next) } else { 1 };
        widths[widest] = (widths[widest] - step.max(1)).max(narrowest);
    }
}

fn line(out: &mut dyn Write, cells: &[(&str, usize)], widths: &[usize]) -> io::Result<()> {
    let last = cells.iter().rposition(|(cell, _)| !cell.is_empty()).unwrap_or(0);
    for (i, ((cell, length), width)) in cells.iter().zip(widths).enumerate().take(last + 1) {
        let length = *length;
        if length > *width {
            let cut: String = cell.chars().take(width.saturating_sub(1)).collect();
            write!(out, "{cut}…")?;
        } else {
            out.write_all(cell.as_bytes())?;
            if i < last {
                blanks(out, width - length)?;
            }
        }
        if i < last {
            blanks(out, GAP)?;
        }
    }
    out.write_all(b"\n")
}

/// Blanks in one write: `{:1$}` writes them one by one, which showed at 10,000 rows.
fn blanks(out: &mut dyn Write, mut count: usize) -> io::Result<()> {
    const BLANKS: [u8; 64] = [b' '; 64];
    while count > 0 {
        let n = count.min(BLANKS.len());
        out.write_all(&BLANKS[..n])?;
        count -= n;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(terminal: Option<usize>) -> String {
        let columns = [
            Column { title: "A", narrowest: None },
            Column { title: "LONG", narrowest: Some(6) },
            Column { title: "B", narrowest: Some(4) },
        ];
        let mut cells = Cells::default();
        for cell in ["01", "a rather long name", "nvme", "2", "", ""] {
            cells.add(|text| text.push_str(cell));
        }
        let mut out = Vec::new();
        write(&mut out, &columns, &cells, terminal, false).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn full_where_nobody_cares_about_the_width() {
        assert_eq!(text(None), "A   LONG                B\n01  a rather long name  nvme\n2\n");
    }

    #[test]
    fn narrowed_to_the_terminal_and_never_below_the_narrowest() {
        assert_eq!(text(Some(20)), "A   LONG        B\n01  a rather …  nvme\n2\n");
        assert_eq!(text(Some(3)), "A   LONG    B\n01  a rat…  nvme\n2\n");
    }
}
