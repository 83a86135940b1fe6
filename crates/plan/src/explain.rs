//! Error texts that somebody pasted, or that a failed run left: what they mean, and whether
//! this host has the cause.

use passthru_formats::messages::{self, Hit, Program};
use passthru_model::{Judged, Severity, Snapshot, Verdict};
use passthru_pci::Address;

use crate::checks;
use crate::signatures::{self, Signature};

/// A line with a known text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised {
    /// Number of the line, from 1.
    pub line_number: usize,
    /// The known text as it stands there, without what surrounds it.
    pub text: String,
    /// Who says it.
    pub program: Program,
    /// The source file it comes from, and in which versions.
    pub from: &'static str,
    /// What it means.
    pub signature: &'static Signature,
    /// The device it names.
    pub device: Option<Address>,
    /// What else it names: (`group`, `13`), (`limit`, `65536`), (`path`, `/dev/vfio/13`).
    pub captures: Vec<(&'static str, String)>,
}

impl Recognised {
    /// What it names under this word.
    #[must_use]
    pub fn capture(&self, name: &str) -> Option<&str> {
        self.captures.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    /// The devices of this host it is about: the one it names, or the members of the group
    /// it names. Empty where it names neither, or one that is not there.
    #[must_use]
    pub fn devices(&self, snapshot: &Snapshot) -> Vec<Address> {
        if let Some(device) = self.device {
            return snapshot.device(device).map(|d| d.address).into_iter().collect();
        }
        let group =
            self.capture("group").or_else(|| self.capture("node")).and_then(|n| n.parse::<u32>().ok());
        let members = |group| snapshot.devices.iter().filter(move |d| d.group.known() == Some(&group));
        group.into_iter().flat_map(members).map(|d| d.address).collect()
    }
}

/// Every program whose texts are known.
const ALL: &[Program] = &[Program::Kernel, Program::Qemu, Program::Libvirt, Program::Tool];

/// The known texts in a paste, in the order of its lines. A line that only goes on about
/// what the one before said is left out.
#[must_use]
pub fn recognise(text: &str) -> Vec<Recognised> {
    let mut found: Vec<Recognised> = Vec::new();
    let text = messages::clean(text);
    for hit in messages::scan(&text, ALL) {
        // What comes to an end does not hang.
        if hit.text.name == "dracut-hang" && text.lines().skip(hit.line).any(ends_pre_udev) {
            continue;
        }
        let Some(signature) = signatures::by_name(hit.text.name) else { continue };
        let goes_on = found.last().is_some_and(|last| {
            last.signature == signature && hit.device.is_none() && hit.line - last.line_number <= 1
        });
        if !goes_on {
            found.push(of(hit, signature));
        }
    }
    found
}

/// Whether systemd says that dracut's hook is done (`Started` before 246, `Finished` since).
fn ends_pre_udev(line: &str) -> bool {
    line.contains("pre-udev hook") && (line.contains("Finished ") || line.contains("Started "))
}

fn of(hit: Hit, signature: &'static Signature) -> Recognised {
    Recognised {
        line_number: hit.line,
        text: hit.matched,
        program: hit.text.program,
        from: hit.text.from,
        signature,
        device: hit.device,
        captures: hit.captures,
    }
}

/// What is known about one cause on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause<'a> {
    /// The check.
    pub id: &'static str,
    /// What it says of this host, or of the devices the text is about; empty where it was not
    /// asked, which is not a pass.
    pub judged: Vec<&'a Judged>,
    /// For a cause that is an address without a device: the address, and whether a device of
    /// this host has it. No check is asked for that, as the message alone says which address.
    pub address: Option<(Address, bool)>,
}

impl Cause<'_> {
    /// Whether the host has it: yes, no, or nobody could say.
    #[must_use]
    pub fn is_here(&self) -> Option<bool> {
        if let Some((_, there)) = self.address {
            return Some(!there);
        }
        let says = |is: fn(&Verdict) -> bool| self.judged.iter().any(|one| is(&one.verdict));
        if says(|v| matches!(v, Verdict::Found(_))) {
            return Some(true);
        }
        let blind = says(|v| matches!(v, Verdict::CouldNotLook(_) | Verdict::After(_)));
        (!blind && !self.judged.is_empty()).then_some(false)
    }
}

