//! The gate through which a virtual machine is started: this program, executed again, which
//! makes everything ready, waits to be told "go", and becomes the machine's program by
//! `execve`, keeping its process id and start time.
//!
//! So the leases can name the machine before it exists. Where passthru is killed first, the
//! launcher's socket closes and it ends without having started anything.
//!
//! Its standard output and error are the machine's (the latter by way of [`crate::tee`] where that is asked for). Its standard input is the socket; the
//! machine's comes through it, together with what to start. It has one thread, which is why
//! changing the rights of the thread is changing those of the process.

use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use passthru_formats::Errno;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, Gid, Uid, clear_ambient_capability_set, set_capabilities,
    set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use serde::{Deserialize, Serialize};

use crate::vm::{Running, StartError};

/// The argument that makes this program the launcher; nobody's interface.
pub const ARGUMENT: &str = "--as-passthru-launcher";

/// The highest limit of locked memory (`RLIM_INFINITY`).
pub const UNLIMITED: u64 = u64::MAX;

/// What is started, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables of the environment that are set, or with `None` removed.
    pub environment: Vec<(String, Option<String>)>,
    /// The least limit of locked memory, in bytes; [`UNLIMITED`] for none at all. A higher
    /// one stays.
    pub locked_memory: Option<u64>,
    /// Whose rights it gets; `None` leaves it ours.
    pub rights: Option<Rights>,
}

/// The rights of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// User id.
    pub uid: u32,
    /// First group.
    pub gid: u32,
    /// All groups.
    pub groups: Vec<u32>,
}

/// What the launcher answers: once when everything is ready, once more where the program
/// cannot be executed.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    /// What failed; `None` where everything is ready.
    what: Option<String>,
    /// The error of the call.
    errno: i32,
}

/// A launcher that waits to be told to go. Dropping it ends it.
#[derive(Debug)]
pub struct Waiting {
    child: Child,
    socket: BufReader<UnixStream>,
    program: String,
}

/// Starts a launcher and waits until everything is ready.
///
/// Its error output is ours, or `error_output`. It and the program have the descriptors of
/// `given`, by the same numbers.
///
/// # Errors
/// [`StartError::Prepare`] where the rights or limits cannot be had.
pub fn start(order: &Order, error_output: Option<OwnedFd>, given: &[OwnedFd]) -> Result<Waiting, StartError> {
    start_with(Path::new("/proc/self/exe"), order, error_output, given)
}

/// The same with another file as this program: a test is not the program.
///
/// # Errors
/// As [`start`].
pub fn start_with(
    itself: &Path,
    order: &Order,
    error_output: Option<OwnedFd>,
    given: &[OwnedFd],
) -> Result<Waiting, StartError> {
    let program = order.argv.first().cloned().unwrap_or_default();
    let failed = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| StartError::Prepare { what, error }
    };
    let (ours, theirs) = UnixStream::pair().map_err(failed("a socket"))?;
    // Nothing else is started between the two: this is the only thread that starts anything.
    inherit(given, true).map_err(failed("passing descriptors on"))?;
    let child = Command::new(itself)
        .arg0("passthru")
        .arg(ARGUMENT)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stderr(error_output.map_or_else(Stdio::inherit, Stdio::from))
        .spawn();
    inherit(given, false).map_err(failed("passing descriptors on"))?;
    let child = child.map_err(failed("starting this program again"))?;
    let mut waiting = Waiting { child, socket: BufReader::new(ours), program };
    let mut line = serde_json::to_string(order).unwrap_or_default();
    line.push('\n');
    let answer = match waiting.send(&line) {
        Ok(()) => waiting.answer().map_err(failed("the launcher's answer")),
        Err(error) => Err(failed("telling the launcher what to start")(error)),
    };
    let error = match answer {
        Ok(Some(Answer { what: None, .. })) => return Ok(waiting),
        Ok(Some(Answer { what: Some(what), errno })) => failed(&what)(io::Error::from_raw_os_error(errno)),
        // A signal of the terminal's, perhaps.
        Ok(None) => StartError::Ended,
        Err(error) => error,
    };
    // As long as it is there it has what it was given open.
    waiting.give_up();
    Err(error)
}

/// Whether programs that are started have these descriptors too.
fn inherit(given: &[OwnedFd], inherited: bool) -> io::Result<()> {
    let flags = if inherited { FdFlags::empty() } else { FdFlags::CLOEXEC };
    given.iter().try_for_each(|descriptor| Ok(fcntl_setfd(descriptor, flags)?))
}

impl Waiting {
    /// Its process id, which will be the program's.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Lets it become the program.
    ///
    /// # Errors
    /// [`StartError::NotFound`] or [`StartError::NotExecutable`].
    pub fn go(mut self) -> Result<Running, StartError> {
        // One that ended meanwhile is met by whoever waits for it.
        let _ = self.socket.get_mut().write_all(b"go\n");
        let answer = self.answer().unwrap_or(None);
        let (child, program) = self.taken_apart();
        let Some(Answer { errno, .. }) = answer else { return Ok(Running::new(child)) };
        let mut child = child;
        // It ends right after its answer.
        let _ = child.wait();
        let error = io::Error::from_raw_os_error(errno);
        if error.kind() == io::ErrorKind::NotFound {
            Err(StartError::NotFound { program })
        } else {
            Err(StartError::NotExecutable { program, error })
        }
    }

