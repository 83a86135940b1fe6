//! Pure decisions: a snapshot and a wish in, a judgement or a plan out. No files, no
//! commands, no clock.
//!
//! | module | holds |
//! |---|---|
//! | [`select`] | which devices a name means on this host |
//! | [`uses`] | what on the host depends on a device, with the chain that leads there |
//! | [`lending`] | whether a device can be lent, and what would have to go along |
//! | [`firmware`] | what the firmware's tables say of a device |
//! | [`groups`] | IOMMU groups as the kernel makes them, with reasons |
//! | [`checks`] | is this host, is this device ready: findings with evidence and remedy |
//! | [`signatures`] | what error texts of QEMU, libvirt, the kernel mean |
//! | [`explain`] | error texts that were pasted, and whether this host has their cause |
//! | [`planner`] | bind and release: the steps, or every reason to refuse |
//! | [`standing`] | whether what a lease records is still so |
//! | [`undo`] | what undoes a step |
//! | [`patience`] | how long a write may take |
//! | [`shell`] | the shell command a step is equivalent to; words quoted for a shell |
//! | [`vm`] | a QEMU command line with the lent devices put in |

pub mod checks;
pub mod explain;
pub mod firmware;
pub mod groups;
pub mod lending;
pub mod patience;
pub mod planner;
pub mod select;
pub mod shell;
pub mod signatures;
pub mod standing;
pub mod undo;
pub mod uses;
pub mod vm;
