//! `recover`.

use std::time::Duration;

use passthru_apply::live::Live;
use passthru_apply::recover::{self, Recovered};
use passthru_apply::transaction::ChangeError;

use super::bind::{Change, need_root};
use super::refuse_copy;
use crate::args::Recover;
use crate::context::Context;
use crate::exit::{Code, Failure, Outcome};

pub(crate) fn run(context: &Context, options: &Recover) -> Outcome {
    refuse_copy(context, "recover")?;
    need_root("recover")?;
    let live = Live::new().map_err(|error| Failure::new(Code::Failed, format!("cannot open /: {error}")))?;
    let change = Change { verb: "recover", devices: &[], dry_run: false, lock_timeout: options.lock_timeout };
    let patience = Duration::from_secs(options.lock_timeout.into());
    let recovered = passthru_apply::books::lock(&live, patience, "recover")
        .map_err(ChangeError::from)
        .and_then(|guard| recover::under(&guard).map_err(ChangeError::from))
        .map_err(|error| change.failure(error))?;
    context.note(&recovered.as_ref().map_or_else(|| "nothing to recover".into(), sentence));
    Ok(Code::Done.into())
}

/// What was done about an interrupted change.
pub(crate) fn sentence(recovered: &Recovered) -> String {
    let plan = &recovered.interrupted.plan;
    let names: Vec<_> = plan.devices.iter().map(ToString::to_string).collect();
    let what = match plan.intent {
        passthru_model::Intent::Bind => "bind",
        passthru_model::Intent::Release => "release",
    };
    if plan.steps.is_empty() {
        return "an earlier passthru was interrupted before it changed anything".into();
    }
    if recovered.interrupted.other_boot {
        return format!(
            "an earlier {what} of {} was cut off by the end of its boot, and went with it",
            names.join(" ")
        );
    }
    let done = match (&recovered.unfinished, recovered.finished) {
        (_, true) => "finished".into(),
        (None, false) => "undone".into(),
        (Some(why), false) => format!("it could not be finished ({why}) and was undone"),
    };
    format!(
        "an earlier {what} of {} was interrupted after {} of {} steps: {done}",
        names.join(" "),
        recovered.interrupted.begun,
        plan.steps.len()
    )
}
