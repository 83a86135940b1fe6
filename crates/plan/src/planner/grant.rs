//! Letting a user without rights use the nodes of lent devices, and putting the nodes back.
//!
//! What was found is recorded in the lease of each device of the node's group, so that
//! whoever gives the last of them back knows it.

use passthru_model::plan::NoPlan;
use passthru_model::{Access, Granted, Holder, Intent, Lease, LeaseRecord, Plan, Reason, Records};
use passthru_model::{Refusal, Snapshot, Step, User};
use passthru_pci::Address;

use super::lease_of;

/// Read and write for the owner: what opening a node of VFIO's takes.
const OWNER_USES: u32 = 0o600;

/// Who is to use which devices.
#[derive(Debug, Clone)]
pub struct GrantWish<'a> {
    /// The devices, which are bound and have leases, each with the node it is opened by.
    pub nodes: &'a [(Address, String)],
    /// Who.
    pub user: &'a User,
    /// Leases and nodes that were found.
    pub records: &'a Records,
    /// The process for which it is done, whose end puts the nodes back; `None` where a person
    /// asked for it, who will release the devices.
    pub holder: Option<&'a Holder>,
}

/// Whether a user can open a node, as the kernel decides it (`fs/namei.c`,
/// `acl_permission_check`): the first of owner, group, others that fits.
#[must_use]
pub fn may_use(access: &Access, user: &User) -> bool {
    let bits = if user.is_root() {
        return true;
    } else if access.uid == user.uid {
        access.mode >> 6
    } else if access.gid == user.gid || user.groups.contains(&access.gid) {
        access.mode >> 3
    } else {
        access.mode
    };
    bits & 0o6 == 0o6
}

/// The node through which a device's group is used; `None` where it has no group.
#[must_use]
pub fn group_node(snapshot: &Snapshot, device: Address) -> Option<String> {
    let group = snapshot.device(device)?.group.known()?;
    Some(format!("/dev/vfio/{group}"))
}

/// Plans to let a user use the nodes of some devices. Where he may already, nothing is done.
///
/// # Errors
/// A refusal where a node was given to another user; or a fact without which there can be no
/// plan.
pub fn plan_grant(wish: &GrantWish<'_>) -> Result<Plan, NoPlan> {
    let mut plan = Plan::new(Intent::Grant, wish.nodes.iter().map(|(device, _)| *device).collect());
    let mut refusals = Vec::new();
    let mut access_steps: Vec<Step> = Vec::new();
    let mut done: Vec<&String> = Vec::new();
    for (address, node) in wish.nodes {
        let unknown = |what: String| NoPlan::Unknown(what);
        let found = wish.records.access(node).ok_or_else(|| unknown(format!("who may use {node}")))?;
        if may_use(&found, wish.user) {
            continue;
        }
        let lease = lease_of(wish.records, *address)
            .ok_or_else(|| unknown(format!("what {address} was on before: it has no lease")))?;
        if let Some(granted) = lease.granted.as_deref().filter(|g| g.node == *node && g.now == found) {
            refusals.push(Refusal::new(
                *address,
                Reason::Held,
                format!("its node {node} was given to user {} already", granted.now.uid),
                format!("run as that user (--user {}), or release {address} first", granted.now.uid),
            ));
            continue;
        }
        let now = Access { uid: wish.user.uid, gid: found.gid, mode: found.mode | OWNER_USES };
        let holder = wish.holder.cloned();
        let granted = Granted { node: node.clone(), before: found, now, holder };
        rewrite(lease, Some(granted), &mut plan);
        if !done.contains(&node) {
            access_steps.push(Step::SetAccess {
                device: *address,
                node: node.clone(),
                before: found,
                value: now,
            });
            done.push(node);
        }
    }
    if !refusals.is_empty() {
        return Err(NoPlan::Refused(refusals));
    }
    plan.steps.extend(access_steps);
    Ok(plan)
}

/// Plans to put the nodes of some devices back as they were found, and leave the devices
/// bound.
#[must_use]
pub fn plan_ungrant(devices: &[Address], records: &Records) -> Plan {
    let mut plan = Plan::new(Intent::Grant, devices.to_vec());
    let leases: Vec<&Lease> = devices.iter().filter_map(|device| lease_of(records, *device)).collect();
    put_back(records, &leases, &mut plan);
    for lease in leases.into_iter().filter(|lease| lease.granted.is_some()) {
        rewrite(lease, None, &mut plan);
    }
    plan
}

/// Adds the steps that put the nodes of these leases back, but for nodes that another lease
/// still needs as they are. A node that went away needs nothing; one that somebody else
/// changed is left alone, and that is said.
pub(super) fn put_back(records: &Records, leases: &[&Lease], plan: &mut Plan) {
    let ours = |lease: &Lease| leases.iter().any(|ours| ours.device == lease.device);
    let needed = |node: &str| {
        records.leases.iter().any(|record| match record {
            LeaseRecord::Valid(lease) => {
                !ours(lease) && lease.granted.as_deref().is_some_and(|granted| granted.node == node)
            }
            LeaseRecord::Broken(..) => false,
        })
    };
    let mut done: Vec<&str> = Vec::new();
    for lease in leases {
        let Some(granted) = lease.granted.as_deref() else { continue };
        let node = granted.node.as_str();
        if done.contains(&node) || needed(node) {
            continue;
        }
        done.push(node);
        match records.access(node) {
            Some(found) if found == granted.now => plan.steps.push(Step::SetAccess {
                device: lease.device,
                node: node.to_owned(),
                before: granted.now,
                value: granted.before,
            }),
            Some(found) if found != granted.before => plan.notes.push(format!(
                "somebody else changed {node} meanwhile (now of user {}, group {}, mode {:o}): it is left as it is",
                found.uid, found.gid, found.mode
            )),
            _ => {}
        }
    }
}

/// Replaces a lease by one that tells of another grant, or of none.
fn rewrite(lease: &Lease, granted: Option<Granted>, plan: &mut Plan) {
    let new = Lease { granted: granted.map(Box::new), ..lease.clone() };
    plan.steps.push(Step::CloseLease { lease: lease.clone() });
    plan.steps.push(Step::OpenLease { lease: new });
}
