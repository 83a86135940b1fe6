//! How the machine reacts: what a write to an attribute does, what loading a module
//! binds, what is lost when a driver lets go. The facts are those of `kernel.md` 1 and 3
//! that were seen in the lab.

use passthru_formats::Errno;
use passthru_model::Task;
use passthru_pci::{Address, Id};
use passthru_plan::uses::is_vfio_driver;

use super::machine::{Function, Gives, Hang, Machine, Process};
use super::make::Part;

/// The longest override (`drivers/base/driver.c`, `driver_set_override`).
const OVERRIDE_LIMIT: usize = 4095;

impl Machine {
    /// Writes an attribute, in one `write(2)`.
    pub(super) fn write(&mut self, path: &str, text: &str) -> Result<(), Errno> {
        if let Some(error) = self.errors.get(path) {
            return Err(*error);
        }
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match parts[..] {
            ["sys", "bus", "pci", "drivers_probe"] => self.drivers_probe(text),
            ["sys", "bus", "pci", "drivers", driver, what @ ("bind" | "unbind")] => {
                if !self.drivers.get(driver).is_some_and(|d| d.loaded) {
                    return Err(Errno::ENOENT);
                }
                let address = self.named(text)?;
                if what == "unbind" { self.unbind(address, driver) } else { self.bind(address, driver) }
            }
            ["sys", "bus", "pci", "devices", name, "driver", "unbind"] => {
                let function = Address::from_sysfs(name).and_then(|a| self.functions.get(&a));
                // Without a driver there is no link, and without the link no file.
                let driver = function.and_then(|f| f.driver.clone()).ok_or(Errno::ENOENT)?;
                let address = self.named(text)?;
                self.unbind(address, &driver)
            }
            ["sys", "bus", "pci", "devices", name, attribute] => {
                let address = Address::from_sysfs(name).ok_or(Errno::ENOENT)?;
                self.write_to(address, attribute, text)
            }
            _ => Err(if self.at(&parts).is_some() { Errno::EACCES } else { Errno::ENOENT }),
        }
    }

    /// The function a text names; the kernel wants the whole name.
    fn named(&self, text: &str) -> Result<Address, Errno> {
        let address = Address::from_sysfs(text.strip_suffix('\n').unwrap_or(text)).ok_or(Errno::ENODEV)?;
        self.functions.get(&address).map(|f| f.address).ok_or(Errno::ENODEV)
    }

    fn write_to(&mut self, address: Address, attribute: &str, text: &str) -> Result<(), Errno> {
        let locked = self.is_locked(address);
        let function = self.functions.get_mut(&address).ok_or(Errno::ENOENT)?;
        if locked && matches!(attribute, "driver_override" | "sriov_numvfs") {
            // The device's lock is held by a write that does not come back.
            return Err(Errno::ETIMEDOUT);
        }
        match attribute {
            // A zero-length write never reaches the attribute.
            "driver_override" if text.is_empty() => Ok(()),
            "driver_override" if text.len() > OVERRIDE_LIMIT => Err(Errno::EINVAL),
            "driver_override" => {
                let value = text.split('\n').next().unwrap_or_default();
                function.driver_override = (!value.is_empty()).then(|| value.to_owned());
                Ok(())
            }
            "remove" => {
                self.unplug(address);
                Ok(())
            }
            "sriov_numvfs" if function.total_vfs.is_some() => self.set_vfs(address, text),
            _ if self.attribute(address, attribute).is_some() => Err(Errno::EACCES),
            _ => Err(Errno::ENOENT),
        }
    }

    /// `drivers_probe`: success says nothing; any failing probe comes back as `EINVAL`.
    fn drivers_probe(&mut self, text: &str) -> Result<(), Errno> {
        let address = self.named(text)?;
        if self.is_locked(address) {
            // `device_attach` waits for the device's lock.
            return Err(Errno::ETIMEDOUT);
        }
        self.attach(address).map_err(|_| Errno::EINVAL)
    }

