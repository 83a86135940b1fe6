//! Plans and refusals for people.

use std::io::{self, Write};

use passthru_model::plan::Plan;
use passthru_model::{Refusal, Step, User};
use passthru_plan::shell;

use crate::exit::{Code, Failure};
use crate::render::words;

/// One step in words.
pub(crate) fn step(step: &Step) -> String {
    match step {
        Step::LoadModule { module } => format!("load the module {module}"),
        Step::HoldDisk { node, .. } => format!("hold {node} so that nobody can mount it meanwhile"),
        Step::OpenLease { lease } => {
            let from = lease.original_driver.as_deref().unwrap_or("no driver");
            format!("note that {} was on {from}", lease.device)
        }
        Step::CloseLease { lease } => format!("strike the note about {}", lease.device),
        Step::SetOverride { device, value: Some(value), .. } => {
            format!("let {device} be taken by {value} only")
        }
        Step::SetOverride { device, value: None, .. } => format!("let {device} be taken by any driver"),
        Step::Unbind { device, driver, .. } => format!("take {device} from {driver}"),
        Step::Probe { device, driver } => format!("put {device} on {driver}"),
        Step::SetAccess { node, value, .. } => {
            format!("let user {}, group {} use {node} (mode {:o})", value.uid, value.gid, value.mode)
        }
    }
}

/// The steps, each with the shell command it is equivalent to.
pub(crate) fn write(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    for loss in &plan.losses {
        writeln!(out, "the host loses: {} ({})", loss.what, loss.device)?;
    }
    if plan.steps.is_empty() {
        writeln!(out, "nothing to do")?;
    }
    for (number, step_) in plan.steps.iter().enumerate() {
        writeln!(out, "{:3}. {}", number + 1, step(step_))?;
        writeln!(out, "       {}", shell::command(step_))?;
    }
    Ok(())
}

/// What a user is let use, once there are nodes and udev is through with them.
pub(crate) fn write_grant(out: &mut dyn Write, user: &User, nodes: &[String]) -> io::Result<()> {
    for node in nodes {
        writeln!(out, "then, unless user {user} may use it already, let user {user} use {node}")?;
        writeln!(out, "       udevadm settle && chown {} {node} && chmod u+rw {node}", user.uid)?;
    }
    Ok(())
}

/// Every reason, with its evidence and what to do.
pub(crate) fn refusal(verb: &str, refusals: &[Refusal]) -> Failure {
    let mut devices: Vec<String> = refusals.iter().map(|r| r.device.to_string()).collect();
    devices.sort();
    devices.dedup();
    let mut failure = Failure::new(
        Code::Refused,
        format!("{verb} {}: refused, and nothing was changed", words::list(devices)),
    );
    for refusal in refusals {
        failure = failure.detail(format!("{} [{}] {}", refusal.device, refusal.reason, refusal.evidence));
        if !refusal.hint.is_empty() {
            failure = failure.hint(refusal.hint.clone());
        }
    }
    failure
}
