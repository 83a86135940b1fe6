//! Displays, input and sound; device nodes that processes have open; USB devices, SCSI
//! hosts, mediated devices, TPMs, watchdogs.

use std::collections::{BTreeMap, HashSet};

use passthru_model::usage::{Attached, Client, Opened, ServiceKind};
use passthru_model::{Device, Fact, Reason, Snapshot};
use passthru_pci::Address;

use super::{Use, Uses, hidden, is_on_host, is_vfio_driver, listed, not_seen, not_seen_of, process};

impl Uses {
    pub(super) fn displays(&mut self, snapshot: &Snapshot) {
        let mut cards: BTreeMap<Address, (Vec<&str>, Vec<&str>, bool)> = BTreeMap::new();
        for display in snapshot.usage.displays.at_least() {
            let Some(owner) = display.owner else { continue };
            let card = cards.entry(owner).or_default();
            card.0.push(&display.name);
            card.2 |= display.name.starts_with("fb");
            if let Fact::Known(connected) = &display.connected {
                card.1.extend(connected.iter().map(String::as_str));
            }
        }
        let blind = snapshot.usage.displays.blind();
        for device in &snapshot.devices {
            let on_host = device.driver.known().is_some_and(|d| !is_vfio_driver(d));
            let boot = device.boot_vga == Fact::Known(true) && on_host;
            let (names, connected, framebuffer) = cards.remove(&device.address).unwrap_or_default();
            if boot {
                let text = "the display the firmware started on".to_owned();
                let chain: Vec<String> =
                    names.first().map(|n| (*n).to_owned()).into_iter().chain([text]).collect();
                self.add(Some(device.address), Use::new(chain, Some(Reason::Display)));
            } else if framebuffer {
                let chain = ["a framebuffer of the console"];
                self.add(Some(device.address), Use::new(chain, Some(Reason::Display)));
            } else if !connected.is_empty() {
                let text = format!("a monitor on {}", connected.join(", "));
                let chain = names.first().map(|n| (*n).to_owned()).into_iter().chain([text]);
                self.add(Some(device.address), Use::new(chain, Some(Reason::Display)));
            } else if !names.is_empty() {
                self.add(Some(device.address), Use::new([names.join(", ")], None));
            }
            if !blind.is_empty() && on_host && has_base(device, 0x03) {
                self.add(Some(device.address), not_seen("what it shows", blind, &[Reason::Display]));
            }
        }
    }

    pub(super) fn inputs(&mut self, snapshot: &Snapshot) {
        let inputs = snapshot.usage.inputs.at_least();
        let keyboards: Vec<_> = inputs.iter().filter(|i| i.keyboard).collect();
        for input in inputs.iter().filter(|i| i.keyboard || i.pointer) {
            let only = input.keyboard && keyboards.iter().all(|k| k.owner == input.owner);
            let kind = match (input.keyboard, only) {
                (true, true) => "the only keyboard",
                (true, false) => "keyboard",
                (false, _) => "mouse",
            };
            let blocks = only.then_some(Reason::LastKeyboard);
            self.add(input.owner, Use::new([format!("{kind} \"{}\"", input.name)], blocks));
        }
        let blind = snapshot.usage.inputs.blind();
        if !blind.is_empty() {
            // Most keyboards hang on USB.
            let usb = |d: &&Device| d.class.known().is_some_and(|class| class.code() == 0x0c03);
            for device in snapshot.devices.iter().filter(usb).filter(|d| is_on_host(d)) {
                self.add(Some(device.address), not_seen("keyboards", blind, &[Reason::LastKeyboard]));
            }
        }
    }

    /// Processes that have a node of a function open. Disks are told of where they stand.
    pub(super) fn clients(&mut self, snapshot: &Snapshot) {
        let clients = &snapshot.usage.clients;
        let mut by_node: BTreeMap<(Address, &str), Vec<&Client>> = BTreeMap::new();
        for client in clients.at_least() {
            match &client.opened {
                Opened::Function(address) => {
                    by_node.entry((*address, &client.node)).or_default().push(client);
                }
                Opened::Driver(name) => {
                    let on = |d: &&Device| d.driver.known().is_some_and(|driver| **driver == **name);
                    for device in snapshot.devices.iter().filter(on) {
                        by_node.entry((device.address, &client.node)).or_default().push(client);
                    }
                }
                Opened::Block(_) => {}
            }
        }
        for ((address, node), clients) in by_node {
            let reason = if node.starts_with("/dev/watchdog") { Reason::Watchdog } else { Reason::Clients };
            if let Some(end) = open_by(&clients) {
                self.add(Some(address), Use::new([node.to_owned(), end], Some(reason)));
            }
        }
        if clients.blind().is_empty() {
            return;
        }
        // Displays, sound and accelerators are used through nodes, and so is whatever is on a
        // driver that does nothing else.
        for device in snapshot.devices.iter().filter(|d| is_on_host(d)) {
            let by_nodes = [0x03, 0x04, 0x12].into_iter().any(|base| has_base(device, base))
                || device.driver.known().is_some_and(|d| matches!(&**d, "uio_pci_generic" | "igb_uio"));
            if by_nodes {
                self.add(
                    Some(device.address),
                    not_seen("who has it open", clients.blind(), &[Reason::Clients]),
                );
            }
        }
    }

