//! Process 1 of L1: inserts the few modules needed to see the shared root, lays a tmpfs
//! overlay on it, makes it the root, starts udev, then the agent, and reaps orphans until
//! the agent is gone. It must not decide anything about tests.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, mount, mount_bind, mount_move};
use rustix::process::{WaitOptions, chdir, chroot, wait};
use rustix::system::{RebootCommand, finit_module, reboot, sethostname};

use super::{CONFIG_PATH, Config};

/// Printed on the console by a probe boot.
pub const PROBE_WORD: &str = "passthru-lab: this kernel runs";

/// A directory in L1 for the files of scenarios, in memory.
pub const SCRATCH: &str = "/run/lab";

/// Runs as process 1 and never comes back before the machine is to be powered off.
pub fn main() -> ExitCode {
    if let Err(error) = run() {
        eprintln!("passthru-lab init failed: {error:#}");
    }
    rustix::fs::sync();
    // With `-no-reboot` QEMU ends on either.
    let _ = reboot(RebootCommand::PowerOff);
    let _ = reboot(RebootCommand::Restart);
    ExitCode::FAILURE
}

fn run() -> Result<()> {
    let config = fs::read(CONFIG_PATH).context("cannot read the lab's configuration")?;
    let config: Config = serde_json::from_slice(&config)?;
    if config.probe {
        println!("{PROBE_WORD}");
        return Ok(());
    }
    mount_kernel_file_systems()?;
    for module in &config.modules {
        insert(module).with_context(|| format!("cannot insert {module}"))?;
    }
    mount_shared_root()?;
    switch_root()?;
    furnish(&config)?;
    cold_plug();
    let shell = if config.shell { Some(start_shell()?) } else { None };
    run_agent(shell)
}

fn mount_kernel_file_systems() -> Result<()> {
    for (kind, target) in [("devtmpfs", "/dev"), ("proc", "/proc"), ("sysfs", "/sys")] {
        attach(kind, kind, target, "")?;
    }
    Ok(())
}

/// Mounts, creating the mount point.
fn attach(source: &str, kind: &str, target: &str, options: &str) -> Result<()> {
    fs::create_dir_all(target).with_context(|| format!("mkdir {target}"))?;
    let options = std::ffi::CString::new(options)?;
    mount(source, target, kind, MountFlags::empty(), Some(options.as_c_str()))
        .with_context(|| format!("mount {kind} on {target}"))
}

