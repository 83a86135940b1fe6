//! `list --groups`: what people's shell loop prints, byte for byte.

use std::collections::BTreeMap;
use std::io::{self, Write};

use passthru_model::{Device, Snapshot};

use super::words;

/// Each group with its members, as `lspci -nns` shows them. Devices in no group follow,
/// where there are any.
pub(crate) fn write(out: &mut dyn Write, snapshot: &Snapshot, devices: &[&Device]) -> io::Result<()> {
    let with_domains = words::with_domains(snapshot);
    let mut groups: BTreeMap<u32, Vec<&Device>> = BTreeMap::new();
    for device in devices {
        if let Some(group) = device.group.known() {
            groups.entry(*group).or_default().push(device);
        }
    }
    for (group, members) in &groups {
        writeln!(out, "IOMMU Group {group}:")?;
        for device in members {
            writeln!(out, "\t{}", words::lspci(snapshot, device, with_domains))?;
        }
    }
    Ok(())
}
