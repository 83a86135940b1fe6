//! QEMU's monitor protocol, as far as the lab needs it: send a command, read its answer,
//! wait for an event. QEMU connects to a socket the lab listens on, so the monitor is there
//! from the first instruction.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// A monitor connection.
#[derive(Debug)]
pub struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    events: VecDeque<Value>,
}

/// How long any answer of the monitor may take.
const ANSWER: Duration = Duration::from_secs(120);

impl Qmp {
    /// Takes the greeting and leaves negotiation mode.
    ///
    /// # Errors
    /// When QEMU does not speak in time.
    pub fn new(stream: UnixStream) -> Result<Qmp> {
        stream.set_read_timeout(Some(ANSWER))?;
        let reader = BufReader::new(stream.try_clone()?);
        let mut qmp = Qmp { reader, writer: stream, events: VecDeque::new() };
        qmp.read().context("no greeting from QEMU's monitor")?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Executes a command and returns what it returned.
    ///
    /// # Errors
    /// When QEMU refuses it, with QEMU's words, or has gone.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let line = json!({ "execute": command, "arguments": arguments });
        writeln!(self.writer, "{line}").with_context(|| format!("cannot send {command}"))?;
        self.writer.set_read_timeout(Some(ANSWER))?;
        loop {
            let answer = self.read().with_context(|| format!("no answer to {command}"))?;
            if answer.get("event").is_some() {
                self.events.push_back(answer);
            } else if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {command}: {error}");
            } else {
                return Ok(answer["return"].clone());
            }
        }
    }

    /// Waits for an event of that name and returns its data.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn wait_event(&mut self, name: &str, limit: Duration) -> Result<Value> {
        self.wait_event_with(name, |_| true, limit)
    }

    /// The same for an event with that data; others of the name are left for later.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn wait_event_with(
        &mut self,
        name: &str,
        wanted: impl Fn(&Value) -> bool,
        limit: Duration,
    ) -> Result<Value> {
        let until = Instant::now() + limit;
        let fits = |event: &Value| event["event"] == name && wanted(&event["data"]);
        loop {
            if let Some(at) = self.events.iter().position(fits) {
                return Ok(self.events.remove(at).unwrap_or_default()["data"].clone());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("no event {name} within {limit:?}");
            }
            self.writer.set_read_timeout(Some(left))?;
            let event = self.read().with_context(|| format!("waiting for event {name}"))?;
            self.events.push_back(event);
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            bail!("QEMU has closed its monitor");
        }
        serde_json::from_str(&line).with_context(|| format!("QEMU said {line:?}"))
    }
}
