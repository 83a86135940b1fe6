//! `bind`, and what every verb that changes the host shares: planning, printing,
//! applying, telling of failures.

use passthru_apply::books::{self, BooksError};
use passthru_apply::recover::{Cleanup, RecoverError};
use passthru_apply::target::LockError;
use passthru_apply::transaction::{self, Applied, ChangeError, Confirm, MakePlan, Order};
use passthru_formats::Errno;
use passthru_host::source::Source;
use passthru_model::device::attribute_of;
use passthru_model::plan::{NoPlan, Plan};
use passthru_model::{Holder, LeaseRecord, Reason, Records, Snapshot, User, Wants};
use passthru_pci::{Address, DeviceName};
use passthru_plan::explain::recognise;
use passthru_plan::planner::{BindWish, group_node, plan_bind};

use super::recover::tell;
use super::{confirm, grant, print_json, refuse_copy};
use crate::args::{Bind, Binding, Waiting};
use crate::context::{Context, Many, Out, needs_usage, parse_names, parse_reasons, select};
use crate::exit::{Code, Failure, Outcome};
use crate::render::{json, plan as render, words};

pub(crate) fn run(context: &Context, options: &Bind) -> Outcome {
    if !options.dry_run {
        refuse_copy(context, "bind")?;
    }
    let source = context.source()?;
    let devices = chosen(context, &*source, &options.devices, options.binding.all_matching)?;
    let allow = parse_reasons(&options.binding.allow)?;
    let user = options.user.as_deref().map(|text| grant::named(&*source, text)).transpose()?;
    let now = now();
    let make = |snapshot: &Snapshot, records: &Records| {
        plan_bind(snapshot, &wish(&devices, &options.binding, &allow, records, now, None))
    };
    let change = Change {
        dry_run: options.dry_run,
        confirm_within: options.confirming.confirm_within,
        ..Change::new("bind", &devices, &options.binding.waiting)
    };
    let code = change.carry_out(context, &*source, &make, &|plan| {
        let verb = if plan.steps.is_empty() { "nothing to do: " } else { "" };
        format!("{verb}{} on {}", words::list(&plan.devices), options.binding.driver)
    })?;
    if let Some(user) = user {
        let_use(context, options, &devices, &*source, &user)?;
    }
    Ok(code)
}

/// Lets a user use the nodes of what was bound.
fn let_use(
    context: &Context,
    options: &Bind,
    devices: &[Address],
    source: &dyn Source,
    user: &User,
) -> Result<(), Failure> {
    let snapshot = context.snapshot(source, &Wants::default())?;
    let pairs: Vec<(Address, String)> =
        devices.iter().filter_map(|device| Some((*device, group_node(&snapshot, *device)?))).collect();
    let mut nodes: Vec<String> = pairs.iter().map(|(_, node)| node.clone()).collect();
    nodes.sort();
    nodes.dedup();
    if options.dry_run {
        if context.global.json {
            return Ok(());
        }
        return Out::new().write(|out, _, _| render::write_grant(out, user, &nodes));
    }
    need_root("bind")?;
    grant::grant(context, "bind", &options.binding.waiting, &pairs, user, None).map_err(|failure| {
        let (names, nodes) = (words::list(devices), words::list(&nodes));
        let message = format!("{names} bound, but user {user} cannot use {nodes}: {}", failure.message);
        Failure { code: Code::Changed, message, ..failure }
            .hint(format!("`passthru release {names}` gives back what was bound"))
    })?;
    context.note(&format!("user {user} may use {}", words::list(&nodes)));
    Ok(())
}

/// What `bind` and `run` ask the planner for.
pub(crate) fn wish<'a>(
    devices: &'a [Address],
    binding: &'a Binding,
    allow: &'a [Reason],
    records: &'a Records,
    now: u64,
    holder: Option<&'a Holder>,
) -> BindWish<'a> {
    let (with_group, driver) = (binding.with_group, binding.driver.as_str());
    BindWish { devices, with_group, driver, allow, records, now, holder }
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
    // Addresses need no look at the whole host, which is about to be read under the lock.
    let there = |name: &DeviceName| match name {
        DeviceName::Function(address) => {
            source.stat(&attribute_of(*address, "vendor")).is_ok().then_some(*address)
        }
        _ => None,
    };
    if let Some(mut found) = names.iter().map(there).collect::<Option<Vec<Address>>>() {
        found.sort_unstable();
        found.dedup();
        return Ok(found);
    }
    let wants = Wants { usage: needs_usage(&names), ..Wants::default() };
    select(&context.snapshot(source, &wants)?, &names, Many::option(many))
}

