//! Making machines part by part, and what people and programs do on them meanwhile:
//! mounting, starting a virtual machine, pulling a card.

use passthru_formats::Errno;
use passthru_pci::{Address, Class, Id};

use super::Kernel;
use super::machine::{Driver, File, Function, Gives, Machine, Mounted, Process, Stacked};

/// One function to be put into a machine, with what most functions have.
#[derive(Debug, Clone)]
pub struct Part {
    /// The function as it will be.
    pub function: Function,
}

impl Part {
    /// A function at an address with a class code such as `0x010802`: on no driver, in the
    /// group of its bus number, below no bridge.
    ///
    /// # Panics
    /// Where the address is none: a mistake in the test.
    #[must_use]
    pub fn new(address: &str, class: u32) -> Self {
        let address = address.parse().unwrap_or_else(|error| panic!("{error}"));
        Self {
            function: Function {
                address,
                parent: None,
                id: Id { vendor: 0x1b36, device: (class >> 8) as u16 },
                subsystem: Some(Id { vendor: 0x1af4, device: 0x1100 }),
                class: Class::new(class),
                host_driver: None,
                driver: None,
                driver_override: None,
                group: Some(u32::from(address.bus())),
                physical: None,
                total_vfs: None,
                boot_vga: (class >> 8 == 0x0300).then_some(false),
                gives: Vec::new(),
                stuck: false,
            },
        }
    }

    /// On this host driver.
    #[must_use]
    pub fn on(mut self, driver: &str) -> Self {
        self.function.host_driver = Some(driver.to_owned());
        self.function.driver = Some(driver.to_owned());
        self
    }

    /// Known to this host driver, and on `vfio-pci`.
    #[must_use]
    pub fn lent(mut self, driver: &str) -> Self {
        self.function.host_driver = Some(driver.to_owned());
        self.function.driver = Some("vfio-pci".to_owned());
        self
    }

    /// In this IOMMU group; `None` for none.
    #[must_use]
    pub fn group(mut self, group: impl Into<Option<u32>>) -> Self {
        self.function.group = group.into();
        self
    }

    /// Below this bridge.
    ///
    /// # Panics
    /// Where the address is none.
    #[must_use]
    pub fn below(mut self, bridge: &str) -> Self {
        self.function.parent = Some(bridge.parse().unwrap_or_else(|error| panic!("{error}")));
        self
    }

    /// Its host driver makes this of it.
    #[must_use]
    pub fn gives(mut self, given: Gives) -> Self {
        self.function.gives.push(given);
        self
    }

    /// An NVMe disk with partitions, as `nvme` makes it.
    #[must_use]
    pub fn disk(self, name: &str, minor: u32, partitions: &[&str]) -> Self {
        let partitions = partitions.iter().map(|p| (*p).to_owned()).collect();
        self.gives(Gives::Disk { name: name.to_owned(), number: (259, minor), partitions })
    }

    /// A network interface.
    #[must_use]
    pub fn interface(self, name: &str) -> Self {
        self.gives(Gives::Interface { name: name.to_owned(), elsewhere: false })
    }

    /// With this override.
    #[must_use]
    pub fn overridden(mut self, value: &str) -> Self {
        self.function.driver_override = Some(value.to_owned());
        self
    }
}

impl Machine {
    /// Puts a function in. The drivers it names are installed, each with a module of its
    /// name, and loaded where a function is on them.
    pub fn put(&mut self, part: Part) {
        let function = part.function;
        for (driver, loaded) in [(&function.host_driver, false), (&function.driver, true)] {
            let Some(driver) = driver else { continue };
            let new = || Driver { module: Some(driver.replace('-', "_")), loaded: false, refuses: None };
            self.drivers.entry(driver.clone()).or_insert_with(new).loaded |= loaded;
        }
        self.functions.insert(function.address, function);
    }

    /// Whether a partition of this disk is claimed.
    pub(super) fn has_claimed_part(&self, disk: &str) -> bool {
        self.shown().any(|(_, given)| match given {
            Gives::Disk { name, number, partitions } if name == disk => {
                let parts = partitions.iter().zip(number.1 + 1..);
                parts.into_iter().any(|(part, minor)| self.is_claimed(part, (number.0, minor)))
            }
            _ => false,
        })
    }
}

impl Kernel {
    /// A machine with these functions.
    #[must_use]
    pub fn with_parts(parts: impl IntoIterator<Item = Part>) -> Self {
        let kernel = Self::default();
        kernel.with(|machine| parts.into_iter().for_each(|part| machine.put(part)));
        kernel
    }

