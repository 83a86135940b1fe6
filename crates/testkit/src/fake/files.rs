//! The machine as it looks through `/sys`, `/proc`, `/dev` and `/run`: every path is
//! answered from the data at the moment it is asked for. It changes nothing.

use passthru_pci::Address;

use super::machine::{Function, Gives, Machine};

/// When the machine was booted, in seconds since 1970.
const BOOTED: u64 = 1_749_990_000;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A regular file and its permission bits.
    File(Vec<u8>, u32),
    /// A symbolic link.
    Link(String),
    /// A directory and the names in it, sorted.
    Directory(Vec<String>),
    /// A device node with its number.
    Device((u32, u32)),
}

fn text(text: impl Into<String>) -> Option<Node> {
    Some(Node::File(text.into().into_bytes(), 0o444))
}

fn line(value: impl std::fmt::Display) -> Option<Node> {
    text(format!("{value}\n"))
}

fn directory(names: impl IntoIterator<Item = impl Into<String>>) -> Option<Node> {
    let mut names: Vec<String> = names.into_iter().map(Into::into).collect();
    names.sort_unstable();
    names.dedup();
    Some(Node::Directory(names))
}

/// A link to an absolute path, in the relative form of sysfs.
fn link(from: &[&str], to: &str) -> Option<Node> {
    let up = "../".repeat(from.len().saturating_sub(2));
    Some(Node::Link(format!("{up}{}", to.trim_start_matches("/sys/"))))
}

impl Machine {
    /// What stands at a path given by its parts. Links inside the path are followed, one
    /// at its end is not.
    pub(super) fn at(&self, p: &[&str]) -> Option<Node> {
        let functions = || directory(self.functions.keys().map(ToString::to_string));
        match p {
            ["sys", "bus", "pci", "devices"] => functions(),
            ["sys", "bus", "pci", "devices", name] => link(p, &self.path(self.function(name)?.address)),
            ["sys", "bus", "pci", "devices", name, rest @ ..] => self.below(self.function(name)?, rest),
            ["sys", "bus", "pci", "drivers"] => {
                directory(self.drivers.iter().filter(|(_, d)| d.loaded).map(|(name, _)| name.clone()))
            }
            ["sys", "bus", "pci", "drivers", name, rest @ ..] => self.driver(name, rest),
            ["sys", "bus", "pci", "drivers_probe"] => Some(Node::File(Vec::new(), 0o200)),
            ["sys", "devices", "virtual", "block", name, rest @ ..] => self.block(name, rest),
            ["sys", "devices", "virtual", "nvme-subsystem", name] => {
                let disks = self.shown().filter_map(|(_, given)| match given {
                    Gives::Path { subsystem, disk, .. } if subsystem == name => Some(disk.as_str()),
                    _ => None,
                });
                directory(disks.chain(self.controllers(name).map(|(_, controller)| controller)))
            }
            ["sys", "devices", "virtual", "nvme-subsystem", _, name, rest @ ..] => self.block(name, rest),
            ["sys", "devices", rest @ ..] => {
                let last = rest.iter().rposition(|part| Address::from_sysfs(part).is_some())?;
                self.below(self.function(rest[last])?, &rest[last + 1..])
            }
            ["sys", "kernel", "iommu_groups", rest @ ..] => self.group(p, rest),
            ["sys", "class", class, rest @ ..] => self.class(class, rest),
            ["sys", "firmware", "acpi", "tables"] => {
                directory(["APIC", "FACP"].into_iter().chain((!self.units.is_empty()).then_some("DMAR")))
            }
            ["proc", rest @ ..] => self.proc(rest),
            ["dev", rest @ ..] => self.dev(rest),
            _ => None,
        }
    }

    fn function(&self, name: &str) -> Option<&Function> {
        self.functions.get(&Address::from_sysfs(name)?)
    }

    /// What stands below the directory of a function.
    fn below(&self, function: &Function, rest: &[&str]) -> Option<Node> {
        match rest {
            [] => directory(["driver_override", "uevent", "vendor"]),
            ["driver"] => Some(Node::Link(format!("../../../bus/pci/drivers/{}", function.driver.as_ref()?))),
            ["driver", rest @ ..] => self.driver(function.driver.as_ref()?, rest),
            ["iommu_group"] => Some(Node::Link(format!("../../../kernel/iommu_groups/{}", function.group?))),
            ["physfn"] => Some(Node::Link(format!("../{}", function.physical?))),
            ["iommu"] => {
                function.group?;
                Some(Node::Link(format!("../../virtual/iommu/{}", self.units.first()?)))
            }
            [attribute] => self.attribute(function.address, attribute).map(|bytes| Node::File(bytes, 0o644)),
            // A device in the path, such as `nvme/nvme0/nvme0n1/dev`.
            ["block" | "nvme", .., _] => {
                let at = rest.iter().rposition(|part| self.is_block(part))?;
                self.block(rest[at], &rest[at + 1..])
            }
            ["net", name, rest @ ..] => self.interface(name, rest),
            _ => None,
        }
    }