    /// Looks for a driver for a function that has none (`drivers/base/dd.c`,
    /// `device_attach`).
    fn attach(&mut self, address: Address) -> Result<(), Errno> {
        let Some(function) = self.functions.get(&address) else { return Err(Errno::ENODEV) };
        if function.driver.is_some() || function.stuck {
            return Ok(());
        }
        let loaded = |name: &&String| self.drivers.get(name.as_str()).is_some_and(|d| d.loaded);
        // With an override nothing but that name matches; `vfio_pci` never does.
        let wanted = function.driver_override.as_ref().or(function.host_driver.as_ref());
        let Some(driver) = wanted.filter(loaded).cloned() else { return Ok(()) };
        match self.probe(address, &driver) {
            // "Not mine": the search goes on, and ends without anybody complaining.
            Err(Errno::ENODEV | Errno::ENXIO) => Ok(()),
            answer => answer,
        }
    }

    /// `bind`: the driver must be one that matches; its own error comes back.
    fn bind(&mut self, address: Address, driver: &str) -> Result<(), Errno> {
        if self.is_locked(address) {
            return Err(Errno::ETIMEDOUT);
        }
        let function = self.functions.get(&address).ok_or(Errno::ENODEV)?;
        let wanted = function.driver_override.as_ref().or(function.host_driver.as_ref());
        if function.driver.is_some() || function.stuck || wanted.is_none_or(|w| w != driver) {
            return Err(Errno::ENODEV);
        }
        self.probe(address, driver)
    }

    /// The driver's probe.
    fn probe(&mut self, address: Address, driver: &str) -> Result<(), Errno> {
        let vfs = self.virtual_functions(address).next().is_some();
        let function = self.functions.get(&address).ok_or(Errno::ENODEV)?;
        if let Some(error) = self.drivers.get(driver).and_then(|d| d.refuses) {
            return Err(error);
        }
        if is_vfio_driver(driver) {
            // Header type 0 only (`vfio_pci_core.c`), and no device without a group.
            if function.class.is_bus_bridge() || function.group.is_none() {
                return Err(Errno::EINVAL);
            }
            if vfs {
                return Err(Errno::EBUSY);
            }
        } else if !matches!(driver, "pci-stub" | "pcieport")
            && function.group.is_some_and(|group| self.is_held(group))
        {
            // The group's DMA is owned (`iommu_device_use_default_domain`).
            return Err(Errno::EBUSY);
        }
        if let Some(function) = self.functions.get_mut(&address) {
            function.driver = Some(driver.to_owned());
        }
        Ok(())
    }

    fn unbind(&mut self, address: Address, driver: &str) -> Result<(), Errno> {
        let function = self.functions.get(&address).ok_or(Errno::ENODEV)?;
        if function.driver.as_deref() != Some(driver) {
            return Err(Errno::ENODEV);
        }
        if self.is_locked(address) {
            // `device_release_driver_internal` waits for the device's lock.
            return Err(Errno::ETIMEDOUT);
        }
        let held = is_vfio_driver(driver) && function.group.is_some_and(|group| self.is_held(group));
        let vfs: Vec<Address> = self.virtual_functions(address).collect();
        if !is_vfio_driver(driver) {
            self.lose(address);
            // The driver of a physical function takes its virtual ones along, silently.
            for vf in &vfs {
                self.damage.push(format!("virtual function {vf} was destroyed"));
                self.functions.remove(vf);
            }
        }
        if let Some(function) = self.functions.get_mut(&address) {
            function.driver = None;
            function.stuck = held;
        }
        // The kernel would not come back. Whoever gives it a limit sees this.
        if held { Err(Errno::ETIMEDOUT) } else { Ok(()) }
    }

