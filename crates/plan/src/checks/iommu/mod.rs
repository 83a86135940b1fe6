//! The IOMMU: in the firmware, in the kernel, its interrupts, its width, and the memory that
//! firmware keeps. For a device alone there is `no-iommu` beside these, with the other reasons of
//! `bind`.
//!
//! | module | asks |
//! |---|---|
//! | this one | what the checks have in common |
//! | `off` | `iommu-firmware`, `iommu-kernel` |
//! | `remapping` | `interrupt-remapping`, `unsafe-interrupts` |
//! | `switches` | nothing: `allow_unsafe_interrupts`, for `remapping` |
//! | `width` | `address-width` |
//! | `regions` | `firmware-regions` |
//! | `lockdown` | `lockdown` |

mod lockdown;
mod off;
mod regions;
mod remapping;
mod switches;
#[cfg(test)]
mod tests;
mod width;

pub(super) use off::{on_by_default, word as switched_off_by};
use passthru_formats::cpuinfo::CpuInfo;
use passthru_model::system::firmware::{Firmware, TABLES, UNITS};
use passthru_model::{Fact, Snapshot, Unseen, Verdict};

use super::{Check, Host, unseen};

pub(super) const CHECKS: &[Check] = &[
    off::FIRMWARE,
    off::KERNEL,
    remapping::REMAPPING,
    remapping::UNSAFE,
    width::WIDTH,
    regions::REGIONS,
    lockdown::LOCKDOWN,
];

/// Without an IOMMU at work the rest has no meaning.
const AFTER_OFF: &[&str] = &["iommu-firmware", "iommu-kernel"];

fn firmware<'a>(host: &Host<'a>) -> &'a Firmware {
    &host.snapshot.system.firmware
}

fn cpu<'a>(host: &Host<'a>) -> Option<&'a CpuInfo> {
    host.snapshot.system.processor.cpu.known()
}

fn in_vm(host: &Host<'_>) -> bool {
    cpu(host).is_some_and(|cpu| cpu.hypervisor)
}

fn command_line<'a>(host: &Host<'a>) -> &'a str {
    host.snapshot.command_line.known().map_or("", String::as_str)
}

/// The units at work, or the verdict that nobody could see them.
fn units<'a>(host: &Host<'a>) -> Result<&'a [String], Verdict> {
    listed(&host.snapshot.iommu_units, UNITS)
}

/// The tables there are, or the verdict that nobody could see them.
fn tables<'a>(host: &Host<'a>) -> Result<&'a [String], Verdict> {
    match &host.snapshot.iommu_tables {
        Fact::Absent => Err(super::could_not_look(TABLES, "this host has no ACPI tables")),
        other => listed(other, TABLES),
    }
}

fn listed<'a>(fact: &'a Fact<Vec<String>>, path: &str) -> Result<&'a [String], Verdict> {
    match unseen(fact, path) {
        Some(unseen) => Err(Verdict::CouldNotLook(vec![unseen])),
        None => Ok(fact.known().map_or(&[], Vec::as_slice)),
    }
}

fn table_path(name: &str) -> String {
    format!("{TABLES}/{name}")
}

/// Why the contents of the tables that are there are not known.
fn unread_tables(snapshot: &Snapshot) -> Vec<Unseen> {
    let firmware = &snapshot.system.firmware;
    [
        unseen(&firmware.dmar, table_path("DMAR")),
        unseen(&firmware.ivrs, table_path("IVRS")),
        unseen(&firmware.viot, table_path("VIOT")),
        unseen(&firmware.iort, table_path("IORT")),
    ]
    .into_iter()
    .flatten()
    .collect()
}
