//! What passthru remembers between its runs: the lock, the leases, the journal, below
//! `/run/passthru`. They die with the boot, as bindings do.

use std::time::Duration;

use passthru_formats::Errno;
use passthru_host::source::{Source, read_text};
use passthru_model::lease::LEASE_VERSION;
use passthru_model::plan::PLAN_VERSION;
use passthru_model::{Lease, LeaseRecord, Plan};
use passthru_pci::Address;
use serde::{Deserialize, Serialize};

use crate::target::{Hold, LockError, Target};

/// The directory of everything below.
pub const DIRECTORY: &str = "/run/passthru";
/// One lock for all writers. Mode 0600: who cannot write must not be able to hold up
/// those who can.
pub const LOCK: &str = "/run/passthru/lock";
/// One file per lease, world-readable.
pub const LEASES: &str = "/run/passthru/leases";
/// The journal of the change under way, or of one that was interrupted.
pub const JOURNAL: &str = "/run/passthru/journal";

/// The largest lease file that is read, in bytes; ours are below a kilobyte.
const LEASE_LIMIT: usize = 64 << 10;

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
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The lock was not to be had.
    #[error(transparent)]
    Lock(#[from] LockError),
}

fn file(verb: &'static str, path: &str) -> impl FnOnce(Errno) -> BooksError {
    let path = path.to_owned();
    move |error| BooksError::File { verb, path, error }
}

/// The right to change the host, for as long as it lives.
pub struct Guard<'a> {
    /// The host.
    pub target: &'a dyn Target,
    _lock: Hold,
}

/// Takes the lock, making the directories where they are missing.
///
/// # Errors
/// Where the directories cannot be made, or somebody else holds the lock for longer
/// than `patience`.
pub fn lock<'a>(target: &'a dyn Target, patience: Duration, verb: &str) -> Result<Guard<'a>, BooksError> {
    for directory in [DIRECTORY, LEASES] {
        target.make_directory(directory).map_err(file("make", directory))?;
    }
    let about = format!("passthru {verb}, process {}\n", target.process_id());
    let lock = target.lock(LOCK, patience, &about)?;
    Ok(Guard { target, _lock: lock })
}

/// The file of a device's lease.
fn lease_path(device: Address) -> String {
    format!("{LEASES}/{device}.json")
}

