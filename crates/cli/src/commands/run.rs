//! `run`.

use crate::args::Run;
use crate::context::Context;
use crate::exit::{Code, Failure, Outcome};

pub(crate) fn run(_context: &Context, _options: &Run) -> Outcome {
    Err(Failure::new(Code::Usage, "run: not there yet"))
}
