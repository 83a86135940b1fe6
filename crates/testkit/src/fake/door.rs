//! The two doors: [`Source`] to look at the machine, [`Target`] to change it. Every call
//! of the second is counted, and may be the one at which something goes wrong.

use std::time::{Duration, Instant};

use passthru_apply::target::{Hold, LockError, Target};
use passthru_formats::Errno;
use passthru_host::source::{Output, Source, Stat};
use passthru_model::{Rights, SourceKind};

use super::Kernel;
use super::fault::Way;
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
        if way == Way::CrashWithin {
            self.with(within);
            self.caller.die();
            self.bury();
            return Err(Errno::EIO);
        }
        let answer = self.with(effect);
        match way {
            Way::FailAfter(error) => answer.and(Err(error)),
            Way::CrashAfter => {
                self.caller.die();
                self.bury();
                Err(Errno::EIO)
            }
            _ => answer,
        }
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
    fn write_attribute(&self, path: &str, text: &str) -> Result<(), Errno> {
        self.call(|| format!("write {} to {path}", text.trim_end()), |_| {}, |m| m.write(path, text))
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
                let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
                let half = File { bytes: bytes[..bytes.len() / 2].to_owned(), mode, uid: 0 };
                machine.files.insert(format!("{directory}/.new-{name}"), half);
            },
            |machine| {
                machine.file_can_be_made(path)?;
                machine.links.remove(path);
                machine.files.insert(path.to_owned(), File { bytes: bytes.to_owned(), mode, uid: 0 });
                Ok(())
            },
        )
    }

    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Errno> {
        let append = |machine: &mut Machine, bytes: &[u8]| {
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
                let _ = append(machine, &bytes[..bytes.len() / 2]);
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
                if machine.directories.contains(path) {
                    return Ok(());
                }
                if machine.links.contains_key(path) || machine.files.contains_key(path) {
                    return Err(Errno::ENOTDIR);
                }
                machine.file_can_be_made(path)?;
                machine.directories.insert(path.to_owned());
                Ok(())
            },
        )
    }

    fn lock(&self, path: &str, patience: Duration, about: &str) -> Result<Hold, LockError> {
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
        let mut machine = self.machine();
        while machine.locks.contains_key(path) {
            let left = patience.saturating_sub(start.elapsed());
            if left.is_zero() {
                let note =
                    machine.files.get(path).map(|f| String::from_utf8_lossy(&f.bytes).trim().to_owned());
                return Err(LockError::Busy { waited: patience, holder: note.unwrap_or_default() });
            }
            let waited = self.shared.changed.wait_timeout(machine, left);
            machine = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        machine.file_can_be_made(path).map_err(failed)?;
        let note = File { bytes: about.as_bytes().to_owned(), mode: 0o600, uid: 0 };
        machine.files.insert(path.to_owned(), note);
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
