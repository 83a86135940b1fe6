//! `status`: leases, stuck devices, interrupted work, changes that wait to be confirmed.
//! Reads only; who cleans up takes the lock.

use passthru_apply::books::{self, BooksError};
use passthru_apply::journal::{self, Interrupted};
use passthru_host::process;
use passthru_host::source::Source;
use passthru_model::{Lease, LeaseRecord, Snapshot, StuckRecord, Wants};
use passthru_plan::standing::{Standing, standing};
use passthru_plan::uses::{self, Use};

use super::bind::books_failure;
use super::print_json;
use crate::context::{Context, Out};
use crate::exit::{Code, Outcome};
use crate::render::status::{LeaseView, Status, StuckView};
use crate::render::table::{self, Cells, Column};
use crate::render::words;

/// One lease and how it stands.
struct Line<'a> {
    lease: &'a Lease,
    standing: Standing,
    held: Vec<String>,
}

pub(crate) fn run(context: &Context) -> Outcome {
    let source = context.source()?;
    let records = books::records(&*source).map_err(|error| books_failure(&error))?;
    // What is said about these is said below, not as if somebody else had moved them.
    let mut unsettled = records.stuck_devices();
    let interrupted = match journal::interrupted(&*source) {
        Ok(found) => found.map(|found| {
            unsettled.extend(&found.plan.devices);
            unfinished(&*source, &found)
        }),
        // Only root can read the journal; that it is there is for everybody to see.
        Err(BooksError::File { error, .. }) if error.is_permission() => Some(
            "a change is under way, waits to be confirmed, or was interrupted (root can see which)".into(),
        ),
        Err(error) => Some(format!("a change was interrupted, and its journal is of no use: {error}")),
    };
    let wants = Wants { usage: true, avoid: records.stuck_devices(), ..Wants::default() };
    let snapshot = context.snapshot(&*source, &wants)?;
    let lines: Vec<Line<'_>> = records
        .leases
        .iter()
        .filter_map(|record| match record {
            LeaseRecord::Valid(lease) => Some(line(&*source, &snapshot, lease)),
            LeaseRecord::Broken(..) => None,
        })
        .collect();
    let broken: Vec<(&str, &String, &String)> = records
        .leases
        .iter()
        .filter_map(|record| match record {
            LeaseRecord::Broken(name, why) => Some(("leases", name, why)),
            LeaseRecord::Valid(_) => None,
        })
        .chain(records.stuck.iter().filter_map(|record| match record {
            StuckRecord::Broken(name, why) => Some(("stuck", name, why)),
            StuckRecord::Valid(_) => None,
        }))
        .collect();
    let stuck: Vec<StuckView<'_>> = records
        .stuck
        .iter()
        .filter_map(|record| match record {
            StuckRecord::Valid(stuck) => {
                let waiting = process::is_alive(&*source, stuck.task.pid, stuck.task.start);
                Some(StuckView { stuck, waiting, held: held(&snapshot, stuck.device) })
            }
            StuckRecord::Broken(..) => None,
        })
        .collect();
    if context.global.json {
        let leases = lines.iter().map(|l| LeaseView::new(l.lease, l.standing, &l.held)).collect();
        print_json(&Status::new(leases, &stuck, &broken, interrupted.as_deref()))?;
        return Ok(Code::Done.into());
    }
    write_leases(&snapshot, &lines)?;
    for line in lines.iter().filter(|line| !unsettled.contains(&line.lease.device)) {
        tell_standing(context, line);
        if line.standing == Standing::Bound && node_is_left(&*source, line.lease) {
            context.note(&format!(
                "warning: {}: the process for which a user was let use its node is gone; `passthru recover`, or the next change, puts the node back",
                line.lease.device
            ));
        }
    }
    for StuckView { stuck, waiting, held } in &stuck {
        context.note(&format!("warning: {} is stuck: {}", stuck.device, stuck.sentence()));
        for held in held {
            context.note(&format!("  {held}"));
        }
        let next = if *waiting {
            "once it has come back, `passthru recover`"
        } else {
            "it has come back: `passthru recover`"
        };
        context.note(&format!("  {next} undoes what was begun"));
    }
    for (directory, name, why) in broken {
        let what = if directory == "leases" { "is no lease" } else { "cannot be understood" };
        context.note(&format!("warning: /run/passthru/{directory}/{name} {what}: {why}"));
    }
    if let Some(text) = interrupted {
        context.note(&format!("warning: {text}"));
    }
    Ok(Code::Done.into())
}

