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
//! | [`interrupts`] | `/proc/interrupts`: whether they are remapped |
//! | [`input`] | `/proc/bus/input/devices`: keyboards and mice |
//! | [`capture`] | the capture file: a host as one text file |
//! | [`redact`](redact::redact) | a capture without what identifies its owner |
//! | [`acpi`] | firmware's tables of IOMMUs: DMAR, IVRS, VIOT, IORT |
//! | [`lspci`] | what lspci printed, pasted somewhere |
//! | [`config_space`] | `…/config`: header, capabilities, their registers |
//! | [`pci_ids`] | names of vendors, devices and classes; lspci's wording |
//! | [`apparmor`] | which of libvirt's profiles are loaded |
//! | [`audit`] | what security modules refused, in the log of auditd |
//! | [`kmsg`] | the kernel's log in its several forms |
//! | [`meminfo`] | `/proc/meminfo`, limits and capabilities of a process |
//! | [`messages`] | what QEMU, libvirt, the kernel say when something is wrong |
//! | [`modalias`] | what a PCI function is, in one line |
//! | [`os_release`] | which distribution this is |
//! | [`cpuinfo`] | `/proc/cpuinfo`: what the processor can do |
//! | [`iomem`] | `/proc/iomem`: framebuffers of the boot in devices' memory |
//! | [`kconfig`] | a kernel's configuration |
//! | [`modules`], [`modprobe`] | depmod's lists, `/proc/modules`, modprobe.d(5) |
//! | [`image`] | what is inside an initramfs image |
//! | [`initramfs`] | what initramfs-tools, dracut and mkinitcpio are told |
//! | [`dynamic_id`] | `vfio-pci.ids=` |
//! | [`mountinfo`], [`swaps`], [`route`], [`tcp`] | `/proc`: mounts, swap areas, routes, sockets |
//! | [`fstab`] | `/etc/fstab`, `/etc/crypttab`, names of disks in them |
//! | [`udev_db`] | udev's database |
//! | [`process`] | a virtual machine's name, sshd's ports, NVIDIA's minors |
//! | [`virconf`] | libvirt's configuration files |
//! | [`passwd`] | `/etc/passwd`, `/etc/group` |
//! | [`path`] | paths by their text alone |
//!
//! Nothing here reads files, asks the clock or panics, whatever the input: that is
//! what the targets in `fuzz/` are for.

pub mod acpi;
pub mod apparmor;
pub mod audit;
pub mod capture;
pub mod cmdline;
pub mod config_space;
pub mod cpuinfo;
pub mod cpulist;
pub mod dynamic_id;
pub mod errno;
pub mod fstab;
pub mod image;
pub mod initramfs;
pub mod input;
pub mod interrupts;
pub mod iomem;
pub mod kconfig;
pub mod kmsg;
pub mod line;
pub mod lspci;
pub mod meminfo;
pub mod messages;
pub mod modalias;
pub mod modprobe;
pub mod modules;
pub mod mountinfo;
pub mod os_release;
pub mod passwd;
pub mod path;
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
pub mod virconf;

pub use errno::Errno;
pub use line::LineError;
