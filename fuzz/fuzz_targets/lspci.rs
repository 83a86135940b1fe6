//! lspci's output: whatever it is, it ends, and the configuration spaces that are made of it
//! are some.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passthru_formats::{config_space, lspci};

fuzz_target!(|data: &[u8]| {
    let Ok(found) = lspci::parse(data) else { return };
    assert!(!found.functions.is_empty() && found.functions.is_sorted_by_key(|f| f.address));
    for function in &found.functions {
        for several in [false, true] {
            let Some(bytes) = function.config(several) else { continue };
            assert!(matches!(bytes.len(), 64 | 256 | 4096));
            if let Ok(space) = config_space::parse(&bytes) {
                let _ = (space.express(), space.access_control(), space.msi(), space.msix());
                let _ = (space.capabilities(), space.extended_capabilities(), space.bus_numbers());
            }
        }
    }
});
