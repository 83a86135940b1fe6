//! The outside end of the agent: starts commands in L1, gathers their output, waits for
//! their end, sends them signals. Several can run at once.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::protocol::{Event, Exit, Request, Run, State, Stream, Text};

/// How long anything may take that is expected to happen: a command to end that does not say
/// otherwise, a word to be written, a condition to hold. Nothing takes a fifth of it on two
/// processors that emulate two hosts; a machine that is slower, or busy, is no failure.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// How much later than the agent's own limit the outside gives up: then L1 itself hangs.
const SLACK: Duration = Duration::from_secs(60);

type Waiting = Arc<Mutex<HashMap<u64, Sender<Event>>>>;

/// A connection to the agent in one L1.
#[derive(Debug)]
pub struct Agent {
    writer: Mutex<UnixStream>,
    waiting: Waiting,
    next: Mutex<u64>,
}

/// What the agent said when it came up.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The running kernel's release.
    pub release: String,
    /// Seconds since L1's kernel started.
    pub uptime: f64,
}

impl Agent {
    /// Waits until the agent says it is ready.
    ///
    /// # Errors
    /// When it does not within the limit, or QEMU ends before.
    pub fn connect(stream: UnixStream, limit: Duration) -> Result<(Agent, Ready)> {
        let writer = stream.try_clone()?;
        stream.set_read_timeout(Some(limit))?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        let length = reader.read_line(&mut line).context("L1 did not come up in time")?;
        if length == 0 {
            bail!("L1 ended before its agent came up");
        }
        let Event::Ready { release, uptime } = serde_json::from_str(&line)? else {
            bail!("the agent began with {line:?}");
        };
        reader.get_ref().set_read_timeout(None)?;
        let waiting = Waiting::default();
        let shared = Arc::clone(&waiting);
        std::thread::spawn(move || dispatch(reader, &shared));
        let agent = Agent { writer: Mutex::new(writer), waiting, next: Mutex::new(1) };
        Ok((agent, Ready { release, uptime }))
    }

    fn register(&self) -> (u64, Receiver<Event>) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next += 1;
        let (sender, receiver) = mpsc::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(*next, sender);
        (*next, receiver)
    }

    fn send(&self, request: &Request) -> Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(&line).context("L1 is gone")
    }

    /// Starts a command; [`Job`] is the handle to it.
    ///
    /// # Errors
    /// When L1 is gone.
    pub fn start(&self, run: Run) -> Result<Job<'_>> {
        let (id, events) = self.register();
        let run = Run { id, ..run };
        let limit = Duration::from_millis(run.timeout_ms);
        let output = Output { argv: run.argv.clone(), ..Output::default() };
        self.send(&Request::Run(run))?;
        Ok(Job { agent: self, id, events, pid: None, limit, started: Instant::now(), output })
    }

    /// Reads L1's state.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub fn state(&self) -> Result<State> {
        let (id, events) = self.register();
        self.send(&Request::State { id })?;
        match events.recv_timeout(SLACK) {
            Ok(Event::State { state, .. }) => Ok(state),
            other => bail!("L1 does not answer (state): {other:?}"),
        }
    }
}

/// Hands each event to whoever waits for its id; dropping all senders at the end tells
/// everybody that L1 is gone.
fn dispatch(reader: BufReader<UnixStream>, waiting: &Waiting) {
    for line in reader.lines() {
        let Ok(line) = line else { break };
        let event: Event = match serde_json::from_str(&line) {
            Ok(event) => event,
            Err(error) => {
                eprintln!("lab: the agent said {line:?}: {error}");
                continue;
            }
        };
        let (id, last) = match &event {
            Event::Ready { .. } => continue,
            Event::Started { id, .. } | Event::Output { id, .. } => (*id, false),
            Event::Exit(exit) => (exit.id, true),
            Event::State { id, .. } | Event::Failed { id, .. } => (*id, true),
        };
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = waiting.get(&id) {
            let _ = sender.send(event);
        }
        if last {
            waiting.remove(&id);
        }
    }
    waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// What a command in L1 did.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// What was started.
    pub argv: Vec<String>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// Both, in the order in which they arrived.
    pub transcript: Vec<u8>,
    /// How it ended.
    pub exit: Exit,
    /// How long it took, seen from outside.
    pub duration: Duration,
}

impl Output {
    /// Standard output as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// The exit code; none when a signal or the limit ended it.
    pub fn code(&self) -> Option<i32> {
        if self.exit.timed_out { None } else { self.exit.code }
    }

    /// This output, if the exit code is that one.
    ///
    /// # Errors
    /// Otherwise, showing everything.
    pub fn expect_code(self, code: i32) -> Result<Output> {
        if self.code() == Some(code) {
            return Ok(self);
        }
        bail!("expected exit code {code}:\n{self}");
    }

