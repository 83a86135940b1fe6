//! The host as data, what is wanted, and what will be done. Types only: no file is
//! read here and nothing is decided.
//!
//! | module | holds |
//! |---|---|
//! | [`fact`] | [`Fact`] and [`Seen`]: what is known, and what could not be looked at |
//! | [`snapshot`] | [`Snapshot`]: the whole host as one immutable value |
//! | [`device`] | [`Device`]: one PCI function |
//! | [`usage`] | who uses what: disks, mounts, interfaces, displays, VMs |
//! | [`reason`] | [`Reason`]: why something is refused; also the names `--allow` takes |
//! | [`plan`] | [`Intent`], [`Plan`], [`Step`]: what is wanted and what will be done |
//! | [`lease`] | [`Lease`]: the record that a device is bound |
//! | [`records`] | [`Records`]: leases and stuck devices, as they were found |
//! | [`finding`] | [`Finding`], [`Verdict`]: what a check says |
//! | [`system`] | [`System`]: the host around its devices |
//! | [`user`] | [`User`]: who a virtual machine runs as |

pub mod device;
pub mod fact;
pub mod finding;
pub mod lease;
pub mod plan;
pub mod reason;
pub mod records;
pub mod snapshot;
pub mod system;
pub mod usage;
pub mod user;

pub use device::{Detail, Device, Link, Sriov};
pub use fact::{Blind, Fact, Seen};
pub use finding::{Evidence, Finding, Judged, Remedy, Severity, Unseen, Verdict, When};
pub use lease::{Access, Granted, Holder, Lease, LeaseRecord};
pub use plan::{Intent, Plan, Step};
pub use reason::{Hidden, Reason, Refusal};
pub use records::{Node, Records, Stuck, StuckRecord, Task};
pub use snapshot::{DetailOf, Group, ReservedRegion, Rights, Snapshot, SourceKind, Unread, Wants};
pub use system::System;
pub use usage::Usage;
pub use user::User;
