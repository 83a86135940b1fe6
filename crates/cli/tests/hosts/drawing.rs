//! A host drawn by hand: a directory laid out like a root file system, from which
//! `passthru capture` then makes the fixture, so that a drawn host answers exactly the
//! questions that a real one is asked.
//!
//! Owns how sysfs and procfs lay things out. It knows no particular host.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A host.
pub(crate) struct Drawing {
    entries: BTreeMap<String, Entry>,
    /// Lines of the finished capture, and what stands there instead: for what a directory
    /// cannot answer, such as errors.
    pub(crate) changes: Vec<(String, String)>,
    /// Whether the capture says that it was made with root's rights.
    pub(crate) root: bool,
    mounts: Vec<String>,
    swaps: Vec<String>,
    inputs: Vec<String>,
    routes: Vec<String>,
    sockets: Vec<String>,
}

enum Entry {
    File(Vec<u8>),
    Link(String),
    Directory,
}

/// Flags of regions (`include/linux/ioport.h`).
pub(crate) const MEM: u64 = 0x40200;
pub(crate) const MEM64: u64 = 0x0014_0204;
pub(crate) const MEM64_PREFETCH: u64 = 0x0014_220c;
pub(crate) const IO: u64 = 0x40101;
const ROM: u64 = 0x46200;

impl Drawing {
    /// A host with nothing in it but a kernel, its root on a network.
    pub(crate) fn new(kernel: &str, command_line: &str) -> Self {
        let mut new = Self {
            entries: BTreeMap::new(),
            changes: Vec::new(),
            root: true,
            mounts: vec!["22 1 0:20 / /sys rw - sysfs sysfs rw".into()],
            swaps: Vec::new(),
            inputs: Vec::new(),
            routes: Vec::new(),
            sockets: Vec::new(),
        };
        for class in ["block", "net", "drm", "graphics", "sound", "iommu", "vfio-dev"] {
            new.directory(&format!("sys/class/{class}"));
        }
        new.directory("sys/bus/pci/drivers/vfio-pci");
        new.directory("sys/firmware/acpi/tables");
        new.directory("dev/vfio");
        new.file("sys/firmware/acpi/tables/FACP", "");
        new.file("dev/vfio/vfio", "");
        new.file("proc/cmdline", &format!("{command_line}\n"));
        new.file("proc/sys/kernel/osrelease", &format!("{kernel}\n"));
        new.file("proc/sys/kernel/random/boot_id", "6a0e1d2c-0000-4000-8000-000000000001\n");
        new.interrupts(false);
        new.processor("GenuineIntel", 39);
        for process in ["1", "self"] {
            new.raw_link(&format!("proc/{process}/ns/mnt"), "mnt:[4026531841]");
            new.directory(&format!("proc/{process}/fd"));
        }
        new
    }

    pub(crate) fn directory(&mut self, path: &str) {
        self.entries.insert(path.into(), Entry::Directory);
    }

    pub(crate) fn file(&mut self, path: &str, content: &str) {
        self.bytes(path, content.as_bytes());
    }

    pub(crate) fn bytes(&mut self, path: &str, content: &[u8]) {
        self.entries.insert(path.into(), Entry::File(content.to_vec()));
    }

    /// A link with this very text.
    pub(crate) fn raw_link(&mut self, path: &str, text: &str) {
        self.entries.insert(path.into(), Entry::Link(text.into()));
    }

    /// A relative link to another place of the tree, as sysfs makes them.
    pub(crate) fn link(&mut self, path: &str, to: &str) {
        let (from, towards): (Vec<_>, Vec<_>) = (path.split('/').collect(), to.split('/').collect());
        let common = from.iter().zip(&towards).take_while(|(a, b)| a == b).count();
        let up = std::iter::repeat_n("..", from.len() - 1 - common);
        let text = up.chain(towards[common..].iter().copied()).collect::<Vec<_>>().join("/");
        self.raw_link(path, &text);
    }

