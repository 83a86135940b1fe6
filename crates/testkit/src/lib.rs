//! Development only: what tests and benches need and no user gets.
//!
//! | module | holds |
//! |---|---|
//! | [`acpi`] | tables of the firmware about IOMMUs, made record by record |
//! | [`fake`] | a kernel in memory that reacts, a source and a target at once |
//! | [`hosts`] | generated hosts on the fake kernel, which shrink |
//! | [`synthetic`] | hosts of any size as directories, for benches |

pub mod acpi;
pub mod fake;
pub mod hosts;
pub mod synthetic;