fn insert(path: &str) -> Result<()> {
    let file = fs::File::open(path)?;
    match finit_module(&file, c"", 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn mount_shared_root() -> Result<()> {
    fs::create_dir_all("/host")?;
    mount(
        "hostroot",
        "/host",
        "9p",
        MountFlags::RDONLY,
        Some(c"trans=virtio,version=9p2000.L,cache=loose,msize=262144"),
    )
    .context("cannot mount the shared root over 9p")?;
    attach("tmpfs", "tmpfs", "/rw", "mode=0755")?;
    fs::create_dir_all("/rw/upper")?;
    fs::create_dir_all("/rw/work")?;
    attach("overlay", "overlay", "/root", "lowerdir=/host,upperdir=/rw/upper,workdir=/rw/work")
}

/// An initramfs cannot be pivoted away from: its root is moved over, as switch_root does.
fn switch_root() -> Result<()> {
    for directory in ["dev", "proc", "sys"] {
        let target = format!("/root/{directory}");
        fs::create_dir_all(&target)?;
        mount_move(format!("/{directory}"), &target).with_context(|| format!("cannot move /{directory}"))?;
    }
    chdir("/root")?;
    mount_move(".", "/").context("cannot move the new root")?;
    chroot(".")?;
    chdir("/")?;
    Ok(())
}

fn furnish(config: &Config) -> Result<()> {
    // The machine's own /tmp stays visible: the product may well have been built there.
    attach("tmpfs", "tmpfs", "/run", "mode=0755")?;
    attach("tmpfs", "tmpfs", "/dev/shm", "mode=1777")?;
    fs::create_dir_all(SCRATCH)?;
    attach("devpts", "devpts", "/dev/pts", "mode=0620,ptmxmode=0666")?;
    fs::create_dir_all("/run/lock")?;
    // On a full system process 1 makes these.
    for (link, target) in [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")] {
        let _ = symlink(format!("/proc/self/fd{target}"), format!("/dev/{link}"));
    }
    sethostname(b"lab")?;
    // systemd and udev take these for proof that they run in a container, and then
    // IMPORT{cmdline} reads process 1's arguments instead of the kernel's.
    for marker in ["/.dockerenv", "/run/.containerenv"] {
        let _ = fs::remove_file(marker);
    }
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let modules = format!("/lib/modules/{release}");
    if Path::new(&config.modules_dir) != Path::new(&modules) {
        fs::create_dir_all(&modules)?;
        mount_bind(config.modules_dir.as_str(), modules.as_str())
            .with_context(|| format!("cannot show {} as {modules}", config.modules_dir))?;
    }
    if let Some(kernel_config) = &config.kernel_config {
        fs::create_dir_all("/boot")?;
        fs::copy(kernel_config, format!("/boot/config-{release}"))
            .with_context(|| format!("cannot copy {kernel_config} to /boot"))?;
    }
    if let Some(qemu) = &config.qemu {
        let link = "/usr/local/bin/qemu-system-x86_64";
        fs::create_dir_all("/usr/local/bin")?;
        let _ = fs::remove_file(link);
        symlink(qemu, link)?;
    }
    quietly("ip", &["link", "set", "lo", "up"]);
    Ok(())
}

/// Lets udev load drivers and make device nodes; without udev, asks modprobe for each
/// device's alias.
fn cold_plug() {
    for udevd in ["/lib/systemd/systemd-udevd", "/usr/lib/systemd/systemd-udevd"] {
        if Path::new(udevd).exists() {
            quietly(udevd, &["--daemon", "--resolve-names=never"]);
            quietly("udevadm", &["trigger", "--type=subsystems", "--action=add"]);
            quietly("udevadm", &["trigger", "--type=devices", "--action=add"]);
            quietly("udevadm", &["settle", "--timeout=300"]);
            return;
        }
    }
    for bus in ["pci", "usb", "hid", "scsi"] {
        let Ok(devices) = fs::read_dir(format!("/sys/bus/{bus}/devices")) else { continue };
        for device in devices.flatten() {
            if let Ok(alias) = fs::read_to_string(device.path().join("modalias")) {
                quietly("modprobe", &["-q", "-b", alias.trim()]);
            }
        }
    }
}

/// A shell on the virtio console; gives its process.
fn start_shell() -> Result<u32> {
    let console = fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/hvc0")
        .context("no virtio console for the shell")?;
    (&console).write_all(b"\r\nThis is the lab's host (L1). exit or Ctrl-D ends it.\r\n")?;
    let shell = if Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" };
    let child = environment(Command::new("setsid").args(["--ctty", "--wait", shell, "-i"]))
        .env("TERM", "linux")
        .current_dir("/root")
        .stdin(console.try_clone()?)
        .stdout(console.try_clone()?)
        .stderr(console)
        .spawn()
        .context("cannot start the shell")?;
    Ok(child.id())
}

fn environment(command: &mut Command) -> &mut Command {
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("TERM", "dumb")
}

/// Best effort: a missing program is no reason not to boot.
fn quietly(program: &str, arguments: &[&str]) {
    let result = environment(Command::new(program).args(arguments)).stdin(Stdio::null()).status();
    if let Err(error) = result {
        eprintln!("passthru-lab init: {program}: {error}");
    }
}

/// Reaps everything until the agent ends, or the shell somebody worked in.
fn run_agent(shell: Option<u32>) -> Result<()> {
    // The link leads to the binary in the initramfs, which no path reaches any more.
    let agent = environment(Command::new("/proc/self/exe").arg("agent"))
        .stdin(Stdio::null())
        .spawn()
        .context("cannot start the agent")?;
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, _))) => {
                let pid = u32::try_from(pid.as_raw_nonzero().get()).ok();
                if pid == Some(agent.id()) || (pid.is_some() && pid == shell) {
                    return Ok(());
                }
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
