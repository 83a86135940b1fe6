//! Initramfs images: what is kept of one says the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passthru_formats::image;

fuzz_target!(|data: &[u8]| {
    if let Ok(found) = image::read(data) {
        let kept = found.to_bytes().unwrap();
        assert_eq!(image::read(&*kept).unwrap(), found);
        for (path, module) in found.first() {
            assert!(found.files.contains_key(&path), "{module}");
        }
        assert!(found.modprobe().all(|(path, _)| path.ends_with(".conf")));
    }
});
