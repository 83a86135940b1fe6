//! The kernel's log and the texts known in it: whatever stands there, nothing panics, and what was recognised is
//! recognised again without its names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passthru_formats::messages::{self, Program};
use passthru_formats::{audit, kmsg};

const ALL: &[Program] = &[Program::Kernel, Program::Qemu, Program::Libvirt, Program::Tool];

fuzz_target!(|data: &[u8]| {
    assert!(data.ends_with(kmsg::last_boot(data)) && data.ends_with(audit::last_boot(data).0));
    let _ = kmsg::has_beginning(data);
    for record in kmsg::parse(data) {
        assert!(!record.text.is_empty() && !record.text.contains(char::is_control), "{record:?}");
        for hit in messages::scan(&record.text, ALL) {
            let again = messages::scan(&hit.anonymous, &[hit.text.program]);
            assert!(again.iter().any(|h| h.anonymous == hit.anonymous), "{hit:?}");
        }
    }
    let text = String::from_utf8_lossy(data);
    let clean = messages::clean(&text);
    assert_eq!(messages::clean(&clean), clean);
    for hit in messages::scan(&clean, ALL) {
        assert!(hit.line >= 1 && clean.lines().count() >= hit.line, "{hit:?}");
    }
});
