//! [`Source`]: the only door through which a host is read.
//!
//! The live machine, a directory laid out like one, a captured file, what lspci printed and
//! a recorder stand behind it, and nothing above can tell them apart. It has no function that
//! writes.

mod directory;
mod pasted;
mod recorder;
mod replay;

use std::io::{Cursor, Read};

pub use directory::Directory;
pub use pasted::Pasted;
pub use recorder::Recorder;
pub use replay::{OpenError, Replay, open};

pub use passthru_formats::capture::{Output, Stat};
use passthru_formats::errno::Errno;
use passthru_model::{Rights, SourceKind};

/// The most that is read of one file; more is answered with `EFBIG`. The largest file
/// that any reader asks for is pci.ids (1.5 MB).
pub const READ_LIMIT: usize = 16 << 20;

/// The most entries of one directory; more is answered with `EFBIG`.
pub const LIST_LIMIT: usize = 1 << 20;

/// Where a host is read from. Paths are absolute.
pub trait Source {
    /// Reads a file whole into `into`, which is cleared first.
    ///
    /// # Errors
    /// The error of the system call; `EFBIG` above [`READ_LIMIT`].
    fn read(&self, path: &str, into: &mut Vec<u8>) -> Result<(), Errno>;

    /// Reads a text file in parts that end where lines end (the last one may not), for
    /// large files of which only a few lines are wanted.
    ///
    /// # Errors
    /// As [`Source::read`]; some parts may have been given out before.
    fn read_parts(&self, path: &str, part: &mut dyn FnMut(&[u8])) -> Result<(), Errno> {
        let mut whole = Vec::new();
        self.read(path, &mut whole)?;
        part(&whole);
        Ok(())
    }

    /// Those lines of a text file that are wanted, for large files of which only a few matter.
    ///
    /// # Errors
    /// As [`Source::read_parts`].
    fn lines(&self, path: &str, wanted: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u8>, Errno> {
        let mut kept = Vec::new();
        self.read_parts(path, &mut |part| {
            for (_, line) in passthru_formats::line::lines(part).filter(|(_, line)| wanted(line)) {
                kept.extend_from_slice(line);
                kept.push(b'\n');
            }
        })?;
        Ok(kept)
    }

    /// Opens a file that may be larger than [`READ_LIMIT`], an initramfs image, to be read from
    /// its beginning.
    ///
    /// # Errors
    /// As [`Source::read`] where the source holds its files in memory; those of reading are
    /// given by the reader.
    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>, Errno> {
        let mut whole = Vec::new();
        self.read(path, &mut whole)?;
        Ok(Box::new(Cursor::new(whole)))
    }

    /// Another handle to the same host for another thread; `None` where there can be only
    /// one.
    fn another(&self) -> Option<Box<dyn Source + Send>> {
        None
    }

    /// Reads a symbolic link.
    ///
    /// # Errors
    /// The error of the system call; `EINVAL` where it is no link or not UTF-8.
    fn link(&self, path: &str) -> Result<String, Errno>;

    /// The names in a directory, sorted, without `.` and `..`.
    ///
    /// # Errors
    /// The error of the system call; `EFBIG` above [`LIST_LIMIT`].
    fn list(&self, path: &str) -> Result<Vec<String>, Errno>;

    /// Those links in a directory of links (`/proc/PID/fd`) whose targets are wanted: name
    /// and target, sorted by name. Links that are gone meanwhile are passed over.
    ///
    /// # Errors
    /// As [`Source::list`], and where a link may not be read.
    fn links(&self, directory: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<(String, String)>, Errno> {
        let mut found = Vec::new();
        for name in self.list(directory)? {
            match self.link(&format!("{directory}/{name}")) {
                Ok(target) if wanted(&target) => found.push((name, target)),
                Err(error) if error.is_permission() => return Err(error),
                _ => {}
            }
        }
        Ok(found)
    }

    /// What stands at a path, links followed.
    ///
    /// # Errors
    /// The error of the system call.
    fn stat(&self, path: &str) -> Result<Stat, Errno>;

    /// Runs a command that only reads.
    ///
    /// # Errors
    /// The error of starting it; `EOPNOTSUPP` where the source is not a live machine.
    fn command(&self, argv: &[&str]) -> Result<Output, Errno>;

    /// Which kind of source this is.
    fn kind(&self) -> SourceKind;

    /// With which rights it reads.
    fn rights(&self) -> Rights;
}

impl<T: Source + ?Sized> Source for std::rc::Rc<T> {
    fn read(&self, path: &str, into: &mut Vec<u8>) -> Result<(), Errno> {
        (**self).read(path, into)
    }
    fn read_parts(&self, path: &str, part: &mut dyn FnMut(&[u8])) -> Result<(), Errno> {
        (**self).read_parts(path, part)
    }
    fn lines(&self, path: &str, wanted: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u8>, Errno> {
        (**self).lines(path, wanted)
    }
    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>, Errno> {
        (**self).open(path)
    }
    fn another(&self) -> Option<Box<dyn Source + Send>> {
        (**self).another()
    }
    fn link(&self, path: &str) -> Result<String, Errno> {
        (**self).link(path)
    }
    fn list(&self, path: &str) -> Result<Vec<String>, Errno> {
        (**self).list(path)
    }
    fn links(&self, directory: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<(String, String)>, Errno> {
        (**self).links(directory, wanted)
    }
    fn stat(&self, path: &str) -> Result<Stat, Errno> {
        (**self).stat(path)
    }
    fn command(&self, argv: &[&str]) -> Result<Output, Errno> {
        (**self).command(argv)
    }
    fn kind(&self) -> SourceKind {
        (**self).kind()
    }
    fn rights(&self) -> Rights {
        (**self).rights()
    }
}

/// Reads a file as text, trailing white space cut off; bytes that are no UTF-8 are
/// replaced.
///
/// # Errors
/// As [`Source::read`].
pub fn read_text(source: &dyn Source, path: &str) -> Result<String, Errno> {
    let mut bytes = Vec::new();
    source.read(path, &mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}
