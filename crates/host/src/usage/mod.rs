//! Who uses what, one file per kind of user. Everything is found from the user's side
//! (a handful of block devices, interfaces, cards) through the links of its class.

mod block;
mod net;
mod screen;
mod share;
mod vfio;

use passthru_formats::input;
use passthru_model::usage::{Input, Sound};
use passthru_model::{Seen, Usage};
use passthru_pci::Address;

use crate::ask::{Asker, join};

/// Reads who uses what.
pub(crate) fn read(ask: &mut Asker<'_>) -> Usage {
    Usage {
        blocks: block::blocks(ask),
        mounts: block::mounts(ask),
        shares: share::shares(ask),
        swaps: block::swaps(ask),
        interfaces: net::interfaces(ask),
        displays: screen::displays(ask),
        inputs: inputs(ask),
        sounds: sounds(ask),
        vfio_holders: vfio::holders(ask),
    }
}

/// The PCI function something hangs below: the last one in its real path.
pub(crate) fn owner(path: &str) -> Option<Address> {
    path.rsplit('/').find_map(Address::from_sysfs)
}

/// The entries of a class with their real paths. Entries that are no links (files such
/// as `bonding_masters`) are passed over.
pub(crate) fn class(
    ask: &mut Asker<'_>,
    class: &str,
    what: &str,
    blind: &mut Vec<passthru_model::Blind>,
) -> Vec<(String, String)> {
    let directory = format!("/sys/class/{class}");
    let mut found = Vec::new();
    for name in ask.names(&directory, what, blind) {
        let path = format!("{directory}/{name}");
        match ask.source.link(&path) {
            Ok(target) => found.push((name, join(&directory, &target))),
            Err(error) if error.is_absent() || error == passthru_formats::Errno::EINVAL => {}
            Err(error) => {
                blind.push(passthru_model::Blind { what: what.to_owned(), path, error, count: 1 });
            }
        }
    }
    found
}

/// The process ids, in order.
pub(crate) fn processes(ask: &mut Asker<'_>, what: &str, blind: &mut Vec<passthru_model::Blind>) -> Vec<u32> {
    match ask.source.list("/proc") {
        Ok(names) => {
            let mut pids: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
            pids.sort_unstable();
            pids
        }
        // A copy of a host without its processes says nothing about what they did.
        Err(error) => {
            blind.push(passthru_model::Blind {
                what: format!("{what} of other processes"),
                path: "/proc".into(),
                error,
                count: 1,
            });
            Vec::new()
        }
    }
}

fn inputs(ask: &mut Asker<'_>) -> Seen<Input> {
    const PATH: &str = "/proc/bus/input/devices";
    let mut blind = Vec::new();
    let mut text = Vec::new();
    let items = match ask.source.read(PATH, &mut text) {
        Ok(()) => input::parse(&String::from_utf8_lossy(&text))
            .map(|found| Input {
                name: found.name.to_owned(),
                owner: owner(found.path),
                keyboard: found.is_keyboard(),
                pointer: found.is_pointer(),
            })
            .collect(),
        Err(error) if error.is_absent() => Vec::new(),
        Err(error) => {
            blind.push(passthru_model::Blind {
                what: "keyboards and mice".into(),
                path: PATH.into(),
                error,
                count: 1,
            });
            Vec::new()
        }
    };
    Seen::new(items, blind)
}

fn sounds(ask: &mut Asker<'_>) -> Seen<Sound> {
    let mut blind = Vec::new();
    let items = class(ask, "sound", "sound cards", &mut blind)
        .into_iter()
        .filter(|(name, _)| name.strip_prefix("card").is_some_and(|n| n.bytes().all(|c| c.is_ascii_digit())))
        .map(|(name, path)| Sound { owner: owner(&path), name })
        .collect();
    Seen::new(items, blind)
}
