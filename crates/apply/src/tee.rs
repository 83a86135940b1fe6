//! What a virtual machine's program writes to its error output, passed on as it comes, and
//! its end kept, so that a failed run can say the reason.
//!
//! A process of its own does that, this program executed again, in a session of its own: it
//! outlives a `run` that is killed and the terminal's Ctrl-C, and ends when nobody has the
//! pipe open any more. So the machine's program never meets a pipe without a reader. What it
//! keeps lies in a file without a name that both have open.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;

/// The argument that makes this program the one that passes on; nobody's interface.
pub const ARGUMENT: &str = "--as-passthru-tee";

/// How much of the end is kept, in bytes.
pub const KEPT: usize = 64 << 10;

/// How long the rest may take to come through once the machine has ended. Where a child of
/// the machine's holds the pipe, there is no end to wait for.
const PATIENCE: Duration = Duration::from_secs(3);

/// The process that passes on.
#[derive(Debug)]
pub struct Tee {
    child: Child,
    kept: OwnedFd,
}

impl Tee {
    /// Starts it; the descriptor is what the machine's program gets for its error output.
    ///
    /// # Errors
    /// Where the pipe, the file or the process cannot be had.
    pub fn start() -> io::Result<(Self, OwnedFd)> {
        Self::start_with(Path::new("/proc/self/exe"))
    }

    /// The same with another file as this program: a test is not the program.
    ///
    /// # Errors
    /// As [`Tee::start`].
    pub fn start_with(itself: &Path) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = io::pipe()?;
        let kept = rustix::fs::memfd_create("passthru-tee", MemfdFlags::CLOEXEC)?;
        let child = Command::new(itself)
            .arg(ARGUMENT)
            .stdin(Stdio::from(ours))
            .stdout(Stdio::from(kept.try_clone()?))
            .spawn()?;
        Ok((Self { child, kept }, theirs.into()))
    }

    /// The end of what was written, once the machine has ended.
    #[must_use]
    pub fn tail(mut self) -> String {
        let start = Instant::now();
        while start.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut bytes = vec![0; 2 * KEPT];
        let mut filled = 0;
        while let Ok(n @ 1..) = rustix::io::pread(&self.kept, &mut bytes[filled..], filled as u64) {
            filled += n;
        }
        let from = filled.saturating_sub(KEPT);
        String::from_utf8_lossy(&bytes[from..filled]).into_owned()
    }
}

/// Is the process that passes on: from standard input to the error output, until the end.
#[must_use]
pub fn serve() -> ExitCode {
    // Not the terminal's to interrupt: it ends with the machine's program, not before.
    let _ = rustix::process::setsid();
    let (stdin, stdout, mut stderr) = (io::stdin(), io::stdout(), io::stderr());
    let mut buffer = [0; 8192];
    let mut tail: Vec<u8> = Vec::with_capacity(2 * KEPT);
    let mut written = 0;
    loop {
        let n = match rustix::io::read(&stdin, &mut buffer) {
            Ok(0) => return ExitCode::SUCCESS,
            Ok(n) => n,
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return ExitCode::FAILURE,
        };
        // A terminal that went away is no reason to stop: the writer must not notice.
        let _ = stderr.write_all(&buffer[..n]);
        tail.extend_from_slice(&buffer[..n]);
        if tail.len() > 2 * KEPT - buffer.len() {
            tail.drain(..tail.len() - KEPT);
            let _ = rustix::fs::ftruncate(stdout.as_fd(), 0);
            written = 0;
        }
        while let Ok(n @ 1..) = rustix::io::pwrite(&stdout, &tail[written..], written as u64) {
            written += n;
        }
    }
}
