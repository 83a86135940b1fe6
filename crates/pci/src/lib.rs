//! The vocabulary of PCI: what the other crates speak in.
//!
//! | module | holds |
//! |---|---|
//! | [`address`] | [`Address`] (domain:bus:device.function) and [`Slot`], any domain width |
//! | [`id`] | vendor and device [`Id`], 24-bit [`Class`] |
//! | [`filter`] | the lspci grammar: [`IdFilter`] (`-d`), [`SlotFilter`] (`-s`) |
//! | [`name`] | [`DeviceName`]: every way in which people name a device |
//! | [`capability`] | names of capabilities and extended capabilities |
//!
//! Nothing here reads files or knows a host; everything is `Display` and `FromStr`.

pub mod address;
pub mod capability;
pub mod filter;
pub mod id;
pub mod name;
mod text;

pub use address::{Address, ParseAddressError, Slot};
pub use filter::{IdFilter, ParseFilterError, SlotFilter};
pub use id::{Class, Id};
pub use name::{DeviceName, ParseNameError};