/// The causes a text may have, and what the checks say of each: those that are here first,
/// then those nobody could look at, then the others; within that the likeliest first.
#[must_use]
pub fn causes<'a>(one: &Recognised, snapshot: &Snapshot, judged: &'a [Judged]) -> Vec<Cause<'a>> {
    let devices = one.devices(snapshot);
    let about = |judged: &&Judged| judged.device.is_none_or(|d| devices.is_empty() || devices.contains(&d));
    let of = |id| Cause {
        id,
        judged: judged.iter().filter(|j| j.id == id).filter(about).collect(),
        address: one
            .device
            .filter(|_| id == "device-moved")
            .map(|device| (device, snapshot.device(device).is_some())),
    };
    let mut causes: Vec<Cause<'a>> = one.signature.ids().map(of).collect();
    causes.sort_by_key(|cause| match cause.is_here() {
        Some(true) => 0,
        None => 1,
        Some(false) => 2,
    });
    causes
}

/// Why a virtual machine failed: what is known in its program's error output and in the kernel's
/// log of that time (in parts, that which tells of the end first), each once, the likeliest reason
/// last. The kernel's word stands after the
/// program's, which mostly only passes on an error number, unless it is a mere note; of the
/// kernel's only what names one of the devices or none. What names none may be about anything
/// on the host: it stands after the program's only where the two have a cause in common.
#[must_use]
pub fn reasons(program: &str, kernel: &[&str], devices: &[Address]) -> Vec<Recognised> {
    let ours = |one: &Recognised| {
        one.device.is_none_or(|device| devices.contains(&device)) && !is_of_libvirts_machine(one)
    };
    // The first error is the cause of the ones after it.
    let (said, logged) = (recognise(program), kernel.iter().flat_map(|part| recognise(part)));
    let may_cause: Vec<&str> = said.iter().flat_map(|one| one.signature.ids()).collect();
    let by_kernel = logged.filter(|one| one.program == Program::Kernel && ours(one));
    let mut all: Vec<Recognised> = Vec::new();
    for one in by_kernel.chain(said) {
        if !all.iter().any(|had| had.signature == one.signature) {
            all.push(one);
        }
    }
    let rank = |one: &Recognised| match one.program {
        Program::Kernel if is_note(one.signature) => 0,
        Program::Kernel if one.device.is_none() && !one.signature.ids().any(|id| may_cause.contains(&id)) => {
            0
        }
        Program::Kernel => 2,
        _ => 1,
    };
    // Sorting keeps the order of what is equal: the first of each kind comes to stand last.
    all.reverse();
    all.sort_by_key(rank);
    all
}

/// Whether a security module refused something to one of libvirt's machines: they run under
/// profiles of their own, under which what we start never runs.
fn is_of_libvirts_machine(one: &Recognised) -> bool {
    match one.signature.name {
        "apparmor-denied" => one.text.contains("profile=\"libvirt-"),
        "selinux-denied" => one.text.contains("svirt"),
        _ => false,
    }
}

