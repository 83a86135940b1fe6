//! What happens at boot: modprobe.d, modules that files name, the generator of initramfs
//! images, loaded modules, framebuffers.

use std::collections::BTreeSet;

use passthru_formats::initramfs::{self, Assignment};
use passthru_formats::path::absolute;
use passthru_formats::{iomem, modprobe, modules};
use passthru_model::system::boot::{ModprobeLine, NamedModule, Oddity, Stage};
use passthru_model::system::{Boot, Tool};
use passthru_model::{Blind, Fact, Seen};

use crate::ask::{Asker, means_absent};

/// modules-load.d(5).
const MODULES_LOAD: [&str; 4] = [
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
];

pub(super) fn read(ask: &mut Asker<'_>, tools: &[Tool]) -> Boot {
    let mut boot = Boot {
        modprobe: modprobe_lines(ask),
        loaded: ask.bytes(None, "modules", "/proc/modules", |text| {
            Some(Fact::Known(modules::loaded(text).collect()))
        }),
        framebuffers: ask
            .bytes(None, "iomem", "/proc/iomem", |text| iomem::boot_framebuffers(text).map(Fact::Known)),
        fb: ask.text(None, "fb", "/proc/fb", |text| {
            Some(Fact::Known(text.lines().map(|line| line.trim().to_owned()).collect()))
        }),
        ..Boot::default()
    };
    let mut named = Named::default();
    // A generator's files count where it is installed, and its files outlive it.
    for tool in tools {
        match tool {
            Tool::UpdateInitramfs => {
                let list = "/etc/initramfs-tools/modules";
                named.lines(ask, list, list, Stage::InitramfsFirst);
            }
            Tool::Dracut => dracut(ask, &mut named, &mut boot),
            Tool::Mkinitcpio => mkinitcpio(ask, &mut named, &mut boot),
            _ => {}
        }
    }
    const ETC_MODULES: &str = "/etc/modules";
    named.lines(ask, ETC_MODULES, ETC_MODULES, Stage::Root);
    for path in files(ask, &MODULES_LOAD, ".conf", &mut named.blind) {
        // Debian's modules.conf is a link to /etc/modules; and what people edit is the file.
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let target = ask.source.link(&path).map(|target| absolute(directory, &target));
        match target {
            Ok(target) if target == ETC_MODULES => {}
            Ok(target) => named.lines(ask, &path, &target, Stage::Root),
            Err(_) => named.lines(ask, &path, &path, Stage::Root),
        }
    }
    boot.named = Seen::new(named.modules, named.blind);
    boot
}

/// The files of several directories in the order of their names, wherever they are: of one
/// name only the first counts.
fn files(ask: &mut Asker<'_>, directories: &[&str], suffix: &str, blind: &mut Vec<Blind>) -> Vec<String> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for directory in directories {
        for name in ask.names(directory, "modules' configuration", blind) {
            if name.ends_with(suffix) && seen.insert(name.clone()) {
                found.push((name.clone(), format!("{directory}/{name}")));
            }
        }
    }
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

/// Reads a file of text; one that is there and cannot be read is a blind spot.
fn text(ask: &mut Asker<'_>, path: &str, blind: &mut Vec<Blind>) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    match ask.source.read(path, &mut text) {
        Ok(()) => Some(text),
        Err(error) => {
            if !means_absent(error) {
                blind.push(Blind {
                    what: "modules' configuration".to_owned(),
                    path: path.to_owned(),
                    error,
                    count: 1,
                });
            }
            None
        }
    }
}

fn modprobe_lines(ask: &mut Asker<'_>) -> Seen<ModprobeLine> {
    let mut blind = Vec::new();
    let mut found = Vec::new();
    for path in files(ask, &modprobe::DIRECTORIES, ".conf", &mut blind) {
        let Some(text) = text(ask, &path, &mut blind) else { continue };
        found.extend(modprobe::parse(&text).into_iter().map(|(line, command)| ModprobeLine {
            path: path.clone(),
            line,
            command,
        }));
    }
    Seen::new(found, blind)
}

#[derive(Default)]
struct Named {
    modules: Vec<NamedModule>,
    blind: Vec<Blind>,
}

