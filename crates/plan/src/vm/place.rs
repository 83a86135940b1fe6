//! Where lent devices go in the guest.
//!
//! Owns the choice of slots, ports and function numbers, and the words for QEMU that
//! come of it. It must not look at the line itself, only at what `line` read from it.

use std::collections::BTreeMap;
use std::fmt;

use passthru_pci::Address;

use super::line::{Bridge, Line};
use super::machine::Machine;
use super::{Place, Plug, VmError};

/// Where the guest sees a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuestPlace {
    /// On the first bus, at exactly this address.
    Root {
        /// Device number on bus 00.
        device: u8,
        /// Function number.
        function: u8,
    },
    /// Behind a root port. The port's address is exact; the number of the bus behind
    /// it is the firmware's and the guest kernel's choice.
    Behind {
        /// Device number of the port on bus 00.
        port_device: u8,
        /// Function number of the port.
        port_function: u8,
        /// Function number of the device; its device number is 00.
        function: u8,
        /// The bus number firmware and Linux give when they count bridges in the
        /// order of their addresses; absent where the line makes that uncertain.
        likely_bus: Option<u8>,
    },
    /// Where the line put it.
    Line {
        /// QEMU's name of the bus, where the line says one.
        bus: Option<String>,
        /// Device and function number, where the line says them.
        addr: Option<(u8, u8)>,
    },
    /// Where QEMU puts it.
    Unknown,
}

impl fmt::Display for GuestPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root { device, function } => write!(f, "at 00:{device:02x}.{function}"),
            Self::Behind { port_device, port_function, function, likely_bus } => {
                write!(f, "behind the root port 00:{port_device:02x}.{port_function}, ")?;
                match likely_bus {
                    Some(bus) => write!(f, "most likely as {bus:02x}:00.{function}"),
                    None => write!(f, "as xx:00.{function} (the guest chooses the bus number)"),
                }
            }
            Self::Line { bus: Some(bus), addr } => {
                write!(f, "where the line puts it, on {bus}")?;
                addr.map_or(Ok(()), |(device, function)| write!(f, " at {device:02x}.{function}"))
            }
            Self::Line { bus: None, addr: Some((device, function)) } => {
                write!(f, "where the line puts it, at {device:02x}.{function} of the first bus with room")
            }
            Self::Line { bus: None, addr: None } => f.write_str("where QEMU puts it"),
            Self::Unknown => f.write_str("where QEMU puts it"),
        }
    }
}

/// Slots for lent devices, best first. QEMU gives out the lowest free slot by itself,
/// so we start in the middle. Left out: 1d and 1f, q35's USB and chipset (QEMU
/// `hw/i386/pc_q35.c`); late: 1a to 1c and 1e, where QEMU's sample configurations and
/// libvirt put a second USB, sound and a legacy bridge.
const SLOTS: &[u8] = &[
    0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1c, 0x1e, 0x1a, 0x1b, 0x0f, 0x0e, 0x0d,
    0x0c, 0x0b, 0x0a, 0x09, 0x08, 0x07, 0x06, 0x05, 0x04,
];

/// First chassis and physical slot number of our ports; the line's are left out.
const FIRST_CHASSIS: u32 = 16;

/// The words for QEMU and the places that come of them.
pub(super) type Placed = (Vec<String>, Vec<Place>);

/// Devices that go into one slot of the guest, with their function numbers there.
type Group = Vec<(Address, u8)>;

/// Puts devices into a machine, each opened through the iommufd object of this id where there
/// is one.
///
/// # Errors
///
/// [`VmError::NoRoom`] where the root bus has fewer free places than are needed.
pub(super) fn place(
    devices: &[Address],
    separate: &[Address],
    machine: Machine,
    plug: Plug,
    line: &Line,
    iommufd: Option<&str>,
) -> Result<Placed, VmError> {
    let groups = group(devices, separate);
    match (machine, plug) {
        (Machine::Unknown, _) => Ok(anywhere(devices, iommufd)),
        (Machine::Express, Plug::Port) => behind_ports(&groups, line, iommufd),
        (Machine::Express, Plug::Root) | (Machine::Conventional, _) => {
            on_root(&groups, machine.root_bus(), line, iommufd)
        }
    }
}

