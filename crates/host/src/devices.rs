//! PCI functions and their places: what every view needs, for the least the kernel
//! can be asked. Per function: one link (the place), one `uevent` (driver, class, ids,
//! modalias in one read) and two links (group, physical function).

use passthru_formats::errno::Errno;
use passthru_formats::{modalias, uevent};
use passthru_model::{Device, Fact, ReservedRegion, Wants};
use passthru_pci::{Address, Class, Id};

use crate::ask::{Asker, flag, join, means_absent};
use crate::{groups, threads};

/// The directory of all functions.
pub(crate) const DEVICES: &str = "/sys/bus/pci/devices";

/// Reads all functions, in order.
///
/// # Errors
/// Where the directory of devices is not there or cannot be listed: then this is no
/// host, and nothing else would mean anything.
pub(crate) fn read(ask: &mut Asker<'_>, wants: &Wants) -> Result<Found, Errno> {
    let names = ask.source.list(DEVICES)?;
    let mut addresses = Vec::with_capacity(names.len());
    for name in names {
        match Address::from_sysfs(&name) {
            Some(address) => addresses.push(address),
            None => drop(ask.malformed::<()>(None, "address", DEVICES, &name)),
        }
    }
    addresses.sort_unstable();
    // The kernel answers in parallel, so a large host is asked by several threads.
    let threads = match addresses.len() {
        ..PARALLEL => 1,
        PARALLEL..LARGE => 2,
        LARGE.. => THREADS.min(available()),
    };
    let per_thread = addresses.len().div_ceil(threads).max(1);
    let mut parts = addresses.chunks(per_thread);
    let mine = parts.next().unwrap_or_default();
    let others: Option<Vec<_>> = parts.map(|part| Some((part, ask.source.another()?))).collect();
    let Some(others) = others else { return Ok(read_part(ask, &addresses, wants)) };
    std::thread::scope(|scope| {
        let others: Vec<_> = others
            .into_iter()
            .map(|(part, source)| {
                threads::begin(scope, move || {
                    let mut ask = Asker::new(&*source);
                    let found = read_part(&mut ask, part, wants);
                    (found, ask.unread)
                })
            })
            .collect();
        let mut all = read_part(ask, mine, wants);
        for other in others {
            let (found, unread) = other.join();
            all.devices.extend(found.devices);
            all.reserved.extend(found.reserved);
            ask.unread.extend(unread);
        }
        Ok(all)
    })
}

/// What was read.
#[derive(Default)]
pub(crate) struct Found {
    /// The functions, in order.
    pub(crate) devices: Vec<Device>,
    /// The reserved regions of groups, where they were asked for; a group of several
    /// functions may be there more than once.
    pub(crate) reserved: Vec<(u32, Fact<Vec<ReservedRegion>>)>,
}

/// From how many functions on a second thread is worth its start (some 50 µs, what six
/// functions cost).
const PARALLEL: usize = 48;

/// From how many functions on it pays to ask how many processors there are: the standard
/// library reads the limits of our control group for it.
const LARGE: usize = 1000;

/// More threads than this gain nothing: the kernel's locks are the limit.
const THREADS: usize = 4;

fn available() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn read_part(ask: &mut Asker<'_>, addresses: &[Address], wants: &Wants) -> Found {
    let mut found = Found::default();
    for address in addresses {
        let Some(device) = read_one(ask, *address, wants) else { continue };
        // What could be lent: ports and bridges cannot, whatever is reserved for them.
        if wants.reserved
            && let Fact::Known(group) = device.group
            && device.class.known().is_none_or(|class| !class.is_bridge())
            && found.reserved.last().is_none_or(|(last, _)| *last != group)
        {
            found.reserved.push((group, groups::reserved(ask, group)));
        }
        found.devices.push(device);
    }
    found
}

/// `None` where the function went away after the directory was listed.
fn read_one(ask: &mut Asker<'_>, address: Address, wants: &Wants) -> Option<Device> {
    let base = format!("{DEVICES}/{address}");
    // One text for all paths of the device: on a large host making them anew showed.
    let mut path_of = Attributes { text: format!("{base}/"), base: base.len() + 1 };
    let path = match ask.source.link(&base) {
        Ok(target) => join(DEVICES, &target),
        // A directory made by hand has no link there.
        Err(Errno::EINVAL) => base.clone(),
        Err(error) if means_absent(error) => return None,
        Err(error) => {
            ask.failed::<()>(Some(address), "path", &base, error);
            base.clone()
        }
    };
    let mut device = Device {
        address,
        parent: parent(&path),
        path,
        id: Fact::NotRead,
        subsystem: Fact::Absent,
        class: Fact::NotRead,
        revision: Fact::NotRead,
        driver: Fact::NotRead,
        modalias: Fact::NotRead,
        group: Fact::NotRead,
        physical_function: Fact::NotRead,
        boot_vga: Fact::Absent,
        detail: None,
    };
    if !read_modalias(ask, &mut device, &mut path_of) {
        read_uevent(ask, &mut device, path_of.at("uevent"));
    }
    if !device.id.is_settled() || !device.class.is_settled() {
        read_singly(ask, &mut device, &mut path_of);
    }
    device.group = link(ask, address, "group", path_of.at("iommu_group"), |name| name.parse().ok());
    // A virtual function has a header of type 0 (SR-IOV specification, 3.4.1): ports and
    // bridges, a third of most hosts, are not asked.
    device.physical_function = if device.is_bus_bridge() {
        Fact::Absent
    } else {
        link(ask, address, "physical_function", path_of.at("physfn"), Address::from_sysfs)
    };
    // The attribute exists on VGA controllers only (`drivers/pci/pci-sysfs.c`).
    if device.class.known().is_some_and(|class| class.code() == 0x0300) {
        device.boot_vga = ask.text(Some(address), "boot_vga", path_of.at("boot_vga"), flag);
    }
    if wants.revision {
        device.revision = ask.text(Some(address), "revision", path_of.at("revision"), |text| {
            u8::from_str_radix(text.strip_prefix("0x")?, 16).ok().map(Fact::Known)
        });
    }
    Some(device)
}

