//! Configuration space: lists end, registers are inside, and redaction keeps what is
//! known but the serial number.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use passthru_formats::capture::{Answer, Capture, Op};
use passthru_formats::config_space::{Completeness, ConfigSpace, parse};
use passthru_formats::redact::redact;

fn look(config: &ConfigSpace) {
    let list = config.capabilities().items;
    assert!(list.iter().all(|c| c.offset >= 0x40 && c.offset % 4 == 0));
    assert_eq!(list.iter().map(|c| c.offset).collect::<BTreeSet<_>>().len(), list.len());
    let list = config.extended_capabilities().items;
    assert!(list.iter().all(|c| c.offset >= 0x100 && c.offset % 4 == 0));
    assert_eq!(list.iter().map(|c| c.offset).collect::<BTreeSet<_>>().len(), list.len());
    if config.completeness() == Completeness::HeaderOnly {
        assert!(config.capabilities().items.is_empty() && list.is_empty());
    }
    assert!(config.base_addresses().count() <= 6);
    let _ = (config.id(), config.class(), config.command(), config.rom_address(), config.bus_numbers());
    let _ = (config.subsystem(), config.interrupt_pin(), config.forwards_vga());
    if let Some(express) = config.express() {
        assert!(express.version < 16);
        let _ = express.port_type.to_string();
    }
    if let Some(msi) = config.msi() {
        assert!((1..=32).contains(&msi.vectors));
    }
    if let Some(msix) = config.msix() {
        assert!((1..=2048).contains(&msix.vectors));
    }
    if let Some(acs) = config.access_control() {
        assert_eq!(acs.missing() & !acs.capability, 0);
    }
    let _ = (config.power_management(), config.advanced_features_reset(), config.sriov());
}

fuzz_target!(|data: &[u8]| {
    // Short inputs stand for the beginning of a whole space.
    let mut padded = data.to_vec();
    padded.resize(data.len().next_multiple_of(256).min(4096).max(data.len()), 0);
    for bytes in [data, &padded] {
        let Ok(config) = parse(bytes) else { continue };
        assert_eq!(config.bytes(), bytes);
        look(&config);

        let path = "/sys/bus/pci/devices/0000:01:00.0/config";
        let mut capture = Capture::default();
        capture.insert(Op::Read, path, Answer::Data(bytes.to_vec())).unwrap();
        let (redacted, _) = redact(&capture);
        let Some(Answer::Data(after)) = redacted.get(Op::Read, path) else { panic!("withheld") };
        let after = parse(after).unwrap();
        look(&after);
        assert_eq!(after.bytes().len(), bytes.len());
        assert_eq!(after.bytes()[..64], bytes[..64]);
        assert_eq!(after.capabilities(), config.capabilities());
        assert_eq!(after.extended_capabilities(), config.extended_capabilities());
        assert_eq!(after.power_management(), config.power_management());
    }
});
