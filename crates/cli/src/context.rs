//! The source that was asked for, the devices that were named, and where output goes.

use std::cell::RefCell;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::rc::Rc;
use std::time::Duration;

use passthru_apply::books::Patience;
use passthru_apply::live::Live;
use passthru_host::source::{Directory, Source};
use passthru_model::{Reason, Snapshot, SourceKind, Wants};
use passthru_pci::{Address, DeviceName};
use passthru_plan::select::{self, SelectError};

use crate::args::{Color, Global, Waiting};
use crate::exit::{Code, Failure};
use crate::terminal::{Printable, clean, say};

/// What every verb is given.
pub(crate) struct Context {
    pub(crate) global: Global,
    /// This machine, opened when it is first asked for.
    live: RefCell<Option<Rc<Live>>>,
}

impl Context {
    pub(crate) fn new(global: Global) -> Self {
        match global.color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        Self { global, live: RefCell::default() }
    }

    /// This machine, to be changed.
    pub(crate) fn live(&self) -> Result<Rc<Live>, Failure> {
        let mut kept = self.live.borrow_mut();
        if let Some(live) = &*kept {
            return Ok(Rc::clone(live));
        }
        let live =
            Live::new().map_err(|error| Failure::new(Code::Failed, format!("cannot open /: {error}")))?;
        Ok(Rc::clone(kept.insert(Rc::new(live))))
    }

    /// How long to wait for the lock and for the kernel; who waits is told for whom.
    pub(crate) fn patience<'a>(&self, waiting: &Waiting, told: &'a dyn Fn(&str)) -> Patience<'a> {
        Patience {
            lock: Duration::from_secs(waiting.lock_timeout.into()),
            write: waiting.write_timeout.map(|seconds| Duration::from_secs(seconds.into())),
            waiting: told,
        }
    }

    /// Tells who has to wait for whom.
    pub(crate) fn note_waiting(&self, holder: &str) {
        let holder = if holder.is_empty() { "another passthru" } else { holder };
        self.note(&format!("waiting for {holder}, which is changing this host"));
    }

    /// The source the options name.
    pub(crate) fn source(&self) -> Result<Box<dyn Source>, Failure> {
        if let Some(path) = &self.global.from {
            return crate::commands::capture::open(path);
        }
        let opened = match &self.global.root {
            Some(path) => Directory::at(path).map_err(|error| {
                Failure::new(Code::Usage, format!("--root {path}: cannot open it as a directory: {error}"))
            }),
            None => return Ok(Box::new(self.live()?)),
        }?;
        Ok(Box::new(opened))
    }

    /// Whether the options name something else than this machine.
    pub(crate) const fn is_copy(&self) -> bool {
        self.global.root.is_some() || self.global.from.is_some()
    }

    /// Reads the host.
    pub(crate) fn snapshot(&self, source: &dyn Source, wants: &Wants) -> Result<Snapshot, Failure> {
        passthru_host::snapshot(source, wants).map_err(|error| {
            let place = match (&self.global.root, &self.global.from) {
                (Some(path), _) => format!("--root {path} is no host: "),
                (_, Some(path)) => format!("--from {path} is no host: "),
                _ => String::new(),
            };
            let hint = match source.kind() {
                SourceKind::Live => "is this a container without /sys?",
                SourceKind::Directory => {
                    "the directory must be laid out like a root file system, with sys/bus/pci/devices in it"
                }
                SourceKind::Capture | SourceKind::Pasted => "",
            };
            let code = if source.kind() == SourceKind::Live { Code::Failed } else { Code::Usage };
            Failure::new(code, format!("{place}{error}")).hint(hint)
        })
    }

    /// A line to standard error that `--quiet` leaves out.
    pub(crate) fn note(&self, line: &str) {
        if !self.global.quiet {
            say(&clean(line));
        }
    }
}

/// The names as typed, understood.
pub(crate) fn parse_names(names: &[String]) -> Result<Vec<DeviceName>, Failure> {
    names
        .iter()
        .map(|name| {
            name.parse().map_err(|error: passthru_pci::ParseNameError| {
                Failure::new(Code::Usage, error.to_string())
                    .hint("`passthru list` shows the devices of this host")
            })
        })
        .collect()
}

/// How many devices one name may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Many {
    /// As many as it fits.
    Yes,
    /// One function, or the slot or group that was named as such.
    No,
    /// The same, and there is an option `--all-matching` to say otherwise.
    OnlyWithOption,
}

impl Many {
    /// What a verb with `--all-matching` takes.
    pub(crate) const fn option(all_matching: bool) -> Self {
        if all_matching { Self::Yes } else { Self::OnlyWithOption }
    }
}

/// The devices these names mean, in order, each once.
pub(crate) fn select(snapshot: &Snapshot, names: &[DeviceName], many: Many) -> Result<Vec<Address>, Failure> {
    let mut found = Vec::new();
    for name in names {
        let devices = match many {
            Many::Yes => select::all(snapshot, name),
            Many::No | Many::OnlyWithOption => select::exact(snapshot, name),
        };
        found.extend(devices.map_err(|error| {
            let hint = match &error {
                SelectError::None { .. } => "`passthru list` shows the devices of this host",
                SelectError::Ambiguous { .. } if many == Many::OnlyWithOption => {
                    "name one by its address, or give --all-matching"
                }
                SelectError::Ambiguous { .. } => "name one by its address",
                SelectError::NotPci { .. } => "",
                SelectError::NotSeen { .. } if snapshot.rights.root => "name the device by its address",
                SelectError::NotSeen { .. } => "run as root, or name the device by its address",
            };
            Failure::new(Code::Usage, error.to_string()).hint(hint)
        })?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Whether a name needs the usage to be understood.
pub(crate) fn needs_usage(names: &[DeviceName]) -> bool {
    names.iter().any(|name| matches!(name, DeviceName::Kernel(_)))
}

/// The reasons `--allow` names.
pub(crate) fn parse_reasons(names: &[String]) -> Result<Vec<Reason>, Failure> {
    names
        .iter()
        .map(|name| {
            Reason::ALL.into_iter().find(|r| r.name() == name).ok_or_else(|| {
                let all: Vec<_> = Reason::ALL.iter().map(|r| r.name()).collect();
                Failure::new(Code::Usage, format!("--allow {name}: no such reason"))
                    .hint(format!("the reasons are {}", all.join(", ")))
            })
        })
        .collect()
}

/// Standard output for data, buffered. A reader that went away is no failure.
pub(crate) struct Out {
    out: BufWriter<Printable<StdoutLock<'static>>>,
    /// Width of the terminal in columns; `None` where the output is none.
    pub(crate) width: Option<usize>,
    pub(crate) colour: bool,
}

impl Out {
    pub(crate) fn new() -> Self {
        let stdout = io::stdout();
        let width = if stdout.is_terminal() {
            rustix::termios::tcgetwinsize(&stdout).ok().map(|size| usize::from(size.ws_col))
        } else {
            // As ls and ps do: who pipes the output somewhere may say how wide that is.
            std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok())
        };
        let colour = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
        Self {
            out: BufWriter::with_capacity(64 << 10, Printable { inner: stdout.lock(), colour }),
            width: width.filter(|w| *w > 0),
            colour,
        }
    }

    /// Writes what `f` writes, and flushes.
    pub(crate) fn write(
        mut self,
        f: impl FnOnce(&mut dyn Write, Option<usize>, bool) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let done = f(&mut self.out, self.width, self.colour).and_then(|()| self.out.flush());
        match done {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::new(Code::Failed, format!("cannot write to standard output: {error}")))
            }
            _ => Ok(()),
        }
    }
}
