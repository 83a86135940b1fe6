//! `show`.

use passthru_apply::books;
use passthru_model::{DetailOf, Wants};
use passthru_plan::lending::judge;
use passthru_plan::planner::{BindWish, plan_bind_with};
use passthru_plan::uses::Uses;

use super::print_json;
use crate::args::Show;
use crate::context::{Context, Many, Out, needs_usage, parse_names, select};
use crate::exit::{Code, Outcome};
use crate::render::devices::Row;
use crate::render::predicted::Predicted;
use crate::render::{json, show};

pub(crate) fn run(context: &Context, options: &Show) -> Outcome {
    let names = parse_names(&options.devices)?;
    let source = context.source()?;
    // First only what is needed to know which devices are meant.
    let first = Wants { usage: needs_usage(&names), ..Wants::default() };
    let chosen = select(&context.snapshot(&*source, &first)?, &names, Many::No)?;
    // What bind would do is what the planner says, not a second opinion about it.
    let records = books::records(&*source).unwrap_or_default();
    let wants = Wants {
        revision: true,
        detail: DetailOf::Some(chosen.clone()),
        reserved: false,
        group_detail: true,
        usage: true,
        names: true,
        only_plan: false,
        topology: true,
        system: false,
        programs: false,
        avoid: records.stuck_devices(),
    };
    let snapshot = context.snapshot(&*source, &wants)?;
    let uses = Uses::of(&snapshot);
    let rows: Vec<Row<'_>> = chosen
        .iter()
        .filter_map(|address| snapshot.device(*address))
        .map(|device| Row { device, lending: judge(&snapshot, &uses, device) })
        .collect();
    if context.global.json {
        print_json(&json::Devices::new("show", &snapshot, &uses, &rows))?;
        return Ok(Code::Done.into());
    }
    let predicted = Predicted::of(&snapshot);
    Out::new().write(|out, _, colour| {
        for (number, row) in rows.iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            let wish = BindWish {
                devices: &[row.device.address],
                with_group: false,
                driver: "vfio-pci",
                allow: &[],
                records: &records,
                now: 0,
                holder: None,
            };
            let bind =
                show::bind_sentence(&plan_bind_with(&snapshot, &uses, &wish), &row.lending, row.device);
            show::write(out, &snapshot, &uses, &predicted, row.device, &bind, colour)?;
        }
        Ok(())
    })?;
    Ok(Code::Done.into())
}
