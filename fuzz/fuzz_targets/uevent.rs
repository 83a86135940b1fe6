//! `uevent`, `resource` and `reserved_regions`: written as the kernel does, they are
//! read as the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passthru_formats::{reserved_regions, resource, uevent};

fuzz_target!(|data: &[u8]| {
    let (found, _) = uevent::parse(data);
    let mut text = String::new();
    if let Some(driver) = found.driver {
        text += &format!("DRIVER={driver}\n");
    }
    if let Some(class) = found.class {
        text += &format!("PCI_CLASS={:04X}\n", class.bits());
    }
    for (key, id) in [("PCI_ID", found.id), ("PCI_SUBSYS_ID", found.subsystem)] {
        if let Some(id) = id {
            text += &format!("{key}={:04X}:{:04X}\n", id.vendor, id.device);
        }
    }
    if let Some(address) = found.slot_name {
        text += &format!("PCI_SLOT_NAME={address}\n");
    }
    if let Some(modalias) = found.modalias {
        text += &format!("MODALIAS={modalias}\n");
    }
    assert_eq!(uevent::parse(text.as_bytes()), (found, None));

    if let Ok(all) = resource::parse(data) {
        let lines = data.split(|c| *c == b'\n').count();
        assert!(all.len() <= lines);
        for one in &all {
            assert!(one.start <= one.end && usize::from(one.index) < lines);
            assert!(one.size() > 0 && !(one.flags.is_io() && one.flags.is_memory()));
        }
    }

    let regions: Vec<_> = reserved_regions::parse(data).flatten().collect();
    let text: String =
        regions.iter().map(|r| format!("{:#018x} {:#018x} {}\n", r.start, r.end, r.kind.word())).collect();
    let again: Vec<_> = reserved_regions::parse(text.as_bytes()).map(Result::unwrap).collect();
    assert_eq!(again, regions);
});
