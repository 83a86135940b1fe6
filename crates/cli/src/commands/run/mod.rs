//! `run`: bind, start the virtual machine, wait, give back. The guest's exit code is ours.
//!
//! | module | does |
//! |---|---|
//! | `user` | as whom it runs, and how much memory it may lock |
//! | `lent` | whose the devices are meanwhile, and giving them back |
//! | `reason` | why the machine failed, from what it and the kernel said |
//! | `dry` | what `--dry-run` prints |
//!
//! At every instant the leases name a process that lives for as long as the devices are
//! needed: first this one, from before the start the machine's. So whoever comes next can give
//! back what was left, whichever of the two was killed.

mod dry;
mod lent;
mod reason;
mod user;

use std::os::fd::{AsRawFd, OwnedFd};
use std::process::ExitCode;
use std::time::Duration;

use passthru_apply::guests;
use passthru_apply::launcher;
use passthru_apply::vm::{End, Running, StartError, Watch};
use passthru_model::lease::Holder;
use passthru_model::plan::Plan;
use passthru_model::{Records, Snapshot, Step, User, Wants};
use passthru_pci::Address;
use passthru_plan::planner::plan_bind;
use passthru_plan::vm::{Opened, Plug, VmPlan, VmWish, plan_vm};

use self::lent::Lent;
use self::reason::Ear;
use super::bind::{Change, now, wish};
use super::recover::tell;
use super::refuse_copy;
use crate::args::{PlugAt, Run};
use crate::context::{Context, Many, needs_usage, parse_names, parse_reasons, select};
use crate::exit::{Code, Failure, Outcome};
use crate::render::words;

/// Makes what is started, with the numbers of the descriptors it is given.
type MakeMachine<'a> = &'a dyn Fn(&[(Opened, i32)]) -> Result<VmPlan, Failure>;

/// What the leases call this process.
const PROGRAM: &str = "passthru run";

pub(crate) fn run(context: &Context, options: &Run) -> Outcome {
    if !options.dry_run {
        refuse_copy(context, "run")?;
    }
    let source = context.source()?;
    let names = parse_names(&options.devices)?;
    let first = context.snapshot(&*source, &Wants { usage: needs_usage(&names), ..Wants::default() })?;
    let devices = select(&first, &names, Many::option(options.binding.all_matching))?;
    let with = |given: &[(Opened, i32)]| machine(&first, &devices, options, given);
    let machine = with(&[])?;
    opened_one_way(&first, &devices, &machine)?;
    let user = user::runner(&*source, options)?;
    let locked = user::locked_memory(context, options, &machine, user.as_ref())?;
    let allow = parse_reasons(&options.binding.allow)?;
    let now = now();
    // A copy of another host has other processes; nothing is bound there.
    let us = guests::holder(&*source, std::process::id(), PROGRAM).filter(|_| !context.is_copy());
    let make = |snapshot: &Snapshot, records: &Records| {
        plan_bind(snapshot, &wish(&devices, &options.binding, &allow, records, now, us.as_ref()))
    };
    let change =
        Change { dry_run: options.dry_run, ..Change::new("run", &devices, &options.binding.waiting) };
    let nodes = lent::group_nodes(&first, &devices, &machine);
    if options.dry_run {
        let plan = change.plan(context, &*source, &make)?;
        let mut names: Vec<String> = nodes.iter().map(|(_, node)| node.clone()).collect();
        names.sort();
        names.dedup();
        let locked = locked.filter(|bytes| *bytes != launcher::UNLIMITED);
        return dry::show(context, &plan, &machine, locked, user.as_ref().map(|user| (user, &names[..])));
    }
    let Some(us) = us.clone() else {
        return Err(Failure::new(Code::NotStarted, "cannot see this process in /proc: is it mounted?"));
    };
    let missing = user.as_ref().and_then(|user| user::missing(&*source, &machine.argv, user));
    for note in machine.notes.iter().chain(&missing) {
        context.note(&format!("note: {note}"));
    }
    let mut watch = Watch::start().map_err(|error| not_started(&error))?;
    let applied = change.carried_out(context, &*source, &make)?;
    tell(context, &applied.cleanup);
    for note in &applied.plan.notes {
        context.note(&format!("note: {note}"));
    }
    tell_companions(context, &applied.plan, &devices);
    let taken = opened(&applied.plan);
    let mut lent = Lent { context, options, us, taken, machine: &machine, nodes, own_nodes: Vec::new() };
    let (ear, error_output) = Ear::listen(&machine);
    let started = lent
        .wait_for_nodes(&*source)
        .and_then(|()| start(&lent, &with, user.as_ref(), locked, error_output, &mut watch));
    let ended = started.map(|(running, vm)| {
        let patience = Duration::from_secs(options.stop_timeout.into());
        let ended = running.wait(&mut watch, patience, &mut || {
            context.note(&format!(
                "the virtual machine did not stop within {} s after it was asked to: it is killed",
                options.stop_timeout
            ));
        });
        // Until all is given back they are ours again. Where that cannot be written, whoever
        // takes the lock next finds that the machine is gone; so do we.
        let _ = lent.hand_over(&vm, &lent.us);
        ended
    });
    let back = lent.give_back();
    let code = match ended {
        Ok(Ok(end)) => {
            if let End::Signal(signal) = end {
                context.note(&format!("the virtual machine was ended by signal {signal}"));
            }
            end.shell_code()
        }
        Ok(Err(error)) => {
            return Err(Failure::new(
                Code::NotGivenBack,
                format!("cannot wait for the virtual machine: {error}"),
            ));
        }
        Err(failure) => {
            // Both are told of: why it did not start, and what could not be given back.
            if let Err(back) = back {
                failure.print();
                return Err(back);
            }
            return Err(failure);
        }
    };
    back?;
    // Who was asked to stop did not fail.
    if code != 0 && !watch.asked_to_stop() {
        ear.tell_why(context, &devices);
    }
    Ok(ExitCode::from(code))
}

