//! Configuration space: the header, and the capabilities behind it, as far as the
//! reader was given them.
//!
//! Offsets and bits are those of `include/uapi/linux/pci_regs.h`; each constant or
//! method names its register there. Nothing is believed: lists that loop, point
//! outside or run too long end where they go wrong, and say so.
//!
//! | module | holds |
//! |---|---|
//! | this one | [`ConfigSpace`]: size, header, bytes |
//! | [`list`] | the two linked lists of capabilities |
//! | [`decode`] | registers of PCI Express, power management, MSI, MSI-X, ACS, SR-IOV, … |

pub mod decode;
pub mod list;

#[cfg(test)]
mod tests;

use passthru_pci::{Class, Id};

/// Size of the standardised header, and all that a reader without `CAP_SYS_ADMIN` is
/// given (`PCI_STD_HEADER_SIZEOF`; `drivers/pci/pci-sysfs.c`, `pci_read_config`).
pub const HEADER_SIZE: usize = 64;
/// Size of the space of conventional PCI (`PCI_CFG_SPACE_SIZE`).
pub const LEGACY_SIZE: usize = 256;
/// Size of the space of PCI Express (`PCI_CFG_SPACE_EXP_SIZE`).
pub const FULL_SIZE: usize = 4096;

/// One function's configuration space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSpace {
    bytes: Box<[u8]>,
}

/// Why bytes are no configuration space.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigSpaceError {
    /// Fewer bytes than the header has, or more than there can be.
    #[error("{size} bytes are no configuration space: it has {HEADER_SIZE} to {FULL_SIZE}")]
    Size {
        /// How many bytes there are.
        size: usize,
    },
    /// All ones, which is what a bus answers for a function that is not there: in
    /// D3cold, fallen off the bus, or reset right now.
    #[error("the device does not answer: its configuration space reads as ones")]
    NoAnswer,
}

/// How much of the space was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Completeness {
    /// Less than 256 bytes: the reader had no right to more (64 bytes, 128 for
    /// CardBus). No capability can be seen.
    HeaderOnly,
    /// 256 bytes: all there is of a conventional PCI function; of a PCI Express one
    /// the extended capabilities are missing.
    Legacy,
    /// All 4096 bytes.
    Full,
}

/// Layout of the header (`PCI_HEADER_TYPE`, without the multi-function bit).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeaderType {
    /// 0: an endpoint. The only kind VFIO takes.
    Normal,
    /// 1: a PCI-to-PCI bridge, which PCI Express ports are too.
    Bridge,
    /// 2: a CardBus bridge.
    CardBus,
    /// A number that no specification gives.
    Other(u8),
}

/// Bus numbers of a bridge, as they stand in its registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusNumbers {
    /// The bus it sits on (`PCI_PRIMARY_BUS`).
    pub primary: u8,
    /// The bus right behind it (`PCI_SECONDARY_BUS`).
    pub secondary: u8,
    /// The last bus behind it (`PCI_SUBORDINATE_BUS`).
    pub subordinate: u8,
}

/// Takes the bytes of a `config` file.
///
/// # Errors
/// [`ConfigSpaceError::Size`], and [`ConfigSpaceError::NoAnswer`] where all bytes are
/// 0xff.
pub fn parse(bytes: &[u8]) -> Result<ConfigSpace, ConfigSpaceError> {
    if !(HEADER_SIZE..=FULL_SIZE).contains(&bytes.len()) {
        return Err(ConfigSpaceError::Size { size: bytes.len() });
    }
    // A function that is gone answers ones to everything; one that is there has a
    // vendor, except that virtual functions have ones in vendor and device id.
    if bytes[..HEADER_SIZE].iter().all(|&b| b == 0xff) {
        return Err(ConfigSpaceError::NoAnswer);
    }
    Ok(ConfigSpace { bytes: bytes.into() })
}

