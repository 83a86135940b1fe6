//! Running the program and looking at what it said.

#![allow(dead_code, reason = "each test program uses what it needs")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The program, in an environment of its own.
pub(crate) fn passthru() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_passthru"));
    command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").stdin(Stdio::null());
    command
}

/// A captured host of the repository.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hosts").join(name).join("host.capture");
    path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    /// The command, for messages.
    pub(crate) line: String,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: Option<i32>,
}

/// No command of these tests needs longer, also where the machine is busy. One that waits
/// for a FIFO or goes round a loop would need for ever.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Said {
    let line = format!("{command:?}");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{line}: {e}"));
    let mut stdout = child.stdout.take().expect("a pipe");
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let mut stderr = child.stderr.take().expect("a pipe");
    let errors = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stderr.read_to_end(&mut bytes).map(|_| bytes)
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            break status;
        }
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("{line}: not done after {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let text = |bytes: std::thread::Result<std::io::Result<Vec<u8>>>| {
        String::from_utf8_lossy(&bytes.expect("no panic").expect("a pipe can be read")).into_owned()
    };
    Said { line, out: text(reader.join()), err: text(errors.join()), code: status.code() }
}

/// The same from an output that was gathered otherwise.
impl From<(String, Output)> for Said {
    fn from((line, output): (String, Output)) -> Self {
        Self {
            line,
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code(),
        }
    }
}

impl Said {
    #[track_caller]
    pub(crate) fn fail(&self, why: &str) -> ! {
        panic!(
            "{why}\n{}\nexit code {:?}\nstdout:\n{}\nstderr:\n{}",
            self.line, self.code, self.out, self.err
        );
    }

    /// It ended with this code and not by a panic or a signal.
    #[track_caller]
    pub(crate) fn code(self, wanted: i32) -> Self {
        if self.err.contains("panicked") || self.err.contains("RUST_BACKTRACE") {
            self.fail("a panic");
        }
        if self.code != Some(wanted) {
            self.fail(&format!("exit code {wanted} was expected"));
        }
        self
    }

    /// One line begins with `error:` and says each of the words; further lines only give
    /// evidence (indented) and hints; no data on standard output.
    #[track_caller]
    pub(crate) fn one_error(self, words: &[&str]) -> Self {
        let errors: Vec<&str> = self.err.lines().filter(|line| line.starts_with("error: ")).collect();
        let [error] = errors.as_slice() else { self.fail("one line with `error:` was expected") };
        for word in words {
            if !error.contains(word) {
                self.fail(&format!("the error does not say {word:?}"));
            }
        }
        // The last two are clap's.
        let known = ["error: ", "hint: ", "  ", "warning: ", "For more information", "Usage: "];
        let other = |line: &&str| !line.is_empty() && !known.iter().any(|start| line.starts_with(start));
        if let Some(line) = self.err.lines().find(other) {
            self.fail(&format!("a line that is neither error nor evidence nor hint: {line:?}"));
        }
        if !self.out.is_empty() {
            self.fail("an error, and data on standard output");
        }
        self
    }
}
