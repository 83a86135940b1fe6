//! What a check says: [`Verdict`], and in it [`Finding`]s.

use passthru_formats::errno::Errno;
use passthru_pci::Address;

use crate::fact::Fact;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Lending does not work until this is remedied.
    Error,
    /// Lending works, and something may go wrong or is less safe than people think.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// The word in output and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What was seen, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// A path, or the command that says it.
    pub place: String,
    /// What stands there.
    pub value: String,
}

impl Evidence {
    /// A value and its place.
    pub fn new(place: impl Into<String>, value: impl Into<String>) -> Self {
        Self { place: place.into(), value: value.into() }
    }
}

/// How far away the remedy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// It works at once.
    Now,
    /// It works after the next boot.
    Reboot,
    /// It is a switch in the firmware's set-up, or an update of the firmware.
    Firmware,
    /// Other hardware, or another place for it.
    Hardware,
}

impl When {
    /// The word in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Reboot => "reboot",
            Self::Firmware => "firmware",
            Self::Hardware => "hardware",
        }
    }
}

/// What to do about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// One or two sentences that begin with a verb in the imperative.
    pub text: String,
    /// The shell commands that do it on this very system, in order; `passthru` is one of them
    /// where a verb of it does it. Empty where there are none.
    pub commands: Vec<String>,
    /// When it takes effect.
    pub when: When,
}

impl Remedy {
    /// A remedy without commands.
    pub fn new(when: When, text: impl Into<String>) -> Self {
        Self { text: text.into(), commands: Vec::new(), when }
    }

    /// With a command.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }

    /// With several.
    #[must_use]
    pub fn commands(mut self, commands: impl IntoIterator<Item = String>) -> Self {
        self.commands.extend(commands);
        self
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is here.
    pub severity: Severity,
    /// What is wrong, in one line without a full stop.
    pub summary: String,
    /// What shows it: at least one.
    pub evidence: Vec<Evidence>,
    /// What it leads to, in one sentence.
    pub consequence: String,
    /// What to do.
    pub remedy: Remedy,
}

/// Something a check needed and could not look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// Where.
    pub path: String,
    /// Why not: `permission denied (needs root)`.
    pub why: String,
}

impl Unseen {
    /// A place where reading failed with this error.
    pub fn new(path: impl Into<String>, error: Errno) -> Self {
        let needs_root = if error.is_permission() { " (needs root)" } else { "" };
        Self { path: path.into(), why: format!("{error}{needs_root}") }
    }

    /// That a fact could not be looked at; `None` where it is known or known to be absent.
    pub fn of<T>(fact: &Fact<T>, path: impl Into<String>) -> Option<Self> {
        let why = match fact {
            Fact::Known(_) | Fact::Absent => return None,
            Fact::Unreadable(error) => return Some(Self::new(path, *error)),
            Fact::Malformed(text) => format!("makes no sense: '{text}'"),
            Fact::NotRead => "it was not read".into(),
        };
        Some(Self { path: path.into(), why })
    }
}

/// What a check says. "Could not look" is neither a pass nor a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All is well; what was seen that says so.
    Pass(String),
    /// Something is wrong, or several things.
    Found(Vec<Finding>),
    /// It has no meaning on this host, or for this device; why.
    NotApplicable(String),
    /// It could not be looked at.
    CouldNotLook(Vec<Unseen>),
    /// It makes no sense as long as the finding of this id stands.
    After(&'static str),
}

impl Verdict {
    /// The word in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pass(_) => "pass",
            Self::Found(_) => "found",
            Self::NotApplicable(_) => "not-applicable",
            Self::CouldNotLook(_) => "could-not-look",
            Self::After(_) => "after",
        }
    }

    /// Its findings.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Found(findings) => findings,
            _ => &[],
        }
    }
}

impl From<Finding> for Verdict {
    fn from(finding: Finding) -> Self {
        Self::Found(vec![finding])
    }
}

/// The verdict of one check, about the host or about one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Which check.
    pub id: &'static str,
    /// Which device; `None` for the host.
    pub device: Option<Address>,
    /// What it says.
    pub verdict: Verdict,
}
