//! The machine passthru runs on, as a target.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use passthru_formats::Errno;
use passthru_host::source::{Directory, Output, Source, Stat};
use passthru_model::{Rights, SourceKind};
use rustix::fs::OFlags;

use crate::target::{Hold, LockError, Target};

/// How often a busy lock is tried again.
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// The live machine.
#[derive(Debug)]
pub struct Live {
    source: Directory,
}

impl Live {
    /// The machine this runs on.
    ///
    /// # Errors
    /// Where `/` cannot be opened.
    pub fn new() -> Result<Self, Errno> {
        Ok(Self { source: Directory::live()? })
    }
}

/// The lock, with our note in it for as long as we hold it. The file itself stays: to
/// remove it would let two hold two files of one name.
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // The note is for people; the lock itself goes with the descriptor.
        let _ = self.0.set_len(0);
    }
}

fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno)
}

fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

/// Writes a file that somebody asked for. A regular one is replaced in one step; into a
/// pipe or a device it is written as it is.
///
/// # Errors
/// The error of any of the calls; then a regular file is as it was.
pub fn save(path: &str, bytes: &[u8]) -> std::io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            return OpenOptions::new().write(true).open(path)?.write_all(bytes);
        }
        _ => {}
    }
    let directory = match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((directory, _)) => directory,
        None => ".",
    };
    let mut file = tempfile::Builder::new()
        .prefix(".passthru-")
        .permissions(fs::Permissions::from_mode(0o644))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

impl Source for Live {
    fn read(&self, path: &str, into: &mut Vec<u8>) -> Result<(), Errno> {
        self.source.read(path, into)
    }
    fn link(&self, path: &str) -> Result<String, Errno> {
        self.source.link(path)
    }
    fn list(&self, path: &str) -> Result<Vec<String>, Errno> {
        self.source.list(path)
    }
    fn stat(&self, path: &str) -> Result<Stat, Errno> {
        self.source.stat(path)
    }
    fn command(&self, argv: &[&str]) -> Result<Output, Errno> {
        self.source.command(argv)
    }
    fn kind(&self) -> SourceKind {
        self.source.kind()
    }
    fn rights(&self) -> Rights {
        self.source.rights()
    }
}

impl Target for Live {
    fn write_attribute(&self, path: &str, text: &str) -> Result<(), Errno> {
        let mut file = OpenOptions::new().write(true).open(path).map_err(|e| errno(&e))?;
        loop {
            // One write: sysfs hands each to the attribute whole (`fs/sysfs/file.c`).
            match file.write(text.as_bytes()) {
                Ok(n) if n == text.len() => return Ok(()),
                Ok(_) => return Err(Errno::EIO),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(errno(&e)),
            }
        }
    }

    fn change(&self, argv: &[&str]) -> Result<Output, Errno> {
        let [program, arguments @ ..] = argv else { return Err(Errno::EINVAL) };
        // sbin is not on everybody's path, sudo's secure_path aside.
        let mut last = Errno::ENOENT;
        for directory in ["", "/usr/sbin/", "/sbin/"] {
            let started = Command::new(format!("{directory}{program}"))
                .args(arguments)
                .stdin(Stdio::null())
                .env("LC_ALL", "C")
                .output();
            match started {
                Ok(out) => {
                    return Ok(Output { code: out.status.code(), stdout: out.stdout, stderr: out.stderr });
                }
                Err(error) => last = errno(&error),
            }
            if last != Errno::ENOENT {
                break;
            }
        }
        Err(last)
    }

    fn hold(&self, node: &str) -> Result<Hold, Errno> {
        // O_EXCL without O_CREAT claims a block device (open(2)).
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags(OFlags::EXCL | OFlags::NOFOLLOW | OFlags::NONBLOCK))
            .open(node)
            .map_err(|e| errno(&e))?;
        Ok(Box::new(file))
    }

    fn store(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), Errno> {
        let (directory, _) = path.rsplit_once('/').ok_or(Errno::EINVAL)?;
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::Builder::new()
                .prefix(".new-")
                .permissions(fs::Permissions::from_mode(mode))
                .tempfile_in(directory)?;
            file.write_all(bytes)?;
            // The umask may have taken bits away.
            file.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            File::open(directory)?.sync_all()
        };
        write().map_err(|e| errno(&e))
    }

    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Errno> {
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .custom_flags(flags(OFlags::NOFOLLOW))
                .open(path)?;
            let before = file.metadata()?.len();
            file.write_all(bytes).and_then(|()| file.sync_data()).inspect_err(|_| {
                // Half a record, of a disk that is full, would spoil the next one.
                let _ = file.set_len(before);
            })
        };
        write().map_err(|e| errno(&e))
    }

    fn remove(&self, path: &str) -> Result<(), Errno> {
        match fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(errno(&e)),
            _ => Ok(()),
        }
    }

    fn make_directory(&self, path: &str) -> Result<(), Errno> {
        match fs::DirBuilder::new().mode(0o755).create(path) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                // A link here would let somebody else decide where our books are kept.
                match fs::symlink_metadata(path) {
                    Ok(found) if found.is_dir() => Ok(()),
                    Ok(_) => Err(Errno::ENOTDIR),
                    Err(e) => Err(errno(&e)),
                }
            }
            Err(e) => Err(errno(&e)),
        }
    }

    fn lock(&self, path: &str, patience: Duration, about: &str) -> Result<Hold, LockError> {
        let failed = |e: std::io::Error| LockError::Failed { path: path.into(), error: errno(&e) };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags(OFlags::NOFOLLOW))
            .open(path)
            .map_err(failed)?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(fs::TryLockError::WouldBlock) if start.elapsed() >= patience => {
                    let mut holder = String::new();
                    // What it says is for people; an unreadable note changes nothing.
                    let _ = file.take(200).read_to_string(&mut holder);
                    let holder = holder.trim().to_owned();
                    return Err(LockError::Busy { waited: patience, holder });
                }
                Err(fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_INTERVAL),
                Err(fs::TryLockError::Error(e)) => return Err(failed(e)),
            }
        }
        let note = || -> std::io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(about.as_bytes())
        };
        let mut note = note;
        note().map_err(failed)?;
        Ok(Box::new(Locked(file)))
    }

    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn now(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
    }

    fn process_id(&self) -> u32 {
        std::process::id()
    }
}
