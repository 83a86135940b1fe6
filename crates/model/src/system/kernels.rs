//! The kernels that are installed.

use std::collections::{BTreeMap, BTreeSet};

use passthru_formats::kconfig::KernelConfig;
use passthru_formats::modules::canonical;

use crate::fact::Fact;

/// A kernel below `/lib/modules`, or the one that runs.
#[derive(Debug, Clone, Default)]
pub struct Kernel {
    /// Its release, the name of its directory.
    pub release: String,
    /// Whether it runs now.
    pub running: bool,
    /// Its directory of modules; `None` where there is none (any more).
    pub directory: Option<String>,
    /// The file its configuration was read from, or the first place it was looked for.
    pub config_path: String,
    /// Its configuration, the options of [`passthru_formats::kconfig::OPTIONS`].
    pub config: Fact<KernelConfig>,
    /// Modules that are files (`modules.dep`), by canonical name with their path below the
    /// directory: only those that matter for lending, and those of this host's PCI devices.
    pub files: Fact<BTreeMap<String, String>>,
    /// The same of modules that are built in (`modules.builtin`).
    pub builtin: Fact<BTreeSet<String>>,
}

/// How a kernel comes by a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is built in.
    Builtin,
    /// It is a file.
    File,
    /// It has none.
    Missing,
}

impl Kernel {
    /// How it comes by a module that was looked for; `None` where nobody could look.
    #[must_use]
    pub fn module(&self, name: &str) -> Option<Presence> {
        let name = canonical(name);
        if self.builtin.known().is_some_and(|names| names.contains(&*name)) {
            return Some(Presence::Builtin);
        }
        if self.files.known().is_some_and(|files| files.contains_key(&*name)) {
            return Some(Presence::File);
        }
        (self.files.is_settled() && self.builtin.is_settled()).then_some(Presence::Missing)
    }

    /// Major and minor version; `None` where the release does not begin with them.
    #[must_use]
    pub fn version(&self) -> Option<(u32, u32)> {
        version(&self.release)
    }

    /// A file in its directory of modules, for evidence.
    #[must_use]
    pub fn path(&self, file: &str) -> String {
        let directory = self.directory.clone().unwrap_or_else(|| format!("/lib/modules/{}", self.release));
        format!("{directory}/{file}")
    }
}

/// Major and minor version of a release: `6.12.57+deb13-amd64` is 6 and 12.
#[must_use]
pub fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(version("6.12.57+deb13-amd64"), Some((6, 12)));
        assert_eq!(version("6.1-rc3"), Some((6, 1)));
        assert_eq!((version("6"), version("linux"), version("")), (None, None, None));
    }

    #[test]
    fn presence() {
        let mut kernel = Kernel {
            files: Fact::Known([("vfio_pci".into(), "kernel/vfio-pci.ko".into())].into()),
            builtin: Fact::Known(["vfio".into()].into()),
            ..Kernel::default()
        };
        assert_eq!(kernel.module("vfio-pci"), Some(Presence::File));
        assert_eq!(kernel.module("vfio"), Some(Presence::Builtin));
        assert_eq!(kernel.module("kvm"), Some(Presence::Missing));
        kernel.builtin = Fact::NotRead;
        assert_eq!((kernel.module("vfio_pci"), kernel.module("kvm")), (Some(Presence::File), None));
    }
}
