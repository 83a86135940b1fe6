//! `run`: bind, start the virtual machine, wait, give back. The guest's exit code is ours.

use std::process::ExitCode;
use std::time::Duration;

use passthru_apply::books;
use passthru_apply::live::Live;
use passthru_apply::target::Target;
use passthru_apply::transaction;
use passthru_apply::vm::{self, End, Running, StartError, Watch};
use passthru_model::lease::Holder;
use passthru_model::plan::Plan;
use passthru_model::{LeaseRecord, Snapshot, Step, Wants};
use passthru_pci::Address;
use passthru_plan::planner::{ReleaseWish, plan_bind, plan_release};
use passthru_plan::vm::{Kind, Plug, VmPlan, VmWish, parse_size, plan_vm};
use serde::Serialize;

use super::bind::{Change, need_root, now, tell_recovered, wish};
use super::{print_json, refuse_copy};
use crate::args::{PlugAt, Run};
use crate::context::{Context, Many, Out, needs_usage, parse_names, parse_reasons, plan_wants, select};
use crate::exit::{Code, Failure, Outcome};
use crate::render::{json, plan as render, words};

/// How long a group's node may take to appear after the device was bound. devtmpfs makes
/// it before the bind returns; only a /dev that is filled by hand is slower.
const NODE_PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn run(context: &Context, options: &Run) -> Outcome {
    if !options.dry_run {
        refuse_copy(context, "run")?;
    }
    let source = context.source()?;
    let names = parse_names(&options.devices)?;
    let first = context.snapshot(&*source, &Wants { usage: needs_usage(&names), ..Wants::default() })?;
    let devices = select(&first, &names, Many::option(options.binding.all_matching))?;
    let machine = machine(&first, &devices, options)?;
    let locked = locked_memory(options, &machine)?;
    let allow = parse_reasons(&options.binding.allow)?;
    let now = now();
    let make = |snapshot: &Snapshot, leases: &[LeaseRecord]| {
        plan_bind(snapshot, &wish(&devices, &options.binding, &allow, leases, now))
    };
    let change = Change {
        verb: "run",
        devices: &devices,
        dry_run: options.dry_run,
        lock_timeout: options.binding.lock_timeout,
    };
    let plan = change.plan(context, &*source, &make)?;
    if options.dry_run {
        return dry_run(context, &plan, &machine);
    }
    if !plan.steps.is_empty() {
        need_root("run")?;
    }
    for note in &machine.notes {
        context.note(&format!("note: {note}"));
    }
    let mut watch = Watch::start().map_err(|error| before(&error))?;
    if let Some(bytes) = locked {
        vm::raise_locked_memory(bytes).map_err(|error| {
            before(&error).hint("raise the limit of locked memory (ulimit -l), or run as root")
        })?;
    }
    let given = Given { context, options };
    let lent = if plan.steps.is_empty() {
        Vec::new()
    } else {
        let applied = change.apply(&plan, &make)?;
        tell_recovered(context, &applied);
        for note in &applied.plan.notes {
            context.note(&format!("note: {note}"));
        }
        opened(&applied.plan)
    };
    let started = prepare(&*source, &first, &devices, &mut watch).and_then(|()| {
        for place in &machine.places {
            let named = if place.already_named { " (the line names it itself)" } else { "" };
            context.note(&format!("{}: the guest sees it {}{named}", place.address, place.guest));
        }
        let environment = machine.qemu_args_env.as_deref().map(|args| ("PASSTHRU_QEMU_ARGS", args));
        vm::start(&machine.argv, environment).map_err(|error| not_started(&error))
    });
    let ended = started.map(|running| {
        given.note_holder(&lent, &running);
        running.wait(&mut watch)
    });
    let back = given.give_back(&lent);
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
    Ok(ExitCode::from(code))
}

/// What will be started.
fn machine(snapshot: &Snapshot, devices: &[Address], options: &Run) -> Result<VmPlan, Failure> {
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
    let wish = VmWish { argv: &options.command, devices, separate: &separate, plug };
    plan_vm(&wish).map_err(|error| Failure::new(Code::Usage, error.to_string()))
}

/// The limit of locked memory, in bytes: all guest memory is pinned for the devices.
fn locked_memory(options: &Run, machine: &VmPlan) -> Result<Option<u64>, Failure> {
    match &options.memlock {
        None => Ok(machine.locked_memory),
        Some(text) => parse_size(text, 1).map(Some).ok_or_else(|| {
            Failure::new(Code::Usage, format!("--memlock {text}: not a size such as 9G or 512M"))
        }),
    }
}

fn before(error: &StartError) -> Failure {
    Failure::new(Code::NotStarted, error.to_string())
}

