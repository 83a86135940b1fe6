//! The agent in L1: reads requests from the virtio-serial port, starts commands, reports
//! their output as it comes and how they end. One thread per command; a hung command never
//! holds up another.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::state;
use crate::protocol::{Event, Exit, PORT_NAME, Request, Run, Stream, Text};

/// How long a killed command may take to vanish before it counts as stuck in the kernel.
const KILL_GRACE: Duration = Duration::from_secs(15);
/// After the command itself has ended, its output counts as complete when its pipe has been
/// empty for this long: a background child that keeps it open must not hold up the answer...
const OUTPUT_GRACE: Timespec = Timespec { tv_sec: 0, tv_nsec: 400_000_000 };
/// ...nor one that never stops writing.
const OUTPUT_LIMIT: Duration = Duration::from_secs(60);

/// The writing half of the port, and the commands that are running.
struct Agent {
    port: Mutex<File>,
    running: Mutex<HashMap<u64, u32>>,
}

impl Agent {
    fn send(&self, event: &Event) {
        let Ok(mut line) = serde_json::to_vec(event) else { return };
        line.push(b'\n');
        let mut port = self.port.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to tell when the outside has gone.
        let _ = port.write_all(&line);
    }

    fn pid(&self, id: u64) -> Option<u32> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied()
    }
}

/// Serves until the port breaks, which it does only when the machine ends.
///
/// # Errors
/// When the port is not there or cannot be used.
pub fn serve() -> Result<()> {
    let path = find_port()?;
    let port = File::options().read(true).write(true).open(&path).context("cannot open the port")?;
    let requests = BufReader::new(port.try_clone()?);
    let agent = Arc::new(Agent { port: Mutex::new(port), running: Mutex::default() });
    agent.send(&Event::Ready {
        release: rustix::system::uname().release().to_string_lossy().into_owned(),
        uptime: uptime(),
    });
    for line in requests.lines() {
        let request: Request = serde_json::from_str(&line?).context("not a request")?;
        let agent = Arc::clone(&agent);
        std::thread::spawn(move || answer(&agent, request));
    }
    Ok(())
}

