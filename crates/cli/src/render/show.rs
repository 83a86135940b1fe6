//! `show`: everything about one device.

use std::io::{self, Write};

use anstyle::Style;
use passthru_formats::Errno;
use passthru_formats::config_space::{Completeness, ConfigSpace};
use passthru_formats::resource::Kind;
use passthru_formats::scalar::Bytes;
use passthru_model::plan::{NoPlan, Plan};
use passthru_model::{Detail, Device, Fact, Reason, Snapshot, SourceKind, Step};
use passthru_pci::capability;
use passthru_plan::lending::{self, Lending};
use passthru_plan::uses::Uses;

use super::predicted::Predicted;
use super::words;

/// How wide the names of the fields are.
const WIDTH: usize = 16;

struct Sheet<'o> {
    out: &'o mut dyn Write,
    style: Style,
}

impl Sheet<'_> {
    fn field(&mut self, name: &str, value: impl AsRef<str>) -> io::Result<()> {
        let style = self.style;
        let mut lines = value.as_ref().lines();
        let first = lines.next().unwrap_or("");
        writeln!(self.out, "  {style}{name:WIDTH$}{style:#} {first}")?;
        for line in lines {
            writeln!(self.out, "  {:WIDTH$} {line}", "")?;
        }
        Ok(())
    }

    /// A field that is left out where the host says that there is none.
    fn fact<T: std::fmt::Display>(&mut self, name: &str, fact: &Fact<T>) -> io::Result<()> {
        if *fact_is_absent(fact) { Ok(()) } else { self.field(name, words::fact(fact)) }
    }
}

const fn fact_is_absent<T>(fact: &Fact<T>) -> &bool {
    match fact {
        // Nor is a field of use that no capture and no listing has.
        Fact::Absent | Fact::Unreadable(Errno::ENODATA) => &true,
        _ => &false,
    }
}

/// One device.
pub(crate) fn write(
    out: &mut dyn Write,
    snapshot: &Snapshot,
    uses: &Uses,
    predicted: &Predicted,
    device: &Device,
    bind: &str,
    colour: bool,
) -> io::Result<()> {
    let bold = if colour { Style::new().bold() } else { Style::new() };
    let dim = if colour { Style::new().dimmed() } else { Style::new() };
    writeln!(
        out,
        "{bold}{} {}: {}{bold:#}",
        device.address,
        words::class(snapshot, device),
        words::name(snapshot, device)
    )?;
    let mut sheet = Sheet { out, style: dim };
    sheet.fact("id", &device.id)?;
    if let Some(class) = device.class.known() {
        sheet.field("class", format!("{class}, programming interface {:02x}", class.prog_if()))?;
    } else {
        sheet.fact("class", &device.class)?;
    }
    if let Some(subsystem) = super::json::subsystem(snapshot, device) {
        sheet.field("subsystem", subsystem)?;
    }
    if let Some(revision) = device.revision.known() {
        sheet.field("revision", format!("{revision:02x}"))?;
    }
    sheet.field("driver", words::fact(&device.driver))?;
    if let Some(parent) = device.parent {
        let above = snapshot.device(parent).map(|p| format!(" {}", words::name(snapshot, p)));
        sheet.field("behind", format!("{parent}{}", above.unwrap_or_default()))?;
    }
    if let Fact::Known(physical) = &device.physical_function {
        sheet.field("virtual of", physical.to_string())?;
    }
    if let Some(detail) = &device.detail {
        hardware(&mut sheet, snapshot.source, detail)?;
    }
    group(&mut sheet, snapshot, predicted, device)?;
    let found = uses.device(device.address);
    let lines: Vec<String> = found
        .iter()
        .map(|u| match u.blocks {
            Some(reason) => format!("{}  [{reason}]", u.line()),
            None => u.line(),
        })
        .collect();
    let nothing = match snapshot.source {
        SourceKind::Pasted => "not known: lspci does not say it",
        _ => "nothing that was seen",
    };
    sheet.field("used by", if lines.is_empty() { nothing.into() } else { lines.join("\n") })?;
    let lent = match lending::judge(snapshot, uses, device) {
        Lending::Chipset => "not offered: a part of the machine itself".into(),
        other => words::lending(&other),
    };
    sheet.field("can be lent", lent)?;
    sheet.field("bind would", bind)?;
    let unread: Vec<String> = snapshot
        .unread
        .iter()
        .filter(|u| u.device == Some(device.address))
        // Of what a listing does not have a list would only be long.
        .filter(|u| snapshot.source != SourceKind::Pasted || u.error != Some(Errno::ENODATA))
        .map(|u| match (&u.error, &u.text) {
            (Some(error), _) => format!("{}: {}: {error}", u.field, u.path),
            (None, Some(text)) => format!("{}: {}: makes no sense: '{text}'", u.field, u.path),
            (None, None) => format!("{}: {}", u.field, u.path),
        })
        .collect();
    if !unread.is_empty() {
        sheet.field("could not read", unread.join("\n"))?;
    }
    Ok(())
}

