//! Memory for guests.

use crate::fact::Fact;

/// Memory for guests.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// The host's, in bytes (`MemTotal` of `/proc/meminfo`).
    pub total: Fact<u64>,
    /// Hugepages of the default size; absent on kernels without them.
    pub hugepages: Fact<HugePages>,
    /// How much the processes of whoever asks may lock (`/proc/self/limits`).
    pub locked: Fact<LockedLimit>,
    /// The effective capabilities of whoever asks (`/proc/self/status`), bit by bit as in
    /// `include/uapi/linux/capability.h`.
    pub capabilities: Fact<u64>,
}

/// Hugepages of the default size (`/proc/meminfo`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HugePages {
    /// Size of one, in bytes.
    pub size: u64,
    /// How many there are.
    pub total: u64,
    /// How many are free.
    pub free: u64,
}

/// `Max locked memory`, in bytes; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockedLimit {
    /// The limit that holds.
    pub soft: Option<u64>,
    /// How far a process may raise it.
    pub hard: Option<u64>,
}
