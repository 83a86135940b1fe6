//! The devices of one run: whose they are meanwhile, who may use them, and giving them back.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use passthru_apply::descriptors::{count_for_each_process, open_node};
use passthru_apply::transaction::{self, ChangeError, MakePlan, Order};
use passthru_apply::{books, guests, perform};
use passthru_host::source::Source;
use passthru_model::device::attribute_of;
use passthru_model::{Holder, LeaseRecord, Records, Snapshot, User, Wants};
use passthru_pci::Address;
use passthru_plan::planner::{ReleaseWish, group_node, may_use, plan_release, plan_ungrant};
use passthru_plan::vm::{Opened, VmPlan};

use crate::args::Run;
use crate::commands::bind::{Change, books_failure};
use crate::commands::{grant, recover};
use crate::context::Context;
use crate::exit::{Code, Failure};
use crate::render::words;

/// How long a node may take to appear after the device was bound. devtmpfs makes
/// it before the bind returns; only a /dev that is filled by hand is slower.
const NODE_PATIENCE: Duration = Duration::from_secs(2);

/// The devices of one run.
pub(super) struct Lent<'a> {
    pub(super) context: &'a Context,
    pub(super) options: &'a Run,
    /// This process.
    pub(super) us: Holder,
    /// Those this run took, and has to give back; companions included.
    pub(super) taken: Vec<Address>,
    /// What is started.
    pub(super) machine: &'a VmPlan,
    /// The nodes of the groups of those that are opened by them.
    pub(super) nodes: Vec<(Address, String)>,
    /// Those that are opened through iommufd: by nodes of their own.
    pub(super) own_nodes: Vec<(Address, OwnNode)>,
}

/// A device's own node.
pub(super) struct OwnNode {
    node: String,
    /// The file with its number.
    number: String,
}

/// The node that iommufd needs beside those of the devices (`drivers/iommu/iommufd/main.c`).
const IOMMUFD: &str = "/dev/iommu";

/// Where its number is (a misc device).
const IOMMUFD_NUMBER: &str = "/sys/class/misc/iommu/dev";

/// The nodes of the groups of those devices that are opened by them.
pub(super) fn group_nodes(
    snapshot: &Snapshot,
    devices: &[Address],
    machine: &VmPlan,
) -> Vec<(Address, String)> {
    let by_group = devices.iter().filter(|device| !machine.opens_by_itself(**device));
    by_group.filter_map(|device| Some((*device, group_node(snapshot, *device)?))).collect()
}

/// The node of a device that is opened through iommufd (`drivers/vfio/device_cdev.c`). The
/// directory in sysfs is there without CONFIG_VFIO_DEVICE_CDEV too, and the number is not.
fn own_node(source: &dyn Source, device: Address) -> Option<OwnNode> {
    let directory = attribute_of(device, "vfio-dev");
    let name = source.list(&directory).ok()?.into_iter().next()?;
    let number = format!("{directory}/{name}/dev");
    source.stat(&number).ok()?;
    Some(OwnNode { node: format!("/dev/vfio/devices/{name}"), number })
}