    /// An attribute of a function that is a file.
    pub(super) fn attribute(&self, address: Address, name: &str) -> Option<Vec<u8>> {
        let f = self.functions.get(&address)?;
        let (id, class) = (f.id, f.class.bits());
        let subsystem = f.subsystem.map_or((0, 0), |s| (s.vendor, s.device));
        let modalias = || {
            format!(
                "pci:v{:08X}d{:08X}sv{:08X}sd{:08X}bc{:02X}sc{:02X}i{:02X}",
                id.vendor,
                id.device,
                subsystem.0,
                subsystem.1,
                class >> 16,
                class >> 8 & 0xff,
                class & 0xff
            )
        };
        let value = match name {
            "uevent" => {
                let driver = f.driver.as_ref().map_or_else(String::new, |d| format!("DRIVER={d}\n"));
                format!(
                    "{driver}PCI_CLASS={class:04X}\nPCI_ID={:04X}:{:04X}\nPCI_SUBSYS_ID={:04X}:{:04X}\n\
                     PCI_SLOT_NAME={address}\nMODALIAS={}",
                    id.vendor,
                    id.device,
                    subsystem.0,
                    subsystem.1,
                    modalias()
                )
            }
            "modalias" => modalias(),
            "vendor" => format!("{:#06x}", id.vendor),
            "device" => format!("{:#06x}", id.device),
            "subsystem_vendor" => format!("{:#06x}", subsystem.0),
            "subsystem_device" => format!("{:#06x}", subsystem.1),
            "class" => format!("{class:#08x}"),
            "revision" => "0x01".into(),
            "driver_override" => f.driver_override.clone().unwrap_or_else(|| "(null)".into()),
            "numa_node" => "-1".into(),
            "local_cpulist" => "0-3".into(),
            "irq" => "0".into(),
            "enable" => u8::from(f.driver.is_some()).to_string(),
            "power_state" => "D0".into(),
            "d3cold_allowed" => "1".into(),
            "boot_vga" => u8::from(f.boot_vga?).to_string(),
            "reset_method" if !f.class.is_bus_bridge() => "flr bus".into(),
            "sriov_totalvfs" => f.total_vfs?.to_string(),
            "sriov_numvfs" => f.total_vfs.map(|_| self.virtual_functions(address).count())?.to_string(),
            "resource" => {
                let none = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
                format!("0x00000000fe000000 0x00000000fe003fff 0x0000000000040200\n{}", none.repeat(5))
                    .trim_end()
                    .to_owned()
            }
            "config" => return Some(self.config(f)),
            _ => return None,
        };
        Some(format!("{value}\n").into_bytes())
    }

