//! From a device node that a process has open to what it is a node of: by the number of
//! what is open (`/sys/dev`), which no name in a container can hide, and where there is no
//! number (a captured or drawn host) by the names the kernel gives.

use std::collections::HashMap;

use passthru_formats::process;
use passthru_model::usage::Opened;
use passthru_pci::Address;

use super::descriptors::class_owner;
use super::owner;
use crate::ask::{Asker, join};

/// Nodes that belong to no hardware, or whose being open says nothing: every desktop has
/// them open by the hundred. Keyboards and mice have a rule of their own.
const PASSED_OVER: &[&str] = &[
    "null",
    "zero",
    "full",
    "random",
    "urandom",
    "ptmx",
    "tty",
    "console",
    "kmsg",
    "fuse",
    "kvm",
    "uinput",
    "rfkill",
    "autofs",
    "vhost-net",
    "vhost-vsock",
    "cpu_dma_latency",
    "vga_arbiter",
    "vfio/vfio",
    "iommu",
    "loop-control",
    "mapper/control",
    "btrfs-control",
    "userfaultfd",
    "log",
];
const PASSED_OVER_BELOW: &[&str] = &["pts/", "shm/", "mqueue/", "hugepages/", "input/", "hidraw", "net/"];

/// Whether a descriptor's target is a node to look at.
pub(super) fn is_wanted(target: &str) -> bool {
    target.strip_prefix("/dev/").is_some_and(|name| {
        let terminal = name.strip_prefix("tty").is_some_and(|n| n.bytes().all(|c| c.is_ascii_digit()));
        !terminal
            && !PASSED_OVER.contains(&name)
            && !PASSED_OVER_BELOW.iter().any(|below| name.starts_with(below))
    })
}

/// NVIDIA's own driver makes nodes that sysfs does not know.
const NVIDIA: &str = "/proc/driver/nvidia/gpus";

/// What was found out so far.
#[derive(Default)]
pub(super) struct Nodes {
    /// Is it a block device, its number; what that is.
    by_number: HashMap<(bool, (u32, u32)), Option<Opened>>,
    /// Minor numbers of NVIDIA's cards, once they were asked for.
    nvidia: Option<HashMap<u32, Address>>,
}

impl Nodes {
    /// What a descriptor has open, by its path below `/proc` and its target; `None` where
    /// that belongs to no function.
    pub(super) fn opened(&mut self, ask: &mut Asker<'_>, descriptor: &str, node: &str) -> Option<Opened> {
        let name = node.strip_prefix("/dev/")?;
        if let Some(rest) = name.strip_prefix("nvidia") {
            return self.nvidia(ask, rest);
        }
        if name == "kfd" {
            return Some(Opened::Driver("amdgpu"));
        }
        // The first watchdog has a second node, which sysfs does not connect with it
        // (`drivers/watchdog/watchdog_dev.c`).
        if name == "watchdog" {
            return class_owner(ask, "watchdog", "watchdog0").map(Opened::Function);
        }
        match ask.source.stat(descriptor).map(|stat| (stat.mode & 0o170_000, stat.rdev)) {
            Ok((0o060_000, number)) => self.numbered(ask, name, true, number),
            Ok((0o020_000, number)) => self.numbered(ask, name, false, number),
            _ => named(ask, name),
        }
    }

    fn numbered(&mut self, ask: &Asker<'_>, name: &str, block: bool, number: (u32, u32)) -> Option<Opened> {
        let found = self.by_number.entry((block, number)).or_insert_with(|| {
            let directory = if block { "/sys/dev/block" } else { "/sys/dev/char" };
            let link = ask.source.link(&format!("{directory}/{}:{}", number.0, number.1));
            let Ok(target) = link else { return named(ask, name) };
            let path = join(directory, &target);
            let last = path.rsplit('/').next()?;
            if block {
                return Some(Opened::Block(format!("/dev/{last}")));
            }
            below(&path, last)
        });
        found.clone()
    }

    /// `/dev/nvidia0`, `nvidiactl`, `nvidia-uvm`. The common nodes are open wherever a
    /// card's is, so they tell of no card of their own where the cards are known.
    fn nvidia(&mut self, ask: &mut Asker<'_>, rest: &str) -> Option<Opened> {
        let minors = self.nvidia.get_or_insert_with(|| {
            let mut minors = HashMap::new();
            for name in ask.source.list(NVIDIA).unwrap_or_default() {
                let mut text = Vec::new();
                let path = format!("{NVIDIA}/{name}/information");
                if let (Some(address), Ok(())) =
                    (Address::from_sysfs(&name), ask.source.read(&path, &mut text))
                    && let Some(minor) = process::nvidia_minor(&text)
                {
                    minors.insert(minor, address);
                }
            }
            minors
        });
        if minors.is_empty() {
            return Some(Opened::Driver("nvidia"));
        }
        minors.get(&rest.parse().ok()?).map(|address| Opened::Function(*address))
    }
}

/// What a character device hangs below.
fn below(path: &str, name: &str) -> Option<Opened> {
    // With multipath, `ng0n1` belongs to no one controller: it is the disk itself.
    if path.contains("/nvme-subsystem/")
        && let Some(disk) = name.strip_prefix("ng")
    {
        return Some(Opened::Block(format!("/dev/nvme{disk}")));
    }
    owner(path).map(Opened::Function)
}

/// By its name: the classes whose entries are called like their nodes.
fn named(ask: &Asker<'_>, name: &str) -> Option<Opened> {
    let (class, entry) = match name.split_once('/') {
        Some(("dri", entry)) => ("drm", entry),
        Some(("snd", entry)) => ("sound", entry),
        Some(("bsg", entry)) => ("bsg", entry),
        Some(("accel", entry)) => ("accel", entry),
        Some(("infiniband", entry)) if entry.starts_with("uverbs") => ("infiniband_verbs", entry),
        Some(("infiniband", entry)) => ("infiniband_mad", entry),
        Some(("mapper", _)) => return Some(Opened::Block(format!("/dev/{name}"))),
        Some(_) => return None,
        None => {
            let end = name.trim_end_matches(|c: char| c.is_ascii_digit());
            let class = match end {
                "fb" => "graphics",
                "uio" => "uio",
                "watchdog" => "watchdog",
                "tpm" => "tpm",
                "tpmrm" => "tpmrm",
                "nvme" => "nvme",
                "sg" => "scsi_generic",
                "st" | "nst" => "scsi_tape",
                "video" => "video4linux",
                _ if name.starts_with("tty") => "tty",
                _ if name.starts_with("ng") => "nvme-generic",
                _ => return Some(Opened::Block(format!("/dev/{name}"))),
            };
            (class, name)
        }
    };
    let directory = format!("/sys/class/{class}");
    let target = ask.source.link(&format!("{directory}/{entry}")).ok()?;
    below(&join(&directory, &target), entry)
}
