//! The exit codes, in one place.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

use crate::terminal::{clean, say};

/// How a verb ends. Under `run` the guest program's own code takes the place of
/// [`Code::Done`], and failures before it started are all 125
/// ([`Code::under_run`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Done, or nothing had to be done.
    Done = 0,
    /// `check` has findings of severity error.
    Findings = 1,
    /// Usage, or an unknown or ambiguous name, or a source that is no host.
    Usage = 2,
    /// Refused as unsafe.
    Refused = 3,
    /// Failed, and everything is as it was.
    Failed = 4,
    /// Failed, and something is not as it was.
    Changed = 5,
    /// Needs root, and nothing else is wrong.
    NeedsRoot = 7,
    /// `run`: the guest ended, but a device could not be given back.
    NotGivenBack = 124,
    /// `run`: passthru failed before the guest started.
    NotStarted = 125,
    /// `run`: the program cannot be executed.
    NotExecutable = 126,
    /// `run`: there is no such program.
    NotFound = 127,
}

impl Code {
    /// The code of a failure under `run`: its own from 124 on, and for the rest 125, so
    /// that it cannot be taken for the guest's.
    #[must_use]
    pub const fn under_run(self) -> Self {
        if (self as u8) < Self::NotGivenBack as u8 { Self::NotStarted } else { self }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// Why a verb did not do what was asked: what, where, why; and what to do next.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    /// What, where, why, in one line.
    pub message: String,
    /// Further lines of evidence.
    pub details: Vec<String>,
    /// What to do next, one line each.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure without details and hints.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new(), hints: Vec::new() }
    }

    /// With a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !hint.is_empty() && !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }

    /// With a line of evidence.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }

    /// To standard error.
    pub fn print(&self) {
        let error = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        let hint = Style::new().bold().fg_color(Some(AnsiColor::Cyan.into()));
        say(&format!("{error}error:{error:#} {}", clean(&self.message)));
        for line in &self.details {
            say(&format!("  {}", clean(line)));
        }
        for line in &self.hints {
            say(&format!("{hint}hint:{hint:#} {}", clean(line)));
        }
    }
}

/// What verbs return.
pub type Outcome = Result<ExitCode, Failure>;