impl Named {
    /// The modules of a file with one on each line, which has this name.
    fn lines(&mut self, ask: &mut Asker<'_>, path: &str, name: &str, stage: Stage) {
        let Some(text) = text(ask, path, &mut self.blind) else { return };
        for (line, module) in initramfs::module_lines(&text) {
            self.add(name, line, module, stage);
        }
    }

    fn add(&mut self, path: &str, line: usize, module: &str, stage: Stage) {
        let (path, module) = (path.to_owned(), module.to_owned());
        self.modules.push(NamedModule { path, line, module, stage });
    }

    /// The assignments of a generator's file and of those in its directory.
    fn assignments(&mut self, ask: &mut Asker<'_>, paths: &[String]) -> Vec<(String, Assignment)> {
        let mut all = Vec::new();
        for path in paths {
            if let Some(text) = text(ask, path, &mut self.blind) {
                all.extend(initramfs::assignments(&text).into_iter().map(|a| (path.clone(), a)));
            }
        }
        all
    }
}

/// Whether somebody means a file not to be read: what packages explain in it, and what editors,
/// package managers and people put aside.
fn is_left_over(name: &str) -> bool {
    const ENDS: [&str; 12] = [
        ".bak",
        "~",
        ".orig",
        ".old",
        ".rpmnew",
        ".rpmsave",
        ".rpmorig",
        ".pacnew",
        ".pacsave",
        ".disabled",
        ".swp",
        ".save",
    ];
    name.starts_with('.')
        || name.starts_with("README")
        || name.contains(".dpkg-")
        || name.contains(".ucf-")
        || ENDS.iter().any(|end| name.ends_with(end))
}

fn dracut(ask: &mut Asker<'_>, named: &mut Named, boot: &mut Boot) {
    let mut paths = vec!["/etc/dracut.conf".to_owned()];
    paths.extend(files(
        ask,
        &["/etc/dracut.conf.d", "/usr/lib/dracut/dracut.conf.d"],
        ".conf",
        &mut named.blind,
    ));
    let names = ask.names("/etc/dracut.conf.d", "dracut's configuration", &mut named.blind);
    for name in &names {
        if !name.ends_with(".conf") && !is_left_over(name) {
            let taken = names.contains(&format!("{name}.conf"));
            boot.oddities.push(Oddity::NotConf { path: format!("/etc/dracut.conf.d/{name}"), taken });
        }
    }
    for (path, assignment) in named.assignments(ask, &paths) {
        let stage = match &*assignment.key {
            "force_drivers" => Stage::InitramfsFirst,
            "add_drivers" | "drivers" => Stage::InitramfsFile,
            key => {
                if matches!(
                    key,
                    "omit_drivers" | "add_dracutmodules" | "omit_dracutmodules" | "install_items"
                ) && assignment.lacks_blanks()
                {
                    boot.oddities.push(Oddity::Blanks(path, assignment));
                }
                continue;
            }
        };
        for module in assignment.words() {
            named.add(&path, assignment.line, module, stage);
        }
        if assignment.lacks_blanks() {
            boot.oddities.push(Oddity::Blanks(path, assignment));
        }
    }
}

fn mkinitcpio(ask: &mut Asker<'_>, named: &mut Named, boot: &mut Boot) {
    let mut paths = vec!["/etc/mkinitcpio.conf".to_owned()];
    paths.extend(files(ask, &["/etc/mkinitcpio.conf.d"], ".conf", &mut named.blind));
    let mut modules: Vec<(String, usize, String)> = Vec::new();
    for (path, assignment) in named.assignments(ask, &paths) {
        match &*assignment.key {
            "MODULES" => {
                if !assignment.append {
                    modules.clear();
                }
                modules.extend(assignment.words().map(|m| (path.clone(), assignment.line, m.to_owned())));
            }
            "HOOKS" => {
                if !assignment.append {
                    boot.hooks.clear();
                }
                boot.hooks.extend(assignment.words().map(str::to_owned));
            }
            _ => {}
        }
    }
    for (path, line, module) in modules {
        // A `?` behind a name: it may be missing.
        named.add(&path, line, module.trim_end_matches('?'), Stage::InitramfsFirst);
    }
}