fn hardware(sheet: &mut Sheet<'_>, source: SourceKind, detail: &Detail) -> io::Result<()> {
    sheet.fact("label", &detail.label)?;
    if let Fact::Known(value) = &detail.driver_override {
        sheet.field("override", format!("driver_override is {value}"))?;
    }
    let link = &detail.link;
    if let (Fact::Known(speed), Fact::Known(width)) = (&link.speed, &link.width) {
        let most = match (&link.max_speed, &link.max_width) {
            (Fact::Known(s), Fact::Known(w)) if s != speed || w != width => format!(" (can do x{w}, {s})"),
            _ => String::new(),
        };
        sheet.field("link", format!("x{width}, {speed}{most}"))?;
    }
    sheet.fact("NUMA node", &detail.numa_node)?;
    sheet.fact("near CPUs", &detail.local_cpus)?;
    sheet.fact("power state", &detail.power_state)?;
    match &detail.reset_methods {
        Fact::Known(methods) if methods.is_empty() => sheet.field("reset", "no method")?,
        Fact::Known(methods) => sheet.field("reset", methods.join(", "))?,
        Fact::Unreadable(Errno::ENODATA) => {}
        other => sheet.field("reset", words::missing(other))?,
    }
    if let Fact::Known(regions) = &detail.regions {
        let lines: Vec<String> = regions
            .iter()
            .map(|r| {
                let mut text = format!("{}: {}", region_kind(r.kind), Bytes(r.size()));
                text.push_str(if r.flags.is_io() { ", I/O ports" } else { ", memory" });
                if r.flags.is_prefetchable() {
                    text.push_str(", prefetchable");
                }
                if r.flags.is_64bit() {
                    text.push_str(", 64-bit");
                }
                text.push_str(&format!(" at {:#x}", r.start));
                text
            })
            .collect();
        if !lines.is_empty() {
            sheet.field("regions", lines.join("\n"))?;
        }
    } else if detail.regions != Fact::Unreadable(Errno::ENODATA) {
        sheet.field("regions", words::missing(&detail.regions))?;
    }
    if let Fact::Known(size) = detail.rom {
        sheet.field("ROM", Bytes(size).to_string())?;
    }
    if let Fact::Known(sriov) = &detail.sriov {
        let active = words::fact(&sriov.active);
        sheet.field("SR-IOV", format!("{active} of {} virtual functions", sriov.total))?;
    }
    match &detail.config {
        Fact::Known(config) => {
            let names = capabilities(config)
                .chain(extended_capabilities(config))
                .map(|(id, _, name)| name.map_or_else(|| format!("{id:#04x}"), str::to_owned))
                .collect::<Vec<_>>();
            let mut text = names.join(", ");
            if config.completeness() == Completeness::HeaderOnly {
                text = match source {
                    SourceKind::Pasted => "not in the text (`lspci -vvv` as root prints them)".into(),
                    _ => "only the header could be read (the rest needs root)".into(),
                };
            }
            sheet.field("capabilities", text)
        }
        Fact::NotRead => sheet.field("capabilities", "not read: the device sleeps (D3cold)"),
        other => sheet.field("capabilities", words::missing(other)),
    }
}

