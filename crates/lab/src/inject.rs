//! Faults from outside, by `strace -e inject=`: one run of a command is written down, and
//! from that come the points at which the next runs are killed or have a call fail. It
//! knows nothing of the product but where its books lie, so that it goes on fitting.
//!
//! `signal=KILL` is not used: strace drops injected signals under `--seccomp-bpf`, and
//! without that every run takes ten times as long in emulation. Instead the call is held
//! before it is done (`delay_enter`), and the process that is held there is killed: the
//! call is never done then, so that the instants before each call and after the one
//! before it are one and the same.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use crate::agent::Cmd;
use crate::host::Lab;

/// The product's directory for what it remembers.
const BOOKS: &str = "/run/passthru/";
/// Calls by which the command changes files, or waits for others to do something.
/// Writes are looked at one file at a time.
const CHANGES: &str = "fdatasync,fsync,rename,renameat,renameat2,unlink,unlinkat,ftruncate,mkdir,mkdirat,\
     fchmod,fchmodat,chmod,fchownat,chown,poll,ppoll";
/// What is written down of the counting run.
const WATCHED: &str = "execve,clone,clone3,vfork,write,openat,close";
/// How long a call is held: longer than it takes to find the process.
const HELD: Duration = Duration::from_secs(120);
/// The same at least where another process than the first may be killed: strace waits for the
/// end of this time then.
const HELD_OTHERS: Duration = Duration::from_secs(3);

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed instead of doing the call.
    Kill,
    /// The call fails with this error.
    Error(&'static str),
}

/// One point of a run, and what happens there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    /// The system call.
    pub call: String,
    /// Which call of that name, counted from 1, in whichever process comes to it; with
    /// [`Injection::paths`], which on those files.
    pub when: usize,
    /// Only calls on these files.
    pub paths: Vec<String>,
    /// What happens.
    pub fault: Fault,
    /// The call as it was written down.
    pub seen: String,
    /// It makes a journal record safe.
    pub journal: bool,
}

impl Injection {
    /// The arguments of strace, without the command, where the run itself takes that long: a
    /// slow machine needs longer to find a process.
    pub fn arguments(&self, run: Duration) -> Vec<String> {
        let Self { call, when, paths, fault, .. } = self;
        let fault = match fault {
            Fault::Kill if paths.iter().any(|path| path.starts_with("/sys/")) => {
                format!("delay_enter={}", HELD_OTHERS.max(run).as_micros())
            }
            Fault::Kill => format!("delay_enter={}", HELD.as_micros()),
            Fault::Error(error) => format!("error={error}"),
        };
        let mut arguments = vec![
            "-e".to_owned(),
            format!("trace={call}"),
            "-e".to_owned(),
            format!("inject={call}:{fault}:when={when}"),
        ];
        arguments.extend(paths.iter().flat_map(|path| ["-P".to_owned(), path.clone()]));
        arguments
    }

    /// One line for people.
    pub fn sentence(&self) -> String {
        let what = match self.fault {
            Fault::Kill => "killed before".to_owned(),
            Fault::Error(error) => format!("{error} from"),
        };
        format!("{what} {} number {}: {}", self.call, self.when, self.seen)
    }
}

/// The arguments of strace for the counting run.
pub fn counting() -> Vec<String> {
    ["-y", "-s", "60", "-e", &format!("trace={WATCHED},{CHANGES}")].map(str::to_owned).to_vec()
}

/// A call that was written down.
#[derive(Debug)]
struct Call<'a> {
    process: &'a str,
    name: &'a str,
    /// The file of its first descriptor, or the first path named.
    path: String,
    text: &'a str,
}

fn calls(trace: &str) -> Vec<Call<'_>> {
    let parse = |line| {
        let (process, text): (&str, &str) = str::split_once(line, ' ')?;
        let text = text.trim_start();
        let (name, arguments) = text.split_once('(')?;
        if !name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') {
            return None;
        }
        let named = || arguments.split('"').nth(1);
        let descriptor = || {
            let (number, rest) = arguments.split_once('<')?;
            number.bytes().all(|c| c.is_ascii_digit()).then(|| rest.split('>').next())?
        };
        let path = descriptor().or_else(named).unwrap_or_default().to_owned();
        Some(Call { process, name, path, text })
    };
    trace.lines().filter_map(parse).collect()
}

