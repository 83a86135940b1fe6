//! The journal of the change under way, or of one that was interrupted: JSON lines, each
//! safe before the step it announces.

use passthru_formats::process;
use passthru_host::source::{Source, read_text};
use passthru_model::plan::PLAN_VERSION;
use passthru_model::{Intent, Plan};
use serde::{Deserialize, Serialize};

use crate::books::{BooksError, Guard, boot_id, file, is_other_boot, not_ours};
use crate::target::Target;

/// The file.
pub const JOURNAL: &str = "/run/passthru/journal";

/// The oldest version that is understood.
const OLDEST: u32 = 1;

/// One line of the journal.
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
        /// It is undone unless somebody confirms it: also where it is interrupted before it
        /// waits for that.
        #[serde(default)]
        to_confirm: bool,
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
    /// Everything is done, and is undone unless somebody confirms it in time.
    Await {
        /// Until when, in seconds since the boot (`/proc/uptime`).
        until: u64,
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

impl Guard<'_> {
    /// Starts a journal with a plan.
    ///
    /// # Errors
    /// [`BooksError::Interrupted`] where one is there already.
    pub fn open_journal<'g>(&'g self, plan: &Plan, to_confirm: bool) -> Result<Journal<'g>, BooksError> {
        match self.target.stat(JOURNAL) {
            Err(error) if error.is_absent() => {}
            Ok(_) => return Err(BooksError::Interrupted { path: JOURNAL.into() }),
            Err(error) => return Err(BooksError::File { verb: "look at", path: JOURNAL.into(), error }),
        }
        let journal = Journal { target: self.target };
        journal.write(&journal.plan(plan, to_confirm)).inspect_err(|_| {
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

impl Journal<'_> {
    /// Appends a record.
    ///
    /// # Errors
    /// Where it could not be made safe: the step must not be done then.
    pub fn write(&self, record: &Record) -> Result<(), BooksError> {
        self.append(&[record])
    }

    fn append(&self, records: &[&Record]) -> Result<(), BooksError> {
        let mut lines = String::new();
        for record in records {
            lines.push_str(&serde_json::to_string(record).unwrap_or_default());
            lines.push('\n');
        }
        self.target.append(JOURNAL, lines.as_bytes()).map_err(file("write", JOURNAL))
    }

    fn plan(&self, plan: &Plan, to_confirm: bool) -> Record {
        let boot_id = boot_id(self.target);
        Record::Plan { version: PLAN_VERSION, boot_id, to_confirm, plan: plan.clone() }
    }

    /// Announces that the first `from` steps will be undone.
    ///
    /// # Errors
    /// As [`Journal::write`].
    pub fn start_undo(&self, plan: &Plan, from: usize) -> Result<(), BooksError> {
        let undo = Record::Undo { from };
        // Somebody may have removed the file; without the plan the record means nothing, and
        // the plan alone would not say that its steps were done.
        if self.is_gone() {
            return self.append(&[&self.plan(plan, false), &undo]);
        }
        self.append(&[&undo])
    }

    /// Ends it: everything it announced is done, or undone. A file that is gone has ended it,
    /// whatever the kernel says of its removal: nobody can find it any more.
    ///
    /// # Errors
    /// Where the file cannot be removed.
    pub fn close(&self) -> Result<(), BooksError> {
        match self.target.remove(JOURNAL) {
            Err(_) if self.is_gone() => Ok(()),
            removed => removed.map_err(file("remove", JOURNAL)),
        }
    }

    fn is_gone(&self) -> bool {
        self.target.stat(JOURNAL).is_err_and(passthru_formats::Errno::is_absent)
    }
}

/// What an interrupted change left: its plan, and how many steps were begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupted {
    /// What was to be done.
    pub plan: Plan,
    /// How many of its steps were begun; the last of them may or may not have been done.
    pub begun: usize,
    /// Everything is done and waits to be confirmed, until this many seconds after the boot.
    pub awaiting: Option<u64>,
    /// It is undone unless somebody confirms it.
    pub to_confirm: bool,
    /// Where it was being undone already: the steps that still have to be, in order.
    pub undoing: Option<Vec<usize>>,
    /// The last line was cut off.
    pub torn: bool,
    /// It was begun in an earlier boot (where `/run` outlives one): what it did to the
    /// kernel went with that boot, so there is nothing to undo.
    pub other_boot: bool,
}

