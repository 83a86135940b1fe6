//! Configuration space without serial numbers: only registers that are known are kept.

use passthru_pci::capability::ACS;

use super::Redactor;
use super::standin::Kind;
use super::words::{CAPABILITIES, EXTENDED_CAPABILITIES};
use crate::config_space::{ConfigSpaceError, HEADER_SIZE, HeaderType, parse};

impl Redactor {
    /// Header and known registers; the rest is zeroed. `None` where the bytes are no
    /// configuration space.
    pub(super) fn config(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        let config = match parse(data) {
            Ok(config) => config,
            // Ones say that the device did not answer, and nothing else.
            Err(ConfigSpaceError::NoAnswer) if data.iter().all(|&b| b == 0xff) => return Some(data.to_vec()),
            Err(_) => return None,
        };
        let mut out = vec![0; data.len()];
        let mut keep = |from: usize, to: usize| {
            let to = to.min(data.len());
            if from < to {
                out[from..to].copy_from_slice(&data[from..to]);
            }
        };
        // A CardBus bridge's header goes on to its subsystem ids.
        keep(0, if config.header_type() == HeaderType::CardBus { 0x44 } else { HEADER_SIZE });

        // Where a list is broken because what it points to answers ones, those stay, or
        // the list would go on there.
        let (list, extended) = (config.capabilities(), config.extended_capabilities());
        if let Some(link) = list.broken_at
            && let Some(at) = config.u8(usize::from(link)).map(|at| usize::from(at & !3))
            && config.u8(at) == Some(0xff)
        {
            keep(at, at + 1);
        }
        if let Some(link) = extended.broken_at
            && let Some(at) = config.u32(usize::from(link)).map(|header| (header >> 20 & 0xffc) as usize)
            && config.u32(at) == Some(0xffff_ffff)
        {
            keep(at, at + 4);
        }
        let list = list.items;
        for capability in &list {
            let size = CAPABILITIES.iter().find(|(id, _)| *id == capability.id).map_or(2, |(_, size)| *size);
            let from = usize::from(capability.offset);
            let next = list.iter().map(|c| usize::from(c.offset)).filter(|&at| at > from).min();
            keep(from, (from + size).min(next.unwrap_or(0x100)));
        }
        let list = extended.items;
        for capability in &list {
            let known = EXTENDED_CAPABILITIES.iter().find(|(id, _)| *id == capability.id);
            let size = match capability.id {
                // The registers are dwords on some of Intel's ports only.
                ACS if config.id().vendor != 0x8086 || config.header_type() != HeaderType::Bridge => 8,
                _ => known.map_or(4, |(_, size)| *size),
            };
            let from = usize::from(capability.offset);
            let next = list.iter().map(|c| usize::from(c.offset)).filter(|&at| at > from).min();
            keep(from, (from + size).min(next.unwrap_or(data.len())));
        }
        if let Some(serial) = config.serial_number()
            && let Some(at) = config.extended_capability(0x0003).map(|c| usize::from(c.offset))
        {
            let stand_in = self.stand_ins.get(Kind::Serial, &serial.to_string());
            let number = stand_in.rsplit('-').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
            // Where another capability lies across it, that one's registers stay.
            let end =
                list.iter().map(|c| usize::from(c.offset)).filter(|&o| o > at).min().unwrap_or(data.len());
            for (to, byte) in out[at + 4..end.min(at + 12).max(at + 4)].iter_mut().zip(number.to_le_bytes()) {
                *to = byte;
            }
        }
        Some(out)
    }
}
