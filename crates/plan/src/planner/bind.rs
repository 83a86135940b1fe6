//! Giving devices to the vfio driver.

use std::collections::BTreeSet;

use passthru_model::lease::LEASE_VERSION;
use passthru_model::plan::{Loss, NoPlan};
use passthru_model::{
    Device, Fact, Hidden, Holder, Intent, Lease, Plan, Reason, Records, Refusal, Rights, Snapshot, Step,
    Unseen,
};
use passthru_pci::Address;

use super::{broken_lease, lease_of, stuck_refusal};
use crate::lending::{self, companions, firmware_mapping, iommu_refusal};
use crate::uses::{Uses, is_vfio_driver, keyboards_together};

/// What somebody wants bound.
#[derive(Debug, Clone)]
pub struct BindWish<'a> {
    /// The devices that were named.
    pub devices: &'a [Address],
    /// Whether the other functions of their groups may be taken along.
    pub with_group: bool,
    /// The vfio driver.
    pub driver: &'a str,
    /// Reasons that are overridden. [`Reason::RootFileSystem`], [`Reason::Bridge`] and
    /// [`Reason::Stuck`] never are.
    pub allow: &'a [Reason],
    /// Leases and stuck devices that were found.
    pub records: &'a Records,
    /// The time, in seconds since 1970, for the leases.
    pub now: u64,
    /// The process for which the devices are bound, whose end gives them back; `None`
    /// where a person binds them.
    pub holder: Option<&'a Holder>,
}

/// Plans to give devices to the vfio driver.
///
/// The snapshot must hold the detail of the devices and their groups
/// ([`passthru_model::DetailOf::Some`]) and the usage.
///
/// # Errors
/// Every reason to refuse; or a device that is not there; or a fact without which there
/// can be no plan.
pub fn plan_bind(snapshot: &Snapshot, wish: &BindWish<'_>) -> Result<Plan, NoPlan> {
    plan_bind_with(snapshot, &Uses::of(snapshot), wish)
}

/// The same where the uses were made of this snapshot already.
///
/// # Errors
/// As [`plan_bind`].
pub fn plan_bind_with(snapshot: &Snapshot, uses: &Uses, wish: &BindWish<'_>) -> Result<Plan, NoPlan> {
    let mut refusals = Vec::new();
    let devices = closure(snapshot, wish, &mut refusals)?;
    for device in &devices {
        let before = refusals.len();
        examine(snapshot, uses, device, &mut refusals);
        if bound_already(wish, device) {
            // Nothing is done about it, and the kernel lets one machine only open its group: so
            // who may use it without root need not see everything.
            let mut kept = refusals.split_off(before);
            kept.retain(|refusal| refusal.reason != Reason::NotSeen);
            refusals.append(&mut kept);
        }
        refusals.extend(stuck_refusal(wish.records, device.address));
    }
    refusals.extend(keyboard_refusals(snapshot, &devices));
    refusals.retain(|r| !wish.allow.contains(&r.reason) || never_overridden(r.reason));
    refusals.sort_by_key(|r| (r.device, r.reason));
    refusals.dedup();
    if !refusals.is_empty() {
        return Err(NoPlan::Refused(refusals));
    }
    let mut plan = Plan::new(Intent::Bind, devices.iter().map(|d| d.address).collect());
    let mut changed = Vec::new();
    let mut leases = Vec::new();
    for device in &devices {
        if let Some(no) = broken_lease(wish.records, device.address) {
            return Err(no);
        }
        match (is_on(device, wish.driver), lease_of(wish.records, device.address)) {
            (true, Some(_)) => {
                plan.notes.push(format!("{} is bound to {} already", device.address, wish.driver));
            }
            (true, None) => {
                plan.notes.push(format!(
                    "{} was on {} already, bound by somebody else: it gets a lease, and release leaves it there",
                    device.address, wish.driver
                ));
                leases.push(lease(snapshot, device, wish, true)?);
            }
            (false, old) => {
                if old.is_some() {
                    plan.notes.push(format!(
                        "{} has a lease but is not on {}: somebody moved it; the lease is written anew",
                        device.address, wish.driver
                    ));
                }
                leases.push(lease(snapshot, device, wish, false)?);
                changed.push(*device);
            }
        }
    }
    plan.notes.sort();
    plan.notes.dedup();
    steps(snapshot, wish, &changed, leases, &mut plan)?;
    losses(uses, &changed, &mut plan);
    Ok(plan)
}

