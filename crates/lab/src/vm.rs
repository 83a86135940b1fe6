//! One QEMU process of the lab: started so that it cannot outlive this program, its console
//! in a log, its monitor and agent sockets connected, and certainly ended on drop.

use std::fs::{self, File};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::agent::{Agent, PATIENCE, Ready};
use crate::qmp::Qmp;

/// How long L1 may take to come up: about 70 s beside another one on two processors, and a
/// machine may be several times slower.
pub const BOOT_LIMIT: Duration = Duration::from_secs(900);
/// How many of the console's last lines are shown when something goes wrong.
const CONSOLE_TAIL: usize = 40;

/// A running L1.
#[derive(Debug)]
pub struct Vm {
    child: Child,
    console: PathBuf,
    /// The agent in it.
    pub agent: Agent,
    /// What the agent said when it came up.
    pub ready: Ready,
    /// QEMU's monitor.
    pub qmp: std::sync::Mutex<Qmp>,
}

/// Starts `qemu` so that the kernel kills it when this program dies, whatever the reason.
/// (The signal comes when the *thread* that started it ends: start L1 from a thread that
/// stays.)
pub fn command(qemu: &str) -> Command {
    if Path::new("/usr/bin/setpriv").exists() {
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--pdeathsig", "KILL", "--", qemu]);
        command
    } else {
        Command::new(qemu)
    }
}

impl Vm {
    /// Starts QEMU with the given arguments, to which console, monitor and agent are added,
    /// and waits until the agent is there. `directory` is for sockets and the log; QEMU gets
    /// this program's standard input and output only when `terminal` says so.
    ///
    /// # Errors
    /// When QEMU cannot be started, ends, or L1 does not come up in time; the error shows
    /// the last lines of the console.
    pub fn boot(qemu: &str, arguments: &[String], directory: &Path, terminal: bool) -> Result<Vm> {
        let console = directory.join("console.log");
        let said = directory.join("qemu.log");
        let monitor = listen(&directory.join("qmp"))?;
        let agent = listen(&directory.join("agent"))?;
        let log = File::create(&said)?;
        let mut child = command(qemu)
            .args(arguments)
            .args(["-display", "none", "-monitor", "none", "-no-reboot"])
            .args(["-chardev", &format!("file,id=console,path={}", console.display())])
            .args(["-serial", "chardev:console"])
            .args(["-chardev", &format!("socket,id=qmp,path={}/qmp", directory.display())])
            .args(["-mon", "chardev=qmp,mode=control"])
            .args(["-chardev", &format!("socket,id=agent,path={}/agent", directory.display())])
            .args(["-device", "virtio-serial-pci,addr=0x11"])
            .args(["-device", "virtserialport,chardev=agent,name=passthru.agent"])
            .stdin(if terminal { Stdio::inherit() } else { Stdio::null() })
            .stdout(if terminal { Stdio::inherit() } else { Stdio::from(log.try_clone()?) })
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {qemu}: run scripts/install-packages"))?;
        let connected = connect(&mut child, &monitor, &agent);
        match connected {
            Ok((qmp, agent, ready)) => Ok(Vm { child, console, agent, ready, qmp: qmp.into() }),
            Err(error) => {
                // Where it ended by itself, how tells what the log does not.
                let ended = child.try_wait().ok().flatten();
                end(&mut child);
                let ended = ended.map_or_else(String::new, |status| format!("QEMU ended: {status}\n"));
                let said = fs::read_to_string(&said).unwrap_or_default();
                let console = console_tail(&console);
                Err(error.context(format!("{ended}QEMU said:\n{said}\nthe console's end:\n{console}")))
            }
        }
    }

    /// The console's last lines.
    pub fn console_tail(&self) -> String {
        console_tail(&self.console)
    }

    /// Is QEMU still running?
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends QEMU at once, as a power cut would.
    pub fn kill(&mut self) {
        end(&mut self.child);
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.kill();
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn listen(path: &Path) -> Result<UnixListener> {
    let _ = fs::remove_file(path);
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot make the socket {}", path.display()))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn connect(child: &mut Child, monitor: &UnixListener, agent: &UnixListener) -> Result<(Qmp, Agent, Ready)> {
    // QEMU connects its sockets in the order they are named.
    let monitor = accept(child, monitor)?;
    let agent = accept(child, agent)?;
    let qmp = Qmp::new(monitor)?;
    let (agent, ready) = Agent::connect(agent, BOOT_LIMIT)?;
    Ok((qmp, agent, ready))
}

fn accept(child: &mut Child, listener: &UnixListener) -> Result<UnixStream> {
    let until = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(status) = child.try_wait()? {
            bail!("QEMU ended before it began: {status}");
        }
        if Instant::now() > until {
            bail!("QEMU did not connect its sockets");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a QEMU to its end within a limit and returns its exit code and what its console
/// file says; `None` when it had to be killed or was ended by a signal.
///
/// # Errors
/// When it cannot be started.
pub fn run_to_end(command: &mut Command, limit: Duration) -> Result<Option<i32>> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start QEMU: run scripts/install-packages")?;
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    end(&mut child);
    Ok(None)
}

fn console_tail(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines[lines.len().saturating_sub(CONSOLE_TAIL)..].join("\n")
}