impl Interrupted {
    const fn new(plan: Plan, torn: bool, other_boot: bool) -> Self {
        Self { plan, begun: 0, awaiting: None, to_confirm: false, undoing: None, torn, other_boot }
    }

    /// Takes in one more record; says whether it makes sense there.
    fn take(&mut self, record: &Record) -> bool {
        let steps = self.plan.steps.len();
        match (record, &mut self.undoing) {
            (Record::Begin { step }, _) if *step < steps => self.begun = self.begun.max(step + 1),
            (Record::Done { .. }, _) => {}
            (Record::Await { until }, _) => self.awaiting = Some(*until),
            (Record::Undo { from }, undoing) if *from <= steps => {
                self.awaiting = None;
                undoing.get_or_insert_with(|| (0..*from).collect());
            }
            (Record::Undone { step }, Some(undoing)) => undoing.retain(|left| left != step),
            _ => return false,
        }
        true
    }
}

/// Reads the journal of an interrupted change; `None` where there is none. A last line
/// that was cut off announces nothing: its step was not begun.
///
/// # Errors
/// Where it cannot be read, is somebody else's, or a whole line is not of a form this
/// version knows.
pub fn interrupted(source: &dyn Source) -> Result<Option<Interrupted>, BooksError> {
    let malformed = |line: usize, why: String| BooksError::Malformed { path: JOURNAL.into(), line, why };
    let mut bytes = Vec::new();
    match source.read(JOURNAL, &mut bytes) {
        Ok(()) => {}
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(BooksError::File { verb: "read", path: JOURNAL.into(), error }),
    }
    if let Some(why) = not_ours(source, JOURNAL) {
        return Err(malformed(0, why));
    }
    let text = String::from_utf8_lossy(&bytes);
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let torn = !text.is_empty() && !text.ends_with('\n');
    let mut found: Option<Interrupted> = None;
    for (number, line) in whole.lines().enumerate() {
        let malformed = |why: String| malformed(number + 1, why);
        match (serde_json::from_str(line).map_err(|e| malformed(e.to_string()))?, &mut found) {
            (Record::Plan { version, boot_id: boot, to_confirm, plan }, None)
                if (OLDEST..=PLAN_VERSION).contains(&version) =>
            {
                let other_boot = is_other_boot(&boot, &boot_id(source));
                found = Some(Interrupted { to_confirm, ..Interrupted::new(plan, torn, other_boot) });
            }
            (Record::Plan { version, .. }, None) => {
                let why = format!("version {version}; this passthru knows {OLDEST} to {PLAN_VERSION}");
                return Err(malformed(why));
            }
            (record, found) => {
                if !found.as_mut().is_some_and(|found| found.take(&record)) {
                    return Err(malformed(format!("{record:?} makes no sense there")));
                }
            }
        }
    }
    // Nothing whole in it: the plan itself was never safe, so nothing was begun.
    let nothing = || Plan::new(Intent::Bind, Vec::new());
    Ok(found.or_else(|| Some(Interrupted::new(nothing(), torn, false))))
}

/// Seconds since the boot, suspended time included (`/proc/uptime`, `CLOCK_BOOTTIME`).
///
/// # Errors
/// Where it cannot be read or understood.
pub fn uptime(source: &dyn Source) -> Result<u64, BooksError> {
    const PATH: &str = "/proc/uptime";
    let text = read_text(source, PATH).map_err(file("read", PATH))?;
    process::uptime(&text).ok_or_else(|| BooksError::Malformed {
        path: PATH.into(),
        line: 1,
        why: format!("'{text}'"),
    })
}
