//! A directory laid out like a root file system: the live `/`, or `--root DIR`.
//!
//! Below a `--root` no path leads out of the directory, whatever its links say:
//! `openat2(RESOLVE_IN_ROOT)`, and on kernels before 5.6 the same walk by hand
//! ([`super::directory::Directory::walk`]).

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use passthru_formats::errno::Errno;
use passthru_model::{Rights, SourceKind};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno as Os;

use super::{LIST_LIMIT, Output, READ_LIMIT, Source, Stat};

/// Links followed in one path before it counts as a loop, as in the kernel
/// (`include/linux/namei.h`, `MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// How many directories are kept open. Readers go through one device's directory at a
/// time and come back to the directory of all devices.
const KEPT: usize = 3;

/// The live machine or a directory laid out like one.
#[derive(Debug)]
pub struct Directory {
    root: OwnedFd,
    live: bool,
    /// Directories used last, newest at the end: one open and close per device instead
    /// of one long path walk per attribute.
    kept: RefCell<Vec<(String, OwnedFd)>>,
    /// The link read last, and the path it leads to by text. Readers ask for the link of a
    /// device and then for what is behind it: that path has neither links nor `..` in it,
    /// so that the kernel walks it in a third of the time.
    last_link: RefCell<(String, String)>,
    /// Whether `openat2` is there: not before Linux 5.6, nor under some seccomp filters.
    openat2: Cell<bool>,
}

fn errno(error: Os) -> Errno {
    Errno(error.raw_os_error())
}

impl Directory {
    /// The machine this runs on.
    ///
    /// # Errors
    /// Where `/` cannot be opened.
    pub fn live() -> Result<Self, Errno> {
        Self::open("/", true)
    }

    /// A directory laid out like a root file system.
    ///
    /// # Errors
    /// Where it cannot be opened as a directory.
    pub fn at(path: &str) -> Result<Self, Errno> {
        Self::open(path, false)
    }

    /// The same without `openat2`, as on kernels before 5.6: for tests that compare the two.
    #[doc(hidden)]
    #[must_use]
    pub fn by_hand(self) -> Self {
        self.openat2.set(false);
        self
    }

