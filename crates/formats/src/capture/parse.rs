//! Reading a capture, which may come from anybody.

use super::encode::{row, unescape};
use super::write::kind;
use super::{
    Answer, Capture, Header, InvalidRecord, MAX_FILE, MAX_RECORD, MAX_RECORDS, Op, Output, Stat, VERSION,
};
use crate::scalar::decimal_u64;

/// Why a file is no capture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// The first line is another.
    #[error("this is no passthru capture: it does not begin with 'passthru-capture'")]
    NotACapture,
    /// A format that is yet to come.
    #[error("this capture has format {found}, and only format {VERSION} is known here: use a newer passthru")]
    Version {
        /// The version in its first line, cut after 20 characters.
        found: String,
    },
    /// Larger than [`MAX_FILE`].
    #[error("this capture has {size} bytes, and at most {MAX_FILE} are read")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// The line `end` is missing.
    #[error("this capture is cut off: it has {records} records and no last line 'end {records}'")]
    Truncated {
        /// How many records there are.
        records: usize,
    },
    /// A line is wrong.
    #[error("line {line} of the capture: {problem}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Neither a record nor part of one.
    #[error("neither a record nor a part of one")]
    Unknown,
    /// Bytes that are no UTF-8.
    #[error("not UTF-8")]
    Encoding,
    /// A backslash that is not followed by three octal digits.
    #[error("a backslash without three octal digits of a byte behind it")]
    Escape,
    /// The part behind ` = `, ` -> ` or ` ! ` is wrong.
    #[error("the answer cannot be understood")]
    Answer,
    /// A row of bytes is wrong, goes back, or goes beyond the limit.
    #[error("a row of bytes is wrong, out of order, or beyond {MAX_RECORD} bytes")]
    Row,
    /// Text and rows of bytes in one record, or lines behind the last one.
    #[error("this kind of line cannot stand here")]
    Misplaced,
    /// The path, name or size is not allowed.
    #[error(transparent)]
    Invalid(#[from] InvalidRecord),
    /// The same operation on the same path stood there before.
    #[error("the same record for the second time")]
    Twice,
    /// More than [`MAX_RECORDS`].
    #[error("more than {MAX_RECORDS} records or names")]
    TooMany,
    /// More than [`MAX_FILE`] bytes of data in all.
    #[error("more than {MAX_FILE} bytes of data in all records")]
    TooMuch,
    /// The number behind `end` is another.
    #[error("another number of records than there are: something is missing or was added")]
    Count,
}

/// Reads a capture file.
///
/// # Errors
/// [`CaptureError`]; every limit of this module is kept.
pub fn parse(bytes: &[u8]) -> Result<Capture, CaptureError> {
    if bytes.len() > MAX_FILE {
        return Err(CaptureError::TooLarge { size: bytes.len() });
    }
    let Some(rest) = bytes.strip_prefix(b"passthru-capture ") else { return Err(CaptureError::NotACapture) };
    let first = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len()).min(20)];
    if first.trim_ascii() != b"1" {
        return Err(CaptureError::Version {
            found: String::from_utf8_lossy(first).trim().escape_debug().collect(),
        });
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = 1 + memchr::memchr_iter(b'\n', &bytes[..e.valid_up_to()]).count();
        CaptureError::Line { line, problem: Problem::Encoding }
    })?;
    let mut state = State::default();
    let mut number = 0;
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len())) {
        let line = &text[start..end];
        start = (end + 1).min(bytes.len());
        number += 1;
        if number > 1 {
            state.line(line).map_err(|problem| CaptureError::Line { line: number, problem })?;
        }
    }
    if state.ended { Ok(state.capture) } else { Err(CaptureError::Truncated { records: state.records }) }
}

/// What a record's further lines may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// The header, before the first record.
    Header,
    /// None.
    Nothing,
    Names,
    /// Contents; nothing has been seen of them yet.
    Contents,
    Text,
    Rows,
    /// Behind `\ no newline`, or behind the row that gives the size.
    Closed,
}

struct Record<'a> {
    op: Op,
    path: std::borrow::Cow<'a, str>,
    answer: Answer,
    /// A command's standard error is being read.
    in_stderr: bool,
}

struct State<'a> {
    capture: Capture,
    header: Header,
    record: Option<Record<'a>>,
    body: Body,
    records: usize,
    /// Names in all directories so far.
    names: usize,
    /// Bytes of all contents so far.
    data: usize,
    ended: bool,
}