/// All points of the run that was written down.
pub fn injections(trace: &str) -> Vec<Injection> {
    let calls = calls(trace);
    let Some(main) = calls.first().map(|call| call.process) else { return Vec::new() };
    // What comes before its books are opened for writing changes nothing.
    let opens = |call: &Call<'_>| call.name.starts_with("mkdir") || call.text.contains("O_CREAT");
    let begins = calls
        .iter()
        .position(|call| call.process == main && call.path.starts_with("/run/passthru") && opens(call));
    let ours: Vec<&Call<'_>> = calls.iter().skip(begins.unwrap_or(calls.len())).collect();
    let early = |name: &str| {
        let early = calls.iter().take(begins.unwrap_or(0));
        early.filter(|call| call.process == main && call.name == name).count()
    };

    let mut found = Vec::new();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for call in ours.iter().filter(|call| call.process == main) {
        let starts = matches!(call.name, "clone" | "clone3" | "vfork");
        if !starts && !CHANGES.split(',').any(|name| name == call.name) {
            continue;
        }
        let when = count.entry(call.name).or_insert_with(|| early(call.name));
        *when += 1;
        let journal = call.name == "fdatasync";
        let mut add = |fault| {
            let (name, seen) = (call.name.to_owned(), call.text.to_owned());
            found.push(Injection { call: name, when: *when, paths: Vec::new(), fault, seen, journal });
        };
        if !starts {
            add(Fault::Kill);
        }
        match call.name {
            "fdatasync" => add(Fault::Error("ENOSPC")),
            "fsync" | "ftruncate" => add(Fault::Error("EIO")),
            "mkdir" | "mkdirat" | "unlink" | "unlinkat" => add(Fault::Error("EROFS")),
            "poll" | "ppoll" => {}
            _ if starts => add(Fault::Error("EAGAIN")),
            name if name.starts_with("rename") => add(Fault::Error("ENOSPC")),
            _ => add(Fault::Error("EPERM")),
        }
    }
    found.extend(on_books(&calls, main));
    found.extend(on_sysfs(&calls));
    found
}

/// Every opening of, and write to, each of the books' files that keeps its name.
fn on_books(calls: &[Call<'_>], main: &str) -> Vec<Injection> {
    let mut count: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut found = Vec::new();
    for call in calls.iter().filter(|call| call.process == main) {
        let lasting = call.path.starts_with(BOOKS) && !call.path.contains("/.");
        let faults: &[Fault] = match call.name {
            "write" => &[Fault::Kill, Fault::Error("ENOSPC")],
            "openat" if call.text.contains("O_CREAT") => &[Fault::Error("ENOSPC")],
            "openat" => &[Fault::Error("EIO")],
            _ => continue,
        };
        if !lasting {
            continue;
        }
        let when = count.entry((call.name, &call.path)).or_default();
        *when += 1;
        found.extend(faults.iter().map(|fault| Injection {
            call: call.name.to_owned(),
            when: *when,
            paths: vec![call.path.clone()],
            fault: *fault,
            seen: call.text.to_owned(),
            journal: false,
        }));
    }
    found
}

/// Every opening of, write to and closing of the attributes that were written, in
/// whichever process: closing is the instant after the write.
fn on_sysfs(calls: &[Call<'_>]) -> Vec<Injection> {
    let sysfs = |call: &&Call<'_>| call.path.starts_with("/sys/");
    let written = |call: &&Call<'_>| call.text.contains("O_WRONLY") || call.text.contains("O_RDWR");
    let opened = calls.iter().filter(|call| call.name == "openat").filter(sysfs).filter(written);
    let mut paths: Vec<String> = opened.map(|call| call.path.clone()).collect();
    // The same file by the name the kernel gives it.
    paths
        .extend(calls.iter().filter(|call| call.name == "write").filter(sysfs).map(|call| call.path.clone()));
    paths.sort();
    paths.dedup();
    let mut count: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut points: BTreeMap<(&str, usize), &str> = BTreeMap::new();
    for call in calls.iter().filter(|call| paths.contains(&call.path)) {
        let when = count.entry((call.process, call.name)).or_default();
        *when += 1;
        points.entry((call.name, *when)).or_insert(call.text);
    }
    let mut found = Vec::new();
    for ((name, when), seen) in points {
        let faults: &[Fault] = match name {
            "write" => &[Fault::Kill, Fault::Error("EIO"), Fault::Error("ENODEV")],
            "close" => &[Fault::Kill],
            "openat" => &[Fault::Error("ENOENT"), Fault::Error("EACCES")],
            _ => continue,
        };
        found.extend(faults.iter().map(|fault| Injection {
            call: name.to_owned(),
            when,
            paths: paths.clone(),
            fault: *fault,
            seen: seen.to_owned(),
            journal: false,
        }));
    }
    found
}

/// Where [`SCRIPT`] lies in L1.
const PLACE: &str = "/run/lab/inject";

/// Puts the script into L1 that [`command`] runs.
///
/// # Errors
/// When L1 is gone.
pub fn install(lab: &Lab) -> Result<()> {
    lab.script(&format!("cat > {PLACE}")).stdin(SCRIPT).ok()?;
    Ok(())
}

/// A command under strace, still to be completed with its own words.
pub fn command<'a>(lab: &'a Lab, mode: &str, when: usize, log: &str, strace: Vec<String>) -> Cmd<'a> {
    lab.command(["bash", PLACE, mode, &when.to_string(), log]).args(strace).arg("--")
}