    fn open(path: &str, live: bool) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty()).map_err(errno)?;
        Ok(Self {
            root,
            live,
            kept: RefCell::default(),
            last_link: RefCell::default(),
            openat2: Cell::new(true),
        })
    }

    /// Opens any path, with links followed but never out of the root.
    fn resolve(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Os> {
        let flags = flags | OFlags::CLOEXEC;
        if self.live {
            return rustix::fs::openat(CWD, path, flags, Mode::empty());
        }
        let inside = path.trim_start_matches('/');
        let inside = if inside.is_empty() { "." } else { inside };
        if self.openat2.get() {
            let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            match rustix::fs::openat2(&self.root, inside, flags, Mode::empty(), how) {
                // EPERM: some container managers' filters answer so for calls they do not know.
                Err(Os::NOSYS | Os::PERM) => self.openat2.set(false),
                // The kernel could not be sure because of a rename elsewhere: openat2(2).
                Err(Os::AGAIN) => return self.walk(inside, flags),
                answer => return answer,
            }
        }
        self.walk(inside, flags)
    }

    /// `RESOLVE_IN_ROOT` by hand: one component at a time, never through a link that
    /// the kernel follows for us. `..` at the root stays at the root.
    fn walk(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Os> {
        // Bytes, not text: a link may lead to a name that is no UTF-8.
        let mut todo: Vec<Vec<u8>> = Vec::new();
        let push = |todo: &mut Vec<Vec<u8>>, path: &[u8]| {
            todo.extend(path.split(|c| *c == b'/').rev().map(<[u8]>::to_vec));
        };
        push(&mut todo, path.as_bytes());
        let mut above: Vec<OwnedFd> = Vec::new();
        let mut links = 0;
        // Whether the last of `above` was opened as it was asked for.
        let mut opened = false;
        while let Some(name) = todo.pop() {
            if name.is_empty() || name == b"." {
                continue;
            }
            if name == b".." {
                above.pop();
                opened = false;
                continue;
            }
            let here = above.last().map_or(self.root.as_fd(), AsFd::as_fd);
            let last = todo.iter().all(|rest| rest.is_empty() || rest == b".");
            // `file/` and `file/.` ask for a directory, through a link as well.
            let mut flags = flags;
            if last && !todo.is_empty() {
                flags.remove(OFlags::NOFOLLOW);
                flags.insert(OFlags::DIRECTORY);
            }
            match rustix::fs::readlinkat(here, name.as_slice(), Vec::new()) {
                Ok(target) if !(last && flags.contains(OFlags::NOFOLLOW)) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Os::LOOP);
                    }
                    let target = target.as_bytes();
                    if target.starts_with(b"/") {
                        above.clear();
                    }
                    push(&mut todo, target);
                    continue;
                }
                Ok(_) | Err(Os::INVAL) => {}
                Err(error) => return Err(error),
            }
            let how = if last { flags } else { OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC };
            let next = rustix::fs::openat(here, name.as_slice(), how | OFlags::NOFOLLOW, Mode::empty())?;
            above.push(next);
            opened = last;
        }
        match above.pop() {
            Some(found) if opened => Ok(found),
            Some(found) => rustix::fs::openat(&found, ".", flags, Mode::empty()),
            None => rustix::fs::openat(&self.root, ".", flags, Mode::empty()),
        }
    }

    /// Calls `f` with the directory of `path`, kept open, and the last component.
    fn within<T>(&self, path: &str, f: impl FnOnce(BorrowedFd<'_>, &str) -> Result<T, Os>) -> Result<T, Os> {
        let (directory, name) = path.rsplit_once('/').ok_or(Os::INVAL)?;
        let mut kept = self.kept.borrow_mut();
        if let Some(at) = kept.iter().position(|(known, _)| known == directory) {
            let last = kept.len() - 1;
            kept.swap(at, last);
        } else {
            let fd = self.open_directory(directory)?;
            if kept.len() == KEPT {
                kept.remove(0);
            }
            kept.push((directory.to_owned(), fd));
        }
        let (_, fd) = kept.last().ok_or(Os::BADF)?;
        f(fd.as_fd(), name)
    }

    /// Opens a directory to read from, by the path the last link gave where that is meant.
    fn open_directory(&self, directory: &str) -> Result<OwnedFd, Os> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let last = self.last_link.borrow();
        if last.0 == directory && self.openat2.get() {
            let inside = last.1.trim_start_matches('/');
            let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let found = rustix::fs::openat2(&self.root, inside, flags | OFlags::CLOEXEC, Mode::empty(), how);
            // A link on the way, or no openat2: the long way finds out.
            if let Ok(fd) = found {
                return Ok(fd);
            }
        }
        self.resolve(if directory.is_empty() { "/" } else { directory }, flags)
    }

    /// Whether the directories that are read over and over in one call may be kept.
    /// Below `/proc` they come and go with processes, and each is read once.
    fn keeps(path: &str) -> bool {
        path.starts_with("/sys/") && !path.starts_with("/sys/kernel/") && !path.ends_with("/..")
    }

    fn open_file(&self, path: &str) -> Result<OwnedFd, Os> {
        // NONBLOCK: a FIFO in a hostile directory must not hold us up.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        if !Self::keeps(path) {
            return self.resolve(path, flags);
        }
        let direct = self.within(path, |directory, name| {
            rustix::fs::openat(directory, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        });
        match direct {
            Err(Os::LOOP) => self.resolve(path, flags),
            answer => answer,
        }
    }
}

/// The directory whose links lead to the functions.
const DEVICES: &str = "/sys/bus/pci/devices";

/// The kernel's log. Each read gives one record of it, and at its end there is more to wait
/// for (`Documentation/ABI/testing/dev-kmsg`).
const KMSG: &str = "/dev/kmsg";

/// More than the longest record (`kernel/printk/printk.c`, `PRINTK_MESSAGE_MAX`: 2048; before
/// 6.4 `CONSOLE_EXT_LOG_MAX`: 8192).
const RECORD: usize = 16 << 10;

/// Size of a page, the most a text attribute of sysfs has (`fs/sysfs/file.c`).
const PAGE: usize = 4096;

/// More than the longest line of a table below `/proc/net` (`net/ipv4/tcp_ipv4.c`,
/// `TMPSZ`: 150).
const TABLE_LINE: usize = 512;

/// How much of a large file is read at a time: it stays in the cache, and the memory is
/// used again.
const PART: usize = 64 << 10;

