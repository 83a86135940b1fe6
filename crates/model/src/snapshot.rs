//! The whole host as one immutable value.

use std::collections::BTreeMap;

use passthru_formats::errno::Errno;
use passthru_formats::pci_ids::Names;
use passthru_pci::Address;

use crate::device::Device;
use crate::fact::Fact;
use crate::system::System;
use crate::usage::Usage;

/// Where a snapshot was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// The machine passthru runs on.
    Live,
    /// A directory laid out like a root file system (`--root`).
    Directory,
    /// A captured host (`--from`).
    Capture,
    /// What lspci printed somewhere (`--from`): far from everything, and it may be less than
    /// the machine's owner could have seen.
    Pasted,
}

/// With which rights it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// Whether the reader was root (effective user id 0) when the host was read.
    pub root: bool,
}

/// Which devices are read in full.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DetailOf {
    /// None.
    #[default]
    None,
    /// These, and the bridges above them.
    Some(Vec<Address>),
    /// All.
    All,
}

/// Which sections are asked for, so that `list` does not pay for what only others need.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wants {
    /// `revision` of every device.
    pub revision: bool,
    /// [`crate::Detail`] of these devices.
    pub detail: DetailOf,
    /// Reserved regions of the groups of all devices that might be lent.
    pub reserved: bool,
    /// IOMMU groups' types and reserved regions.
    pub group_detail: bool,
    /// Who uses what.
    pub usage: bool,
    /// The host around its devices.
    pub system: bool,
    /// With the host around its devices: programs are asked what they can do, which takes
    /// a tenth of a second.
    pub programs: bool,
    /// Names from pci.ids.
    pub names: bool,
    /// Of the detail only what a plan rests on: the override and the driver's module, of these
    /// devices and their groups, not of the bridges above them.
    pub only_plan: bool,
    /// What predicting the IOMMU groups needs: the configuration spaces of bridges, and of
    /// functions that share their slot.
    pub topology: bool,
    /// Devices on which something hangs: attributes that wait for the device's lock are
    /// not read, or the reader would hang as well.
    pub avoid: Vec<Address>,
}

impl Wants {
    /// Everything there is to ask: what a capture records.
    #[must_use]
    pub fn all() -> Self {
        Self {
            revision: true,
            detail: DetailOf::All,
            reserved: true,
            group_detail: true,
            usage: true,
            system: true,
            // What they say is not for a redacted capture, and it takes its time.
            programs: false,
            names: true,
            only_plan: false,
            topology: true,
            avoid: Vec::new(),
        }
    }

    /// What must be read to plan for these devices.
    #[must_use]
    pub fn for_plan(devices: &[Address]) -> Self {
        Self {
            detail: DetailOf::Some(devices.to_vec()),
            group_detail: true,
            usage: true,
            only_plan: true,
            ..Self::default()
        }
    }
}

/// Something that was asked for and could not be read or understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The device it belongs to, if to one.
    pub device: Option<Address>,
    /// The field, as the JSON output names it.
    pub field: &'static str,
    /// The path.
    pub path: String,
    /// The error; `None` where it was read and not understood.
    pub error: Option<Errno>,
    /// What was there instead, where it was not understood.
    pub text: Option<String>,
}

/// A range of I/O addresses that is kept for something (`reserved_regions`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservedRegion {
    /// First address.
    pub start: u64,
    /// Last address.
    pub end: u64,
    /// The kernel's word: `direct`, `direct-relaxable`, `reserved`, `msi`. `direct`
    /// means that the kernel refuses VFIO for the whole group.
    pub kind: String,
}

/// One IOMMU group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Its functions, bridges included, in order.
    pub members: Vec<Address>,
    /// Default domain type (`type`), such as `DMA-FQ` or `identity`.
    pub kind: Fact<String>,
    /// What the kernel calls it (`name`); `vfio-noiommu` is no isolation at all.
    pub name: Fact<String>,
    /// Regions the firmware or the architecture keeps (`reserved_regions`).
    pub reserved: Fact<Vec<ReservedRegion>>,
}

/// The host, read once.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Where from.
    pub source: SourceKind,
    /// With which rights.
    pub rights: Rights,
    /// All PCI functions, in order of their addresses.
    pub devices: Vec<Device>,
    /// IOMMU groups by number. Numbers change between boots.
    pub groups: BTreeMap<u32, Group>,
    /// IOMMU units at work (`/sys/class/iommu`), such as `dmar0`; empty when none is.
    pub iommu_units: Fact<Vec<String>>,
    /// Names for the ids that occur.
    pub names: Names,
    /// Which names file that was; `None` for the one built in.
    pub names_from: Option<String>,
    /// Who uses what.
    pub usage: Usage,
    /// The host around its devices; empty where it was not asked for.
    pub system: System,
    /// PCI drivers that are loaded (`/sys/bus/pci/drivers`).
    pub drivers: Fact<Vec<String>>,
    /// Kernel release (`/proc/sys/kernel/osrelease`).
    pub kernel: Fact<String>,
    /// The kernel's command line (`/proc/cmdline`).
    pub command_line: Fact<String>,
    /// Whether firmware tables for an IOMMU are there: `DMAR`, `IVRS`, `VIOT`, `IORT`
    /// (`/sys/firmware/acpi/tables`).
    pub iommu_tables: Fact<Vec<String>>,
    /// The boot, by `/proc/sys/kernel/random/boot_id`.
    pub boot_id: Fact<String>,
    /// What was asked for and could not be read.
    pub unread: Vec<Unread>,
}

impl Snapshot {
    /// The device at an address.
    #[must_use]
    pub fn device(&self, address: Address) -> Option<&Device> {
        self.devices.binary_search_by_key(&address, |d| d.address).ok().map(|i| &self.devices[i])
    }

    /// The other members of a device's IOMMU group, bridges included.
    pub fn group_mates(&self, device: &Device) -> impl Iterator<Item = &Device> {
        let address = device.address;
        device
            .group
            .known()
            .and_then(|number| self.groups.get(number))
            .into_iter()
            .flat_map(|group| &group.members)
            .filter(move |member| **member != address)
            .filter_map(|member| self.device(*member))
    }

    /// The virtual functions of a physical function.
    pub fn virtual_functions(&self, physical: Address) -> impl Iterator<Item = &Device> {
        self.devices.iter().filter(move |d| d.physical_function.known() == Some(&physical))
    }

    /// Whether an IOMMU is at work: a unit is registered and groups exist that are not
    /// `vfio-noiommu` (`kernel.md` 2: either alone proves nothing).
    #[must_use]
    pub fn iommu_active(&self) -> bool {
        let unit = match &self.iommu_units {
            Fact::Known(units) => !units.is_empty(),
            // lspci prints groups, but no units.
            _ => self.source == SourceKind::Pasted,
        };
        unit && !self.groups.is_empty()
    }
}
