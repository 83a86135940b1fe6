//! The linked lists of capabilities. Both are walked with a limit and without
//! following a link twice, as the kernel and lspci do.

use passthru_pci::capability;

use super::{ConfigSpace, HeaderType, LEGACY_SIZE};

/// An entry of the classic list (below 0x100).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability {
    /// Capability id; [`capability::name`] knows them.
    pub id: u8,
    /// Where it begins, 0x40 to 0xfc.
    pub offset: u8,
}

/// An entry of the list of extended capabilities (0x100 and above).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedCapability {
    /// Capability id; [`capability::extended_name`] knows them. 0 is a null capability,
    /// which only carries the link to the next.
    pub id: u16,
    /// Version of the capability, 0 to 15.
    pub version: u8,
    /// Where it begins, 0x100 to 0xffc.
    pub offset: u16,
}

/// What was found by following a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T> {
    /// The entries in the order of the list.
    pub items: Vec<T>,
    /// The offset of a link that leads nowhere: into the header, out of what was
    /// read, or back to an entry before it.
    pub broken_at: Option<u16>,
}

impl<T> List<T> {
    const fn empty() -> Self {
        Self { items: Vec::new(), broken_at: None }
    }
}

impl ConfigSpace {
    /// The classic list. Empty where only the header was read.
    #[must_use]
    pub fn capabilities(&self) -> List<Capability> {
        let mut list = List::empty();
        // PCI_STATUS_CAP_LIST, PCI_CAPABILITY_LIST, PCI_CB_CAPABILITY_LIST.
        if self.status() & 0x10 == 0 || self.bytes.len() < LEGACY_SIZE {
            return list;
        }
        let mut link = match self.header_type() {
            HeaderType::Normal | HeaderType::Bridge => 0x34,
            HeaderType::CardBus => 0x14,
            HeaderType::Other(_) => return list,
        };
        let mut seen = [false; LEGACY_SIZE / 4];
        loop {
            let at = self.u8(link).unwrap_or(0) & !3;
            if at == 0 {
                return list;
            }
            let id = self.u8(usize::from(at)).unwrap_or(0xff);
            let again = std::mem::replace(&mut seen[usize::from(at) / 4], true);
            // 0xff is what a function answers that has gone to sleep meanwhile.
            if at < 0x40 || again || id == 0xff {
                list.broken_at = Some(link as u16);
                return list;
            }
            list.items.push(Capability { id, offset: at });
            link = usize::from(at) + 1;
        }
    }

    /// Whether there can be extended capabilities: PCI Express, or PCI-X of the second
    /// generation. Behind other functions' 256 bytes some chipsets show the same bytes
    /// again (`drivers/pci/probe.c`, `pci_cfg_space_size`).
    fn has_extended_space(&self) -> bool {
        // PCI_X_STATUS_266MHZ, PCI_X_STATUS_533MHZ.
        let pcix = |c: &Capability| {
            c.id == 0x07 && self.u32(usize::from(c.offset) + 4).is_some_and(|bits| bits & 0xc000_0000 != 0)
        };
        self.capabilities().items.iter().any(|c| c.id == capability::EXPRESS || pcix(c))
    }

    /// The list of extended capabilities. Empty where it was not read or there is none.
    #[must_use]
    pub fn extended_capabilities(&self) -> List<ExtendedCapability> {
        let mut list = List::empty();
        if self.bytes.len() <= LEGACY_SIZE || !self.has_extended_space() {
            return list;
        }
        let mut seen = [false; 4096 / 4];
        let (mut at, mut from) = (LEGACY_SIZE, None);
        loop {
            let header = match self.u32(at) {
                // No list at all.
                Some(0 | 0xffff_ffff) | None if from.is_none() => return list,
                Some(header) => header,
                None => 0xffff_ffff,
            };
            if header == 0xffff_ffff || std::mem::replace(&mut seen[at / 4], true) {
                list.broken_at = from;
                return list;
            }
            let next = usize::try_from(header >> 20 & 0xffc).unwrap_or(0);
            let id = (header & 0xffff) as u16;
            list.items.push(ExtendedCapability {
                id,
                version: (header >> 16 & 0xf) as u8,
                offset: at as u16,
            });
            if next == 0 {
                return list;
            }
            from = Some(at as u16);
            if next < LEGACY_SIZE {
                list.broken_at = from;
                return list;
            }
            at = next;
        }
    }

    /// The first capability of that id in the classic list.
    #[must_use]
    pub fn capability(&self, id: u8) -> Option<Capability> {
        self.capabilities().items.into_iter().find(|c| c.id == id)
    }

    /// The first extended capability of that id.
    #[must_use]
    pub fn extended_capability(&self, id: u16) -> Option<ExtendedCapability> {
        self.extended_capabilities().items.into_iter().find(|c| c.id == id)
    }
}

impl Capability {
    /// What people call it, `None` where it is not known.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        capability::name(self.id)
    }
}

impl ExtendedCapability {
    /// What people call it, `None` where it is not known.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        capability::extended_name(self.id)
    }
}
