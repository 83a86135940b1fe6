//! The readers' common way of asking: every answer becomes a [`Fact`], and what could
//! not be read or understood is noted once, in [`Unread`].

use passthru_formats::errno::Errno;
use passthru_model::{Blind, Fact, Unread};
use passthru_pci::Address;

use crate::source::Source;

/// How much of a malformed text is kept.
const SHOWN: usize = 60;

/// Asks a source and keeps account of what it could not answer.
pub(crate) struct Asker<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) unread: Vec<Unread>,
    buffer: Vec<u8>,
}

/// Whether an error means that the thing is not there, rather than that it could not
/// be looked at. `ENODEV` and `ENXIO`: the device went away while it was read.
pub(crate) fn means_absent(error: Errno) -> bool {
    matches!(error, Errno::ENOENT | Errno::ENOTDIR)
}

impl<'a> Asker<'a> {
    pub(crate) fn new(source: &'a dyn Source) -> Self {
        Self { source, unread: Vec::new(), buffer: Vec::with_capacity(8192) }
    }

    /// Notes that something could not be read, and gives the fact for it.
    pub(crate) fn failed<T>(
        &mut self,
        device: Option<Address>,
        field: &'static str,
        path: &str,
        error: Errno,
    ) -> Fact<T> {
        if means_absent(error) {
            return Fact::Absent;
        }
        self.unread.push(Unread { device, field, path: path.to_owned(), error: Some(error), text: None });
        Fact::Unreadable(error)
    }

    /// Notes that something was read and not understood.
    pub(crate) fn malformed<T>(
        &mut self,
        device: Option<Address>,
        field: &'static str,
        path: &str,
        text: &str,
    ) -> Fact<T> {
        let text: String = text.chars().take(SHOWN).flat_map(char::escape_default).collect();
        self.contradicts_itself(device, field, path, text)
    }

    /// As [`Asker::malformed`], for what cannot be shown: what is wrong with it, in words.
    pub(crate) fn contradicts_itself<T>(
        &mut self,
        device: Option<Address>,
        field: &'static str,
        path: &str,
        text: String,
    ) -> Fact<T> {
        self.unread.push(Unread {
            device,
            field,
            path: path.to_owned(),
            error: None,
            text: Some(text.clone()),
        });
        Fact::Malformed(text)
    }

    /// Reads a file into a buffer that [`Asker::give_back`] takes again.
    pub(crate) fn read(&mut self, path: &str) -> Result<Vec<u8>, Errno> {
        let mut buffer = std::mem::take(&mut self.buffer);
        match self.source.read(path, &mut buffer) {
            Ok(()) => Ok(buffer),
            Err(error) => {
                self.buffer = buffer;
                Err(error)
            }
        }
    }

    /// Takes back a buffer to read into again.
    pub(crate) fn give_back(&mut self, buffer: Vec<u8>) {
        self.buffer = buffer;
    }

    /// Reads a file and lets `parse` say what its bytes mean; `None` is "not understood".
    pub(crate) fn bytes<T>(
        &mut self,
        device: Option<Address>,
        field: &'static str,
        path: &str,
        parse: impl FnOnce(&[u8]) -> Option<Fact<T>>,
    ) -> Fact<T> {
        match self.read(path) {
            Ok(buffer) => {
                let fact = match parse(&buffer) {
                    Some(fact) => fact,
                    None => self.malformed(device, field, path, &String::from_utf8_lossy(&buffer)),
                };
                self.give_back(buffer);
                fact
            }
            Err(error) => self.failed(device, field, path, error),
        }
    }

    /// As [`Asker::bytes`] for text attributes; white space around is cut off.
    pub(crate) fn text<T>(
        &mut self,
        device: Option<Address>,
        field: &'static str,
        path: &str,
        parse: impl FnOnce(&str) -> Option<Fact<T>>,
    ) -> Fact<T> {
        self.bytes(device, field, path, |bytes| parse(std::str::from_utf8(bytes).ok()?.trim()))
    }

    /// A link's last component.
    pub(crate) fn link_name(
        &mut self,
        device: Option<Address>,
        field: &'static str,
        path: &str,
    ) -> Fact<String> {
        match self.source.link(path) {
            Ok(target) => match target.rsplit('/').next() {
                Some(name) if !name.is_empty() => Fact::Known(name.to_owned()),
                _ => self.malformed(device, field, path, &target),
            },
            Err(error) => self.failed(device, field, path, error),
        }
    }

    /// The names in a directory; a missing one has none, an unreadable one is a blind
    /// spot of the list that is made from it.
    pub(crate) fn names(&mut self, path: &str, what: &str, blind: &mut Vec<Blind>) -> Vec<String> {
        match self.source.list(path) {
            Ok(names) => names,
            Err(error) if means_absent(error) => Vec::new(),
            Err(error) => {
                blind.push(Blind { what: what.to_owned(), path: path.to_owned(), error, count: 1 });
                Vec::new()
            }
        }
    }
}

/// Any non-empty text.
pub(crate) fn some_text(text: &str) -> Option<Fact<String>> {
    Some(if text.is_empty() { Fact::Absent } else { Fact::Known(text.to_owned()) })
}

/// A decimal number.
pub(crate) fn number(text: &str) -> Option<Fact<u32>> {
    text.parse().ok().map(Fact::Known)
}

/// `0` or `1`.
pub(crate) fn flag(text: &str) -> Option<Fact<bool>> {
    match text {
        "0" => Some(Fact::Known(false)),
        "1" => Some(Fact::Known(true)),
        _ => None,
    }
}

/// The absolute path a relative link leads to, by text alone.
pub(crate) fn join(directory: &str, target: &str) -> String {
    if target.starts_with('/') {
        return target.to_owned();
    }
    let mut parts: Vec<&str> = directory.split('/').filter(|p| !p.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut path = String::with_capacity(directory.len() + target.len());
    for part in parts {
        path.push('/');
        path.push_str(part);
    }
    path
}
