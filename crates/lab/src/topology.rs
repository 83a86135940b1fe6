//! Generated PCI topologies: every shape that decides about IOMMU groups at least once, and
//! more of them as a seed says. Ports with and without access control services (ACS), several
//! ports in one slot, functions of one slot, switches, bridges to conventional PCI, devices on
//! the root bus itself.
//!
//! The firmware has about 56 KiB of I/O ports to give, in windows of 4 KiB: few devices and
//! bridges here need any.

use crate::machine::{Iommu, Machine};

/// How many slots of the root bus are filled.
const SLOTS: usize = 15;
/// At most this many bridges with a hot-plug controller for conventional PCI, each of which
/// gets an I/O window.
const BRIDGES: usize = 5;

/// The host with the topology of this seed; the same for the same seed.
#[must_use]
pub fn machine(seed: u64) -> Machine {
    let mut made = Topology { random: seed, arguments: Vec::new(), count: 0, bridges: 0, cards: 0 };
    // 0x1 is the display; 0x10 and 0x11 are the lab's own devices.
    for (index, slot) in (0x2_u32..0x10).chain(0x14..0x1f).take(SLOTS).enumerate() {
        made.slot(index, slot);
    }
    Machine {
        iommu: Iommu::Intel("intremap=on,caching-mode=on,device-iotlb=on".to_owned()),
        cpus: 2,
        memory_mib: 2048,
        kernel_arguments: vec!["intel_iommu=on".to_owned()],
        ports: Vec::new(),
        extra: made.arguments,
    }
}

/// A topology being made.
struct Topology {
    random: u64,
    arguments: Vec<String>,
    count: u32,
    bridges: usize,
    cards: usize,
}

/// What stands below a port.
#[derive(Clone, Copy)]
enum Below {
    Endpoint,
    Functions,
    Nothing,
    Bridge,
    Switch,
}

const BELOW: [Below; 5] = [Below::Endpoint, Below::Functions, Below::Nothing, Below::Bridge, Below::Switch];

