//! Through which interface an address is reached, by the routing tables of one network
//! namespace.

use std::net::IpAddr;

use passthru_formats::route::{self, Route};
use passthru_formats::tcp::{self, Local6};

use crate::ask::Asker;

/// The tables of one namespace.
pub(super) struct Ways {
    four: Vec<u8>,
    six: Vec<u8>,
    addresses: Vec<u8>,
}

impl Ways {
    /// Reads the tables below a directory (`/proc/net`, `/proc/PID/net`). What cannot be read
    /// leads nowhere.
    pub(super) fn read(ask: &Asker<'_>, directory: &str) -> Self {
        let read = |name: &str| {
            let mut text = Vec::new();
            let _ = ask.source.read(&format!("{directory}/{name}"), &mut text);
            text
        };
        Self { four: read("route"), six: read("ipv6_route"), addresses: read("if_inet6") }
    }

    /// Addresses of version 6 and their interfaces.
    pub(super) fn locals(&self) -> impl Iterator<Item = Local6<'_>> {
        tcp::parse_if_inet6(&self.addresses).flatten()
    }

    fn routes(&self) -> impl Iterator<Item = Route<'_>> {
        let four = route::parse_ipv4(&self.four).flatten();
        four.chain(route::parse_ipv6(&self.six).flatten())
            .filter(|r| r.sends() && !matches!(r.interface, "*" | "lo"))
    }

    /// The interfaces of the longest prefix and lowest metric: several where traffic is
    /// spread.
    fn best(&self, address: IpAddr, wanted: impl Fn(&Route<'_>) -> bool) -> Vec<String> {
        let fitting = || self.routes().filter(|r| r.contains(address) && wanted(r));
        let Some(best) = fitting().map(|r| (r.prefix, u32::MAX - r.metric)).max() else { return Vec::new() };
        let mut names: Vec<String> = fitting()
            .filter(|r| (r.prefix, u32::MAX - r.metric) == best)
            .map(|r| r.interface.to_owned())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The interfaces with an address of ours, by the route to its network.
    pub(super) fn network_of(&self, local: IpAddr) -> Vec<String> {
        self.best(local, |r| r.gateway.is_none() && r.prefix > 0)
    }

    /// The interfaces a connection goes through: the one that has our address, and the one
    /// through which the other end is reached.
    pub(super) fn of_connection(&self, local: IpAddr, peer: IpAddr) -> Vec<String> {
        let mut names = match local {
            IpAddr::V4(_) => self.network_of(local),
            IpAddr::V6(address) => self
                .locals()
                .filter(|l| l.address == address && l.interface != "lo")
                .map(|l| l.interface.to_owned())
                .collect(),
        };
        // Every interface has a route to the link-local network: it says nothing.
        if !is_link_local(peer) {
            names.extend(self.best(peer, |_| true));
        }
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// `169.254.0.0/16` (RFC 3927), `fe80::/10` (RFC 4291).
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
    }
}
