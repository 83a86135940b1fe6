//! The switches that do without interrupt remapping: how they stand, or will once their modules
//! are loaded.

use passthru_formats::modprobe::{self, Command};
use passthru_formats::{cmdline, scalar};
use passthru_model::system::boot::ModprobeLine;
use passthru_model::system::firmware::{IOMMUFD_UNSAFE, TYPE1_UNSAFE};
use passthru_model::system::kernels::Presence;
use passthru_model::{Evidence, Fact, Remedy, Unseen, When};

use super::super::processor::running;
use super::super::{Host, early, remedy};
use super::{command_line, firmware, unseen};

/// The option of either module.
pub(super) const OPTION: &str = "allow_unsafe_interrupts";

/// One switch.
pub(super) struct Switch {
    /// Its module.
    pub(super) module: &'static str,
    /// Its path.
    pub(super) path: &'static str,
    /// Whether its module is loaded.
    pub(super) loaded: bool,
    /// What says that it is set.
    pub(super) on: Option<Evidence>,
    /// Whether modprobe.d decides about it: the module is to be loaded, and nothing that counts
    /// more says how the switch stands.
    by_modprobe: bool,
}

/// A switch that is named without a value is on.
fn is_on(value: Option<&str>) -> bool {
    value.is_none_or(|value| value.is_empty() || scalar::switch(value) == Some(true))
}

pub(super) fn switches(host: &Host<'_>) -> [Switch; 2] {
    let firmware = firmware(host);
    let line = command_line(host);
    [
        ("vfio_iommu_type1", TYPE1_UNSAFE, &firmware.type1_unsafe),
        ("iommufd", IOMMUFD_UNSAFE, &firmware.iommufd_unsafe),
    ]
    .map(|(module, path, fact)| {
        let name = format!("{module}.{OPTION}");
        let on_line = cmdline::parse(line).filter(|p| p.is(&name)).last();
        // modprobe gives the module the options of the command line last, and the last one wins.
        let by_modprobe = *fact == Fact::Absent && on_line.is_none() && reads_modprobe(host, module);
        let on = match (fact, on_line) {
            (Fact::Known(on), _) => on.then(|| Evidence::new(path, "Y")),
            // It counts when the module is loaded.
            (_, Some(p)) => is_on(p.value).then(|| Evidence::new("/proc/cmdline", p.raw)),
            _ if by_modprobe => lines(host, module)
                .last()
                .filter(|(_, value)| is_on(Some(value)))
                .map(|(line, value)| Evidence::new(place(line), format!("{OPTION}={value}"))),
            _ => None,
        };
        Switch { module, path, loaded: fact.known().is_some(), on, by_modprobe }
    })
}

/// What hides how the switches stand.
pub(super) fn unseen_switches(host: &Host<'_>, switches: &[Switch]) -> Vec<Unseen> {
    let firmware = firmware(host);
    let mut blind: Vec<Unseen> =
        [unseen(&firmware.type1_unsafe, TYPE1_UNSAFE), unseen(&firmware.iommufd_unsafe, IOMMUFD_UNSAFE)]
            .into_iter()
            .flatten()
            .collect();
    if switches.iter().any(|switch| switch.by_modprobe) {
        let spots = host.snapshot.system.boot.modprobe.blind().iter();
        blind.extend(spots.map(|spot| Unseen { path: spot.path.clone(), why: spot.error.to_string() }));
    }
    blind
}

/// Whether the running kernel loads this module by modprobe: what is built in takes nothing from
/// modprobe.d.
fn reads_modprobe(host: &Host<'_>, module: &str) -> bool {
    let presence = running(host).and_then(|kernel| kernel.module(module));
    !matches!(presence, Some(Presence::Builtin | Presence::Missing))
}

/// The lines of modprobe.d that set a module's switch, with the values.
fn lines<'a>(host: &Host<'a>, module: &'static str) -> impl Iterator<Item = (&'a ModprobeLine, &'a str)> {
    host.snapshot.system.boot.modprobe.at_least().iter().filter_map(move |line| match &line.command {
        Command::Options { module: of, options } if of == module => {
            Some((line, modprobe::option(options, OPTION)?))
        }
        _ => None,
    })
}

fn place(line: &ModprobeLine) -> String {
    format!("{}:{}", line.path, line.line)
}

/// Takes these switches away: now, and from what sets them at boot.
pub(super) fn forbid(host: &Host<'_>, set: &[&Switch]) -> Remedy {
    let system = &host.snapshot.system;
    let mut remedy = Remedy::new(When::Now, "Take the switch away");
    let words: Vec<&str> = cmdline::parse(command_line(host))
        .filter(|p| set.iter().any(|s| p.is(&format!("{}.{OPTION}", s.module))))
        .map(|p| p.raw)
        .collect();
    let mut changes = Vec::new();
    if !words.is_empty() {
        let of_line = remedy::remove_parameters(system, &words.join(" "));
        (remedy.text, remedy.when, changes) = (of_line.text, of_line.when, of_line.commands);
    }
    for switch in set.iter().filter(|switch| switch.loaded) {
        remedy.commands.push(format!("echo 0 > {}", switch.path));
    }
    let of_files = set.iter().filter(|switch| reads_modprobe(host, switch.module));
    let written: Vec<&ModprobeLine> =
        of_files.flat_map(|switch| lines(host, switch.module)).map(|(line, _)| line).collect();
    let mut edits = Vec::new();
    for line in &written {
        // An `options` line without options is none, and modprobe complains of it.
        let only = matches!(&line.command, Command::Options { options, .. } if !options.trim().contains([' ', '\t']));
        let script = if only { "s/^/#/".to_owned() } else { format!("s/[ \\t]{OPTION}(=[^ \\t]*)?//g") };
        edits.push(format!("sed -i.bak -E '{} {script}' {}", line.line, line.path));
    }
    if !written.is_empty() {
        let places: Vec<String> = written.iter().map(|line| place(line)).collect();
        remedy.text += &format!(", and take {OPTION} out of {}", places.join(" and "));
        let mut files: Vec<&str> = written.iter().map(|line| &*line.path).collect();
        files.dedup();
        remedy = early::change_files(system, remedy.commands(changes), early::NIXOS_MODPROBE, edits)
            .commands(early::rebuild_with(system, &files));
        changes = Vec::new();
    } else if !system.boot.modprobe.blind().is_empty() {
        remedy.text += ", and the line in /etc/modprobe.d that sets it, if there is one";
        changes.push(format!("grep -rn {OPTION} /etc/modprobe.d"));
    }
    remedy.commands(changes)
}