/// See there for its arguments.
const SCRIPT: &str = include_str!("inject.sh");

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = r#"251   execve("/usr/local/bin/passthru", ["passthru", "bind"], 0x1 /* 7 vars */) = 0
251   poll([{fd=0<pipe:[12072]>, events=0}], 3, 0) = 1
252   <... openat resumed>)             = 9</sys/class/block>
251   mkdir("/run/passthru", 0755)      = 0
251   openat(AT_FDCWD</>, "/run/passthru/journal", O_WRONLY|O_CREAT|O_APPEND, 0600) = 9</run/passthru/journal>
251   write(9</run/passthru/journal>, "{\"record\""..., 854) = 854
251   fdatasync(9</run/passthru/journal>) = 0
251   write(9</run/passthru/journal>, "{\"record\""..., 28) = 28
251   fdatasync(9</run/passthru/journal>) = 0
251   poll([{fd=13<pipe:[13425]>, events=POLLIN}], 1, 20000 <unfinished ...>
260   openat(AT_FDCWD</>, "/sys/bus/pci/drivers_probe", O_WRONLY|O_CLOEXEC) = 3</sys/bus/pci/drivers_probe>
260   write(3</sys/bus/pci/drivers_probe>, "0000:01:00.0", 12) = 12
260   close(3</sys/bus/pci/drivers_probe>) = 0
251   renameat(AT_FDCWD</>, "/run/passthru/leases/.new-x", AT_FDCWD</>, "/run/passthru/leases/y.json") = 0
"#;

    fn named(found: &[Injection], call: &str) -> Vec<(usize, Fault, Vec<String>)> {
        let one = |i: &Injection| (i.when, i.fault, i.paths.clone());
        found.iter().filter(|i| i.call == call).map(one).collect()
    }

    #[test]
    fn every_change_is_a_point_and_counted_as_strace_counts() {
        let found = injections(TRACE);
        let bare = |when, fault| (when, fault, Vec::new());
        // The first poll was before the books were opened, but strace counts it.
        assert_eq!(named(&found, "poll"), [bare(2, Fault::Kill)]);
        let kills = |name| named(&found, name).iter().filter(|(_, fault, _)| *fault == Fault::Kill).count();
        assert_eq!((kills("fdatasync"), kills("mkdir"), kills("renameat")), (2, 1, 1));
        assert_eq!(found.iter().filter(|i| i.journal && i.fault == Fault::Kill).count(), 2);
    }

    #[test]
    fn files_are_met_by_name() {
        let found = injections(TRACE);
        let journal = vec!["/run/passthru/journal".to_owned()];
        let probe = vec!["/sys/bus/pci/drivers_probe".to_owned()];
        let writes = named(&found, "write");
        assert!(writes.contains(&(2, Fault::Error("ENOSPC"), journal)), "{writes:?}");
        assert!(writes.contains(&(1, Fault::Error("EIO"), probe.clone())), "{writes:?}");
        // Reading the classes is no point: nothing there was opened for writing.
        assert_eq!(named(&found, "close"), [(1, Fault::Kill, probe)]);
        let close = found.iter().find(|i| i.call == "close").unwrap();
        let closing = |run| close.arguments(run).join(" ");
        assert!(closing(Duration::from_secs(9)).contains("delay_enter=9000000:"));
        assert_eq!(
            closing(Duration::from_secs(1)),
            "-e trace=close -e inject=close:delay_enter=3000000:when=1 -P /sys/bus/pci/drivers_probe"
        );
    }
}