/// The id of this boot; empty where it cannot be read.
fn boot_id(source: &dyn Source) -> String {
    read_text(source, "/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// Whether something was written in another boot than this one. Where either is not
/// known, it is taken for this one.
fn is_other_boot(written: &str, now: &str) -> bool {
    !written.is_empty() && !now.is_empty() && written != now
}

/// All leases of this boot. Needs no lock and no rights. Files that are no leases are told
/// of, never followed.
///
/// # Errors
/// Where the directory is there and cannot be listed.
pub fn leases(source: &dyn Source) -> Result<Vec<LeaseRecord>, BooksError> {
    let names = match source.list(LEASES) {
        Ok(names) => names,
        Err(error) if error.is_absent() => return Ok(Vec::new()),
        Err(error) => return Err(BooksError::File { verb: "list", path: LEASES.into(), error }),
    };
    let boot = boot_id(source);
    let mut records = Vec::new();
    for name in names {
        // Half-written files of a store that was cut off.
        if name.starts_with('.') {
            continue;
        }
        match read_lease(source, &name) {
            // Where /run outlives a boot: the binding it is about did not.
            Ok(lease) if is_other_boot(&lease.boot_id, &boot) => {}
            Ok(lease) => records.push(LeaseRecord::Valid(lease)),
            Err(why) => records.push(LeaseRecord::Broken(name, why)),
        }
    }
    Ok(records)
}

fn read_lease(source: &dyn Source, name: &str) -> Result<Lease, String> {
    let path = format!("{LEASES}/{name}");
    if source.link(&path).is_ok() {
        return Err("it is a symbolic link".into());
    }
    let text = read_text(source, &path).map_err(|error| error.to_string())?;
    if text.len() > LEASE_LIMIT {
        return Err(format!("it is larger than {LEASE_LIMIT} bytes"));
    }
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let Versioned { version } = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if version != LEASE_VERSION {
        return Err(format!("it is of version {version}, this passthru knows {LEASE_VERSION}"));
    }
    let lease: Lease = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if name != format!("{}.json", lease.device) {
        return Err(format!("it is about {}", lease.device));
    }
    Ok(lease)
}

impl Guard<'_> {
    /// Writes a lease.
    ///
    /// # Errors
    /// Where the file cannot be written; then the old one, if any, is still there.
    pub fn write_lease(&self, lease: &Lease) -> Result<(), BooksError> {
        let path = lease_path(lease.device);
        let mut text = serde_json::to_string_pretty(lease).unwrap_or_default();
        text.push('\n');
        self.target.store(&path, text.as_bytes(), 0o644).map_err(file("write", &path))
    }

    /// Removes a lease.
    ///
    /// # Errors
    /// Where the file cannot be removed.
    pub fn remove_lease(&self, device: Address) -> Result<(), BooksError> {
        let path = lease_path(device);
        self.target.remove(&path).map_err(file("remove", &path))
    }

    /// Starts a journal with a plan.
    ///
    /// # Errors
    /// [`BooksError::Interrupted`] where one is there already.
    pub fn open_journal<'g>(&'g self, plan: &Plan) -> Result<Journal<'g>, BooksError> {
        match self.target.stat(JOURNAL) {
            Err(error) if error.is_absent() => {}
            Ok(_) => return Err(BooksError::Interrupted { path: JOURNAL.into() }),
            Err(error) => return Err(BooksError::File { verb: "look at", path: JOURNAL.into(), error }),
        }
        let journal = Journal { target: self.target };
        journal.write_plan(plan).inspect_err(|_| {
            // Nothing was begun; what may stand there is work left for nobody.
            let _ = journal.close();
        })?;
        Ok(journal)
    }

    /// Goes on with the journal of an interrupted change. A last line that was cut off is
    /// taken away first, or the next record would end it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn resume_journal<'g>(&'g self, found: &Interrupted) -> Result<Journal<'g>, BooksError> {
        if found.torn {
            let mut bytes = Vec::new();
            self.target.read(JOURNAL, &mut bytes).map_err(file("read", JOURNAL))?;
            let whole = bytes.iter().rposition(|c| *c == b'\n').map_or(0, |end| end + 1);
            self.target.store(JOURNAL, &bytes[..whole], 0o600).map_err(file("write", JOURNAL))?;
        }
        Ok(Journal { target: self.target })
    }
}

/// One line of the journal. Each is safe before the step it announces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "record")]
pub enum Record {
    /// The first line: what will be done.
    Plan {
        /// Form of the journal; [`PLAN_VERSION`].
        version: u32,
        /// The boot in which it is done; empty where it is not known.
        #[serde(default)]
        boot_id: String,
        /// The plan.
        plan: Plan,
    },
    /// Step `step` (counted from 0) is about to be done.
    Begin {
        /// Which.
        step: usize,
    },
    /// Step `step` was done and read back.
    Done {
        /// Which.
        step: usize,
    },
    /// The first `from` steps are being undone, the last of them first.
    Undo {
        /// How many.
        from: usize,
    },
    /// Step `step` was undone and read back.
    Undone {
        /// Which.
        step: usize,
    },
}

/// The journal of a change under way.
pub struct Journal<'a> {
    target: &'a dyn Target,
}