/// A change of the host, from the plan to the last word about it.
pub(crate) struct Change<'a> {
    pub(crate) verb: &'static str,
    pub(crate) devices: &'a [Address],
    pub(crate) dry_run: bool,
    pub(crate) waiting: &'a Waiting,
    /// Undone after so many seconds unless it is confirmed.
    pub(crate) confirm_within: Option<u64>,
}

impl<'a> Change<'a> {
    /// One that is carried out and stays.
    pub(crate) const fn new(verb: &'static str, devices: &'a [Address], waiting: &'a Waiting) -> Self {
        Self { verb, devices, dry_run: false, waiting, confirm_within: None }
    }

    /// Plans, prints, and unless it is a dry run applies; `done` says how it ended.
    pub(crate) fn carry_out(
        &self,
        context: &Context,
        source: &dyn Source,
        make: MakePlan<'_>,
        done: &dyn Fn(&Plan) -> String,
    ) -> Outcome {
        if self.dry_run {
            let plan = self.plan(context, source, make)?;
            self.show(context, &plan, true)?;
            return Ok(Code::Done.into());
        }
        let applied = self.carried_out(context, source, make)?;
        tell(context, &applied.cleanup);
        if context.global.json {
            self.show(context, &applied.plan, false)?;
        } else {
            for note in &applied.plan.notes {
                context.note(&format!("note: {note}"));
            }
            for loss in &applied.plan.losses {
                context.note(&format!("the host loses: {} ({})", loss.what, loss.device));
            }
            if applied.gone.is_empty() {
                context.note(&done(&applied.plan));
            } else {
                context.note(&format!(
                    "{} went away meanwhile (unplugged?): its lease is closed",
                    words::list(&applied.gone)
                ));
            }
        }
        if let Some(seconds) = self.confirm_within.filter(|_| !applied.plan.steps.is_empty()) {
            context.note(&format!("`passthru confirm` keeps it; it is undone in {seconds} s otherwise"));
        }
        Ok(Code::Done.into())
    }

    /// Plans and applies.
    pub(crate) fn carried_out(
        &self,
        context: &Context,
        source: &dyn Source,
        make: MakePlan<'_>,
    ) -> Result<Applied, Failure> {
        // Nobody is shown the plan before: it is made once, under the lock. What is seen
        // without it may be somebody else's change half done, and would be read twice.
        if need_root(self.verb).is_ok() {
            warn_of_broken(context, &books::leases(source).unwrap_or_default());
            return self.apply(context, None, make);
        }
        // Who has no right to change anything is still told of everything else first.
        let plan = self.plan(context, source, make)?;
        if plan.steps.is_empty() {
            return Ok(Applied { plan, cleanup: Cleanup::default(), gone: Vec::new() });
        }
        self.apply(context, Some(&plan), make)
    }

    /// The plan, or why there is none.
    pub(crate) fn plan(
        &self,
        context: &Context,
        source: &dyn Source,
        make: MakePlan<'_>,
    ) -> Result<Plan, Failure> {
        self.look(context, source, make)?.map_err(|no| self.no_plan(context, no))
    }

