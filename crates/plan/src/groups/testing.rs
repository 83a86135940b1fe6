//! Machines for tests, made of functions with the registers that count.

use passthru_formats::config_space;
use passthru_formats::config_space::decode::PortType;
use passthru_formats::pci_ids::Names;
use passthru_model::{Detail, Device, Fact, Rights, Snapshot, SourceKind, System, Usage};
use passthru_pci::{Class, Id};

/// A function to be.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) device: Device,
    bytes: Vec<u8>,
}

fn bits(kind: PortType) -> u16 {
    match kind {
        PortType::Endpoint => 0,
        PortType::LegacyEndpoint => 1,
        PortType::RootPort => 4,
        PortType::UpstreamPort => 5,
        PortType::DownstreamPort => 6,
        PortType::PciBridge => 7,
        PortType::PcieBridge => 8,
        PortType::RootComplexEndpoint => 9,
        PortType::RootComplexEventCollector => 10,
        PortType::Other(n) => n.into(),
    }
}

/// A conventional function at an address, below these bridges (the root's side first).
pub(crate) fn function(address: &str, above: &[&str]) -> Made {
    let full = |a: &str| if a.len() < 12 { format!("0000:{a}") } else { a.to_owned() };
    let chain: String = above.iter().map(|a| format!("/{}", full(a))).collect();
    let address = full(address);
    let mut bytes = vec![0; 4096];
    bytes[..2].copy_from_slice(&0x1b36_u16.to_le_bytes());
    bytes[6] = 0x10;
    let device = Device {
        address: address.parse().unwrap(),
        path: format!("/sys/devices/pci0000:00{chain}/{address}"),
        parent: above.last().map(|a| full(a).parse().unwrap()),
        id: Fact::Known(Id { vendor: 0x1b36, device: 1 }),
        subsystem: Fact::Absent,
        class: Fact::Known(Class::new(0x02_0000)),
        revision: Fact::Known(0),
        driver: Fact::Absent,
        modalias: Fact::Absent,
        group: Fact::Absent,
        physical_function: Fact::Absent,
        boot_vga: Fact::Absent,
        detail: None,
    };
    Made { device, bytes }
}

impl Made {
    /// A PCI Express function.
    pub(crate) fn express(mut self, kind: PortType) -> Self {
        self.bytes[0x34] = 0x40;
        self.bytes[0x40..0x44].copy_from_slice(&[0x10, 0, 0, 0]);
        let slot = if matches!(kind, PortType::RootPort | PortType::DownstreamPort) { 0x100 } else { 0 };
        self.bytes[0x42..0x44].copy_from_slice(&(2 | bits(kind) << 4 | slot).to_le_bytes());
        if !matches!(kind, PortType::Endpoint | PortType::LegacyEndpoint | PortType::RootComplexEndpoint) {
            self = self.bridge();
        }
        self
    }

    /// A bridge.
    pub(crate) fn bridge(mut self) -> Self {
        self.bytes[0x0e] = 1;
        self.device.class = Fact::Known(Class::new(0x06_0400));
        self
    }

    /// With the capability, and these bits on.
    pub(crate) fn acs(mut self, capability: u16, control: u16) -> Self {
        self.bytes[0x100..0x104].copy_from_slice(&0x0001_000d_u32.to_le_bytes());
        self.bytes[0x104..0x106].copy_from_slice(&capability.to_le_bytes());
        self.bytes[0x106..0x108].copy_from_slice(&control.to_le_bytes());
        self
    }

    /// With the registers in dwords.
    pub(crate) fn acs_in_dwords(mut self, capability: u16, control: u16) -> Self {
        self = self.acs(capability, 0);
        self.bytes[0x108..0x10a].copy_from_slice(&control.to_le_bytes());
        self
    }

    /// With these ids.
    pub(crate) fn id(mut self, id: &str) -> Self {
        self.device.id = Fact::Known(id.parse().unwrap());
        self
    }

    /// In this group of the kernel.
    pub(crate) fn group(mut self, group: u32) -> Self {
        self.device.group = Fact::Known(group);
        self
    }

    /// A virtual function.
    pub(crate) fn virtual_of(mut self, physical: &str) -> Self {
        self.device.physical_function = Fact::Known(format!("0000:{physical}").parse().unwrap());
        self
    }

    /// With a list of capabilities that ends in what a function answers that fell asleep.
    pub(crate) fn broken(mut self) -> Self {
        self.bytes[0x34] = 0x40;
        self.bytes[0x40] = 0xff;
        self
    }

    /// With a list of extended capabilities that leads back to its beginning.
    pub(crate) fn broken_extended(mut self) -> Self {
        self.bytes[0x100..0x104].copy_from_slice(&0x1001_0003_u32.to_le_bytes());
        self
    }

    /// As a reader without root sees it.
    pub(crate) fn cut(mut self, size: usize) -> Self {
        self.bytes.truncate(size);
        self
    }
}

/// The port that everybody has: a root port that isolates, or one that has no ACS.
pub(crate) fn root_port(address: &str, isolates: bool) -> Made {
    let made = function(address, &[]).express(PortType::RootPort);
    if isolates { made.acs(0x1f, 0x1d) } else { made }
}

/// A machine of these, with an IOMMU at work where any is in a group.
pub(crate) fn machine(made: impl IntoIterator<Item = Made>) -> Snapshot {
    let mut devices: Vec<Device> = made
        .into_iter()
        .map(|Made { mut device, bytes }| {
            let config =
                config_space::parse(&bytes).map_or_else(|e| Fact::Malformed(e.to_string()), Fact::Known);
            device.detail = Some(Box::new(Detail { config, ..Detail::default() }));
            device
        })
        .collect();
    devices.sort_by_key(|d| d.address);
    let mut groups = std::collections::BTreeMap::new();
    for device in &devices {
        if let Some(number) = device.group.known() {
            let group: &mut passthru_model::Group = groups.entry(*number).or_default();
            group.members.push(device.address);
        }
    }
    let units = if groups.is_empty() { Vec::new() } else { vec!["dmar0".to_owned()] };
    Snapshot {
        source: SourceKind::Live,
        rights: Rights { root: true },
        devices,
        groups,
        iommu_units: Fact::Known(units),
        names: Names::default(),
        names_from: None,
        usage: Usage::default(),
        system: System::default(),
        drivers: Fact::NotRead,
        kernel: Fact::NotRead,
        command_line: Fact::Known(String::new()),
        iommu_tables: Fact::Known(Vec::new()),
        boot_id: Fact::NotRead,
        unread: Vec::new(),
    }
}