fn is_on(device: &Device, driver: &str) -> bool {
    device.driver.known().is_some_and(|on| **on == *driver)
}

/// Whether it is on the wanted driver and has its lease.
fn bound_already(wish: &BindWish<'_>, device: &Device) -> bool {
    is_on(device, wish.driver) && lease_of(wish.records, device.address).is_some()
}

/// Reasons nobody may override: taking away the root file system is never wanted, and a
/// bridge cannot be bound whatever one allows.
const fn never_overridden(reason: Reason) -> bool {
    matches!(reason, Reason::RootFileSystem | Reason::Bridge | Reason::Stuck)
}

/// The devices that were named, with their companions where that was allowed.
fn closure<'a>(
    snapshot: &'a Snapshot,
    wish: &BindWish<'_>,
    refusals: &mut Vec<Refusal>,
) -> Result<Vec<&'a Device>, NoPlan> {
    let mut wanted: BTreeSet<Address> = wish.devices.iter().copied().collect();
    let mut missing: Vec<(&Device, Vec<&Device>)> = Vec::new();
    for address in wish.devices {
        let device = snapshot.device(*address).ok_or(NoPlan::NoDevice(*address))?;
        let others: Vec<_> = companions(snapshot, device)
            .into_iter()
            .filter(|c| !wish.devices.contains(&c.address) && !c.is_bus_bridge())
            .collect();
        let ports = snapshot.group_mates(device).filter(|m| m.is_bus_bridge() && lending::hinders(m));
        refusals.extend(ports.map(|port| port_refusal(device, port)));
        if wish.with_group {
            let mates = snapshot.group_mates(device).filter(|mate| goes_along(mate));
            wanted.extend(mates.map(|m| m.address));
        } else if !others.is_empty() {
            missing.push((device, others));
        }
    }
    for (device, others) in missing {
        refusals.push(companions_refusal(snapshot, wish, device, &others));
    }
    wanted.iter().map(|a| snapshot.device(*a).ok_or(NoPlan::NoDevice(*a))).collect()
}

/// Whether a function of a group that is taken whole is taken: all endpoints, also those on no
/// driver. A bridge of any kind that is on no driver is not in the way, and stays what the machine
/// needs it to be.
pub(crate) fn goes_along(mate: &Device) -> bool {
    let bridge = mate.class.known().is_some_and(|class| class.is_bridge());
    !mate.is_bus_bridge() && (!bridge || lending::hinders(mate))
}

/// A port of the group on a driver with which no group is viable: it cannot be taken
/// along, so that binding the device would help nobody.
fn port_refusal(device: &Device, port: &Device) -> Refusal {
    let on = port.driver.known().map_or("a driver that could not be read", |d| d);
    Refusal::new(
        port.address,
        Reason::Bridge,
        format!("a bridge in the IOMMU group of {}, on {on}: the group is not viable", device.address),
        "VFIO accepts ports on pcieport or on no driver; another slot may have a group of its own",
    )
}

/// The refusal for companions that nobody agreed to, with the line to type instead.
fn companions_refusal(
    snapshot: &Snapshot,
    wish: &BindWish<'_>,
    device: &Device,
    others: &[&Device],
) -> Refusal {
    let named = |d: &&Device| match &d.driver {
        Fact::Known(driver) => format!("{} (on {driver})", d.address),
        Fact::Absent => format!("{} (on no driver)", d.address),
        _ => format!("{} (on an unknown driver)", d.address),
    };
    let list = others.iter().map(named).collect::<Vec<_>>().join(", ");
    let slot = device.address.slot();
    // Naming the slot names every function of it, so it helps only where all are wanted.
    let bridge = |d: &Device| d.class.known().is_none_or(|class| class.is_bridge());
    let whole_card = others.iter().all(|d| slot.contains(d.address))
        && wish.devices.iter().all(|d| slot.contains(*d))
        && !snapshot.devices.iter().any(|d| slot.contains(d.address) && bridge(d));
    let hint = if whole_card {
        format!("to lend the whole card, name it: {slot}")
    } else {
        "to take them along, add --with-group".to_owned()
    };
    let group = device.group.known().map_or_else(String::new, |g| format!(" {g}"));
    Refusal::new(
        device.address,
        Reason::Companions,
        format!("the IOMMU isolates it only together with the rest of its group{group}: {list}"),
        hint,
    )
}

