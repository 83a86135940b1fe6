//! The virtual host as data: what IOMMU, which root ports, what is plugged into them, and
//! what the kernel is told. Turning it into QEMU arguments is the only thing done here.

use std::path::Path;

use crate::disk::Content;

/// An IOMMU for L1, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Iommu {
    /// Emulated VT-d with these options after `intel-iommu,`.
    Intel(String),
    /// Emulated AMD-Vi with these options after `amd-iommu,`.
    Amd(String),
    /// virtio-iommu: groups, but no interrupt remapping, so VFIO refuses.
    Virtio,
    /// A machine without one ("off in firmware").
    None,
}

/// What stands behind a device on the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// Nothing.
    None,
    /// A raw image named like the device; lives as long as the work directory.
    Disk {
        /// Size in MiB.
        mib: u64,
        /// What is on it at first.
        content: Content,
    },
    /// The machine's one network: its cards reach each other and nothing else.
    Network,
    /// An NVMe subsystem, which SR-IOV needs, and a disk.
    NvmeSubsystem {
        /// Size in MiB.
        mib: u64,
    },
}

/// One device.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its name in the lab and its QEMU id.
    pub name: String,
    /// QEMU's driver name.
    pub driver: String,
    /// The rest of its `-device` argument, without a leading comma.
    pub options: String,
    /// The QEMU id of the bus it sits on; the root port when empty.
    pub bus: String,
    /// What stands behind it.
    pub backend: Backend,
}

impl Device {
    /// A device directly in its root port, with nothing behind it.
    pub fn new(name: &str, driver: &str, options: &str) -> Device {
        Device {
            name: name.to_owned(),
            driver: driver.to_owned(),
            options: options.to_owned(),
            bus: String::new(),
            backend: Backend::None,
        }
    }

    /// The same on another bus.
    #[must_use]
    pub fn on(mut self, bus: &str) -> Device {
        bus.clone_into(&mut self.bus);
        self
    }

    /// The same with something behind it.
    #[must_use]
    pub fn with(mut self, backend: Backend) -> Device {
        self.backend = backend;
        self
    }

    /// QEMU's properties of this device below that root port, its id first.
    pub fn properties(&self, port: &str) -> Vec<(String, String)> {
        let id = &self.name;
        let bus = if self.bus.is_empty() { port } else { &self.bus };
        let own = self.options.split(',').filter_map(|option| option.split_once('='));
        let mut all: Vec<(String, String)> =
            own.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        all.insert(0, ("id".to_owned(), id.clone()));
        all.push(("bus".to_owned(), bus.to_owned()));
        match self.backend {
            Backend::None | Backend::NvmeSubsystem { .. } => {}
            Backend::Disk { .. } => all.push(("drive".to_owned(), format!("{id}-disk"))),
            Backend::Network => all.push(("netdev".to_owned(), format!("{id}-net"))),
        }
        all
    }

    /// An NVMe disk whose serial number is its name.
    pub fn nvme(name: &str, mib: u64, content: Content) -> Device {
        Device::new(name, "nvme", &format!("serial={name}")).with(Backend::Disk { mib, content })
    }
}

/// A PCIe root port with what hangs below it. The first device listed is the one plugged
/// into the port; others name their bus.
#[derive(Debug, Clone)]
pub struct RootPort {
    /// Its QEMU id.
    pub name: String,
    /// Its slot on bus 0.
    pub slot: u8,
    /// Access control services: without them what is below shares one IOMMU group.
    pub acs: bool,
    /// What is below.
    pub devices: Vec<Device>,
}

/// A virtual host.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its IOMMU.
    pub iommu: Iommu,
    /// Number of processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Added to the kernel command line.
    pub kernel_arguments: Vec<String>,
    /// Its root ports.
    pub ports: Vec<RootPort>,
    /// Any further QEMU arguments, as they are.
    pub extra: Vec<String>,
}

impl Machine {
    /// The standard host: VT-d, three NVMe disks, two e1000e on one network, a group with
    /// companions, an NVMe with virtual functions, a USB controller with keyboard and mouse.
    /// `igb` when this QEMU has it.
    pub fn standard(with_igb: bool) -> Machine {
        let companions = vec![
            Device::new("bridge", "pcie-pci-bridge", ""),
            Device::new("edu", "edu", "addr=1").on("bridge"),
            Device::new("testdev", "pci-testdev", "addr=2").on("bridge"),
        ];
        let usb = vec![
            Device::new("xhci", "qemu-xhci", ""),
            Device::new("keyboard", "usb-kbd", "").on("xhci.0"),
            Device::new("mouse", "usb-mouse", "").on("xhci.0"),
        ];
        let mut ports = vec![
            RootPort::new("port1", 2, vec![Device::nvme("nvme1", 16, Content::Bootable)]),
            RootPort::new("port2", 3, vec![Device::nvme("nvme2", 128, Content::Empty)]),
            RootPort::new("port3", 4, vec![nic("nic1", "e1000e")]),
            RootPort::new("port4", 5, companions).without_acs(),
            RootPort::new("port5", 6, vec![nvme_with_vfs("sriov1", 4)]),
            RootPort::new("port6", 7, usb),
            // The smallest that btrfs takes without mixing data and metadata; sparse outside.
            RootPort::new("port8", 9, vec![Device::nvme("nvme3", 128, Content::Empty)]),
            RootPort::new("port9", 10, vec![nic("nic2", "e1000e")]),
        ];
        if with_igb {
            ports.push(RootPort::new("port7", 8, vec![nic("sriov2", "igb")]));
        }
        Machine {
            iommu: Iommu::Intel("intremap=on,caching-mode=on,device-iotlb=on".to_owned()),
            cpus: 2,
            memory_mib: 3072,
            kernel_arguments: vec!["intel_iommu=on".to_owned()],
            ports,
            extra: Vec::new(),
        }
    }