    /// The first 64 bytes of configuration space.
    fn config(&self, f: &Function) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..2].copy_from_slice(&f.id.vendor.to_le_bytes());
        bytes[2..4].copy_from_slice(&f.id.device.to_le_bytes());
        bytes[9..12].copy_from_slice(&f.class.bits().to_le_bytes()[..3]);
        let several = self.functions.keys().any(|a| a.slot() == f.address.slot() && *a != f.address);
        bytes[0x0e] = u8::from(f.class.is_bus_bridge()) | if several { 0x80 } else { 0 };
        bytes
    }

    fn driver(&self, name: &str, rest: &[&str]) -> Option<Node> {
        let driver = self.drivers.get(name).filter(|d| d.loaded)?;
        let bound = |f: &&Function| f.driver.as_deref() == Some(name);
        match rest {
            [] => {
                let bound = self.functions.values().filter(bound).map(|f| f.address.to_string());
                let files = ["bind", "unbind", "new_id", "uevent"].map(str::to_owned);
                directory(bound.chain(files).chain(driver.module.as_ref().map(|_| "module".to_owned())))
            }
            ["module"] => Some(Node::Link(format!("../../../../module/{}", driver.module.as_ref()?))),
            ["bind" | "unbind" | "new_id" | "remove_id"] => Some(Node::File(Vec::new(), 0o200)),
            [function] => {
                let function = self.function(function).filter(bound)?;
                Some(Node::Link(format!("../../../../{}", &self.path(function.address)[5..])))
            }
            _ => None,
        }
    }

    fn group(&self, path: &[&str], rest: &[&str]) -> Option<Node> {
        let all = || self.functions.values().filter_map(|f| f.group);
        let [number, rest @ ..] = rest else { return directory(all().map(|g| g.to_string())) };
        let number: u32 = number.parse().ok().filter(|n| all().any(|g| g == *n))?;
        let members = || self.functions.values().filter(|f| f.group == Some(number)).map(|f| f.address);
        match rest {
            [] => directory(["devices", "name", "reserved_regions", "type"]),
            ["devices"] => directory(members().map(|a| a.to_string())),
            ["devices", name] => {
                link(path, &self.path(members().find(|a| Some(*a) == Address::from_sysfs(name))?))
            }
            ["type"] => line("DMA-FQ"),
            // Only groups of the no-IOMMU mode and of some buses have a name.
            ["name"] if self.units.is_empty() => line("vfio-noiommu"),
            ["reserved_regions"] => match self.reserved.get(&number) {
                Some(regions) => text(regions.clone()),
                None => line("0x00000000fee00000 0x00000000feefffff msi"),
            },
            _ => None,
        }
    }

    fn dev(&self, rest: &[&str]) -> Option<Node> {
        let groups = self.vfio_groups();
        let loaded = self.drivers.get("vfio-pci").is_some_and(|d| d.loaded);
        match rest {
            ["vfio"] if loaded => {
                directory(groups.iter().map(ToString::to_string).chain(["vfio".to_owned()]))
            }
            ["vfio", "vfio"] if loaded => Some(Node::Device((10, 196))),
            ["vfio", group] => {
                let group: u32 = group.parse().ok()?;
                groups.contains(&group).then_some(Node::Device((240, group)))
            }
            [name] => self.block_number(name).map(Node::Device),
            _ => None,
        }
    }

    fn proc(&self, rest: &[&str]) -> Option<Node> {
        match rest {
            [] => directory(
                self.processes.keys().map(ToString::to_string).chain(["mounts", "self"].map(str::to_owned)),
            ),
            ["self" | "1", "mountinfo"] => text(self.mountinfo()),
            ["swaps"] => text(self.swaps_table()),
            ["net", "route"] => text(self.routes(false)),
            ["net", "ipv6_route"] => text(self.routes(true)),
            // Nobody is connected; a test puts another table here.
            ["net", "tcp"] => text(
                "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
            ),
            ["bus", "input", "devices"] => text(self.input_devices()),
            ["uptime"] => line(format!("{}.00 0.00", self.clock.saturating_sub(BOOTED))),
            ["cmdline"] => line("BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro intel_iommu=on"),
            ["sys", "kernel", "osrelease"] => line("6.12.0"),
            ["sys", "kernel", "random", "boot_id"] => line(&self.boot_id),
            [pid, rest @ ..] => {
                let pid: u32 = pid.parse().ok()?;
                let process = self.processes.get(&pid)?;
                match rest {
                    [] => directory(["comm", "fd", "stat"]),
                    ["comm"] => line(&process.name),
                    ["stat"] => {
                        let state = if process.zombie { 'Z' } else { 'S' };
                        let start = process.start.unwrap_or(1000 + u64::from(pid));
                        line(format!("{pid} ({}) {state} 1 {}{start}", process.name, "0 ".repeat(17)))
                    }
                    ["fd"] => {
                        let count = 3 + process.holds.len() + process.names.len();
                        directory((0..count).map(|fd| fd.to_string()))
                    }
                    ["fd", fd] => Some(Node::Link(process.descriptor(fd.parse().ok()?)?.0.to_owned())),
                    ["fdinfo", fd] => {
                        let (_, flags) = process.descriptor(fd.parse().ok()?)?;
                        text(format!("pos:\t0\nflags:\t0{flags:o}\nmnt_id:\t24\n"))
                    }
                    _ => None,
                }
            }
        }
    }

    /// Everything that host drivers show at this moment, with the function it is of.
    pub(super) fn shown(&self) -> impl Iterator<Item = (&Function, &Gives)> {
        self.functions.values().flat_map(|f| f.shown().iter().map(move |given| (f, given)))
    }

    /// The controllers of an NVMe subsystem that are there, with their functions.
    pub(super) fn controllers(&self, wanted: &str) -> impl Iterator<Item = (Address, &str)> {
        self.shown().filter_map(move |(f, given)| match given {
            Gives::Path { controller, subsystem, .. } if subsystem == wanted => {
                Some((f.address, controller.as_str()))
            }
            _ => None,
        })
    }
}