    /// The plan, or why there is none, said to nobody yet.
    fn look(
        &self,
        context: &Context,
        source: &dyn Source,
        make: MakePlan<'_>,
    ) -> Result<Result<Plan, NoPlan>, Failure> {
        let records = books::records_and_nodes(source).map_err(|error| books_failure(&error))?;
        let wants = Wants { avoid: records.stuck_devices(), ..Wants::for_plan(self.devices) };
        let snapshot = context.snapshot(source, &wants)?;
        warn_of_broken(context, &records.leases);
        Ok(make(&snapshot, &records))
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
    pub(crate) fn apply(
        &self,
        context: &Context,
        plan: Option<&Plan>,
        make: MakePlan<'_>,
    ) -> Result<Applied, Failure> {
        need_root(self.verb)?;
        let told = |holder: &str| context.note_waiting(holder);
        let order = Order {
            verb: self.verb,
            patience: context.patience(self.waiting, &told),
            wants: &Wants::for_plan(self.devices),
            make,
            shown: plan,
            confirm: self.confirm_within.map(|within| Confirm { within, watch: &confirm::watch }),
        };
        transaction::change(&*context.live()?, &order).map_err(|error| match error {
            ChangeError::NoPlan(no @ NoPlan::Refused(_)) => self.no_plan(context, no),
            ChangeError::NoPlan(no) if plan.is_none() => self.no_plan(context, no),
            error => self.failure(error),
        })
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
        } else if what.contains("ETIMEDOUT") {
            "somebody else's write to this device has not come back from the kernel: end what holds the device (`passthru status`, `fuser -v /dev/vfio/*`), then try again"
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
                let pulled = pulled(&failure.gone);
                if failure.left.is_empty() && failure.gone.is_empty() {
                    let known = known(&text);
                    Failure::new(Code::Failed, text)
                        .detail("everything was undone and is as it was")
                        .hint(known)
                } else if failure.left.is_empty() {
                    Failure::new(Code::Failed, text)
                        .detail(pulled)
                        .detail("everything else was undone and is as it was")
                } else {
                    let mut words =
                        Failure::new(Code::Changed, text).detail("not everything could be undone:");
                    if !failure.gone.is_empty() {
                        words = words.detail(pulled);
                    }
                    for left in &failure.left {
                        words = words.detail(left.clone());
                    }
                    words.hint("`passthru recover` tries again; `passthru status` shows what is left")
                }
            }
            ChangeError::Books(error) => books_failure(&error),
            ChangeError::NoWatch(_) => {
                Failure::new(Code::Failed, error.to_string()).detail("everything was undone and is as it was")
            }
            ChangeError::Recover(RecoverError::Awaiting { .. }) => Failure::new(Code::Failed, error.to_string())
                .hint("`passthru confirm` keeps it, `passthru recover` undoes it at once"),
            ChangeError::Recover(RecoverError::Books(error)) if !matches!(error, BooksError::Malformed { .. }) => {
                books_failure(&error)
            }
            ChangeError::Recover(error) => Failure::new(Code::Changed, error.to_string())
                .hint("`passthru recover` tries again")
                .hint("once the devices are as you want them, removing /run/passthru/journal lets passthru forget it"),
            ChangeError::NoHost(error) => Failure::new(Code::Failed, error.to_string()),
        }
    }
}

/// Tells of files among the leases that are none.
fn warn_of_broken(context: &Context, leases: &[LeaseRecord]) {
    for record in leases {
        if let LeaseRecord::Broken(name, why) = record {
            context.note(&format!("warning: /run/passthru/leases/{name} is no lease: {why}"));
        }
    }
}

/// What an error is known for, and what says more about it.
fn known(text: &str) -> String {
    recognise(text).last().map_or_else(String::new, |found| {
        let signature = found.signature;
        format!(
            "{}: `passthru check` says what to do, `passthru explain {}` more",
            signature.title, signature.id
        )
    })
}

/// What there is to say about devices that went away in the middle of a change.
fn pulled(gone: &[Address]) -> String {
    format!("{} went away meanwhile (unplugged?): there is nothing of it to undo", words::list(gone))
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
        BooksError::File { error: Errno::ENOSPC, .. }
        | BooksError::Lock(LockError::Failed { error: Errno::ENOSPC, .. }) => "/run is full",
        BooksError::File { error: Errno::EROFS, .. }
        | BooksError::Lock(LockError::Failed { error: Errno::EROFS, .. }) => "/run is read-only",
        _ => "",
    };
    Failure::new(Code::Failed, error.to_string()).hint(hint)
}
