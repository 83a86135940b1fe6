//! The programs around a virtual machine, and what may forbid them something.

use crate::fact::Fact;

/// The programs around a virtual machine.
#[derive(Debug, Clone, Default)]
pub struct Software {
    /// Paths of the QEMU programs that are installed; where none was found, absent.
    pub qemu: Fact<Vec<String>>,
    /// Whether the first of them knows `vfio-pci`, by asking it; not read unless
    /// [`crate::Wants::programs`] says so.
    pub vfio_device: Fact<bool>,
    /// libvirt's `qemu.conf` (NixOS has it in /var/lib/libvirt); absent without libvirt's QEMU driver.
    pub libvirt: Fact<LibvirtConfig>,
    /// AppArmor; absent where the kernel has none or it is off.
    pub apparmor: Fact<AppArmor>,
    /// SELinux; absent where the kernel has none or no policy is loaded.
    pub selinux: Fact<SeLinux>,
}

/// What matters of libvirt's `qemu.conf`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LibvirtConfig {
    /// `cgroup_device_acl`, where it is set: then it takes the place of libvirt's own list.
    pub device_acl: Option<Vec<String>>,
}

/// AppArmor as it is at work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppArmor {
    /// Those of libvirt's profiles that are loaded, with their mode: (`libvirtd`, `enforce`).
    /// Only root sees them.
    pub profiles: Fact<Vec<(String, String)>>,
    /// Whether `/etc/apparmor.d/abstractions/libvirt-qemu` is there, on which the profile of
    /// every virtual machine rests.
    pub abstraction: Fact<()>,
}

/// SELinux as it is at work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeLinux {
    /// Whether it forbids, or only tells.
    pub enforcing: bool,
    /// The booleans of the loaded policy that begin with `virt_`, and whether they are on.
    pub booleans: Vec<(String, bool)>,
}
