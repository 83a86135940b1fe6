//! The directory of one PCI function, as `drivers/pci/pci-sysfs.c` makes it.
//!
//! Owns the attributes and the first 256 bytes of config space. It must not make
//! anything outside the function's own directory, except the links to it.

use std::fmt::Write as _;
use std::io;

use super::topology::{Function, Kind, Topology};
use super::tree::Tree;

/// Attributes that read alike on most functions.
const USUAL: &[(&str, &str)] = &[
    ("ari_enabled", "0\n"),
    ("broken_parity_status", "0\n"),
    ("d3cold_allowed", "1\n"),
    // What the kernel prints for no override.
    ("driver_override", "(null)\n"),
    ("local_cpulist", "0-15\n"),
    ("msi_bus", "1\n"),
    ("power_state", "D0\n"),
    // Only to be written.
    ("remove", ""),
    ("rescan", ""),
];

/// Attributes of PCI Express endpoints.
const EXPRESS: &[(&str, &str)] = &[
    ("consistent_dma_mask_bits", "64\n"),
    ("dma_mask_bits", "64\n"),
    ("max_link_speed", "16.0 GT/s PCIe\n"),
    ("max_link_width", "8\n"),
    ("current_link_speed", "8.0 GT/s PCIe\n"),
    ("current_link_width", "4\n"),
    ("reset", ""),
    ("reset_method", "flr bus\n"),
];

pub(super) fn write(tree: &mut Tree, host: &Topology, index: usize) -> io::Result<()> {
    let f = &host.functions[index];
    let base = format!("sys/devices/{}", f.path);
    let at = |name: &str| format!("{base}/{name}");
    tree.directory(&base)?;
    tree.directory(&at("power"))?;
    for (name, text) in USUAL {
        tree.shared(&at(name), text)?;
    }
    if !matches!(f.kind, Kind::Host | Kind::Isa) {
        for (name, text) in EXPRESS {
            tree.shared(&at(name), text)?;
        }
    }
    let word = |n: u16| format!("{n:#06x}\n");
    let subsystem = f.subsystem.unwrap_or(passthru_pci::Id { vendor: 0, device: 0 });
    for (name, text) in [
        ("vendor", word(f.id.vendor)),
        ("device", word(f.id.device)),
        ("subsystem_vendor", word(subsystem.vendor)),
        ("subsystem_device", word(subsystem.device)),
        ("class", format!("{:#08x}\n", f.kind.class())),
        ("revision", format!("{:#04x}\n", f.revision)),
        ("irq", format!("{}\n", if f.physical.is_some() { 0 } else { 16 + index % 200 })),
        ("enable", format!("{}\n", u8::from(f.driver.is_some()))),
        ("numa_node", format!("{}\n", f.numa)),
        ("power/control", if f.kind == Kind::Port { "auto\n".into() } else { "on\n".into() }),
        ("power/runtime_status", "active\n".into()),
    ] {
        tree.shared(&at(name), &text)?;
    }
    let modalias = modalias(f);
    tree.file(&at("modalias"), format!("{modalias}\n").as_bytes())?;
    tree.file(&at("uevent"), uevent(f, &modalias).as_bytes())?;
    tree.file(&at("resource"), resource(f, index).as_bytes())?;
    tree.file(&at("config"), &config(f))?;

    tree.link(&at("subsystem"), "sys/bus/pci")?;
    tree.link(&at("iommu"), "sys/devices/virtual/iommu/dmar0")?;
    tree.link(&at("iommu_group"), &format!("sys/kernel/iommu_groups/{}", f.group))?;
    if let Some(driver) = f.driver {
        tree.link(&at("driver"), &format!("sys/bus/pci/drivers/{driver}"))?;
    }
    match f.kind {
        Kind::Port => {
            tree.shared(&at("secondary_bus_number"), &format!("{}\n", f.busses.0))?;
            tree.shared(&at("subordinate_bus_number"), &format!("{}\n", f.busses.1))?;
        }
        Kind::Display => tree.shared(&at("boot_vga"), if f.unit == 0 { "1\n" } else { "0\n" })?,
        _ => {}
    }
    if let Some(physical) = f.physical {
        tree.link(&at("physfn"), &format!("sys/devices/{}", host.functions[physical].path))?;
    }
    if !f.virtuals.is_empty() {
        tree.shared(&at("sriov_numvfs"), &format!("{}\n", f.virtuals.len()))?;
        tree.shared(&at("sriov_totalvfs"), "64\n")?;
        tree.shared(&at("sriov_drivers_autoprobe"), "1\n")?;
        for (nth, index) in f.virtuals.iter().enumerate() {
            tree.link(&at(&format!("virtfn{nth}")), &format!("sys/devices/{}", host.functions[*index].path))?;
        }
    }
    Ok(())
}

