//! Whether a device can be lent, and what would have to go along.

use passthru_model::{Device, Fact, Hidden, Reason, Refusal, Snapshot, Unseen};
use passthru_pci::{Address, Class};

use crate::firmware::{covered, intel_word};
use crate::uses::{Uses, is_vfio_driver};

/// The judgement about one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lending {
    /// It can be lent as it is.
    Ready,
    /// It can be lent together with these functions of its IOMMU group.
    With(Vec<Address>),
    /// It is on a vfio driver; nobody is seen to hold it.
    Bound,
    /// A virtual machine holds it.
    Lent,
    /// The host uses it, or nobody could see whether.
    InUse(Vec<Reason>),
    /// The host has no IOMMU at work for it.
    NoIommu,
    /// The firmware keeps regions mapped for its group, so the kernel refuses.
    Kept,
    /// It is part of the machine itself: a bridge, a port, a chipset function.
    Chipset,
}

impl Lending {
    /// The order of the list: what can be lent first, the chipset last.
    #[must_use]
    pub const fn rank(&self) -> u8 {
        match self {
            Self::Lent => 0,
            Self::Bound => 1,
            Self::Ready => 2,
            Self::With(_) => 3,
            Self::InUse(_) => 4,
            Self::Kept => 5,
            Self::NoIommu => 6,
            Self::Chipset => 7,
        }
    }

    /// One word for JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::With(_) => "with-companions",
            Self::Bound => "bound",
            Self::Lent => "lent",
            Self::InUse(_) => "in-use",
            Self::NoIommu => "no-iommu",
            Self::Kept => "kept-by-firmware",
            Self::Chipset => "chipset",
        }
    }
}

/// Whether a class of device, sitting on a root bus, is a part of the machine that
/// nobody lends: bridges, memory controllers, system peripherals, SMBus, signal
/// processing, management engines. Behind a port the same classes are cards.
#[must_use]
pub const fn is_chipset(class: Class, on_root_bus: bool) -> bool {
    class.is_bridge()
        || (on_root_bus
            && match class.code() {
                // SD host controllers are system peripherals by class only.
                0x0805 => false,
                0x0c05 | 0x0780 => true,
                _ => matches!(class.base(), 0x05 | 0x08 | 0x11),
            })
}

/// The companions that have to go along: the other endpoint functions of a device's
/// group that nobody has put on a vfio driver (or `pci-stub`) yet, and bridges on a driver
/// with which the group is not viable.
///
/// The kernel would accept a companion on no driver where it is. But the group is what
/// the IOMMU isolates: the guest may reach such a companion, so it goes along only when
/// somebody said so, and is never left lying beside a guest unnoticed.
#[must_use]
pub fn companions<'a>(snapshot: &'a Snapshot, device: &'a Device) -> Vec<&'a Device> {
    snapshot
        .group_mates(device)
        .filter(|mate| hinders(mate) || (mate.driver == Fact::Absent && !is_bridge(mate)))
        .collect()
}

/// Whether this member keeps its group from being viable. The kernel accepts members on
/// no driver, on a vfio driver or on `pci-stub`, and ports on `pcieport`
/// (`drivers/iommu/iommu.c` since 5.19, `kernel.md` 3). A driver that could not be read
/// hinders.
#[must_use]
pub fn hinders(member: &Device) -> bool {
    match &member.driver {
        Fact::Absent => false,
        Fact::Known(driver) if is_vfio_driver(driver) || &**driver == "pci-stub" => false,
        Fact::Known(driver) => !(member.is_bus_bridge() && &**driver == "pcieport"),
        _ => true,
    }
}

/// Judges one device.
#[must_use]
pub fn judge(snapshot: &Snapshot, uses: &Uses, device: &Device) -> Lending {
    match &device.class {
        Fact::Known(class) if is_chipset(*class, device.parent.is_none()) => return Lending::Chipset,
        Fact::Known(_) => {}
        _ => return Lending::InUse(vec![Reason::NotSeen]),
    }
    let on_vfio = device.driver.known().is_some_and(|d| is_vfio_driver(d));
    let mut reasons: Vec<Reason> = uses.device(device.address).iter().filter_map(|u| u.blocks).collect();
    reasons.sort_unstable();
    reasons.dedup();
    if on_vfio {
        return if reasons.contains(&Reason::Held) { Lending::Lent } else { Lending::Bound };
    }
    if !reasons.is_empty() {
        return Lending::InUse(reasons);
    }
    if iommu_refusal(snapshot, device).is_some() {
        return Lending::NoIommu;
    }
    if firmware_mapping(snapshot, device).is_some() {
        return Lending::Kept;
    }
    if unknown_reserved(snapshot, device).is_some() {
        return Lending::InUse(vec![Reason::NotSeen]);
    }
    let companions = companions(snapshot, device);
    if companions.is_empty() {
        return Lending::Ready;
    }
    // A companion that must not be taken keeps the device too.
    let mut reasons: Vec<Reason> = companions
        .iter()
        .flat_map(|c| uses.device(c.address))
        .filter_map(|u| u.blocks)
        .chain(companions.iter().filter(|c| is_bridge(c)).map(|_| Reason::Bridge))
        .collect();
    reasons.sort_unstable();
    reasons.dedup();
    if reasons.is_empty() {
        Lending::With(companions.iter().map(|c| c.address).collect())
    } else {
        Lending::InUse(vec![Reason::Companions])
    }
}

fn is_bridge(device: &Device) -> bool {
    device.class.known().is_none_or(|class| class.is_bridge())
}