impl Journal<'_> {
    /// Appends a record.
    ///
    /// # Errors
    /// Where it could not be made safe: the step must not be done then.
    pub fn write(&self, record: &Record) -> Result<(), BooksError> {
        let mut line = serde_json::to_string(record).unwrap_or_default();
        line.push('\n');
        self.target.append(JOURNAL, line.as_bytes()).map_err(file("write", JOURNAL))
    }

    fn write_plan(&self, plan: &Plan) -> Result<(), BooksError> {
        let boot_id = boot_id(self.target);
        self.write(&Record::Plan { version: PLAN_VERSION, boot_id, plan: plan.clone() })
    }

    /// Announces that the first `from` steps will be undone.
    ///
    /// # Errors
    /// As [`Journal::write`].
    pub fn start_undo(&self, plan: &Plan, from: usize) -> Result<(), BooksError> {
        // Somebody may have removed the file; without the plan the record means nothing.
        if self.target.stat(JOURNAL).is_err_and(Errno::is_absent) {
            self.write_plan(plan)?;
        }
        self.write(&Record::Undo { from })
    }

    /// Ends it: everything it announced is done, or undone.
    ///
    /// # Errors
    /// Where the file cannot be removed.
    pub fn close(&self) -> Result<(), BooksError> {
        self.target.remove(JOURNAL).map_err(file("remove", JOURNAL))
    }
}

/// What an interrupted change left: its plan, and how many steps were begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupted {
    /// What was to be done.
    pub plan: Plan,
    /// How many of its steps were begun; the last of them may or may not have been done.
    pub begun: usize,
    /// Where it was being undone already: the steps that still have to be, in order.
    pub undoing: Option<Vec<usize>>,
    /// The last line was cut off.
    pub torn: bool,
    /// It was begun in an earlier boot (where `/run` outlives one): what it did to the
    /// kernel went with that boot, so there is nothing to undo.
    pub other_boot: bool,
}

/// Reads the journal of an interrupted change; `None` where there is none. A last line
/// that was cut off announces nothing: its step was not begun.
///
/// # Errors
/// Where it cannot be read, or a whole line is not of a form this version knows.
pub fn interrupted(source: &dyn Source) -> Result<Option<Interrupted>, BooksError> {
    let mut bytes = Vec::new();
    match source.read(JOURNAL, &mut bytes) {
        Ok(()) => {}
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(BooksError::File { verb: "read", path: JOURNAL.into(), error }),
    }
    let text = String::from_utf8_lossy(&bytes);
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let torn = !text.is_empty() && !text.ends_with('\n');
    let mut found: Option<Interrupted> = None;
    for (number, line) in whole.lines().enumerate() {
        let malformed = |why: String| BooksError::Malformed { path: JOURNAL.into(), line: number + 1, why };
        match (serde_json::from_str(line).map_err(|e| malformed(e.to_string()))?, &mut found) {
            (Record::Plan { version, boot_id: boot, plan }, None) if version == PLAN_VERSION => {
                let other_boot = is_other_boot(&boot, &boot_id(source));
                found = Some(Interrupted { plan, begun: 0, undoing: None, torn, other_boot });
            }
            (Record::Plan { version, .. }, None) => {
                return Err(malformed(format!("version {version}; this passthru knows {PLAN_VERSION}")));
            }
            (Record::Begin { step }, Some(found)) if step < found.plan.steps.len() => {
                found.begun = found.begun.max(step + 1);
            }
            (Record::Done { .. }, Some(_)) => {}
            (Record::Undo { from }, Some(found)) if from <= found.plan.steps.len() => {
                found.undoing.get_or_insert_with(|| (0..from).collect());
            }
            (Record::Undone { step }, Some(Interrupted { undoing: Some(undoing), .. })) => {
                undoing.retain(|left| *left != step);
            }
            (record, _) => return Err(malformed(format!("{record:?} makes no sense there"))),
        }
    }
    // Nothing whole in it: the plan itself was never safe, so nothing was begun.
    Ok(found.or(Some(Interrupted {
        plan: Plan {
            version: PLAN_VERSION,
            intent: passthru_model::Intent::Bind,
            devices: Vec::new(),
            steps: Vec::new(),
            losses: Vec::new(),
            notes: Vec::new(),
        },
        begun: 0,
        undoing: None,
        torn,
        other_boot: false,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_other_boot_is_another_boot() {
        assert!(is_other_boot("a", "b"));
        assert!(!is_other_boot("a", "a") && !is_other_boot("", "b") && !is_other_boot("a", ""));
    }
}
