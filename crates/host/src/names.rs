//! Names from pci.ids: the system's own file, so that they equal what lspci says there;
//! else the copy that is built in.

use passthru_formats::pci_ids::{Names, Selector, Wanted};
use passthru_model::Device;

use crate::ask::Asker;

/// Where distributions keep the file, in the order in which it is looked for: Debian and
/// Ubuntu, Fedora and Arch, older ones.
pub(crate) const FILES: [&str; 3] =
    ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids", "/usr/share/pci.ids"];

/// The built-in copy, made by build.rs.
pub(crate) const BUILT_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pci.ids"));

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
    for path in FILES {
        let mut selector = Selector::new(&wanted);
        let mut empty = true;
        let read = ask.source.read_parts(path, &mut |part| {
            empty = false;
            selector.part(part);
        });
        // Names are a comfort: an unreadable file is no reason to say anything.
        if read.is_ok() && !empty {
            return (selector.finish(), Some(path.to_owned()));
        }
    }
    (Names::select(BUILT_IN, &wanted), None)
}