    /// Mediated devices, TPMs, watchdogs.
    pub(super) fn services(&mut self, snapshot: &Snapshot) {
        let services = &snapshot.usage.services;
        let mut mediated: BTreeMap<Address, Vec<&str>> = BTreeMap::new();
        for service in services.at_least() {
            let name = service.name.as_str();
            let (end, blocks) = match service.kind {
                ServiceKind::MediatedDevice => {
                    mediated.entry(service.owner).or_default().push(name);
                    continue;
                }
                ServiceKind::Tpm => ("the trusted platform module", Some(Reason::Tpm)),
                ServiceKind::RunningWatchdog => ("a watchdog that is running", Some(Reason::Watchdog)),
                ServiceKind::Watchdog => ("a watchdog that is not running", None),
            };
            self.add(Some(service.owner), Use::new([name, end], blocks));
        }
        for (owner, names) in mediated {
            let count = names.len();
            let end = format!("{count} mediated device{}", if count == 1 { "" } else { "s" });
            let chain = [format!("{end}: {}", listed(&names))];
            self.add(Some(owner), Use::new(chain, Some(Reason::MediatedDevices)));
        }
        if !services.blind().is_empty() {
            let bridge = |d: &Device| d.class.known().is_none_or(|class| class.is_bridge());
            for device in snapshot.devices.iter().filter(|d| is_on_host(d) && !bridge(d)) {
                let what = "whether mediated devices, a TPM or a watchdog are made of it";
                let hidden = services.blind().iter().map(|blind| hidden(blind, served_at(&blind.path)));
                let found = not_seen_of(what, services.blind(), hidden.collect());
                self.add(Some(device.address), found);
            }
        }
    }

    /// What the host merely loses: USB devices that are not told of as keyboards or mice,
    /// ports of storage controllers without disks.
    pub(super) fn attached(&mut self, snapshot: &Snapshot) {
        let usage = &snapshot.usage;
        let told = usage.inputs.at_least().iter().filter(|i| i.keyboard || i.pointer);
        let told: HashSet<&String> = told.filter_map(|i| i.usb.as_ref()).collect();
        let disks: HashSet<Address> =
            usage.blocks.at_least().iter().flat_map(|b| b.owners.iter().copied()).collect();
        let mut hosts: BTreeMap<Address, Vec<&str>> = BTreeMap::new();
        for attached in usage.attached.at_least() {
            match attached {
                Attached::Usb { name, .. } if told.contains(name) => {}
                Attached::Usb { name, product, owner } => {
                    let text = match product {
                        Fact::Known(product) => format!("USB device \"{product}\""),
                        _ => format!("USB device {name}"),
                    };
                    self.add(Some(*owner), Use::new([text], None));
                }
                Attached::ScsiHost { name, owner } if !disks.contains(owner) => {
                    hosts.entry(*owner).or_default().push(name);
                }
                Attached::ScsiHost { .. } => {}
            }
        }
        for (owner, names) in hosts {
            let text = match names[..] {
                [name] => format!("SCSI host {name} without disks"),
                _ => format!("{} SCSI hosts without disks", names.len()),
            };
            self.add(Some(owner), Use::new([text], None));
        }
    }
}

/// What might be seen in one of the directories that services are read from.
fn served_at(path: &str) -> &'static [Reason] {
    match path.trim_start_matches("/sys/class/").split('/').next() {
        Some("mdev_bus") => &[Reason::MediatedDevices],
        Some("tpm") => &[Reason::Tpm],
        Some("watchdog") => &[Reason::Watchdog],
        _ => &[Reason::MediatedDevices, Reason::Tpm, Reason::Watchdog],
    }
}

fn has_base(device: &Device, base: u8) -> bool {
    device.class.known().is_some_and(|class| class.base() == base)
}

/// Whether it is udev, which opens every disk for a moment whenever somebody who could write
/// to it has closed it, to see what is on it now. It needs nothing of it.
fn is_udev(client: &Client) -> bool {
    let name = client.name.known().map(String::as_str);
    matches!(name, Some("(udev-worker)" | "systemd-udevd" | "udevd"))
}

/// Who has something open, each process once; `None` for nobody who matters.
pub(super) fn open_by(clients: &[&Client]) -> Option<String> {
    let mut seen = HashSet::new();
    let processes = clients.iter().filter(|c| !is_udev(c) && seen.insert(c.pid));
    let names: Vec<String> = processes.map(|c| process(&c.name, c.pid)).collect();
    (!names.is_empty()).then(|| format!("open by {}", listed(&names)))
}

/// The keyboards that hang on several functions taken together, where there is no other: each
/// may go, and not all of them.
pub(crate) fn keyboards_together(snapshot: &Snapshot, devices: &[&Device]) -> Vec<(Address, Use)> {
    let taken = |owner: Address| devices.iter().any(|device| device.address == owner);
    let keyboards: Vec<_> = snapshot.usage.inputs.at_least().iter().filter(|i| i.keyboard).collect();
    let on: Option<Vec<Address>> =
        keyboards.iter().map(|keyboard| keyboard.owner.filter(|owner| taken(*owner))).collect();
    let on = on.unwrap_or_default();
    // Where all hang on one function, that is one of its own uses.
    if on.iter().all(|owner| Some(owner) == on.first()) {
        return Vec::new();
    }
    let told = |name: &str| {
        Use::new(
            [format!("keyboard \"{name}\", and every other one goes with it")],
            Some(Reason::LastKeyboard),
        )
    };
    on.into_iter().zip(keyboards).map(|(owner, keyboard)| (owner, told(&keyboard.name))).collect()
}
