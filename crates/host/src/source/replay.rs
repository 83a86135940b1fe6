//! A captured host: answers what the machine answered when it was captured. And [`open`], for
//! whatever file of a host somebody sent.

use std::fs::File;
use std::io::Read;

use passthru_formats::Errno;
use passthru_formats::capture::{self, Answer, Capture, CaptureError, MAX_FILE, Op};
use passthru_formats::lspci::{self, ListingError};
use passthru_model::{Rights, SourceKind};
use rustix::fs::{Mode, OFlags};

use super::{Output, Pasted, Source, Stat};

/// What a question is answered that was withheld, or that the capture's readers did not
/// ask: there is no data. It is neither "absent" nor "more rights would help".
const NOT_CAPTURED: Errno = Errno::ENODATA;

/// A captured host.
#[derive(Debug)]
pub struct Replay {
    capture: Capture,
}

/// A file that is no host.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// Why not.
        error: std::io::Error,
    },
    /// It begins as a capture does, and is none.
    #[error("{path}: {error}")]
    Capture {
        /// The file.
        path: String,
        /// What is wrong with it.
        error: CaptureError,
    },
    /// It is neither a capture nor what lspci prints.
    #[error("{path}: this is no passthru capture, and not what lspci prints: {error}")]
    Listing {
        /// The file.
        path: String,
        /// What is wrong with it.
        error: ListingError,
    },
}

/// Opens the file. A pipe (`--from <(zstd -dc …)`) is read as long as somebody writes into
/// it; a FIFO that nobody writes into is empty, not waited for.
fn open_file(path: &str) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags | OFlags::NONBLOCK, Mode::empty())?;
    rustix::fs::fcntl_setfl(&file, flags)?;
    Ok(file.into())
}

/// Opens what somebody sent: a capture, or lspci's output. `-` is standard input. At most
/// [`MAX_FILE`] bytes are read of it.
///
/// # Errors
/// Where it cannot be read, or is neither.
pub fn open(path: &str) -> Result<Box<dyn Source>, OpenError> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit = MAX_FILE as u64 + 1;
        match path {
            "-" => std::io::stdin().lock().take(limit).read_to_end(&mut bytes)?,
            _ => open_file(path)?.take(limit).read_to_end(&mut bytes)?,
        };
        Ok(bytes)
    };
    let path = if path == "-" { "standard input" } else { path }.to_owned();
    let bytes = match read() {
        Ok(bytes) => bytes,
        Err(error) => return Err(OpenError::File { path, error }),
    };
    // A capture's first word, also where the rest is cut off.
    if bytes.starts_with(b"passthru-capture") {
        return match capture::parse(&bytes) {
            Ok(capture) => Ok(Box::new(Replay::new(capture))),
            Err(error) => Err(OpenError::Capture { path, error }),
        };
    }
    match lspci::parse(&bytes) {
        Ok(listing) => Ok(Box::new(Pasted::new(&listing))),
        Err(error) => Err(OpenError::Listing { path, error }),
    }
}

impl Replay {
    /// The host in a capture.
    #[must_use]
    pub const fn new(capture: Capture) -> Self {
        Self { capture }
    }

    fn answer(&self, op: Op, path: &str) -> Result<&Answer, Errno> {
        match self.capture.get(op, path) {
            Some(Answer::Error(error)) => Err(*error),
            None | Some(Answer::Withheld) => Err(NOT_CAPTURED),
            Some(answer) => Ok(answer),
        }
    }
}

impl Source for Replay {
    fn read(&self, path: &str, into: &mut Vec<u8>) -> Result<(), Errno> {
        into.clear();
        match self.answer(Op::Read, path)? {
            Answer::Data(bytes) => {
                into.extend_from_slice(bytes);
                Ok(())
            }
            _ => Err(NOT_CAPTURED),
        }
    }

    fn link(&self, path: &str) -> Result<String, Errno> {
        match self.answer(Op::Link, path)? {
            Answer::Link(target) => Ok(target.clone()),
            _ => Err(NOT_CAPTURED),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<String>, Errno> {
        match self.answer(Op::List, path)? {
            Answer::List(names) => Ok(names.clone()),
            _ => Err(NOT_CAPTURED),
        }
    }

    fn stat(&self, path: &str) -> Result<Stat, Errno> {
        match self.answer(Op::Stat, path)? {
            Answer::Stat(stat) => Ok(*stat),
            _ => Err(NOT_CAPTURED),
        }
    }

    fn command(&self, argv: &[&str]) -> Result<Output, Errno> {
        match self.answer(Op::Command, &passthru_formats::capture::command_key(argv))? {
            Answer::Output(output) => Ok((**output).clone()),
            _ => Err(NOT_CAPTURED),
        }
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Capture
    }

    fn rights(&self) -> Rights {
        Rights { root: self.capture.header().root }
    }
}
