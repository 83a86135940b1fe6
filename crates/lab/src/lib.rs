//! The lab: a passthrough host that is itself a virtual machine, and what runs in it.
//!
//! "L1" is the virtual host (QEMU with an emulated IOMMU and a distribution's own
//! kernel), "L2" a VM that the product starts inside L1 with a lent device. Nothing here
//! knows what the product does; it boots hosts, runs commands in them and compares states.
//!
//! | module | owns |
//! |---|---|
//! | [`machine`] | the virtual host as data: root ports, devices, IOMMU, kernel arguments |
//! | [`variants`] | hosts by name: the standard one, and those on which something is wrong |
//! | [`topology`] | generated PCI topologies |
//! | [`disk`] | disk images: the boot sector that proves a boot, the data behind it |
//! | [`kernel`] | finding the unpacked kernel package and the modules needed to boot |
//! | [`initramfs`] | the first file system of L1 (a cpio archive with this binary as `/init`) |
//! | [`guest`] | what runs inside L1: process 1, then the agent |
//! | [`protocol`] | the JSON lines between the agent and the outside |
//! | [`agent`] | the outside end of it: start commands in L1, wait, signal |
//! | [`qmp`] | QEMU's monitor: unplug, stop, kill |
//! | [`accel`] | does KVM really work here? |
//! | [`vm`] | one QEMU process, its console log, its end |
//! | [`host`] | [`host::Lab`]: all of that together, the handle that scenarios get |
//! | [`settings`] | the `PASSTHRU_*` environment variables, read once |
//! | [`scenario`] | runs named scenarios in one boot and checks that each leaves no trace |
//! | [`inject`] | kills and failing calls at every point of a run, by strace |
//! | [`bench`] | lending and giving back, timed beside other tools |
//! | [`demo`] | the main job, told step by step |
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the lab starts QEMU, writes disk images and reports on the terminal"
)]

pub mod accel;
pub mod agent;
pub mod bench;
pub mod demo;
pub mod disk;
pub mod guest;
pub mod host;
pub mod initramfs;
pub mod inject;
pub mod kernel;
pub mod machine;
pub mod protocol;
pub mod qmp;
pub mod scenario;
pub mod settings;
pub mod topology;
pub mod variants;
pub mod vm;