/// Waits until a node is there.
fn wait_for(source: &dyn Source, device: Address, whose: &str, node: &str) -> Result<(), Failure> {
    let start = Instant::now();
    while let Err(error) = source.stat(node) {
        if start.elapsed() > NODE_PATIENCE {
            return Err(Failure::new(
                Code::NotStarted,
                format!("{device} is bound, but {whose} node {node} did not appear: {error}"),
            )
            .hint("is /dev a devtmpfs here, or is this a container?"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// What cannot be opened for the machine, and why.
fn cannot_open(node: &str, error: &io::Error) -> Failure {
    Failure::new(Code::NotStarted, format!("cannot open {node} for the virtual machine: {error}"))
        .hint("`passthru check` says what this kernel has; without iommufd, VFIO's groups are used")
}

impl Lent<'_> {
    /// Waits for the groups' nodes; then those of the devices themselves are known.
    pub(super) fn wait_for_nodes(&mut self, source: &dyn Source) -> Result<(), Failure> {
        for (device, node) in &self.nodes {
            wait_for(source, *device, "its group's", node).map_err(|failure| {
                match own_node(source, *device) {
                    Some(_) => failure.hint(
                        "a kernel without CONFIG_VFIO_GROUP has nodes of single devices only: --iommufd",
                    ),
                    None => failure,
                }
            })?;
        }
        for what in &self.machine.opened {
            let Opened::Device(device) = what else { continue };
            let node = own_node(source, *device).ok_or_else(|| {
                Failure::new(
                    Code::NotStarted,
                    format!(
                        "{device} is to be opened through iommufd, and this kernel has no node for that below /dev/vfio/devices"
                    ),
                )
                .hint("leave iommufd out, or use a kernel with CONFIG_IOMMUFD and CONFIG_VFIO_DEVICE_CDEV")
            })?;
            wait_for(source, *device, "its", &node.node)?;
            self.own_nodes.push((*device, node));
        }
        Ok(())
    }

    /// Opens what iommufd needs, for somebody who has no right to.
    pub(super) fn open(&self, source: &dyn Source) -> Result<Vec<(Opened, OwnedFd)>, Failure> {
        let open = |what: &Opened| {
            let (node, number) = match what {
                Opened::Object(_) => (IOMMUFD, IOMMUFD_NUMBER),
                Opened::Device(device) => {
                    let (_, own) = self.own_nodes.iter().find(|(d, _)| d == device)?;
                    (own.node.as_str(), own.number.as_str())
                }
            };
            let opened = open_node(source, node, number).map_err(|error| cannot_open(node, &error));
            let counted = opened.and_then(|descriptor| {
                if matches!(what, Opened::Object(_)) {
                    count_for_each_process(&descriptor).map_err(|error| cannot_open(node, &error))?;
                }
                Ok((what.clone(), descriptor))
            });
            Some(counted)
        };
        self.machine.opened.iter().filter_map(open).collect()
    }

    /// Lets a user use the nodes until this run is over.
    pub(super) fn grant(&self, user: &User) -> Result<(), Failure> {
        if self.nodes.is_empty() {
            return Ok(());
        }
        let waiting = &self.options.binding.waiting;
        grant::grant(self.context, "run", waiting, &self.nodes, user, Some(&self.us)).map(|_| ())
    }

    /// Looks again whether the user can use the nodes: a rule of udev's may have been late.
    pub(super) fn check_nodes(&self, source: &dyn Source, user: &User) -> Result<(), Failure> {
        if self.machine.opens_iommufd
            && !perform::access(source, IOMMUFD).is_ok_and(|access| may_use(&access, user))
        {
            // It is everybody's: its owner is not ours to change.
            return Err(Failure::new(
                Code::NotStarted,
                format!(
                    "a device on the line uses an iommufd object that is not on it, and user {user} cannot use {IOMMUFD}"
                ),
            )
            .hint("with `-object iommufd,id=...` on the line itself, QEMU gets it as a descriptor")
            .hint("a udev rule can allow it; without `iommufd=` VFIO's groups are used")
            .hint("--user root starts the virtual machine as root"));
        }
        let records = books::records_and_nodes(source).map_err(|error| books_failure(&error))?;
        for (device, node) in &self.nodes {
            let found = records.access(node);
            if found.is_some_and(|access| may_use(&access, user)) {
                continue;
            }
            let how = found.map_or_else(
                || "is not there any more".to_owned(),
                |a| format!("is of user {}, group {}, mode {:o} again", a.uid, a.gid, a.mode),
            );
            return Err(Failure::new(
                Code::NotStarted,
                format!("user {user} cannot use {device}: somebody else changed {node}, which {how}"),
            )
            .hint("look for a udev rule about vfio: udevadm test $(udevadm info -q path -n NODE)")
            .hint("--user root starts the virtual machine as root"));
        }
        Ok(())
    }

    /// Writes into the leases that they belong to another process from now on. Who has no
    /// right to bind has no lease that names it.
    pub(super) fn hand_over(&self, from: &Holder, to: &Holder) -> Result<(), Failure> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let told = |holder: &str| self.context.note_waiting(holder);
        let patience = self.context.patience(&self.options.binding.waiting, &told);
        let live = self.context.live()?;
        books::lock(&*live, patience, "run").and_then(|guard| guests::hand_over(&guard, from, to)).map_err(
            |error| {
                let failure = books_failure(&error);
                let message =
                    format!("cannot note whom the devices are lent to from now on: {}", failure.message);
                Failure { message, ..failure }
            },
        )
    }

    /// Gives back what this run took, and puts back the nodes of what was lent before and
    /// stays.
    pub(super) fn give_back(&self) -> Result<(), Failure> {
        let taken = self.give_back_devices();
        taken.and(self.put_back_nodes())
    }

    fn give_back_devices(&self) -> Result<(), Failure> {
        if self.taken.is_empty() {
            return Ok(());
        }
        let lent = &self.taken;
        // One that was pulled, and whose lease is closed already, has nothing to be given back.
        let make = |snapshot: &Snapshot, records: &Records| {
            let known =
                |device: &&Address| snapshot.device(**device).is_some() || has_lease(records, **device);
            let left: Vec<Address> = lent.iter().filter(known).copied().collect();
            plan_release(snapshot, &ReleaseWish { devices: &left, adopt: None, allow: &[], records })
        };
        let names = words::list(lent);
        let change = Change::new("release", lent, &self.options.binding.waiting);
        let told = |failure: Failure| Failure {
            code: Code::NotGivenBack,
            message: format!("{names} could not be given back: {}", failure.message),
            ..failure
        };
        let mut done = self.change(lent, &make).map_err(told)?;
        if matches!(done, Err(ChangeError::Failed(_))) && self.some_gone() {
            // It was pulled while it was being given back: the others need another plan.
            done = self.change(lent, &make).map_err(told)?;
        }
        done.map_err(|error| {
            let line = format!(
                "`passthru release {names}` tries again; so does the next passthru that changes something, and `passthru recover`"
            );
            told(change.failure(error)).hint(line)
        })?;
        self.tell_where(lent);
        Ok(())
    }

    fn put_back_nodes(&self) -> Result<(), Failure> {
        let live = self.context.live()?;
        let ours = |record: LeaseRecord| match record {
            LeaseRecord::Valid(lease) => {
                let granted = lease.granted.as_ref().and_then(|granted| granted.holder.as_ref());
                (granted == Some(&self.us)).then_some(lease.device)
            }
            LeaseRecord::Broken(..) => None,
        };
        let left: Vec<Address> =
            books::leases(&*live).unwrap_or_default().into_iter().filter_map(ours).collect();
        if left.is_empty() {
            return Ok(());
        }
        let make = |_: &Snapshot, records: &Records| Ok(plan_ungrant(&left, records));
        let told = |failure: Failure| Failure {
            code: Code::NotGivenBack,
            message: format!("the nodes could not be put back as they were: {}", failure.message),
            ..failure
        };
        let change = Change::new("run", &left, &self.options.binding.waiting);
        self.change(&left, &make).map_err(told)?.map_err(|error| told(change.failure(error)))
    }

    /// One more change under the lock, whose notes are told.
    fn change(&self, devices: &[Address], make: MakePlan<'_>) -> Result<Result<(), ChangeError>, Failure> {
        let waits = |holder: &str| self.context.note_waiting(holder);
        let order = Order {
            verb: "run",
            patience: self.context.patience(&self.options.binding.waiting, &waits),
            wants: &Wants::for_plan(devices),
            make,
            shown: None,
            confirm: None,
        };
        let live = self.context.live()?;
        Ok(transaction::change(&*live, &order).map(|applied| {
            recover::tell(self.context, &applied.cleanup);
            for note in &applied.plan.notes {
                self.context.note(&format!("note: {note}"));
            }
        }))
    }

    fn some_gone(&self) -> bool {
        let Ok(live) = self.context.live() else { return false };
        let gone = |device: &Address| live.stat(&attribute_of(*device, "uevent")).is_err();
        self.taken.iter().any(gone)
    }

    /// Says where each device is now.
    fn tell_where(&self, lent: &[Address]) {
        if self.context.global.quiet {
            return;
        }
        let Ok(live) = self.context.live() else { return };
        let Ok(snapshot) = self.context.snapshot(&*live, &Wants::default()) else { return };
        for address in lent {
            let Some(device) = snapshot.device(*address) else { continue };
            let driver = words::short(&device.driver);
            let on = if driver == "-" { "on no driver, as before".into() } else { format!("on {driver}") };
            self.context.note(&format!("{address}: given back, {on}"));
        }
    }
}

fn has_lease(records: &Records, device: Address) -> bool {
    records.leases.iter().any(|record| matches!(record, LeaseRecord::Valid(lease) if lease.device == device))
}
