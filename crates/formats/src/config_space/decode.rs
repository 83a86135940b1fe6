//! Registers of the capabilities that passthrough depends on.
//!
//! Each method gives `None` where the function does not have the capability or it was
//! not read; [`ConfigSpace::completeness`] tells which.

use std::fmt;

use passthru_pci::capability::{ACS, EXPRESS, MSI, MSIX, SRIOV};

use super::{ConfigSpace, LEGACY_SIZE};
use crate::scalar::LinkSpeed;

/// What a PCI Express function is in the topology (`PCI_EXP_FLAGS_TYPE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the variants are their own description")]
pub enum PortType {
    Endpoint,
    LegacyEndpoint,
    RootPort,
    UpstreamPort,
    DownstreamPort,
    /// To conventional PCI: everything behind it shares one requester id.
    PciBridge,
    /// From conventional PCI.
    PcieBridge,
    RootComplexEndpoint,
    RootComplexEventCollector,
    /// A number that is not known here.
    Other(u8),
}

impl PortType {
    const fn from_bits(bits: u8) -> Self {
        match bits {
            0x0 => Self::Endpoint,
            0x1 => Self::LegacyEndpoint,
            0x4 => Self::RootPort,
            0x5 => Self::UpstreamPort,
            0x6 => Self::DownstreamPort,
            0x7 => Self::PciBridge,
            0x8 => Self::PcieBridge,
            0x9 => Self::RootComplexEndpoint,
            0xa => Self::RootComplexEventCollector,
            other => Self::Other(other),
        }
    }

    /// The number in the register.
    pub(crate) const fn bits(self) -> u16 {
        match self {
            Self::Endpoint => 0x0,
            Self::LegacyEndpoint => 0x1,
            Self::RootPort => 0x4,
            Self::UpstreamPort => 0x5,
            Self::DownstreamPort => 0x6,
            Self::PciBridge => 0x7,
            Self::PcieBridge => 0x8,
            Self::RootComplexEndpoint => 0x9,
            Self::RootComplexEventCollector => 0xa,
            Self::Other(other) => other as u16 & 0xf,
        }
    }
}

impl fmt::Display for PortType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Endpoint => "endpoint",
            Self::LegacyEndpoint => "legacy endpoint",
            Self::RootPort => "root port",
            Self::UpstreamPort => "switch upstream port",
            Self::DownstreamPort => "switch downstream port",
            Self::PciBridge => "PCIe-to-PCI bridge",
            Self::PcieBridge => "PCI-to-PCIe bridge",
            Self::RootComplexEndpoint => "root complex integrated endpoint",
            Self::RootComplexEventCollector => "root complex event collector",
            Self::Other(n) => return write!(f, "PCIe type {n}"),
        })
    }
}

/// Speed and width of a link; `None` where a field holds a value without meaning (a
/// link that is down has width 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkState {
    /// Speed per lane.
    pub speed: Option<LinkSpeed>,
    /// Number of lanes.
    pub width: Option<u8>,
}

impl LinkState {
    /// From the low bits that `PCI_EXP_LNKCAP` and `PCI_EXP_LNKSTA` have in common.
    fn from_bits(bits: u32) -> Self {
        let width = (bits >> 4 & 0x3f) as u8;
        Self {
            speed: LinkSpeed::from_encoding((bits & 0xf) as u8),
            width: matches!(width, 1 | 2 | 4 | 8 | 12 | 16 | 32).then_some(width),
        }
    }
}

/// A physical slot behind a port (`PCI_EXP_SLTCAP`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhysicalSlot {
    /// Its number as the board's maker gave it.
    pub number: u16,
    /// Whether cards can be changed while the machine runs (`PCI_EXP_SLTCAP_HPC`).
    pub hot_plug: bool,
}

/// PCI Express (`PCI_CAP_ID_EXP`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Express {
    /// Version of the capability; 2 since PCI Express 2.0.
    pub version: u8,
    /// Place in the topology.
    pub port_type: PortType,
    /// Function level reset (`PCI_EXP_DEVCAP_FLR`).
    pub function_level_reset: bool,
    /// The slot behind a root or downstream port that has one.
    pub slot: Option<PhysicalSlot>,
    /// What the link can do; `None` for functions inside the root complex.
    pub link_capability: Option<LinkState>,
    /// How the link runs now.
    pub link_status: Option<LinkState>,
}

