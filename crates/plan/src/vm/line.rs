//! What a QEMU line already says about PCI: who sits where, and which names and
//! numbers are taken.
//!
//! Owns the reading of `-device`, of the older options that make PCI devices, and of the
//! iommufd objects. It
//! must not decide where anything new goes.

use std::collections::BTreeSet;

use passthru_pci::Address;

use super::descriptors::Opened;
use super::machine::Machine;
use super::options::Opt;
use super::place::GuestPlace;
use super::props::{Props, device_and_function, number};

/// Slots a machine fills by itself before it looks at the line: host bridge, default
/// VGA, default network card; on i440FX the PIIX3 in 01 as well.
const BUILT_IN: u8 = 4;

/// The name of what may stand first in `-object` without one (QEMU `qom/object_interfaces.c`).
const QOM_TYPE: &str = "qom-type";

/// A VFIO device that is on the line already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// Its address on the host.
    pub(super) address: Address,
    /// Where the line puts it.
    pub(super) guest: GuestPlace,
    /// The id of the iommufd object that the line wants it through.
    pub(super) iommufd: Option<String>,
    /// The line gives it as a descriptor.
    pub(super) given: bool,
}

/// An iommufd object on the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// Its id.
    pub(super) id: String,
    /// The line gives it a descriptor.
    pub(super) given: bool,
}

/// A bridge on the line, as far as it matters for bus numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bridge {
    /// On the root bus in this slot and function.
    At(u8, u8),
    /// On the root bus, in a low slot that QEMU chooses.
    Low,
    /// Behind another bridge, or a root bus of its own (`pxb-pcie`).
    Elsewhere,
}

/// The PCI side of a line.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Slots of the root bus that the line takes by an explicit `addr=`.
    pub(super) taken: BTreeSet<u8>,
    /// QEMU gives out the lowest free slots by itself; it will not reach this one.
    pub(super) first_safe: u8,
    /// Chassis and physical slot numbers in use.
    pub(super) chassis: BTreeSet<u32>,
    /// Ids in use, of devices and of objects.
    pub(super) ids: BTreeSet<String>,
    /// VFIO devices on the line, named by their host address.
    pub(super) named: Vec<Named>,
    /// The iommufd objects on the line.
    pub(super) objects: Vec<Object>,
    /// Bridges on the line.
    pub(super) bridges: Vec<Bridge>,
    /// Whether a file that is not read may hold more (`-readconfig`).
    pub(super) more_elsewhere: bool,
}