/// Everything that speaks against one device.
fn examine(snapshot: &Snapshot, uses: &Uses, device: &Device, refusals: &mut Vec<Refusal>) {
    let refusal = |reason, evidence: String, hint: &str| Refusal::new(device.address, reason, evidence, hint);
    let not_seen = |evidence: String, unseen: Option<Unseen>, reasons| {
        let hidden = unseen.map(|unseen| Hidden { unseen, reasons });
        refusal(Reason::NotSeen, evidence, not_read(snapshot.rights)).hiding(hidden.into_iter().collect())
    };
    match &device.class {
        Fact::Known(class) if class.is_bus_bridge() => {
            let evidence = format!("a bridge (class {class}): VFIO takes endpoints only");
            refusals.push(refusal(Reason::Bridge, evidence, "name the device behind it"));
            return;
        }
        Fact::Known(class) if class.is_bridge() => {
            // VFIO could take these (header type 0), but the host stands on them: host
            // bridges, and LPC bridges with the firmware, the clock and the power button.
            let evidence = format!("a bridge the machine itself stands on (class {class})");
            refusals.push(refusal(Reason::Bridge, evidence, "another slot may have a group of its own"));
            return;
        }
        Fact::Known(_) => {}
        other => {
            let evidence = format!("its class is not known: {}", lending::unknown(other));
            let unseen = Unseen::of(other, device.attribute("class"));
            refusals.push(not_seen(evidence, unseen, &[Reason::Bridge]));
        }
    }
    refusals.extend(iommu_refusal(snapshot, device));
    if let Some(region) = firmware_mapping(snapshot, device) {
        let evidence = format!("the firmware keeps {region} mapped for its group: the kernel refuses VFIO");
        let hint = "look for a firmware setting (HP: \"shared memory\", RMRR), or use another slot";
        refusals.push(refusal(Reason::FirmwareMapping, evidence, hint));
    }
    if let Some((why, unseen)) = lending::unknown_reserved(snapshot, device) {
        let evidence =
            format!("whether the firmware keeps regions mapped for its group could not be seen: {why}");
        refusals.push(not_seen(evidence, Some(unseen), &[Reason::FirmwareMapping]));
    }
    for found in uses.device(device.address) {
        if let Some(reason) = found.blocks {
            let name = found.chain.first().map_or("", String::as_str);
            let hint = hint(reason, name, snapshot.rights);
            refusals.push(refusal(reason, found.line(), &hint).hiding(found.hidden.clone()));
        }
    }
}

/// Each of several keyboards may go, and not all of them.
pub(crate) fn keyboard_refusals(snapshot: &Snapshot, devices: &[&Device]) -> Vec<Refusal> {
    let hint = "leave one of the keyboards out, or plug another one in elsewhere first";
    let together = keyboards_together(snapshot, devices).into_iter();
    together.map(|(device, found)| Refusal::new(device, Reason::LastKeyboard, found.line(), hint)).collect()
}

/// What to do about an attribute that was not read or not understood.
const fn not_read(rights: Rights) -> &'static str {
    if rights.root { "look at `passthru show`" } else { "run as root, or look at `passthru show`" }
}