    /// In the capture this line stands instead of that one.
    pub(crate) fn instead(&mut self, line: &str, stands: &str) {
        self.changes.push((line.into(), stands.into()));
    }

    /// A PCI function at its place below `/sys/devices`, such as
    /// `pci0000:00/0000:00:01.0/0000:01:00.0`.
    pub(crate) fn pci(&mut self, place: &str, class: u32, id: &str, revision: u8) -> Pci<'_> {
        let at = format!("sys/devices/{place}");
        let address = place.rsplit('/').next().unwrap_or(place).to_owned();
        self.link(&format!("sys/bus/pci/devices/{address}"), &at);
        self.file(&format!("{at}/revision"), &format!("0x{revision:02x}\n"));
        self.file(&format!("{at}/driver_override"), "(null)\n");
        Pci {
            drawing: self,
            at,
            address,
            class,
            id: id.to_owned(),
            subsystem: "0000:0000".into(),
            driver: None,
        }
    }

    /// A block device at its place below `/sys/devices`; returns the place.
    pub(crate) fn block(&mut self, place: &str, number: &str, holders: &[&str]) -> String {
        let at = format!("sys/devices/{place}");
        let name = place.rsplit('/').next().unwrap_or(place);
        self.directory(&format!("{at}/holders"));
        for holder in holders {
            self.raw_link(&format!("{at}/holders/{holder}"), &format!("/sys/class/block/{holder}"));
        }
        self.file(&format!("{at}/dev"), &format!("{number}\n"));
        self.file(&format!("{at}/hidden"), "0\n");
        self.link(&format!("sys/class/block/{name}"), &at);
        at
    }

    /// A device-mapper device.
    pub(crate) fn mapper(&mut self, name: &str, number: &str, called: &str, holders: &[&str]) {
        let at = self.block(&format!("virtual/block/{name}"), number, holders);
        self.file(&format!("{at}/dm/name"), &format!("{called}\n"));
    }

    /// A process, and what its descriptors lead to.
    pub(crate) fn process(&mut self, pid: u32, name: &str, holds: &[&str]) {
        self.file(&format!("proc/{pid}/comm"), &format!("{name}\n"));
        self.directory(&format!("proc/{pid}/fd"));
        self.raw_link(&format!("proc/{pid}/fd/0"), "/dev/null");
        for (held, fd) in holds.iter().zip(3..) {
            self.raw_link(&format!("proc/{pid}/fd/{fd}"), held);
        }
        self.raw_link(&format!("proc/{pid}/ns/mnt"), "mnt:[4026531841]");
        self.raw_link(&format!("proc/{pid}/ns/net"), "net:[4026531840]");
    }

    /// A virtual interface, and what stands on it.
    pub(crate) fn virtual_interface(&mut self, name: &str, upper: Option<&str>) {
        self.interface(&format!("virtual/net/{name}"), true, upper.is_none());
        if let Some(upper) = upper {
            self.raw_link(&format!("sys/devices/virtual/net/{name}/upper_{upper}"), &format!("../{upper}"));
        }
    }

    /// A line of `/proc/net/route`: a network without a gateway.
    pub(crate) fn network(&mut self, interface: &str, network: &str, mask: &str) {
        self.routes.push(format!("{interface}\t{network}\t00000000\t0001\t0\t0\t0\t{mask}\t0\t0\t0"));
    }

    /// A standing connection of version 4, its ends as `/proc/net/tcp` writes them.
    pub(crate) fn connection(&mut self, local: &str, peer: &str, inode: u64) {
        let nth = self.sockets.len();
        self.sockets.push(format!(
            "{nth:4}: {local} {peer} 01 00000000:00000000 00:00000000 00000000     0        0 {inode} 1"
        ));
    }

    /// A mount in process 1's namespace.
    pub(crate) fn mount(&mut self, number: &str, point: &str, kind: &str, source: &str) {
        let id = 30 + self.mounts.len();
        self.mounts.push(format!("{id} 1 {number} / {point} rw,relatime - {kind} {source} rw"));
    }

    pub(crate) fn swap(&mut self, path: &str) {
        self.swaps.push(format!("{path}\tpartition\t8388604\t0\t-2"));
    }

    pub(crate) fn keyboard(&mut self, name: &str, place: &str) {
        self.inputs.push(format!(
            "I: Bus=0003 Vendor=046d Product=c330 Version=0111\nN: Name=\"{name}\"\nS: Sysfs=/devices/{place}\n\
             H: Handlers=sysrq kbd event3 leds \nB: PROP=0\nB: EV=120013\n\
             B: KEY=1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe\n"
        ));
    }

    pub(crate) fn mouse(&mut self, name: &str, place: &str) {
        self.inputs.push(format!(
            "I: Bus=0003 Vendor=046d Product=c52b Version=0111\nN: Name=\"{name}\"\nS: Sysfs=/devices/{place}\n\
             H: Handlers=mouse0 event4 \nB: PROP=0\nB: EV=17\nB: KEY=ffff0000 0 0 0 0\n"
        ));
    }

    /// A network interface at its place below `/sys/devices`.
    pub(crate) fn interface(&mut self, place: &str, up: bool, default_route: bool) {
        let at = format!("sys/devices/{place}");
        let name = place.rsplit('/').next().unwrap_or(place).to_owned();
        self.file(&format!("{at}/operstate"), if up { "up\n" } else { "down\n" });
        self.file(&format!("{at}/flags"), if up { "0x1003\n" } else { "0x1002\n" });
        self.link(&format!("sys/class/net/{name}"), &at);
        if default_route {
            self.routes.push(format!("{name}\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0"));
        }
    }

    /// An entry of a class that leads to its place below `/sys/devices`.
    pub(crate) fn class(&mut self, class: &str, place: &str) {
        let name = place.rsplit('/').next().unwrap_or(place);
        self.directory(&format!("sys/devices/{place}"));
        self.link(&format!("sys/class/{class}/{name}"), &format!("sys/devices/{place}"));
    }

    /// Makes the tree.
    pub(crate) fn build(mut self, root: &Path) -> std::io::Result<Self> {
        let mut mounts = self.mounts.join("\n");
        mounts.push('\n');
        self.file("proc/1/mountinfo", &mounts);
        self.file("proc/self/mountinfo", &mounts);
        let mut swaps = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n".to_owned();
        self.swaps.iter().for_each(|swap| swaps.push_str(&format!("{swap}\n")));
        self.file("proc/swaps", &swaps);
        self.file("proc/bus/input/devices", &self.inputs.join("\n"));
        let mut routes =
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
                .to_owned();
        self.routes.iter().for_each(|route| routes.push_str(&format!("{route}\n")));
        self.file("proc/net/route", &routes);
        let mut sockets = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
            .to_owned();
        self.sockets.iter().for_each(|socket| sockets.push_str(&format!("{socket}\n")));
        self.file("proc/net/tcp", &sockets);
        for (path, entry) in &self.entries {
            let path = root.join(path);
            if let Some(above) = path.parent() {
                fs::create_dir_all(above)?;
            }
            match entry {
                Entry::File(content) => fs::write(path, content)?,
                Entry::Link(text) => symlink(text, path)?,
                Entry::Directory => fs::create_dir_all(path)?,
            }
        }
        Ok(self)
    }
}

