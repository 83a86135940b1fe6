//! The kernels that are installed: their configurations, and the few of their modules that
//! matter. depmod's lists have thousands of lines, so they are passed through once, line by
//! line, and nothing is made of the others.

use std::collections::{BTreeMap, BTreeSet};

use passthru_formats::kconfig::{self, OPTIONS};
use passthru_formats::line;
use passthru_formats::modules::{self, canonical};
use passthru_model::system::Kernel;
use passthru_model::{Device, Fact, Seen};

use crate::ask::{Asker, means_absent};

/// Where modules are: on a system with one `/usr` the first is the second; NixOS.
const DIRECTORIES: [&str; 3] =
    ["/lib/modules", "/usr/lib/modules", "/run/booted-system/kernel-modules/lib/modules"];

/// Modules that matter for lending on any host.
const MODULES: &[&str] = &[
    "vfio",
    "vfio_pci",
    "vfio_pci_core",
    "vfio_iommu_type1",
    "vfio_virqfd",
    "iommufd",
    "kvm",
    "kvm_intel",
    "kvm_amd",
    "virtio_iommu",
    "pci_stub",
];

pub(super) fn read(ask: &mut Asker<'_>, devices: &[Device]) -> Seen<Kernel> {
    let mut blind = Vec::new();
    let running = crate::source::read_text(ask.source, "/proc/sys/kernel/osrelease").ok();
    let running = running.filter(|release| !release.is_empty() && !release.contains('/'));
    let wanted = wanted(devices);
    let mut kernels: Vec<Kernel> = Vec::new();
    for directory in DIRECTORIES {
        for release in ask.names(directory, "installed kernels", &mut blind) {
            let kernel = kernel(ask, &release, directory, running.as_deref() == Some(&*release), &wanted);
            // What is left of a kernel that was removed has none of the lists.
            if kernel.running || kernel.files != Fact::Absent || kernel.builtin != Fact::Absent {
                kernels.push(kernel);
            }
        }
        if !kernels.is_empty() {
            break;
        }
    }
    if let Some(release) = running.filter(|_| !kernels.iter().any(|kernel| kernel.running)) {
        let (config_path, config) = config(ask, &release, None, true);
        kernels.push(Kernel {
            release,
            running: true,
            directory: None,
            config_path,
            config,
            files: Fact::Absent,
            builtin: Fact::Absent,
        });
    }
    kernels.sort_by(|a, b| b.running.cmp(&a.running).then_with(|| a.release.cmp(&b.release)));
    Seen::new(kernels, blind)
}

/// The names of modules that are looked for.
fn wanted(devices: &[Device]) -> BTreeSet<String> {
    let mut wanted: BTreeSet<String> = MODULES.iter().map(|name| (*name).to_owned()).collect();
    for device in devices {
        let module = device.detail.as_ref().and_then(|detail| detail.driver_module.known());
        wanted.extend(module.map(|name| canonical(name).into_owned()));
        wanted.extend(device.driver.known().map(|name| canonical(name).into_owned()));
    }
    wanted
}

fn kernel(
    ask: &mut Asker<'_>,
    release: &str,
    directory: &str,
    running: bool,
    wanted: &BTreeSet<String>,
) -> Kernel {
    let directory = format!("{directory}/{release}");
    let found = |ask: &mut Asker<'_>, file: &str| -> Fact<BTreeMap<String, String>> {
        let path = format!("{directory}/{file}");
        let is_wanted = |name: &str| wanted.contains(name);
        let line_is_wanted =
            |line: &[u8]| modules::path(line).and_then(modules::name).is_some_and(|name| is_wanted(&name));
        match ask.source.lines(&path, &line_is_wanted) {
            Ok(lines) => {
                let found = modules::list(&lines, &is_wanted);
                Fact::Known(found.map(|(name, path)| (name.into_owned(), path.to_owned())).collect())
            }
            Err(error) => ask.failed(None, "kernels", &path, error),
        }
    };
    let files = found(ask, "modules.dep");
    let builtin = found(ask, "modules.builtin").map(|names| names.into_keys().collect());
    let (config_path, config) = match (&files, &builtin) {
        (Fact::Absent, Fact::Absent) if !running => (String::new(), Fact::Absent),
        _ => config(ask, release, Some(&directory), running),
    };
    Kernel {
        release: release.to_owned(),
        running,
        directory: Some(directory),
        config_path,
        config,
        files,
        builtin,
    }
}

/// The configuration and the file it stands in. Of the running kernel the one it carries is
/// asked first: a file in `/boot` may be that of another build of the same release.
fn config(
    ask: &mut Asker<'_>,
    release: &str,
    directory: Option<&str>,
    running: bool,
) -> (String, Fact<kconfig::KernelConfig>) {
    if running {
        let path = "/proc/config.gz";
        let fact = ask.bytes(None, "kernels", path, |packed| {
            kconfig::select(&kconfig::gunzip(packed)?, OPTIONS).map(Fact::Known)
        });
        if fact != Fact::Absent {
            return (path.to_owned(), fact);
        }
    }
    let mut places = vec![format!("/boot/config-{release}")];
    places.extend(directory.map(|directory| format!("{directory}/config")));
    for path in &places {
        match ask.source.lines(path, &|line| kconfig::is_wanted(line, OPTIONS)) {
            Ok(lines) => {
                let fact = match kconfig::select(&lines, OPTIONS) {
                    Some(config) => Fact::Known(config),
                    None => ask.malformed(None, "kernels", path, &first_line(&lines)),
                };
                return (path.clone(), fact);
            }
            Err(error) if means_absent(error) => {}
            Err(error) => return (path.clone(), ask.failed(None, "kernels", path, error)),
        }
    }
    (places.swap_remove(0), Fact::Absent)
}

fn first_line(text: &[u8]) -> String {
    line::lines(text).next().map_or_else(
        || "no line of a kernel's configuration".to_owned(),
        |(_, line)| String::from_utf8_lossy(line).into_owned(),
    )
}
