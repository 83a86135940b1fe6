//! One file per verb.

pub(crate) mod bind;
pub(crate) mod capture;
mod check;
mod confirm;
mod explain;
mod grant;
mod list;
mod overview;
mod recover;
mod release;
mod run;
mod show;
mod status;

use crate::args::{Cli, Verb};
use crate::context::Context;
use crate::exit::{Code, Failure, Outcome};

/// Carries out the verb.
pub(crate) fn dispatch(cli: Cli) -> Outcome {
    let context = Context::new(cli.global);
    match cli.verb {
        None => overview::run(&context),
        Some(Verb::List(options)) => list::run(&context, &options),
        Some(Verb::Show(options)) => show::run(&context, &options),
        Some(Verb::Check(options)) => check::run(&context, &options),
        Some(Verb::Explain(options)) => explain::run(&context, &options),
        Some(Verb::Bind(options)) => bind::run(&context, &options),
        Some(Verb::Release(options)) => release::run(&context, &options),
        Some(Verb::Run(options)) => run::run(&context, &options),
        Some(Verb::Confirm(options)) => confirm::run(&context, &options),
        Some(Verb::Status) => status::run(&context),
        Some(Verb::Recover(options)) => recover::run(&context, &options),
        Some(Verb::Capture(options)) => capture::run(&context, &options),
    }
}

/// A copy of a host cannot be changed.
pub(crate) fn refuse_copy(context: &Context, verb: &str) -> Result<(), Failure> {
    if context.is_copy() {
        return Err(Failure::new(
            Code::Usage,
            format!("{verb} changes this machine; with --root or --from it can only plan"),
        )
        .hint("add --dry-run"));
    }
    Ok(())
}

/// JSON to standard output.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    // Made whole first: thousands of small writes through the output's layers cost more.
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| Failure::new(Code::Failed, format!("cannot make JSON of the answer: {error}")))?;
    text.push(b'\n');
    crate::context::Out::new().write(|out, _, _| out.write_all(&text))
}
