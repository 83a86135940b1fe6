//! `list --tree`: the buses, and what hangs on them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use passthru_model::{Device, Snapshot};
use passthru_pci::Address;

use super::words;

/// Bridges with what is behind them, indented.
pub(crate) fn write(out: &mut dyn Write, snapshot: &Snapshot, devices: &[&Device]) -> io::Result<()> {
    let with_domains = words::with_domains(snapshot);
    let mut below: BTreeMap<Option<Address>, Vec<&Device>> = BTreeMap::new();
    for device in devices {
        // Where only some devices are shown, the nearest bridge that is shown carries them.
        let mut parent = device.parent;
        while let Some(above) = parent
            && !devices.iter().any(|d| d.address == above)
        {
            parent = snapshot.device(above).and_then(|d| d.parent);
        }
        below.entry(parent).or_default().push(device);
    }
    let mut bus = None;
    let top = below.get(&None).map_or(&[][..], Vec::as_slice);
    for device in top {
        let this = (device.address.domain(), device.address.bus());
        if bus != Some(this) {
            writeln!(out, "bus {:04x}:{:02x}", this.0, this.1)?;
            bus = Some(this);
        }
        branch(out, snapshot, &below, device, 1, with_domains)?;
    }
    Ok(())
}

fn branch(
    out: &mut dyn Write,
    snapshot: &Snapshot,
    below: &BTreeMap<Option<Address>, Vec<&Device>>,
    device: &Device,
    depth: usize,
    with_domains: bool,
) -> io::Result<()> {
    let group = device.group.known().map_or_else(String::new, |g| format!("  (group {g})"));
    let driver = device.driver.known().map_or_else(String::new, |d| format!("  {d}"));
    writeln!(
        out,
        "{:indent$}{} {}: {}{driver}{group}",
        "",
        words::address(device, with_domains),
        words::class(snapshot, device),
        words::name(snapshot, device),
        indent = depth * 2
    )?;
    for child in below.get(&Some(device.address)).into_iter().flatten() {
        branch(out, snapshot, below, child, depth + 1, with_domains)?;
    }
    Ok(())
}
