//! Network interfaces, here and in other network namespaces, and the default routes
//! through them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use passthru_formats::route::Route;
use passthru_formats::{route, scalar, tcp};
use passthru_model::usage::{Elsewhere, Interface};
use passthru_model::{Blind, Fact, Seen};

use super::ways::{self, Ways};
use super::{class, links, owner};
use crate::ask::{Asker, some_text};

/// `IFF_UP` (`include/uapi/linux/if.h`).
const IFF_UP: u64 = 1;

/// The interfaces of this network namespace.
pub(super) fn interfaces(ask: &mut Asker<'_>) -> Seen<Interface> {
    let mut blind = Vec::new();
    let entries = class(ask, "net", "network interfaces", &mut blind);
    let routes = default_routes(ask, &mut blind);
    let mut addresses = addresses(ask);
    let items = entries
        .into_iter()
        .map(|(name, path)| {
            let at = |attribute: &str| format!("/sys/class/net/{name}/{attribute}");
            Interface {
                owner: owner(&path),
                state: ask.text(None, "interface.state", &at("operstate"), some_text),
                up: ask.text(None, "interface.up", &at("flags"), |text| {
                    scalar::hex_u64(text).map(|flags| Fact::Known(flags & IFF_UP != 0))
                }),
                master: ask.link_name(None, "interface.master", &at("master")),
                uppers: uppers(ask, &name),
                addresses: addresses.remove(&name).unwrap_or_default(),
                default_route: match &routes {
                    Ok(names) => Fact::Known(names.contains(&name)),
                    Err(error) => Fact::Unreadable(*error),
                },
                name,
            }
        })
        .collect();
    Seen::new(items, blind)
}

/// What stands on an interface: links `upper_NAME` (`net/core/dev.c`,
/// `netdev_adjacent_sysfs_add`; only for those of the same namespace).
fn uppers(ask: &mut Asker<'_>, name: &str) -> Fact<Vec<String>> {
    let path = format!("/sys/class/net/{name}");
    match ask.source.list(&path) {
        Ok(names) => Fact::Known(
            names.iter().filter_map(|name| name.strip_prefix("upper_")).map(str::to_owned).collect(),
        ),
        Err(error) => ask.failed(None, "interface.uppers", &path, error),
    }
}

/// The interfaces that carry a default route of either protocol.
fn default_routes(
    ask: &mut Asker<'_>,
    blind: &mut Vec<Blind>,
) -> Result<BTreeSet<String>, passthru_formats::Errno> {
    let mut names = BTreeSet::new();
    let mut text = Vec::new();
    let mut first = Ok(());
    for (path, six) in [("/proc/net/route", false), ("/proc/net/ipv6_route", true)] {
        match ask.source.read(path, &mut text) {
            Ok(()) if six => collect(route::parse_ipv6(&text), &mut names),
            Ok(()) => collect(route::parse_ipv4(&text), &mut names),
            // Kernels without IPv6 have no such file; all have the other one.
            Err(error) if six && error.is_absent() => {}
            Err(error) => {
                blind.push(Blind { what: "routes".into(), path: path.into(), error, count: 1 });
                first = first.and(Err(error));
            }
        }
    }
    first.map(|()| names)
}

fn collect<'a, E>(routes: impl Iterator<Item = Result<Route<'a>, E>>, names: &mut BTreeSet<String>) {
    names.extend(routes.flatten().filter(Route::is_default).map(|r| r.interface.to_owned()));
}

/// Addresses by interface: to be shown, so that nothing is made of files that are missing.
fn addresses(ask: &Asker<'_>) -> BTreeMap<String, Vec<IpAddr>> {
    let mut found: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    let ways = Ways::read(ask, "/proc/net");
    let mut text = Vec::new();
    if ask.source.read("/proc/net/fib_trie", &mut text).is_ok() {
        for address in tcp::local_ipv4(&text).into_iter().filter(|a| !a.is_loopback() && !a.is_link_local()) {
            for interface in ways.network_of(address.into()) {
                found.entry(interface).or_default().push(address.into());
            }
        }
    }
    for local in ways.locals() {
        if !local.address.is_loopback() && !ways::is_link_local(local.address.into()) {
            found.entry(local.interface.to_owned()).or_default().push(local.address.into());
        }
    }
    found
}

/// Interfaces below PCI functions that other namespaces have. Their sysfs can be seen
/// where a process of theirs has mounted it; one that has ours mounted shows ours.
pub(super) fn elsewhere(
    ask: &mut Asker<'_>,
    namespaces: &[(String, u32)],
    here: &[Interface],
) -> Vec<Elsewhere> {
    let mut found: Vec<Elsewhere> = Vec::new();
    for (namespace, pid) in namespaces {
        let directory = format!("/proc/{pid}/root/sys/class/net");
        // What cannot be seen there is told of with the function that has no interface.
        for (name, path) in links(ask, &directory, "", &mut Vec::new()) {
            let Some(owner) = owner(&path) else { continue };
            let known = here.iter().any(|i| i.owner == Some(owner) && i.name == name)
                || found.iter().any(|e| e.owner == owner && e.name == name);
            if !known {
                let process = ask.text(None, "holder.name", &format!("/proc/{pid}/comm"), some_text);
                let namespace = namespace.clone();
                found.push(Elsewhere { namespace, name, owner, pid: *pid, process });
            }
        }
    }
    found
}
