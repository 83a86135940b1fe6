//! What hangs below functions beside disks, interfaces and displays: USB devices, SCSI
//! hosts, mediated devices, TPMs, watchdogs.

use passthru_model::usage::{Attached, Service, ServiceKind};
use passthru_model::{Blind, Fact, Seen};
use passthru_pci::Address;

use super::{class, links, owner};
use crate::ask::{Asker, some_text};

/// `bDeviceClass` of a hub (USB 2.0, 11.23.1).
const HUB: &str = "09";

/// USB devices that are no hubs, and SCSI hosts.
pub(super) fn attached(ask: &mut Asker<'_>) -> Seen<Attached> {
    const USB: &str = "/sys/bus/usb/devices";
    let mut blind = Vec::new();
    let mut items = Vec::new();
    for (name, path) in links(ask, USB, "USB devices", &mut blind) {
        // `usb1` is a root hub, `1-2:1.0` an interface of `1-2`.
        let device = name.as_bytes().first().is_some_and(u8::is_ascii_digit) && !name.contains(':');
        let Some(owner) = owner(&path).filter(|_| device) else { continue };
        let kind = ask.text(None, "usb.class", &format!("{USB}/{name}/bDeviceClass"), some_text);
        if kind.known().is_none_or(|kind| kind != HUB) {
            let product = ask.text(None, "usb.product", &format!("{USB}/{name}/product"), some_text);
            items.push(Attached::Usb { name, product, owner });
        }
    }
    for (name, path) in class(ask, "scsi_host", "SCSI hosts", &mut blind) {
        if let Some(owner) = owner(&path) {
            items.push(Attached::ScsiHost { name, owner });
        }
    }
    Seen::new(items, blind)
}

/// Mediated devices, TPMs and watchdogs.
pub(super) fn services(ask: &mut Asker<'_>) -> Seen<Service> {
    let mut blind = Vec::new();
    let mut items = Vec::new();
    for (name, path) in class(ask, "mdev_bus", "mediated devices", &mut blind) {
        // The entry is the function itself; its mediated devices are directories in it.
        let Some(owner) = owner(&path) else { continue };
        let children = ask.names(&format!("/sys/class/mdev_bus/{name}"), "mediated devices", &mut blind);
        let new = |name| Service { kind: ServiceKind::MediatedDevice, name, owner };
        items.extend(children.into_iter().filter(|name| is_uuid(name)).map(new));
    }
    simple(ask, "tpm", "TPMs", &mut blind, |_, name, owner| {
        items.push(Service { kind: ServiceKind::Tpm, name, owner });
    });
    simple(ask, "watchdog", "watchdogs", &mut blind, |ask, name, owner| {
        // `active` or `inactive` (`drivers/watchdog/watchdog_dev.c`, `state_show`); kernels
        // built without that attribute do not say.
        let state = ask.text(None, "watchdog.state", &format!("/sys/class/watchdog/{name}/state"), some_text);
        let kind = match state {
            Fact::Known(state) if state == "active" => ServiceKind::RunningWatchdog,
            _ => ServiceKind::Watchdog,
        };
        items.push(Service { kind, name, owner });
    });
    Seen::new(items, blind)
}

fn simple(
    ask: &mut Asker<'_>,
    of: &str,
    what: &str,
    blind: &mut Vec<Blind>,
    mut found: impl FnMut(&mut Asker<'_>, String, Address),
) {
    for (name, path) in class(ask, of, what, blind) {
        if let Some(owner) = owner(&path) {
            found(ask, name, owner);
        }
    }
}

/// `aa618089-8b16-4d01-a136-25a0f3c73123`.
fn is_uuid(name: &str) -> bool {
    name.len() == 36
        && name.bytes().enumerate().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == b'-',
            _ => c.is_ascii_hexdigit(),
        })
}