/// `pci_uevent` and `modalias_show`: upper-case hexadecimal, eight digits for ids.
fn modalias(f: &Function) -> String {
    let class = f.kind.class();
    let subsystem = f.subsystem.map_or((0, 0), |id| (id.vendor, id.device));
    format!(
        "pci:v{:08X}d{:08X}sv{:08X}sd{:08X}bc{:02X}sc{:02X}i{:02X}",
        f.id.vendor,
        f.id.device,
        subsystem.0,
        subsystem.1,
        class >> 16,
        class >> 8 & 0xff,
        class & 0xff
    )
}

fn uevent(f: &Function, modalias: &str) -> String {
    let mut text = String::new();
    if let Some(driver) = f.driver {
        let _ = writeln!(text, "DRIVER={driver}");
    }
    let subsystem = f.subsystem.map_or((0, 0), |id| (id.vendor, id.device));
    let _ = writeln!(text, "PCI_CLASS={:X}", f.kind.class());
    let _ = writeln!(text, "PCI_ID={:04X}:{:04X}", f.id.vendor, f.id.device);
    let _ = writeln!(text, "PCI_SUBSYS_ID={:04X}:{:04X}", subsystem.0, subsystem.1);
    let _ = writeln!(text, "PCI_SLOT_NAME={}", f.address);
    let _ = writeln!(text, "MODALIAS={modalias}");
    text
}

/// Six BARs and the ROM; bridges have their windows as well (17 lines).
fn resource(f: &Function, index: usize) -> String {
    let line = |start: u64, size: u64, flags: u64| {
        format!("{start:#018x} {:#018x} {flags:#018x}\n", if size == 0 { 0 } else { start + size - 1 })
    };
    let empty = || line(0, 0, 0);
    if f.kind == Kind::Port {
        return (0..17).map(|_| empty()).collect();
    }
    // 0x140204: memory, prefetchable no, 64 bits (include/linux/ioport.h).
    let first = line(0x38_0000_0000 + ((index as u64) << 20), 0x10_0000, 0x14_0204);
    std::iter::once(first).chain((0..12).map(|_| empty())).collect()
}

/// Header and a short list of capabilities: power management, then PCI Express.
fn config(f: &Function) -> [u8; 256] {
    let mut c = [0u8; 256];
    let mut put = |at: usize, bytes: &[u8]| c[at..at + bytes.len()].copy_from_slice(bytes);
    // The id registers of a virtual function read as all ones; the kernel knows them
    // from the physical one.
    let id = if f.physical.is_some() { (0xffff, 0xffff) } else { (f.id.vendor, f.id.device) };
    put(0x00, &id.0.to_le_bytes());
    put(0x02, &id.1.to_le_bytes());
    put(0x04, &0x0406u16.to_le_bytes());
    put(0x06, &0x0010u16.to_le_bytes());
    put(0x08, &[f.revision]);
    put(0x09, &f.kind.class().to_le_bytes()[..3]);
    let bridge = f.kind == Kind::Port;
    put(0x0e, &[u8::from(bridge) | if f.multifunction { 0x80 } else { 0 }]);
    if bridge {
        put(0x18, &[f.address.bus(), f.busses.0, f.busses.1]);
    } else if let Some(id) = f.subsystem {
        put(0x2c, &id.vendor.to_le_bytes());
        put(0x2e, &id.device.to_le_bytes());
    }
    put(0x34, &[0x40]);
    put(0x40, &[0x01, 0x48, 0x03, 0x00]);
    let port_type: u8 = if bridge { 0x42 } else { 0x02 };
    put(0x48, &[0x10, 0x00, port_type, 0x00]);
    c
}
