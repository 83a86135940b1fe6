//! `/proc/swaps` (`mm/swapfile.c`, `swap_show`).

use std::borrow::Cow;

use crate::line::{LineError, fields, lines, unescape};
use crate::scalar::{decimal_i64, decimal_u64};

const FORM: &str = "FILE TYPE SIZE USED PRIORITY";

/// One swap area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swap<'a> {
    /// The device or file, octal escapes undone; a deleted one ends in ` (deleted)`.
    pub path: Cow<'a, str>,
    /// Whether it is a block device (`partition`) rather than a file.
    pub is_device: bool,
    /// Size in KiB.
    pub size_kib: u64,
    /// How much of it is in use, in KiB.
    pub used_kib: u64,
    /// Priority; the higher is used first.
    pub priority: i64,
}

/// Reads the table, an area or an error per line after the heading.
pub fn parse(text: &[u8]) -> impl Iterator<Item = Result<Swap<'_>, LineError>> {
    lines(text)
        .filter(|(number, line)| *number != 1 || !line.starts_with(b"Filename"))
        .map(|(number, line)| swap(line).ok_or_else(|| LineError::new(number, FORM, line)))
}

fn swap(line: &[u8]) -> Option<Swap<'_>> {
    let mut words = fields(line);
    let path = unescape(words.next()?);
    let mut text = || words.next().and_then(|w| std::str::from_utf8(w).ok());
    let is_device = match text()? {
        "partition" => true,
        "file" => false,
        _ => return None,
    };
    let size_kib = decimal_u64(text()?)?;
    let used_kib = decimal_u64(text()?)?;
    let priority = decimal_i64(text()?)?;
    words.next().is_none().then_some(Swap { path, is_device, size_kib, used_kib, priority })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas() {
        let text = b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
            /dev/nvme0n1p3                          partition\t8388604\t\t1024\t\t-2\n\
            /swap\\040file                           file\t\t2097148\t\t0\t\t5\n\
            /dev/zram0 partition 100 0\n";
        let all: Vec<_> = parse(text).collect();
        let first = all[0].as_ref().unwrap();
        assert_eq!((&*first.path, first.is_device), ("/dev/nvme0n1p3", true));
        assert_eq!((first.size_kib, first.used_kib, first.priority), (8_388_604, 1024, -2));
        let second = all[1].as_ref().unwrap();
        assert_eq!((&*second.path, second.is_device, second.priority), ("/swap file", false, 5));
        assert_eq!(all[2].as_ref().unwrap_err().line, 4);
        assert_eq!(parse(b"Filename\tType\n").count(), 0);
        assert_eq!(parse(b"").count(), 0);
    }
}
