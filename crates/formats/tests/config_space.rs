//! Configuration space against two other readers of it: lspci, and the `pcics` crate.
//!
//! The spaces are those of `tests/q35.txt`, and the files of a directory given in
//! `PASSTHRU_DUMPS` (in the form of `lspci -xxxx`; the ones in pciutils' `tests/` are
//! real machines').

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "this test compares with a program and needs files for it"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use passthru_formats::config_space::decode::{Express, PortType};
use passthru_formats::config_space::{ConfigSpace, parse};

const Q35: &str = include_str!("q35.txt");

/// Reads a dump as `lspci -xxxx` prints it: address and bytes of each function. Rows
/// that are left out are zeros.
fn functions(dump: &str) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut inside = false;
    for line in dump.lines() {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let row = first.strip_suffix(':').and_then(|offset| usize::from_str_radix(offset, 16).ok());
        if let (Some(offset), Some((_, bytes)), true) = (row, all.last_mut(), inside) {
            let row: Vec<u8> = rest.split(' ').filter_map(|b| u8::from_str_radix(b, 16).ok()).collect();
            if offset >= bytes.len() && offset + row.len() <= 4096 {
                bytes.resize(offset, 0);
                bytes.extend(row);
            }
        } else if let Ok(address) = first.parse::<passthru_pci::Address>() {
            all.push((address.to_string(), Vec::new()));
            inside = true;
        } else if line.is_empty() {
            inside = false;
        }
    }
    all.retain(|(_, bytes)| matches!(bytes.len(), 64 | 256 | 4096));
    all
}