impl Topology {
    /// SplitMix64 (Steele, Lea, Flood 2014): a number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % (limit.max(1) as u64)).unwrap_or(0)
    }

    /// Adds a device and gives its id.
    fn device(&mut self, driver: &str, bus: &str, place: &str, options: &str) -> String {
        self.count += 1;
        let id = format!("d{}", self.count);
        let place = if place.is_empty() { String::new() } else { format!(",addr={place}") };
        let options = if options.is_empty() { String::new() } else { format!(",{options}") };
        self.arguments.push("-device".to_owned());
        self.arguments.push(format!("{driver},id={id},bus={bus}{place}{options}"));
        id
    }

    /// One slot of the root bus: the first slots get every shape once.
    fn slot(&mut self, index: usize, slot: u32) {
        match index {
            0..5 => {
                let port = self.port(slot, 0, index.is_multiple_of(2), false);
                self.fill(BELOW[index], &port);
            }
            5 => self.ports(slot),
            6 => self.legacy_bridge(slot),
            7 => self.functions("pcie.0", slot),
            _ => match self.below(8) {
                0 => self.ports(slot),
                1 => self.endpoint("pcie.0", slot),
                2 => self.functions("pcie.0", slot),
                _ => {
                    let acs = self.below(2) == 0;
                    let port = self.port(slot, 0, acs, false);
                    self.something(&port);
                }
            },
        }
    }

    fn something(&mut self, bus: &str) {
        let what = BELOW[self.below(BELOW.len())];
        self.fill(what, bus);
    }

    fn fill(&mut self, what: Below, bus: &str) {
        match what {
            Below::Endpoint => self.endpoint(bus, 0),
            Below::Functions => self.functions(bus, 0),
            Below::Nothing => {}
            Below::Bridge => self.bridge(bus),
            Below::Switch => self.switch(bus, true),
        }
    }

    /// A root port in that slot, which is also its number.
    fn port(&mut self, slot: u32, function: u32, acs: bool, several: bool) -> String {
        let acs = if acs { "" } else { ",disable-acs=on" };
        let several = if several { ",multifunction=on" } else { "" };
        let number = slot * 8 + function;
        let options = format!("chassis={},slot={number}{acs}{several}", number % 256);
        self.device("pcie-root-port", "pcie.0", &format!("{slot:#x}.{function}"), &options)
    }

    /// Two or three ports in one slot, each with or without ACS.
    fn ports(&mut self, slot: u32) {
        for function in 0..2 + u32::from(self.below(2) == 0) {
            let acs = function == 0 || self.below(2) == 0;
            let port = self.port(slot, function, acs, true);
            self.something(&port);
        }
    }

    /// One function.
    fn endpoint(&mut self, bus: &str, slot: u32) {
        let driver = self.driver();
        self.device(driver, bus, &format!("{slot:#x}.0"), options(driver));
    }

    /// Two to four functions in a slot.
    fn functions(&mut self, bus: &str, slot: u32) {
        for function in 0..2 + u32::try_from(self.below(3)).unwrap_or(0) {
            let driver = self.driver();
            let more = [options(driver), "multifunction=on"].map(str::to_owned);
            let more: Vec<String> = more.into_iter().filter(|o| !o.is_empty()).collect();
            self.device(driver, bus, &format!("{slot:#x}.{function}"), &more.join(","));
        }
    }

    /// A switch with two or three ports down, at most one switch below another.
    fn switch(&mut self, bus: &str, outer: bool) {
        let up = self.device("x3130-upstream", bus, "", "");
        for slot in 0..2 + u32::from(self.below(2) == 0) {
            let number = self.count + 1;
            let options = format!("chassis={},slot={number}", 128 + number % 128);
            let down = self.device("xio3130-downstream", &up, &format!("{slot:#x}.0"), &options);
            match BELOW[self.below(BELOW.len())] {
                Below::Switch if outer => self.switch(&down, false),
                Below::Switch => self.endpoint(&down, 0),
                what => self.fill(what, &down),
            }
        }
    }

    /// A bridge from PCI Express to conventional PCI, with devices and perhaps another bridge.
    fn bridge(&mut self, bus: &str) {
        if self.bridges >= BRIDGES {
            return self.endpoint(bus, 0);
        }
        self.bridges += 1;
        let bridge = self.device("pcie-pci-bridge", bus, "", "");
        self.conventional(&bridge);
    }

    /// A bridge on the root bus that is no PCI Express device and hands requests on under its
    /// own name.
    fn legacy_bridge(&mut self, slot: u32) {
        let bridge = self.device("i82801b11-bridge", "pcie.0", &format!("{slot:#x}.0"), "");
        self.conventional(&bridge);
    }

    fn conventional(&mut self, bus: &str) {
        for slot in 1..=1 + u32::try_from(self.below(3)).unwrap_or(0) {
            self.device("edu", bus, &format!("{slot:#x}.0"), "");
        }
        if self.bridges < BRIDGES && self.below(2) == 0 {
            self.bridges += 1;
            let number = self.count % 200 + 2;
            let inner = self.device("pci-bridge", bus, "0x8.0", &format!("chassis_nr={number},shpc=off"));
            self.device("edu", &inner, "0x1.0", "");
        }
    }

    /// An endpoint's driver. Those that need I/O ports are rare.
    fn driver(&mut self) -> &'static str {
        match self.below(8) {
            0 if self.cards < 2 => {
                self.cards += 1;
                "e1000e"
            }
            1 if self.cards < 4 => {
                self.cards += 1;
                "pci-testdev"
            }
            2 => "nvme",
            3 => "qemu-xhci",
            4 => "virtio-rng-pci",
            _ => "edu",
        }
    }
}

fn options(driver: &str) -> &'static str {
    match driver {
        "nvme" => "serial=none",
        "e1000e" => "romfile=",
        "virtio-rng-pci" => "disable-legacy=on",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_for_the_same_seed_and_no_bus_without_its_bridge() {
        assert_ne!(machine(1).extra, machine(2).extra);
        for seed in 0..50 {
            let arguments = machine(seed).extra;
            assert_eq!(arguments, machine(seed).extra);
            let mut buses = vec!["pcie.0".to_owned()];
            let mut taken = Vec::new();
            for device in arguments.iter().filter(|argument| *argument != "-device") {
                let of = |key: &str| {
                    let mut options = device.split(',').filter_map(|o| o.split_once('='));
                    options.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
                };
                let bus = of("bus").unwrap_or_default();
                assert!(buses.contains(&bus), "seed {seed}: {device}");
                let place = (bus, of("addr"));
                assert!(place.1.is_none() || !taken.contains(&place), "seed {seed}: {device}");
                taken.push(place);
                buses.extend(of("id"));
            }
            assert!(buses.len() > 30 && buses.len() < 150, "seed {seed}: {} devices", buses.len());
        }
    }
}
