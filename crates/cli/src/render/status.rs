//! The JSON view of `status`, apart from the model, so that changing that breaks no script.

use passthru_model::lease::{Access, Granted, Holder};
use passthru_model::{Lease, Stuck};
use passthru_pci::{Address, Id};
use passthru_plan::standing::Standing;
use serde::Serialize;

use super::json::VERSION;

/// The answer.
#[derive(Serialize)]
pub(crate) struct Status<'a> {
    version: u32,
    kind: &'static str,
    leases: Vec<LeaseView<'a>>,
    stuck: Vec<StuckJson<'a>>,
    broken: Vec<BrokenView<'a>>,
    interrupted: Option<&'a str>,
}

/// A lease.
#[derive(Serialize)]
pub(crate) struct LeaseView<'a> {
    version: u32,
    boot_id: &'a str,
    device: Address,
    id: Id,
    subsystem: Option<Id>,
    original_driver: Option<&'a str>,
    original_module: Option<&'a str>,
    original_override: Option<&'a str>,
    vfio_driver: &'a str,
    adopted: bool,
    since: u64,
    standing: &'static str,
    held: &'a [String],
    holder: Option<HolderView<'a>>,
    granted: Option<GrantedView<'a>>,
}

#[derive(Serialize)]
struct HolderView<'a> {
    pid: u32,
    start: u64,
    program: &'a str,
}

#[derive(Serialize)]
struct GrantedView<'a> {
    node: &'a str,
    before: AccessView,
    now: AccessView,
}

#[derive(Serialize)]
struct AccessView {
    uid: u32,
    gid: u32,
    mode: String,
}

/// A stuck device, with who waits and who holds it.
pub(crate) struct StuckView<'a> {
    pub(crate) stuck: &'a Stuck,
    /// Whether the write has still not come back.
    pub(crate) waiting: bool,
    pub(crate) held: Vec<String>,
}

#[derive(Serialize)]
struct StuckJson<'a> {
    device: Address,
    path: &'a str,
    text: &'a str,
    pid: u32,
    waits_in: &'a str,
    since: u64,
    waiting: bool,
    held: &'a [String],
}

#[derive(Serialize)]
struct BrokenView<'a> {
    directory: &'a str,
    file: &'a str,
    why: &'a str,
}

impl<'a> Status<'a> {
    pub(crate) fn new(
        leases: Vec<LeaseView<'a>>,
        stuck: &'a [StuckView<'a>],
        broken: &'a [(&'a str, &'a String, &'a String)],
        interrupted: Option<&'a str>,
    ) -> Self {
        let view = |one: &'a StuckView<'a>| StuckJson {
            device: one.stuck.device,
            path: &one.stuck.path,
            text: &one.stuck.text,
            pid: one.stuck.task.pid,
            waits_in: &one.stuck.task.waits_in,
            since: one.stuck.since,
            waiting: one.waiting,
            held: &one.held,
        };
        Self {
            version: VERSION,
            kind: "status",
            leases,
            stuck: stuck.iter().map(view).collect(),
            broken: broken.iter().map(|(directory, file, why)| BrokenView { directory, file, why }).collect(),
            interrupted,
        }
    }
}

impl<'a> LeaseView<'a> {
    pub(crate) fn new(lease: &'a Lease, standing: Standing, held: &'a [String]) -> Self {
        Self {
            version: lease.version,
            boot_id: &lease.boot_id,
            device: lease.device,
            id: lease.id,
            subsystem: lease.subsystem,
            original_driver: lease.original_driver.as_deref(),
            original_module: lease.original_module.as_deref(),
            original_override: lease.original_override.as_deref(),
            vfio_driver: &lease.vfio_driver,
            adopted: lease.adopted,
            since: lease.since,
            standing: standing.name(),
            held,
            holder: lease.holder.as_ref().map(HolderView::new),
            granted: lease.granted.as_deref().map(GrantedView::new),
        }
    }
}

impl<'a> HolderView<'a> {
    fn new(holder: &'a Holder) -> Self {
        Self { pid: holder.pid, start: holder.start, program: &holder.program }
    }
}

impl<'a> GrantedView<'a> {
    fn new(granted: &'a Granted) -> Self {
        let access = |a: &Access| AccessView { uid: a.uid, gid: a.gid, mode: format!("{:04o}", a.mode) };
        Self { node: &granted.node, before: access(&granted.before), now: access(&granted.now) }
    }
}
