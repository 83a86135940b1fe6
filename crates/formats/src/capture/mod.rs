//! The capture file: what the readers read of a host, in one text file that a person
//! can look through before sending it.
//!
//! ```text
//! passthru-capture 1
//! tool: passthru 0.1.0
//! rights: user
//! redacted: yes
//! list /sys/bus/pci/devices
//! - 0000:01:00.0
//! link /sys/bus/pci/devices/0000:01:00.0 -> ../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0
//! read /sys/bus/pci/devices/0000:01:00.0/config
//! x 0000 de10841207001000a100000310008000
//! x 0040
//! read /sys/bus/pci/devices/0000:01:00.0/reset_method ! ENOENT
//! read /sys/bus/pci/devices/0000:01:00.0/revision
//! | 0xa1
//! stat /sys/bus/pci/devices/0000:01:00.0/rom = file mode=0100600 uid=0 gid=0 rdev=0:0 size=524288
//! read /sys/class/net/eth0/address ! withheld
//! end 7
//! ```
//!
//! A record is a line `OPERATION PATH`, what was answered, and the lines of the
//! answer: `| ` text, `e ` text with escapes, `x OFFSET ` bytes (rows of zeros left
//! out, a last row without bytes gives the size), `- ` an entry of a directory, and
//! `\ no newline` where a text does not end in one. Commands say ` = exit 0` and have
//! a line `stderr` between their two outputs. In paths, entries and `e ` lines odd
//! characters are written as `\ooo`. Lines that are empty or begin with `#` are
//! skipped between records. Records are sorted by path, then by operation, so that
//! the same host gives the same file.
//!
//! | module | holds |
//! |---|---|
//! | this one | [`Capture`] and its records |
//! | `parse` | [`parse()`]: reading a file, with its limits |
//! | `write`, `encode` | [`Capture::to_text`]: writing one |

mod encode;
mod parse;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;

use crate::Errno;

pub use parse::{CaptureError, Problem, parse};

/// Version of the format that is written and read.
pub const VERSION: u32 = 1;
/// Largest file that is read, in bytes; also the most data of all records together.
pub const MAX_FILE: usize = 256 << 20;
/// Most data in one record, in bytes.
pub const MAX_RECORD: usize = 16 << 20;
/// Most records, and most names in all directories together.
pub const MAX_RECORDS: usize = 4_000_000;
/// Longest path or link target, in bytes (`include/uapi/linux/limits.h`, `PATH_MAX`).
pub const MAX_PATH: usize = 4096;
/// Longest name of a directory's entry, in bytes: `NAME_MAX` with every byte
/// replaced by U+FFFD.
pub const MAX_NAME: usize = 3 * 255;

/// What was asked of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// The names in a directory.
    List,
    /// The target of a symbolic link.
    Link,
    /// The contents of a file.
    Read,
    /// What kind of thing stands there, links followed.
    Stat,
    /// The output of a command; the path is [`command_key`].
    Command,
}

impl Op {
    /// The word in the file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Link => "link",
            Self::Read => "read",
            Self::Stat => "stat",
            Self::Command => "command",
        }
    }
}

/// What kind of thing stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stat {
    /// File type and permission bits, as in `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Major and minor number of a device node.
    pub rdev: (u32, u32),
    /// Size in bytes.
    pub size: u64,
}

/// What a command answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Op::Read`]: the contents.
    Data(Vec<u8>),
    /// To [`Op::Link`]: the target.
    Link(String),
    /// To [`Op::List`]: the names.
    List(Vec<String>),
    /// To [`Op::Stat`].
    Stat(Stat),
    /// To [`Op::Command`].
    Output(Box<Output>),
    /// To any: an error.
    Error(Errno),
    /// To any: something that was left out when the capture was made.
    Withheld,
}

/// A record that cannot stand in a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// A path must begin with `/`.
    #[error("the path is not absolute")]
    Relative,
    /// `..` would lead somewhere else when links are looked at, `.` and empty
    /// components would give one file several names.
    #[error("the path has '..', '.' or an empty component")]
    Component,
    /// NUL in a path, name or link target.
    #[error("there is a NUL byte in a path or name")]
    Nul,
    /// Longer than [`MAX_PATH`] or [`MAX_NAME`].
    #[error("a path or name is too long")]
    TooLong,
    /// An empty name, or one with `/`, `.` or `..`.
    #[error("an entry of a directory is no name")]
    Name,
    /// More than [`MAX_RECORD`] bytes.
    #[error("more than {MAX_RECORD} bytes in one record")]
    TooLarge,
    /// An answer to another question, such as a link's target to `list`.
    #[error("the answer does not fit the operation")]
    Mismatch,
}

/// What is said about a capture in its first lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// Name and version of the program that made it.
    pub tool: String,
    /// Whether it was made with root's rights.
    pub root: bool,
    /// Whether identifiers were replaced or left out.
    pub redacted: bool,
}

