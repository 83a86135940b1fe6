//! Starting a virtual machine, waiting for it, and handing signals on.
//!
//! The program runs as if it had been started directly: in our process group, with our
//! terminal, our standard streams and default signal handling. What the terminal sends
//! (Ctrl-C, Ctrl-\, a hang-up) reaches it by itself; what is sent to us alone is passed on.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::{Signals, SignalsInfo};

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
    /// Signals could not be caught, or the limit not be set.
    #[error("cannot prepare for the virtual machine: {0}")]
    Prepare(io::Error),
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
            .map_err(StartError::Prepare)?;
        Ok(Self { signals, asked: false })
    }

    /// Whether a signal came that asks us to stop.
    pub fn asked_to_stop(&mut self) -> bool {
        for signal in self.signals.pending() {
            self.asked |= matches!(signal, SIGHUP | SIGINT | SIGQUIT | SIGTERM);
        }
        self.asked
    }
}

/// Raises the limit of locked memory that children inherit to at least `bytes`. Where the
/// hard limit is higher already, only the soft one moves.
///
/// # Errors
/// Where the kernel refuses (raising the hard limit takes `CAP_SYS_RESOURCE`).
pub fn raise_locked_memory(bytes: u64) -> Result<(), StartError> {
    let limit = getrlimit(Resource::Memlock);
    let enough = |limit: Option<u64>| limit.is_none_or(|l| l >= bytes);
    if enough(limit.current) {
        return Ok(());
    }
    let maximum = if enough(limit.maximum) { limit.maximum } else { Some(bytes) };
    setrlimit(Resource::Memlock, Rlimit { current: Some(bytes), maximum })
        .map_err(|error| StartError::Prepare(error.into()))
}

/// A virtual machine under way.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

/// Starts a program.
///
/// # Errors
/// [`StartError::NotFound`] or [`StartError::NotExecutable`].
pub fn start(argv: &[String], environment: Option<(&str, &str)>) -> Result<Running, StartError> {
    let [program, arguments @ ..] = argv else {
        return Err(StartError::NotFound { program: String::new() });
    };
    let mut command = Command::new(program);
    command.args(arguments).envs(environment);
    match command.spawn() {
        Ok(child) => Ok(Running { child }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(StartError::NotFound { program: program.clone() })
        }
        Err(error) => Err(StartError::NotExecutable { program: program.clone(), error }),
    }
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended. A signal that was sent to us is passed on once; those
    /// that the terminal sends to the whole process group reach it twice at worst, which
    /// QEMU takes for one.
    ///
    /// # Errors
    /// Where it cannot be waited for.
    pub fn wait(mut self, watch: &mut Watch) -> io::Result<End> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(match (status.code(), status.signal()) {
                    (Some(code), _) => End::Code(u8::try_from(code).unwrap_or(u8::MAX)),
                    (None, signal) => End::Signal(signal.and_then(|s| u8::try_from(s).ok()).unwrap_or(0)),
                });
            }
            for signal in self.signals(watch) {
                // Ctrl-C and Ctrl-\ come from the terminal, to the whole group.
                let from_terminal = matches!(signal, SIGINT | SIGQUIT) && has_terminal();
                if let (Some(pid), Some(signal), false) = (pid, Signal::from_named_raw(signal), from_terminal)
                {
                    // It may have ended meanwhile; then the next look finds out.
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }

    /// Blocks until there is a signal; those other than "a child ended".
    fn signals(&self, watch: &mut Watch) -> Vec<i32> {
        let came: Vec<i32> = watch.signals.wait().collect();
        watch.asked |= came.iter().any(|s| matches!(*s, SIGHUP | SIGINT | SIGQUIT | SIGTERM));
        came.into_iter().filter(|s| *s != SIGCHLD).collect()
    }
}

/// Whether we are in the foreground of a terminal: then what it sends reaches the program
/// by itself.
fn has_terminal() -> bool {
    rustix::termios::tcgetpgrp(rustix::stdio::stdin())
        .is_ok_and(|foreground| foreground == rustix::process::getpgrp())
}
