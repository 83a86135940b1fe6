//! Changes on the reacting fake kernel. For generated hosts and every plan the planner
//! makes of them: it works and leads back; every change that can fail or be interrupted
//! does, and nothing is lost.
//!
//! | module | asks |
//! |---|---|
//! | `support` | binding, releasing and recovering on a fake; counting cases |
//! | `works` | does a plan do what it says, is it safe, does release lead back |
//! | `fails` | one call fails: is everything as it was, and said so |
//! | `crashes` | the process dies at one call, or twice: does recovering lead back |
//! | `books` | journals and leases that are cut off, garbage, or of another version |
//! | `scenes` | single stories: locks, races, held devices, unplugged ones |
//!
//! `PROPTEST_CASES` sets how many hosts each property takes.

mod books;
mod crashes;
mod fails;
mod scenes;
mod support;
mod works;
