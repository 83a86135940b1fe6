//! Which devices a name means on this host.

use passthru_model::{Fact, Snapshot};
use passthru_pci::{Address, DeviceName};

/// Why a name selects nothing usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// No device of that name.
    #[error("no PCI device {what}")]
    None {
        /// The name, as the end of "no PCI device …".
        what: String,
    },
    /// A kernel name that hangs below no PCI device.
    #[error("{name} is there, but hangs below no PCI device ({why})")]
    NotPci {
        /// The kernel name.
        name: String,
        /// What is known about it.
        why: String,
    },
    /// Several devices, where one was asked for.
    #[error("'{name}' fits {} devices: {}", .found.len(), list(.found))]
    Ambiguous {
        /// The name as given.
        name: String,
        /// The devices.
        found: Vec<Address>,
    },
    /// Whether there is such a device could not be seen.
    #[error("cannot tell which device '{name}' is: {why}")]
    NotSeen {
        /// The name as given.
        name: String,
        /// What could not be read.
        why: String,
    },
}

fn list(addresses: &[Address]) -> String {
    const SHOWN: usize = 8;
    let mut text = addresses.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if addresses.len() > SHOWN {
        text.push_str(&format!(" and {} more", addresses.len() - SHOWN));
    }
    text
}

/// Every device a name fits, in order.
///
/// # Errors
/// [`SelectError::None`] where it fits none; never [`SelectError::Ambiguous`].
pub fn all(snapshot: &Snapshot, name: &DeviceName) -> Result<Vec<Address>, SelectError> {
    let matching = |keep: &dyn Fn(&passthru_model::Device) -> bool| {
        snapshot.devices.iter().filter(|d| keep(d)).map(|d| d.address).collect::<Vec<_>>()
    };
    let found = match name {
        DeviceName::Function(address) => matching(&|d| d.address == *address),
        DeviceName::Slot(slot) => matching(&|d| slot.contains(d.address)),
        DeviceName::Slots(filter) => matching(&|d| filter.matches(d.address)),
        DeviceName::Ids(filter) => matching(&|d| match (d.id.known(), d.class.known()) {
            (Some(id), Some(class)) => filter.matches(*id, *class),
            _ => false,
        }),
        DeviceName::Group(number) => matching(&|d| d.group == Fact::Known(*number)),
        DeviceName::Kernel(kernel) => return kernel_name(snapshot, kernel),
    };
    if found.is_empty() {
        let what = match name {
            DeviceName::Ids(filter) => format!("matches {filter}"),
            DeviceName::Group(number) => format!("is in IOMMU group {number}"),
            DeviceName::Slots(_) => format!("matches {name}"),
            _ => format!("at {name}"),
        };
        return Err(SelectError::None { what });
    }
    Ok(found)
}

/// The devices a name means where it must not be ambiguous: one function, or the whole
/// slot or group that was named as such.
///
/// # Errors
/// As [`all`], and [`SelectError::Ambiguous`] where an id, a filter or a kernel name fits
/// several.
pub fn exact(snapshot: &Snapshot, name: &DeviceName) -> Result<Vec<Address>, SelectError> {
    let found = all(snapshot, name)?;
    match name {
        DeviceName::Function(_) | DeviceName::Slot(_) | DeviceName::Group(_) => Ok(found),
        _ if found.len() == 1 => Ok(found),
        _ => Err(SelectError::Ambiguous { name: name.to_string(), found }),
    }
}

/// The device behind a disk, an interface, a card.
fn kernel_name(snapshot: &Snapshot, name: &str) -> Result<Vec<Address>, SelectError> {
    let usage = &snapshot.usage;
    let plain = name.strip_prefix("dri/").unwrap_or(name);
    let mapper = name.strip_prefix("mapper/");
    let mut owners: Vec<Vec<Address>> = Vec::new();
    for block in usage.blocks.at_least() {
        if block.name == name || (mapper.is_some() && block.mapper_name.known().map(String::as_str) == mapper)
        {
            owners.push(block.owners.clone());
        }
    }
    let one = |owner: Option<Address>| owner.into_iter().collect::<Vec<_>>();
    owners.extend(usage.interfaces.at_least().iter().filter(|i| i.name == name).map(|i| one(i.owner)));
    owners.extend(usage.displays.at_least().iter().filter(|d| d.name == plain).map(|d| one(d.owner)));
    // Of a name's two meanings (`card0` is a graphics and a sound card) the display
    // comes first; sound cards go by `snd/card0`, as below /dev.
    if let Some(sound) = name.strip_prefix("snd/") {
        owners.extend(usage.sounds.at_least().iter().filter(|s| s.name == sound).map(|s| one(s.owner)));
    }
    if owners.is_empty() {
        let blind = usage.blocks.blind().iter().chain(usage.interfaces.blind()).chain(usage.displays.blind());
        if let Some(blind) = blind.into_iter().next() {
            let why = format!("could not look at {}: {}: {}", blind.what, blind.path, blind.error);
            return Err(SelectError::NotSeen { name: name.into(), why });
        }
        let what = format!("with a disk, network interface or graphics card '{name}'");
        return Err(SelectError::None { what });
    }
    let mut found: Vec<Address> = owners.into_iter().flatten().collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        let why = "a virtual device; name the disk or the interface below it".to_owned();
        return Err(SelectError::NotPci { name: name.into(), why });
    }
    Ok(found)
}