    /// Ends it without having started anything.
    pub fn give_up(self) {
        let (mut child, _) = self.taken_apart();
        let _ = child.wait();
    }

    /// The process, with the socket closed.
    fn taken_apart(self) -> (Child, String) {
        (self.child, self.program)
    }

    /// What to start, with our standard input.
    fn send(&mut self, line: &str) -> io::Result<()> {
        let stdin = rustix::stdio::stdin();
        let stdin = [stdin];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&stdin)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let socket = self.socket.get_mut();
        // The descriptor travels with the first byte.
        sendmsg(socket.as_fd(), &[IoSlice::new(b"\n")], &mut control, SendFlags::NOSIGNAL)?;
        socket.write_all(line.as_bytes())
    }

    /// The next answer; `None` where it has ended, or become the program.
    fn answer(&mut self) -> io::Result<Option<Answer>> {
        let mut line = String::new();
        if self.socket.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line)?))
    }
}

/// Is the launcher: makes ready what it is told, and becomes the program when it is told to
/// go.
#[must_use]
pub fn serve() -> ExitCode {
    // Where it fails, whoever asked reads the end of the socket, or the answer.
    let _ = launch();
    ExitCode::from(127)
}

fn launch() -> io::Result<()> {
    // A descriptor of its own, closed by execve.
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let stdin = received(&socket)?;
    rustix::stdio::dup2_stdin(&stdin)?;
    drop(stdin);
    let mut lines = BufReader::new(socket.try_clone()?);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    let order: Order = serde_json::from_str(&line)?;
    if let Err((what, error)) = prepare(&order) {
        return answer(&mut socket, Some(what), &error);
    }
    answer(&mut socket, None, &io::Error::from_raw_os_error(0))?;
    line.clear();
    lines.read_line(&mut line)?;
    if line != "go\n" {
        return Ok(());
    }
    let mut words = order.argv.iter();
    let mut command = Command::new(words.next().map_or("", String::as_str));
    command.args(words);
    for (name, value) in &order.environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let error = command.exec();
    answer(&mut socket, Some("execve"), &error)
}

fn answer(socket: &mut UnixStream, what: Option<&str>, error: &io::Error) -> io::Result<()> {
    // Errors that the library makes up have no number; EINVAL is what they stand for here: a
    // zero byte in the program's name.
    let errno = error.raw_os_error().unwrap_or(Errno::EINVAL.0);
    let mut text = serde_json::to_string(&Answer { what: what.map(str::to_owned), errno })?;
    text.push('\n');
    socket.write_all(text.as_bytes())
}

/// The descriptor that comes with the first byte.
fn received(socket: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut all = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    all.next().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Limits first, while there is the right to raise them; then the rights.
fn prepare(order: &Order) -> Result<(), (&'static str, io::Error)> {
    let failed = |what: &'static str| move |error: rustix::io::Errno| (what, io::Error::from(error));
    if let Some(bytes) = order.locked_memory {
        raise_locked_memory(bytes).map_err(failed("raising the limit of locked memory"))?;
    }
    let Some(Rights { uid, gid, groups }) = &order.rights else { return Ok(()) };
    let groups: Vec<Gid> = groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    let (uid, gid) = (Uid::from_raw(*uid), Gid::from_raw(*gid));
    set_thread_groups(&groups).map_err(failed("taking the user's groups"))?;
    set_thread_res_gid(gid, gid, gid).map_err(failed("taking the user's group"))?;
    set_thread_res_uid(uid, uid, uid).map_err(failed("becoming the user"))?;
    // They go with the user id unless somebody set the securebits (capabilities(7)).
    let empty = CapabilitySet::empty();
    let none = CapabilitySets { effective: empty, permitted: empty, inheritable: empty };
    set_capabilities(None, none).map_err(failed("giving up capabilities"))?;
    clear_ambient_capability_set().map_err(failed("giving up ambient capabilities"))?;
    set_no_new_privs(true).map_err(failed("giving up gaining rights (no_new_privs)"))?;
    let root = Uid::ROOT;
    if !uid.is_root() && set_thread_res_uid(root, root, root).is_ok() {
        return Err(("giving up root", io::Error::from_raw_os_error(Errno::EPERM.0)));
    }
    Ok(())
}

/// Raises the limit of locked memory to at least `bytes`. Where the hard limit is higher
/// already, only the soft one moves. Raising the hard limit takes `CAP_SYS_RESOURCE`.
fn raise_locked_memory(bytes: u64) -> rustix::io::Result<()> {
    let limit = getrlimit(Resource::Memlock);
    let enough = |limit: Option<u64>| limit.is_none_or(|l| l >= bytes);
    if enough(limit.current) {
        return Ok(());
    }
    let wanted = (bytes != UNLIMITED).then_some(bytes);
    let maximum = if enough(limit.maximum) { limit.maximum } else { wanted };
    setrlimit(Resource::Memlock, Rlimit { current: wanted, maximum })
}

/// The hard limit of locked memory of this process, in bytes; [`UNLIMITED`] for none.
#[must_use]
pub fn locked_memory_limit() -> u64 {
    getrlimit(Resource::Memlock).maximum.unwrap_or(UNLIMITED)
}
