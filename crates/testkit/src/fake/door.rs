//! The two doors: [`Source`] to look at the machine, [`Target`] to change it. Every call
//! of the second is counted, and may be the one at which something goes wrong.

use std::time::{Duration, Instant};

use passthru_apply::target::{Hold, LockError, Target, WriteError};
use passthru_formats::Errno;
use passthru_host::source::{Output, Source, Stat};
use passthru_model::{Access, Rights, SourceKind, Task};

use super::Kernel;
use super::fault::{Effect, Way};
use super::files::Node;
use super::machine::{File, Machine};

/// Something held; letting it go lets go, unless its process died and the kernel has
/// done so already.
struct Token {
    kernel: Kernel,
    token: u64,
}

impl Drop for Token {
    fn drop(&mut self) {
        let token = self.token;
        self.kernel.with(|machine| {
            machine.holds.retain(|(_, held)| *held != token);
            machine.locks.retain(|_, held| *held != token);
        });
        self.kernel.shared.changed.notify_all();
    }
}

impl Source for Kernel {
    fn read(&self, path: &str, into: &mut Vec<u8>) -> Result<(), Errno> {
        into.clear();
        self.caller.alive()?;
        if let Some(task) = self.with(|machine| machine.wait_to_read(path)) {
            self.caller.waits_in(path, task);
            return Err(Errno::ETIMEDOUT);
        }
        match self.with(|machine| machine.resolve(path))? {
            Node::File(_, mode) if mode & 0o444 == 0 => Err(Errno::EACCES),
            Node::File(bytes, _) => {
                *into = bytes;
                Ok(())
            }
            Node::Directory(_) => Err(Errno::EISDIR),
            Node::Device(_) | Node::Link(_) => Err(Errno::EINVAL),
        }
    }

