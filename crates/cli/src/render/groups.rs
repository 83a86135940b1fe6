//! `list --groups`: what people's shell loop prints, byte for byte.

use std::collections::BTreeMap;
use std::io::{self, Write};

use passthru_model::{Device, Snapshot};
use passthru_plan::groups::Prediction;

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

/// The groups as they will be with an IOMMU at work. They have no numbers yet.
pub(crate) fn write_predicted(
    out: &mut dyn Write,
    snapshot: &Snapshot,
    prediction: &Prediction,
    devices: &[&Device],
) -> io::Result<()> {
    let with_domains = words::with_domains(snapshot);
    let mut number = 0;
    for group in &prediction.groups {
        let shown: Vec<&&Device> = devices.iter().filter(|d| group.members.contains(&d.address)).collect();
        if shown.is_empty() {
            continue;
        }
        if group.doubts.is_empty() {
            number += 1;
            writeln!(out, "Predicted group {number}:")?;
        } else {
            writeln!(out, "Cannot be predicted ({}):", group.doubt_lines().join("; "))?;
        }
        for device in shown {
            writeln!(out, "\t{}", words::lspci(snapshot, device, with_domains))?;
        }
    }
    Ok(())
}
