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
//! | `hangs` | a write does not come back: is its device parked, everything else as it was |
//! | `full` | `/run` is full or read-only from a call on, and more goes wrong |
//! | `pulled` | a card is pulled at any call, and another one plugged in at its place |
//! | `confirms` | a change waits to be confirmed: does it stay, or is it undone |
//! | `holders` | the process a device was bound for is gone: does it go back |
//! | `older` | books of version 1, and of later versions |
//! | `crowd` | sixteen processes at once, some of which die |
//! | `books` | journals and leases that are cut off, garbage, or of another version |
//! | `untrusted` | files that are somebody else's, links, huge; plans that are stale |
//! | `disk` | the books as real files on a tmpfs |
//! | `scenes` | single stories: locks, races, held devices, unplugged ones |
//!
//! `PROPTEST_CASES` sets how many hosts each property takes.

mod books;
mod confirms;
mod crashes;
mod crowd;
mod disk;
mod fails;
mod full;
mod hangs;
mod holders;
mod older;
mod pulled;
mod scenes;
mod support;
mod untrusted;
mod works;
