//! Parsers of foreign formats: `&str` or `&[u8]` in, typed values out.
//!
//! | module | holds |
//! |---|---|
//! | [`errno`] | error numbers by name |
//! | [`scalar`] | single values of sysfs: numbers, switches, link speeds, sizes |
//! | [`mod@line`] | [`LineError`], what the line-by-line formats report |
//! | [`uevent`] | `/sys/bus/pci/devices/*/uevent` |
//! | [`resource`] | `…/resource`: BARs, ROM, windows |
//! | [`reserved_regions`] | `/sys/kernel/iommu_groups/*/reserved_regions` |
//! | [`cpulist`] | `0-3,8` |
//! | [`cmdline`] | the kernel command line, with the kernel's quoting rules |
//! | [`input`] | `/proc/bus/input/devices`: keyboards and mice |
//! | [`capture`] | the capture file: a host as one text file |
//! | [`redact`](redact::redact) | a capture without what identifies its owner |
//! | [`config_space`] | `…/config`: header, capabilities, their registers |
//! | [`pci_ids`] | names of vendors, devices and classes; lspci's wording |
//! | [`modalias`] | what a PCI function is, in one line |
//! | [`mountinfo`], [`swaps`], [`route`], [`tcp`] | `/proc`: mounts, swap areas, routes, sockets |
//! | [`fstab`] | `/etc/fstab`, `/etc/crypttab`, names of disks in them |
//! | [`udev_db`] | udev's database |
//! | [`process`] | a virtual machine's name, sshd's ports, NVIDIA's minors |
//! | [`passwd`] | `/etc/passwd`, `/etc/group` |
//!
//! Nothing here reads files, asks the clock or panics, whatever the input: that is
//! what the targets in `fuzz/` are for.

pub mod capture;
pub mod cmdline;
pub mod config_space;
pub mod cpulist;
pub mod errno;
pub mod fstab;
pub mod input;
pub mod line;
pub mod modalias;
pub mod mountinfo;
pub mod passwd;
pub mod pci_ids;
pub mod process;
pub mod redact;
pub mod reserved_regions;
pub mod resource;
pub mod route;
pub mod scalar;
pub mod swaps;
pub mod tcp;
pub mod udev_db;
pub mod uevent;

pub use errno::Errno;
pub use line::LineError;
