//! Waiting for a virtual machine, and handing signals on. [`crate::launcher`] starts it.
//!
//! The program runs as if it had been started directly: in our process group, with our
//! terminal, our standard streams and default signal handling. What the terminal sends
//! (Ctrl-C, Ctrl-\, a hang-up) reaches it by itself; what is sent to us alone is passed on.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::{Signals, SignalsInfo};

/// How often a program that was asked to stop is looked at.
const INTERVAL: Duration = Duration::from_millis(20);

/// A program that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no such program.
    #[error("{program}: no such program")]
    NotFound {
        /// The program.
        program: String,
    },
    /// It is there and cannot be executed.
    #[error("{program} cannot be executed: {error}")]
    NotExecutable {
        /// The program.
        program: String,
        /// Why.
        error: io::Error,
    },
    /// Something that has to be ready before cannot be had.
    #[error("cannot prepare for the virtual machine: {what}: {error}")]
    Prepare {
        /// What.
        what: String,
        /// Why not.
        error: io::Error,
    },
    /// Somebody ended it before it was the program.
    #[error("interrupted before the virtual machine was started")]
    Ended,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With an exit code.
    Code(u8),
    /// By a signal.
    Signal(u8),
}

impl End {
    /// The exit code a shell reports: 128+n for signal n.
    #[must_use]
    pub const fn shell_code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => signal.saturating_add(128),
        }
    }
}

/// Signals caught from before the devices are bound until they are given back, so that
/// none can end us in between.
#[derive(Debug)]
pub struct Watch {
    signals: SignalsInfo,
    /// Whether one came that asks us to stop.
    asked: bool,
}

impl Watch {
    /// Starts catching.
    ///
    /// # Errors
    /// Where a handler cannot be installed.
    pub fn start() -> Result<Self, StartError> {
        let signals = Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2])
            .map_err(|error| StartError::Prepare { what: "catching signals".into(), error })?;
        Ok(Self { signals, asked: false })
    }

    /// Whether a signal came that asks us to stop.
    pub fn asked_to_stop(&mut self) -> bool {
        self.pending();
        self.asked
    }

    /// The signals that came, but for "a child ended".
    fn pending(&mut self) -> Vec<i32> {
        let came = self.signals.pending().collect();
        self.note(came)
    }

    /// Blocks until there is a signal.
    fn wait(&mut self) -> Vec<i32> {
        let came = self.signals.wait().collect();
        self.note(came)
    }

    fn note(&mut self, mut came: Vec<i32>) -> Vec<i32> {
        self.asked |= came.iter().any(|signal| asks_to_stop(*signal));
        came.retain(|signal| *signal != SIGCHLD);
        came
    }
}

/// A virtual machine under way.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    pub(crate) const fn new(child: Child) -> Self {
        Self { child }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended. A signal that was sent to us is passed on once; those
    /// that the terminal sends to the whole process group reach it twice at worst, which
    /// QEMU takes for one.
    ///
    /// One that was asked to stop has `patience` to do so. After that it is killed, and
    /// `killed` is told.
    ///
    /// # Errors
    /// Where it cannot be waited for.
    pub fn wait(
        mut self,
        watch: &mut Watch,
        patience: Duration,
        killed: &mut dyn FnMut(),
    ) -> io::Result<End> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let send = |signal: Signal| {
            // It may have ended meanwhile; then the next look finds out.
            let _ = pid.map(|pid| kill_process(pid, signal));
        };
        let mut deadline: Option<Instant> = None;
        let mut dead = false;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(match (status.code(), status.signal()) {
                    (Some(code), _) => End::Code(u8::try_from(code).unwrap_or(u8::MAX)),
                    (None, signal) => End::Signal(signal.and_then(|s| u8::try_from(s).ok()).unwrap_or(0)),
                });
            }
            if !dead && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                killed();
                send(Signal::KILL);
                dead = true;
            }
            let came = match deadline {
                None => watch.wait(),
                Some(_) => {
                    std::thread::sleep(INTERVAL);
                    watch.pending()
                }
            };
            for signal in came {
                // Ctrl-C and Ctrl-\ come from the terminal, to the whole group.
                if matches!(signal, SIGINT | SIGQUIT) && has_terminal() {
                    continue;
                }
                if asks_to_stop(signal) {
                    deadline = deadline.or_else(|| Instant::now().checked_add(patience));
                }
                if let Some(signal) = Signal::from_named_raw(signal) {
                    send(signal);
                }
            }
        }
    }
}

/// Whether a signal asks a program to stop.
const fn asks_to_stop(signal: i32) -> bool {
    matches!(signal, SIGHUP | SIGINT | SIGQUIT | SIGTERM)
}

/// Whether we are in the foreground of a terminal: then what it sends reaches the program
/// by itself.
fn has_terminal() -> bool {
    rustix::termios::tcgetpgrp(rustix::stdio::stdin())
        .is_ok_and(|foreground| foreground == rustix::process::getpgrp())
}