/// Puts devices on the first PCI bus of a machine that is not known, for programs
/// that are not QEMU: without `bus=`, QEMU takes the first one with room, which is
/// the root bus on every machine.
pub(super) fn place_blindly(
    devices: &[Address],
    separate: &[Address],
    iommufd: Option<&str>,
) -> Result<Placed, VmError> {
    on_root(&group(devices, separate), None, &Line::default(), iommufd)
}

/// Functions of one host slot stay together, except those that must not (virtual
/// functions share a slot number with each other by accident of arithmetic only).
fn group(devices: &[Address], separate: &[Address]) -> Vec<Group> {
    let mut slots: BTreeMap<_, Vec<Address>> = BTreeMap::new();
    for &device in devices {
        let own = separate.contains(&device).then_some(device.function());
        slots.entry((device.slot(), own)).or_default().push(device);
    }
    let with_functions = |members: Vec<Address>| {
        // A guest looks for a device only where function 0 answers. So the lowest
        // lent one becomes 0 where the host's function 0 is not lent; the others keep
        // their numbers, which drivers of multi-function cards may rely on.
        members
            .into_iter()
            .enumerate()
            .map(|(nth, device)| (device, if nth == 0 { 0 } else { device.function() }))
            .collect()
    };
    slots.into_values().map(with_functions).collect()
}

fn behind_ports(groups: &[Group], line: &Line, iommufd: Option<&str>) -> Result<Placed, VmError> {
    // One slot per port as long as there are slots: such a port can be unplugged and
    // reset alone. Then as many functions per slot as it takes.
    let mut slots = free_slots(line);
    let per_slot = groups.len().div_ceil(slots.len().max(1)).max(1);
    if groups.len() > slots.len() * 8 {
        return Err(VmError::NoRoom { needed: groups.len(), free: slots.len() * 8, bus: "pcie.0" });
    }
    slots.truncate(groups.len().div_ceil(per_slot));
    slots.sort_unstable();
    let mut numbers = (FIRST_CHASSIS..).filter(|n| !line.chassis.contains(n));
    let mut names =
        (0..).map(|n: usize| format!("passthru-port-{n}")).filter(|id| !line.ids.contains(id.as_str()));
    let mut ports = Vec::new();
    for (slot, groups) in slots.iter().zip(groups.chunks(per_slot)) {
        for (function, group) in (0u8..).zip(groups) {
            // Both iterators are endless.
            let (Some(number), Some(name)) = (numbers.next(), names.next()) else { continue };
            ports.push((*slot, function, number, name, group, groups.len() > 1));
        }
    }
    let at: Vec<_> = ports.iter().map(|p| (p.0, p.1)).collect();
    let (mut words, mut places) = (Vec::new(), Vec::new());
    for (slot, function, number, name, group, shared) in ports {
        words.push("-device".to_owned());
        words.push(format!(
            "pcie-root-port,id={name},bus=pcie.0,chassis={number},slot={number},{}",
            addr(slot, function, shared)
        ));
        let likely_bus = likely_bus(line, &at, (slot, function));
        for (device, device_function) in group {
            words.push("-device".to_owned());
            let addr = addr(0, *device_function, group.len() > 1);
            words.push(vfio(*device, iommufd, Some(&name), Some(&addr)));
            places.push(Place {
                address: *device,
                already_named: false,
                guest: GuestPlace::Behind {
                    port_device: slot,
                    port_function: function,
                    function: *device_function,
                    likely_bus,
                },
            });
        }
    }
    Ok((words, places))
}