/// Power management (`PCI_CAP_ID_PM`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerManagement {
    /// Power state, 0 to 3 for D0 to D3hot (`PCI_PM_CTRL_STATE_MASK`).
    pub state: u8,
    /// Coming back from D3hot does *not* reset it (`PCI_PM_CTRL_NO_SOFT_RESET`): then
    /// there is no reset by power management.
    pub no_soft_reset: bool,
}

/// Message signalled interrupts (`PCI_CAP_ID_MSI`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Msi {
    /// Switched on.
    pub enabled: bool,
    /// How many messages it asks for, 1 to 32.
    pub vectors: u8,
    /// 64-bit addresses.
    pub is_64bit: bool,
    /// Messages can be masked one by one.
    pub maskable: bool,
}

/// MSI-X (`PCI_CAP_ID_MSIX`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MsiX {
    /// Switched on.
    pub enabled: bool,
    /// Entries of the table, 1 to 2048.
    pub vectors: u16,
    /// The base address register its table is behind, 0 to 5, and the offset there.
    pub table: (u8, u32),
    /// The same of the array of pending bits.
    pub pending: (u8, u32),
}

/// Access Control Services (`PCI_EXT_CAP_ID_ACS`). Bits: source validation 1,
/// translation blocking 2, request redirect 4, completion redirect 8, upstream
/// forwarding 0x10, egress control 0x20, direct translated 0x40.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessControl {
    /// What it can do (`PCI_ACS_CAP`).
    pub capability: u16,
    /// What is switched on (`PCI_ACS_CTRL`).
    pub control: u16,
}

impl AccessControl {
    /// What the kernel asks for before it puts devices into groups of their own
    /// (`drivers/iommu/iommu.c`, `REQ_ACS_FLAGS`).
    pub const ISOLATES: u16 = 0x1d;

    /// The bits of [`Self::ISOLATES`] that the function could have switched on and has
    /// not; a bit that is not in its capability counts as given
    /// (`drivers/pci/pci.c`, `pci_acs_flags_enabled`).
    #[must_use]
    pub const fn missing(self) -> u16 {
        Self::ISOLATES & self.capability & !self.control
    }

    /// The bits, as lspci calls them (`ls-ecaps.c`, `cap_acs`).
    pub const NAMES: [(u16, &'static str); 7] = [
        (0x01, "SrcValid"),
        (0x02, "TransBlk"),
        (0x04, "ReqRedir"),
        (0x08, "CmpltRedir"),
        (0x10, "UpstreamFwd"),
        (0x20, "EgressCtrl"),
        (0x40, "DirectTrans"),
    ];

    /// The names of these bits.
    pub fn names(bits: u16) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(bit, _)| bits & bit != 0).map(|(_, name)| name)
    }
}

/// Single Root I/O Virtualization (`PCI_EXT_CAP_ID_SRIOV`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SrIov {
    /// Virtual functions are switched on (`PCI_SRIOV_CTRL_VFE`).
    pub enabled: bool,
    /// `PCI_SRIOV_INITIAL_VF`.
    pub initial: u16,
    /// How many there can be (`PCI_SRIOV_TOTAL_VF`).
    pub total: u16,
    /// How many there are (`PCI_SRIOV_NUM_VF`).
    pub active: u16,
    /// Distance of the first one's routing id from this function's.
    pub offset: u16,
    /// Distance between them.
    pub stride: u16,
    /// Device id of the virtual functions.
    pub device: u16,
}

impl ConfigSpace {
    /// Offset of a capability of the classic list, where `size` bytes of it were read
    /// and lie below the extended space.
    fn at(&self, id: u8, size: usize) -> Option<usize> {
        let at = usize::from(self.capability(id)?.offset);
        (at + size <= self.bytes.len().min(LEGACY_SIZE)).then_some(at)
    }

    fn extended_at(&self, id: u16, size: usize) -> Option<usize> {
        let at = usize::from(self.extended_capability(id)?.offset);
        (at + size <= self.bytes.len()).then_some(at)
    }

    /// PCI Express.
    #[must_use]
    pub fn express(&self) -> Option<Express> {
        let at = self.at(EXPRESS, 8)?;
        let flags = self.u16(at + 2)?;
        let port_type = PortType::from_bits((flags >> 4 & 0xf) as u8);
        // drivers/pci/access.c: pcie_cap_has_lnkctl, pcie_cap_has_sltctl.
        let has_link =
            !matches!(port_type, PortType::RootComplexEndpoint | PortType::RootComplexEventCollector);
        let has_slot =
            matches!(port_type, PortType::RootPort | PortType::DownstreamPort | PortType::PcieBridge)
                && flags & 0x100 != 0;
        let slot = has_slot
            .then(|| self.u32(at + 0x14))
            .flatten()
            .map(|bits| PhysicalSlot { number: (bits >> 19) as u16, hot_plug: bits & 0x40 != 0 });
        Some(Express {
            version: (flags & 0xf) as u8,
            port_type,
            function_level_reset: self.u32(at + 4)? & 1 << 28 != 0,
            slot,
            link_capability: has_link.then(|| self.u32(at + 0x0c)).flatten().map(LinkState::from_bits),
            link_status: has_link
                .then(|| self.u16(at + 0x12))
                .flatten()
                .map(|bits| LinkState::from_bits(bits.into())),
        })
    }

