//! The host around its devices: firmware, processor, kernels, memory, software, log. Only
//! `check` asks for it ([`crate::Wants::system`]).
//!
//! | module | holds |
//! |---|---|
//! | [`distribution`] | [`Distribution`]: which system this is, and how it is configured |
//! | [`firmware`] | [`Firmware`]: tables of IOMMUs, the units at work, Secure Boot |
//! | [`processor`] | [`Processor`], and KVM on it |
//! | [`kernels`] | [`Kernel`]: every kernel that is installed |
//! | [`boot`] | [`Boot`]: modules and framebuffers at boot |
//! | [`log`] | [`Log`]: past trouble in the kernel's log |
//! | [`memory`] | [`Memory`]: hugepages, locked memory |
//! | [`software`] | [`Software`]: QEMU, libvirt, AppArmor, SELinux |

pub mod boot;
pub mod distribution;
pub mod firmware;
pub mod kernels;
pub mod log;
pub mod memory;
pub mod processor;
pub mod software;

pub use boot::Boot;
pub use distribution::{Distribution, Tool};
pub use firmware::Firmware;
pub use kernels::Kernel;
pub use log::{Log, LogLine};
pub use memory::{HugePages, LockedLimit, Memory};
pub use processor::Processor;
pub use software::{AppArmor, LibvirtConfig, SeLinux, Software};

use crate::fact::{Fact, Seen};

/// The host around its devices.
#[derive(Debug, Clone, Default)]
pub struct System {
    /// Which distribution (`/etc/os-release`, `/usr/lib/os-release`).
    pub distribution: Fact<Distribution>,
    /// Which of the tools that change a boot configuration are installed.
    pub tools: Vec<Tool>,
    /// Firmware tables, IOMMU units, Secure Boot.
    pub firmware: Firmware,
    /// The processor, and KVM on it.
    pub processor: Processor,
    /// The kernels below `/lib/modules`, the running one first, then by release.
    pub kernels: Seen<Kernel>,
    /// What happens at boot.
    pub boot: Boot,
    /// Past trouble in the kernel's log (`/dev/kmsg`, else a file in /var/log).
    pub log: Fact<Log>,
    /// What security modules refused, where auditd runs (`/run/auditd.pid`) and keeps it
    /// (`/var/log/audit/audit.log`) instead of the kernel's log.
    pub audit: Fact<Log>,
    /// Memory for guests.
    pub memory: Memory,
    /// The programs around a virtual machine.
    pub software: Software,
}

impl System {
    /// Whether a tool was found.
    #[must_use]
    pub fn has(&self, tool: Tool) -> bool {
        self.tools.contains(&tool)
    }
}