fn on_root(
    groups: &[Group],
    bus: Option<&'static str>,
    line: &Line,
    iommufd: Option<&str>,
) -> Result<Placed, VmError> {
    let mut slots = free_slots(line);
    if slots.len() < groups.len() {
        return Err(VmError::NoRoom {
            needed: groups.len(),
            free: slots.len(),
            bus: bus.unwrap_or("the first PCI bus"),
        });
    }
    slots.truncate(groups.len());
    slots.sort_unstable();
    let (mut words, mut places) = (Vec::new(), Vec::new());
    for (slot, group) in slots.into_iter().zip(groups) {
        for (device, function) in group {
            words.push("-device".to_owned());
            words.push(vfio(*device, iommufd, bus, Some(&addr(slot, *function, group.len() > 1))));
            places.push(Place {
                address: *device,
                already_named: false,
                guest: GuestPlace::Root { device: slot, function: *function },
            });
        }
    }
    Ok((words, places))
}

fn anywhere(devices: &[Address], iommufd: Option<&str>) -> Placed {
    let words = devices.iter().flat_map(|d| ["-device".to_owned(), vfio(*d, iommufd, None, None)]).collect();
    let place = |&address| Place { address, already_named: false, guest: GuestPlace::Unknown };
    (words, devices.iter().map(place).collect())
}

/// Free slots, best first: those that QEMU's own choice does not reach, and only if
/// there are none the others (our count of what QEMU places itself is an upper bound).
fn free_slots(line: &Line) -> Vec<u8> {
    let free = || SLOTS.iter().copied().filter(|slot| !line.taken.contains(slot));
    let slots: Vec<u8> = free().filter(|slot| *slot >= line.first_safe).collect();
    if slots.is_empty() { free().collect() } else { slots }
}

/// The bus number behind a port when bridges are counted in the order of their
/// addresses, as SeaBIOS, OVMF and Linux do.
fn likely_bus(line: &Line, ports: &[(u8, u8)], port: (u8, u8)) -> Option<u8> {
    let may_be_above = port.0 < line.first_safe && line.bridges.contains(&Bridge::Low);
    if line.more_elsewhere || may_be_above || line.bridges.contains(&Bridge::Elsewhere) {
        return None;
    }
    let before = line.bridges.iter().filter(|bridge| match bridge {
        Bridge::At(device, function) => (*device, *function) < port,
        Bridge::Low => true,
        Bridge::Elsewhere => false,
    });
    u8::try_from(1 + before.count() + ports.iter().filter(|p| **p < port).count()).ok()
}

fn addr(device: u8, function: u8, multifunction: bool) -> String {
    match (function, multifunction) {
        (0, false) => format!("addr={device:#x}"),
        // The bit belongs on function 0: it says that there are others.
        (0, true) => format!("addr={device:#x}.0,multifunction=on"),
        (_, _) => format!("addr={device:#x}.{function:x}"),
    }
}

/// The id of a lent device in QEMU.
pub(super) fn device_id(device: Address) -> String {
    format!("passthru-{}", device.to_string().replace([':', '.'], "-"))
}

/// The argument of `-device` for one function.
fn vfio(device: Address, iommufd: Option<&str>, bus: Option<&str>, addr: Option<&str>) -> String {
    // QEMU's `host=` holds four digits of domain (`hw/core/qdev-properties-system.c`,
    // `set_pci_host_devaddr`); devices behind VMD have more.
    let mut text = if device.domain() > 0xffff {
        format!("vfio-pci,sysfsdev=/sys/bus/pci/devices/{device}")
    } else {
        format!("vfio-pci,host={device}")
    };
    text += &format!(",id={}", device_id(device));
    if let Some(object) = iommufd {
        text += &format!(",iommufd={object}");
    }
    if let Some(bus) = bus {
        text += &format!(",bus={bus}");
    }
    if let Some(addr) = addr {
        text += &format!(",{addr}");
    }
    text
}
