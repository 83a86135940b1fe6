//! Who uses what on the host. Each list is made from the side of the user (block
//! devices, interfaces, mounts, processes), which are few, not from the side of the
//! devices, which may be many.

use std::net::{IpAddr, SocketAddr};

use passthru_pci::Address;

use crate::fact::{Fact, Seen};

/// Who uses what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Block devices and partitions (`/sys/class/block`).
    pub blocks: Seen<Block>,
    /// Mounted file systems (`/proc/self/mountinfo`, `/proc/1/mountinfo`).
    pub mounts: Seen<Mount>,
    /// Directories shared into this machine by its own host
    /// (`/sys/bus/virtio/drivers/{9pnet_virtio,virtiofs}`).
    pub shares: Seen<Share>,
    /// Swap areas (`/proc/swaps`).
    pub swaps: Seen<Swap>,
    /// Entries of tables that name a disk of this machine (`/etc/fstab`, `/etc/crypttab`).
    pub tables: Seen<TableEntry>,
    /// Whether ZFS is loaded (`/sys/module/zfs`): its pools claim disks without a holder.
    pub zfs: Fact<bool>,
    /// Network interfaces (`/sys/class/net`).
    pub interfaces: Seen<Interface>,
    /// Interfaces in other network namespaces (`/proc/*/root/sys/class/net`). What it cannot
    /// see is no blind spot of its own: a function without an interface is told of anyway.
    pub elsewhere: Vec<Elsewhere>,
    /// Established SSH connections to this machine (`/proc/*/net/tcp`).
    pub ssh: Seen<SshConnection>,
    /// Displays and framebuffers (`/sys/class/drm`, `/sys/class/graphics`).
    pub displays: Seen<Display>,
    /// Keyboards, mice and other input devices (`/proc/bus/input/devices`).
    pub inputs: Seen<Input>,
    /// Sound cards (`/sys/class/sound`).
    pub sounds: Seen<Sound>,
    /// Processes that hold other device nodes (`/proc/*/fd`).
    pub clients: Seen<Client>,
    /// Processes that hold VFIO groups or devices (`/proc/*/fd`).
    pub vfio_holders: Seen<VfioHolder>,
    /// USB devices (`/sys/bus/usb/devices`) and SCSI hosts (`/sys/class/scsi_host`).
    pub attached: Seen<Attached>,
    /// Mediated devices, TPMs, watchdogs (`/sys/class/{mdev_bus,tpm,watchdog}`).
    pub services: Seen<Service>,
}

/// A block device or a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Kernel name, such as `nvme0n1p2` or `dm-0`.
    pub name: String,
    /// The PCI functions it hangs below: one, none (virtual), or several (NVMe
    /// multipath, where the name hangs below the subsystem).
    pub owners: Vec<Address>,
    /// The disk a partition is part of.
    pub partition_of: Option<String>,
    /// Major and minor number (`dev`).
    pub number: Fact<(u32, u32)>,
    /// What is stacked on it (`holders/`): names of dm, md, bcache devices.
    pub holders: Fact<Vec<String>>,
    /// The name of a device-mapper device (`dm/name`).
    pub mapper_name: Fact<String>,
    /// What kind of device-mapper device it is (`dm/uuid`): `LVM-…`, `CRYPT-LUKS2-…`,
    /// `mpath-…`.
    pub mapper_uuid: Fact<String>,
    /// The level of a software RAID (`md/level`), such as `raid1`.
    pub raid_level: Fact<String>,
    /// What udev found on it (`ID_FS_TYPE` in `/run/udev/data`): `ext4`, `zfs_member`. Asked
    /// of what nothing is stacked on; [`Fact::NotRead`] where udev has no record of it.
    pub content: Fact<String>,
    /// Whether it has no device node (`hidden`): a path of a multipath disk.
    pub hidden: bool,
}

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Device number; major 0 is no block device (btrfs and ZFS among them).
    pub number: (u32, u32),
    /// Where.
    pub point: String,
    /// File system type.
    pub kind: String,
    /// What was mounted, such as `/dev/nvme0n1p2` or `pool/data`.
    pub source: String,
}

/// A directory that a hypervisor shares into this machine, mounted by its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The virtio device, such as `virtio1`.
    pub name: String,
    /// The PCI function below which it hangs.
    pub owner: Option<Address>,
    /// File system type: `9p` or `virtiofs`.
    pub kind: &'static str,
    /// The tag by which it is mounted (`mount_tag`, or the mount's source).
    pub tag: Fact<String>,
}

/// A swap area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swap {
    /// The partition's node or the file's path.
    pub path: String,
    /// Whether it is a file rather than a partition.
    pub file: bool,
}

/// An entry of a table that names a disk of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableEntry {
    /// The table: `/etc/fstab`, `/etc/crypttab`.
    pub table: &'static str,
    /// The node it leads to, links followed, such as `/dev/nvme0n1p2`.
    pub node: String,
    /// What the host does with it.
    pub wish: TableWish,
}

