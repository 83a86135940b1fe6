//! Generated hosts: a plain description that proptest makes and shrinks, and the fake
//! kernel built from it. Cards of one to three functions, alone in their groups or with
//! companions, on host drivers, on none, on `vfio-pci` with and without lease; disks that
//! are free, mounted, swapped on or stacked; interfaces with the default route.

mod build;

use proptest::prelude::*;

pub use build::address;

/// A host.
#[derive(Debug, Clone)]
pub struct HostSpec {
    /// Its cards, each below a port of its own.
    pub cards: Vec<CardSpec>,
    /// Whether `vfio-pci` is loaded (it is anyway, where a function is on it).
    pub vfio_loaded: bool,
}

/// A card.
#[derive(Debug, Clone)]
pub struct CardSpec {
    /// Its functions.
    pub functions: Vec<FunctionSpec>,
    /// What its functions share a group with.
    pub grouping: Grouping,
    /// A virtual machine holds its group, where that is possible.
    pub held: bool,
}

/// What the functions of a card share an IOMMU group with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// With each other.
    Together,
    /// With nobody: each function has a group of its own.
    Each,
    /// With the port above.
    WithPort,
    /// With the card before.
    WithPrevious,
    /// With a conventional bridge on no driver.
    WithBridge,
}

/// A function.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// What it is.
    pub kind: Kind,
    /// What it is on.
    pub on: On,
    /// Its override.
    pub over: Over,
    /// Where it is on `vfio-pci`: whether there is a lease for it.
    pub lease: bool,
}

/// What a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An NVMe disk.
    Disk(DiskUse),
    /// A network card; whether it carries the default route.
    Network(bool),
    /// A graphics card; whether the firmware started on it.
    Graphics(bool),
    /// A USB controller; whether a keyboard hangs on it.
    Usb(bool),
    /// Sound.
    Sound,
    /// Something no host driver knows.
    Unknown,
    /// A network card with this many virtual functions.
    Physical(u8),
}

/// What a disk is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskUse {
    /// Nothing.
    Free,
    /// A partition is mounted.
    Mounted,
    /// The root file system.
    Root,
    /// Swap.
    Swap,
    /// dm-crypt, not mounted.
    Stacked,
}

/// What a function is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Its host driver, where it has one.
    Host,
    /// No driver.
    Nothing,
    /// `vfio-pci`.
    Vfio,
}

/// An override.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// None; `vfio-pci` for a function that is on it.
    Usual,
    /// `vfio-pci`.
    Vfio,
    /// The host driver, where it has one.
    Host,
    /// A driver that is not there.
    Other,
}

/// What is asked of a host.
#[derive(Debug, Clone)]
pub struct Pick {
    /// Which functions, by their place among all endpoints.
    pub which: Vec<prop::sample::Index>,
    /// Whole slots instead of functions.
    pub slots: bool,
    /// With their groups.
    pub with_group: bool,
}

/// Hosts.
pub fn host() -> impl Strategy<Value = HostSpec> {
    (prop::collection::vec(card(), 1..4), prop::bool::weighted(0.8))
        .prop_map(|(cards, vfio_loaded)| HostSpec { cards, vfio_loaded })
}

/// Wishes.
pub fn pick() -> impl Strategy<Value = Pick> {
    let which = prop::collection::vec(any::<prop::sample::Index>(), 1..3);
    (which, any::<bool>(), any::<bool>()).prop_map(|(which, slots, with_group)| Pick {
        which,
        slots,
        with_group,
    })
}

fn card() -> impl Strategy<Value = CardSpec> {
    let grouping = prop_oneof![
        4 => Just(Grouping::Together),
        2 => Just(Grouping::Each),
        1 => Just(Grouping::WithPort),
        1 => Just(Grouping::WithPrevious),
        1 => Just(Grouping::WithBridge),
    ];
    (prop::collection::vec(function(), 1..4), grouping, prop::bool::weighted(0.1))
        .prop_map(|(functions, grouping, held)| CardSpec { functions, grouping, held })
}

fn function() -> impl Strategy<Value = FunctionSpec> {
    let disk = prop_oneof![
        8 => Just(DiskUse::Free),
        1 => Just(DiskUse::Mounted),
        1 => Just(DiskUse::Root),
        1 => Just(DiskUse::Swap),
        1 => Just(DiskUse::Stacked),
    ];
    let kind = prop_oneof![
        4 => disk.prop_map(Kind::Disk),
        4 => prop::bool::weighted(0.1).prop_map(Kind::Network),
        2 => prop::bool::weighted(0.2).prop_map(Kind::Graphics),
        1 => prop::bool::weighted(0.3).prop_map(Kind::Usb),
        2 => Just(Kind::Sound),
        1 => Just(Kind::Unknown),
        1 => (0..3_u8).prop_map(Kind::Physical),
    ];
    let on = prop_oneof![5 => Just(On::Host), 2 => Just(On::Nothing), 2 => Just(On::Vfio)];
    let over = prop_oneof![6 => Just(Over::Usual), 1 => Just(Over::Vfio), 1 => Just(Over::Host), 1 => Just(Over::Other)];
    (kind, on, over, any::<bool>()).prop_map(|(kind, on, over, lease)| FunctionSpec { kind, on, over, lease })
}
