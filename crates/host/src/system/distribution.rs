//! Which system this is.

use passthru_formats::os_release;
use passthru_model::Fact;
use passthru_model::system::{Distribution, Tool};

use crate::ask::Asker;

/// os-release(5): the first that is there.
const PATHS: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// What stands where. A tool counts with the file it works on, as Debian's `systemd` package
/// brings `kernel-install` to hosts that boot by GRUB.
const TOOLS: &[(Tool, &[&[&str]])] = &[
    (Tool::RpmOstree, &[&["/run/ostree-booted"]]),
    (Tool::Kernelstub, &[&["/usr/bin/kernelstub"]]),
    (Tool::ProxmoxBootTool, &[&["/usr/sbin/proxmox-boot-tool"], &["/etc/kernel/proxmox-boot-uuids"]]),
    (Tool::SdBootUtil, &[&["/usr/bin/sdbootutil"], &["/etc/kernel/cmdline"]]),
    (Tool::Grubby, &[&["/usr/sbin/grubby", "/sbin/grubby", "/usr/bin/grubby"]]),
    (Tool::UpdateGrub, &[&["/usr/sbin/update-grub", "/sbin/update-grub"], &["/etc/default/grub"]]),
    (
        Tool::GrubMkconfig,
        &[
            &["/usr/bin/grub-mkconfig", "/usr/sbin/grub-mkconfig", "/usr/sbin/grub2-mkconfig"],
            &["/etc/default/grub"],
        ],
    ),
    (Tool::KernelInstall, &[&["/usr/bin/kernel-install", "/bin/kernel-install"], &["/etc/kernel/cmdline"]]),
    (Tool::CmdlineDirectory, &[&["/etc/cmdline.d"]]),
    (Tool::UpdateInitramfs, &[&["/usr/sbin/update-initramfs", "/sbin/update-initramfs"]]),
    (Tool::Dracut, &[&["/usr/bin/dracut", "/usr/sbin/dracut", "/sbin/dracut"]]),
    (Tool::Mkinitcpio, &[&["/usr/bin/mkinitcpio"]]),
    (Tool::NixOs, &[&["/etc/NIXOS"]]),
];

/// Part of initramfs-tools alone: Debian's dracut brings an `update-initramfs` of its own, and
/// does not read the files of initramfs-tools.
const MKINITRAMFS: &str = "/usr/sbin/mkinitramfs";

pub(super) fn read(ask: &mut Asker<'_>) -> Fact<Distribution> {
    for path in PATHS {
        let fact = ask.bytes(None, "distribution", path, |text| {
            let release = os_release::parse(text);
            let id = release.id.to_ascii_lowercase();
            if id.is_empty() {
                return None;
            }
            Some(Fact::Known(Distribution {
                id,
                like: release.like,
                version: release.version_id,
                name: release.pretty_name,
            }))
        });
        if fact != Fact::Absent {
            return fact;
        }
    }
    Fact::Absent
}

pub(super) fn tools(ask: &Asker<'_>) -> Vec<Tool> {
    let there = |paths: &[&str]| paths.iter().any(|path| ask.source.stat(path).is_ok());
    let found = TOOLS.iter().filter(|(_, all)| all.iter().all(|any| there(any)));
    let mut tools: Vec<Tool> = found.map(|(tool, _)| *tool).collect();
    if tools.contains(&Tool::Dracut) && !there(&[MKINITRAMFS]) {
        tools.retain(|tool| *tool != Tool::UpdateInitramfs);
    }
    tools
}
