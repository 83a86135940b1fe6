//! A captured host: answers what the machine answered when it was captured.

use passthru_formats::Errno;
use passthru_formats::capture::{Answer, Capture, Op};
use passthru_model::{Rights, SourceKind};

use super::{Output, Source, Stat};

/// What a question is answered that was withheld, or that the capture's readers did not
/// ask: there is no data. It is neither "absent" nor "more rights would help".
const NOT_CAPTURED: Errno = Errno::ENODATA;

/// A captured host.
#[derive(Debug)]
pub struct Replay {
    capture: Capture,
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