    /// Power management.
    #[must_use]
    pub fn power_management(&self) -> Option<PowerManagement> {
        let control = self.u16(self.at(0x01, 6)? + 4)?;
        Some(PowerManagement { state: (control & 3) as u8, no_soft_reset: control & 8 != 0 })
    }

    /// Message signalled interrupts.
    #[must_use]
    pub fn msi(&self) -> Option<Msi> {
        let flags = self.u16(self.at(MSI, 4)? + 2)?;
        Some(Msi {
            enabled: flags & 1 != 0,
            // Six and seven are reserved.
            vectors: 1 << (flags >> 1 & 7).min(5),
            is_64bit: flags & 0x80 != 0,
            maskable: flags & 0x100 != 0,
        })
    }

    /// MSI-X.
    #[must_use]
    pub fn msix(&self) -> Option<MsiX> {
        let at = self.at(MSIX, 12)?;
        let flags = self.u16(at + 2)?;
        let place = |bits: u32| ((bits & 7) as u8, bits & !7);
        Some(MsiX {
            enabled: flags & 0x8000 != 0,
            vectors: (flags & 0x7ff) + 1,
            table: place(self.u32(at + 4)?),
            pending: place(self.u32(at + 8)?),
        })
    }

    /// Function level reset by Advanced Features (`PCI_CAP_ID_AF`, `PCI_AF_CAP_FLR`),
    /// which conventional PCI functions have instead of PCI Express'.
    #[must_use]
    pub fn advanced_features_reset(&self) -> Option<bool> {
        // PCI_AF_CAP_TP must be there as well (drivers/pci/pci.c, pci_af_flr).
        self.u8(self.at(0x13, 6)? + 3).map(|bits| bits & 3 == 3)
    }

    /// Access Control Services.
    #[must_use]
    pub fn access_control(&self) -> Option<AccessControl> {
        let at = self.extended_at(ACS, 8)?;
        Some(AccessControl { capability: self.u16(at + 4)?, control: self.u16(at + 6)? })
    }

    /// Access Control Services where the registers are two dwords instead of two words, as in
    /// the root ports of Intel's 100 and 200 series chipsets (`drivers/pci/quirks.c`,
    /// `pci_quirk_intel_spt_pch_acs`: the control register is at +8).
    #[must_use]
    pub fn access_control_in_dwords(&self) -> Option<AccessControl> {
        let at = self.extended_at(ACS, 12)?;
        Some(AccessControl { capability: self.u16(at + 4)?, control: self.u16(at + 8)? })
    }

    /// Single Root I/O Virtualization.
    #[must_use]
    pub fn sriov(&self) -> Option<SrIov> {
        let at = self.extended_at(SRIOV, 0x40)?;
        Some(SrIov {
            enabled: self.u16(at + 0x08)? & 1 != 0,
            initial: self.u16(at + 0x0c)?,
            total: self.u16(at + 0x0e)?,
            active: self.u16(at + 0x10)?,
            offset: self.u16(at + 0x14)?,
            stride: self.u16(at + 0x16)?,
            device: self.u16(at + 0x1a)?,
        })
    }

    /// Device serial number (`PCI_EXT_CAP_ID_DSN`).
    #[must_use]
    pub fn serial_number(&self) -> Option<SerialNumber> {
        let at = self.extended_at(0x0003, 12)?;
        Some(SerialNumber(u64::from(self.u32(at + 8)?) << 32 | u64::from(self.u32(at + 4)?)))
    }
}

/// A device serial number: an EUI-64, of network cards mostly made from the MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerialNumber(pub u64);

impl fmt::Display for SerialNumber {
    /// As lspci does: `b4-96-91-ff-ff-12-34-56`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.to_be_bytes().into_iter().enumerate() {
            write!(f, "{}{byte:02x}", if i > 0 { "-" } else { "" })?;
        }
        Ok(())
    }
}