    /// The device of that name with the port it hangs below.
    pub fn device(&self, name: &str) -> Option<(&RootPort, &Device)> {
        self.ports.iter().find_map(|port| {
            port.devices.iter().find(|device| device.name == name).map(|device| (port, device))
        })
    }

    /// All devices that have a disk, with its size and content.
    pub fn disks(&self) -> impl Iterator<Item = (&str, u64, Content)> {
        self.ports.iter().flat_map(|port| &port.devices).filter_map(|device| match device.backend {
            Backend::Disk { mib, content } => Some((device.name.as_str(), mib, content)),
            Backend::NvmeSubsystem { mib } => Some((device.name.as_str(), mib, Content::Empty)),
            Backend::None | Backend::Network => None,
        })
    }

    /// QEMU's arguments for all of this. Images are `<directory>/<device>.img`.
    pub fn arguments(&self, images: &Path) -> Vec<String> {
        let mut arguments = Arguments::default();
        arguments.pair("-smp", self.cpus.to_string());
        arguments.pair("-m", self.memory_mib.to_string());
        arguments.pair("-nodefaults", String::new());
        // Before the devices it translates for.
        match &self.iommu {
            Iommu::Intel(options) => arguments.device("intel-iommu", options),
            Iommu::Virtio => arguments.device("virtio-iommu-pci", "addr=0x12"),
            Iommu::Amd(_) | Iommu::None => {}
        }
        arguments.device("VGA", "addr=0x1");
        for port in &self.ports {
            port.arguments(images, &mut arguments);
        }
        // Its own function takes the first slot that is free.
        if let Iommu::Amd(options) = &self.iommu {
            arguments.device("amd-iommu", options);
        }
        arguments.0.extend(self.extra.iter().cloned());
        arguments.0
    }
}

/// A network card; no option ROM, which not every system has installed and nobody boots.
fn nic(name: &str, driver: &str) -> Device {
    Device::new(name, driver, "romfile=").with(Backend::Network)
}

/// QEMU wants the resources of the virtual functions set aside: `max_ioqpairs` covers the
/// PF's own queues and the flexible ones (hw/nvme/ctrl.c, `nvme_check_constraints`).
fn nvme_with_vfs(name: &str, vfs: u32) -> Device {
    let options = format!(
        "serial={name},subsys={name}-subsystem,sriov_max_vfs={vfs},max_ioqpairs={},msix_qsize={},\
         sriov_vq_flexible={},sriov_vi_flexible={}",
        2 * vfs + 2,
        vfs + 2,
        2 * vfs,
        vfs
    );
    Device::new(name, "nvme", &options).with(Backend::NvmeSubsystem { mib: 16 })
}

impl RootPort {
    /// A port with access control services.
    pub fn new(name: &str, slot: u8, devices: Vec<Device>) -> RootPort {
        RootPort { name: name.to_owned(), slot, acs: true, devices }
    }

    /// The same without them.
    #[must_use]
    pub fn without_acs(mut self) -> RootPort {
        self.acs = false;
        self
    }

    /// The port's own address in L1.
    pub fn address(&self) -> String {
        format!("0000:00:{:02x}.0", self.slot)
    }

    fn arguments(&self, images: &Path, arguments: &mut Arguments) {
        let RootPort { name, slot, acs, devices } = self;
        let acs = if *acs { "" } else { ",disable-acs=on" };
        arguments
            .device("pcie-root-port", &format!("id={name},slot={slot},chassis={slot},addr={slot:#x}{acs}"));
        for device in devices {
            let id = &device.name;
            // A node that stays when the device in front of it is unplugged (`-drive` does not).
            let disk = format!(
                "driver=raw,node-name={id}-disk,file.driver=file,file.filename={}",
                images.join(format!("{id}.img")).display()
            );
            match device.backend {
                Backend::None => {}
                Backend::Disk { .. } => arguments.pair("-blockdev", disk),
                Backend::NvmeSubsystem { .. } => {
                    arguments.device("nvme-subsys", &format!("id={id}-subsystem,nqn={id}"));
                    arguments.pair("-blockdev", disk);
                }
                Backend::Network => arguments.pair("-netdev", format!("hubport,id={id}-net,hubid=1")),
            }
            let properties: Vec<String> =
                device.properties(name).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
            arguments.device(&device.driver, &properties.join(","));
            if let Backend::NvmeSubsystem { .. } = device.backend {
                arguments.device("nvme-ns", &format!("drive={id}-disk,bus={id}"));
            }
        }
    }
}

/// An argument list being written.
#[derive(Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn pair(&mut self, option: &str, value: String) {
        self.0.push(option.to_owned());
        if !value.is_empty() {
            self.0.push(value);
        }
    }

    fn device(&mut self, driver: &str, options: &str) {
        let separator = if options.is_empty() { "" } else { "," };
        self.pair("-device", format!("{driver}{separator}{options}"));
    }
}
