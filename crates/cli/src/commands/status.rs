//! `status`: leases and interrupted work. Reads only; who cleans up takes the lock.

use passthru_apply::books;
use passthru_model::{LeaseRecord, Wants};
use passthru_plan::uses::Uses;
use serde::Serialize;

use super::bind::books_failure;
use super::print_json;
use crate::context::{Context, Out};
use crate::exit::{Code, Outcome};
use crate::render::table::{self, Cells, Column};
use crate::render::words;

#[derive(Serialize)]
struct StatusView<'a> {
    version: u32,
    kind: &'static str,
    leases: Vec<&'a passthru_model::Lease>,
    broken: Vec<BrokenView<'a>>,
    interrupted: Option<String>,
}

#[derive(Serialize)]
struct BrokenView<'a> {
    file: &'a str,
    why: &'a str,
}

pub(crate) fn run(context: &Context) -> Outcome {
    let source = context.source()?;
    let leases = books::leases(&*source).map_err(|error| books_failure(&error))?;
    let interrupted = match books::interrupted(&*source) {
        Ok(found) => found.map(|found| {
            let names: Vec<_> = found.plan.devices.iter().map(ToString::to_string).collect();
            format!(
                "a change of {} stopped after {} of {} steps",
                names.join(" "),
                found.begun,
                found.plan.steps.len()
            )
        }),
        // Only root can read the journal; that it is there is for everybody to see.
        Err(error) => Some(format!("a change is under way or was interrupted ({error})")),
    };
    let valid: Vec<_> = leases
        .iter()
        .filter_map(|r| match r {
            LeaseRecord::Valid(lease) => Some(lease),
            LeaseRecord::Broken(..) => None,
        })
        .collect();
    let broken = leases.iter().filter_map(|r| match r {
        LeaseRecord::Broken(file, why) => Some(BrokenView { file, why }),
        LeaseRecord::Valid(_) => None,
    });
    if context.global.json {
        let view =
            StatusView { version: 1, kind: "status", leases: valid, broken: broken.collect(), interrupted };
        print_json(&view)?;
        return Ok(Code::Done.into());
    }
    let snapshot = context.snapshot(&*source, &Wants { usage: true, ..Wants::default() })?;
    let uses = Uses::of(&snapshot);
    let mut cells = Cells::default();
    for lease in &valid {
        let device = snapshot.device(lease.device);
        let held: Vec<String> = uses
            .device(lease.device)
            .iter()
            .filter(|u| u.blocks == Some(passthru_model::Reason::Held))
            .map(passthru_plan::uses::Use::line)
            .collect();
        cells.add(|text| words::put(text, lease.device));
        cells.add(|text| words::put(text, lease.id));
        cells.add(|text| match device {
            Some(device) => words::push_short(text, &device.driver),
            None => text.push_str("gone"),
        });
        cells.add(|text| text.push_str(lease.original_driver.as_deref().unwrap_or("no driver")));
        cells.add(|text| match held.as_slice() {
            [] => text.push('-'),
            held => text.push_str(&held.join("; ")),
        });
    }
    let columns = ["DEVICE", "ID", "DRIVER NOW", "WAS ON", "HELD BY"]
        .map(|title| Column { title, narrowest: (title == "HELD BY").then_some(12) });
    Out::new().write(|out, width, colour| {
        if valid.is_empty() {
            writeln!(out, "no leases")
        } else {
            table::write(out, &columns, &cells, width, colour)
        }
    })?;
    for record in broken {
        context.note(&format!("warning: /run/passthru/leases/{} is no lease: {}", record.file, record.why));
    }
    if let Some(text) = interrupted {
        context.note(&format!("warning: {text}; `passthru recover` looks after it"));
    }
    Ok(Code::Done.into())
}
