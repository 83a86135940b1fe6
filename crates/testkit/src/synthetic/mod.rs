//! Synthetic hosts: directories laid out like a root file system, with as many PCI
//! functions as one likes, for benches and for tests of size.
//!
//! | module | holds |
//! |---|---|
//! | `topology` | which functions there are: domains, bridges, cards, groups, drivers |
//! | `device` | the directory of one function, as the kernel makes it |
//! | `host` | everything else: classes, groups, drivers, `/proc`, `/etc`, pci.ids |
//! | `tree` | making files, links and directories, each content once |
//!
//! Deterministic: the same number of functions and the same pci.ids give the same
//! tree. It writes below the directory it is given and nowhere else, and removes
//! nothing.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "making a tree of files is this module's job; development only"
)]

mod device;
mod host;
mod topology;
mod tree;

use std::io;
use std::path::Path;

/// What was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    /// PCI functions, bridges included.
    pub functions: usize,
    /// IOMMU groups.
    pub groups: u32,
    /// PCI domains, one of them wider than four digits from 1,000 functions on.
    pub domains: usize,
    /// Files, links and directories.
    pub entries: usize,
}

/// Builds a host with exactly `functions` PCI functions in `root`, an empty directory
/// that exists, best on tmpfs; the ids come from `pci_ids` (a pci.ids file, copied
/// into the tree), so that every name resolves.
///
/// 10,000 functions take about 480,000 entries and 200 MB of tmpfs.
///
/// # Errors
///
/// What the file system says; [`io::ErrorKind::InvalidData`] where `pci_ids` has no
/// device in it.
pub fn build(root: &Path, functions: usize, pci_ids: &Path) -> io::Result<Built> {
    let ids = std::fs::read(pci_ids)?;
    let topology = topology::Topology::new(functions, &topology::parse_ids(&ids))?;
    let mut tree = tree::Tree::new(root)?;
    for index in 0..topology.functions.len() {
        device::write(&mut tree, &topology, index)?;
    }
    host::write(&mut tree, &topology, &ids)?;
    tree.forget_pool()?;
    Ok(Built {
        functions: topology.functions.len(),
        groups: topology.groups,
        domains: topology.domains,
        entries: tree.entries(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::PathBuf;

    const IDS: &str = "8086  Intel Corporation\n\t1572  Ethernet Controller X710\n\t\t8086 0001  X710-4\n\
                       10de  NVIDIA Corporation\n\t1284  GK208 [GeForce GT 635]\n";

    /// Everything in a tree: path, and what it holds or points to.
    fn snapshot(dir: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>, root: &Path) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            let held = if kind.is_symlink() {
                assert!(fs::metadata(&path).is_ok(), "{} leads nowhere", path.display());
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if kind.is_dir() {
                snapshot(&path, all, root);
                Vec::new()
            } else {
                fs::read(&path).unwrap()
            };
            all.insert(path.strip_prefix(root).unwrap().to_owned(), held);
        }
    }

    #[test]
    fn a_host_is_complete_and_always_the_same() {
        let mut trees = Vec::new();
        for nth in 0..2 {
            let dir = std::env::temp_dir().join(format!("passthru-synthetic-{}-{nth}", std::process::id()));
            fs::create_dir_all(dir.join("root")).unwrap();
            fs::write(dir.join("pci.ids"), IDS).unwrap();
            let built = build(&dir.join("root"), 120, &dir.join("pci.ids")).unwrap();
            let mut all = BTreeMap::new();
            snapshot(&dir.join("root"), &mut all, &dir.join("root"));
            fs::remove_dir_all(&dir).unwrap();
            assert_eq!(built.functions, 120);
            let in_directory =
                |under: &str| all.keys().filter(|p| p.parent() == Some(Path::new(under))).count();
            assert_eq!(in_directory("sys/bus/pci/devices"), 120);
            assert_eq!(in_directory("sys/kernel/iommu_groups"), built.groups as usize);
            let text = |path: &str| String::from_utf8(all[Path::new(path)].clone()).unwrap();
            let uevent = text("sys/devices/pci0000:00/0000:00:00.0/uevent");
            assert!(uevent.contains("PCI_CLASS=60000\n") && uevent.contains("PCI_SLOT_NAME=0000:00:00.0\n"));
            assert!(text("proc/self/mountinfo").contains(" / / "));
            trees.push(all);
        }
        assert!(trees[0] == trees[1], "two builds differ");
    }
}
