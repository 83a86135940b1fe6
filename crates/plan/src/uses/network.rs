//! Network interfaces: what stands on them, the routes and connections that go through
//! them, and those that were moved to other network namespaces.

use std::collections::HashMap;

use passthru_model::usage::{Interface, SshConnection};
use passthru_model::{Fact, Reason, Snapshot, Unseen};
use passthru_pci::Address;

use super::{Use, Uses, is_bystander, is_vfio_driver, not_seen, process};

/// How many connections are told of one by one.
const SHOWN: usize = 3;

/// The interfaces of this namespace as they stand on each other.
struct Net<'a> {
    by_name: HashMap<&'a str, &'a Interface>,
    /// Connections by the interface they go through.
    connections: HashMap<&'a str, Vec<&'a SshConnection>>,
    /// Connections of which nobody knows where they go through.
    anywhere: Vec<&'a SshConnection>,
    snapshot: &'a Snapshot,
}

impl Uses {
    pub(super) fn interfaces(&mut self, snapshot: &Snapshot) {
        let net = Net::of(snapshot);
        for interface in snapshot.usage.interfaces.at_least().iter().filter(|i| i.owner.is_some()) {
            let mut found = Vec::new();
            net.climb(interface, &mut Vec::new(), &mut found);
            net.unseen(interface, &mut found);
            if found.is_empty() {
                let state = match (&interface.up, &interface.state) {
                    (Fact::Known(false), _) => "down",
                    (_, Fact::Known(state)) => state.as_str(),
                    _ => "state unknown",
                };
                let words: Vec<String> = [state.to_owned()]
                    .into_iter()
                    .chain(interface.addresses.iter().map(ToString::to_string))
                    .collect();
                found.push(Use::new([format!("{} ({})", interface.name, words.join(", "))], None));
            }
            for found in found {
                self.add(interface.owner, found);
            }
        }
        self.moved_interfaces(snapshot);
        self.missing_interfaces(snapshot);
    }

    /// Interfaces that a container or somebody else has in a namespace of their own.
    fn moved_interfaces(&mut self, snapshot: &Snapshot) {
        for moved in &snapshot.usage.elsewhere {
            let end = format!("in the network namespace of {}", process(&moved.process, moved.pid));
            let chain = [moved.name.clone(), end];
            self.add(Some(moved.owner), Use::new(chain, Some(Reason::NetworkNamespace)));
            let here = |c: &&SshConnection| {
                c.namespace.as_ref() == Some(&moved.namespace) && c.interfaces.contains(&moved.name)
            };
            let connections: Vec<_> = snapshot.usage.ssh.at_least().iter().filter(here).collect();
            let mut found = Vec::new();
            told(&connections, std::slice::from_ref(&moved.name), &mut found);
            for found in found {
                self.add(Some(moved.owner), found);
            }
        }
    }

    /// A network controller on a host driver of which no interface is seen: it may have
    /// been moved to another network namespace, a container's, where it is in use.
    fn missing_interfaces(&mut self, snapshot: &Snapshot) {
        let mut seen: Vec<Address> =
            snapshot.usage.interfaces.at_least().iter().filter_map(|i| i.owner).collect();
        seen.extend(snapshot.usage.elsewhere.iter().map(|e| e.owner));
        seen.sort_unstable();
        // What is not seen of an interface of this namespace may be anything.
        let reasons: &[Reason] = if snapshot.usage.interfaces.blind().is_empty() {
            &[Reason::NetworkNamespace, Reason::SshConnection]
        } else {
            &[Reason::DefaultRoute, Reason::NetworkMember, Reason::SshConnection, Reason::NetworkNamespace]
        };
        for device in &snapshot.devices {
            let network = device.class.known().is_some_and(|class| class.base() == 0x02);
            let driver = device.driver.known();
            if network
                && driver.is_some_and(|d| !is_vfio_driver(d) && !is_bystander(d))
                && seen.binary_search(&device.address).is_err()
            {
                let text = "no interface of it is seen here: it may be in another network namespace";
                let path = device.attribute("net");
                let unseen = Unseen { path, why: text.into() };
                self.add(Some(device.address), Use::unseen([text], reasons, unseen));
            }
        }
    }
}

