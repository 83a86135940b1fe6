//! Which functions a synthetic host has.
//!
//! Owns the shape: domains, busses, bridges within bridges, cards, virtual functions,
//! groups and drivers, all from one seed. It writes nothing.

use std::io;

use passthru_pci::{Address, Id};

/// One entry of pci.ids: a device, with one of its subsystems where there is one.
pub(super) type IdRow = (Id, Option<Id>);

/// What a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Host,
    Isa,
    Port,
    Nvme,
    Net,
    NetVirtual,
    Display,
    Sound,
    Usb,
}

impl Kind {
    /// The 24-bit class code (PCI Code and ID Assignment Specification).
    pub(super) fn class(self) -> u32 {
        match self {
            Self::Host => 0x06_0000,
            Self::Isa => 0x06_0100,
            Self::Port => 0x06_0400,
            Self::Nvme => 0x01_0802,
            Self::Net | Self::NetVirtual => 0x02_0000,
            Self::Display => 0x03_0000,
            Self::Sound => 0x04_0300,
            Self::Usb => 0x0c_0330,
        }
    }

    fn driver(self) -> Option<&'static str> {
        match self {
            Self::Host => None,
            Self::Isa => Some("lpc_ich"),
            Self::Port => Some("pcieport"),
            Self::Nvme => Some("nvme"),
            Self::Net => Some("i40e"),
            Self::NetVirtual => Some("iavf"),
            Self::Display => Some("amdgpu"),
            Self::Sound => Some("snd_hda_intel"),
            Self::Usb => Some("xhci_hcd"),
        }
    }
}

/// One PCI function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) address: Address,
    /// Its directory below `/sys/devices`.
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) id: Id,
    pub(super) subsystem: Option<Id>,
    pub(super) revision: u8,
    pub(super) driver: Option<&'static str>,
    pub(super) group: u32,
    pub(super) numa: u8,
    /// Others in its slot (the bit in the header type).
    pub(super) multifunction: bool,
    /// For bridges: the bus behind it and the last one below.
    pub(super) busses: (u8, u8),
    /// For virtual functions: the index of the physical one.
    pub(super) physical: Option<usize>,
    /// For physical functions: the indices of their virtual ones.
    pub(super) virtuals: Vec<usize>,
    /// Number of the kernel's name for it: `nvme3`, `eth3`, `card3`.
    pub(super) unit: usize,
}

/// A whole host.
#[derive(Debug)]
pub(super) struct Topology {
    pub(super) functions: Vec<Function>,
    pub(super) groups: u32,
    pub(super) domains: usize,
    wanted: usize,
    random: Random,
    ids: Vec<IdRow>,
}

/// Where a function goes.
#[derive(Clone, Copy)]
struct Spot<'a> {
    domain: u32,
    bus: u8,
    parent: &'a str,
    /// All functions behind Intel VMD share its group.
    group: Option<u32>,
    numa: u8,
}

