//! Established SSH connections to this machine, whoever's: whoever works over one, under
//! tmux or sudo too, is cut off with the interface it goes through.

use std::collections::{HashMap, HashSet};

use passthru_formats::tcp::Socket;
use passthru_formats::{process, tcp};
use passthru_model::usage::{Elsewhere, SshConnection};
use passthru_model::{Blind, Seen};

use super::processes::gone;
use super::ways::Ways;
use crate::ask::Asker;

/// Connections at one port of which the processes are looked for: a web server may have
/// ten thousand, all of one kind.
const ENOUGH: usize = 64;

/// Where SSH servers listen that are not told otherwise.
const USUAL_PORT: u16 = 22;

const CONFIGURATION: &str = "/etc/ssh/sshd_config";

/// The sockets of one network namespace.
struct Space {
    /// As `/proc/*/ns/net` shows it; `None` for our own.
    namespace: Option<String>,
    /// The directory of its tables.
    directory: String,
    sockets: Vec<Socket>,
}

/// What the tables say, before it is known which sockets are SSH's.
pub(super) struct Sockets {
    spaces: Vec<Space>,
    blind: Vec<Blind>,
}

impl Sockets {
    /// Reads the tables of our own namespace and of those that have interfaces of the
    /// machine. A table is made from all sockets there are, so those of others, of which a
    /// host may have hundreds, are left alone: what comes to them comes through ours.
    pub(super) fn read(ask: &mut Asker<'_>, elsewhere: &[Elsewhere]) -> Self {
        let mut found = Self { spaces: Vec::new(), blind: Vec::new() };
        found.space(ask, None, "/proc/net".into());
        let mut seen = HashSet::new();
        for Elsewhere { namespace, pid, .. } in elsewhere.iter().filter(|e| seen.insert(&e.namespace)) {
            found.space(ask, Some(namespace.clone()), format!("/proc/{pid}/net"));
        }
        found
    }

    fn space(&mut self, ask: &mut Asker<'_>, namespace: Option<String>, directory: String) {
        let mut sockets = Vec::new();
        let mut text = Vec::new();
        for name in ["tcp", "tcp6"] {
            let path = format!("{directory}/{name}");
            match ask.source.read(&path, &mut text) {
                Ok(()) => {
                    for socket in tcp::parse(&text) {
                        match socket {
                            Ok(socket) => sockets.push(socket),
                            Err(error) => {
                                ask.malformed::<()>(None, "connections", &path, &error.text);
                                self.blind(&path, passthru_formats::Errno::EINVAL);
                            }
                        }
                    }
                }
                // Kernels without IPv6 have no such file; all have the other one. Another
                // namespace ends with its last process.
                Err(error) if gone(error) && (name == "tcp6" || namespace.is_some()) => {}
                Err(error) => self.blind(&path, error),
            }
        }
        self.spaces.push(Space { namespace, directory, sockets });
    }

    fn blind(&mut self, path: &str, error: passthru_formats::Errno) {
        if !self.blind.iter().any(|b| b.path == path) {
            let what = "SSH connections".to_owned();
            self.blind.push(Blind { what, path: path.to_owned(), error, count: 1 });
        }
    }

    /// The sockets whose processes are worth knowing: those that listen, and some of those
    /// that were accepted at each port. None where nobody is connected.
    pub(super) fn worth_knowing(&self) -> HashSet<u64> {
        let mut inodes = HashSet::new();
        for space in self.spaces.iter().filter(|space| space.connections().next().is_some()) {
            // The server of the usual port may have ended, and its connections stand.
            let mut ports: HashSet<u16> = space.listening().map(|s| s.local.port()).collect();
            ports.insert(USUAL_PORT);
            inodes.extend(space.listening().map(|s| s.inode));
            let mut seen: HashMap<u16, usize> = HashMap::new();
            for socket in space.connections().filter(|s| ports.contains(&s.local.port())) {
                let count = seen.entry(socket.local.port()).or_default();
                *count += 1;
                if *count <= ENOUGH {
                    inodes.insert(socket.inode);
                }
            }
        }
        inodes
    }