/// What lspci says with `-vvv`, per function.
fn lspci(functions: &[(String, Vec<u8>)], name: &str) -> Option<Vec<String>> {
    let mut dump = String::new();
    for (address, bytes) in functions {
        writeln!(dump, "{address} x").unwrap();
        for (i, row) in bytes.chunks(16).enumerate() {
            write!(dump, "{:02x}:", i * 16).unwrap();
            row.iter().for_each(|b| write!(dump, " {b:02x}").unwrap());
            dump.push('\n');
        }
        dump.push('\n');
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::write(&file, dump).unwrap();
    let output = Command::new("lspci").args(["-D", "-A", "dump", "-nvvv", "-F"]).arg(&file).output().ok();
    std::fs::remove_file(file).unwrap();
    let text = String::from_utf8_lossy(&output?.stdout).into_owned();
    Some(text.split("\n\n").filter(|s| !s.trim().is_empty()).map(str::to_owned).collect())
}

/// What lspci must say of a function, from our own reading.
fn expected(config: &ConfigSpace) -> Vec<String> {
    let flag = |on: bool| if on { '+' } else { '-' };
    let mut texts = Vec::new();
    let list = config.capabilities();
    texts.extend(list.items.iter().map(|c| format!("Capabilities: [{:02x}]", c.offset)));
    let list = config.extended_capabilities();
    texts.extend(list.items.iter().map(|c| format!("Capabilities: [{:03x} v{}]", c.offset, c.version)));
    if let Some(id) = config.subsystem() {
        texts.push(format!("Subsystem: {id}"));
    }
    if let Some(buses) = config.bus_numbers() {
        texts.push(format!(
            "primary={:02x}, secondary={:02x}, subordinate={:02x}",
            buses.primary, buses.secondary, buses.subordinate
        ));
    }
    if let Some(express) = config.express() {
        texts.push(format!("Express (v{}) {}", express.version, port_type(&express)));
        if matches!(express.port_type, PortType::Endpoint) {
            texts.push(format!("FLReset{}", flag(express.function_level_reset)));
        }
        let links = [("LnkCap:\tPort #", express.link_capability), ("LnkSta:\tSpeed", express.link_status)];
        for (_, link) in links {
            let Some(link) = link else { continue };
            if let Some(speed) = link.speed {
                texts.push(format!("Speed {}", speed.to_string().replace(' ', "")));
            }
            if let Some(width) = link.width {
                texts.push(format!("Width x{width}"));
            }
        }
        if let Some(slot) = express.slot {
            texts.push(format!("Slot #{},", slot.number));
            texts.push(format!("HotPlug{}", flag(slot.hot_plug)));
        }
    }
    if let Some(power) = config.power_management() {
        texts.push(format!("Status: D{} NoSoftRst{}", power.state, flag(power.no_soft_reset)));
    }
    if let Some(msi) = config.msi() {
        texts.push(format!("MSI: Enable{} Count=", flag(msi.enabled)));
        texts.push(format!("/{} Maskable{} 64bit{}", msi.vectors, flag(msi.maskable), flag(msi.is_64bit)));
    }
    if let Some(msix) = config.msix() {
        texts.push(format!("MSI-X: Enable{} Count={} ", flag(msix.enabled), msix.vectors));
        texts.push(format!("Vector table: BAR={} offset={:08x}", msix.table.0, msix.table.1));
        texts.push(format!("PBA: BAR={} offset={:08x}", msix.pending.0, msix.pending.1));
    }
    if let Some(reset) = config.advanced_features_reset() {
        texts.push(format!("FLR{}", flag(reset)));
    }
    if let Some(acs) = config.access_control() {
        for (word, bits) in [("ACSCap", acs.capability), ("ACSCtl", acs.control)] {
            let on = |bit: u16| flag(bits & bit != 0);
            texts.push(format!(
                "{word}:\tSrcValid{} TransBlk{} ReqRedir{} CmpltRedir{} UpstreamFwd{} EgressCtrl{} DirectTrans{}",
                on(1),
                on(2),
                on(4),
                on(8),
                on(0x10),
                on(0x20),
                on(0x40)
            ));
        }
    }
    if let Some(sriov) = config.sriov() {
        texts.push(format!("IOVCtl:\tEnable{}", flag(sriov.enabled)));
        texts.push(format!(
            "Initial VFs: {}, Total VFs: {}, Number of VFs: {},",
            sriov.initial, sriov.total, sriov.active
        ));
        texts.push(format!(
            "VF offset: {}, stride: {}, Device ID: {:04x}",
            sriov.offset, sriov.stride, sriov.device
        ));
    }
    if let Some(serial) = config.serial_number() {
        texts.push(format!("Device Serial Number {serial}"));
    }
    texts
}

fn port_type(express: &Express) -> String {
    let slot = if express.slot.is_some() { '+' } else { '-' };
    match express.port_type {
        PortType::Endpoint => "Endpoint".into(),
        PortType::LegacyEndpoint => "Legacy Endpoint".into(),
        PortType::RootPort => format!("Root Port (Slot{slot})"),
        PortType::UpstreamPort => "Upstream Port".into(),
        PortType::DownstreamPort => format!("Downstream Port (Slot{slot})"),
        PortType::PciBridge => "PCI-Express to PCI/PCI-X Bridge".into(),
        PortType::PcieBridge => format!("PCI/PCI-X to PCI-Express Bridge (Slot{slot})"),
        PortType::RootComplexEndpoint => "Root Complex Integrated Endpoint".into(),
        PortType::RootComplexEventCollector => "Root Complex Event Collector".into(),
        PortType::Other(n) => format!("Unknown type {n}"),
    }
}

fn compare_with_lspci(dump: &str, name: &str) -> usize {
    let functions = functions(dump);
    let Some(sections) = lspci(&functions, name) else {
        eprintln!("SKIPPED: lspci is not installed");
        return 0;
    };
    let mut compared = 0;
    for (address, bytes) in &functions {
        let Ok(config) = parse(bytes) else { continue };
        let section = sections.iter().find(|s| s.starts_with(address.as_str()));
        let section = section.unwrap_or_else(|| panic!("{name}: lspci says nothing of {address}"));
        for text in expected(&config) {
            assert!(section.contains(&text), "{name} {address}: '{text}' is not in\n{section}");
            compared += 1;
        }
        // It shows each entry once, and says where a list is broken.
        let shown = section.matches("Capabilities: [").count();
        let (list, extended) = (config.capabilities(), config.extended_capabilities());
        let broken = usize::from(list.broken_at.is_some()) + usize::from(extended.broken_at.is_some());
        let ours = list.items.len() + extended.items.len();
        assert!((ours..=ours + broken).contains(&shown), "{name} {address}: {ours} {broken}\n{section}");
    }
    compared
}

#[test]
fn lspci_reads_the_same() {
    let compared = compare_with_lspci(Q35, "q35");
    eprintln!("q35: {compared} statements compared with lspci");
    let Some(directory) = std::env::var_os("PASSTHRU_DUMPS") else {
        return eprintln!("SKIPPED: no directory of further dumps in PASSTHRU_DUMPS");
    };
    let mut files = 0;
    let mut compared = 0;
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        compared += compare_with_lspci(&text, &path.file_name().unwrap().to_string_lossy());
        files += 1;
    }
    eprintln!("{files} dumps: {compared} statements compared with lspci");
}

