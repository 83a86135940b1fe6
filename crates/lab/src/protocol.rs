//! What the agent in L1 and the outside say to each other: one JSON object per line,
//! over a virtio-serial port. Several commands can run at once; `id` tells them apart.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Name of the virtio-serial port, as it stands in `/sys/class/virtio-ports/*/name`.
pub const PORT_NAME: &str = "passthru.agent";

/// From outside to the agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// Start a program in L1, in its own process group.
    Run(Run),
    /// Send a signal to a running command.
    Signal {
        /// The id its [`Request::Run`] had.
        id: u64,
        /// Signal number.
        signal: i32,
        /// To its whole process group, or to the first process only.
        group: bool,
    },
    /// Ask for the [`State`] of L1.
    State {
        /// Echoed in the answer.
        id: u64,
    },
}

/// A program to start.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Run {
    /// Chosen by the asking side, unique while L1 is up.
    pub id: u64,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// What the program reads on its standard input; nothing means an empty input.
    #[serde(default)]
    pub stdin: Text,
    /// Added to the agent's environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// After this many milliseconds the process group is killed.
    pub timeout_ms: u64,
}

/// Which output a piece came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// From the agent to the outside.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// L1 is up and takes commands.
    Ready {
        /// The running kernel's release.
        release: String,
        /// Seconds since L1's kernel started.
        uptime: f64,
    },
    /// A command is running.
    Started {
        /// Of the command.
        id: u64,
        /// Its process in L1.
        pid: u32,
    },
    /// A command wrote something.
    Output {
        /// Of the command.
        id: u64,
        /// Where to.
        stream: Stream,
        /// What.
        data: Text,
    },
    /// A command is over, or is given up.
    Exit(Exit),
    /// The answer to [`Request::State`].
    State {
        /// Of the request.
        id: u64,
        /// The state.
        state: State,
    },
    /// A request could not be carried out at all (program not found, unknown id).
    Failed {
        /// Of the request.
        id: u64,
        /// Why.
        message: String,
    },
}

/// How a command ended.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Exit {
    /// Of the command.
    pub id: u64,
    /// Exit code, when it exited.
    pub code: Option<i32>,
    /// Signal number, when a signal ended it.
    pub signal: Option<i32>,
    /// The timeout was reached and the process group killed.
    pub timed_out: bool,
    /// Not even SIGKILL ended it: what it waits for in the kernel.
    pub stuck: Option<String>,
}

/// L1's state as far as a scenario must leave it as it was: a flat map from what to how.
pub type State = BTreeMap<String, String>;

/// Bytes in a JSON string, each as the character of the same number. Lossless, and plain
/// ASCII stays readable in a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Text(pub Vec<u8>);

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text(text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect())
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0.into_iter().map(char::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_byte_survives_the_wire() {
        let all = Text((0..=255).collect());
        let line = serde_json::to_string(&all).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Text>(&line).unwrap(), all);
    }
}
