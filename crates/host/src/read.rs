//! [`snapshot`]: the readers, asked for what is wanted.

use passthru_formats::Errno;
use passthru_formats::pci_ids::Names;
use passthru_model::{DetailOf, Fact, Snapshot, System, Usage, Wants};
use passthru_pci::Address;

use crate::ask::{Asker, some_text};
use crate::source::Source;
use crate::{detail, devices, groups, names, system, threads, usage};

/// There is no host at the source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot list the PCI devices in {path}: {error}")]
pub struct NoHost {
    /// The directory of devices.
    pub path: &'static str,
    /// Why it cannot be listed.
    pub error: Errno,
}

/// Reads a host. Whatever is missing, unreadable or nonsense becomes a fact that says
/// so; only a source without a directory of PCI devices is no host at all.
///
/// # Errors
/// [`NoHost`] where the PCI devices cannot be listed.
pub fn snapshot(source: &dyn Source, wants: &Wants) -> Result<Snapshot, NoHost> {
    // Who uses what is found without looking at the devices: both are read at once where
    // the source can be asked from two threads.
    let second = if wants.usage { source.another() } else { None };
    std::thread::scope(|scope| {
        let usage = second.map(|source| {
            threads::begin(scope, move || {
                let mut ask = Asker::new(&*source);
                (usage::read(&mut ask), ask.unread)
            })
        });
        let read = read_all(source, wants, usage.is_none());
        let usage = usage.map(threads::Begun::join);
        let mut snapshot = read?;
        if let Some((usage, unread)) = usage {
            snapshot.usage = usage;
            snapshot.unread.extend(unread);
        }
        // One order, whoever was asked first.
        snapshot.unread.sort_by(|a, b| (a.device, &a.path, a.field).cmp(&(b.device, &b.path, b.field)));
        Ok(snapshot)
    })
}

/// Everything on this thread; the usage only if `with_usage`.
fn read_all(source: &dyn Source, wants: &Wants, with_usage: bool) -> Result<Snapshot, NoHost> {
    let mut ask = Asker::new(source);
    let devices::Found { mut devices, reserved } =
        devices::read(&mut ask, wants).map_err(|error| NoHost { path: devices::DEVICES, error })?;
    let mut all_groups = groups::collect(&devices);
    for (number, regions) in reserved {
        if let Some(group) = all_groups.get_mut(&number) {
            group.reserved = regions;
        }
    }
    for i in wanted_detail(&devices, wants) {
        let (device, avoid) = (&devices[i], wants.avoid.contains(&devices[i].address));
        let detail = if wants.only_plan {
            detail::read_for_plan(&mut ask, device, avoid)
        } else {
            detail::read(&mut ask, device, avoid)
        };
        devices[i].detail = Some(Box::new(detail));
    }
    if wants.topology {
        for i in wanted_topology(&devices) {
            let (device, avoid) = (&devices[i], wants.avoid.contains(&devices[i].address));
            if device.detail.is_none() {
                devices[i].detail = Some(Box::new(detail::read_config(&mut ask, device, avoid)));
            }
        }
    }
    if wants.group_detail {
        match &wants.detail {
            DetailOf::Some(of) => {
                let numbers: Vec<u32> = devices
                    .iter()
                    .filter(|d| of.contains(&d.address))
                    .filter_map(|d| d.group.known().copied())
                    .collect();
                let wanted = all_groups.iter_mut().filter(|(number, _)| numbers.contains(number));
                groups::read_detail(&mut ask, wanted);
            }
            DetailOf::All | DetailOf::None => groups::read_detail(&mut ask, all_groups.iter_mut()),
        }
    }
    let (names, names_from) =
        if wants.names { names::read(&ask, &devices) } else { (Names::default(), None) };
    let text = |ask: &mut Asker<'_>, field, path: &str| ask.text(None, field, path, some_text);
    Ok(Snapshot {
        source: source.kind(),
        rights: source.rights(),
        iommu_units: groups::units(&mut ask),
        names,
        names_from,
        usage: if wants.usage && with_usage { usage::read(&mut ask) } else { Usage::default() },
        system: if wants.system {
            system::read(&mut ask, &devices, wants.programs)
        } else {
            System::default()
        },
        drivers: match source.list("/sys/bus/pci/drivers") {
            Ok(names) => Fact::Known(names),
            Err(error) => ask.failed(None, "drivers", "/sys/bus/pci/drivers", error),
        },
        kernel: text(&mut ask, "kernel", "/proc/sys/kernel/osrelease"),
        command_line: text(&mut ask, "command_line", "/proc/cmdline"),
        boot_id: text(&mut ask, "boot_id", "/proc/sys/kernel/random/boot_id"),
        iommu_tables: groups::tables(&mut ask),
        devices,
        groups: all_groups,
        unread: ask.unread,
    })
}

/// The indices of the devices that are read in full: those asked for, the other members of
/// their groups, and unless it is for a plan the bridges above them.
fn wanted_detail(devices: &[passthru_model::Device], wants: &Wants) -> Vec<usize> {
    let at = |address: Address| devices.binary_search_by_key(&address, |d| d.address).ok();
    match &wants.detail {
        DetailOf::None => Vec::new(),
        DetailOf::All => (0..devices.len()).collect(),
        DetailOf::Some(addresses) => {
            let mut wanted = Vec::new();
            for mut next in addresses.iter().map(|a| at(*a)) {
                let group = next.and_then(|i| devices[i].group.known());
                if let Some(group) = group {
                    wanted.extend(
                        devices
                            .iter()
                            .enumerate()
                            .filter(|(_, d)| d.group == Fact::Known(*group))
                            .map(|(i, _)| i),
                    );
                }
                while let Some(i) = next {
                    wanted.push(i);
                    next = devices[i].parent.filter(|_| !wants.only_plan).and_then(at);
                }
            }
            wanted.sort_unstable();
            wanted.dedup();
            wanted
        }
    }
}

/// The indices of the devices whose configuration space decides about groups: bridges, and
/// functions that share their slot. The others, mostly at work or asleep, are left alone.
fn wanted_topology(devices: &[passthru_model::Device]) -> Vec<usize> {
    let of_one_slot = |a: Option<&passthru_model::Device>, b: Option<&passthru_model::Device>| {
        a.zip(b).is_some_and(|(a, b)| a.address.slot() == b.address.slot())
    };
    (0..devices.len())
        .filter(|&i| {
            let before = i.checked_sub(1).and_then(|i| devices.get(i));
            let (this, after) = (devices.get(i), devices.get(i + 1));
            devices[i].is_bus_bridge() || of_one_slot(before, this) || of_one_slot(this, after)
        })
        .collect()
}
