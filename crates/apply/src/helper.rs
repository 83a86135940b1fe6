//! The process that does what may hang in the kernel for ever: sysfs writes, reads that wait
//! for a device's lock, modprobe.
//!
//! It is this program, executed again, in a session of its own and with nothing but its two
//! pipes open: neither lock nor journal. Where an answer does not come in time it is left
//! behind, still waiting, and the next question gets a new one. One helper serves all
//! questions of a process.
//!
//! It dies with whoever asked, so that nothing is written after somebody else has begun to
//! recover; a write that is in the kernel already cannot be stopped, and so the lock's file
//! names the helper: who takes the lock next waits for it.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use passthru_formats::Errno;
use passthru_host::process;
use passthru_host::source::{Output, Source};
use passthru_model::Task;
use rustix::event::{PollFd, PollFlags, poll};
use serde::{Deserialize, Serialize};

use crate::files::Locked;
use crate::live::errno;
use crate::target::WriteError;

/// The argument that makes this program the helper. `main` looks for it before anything
/// else; it is nobody's interface.
pub const ARGUMENT: &str = "--as-passthru-helper";

/// Where a program finds itself, also when its file was replaced meanwhile.
const ITSELF: &str = "/proc/self/exe";

/// One question, a JSON line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Question {
    /// Write a text to an attribute, in one `write(2)`.
    Write {
        /// The attribute.
        path: String,
        /// The text.
        text: String,
    },
    /// Read an attribute.
    Read {
        /// The attribute.
        path: String,
    },
    /// Run a command.
    Run {
        /// Program and arguments.
        argv: Vec<String>,
    },
}

/// One answer, a JSON line.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Answer {
    /// 0, or the error of the call.
    errno: i32,
    /// What was read, or a command's standard output.
    #[serde(default)]
    text: String,
    /// A command's standard error.
    #[serde(default)]
    stderr: String,
    /// A command's exit code.
    #[serde(default)]
    code: Option<i32>,
}

/// Answers questions until nobody is there to ask any.
#[must_use]
pub fn serve() -> ExitCode {
    close_inherited();
    // Nobody may be surprised by a write of somebody who is dead.
    let parent = std::env::args().nth(2).and_then(|pid| pid.parse::<i32>().ok());
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    if rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get()) != parent {
        return ExitCode::FAILURE;
    }
    let _ = rustix::thread::set_name(c"passthru-helper");
    // Neither the terminal's Ctrl-C nor its hang-up may end a write that is under way.
    let _ = rustix::process::setsid();
    let mut asked = std::io::stdin().lock();
    let mut answers = std::io::stdout().lock();
    let mut line = String::new();
    loop {
        line.clear();
        match asked.read_line(&mut line) {
            Ok(0) | Err(_) => return ExitCode::SUCCESS,
            Ok(_) => {}
        }
        let answer = match serde_json::from_str(&line) {
            Ok(question) => answer(&question),
            Err(_) => Answer { errno: Errno::EINVAL.0, ..Answer::default() },
        };
        let mut text = serde_json::to_string(&answer).unwrap_or_default();
        text.push('\n');
        if answers.write_all(text.as_bytes()).and_then(|()| answers.flush()).is_err() {
            return ExitCode::FAILURE;
        }
    }
}

/// Closes what came along from whoever started passthru: a shell may have a group's node
/// open, and a helper that hangs would hold it for ever. What passthru itself opens does not
/// come along (`O_CLOEXEC`).
#[allow(unsafe_code, reason = "descriptors that nobody here owns have only their numbers")]
fn close_inherited() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<i32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    // The directory itself was among them and is closed by now; a debug build of rustix takes
    // closing it again for a bug and panics.
    let open = |number: &i32| Path::new("/proc/self/fd").join(number.to_string()).is_symlink();
    for number in numbers.into_iter().filter(|number| *number > 2 && open(number)) {
        // SAFETY: this process has just begun and has opened nothing but the directory above,
        // so that no value anywhere in it owns a descriptor above 2.
        unsafe { rustix::io::close(number) };
    }
}

fn answer(question: &Question) -> Answer {
    let failed = |error: Errno| Answer { errno: error.0, ..Answer::default() };
    match question {
        Question::Write { path, text } => match write(path, text) {
            Ok(()) => Answer::default(),
            Err(error) => failed(errno(&error)),
        },
        Question::Read { path } => match std::fs::read(path) {
            Ok(bytes) => Answer { text: String::from_utf8_lossy(&bytes).into_owned(), ..Answer::default() },
            Err(error) => failed(errno(&error)),
        },
        Question::Run { argv } => run(argv).unwrap_or_else(failed),
    }
}

