//! `capture`, and opening captures.

use passthru_apply::{books, journal, live};
use passthru_formats::redact::redact;
use passthru_host::source::{self, OpenError, Source};

use crate::args::Capture;
use crate::context::{Context, Out};
use crate::exit::{Code, Failure, Outcome};

/// What goes into the file as its maker.
const TOOL: &str = concat!("passthru ", env!("CARGO_PKG_VERSION"));

/// A captured host, or what lspci printed of one; `-` is standard input.
pub(crate) fn open(path: &str) -> Result<Box<dyn Source>, Failure> {
    source::open(path).map_err(|error| {
        let hint = match error {
            OpenError::File { .. } => "",
            OpenError::Capture { .. } => "`passthru capture -o FILE` makes one",
            OpenError::Listing { .. } => {
                "`passthru capture -o FILE` makes a capture, `lspci -nnk -vvvxxxx` as root the text"
            }
        };
        Failure::new(Code::Usage, format!("--from {error}")).hint(hint)
    })
}

pub(crate) fn run(context: &Context, options: &Capture) -> Outcome {
    let source = context.source()?;
    // What status shows goes along: leases, and whether a change was interrupted. Their
    // answers are recorded; what they mean is the reader's business.
    let also = |recorder: &dyn Source| {
        let _ = books::records(recorder);
        let _ = journal::interrupted(recorder);
    };
    let captured = passthru_host::capture(&*source, TOOL, &also)
        .map_err(|error| Failure::new(Code::Failed, error.to_string()))?;
    for (path, why) in &captured.refused {
        context.note(&format!("warning: left out {path}: {why}"));
    }
    let (text, said) = if options.with_identifiers {
        (captured.capture.to_text(), "every identifier is in it: look through it before you send it".into())
    } else {
        let (capture, report) = redact(&captured.capture);
        (capture.to_text(), report.to_string())
    };
    match options.output.as_deref() {
        None | Some("-") => Out::new().write(|out, _, _| out.write_all(text.as_bytes()))?,
        Some(path) => {
            live::save(path, text.as_bytes())
                .map_err(|error| Failure::new(Code::Failed, format!("cannot write {path}: {error}")))?;
            context.note(&format!("{path}: {} records, {} bytes", captured.capture.len(), text.len()));
        }
    }
    context.note(&said);
    if !source.rights().root {
        context.note("made without root: capabilities and some users of devices could not be read");
    }
    Ok(Code::Done.into())
}