/// Why the IOMMU does not stand behind a device, if it does not.
#[must_use]
pub fn iommu_refusal(snapshot: &Snapshot, device: &Device) -> Option<Refusal> {
    let refusal =
        |reason, evidence: String, hint: &str| Some(Refusal::new(device.address, reason, evidence, hint));
    let group = match &device.group {
        Fact::Known(group) => group,
        Fact::Absent => {
            let units = snapshot.iommu_units.known().is_some_and(|units| !units.is_empty());
            let tables = snapshot.iommu_tables.known().is_some_and(|tables| !tables.is_empty());
            return match (units, tables) {
                (true, _) => {
                    let (evidence, hint) = left_out(snapshot, device);
                    refusal(Reason::NoIommu, evidence.into(), hint)
                }
                (false, true) => refusal(
                    Reason::NoIommu,
                    "the firmware has IOMMU tables, but no unit is at work in the kernel".into(),
                    "Intel: boot with intel_iommu=on; AMD: look for amd_iommu=off or iommu=off on the command line",
                ),
                (false, false) => refusal(
                    Reason::NoIommu,
                    "no IOMMU is at work and the firmware has no tables for one".into(),
                    "switch on VT-d (Intel) or AMD-Vi/IOMMU (AMD) in the firmware's set-up",
                ),
            };
        }
        other => {
            let evidence = format!("its IOMMU group could not be read: {}", unknown(other));
            let hint = "see the `unread` list of `show --json`";
            let reasons =
                &[Reason::NoIommu, Reason::NoIommuMode, Reason::Companions, Reason::FirmwareMapping];
            let unseen = Unseen::of(other, device.attribute("iommu_group"));
            let hidden = unseen.map(|unseen| Hidden { unseen, reasons }).into_iter().collect();
            return refusal(Reason::NotSeen, evidence, hint).map(|refusal| refusal.hiding(hidden));
        }
    };
    let name = snapshot.groups.get(group).and_then(|g| g.name.known());
    if name.is_some_and(|name| name == "vfio-noiommu")
        || snapshot.iommu_units.known().is_some_and(Vec::is_empty)
    {
        return refusal(
            Reason::NoIommuMode,
            format!("group {group} exists without an IOMMU: the kernel's no-IOMMU mode isolates nothing"),
            "switch on the IOMMU, and VFIO's enable_unsafe_noiommu_mode off",
        );
    }
    None
}

/// Why a device is in no group although an IOMMU is at work, and what to do.
fn left_out(snapshot: &Snapshot, device: &Device) -> (&'static str, &'static str) {
    let line = snapshot.command_line.known().map_or("", String::as_str);
    // What the kernel and Debian's patch call integrated: Intel's displays on a root bus.
    let integrated = device.parent.is_none()
        && device.class.known().is_some_and(|class| class.is_display())
        && device.id.known().is_some_and(|id| id.vendor == 0x8086);
    let system = &snapshot.system.distribution;
    let debian = system.known().is_none_or(|d| d.is("debian") || d.is("ubuntu"));
    if integrated && intel_word(line, "igfx_off") {
        (
            "an IOMMU is at work, and intel_iommu=igfx_off on the command line leaves the integrated graphics out",
            "take igfx_off from the kernel's command line and boot again",
        )
    } else if integrated && intel_word(line, "intgpu_off") {
        (
            "an IOMMU is at work, and intel_iommu=intgpu_off on the command line leaves the integrated graphics out",
            "take intgpu_off from the kernel's command line and boot again",
        )
    } else if integrated && debian && !intel_word(line, "on") {
        (
            "an IOMMU is at work, and without intel_iommu=on Debian's kernels leave the integrated graphics out",
            "add intel_iommu=on to the kernel's command line and boot again",
        )
    } else if covered(snapshot, device) == Some(false) {
        (
            "an IOMMU is at work, and the firmware's table gives this device none",
            "look for an update of the firmware, or use another slot",
        )
    } else {
        ("it is in no IOMMU group although an IOMMU is at work", "no unit covers it; look for it in `show`")
    }
}

/// A region the firmware keeps mapped in the device's group, if any: the kernel then
/// refuses VFIO for the whole group.
#[must_use]
pub fn firmware_mapping(snapshot: &Snapshot, device: &Device) -> Option<String> {
    let group = snapshot.groups.get(device.group.known()?)?;
    let region = group.reserved.known()?.iter().find(|r| r.kind == "direct")?;
    Some(format!("{:#x}-{:#x} direct", region.start, region.end))
}

/// Why the reserved regions of a device's group are not known, where they were asked for, in
/// words and with their place.
/// Kernels before 4.11 have no such file, and say it in the log only.
#[must_use]
pub(crate) fn unknown_reserved(snapshot: &Snapshot, device: &Device) -> Option<(String, Unseen)> {
    let number = device.group.known()?;
    match &snapshot.groups.get(number)?.reserved {
        Fact::NotRead => None,
        reserved => {
            let path = format!("/sys/kernel/iommu_groups/{number}/reserved_regions");
            Some((unknown(reserved), Unseen::of(reserved, path)?))
        }
    }
}

/// What stands in for a fact that is not known, in words.
pub(crate) fn unknown<T>(fact: &Fact<T>) -> String {
    match fact {
        Fact::Unreadable(error) => error.to_string(),
        Fact::Malformed(text) => format!("'{text}' makes no sense there"),
        Fact::NotRead => "it was not read".into(),
        Fact::Absent => "there is none".into(),
        Fact::Known(_) => "known".into(),
    }
}
