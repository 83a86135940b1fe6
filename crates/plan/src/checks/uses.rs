//! What the host needs a device for: one check for each [`Reason`] with which `bind` refuses.
//! They say what the planner says, so that `check` and `bind` cannot disagree.

use std::collections::HashSet;

use passthru_model::plan::NoPlan;
use passthru_model::{
    Device, Evidence, Finding, Hidden, Plan, Reason, Refusal, Remedy, Severity, Unseen, Verdict, When,
};
use passthru_pci::Address;

use super::{Ask, Check, Host, Subject, groups};
use crate::planner::{BindWish, keyboard_refusals, plan_bind_with};

/// What the planner says about one device that was named.
pub(super) struct Asked {
    pub(super) device: Address,
    refusals: Vec<Refusal>,
    unknown: Option<String>,
    /// Why its group has the members it has, where they are in the way.
    together: Vec<Evidence>,
    /// Whether another slot would help, where they are.
    slot: Option<String>,
    /// Whether it could be bound with all of its group, so that companions are no hindrance.
    with_group: bool,
}

impl Asked {
    /// Asks for the device as it was named, with those of its group that were named beside it,
    /// and with all of its group: companions are examined only where they would go along. What
    /// speaks against taking all that was named together is asked too.
    pub(super) fn new(host: &Host<'_>, device: &Device, named: &[&Device]) -> Self {
        let (together, slot) = (Vec::new(), None);
        let mut asked = Self {
            device: device.address,
            refusals: Vec::new(),
            unknown: None,
            together,
            slot,
            with_group: false,
        };
        let beside = |other: &&&Device| {
            other.address == device.address || (device.group.known().is_some() && other.group == device.group)
        };
        let beside: Vec<Address> = named.iter().filter(beside).map(|other| other.address).collect();
        for (devices, with_group) in [(&beside[..], false), (&[device.address], true)] {
            match plan(host, devices, with_group) {
                // What concerns another device that was named is said of that one, unless it
                // is in the way as a companion.
                Err(NoPlan::Refused(refusals)) => asked
                    .refusals
                    .extend(refusals.into_iter().filter(|r| with_group || r.device == device.address)),
                Err(NoPlan::Unknown(why)) => asked.unknown = Some(why),
                Ok(_) => asked.with_group |= with_group,
                Err(_) => {}
            }
        }
        let keyboards = keyboard_refusals(host.snapshot, named).into_iter();
        asked.refusals.extend(keyboards.filter(|refusal| refusal.device == device.address));
        asked.refusals.sort_by_key(|r| (r.device != device.address, r.device, r.reason));
        asked.refusals.dedup();
        if asked.refusals.iter().any(|r| r.reason == Reason::Companions) {
            (asked.together, asked.slot) = groups::together(host, device.address);
        }
        asked
    }

    /// What could not be looked at and might have shown this reason; all of it where that is the
    /// reason.
    fn unseen(&self, reason: Reason) -> Vec<Unseen> {
        let all = reason == Reason::NotSeen;
        let of = |device: Address, why: &String| Unseen { path: device.to_string(), why: why.clone() };
        let mut unseen: Vec<Unseen> = Vec::new();
        for refusal in self.refusals.iter().filter(|refusal| refusal.reason == Reason::NotSeen) {
            let here = |hidden: &&Hidden| all || hidden.reasons.contains(&reason);
            unseen.extend(refusal.hidden.iter().filter(here).map(|hidden| hidden.unseen.clone()));
            if refusal.hidden.is_empty() && all {
                unseen.push(of(refusal.device, &refusal.evidence));
            }
        }
        unseen.extend(self.unknown.iter().filter(|_| all).map(|why| of(self.device, why)));
        let mut once = HashSet::new();
        unseen.retain(|one| once.insert((one.path.clone(), one.why.clone())));
        unseen
    }
}

/// What `bind` would do.
pub(super) fn plan(host: &Host<'_>, devices: &[Address], with_group: bool) -> Result<Plan, NoPlan> {
    let wish = BindWish {
        devices,
        with_group,
        driver: "vfio-pci",
        allow: &[],
        records: host.records,
        now: 0,
        holder: None,
    };
    plan_bind_with(host.snapshot, &host.uses, &wish)
}