#[test]
fn pcics_reads_the_same() {
    use pcics::capabilities::CapabilityKind;
    use pcics::extended_capabilities::ExtendedCapabilityKind;
    let functions = functions(Q35);
    assert_eq!(functions.len(), 27);
    for (address, bytes) in functions {
        let config = parse(&bytes).unwrap();
        let header: [u8; 64] = bytes[..64].try_into().unwrap();
        let header = pcics::Header::from(header);
        assert_eq!(
            (config.id().vendor, config.id().device),
            (header.vendor_id, header.device_id),
            "{address}"
        );
        assert_eq!(config.revision(), header.revision_id);
        assert_eq!(config.is_multi_function(), header.is_multi_function);

        let theirs: Vec<_> = pcics::Capabilities::new(&bytes[64..256], &header).map(Result::unwrap).collect();
        let ours = config.capabilities();
        assert_eq!(ours.broken_at, None);
        assert_eq!(
            ours.items.iter().map(|c| c.offset).collect::<Vec<_>>(),
            theirs.iter().map(|c| c.pointer).collect::<Vec<_>>(),
            "{address}"
        );
        for capability in &theirs {
            match &capability.kind {
                CapabilityKind::PciExpress(theirs) => {
                    let ours = config.express().unwrap();
                    assert_eq!(ours.version, theirs.version);
                    let device = &theirs.device.capabilities;
                    assert_eq!(ours.function_level_reset, device.function_level_reset_capability);
                }
                CapabilityKind::PowerManagementInterface(theirs) => {
                    let ours = config.power_management().unwrap();
                    assert_eq!(ours.no_soft_reset, theirs.control.no_soft_reset);
                }
                CapabilityKind::MsiX(theirs) => {
                    let ours = config.msix().unwrap();
                    assert_eq!(ours.vectors - 1, theirs.message_control.table_size);
                    assert_eq!(ours.enabled, theirs.message_control.msi_x_enable);
                }
                _ => {}
            }
        }
        if bytes.len() < 4096 {
            continue;
        }
        let theirs: Vec<_> = pcics::ExtendedCapabilities::new(&bytes[256..]).map(Result::unwrap).collect();
        let ours = config.extended_capabilities();
        assert_eq!(ours.broken_at, None);
        assert_eq!(
            ours.items.iter().map(|c| (c.id, c.version, c.offset)).collect::<Vec<_>>(),
            theirs.iter().map(|c| (c.id(), c.version, c.offset)).collect::<Vec<_>>(),
            "{address}"
        );
        for capability in &theirs {
            match &capability.kind {
                ExtendedCapabilityKind::SingleRootIoVirtualization(theirs) => {
                    let ours = config.sriov().unwrap();
                    assert_eq!((ours.initial, ours.total), (theirs.initial_vfs, theirs.total_vfs));
                    assert_eq!((ours.offset, ours.stride), (theirs.first_vf_offset, theirs.vf_stride));
                    assert_eq!((ours.active, ours.device), (theirs.num_vfs, theirs.vf_device_id));
                }
                ExtendedCapabilityKind::AccessControlServices(theirs) => {
                    let ours = config.access_control().unwrap();
                    let can = &theirs.acs_capability;
                    assert_eq!(ours.capability & 1 != 0, can.acs_source_validation);
                    assert_eq!(ours.capability & 0x10 != 0, can.acs_upstream_forwarding);
                    assert_eq!(ours.capability & 0x40 != 0, can.acs_direct_translated_p2p);
                    assert_eq!(ours.control & 4 != 0, theirs.acs_control.acs_p2p_request_redirect_enable);
                }
                _ => {}
            }
        }
    }
}
