//! `bind`, and what every verb that changes the host shares: planning, printing,
//! applying, telling of failures.

use std::time::Duration;

use passthru_apply::books::{self, BooksError};
use passthru_apply::live::Live;
use passthru_apply::target::LockError;
use passthru_apply::transaction::{self, Applied, ChangeError, MakePlan};
use passthru_formats::Errno;
use passthru_host::source::Source;
use passthru_model::plan::{NoPlan, Plan};
use passthru_model::{LeaseRecord, Reason, Wants};
use passthru_pci::Address;
use passthru_plan::planner::{BindWish, plan_bind};

use super::{print_json, refuse_copy};
use crate::args::{Bind, Binding};
use crate::context::{Context, Many, Out, needs_usage, parse_names, parse_reasons, plan_wants, select};
use crate::exit::{Code, Failure, Outcome};
use crate::render::{json, plan as render};

pub(crate) fn run(context: &Context, options: &Bind) -> Outcome {
    if !options.dry_run {
        refuse_copy(context, "bind")?;
    }
    let source = context.source()?;
    let devices = chosen(context, &*source, &options.devices, options.binding.all_matching)?;
    let allow = parse_reasons(&options.binding.allow)?;
    let now = now();
    let make = |snapshot: &passthru_model::Snapshot, leases: &[LeaseRecord]| {
        let wish = wish(&devices, &options.binding, &allow, leases, now);
        plan_bind(snapshot, &wish)
    };
    let change = Change {
        verb: "bind",
        devices: &devices,
        dry_run: options.dry_run,
        lock_timeout: options.binding.lock_timeout,
    };
    change.carry_out(context, &*source, &make, &|plan| {
        let verb = if plan.steps.is_empty() { "nothing to do: " } else { "" };
        let names: Vec<_> = plan.devices.iter().map(ToString::to_string).collect();
        format!("{verb}{} on {}", names.join(" "), options.binding.driver)
    })
}

/// What `bind` and `run` ask the planner for.
pub(crate) fn wish<'a>(
    devices: &'a [Address],
    binding: &'a Binding,
    allow: &'a [passthru_model::Reason],
    leases: &'a [LeaseRecord],
    now: u64,
) -> BindWish<'a> {
    BindWish { devices, with_group: binding.with_group, driver: &binding.driver, allow, leases, now }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// The devices that were named.
pub(crate) fn chosen(
    context: &Context,
    source: &dyn Source,
    names: &[String],
    many: bool,
) -> Result<Vec<Address>, Failure> {
    let names = parse_names(names)?;
    let wants = Wants { usage: needs_usage(&names), ..Wants::default() };
    select(&context.snapshot(source, &wants)?, &names, Many::option(many))
}

/// A change of the host, from the plan to the last word about it.
pub(crate) struct Change<'a> {
    pub(crate) verb: &'static str,
    pub(crate) devices: &'a [Address],
    pub(crate) dry_run: bool,
    pub(crate) lock_timeout: u32,
}

