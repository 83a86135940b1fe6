//! The capture file: what is read is written so that it is read as the same; redacting
//! what is read gives a capture as well.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passthru_formats::capture::{Answer, parse};
use passthru_formats::redact::redact;

fuzz_target!(|data: &[u8]| {
    let Ok(capture) = parse(data) else { return };
    // Rows of zeros cost nothing to write: large ones are parsed, but not gone on with.
    let size: usize = capture.iter().map(|(_, _, a)| if let Answer::Data(d) = a { d.len() } else { 0 }).sum();
    if size > 1 << 20 {
        return;
    }
    let text = capture.to_text();
    assert_eq!(parse(text.as_bytes()).as_ref(), Ok(&capture));
    assert_eq!(capture.iter().count(), capture.len());

    let (redacted, report) = redact(&capture);
    assert!(redacted.header().redacted && redacted.len() + report.left_out <= capture.len());
    assert_eq!(parse(redacted.to_text().as_bytes()).as_ref(), Ok(&redacted));
});