impl Default for State<'_> {
    fn default() -> Self {
        let (capture, header) = (Capture::default(), Header::default());
        Self {
            capture,
            header,
            record: None,
            body: Body::Header,
            records: 0,
            names: 0,
            data: 0,
            ended: false,
        }
    }
}

impl<'a> State<'a> {
    fn line(&mut self, line: &'a str) -> Result<(), Problem> {
        let bytes = line.as_bytes();
        match bytes {
            [] | [b'#', ..] => return Ok(()),
            _ if self.ended => return Err(Problem::Misplaced),
            [b'|'] => return self.text(b""),
            [b'|', b' ', rest @ ..] => return self.text(rest),
            [b'e'] => return self.text(b""),
            [b'e', b' ', ..] => return self.text(&unescape(&line[2..]).ok_or(Problem::Escape)?),
            [b'x', b' ', ..] => return self.row(&line[2..]),
            [b'-', b' ', ..] => return self.name(&line[2..]),
            [b'\\', ..] => return self.no_newline(line),
            b"stderr" => return self.stderr(),
            _ => {}
        }
        let (word, rest) = line.split_once(' ').ok_or(Problem::Unknown)?;
        let op = match word {
            "list" => Op::List,
            "link" => Op::Link,
            "read" => Op::Read,
            "stat" => Op::Stat,
            "command" => Op::Command,
            "end" => return self.end(rest),
            _ if self.body == Body::Header && word.ends_with(':') => return self.header(word, rest),
            _ => return Err(Problem::Unknown),
        };
        self.finish()?;
        self.begin(op, rest)
    }

