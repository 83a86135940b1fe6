//! Giving devices back to what they were on before.

use passthru_model::plan::NoPlan;
use passthru_model::{Device, Fact, Intent, Lease, Plan, Reason, Records, Refusal, Snapshot, Step};
use passthru_pci::Address;

use super::bind::hint;
use super::grant::put_back;
use super::{broken_lease, lease_of, stuck_refusal};
use crate::lending;
use crate::uses::{Uses, held, is_vfio_driver};

/// Where a device without a lease goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseTo {
    /// To this driver.
    Driver(String),
    /// To none.
    Nothing,
}

/// What somebody wants given back.
#[derive(Debug, Clone)]
pub struct ReleaseWish<'a> {
    /// The devices.
    pub devices: &'a [Address],
    /// Where devices go that nobody has a lease for; `None` refuses them.
    pub adopt: Option<ReleaseTo>,
    /// Reasons that are overridden. [`Reason::Held`] never is: unbinding a held device
    /// hangs until its holder lets go.
    pub allow: &'a [Reason],
    /// Leases and stuck devices that were found.
    pub records: &'a Records,
}

/// Where one device goes back to.
struct Way<'a> {
    device: &'a Device,
    driver: Option<String>,
    module: Option<String>,
    override_now: Option<String>,
    override_then: Option<String>,
    lease: Option<&'a Lease>,
}

/// Plans to give devices back.
///
/// # Errors
/// Every reason to refuse; or a fact without which there can be no plan.
pub fn plan_release(snapshot: &Snapshot, wish: &ReleaseWish<'_>) -> Result<Plan, NoPlan> {
    let uses = Uses::of(snapshot);
    let mut plan = Plan::new(Intent::Release, wish.devices.to_vec());
    let mut refusals = Vec::new();
    let mut ways = Vec::new();
    let mut closed = Vec::new();
    for address in wish.devices {
        let lease = lease_of(wish.records, *address);
        if let Some(refusal) = stuck_refusal(wish.records, *address) {
            refusals.push(refusal);
            continue;
        }
        // With `adopt` somebody says where it goes, whatever the record said.
        if let Some(no) = broken_lease(wish.records, *address).filter(|_| wish.adopt.is_none()) {
            return Err(no);
        }
        let Some(device) = snapshot.device(*address) else {
            let Some(lease) = lease else { return Err(NoPlan::NoDevice(*address)) };
            plan.notes.push(format!("{address} is not there any more: its lease is closed"));
            closed.push(lease);
            continue;
        };
        if let Some(lease) = lease
            && (device.id != Fact::Known(lease.id) || device.subsystem.known() != lease.subsystem.as_ref())
        {
            let now = device.id.known().map_or_else(|| "unknown".into(), ToString::to_string);
            plan.notes.push(format!(
                "{address} is another device now ({now}, the lease is for {}): the lease is closed, the device left alone",
                lease.id
            ));
            closed.push(lease);
            continue;
        }
        // Only a vfio driver is left by a release; what else may use the device is at rest.
        let on_vfio = device.driver.known().is_some_and(|d| is_vfio_driver(d));
        if is_being_unbound(snapshot, device) {
            for found in held(snapshot, device) {
                let evidence = format!("its unbind from VFIO has not come back: {}", found.line());
                let hint = hint(Reason::Held, "", snapshot.rights);
                refusals.push(Refusal::new(*address, Reason::Held, evidence, hint));
            }
        }
        for found in uses.device(*address).iter().filter(|_| on_vfio) {
            if let Some(reason @ (Reason::Held | Reason::NotSeen)) = found.blocks
                && (reason == Reason::Held || !wish.allow.contains(&reason))
            {
                let hint = hint(reason, "", snapshot.rights);
                refusals
                    .push(Refusal::new(*address, reason, found.line(), hint).hiding(found.hidden.clone()));
            }
        }
        match way(device, lease, wish, &mut plan)? {
            Some(Ok(way)) => ways.push(way),
            Some(Err(refusal)) => refusals.push(refusal),
            None => closed.extend(lease),
        }
    }
    if !refusals.is_empty() {
        return Err(NoPlan::Refused(refusals));
    }
    let leases: Vec<&Lease> = ways.iter().filter_map(|way| way.lease).chain(closed.iter().copied()).collect();
    put_back(wish.records, &leases, &mut plan);
    steps(snapshot, &ways, &closed, &mut plan);
    Ok(plan)
}

/// Whether somebody's unbind waits for a machine that holds the device: the link to the driver
/// is gone, and a group of which nothing is on VFIO can only be open because of that
/// (`drivers/base/dd.c`, `__device_release_driver`). A probe does nothing then, and on kernels
/// where reading the device does not wait for the unbind nothing else tells of it.
fn is_being_unbound(snapshot: &Snapshot, device: &Device) -> bool {
    let on_vfio = |other: &Device| other.driver.known().is_some_and(|d| is_vfio_driver(d));
    device.driver == Fact::Absent && !snapshot.group_mates(device).any(on_vfio)
}