/// The group, and why its other members are in the way or not.
fn group(
    sheet: &mut Sheet<'_>,
    snapshot: &Snapshot,
    predicted: &Predicted,
    device: &Device,
) -> io::Result<()> {
    let Some(number) = device.group.known() else {
        let mut lines = vec![words::fact(&device.group)];
        lines.extend(predicted.lines(snapshot, device));
        return sheet.field("IOMMU group", lines.join("\n"));
    };
    let mut lines = vec![number.to_string()];
    if let Some(found) = snapshot.groups.get(number) {
        if let Fact::Known(kind) = &found.kind {
            lines[0].push_str(&format!(" ({kind})"));
        }
        if found.members.len() == 1 {
            lines[0].push_str(", alone in it");
        }
    }
    for mate in snapshot.group_mates(device) {
        let driver = words::fact(&mate.driver.clone().map(String::from));
        let along = lending::companions(snapshot, device).iter().any(|c| c.address == mate.address);
        let role = if mate.is_bus_bridge() {
            "a bridge, stays where it is"
        } else if along {
            "must go along"
        } else {
            "not in the way"
        };
        lines.push(format!(
            "with {} {} (driver: {driver}; {role})",
            mate.address,
            words::name(snapshot, mate)
        ));
    }
    lines.extend(predicted.lines(snapshot, device));
    if let Some(region) = lending::firmware_mapping(snapshot, device) {
        lines.push(format!("the firmware keeps {region} mapped: the kernel refuses VFIO"));
    }
    sheet.field("IOMMU group", lines.join("\n"))
}

/// What a region is.
pub(crate) fn region_kind(kind: Kind) -> String {
    match kind {
        Kind::Bar(n) => format!("BAR {n}"),
        Kind::Rom => "ROM".into(),
        Kind::VfBar(n) => format!("VF BAR {n}"),
        Kind::Window(n) => format!("window {n}"),
    }
}

/// How much of the configuration space was read, in a word.
pub(crate) fn completeness(config: &ConfigSpace) -> &'static str {
    match config.completeness() {
        Completeness::HeaderOnly => "header-only",
        Completeness::Legacy => "legacy",
        Completeness::Full => "full",
    }
}

/// Id, offset and name of each capability.
pub(crate) fn capabilities(
    config: &ConfigSpace,
) -> impl Iterator<Item = (u16, u16, Option<&'static str>)> + use<> {
    config
        .capabilities()
        .items
        .into_iter()
        .map(|c| (u16::from(c.id), u16::from(c.offset), capability::name(c.id)))
}

/// The same of the extended ones.
pub(crate) fn extended_capabilities(
    config: &ConfigSpace,
) -> impl Iterator<Item = (u16, u16, Option<&'static str>)> + use<> {
    config
        .extended_capabilities()
        .items
        .into_iter()
        .map(|c| (c.id, c.offset, capability::extended_name(c.id)))
}

/// What `bind` would do, in one line.
pub(crate) fn bind_sentence(planned: &Result<Plan, NoPlan>, judgement: &Lending, device: &Device) -> String {
    let from = words::fact(&device.driver.clone().map(String::from));
    let refusals = match planned {
        Ok(plan) if !plan.steps.iter().any(|step| matches!(step, Step::Probe { .. })) => {
            return format!("change nothing: it is on {from}");
        }
        Ok(_) if device.driver == Fact::Absent => return "put it on vfio-pci".into(),
        Ok(_) => return format!("take it from {from} and put it on vfio-pci"),
        Err(NoPlan::Refused(refusals)) => refusals,
        Err(NoPlan::Unknown(what)) => return format!("refuse: cannot plan without knowing {what}"),
        Err(NoPlan::NoDevice(_)) => return "refuse: it went away".into(),
    };
    if let Lending::With(companions) = judgement
        && refusals.iter().all(|r| r.reason == Reason::Companions)
    {
        let all: Vec<_> = companions.iter().map(ToString::to_string).collect();
        let go = if all.len() == 1 { "goes" } else { "go" };
        return format!("refuse, unless {} {go} along (--with-group)", all.join(", "));
    }
    let mut reasons: Vec<&str> = refusals.iter().map(|r| r.reason.name()).collect();
    reasons.dedup();
    format!("refuse ({})", reasons.join(", "))
}
