//! Who uses what on the host. Each list is made from the side of the user (block
//! devices, interfaces, mounts, processes), which are few, not from the side of the
//! devices, which may be many.

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
    /// Network interfaces (`/sys/class/net`).
    pub interfaces: Seen<Interface>,
    /// Displays and framebuffers (`/sys/class/drm`, `/sys/class/graphics`).
    pub displays: Seen<Display>,
    /// Keyboards, mice and other input devices (`/proc/bus/input/devices`).
    pub inputs: Seen<Input>,
    /// Sound cards (`/sys/class/sound`).
    pub sounds: Seen<Sound>,
    /// Processes that hold VFIO groups or devices (`/proc/*/fd`).
    pub vfio_holders: Seen<VfioHolder>,
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
    /// Whether a default route leaves through it.
    pub default_route: Fact<bool>,
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
}

/// A sound card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// `card0`.
    pub name: String,
    /// The PCI function below which it hangs.
    pub owner: Option<Address>,
}

/// A process that holds a VFIO group or device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VfioHolder {
    /// Process id.
    pub pid: u32,
    /// The process's short name (`comm`).
    pub name: Fact<String>,
    /// The node it holds, such as `/dev/vfio/7` or `/dev/vfio/devices/vfio0`.
    pub node: String,
    /// The group, where the node is a group's.
    pub group: Option<u32>,
    /// The function, where the node is a device's (iommufd).
    pub device: Option<Address>,
}
