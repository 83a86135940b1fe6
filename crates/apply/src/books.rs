//! What passthru remembers between its runs: the lock, the leases, the stuck devices, below
//! `/run/passthru`. They die with the boot, as bindings do. The journal is
//! [`crate::journal`].

use std::time::Duration;

use passthru_formats::Errno;
use passthru_host::source::{Source, read_text};
use passthru_model::lease::LEASE_VERSION;
use passthru_model::records::STUCK_VERSION;
use passthru_model::{Lease, LeaseRecord, Node, Records, SourceKind, Step, Stuck, StuckRecord};
use passthru_pci::Address;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::perform;
use crate::target::{Hold, LockError, Target};

/// The directory of everything below.
pub const DIRECTORY: &str = "/run/passthru";
/// One lock for all writers. Mode 0600: who cannot write must not be able to hold up
/// those who can.
pub const LOCK: &str = "/run/passthru/lock";
/// One file per lease, world-readable.
pub const LEASES: &str = "/run/passthru/leases";
/// One file per stuck device, world-readable: who reads must know what not to touch.
pub const STUCK: &str = "/run/passthru/stuck";

/// How the passing name of a file that is being written begins ([`Target::store`]).
pub(crate) const HALF_WRITTEN: &str = ".new-";

/// The largest lease file that is read, in bytes; ours are below a kilobyte.
const LEASE_LIMIT: usize = 64 << 10;
/// The largest record of a stuck device, in bytes: it holds a whole plan.
const STUCK_LIMIT: usize = 4 << 20;

/// Something is wrong with the books.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BooksError {
    /// A file could not be read or written.
    #[error("cannot {verb} {path}: {error}")]
    File {
        /// What was tried: `read`, `write`, `make` …
        verb: &'static str,
        /// The file.
        path: String,
        /// Why not.
        error: Errno,
    },
    /// The directory is not what passthru makes it.
    #[error("{path} cannot be trusted: {why}")]
    NotOurs {
        /// The directory.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// An interrupted change has to be looked after first.
    #[error("an earlier change was interrupted: {path} is still there")]
    Interrupted {
        /// The journal.
        path: String,
    },
    /// The journal is not of a form this version knows.
    #[error("{path}, line {line}: {why}")]
    Malformed {
        /// The journal.
        path: String,
        /// The line, counted from 1; 0 for the file as a whole.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The lock was not to be had.
    #[error(transparent)]
    Lock(#[from] LockError),
}

pub(crate) fn file(verb: &'static str, path: &str) -> impl FnOnce(Errno) -> BooksError {
    let path = path.to_owned();
    move |error| BooksError::File { verb, path, error }
}

/// How long to wait for what.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// For the lock.
    pub lock: Duration,
    /// For each write to the kernel; `None` for what is usual ([`passthru_plan::patience`]).
    pub write: Option<Duration>,
    /// Told once, where the lock has to be waited for, who holds it and for how long.
    pub waiting: &'a dyn Fn(&str),
}

impl Patience<'_> {
    /// Waits for nobody, and as long as usual for the kernel.
    pub const NONE: Self = Patience { lock: Duration::ZERO, write: None, waiting: &|_| {} };
}

/// The right to change the host, for as long as it lives.
pub struct Guard<'a> {
    /// The host.
    pub target: &'a dyn Target,
    /// The limit of each write, where somebody asked for one.
    pub write_limit: Option<Duration>,
    _lock: Hold,
}

/// Takes the lock, making the directories where they are missing.
///
/// # Errors
/// Where the directories cannot be made or are somebody else's, or the lock is held for
/// longer than we are willing to wait.
pub fn lock<'a>(target: &'a dyn Target, patience: Patience<'_>, verb: &str) -> Result<Guard<'a>, BooksError> {
    for directory in [DIRECTORY, LEASES, STUCK] {
        target.make_directory(directory).map_err(file("make", directory))?;
        if let Some(why) = not_ours(target, directory) {
            return Err(BooksError::NotOurs { path: directory.into(), why });
        }
    }
    let about = format!("{verb} {} {}\n", target.process_id(), target.now());
    let waiting = |note: &str| (patience.waiting)(&holder(note, target.now()));
    let lock = target.lock(LOCK, patience.lock, &about, &waiting).map_err(|error| match error {
        LockError::Busy { waited, holder: note } => {
            LockError::Busy { waited, holder: holder(&note, target.now()) }
        }
        failed @ LockError::Failed { .. } => failed,
    })?;
    remove_half_written(target);
    Ok(Guard { target, write_limit: patience.write, _lock: lock })
}