fn not_started(error: &StartError) -> Failure {
    let code = match error {
        StartError::NotFound { .. } => Code::NotFound,
        StartError::NotExecutable { .. } => Code::NotExecutable,
        StartError::Prepare(_) => Code::NotStarted,
    };
    Failure::new(code, error.to_string())
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

/// Waits for the groups' nodes, and notices a signal that came meanwhile.
fn prepare(
    source: &dyn passthru_host::source::Source,
    snapshot: &Snapshot,
    devices: &[Address],
    watch: &mut Watch,
) -> Result<(), Failure> {
    for device in devices {
        let Some(group) = snapshot.device(*device).and_then(|d| d.group.known()) else { continue };
        let node = format!("/dev/vfio/{group}");
        let start = std::time::Instant::now();
        while let Err(error) = source.stat(&node) {
            if start.elapsed() > NODE_PATIENCE {
                return Err(Failure::new(
                    Code::NotStarted,
                    format!("{device} is bound, but its group's node {node} did not appear: {error}"),
                )
                .hint("is /dev a devtmpfs here, or is this a container?"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    if watch.asked_to_stop() {
        return Err(Failure::new(Code::NotStarted, "interrupted before the virtual machine was started"));
    }
    Ok(())
}

struct Given<'a> {
    context: &'a Context,
    options: &'a Run,
}

impl Given<'_> {
    fn patience(&self) -> Duration {
        Duration::from_secs(self.options.binding.lock_timeout.into())
    }

    /// Writes into the leases which process they belong to. The machine runs all the same
    /// where that fails; it is said.
    fn note_holder(&self, lent: &[Address], running: &Running) {
        if lent.is_empty() {
            return;
        }
        let done = Live::new().map_err(|error| error.to_string()).and_then(|live| {
            let start = passthru_host::process::start_time(&live, running.id());
            let Ok(start) = start else { return Ok(()) };
            let program = self.options.command.first().cloned().unwrap_or_default();
            let holder = Holder { pid: running.id(), start, program };
            let guard = books::lock(&live, self.patience(), "run").map_err(|e| e.to_string())?;
            for record in books::leases(&live).map_err(|e| e.to_string())? {
                if let LeaseRecord::Valid(mut lease) = record
                    && lent.contains(&lease.device)
                {
                    lease.holder = Some(holder.clone());
                    guard.write_lease(&lease).map_err(|e| e.to_string())?;
                }
            }
            Ok(())
        });
        if let Err(error) = done {
            self.context.note(&format!("warning: the leases do not name the virtual machine: {error}"));
        }
    }

    /// Gives back what this run took; what was lent before stays.
    fn give_back(&self, lent: &[Address]) -> Result<(), Failure> {
        if lent.is_empty() {
            return Ok(());
        }
        let make = |snapshot: &Snapshot, leases: &[LeaseRecord]| {
            plan_release(snapshot, &ReleaseWish { devices: lent, adopt: None, allow: &[], leases })
        };
        let change = Change {
            verb: "release",
            devices: lent,
            dry_run: false,
            lock_timeout: self.options.binding.lock_timeout,
        };
        let names: Vec<_> = lent.iter().map(ToString::to_string).collect();
        let told = |failure: Failure| Failure {
            code: Code::NotGivenBack,
            message: format!("{} could not be given back: {}", names.join(" "), failure.message),
            ..failure
        };
        let live = Live::new()
            .map_err(|error| told(Failure::new(Code::Failed, format!("cannot open /: {error}"))))?;
        let applied = transaction::change(&live, self.patience(), "run", &plan_wants(lent), &make, None)
            .map_err(|error| {
                let line = format!("`passthru release {}` tries again", names.join(" "));
                told(change.failure(error)).hint(line)
            })?;
        tell_recovered(self.context, &applied);
        if !self.context.global.quiet {
            let snapshot = self.context.snapshot(&live as &dyn Target as _, &Wants::default());
            for address in lent {
                let driver = snapshot
                    .as_ref()
                    .ok()
                    .and_then(|s| s.device(*address))
                    .map_or_else(|| "gone".into(), |d| words::short(&d.driver));
                let on =
                    if driver == "-" { "on no driver, as before".into() } else { format!("on {driver}") };
                self.context.note(&format!("{address}: given back, {on}"));
            }
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct RunView<'a> {
    #[serde(flatten)]
    change: json::Change<'a>,
    argv: &'a [String],
    guest: Vec<PlaceView>,
    environment: Option<&'a str>,
    locked_memory: Option<u64>,
}

#[derive(Serialize)]
struct PlaceView {
    device: Address,
    place: String,
    already_named: bool,
}

/// The steps, the line that would be started, and where the guest would see the devices.
fn dry_run(context: &Context, plan: &Plan, machine: &VmPlan) -> Outcome {
    if context.global.json {
        let guest = machine
            .places
            .iter()
            .map(|p| PlaceView {
                device: p.address,
                place: p.guest.to_string(),
                already_named: p.already_named,
            })
            .collect();
        print_json(&RunView {
            change: json::Change::of("run", plan, true),
            argv: &machine.argv,
            guest,
            environment: machine.qemu_args_env.as_deref(),
            locked_memory: machine.locked_memory,
        })?;
        return Ok(Code::Done.into());
    }
    for note in plan.notes.iter().chain(&machine.notes) {
        context.note(&format!("note: {note}"));
    }
    Out::new().write(|out, _, _| {
        render::write(out, plan)?;
        if let (Kind::Other { .. }, Some(args)) = (&machine.kind, &machine.qemu_args_env) {
            writeln!(out, "then, with PASSTHRU_QEMU_ARGS='{args}':")?;
        } else {
            writeln!(out, "then:")?;
        }
        writeln!(out, "  {}", shell_line(&machine.argv))?;
        for place in &machine.places {
            writeln!(out, "{}: the guest sees it {}", place.address, place.guest)?;
        }
        writeln!(out, "and when it has ended, every device goes back to what it was on")
    })?;
    Ok(Code::Done.into())
}

/// A command line that can be pasted into a shell.
fn shell_line(argv: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+,./:@%".contains(c);
    argv.iter()
        .map(|word| {
            if !word.is_empty() && word.chars().all(plain) {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', r"'\''"))
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}
