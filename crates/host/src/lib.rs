//! Reading a host, and only reading: nothing in this crate can write.
//!
//! | module | reads |
//! |---|---|
//! | [`source`] | the door: [`Source`](source::Source) and its four implementations |
//! | `read` | [`snapshot`]: asks the readers below for what is wanted |
//! | `capture` | [`capture()`]: everything the readers read, recorded |
//! | `ask` | the readers' common way of asking, which notes what could not be read |
//! | `devices` | PCI functions and their places |
//! | `detail` | everything about one function |
//! | `groups` | IOMMU groups and units |
//! | `usage` | disks, mounts, swap, tables of the next boot, interfaces, connections, displays, input, open nodes, VFIO holders |
//! | `system` | the host around its devices: distribution |
//! | [`kernel_log`] | what the kernel says from now on |
//! | `names` | pci.ids |
//! | `threads` | second threads, where there can be any |
//! | `process` | one process: start time, name |
//! | [`users`] | users and their groups |

#![allow(
    clippy::disallowed_types,
    reason = "reading, by files and by commands that only read, is what this crate is for"
)]

mod ask;
mod capture;
mod detail;
mod devices;
mod groups;
pub mod kernel_log;
mod names;
pub mod process;
mod read;
pub mod source;
mod system;
mod threads;
mod usage;
pub mod users;

pub use capture::{Captured, capture};
pub use read::{NoHost, snapshot};
