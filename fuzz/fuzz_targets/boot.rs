//! Files about booting: modprobe.d, generators of initramfs images, depmod's lists, the
//! processor, ids on the command line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passthru_formats::{cpuinfo, dynamic_id, initramfs, iomem, modprobe, modules};

fuzz_target!(|data: &[u8]| {
    let count = data.iter().filter(|c| **c == b'\n').count() + 1;
    for (line, command) in modprobe::parse(data) {
        assert!(line <= count);
        if let modprobe::Command::Options { options, .. } = command {
            let _ = modprobe::option(&options, "ids");
        }
    }
    for assignment in initramfs::assignments(data) {
        assert!(assignment.line <= count && !assignment.key.is_empty());
        let _ = (assignment.words().count(), assignment.lacks_blanks());
    }
    for (line, name) in initramfs::module_lines(data) {
        assert!(line <= count && !name.is_empty());
    }
    for (name, path) in modules::list(data, &|_| true) {
        assert!(!name.is_empty() && !name.contains('-') && !path.is_empty());
    }
    assert!(modules::loaded(data).all(|loaded| !loaded.name.is_empty()));
    let _ = modules::claimants(data, "pci:v000010DEd00001284sv000010B0sd00001284bc03sc00i00");
    if let Some((pattern, text)) = data.split_at_checked(data.len() / 2) {
        let _ = modules::glob(pattern, text);
    }
    let _ = cpuinfo::parse(data);
    let found = iomem::boot_framebuffers(data);
    let bare = iomem::without_other_names(data);
    assert_eq!(iomem::boot_framebuffers(bare.as_bytes()), found);
    if let Ok(text) = std::str::from_utf8(data) {
        for (part, id) in dynamic_id::parse(text) {
            assert!(id.is_none() || part.contains(':'));
        }
    }
});