pub(super) fn judge(asked: &Asked, check: &Check, reason: Reason) -> Verdict {
    let found: Vec<&Refusal> =
        asked.refusals.iter().filter(|r| r.reason == reason && reason != Reason::NotSeen).collect();
    // Without a group nobody can say who would be in it, or what the firmware demands of it.
    let of_group = matches!(reason, Reason::Companions | Reason::FirmwareMapping | Reason::NoIommuMode);
    let no_iommu = |r: &Refusal| r.reason == Reason::NoIommu && r.device == asked.device;
    if found.is_empty() && of_group && asked.refusals.iter().any(no_iommu) {
        return Verdict::After(Reason::NoIommu.name());
    }
    if found.is_empty() {
        let unseen = asked.unseen(reason);
        return if unseen.is_empty() { Verdict::Pass(String::new()) } else { Verdict::CouldNotLook(unseen) };
    }
    Verdict::Found(found.into_iter().map(|refusal| finding(asked, check, refusal)).collect())
}

fn finding(asked: &Asked, check: &Check, refusal: &Refusal) -> Finding {
    let of = if refusal.device == asked.device {
        String::new()
    } else {
        format!(", and its companion {} is why", refusal.device)
    };
    let mut evidence = vec![Evidence::new(refusal.device.to_string(), &refusal.evidence)];
    let mut hint = refusal.hint.clone();
    if refusal.reason == Reason::Companions && refusal.device == asked.device {
        evidence.extend(asked.together.iter().cloned());
        if let Some(slot) = &asked.slot {
            hint = format!("{hint}; {slot}");
        }
    }
    let (summary, remedy) = (format!("{}{of}", check.title), Remedy::new(when(refusal.reason), hint));
    if refusal.reason == Reason::Companions && asked.with_group {
        return Finding {
            // A question that is answered by a word on the line, and nothing that has to be mended.
            severity: Severity::Warning,
            summary,
            evidence,
            consequence: "`bind` and `run` refuse it alone, and take it with all of its group.".into(),
            remedy: remedy.command(format!("passthru bind --with-group {}", asked.device)),
        };
    }
    Finding {
        severity: check.severity,
        summary,
        evidence,
        consequence: "`bind` and `run` refuse it.".into(),
        remedy,
    }
}

/// How far away it is that the reason goes away.
const fn when(reason: Reason) -> When {
    match reason {
        Reason::Bridge | Reason::RootFileSystem => When::Hardware,
        // The mapping goes away by a setting of the firmware, or in another slot; the mode, as
        // it is left by switching the IOMMU on, by a reboot.
        Reason::FirmwareMapping => When::Firmware,
        Reason::NoIommu | Reason::NoIommuMode => When::Reboot,
        _ => When::Now,
    }
}

const fn of(
    reason: Reason,
    title: &'static str,
    about: &'static str,
    sources: &'static [&'static str],
) -> Check {
    Check {
        id: reason.name(),
        title,
        severity: Severity::Error,
        subject: Subject::Use,
        after: &[],
        about,
        sources,
        ask: Ask::Use(reason),
    }
}