/// The paths of a device's attributes, made in one piece of memory.
struct Attributes {
    text: String,
    base: usize,
}

impl Attributes {
    fn at(&mut self, name: &str) -> &str {
        self.text.truncate(self.base);
        self.text.push_str(name);
        &self.text
    }
}

/// What the last component of a link says.
fn link<T>(
    ask: &mut Asker<'_>,
    address: Address,
    field: &'static str,
    path: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Fact<T> {
    match ask.source.link(path) {
        Ok(target) => match target.rsplit('/').next().and_then(parse) {
            Some(value) => Fact::Known(value),
            None => ask.malformed(Some(address), field, path, &target),
        },
        Err(error) => ask.failed(Some(address), field, path, error),
    }
}

/// The bridge above: the last but one component of the real path, where that is a
/// function. Functions on a root bus hang below `pciDDDD:BB`.
fn parent(path: &str) -> Option<Address> {
    path.rsplit('/').nth(1).and_then(Address::from_sysfs)
}

/// What a function is from its modalias, and its driver from the link: neither waits for
/// the device's lock, as `uevent` does. Says whether there was one to understand.
fn read_modalias(ask: &mut Asker<'_>, device: &mut Device, path_of: &mut Attributes) -> bool {
    let Ok(buffer) = ask.read(path_of.at("modalias")) else { return false };
    let text = std::str::from_utf8(&buffer).map_or("", str::trim_end);
    let found = modalias::parse(text);
    if let Some(found) = found {
        device.modalias = Fact::Known(text.into());
        device.id = Fact::Known(found.id);
        device.class = Fact::Known(found.class);
        // 0000:0000 is what a function without subsystem ids reports.
        device.subsystem = match found.subsystem {
            Id { vendor: 0, device: 0 } => Fact::Absent,
            id => Fact::Known(id),
        };
    }
    ask.give_back(buffer);
    if found.is_some() {
        let name = |name: &str| Some(name.to_owned().into_boxed_str());
        device.driver = link(ask, device.address, "driver", path_of.at("driver"), name);
    }
    found.is_some()
}

fn read_uevent(ask: &mut Asker<'_>, device: &mut Device, path: &str) {
    let address = Some(device.address);
    let buffer = match ask.read(path) {
        Ok(buffer) => buffer,
        Err(error) => {
            ask.failed::<()>(address, "uevent", path, error);
            return;
        }
    };
    let (parsed, malformed) = uevent::parse(&buffer);
    if malformed.is_some() {
        ask.malformed::<()>(address, "uevent", path, &String::from_utf8_lossy(&buffer));
    }
    // Nothing that is a uevent at all: the single attributes are asked instead.
    if parsed.id.is_some() || parsed.class.is_some() {
        device.driver = parsed.driver.map_or(Fact::Absent, |d| Fact::Known(d.into()));
        device.modalias = parsed.modalias.map_or(Fact::Absent, |m| Fact::Known(m.into()));
        if let Some(id) = parsed.id {
            device.id = Fact::Known(id);
        }
        if let Some(class) = parsed.class {
            device.class = Fact::Known(class);
        }
        // 0000:0000 is what a function without subsystem ids reports.
        device.subsystem = match parsed.subsystem {
            Some(Id { vendor: 0, device: 0 }) | None => Fact::Absent,
            Some(id) => Fact::Known(id),
        };
    }
    ask.give_back(buffer);
}

/// The same from single attributes, where `uevent` could not be read or understood.
fn read_singly(ask: &mut Asker<'_>, device: &mut Device, path_of: &mut Attributes) {
    let address = Some(device.address);
    let hex = |text: &str| u32::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    let word = |text: &str| hex(text).and_then(|n| u16::try_from(n).ok()).map(Fact::Known);
    let vendor = ask.text(address, "id", path_of.at("vendor"), word);
    let id = ask.text(address, "id", path_of.at("device"), word);
    device.id = match (vendor, id) {
        (Fact::Known(vendor), Fact::Known(device)) => Fact::Known(Id { vendor, device }),
        (Fact::Known(_), other) | (other, _) => other.map(|vendor| Id { vendor, device: 0xffff }),
    };
    device.class =
        ask.text(address, "class", path_of.at("class"), |text| hex(text).map(|n| Fact::Known(Class::new(n))));
    device.driver = ask.link_name(address, "driver", path_of.at("driver")).map(String::into_boxed_str);
    device.modalias = ask.text(address, "modalias", path_of.at("modalias"), |t| Some(Fact::Known(t.into())));
}