/// Where one device goes; `None` where nothing has to be done but close its lease.
fn way<'a>(
    device: &'a Device,
    lease: Option<&'a Lease>,
    wish: &ReleaseWish<'_>,
    plan: &mut Plan,
) -> Result<Option<Result<Way<'a>, Refusal>>, NoPlan> {
    let address = device.address;
    let driver = match &device.driver {
        Fact::Known(driver) => Some(&**driver),
        Fact::Absent => None,
        other => {
            return Err(NoPlan::Unknown(format!("the driver of {address}: {}", lending::unknown(other))));
        }
    };
    let override_now = match device.detail.as_deref().map(|d| &d.driver_override) {
        Some(Fact::Known(value)) => Some(value.clone()),
        Some(Fact::Absent) => None,
        Some(other) => {
            let why = lending::unknown(other);
            return Err(NoPlan::Unknown(format!("driver_override of {address}: {why}")));
        }
        None => return Err(NoPlan::Unknown(format!("the detail of {address}: it was not read"))),
    };
    let on_vfio = driver.is_some_and(is_vfio_driver);
    let (to, module, override_then) = match (lease, &wish.adopt) {
        (Some(lease), _) if lease.adopted => {
            let on = driver.unwrap_or("no driver");
            plan.notes.push(format!("{address} was on {on} before it was lent: it stays there"));
            return Ok(None);
        }
        (Some(lease), _) => {
            (lease.original_driver.clone(), lease.original_module.clone(), lease.original_override.clone())
        }
        (None, _) if !on_vfio => {
            let on = driver.unwrap_or("no driver");
            plan.notes.push(format!("{address} is on {on} and has no lease: nothing to give back"));
            return Ok(None);
        }
        (None, Some(ReleaseTo::Driver(to))) => (Some(to.clone()), Some(to.clone()), None),
        (None, Some(ReleaseTo::Nothing)) => (None, None, None),
        (None, None) => {
            return Ok(Some(Err(Refusal::new(
                address,
                Reason::NoLease,
                format!(
                    "it is on {}, but passthru has no lease for it: somebody else bound it, and what it was on before is not recorded",
                    driver.unwrap_or("no driver")
                ),
                format!("say where it goes: passthru release {address} --adopt DRIVER (or --adopt none)"),
            ))));
        }
    };
    if driver == to.as_deref() && override_now == override_then {
        let on = driver.unwrap_or("no driver");
        plan.notes.push(format!("{address} is on {on} already"));
        return Ok(None);
    }
    Ok(Some(Ok(Way { device, driver: to, module, override_now, override_then, lease })))
}

/// Override aimed at the recorded driver, unbound, probed, read back, the recorded
/// override put back: so neither another driver nor vfio can win in between.
fn steps(snapshot: &Snapshot, ways: &[Way<'_>], closed: &[&Lease], plan: &mut Plan) {
    for way in ways {
        let loaded =
            |driver: &String| snapshot.drivers.known().is_some_and(|drivers| drivers.contains(driver));
        if let Some(driver) = &way.driver
            && !loaded(driver)
            && let Some(module) = &way.module
        {
            plan.steps.push(Step::LoadModule { module: module.clone() });
        }
    }
    let now = |way: &Way<'_>| way.device.driver.known().map(ToString::to_string);
    let set = |way: &Way<'_>, before: &Option<String>, value: &Option<String>| {
        (before != value).then(|| Step::SetOverride {
            device: way.device.address,
            before: before.clone(),
            value: value.clone(),
        })
    };
    let moves = |way: &&Way<'_>| now(way) != way.driver;
    for way in ways.iter().filter(moves) {
        if way.driver.is_some() {
            plan.steps.extend(set(way, &way.override_now, &way.driver));
        } else if way.lease.is_some() && way.override_now.is_none() {
            // It was lent by its override. That there is none now may be somebody's doing, or not
            // be so: this step looks before it writes, and nothing has been changed yet.
            plan.steps.push(Step::SetOverride { device: way.device.address, before: None, value: None });
        }
    }
    let aimed =
        |way: &Way<'_>| if way.driver.is_some() { way.driver.clone() } else { way.override_now.clone() };
    for way in ways.iter().filter(moves) {
        if let Some(driver) = now(way) {
            plan.steps.push(Step::Unbind { device: way.device.address, driver, override_now: aimed(way) });
        }
    }
    for way in ways.iter().filter(moves) {
        if let Some(driver) = &way.driver {
            plan.steps.push(Step::Probe { device: way.device.address, driver: driver.clone() });
        }
    }
    for way in ways {
        let before = if moves(&way) { aimed(way) } else { way.override_now.clone() };
        plan.steps.extend(set(way, &before, &way.override_then));
    }
    for lease in ways.iter().filter_map(|w| w.lease).chain(closed.iter().copied()) {
        plan.steps.push(Step::CloseLease { lease: lease.clone() });
    }
}