impl Change<'_> {
    /// Plans, prints, and unless it is a dry run applies; `done` says how it ended.
    pub(crate) fn carry_out(
        &self,
        context: &Context,
        source: &dyn Source,
        make: MakePlan<'_>,
        done: &dyn Fn(&Plan) -> String,
    ) -> Outcome {
        let plan = self.plan(context, source, make)?;
        if self.dry_run {
            self.show(context, &plan, true)?;
            return Ok(Code::Done.into());
        }
        // Where nothing is to be done, nobody's rights and no lock are needed; but a change
        // that was interrupted is looked after all the same.
        let interrupted = source.stat(books::JOURNAL).is_ok();
        let applied = if plan.steps.is_empty() && !interrupted {
            Applied { plan, recovered: None }
        } else {
            self.apply(&plan, make)?
        };
        tell_recovered(context, &applied);
        if context.global.json {
            self.show(context, &applied.plan, false)?;
        } else {
            for note in &applied.plan.notes {
                context.note(&format!("note: {note}"));
            }
            for loss in &applied.plan.losses {
                context.note(&format!("the host loses: {} ({})", loss.what, loss.device));
            }
            context.note(&done(&applied.plan));
        }
        Ok(Code::Done.into())
    }

    /// The plan, or why there is none.
    pub(crate) fn plan(
        &self,
        context: &Context,
        source: &dyn Source,
        make: MakePlan<'_>,
    ) -> Result<Plan, Failure> {
        let snapshot = context.snapshot(source, &plan_wants(self.devices))?;
        let leases = books::leases(source).map_err(|error| books_failure(&error))?;
        for record in &leases {
            if let LeaseRecord::Broken(name, why) = record {
                context.note(&format!("warning: /run/passthru/leases/{name} is no lease: {why}"));
            }
        }
        make(&snapshot, &leases).map_err(|no| self.no_plan(context, no))
    }

    /// Prints a plan.
    pub(crate) fn show(&self, context: &Context, plan: &Plan, dry_run: bool) -> Result<(), Failure> {
        if context.global.json {
            return print_json(&json::Change::of(self.verb, plan, dry_run));
        }
        for note in &plan.notes {
            context.note(&format!("note: {note}"));
        }
        Out::new().write(|out, _, _| render::write(out, plan))
    }

    /// Applies a plan that was shown or can be taken as agreed.
    pub(crate) fn apply(&self, plan: &Plan, make: MakePlan<'_>) -> Result<Applied, Failure> {
        need_root(self.verb)?;
        let live =
            Live::new().map_err(|error| Failure::new(Code::Failed, format!("cannot open /: {error}")))?;
        let patience = Duration::from_secs(self.lock_timeout.into());
        transaction::change(&live, patience, self.verb, &plan_wants(self.devices), make, Some(plan))
            .map_err(|error| self.failure(error))
    }

    fn no_plan(&self, context: &Context, no: NoPlan) -> Failure {
        match no {
            NoPlan::Refused(refusals) => {
                if context.global.json {
                    // The refusal itself is told on standard error.
                    let _ =
                        print_json(&json::Change::refused(self.verb, self.dry_run, self.devices, &refusals));
                }
                let blind = refusals.iter().all(|r| r.reason == Reason::NotSeen);
                if blind && !self.dry_run && need_root(self.verb).is_err() {
                    let mut failure = Failure::new(
                        Code::NeedsRoot,
                        format!("{} needs root, also to see whether the host uses the device", self.verb),
                    );
                    for refusal in &refusals {
                        failure = failure.detail(format!("{} {}", refusal.device, refusal.evidence));
                    }
                    return failure.hint("run it with sudo");
                }
                render::refusal(self.verb, &refusals)
            }
            NoPlan::NoDevice(address) => Failure::new(Code::Usage, format!("no PCI device at {address}"))
                .hint("`passthru list` shows the devices of this host"),
            NoPlan::Unknown(what) => self.unknown(&what),
        }
    }

    /// A fact without which there is no plan.
    fn unknown(&self, what: &str) -> Failure {
        let hint = if what.contains(books::LEASES) {
            "look at that file; `passthru release DEVICE --adopt DRIVER` says where the device goes instead"
        } else if rustix::process::geteuid().is_root() {
            "see the `unread` list of `passthru show --json`"
        } else {
            "run as root"
        };
        Failure::new(Code::Refused, format!("{}: cannot plan without knowing {what}", self.verb)).hint(hint)
    }

    /// A change that did not come about, in words.
    pub(crate) fn failure(&self, error: ChangeError) -> Failure {
        match error {
            ChangeError::NoPlan(NoPlan::Refused(refusals)) => render::refusal(self.verb, &refusals),
            ChangeError::NoPlan(NoPlan::NoDevice(address)) => {
                Failure::new(Code::Failed, format!("{address} went away; nothing was changed"))
            }
            ChangeError::NoPlan(NoPlan::Unknown(what)) => self.unknown(&what),
            ChangeError::Stale => Failure::new(
                Code::Failed,
                format!("{}: the host changed while this was planned; nothing was done", self.verb),
            )
            .hint("try again: the plan is made anew"),
            ChangeError::Failed(failure) => {
                let what = render::step(&failure.step);
                let text =
                    format!("{}: step {} ({what}) failed: {}", self.verb, failure.index + 1, failure.error);
                if failure.left.is_empty() {
                    Failure::new(Code::Failed, text).detail("everything was undone and is as it was")
                } else {
                    let mut words =
                        Failure::new(Code::Changed, text).detail("not everything could be undone:");
                    for left in &failure.left {
                        words = words.detail(left.clone());
                    }
                    words.hint("`passthru recover` tries again; `passthru status` shows what is left")
                }
            }
            ChangeError::Books(error) => books_failure(&error),
            ChangeError::Recover(error) => Failure::new(Code::Changed, error.to_string())
                .hint("`passthru recover` tries again")
                .hint("once the devices are as you want them, removing /run/passthru/journal lets passthru forget it"),
            ChangeError::NoHost(error) => Failure::new(Code::Failed, error.to_string()),
        }
    }
}

/// Tells of an interrupted change that was looked after first.
pub(crate) fn tell_recovered(context: &Context, applied: &Applied) {
    if let Some(recovered) = &applied.recovered {
        context.note(&super::recover::sentence(recovered));
    }
}

/// Only root can change the host; asked last, so that everything else is said first.
pub(crate) fn need_root(verb: &str) -> Result<(), Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Failure::new(Code::NeedsRoot, format!("{verb} needs root; nothing else is wrong with the plan"))
        .hint("run it with sudo"))
}

/// Something is wrong with the lock, the leases or the journal.
pub(crate) fn books_failure(error: &BooksError) -> Failure {
    let hint = match error {
        BooksError::Lock(LockError::Busy { .. }) => "--lock-timeout waits longer",
        BooksError::Interrupted { .. } => "`passthru recover` looks after it",
        BooksError::File { error: Errno::ENOSPC, .. } => "/run is full",
        BooksError::File { error: Errno::EROFS, .. } => "/run is read-only",
        _ => "",
    };
    Failure::new(Code::Failed, error.to_string()).hint(hint)
}