/// What a table wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableWish {
    /// A mount at this point.
    Mount(String),
    /// Swap.
    Swap,
    /// A dm-crypt device of this name.
    Open(String),
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Name, such as `enp1s0`.
    pub name: String,
    /// The PCI function below which it hangs.
    pub owner: Option<Address>,
    /// `operstate`: up, down, unknown, dormant …
    pub state: Fact<String>,
    /// Whether it is administratively up (`flags`, IFF_UP).
    pub up: Fact<bool>,
    /// The bridge or bond it belongs to (`master` link).
    pub master: Fact<String>,
    /// Interfaces that stand on it (`upper_…` links): bridges, bonds, VLANs, macvlans.
    pub uppers: Fact<Vec<String>>,
    /// Its addresses, without link-local ones. Those of version 4 by the routes to their
    /// networks, so that one without such a route is missing.
    pub addresses: Vec<IpAddr>,
    /// Whether a default route leaves through it.
    pub default_route: Fact<bool>,
}

/// An interface in another network namespace, below a PCI function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The namespace, as `/proc/*/ns/net` shows it.
    pub namespace: String,
    /// The interface's name there.
    pub name: String,
    /// The PCI function below which it hangs.
    pub owner: Address,
    /// A process that lives there.
    pub pid: u32,
    /// Its short name.
    pub process: Fact<String>,
}

/// An established SSH connection to this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshConnection {
    /// The namespace it is in, as `/proc/*/ns/net` shows it; `None` for this process's own.
    pub namespace: Option<String>,
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub peer: SocketAddr,
    /// The interfaces it goes through, by the routes; none where they do not say.
    pub interfaces: Vec<String>,
    /// The server's process and its short name, where that could be seen.
    pub server: Option<(u32, String)>,
}

/// A graphics card's kernel name or a framebuffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Display {
    /// `card0`, `renderD128`, `fb0`.
    pub name: String,
    /// The PCI function below which it hangs.
    pub owner: Option<Address>,
    /// Connectors with a monitor, such as `HDMI-A-1` (`status` is `connected`).
    pub connected: Fact<Vec<String>>,
}

/// An input device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// What it calls itself.
    pub name: String,
    /// The PCI function below which it hangs.
    pub owner: Option<Address>,
    /// Whether the kernel takes it for a keyboard one can type on.
    pub keyboard: bool,
    /// Whether it is a mouse or another pointer.
    pub pointer: bool,
    /// The USB device it is, as the kernel names it (`1-2`).
    pub usb: Option<String>,
}

/// A sound card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// `card0`.
    pub name: String,
    /// The PCI function below which it hangs.
    pub owner: Option<Address>,
}

/// A process that holds a device node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Process id.
    pub pid: u32,
    /// The process's short name (`comm`).
    pub name: Fact<String>,
    /// The node, as the process sees it.
    pub node: String,
    /// What it is a node of.
    pub opened: Opened,
}

/// What a device node is a node of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// A block device, by the node the kernel would make: `/dev/nvme0n1p2`.
    Block(String),
    /// Something below a PCI function.
    Function(Address),
    /// Every function on this driver.
    Driver(&'static str),
}

/// Something below a function that the host merely loses with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attached {
    /// A USB device that is no hub.
    Usb {
        /// Kernel name, such as `1-2`.
        name: String,
        /// What it calls itself (`product`).
        product: Fact<String>,
        /// The PCI function below which it hangs.
        owner: Address,
    },
    /// A SCSI host (`host0`): a port of a storage controller.
    ScsiHost {
        /// Kernel name.
        name: String,
        /// The PCI function below which it hangs.
        owner: Address,
    },
}

/// Something below a function that the machine relies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What it is.
    pub kind: ServiceKind,
    /// Kernel name: `tpm0`, `watchdog0`, the UUID of a mediated device.
    pub name: String,
    /// The PCI function below which it hangs.
    pub owner: Address,
}

/// What a function does for the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    /// A mediated device made of it.
    MediatedDevice,
    /// A trusted platform module.
    Tpm,
    /// A watchdog that is not running.
    Watchdog,
    /// A watchdog that is running (`state` is `active`).
    RunningWatchdog,
}

/// A process that holds a VFIO group or device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VfioHolder {
    /// Process id.
    pub pid: u32,
    /// The process's short name (`comm`).
    pub name: Fact<String>,
    /// The virtual machine's name, where it is QEMU and was given one.
    pub vm: Option<String>,
    /// The node it holds, such as `/dev/vfio/7` or `/dev/vfio/devices/vfio0`.
    pub node: String,
    /// The group, where the node is a group's.
    pub group: Option<u32>,
    /// The function, where the node is a device's (iommufd).
    pub device: Option<Address>,
}