/// One write: sysfs hands each to the attribute whole (`fs/sysfs/file.c`).
fn write(path: &str, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    loop {
        match file.write(text.as_bytes()) {
            Ok(n) if n == text.len() => return Ok(()),
            Ok(_) => return Err(std::io::Error::from_raw_os_error(Errno::EIO.0)),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn run(argv: &[String]) -> Result<Answer, Errno> {
    let [program, arguments @ ..] = argv else { return Err(Errno::EINVAL) };
    // sbin is not on everybody's path, sudo's secure_path aside.
    let mut last = Errno::ENOENT;
    for directory in ["", "/usr/sbin/", "/sbin/"] {
        let started = Command::new(format!("{directory}{program}"))
            .args(arguments)
            .stdin(Stdio::null())
            .env("LC_ALL", "C")
            .output();
        match started {
            Ok(out) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let (code, stderr) = (out.status.code(), text(&out.stderr));
                return Ok(Answer { errno: 0, text: text(&out.stdout), stderr, code });
            }
            Err(error) => last = errno(&error),
        }
        if last != Errno::ENOENT {
            break;
        }
    }
    Err(last)
}

/// A helper that is there.
#[derive(Debug)]
pub(crate) struct Helper {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Its start time, so that its id means this process and no later one.
    start: u64,
}

/// Why there is no answer.
enum NoAnswer {
    Failed(Errno),
    Late(Task),
}

impl Helper {
    /// Starts one.
    fn start(source: &dyn Source) -> Result<Self, Errno> {
        let mut child = Command::new(ITSELF)
            .arg0("passthru-helper")
            .args([ARGUMENT, &std::process::id().to_string()])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| errno(&error))?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Errno::EIO);
        };
        let start = process::start_time(source, child.id()).unwrap_or(0);
        Ok(Self { child, questions, answers: BufReader::new(answers), start })
    }

    /// Names itself in the lock's file. Where that fails the disk is full, and whoever comes
    /// next finds no more than a process that dies with us.
    fn note(&self, mut lock: &File) {
        let _ = lock.write_all(format!("{NOTE}{} {}\n", self.child.id(), self.start).as_bytes());
    }

    fn ask(&mut self, source: &dyn Source, question: &Question, limit: Duration) -> Result<Answer, NoAnswer> {
        let failed = |error: std::io::Error| NoAnswer::Failed(errno(&error));
        let mut line = serde_json::to_string(question).unwrap_or_default();
        line.push('\n');
        self.questions.write_all(line.as_bytes()).map_err(failed)?;
        if !self.wait(limit).map_err(NoAnswer::Failed)? {
            let pid = self.child.id();
            let waits_in = process::waits_in(source, pid);
            return Err(NoAnswer::Late(Task { pid, start: self.start, waits_in }));
        }
        line.clear();
        match self.answers.read_line(&mut line) {
            Ok(0) => Err(NoAnswer::Failed(Errno::EPIPE)),
            Ok(_) => serde_json::from_str(&line).map_err(|_| NoAnswer::Failed(Errno::EIO)),
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether an answer, or the helper's end, came in time.
    fn wait(&self, limit: Duration) -> Result<bool, Errno> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = rustix::event::Timespec::try_from(left).map_err(|_| Errno::EINVAL)?;
            let mut fds = [PollFd::new(self.answers.get_ref(), PollFlags::IN)];
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) => return Ok(false),
                Ok(_) => return Ok(true),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Errno(error.raw_os_error())),
            }
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // One that hangs cannot be waited for; one that does not ends by itself when its
        // pipes close, and whoever inherits it collects it.
        let _ = self.child.try_wait();
    }
}

/// The helper of this process, started when it is first needed.
#[derive(Debug, Default)]
pub(crate) struct Helpers {
    now: Option<Helper>,
    /// The lock's file, while it is held.
    lock: Weak<File>,
    /// What whoever had the lock before us and died has left behind.
    left: Option<Task>,
    /// The last path whose reading has not come back, and who waits in it.
    waits: Option<(String, Task)>,
}

/// How a line of the lock's file begins that names a helper.
const NOTE: &str = "helper ";

/// The helper that the lock's file names, if it is still there although whoever had the
/// lock is gone.
fn left_behind(source: &dyn Source, note: &str) -> Option<Task> {
    let line = note.lines().rev().find_map(|line| line.strip_prefix(NOTE))?;
    let (pid, start) = line.split_once(' ')?;
    let (pid, start) = (pid.parse().ok()?, start.trim().parse().ok()?);
    process::is_alive(source, pid, start).then(|| Task {
        pid,
        start,
        waits_in: process::waits_in(source, pid),
    })
}