/// Reads the PCI side of a line.
pub(super) fn read(options: &[Opt<'_>], machine: Option<Machine>) -> Line {
    let root = machine.and_then(Machine::root_bus);
    let mut line = Line::default();
    let mut automatic: u8 = BUILT_IN;
    for option in options {
        match option.name {
            "device" => {
                let props = Props::parse(option.value, "driver");
                let on_root = match props.get("bus") {
                    None => true,
                    Some(bus) => root == Some(bus) || bus == "pci" || bus == "pcie",
                };
                let addr = props.get("addr").and_then(device_and_function);
                line.device(&props, on_root, addr);
                if on_root && addr.is_none() && may_be_pci(props.get("driver").unwrap_or_default()) {
                    automatic = automatic.saturating_add(1);
                }
            }
            // Each makes a PCI device, or may, in a place of QEMU's choice.
            "net" | "nic" | "drive" | "virtfs" | "soundhw" | "audio" | "balloon" | "watchdog" | "usb"
            | "vga" | "fsdev" | "virtioconsole" | "hda" | "hdb" | "hdc" | "hdd" | "cdrom" => {
                let props = Props::parse(option.value, "type");
                match props.get("addr").and_then(device_and_function) {
                    Some((device, _)) => _ = line.taken.insert(device),
                    // Disks share the built-in controllers unless they are virtio's.
                    None if option.name == "drive" && props.get("if") != Some("virtio") => {}
                    None if matches!(option.name, "hda" | "hdb" | "hdc" | "hdd" | "cdrom" | "fsdev") => {}
                    None => automatic = automatic.saturating_add(1),
                }
            }
            // -set device.disk0.addr=0x12
            "set" => {
                let addr = option.value.split_once(".addr=").map(|(_, addr)| addr);
                if let Some((device, _)) = addr.and_then(device_and_function) {
                    line.taken.insert(device);
                }
            }
            "object" => line.object(&Props::parse(option.value, QOM_TYPE)),
            "readconfig" => line.more_elsewhere = true,
            _ => {}
        }
    }
    line.first_safe = automatic;
    line
}

/// What an option opens of iommufd's, unless it has a descriptor already.
pub(super) fn opens(option: &Opt<'_>) -> Option<Opened> {
    let mut line = Line::default();
    match option.name {
        "object" => line.object(&Props::parse(option.value, QOM_TYPE)),
        "device" => line.device(&Props::parse(option.value, "driver"), false, None),
        _ => return None,
    }
    let object = line.objects.pop().filter(|o| !o.given).map(|o| Opened::Object(o.id));
    let device = line.named.pop().filter(|n| n.iommufd.is_some() && !n.given);
    object.or_else(|| device.map(|n| Opened::Device(n.address)))
}

impl Line {
    fn object(&mut self, props: &Props) {
        self.ids.extend(props.get("id").map(str::to_owned));
        if let (Some("iommufd"), Some(id)) = (props.get(QOM_TYPE), props.get("id")) {
            self.objects.push(Object { id: id.to_owned(), given: props.get("fd").is_some() });
        }
    }

    fn device(&mut self, props: &Props, on_root: bool, addr: Option<(u8, u8)>) {
        let driver = props.get("driver").unwrap_or_default();
        if let (true, Some((device, _))) = (on_root, addr) {
            self.taken.insert(device);
        }
        for name in ["chassis", "chassis_nr", "slot"] {
            self.chassis.extend(props.get(name).and_then(number));
        }
        self.ids.extend(props.get("id").map(str::to_owned));
        if is_bridge(driver) {
            self.bridges.push(match (on_root, addr) {
                _ if driver.starts_with("pxb") => Bridge::Elsewhere,
                (true, Some((device, function))) => Bridge::At(device, function),
                (true, None) => Bridge::Low,
                (false, _) => Bridge::Elsewhere,
            });
        }
        if let Some(address) = vfio_host(driver, props) {
            let guest = match (on_root, addr) {
                (true, Some((device, function))) if props.get("bus").is_some() => {
                    GuestPlace::Root { device, function }
                }
                _ => GuestPlace::Line { bus: props.get("bus").map(str::to_owned), addr },
            };
            // An empty one unsets the link; an id may be a whole path (QEMU `qom/object.c`).
            let id = props.get("iommufd").map(|path| path.rsplit('/').next().unwrap_or(path));
            let iommufd = id.filter(|id| !id.is_empty()).map(str::to_owned);
            self.named.push(Named { address, guest, iommufd, given: props.get("fd").is_some() });
        }
    }
}

/// The host address a VFIO device names, by `host=` or by the last part of
/// `sysfsdev=` (a mediated device's is a UUID, which is no address).
fn vfio_host(driver: &str, props: &Props) -> Option<Address> {
    if !matches!(driver, "vfio-pci" | "vfio-pci-nohotplug") {
        return None;
    }
    if let Some(path) = props.get("sysfsdev") {
        return path.trim_end_matches('/').rsplit('/').next()?.parse().ok();
    }
    // QEMU reads the parts with strtoul, so 0x is as good as nothing.
    props.get("host")?.replace("0x", "").parse().ok()
}

/// Bridges and ports, by QEMU's naming of its drivers.
fn is_bridge(driver: &str) -> bool {
    driver.contains("bridge")
        || driver.ends_with("-root-port")
        || driver.starts_with("xio3130")
        || driver.starts_with("x3130")
        || driver.starts_with("pxb")
        || driver == "ioh3420"
}

/// Whether a device may take a slot of the root bus. Counting one too many costs
/// nothing, so only the families are left out that are sure to sit on other busses.
fn may_be_pci(driver: &str) -> bool {
    let elsewhere =
        ["isa-", "scsi-", "ide-", "hda-", "virtserial", "virtconsole", "tpm-", "nvme-ns", "nvme-subsys"];
    let pci_usb = ["usb-ehci", "usb-ohci", "usb-uhci"];
    let memory = ["pc-dimm", "nvdimm", "sgx-epc", "vmgenid", "vmcoreinfo", "pvpanic", "i8042", "loader"];
    !(elsewhere.iter().any(|prefix| driver.starts_with(prefix))
        || (driver.starts_with("usb-") && !pci_usb.contains(&driver))
        || memory.contains(&driver)
        || driver.ends_with("-cpu"))
}

#[cfg(test)]
mod tests {
    use super::super::options::scan;
    use super::super::tests::words;
    use super::*;

    fn line(text: &str) -> Line {
        let words = words(text);
        read(&scan(&words).unwrap(), Some(Machine::Express))
    }

    #[test]
    fn every_spelling_of_a_lent_device() {
        for text in [
            "-device vfio-pci,host=0000:01:00.0",
            "-device vfio-pci,host=01:00.0,bus=rp1",
            "--device vfio-pci,id=x,host=1:0.0",
            "-device vfio-pci,host=0x01:00.0",
            "-device host=01:00.0,driver=vfio-pci",
            "-device vfio-pci-nohotplug,host=01:00.0",
            "-device vfio-pci,sysfsdev=/sys/bus/pci/devices/0000:01:00.0",
            "-device vfio-pci,sysfsdev=/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/",
            r#"-device {"driver":"vfio-pci","host":"0000:01:00.0"}"#,
        ] {
            let named = line(text).named;
            assert_eq!(named.len(), 1, "{text}");
            assert_eq!(named[0].address.to_string(), "0000:01:00.0", "{text}");
        }
        for text in [
            "-device edu,host=01:00.0",
            "-append vfio-pci,host=01:00.0",
            "-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001",
            "-device vfio-pci,host=nonsense",
        ] {
            assert!(line(text).named.is_empty(), "{text}");
        }
    }

    #[test]
    fn what_is_taken() {
        let got = line(
            "-device edu,addr=0x10 -device edu,bus=pcie.0,addr=12.1 -device edu,bus=rp1,addr=0x5 \
             -device pcie-root-port,id=rp1,chassis=16,slot=0x11 -net nic,addr=0x14 -set device.a.addr=0x15",
        );
        assert_eq!(got.taken.iter().copied().collect::<Vec<_>>(), [0x10, 0x12, 0x14, 0x15]);
        assert_eq!(got.chassis.iter().copied().collect::<Vec<_>>(), [16, 17]);
        assert!(got.ids.contains("rp1"));
        assert_eq!(got.bridges, [Bridge::Low]);
        assert_eq!(got.first_safe, BUILT_IN + 1);
        let got =
            line("-device usb-tablet -device nec-usb-xhci -drive file=x,if=virtio -drive file=y -nic user");
        assert_eq!(got.first_safe, BUILT_IN + 3);
    }
}
