//! A source that remembers what it was asked and what was answered, errors included: so
//! that replaying equals reading by construction.

use std::cell::RefCell;
use std::io::{Cursor, Read};

use passthru_formats::capture::{Answer, Capture, Header, InvalidRecord, Op};
use passthru_formats::{Errno, image};
use passthru_model::{Rights, SourceKind};

use super::{Output, Source, Stat};

/// How much is remembered of an image that is not understood: its magic number.
const BEGINNING: u64 = 8;

/// Passes every question on and remembers the answer.
pub struct Recorder<'a> {
    source: &'a dyn Source,
    capture: RefCell<Capture>,
    refused: RefCell<Vec<(String, InvalidRecord)>>,
}

impl<'a> Recorder<'a> {
    /// Records what is read from a source; `tool` is the name and version that goes into
    /// the file.
    #[must_use]
    pub fn new(source: &'a dyn Source, tool: &str) -> Self {
        let header = Header { tool: tool.to_owned(), root: source.rights().root, redacted: false };
        Self { source, capture: RefCell::new(Capture::new(header)), refused: RefCell::default() }
    }

    /// What was recorded, and what could not be (paths no capture can hold).
    #[must_use]
    pub fn finish(self) -> (Capture, Vec<(String, InvalidRecord)>) {
        (self.capture.into_inner(), self.refused.into_inner())
    }

    fn note<T>(
        &self,
        op: Op,
        path: &str,
        answer: Result<T, Errno>,
        make: impl FnOnce(&T) -> Answer,
    ) -> Result<T, Errno> {
        let record = match &answer {
            Ok(value) => make(value),
            Err(error) => Answer::Error(*error),
        };
        if let Err(error) = self.capture.borrow_mut().insert(op, path, record) {
            self.refused.borrow_mut().push((path.to_owned(), error));
        }
        answer
    }
}

impl Source for Recorder<'_> {
    fn read(&self, path: &str, into: &mut Vec<u8>) -> Result<(), Errno> {
        let answer = self.source.read(path, into);
        self.note(Op::Read, path, answer, |()| Answer::Data(into.clone()))
    }

    /// Of thousands of lines only those are remembered that were wanted, as if the file had no
    /// others.
    fn lines(&self, path: &str, wanted: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u8>, Errno> {
        let answer = self.source.lines(path, wanted);
        self.note(Op::Read, path, answer, |kept| Answer::Data(kept.clone()))
    }

    /// Only initramfs images are opened. What [`image::read`] finds in one is remembered; of
    /// what it does not understand the beginning, which it does not understand either.
    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>, Errno> {
        let answer = self.source.open(path).and_then(|mut opened| {
            let mut start = Vec::new();
            // Who cannot read an image cannot read its beginning.
            (&mut opened).take(BEGINNING).read_to_end(&mut start).map_err(|_| Errno::EIO)?;
            match image::read(start.chain(opened)) {
                Ok(image) => image.to_bytes().map_err(|_| Errno::EIO),
                Err(_) => Ok(start),
            }
        });
        let kept = self.note(Op::Read, path, answer, |bytes| Answer::Data(bytes.clone()))?;
        Ok(Box::new(Cursor::new(kept)))
    }

    fn link(&self, path: &str) -> Result<String, Errno> {
        self.note(Op::Link, path, self.source.link(path), |target| Answer::Link(target.clone()))
    }

    fn list(&self, path: &str) -> Result<Vec<String>, Errno> {
        self.note(Op::List, path, self.source.list(path), |names| Answer::List(names.clone()))
    }

    /// Of thousands of descriptors only those are remembered that were wanted, as if the
    /// directory had no others.
    fn links(&self, directory: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<(String, String)>, Errno> {
        let answer = self.source.links(directory, wanted);
        if let Ok(found) = &answer {
            for (name, target) in found {
                let path = format!("{directory}/{name}");
                let _ = self.note(Op::Link, &path, Ok(()), |()| Answer::Link(target.clone()));
            }
        }
        self.note(Op::List, directory, answer, |found| {
            Answer::List(found.iter().map(|(name, _)| name.clone()).collect())
        })
    }

    fn stat(&self, path: &str) -> Result<Stat, Errno> {
        self.note(Op::Stat, path, self.source.stat(path), |stat| Answer::Stat(*stat))
    }

    fn command(&self, argv: &[&str]) -> Result<Output, Errno> {
        let key = passthru_formats::capture::command_key(argv);
        self.note(Op::Command, &key, self.source.command(argv), |output| {
            Answer::Output(Box::new(output.clone()))
        })
    }

    fn kind(&self) -> SourceKind {
        self.source.kind()
    }

    fn rights(&self) -> Rights {
        self.source.rights()
    }
}
