//! `check`: what is wrong with this host or these devices, why, and what to do.

use std::mem::ManuallyDrop;
use std::time::{Duration, Instant};

use passthru_apply::books;
use passthru_host::source::Source;
use passthru_model::{DetailOf, Judged, Records, Severity, Snapshot, Unseen, Usage, Wants};
use passthru_pci::Address;
use passthru_plan::checks::sentence::sum_up;
use passthru_plan::checks::{self, Host};

use super::print_json;
use crate::args::Check;
use crate::context::{Context, Many, Out, needs_usage, parse_names, select};
use crate::exit::{Code, Failure, Outcome};
use crate::render::check::{self, Report};
use crate::render::check_json::{Checked, count};

pub(crate) fn run(context: &Context, options: &Check) -> Outcome {
    let names = parse_names(&options.devices)?;
    let source = context.source()?;
    let start = Instant::now();
    let (mut named, mut usage) = (None, None);
    if !names.is_empty() {
        let first = Wants { usage: needs_usage(&names), ..Wants::default() };
        let found = context.snapshot(&*source, &first)?;
        named = Some(select(&found, &names, Many::Yes)?);
        usage = first.usage.then_some(found.usage);
    }
    let read = Read::new(context, &*source, named, usage)?;
    let read_in = start.elapsed();
    let host = ManuallyDrop::new(read.host());
    let judged = read.judge(&host);
    let sentences: Vec<_> =
        read.named.iter().flatten().map(|address| (*address, sum_up(&host, &judged, *address))).collect();
    if options.times {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let checked_in = start.elapsed().saturating_sub(read_in);
        context.note(&format!("read in {:.3} ms, checked in {:.3} ms", ms(read_in), ms(checked_in)));
    }
    if context.global.json {
        print_json(&Checked::new(&read.snapshot, &judged, &sentences))?;
    } else {
        let report = Report { snapshot: &read.snapshot, judged: &judged, sentences: &sentences };
        let verbose = context.global.verbose;
        Out::new().write(|out, width, colour| check::write(out, &report, width, colour, verbose))?;
    }
    let code = if count(&judged, Severity::Error) > 0 { Code::Findings } else { Code::Done };
    Ok(code.into())
}

/// A host as far as checks look at it.
pub(super) struct Read {
    /// Never dropped: the process ends with the verb.
    pub(super) snapshot: ManuallyDrop<Snapshot>,
    /// The devices that were named, in order; `None` where none was.
    pub(super) named: Option<Vec<Address>>,
    records: Records,
    /// Why the records could not be looked at, where they could not.
    blind: Option<Unseen>,
}

impl Read {
    /// Reads what checks need, for these devices or for all; who uses what is taken over where
    /// it was read already.
    pub(super) fn new(
        context: &Context,
        source: &dyn Source,
        named: Option<Vec<Address>>,
        usage: Option<Usage>,
    ) -> Result<Self, Failure> {
        let (records, blind) = match books::records(source) {
            Ok(records) => (records, None),
            Err(error) => {
                let unseen = Unseen { path: "/run/passthru".into(), why: error.to_string() };
                (Records::default(), Some(unseen))
            }
        };
        let mut wants = Wants {
            revision: true,
            detail: named.clone().map_or(DetailOf::All, DetailOf::Some),
            reserved: false,
            group_detail: true,
            usage: usage.is_none(),
            system: true,
            // Only sentences about devices name them.
            names: named.is_some() && !context.global.json,
            only_plan: false,
            topology: true,
            programs: named.is_some(),
            avoid: records.stuck_devices(),
        };
        let mut snapshot = ManuallyDrop::new(context.snapshot(source, &wants)?);
        if let Some(usage) = usage {
            snapshot.usage = usage;
        }
        if named.as_deref().is_some_and(|named| checks::needs_others(&snapshot, named)) {
            // Only of the devices and their groups more is wanted.
            let (usage, system, programs, names) = (false, false, false, false);
            wants = Wants { detail: DetailOf::All, usage, system, programs, names, ..wants };
            let more = context.snapshot(source, &wants)?;
            (snapshot.devices, snapshot.groups) = (more.devices, more.groups);
        }
        Ok(Self { snapshot, named, records, blind })
    }

    /// What checks look at.
    pub(super) fn host(&self) -> Host<'_> {
        Host::new(&self.snapshot, &self.records)
    }

    /// Asks every check.
    pub(super) fn judge(&self, host: &Host<'_>) -> Vec<Judged> {
        let mut judged = checks::run(host, self.named.as_deref());
        if let Some(unseen) = &self.blind {
            checks::without_records(&mut judged, unseen);
        }
        judged
    }
}