impl<'a> Net<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let usage = &snapshot.usage;
        let by_name = usage.interfaces.at_least().iter().map(|i| (i.name.as_str(), i)).collect();
        let mut net = Self { by_name, connections: HashMap::new(), anywhere: Vec::new(), snapshot };
        for connection in usage.ssh.at_least().iter().filter(|c| c.namespace.is_none()) {
            for name in &connection.interfaces {
                net.connections.entry(name).or_default().push(connection);
            }
            if connection.interfaces.is_empty() {
                net.anywhere.push(connection);
            }
        }
        net
    }

    /// What goes through an interface, and through those that stand on it; `below` is the
    /// chain so far.
    fn climb(&self, interface: &'a Interface, below: &mut Vec<String>, found: &mut Vec<Use>) {
        if below.contains(&interface.name) {
            return;
        }
        below.push(interface.name.clone());
        let chain = |end: &str| below.iter().cloned().chain([end.to_owned()]).collect::<Vec<_>>();
        match interface.default_route {
            Fact::Known(true) => {
                found.push(Use::new(chain("carries the default route"), Some(Reason::DefaultRoute)));
            }
            Fact::Known(false) | Fact::Absent => {}
            // Where the routes could not be read, that is said of the interface itself.
            _ if below.len() > 1 => {}
            _ => {
                let blind = self.snapshot.usage.interfaces.blind();
                let mut unknown = not_seen("routes", blind, &[Reason::DefaultRoute]);
                unknown.chain.insert(0, interface.name.clone());
                found.push(unknown);
            }
        }
        if let Some(connections) = self.connections.get(interface.name.as_str()) {
            told(connections, below, found);
        }
        let master = interface.master.known();
        if let Some(master) = master {
            found.push(Use::new(chain(&format!("member of {master}")), Some(Reason::NetworkMember)));
        }
        let uppers = interface.uppers.known().into_iter().flatten();
        let others: Vec<&String> = uppers.filter(|upper| Some(*upper) != master).collect();
        for upper in &others {
            found.push(Use::new(chain(&format!("{upper} stands on it")), Some(Reason::NetworkMember)));
        }
        for upper in master.into_iter().chain(others) {
            if let Some(upper) = self.by_name.get(upper.as_str()) {
                self.climb(upper, below, found);
            }
        }
        below.pop();
    }

    /// What could not be looked at of an interface.
    fn unseen(&self, interface: &Interface, found: &mut Vec<Use>) {
        let path = format!("/sys/class/net/{}", interface.name);
        if let Some(unseen) = Unseen::of(&interface.uppers, path) {
            let end = "could not look at what stands on it";
            // A route or a connection may leave through what stands on it.
            let reasons = &[Reason::NetworkMember, Reason::DefaultRoute, Reason::SshConnection];
            found.push(Use::unseen([interface.name.as_str(), end], reasons, unseen));
        }
        let ssh = &self.snapshot.usage.ssh;
        if !ssh.blind().is_empty() {
            let mut unknown = not_seen("SSH connections", ssh.blind(), &[Reason::SshConnection]);
            unknown.chain.insert(0, interface.name.clone());
            found.push(unknown);
        }
        if interface.up != Fact::Known(false)
            && let Some(first) = self.anywhere.first()
        {
            let end = format!("nobody knows through which interface it goes: {}", in_words(first));
            let unseen = Unseen { path: "/proc/net/route".into(), why: end.clone() };
            found.push(Use::unseen([interface.name.clone(), end], &[Reason::SshConnection], unseen));
        }
    }
}

/// Connections, the first few one by one.
fn told(connections: &[&SshConnection], below: &[String], found: &mut Vec<Use>) {
    for connection in connections.iter().take(SHOWN) {
        let chain = below.iter().cloned().chain([in_words(connection)]);
        found.push(Use::new(chain, Some(Reason::SshConnection)));
    }
    if connections.len() > SHOWN {
        let end = format!("{} more SSH connections", connections.len() - SHOWN);
        found.push(Use::new(below.iter().cloned().chain([end]), Some(Reason::SshConnection)));
    }
}

fn in_words(connection: &SshConnection) -> String {
    let server = connection
        .server
        .as_ref()
        .map_or_else(String::new, |(pid, name)| format!(" ({name}, process {pid})"));
    format!("SSH connection from {} to {}{server}", connection.peer, connection.local)
}