impl Helpers {
    /// From now on the lock is held: its file says which helper works under it, and it may
    /// have said which one whoever died has left.
    pub(crate) fn under(&mut self, source: &dyn Source, lock: &Locked) {
        self.left = left_behind(source, &lock.found);
        self.lock = Rc::downgrade(&lock.file);
        if let Some(helper) = &self.now {
            helper.note(&lock.file);
        }
    }

    /// See [`Target::left_behind`](crate::target::Target::left_behind).
    pub(crate) fn left_behind(&self) -> Option<Task> {
        self.left.clone()
    }

    fn ask(&mut self, source: &dyn Source, question: &Question, limit: Duration) -> Result<Answer, NoAnswer> {
        let mut helper = match self.now.take() {
            Some(helper) => helper,
            None => {
                let helper = Helper::start(source).map_err(NoAnswer::Failed)?;
                if let Some(lock) = self.lock.upgrade() {
                    helper.note(&lock);
                }
                helper
            }
        };
        let answer = helper.ask(source, question, limit)?;
        self.now = Some(helper);
        match answer.errno {
            0 => Ok(answer),
            error => Err(NoAnswer::Failed(Errno(error))),
        }
    }

    pub(crate) fn write(
        &mut self,
        source: &dyn Source,
        path: &str,
        text: &str,
        limit: Duration,
    ) -> Result<(), WriteError> {
        let question = Question::Write { path: path.into(), text: text.into() };
        match self.ask(source, &question, limit) {
            Ok(_) => Ok(()),
            Err(NoAnswer::Failed(error)) => Err(WriteError::Failed(error)),
            Err(NoAnswer::Late(task)) => Err(WriteError::Stuck(task)),
        }
    }

    pub(crate) fn read(&mut self, source: &dyn Source, path: &str, limit: Duration) -> Result<String, Errno> {
        match self.ask(source, &Question::Read { path: path.into() }, limit) {
            Ok(answer) => Ok(answer.text),
            Err(NoAnswer::Failed(error)) => Err(error),
            Err(NoAnswer::Late(task)) => {
                self.waits = Some((path.to_owned(), task));
                Err(Errno::ETIMEDOUT)
            }
        }
    }

    pub(crate) fn waits(&self, path: &str) -> Option<Task> {
        self.waits.clone().filter(|(read, _)| read == path).map(|(_, task)| task)
    }

    pub(crate) fn run(
        &mut self,
        source: &dyn Source,
        argv: &[&str],
        limit: Duration,
    ) -> Result<Output, Errno> {
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        match self.ask(source, &Question::Run { argv }, limit) {
            Ok(Answer { code, text, stderr, .. }) => {
                Ok(Output { code, stdout: text.into_bytes(), stderr: stderr.into_bytes() })
            }
            Err(NoAnswer::Failed(error)) => Err(error),
            Err(NoAnswer::Late(_)) => Err(Errno::ETIMEDOUT),
        }
    }
}

#[cfg(test)]
mod tests {
    use passthru_host::source::Directory;

    use super::*;

    /// What a write comes to when this shell script is the helper, and whether it may be asked
    /// again.
    fn write_to(script: &str) -> (Result<(), WriteError>, bool) {
        let (stdin, stdout) = (Stdio::piped(), Stdio::piped());
        let mut child = Command::new("sh").args(["-c", script]).stdin(stdin).stdout(stdout).spawn().unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let helper = Helper { child, questions, answers: BufReader::new(answers), start: 0 };
        let mut helpers = Helpers { now: Some(helper), ..Helpers::default() };
        let source = Directory::live().unwrap();
        let done = helpers.write(&source, "/sys/bus/pci/drivers_probe", "x", Duration::from_secs(20));
        (done, helpers.now.is_some())
    }

    /// It died in the middle of the write: nobody knows what became of that.
    #[test]
    fn the_end_without_an_answer_is_no_success() {
        let failed = |error| (Err(WriteError::Failed(error)), false);
        assert_eq!(write_to("read q"), failed(Errno::EPIPE));
        assert_eq!(write_to("read q; kill -9 $$"), failed(Errno::EPIPE));
        assert_eq!(write_to(r#"read q; printf '{"errno":'"#), failed(Errno::EIO));
        assert_eq!(write_to("read q; echo"), failed(Errno::EIO));
        assert_eq!(write_to(r#"read q; echo '{"errno":0}'"#), (Ok(()), true));
    }
}
