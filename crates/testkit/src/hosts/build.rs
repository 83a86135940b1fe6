//! From the description of a host to the fake kernel.

use passthru_apply::books::{self, Patience};
use passthru_model::Lease;
use passthru_model::lease::LEASE_VERSION;
use passthru_pci::Address;

use super::{CardSpec, DiskUse, FunctionSpec, Grouping, HostSpec, Kind, On, Over, Pick};
use crate::fake::{Gives, Kernel, Part};

impl Kind {
    /// Its class code and host driver.
    const fn class_and_driver(self) -> (u32, Option<&'static str>) {
        match self {
            Self::Disk(_) => (0x01_0802, Some("nvme")),
            Self::Network(_) => (0x02_0000, Some("e1000e")),
            Self::Physical(_) => (0x02_0000, Some("igb")),
            Self::Graphics(_) => (0x03_0000, Some("nouveau")),
            Self::Usb(_) => (0x0c_0330, Some("xhci_hcd")),
            Self::Sound => (0x04_0300, Some("snd_hda_intel")),
            Self::Unknown => (0x12_0000, None),
        }
    }
}

/// Where function `function` of card `card` is.
#[must_use]
pub fn address(card: usize, function: usize) -> Address {
    let bus = u8::try_from(card + 1).unwrap_or(u8::MAX);
    let function = u8::try_from(function).unwrap_or(7);
    Address::new(0, bus, 0, function).unwrap_or_else(|| panic!("card {card}, function {function}"))
}

impl HostSpec {
    /// Every endpoint of the cards.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Address> {
        let of = |(c, card): (usize, &CardSpec)| (0..card.functions.len()).map(move |f| address(c, f));
        self.cards.iter().enumerate().flat_map(of).collect()
    }

    /// The functions a wish means.
    #[must_use]
    pub fn devices(&self, pick: &Pick) -> Vec<Address> {
        let all = self.endpoints();
        let mut found: Vec<Address> = pick.which.iter().map(|index| *index.get(&all)).collect();
        if pick.slots {
            found = all.into_iter().filter(|a| found.iter().any(|f| f.slot() == a.slot())).collect();
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The machine.
    #[must_use]
    pub fn build(&self) -> Kernel {
        let kernel = Kernel::with_parts([
            Part::new("0000:00:00.0", 0x06_0000).group(0),
            Part::new("0000:00:1f.0", 0x06_0100).group(31),
            Part::new("0000:00:1f.3", 0x0c_0500).group(31).on("i801_smbus"),
        ]);
        let mut group = 100;
        let mut held = Vec::new();
        for (c, card) in self.cards.iter().enumerate() {
            let port = format!("0000:00:{:02x}.0", c + 1);
            let bridge = match card.grouping {
                Grouping::WithBridge => Part::new(&port, 0x06_0400),
                _ => Part::new(&port, 0x06_0400).on("pcieport"),
            };
            let shares = matches!(card.grouping, Grouping::WithPort | Grouping::WithBridge);
            if card.grouping != Grouping::WithPrevious {
                group += 1;
            }
            kernel.with(|m| m.put(bridge.group(if shares { group } else { 1 + c as u32 })));
            for (f, function) in card.functions.iter().enumerate() {
                if card.grouping == Grouping::Each {
                    group += 1;
                }
                let minor = (c * 8 + f) as u32 * 16;
                function.build(&kernel, address(c, f), &port, group, minor);
            }
            if card.held {
                held.push((4000 + c as u32, group));
            }
        }
        // When everything is in its place: what is on a host driver in the group of another
        // card keeps a machine from starting.
        for (pid, group) in held {
            // Where nobody could, nobody does.
            let _ = kernel.start_vm(pid, group);
        }
        let on_vfio = kernel.with(|m| !m.vfio_groups().is_empty());
        kernel.with(|m| {
            if let Some(driver) = m.drivers.get_mut("vfio-pci") {
                driver.loaded = self.vfio_loaded || on_vfio;
            }
        });
        kernel
    }
}

impl FunctionSpec {
    fn build(&self, kernel: &Kernel, address: Address, port: &str, group: u32, minor: u32) {
        let (class, driver) = self.kind.class_and_driver();
        let mut part = Part::new(&address.to_string(), class).below(port).group(group);
        part = match self.kind {
            Kind::Disk(_) => {
                let name = format!("nvme{minor}n1");
                part.disk(&name, minor, &[&format!("{name}p1"), &format!("{name}p2")])
            }
            Kind::Network(_) | Kind::Physical(_) => part.interface(&format!("eth{minor}")),
            Kind::Graphics(_) => {
                part.gives(Gives::Display { name: format!("card{minor}"), connected: Vec::new() })
            }
            Kind::Usb(true) => part.gives(Gives::Keyboard(format!("keyboard {minor}"))),
            Kind::Sound => part.gives(Gives::Sound(format!("card{minor}"))),
            Kind::Usb(false) | Kind::Unknown => part,
        };
        if let Kind::Graphics(boot) = self.kind {
            part.function.boot_vga = Some(boot);
        }
        part = match (self.on, driver) {
            (On::Host, Some(driver)) => part.on(driver),
            (On::Vfio, Some(driver)) => part.lent(driver),
            (On::Vfio, None) => {
                part.function.driver = Some("vfio-pci".into());
                part
            }
            (On::Host | On::Nothing, driver) => {
                part.function.host_driver = driver.map(str::to_owned);
                part
            }
        };
        part.function.driver_override = match self.over {
            Over::Usual => (self.on == On::Vfio).then(|| "vfio-pci".to_owned()),
            Over::Vfio => Some("vfio-pci".to_owned()),
            Over::Host => driver.map(str::to_owned),
            Over::Other => Some("no-such-driver".to_owned()),
        };
        let id = part.function.id;
        let subsystem = part.function.subsystem;
        kernel.with(|machine| machine.put(part));
        if self.on == On::Host {
            self.use_it(kernel, address, minor);
        }
        if self.on == On::Vfio && self.lease {
            let lease = Lease {
                version: LEASE_VERSION,
                boot_id: kernel.with(|m| m.boot_id.clone()),
                device: address,
                id,
                subsystem,
                original_driver: driver.map(str::to_owned),
                original_module: driver.map(str::to_owned),
                original_override: None,
                vfio_driver: "vfio-pci".into(),
                adopted: false,
                since: 1_749_000_000,
                holder: None,
                granted: None,
            };
            let written = books::lock(kernel, Patience::NONE, "test").and_then(|g| g.write_lease(&lease));
            written.unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// What the host does with it.
    fn use_it(&self, kernel: &Kernel, address: Address, minor: u32) {
        let part = format!("nvme{minor}n1p1");
        let used = match self.kind {
            Kind::Disk(DiskUse::Mounted) => kernel.mount(&part, "/srv"),
            Kind::Disk(DiskUse::Root) => kernel.mount(&part, "/"),
            Kind::Disk(DiskUse::Swap) => kernel.swapon(&part),
            Kind::Disk(DiskUse::Stacked) => {
                kernel.stack(&format!("dm-{minor}"), Some("secret"), (253, minor), &[&part]);
                Ok(())
            }
            Kind::Network(true) => {
                kernel.with(|m| m.default_routes.push((format!("eth{minor}"), minor.is_multiple_of(32))));
                Ok(())
            }
            Kind::Physical(count) => {
                kernel.add_vfs(address, count.into());
                Ok(())
            }
            _ => Ok(()),
        };
        used.unwrap_or_else(|error| panic!("{error}"));
    }
}
