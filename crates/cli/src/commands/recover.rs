//! `recover`, and telling what was looked after.

use std::time::Duration;

use passthru_apply::books::{self, Patience};
use passthru_apply::journal;
use passthru_apply::live;
use passthru_apply::parked::Settled;
use passthru_apply::reap::{Reaped, What};
use passthru_apply::recover::{self, Awaited, Cleanup, Recovered};
use passthru_apply::transaction::ChangeError;
use passthru_model::Holder;

use super::bind::{Change, need_root};
use super::refuse_copy;
use crate::args::Recover;
use crate::context::Context;
use crate::exit::{Code, Failure, Outcome};
use crate::render::words;

pub(crate) fn run(context: &Context, options: &Recover) -> Outcome {
    refuse_copy(context, "recover")?;
    need_root("recover")?;
    if options.when_due {
        return when_due(context);
    }
    let live = context.live()?;
    let change = Change::new("recover", &[], &options.waiting);
    let told = |holder: &str| context.note_waiting(holder);
    let cleanup = books::lock(&*live, context.patience(&options.waiting, &told), "recover")
        .map_err(ChangeError::from)
        .and_then(|guard| recover::under(&guard, Awaited::Undone).map_err(ChangeError::from))
        .map_err(|error| change.failure(error))?;
    if cleanup.is_empty() {
        context.note("nothing to recover");
    }
    tell(context, &cleanup);
    not_all(&cleanup).map_or_else(|| Ok(Code::Done.into()), Err)
}

/// Waits until the change that waits to be confirmed is confirmed or its time is over, and
/// undoes it then. Nobody reads its output: it writes to the kernel's log.
fn when_due(context: &Context) -> Outcome {
    /// How often it looks whether the change was confirmed.
    const INTERVAL: Duration = Duration::from_secs(2);
    /// How long it waits for the lock: nobody else would undo the change.
    const PATIENCE: Duration = Duration::from_secs(3600);
    live::own_session();
    let live = context.live()?;
    let left = || -> Option<u64> {
        let until = journal::interrupted(&*live).ok().flatten()?.awaiting?;
        Some(until.saturating_sub(journal::uptime(&*live).ok()?))
    };
    while let Some(left) = left() {
        if left > 0 {
            std::thread::sleep(INTERVAL.min(Duration::from_secs(left)));
            continue;
        }
        let patience = Patience { lock: PATIENCE, ..Patience::NONE };
        let done = books::lock(&*live, patience, "recover")
            .map_err(ChangeError::from)
            .and_then(|guard| recover::under(&guard, Awaited::Stays).map_err(ChangeError::from));
        match done {
            Ok(cleanup) => sentences(&cleanup).iter().for_each(|line| live::log(line)),
            Err(error) => live::log(&format!("a change that nobody confirmed: {error}")),
        }
        break;
    }
    Ok(Code::Done.into())
}

/// Tells of what was looked after.
pub(crate) fn tell(context: &Context, cleanup: &Cleanup) {
    for line in sentences(cleanup) {
        context.note(&line);
    }
}

/// What is not as it should be although everything was tried.
fn not_all(cleanup: &Cleanup) -> Option<Failure> {
    let mut left = Vec::new();
    for settled in &cleanup.settled {
        match settled {
            Settled::Free(_) => {}
            Settled::Still(stuck) => left.push(format!("{} is still stuck", stuck.device)),
            Settled::Failed(device, error) => left.push(format!("{device}: {error}")),
            Settled::Broken(name, why) => left.push(format!("/run/passthru/stuck/{name}: {why}")),
        }
    }
    let interrupted = cleanup.interrupted.iter().flat_map(|recovered| &recovered.stuck);
    left.extend(interrupted.map(|stuck| format!("{} is stuck", stuck.device)));
    for reaped in &cleanup.reaped {
        left.extend(reaped.failed.iter().map(|why| format!("{}: {why}", words::list(&reaped.devices))));
    }
    let mut failure = Failure::new(Code::Changed, "not everything could be looked after")
        .hint("`passthru status` shows what is left, and who holds it");
    if left.is_empty() {
        return None;
    }
    for line in left {
        failure = failure.detail(line);
    }
    Some(failure)
}

/// What was looked after, a sentence each.
fn sentences(cleanup: &Cleanup) -> Vec<String> {
    let mut lines: Vec<String> = cleanup.settled.iter().map(settled).collect();
    if let Some(recovered) = &cleanup.interrupted {
        lines.push(interrupted(recovered));
        lines.extend(
            recovered.stuck.iter().map(|stuck| format!("{} is stuck: {}", stuck.device, stuck.sentence())),
        );
    }
    lines.extend(cleanup.reaped.iter().map(reaped));
    lines
}

fn settled(settled: &Settled) -> String {
    match settled {
        Settled::Free(device) => {
            format!("{device} was stuck: the write has come back, and what was begun is undone")
        }
        Settled::Still(stuck) => format!("{} is stuck: {}", stuck.device, stuck.sentence()),
        Settled::Failed(device, error) => {
            format!("{device} was stuck, the write has come back, and undoing failed: {error}")
        }
        Settled::Broken(name, why) => format!("warning: /run/passthru/stuck/{name}: {why}"),
    }
}

fn reaped(reaped: &Reaped) -> String {
    let devices = words::list(&reaped.devices);
    let Holder { program, pid, .. } = &reaped.holder;
    let notes: String = reaped.notes.iter().map(|note| format!("; {note}")).collect();
    match (reaped.what, &reaped.failed) {
        (What::Devices, None) => format!(
            "{devices}: given back, because {program} (process {pid}), for which it was bound, is gone{notes}"
        ),
        (What::Devices, Some(why)) => format!(
            "{devices}: {program} (process {pid}), for which it was bound, is gone, but giving it back failed: {why}"
        ),
        (What::Nodes, None) => format!(
            "{devices}: its node is as it was before, because {program} (process {pid}), for which a user was let use it, is gone{notes}"
        ),
        (What::Nodes, Some(why)) => format!(
            "{devices}: {program} (process {pid}), for which a user was let use its node, is gone, but putting the node back failed: {why}"
        ),
    }
}

/// What was done about an interrupted change.
fn interrupted(recovered: &Recovered) -> String {
    let interrupted = &recovered.interrupted;
    let plan = &interrupted.plan;
    let names = words::list(&plan.devices);
    let what = match plan.intent {
        passthru_model::Intent::Bind => "bind",
        passthru_model::Intent::Release => "release",
        passthru_model::Intent::Grant => "change of access",
    };
    if plan.steps.is_empty() {
        return "an earlier passthru was interrupted before it changed anything".into();
    }
    if interrupted.other_boot {
        return format!("an earlier {what} of {names} was cut off by the end of its boot, and went with it");
    }
    if interrupted.awaiting.is_some() {
        return format!("the {what} of {names} was not confirmed, and is undone");
    }
    let done = match (&recovered.unfinished, recovered.finished) {
        (_, true) => "finished".into(),
        (None, false) => "undone".into(),
        (Some(why), false) => format!("it could not be finished ({why}) and was undone"),
    };
    format!(
        "an earlier {what} of {names} was interrupted after {} of {} steps: {done}",
        interrupted.begun,
        plan.steps.len()
    )
}