pub(super) const CHECKS: &[Check] = &[
    of(
        Reason::Bridge,
        "it is a bridge or a port",
        "VFIO takes functions with a header of type 0 only; writing to `bind` for a bridge gives \
         `Invalid argument`. A port on `pcieport` does not hinder its group, a bridge on another driver \
         does. Host bridges and ISA bridges belong to the machine itself.\n\n\
         Lend what hangs below it instead.",
        &[
            "drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_register_device",
            "drivers/vfio/pci/vfio_pci_config.c",
        ],
    ),
    Check {
        after: &["iommu-firmware", "iommu-kernel"],
        ..of(
            Reason::NoIommu,
            "the device is in no IOMMU group",
            "The IOMMU translates the addresses a device uses for DMA. Without one, a guest's device could \
             read and write all of the host's memory, and VFIO does not work: QEMU says `vfio 0000:01:00.0: no \
             iommu_group found: No such file or directory`, libvirt `host doesn't support passthrough of host PCI \
             devices`.\n\n\
             There are three different causes: it is off in the firmware (`iommu-firmware`), the kernel does not use \
             it (`iommu-kernel`), or it is at work and not for this device. The last is mostly the graphics of an \
             Intel processor, which `intel_iommu=igfx_off` leaves out, and Debian's kernels do by default until \
             `intel_iommu=on` is on the command line (`CONFIG_INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF`); or a device that \
             no unit of the firmware's table covers.",
            &[
                "drivers/iommu/iommu.c, iommu_probe_device",
                "drivers/iommu/intel/iommu.c, device_lookup_iommu, init_no_remapping_devices",
                "Debian's linux, debian/patches/features/x86/intel-iommu-add-kconfig-option-to-exclude-igpu-by-default.patch",
                "Documentation/driver-api/vfio.rst",
            ],
        )
    },
    of(
        Reason::NoIommuMode,
        "its group comes from the kernel's no-IOMMU mode",
        "With `enable_unsafe_noiommu_mode` VFIO makes groups without an IOMMU (their `name` is \
         `vfio-noiommu`). Nothing is isolated, the kernel is tainted, and QEMU cannot use such a group: it is \
         for DPDK. Switch the IOMMU on instead, and the mode off.",
        &["drivers/vfio/group.c, vfio_noiommu_group_alloc", "Documentation/driver-api/vfio.rst"],
    ),
    of(
        Reason::Companions,
        "other devices of its IOMMU group would have to go along",
        "Devices of one IOMMU group cannot be told apart by the IOMMU, or can reach each other without \
         it, so they go to one guest together or not at all. QEMU says `vfio 0000:01:00.0: group 1 is not \
         viable` and `Please ensure all devices within the iommu_group are bound to their vfio bus \
         driver.`\n\n\
         Name all of them, or give `--with-group`. `passthru show` says which bridge or slot joins them and \
         whether another slot would help.",
        &[
            "drivers/iommu/iommu.c, iommu_device_use_default_domain",
            "Documentation/driver-api/vfio.rst, Groups",
        ],
    ),
    of(
        Reason::Mounted,
        "a file system on it is mounted",
        "Taking the disk away from under a mounted file system loses what was not written yet, and every \
         program that uses it. Mounts are looked for in every mount namespace, through partitions, LVM, md, \
         dm-crypt, multipath and file systems over several disks.\n\nUnmount it first, in containers too.",
        &["Documentation/filesystems/proc.rst, mountinfo"],
    ),
    of(
        Reason::RootFileSystem,
        "the file system this host runs on is on it",
        "Without it the host is dead at once. This is never overridden, not by `--allow` either: boot \
         the host from another disk if this one is to be lent.",
        &["Documentation/filesystems/proc.rst, mountinfo"],
    ),
    of(
        Reason::Swap,
        "it holds swap in use",
        "Pages that were swapped out are lost with the disk, and the processes they belong to are \
         killed. `swapoff` brings them back into memory first.",
        &["proc_swaps(5)", "swapoff(8)"],
    ),
    of(
        Reason::Holders,
        "something is stacked on its disk",
        "LVM, md, dm-crypt, multipath, bcache or a ZFS pool holds the disk open although nothing of it \
         may be mounted. The chain in the evidence leads to what has to be deactivated: `vgchange -an`, `mdadm \
         --stop`, `cryptsetup close`, `zpool export`.",
        &["Documentation/ABI/testing/sysfs-block, holders"],
    ),
    of(
        Reason::Fstab,
        "/etc/fstab or /etc/crypttab names it",
        "It is not in use now, but the next boot expects it: without `nofail` the boot stops in the \
         emergency shell when the disk is lent. Take the line out or give it `nofail,noauto`.",
        &["fstab(5)", "crypttab(5)", "systemd.mount(5)"],
    ),
    of(
        Reason::Clients,
        "a process has it open",
        "A process has a device node of it open: a raw disk, a render node, a sound card. Drivers such as \
         nvidia hang in unbind for ever while that is so (`non-zero usage count`), and only a reboot helps. End \
         the process first.",
        &["proc_pid_fd(5)", "NVIDIA/open-gpu-kernel-modules, nv_pci_remove"],
    ),
    of(
        Reason::DefaultRoute,
        "it carries the default route",
        "The host would be cut off from the network with it. Move the route to another interface first; from \
         afar, use `--confirm-within`, so that the change undoes itself when you are cut off.",
        &["proc_net(5), route", "Documentation/networking/"],
    ),
    of(
        Reason::NetworkMember,
        "an interface of it is part of a bridge, bond or VLAN",
        "What stands on the interface, often the guests' own network, goes down with it. Take the interface \
         out of it first.",
        &["Documentation/ABI/testing/sysfs-class-net"],
    ),
    of(
        Reason::SshConnection,
        "an SSH connection goes through it",
        "Somebody's session, perhaps yours, would be cut off, and with it who could repair what went wrong. \
         Connect another way, or use `--allow ssh-connection --confirm-within 60s`.",
        &["proc_net_tcp(5)"],
    ),
    of(
        Reason::NetworkNamespace,
        "an interface of it was moved to another network namespace",
        "Its `net/` directory looks empty from here, and it is in use: a container has the interface. Stop \
         the container first.",
        &["network_namespaces(7)"],
    ),
    of(
        Reason::Display,
        "it shows the console",
        "The screen goes dark, and a console or display server that still draws on the card makes the \
         driver's unbind hang or crash. Stop the display server, detach the consoles (`echo 0 > \
         /sys/class/vtconsole/vtcon1/bind`), and have another way in, SSH for one.",
        &["drivers/tty/vt/vt.c", "drivers/video/fbdev/core/fbcon.c"],
    ),
    of(
        Reason::LastKeyboard,
        "the last keyboard hangs on it",
        "Without it nobody can type at the machine itself. Plug the keyboard into a port of another \
         controller, or have another way in.",
        &["Documentation/input/input.rst"],
    ),
    of(
        Reason::Held,
        "a process holds it through VFIO",
        "A virtual machine, or another program, has its VFIO group or device open. A group opens once only: \
         QEMU says `Could not open '/dev/vfio/13': Device or resource busy`. Unbinding vfio-pci meanwhile hangs \
         until the holder lets go. Stop the holder first.",
        &[
            "drivers/vfio/group.c, vfio_group_fops_open",
            "drivers/vfio/vfio_main.c, vfio_unregister_group_dev",
        ],
    ),
    of(
        Reason::VirtualFunctions,
        "it has active virtual functions",
        "They vanish when its driver goes (igb removes them without a word), and vfio-pci refuses a physical \
         function that has some, with `Device or resource busy`. Stop what uses them, then write 0 to \
         `sriov_numvfs`; or lend the virtual functions instead.",
        &[
            "drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_register_device",
            "Documentation/PCI/pci-iov-howto.rst",
        ],
    ),
    of(
        Reason::FunctionsBelow,
        "other functions hang below it",
        "An endpoint such as Intel's VMD has a PCI domain of its own behind it, often with the machine's \
         disks. All of them go with it.",
        &["drivers/pci/controller/vmd.c"],
    ),
    of(
        Reason::MediatedDevices,
        "mediated devices are made of it",
        "Virtual machines use slices of this device. Remove the mediated devices first: `mdevctl stop`.",
        &["Documentation/driver-api/vfio-mediated-device.rst"],
    ),
    of(
        Reason::Tpm,
        "it is the machine's trusted platform module",
        "Disk encryption and attestation of the host may rest on it, and a guest could read and change \
         what it has sealed.",
        &["Documentation/security/tpm/"],
    ),
    of(
        Reason::Watchdog,
        "it is a watchdog that is running",
        "Once nobody feeds it any more, it resets the whole machine. Stop it first where it can be stopped.",
        &["Documentation/watchdog/watchdog-api.rst"],
    ),
    of(
        Reason::FirmwareMapping,
        "the firmware demands a fixed mapping for its group",
        "The firmware keeps a region of memory mapped one to one for the device (an RMRR of Intel's DMAR \
         table, an IVMD of AMD's IVRS), and the kernel refuses to give a guest the device: `Firmware has requested \
         this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping.`; older \
         kernels on Intel say `Device is ineligible for IOMMU domain attach due to platform RMRR requirement. Contact \
         your platform vendor.` It shows beforehand as a line `direct` in the group's `reserved_regions`; \
         `direct-relaxable` (USB, graphics) does no harm.\n\n\
         Some servers have a switch in the firmware (HP ProLiant: `conrep`, per slot); else use another slot.",
        &[
            "drivers/iommu/iommu.c, iommu_create_device_direct_mappings",
            "drivers/iommu/intel/iommu.c, device_rmrr_is_relaxable",
        ],
    ),
    of(
        Reason::NotSeen,
        "whether the host needs it could not be seen",
        "passthru does not take what it could not look at for free. Mostly it is the rights: the descriptors of \
         other users' processes, foreign namespaces, the configuration space. Run it as root.",
        &["proc(5)"],
    ),
    Check {
        ask: Ask::Never,
        ..of(
            Reason::NoLease,
            "nobody recorded what it was on before",
            "`release` gives a device back to what its lease says it was on before. A device that was bound \
             at boot, or by another tool, has none: `--adopt DRIVER` says where it goes.",
            &["docs/changes.md"],
        )
    },
    of(
        Reason::Stuck,
        "a write to it has not come back from the kernel",
        "The kernel waits for something, mostly for a process that still has the device open, with the \
         device's lock held. Whatever else is written to it hangs as well. `passthru status` names the task and \
         what it waits for; when that is gone, `passthru recover` undoes what was begun.",
        &["drivers/vfio/vfio_main.c, vfio_unregister_group_dev", "docs/changes.md"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(refused: &[Reason], with_group: bool) -> Asked {
        let device: Address = "0000:01:00.0".parse().unwrap();
        let refusal = |reason: &Reason| Refusal::new(device, *reason, "seen", "do this");
        let refusals = refused.iter().map(refusal).collect();
        Asked { device, refusals, unknown: None, together: Vec::new(), slot: None, with_group }
    }

    fn ask(asked: &Asked, reason: Reason) -> Verdict {
        judge(asked, super::super::by_id(reason.name()).unwrap(), reason)
    }

    #[test]
    fn companions_that_go_along_are_no_error() {
        for (with_group, severity, commands) in [(true, Severity::Warning, 1), (false, Severity::Error, 0)] {
            let verdict = ask(&asked(&[Reason::Companions], with_group), Reason::Companions);
            let found = &verdict.findings()[0];
            assert_eq!((found.severity, found.remedy.commands.len()), (severity, commands));
        }
        let verdict = ask(&asked(&[Reason::Mounted], true), Reason::Mounted);
        assert_eq!(verdict.findings()[0].severity, Severity::Error);
    }

    #[test]
    fn without_a_group_nothing_is_said_of_it() {
        let none = asked(&[Reason::NoIommu], false);
        for reason in [Reason::Companions, Reason::FirmwareMapping, Reason::NoIommuMode] {
            assert_eq!(ask(&none, reason), Verdict::After("no-iommu"), "{reason}");
            assert_eq!(ask(&asked(&[], true), reason), Verdict::Pass(String::new()), "{reason}");
        }
        assert_eq!(ask(&none, Reason::Mounted), Verdict::Pass(String::new()));
        assert_eq!(ask(&none, Reason::NoIommu).findings().len(), 1);
    }

    #[test]
    fn what_is_hidden_is_no_pass() {
        let mut blind = asked(&[Reason::Swap], false);
        let unseen = |path| Unseen { path, why: "permission denied (needs root)".into() };
        let (one, other) = (unseen("/proc/1/mountinfo".into()), unseen("/proc/1/fd".into()));
        let refusal = Refusal::new(blind.device, Reason::NotSeen, "could not look", "run as root");
        let hidden = |unseen: &Unseen, reasons| Hidden { unseen: unseen.clone(), reasons };
        blind.refusals.push(refusal.clone().hiding(vec![
            hidden(&one, &[Reason::Mounted, Reason::Swap]),
            hidden(&other, &[Reason::Clients]),
        ]));
        // A companion's, at the same place.
        blind.refusals.push(refusal.hiding(vec![hidden(&other, &[Reason::Clients])]));
        assert_eq!(ask(&blind, Reason::Mounted), Verdict::CouldNotLook(vec![one.clone()]));
        assert_eq!(ask(&blind, Reason::Clients), Verdict::CouldNotLook(vec![other.clone()]));
        assert_eq!(ask(&blind, Reason::NotSeen), Verdict::CouldNotLook(vec![one, other]));
        assert_eq!(ask(&blind, Reason::Display), Verdict::Pass(String::new()));
        assert_eq!(ask(&blind, Reason::Swap).findings().len(), 1, "what was seen comes first");
        blind.unknown = Some("the lease cannot be understood".into());
        let Verdict::CouldNotLook(all) = ask(&blind, Reason::NotSeen) else { panic!() };
        assert_eq!(all.len(), 3);
        assert_eq!(ask(&blind, Reason::Display), Verdict::Pass(String::new()));
    }
}
