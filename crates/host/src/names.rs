//! Names from pci.ids: the system's own file, so that they equal what lspci says there;
//! else the copy that is built in.

use std::fmt::Write;

use passthru_formats::pci_ids::{Names, Wanted};
use passthru_model::Device;
use pci_ids::{Class, FromId, SubSystem, Vendor};

use crate::ask::Asker;

/// Where distributions keep the file, in the order in which it is looked for: Debian and
/// Ubuntu, Fedora and Arch, older ones.
pub(crate) const FILES: [&str; 3] =
    ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids", "/usr/share/pci.ids"];

/// What these devices need names for.
pub(crate) fn wanted(devices: &[Device]) -> Wanted {
    let mut wanted = Wanted::new();
    for device in devices {
        if let Some(id) = device.id.known() {
            wanted.device(*id, device.subsystem.known().copied());
        }
        if let Some(class) = device.class.known() {
            wanted.class(*class);
        }
    }
    wanted
}

/// The names, and the file they came from; `None` for the built-in copy.
pub(crate) fn read(ask: &Asker<'_>, devices: &[Device]) -> (Names, Option<String>) {
    let wanted = wanted(devices);
    let mut text = Vec::new();
    for path in FILES {
        // Names are a comfort: an unreadable file is no reason to say anything.
        if ask.source.read(path, &mut text).is_ok() && !text.is_empty() {
            return (Names::select(&text, &wanted), Some(path.to_owned()));
        }
    }
    (Names::select(built_in(devices).as_bytes(), &wanted), None)
}

/// The built-in copy's lines about these devices, in the form of the file.
pub(crate) fn built_in(devices: &[Device]) -> String {
    let mut vendors: Vec<u16> = devices
        .iter()
        .flat_map(|d| [d.id.known(), d.subsystem.known()])
        .flatten()
        .map(|id| id.vendor)
        .collect();
    vendors.sort_unstable();
    vendors.dedup();
    let mut text = String::new();
    for vendor in vendors.iter().filter_map(|v| Vendor::from_id(*v)) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:04x}  {}", vendor.id(), vendor.name());
        for device in vendor.devices() {
            let _ = writeln!(text, "\t{:04x}  {}", device.id(), device.name());
            for sub in device.subsystems() {
                let _ = writeln!(
                    text,
                    "\t\t{:04x} {:04x}  {}",
                    sub.subvendor(),
                    sub.subdevice(),
                    SubSystem::name(sub)
                );
            }
        }
    }
    let mut classes: Vec<u8> =
        devices.iter().filter_map(|d| d.class.known()).map(|class| class.base()).collect();
    classes.sort_unstable();
    classes.dedup();
    for class in classes.iter().filter_map(|c| Class::from_id(*c)) {
        let _ = writeln!(text, "C {:02x}  {}", class.id(), class.name());
        for subclass in class.subclasses() {
            let _ = writeln!(text, "\t{:02x}  {}", subclass.id(), subclass.name());
            for interface in subclass.prog_ifs() {
                let _ = writeln!(text, "\t\t{:02x}  {}", interface.id(), interface.name());
            }
        }
    }
    text
}