    fn link(&self, path: &str) -> Result<String, Errno> {
        self.caller.alive()?;
        match self.with(|machine| machine.lookup(path))? {
            Node::Link(target) => Ok(target),
            _ => Err(Errno::EINVAL),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<String>, Errno> {
        self.caller.alive()?;
        match self.with(|machine| machine.resolve(path))? {
            Node::Directory(names) => Ok(names),
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn stat(&self, path: &str) -> Result<Stat, Errno> {
        self.caller.alive()?;
        self.with(|machine| {
            let uid = machine.files.get(path).map_or(0, |file| file.uid);
            let stat = |mode, rdev, size| Stat { mode, uid, gid: 0, rdev, size };
            if let (Some(access), Ok(Node::Device((_, minor)))) =
                (machine.access.get(path).copied(), machine.resolve(path))
            {
                let mode = 0o020_000 | access.mode;
                return Ok(Stat { mode, uid: access.uid, gid: access.gid, rdev: (240, minor), size: 0 });
            }
            Ok(match machine.resolve(path)? {
                Node::File(bytes, mode) => stat(0o100_000 | mode, (0, 0), bytes.len() as u64),
                Node::Directory(_) => stat(0o040_755, (0, 0), 0),
                Node::Device((240 | 10, minor)) => stat(0o020_600, (240, minor), 0),
                Node::Device(rdev) => stat(0o060_660, rdev, 0),
                Node::Link(_) => return Err(Errno::ELOOP),
            })
        })
    }

    fn command(&self, _: &[&str]) -> Result<Output, Errno> {
        self.caller.alive()?;
        Err(Errno::ENOENT)
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Live
    }

    fn rights(&self) -> Rights {
        Rights { root: true }
    }
}

impl Kernel {
    /// One call that changes something.
    fn call<T>(
        &self,
        name: impl FnOnce() -> String,
        within: impl FnOnce(&mut Machine),
        effect: impl FnOnce(&mut Machine) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let way = self.caller.begin(name).inspect_err(|_| self.bury())?;
        self.go(way, within, effect)
    }

    /// What becomes of a call that goes this way.
    fn go<T>(
        &self,
        way: Way,
        within: impl FnOnce(&mut Machine),
        effect: impl FnOnce(&mut Machine) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        if way == Way::CrashWithin {
            self.with(within);
            self.caller.die();
            self.bury();
            return Err(Errno::EIO);
        }
        match way {
            Way::Unplug(address) => self.with(|machine| machine.unplug(address)),
            Way::Swap(address) => self.with(|machine| machine.swap(address)),
            _ => {}
        }
        let answer = self.with(effect);
        match way {
            Way::FailAfter(error) => answer.and(Err(error)),
            Way::CrashAfter | Way::CrashHanging(_) => {
                self.caller.die();
                self.bury();
                Err(Errno::EIO)
            }
            _ => answer,
        }
    }

    /// A write that does not come back.
    fn hang(&self, effect: Effect, path: &str, text: &str) -> Task {
        self.with(|machine| {
            let late = matches!(effect, Effect::Late).then(|| (path.to_owned(), text.to_owned()));
            if effect == Effect::AtOnce {
                // What it answers, nobody hears.
                let _ = machine.write(path, text);
            }
            machine.hang(path, text, late)
        })
    }

    /// The kernel closes what the dead held open.
    fn bury(&self) {
        if self.caller.is_dead() {
            let pid = u64::from(self.caller.pid);
            self.with(|machine| {
                machine.holds.retain(|(_, token)| token >> 32 != pid);
                machine.locks.retain(|_, token| *token >> 32 != pid);
            });
            self.shared.changed.notify_all();
        }
    }

    /// A token that says whose it is.
    fn token(&self, machine: &mut Machine) -> u64 {
        machine.tokens += 1;
        u64::from(self.caller.pid) << 32 | machine.tokens
    }

    fn held(&self, token: u64) -> Hold {
        Box::new(Token { kernel: self.clone(), token })
    }
}

impl Target for Kernel {
    fn write_attribute(&self, path: &str, text: &str, _: Duration) -> Result<(), WriteError> {
        let way = self.caller.begin(|| format!("write {} to {path}", text.trim_end()));
        let way = way.inspect_err(|_| self.bury())?;
        match way {
            Way::Hang(effect) => return Err(WriteError::Stuck(self.hang(effect, path, text))),
            Way::CrashHanging(effect) => {
                let _ = self.hang(effect, path, text);
            }
            _ => {}
        }
        let write = |machine: &mut Machine| {
            if matches!(way, Way::CrashHanging(_)) { Ok(()) } else { machine.write(path, text) }
        };
        self.go(way, |_| {}, write).map_err(|error| match error {
            // What would never come back: the fake's way to say so. When it does, it goes on.
            Errno::ETIMEDOUT => {
                let late = Some((path.to_owned(), text.to_owned()));
                WriteError::Stuck(self.with(|machine| machine.hang(path, text, late)))
            }
            error => WriteError::Failed(error),
        })
    }

    fn waits(&self, path: &str) -> Option<Task> {
        self.caller.waits(path)
    }

    fn set_access(&self, node: &str, access: &Access) -> Result<(), Errno> {
        self.call(
            || format!("chown {}:{} {node}, chmod {:o}", access.uid, access.gid, access.mode),
            |_| {},
            |machine| match machine.resolve(node)? {
                Node::Device(_) => {
                    machine.access.insert(node.to_owned(), *access);
                    Ok(())
                }
                _ => Err(Errno::EOPNOTSUPP),
            },
        )
    }

    fn change(&self, argv: &[&str]) -> Result<Output, Errno> {
        self.call(
            || argv.join(" "),
            |_| {},
            |machine| {
                let ["modprobe", "--", module] = argv else { return Err(Errno::ENOENT) };
                let (code, stderr) = match machine.modprobe(module) {
                    Ok(()) => (0, Vec::new()),
                    Err(said) => (1, said.into_bytes()),
                };
                Ok(Output { code: Some(code), stdout: Vec::new(), stderr })
            },
        )
    }

    fn hold(&self, node: &str) -> Result<Hold, Errno> {
        let mut given = None;
        let answer = self.call(
            || format!("hold {node}"),
            |_| {},
            |machine| {
                let name = node.strip_prefix("/dev/").ok_or(Errno::ENOTBLK)?;
                let number = machine.block_number(name).ok_or(Errno::ENOENT)?;
                // A partition's user has the whole disk claimed too (`block/bdev.c`).
                if machine.is_claimed(name, number) || machine.has_claimed_part(name) {
                    return Err(Errno::EBUSY);
                }
                let token = self.token(machine);
                machine.holds.push((node.to_owned(), token));
                given = Some(token);
                Ok(())
            },
        );
        // Where opening failed after all, the kernel closes what it had opened.
        let hold = given.map(|token| self.held(token));
        answer.and(hold.ok_or(Errno::EIO))
    }

    fn store(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), Errno> {
        self.call(
            || format!("store {path}"),
            |machine| {
                // The new file under its passing name.
                if let Some(disk) = &machine.disk {
                    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
                    let _ = disk.files.append(&format!("{directory}/.new-{name}"), &bytes[..bytes.len() / 2]);
                    return;
                }
                let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
                let half = File { bytes: bytes[..bytes.len() / 2].to_owned(), mode, uid: 0 };
                machine.files.insert(format!("{directory}/.new-{name}"), half);
            },
            |machine| {
                self.caller.room()?;
                if let Some(disk) = &machine.disk {
                    return disk.files.store(path, bytes, mode);
                }
                machine.file_can_be_made(path)?;
                machine.links.remove(path);
                machine.files.insert(path.to_owned(), File { bytes: bytes.to_owned(), mode, uid: 0 });
                Ok(())
            },
        )
    }

    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Errno> {
        let append = |machine: &mut Machine, bytes: &[u8]| {
            self.caller.room()?;
            if let Some(disk) = &machine.disk {
                return disk.files.append(path, bytes);
            }
            machine.file_can_be_made(path)?;
            if machine.links.contains_key(path) {
                return Err(Errno::ELOOP);
            }
            let new = || File { bytes: Vec::new(), mode: 0o600, uid: 0 };
            machine.files.entry(path.to_owned()).or_insert_with(new).bytes.extend(bytes);
            Ok(())
        };
        self.call(
            || format!("append {} to {path}", String::from_utf8_lossy(bytes).trim_end()),
            |machine| {
                let whole =
                    machine.disk.clone().map(|disk| (disk.at(path).metadata().map_or(0, |m| m.len()), disk));
                match whole {
                    // All of it, and then the end is lost.
                    Some((before, disk)) => {
                        let _ = append(machine, bytes);
                        disk.cut(path, before + bytes.len() as u64 / 2);
                    }
                    None => drop(append(machine, &bytes[..bytes.len() / 2])),
                }
            },
            |machine| append(machine, bytes),
        )
    }

    fn remove(&self, path: &str) -> Result<(), Errno> {
        self.call(
            || format!("remove {path}"),
            |_| {},
            |machine| {
                if let Some(error) = machine.errors.get(path) {
                    return Err(*error);
                }
                // A full disk lets go of files; one that is read-only does not.
                self.caller
                    .room()
                    .or_else(|error| if error == Errno::EROFS { Err(error) } else { Ok(()) })?;
                if let Some(disk) = &machine.disk {
                    return disk.files.remove(path);
                }
                machine.files.remove(path);
                machine.links.remove(path);
                Ok(())
            },
        )
    }

    fn make_directory(&self, path: &str) -> Result<(), Errno> {
        self.call(
            || format!("mkdir {path}"),
            |_| {},
            |machine| {
                if let Some(disk) = &machine.disk {
                    return self.caller.room().and_then(|()| disk.files.make_directory(path));
                }
                if machine.directories.contains(path) {
                    return Ok(());
                }
                if machine.links.contains_key(path) || machine.files.contains_key(path) {
                    return Err(Errno::ENOTDIR);
                }
                self.caller.room()?;
                machine.file_can_be_made(path)?;
                machine.directories.insert(path.to_owned());
                Ok(())
            },
        )
    }

    fn lock(
        &self,
        path: &str,
        patience: Duration,
        about: &str,
        waiting: &dyn Fn(&str),
    ) -> Result<Hold, LockError> {
        let failed = |error| LockError::Failed { path: path.to_owned(), error };
        let start = Instant::now();
        // Counted once, however long it takes.
        let way =
            self.caller.begin(|| format!("lock {path}")).inspect_err(|_| self.bury()).map_err(failed)?;
        if way == Way::CrashWithin {
            self.caller.die();
            self.bury();
            return Err(failed(Errno::EIO));
        }
        match way {
            Way::Unplug(address) => self.with(|machine| machine.unplug(address)),
            Way::Swap(address) => self.with(|machine| machine.swap(address)),
            _ => {}
        }
        let mut machine = self.machine();
        let mut told = false;
        while machine.locks.contains_key(path) {
            let left = patience.saturating_sub(start.elapsed());
            let note = machine.files.get(path).map(|f| String::from_utf8_lossy(&f.bytes).trim().to_owned());
            let note = note.unwrap_or_default();
            if left.is_zero() {
                return Err(LockError::Busy { waited: patience, holder: note });
            }
            if !told {
                told = true;
                // It may look at the machine.
                drop(machine);
                waiting(&note);
                machine = self.machine();
                continue;
            }
            let waited = self.shared.changed.wait_timeout(machine, left);
            machine = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        if let Some(disk) = machine.disk.clone() {
            // The real one too; that it is let go of here is what `machine.locks` is for.
            let held = disk.files.lock(path, Duration::ZERO, about, &|_| {})?;
            drop(held);
        } else {
            machine.file_can_be_made(path).map_err(failed)?;
            let note = File { bytes: about.as_bytes().to_owned(), mode: 0o600, uid: 0 };
            machine.files.insert(path.to_owned(), note);
        }
        let token = self.token(&mut machine);
        machine.locks.insert(path.to_owned(), token);
        drop(machine);
        let hold = self.held(token);
        match way {
            Way::FailAfter(error) => Err(failed(error)),
            Way::CrashAfter => {
                self.caller.die();
                self.bury();
                Err(failed(Errno::EIO))
            }
            _ => Ok(hold),
        }
    }

    fn pause(&self, time: Duration) {
        self.with(|machine| machine.clock += time.as_secs());
    }

    fn now(&self) -> u64 {
        self.with(|machine| machine.clock)
    }

    fn process_id(&self) -> u32 {
        self.caller.pid
    }
}
