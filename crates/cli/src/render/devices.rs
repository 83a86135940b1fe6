//! `list`: one line per device.

use std::io::{self, Write};

use passthru_model::{Device, Snapshot};
use passthru_plan::lending::Lending;
use passthru_plan::uses::Uses;

use super::table::{self, Column};
use super::words;

/// A column of `list`: its name for `-o`, its heading, how narrow it may become, and what
/// it shows.
struct Kind {
    name: &'static str,
    title: &'static str,
    narrowest: Option<usize>,
    cell: fn(&View<'_>, &Row<'_>) -> String,
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
        cell: |v, r| words::address(r.device, v.with_domains),
    },
    Kind {
        name: "class",
        title: "CLASS",
        narrowest: Some(12),
        cell: |v, r| words::class(v.snapshot, r.device),
    },
    Kind { name: "name", title: "NAME", narrowest: Some(16), cell: |v, r| words::name(v.snapshot, r.device) },
    Kind {
        name: "device",
        title: "DEVICE",
        narrowest: Some(20),
        cell: |v, r| format!("{}: {}", words::class(v.snapshot, r.device), words::name(v.snapshot, r.device)),
    },
    Kind { name: "id", title: "ID", narrowest: None, cell: |_, r| words::short(&r.device.id) },
    Kind {
        name: "subsystem",
        title: "SUBSYSTEM",
        narrowest: None,
        cell: |_, r| words::short(&r.device.subsystem),
    },
    Kind {
        name: "revision",
        title: "REV",
        narrowest: None,
        cell: |_, r| match r.device.revision.known() {
            Some(revision) => format!("{revision:02x}"),
            None => words::short(&r.device.revision),
        },
    },
    Kind { name: "driver", title: "DRIVER", narrowest: None, cell: |_, r| words::short(&r.device.driver) },
    Kind { name: "group", title: "GROUP", narrowest: None, cell: |_, r| words::short(&r.device.group) },
    Kind {
        name: "bus",
        title: "BUS",
        narrowest: None,
        cell: |_, r| format!("{:#04x}", r.device.address.bus()),
    },
    Kind {
        name: "slot",
        title: "SLOT",
        narrowest: None,
        cell: |_, r| format!("{:#04x}", r.device.address.device()),
    },
    Kind {
        name: "function",
        title: "FUNCTION",
        narrowest: None,
        cell: |_, r| format!("{:#x}", r.device.address.function()),
    },
    Kind { name: "uses", title: "USED BY", narrowest: Some(12), cell: |v, r| uses(v, r.device) },
    Kind { name: "lend", title: "LEND", narrowest: Some(10), cell: |_, r| words::lending(&r.lending) },
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
fn uses(view: &View<'_>, device: &Device) -> String {
    let uses = view.uses.device(device.address);
    let blocking = uses.iter().filter(|u| u.blocks.is_some()).count();
    let shown = if blocking > 0 { &uses[..blocking] } else { uses };
    match shown {
        [] => "-".into(),
        all => all.iter().map(passthru_plan::uses::Use::line).collect::<Vec<_>>().join("; "),
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
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| columns.0.iter().map(|k| (k.cell)(view, row)).collect()).collect();
    table::write(out, &heads, &cells, terminal, colour)
}