/// Starts the machine: rights, limits and nodes first, then the leases name it, then it may
/// go.
///
/// A user has no right to what iommufd opens: it is opened here, and the line `with` the numbers
/// of the descriptors names them.
fn start(
    lent: &Lent<'_>,
    with: MakeMachine<'_>,
    user: Option<&User>,
    locked: Option<u64>,
    error_output: Option<OwnedFd>,
    watch: &mut Watch,
) -> Result<(Running, Holder), Failure> {
    let context = lent.context;
    let live = context.live()?;
    let mut given = Vec::new();
    if let Some(user) = user {
        lent.grant(user)?;
        given = lent.open(&*live)?;
        context.note(&format!("the virtual machine runs as user {user}; --user root leaves it root"));
    }
    let (given, descriptors): (Vec<_>, Vec<_>) =
        given.into_iter().map(|(what, descriptor)| ((what, descriptor.as_raw_fd()), descriptor)).unzip();
    let machine = with(&given)?;
    for place in &machine.places {
        let named = if place.already_named { " (the line names it itself)" } else { "" };
        context.note(&format!("{}: the guest sees it {}{named}", place.address, place.guest));
    }
    let mut environment = user.map_or_else(Vec::new, |user| user::environment(&*live, user));
    environment.extend(
        machine.qemu_args_env.iter().map(|args| ("PASSTHRU_QEMU_ARGS".to_owned(), Some(args.clone()))),
    );
    let order = launcher::Order {
        argv: machine.argv.clone(),
        environment,
        locked_memory: locked,
        rights: user.map(user::rights),
    };
    let waiting = launcher::start(&order, error_output, &descriptors).map_err(|error| not_started(&error))?;
    // Whoever has them open holds the devices: from here on the launcher, and then the machine.
    drop(descriptors);
    let program = machine.argv.first().cloned().unwrap_or_default();
    let mut ready = || -> Result<Holder, Failure> {
        let vm =
            guests::holder(&*live, waiting.id(), &program).ok_or_else(|| not_started(&StartError::Ended))?;
        lent.hand_over(&lent.us, &vm)?;
        if let Some(user) = user {
            lent.check_nodes(&*live, user)?;
        }
        if watch.asked_to_stop() {
            return Err(not_started(&StartError::Ended));
        }
        Ok(vm)
    };
    match ready() {
        Ok(vm) => match waiting.go() {
            Ok(running) => Ok((running, vm)),
            Err(error) => {
                let _ = lent.hand_over(&vm, &lent.us);
                Err(not_started(&error))
            }
        },
        Err(failure) => {
            // What is gone holds nothing: the leases are read again when all is given back.
            let vm = guests::holder(&*live, waiting.id(), &program);
            waiting.give_up();
            if let Some(vm) = vm {
                let _ = lent.hand_over(&vm, &lent.us);
            }
            Err(failure)
        }
    }
}

/// What will be started.
fn machine(
    snapshot: &Snapshot,
    devices: &[Address],
    options: &Run,
    given: &[(Opened, i32)],
) -> Result<VmPlan, Failure> {
    // Functions of one card keep together in the guest; virtual functions are cards of
    // their own, whatever their numbers.
    let separate: Vec<Address> = devices
        .iter()
        .copied()
        .filter(|a| snapshot.device(*a).is_some_and(|d| d.physical_function.known().is_some()))
        .collect();
    let plug = match options.plug {
        PlugAt::Port => Plug::Port,
        PlugAt::Root => Plug::Root,
    };
    let iommufd = options.iommufd;
    let wish = VmWish { argv: &options.command, devices, separate: &separate, plug, iommufd, given };
    plan_vm(&wish).map_err(|error| Failure::new(Code::Usage, error.to_string()))
}

fn opened_one_way(snapshot: &Snapshot, devices: &[Address], machine: &VmPlan) -> Result<(), Failure> {
    match machine.opened_two_ways(snapshot, devices) {
        None => Ok(()),
        Some((one, other)) => Err(Failure::new(
            Code::Usage,
            format!(
                "{one} would be opened through iommufd and {other} by their group: the kernel lets only one of the two"
            ),
        )
        .hint("--iommufd opens those through iommufd that the line does not name; iommufd=ID on the line does for those it names")),
    }
}

fn not_started(error: &StartError) -> Failure {
    let code = match error {
        StartError::NotFound { .. } => Code::NotFound,
        StartError::NotExecutable { .. } => Code::NotExecutable,
        StartError::Prepare { .. } | StartError::Ended => Code::NotStarted,
    };
    Failure::new(code, error.to_string())
}

/// Says what is bound although the guest does not get it.
fn tell_companions(context: &Context, plan: &Plan, devices: &[Address]) {
    let others: Vec<_> = plan.devices.iter().filter(|device| !devices.contains(device)).collect();
    if !others.is_empty() {
        context.note(&format!(
            "note: {} bound along with the group, and not given to the guest; -d would do that",
            words::list(others)
        ));
    }
}

/// The devices this run has to give back: those it opened a lease for.
fn opened(plan: &Plan) -> Vec<Address> {
    plan.steps
        .iter()
        .filter_map(|step| match step {
            Step::OpenLease { lease } => Some(lease.device),
            _ => None,
        })
        .collect()
}
