//! One PCI function, as `/sys/bus/pci/devices/ADDRESS` shows it.

use passthru_formats::config_space::ConfigSpace;
use passthru_formats::resource::Resource;
use passthru_pci::{Address, Class, Id};

use crate::fact::Fact;

/// One PCI function. The first block of fields costs a handful of system calls and is
/// always read; [`Device::detail`] is read where it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Where it is; the directory's name.
    pub address: Address,
    /// The real directory below `/sys/devices`, found through the link.
    pub path: String,
    /// The bridge above it; `None` on a root bus.
    pub parent: Option<Address>,
    /// Vendor and device id (`uevent`, `PCI_ID`).
    pub id: Fact<Id>,
    /// Subsystem ids (`uevent`, `PCI_SUBSYS_ID`).
    pub subsystem: Fact<Id>,
    /// Class code (`uevent`, `PCI_CLASS`).
    pub class: Fact<Class>,
    /// Revision (`revision`).
    pub revision: Fact<u8>,
    /// The driver bound to it (`uevent`, `DRIVER`); absent when it is on none.
    pub driver: Fact<Box<str>>,
    /// The modalias, by which modules and variant vfio drivers are chosen (`uevent`).
    pub modalias: Fact<Box<str>>,
    /// Number of its IOMMU group (`iommu_group` link). Valid until the next boot only.
    pub group: Fact<u32>,
    /// For an SR-IOV virtual function: its physical function (`physfn` link).
    pub physical_function: Fact<Address>,
    /// Whether the firmware used it as the display (`boot_vga`); absent on anything but
    /// VGA controllers (class 0300).
    pub boot_vga: Fact<bool>,
    /// The rest, where it was asked for.
    pub detail: Option<Box<Detail>>,
}

/// What only `show`, `bind` and captures ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Detail {
    /// `driver_override`; absent where it is unset (`(null)` or empty).
    pub driver_override: Fact<String>,
    /// NUMA node (`numa_node`); absent where the kernel says −1.
    pub numa_node: Fact<u32>,
    /// CPUs near the device, as the kernel writes the list (`local_cpulist`).
    pub local_cpus: Fact<String>,
    /// PCI Express link.
    pub link: Link,
    /// Base address registers, ROM, and further windows (`resource`), empty ones left out.
    pub regions: Fact<Vec<Resource>>,
    /// Reset methods in the order in which the kernel tries them (`reset_method`).
    pub reset_methods: Fact<Vec<String>>,
    /// Whether the kernel offers an expansion ROM (`rom` exists); its size in bytes.
    pub rom: Fact<u64>,
    /// Power state as the kernel last knew it (`power_state`): D0 … D3cold.
    pub power_state: Fact<String>,
    /// Whether it may be put into D3cold (`d3cold_allowed`).
    pub d3cold_allowed: Fact<bool>,
    /// Legacy interrupt line (`irq`); absent where it is 0.
    pub irq: Fact<u32>,
    /// The name the firmware gives the slot or port (`label`, SMBIOS or ACPI _DSM).
    pub label: Fact<String>,
    /// Configuration space, as far as the reader's rights went (`config`).
    pub config: Fact<ConfigSpace>,
    /// The IOMMU unit in front of it (`iommu` link), such as `dmar0`.
    pub iommu_unit: Fact<String>,
    /// The module of the driver it is on (`driver/module` link); absent for built-in
    /// drivers and where there is no driver.
    pub driver_module: Fact<String>,
    /// SR-IOV, where it is a physical function; absent otherwise.
    pub sriov: Fact<Sriov>,
}

/// PCI Express link speed and width, as the kernel words them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// `current_link_speed`, such as `8.0 GT/s PCIe`.
    pub speed: Fact<String>,
    /// `current_link_width`, in lanes.
    pub width: Fact<u32>,
    /// `max_link_speed`.
    pub max_speed: Fact<String>,
    /// `max_link_width`, in lanes.
    pub max_width: Fact<u32>,
}

/// The SR-IOV side of a physical function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sriov {
    /// How many virtual functions the device can have (`sriov_totalvfs`).
    pub total: u32,
    /// How many there are (`sriov_numvfs`).
    pub active: Fact<u32>,
}

impl Device {
    /// The path of one of its attributes, to cite as evidence or to write to.
    #[must_use]
    pub fn attribute(&self, name: &str) -> String {
        attribute_of(self.address, name)
    }

    /// Whether it is a PCI-to-PCI bridge, a PCIe port or a CardBus bridge: what VFIO
    /// cannot take. An unknown class is none.
    #[must_use]
    pub fn is_bus_bridge(&self) -> bool {
        self.class.known().is_some_and(|c| c.is_bus_bridge())
    }
}

/// The path of an attribute of the device at `address`, through the bus directory
/// (which stays valid when a bridge above is renumbered).
#[must_use]
pub fn attribute_of(address: Address, name: &str) -> String {
    format!("/sys/bus/pci/devices/{address}/{name}")
}
