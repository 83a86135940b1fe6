//! The machine passthru runs on, as a target.

use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use passthru_formats::Errno;
use passthru_host::source::{Directory, Output, Source, Stat};
use passthru_model::{Access, Rights, SourceKind, Task};
use passthru_plan::patience;
use rustix::fs::OFlags;

use crate::files::Files;
use crate::helper::Helpers;
use crate::target::{Hold, LockError, Target, WriteError};

/// How long modprobe and udevadm may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// Attributes of a PCI function whose reading waits for the device's lock
/// (`drivers/pci/pci-sysfs.c`, `driver_override_show`; `drivers/pci/iov.c`,
/// `sriov_numvfs_show`).
const LOCKED: [&str; 2] = ["/driver_override", "/sriov_numvfs"];

/// The live machine.
#[derive(Debug)]
pub struct Live {
    source: Directory,
    files: Files,
    helpers: RefCell<Helpers>,
}

impl Live {
    /// The machine this runs on.
    ///
    /// # Errors
    /// Where `/` cannot be opened.
    pub fn new() -> Result<Self, Errno> {
        Ok(Self { source: Directory::live()?, files: Files::default(), helpers: RefCell::default() })
    }
}

pub(crate) fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno)
}

pub(crate) fn flags(flags: OFlags) -> i32 {
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
        if path.starts_with("/sys/bus/pci/devices/") && LOCKED.iter().any(|name| path.ends_with(name)) {
            let text = self.helpers.borrow_mut().read(&self.source, path, patience::READ)?;
            into.clear();
            into.extend(text.as_bytes());
            return Ok(());
        }
        self.source.read(path, into)
    }
    fn read_parts(&self, path: &str, part: &mut dyn FnMut(&[u8])) -> Result<(), Errno> {
        self.source.read_parts(path, part)
    }
    fn open(&self, path: &str) -> Result<Box<dyn std::io::Read + '_>, Errno> {
        self.source.open(path)
    }
    fn another(&self) -> Option<Box<dyn Source + Send>> {
        self.source.another()
    }
    fn link(&self, path: &str) -> Result<String, Errno> {
        self.source.link(path)
    }
    fn list(&self, path: &str) -> Result<Vec<String>, Errno> {
        self.source.list(path)
    }
    fn links(&self, directory: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<(String, String)>, Errno> {
        self.source.links(directory, wanted)
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
    fn write_attribute(&self, path: &str, text: &str, limit: Duration) -> Result<(), WriteError> {
        self.helpers.borrow_mut().write(&self.source, path, text, limit)
    }

    fn waits(&self, path: &str) -> Option<Task> {
        self.helpers.borrow().waits(path)
    }

    fn set_access(&self, node: &str, access: &Access) -> Result<(), Errno> {
        use rustix::fs::{FileType, Gid, Mode, Uid};
        let failed = |error: rustix::io::Errno| Errno(error.raw_os_error());
        // By descriptor, so that what is changed is what was looked at; O_PATH opens no device
        // (a group's node can be open once only).
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::open(node, flags, Mode::empty()).map_err(failed)?;
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice {
            return Err(Errno::EOPNOTSUPP);
        }
        let (uid, gid) = (Uid::from_raw(access.uid), Gid::from_raw(access.gid));
        let empty = rustix::fs::AtFlags::EMPTY_PATH;
        rustix::fs::chownat(&file, "", Some(uid), Some(gid), empty).map_err(failed)?;
        // fchmod(2) does not take O_PATH descriptors; their name below /proc is theirs.
        let name = format!("/proc/self/fd/{}", rustix::fd::AsRawFd::as_raw_fd(&file));
        fs::set_permissions(name, fs::Permissions::from_mode(access.mode)).map_err(|e| errno(&e))
    }

    fn change(&self, argv: &[&str]) -> Result<Output, Errno> {
        self.helpers.borrow_mut().run(&self.source, argv, COMMAND_LIMIT)
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
        self.files.store(path, bytes, mode)
    }

    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Errno> {
        self.files.append(path, bytes)
    }

    fn remove(&self, path: &str) -> Result<(), Errno> {
        self.files.remove(path)
    }

    fn make_directory(&self, path: &str) -> Result<(), Errno> {
        self.files.make_directory(path)
    }

    fn lock(
        &self,
        path: &str,
        patience: Duration,
        about: &str,
        waiting: &dyn Fn(&str),
    ) -> Result<Hold, LockError> {
        let hold = self.files.lock(path, patience, about, waiting)?;
        self.helpers.borrow_mut().under(&self.source, &hold);
        Ok(Box::new(hold))
    }

    fn left_behind(&self) -> Option<Task> {
        self.helpers.borrow().left_behind()
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

/// Starts this program again, in a session of its own, so that it outlives whoever started
/// it: the end of an SSH connection takes it along neither as a hang-up nor, where systemd
/// runs the machine, with the session's scope (`KillUserProcesses=`, logind.conf(5)).
///
/// # Errors
/// Why it could not be started, in words.
pub fn start_detached(arguments: &[&str]) -> Result<(), String> {
    use std::process::{Command, Stdio};
    let itself = fs::read_link("/proc/self/exe").map_err(|error| format!("/proc/self/exe: {error}"))?;
    if fs::metadata("/run/systemd/system").is_ok() {
        let started = Command::new("systemd-run")
            .args(["--quiet", "--collect", "--description=undoes what passthru was not told to keep", "--"])
            .arg(&itself)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if started.is_ok_and(|status| status.success()) {
            return Ok(());
        }
    }
    let mut child = Command::new("/proc/self/exe")
        .args(arguments)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{}: {error}", itself.display()))?;
    // Not before it has left our session, or what ends us now would end it as well.
    let mut word = [0; 1];
    let ready = child.stdout.take().and_then(|mut said| said.read_exact(&mut word).ok());
    match ready {
        Some(()) => Ok(()),
        None => Err("it ended at once".into()),
    }
}

/// Leaves the session this process was started in, and tells whoever started it.
pub fn own_session() {
    // It fails only where this process leads a group already, and then it has its own.
    let _ = rustix::process::setsid();
    // Nobody listens where systemd has started it.
    let _ = std::io::stdout().write_all(b".").and_then(|()| std::io::stdout().flush());
}

/// Writes a line to the kernel's log, for what nobody is there to read. Failing is nobody's
/// business: there is nowhere left to say so.
pub fn log(line: &str) {
    if let Ok(mut file) = OpenOptions::new().write(true).open("/dev/kmsg") {
        // KERN_NOTICE (include/linux/kern_levels.h).
        let _ = file.write_all(format!("<5>passthru: {line}\n").as_bytes());
    }
}