/// What to do about a use that was found with these rights.
pub(super) fn hint(reason: Reason, name: &str, rights: Rights) -> String {
    match reason {
        Reason::Mounted => "unmount it first".into(),
        Reason::RootFileSystem => "the host runs from it: it cannot be lent while this system is up".into(),
        Reason::Swap => "swapoff it first".into(),
        Reason::Holders => "take it out of what is stacked on it (LVM, md, dm-crypt) first".into(),
        Reason::Fstab => "take the line out of that file first, or the next boot waits for it".into(),
        Reason::Clients => "end that process first, or make it let go".into(),
        Reason::SshConnection => {
            format!("connect by another way than {name} first, or the connection ends")
        }
        Reason::NetworkNamespace => "stop the container first, or move the interface back".into(),
        Reason::MediatedDevices => "remove the mediated devices first (write 1 to their `remove`)".into(),
        Reason::Tpm => {
            "make sure first that the host keeps no key in it (systemd-cryptenroll, clevis), then add --allow tpm"
                .into()
        },
        Reason::Watchdog => "stop the watchdog first, or the machine resets when nobody feeds it".into(),
        Reason::DefaultRoute => {
            format!("move the default route off {name} first, or you may lose the connection")
        }
        Reason::NetworkMember => format!("take {name} out of the bridge or bond first"),
        Reason::Display => "move the console and the display server to another card first".into(),
        Reason::LastKeyboard => {
            "plug a keyboard in elsewhere first, or make sure you have another way in".into()
        }
        Reason::Held => "stop that virtual machine first".into(),
        Reason::FunctionsBelow => "lend what is below it instead, or unbind that first".into(),
        Reason::VirtualFunctions => "remove the virtual functions first (write 0 to sriov_numvfs)".into(),
        Reason::NotSeen if rights.root => {
            "root could not see it either: find out why, or add --allow not-seen if you know that the host does not use the device".into()
        }
        Reason::NotSeen => "run as root, so that passthru can look".into(),
        Reason::Bridge
        | Reason::NoIommu
        | Reason::NoIommuMode
        | Reason::Companions
        | Reason::FirmwareMapping => String::new(),
        _ => String::new(),
    }
}

fn lease(snapshot: &Snapshot, device: &Device, wish: &BindWish<'_>, adopted: bool) -> Result<Lease, NoPlan> {
    let unknown = |what: &str, why: String| NoPlan::Unknown(format!("{what} of {}: {why}", device.address));
    let detail = device.detail.as_deref().ok_or_else(|| unknown("the detail", "it was not read".into()))?;
    let settle = |what: &str, fact: &Fact<String>| match fact {
        Fact::Known(value) => Ok(Some(value.clone())),
        Fact::Absent => Ok(None),
        other => Err(unknown(what, lending::unknown(other))),
    };
    Ok(Lease {
        version: LEASE_VERSION,
        boot_id: settle("the boot id", &snapshot.boot_id)?.unwrap_or_default(),
        device: device.address,
        id: *device.id.known().ok_or_else(|| unknown("the id", lending::unknown(&device.id)))?,
        subsystem: device.subsystem.known().copied(),
        original_driver: match &device.driver {
            Fact::Known(driver) => Some(driver.to_string()),
            Fact::Absent => None,
            other => return Err(unknown("the driver", lending::unknown(other))),
        },
        original_module: detail.driver_module.known().cloned(),
        original_override: settle("driver_override", &detail.driver_override)?,
        vfio_driver: wish.driver.to_owned(),
        adopted,
        since: wish.now,
        holder: wish.holder.cloned(),
        granted: None,
    })
}

