//! Memory for guests.

use passthru_formats::meminfo;
use passthru_model::Fact;
use passthru_model::system::{HugePages, LockedLimit, Memory};

use crate::ask::Asker;

const MEMINFO: &str = "/proc/meminfo";

pub(super) fn read(ask: &mut Asker<'_>) -> Memory {
    let both = ask.bytes(None, "memory", MEMINFO, |text| {
        let total = meminfo::value(text, "MemTotal")?;
        let value = |key| meminfo::value(text, key);
        let pages = value("Hugepagesize").zip(value("HugePages_Total")).zip(value("HugePages_Free"));
        Some(Fact::Known((total, pages.map(|((size, total), free)| HugePages { size, total, free }))))
    });
    let hugepages = match &both {
        Fact::Known((_, pages)) => pages.map_or(Fact::Absent, Fact::Known),
        other => other.clone().map(|_| HugePages { size: 0, total: 0, free: 0 }),
    };
    Memory {
        total: both.map(|(total, _)| total),
        hugepages,
        locked: ask.bytes(None, "locked_memory", "/proc/self/limits", |text| {
            let (soft, hard) = meminfo::limit(text, "Max locked memory")?;
            Some(Fact::Known(LockedLimit { soft, hard }))
        }),
        capabilities: ask.bytes(None, "capabilities", "/proc/self/status", |text| {
            meminfo::effective_capabilities(text).map(Fact::Known)
        }),
    }
}
