//! A configuration space from what was printed: the bytes where there is a dump, else the
//! header and the registers of the capabilities that were printed decoded. Nothing that was
//! not printed is made up: the space ends where the text does.

use super::{Function, Shown};
use crate::config_space::decode::PortType;
use crate::config_space::{FULL_SIZE, HEADER_SIZE, LEGACY_SIZE};

impl Function {
    /// The configuration space as a file `config` would give it, of 64, 256 or 4096 bytes;
    /// `None` where not even the header was printed. `several`: whether other functions of its
    /// slot are there, which lspci prints in the dump only.
    #[must_use]
    pub fn config(&self, several: bool) -> Option<Vec<u8>> {
        let dumped = match self.bytes.len() {
            FULL_SIZE.. => FULL_SIZE,
            LEGACY_SIZE.. => LEGACY_SIZE,
            HEADER_SIZE.. => HEADER_SIZE,
            _ => 0,
        };
        let mut space = if dumped > 0 { self.bytes[..dumped].to_vec() } else { self.header(several)? };
        let is_express = self.express.is_some();
        // With its registers printed, all its capabilities were.
        if self.shown == Shown::Registers && space.len() < FULL_SIZE {
            if space.len() < LEGACY_SIZE {
                space.resize(LEGACY_SIZE, 0);
                self.classic(&mut space);
            }
            if is_express && self.knows_extended() {
                space.resize(FULL_SIZE, 0);
                self.extended(&mut space);
            }
        }
        Some(space)
    }

    /// Whether the extended capabilities are known: the access control registers are there if
    /// the capability is. Version 2 of lspci printed none at all.
    fn knows_extended(&self) -> bool {
        let has_acs = self.capabilities.iter().any(|c| c.offset >= 0x100 && c.id == Some(0x0d));
        let any = self.capabilities.iter().any(|c| c.offset >= 0x100);
        let readable = matches!(self.registers.acs, (Some(_), Some(_)));
        // An unknown name may be the very capability, in the words of another version.
        let unknown = self.capabilities.iter().any(|c| {
            c.offset >= 0x100 && c.id.is_none() && (c.text.contains('?') || c.text.starts_with("#0d"))
        });
        // Without any, a root complex's own endpoints have none; of others nobody knows.
        let own = matches!(self.express, Some((_, PortType::RootComplexEndpoint, _)));
        if has_acs { readable } else { (any || own) && !unknown }
    }

    fn header(&self, several: bool) -> Option<Vec<u8>> {
        let (id, class) = (self.id?, self.class?);
        let mut space = vec![0; HEADER_SIZE];
        space[..2].copy_from_slice(&id.vendor.to_le_bytes());
        space[2..4].copy_from_slice(&id.device.to_le_bytes());
        space[8..12].copy_from_slice(&(class.bits() << 8 | u32::from(self.revision)).to_le_bytes());
        let kind: u8 = if class.code() == 0x0607 { 2 } else { u8::from(self.is_bridge()) };
        space[0x0e] = kind | if several { 0x80 } else { 0 };
        if let Some(buses) = self.buses {
            space[0x18..0x1b].copy_from_slice(&[buses.primary, buses.secondary, buses.subordinate]);
        } else if let Some(subsystem) = self.subsystem
            && kind == 0
        {
            space[0x2c..0x2e].copy_from_slice(&subsystem.vendor.to_le_bytes());
            space[0x2e..0x30].copy_from_slice(&subsystem.device.to_le_bytes());
        }
        Some(space)
    }

    /// Whether it is a bridge to another bus.
    #[must_use]
    pub fn is_bridge(&self) -> bool {
        self.buses.is_some() || self.class.is_some_and(passthru_pci::Class::is_bus_bridge)
    }

    /// How many capabilities are printed by name.
    #[must_use]
    pub fn capabilities_printed(&self) -> usize {
        self.capabilities.len()
    }