/// A PCI function being drawn.
pub(crate) struct Pci<'d> {
    drawing: &'d mut Drawing,
    at: String,
    address: String,
    class: u32,
    id: String,
    subsystem: String,
    driver: Option<String>,
}

impl Pci<'_> {
    pub(crate) fn subsystem(mut self, id: &str) -> Self {
        self.subsystem = id.to_owned();
        self
    }

    pub(crate) fn driver(mut self, name: &str) -> Self {
        let driver = format!("sys/bus/pci/drivers/{name}");
        let module = format!("sys/module/{}", name.replace('-', "_"));
        self.drawing.link(&format!("{}/driver", self.at), &driver);
        self.drawing.directory(&module);
        self.drawing.link(&format!("{driver}/module"), &module);
        self.driver = Some(name.to_owned());
        self
    }

    pub(crate) fn group(self, number: u32) -> Self {
        self.group_with(number, "DMA-FQ", "0x00000000fee00000 0x00000000feefffff msi\n")
    }

    /// A group of another type, or with other reserved regions.
    pub(crate) fn group_with(self, number: u32, kind: &str, reserved: &str) -> Self {
        let group = format!("sys/kernel/iommu_groups/{number}");
        self.drawing.file(&format!("{group}/type"), &format!("{kind}\n"));
        self.drawing.file(&format!("{group}/reserved_regions"), reserved);
        self.drawing.link(&format!("{}/iommu_group", self.at), &group);
        self
    }

    /// The IOMMU unit it is behind.
    pub(crate) fn unit(self, name: &str) -> Self {
        self.drawing.link(&format!("{}/iommu", self.at), &format!("sys/devices/virtual/iommu/{name}"));
        self
    }

    pub(crate) fn attribute(self, name: &str, content: &str) -> Self {
        self.drawing.file(&format!("{}/{name}", self.at), &format!("{content}\n"));
        self
    }

    /// Speed and width of the link, now and at most.
    pub(crate) fn link(self, now: (&str, u8), most: (&str, u8)) -> Self {
        self.attribute("current_link_speed", &format!("{} GT/s PCIe", now.0))
            .attribute("current_link_width", &now.1.to_string())
            .attribute("max_link_speed", &format!("{} GT/s PCIe", most.0))
            .attribute("max_link_width", &most.1.to_string())
    }

    /// What every awake function of a current kernel says of itself.
    pub(crate) fn awake(self, node: i32, irq: u32, reset: &str) -> Self {
        let pci = self
            .attribute("power_state", "D0")
            .attribute("d3cold_allowed", "1")
            .attribute("numa_node", &node.to_string())
            .attribute("local_cpulist", if node == 1 { "8-15" } else { "0-7" })
            .attribute("irq", &irq.to_string());
        if reset.is_empty() { pci } else { pci.attribute("reset_method", reset) }
    }

    /// Its regions: number, start, size, flags. Number 6 is the ROM.
    pub(crate) fn regions(self, regions: &[(usize, u64, u64, u64)]) -> Self {
        let mut text = String::new();
        for index in 0..13 {
            let (start, end, flags) = regions
                .iter()
                .find(|(number, ..)| *number == index)
                .map_or((0, 0, 0), |(_, start, size, flags)| (*start, start + size - 1, *flags));
            text.push_str(&format!("{start:#018x} {end:#018x} {flags:#018x}\n"));
        }
        self.drawing.file(&format!("{}/resource", self.at), &text);
        self
    }

    /// A region for the ROM, which is also what its file's size says.
    pub(crate) const fn rom(start: u64, size: u64) -> (usize, u64, u64, u64) {
        (6, start, size, ROM)
    }

    /// Configuration space of `size` bytes with these capabilities, and these extended
    /// ones where it is large enough.
    pub(crate) fn config(self, size: usize, capabilities: &[u8], extended: &[u16]) -> Self {
        let mut bytes = vec![0u8; size.max(64)];
        let hex = |text: &str| u16::from_str_radix(text, 16).unwrap_or(0);
        let (vendor, device) = self.id.split_once(':').unwrap_or_default();
        bytes[0..2].copy_from_slice(&hex(vendor).to_le_bytes());
        bytes[2..4].copy_from_slice(&hex(device).to_le_bytes());
        bytes[4] = 0x07;
        bytes[6] = 0x10;
        bytes[9..12].copy_from_slice(&self.class.to_le_bytes()[..3]);
        bytes[0x34] = 0x40;
        if size >= 256 {
            for (i, id) in capabilities.iter().enumerate() {
                let at = 0x40 + i * 0x20;
                bytes[at] = *id;
                bytes[at + 1] = if i + 1 < capabilities.len() { (at + 0x20) as u8 } else { 0 };
            }
        }
        if size >= 4096 {
            for (i, id) in extended.iter().enumerate() {
                let at = 0x100 + i * 0x40;
                let next = if i + 1 < extended.len() { (at + 0x40) as u32 } else { 0 };
                bytes[at..at + 4].copy_from_slice(&(u32::from(*id) | 1 << 16 | next << 20).to_le_bytes());
            }
        }
        self.drawing.bytes(&format!("{}/config", self.at), &bytes[..size]);
        self
    }

    /// Its interrupt pin, 1 for INTA; behind [`Pci::config`]. On a driver that uses messages
    /// the kernel switches the pin off (`PCI_COMMAND_INTX_DISABLE`).
    pub(crate) fn pin(self, pin: u8, messages: bool) -> Self {
        if let Some(Entry::File(bytes)) = self.drawing.entries.get_mut(&format!("{}/config", self.at)) {
            bytes[0x3d] = pin;
            bytes[5] = if messages { 0x04 } else { 0 };
        }
        self
    }

    /// Configuration space of a root port with a slot: access control at this offset of its
    /// control register (8 where the registers are dwords, else 6), with these bits it can
    /// switch on and these on; `None` where it has no such capability.
    pub(crate) fn root_port(self, slot: u16, acs: Option<(usize, u16, u16)>) -> Self {
        let (pci, mut bytes) = (self, vec![0u8; 4096]);
        let hex = |text: &str| u16::from_str_radix(text, 16).unwrap_or(0);
        let (vendor, device) = pci.id.split_once(':').unwrap_or_default();
        bytes[0..2].copy_from_slice(&hex(vendor).to_le_bytes());
        bytes[2..4].copy_from_slice(&hex(device).to_le_bytes());
        (bytes[4], bytes[6], bytes[0x0e], bytes[0x34]) = (0x07, 0x10, 0x81, 0x40);
        bytes[9..12].copy_from_slice(&pci.class.to_le_bytes()[..3]);
        // PCI Express, version 2, root port with a slot.
        (bytes[0x40], bytes[0x42], bytes[0x43]) = (0x10, 0x42, 0x01);
        bytes[0x54..0x58].copy_from_slice(&(u32::from(slot) << 19).to_le_bytes());
        if let Some((control, can, on)) = acs {
            bytes[0x100..0x104].copy_from_slice(&0x0001_000d_u32.to_le_bytes());
            bytes[0x104..0x106].copy_from_slice(&can.to_le_bytes());
            bytes[0x100 + control..0x102 + control].copy_from_slice(&on.to_le_bytes());
        }
        pci.drawing.bytes(&format!("{}/config", pci.at), &bytes);
        pci
    }

    /// A virtual function of the one at that place.
    pub(crate) fn virtual_of(self, place: &str) -> Self {
        self.drawing.link(&format!("{}/physfn", self.at), &format!("sys/devices/{place}"));
        self
    }
}

impl Drop for Pci<'_> {
    /// The event, which says most things again.
    fn drop(&mut self) {
        let (vendor, device) = self.id.split_once(':').unwrap_or_default();
        let (sv, sd) = self.subsystem.split_once(':').unwrap_or_default();
        let upper = |text: &str| format!("{:0>8}", text.to_uppercase());
        let [prog_if, sub, base, _] = self.class.to_le_bytes();
        let driver = self.driver.as_ref().map_or_else(String::new, |d| format!("DRIVER={d}\n"));
        let text = format!(
            "{driver}PCI_CLASS={:X}\nPCI_ID={}\nPCI_SUBSYS_ID={}\nPCI_SLOT_NAME={}\n\
             MODALIAS=pci:v{}d{}sv{}sd{}bc{base:02X}sc{sub:02X}i{prog_if:02X}\n",
            self.class,
            self.id.to_uppercase(),
            self.subsystem.to_uppercase(),
            self.address,
            upper(vendor),
            upper(device),
            upper(sv),
            upper(sd),
        );
        let at = format!("{}/uevent", self.at);
        if !self.drawing.entries.contains_key(&at) {
            self.drawing.file(&at, &text);
        }
    }
}
