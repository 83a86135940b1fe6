//! `capture`, and opening captures.

use passthru_host::source::Source;

use crate::args::Capture;
use crate::context::Context;
use crate::exit::{Code, Failure, Outcome};

/// A captured host.
pub(crate) fn open(path: &str) -> Result<Box<dyn Source>, Failure> {
    Err(Failure::new(Code::Usage, format!("--from {path}: not there yet")))
}

pub(crate) fn run(_context: &Context, _options: &Capture) -> Outcome {
    Err(Failure::new(Code::Usage, "capture: not there yet"))
}
