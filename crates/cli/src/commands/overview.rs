//! `passthru` alone: is this host ready, what can be lent, what to type next.

use passthru_model::{Fact, Judged, Records, Severity, Snapshot, SourceKind, Wants};
use passthru_plan::checks::{self, Host};
use passthru_plan::lending::{Lending, judge};

use super::list::say_unread;
use super::print_json;
use crate::context::{Context, Out};
use crate::exit::{Code, Outcome};
use crate::render::devices::Row;
use crate::render::{json, words};

/// How many devices fit on the one screen.
const SHOWN: usize = 12;

pub(crate) fn run(context: &Context) -> Outcome {
    let source = context.source()?;
    // The groups in full: what the firmware keeps mapped must not be offered here.
    let wants =
        Wants { revision: context.global.json, usage: true, names: true, reserved: true, ..Wants::default() };
    let mut snapshot = context.snapshot(&*source, &wants)?;
    // Everything around the devices (kernels, log, programs) takes longer to read than all that
    // is shown here, so only where nothing can be lent as it is: there it says why.
    if !context.global.json && !snapshot.iommu_active() {
        let wants = Wants { system: true, ..Wants::default() };
        snapshot.system = context.snapshot(&*source, &wants)?.system;
    }
    let records = Records::default();
    let host = Host::new(&snapshot, &records);
    let uses = &host.uses;
    let judged = if snapshot.iommu_active() { Vec::new() } else { checks::run_host(&host) };
    let mut rows: Vec<Row<'_>> = snapshot
        .devices
        .iter()
        .map(|device| Row { device, lending: judge(&snapshot, uses, device) })
        .collect();
    if context.global.json {
        print_json(&json::Devices::new("overview", &snapshot, uses, &rows))?;
        return Ok(Code::Done.into());
    }
    rows.sort_by_key(|row| (row.lending.rank(), row.device.address));
    let lendable: Vec<&Row<'_>> =
        rows.iter().filter(|row| matches!(row.lending, Lending::Ready | Lending::With(_))).collect();
    let bound: Vec<&Row<'_>> =
        rows.iter().filter(|row| matches!(row.lending, Lending::Bound | Lending::Lent)).collect();
    Out::new().write(|out, _, _| {
        writeln!(out, "{}", readiness(&snapshot, &judged))?;
        for (title, rows) in [("On a vfio driver now:", &bound), ("Can be lent:", &lendable)] {
            if rows.is_empty() {
                continue;
            }
            writeln!(out, "\n{title}")?;
            for row in rows.iter().take(SHOWN) {
                let with = match &row.lending {
                    Lending::With(_) => format!("  ({})", words::lending(&row.lending)),
                    Lending::Lent => "  (held by a virtual machine)".into(),
                    _ => String::new(),
                };
                let class = words::class(&snapshot, row.device);
                writeln!(
                    out,
                    "  {}  {class}: {}{with}",
                    row.device.address,
                    words::name(&snapshot, row.device)
                )?;
            }
            if rows.len() > SHOWN {
                writeln!(out, "  and {} more", rows.len() - SHOWN)?;
            }
        }
        if lendable.is_empty() && snapshot.iommu_active() {
            writeln!(out, "\nNothing can be lent as it is; `passthru list` says for each device why.")?;
        }
        writeln!(out, "\nNext:  {}", next(&snapshot, &lendable, &bound))
    })?;
    say_unread(context, &snapshot);
    Ok(Code::Done.into())
}

/// What keeps the host from lending, with the check's id.
fn errors(judged: &[Judged]) -> impl Iterator<Item = (&'static str, &str)> {
    let all = judged.iter().flat_map(|one| one.verdict.findings().iter().map(|f| (one.id, f)));
    all.filter(|(_, f)| f.severity == Severity::Error).map(|(id, f)| (id, f.summary.as_str()))
}

/// Whether the host can lend anything: in a sentence, or by what is missing.
fn readiness(snapshot: &Snapshot, judged: &[Judged]) -> String {
    if snapshot.source == SourceKind::Pasted {
        return format!(
            "This is what lspci printed of {} devices. Whether that host can lend them is not in it; how it \
             isolates them is: `list --groups`, `show DEVICE`.",
            snapshot.devices.len()
        );
    }
    let missing: Vec<String> = errors(judged).map(|(id, summary)| format!("\n  {id}: {summary}")).collect();
    if !missing.is_empty() {
        return format!("This host cannot lend devices yet:{}", missing.concat());
    }
    iommu(snapshot)
}

/// The same, by what is seen of the IOMMU.
fn iommu(snapshot: &Snapshot) -> String {
    let units = snapshot.iommu_units.known().map_or(0, Vec::len);
    if snapshot.iommu_active() {
        let s = |n: usize| if n == 1 { "" } else { "s" };
        let groups = snapshot.groups.len();
        return format!(
            "This host is ready to lend devices: {units} IOMMU unit{} at work, {groups} group{}.",
            s(units),
            s(groups)
        );
    }
    let (Fact::Known(_) | Fact::Absent) = &snapshot.iommu_tables else {
        return format!(
            "This host cannot lend devices: no IOMMU is at work. Whether the firmware has one could not be seen: /sys/firmware/acpi/tables {}.",
            words::missing(&snapshot.iommu_tables)
        );
    };
    match snapshot.iommu_tables.known().map(Vec::as_slice) {
        Some([]) | None => "This host cannot lend devices: no IOMMU is at work, and the firmware has no tables for one. Switch on VT-d (Intel) or AMD-Vi/IOMMU (AMD) in the firmware's set-up.".into(),
        Some(tables) if tables.iter().any(|t| t == "DMAR") => "This host cannot lend devices yet: the firmware has an IOMMU (DMAR), but the kernel does not use it. Boot with intel_iommu=on.".into(),
        Some(tables) => format!(
            "This host cannot lend devices yet: the firmware has an IOMMU ({}), but the kernel does not use it. Look for iommu=off or amd_iommu=off on the kernel's command line.",
            tables.join(", ")
        ),
    }
}

fn next(snapshot: &Snapshot, lendable: &[&Row<'_>], bound: &[&Row<'_>]) -> String {
    if !snapshot.iommu_active() {
        return "passthru check".into();
    }
    match (lendable.first(), bound.first()) {
        (Some(row), _) | (_, Some(row)) => format!("passthru show {}", row.device.address.short()),
        _ => "passthru list".into(),
    }
}
