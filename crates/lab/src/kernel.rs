//! Finds the kernel L1 boots: an unpacked distribution package (`scripts/fetch-kernel`),
//! its image, its modules directory, and the module files needed before the shared root
//! can be seen. Modules may be plain, `.xz` (Debian 13) or `.zst` (Ubuntu 24.04).

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// An unpacked kernel package.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// As `uname -r` will say.
    pub release: String,
    /// The bootable image.
    pub image: PathBuf,
    /// The directory that becomes `/lib/modules/<release>` in L1.
    pub modules: PathBuf,
}

/// A module to insert, with its content decompressed.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its name with underscores, as `/proc/modules` shows it.
    pub name: String,
    /// The ELF file.
    pub content: Vec<u8>,
}

impl Kernel {
    /// Finds the kernel. `wanted` is a directory with an unpacked package, a release or the
    /// beginning of one (`6.12`), or nothing for the distribution's default.
    ///
    /// # Errors
    /// When there is none; says how to get one.
    pub fn find(lab_dir: &Path, wanted: Option<&str>) -> Result<Kernel> {
        let kernels = lab_dir.join("kernel");
        let directory = match wanted {
            Some(path) if path.contains('/') => PathBuf::from(path),
            Some(release) => newest_starting_with(&kernels, release).with_context(|| {
                let dir = kernels.display();
                format!("no kernel {release} in {dir}: run scripts/fetch-kernel {release}")
            })?,
            None => kernels.join("default"),
        };
        Kernel::open(&directory)
            .with_context(|| format!("no usable kernel in {}", directory.display()))
            .context("the lab needs an unpacked kernel package: run scripts/fetch-kernel")
    }

    fn open(directory: &Path) -> Result<Kernel> {
        let directory = directory.canonicalize()?;
        let modules = ["lib/modules", "usr/lib/modules"]
            .iter()
            .filter_map(|place| fs::read_dir(directory.join(place)).ok())
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.join("modules.dep").exists())
            .context("no lib/modules/*/modules.dep (depmod writes it)")?;
        let release = modules.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let image = [directory.join(format!("boot/vmlinuz-{release}")), modules.join("vmlinuz")]
            .into_iter()
            .find(|path| path.exists())
            .with_context(|| format!("no boot/vmlinuz-{release}"))?;
        fs::File::open(&image)
            .with_context(|| format!("cannot read {} (Ubuntu makes it 0600)", image.display()))?;
        Ok(Kernel { release, image, modules })
    }

    /// The file with its configuration, where the package has one.
    pub fn config(&self) -> Option<PathBuf> {
        let path = self.image.with_file_name(format!("config-{}", self.release));
        path.exists().then_some(path)
    }

    /// The named modules with everything they depend on, in the order to insert them.
    /// What is built into the kernel is left out.
    ///
    /// # Errors
    /// When one is neither there nor built in, or cannot be decompressed.
    pub fn modules(&self, wanted: &[&str]) -> Result<Vec<Module>> {
        let index = fs::read_to_string(self.modules.join("modules.dep"))?;
        let builtin = fs::read_to_string(self.modules.join("modules.builtin")).unwrap_or_default();
        let paths =
            load_order(&index, &builtin, wanted).with_context(|| format!("in kernel {}", self.release))?;
        paths
            .into_iter()
            .map(|path| {
                let content = read_module(&self.modules.join(&path))?;
                Ok(Module { name: module_name(&path), content })
            })
            .collect()
    }
}

fn newest_starting_with(kernels: &Path, release: &str) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(kernels)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("boot").is_dir())
        .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(release)))
        .collect();
    found.sort();
    found.pop()
}

/// `kernel/fs/9p/9p.ko.xz` → `9p`. The kernel takes `-` and `_` for the same in names.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

/// Orders the modules of a `modules.dep` text so that each comes after what it needs.
fn load_order(index: &str, builtin: &str, wanted: &[&str]) -> Result<Vec<String>> {
    let entries: HashMap<String, (&str, Vec<&str>)> = index
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(path, needs)| (module_name(path), (path, needs.split_whitespace().collect())))
        .collect();
    let mut order = Vec::new();
    for name in wanted {
        if !entries.contains_key(*name) && !builtin.lines().any(|path| module_name(path) == *name) {
            bail!("module {name} is neither in modules.dep nor built in");
        }
        visit(&entries, name, &mut order);
    }
    Ok(order)
}

fn visit(entries: &HashMap<String, (&str, Vec<&str>)>, name: &str, order: &mut Vec<String>) {
    let Some((path, needs)) = entries.get(name) else { return };
    if order.iter().any(|seen| seen == path) {
        return;
    }
    for need in needs {
        visit(entries, &module_name(need), order);
    }
    order.push((*path).to_owned());
}

fn read_module(path: &Path) -> Result<Vec<u8>> {
    let tool = match path.extension().and_then(|e| e.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(path).with_context(|| format!("cannot read {}", path.display())),
    };
    let output = Command::new(tool)
        .args(["-d", "-c"])
        .arg(path)
        .output()
        .with_context(|| format!("cannot run {tool}: run scripts/install-packages"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("{tool} cannot decompress {}: {said}", path.display());
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "\
kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz
kernel/net/9p/9pnet.ko.xz:
kernel/fs/netfs/netfs.ko.xz: kernel/net/9p/9pnet.ko.xz
kernel/drivers/virtio/virtio-pci.ko.xz:
";

    #[test]
    fn needed_modules_come_first_and_once() {
        let order = load_order(INDEX, "", &["9p", "9pnet"]).unwrap();
        assert_eq!(
            order,
            ["kernel/net/9p/9pnet.ko.xz", "kernel/fs/netfs/netfs.ko.xz", "kernel/fs/9p/9p.ko.xz"]
        );
    }

    #[test]
    fn dashes_and_built_in_modules_are_known() {
        assert_eq!(load_order(INDEX, "", &["virtio_pci"]).unwrap().len(), 1);
        assert!(load_order(INDEX, "kernel/fs/overlayfs/overlay.ko", &["overlay"]).is_ok());
        assert!(load_order(INDEX, "", &["overlay"]).is_err());
    }
}