    /// What goes with the host driver, and what stood on it.
    fn lose(&mut self, address: Address) {
        let Some(function) = self.functions.get(&address) else { return };
        let mut lost = Vec::new();
        for given in function.shown() {
            match given {
                Gives::Disk { name, number, partitions } => {
                    let parts =
                        partitions.iter().zip(number.1 + 1..).map(|(p, minor)| (p, (number.0, minor)));
                    for (name, number) in [(name, *number)].into_iter().chain(parts) {
                        lost.extend(self.stands_on(name, number));
                    }
                }
                Gives::Path { subsystem, disk, number, .. } => {
                    if self.controllers(subsystem).count() == 1 {
                        lost.extend(self.stands_on(disk, *number));
                    }
                }
                Gives::Interface { name, .. } => {
                    if self.default_routes.iter().any(|(route, _)| route == name) {
                        lost.push(format!("the default route through {name}"));
                    }
                    if let Some(master) = self.masters.get(name) {
                        lost.push(format!("{name}, a member of {master}"));
                    }
                }
                Gives::Keyboard(name) => {
                    let keyboards = self.functions.values().flat_map(Function::shown);
                    if keyboards.filter(|g| matches!(g, Gives::Keyboard(_))).count() == 1 {
                        lost.push(format!("the only keyboard, {name}"));
                    }
                }
                Gives::Display { .. } | Gives::Mouse(_) | Gives::Sound(_) => {}
            }
        }
        self.damage.extend(lost);
    }

    /// Who uses a block device at this moment.
    fn stands_on(&self, name: &str, number: (u32, u32)) -> Vec<String> {
        let node = format!("/dev/{name}");
        let mounts = self.mounts.iter().filter(|m| m.number == number || m.source == node);
        let mounts = mounts.map(|m| format!("{name}, mounted on {}", m.point));
        let swaps = self.swaps.iter().filter(|s| **s == node).map(|_| format!("{name}, swap"));
        let holders = self.stacked.iter().filter(|(_, s)| s.on.iter().any(|on| on == name));
        mounts.chain(swaps).chain(holders.map(|(holder, _)| format!("{name}, below {holder}"))).collect()
    }

    /// Whether a block device is claimed, so that opening it exclusively gives `EBUSY`.
    pub(super) fn is_claimed(&self, name: &str, number: (u32, u32)) -> bool {
        let node = format!("/dev/{name}");
        self.holds.iter().any(|(held, _)| *held == node) || !self.stands_on(name, number).is_empty()
    }

    /// Loads a module. A driver that is registered by that takes every function on none
    /// that it matches; one that was there already takes nothing.
    pub(super) fn modprobe(&mut self, module: &str) -> Result<(), String> {
        let plain = |name: &str| name.replace('-', "_");
        let mut new = Vec::new();
        let mut any = false;
        for (name, driver) in &mut self.drivers {
            if plain(driver.module.as_deref().unwrap_or(name)) == plain(module) {
                any = true;
                if !std::mem::replace(&mut driver.loaded, true) {
                    new.push(name.clone());
                }
            }
        }
        if !any {
            return Err(format!(
                "modprobe: FATAL: Module {module} not found in directory /lib/modules/6.12.0"
            ));
        }
        for driver in new {
            let waits = |f: &&Function| {
                f.driver.is_none()
                    && f.driver_override.as_ref().or(f.host_driver.as_ref()) == Some(&driver)
                    && !self.is_locked(f.address)
            };
            let waiting: Vec<Address> = self.functions.values().filter(waits).map(|f| f.address).collect();
            for address in waiting {
                // What a probe answers here is for the kernel's log only.
                let _ = self.probe(address, &driver);
            }
        }
        Ok(())
    }

    /// `sriov_numvfs`.
    fn set_vfs(&mut self, address: Address, text: &str) -> Result<(), Errno> {
        let wanted: u32 = text.trim_end().parse().map_err(|_| Errno::EINVAL)?;
        let present: Vec<Address> = self.virtual_functions(address).collect();
        let function = self.functions.get(&address).ok_or(Errno::ENOENT)?;
        if wanted > function.total_vfs.unwrap_or(0) {
            return Err(Errno::ERANGE);
        }
        if function.driver.is_none() || function.driver.as_deref().is_some_and(is_vfio_driver) {
            return Err(Errno::ENOENT);
        }
        if wanted == 0 {
            present.iter().for_each(|vf| drop(self.functions.remove(vf)));
            return Ok(());
        }
        if !present.is_empty() {
            return Err(Errno::EBUSY);
        }
        self.make_vfs(address, wanted).ok_or(Errno::EINVAL)
    }

