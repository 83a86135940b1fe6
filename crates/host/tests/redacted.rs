//! Every path that a reader asks for has a row in the white list of `formats::redact`: a
//! reader without one would make redacted captures that do not replay.

use passthru_formats::capture::Answer;
use passthru_formats::redact::redact;
use passthru_host::source::Directory;

#[test]
fn every_reader_has_its_rows() {
    // This machine, whatever it is: what it does not have is asked for all the same.
    let source = Directory::live().expect("/ can be opened");
    let captured = passthru_host::capture(&source, "test", &|_| {}).expect("this machine has PCI devices");
    let (redacted, report) = redact(&captured.capture);
    let missing: Vec<String> = captured
        .capture
        .iter()
        .filter(|(op, path, answer)| {
            // What was replaced in a path cannot be found under its own name; a withheld
            // answer or a missing error can.
            let shown = redacted.get(*op, path);
            matches!(shown, Some(Answer::Withheld)) || (shown.is_none() && matches!(answer, Answer::Error(_)))
        })
        .map(|(op, path, _)| format!("{} {path}", op.word()))
        .collect();
    assert!(report.left_out == 0 && report.withheld == 0, "{report}: {missing:#?}");
}