/// A captured host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capture {
    header: Header,
    /// By path; the few operations on one path in the order of [`Op`].
    records: BTreeMap<String, Vec<(Op, Answer)>>,
}

impl Capture {
    /// An empty capture. Characters of the tool's name that are no printable ASCII
    /// are dropped, and what goes beyond 200.
    #[must_use]
    pub fn new(mut header: Header) -> Self {
        header.tool.retain(|c| c.is_ascii_graphic() || c == ' ');
        header.tool.truncate(200);
        header.tool = header.tool.trim().to_owned();
        Self { header, records: BTreeMap::new() }
    }

    /// What is said about it.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// What was answered to an operation; `None` where it was not asked.
    #[must_use]
    pub fn get(&self, op: Op, path: &str) -> Option<&Answer> {
        self.records.get(path)?.iter().find(|(o, _)| *o == op).map(|(_, answer)| answer)
    }

    /// What was answered to a command.
    #[must_use]
    pub fn command(&self, argv: &[&str]) -> Option<&Answer> {
        self.get(Op::Command, &command_key(argv))
    }

    /// Adds a record; the last answer to the same question stays.
    ///
    /// # Errors
    /// [`InvalidRecord`], and nothing is added.
    pub fn insert(&mut self, op: Op, path: &str, answer: Answer) -> Result<(), InvalidRecord> {
        check_path(op, path)?;
        check_answer(op, &answer)?;
        let at_path = match self.records.get_mut(path) {
            Some(at_path) => at_path,
            None => self.records.entry(path.to_owned()).or_default(),
        };
        match at_path.binary_search_by_key(&op, |(o, _)| *o) {
            Ok(i) => at_path[i].1 = answer,
            Err(i) => at_path.insert(i, (op, answer)),
        }
        Ok(())
    }

    /// All records, sorted by path, then by operation.
    pub fn iter(&self) -> impl Iterator<Item = (Op, &str, &Answer)> {
        self.records.iter().flat_map(|(path, all)| all.iter().map(move |(op, a)| (*op, path.as_str(), a)))
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.values().map(Vec::len).sum()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

/// A command as the path of its record: its words with blanks between them, odd
/// characters and blanks inside the words escaped.
#[must_use]
pub fn command_key(argv: &[&str]) -> String {
    let mut key = String::new();
    for (i, word) in argv.iter().enumerate() {
        if i > 0 {
            key.push(' ');
        }
        match *word {
            // An empty word would be lost between two blanks, the others end the words.
            "" => key.push_str("\\e"),
            "=" => key.push_str("\\075"),
            "!" => key.push_str("\\041"),
            _ => encode::escape_into(&mut key, word.as_bytes()),
        }
    }
    key
}

fn check_path(op: Op, path: &str) -> Result<(), InvalidRecord> {
    if path.len() > MAX_PATH {
        return Err(InvalidRecord::TooLong);
    }
    if memchr::memchr(0, path.as_bytes()).is_some() {
        return Err(InvalidRecord::Nul);
    }
    if op == Op::Command {
        let reserved = |word| matches!(word, "" | "=" | "!");
        return if path.split(' ').any(reserved) || path.chars().any(encode::is_odd) {
            Err(InvalidRecord::Name)
        } else {
            Ok(())
        };
    }
    let Some(inside) = path.strip_prefix('/') else { return Err(InvalidRecord::Relative) };
    if !inside.is_empty() && inside.split('/').any(|c| matches!(c, "" | "." | "..")) {
        return Err(InvalidRecord::Component);
    }
    Ok(())
}

fn check_answer(op: Op, answer: &Answer) -> Result<(), InvalidRecord> {
    let size = match (op, answer) {
        (_, Answer::Error(_) | Answer::Withheld) | (Op::Stat, Answer::Stat(_)) => 0,
        (Op::Read, Answer::Data(data)) => data.len(),
        (Op::Command, Answer::Output(output)) => output.stdout.len() + output.stderr.len(),
        (Op::Link, Answer::Link(target)) => {
            if target.len() > MAX_PATH {
                return Err(InvalidRecord::TooLong);
            }
            if target.contains('\0') {
                return Err(InvalidRecord::Nul);
            }
            0
        }
        (Op::List, Answer::List(names)) => {
            names.iter().try_for_each(|name| check_name(name))?;
            names.iter().map(|name| name.len() + 1).sum()
        }
        _ => return Err(InvalidRecord::Mismatch),
    };
    if size > MAX_RECORD { Err(InvalidRecord::TooLarge) } else { Ok(()) }
}

fn check_name(name: &str) -> Result<(), InvalidRecord> {
    if name.len() > MAX_NAME {
        return Err(InvalidRecord::TooLong);
    }
    match memchr::memchr2(0, b'/', name.as_bytes()) {
        Some(at) if name.as_bytes()[at] == 0 => Err(InvalidRecord::Nul),
        Some(_) => Err(InvalidRecord::Name),
        None if matches!(name, "" | "." | "..") => Err(InvalidRecord::Name),
        None => Ok(()),
    }
}