/// The steps: leases and overrides for all, then all are unbound, then all are bound. So
/// no function of the set sits on its host driver while another is already on vfio.
fn steps(
    snapshot: &Snapshot,
    wish: &BindWish<'_>,
    changed: &[&Device],
    leases: Vec<Lease>,
    plan: &mut Plan,
) -> Result<(), NoPlan> {
    let target = wish.driver.to_owned();
    let loaded = snapshot.drivers.known().is_some_and(|drivers| drivers.contains(&target));
    let mut cleared = Vec::new();
    if !changed.is_empty() && !loaded {
        // A driver that is being loaded takes every function that waits for it by its
        // override. One of ours would be bound by a step that nothing undoes.
        for lease in &leases {
            if lease.original_driver.is_none() && lease.original_override.as_ref() == Some(&target) {
                let (device, before) = (lease.device, Some(target.clone()));
                plan.steps.push(Step::SetOverride { device, before, value: None });
                cleared.push(device);
            }
        }
        // A driver is named `vfio-pci`, its module `vfio_pci`; modprobe takes both.
        plan.steps.push(Step::LoadModule { module: target.clone() });
    }
    let mut before = Vec::new();
    for lease in leases {
        let found = lease.original_override.clone().filter(|_| !cleared.contains(&lease.device));
        before.push((lease.device, found));
        if let Some(old) = lease_of(wish.records, lease.device) {
            plan.steps.push(Step::CloseLease { lease: old.clone() });
        }
        plan.steps.push(Step::OpenLease { lease });
    }
    for device in changed {
        let old = before.iter().find(|(a, _)| *a == device.address).and_then(|(_, o)| o.clone());
        if old.as_deref() != Some(&target) {
            plan.steps.push(Step::SetOverride {
                device: device.address,
                before: old,
                value: Some(target.clone()),
            });
        }
    }
    for device in changed {
        for block in snapshot.usage.blocks.at_least() {
            if block.owners.contains(&device.address) && block.partition_of.is_none() && !block.hidden {
                let node = format!("/dev/{}", block.name);
                plan.steps.push(Step::HoldDisk { device: device.address, node });
            }
        }
    }
    for device in changed {
        if let Fact::Known(driver) = &device.driver {
            plan.steps.push(Step::Unbind {
                device: device.address,
                driver: driver.to_string(),
                override_now: Some(target.clone()),
            });
        }
    }
    for device in changed {
        plan.steps.push(Step::Probe { device: device.address, driver: target.clone() });
    }
    Ok(())
}

fn losses(uses: &Uses, changed: &[&Device], plan: &mut Plan) {
    for device in changed {
        for found in uses.device(device.address) {
            plan.losses.push(Loss { device: device.address, what: found.line() });
        }
        if let Some(driver) = device.driver.known().filter(|d| !is_vfio_driver(d))
            && uses.device(device.address).is_empty()
        {
            plan.losses.push(Loss { device: device.address, what: format!("what driver {driver} provides") });
        }
    }
}

#[cfg(test)]
mod tests {
    use passthru_formats::Errno;
    use passthru_model::{Group, Rights};
    use passthru_pci::Class;

    use super::*;
    use crate::checks::testing::{function, host_with};

    #[test]
    fn what_could_not_be_read_says_what_it_hides() {
        let mut host = host_with(|_| {});
        host.rights = Rights { root: false };
        host.groups.insert(7, Group { reserved: Fact::Unreadable(Errno::EACCES), ..Group::default() });
        let mut device = function("0000:01:00.0");
        let mut hidden = |class: Fact<Class>, group| {
            (device.class, device.group) = (class, group);
            let mut refusals = Vec::new();
            examine(&host, &Uses::of(&host), &device, &mut refusals);
            let [refusal] = &refusals[..] else { panic!("{refusals:?}") };
            assert_eq!(refusal.reason, Reason::NotSeen);
            let [hidden] = &refusal.hidden[..] else { panic!("{refusal:?}") };
            assert_eq!(hidden.unseen.why, "EACCES (permission denied) (needs root)");
            (hidden.unseen.path.clone(), hidden.reasons)
        };
        let usb = || Fact::Known(Class::new(0x0c_03_30));
        let at = |name: &str| format!("/sys/bus/pci/devices/0000:01:00.0/{name}");
        let (path, reasons) = hidden(Fact::Unreadable(Errno::EACCES), Fact::Known(3));
        assert_eq!((path, reasons), (at("class"), &[Reason::Bridge][..]));
        let (path, reasons) = hidden(usb(), Fact::Unreadable(Errno::EACCES));
        assert_eq!(path, at("iommu_group"));
        assert!(reasons.contains(&Reason::NoIommu) && reasons.contains(&Reason::Companions));
        let (path, reasons) = hidden(usb(), Fact::Known(7));
        let reserved = "/sys/kernel/iommu_groups/7/reserved_regions".to_owned();
        assert_eq!((path, reasons), (reserved, &[Reason::FirmwareMapping][..]));
    }
}