    /// The connections that are SSH's: to a port on which one of its servers listens or has
    /// accepted another (where systemd listens for it), or which the configuration names.
    pub(super) fn connections(
        mut self,
        ask: &mut Asker<'_>,
        servers: &HashMap<u64, (u32, String)>,
    ) -> Seen<SshConnection> {
        if self.spaces.iter().all(|space| space.connections().next().is_none()) {
            return Seen::new(Vec::new(), self.blind);
        }
        let (configured, unread) = configured_ports(ask);
        let mut items = Vec::new();
        let mut unknown = false;
        for space in &self.spaces {
            // A server's own connections to elsewhere, for somebody's tunnel, are none.
            let listening: HashSet<u16> = space.listening().map(|s| s.local.port()).collect();
            let of_servers = space.sockets.iter().filter(|s| servers.contains_key(&s.inode));
            let mut ports: HashSet<u16> =
                of_servers.map(|s| s.local.port()).filter(|port| listening.contains(port)).collect();
            ports.extend(&configured);
            let mut ways = None;
            for socket in space.connections() {
                if !ports.contains(&socket.local.port()) {
                    // Somebody connected to a server here, and nobody knows to which.
                    unknown |= listening.contains(&socket.local.port());
                    continue;
                }
                let ways = ways.get_or_insert_with(|| Ways::read(ask, &space.directory));
                items.push(SshConnection {
                    namespace: space.namespace.clone(),
                    local: socket.local,
                    peer: socket.peer,
                    interfaces: ways.of_connection(socket.local.ip(), socket.peer.ip()),
                    server: servers.get(&socket.inode).cloned(),
                });
            }
        }
        // Where the servers could be seen, the configuration says nothing new.
        if unknown && servers.is_empty() {
            self.blind.extend(unread);
        }
        items.sort_by_key(|c| (c.namespace.clone(), c.local, c.peer));
        items.dedup_by_key(|c| (c.namespace.clone(), c.local, c.peer));
        Seen::new(items, self.blind)
    }
}

impl Space {
    fn listening(&self) -> impl Iterator<Item = &Socket> {
        self.sockets.iter().filter(|s| s.is_listening())
    }

    /// Connections with other machines: not over loopback, nor with itself by an address of
    /// its own, where the other end stands in the table too.
    fn connections(&self) -> impl Iterator<Item = &Socket> {
        let standing = || self.sockets.iter().filter(|s| s.is_established());
        let ends: HashSet<_> = standing().map(|s| (s.local, s.peer)).collect();
        standing().filter(move |s| {
            !s.local.ip().is_loopback() && !s.peer.ip().is_loopback() && !ends.contains(&(s.peer, s.local))
        })
    }
}

/// The ports that SSH servers are told to listen on, 22 among them, and what of the
/// configuration could not be read.
fn configured_ports(ask: &Asker<'_>) -> (HashSet<u16>, Vec<Blind>) {
    let mut ports = HashSet::from([USUAL_PORT]);
    let mut blind = Vec::new();
    let mut failed = |path: String, error: passthru_formats::Errno| {
        if !error.is_absent() {
            blind.push(Blind { what: "the ports of SSH servers".into(), path, error, count: 1 });
        }
    };
    let more = format!("{CONFIGURATION}.d");
    let mut files = vec![CONFIGURATION.to_owned()];
    match ask.source.list(&more) {
        Ok(names) => {
            let names = names.iter().filter(|name| name.ends_with(".conf"));
            files.extend(names.map(|name| format!("{more}/{name}")));
        }
        Err(error) => failed(more, error),
    }
    let mut text = Vec::new();
    for path in files {
        match ask.source.read(&path, &mut text) {
            Ok(()) => ports.extend(process::ssh_ports(&text)),
            Err(error) => failed(path, error),
        }
    }
    (ports, blind)
}
