//! Why something is refused. One namespace with the names that `--allow` takes and
//! the ids of findings.

use std::fmt;

use passthru_pci::Address;

use crate::finding::Unseen;

/// A reason to refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// A PCI-to-PCI bridge or PCIe port: VFIO takes header type 0 only.
    Bridge,
    /// No IOMMU is at work, or the device is in no group.
    NoIommu,
    /// The kernel's no-IOMMU mode: no isolation at all.
    NoIommuMode,
    /// Other functions of the IOMMU group would have to go along.
    Companions,
    /// A file system on it is mounted.
    Mounted,
    /// The file system the host runs on is on it. Cannot be overridden.
    RootFileSystem,
    /// It holds swap.
    Swap,
    /// Something is stacked on its disk: LVM, md, dm-crypt, multipath, a ZFS pool.
    Holders,
    /// `/etc/fstab` or `/etc/crypttab` names it: the host uses it from the next boot on.
    Fstab,
    /// A process has a node of it open: a disk, a render node, a sound card.
    Clients,
    /// An interface of it carries the default route.
    DefaultRoute,
    /// An interface of it belongs to a bridge or a bond.
    NetworkMember,
    /// An established SSH connection goes through it.
    SshConnection,
    /// An interface of it belongs to another network namespace.
    NetworkNamespace,
    /// It shows the console.
    Display,
    /// The only keyboard hangs on it, or all there are on what is taken together.
    LastKeyboard,
    /// A process, mostly a virtual machine, holds it.
    Held,
    /// It has active virtual functions.
    VirtualFunctions,
    /// Other functions hang below it although it is no bridge (Intel VMD).
    FunctionsBelow,
    /// Mediated devices are made of it.
    MediatedDevices,
    /// It is the machine's trusted platform module.
    Tpm,
    /// It is a watchdog that is running or that a process feeds.
    Watchdog,
    /// The firmware demands a fixed mapping for it, so that the kernel refuses VFIO.
    FirmwareMapping,
    /// Whether it is in use could not be seen.
    NotSeen,
    /// Nobody recorded what it was on before.
    NoLease,
    /// A write to it has not come back from the kernel. Cannot be overridden.
    Stuck,
}

impl Reason {
    /// Every reason, in the order of this list.
    pub const ALL: [Self; 26] = [
        Self::Bridge,
        Self::NoIommu,
        Self::NoIommuMode,
        Self::Companions,
        Self::Mounted,
        Self::RootFileSystem,
        Self::Swap,
        Self::Holders,
        Self::Fstab,
        Self::Clients,
        Self::DefaultRoute,
        Self::NetworkMember,
        Self::SshConnection,
        Self::NetworkNamespace,
        Self::Display,
        Self::LastKeyboard,
        Self::Held,
        Self::VirtualFunctions,
        Self::FunctionsBelow,
        Self::MediatedDevices,
        Self::Tpm,
        Self::Watchdog,
        Self::FirmwareMapping,
        Self::NotSeen,
        Self::NoLease,
        Self::Stuck,
    ];

    /// The name in output, JSON and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::NoIommu => "no-iommu",
            Self::NoIommuMode => "no-iommu-mode",
            Self::Companions => "companions",
            Self::Mounted => "mounted",
            Self::RootFileSystem => "root-file-system",
            Self::Swap => "swap",
            Self::Holders => "holders",
            Self::Fstab => "fstab",
            Self::Clients => "clients",
            Self::DefaultRoute => "default-route",
            Self::NetworkMember => "network-member",
            Self::SshConnection => "ssh-connection",
            Self::NetworkNamespace => "network-namespace",
            Self::Display => "display",
            Self::LastKeyboard => "last-keyboard",
            Self::Held => "held",
            Self::VirtualFunctions => "virtual-functions",
            Self::FunctionsBelow => "functions-below",
            Self::MediatedDevices => "mediated-devices",
            Self::Tpm => "tpm",
            Self::Watchdog => "watchdog",
            Self::FirmwareMapping => "firmware-mapping",
            Self::NotSeen => "not-seen",
            Self::NoLease => "no-lease",
            Self::Stuck => "stuck",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One reason, with the device it is about and the chain of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which device.
    pub device: Address,
    /// Why.
    pub reason: Reason,
    /// What was seen, as one line: `nvme0n1 → nvme0n1p2 → mounted on /home`.
    pub evidence: String,
    /// What to do about it.
    pub hint: String,
    /// With [`Reason::NotSeen`]: what could not be looked at. Empty with every other.
    pub hidden: Vec<Hidden>,
}

impl Refusal {
    /// A reason that was seen.
    pub fn new(
        device: Address,
        reason: Reason,
        evidence: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { device, reason, evidence: evidence.into(), hint: hint.into(), hidden: Vec::new() }
    }

    /// With what could not be looked at.
    #[must_use]
    pub fn hiding(mut self, hidden: Vec<Hidden>) -> Self {
        self.hidden = hidden;
        self
    }
}

/// A place that could not be looked at, and what might have been seen there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// Where, and why not.
    pub unseen: Unseen,
    /// The reasons to refuse that would show there, and of which nobody can say that they do
    /// not stand.
    pub reasons: &'static [Reason],
}