impl Source for Directory {
    fn read_parts(&self, path: &str, part: &mut dyn FnMut(&[u8])) -> Result<(), Errno> {
        let file = self.open_file(path).map_err(errno)?;
        let stat = rustix::fs::fstat(&file).map_err(errno)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(errno(Os::INVAL));
        }
        let mut buffer = vec![0; PART];
        let (mut kept, mut total) = (0, 0);
        loop {
            if kept == buffer.len() {
                // A line longer than a part: no line of a text is.
                return Err(errno(Os::FBIG));
            }
            let n = match rustix::io::read(&file, &mut buffer[kept..]) {
                Ok(n) => n,
                Err(Os::INTR) => continue,
                Err(error) => return Err(errno(error)),
            };
            let filled = kept + n;
            total += n;
            if total > READ_LIMIT {
                return Err(errno(Os::FBIG));
            }
            if n == 0 {
                if kept > 0 {
                    part(&buffer[..kept]);
                }
                return Ok(());
            }
            let whole = buffer[..filled].iter().rposition(|c| *c == b'\n').map_or(0, |end| end + 1);
            if whole > 0 {
                part(&buffer[..whole]);
            }
            buffer.copy_within(whole..filled, 0);
            kept = filled - whole;
        }
    }

    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>, Errno> {
        let file = self.open_file(path).map_err(errno)?;
        let stat = rustix::fs::fstat(&file).map_err(errno)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Box::new(File::from(file))),
            _ => Err(errno(Os::INVAL)),
        }
    }

    fn another(&self) -> Option<Box<dyn Source + Send>> {
        let root = rustix::io::fcntl_dupfd_cloexec(&self.root, 0).ok()?;
        let openat2 = Cell::new(self.openat2.get());
        Some(Box::new(Self {
            root,
            live: self.live,
            kept: RefCell::default(),
            last_link: RefCell::default(),
            openat2,
        }))
    }

    fn read(&self, path: &str, into: &mut Vec<u8>) -> Result<(), Errno> {
        into.clear();
        let file = self.open_file(path).map_err(errno)?;
        if path == KMSG && self.live {
            return read_records(&file, into).map_err(errno);
        }
        // Almost everything that is read is an attribute of less than a page, and a short
        // read is the end of a file: one read does. `config` of the live sysfs is given in
        // parts, and files of /proc in whatever their makers please.
        into.reserve(PAGE);
        let whole = |n: usize| match path.starts_with("/proc/") {
            // A table of the network is given a page at a time, as many lines as go in
            // (`fs/seq_file.c`), and finding out that there are no more costs a walk through
            // every socket of the machine.
            true => path.contains("/net/") && n < PAGE - TABLE_LINE,
            false => n < PAGE && !path.ends_with("/config"),
        };
        loop {
            match rustix::io::read(&file, rustix::buffer::spare_capacity(into)) {
                Ok(0) => return Ok(()),
                Ok(n) if into.len() == n && whole(n) => return Ok(()),
                Ok(_) if into.len() > READ_LIMIT => {
                    into.clear();
                    return Err(errno(Os::FBIG));
                }
                // A large file is read into one piece of memory, where its size is known.
                Ok(n) if into.len() == n => into.reserve(size_hint(&file).max(PAGE)),
                Ok(_) => into.reserve(into.len().max(PAGE)),
                Err(Os::INTR) => {}
                Err(error) => {
                    into.clear();
                    return Err(errno(error));
                }
            }
        }
    }

    fn link(&self, path: &str) -> Result<String, Errno> {
        let target = if Self::keeps(path) {
            self.within(path, |directory, name| rustix::fs::readlinkat(directory, name, Vec::new()))
        } else if self.live {
            rustix::fs::readlinkat(CWD, path, Vec::new())
        } else {
            self.resolve(path, OFlags::PATH | OFlags::NOFOLLOW)
                .and_then(|fd| rustix::fs::readlinkat(&fd, "", Vec::new()))
                // An empty path on something that is no link: readlinkat(2).
                .map_err(
                    |error| if error == Os::NOENT && !path.is_empty() { self.no_link(path) } else { error },
                )
        };
        let target = target.map_err(errno)?.into_string().map_err(|_| errno(Os::INVAL))?;
        let is_device = path.rsplit_once('/').is_some_and(|(directory, _)| directory == DEVICES);
        if is_device && !target.starts_with('/') {
            let mut last = self.last_link.borrow_mut();
            last.0.clear();
            last.0.push_str(path);
            last.1 = crate::ask::join(DEVICES, &target);
        }
        Ok(target)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, Errno> {
        let directory = self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY).map_err(errno)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(directory).map_err(errno)? {
            let entry = entry.map_err(errno)?;
            let name = String::from_utf8_lossy(entry.file_name().to_bytes()).into_owned();
            if name == "." || name == ".." {
                continue;
            }
            if names.len() == LIST_LIMIT {
                return Err(errno(Os::FBIG));
            }
            names.push(name);
        }
        names.sort_unstable();
        Ok(names)
    }

    fn links(&self, path: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<(String, String)>, Errno> {
        // One path walk for all: a process has dozens of descriptors, a host hundreds of
        // processes.
        let directory = self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY).map_err(errno)?;
        let mut names = rustix::fs::Dir::read_from(&directory).map_err(errno)?;
        let mut found: Vec<(String, String)> = Vec::new();
        let mut buffer = Vec::with_capacity(256);
        while let Some(entry) = names.read() {
            let entry = entry.map_err(errno)?;
            let name = entry.file_name();
            if name.to_bytes().starts_with(b".") {
                continue;
            }
            buffer.clear();
            let target = rustix::fs::readlinkat(&directory, name, std::mem::take(&mut buffer));
            let target = match target {
                Ok(target) => target,
                // Whoever may list them but not look at them knows nothing.
                Err(error @ (Os::ACCESS | Os::PERM)) => return Err(errno(error)),
                Err(_) => continue,
            };
            if let (Ok(name), Ok(text)) = (name.to_str(), target.to_str())
                && wanted(text)
            {
                found.push((name.to_owned(), text.to_owned()));
            }
            buffer = target.into_bytes();
        }
        found.sort_unstable();
        Ok(found)
    }

    fn stat(&self, path: &str) -> Result<Stat, Errno> {
        let file = self.resolve(path, OFlags::PATH).map_err(errno)?;
        let stat = rustix::fs::fstat(&file).map_err(errno)?;
        Ok(Stat {
            mode: stat.st_mode,
            uid: stat.st_uid,
            gid: stat.st_gid,
            rdev: (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)),
            size: u64::try_from(stat.st_size).unwrap_or(0),
        })
    }

    fn command(&self, argv: &[&str]) -> Result<Output, Errno> {
        let [program, arguments @ ..] = argv else { return Err(errno(Os::INVAL)) };
        if !self.live {
            return Err(errno(Os::OPNOTSUPP));
        }
        let output = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .env("LC_ALL", "C")
            .output()
            .map_err(|error| Errno(error.raw_os_error().unwrap_or(Os::IO.raw_os_error())))?;
        Ok(Output { code: output.status.code(), stdout: output.stdout, stderr: output.stderr })
    }

    fn kind(&self) -> SourceKind {
        if self.live { SourceKind::Live } else { SourceKind::Directory }
    }

    fn rights(&self) -> Rights {
        Rights { root: rustix::process::geteuid().is_root() }
    }
}

