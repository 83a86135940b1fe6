//! Network interfaces and the default routes through them.

use std::collections::BTreeSet;

use passthru_formats::{route, scalar};
use passthru_model::usage::Interface;
use passthru_model::{Blind, Fact, Seen};

use super::{class, owner};
use crate::ask::{Asker, some_text};

/// `IFF_UP` (`include/uapi/linux/if.h`).
const IFF_UP: u64 = 1;

/// The interfaces of this network namespace.
pub(super) fn interfaces(ask: &mut Asker<'_>) -> Seen<Interface> {
    let mut blind = Vec::new();
    let entries = class(ask, "net", "network interfaces", &mut blind);
    let routes = default_routes(ask, &mut blind);
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

fn collect<'a, E>(routes: impl Iterator<Item = Result<route::Route<'a>, E>>, names: &mut BTreeSet<String>) {
    names.extend(routes.flatten().filter(route::Route::is_default).map(|r| r.interface.to_owned()));
}
