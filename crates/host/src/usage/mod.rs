//! Who uses what, one file per kind of user. Everything is found from the user's side
//! (a handful of block devices, interfaces, cards) through the links of its class.

mod attached;
mod block;
mod descriptors;
mod net;
mod nodes;
mod processes;
mod screen;
mod share;
mod ssh;
mod tables;
mod ways;

use passthru_formats::input;
use passthru_model::usage::{Input, Sound};
use passthru_model::{Blind, Seen, Usage};
use passthru_pci::Address;

use processes::Processes;

use crate::ask::{Asker, join};

/// Reads who uses what.
pub(crate) fn read(ask: &mut Asker<'_>) -> Usage {
    let processes = Processes::list(ask.source);
    let namespaces = processes.network_namespaces(ask.source);
    let interfaces = net::interfaces(ask);
    let elsewhere = net::elsewhere(ask, &namespaces, interfaces.at_least());
    let sockets = ssh::Sockets::read(ask, &elsewhere);
    let held = descriptors::read(ask, &processes, &sockets.worth_knowing());
    Usage {
        blocks: block::blocks(ask),
        mounts: block::mounts(ask, &processes),
        shares: share::shares(ask),
        swaps: block::swaps(ask),
        tables: tables::entries(ask),
        zfs: block::zfs(ask),
        elsewhere,
        ssh: sockets.connections(ask, &held.sockets),
        interfaces,
        displays: screen::displays(ask),
        inputs: inputs(ask),
        sounds: sounds(ask),
        clients: held.clients,
        vfio_holders: held.vfio,
        attached: attached::attached(ask),
        services: attached::services(ask),
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
    blind: &mut Vec<Blind>,
) -> Vec<(String, String)> {
    links(ask, &format!("/sys/class/{class}"), what, blind)
}

/// The links in a directory with the paths they lead to.
fn links(ask: &mut Asker<'_>, directory: &str, what: &str, blind: &mut Vec<Blind>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in ask.names(directory, what, blind) {
        let path = format!("{directory}/{name}");
        match ask.source.link(&path) {
            Ok(target) => found.push((name, join(directory, &target))),
            Err(error) if error.is_absent() || error == passthru_formats::Errno::EINVAL => {}
            Err(error) => blind.push(Blind { what: what.to_owned(), path, error, count: 1 }),
        }
    }
    found
}

/// The USB device in a path, by its last interface: `1-2` of `…/1-2/1-2:1.0/…`.
fn usb_device(path: &str) -> Option<String> {
    path.rsplit('/').find_map(|part| {
        let (device, _) = part.split_once(':')?;
        let (bus, _) = device.split_once('-')?;
        bus.bytes().all(|c| c.is_ascii_digit()).then(|| device.to_owned())
    })
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
                usb: usb_device(found.path),
            })
            .collect(),
        Err(error) if error.is_absent() => Vec::new(),
        Err(error) => {
            blind.push(Blind { what: "keyboards and mice".into(), path: PATH.into(), error, count: 1 });
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