impl Directory {
    /// Why a path whose last component was opened is no link.
    fn no_link(&self, path: &str) -> Os {
        if self.resolve(path, OFlags::PATH | OFlags::NOFOLLOW).is_ok() { Os::INVAL } else { Os::NOENT }
    }
}

/// Reads the records of the kernel's log that are there now. Of more than [`READ_LIMIT`] the
/// newest are kept.
fn read_records(file: &OwnedFd, into: &mut Vec<u8>) -> Result<(), Os> {
    let mut record = vec![0; RECORD];
    loop {
        match rustix::io::read(file, &mut record) {
            Ok(0) | Err(Os::AGAIN) => return Ok(()),
            Ok(n) => {
                if into.len() + n > READ_LIMIT {
                    let half = into.len() / 2;
                    let cut = into[half..].iter().position(|c| *c == b'\n').map_or(half, |at| half + at + 1);
                    into.drain(..cut);
                }
                into.extend_from_slice(&record[..n]);
            }
            // EPIPE: the oldest were overwritten meanwhile; the next read goes on behind them.
            Err(Os::INTR | Os::PIPE) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The size of a file as the file system tells it, up to [`READ_LIMIT`]; 0 where it does
/// not know (as below /proc).
fn size_hint(file: &OwnedFd) -> usize {
    rustix::fs::fstat(file)
        .ok()
        .and_then(|stat| usize::try_from(stat.st_size).ok())
        .map_or(0, |size| size.min(READ_LIMIT) + 1)
}
