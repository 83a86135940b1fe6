//! L1's state, as far as a scenario must leave it as it was: drivers, overrides, groups,
//! disks, mounts, swap, VFIO groups, network interfaces, leases and left-over processes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::protocol::State;

/// Reads it all. Takes a few milliseconds; what is not there is simply not in the map.
pub fn read() -> State {
    let mut state = State::new();
    for name in names("/sys/bus/pci/devices") {
        let device = Path::new("/sys/bus/pci/devices").join(&name);
        state.insert(format!("pci {name} driver"), link(&device.join("driver")));
        state.insert(format!("pci {name} override"), text(&device.join("driver_override")));
        state.insert(format!("pci {name} group"), link(&device.join("iommu_group")));
        let vfs = text(&device.join("sriov_numvfs"));
        if !vfs.is_empty() {
            state.insert(format!("pci {name} sriov_numvfs"), vfs);
        }
    }
    // Which controller a path belongs to changes from boot to boot: how many there are does not.
    let (paths, disks): (Vec<_>, Vec<_>) =
        names("/sys/block").into_iter().partition(|name| is_nvme_path(name));
    if !paths.is_empty() {
        state.insert("NVMe paths".to_owned(), paths.len().to_string());
    }
    for name in disks {
        state.insert(format!("block {name}"), "present".to_owned());
    }
    for name in names("/sys/class/net") {
        state.insert(format!("net {name}"), "present".to_owned());
    }
    // `/dev/vfio/vfio` comes with the module and stays; only groups are somebody's.
    for name in names("/dev/vfio").into_iter().filter(|name| name != "vfio") {
        state.insert(format!("/dev/vfio/{name}"), "present".to_owned());
    }
    mounts(&mut state);
    state.insert("swaps".to_owned(), text(Path::new("/proc/swaps")));
    leases(Path::new("/run/passthru"), &mut state);
    processes(&mut state);
    state
}

/// Whether it is a path of a disk with several (`nvme1c2n1`), which nobody can open
/// (`drivers/nvme/host/multipath.c`, `nvme_mpath_set_disk_name`).
fn is_nvme_path(name: &str) -> bool {
    name.strip_prefix("nvme").is_some_and(|rest| rest.contains('c'))
}

fn names(directory: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn link(path: &Path) -> String {
    let target = fs::read_link(path).unwrap_or_default();
    target.file_name().map_or_else(|| "none".to_owned(), |n| n.to_string_lossy().into_owned())
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// Directories, empty files and the lock file (it says who held it last) may stay; anything
/// else with content is a lease or a journal that should have been closed.
fn leases(directory: &Path, state: &mut State) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            leases(&path, state);
        } else {
            let content = fs::read(&path).unwrap_or_default();
            let lock = path.file_name().is_some_and(|name| name == "lock");
            if !content.is_empty() && !lock {
                state.insert(format!("{}", path.display()), String::from_utf8_lossy(&content).into_owned());
            }
        }
    }
}

/// What is mounted, in any mount namespace that a process is in.
fn mounts(state: &mut State) {
    let mut namespaces = BTreeSet::new();
    for pid in process_ids() {
        let process = Path::new("/proc").join(pid);
        let Ok(namespace) = fs::read_link(process.join("ns/mnt")) else { continue };
        if !namespaces.insert(namespace) {
            continue;
        }
        for line in text(&process.join("mounts")).lines() {
            state.insert(format!("mount {}", without_sizes(line)), "present".to_owned());
        }
    }
}

/// devtmpfs gets a size that depends on how much memory was free at boot: another boot of
/// the same machine would differ.
fn without_sizes(line: &str) -> String {
    let sized = |option: &&str| option.starts_with("size=") || option.starts_with("nr_inodes=");
    let fields = line.split(' ').map(|field| {
        let options: Vec<&str> = field.split(',').filter(|option| !sized(option)).collect();
        options.join(",")
    });
    fields.collect::<Vec<_>>().join(" ")
}

fn process_ids() -> impl Iterator<Item = String> {
    names("/proc").into_iter().filter(|name| name.parse::<u32>().is_ok())
}

fn processes(state: &mut State) {
    for pid in process_ids() {
        let name = text(&Path::new("/proc").join(&pid).join("comm"));
        if name.starts_with("qemu-system") || name == "passthru" {
            state.insert(format!("process {pid}"), name);
        }
    }
}

/// The differences between two states, one line each; empty when they are equal.
pub fn differences(before: &State, after: &State) -> Vec<String> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| {
            let show = |state: &State| state.get(key).cloned().unwrap_or_else(|| "absent".into());
            format!("{key}: was {:?}, is {:?}", show(before), show(after))
        })
        .collect()
}
