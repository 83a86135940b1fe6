//! Every change of a host goes through this crate, and nothing in it decides about
//! facts: it carries out plans.
//!
//! | module | does |
//! |---|---|
//! | [`target`] | the door: [`Target`](target::Target), what a host can be made to do |
//! | [`files`] | files that are replaced whole, appended to, locked |
//! | [`live`] | the machine passthru runs on, as a target |
//! | [`helper`] | the process that does the writes which may hang |
//! | [`books`] | the lock, the leases, the records of stuck devices below `/run/passthru` |
//! | [`journal`] | the journal of a change under way |
//! | [`perform`] | one step, done and read back |
//! | [`transaction`] | lock → read → plan → journal → perform → verify, or undo |
//! | [`recover`] | finishing or undoing what an interrupted run left behind |
//! | [`parked`] | devices on which a write has not come back |
//! | [`reap`] | giving back what was bound for a process that is gone |
//! | [`guests`] | whose the leases are, and who may use the nodes |
//! | [`launcher`] | the gate through which a virtual machine is started |
//! | [`tee`] | the end of what a virtual machine's program says on its error output |
//! | [`vm`] | waiting for a virtual machine, handing signals on |

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "changing the host, by files and by commands, is what this crate is for"
)]

pub mod books;
pub mod descriptors;
pub mod files;
pub mod guests;
pub mod helper;
pub mod journal;
pub mod launcher;
pub mod live;
pub mod parked;
pub mod perform;
pub mod reap;
pub mod recover;
pub mod target;
pub mod tee;
pub mod transaction;
pub mod vm;
