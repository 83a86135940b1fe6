//! ACPI tables: whatever stands in them, the parsers end, and what they give adds up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passthru_formats::acpi::{HEADER, dmar, iort, ivrs, viot};

fn look(bytes: &[u8]) {
    if let Ok(dmar) = dmar::parse(bytes) {
        assert!((1..=256).contains(&dmar.address_width));
        let units = dmar.units.iter().flat_map(|u| &u.scopes);
        for scope in units.chain(dmar.reserved.iter().flat_map(|r| &r.scopes)) {
            assert!(!scope.path.is_empty() && scope.path.len() < 128);
        }
    }
    if let Ok(ivrs) = ivrs::parse(bytes) {
        assert!(ivrs.used_units().count() <= ivrs.units.len());
        for memory in &ivrs.memory {
            assert!(memory.length == 0 || memory.end() >= memory.start);
        }
    }
    if let Ok(viot) = viot::parse(bytes) {
        for range in &viot.ranges {
            assert!(viot.units.iter().any(|unit| unit.offset == range.unit));
        }
    }
    if let Ok(iort) = iort::parse(bytes) {
        assert!(iort.smmus().count() <= iort.nodes.len());
        let _ = iort.segment_has_smmu(0);
    }
}

fuzz_target!(|data: &[u8]| {
    look(data);
    // With a header that fits, as nobody guesses a checksum.
    let mut sealed = data.to_vec();
    sealed.resize(data.len().max(HEADER), 0);
    let length = sealed.len() as u32;
    sealed[4..8].copy_from_slice(&length.to_le_bytes());
    for signature in [b"DMAR", b"IVRS", b"VIOT", b"IORT"] {
        sealed[..4].copy_from_slice(signature);
        sealed[9] = 0;
        sealed[9] = sealed.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg();
        look(&sealed);
    }
});
