//! `list`: one line per device.

use std::io::{self, Write};

use passthru_model::{Device, Snapshot};
use passthru_plan::lending::Lending;
use passthru_plan::uses::Uses;

use super::table::{self, Cells, Column};
use super::words::{self, put};

/// A column of `list`: its name for `-o`, its heading, how narrow it may become, and what
/// it shows.
struct Kind {
    name: &'static str,
    title: &'static str,
    narrowest: Option<usize>,
    cell: fn(&mut String, &View<'_>, &Row<'_>),
}

/// What rows are made from.
pub(crate) struct View<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) uses: &'a Uses,
    pub(crate) with_domains: bool,
}

/// One device with its judgement.
pub(crate) struct Row<'a> {
    pub(crate) device: &'a Device,
    pub(crate) lending: Lending,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "address",
        title: "ADDRESS",
        narrowest: None,
        cell: |t, v, r| words::push_address(t, r.device, v.with_domains),
    },
    Kind {
        name: "class",
        title: "CLASS",
        narrowest: Some(12),
        cell: |t, v, r| words::push_class(t, v.snapshot, r.device),
    },
    Kind {
        name: "name",
        title: "NAME",
        narrowest: Some(16),
        cell: |t, v, r| words::push_name(t, v.snapshot, r.device),
    },
    Kind {
        name: "device",
        title: "DEVICE",
        narrowest: Some(20),
        cell: |t, v, r| {
            words::push_class(t, v.snapshot, r.device);
            t.push_str(": ");
            words::push_name(t, v.snapshot, r.device);
        },
    },
    Kind { name: "id", title: "ID", narrowest: None, cell: |t, _, r| words::push_short(t, &r.device.id) },
    Kind {
        name: "subsystem",
        title: "SUBSYSTEM",
        narrowest: None,
        cell: |t, _, r| words::push_short(t, &r.device.subsystem),
    },
    Kind {
        name: "revision",
        title: "REV",
        narrowest: None,
        cell: |t, _, r| match r.device.revision.known() {
            Some(revision) => put(t, format_args!("{revision:02x}")),
            None => words::push_short(t, &r.device.revision),
        },
    },
    Kind {
        name: "driver",
        title: "DRIVER",
        narrowest: None,
        cell: |t, _, r| words::push_short(t, &r.device.driver),
    },
    Kind {
        name: "group",
        title: "GROUP",
        narrowest: None,
        cell: |t, _, r| words::push_short(t, &r.device.group),
    },
    Kind {
        name: "bus",
        title: "BUS",
        narrowest: None,
        cell: |t, _, r| put(t, format_args!("{:#04x}", r.device.address.bus())),
    },
    Kind {
        name: "slot",
        title: "SLOT",
        narrowest: None,
        cell: |t, _, r| put(t, format_args!("{:#04x}", r.device.address.device())),
    },
    Kind {
        name: "function",
        title: "FUNCTION",
        narrowest: None,
        cell: |t, _, r| put(t, format_args!("{:#x}", r.device.address.function())),
    },
    Kind { name: "uses", title: "USED BY", narrowest: Some(12), cell: |t, v, r| push_uses(t, v, r.device) },
    Kind {
        name: "lend",
        title: "LEND",
        narrowest: Some(10),
        cell: |t, _, r| t.push_str(&words::lending(&r.lending)),
    },
];

/// Named views of `-o`.
const VIEWS: &[(&str, &str)] = &[
    ("default", "address,device,id,driver,group,uses,lend"),
    ("full", "address,class,name,id,subsystem,revision,driver,group,uses,lend"),
    ("phyllome", "group,bus,slot,function,name,id"),
];

/// The columns that were picked.
pub(crate) struct Columns(Vec<&'static Kind>);

impl Columns {
    /// Reads a comma-separated list or a view's name.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = VIEWS.iter().find(|(name, _)| *name == text).map_or(text, |(_, columns)| columns);
        text.split(',')
            .map(|name| {
                KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
                    let all: Vec<_> = KINDS.iter().map(|k| k.name).collect();
                    let views: Vec<_> = VIEWS.iter().map(|(name, _)| *name).collect();
                    format!(
                        "-o: no column '{name}'; there are {}; and the views {}",
                        all.join(", "),
                        views.join(", ")
                    )
                })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a column needs the revision to be read.
    pub(crate) fn need_revision(&self) -> bool {
        self.0.iter().any(|kind| kind.name == "revision")
    }
}

/// What uses a device: everything that blocks, or else everything.
fn push_uses(text: &mut String, view: &View<'_>, device: &Device) {
    let uses = view.uses.device(device.address);
    let blocking = uses.iter().filter(|u| u.blocks.is_some()).count();
    let shown = if blocking > 0 { &uses[..blocking] } else { uses };
    if shown.is_empty() {
        text.push('-');
    }
    for (number, found) in shown.iter().enumerate() {
        if number > 0 {
            text.push_str("; ");
        }
        text.push_str(&found.line());
    }
}

/// The table.
pub(crate) fn write(
    out: &mut dyn Write,
    view: &View<'_>,
    rows: &[Row<'_>],
    columns: &Columns,
    terminal: Option<usize>,
    colour: bool,
) -> io::Result<()> {
    let heads: Vec<Column> =
        columns.0.iter().map(|k| Column { title: k.title, narrowest: k.narrowest }).collect();
    let mut cells = Cells::default();
    for row in rows {
        for kind in &columns.0 {
            cells.add(|text| (kind.cell)(text, view, row));
        }
    }
    table::write(out, &heads, &cells, terminal, colour)
}