    /// Mounts a block device, as `mount` does.
    ///
    /// # Errors
    /// `ENXIO` where there is none of that name; `EBUSY` where somebody has claimed it.
    pub fn mount(&self, name: &str, point: &str) -> Result<(), Errno> {
        self.with(|machine| {
            let number = machine.claim(name)?;
            let source = format!("/dev/{name}");
            machine.mounts.push(Mounted { number, point: point.into(), kind: "ext4".into(), source });
            Ok(())
        })
    }

    /// Swaps on a partition.
    ///
    /// # Errors
    /// As [`Kernel::mount`].
    pub fn swapon(&self, name: &str) -> Result<(), Errno> {
        self.with(|machine| {
            machine.claim(name)?;
            machine.swaps.push(format!("/dev/{name}"));
            Ok(())
        })
    }

    /// Stacks a block device (dm, md) on others.
    pub fn stack(&self, name: &str, mapper_name: Option<&str>, number: (u32, u32), on: &[&str]) {
        let on = on.iter().map(|below| (*below).to_owned()).collect();
        let stacked = Stacked { number, mapper_name: mapper_name.map(str::to_owned), on };
        self.with(|machine| machine.stacked.insert(name.to_owned(), stacked));
    }

    /// A virtual machine opens the node of a group.
    ///
    /// # Errors
    /// `ENOENT` where there is none; `EBUSY` where somebody else has it open; `EPERM`
    /// where the group is not viable (`VFIO_GROUP_SET_CONTAINER` says so).
    pub fn start_vm(&self, pid: u32, group: u32) -> Result<(), Errno> {
        self.with(|machine| {
            if !machine.vfio_groups().contains(&group) {
                return Err(Errno::ENOENT);
            }
            if machine.is_held(group) {
                return Err(Errno::EBUSY);
            }
            if machine.not_viable(group).is_some() {
                return Err(Errno::EPERM);
            }
            let new = || Process::named("qemu-system-x86");
            let process = machine.processes.entry(pid).or_insert_with(new);
            process.holds.push(format!("/dev/vfio/{group}"));
            Ok(())
        })
    }

    /// A physical function gets virtual ones, each in a group of its own.
    pub fn add_vfs(&self, physical: Address, count: u32) {
        self.with(|machine| {
            if let Some(function) = machine.functions.get_mut(&physical) {
                function.total_vfs = Some(7);
            }
            machine.make_vfs(physical, count)
        });
    }

    /// The process ends.
    pub fn end(&self, pid: u32) {
        self.with(|machine| machine.end(pid));
    }

    /// What hangs on a function comes back, in the order in which it began to hang; writes
    /// that are late take effect now.
    pub fn come_back(&self, device: Address) {
        self.with(|machine| machine.come_back(device));
    }

    /// The card is pulled: true surprise removal.
    pub fn unplug(&self, address: Address) {
        self.with(|machine| machine.unplug(address));
    }

    /// Puts a link somewhere, directories and all.
    pub fn put_link(&self, path: &str, target: &str) {
        self.with(|machine| {
            machine.make_above(path);
            machine.links.insert(path.to_owned(), target.to_owned());
        });
    }

    /// The card is pulled, and another one is plugged in at its place.
    pub fn swap(&self, address: Address) {
        self.with(|machine| machine.swap(address));
    }

    /// Puts a file somewhere, directories and all.
    pub fn put_file(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.with(|machine| {
            machine.make_above(path);
            machine.files.insert(path.to_owned(), File { bytes: bytes.into(), mode: 0o644, uid: 0 });
        });
    }

    /// A file's contents.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.with(|machine| machine.files.get(path).map(|file| file.bytes.clone()))
    }

    /// From now on this path answers with an error.
    pub fn fail(&self, path: &str, error: Errno) {
        self.with(|machine| machine.errors.insert(path.to_owned(), error));
    }
}

impl Machine {
    /// The directories above a path.
    fn make_above(&mut self, path: &str) {
        let mut above = path;
        while let Some((directory, _)) = above.rsplit_once('/').filter(|(d, _)| !d.is_empty()) {
            // `/proc` and the like are there without us.
            let parts: Vec<&str> = directory.split('/').skip(1).collect();
            if self.at(&parts).is_none() {
                self.directories.insert(directory.to_owned());
            }
            above = directory;
        }
    }

    fn claim(&self, name: &str) -> Result<(u32, u32), Errno> {
        let number = self.block_number(name).ok_or(Errno::ENXIO)?;
        let held = |held: &str| self.holds.iter().any(|(node, _)| node.strip_prefix("/dev/") == Some(held));
        // Whoever holds the whole disk holds its partitions.
        let whole = self.shown().any(|(_, given)| match given {
            Gives::Disk { name: disk, partitions, .. } => {
                held(disk) && (disk == name || partitions.iter().any(|p| p == name))
            }
            _ => false,
        });
        if whole || held(name) { Err(Errno::EBUSY) } else { Ok(number) }
    }
}
