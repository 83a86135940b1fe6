//! The machine behind the fake kernel, as data: functions, drivers, disks, processes,
//! files. It owns what is there; how it reacts to writes stands in [`super::react`], how
//! it looks through `/sys` and `/proc` in [`super::files`].

use std::collections::{BTreeMap, BTreeSet};

use passthru_formats::Errno;
use passthru_model::Access;
use passthru_pci::{Address, Class, Id};

/// One PCI function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Where it is.
    pub address: Address,
    /// The bridge above it.
    pub parent: Option<Address>,
    /// Vendor and device id.
    pub id: Id,
    /// Subsystem ids.
    pub subsystem: Option<Id>,
    /// Class code.
    pub class: Class,
    /// The driver in whose id table it stands, loaded or not.
    pub host_driver: Option<String>,
    /// The driver it is on.
    pub driver: Option<String>,
    /// Its `driver_override`.
    pub driver_override: Option<String>,
    /// Its IOMMU group.
    pub group: Option<u32>,
    /// Its physical function, where it is a virtual one.
    pub physical: Option<Address>,
    /// How many virtual functions it can have, where it can.
    pub total_vfs: Option<u32>,
    /// Whether the firmware started on it; VGA controllers only.
    pub boot_vga: Option<bool>,
    /// What its host driver makes of it while it is bound.
    pub gives: Vec<Gives>,
    /// An unbind of it hangs, because a process holds it: the link is gone, the driver not.
    pub stuck: bool,
}

/// What a host driver makes of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gives {
    /// A disk with its partitions.
    Disk {
        /// Kernel name, such as `nvme0n1`.
        name: String,
        /// Device number; partitions count on from it.
        number: (u32, u32),
        /// Names of its partitions.
        partitions: Vec<String>,
    },
    /// A path to a disk that belongs to an NVMe subsystem (native multipath).
    Path {
        /// The controller, such as `nvme0`.
        controller: String,
        /// The subsystem, such as `nvme-subsys0`.
        subsystem: String,
        /// The disk below the subsystem, such as `nvme0n1`.
        disk: String,
        /// Its device number.
        number: (u32, u32),
    },
    /// A network interface.
    Interface {
        /// Its name.
        name: String,
        /// Whether it was moved to another network namespace, and cannot be seen here.
        elsewhere: bool,
    },
    /// A graphics card or a framebuffer (`fb0`).
    Display {
        /// `card0`, `renderD128`, `fb0`.
        name: String,
        /// Connectors with a monitor.
        connected: Vec<String>,
    },
    /// A keyboard below it.
    Keyboard(String),
    /// A mouse below it.
    Mouse(String),
    /// A sound card.
    Sound(String),
}

/// A PCI driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// Its module; `None` for a driver that is built in.
    pub module: Option<String>,
    /// Whether it is registered.
    pub loaded: bool,
    /// What its probe answers instead of taking a function.
    pub refuses: Option<Errno>,
}

/// A block device stacked on others, or a part of none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stacked {
    /// Its device number.
    pub number: (u32, u32),
    /// Device-mapper's name for it.
    pub mapper_name: Option<String>,
    /// The block devices it stands on.
    pub on: Vec<String>,
}

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// Device number as mountinfo shows it.
    pub number: (u32, u32),
    /// Where.
    pub point: String,
    /// Type.
    pub kind: String,
    /// What.
    pub source: String,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Process {
    /// Its short name.
    pub name: String,
    /// What its descriptors lead to.
    pub holds: Vec<String>,
    /// What it has descriptors of without having opened it (`O_PATH`).
    pub names: Vec<String>,
    /// Its start time in clock ticks since boot; `None` for one that goes with its id.
    pub start: Option<u64>,
    /// It has ended and waits to be collected.
    pub zombie: bool,
}

impl Process {
    /// One that holds nothing.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

impl Process {
    /// Where a descriptor leads, and the flags it was opened with: O_RDWR, or O_PATH.
    pub(super) fn descriptor(&self, number: usize) -> Option<(&str, u32)> {
        let Some(number) = number.checked_sub(3) else { return Some(("/dev/null", 0o2)) };
        let held = self.holds.iter().map(|node| (node, 0o2));
        let named = self.names.iter().map(|node| (node, 0o12_000_000));
        held.chain(named).nth(number).map(|(node, flags)| (node.as_str(), flags))
    }
}

/// A process of ours that waits in the kernel for a function's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hang {
    /// The process.
    pub pid: u32,
    /// The function.
    pub device: Address,
    /// What it writes when it comes back: path and text.
    pub late: Option<(String, String)>,
}

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
}

