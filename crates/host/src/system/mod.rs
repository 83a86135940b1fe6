//! The host around its devices, for `check`.
//!
//! | module | reads |
//! |---|---|
//! | `distribution` | os-release, and which tools change the boot configuration |
//! | `firmware` | ACPI tables of IOMMUs, the units' registers, Secure Boot, lockdown |
//! | `processor` | the processor and KVM |
//! | `kernels` | the installed kernels: configurations and modules |
//! | `boot` | modules and framebuffers at boot |
//! | `image` | what is inside the initramfs image |
//! | `log` | the kernel's log, and auditd's |
//! | `memory` | hugepages, locked memory |
//! | `software` | QEMU, libvirt, AppArmor, SELinux |

mod boot;
mod distribution;
mod firmware;
mod image;
mod kernels;
pub(crate) mod log;
mod memory;
mod processor;
mod software;

use passthru_model::{Device, System};

use crate::ask::Asker;

/// Reads all of it; asks programs only if `programs`.
pub(crate) fn read(ask: &mut Asker<'_>, devices: &[Device], programs: bool) -> System {
    let tools = distribution::tools(ask);
    let mut boot = boot::read(ask, &tools);
    boot.image = image::read(ask, &boot);
    System {
        distribution: distribution::read(ask),
        firmware: firmware::read(ask),
        processor: processor::read(ask),
        kernels: kernels::read(ask, devices),
        boot,
        tools,
        log: log::read(ask),
        audit: log::audit(ask),
        memory: memory::read(ask),
        software: software::read(ask, programs),
    }
}