    /// Makes virtual functions on the device numbers after their physical one, each in a
    /// group of its own, and lets the driver for them take them.
    pub(super) fn make_vfs(&mut self, physical: Address, count: u32) -> Option<()> {
        let function = self.functions.get(&physical)?.clone();
        let driver = format!("{}vf", function.host_driver.as_ref()?);
        let used = self.functions.values().filter_map(|f| f.group).max().unwrap_or(0);
        for nth in 0..u8::try_from(count).ok()? {
            let device = physical.device() + 1 + physical.function();
            let address = Address::new(physical.domain(), physical.bus(), device, nth)?;
            let name = format!("vf{:02x}{device:x}{nth}", physical.bus());
            self.put(Part {
                function: Function {
                    address,
                    id: Id { vendor: function.id.vendor, device: function.id.device ^ 1 },
                    host_driver: Some(driver.clone()),
                    driver: None,
                    driver_override: None,
                    group: Some(used.max(999) + 1 + u32::from(nth)),
                    physical: Some(physical),
                    total_vfs: None,
                    gives: vec![Gives::Interface { name, elsewhere: false }],
                    ..function.clone()
                },
            });
            let _ = self.attach(address);
        }
        Some(())
    }

    /// Takes a function out of the machine, asked or not: what stood on it is lost.
    pub(super) fn unplug(&mut self, address: Address) {
        self.lose(address);
        self.functions.remove(&address);
    }

    /// Another card is put in where one was: nothing of the old one is left, and its host
    /// driver takes it, where one is loaded.
    pub(super) fn swap(&mut self, address: Address) {
        let Some(old) = self.functions.get(&address).cloned() else { return };
        self.unplug(address);
        let id = Id { vendor: old.id.vendor, device: old.id.device ^ 0x55 };
        let stuck = false;
        self.put(Part { function: Function { id, driver: None, driver_override: None, stuck, ..old } });
        let _ = self.attach(address);
    }

    /// Whether somebody has the lock of a function, and does not give it back.
    pub(super) fn is_locked(&self, device: Address) -> bool {
        self.functions.get(&device).is_some_and(|f| f.stuck) || self.hangs.iter().any(|h| h.device == device)
    }

    /// A read that waits for a function's lock (`drivers/pci/pci-sysfs.c`,
    /// `driver_override_show`; `drivers/pci/iov.c`, `sriov_numvfs_show`), and whether it
    /// comes back: if not, the process that waits.
    pub(super) fn wait_to_read(&mut self, path: &str) -> Option<Task> {
        let rest = path.strip_suffix("/driver_override").or_else(|| path.strip_suffix("/sriov_numvfs"))?;
        let device = rest.rsplit('/').next().and_then(Address::from_sysfs)?;
        if !self.is_locked(device) {
            return None;
        }
        self.hanging_reads += 1;
        Some(self.hang(path, "", None))
    }

    /// A call about a function that will not come back: whoever makes it is a process that
    /// waits. `late` is what it writes when it comes back after all.
    pub(super) fn hang(&mut self, path: &str, text: &str, late: Option<(String, String)>) -> Task {
        let pid = self.processes.keys().max().map_or(9000, |last| last + 1).max(9000);
        let device = path.split('/').find_map(Address::from_sysfs).or_else(|| Address::from_sysfs(text));
        self.hangs.extend(device.map(|device| Hang { pid, device, late }));
        self.processes.insert(pid, Process::named("passthru"));
        Task { pid, start: u64::from(1000 + pid), waits_in: "vfio_unregister_group_dev".into() }
    }

    /// What hangs on a function comes back.
    pub(super) fn come_back(&mut self, device: Address) {
        if let Some(function) = self.functions.get_mut(&device) {
            function.stuck = false;
        }
        let back: Vec<Hang> = self.hangs.extract_if(.., |hang| hang.device == device).collect();
        for hang in back {
            self.processes.remove(&hang.pid);
            if let Some((path, text)) = hang.late {
                // What the kernel answers, nobody hears any more.
                let _ = self.write(&path, &text);
            }
        }
    }

    /// A process lets go of everything: an unbind that hung goes on.
    pub(super) fn end(&mut self, pid: u32) {
        self.processes.remove(&pid);
        let free: Vec<Address> = self
            .functions
            .values()
            .filter(|f| f.stuck && f.group.is_some_and(|group| !self.is_held(group)))
            .map(|f| f.address)
            .collect();
        for device in free {
            self.come_back(device);
        }
    }
}
