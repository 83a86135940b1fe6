//! A kernel's configuration, packed or not: the lines that are kept say what all of it says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passthru_formats::kconfig::{self, OPTIONS};

fuzz_target!(|data: &[u8]| {
    let unpacked = kconfig::gunzip(data);
    let text = unpacked.as_deref().unwrap_or(data);
    let config = kconfig::select(text, OPTIONS);
    let kept = kconfig::without_others(text, OPTIONS);
    assert_eq!(kconfig::select(&kept, OPTIONS), config);
    if let Some(config) = config {
        let lines: String = OPTIONS.iter().map(|name| config.line(name) + "\n").collect();
        let again = kconfig::select(format!("CONFIG_PCI=y\n{lines}").as_bytes(), OPTIONS);
        for name in OPTIONS {
            assert_eq!(again.as_ref().map(|c| c.is_on(name)), Some(config.is_on(name)), "{name}");
        }
    }
});