fn line<'a>(source: &dyn Source, snapshot: &Snapshot, lease: &'a Lease) -> Line<'a> {
    let lives = lease.holder.as_ref().is_none_or(|h| process::is_alive(source, h.pid, h.start));
    Line { lease, standing: standing(snapshot, lease, lives), held: held(snapshot, lease.device) }
}

/// Who holds a device, a line each.
fn held(snapshot: &Snapshot, device: passthru_pci::Address) -> Vec<String> {
    let found = snapshot.device(device).map(|device| uses::held(snapshot, device));
    found.unwrap_or_default().iter().map(Use::line).collect()
}

/// A change that is not through, and what can be done about it.
fn unfinished(source: &dyn Source, found: &Interrupted) -> String {
    let names = words::list(&found.plan.devices);
    if found.other_boot {
        return format!("a change of {names} was cut off by the end of its boot; the next change forgets it");
    }
    match (found.awaiting, journal::uptime(source)) {
        (Some(until), Ok(now)) if now < until => format!(
            "the change of {names} waits to be confirmed: `passthru confirm` keeps it, and it is undone in {} s otherwise",
            until - now
        ),
        (Some(_), _) => format!(
            "the change of {names} was not confirmed in time, and not undone yet: `passthru recover` does it"
        ),
        (None, _) => format!(
            "a change of {names} stopped after {} of {} steps; `passthru recover` looks after it",
            found.begun,
            found.plan.steps.len()
        ),
    }
}

fn write_leases(snapshot: &Snapshot, lines: &[Line<'_>]) -> Result<(), crate::exit::Failure> {
    let mut cells = Cells::default();
    for Line { lease, held, .. } in lines {
        cells.add(|text| words::put(text, lease.device));
        cells.add(|text| words::put(text, lease.id));
        cells.add(|text| match snapshot.device(lease.device) {
            Some(device) => words::push_short(text, &device.driver),
            None => text.push_str("gone"),
        });
        cells.add(|text| text.push_str(lease.original_driver.as_deref().unwrap_or("no driver")));
        cells.add(|text| match &lease.holder {
            Some(holder) => words::put(text, format_args!("{} ({})", holder.program, holder.pid)),
            None => text.push('-'),
        });
        cells.add(|text| match held.as_slice() {
            [] => text.push('-'),
            held => text.push_str(&held.join("; ")),
        });
    }
    let columns = ["DEVICE", "ID", "DRIVER NOW", "WAS ON", "BOUND FOR", "HELD BY"]
        .map(|title| Column { title, narrowest: (title == "HELD BY").then_some(12) });
    Out::new().write(|out, width, colour| {
        if lines.is_empty() {
            writeln!(out, "no leases")
        } else {
            table::write(out, &columns, &cells, width, colour)
        }
    })
}

/// Whether the node was given to a user for a process that is gone.
fn node_is_left(source: &dyn Source, lease: &Lease) -> bool {
    let holder = lease.granted.as_ref().and_then(|granted| granted.holder.as_ref());
    holder.is_some_and(|holder| !process::is_alive(source, holder.pid, holder.start))
}

/// What of a lease is not as it should be, and what to do.
fn tell_standing(context: &Context, line: &Line<'_>) {
    let device = line.lease.device;
    let what = match line.standing {
        Standing::Bound => return,
        Standing::Gone => {
            format!("{device} is not there any more; `passthru release {device}` closes its lease")
        }
        Standing::AnotherDevice => format!(
            "another device is at {device} now; `passthru release {device}` closes the lease and leaves it alone"
        ),
        Standing::Moved => format!(
            "{device} is not on {}: somebody else moved it; `passthru release {device}` gives it back to what it was on",
            line.lease.vfio_driver
        ),
        Standing::HolderGone if line.held.is_empty() => format!(
            "{device}: what it was bound for is gone; `passthru recover`, or the next change, gives it back"
        ),
        Standing::HolderGone => {
            format!("{device}: what it was bound for is gone, but it is still held; it goes back after that")
        }
        Standing::NotSeen => {
            format!("{device}: which device is there, or on which driver, could not be seen")
        }
    };
    context.note(&format!("warning: {what}"));
}
