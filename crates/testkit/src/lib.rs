//! Development only: what tests and benches need and no user gets.
//!
//! | module | holds |
//! |---|---|
//! | [`synthetic`] | hosts of any size as directories, for benches |

pub mod synthetic;