/// The whole machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// PCI functions.
    pub functions: BTreeMap<Address, Function>,
    /// PCI drivers that are installed.
    pub drivers: BTreeMap<String, Driver>,
    /// Reserved regions of groups, as the kernel writes them.
    pub reserved: BTreeMap<u32, String>,
    /// IOMMU units.
    pub units: Vec<String>,
    /// Block devices that hang below no function.
    pub stacked: BTreeMap<String, Stacked>,
    /// Mounts.
    pub mounts: Vec<Mounted>,
    /// Paths of swap areas.
    pub swaps: Vec<String>,
    /// Interfaces with a default route (version 4), and of which it is version 6.
    pub default_routes: Vec<(String, bool)>,
    /// Members of bridges and bonds: interface to master.
    pub masters: BTreeMap<String, String>,
    /// Processes by id.
    pub processes: BTreeMap<u32, Process>,
    /// Regular files: `/run/passthru`, and whatever a test puts anywhere.
    pub files: BTreeMap<String, File>,
    /// Directories of such files.
    pub directories: BTreeSet<String>,
    /// Symbolic links a test put somewhere.
    pub links: BTreeMap<String, String>,
    /// Paths that answer with an error to whoever looks at them.
    pub errors: BTreeMap<String, Errno>,
    /// What the host lost: a disk under a mount, an interface under a route.
    pub damage: Vec<String>,
    /// Writes and reads that hang.
    pub hangs: Vec<Hang>,
    /// How many reads had to wait for the lock of a device on which something hangs.
    pub hanging_reads: usize,
    /// Owner and mode of device nodes that somebody changed.
    pub access: BTreeMap<String, Access>,
    /// Where `/run/passthru` is kept in real files.
    pub(super) disk: Option<std::sync::Arc<super::disk::Disk>>,
    /// Disks that are held: node, token.
    pub(super) holds: Vec<(String, u64)>,
    /// Locks that are held: path, token.
    pub(super) locks: BTreeMap<String, u64>,
    /// The last token given out.
    pub(super) tokens: u64,
    /// Seconds since 1970.
    pub clock: u64,
    /// The boot.
    pub boot_id: String,
}

impl Default for Machine {
    /// A machine with an IOMMU, `vfio-pci` loaded, and no PCI function.
    fn default() -> Self {
        let driver =
            |module: Option<&str>| Driver { module: module.map(str::to_owned), loaded: true, refuses: None };
        let drivers = [("vfio-pci", Some("vfio_pci")), ("pcieport", None), ("pci-stub", None)];
        Self {
            functions: BTreeMap::new(),
            drivers: drivers.map(|(name, module)| (name.to_owned(), driver(module))).into(),
            reserved: BTreeMap::new(),
            units: vec!["dmar0".into()],
            stacked: BTreeMap::new(),
            mounts: Vec::new(),
            swaps: Vec::new(),
            default_routes: Vec::new(),
            masters: BTreeMap::new(),
            processes: [(1, Process::named("systemd"))].into(),
            files: BTreeMap::new(),
            directories: ["/run".to_owned()].into(),
            links: BTreeMap::new(),
            errors: BTreeMap::new(),
            damage: Vec::new(),
            hangs: Vec::new(),
            hanging_reads: 0,
            access: BTreeMap::new(),
            disk: None,
            holds: Vec::new(),
            locks: BTreeMap::new(),
            tokens: 0,
            clock: 1_750_000_000,
            boot_id: "0b007000-1111-4222-8333-944445555666".into(),
        }
    }
}

impl Function {
    /// What its host driver shows of it now: nothing while it is on another driver.
    pub fn shown(&self) -> &[Gives] {
        if self.driver.is_some() && self.driver == self.host_driver { &self.gives } else { &[] }
    }
}

impl Machine {
    /// The real directory of a function.
    #[must_use]
    pub fn path(&self, address: Address) -> String {
        let mut chain = vec![address];
        let mut next = self.functions.get(&address).and_then(|f| f.parent);
        while let Some(parent) = next {
            chain.push(parent);
            next = self.functions.get(&parent).and_then(|f| f.parent);
        }
        let root = chain.last().map_or((0, 0), |a| (a.domain(), a.bus()));
        let mut path = format!("/sys/devices/pci{:04x}:{:02x}", root.0, root.1);
        for part in chain.iter().rev() {
            path.push('/');
            path.push_str(&part.to_string());
        }
        path
    }

    /// The virtual functions of a function.
    pub fn virtual_functions(&self, physical: Address) -> impl Iterator<Item = Address> {
        self.functions.values().filter(move |f| f.physical == Some(physical)).map(|f| f.address)
    }

    /// The groups that have a node below `/dev/vfio`: one of their functions is on a vfio
    /// driver.
    #[must_use]
    pub fn vfio_groups(&self) -> BTreeSet<u32> {
        let on = |f: &&Function| f.driver.as_deref().is_some_and(passthru_plan::uses::is_vfio_driver);
        self.functions.values().filter(on).filter_map(|f| f.group).collect()
    }

    /// Whether a process holds a group.
    #[must_use]
    pub fn is_held(&self, group: u32) -> bool {
        let node = format!("/dev/vfio/{group}");
        self.processes.values().any(|p| p.holds.contains(&node))
    }

    /// Why the kernel would not let a group be used, if so: a member on a host driver
    /// (`kernel.md` 3).
    #[must_use]
    pub fn not_viable(&self, group: u32) -> Option<Address> {
        let fine = |f: &&Function| match f.driver.as_deref() {
            None | Some("pci-stub" | "pcieport") => true,
            Some(driver) => passthru_plan::uses::is_vfio_driver(driver),
        };
        self.functions.values().filter(|f| f.group == Some(group)).find(|f| !fine(f)).map(|f| f.address)
    }
}