impl ConfigSpace {
    /// The bytes as they were read.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How much was read.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        match self.bytes.len() {
            ..LEGACY_SIZE => Completeness::HeaderOnly,
            LEGACY_SIZE..FULL_SIZE => Completeness::Legacy,
            _ => Completeness::Full,
        }
    }

    /// Byte at an offset, `None` where it was not read.
    #[must_use]
    pub fn u8(&self, offset: usize) -> Option<u8> {
        self.bytes.get(offset).copied()
    }

    /// 16 bits, little-endian, at an offset; `None` where they were not read.
    #[must_use]
    pub fn u16(&self, offset: usize) -> Option<u16> {
        let bytes = self.bytes.get(offset..offset.checked_add(2)?)?;
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    /// 32 bits, little-endian, at an offset; `None` where they were not read.
    #[must_use]
    pub fn u32(&self, offset: usize) -> Option<u32> {
        let bytes = self.bytes.get(offset..offset.checked_add(4)?)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A register inside the header, which `parse` has made sure is there.
    fn header_u16(&self, offset: usize) -> u16 {
        self.u16(offset).unwrap_or(0)
    }

    fn header_u8(&self, offset: usize) -> u8 {
        self.u8(offset).unwrap_or(0)
    }

    /// Vendor and device id (`PCI_VENDOR_ID`, `PCI_DEVICE_ID`): ones in a virtual
    /// function, whose ids the kernel makes up from its physical function.
    #[must_use]
    pub fn id(&self) -> Id {
        Id { vendor: self.header_u16(0x00), device: self.header_u16(0x02) }
    }

    /// Command register (`PCI_COMMAND`): bit 1 memory, bit 2 bus master, bit 10 INTx off.
    #[must_use]
    pub fn command(&self) -> u16 {
        self.header_u16(0x04)
    }

    /// Status register (`PCI_STATUS`).
    #[must_use]
    pub fn status(&self) -> u16 {
        self.header_u16(0x06)
    }

    /// Revision (`PCI_CLASS_REVISION`, low byte).
    #[must_use]
    pub fn revision(&self) -> u8 {
        self.header_u8(0x08)
    }

    /// Class (`PCI_CLASS_REVISION`, upper bytes).
    #[must_use]
    pub fn class(&self) -> Class {
        Class::new(self.u32(0x08).unwrap_or(0) >> 8)
    }

    /// Layout of the header.
    #[must_use]
    pub fn header_type(&self) -> HeaderType {
        match self.header_u8(0x0e) & 0x7f {
            0 => HeaderType::Normal,
            1 => HeaderType::Bridge,
            2 => HeaderType::CardBus,
            other => HeaderType::Other(other),
        }
    }

    /// Whether the slot has more than this function (bit 7 of `PCI_HEADER_TYPE`).
    #[must_use]
    pub fn is_multi_function(&self) -> bool {
        self.header_u8(0x0e) & 0x80 != 0
    }

    /// Raw base address registers (`PCI_BASE_ADDRESS_0` and following): six in a normal
    /// header, two in a bridge's, one in a CardBus bridge's, none in an unknown one.
    pub fn base_addresses(&self) -> impl Iterator<Item = u32> {
        let count = match self.header_type() {
            HeaderType::Normal => 6,
            HeaderType::Bridge => 2,
            HeaderType::CardBus => 1,
            HeaderType::Other(_) => 0,
        };
        (0..count).filter_map(|i| self.u32(0x10 + 4 * i))
    }

    /// Raw expansion ROM register (`PCI_ROM_ADDRESS`, `PCI_ROM_ADDRESS1`); bit 0 says
    /// that it is switched on.
    #[must_use]
    pub fn rom_address(&self) -> Option<u32> {
        match self.header_type() {
            HeaderType::Normal => self.u32(0x30),
            HeaderType::Bridge => self.u32(0x38),
            _ => None,
        }
    }

    /// Subsystem ids: from the header of an endpoint or CardBus bridge, from a
    /// capability of a bridge. `None` where there are none or they were not read.
    #[must_use]
    pub fn subsystem(&self) -> Option<Id> {
        let at = match self.header_type() {
            HeaderType::Normal => 0x2c,
            HeaderType::Bridge => usize::from(self.capability(0x0d)?.offset) + 4,
            HeaderType::CardBus => 0x40,
            HeaderType::Other(_) => return None,
        };
        let found = Id { vendor: self.u16(at)?, device: self.u16(at + 2)? };
        (found.vendor != 0 && found.vendor != 0xffff).then_some(found)
    }

    /// Interrupt pin: 1 to 4 for INTA to INTD, 0 for none (`PCI_INTERRUPT_PIN`).
    #[must_use]
    pub fn interrupt_pin(&self) -> u8 {
        self.header_u8(0x3d)
    }

    /// Bus numbers of a bridge; `None` for anything else.
    #[must_use]
    pub fn bus_numbers(&self) -> Option<BusNumbers> {
        matches!(self.header_type(), HeaderType::Bridge | HeaderType::CardBus).then(|| BusNumbers {
            primary: self.header_u8(0x18),
            secondary: self.header_u8(0x19),
            subordinate: self.header_u8(0x1a),
        })
    }

    /// Whether a bridge passes on legacy VGA addresses (`PCI_BRIDGE_CTL_VGA`).
    #[must_use]
    pub fn forwards_vga(&self) -> bool {
        self.header_type() == HeaderType::Bridge && self.header_u16(0x3e) & 0x08 != 0
    }
}