impl Topology {
    pub(super) fn new(wanted: usize, ids: &[IdRow]) -> io::Result<Self> {
        if ids.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no device in pci.ids"));
        }
        let mut host = Self {
            functions: Vec::with_capacity(wanted),
            groups: 0,
            domains: 0,
            wanted,
            random: Random(0x7061_7373_7468_7275),
            ids: ids.to_vec(),
        };
        for domain in 0.. {
            if host.full() {
                break;
            }
            let parent = format!("pci{domain:04x}:00");
            let numa = (domain % 2) as u8;
            host.domain(Spot { domain, bus: 0, parent: &parent, group: None, numa }, 0xf0);
            // A second domain below an endpoint, as VMD has it, wider than four digits.
            if domain == 0 && wanted >= 1000 {
                let spot = Spot { domain, bus: 0, parent: &parent, group: None, numa };
                let Some(vmd) = host.add(spot, 0x1e, 0, Kind::Sound, None) else { break };
                host.functions[vmd].driver = Some("vmd");
                let parent = format!("{}/pci10000:e0", host.functions[vmd].path);
                let group = Some(host.functions[vmd].group);
                host.domain(Spot { domain: 0x10000, bus: 0xe0, parent: &parent, group, numa }, 0xf0);
            }
        }
        Ok(host)
    }

    fn full(&self) -> bool {
        self.functions.len() >= self.wanted
    }

    /// A host bridge, a chipset, and root ports with cards and switches behind them.
    fn domain(&mut self, spot: Spot<'_>, last_bus: u8) {
        self.domains += 1;
        let mut next = spot.bus + 1;
        self.add(spot, 0, 0, Kind::Host, spot.group);
        self.add(spot, 0x1f, 0, Kind::Isa, spot.group);
        'slots: for device in 1..0x1d {
            let ports = if self.random.below(3) == 0 { 4 } else { 1 };
            for function in 0..ports {
                if self.full() || next >= last_bus - 10 {
                    break 'slots;
                }
                let switch = self.random.below(4) == 0;
                self.port(spot, device, function, &mut next, |host, behind, next| {
                    if switch { host.switch(behind, next) } else { host.card(behind) }
                });
            }
        }
    }

    /// A bridge and, through `fill`, what is behind it.
    fn port(
        &mut self,
        spot: Spot<'_>,
        device: u8,
        function: u8,
        next: &mut u8,
        fill: impl FnOnce(&mut Self, Spot<'_>, &mut u8),
    ) {
        let Some(index) = self.add(spot, device, function, Kind::Port, spot.group) else { return };
        let bus = *next;
        *next += 1;
        let parent = self.functions[index].path.clone();
        fill(self, Spot { bus, parent: &parent, ..spot }, next);
        self.functions[index].busses = (bus, *next - 1);
    }

    fn switch(&mut self, spot: Spot<'_>, next: &mut u8) {
        self.port(spot, 0, 0, next, |host, below, next| {
            for device in 0..4 {
                host.port(below, device, 0, next, |host, behind, _| host.card(behind));
            }
        });
    }

    fn card(&mut self, spot: Spot<'_>) {
        match self.random.below(8) {
            0 | 1 => _ = self.add(spot, 0, 0, Kind::Nvme, spot.group),
            2 => _ = self.add(spot, 0, 0, Kind::Usb, spot.group),
            3 => {
                // A graphics card: its sound shares its group.
                let gpu = self.add(spot, 0, 0, Kind::Display, spot.group);
                let group = gpu.map(|index| self.functions[index].group);
                self.add(spot, 0, 1, Kind::Sound, group);
            }
            4 | 5 => {
                for function in 0..4 {
                    self.add(spot, 0, function, Kind::Net, spot.group);
                }
            }
            _ => {
                // One port with sixteen virtual functions, from device number 2 on.
                let Some(physical) = self.add(spot, 0, 0, Kind::Net, spot.group) else { return };
                for nth in 0..16 {
                    let Some(index) = self.add(spot, 2 + nth / 8, nth % 8, Kind::NetVirtual, spot.group)
                    else {
                        return;
                    };
                    self.functions[index].physical = Some(physical);
                    self.functions[index].id = self.functions[physical].id;
                    self.functions[index].subsystem = self.functions[physical].subsystem;
                    self.functions[physical].virtuals.push(index);
                }
            }
        }
    }

    /// One function; `None` when the host is full.
    fn add(
        &mut self,
        spot: Spot<'_>,
        device: u8,
        function: u8,
        kind: Kind,
        group: Option<u32>,
    ) -> Option<usize> {
        if self.full() {
            return None;
        }
        let address = Address::new(spot.domain, spot.bus, device, function)?;
        let (id, subsystem) = self.ids[self.random.below(self.ids.len())];
        let group = group.unwrap_or_else(|| {
            self.groups += 1;
            self.groups - 1
        });
        // Some endpoints are lent, some are unbound, as on a host at work.
        let driver = match self.random.below(10) {
            0 if !matches!(kind, Kind::Host | Kind::Isa | Kind::Port) => Some("vfio-pci"),
            1 if matches!(kind, Kind::NetVirtual | Kind::Sound) => None,
            _ => kind.driver(),
        };
        // The first disk holds the root file system, the first card the route.
        let unit = self.functions.iter().filter(|f| f.kind == kind && f.driver == kind.driver()).count();
        let driver = if unit == 0 { kind.driver() } else { driver };
        let index = self.functions.len();
        self.functions.push(Function {
            address,
            path: format!("{}/{address}", spot.parent),
            kind,
            id,
            subsystem,
            revision: self.random.below(16) as u8,
            driver,
            group,
            numa: spot.numa,
            multifunction: false,
            busses: (0, 0),
            physical: None,
            virtuals: Vec::new(),
            unit,
        });
        if function > 0 {
            let others = self.functions.iter_mut().rev().take_while(|f| f.address.bus() >= spot.bus);
            others.filter(|f| f.address.slot() == address.slot()).for_each(|f| f.multifunction = true);
        }
        Some(index)
    }
}

/// The devices of a pci.ids file, up to the list of classes.
pub(super) fn parse_ids(text: &[u8]) -> Vec<IdRow> {
    let hex = |word: Option<&str>| u16::from_str_radix(word.filter(|w| w.len() == 4)?, 16).ok();
    let mut rows: Vec<IdRow> = Vec::new();
    let mut vendor = None;
    for line in String::from_utf8_lossy(text).lines() {
        if line.starts_with("C ") {
            break;
        }
        let mut words = line.split_whitespace();
        match line.bytes().take_while(|b| *b == b'\t').count() {
            0 => vendor = hex(words.next()).or(vendor),
            1 => {
                if let (Some(vendor), Some(device)) = (vendor, hex(words.next())) {
                    rows.push((Id { vendor, device }, None));
                }
            }
            _ => {
                let subsystem = hex(words.next()).zip(hex(words.next()));
                if let (Some(row), Some((vendor, device))) = (rows.last_mut(), subsystem) {
                    row.1 = row.1.or(Some(Id { vendor, device }));
                }
            }
        }
    }
    rows
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers on every machine.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }
}