    fn header(&mut self, word: &str, rest: &str) -> Result<(), Problem> {
        match (word, rest) {
            ("tool:", tool) => self.header.tool = tool.to_owned(),
            ("rights:", "root" | "user") => self.header.root = rest == "root",
            ("redacted:", "yes" | "no") => self.header.redacted = rest == "yes",
            ("rights:" | "redacted:", _) => return Err(Problem::Answer),
            // Later versions may say more.
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, op: Op, rest: &'a str) -> Result<(), Problem> {
        // A command's words are separated by blanks; none of them is '=' or '!'.
        let (path, answer) = if op == Op::Command {
            let at = [rest.find(" = "), rest.find(" ! ")].into_iter().flatten().min();
            at.map_or((rest, ""), |at| (&rest[..at], &rest[at + 1..]))
        } else {
            rest.split_once(' ').unwrap_or((rest, ""))
        };
        let (body, answer) = match (op, answer.split_once(' ').unwrap_or((answer, ""))) {
            (_, ("!", "withheld")) => (Body::Nothing, Answer::Withheld),
            (_, ("!", code)) => (Body::Nothing, Answer::Error(code.parse().map_err(|_| Problem::Answer)?)),
            (Op::List, ("", "")) => (Body::Names, Answer::List(Vec::new())),
            (Op::Read, ("", "")) => (Body::Contents, Answer::Data(Vec::new())),
            (Op::Link, ("->", target)) => (Body::Nothing, Answer::Link(text(target)?.into_owned())),
            (Op::Stat, ("=", fields)) => (Body::Nothing, Answer::Stat(stat(fields).ok_or(Problem::Answer)?)),
            (Op::Command, ("=", how)) => {
                let code = match how.split_once(' ') {
                    None if how == "signal" => None,
                    Some(("exit", code)) => Some(code.parse().map_err(|_| Problem::Answer)?),
                    _ => return Err(Problem::Answer),
                };
                (Body::Contents, Answer::Output(Box::new(Output { code, ..Output::default() })))
            }
            _ => return Err(Problem::Answer),
        };
        let path = if op == Op::Command { path.into() } else { text(path)? };
        self.record = Some(Record { op, path, answer, in_stderr: false });
        self.body = body;
        Ok(())
    }

    /// The contents that lines are added to.
    fn contents(&mut self) -> Result<&mut Vec<u8>, Problem> {
        match &mut self.record {
            Some(Record { answer: Answer::Data(data), .. }) => Ok(data),
            Some(Record { answer: Answer::Output(output), in_stderr, .. }) => {
                Ok(if *in_stderr { &mut output.stderr } else { &mut output.stdout })
            }
            _ => Err(Problem::Misplaced),
        }
    }

    /// Counts data in; the sum is limited because rows of zeros cost nothing to write.
    fn count(&mut self, before: usize, after: usize) -> Result<(), Problem> {
        if after > MAX_RECORD {
            return Err(InvalidRecord::TooLarge.into());
        }
        self.data += after - before;
        if self.data > MAX_FILE { Err(Problem::TooMuch) } else { Ok(()) }
    }

    fn text(&mut self, line: &[u8]) -> Result<(), Problem> {
        if !matches!(self.body, Body::Contents | Body::Text) {
            return Err(Problem::Misplaced);
        }
        self.body = Body::Text;
        let contents = self.contents()?;
        let before = contents.len();
        contents.extend_from_slice(line);
        contents.push(b'\n');
        let after = contents.len();
        self.count(before, after)
    }

    fn no_newline(&mut self, line: &str) -> Result<(), Problem> {
        if self.body != Body::Text || line != "\\ no newline" {
            return Err(Problem::Misplaced);
        }
        self.body = Body::Closed;
        self.contents()?.pop();
        Ok(())
    }

    fn row(&mut self, line: &str) -> Result<(), Problem> {
        if !matches!(self.body, Body::Contents | Body::Rows) {
            return Err(Problem::Misplaced);
        }
        self.body = if line.contains(' ') { Body::Rows } else { Body::Closed };
        // No more is made room for than may still come in all.
        let left = MAX_FILE - self.data;
        let contents = self.contents()?;
        let before = contents.len();
        row(contents, line, MAX_RECORD.min(before + left)).ok_or(Problem::Row)?;
        let after = contents.len();
        self.count(before, after)
    }

    fn name(&mut self, name: &str) -> Result<(), Problem> {
        let (Body::Names, Some(Record { answer: Answer::List(names), .. })) = (self.body, &mut self.record)
        else {
            return Err(Problem::Misplaced);
        };
        self.names += 1;
        if self.names > MAX_RECORDS {
            return Err(Problem::TooMany);
        }
        names.push(text(name)?.into_owned());
        self.count(0, name.len())
    }

    fn stderr(&mut self) -> Result<(), Problem> {
        match &mut self.record {
            Some(Record { op: Op::Command, in_stderr, .. })
                if !*in_stderr && self.body != Body::Nothing && self.body != Body::Rows =>
            {
                *in_stderr = true;
                self.body = Body::Contents;
                Ok(())
            }
            _ => Err(Problem::Misplaced),
        }
    }

    /// Puts the record that was read into the capture.
    fn finish(&mut self) -> Result<(), Problem> {
        if self.body == Body::Header {
            self.capture = Capture::new(std::mem::take(&mut self.header));
        }
        // Rows without the one that gives the size: cut off.
        if self.body == Body::Rows {
            return Err(Problem::Row);
        }
        let Some(Record { op, path, answer, .. }) = self.record.take() else { return Ok(()) };
        if self.records == MAX_RECORDS {
            return Err(Problem::TooMany);
        }
        if self.capture.get(op, &path).is_some() {
            return Err(Problem::Twice);
        }
        self.records += 1;
        self.capture.insert(op, &path, answer).map_err(Problem::Invalid)
    }

    fn end(&mut self, count: &str) -> Result<(), Problem> {
        self.finish()?;
        self.ended = true;
        if decimal_u64(count) == Some(self.records as u64) { Ok(()) } else { Err(Problem::Count) }
    }
}

/// A path, name or link target.
fn text(escaped: &str) -> Result<std::borrow::Cow<'_, str>, Problem> {
    use std::borrow::Cow;
    match unescape(escaped).ok_or(Problem::Escape)? {
        Cow::Borrowed(_) => Ok(Cow::Borrowed(escaped)),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Problem::Encoding),
    }
}

fn stat(fields: &str) -> Option<Stat> {
    let mut words = fields.split(' ');
    let word = words.next()?;
    let mut value = |key| words.next()?.strip_prefix(key)?.strip_prefix('=');
    let number = |text| decimal_u64(text);
    let mode = u32::from_str_radix(value("mode").filter(|m| !m.starts_with('+'))?, 8).ok()?;
    let uid = number(value("uid")?)?.try_into().ok()?;
    let gid = number(value("gid")?)?.try_into().ok()?;
    let rdev = crate::scalar::device_number(value("rdev")?)?;
    let size = number(value("size")?)?;
    (words.next().is_none() && word == kind(mode)).then_some(Stat { mode, uid, gid, rdev, size })
}