fn find_port() -> Result<PathBuf> {
    let until = Instant::now() + Duration::from_secs(120);
    while Instant::now() < until {
        for entry in fs::read_dir("/sys/class/virtio-ports").into_iter().flatten().flatten() {
            let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
            if name.trim() == PORT_NAME {
                return Ok(PathBuf::from("/dev").join(entry.file_name()));
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("no virtio-serial port is named {PORT_NAME}")
}

fn uptime() -> f64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split(' ').next().and_then(|t| t.parse().ok()).unwrap_or(0.0)
}

fn answer(agent: &Arc<Agent>, request: Request) {
    match request {
        Request::Run(run) => {
            let id = run.id;
            if let Err(error) = execute(agent, run) {
                agent.send(&Event::Failed { id, message: format!("{error:#}") });
            }
        }
        Request::Signal { id, signal, group } => {
            if let Err(error) = send_signal(agent, id, signal, group) {
                eprintln!("agent: signal {signal} to command {id}: {error:#}");
            }
        }
        Request::State { id } => agent.send(&Event::State { id, state: state::read() }),
    }
}

fn send_signal(agent: &Agent, id: u64, signal: i32, group: bool) -> Result<()> {
    let pid = agent.pid(id).context("no such command")?;
    let pid = Pid::from_raw(i32::try_from(pid)?).context("no such process")?;
    let signal = Signal::from_named_raw(signal).context("no such signal")?;
    if group {
        kill_process_group(pid, signal)?;
    } else {
        kill_process(pid, signal)?;
    }
    Ok(())
}

fn execute(agent: &Arc<Agent>, run: Run) -> Result<()> {
    let (program, arguments) = run.argv.split_first().context("no program given")?;
    let mut child = Command::new(program)
        .args(arguments)
        .envs(&run.env)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let (id, pid) = (run.id, child.id());
    agent.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id, pid);
    agent.send(&Event::Started { id, pid });

    let input = child.stdin.take();
    std::thread::spawn(move || input.map(|mut pipe| pipe.write_all(&run.stdin.0)));
    let (done, drained) = mpsc::channel();
    let stdout = child.stdout.take().context("no pipe")?;
    let stderr = child.stderr.take().context("no pipe")?;
    // Closed when the command has ended.
    let (ended, running) = std::io::pipe()?;
    forward(agent, id, Stream::Stdout, stdout, ended.try_clone()?, done.clone());
    forward(agent, id, Stream::Stderr, stderr, ended, done);

    let mut exit = supervise(child, Duration::from_millis(run.timeout_ms));
    exit.id = id;
    drop(running);
    // It is over when both have let go of their ends.
    let _ = drained.recv_timeout(OUTPUT_LIMIT);
    agent.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    agent.send(&Event::Exit(exit));
    Ok(())
}

/// Passes on what comes through a pipe until its end or, once `ended` is closed, until it has
/// been empty for a while. What the command itself wrote is in the pipe before it ends, so that
/// nothing of it is lost however late this thread gets to run. `done` is let go of then.
fn forward(
    agent: &Arc<Agent>,
    id: u64,
    stream: Stream,
    mut pipe: impl Read + AsFd + Send + 'static,
    ended: PipeReader,
    done: Sender<()>,
) {
    let agent = Arc::clone(agent);
    std::thread::spawn(move || {
        let _done = done;
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(true) = more(&pipe, &ended)
            && let Ok(length @ 1..) = pipe.read(&mut buffer)
        {
            agent.send(&Event::Output { id, stream, data: Text(buffer[..length].to_vec()) });
        }
    });
}

/// Waits until there is something to read from the pipe, or its end; false when there will be
/// nothing more.
fn more(pipe: &impl AsFd, ended: &PipeReader) -> rustix::io::Result<bool> {
    let both = &mut [PollFd::new(pipe, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
    retry_on_intr(|| poll(both, None))?;
    if !both[0].revents().is_empty() {
        return Ok(true);
    }
    let one = &mut [PollFd::new(pipe, PollFlags::IN)];
    Ok(retry_on_intr(|| poll(one, Some(&OUTPUT_GRACE)))? > 0)
}

/// Waits for the end, kills at the limit, and gives up on what even that does not end.
fn supervise(mut child: Child, limit: Duration) -> Exit {
    let pid = child.id();
    let (sender, ended): (_, Receiver<_>) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait()));
    let mut exit = Exit::default();
    let status = ended.recv_timeout(limit).or_else(|_| {
        exit.timed_out = true;
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        ended.recv_timeout(KILL_GRACE)
    });
    match status {
        Ok(Ok(status)) => {
            exit.code = status.code();
            exit.signal = status.signal();
        }
        Ok(Err(error)) => exit.stuck = Some(format!("cannot be waited for: {error}")),
        Err(_) => exit.stuck = Some(kernel_side(pid)),
    }
    exit
}

/// What a process that cannot be killed waits for.
fn kernel_side(pid: u32) -> String {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    format!("wchan {}\n{}", read("wchan"), read("stack"))
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn output_is_whole_however_late_it_is_taken() {
        let (outside, port) = std::io::pipe().unwrap();
        let port = Mutex::new(File::from(OwnedFd::from(port)));
        let agent = Arc::new(Agent { port, running: Mutex::default() });
        let argv = ["sh", "-c", "head -c 60000 /dev/zero; sleep 20 &"].map(str::to_owned).to_vec();
        let run = Run { id: 1, argv, timeout_ms: 60_000, ..Run::default() };
        let command = std::thread::spawn(move || execute(&agent, run));
        std::thread::sleep(Duration::from_secs(1));
        let mut length = 0;
        for line in BufReader::new(outside).lines() {
            match serde_json::from_str(&line.unwrap()).unwrap() {
                Event::Output { data, .. } => length += data.0.len(),
                Event::Exit(exit) => {
                    assert_eq!((exit.code, length), (Some(0), 60_000));
                    break;
                }
                _ => {}
            }
        }
        command.join().unwrap().unwrap();
    }
}
