//! The files passthru keeps: replaced whole, appended to, removed, locked. They are those
//! of the machine it runs on; only tests keep them somewhere else.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::rc::Rc;
use std::time::{Duration, Instant};

use passthru_formats::Errno;
use rustix::fs::OFlags;

use crate::books::HALF_WRITTEN;
use crate::live::{errno, flags};
use crate::target::LockError;

/// How often a busy lock is tried again.
const LOCK_INTERVAL: Duration = Duration::from_millis(20);
/// After how long somebody who waits for the lock is told who has it.
const LOCK_TELL: Duration = Duration::from_millis(500);

/// Where files are kept: by default at the paths they are asked for.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// What stands before every path; empty on the machine itself.
    root: String,
}

/// The lock, with our note in it for as long as we hold it. The file itself stays: to
/// remove it would let two hold two files of one name.
#[derive(Debug)]
pub struct Locked {
    /// The file, locked for as long as it is open.
    pub(crate) file: Rc<File>,
    /// What whoever had the lock before us left in it: nothing, unless it died.
    pub(crate) found: String,
}

impl Drop for Locked {
    fn drop(&mut self) {
        // The note is for people; the lock itself goes with the descriptor.
        let _ = self.file.set_len(0);
    }
}

impl Files {
    /// Below a directory. For tests: nothing that is built into the product calls it.
    #[must_use]
    pub fn below(root: &str) -> Self {
        Self { root: root.to_owned() }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    /// [`Target::store`](crate::target::Target::store).
    ///
    /// # Errors
    /// As there.
    pub fn store(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), Errno> {
        let path = self.at(path);
        let (directory, name) = path.rsplit_once('/').ok_or(Errno::EINVAL)?;
        // Whoever has the lock is alone; a half-written one is of somebody who is dead.
        let passing = format!("{directory}/{HALF_WRITTEN}{name}");
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(mode)
                .custom_flags(flags(OFlags::NOFOLLOW))
                .open(&passing)?;
            file.write_all(bytes)?;
            // The umask may have taken bits away.
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.sync_all()?;
            fs::rename(&passing, &path)?;
            File::open(directory)?.sync_all()
        };
        write().map_err(|e| {
            let _ = fs::remove_file(&passing);
            errno(&e)
        })
    }

    /// [`Target::append`](crate::target::Target::append).
    ///
    /// # Errors
    /// As there.
    pub fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Errno> {
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .custom_flags(flags(OFlags::NOFOLLOW))
                .open(self.at(path))?;
            let before = file.metadata()?.len();
            file.write_all(bytes).and_then(|()| file.sync_data()).inspect_err(|_| {
                // Half a record, of a disk that is full, would spoil the next one.
                let _ = file.set_len(before);
            })
        };
        write().map_err(|e| errno(&e))
    }

    /// [`Target::remove`](crate::target::Target::remove).
    ///
    /// # Errors
    /// As there.
    pub fn remove(&self, path: &str) -> Result<(), Errno> {
        match fs::remove_file(self.at(path)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(errno(&e)),
            _ => Ok(()),
        }
    }

    /// [`Target::make_directory`](crate::target::Target::make_directory).
    ///
    /// # Errors
    /// As there.
    pub fn make_directory(&self, path: &str) -> Result<(), Errno> {
        match fs::DirBuilder::new().mode(0o755).create(self.at(path)) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                // A link here would let somebody else decide where our books are kept.
                match fs::symlink_metadata(self.at(path)) {
                    Ok(found) if found.is_dir() => Ok(()),
                    Ok(_) => Err(Errno::ENOTDIR),
                    Err(e) => Err(errno(&e)),
                }
            }
            Err(e) => Err(errno(&e)),
        }
    }

    /// [`Target::lock`](crate::target::Target::lock).
    ///
    /// # Errors
    /// As there.
    pub fn lock(
        &self,
        path: &str,
        patience: Duration,
        about: &str,
        waiting: &dyn Fn(&str),
    ) -> Result<Locked, LockError> {
        let failed = |e: std::io::Error| LockError::Failed { path: path.into(), error: errno(&e) };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags(OFlags::NOFOLLOW))
            .open(self.at(path))
            .map_err(failed)?;
        let start = Instant::now();
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(fs::TryLockError::WouldBlock) => {}
                Err(fs::TryLockError::Error(e)) => return Err(failed(e)),
            }
            let waited = start.elapsed();
            let late = waited >= patience;
            if late || (waited >= LOCK_TELL && !told) {
                let note = note_in(&file);
                if late {
                    return Err(LockError::Busy { waited: patience, holder: note });
                }
                waiting(&note);
                told = true;
            }
            std::thread::sleep(LOCK_INTERVAL);
        }
        // Whoever let the lock go by itself has emptied the file.
        let found = note_in(&file);
        let note = || -> std::io::Result<()> {
            let mut file: &File = &file;
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(about.as_bytes())
        };
        // It is for people, and for those after us: where the disk is full, giving back is
        // tried all the same.
        let _ = note();
        Ok(Locked { file: Rc::new(file), found })
    }
}

/// What stands in the lock's file. What it says is for people, and names the helper of
/// whoever has it; an unreadable note changes nothing.
fn note_in(file: &File) -> String {
    let mut note = [0; 400];
    let n = rustix::io::pread(file, &mut note, 0).unwrap_or(0);
    String::from_utf8_lossy(&note[..n]).trim().to_owned()
}
