//! `confirm`, and starting whoever undoes what nobody confirms.

use passthru_apply::live;
use passthru_apply::transaction::{self, ConfirmError};

use super::bind::{books_failure, need_root};
use super::refuse_copy;
use crate::args::Confirm;
use crate::context::Context;
use crate::exit::{Code, Failure, Outcome};
use crate::render::words;

pub(crate) fn run(context: &Context, options: &Confirm) -> Outcome {
    refuse_copy(context, "confirm")?;
    need_root("confirm")?;
    let told = |holder: &str| context.note_waiting(holder);
    let patience = context.patience(&options.waiting, &told);
    match transaction::confirm(&*context.live()?, patience) {
        Ok(plan) => {
            context.note(&format!("confirmed: {} stays as it is", words::list(&plan.devices)));
            Ok(Code::Done.into())
        }
        Err(ConfirmError::Books(error)) => Err(books_failure(&error)),
        Err(error @ ConfirmError::None) => {
            Err(Failure::new(Code::Failed, error.to_string()).hint("`passthru status` shows what is bound"))
        }
        Err(error @ ConfirmError::Late(_)) => {
            Err(Failure::new(Code::Failed, error.to_string()).hint("make the change again"))
        }
    }
}

/// Starts the process that undoes the change when its time is over.
pub(crate) fn watch() -> Result<(), String> {
    live::start_detached(&["recover", "--when-due"])
}