    /// Whether it can have virtual functions (SR-IOV), as far as that is printed.
    #[must_use]
    pub fn has_virtual_functions(&self) -> bool {
        let dumped = || crate::config_space::parse(self.bytes.get(..FULL_SIZE)?).ok()?.sriov();
        self.capabilities.iter().any(|c| c.offset >= 0x100 && c.id == Some(0x10)) || dumped().is_some()
    }

    fn classic(&self, space: &mut [u8]) {
        // PCI_CAPABILITY_LIST, PCI_CB_CAPABILITY_LIST.
        let mut link = if space[0x0e] & 0x7f == 2 { 0x14 } else { 0x34 };
        for printed in self.capabilities.iter().filter(|c| c.offset < 0x100) {
            let at = usize::from(printed.offset);
            space[link] = printed.offset as u8;
            space[0x06] |= 0x10;
            let id = printed.id.unwrap_or(0) as u8;
            (space[at], space[at + 1], link) = (id, 0, at + 1);
            let mut put = |offset: usize, bytes: &[u8]| {
                if let Some(place) = space.get_mut(at + offset..at + offset + bytes.len()) {
                    place.copy_from_slice(bytes);
                }
            };
            let has = |word: &str| printed.text.contains(word);
            match id {
                0x01 => {
                    let (state, no_reset) = self.registers.power.unwrap_or_default();
                    put(4, &[state | if no_reset { 8 } else { 0 }, 0]);
                }
                0x05 => {
                    let count = number_behind(&printed.text, "Count=", '/').unwrap_or(1).max(1);
                    let offered = count.next_power_of_two().trailing_zeros() as u16 & 7;
                    let flag = |word: &str, bit: u16| if has(word) { bit } else { 0 };
                    let flags = flag("Enable+", 1) | flag("64bit+", 0x80) | flag("Maskable+", 0x100);
                    put(2, &(flags | offered << 1).to_le_bytes());
                }
                0x11 => {
                    let count = number_behind(&printed.text, "Count=", ' ').unwrap_or(1).clamp(1, 2048);
                    let flags = (count - 1) as u16 | if has("Enable+") { 0x8000 } else { 0 };
                    put(2, &flags.to_le_bytes());
                }
                0x10 => {
                    if let Some((version, kind, slot)) = self.express {
                        let slot = if slot { 0x100 } else { 0 };
                        put(2, &(u16::from(version & 0xf) | kind.bits() << 4 | slot).to_le_bytes());
                    }
                    put(4, &u32::to_le_bytes(u32::from(self.registers.function_level_reset) << 28));
                    put(0x14, &(u32::from(self.registers.slot.unwrap_or(0)) << 19).to_le_bytes());
                }
                0x13 => put(3, &[if self.registers.advanced_reset == Some(true) { 3 } else { 0 }]),
                _ => {}
            }
        }
    }

    fn extended(&self, space: &mut [u8]) {
        let all: Vec<_> = self.capabilities.iter().filter(|c| c.offset >= 0x100).collect();
        // The list begins at 0x100, also where nothing there has a name.
        let first = all.iter().any(|c| c.offset == 0x100);
        let put = |space: &mut [u8], at: usize, value: u32| {
            if let Some(place) = space.get_mut(at..at + 4) {
                place.copy_from_slice(&value.to_le_bytes());
            }
        };
        if let (false, Some(next)) = (first, all.first()) {
            put(space, 0x100, 0x1_0000 | u32::from(next.offset) << 20);
        }
        for (i, printed) in all.iter().enumerate() {
            let next = all.get(i + 1).map_or(0, |next| u32::from(next.offset));
            let at = usize::from(printed.offset);
            put(space, at, u32::from(printed.id.unwrap_or(0)) | 0x1_0000 | next << 20);
            if let (Some(0x0d), (Some(capability), Some(control))) = (printed.id, self.registers.acs) {
                put(space, at + 4, u32::from(capability) | u32::from(control) << 16);
            }
        }
    }
}

/// The number behind a word: `Count=1/16` has 16 behind its `/`.
fn number_behind(text: &str, key: &str, last: char) -> Option<u32> {
    let word = text.split(' ').find_map(|word| word.strip_prefix(key))?;
    word.rsplit(last).next()?.parse().ok()
}
