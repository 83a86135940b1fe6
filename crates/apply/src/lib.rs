//! Every change of a host goes through this crate, and nothing in it decides about
//! facts: it carries out plans.
//!
//! | module | does |
//! |---|---|
//! | [`target`] | the door: [`Target`](target::Target), what a host can be made to do |
//! | [`live`] | the machine passthru runs on, as a target |
//! | [`books`] | the lock, the leases and the journal below `/run/passthru` |
//! | [`perform`] | one step, done and read back |
//! | [`transaction`] | lock → read → plan → journal → perform → verify, or undo |
//! | [`recover`] | finishing or undoing what an interrupted run left behind |
//! | [`vm`] | starting a virtual machine, waiting for it, handing signals on |

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "changing the host, by files and by commands, is what this crate is for"
)]

pub mod books;
pub mod live;
pub mod perform;
pub mod recover;
pub mod target;
pub mod transaction;
pub mod vm;