/// Whether a text of the kernel's is no trouble by itself.
fn is_note(signature: &Signature) -> bool {
    let check = signature.ids().filter(|id| id.starts_with("log-")).find_map(checks::by_id);
    check.is_none_or(|check| check.severity == Severity::Note)
        && signature.ids().any(|id| id.starts_with("log-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(program: &str, kernel: &str) -> Vec<&'static str> {
        let lent = ["01:00.0".parse().unwrap()];
        reasons(program, &[kernel], &lent).iter().map(|one| one.signature.name).collect()
    }

    #[test]
    fn the_reason_stands_last() {
        let qemu = "qemu-system-x86_64: -device vfio-pci,host=01:00.0: vfio 0000:01:00.0: failed to setup container for \
                    group 13: Failed to set group container: Invalid argument\n";
        let kernel =
            "vfio-pci 0000:01:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting\n";
        assert_eq!(names(qemu, kernel), ["container-direct-mapping", "direct-mapping"]);
        assert_eq!(names(qemu, ""), ["container-direct-mapping"]);
        // Of another device, or not to the point.
        let other = "vfio-pci 0000:02:00.0: BAR 1: can't reserve [mem 0x0-0x1]\n";
        let note = "vfio-pci 0000:01:00.0: not ready 1023ms after FLR; waiting\n";
        assert_eq!(names(qemu, &format!("{other}{note}")), ["reset-slow", "container-direct-mapping"]);
        // The first of two, each once.
        let two = "vfio 0000:01:00.0: group 1 is not viable\nqemu: Could not open '/dev/vfio/1': Permission denied\n";
        assert_eq!(names(&format!("{two}{two}"), ""), ["node-denied", "group-not-viable"]);
        assert_eq!(names("", ""), [""; 0]);
    }

    #[test]
    fn the_kernels_last_words_come_before_what_it_said_earlier() {
        let lent = ["01:00.0".parse().unwrap()];
        let early = "vfio-pci 0000:01:00.0: BAR 1: can't reserve [mem 0xe0000000-0xefffffff 64bit pref]\n";
        let late = "vfio-pci 0000:01:00.0: not ready 65535ms after FLR; giving up\n";
        let order = |kernel: &[&str]| {
            reasons("", kernel, &lent).iter().map(|one| one.signature.name).collect::<Vec<_>>()
        };
        assert_eq!(order(&[late, early]), ["bar-taken", "reset-no-answer"]);
        // Of one moment the first is the cause.
        assert_eq!(order(&[&format!("{early}{late}")]), ["reset-no-answer", "bar-taken"]);
    }

    #[test]
    fn what_the_kernel_says_of_anything_is_no_reason() {
        let qemu = "vfio 0000:01:00.0: group 1 is not viable\n";
        let hung = "INFO: task tee:14093 blocked for more than 120 seconds.\n";
        assert_eq!(names(qemu, hung), ["task-hung", "group-not-viable"]);
        let map = "VFIO_MAP_DMA failed: Cannot allocate memory\n";
        let limit = "vfio_pin_pages_remote: RLIMIT_MEMLOCK (65536) exceeded\n";
        assert_eq!(names(map, limit), ["memlock-map", "memlock"]);
        assert_eq!(names(qemu, limit), ["memlock", "group-not-viable"]);
        // Another machine's trouble with its profile.
        let denied = "Could not open '/dev/vfio/13': Permission denied\n";
        let profile = |name| {
            format!("apparmor=\"DENIED\" operation=\"open\" profile=\"{name}\" name=\"/dev/vfio/13\" pid=1\n")
        };
        assert_eq!(names(denied, &profile("libvirt-7d3f1c92")), ["node-denied"]);
        assert_eq!(names(denied, &profile("qemu")), ["node-denied", "apparmor-denied"]);
    }

    #[test]
    fn causes_that_are_here_stand_first() {
        let found = recognise("vfio 0000:01:00.0: no iommu_group found: No such file or directory");
        let snapshot = checks::testing::host_with(|_| {});
        let judged = |id, verdict| Judged { id, device: None, verdict };
        let all = [
            judged("no-iommu", Verdict::Pass(String::new())),
            judged("iommu-firmware", Verdict::CouldNotLook(Vec::new())),
            judged("iommu-kernel", Verdict::Found(Vec::new())),
        ];
        let order: Vec<_> = causes(&found[0], &snapshot, &all).iter().map(|c| (c.id, c.is_here())).collect();
        assert_eq!(
            order,
            [("iommu-kernel", Some(true)), ("iommu-firmware", None), ("no-iommu", Some(false))]
        );
        assert!(causes(&found[0], &snapshot, &[]).iter().all(|cause| cause.is_here().is_none()));
    }

    #[test]
    fn a_hook_that_ended_does_not_hang() {
        let start = "Starting dracut-pre-udev.service - dracut pre-udev hook...\n";
        let end = "Finished dracut-pre-udev.service - dracut pre-udev hook.\n";
        assert_eq!(recognise(start).len(), 1);
        assert_eq!(recognise(&format!("{start}{end}")), []);
        assert_eq!(recognise(&format!("{end}{start}")).len(), 1);
    }

    #[test]
    fn whether_an_address_has_a_device_is_seen() {
        let mut snapshot = checks::testing::host_with(|_| {});
        let found = recognise("vfio 0000:01:00.0: no such host device: No such file or directory");
        assert_eq!(causes(&found[0], &snapshot, &[])[0].is_here(), Some(true));
        snapshot.devices = vec![checks::testing::function("01:00.0")];
        assert_eq!(causes(&found[0], &snapshot, &[])[0].is_here(), Some(false));
    }
}