    /// This output, if the command succeeded.
    ///
    /// # Errors
    /// Otherwise, showing everything.
    pub fn ok(self) -> Result<Output> {
        self.expect_code(0)
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  command: {}", self.argv.join(" "))?;
        let Exit { code, signal, timed_out, stuck, .. } = &self.exit;
        match (code, signal) {
            _ if *timed_out => writeln!(f, "  killed at its limit after {:?}", self.duration)?,
            (Some(code), _) => writeln!(f, "  exit code: {code}")?,
            (None, Some(signal)) => writeln!(f, "  ended by signal {signal}")?,
            (None, None) => writeln!(f, "  no exit status")?,
        }
        if let Some(stuck) = stuck {
            writeln!(f, "  stuck in the kernel: {stuck}")?;
        }
        for (name, text) in [("stdout", self.out()), ("stderr", self.err())] {
            if text.is_empty() {
                writeln!(f, "  {name}: (nothing)")?;
            } else {
                writeln!(f, "  {name}:")?;
                for line in text.lines() {
                    writeln!(f, "  | {line}")?;
                }
            }
        }
        Ok(())
    }
}

/// A command running in L1. Dropping it leaves it running until its limit.
#[derive(Debug)]
pub struct Job<'a> {
    agent: &'a Agent,
    id: u64,
    events: Receiver<Event>,
    pid: Option<u32>,
    limit: Duration,
    started: Instant,
    output: Output,
}

impl Job<'_> {
    /// Waits for the end and returns everything it wrote.
    ///
    /// # Errors
    /// When the program could not be started, or L1 is gone or hangs.
    pub fn wait(mut self) -> Result<Output> {
        while !self.step(self.limit + SLACK)? {}
        Ok(self.output)
    }

    /// Waits until its standard output or error contains that text.
    ///
    /// # Errors
    /// When it ends before, or does not write it within [`PATIENCE`].
    pub fn wait_for(&mut self, text: &str) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            if self.output.out().contains(text) || self.output.err().contains(text) {
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("did not write {text:?} within {PATIENCE:?}:\n{}", self.output);
            }
            if self.step(left)? {
                bail!("ended without writing {text:?}:\n{}", self.output);
            }
        }
    }

    /// Its process in L1.
    ///
    /// # Errors
    /// When it could not be started.
    pub fn pid(&mut self) -> Result<u32> {
        while self.pid.is_none() {
            self.step(SLACK)?;
        }
        self.pid.context("the command ended before it started")
    }

    /// Sends a signal to the process alone, or to its group.
    ///
    /// # Errors
    /// When L1 is gone.
    pub fn signal(&self, signal: i32, group: bool) -> Result<()> {
        self.agent.send(&Request::Signal { id: self.id, signal, group })
    }

    /// Takes one event; true when the command is over.
    fn step(&mut self, limit: Duration) -> Result<bool> {
        let event = match self.events.recv_timeout(limit) {
            Ok(event) => event,
            Err(RecvTimeoutError::Disconnected) => bail!("L1 is gone during:\n{}", self.output),
            Err(RecvTimeoutError::Timeout) => {
                self.output.duration = self.started.elapsed();
                bail!("nothing from L1 for {limit:?} during:\n{}", self.output)
            }
        };
        match event {
            Event::Started { pid, .. } => self.pid = Some(pid),
            Event::Output { stream, data: Text(data), .. } => {
                self.output.transcript.extend_from_slice(&data);
                match stream {
                    Stream::Stdout => self.output.stdout.extend(data),
                    Stream::Stderr => self.output.stderr.extend(data),
                }
            }
            Event::Exit(exit) => {
                self.output.exit = exit;
                self.output.duration = self.started.elapsed();
                return Ok(true);
            }
            Event::Failed { message, .. } => bail!("L1 cannot do it: {message}"),
            Event::Ready { .. } | Event::State { .. } => {}
        }
        Ok(false)
    }
}

/// A command to run in L1, being put together.
#[derive(Debug, Clone)]
pub struct Cmd<'a> {
    agent: &'a Agent,
    run: Run,
}

impl<'a> Cmd<'a> {
    pub(crate) fn new(agent: &'a Agent, argv: Vec<String>, env: BTreeMap<String, String>) -> Self {
        let timeout_ms = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
        Cmd { agent, run: Run { argv, env, timeout_ms, ..Run::default() } }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.run.argv.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.run.argv.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.run.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Gives it something to read.
    #[must_use]
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.run.stdin = Text(input.into());
        self
    }

    /// Sets its time limit.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.run.timeout_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Starts it and goes on.
    ///
    /// # Errors
    /// When L1 is gone.
    pub fn start(self) -> Result<Job<'a>> {
        self.agent.start(self.run)
    }

    /// Runs it to its end, whatever its exit code.
    ///
    /// # Errors
    /// When it could not be started, or L1 is gone.
    pub fn run(self) -> Result<Output> {
        self.start()?.wait()
    }

    /// Runs it to its end and takes any exit code but 0 for an error.
    ///
    /// # Errors
    /// As [`Cmd::run`], and when it fails.
    pub fn ok(self) -> Result<Output> {
        self.run()?.ok()
    }
}
