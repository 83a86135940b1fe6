//! `list`.

use std::mem::ManuallyDrop;

use passthru_model::{Snapshot, SourceKind, Wants};
use passthru_plan::groups::predict as predicted_groups;
use passthru_plan::lending::judge;
use passthru_plan::uses::Uses;

use super::print_json;
use crate::args::List;
use crate::context::{Context, Many, Out, needs_usage, parse_names, select};
use crate::exit::{Code, Failure, Outcome};
use crate::render::devices::{self, Columns, Row, View};
use crate::render::{groups, json, tree, words};

pub(crate) fn run(context: &Context, options: &List) -> Outcome {
    let names = parse_names(&options.devices)?;
    let columns = Columns::parse(options.columns.as_deref().unwrap_or("default"))
        .map_err(|error| Failure::new(Code::Usage, error))?;
    let source = context.source()?;
    let only_places = options.groups || options.tree;
    let json = context.global.json;
    let wants = Wants {
        revision: json || options.groups || columns.need_revision(),
        usage: json || !only_places || needs_usage(&names),
        reserved: json || !only_places,
        names: true,
        ..Wants::default()
    };
    // Never dropped: the process ends with the verb, and taking a large host apart piece by
    // piece would be for nothing.
    let mut snapshot = ManuallyDrop::new(context.snapshot(&*source, &wants)?);
    let predict = options.groups && !json && snapshot.groups.is_empty();
    if predict {
        let wants = Wants { topology: true, ..wants };
        *snapshot = context.snapshot(&*source, &wants)?;
    }
    let chosen = if names.is_empty() { None } else { Some(select(&snapshot, &names, Many::Yes)?) };
    let shown = snapshot
        .devices
        .iter()
        .filter(|d| chosen.as_ref().is_none_or(|chosen| chosen.binary_search(&d.address).is_ok()));
    if only_places && !json {
        let shown: Vec<_> = shown.collect();
        Out::new().write(|out, _, _| {
            if predict {
                groups::write_predicted(out, &snapshot, &predicted_groups(&snapshot), &shown)
            } else if options.groups {
                groups::write(out, &snapshot, &shown)
            } else {
                tree::write(out, &snapshot, &shown)
            }
        })?;
        if predict {
            context.note(match snapshot.source {
                SourceKind::Pasted => "the text names no IOMMU groups: these are predicted from what it says",
                _ => {
                    "no IOMMU groups: no IOMMU is at work on this host (`passthru` says more); these are predicted"
                }
            });
        }
        return Ok(Code::Done.into());
    }
    let uses = ManuallyDrop::new(Uses::of(&snapshot));
    let mut rows: Vec<Row<'_>> =
        shown.map(|device| Row { device, lending: judge(&snapshot, &uses, device) }).collect();
    if json {
        print_json(&json::Devices::new("list", &snapshot, &uses, &rows))?;
        return Ok(Code::Done.into());
    }
    // A picked view keeps the order of the addresses, so that it can be compared.
    if options.columns.is_none() {
        rows.sort_by_key(|row| (row.lending.rank(), row.device.address));
    }
    let view = View { snapshot: &snapshot, uses: &uses, with_domains: words::with_domains(&snapshot) };
    Out::new().write(|out, width, colour| devices::write(out, &view, &rows, &columns, width, colour))?;
    say_unread(context, &snapshot);
    Ok(Code::Done.into())
}

/// One line on what could not be read, where anything could not.
pub(crate) fn say_unread(context: &Context, snapshot: &Snapshot) {
    let mut places: Vec<String> = snapshot
        .unread
        .iter()
        .map(|u| match (&u.error, &u.text) {
            (Some(error), _) => format!("{}: {error}", u.path),
            (None, text) => format!("{}: makes no sense: '{}'", u.path, text.as_deref().unwrap_or("")),
        })
        .collect();
    let mut root =
        snapshot.unread.iter().any(|u| u.error.is_some_and(passthru_formats::Errno::is_permission));
    let usage = &snapshot.usage;
    for blind in [
        usage.blocks.blind(),
        usage.mounts.blind(),
        usage.shares.blind(),
        usage.swaps.blind(),
        usage.tables.blind(),
        usage.interfaces.blind(),
        usage.ssh.blind(),
        usage.displays.blind(),
        usage.inputs.blind(),
        usage.sounds.blind(),
        usage.clients.blind(),
        usage.vfio_holders.blind(),
        usage.attached.blind(),
        usage.services.blind(),
    ]
    .concat()
    {
        root |= blind.error.is_permission();
        let place = format!("{} ({}): {}", blind.path, blind.what, blind.error);
        // Several lists are made from the same descriptors.
        if !places.contains(&place) {
            places.push(place);
        }
    }
    if places.is_empty() {
        return;
    }
    if snapshot.source == SourceKind::Pasted && !context.global.verbose {
        let denied =
            if snapshot.rights.root { "" } else { "; lspci was denied the capabilities: run it as root" };
        context.note(&format!("read from what lspci printed: what it does not say is not known{denied}"));
        return;
    }
    let more = if places.len() > 1 { format!(", and {} more", places.len() - 1) } else { String::new() };
    let hint = if root { " — root can read more" } else { "" };
    let all = if places.len() > 1 && !context.global.verbose { " (-v names all)" } else { "" };
    if context.global.verbose {
        for place in &places {
            context.note(&format!("could not read {place}"));
        }
    } else {
        context.note(&format!("could not read {}{more}{hint}{all}", places[0]));
    }
}