/// Removes what a store that was cut off left behind: whoever has the lock knows that its
/// writer is dead. Nobody reads these files, so that failing matters to nobody.
fn remove_half_written(target: &dyn Target) {
    for directory in [DIRECTORY, LEASES, STUCK] {
        for name in target.list(directory).unwrap_or_default() {
            if name.starts_with(HALF_WRITTEN) {
                let _ = target.remove(&format!("{directory}/{name}"));
            }
        }
    }
}

/// Who holds the lock and for how long, from the note in its file. Empty where the note
/// does not say: its writer was cut off.
fn holder(note: &str, now: u64) -> String {
    let mut words = note.split_whitespace();
    match (words.next(), words.next(), words.next().and_then(|since| since.parse::<u64>().ok())) {
        (Some(verb), Some(pid), Some(since)) => {
            format!("`passthru {verb}` (process {pid}, for {} s so far)", now.saturating_sub(since))
        }
        _ => String::new(),
    }
}

/// Why a file or directory of ours is not to be believed: somebody other than root could
/// have written it. Only of the live machine; a copy belongs to whoever copied it.
pub(crate) fn not_ours(source: &dyn Source, path: &str) -> Option<String> {
    if source.link(path).is_ok() {
        return Some("it is a symbolic link".into());
    }
    if source.kind() != SourceKind::Live {
        return None;
    }
    match source.stat(path) {
        Ok(stat) if stat.uid != 0 => Some(format!("it belongs to user {}, not to root", stat.uid)),
        Ok(stat) if stat.mode & 0o022 != 0 => {
            Some(format!("others than root may write to it (mode {:o})", stat.mode & 0o7777))
        }
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// The file of a device's lease.
fn lease_path(device: Address) -> String {
    format!("{LEASES}/{device}.json")
}

fn stuck_path(device: Address) -> String {
    format!("{STUCK}/{device}.json")
}

/// The id of this boot; empty where it cannot be read.
pub(crate) fn boot_id(source: &dyn Source) -> String {
    read_text(source, "/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// Whether something was written in another boot than this one. Where either is not
/// known, it is taken for this one.
pub(crate) fn is_other_boot(written: &str, now: &str) -> bool {
    !written.is_empty() && !now.is_empty() && written != now
}

/// Everything that is remembered, without the nodes. Needs no lock and no rights. Files that are none of ours
/// are told of, never followed.
///
/// # Errors
/// Where a directory is there and cannot be listed.
pub fn records(source: &dyn Source) -> Result<Records, BooksError> {
    Ok(Records { leases: leases(source)?, stuck: stuck(source)?, nodes: Vec::new() })
}

/// The same with the nodes: what plans are made from.
///
/// # Errors
/// As [`records`].
pub fn records_and_nodes(source: &dyn Source) -> Result<Records, BooksError> {
    Ok(Records { nodes: nodes(source), ..records(source)? })
}

/// The nodes of VFIO groups, and where the kernel has iommufd, of single devices. What cannot
/// be looked at is left out: nothing is done about it.
fn nodes(source: &dyn Source) -> Vec<Node> {
    let below = |directory: &'static str, prefix: &'static str| {
        let names = source.list(directory).unwrap_or_default().into_iter();
        let number = |name: &str| !name.is_empty() && name.bytes().all(|c| c.is_ascii_digit());
        names
            .filter(move |name| name.strip_prefix(prefix).is_some_and(number))
            .map(move |name| format!("{directory}/{name}"))
    };
    below("/dev/vfio", "")
        .chain(below("/dev/vfio/devices", "vfio"))
        .filter_map(|path| perform::access(source, &path).ok().map(|access| Node { path, access }))
        .collect()
}

/// All leases of this boot.
///
/// # Errors
/// Where the directory is there and cannot be listed.
pub fn leases(source: &dyn Source) -> Result<Vec<LeaseRecord>, BooksError> {
    let read = |name: &str| -> Result<Lease, String> {
        let lease: Lease = read_record(source, &format!("{LEASES}/{name}"), LEASE_LIMIT, 1..=LEASE_VERSION)?;
        if name == format!("{}.json", lease.device) {
            Ok(lease)
        } else {
            Err(format!("it is about {}", lease.device))
        }
    };
    let boot = boot_id(source);
    let records = names(source, LEASES)?.into_iter().filter_map(|name| match read(&name) {
        // Released by somebody else since the directory was listed.
        Err(_) if is_gone(source, LEASES, &name) => None,
        // Where /run outlives a boot: the binding it is about did not.
        Ok(lease) if is_other_boot(&lease.boot_id, &boot) => None,
        Ok(lease) => Some(LeaseRecord::Valid(lease)),
        Err(why) => Some(LeaseRecord::Broken(name, why)),
    });
    Ok(records.collect())
}

/// All devices of this boot on which a write has not come back.
///
/// # Errors
/// Where the directory is there and cannot be listed.
pub fn stuck(source: &dyn Source) -> Result<Vec<StuckRecord>, BooksError> {
    let read = |name: &str| -> Result<Stuck, String> {
        let stuck: Stuck = read_record(source, &format!("{STUCK}/{name}"), STUCK_LIMIT, 1..=STUCK_VERSION)?;
        if name != format!("{}.json", stuck.device) {
            return Err(format!("it is about {}", stuck.device));
        }
        for step in &stuck.todo {
            match stuck.plan.steps.get(*step).map(Step::device) {
                None => return Err("it tells of steps that its plan does not have".into()),
                Some(device) if device != Some(stuck.device) => {
                    return Err("it tells of steps about another device".into());
                }
                Some(_) => {}
            }
        }
        Ok(stuck)
    };
    let boot = boot_id(source);
    let names = match names(source, STUCK) {
        // A capture made before there were such records: what hung then hangs nobody now.
        Err(BooksError::File { error: Errno::ENODATA, .. }) => Vec::new(),
        names => names?,
    };
    let records = names.into_iter().filter_map(|name| match read(&name) {
        Err(_) if is_gone(source, STUCK, &name) => None,
        Ok(stuck) if is_other_boot(&stuck.boot_id, &boot) => None,
        Ok(stuck) => Some(StuckRecord::Valid(Box::new(stuck))),
        Err(why) => Some(StuckRecord::Broken(name, why)),
    });
    Ok(records.collect())
}

fn is_gone(source: &dyn Source, directory: &str, name: &str) -> bool {
    let path = format!("{directory}/{name}");
    source.link(&path).is_err() && source.stat(&path).is_err_and(Errno::is_absent)
}

/// The files of a directory, without half-written ones of a store that was cut off.
fn names(source: &dyn Source, directory: &str) -> Result<Vec<String>, BooksError> {
    match source.list(directory) {
        Ok(mut names) => {
            names.retain(|name| !name.starts_with('.'));
            Ok(names)
        }
        Err(error) if error.is_absent() => Ok(Vec::new()),
        Err(error) => Err(BooksError::File { verb: "list", path: directory.into(), error }),
    }
}

fn read_record<T: DeserializeOwned>(
    source: &dyn Source,
    path: &str,
    limit: usize,
    versions: std::ops::RangeInclusive<u32>,
) -> Result<T, String> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    if let Some(why) = not_ours(source, path) {
        return Err(why);
    }
    let text = read_text(source, path).map_err(|error| error.to_string())?;
    if text.len() > limit {
        return Err(format!("it is larger than {limit} bytes"));
    }
    let Versioned { version } = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if !versions.contains(&version) {
        return Err(format!("it is of version {version}, this passthru knows up to {}", versions.end()));
    }
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

impl Guard<'_> {
    /// Writes a lease.
    ///
    /// # Errors
    /// Where the file cannot be written; then the old one, if any, is still there.
    pub fn write_lease(&self, lease: &Lease) -> Result<(), BooksError> {
        self.write_record(&lease_path(lease.device), lease)
    }

    /// Removes a lease.
    ///
    /// # Errors
    /// Where the file cannot be removed.
    pub fn remove_lease(&self, device: Address) -> Result<(), BooksError> {
        let path = lease_path(device);
        self.target.remove(&path).map_err(file("remove", &path))
    }

    /// Records that a device is stuck.
    ///
    /// # Errors
    /// As [`Guard::write_lease`].
    pub fn write_stuck(&self, stuck: &Stuck) -> Result<(), BooksError> {
        self.write_record(&stuck_path(stuck.device), stuck)
    }

    /// Forgets that a device was stuck.
    ///
    /// # Errors
    /// Where the file cannot be removed.
    pub fn remove_stuck(&self, device: Address) -> Result<(), BooksError> {
        let path = stuck_path(device);
        self.target.remove(&path).map_err(file("remove", &path))
    }

    fn write_record(&self, path: &str, record: &impl serde::Serialize) -> Result<(), BooksError> {
        let mut text = serde_json::to_string_pretty(record).unwrap_or_default();
        text.push('\n');
        self.target.store(path, text.as_bytes(), 0o644).map_err(file("write", path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_other_boot_is_another_boot() {
        assert!(is_other_boot("a", "b"));
        assert!(!is_other_boot("a", "a") && !is_other_boot("", "b") && !is_other_boot("a", ""));
    }

    #[test]
    fn a_note_says_who_and_for_how_long() {
        assert_eq!(holder("bind 812 100\n", 142), "`passthru bind` (process 812, for 42 s so far)");
        assert_eq!(holder("bind 812 ", 142), "");
        assert_eq!(holder("", 1), "");
    }
}
