//! Is this host, is this device ready to be lent: one function for each question, beside a
//! static description of it ([`Check`]), in one list ([`ALL`]).
//!
//! | module | asks about |
//! |---|---|
//! | this one | [`Check`], [`run`]: who is asked what, in which order |
//! | [`sentence`] | whether a device can be lent now, after what, or why not |
//! | `device` | the device itself: reset, power, ROM, interrupts |
//! | [`remedy`] | commands for the detected distribution |
//! | `early` | nothing: how the next boots are told of module options and modules |
//! | `iommu` | the IOMMU, interrupt remapping, address width, firmware's memory, lockdown |
//! | `groups` | whether the kernel's groups are those that the hardware isolates |
//! | `log` | past trouble in the kernel's log |
//! | `memory` | locked memory, hugepages |
//! | `software` | QEMU, libvirt, AppArmor, SELinux |
//! | `told` | nothing: what only an error text tells, and is explained |
//! | `uses` | what the host needs a device for: one check for each [`Reason`] |
//! | `processor` | the processor and KVM |
//! | `kernel` | configuration and modules of every installed kernel |
//! | `parameters` | the kernel's command line |
//! | `spelling` | nothing: which parameter is meant by one that is misspelt, for `parameters` |
//! | `options` | nothing: what modprobe.d says of VFIO's modules, for `parameters` |
//! | `boot` | which driver wins at boot, the boot's framebuffer, identical cards |
//! | `image` | the initramfs image against the files it is made from |
//! | `claims` | nothing: which devices vfio-pci is told to take at boot |

mod boot;
mod claims;
mod device;
mod early;
mod groups;
mod image;
mod iommu;
mod kernel;
mod log;
mod memory;
mod options;
mod parameters;
mod processor;
pub mod remedy;
pub mod sentence;
mod software;
mod spelling;
#[cfg(test)]
pub(crate) mod testing;
mod told;
mod uses;

use std::cell::OnceCell;
use std::collections::HashMap;

use passthru_model::{Device, Evidence, Fact, Judged, Reason, Records, Severity, Snapshot, Unseen, Verdict};
use passthru_pci::Address;

pub use device::needs_others;

use claims::Claims;

use crate::groups::{Prediction, predict};
use crate::lending::is_chipset;
use crate::uses::Uses;

/// What checks look at. What several of them make of it is made once, by the first that asks.
pub struct Host<'a> {
    /// The host, with [`passthru_model::Wants::system`] and all its devices in full.
    pub snapshot: &'a Snapshot,
    /// Who uses what on it.
    pub uses: Uses,
    /// Leases and stuck devices.
    pub records: &'a Records,
    claims: OnceCell<Claims>,
    prediction: OnceCell<Prediction>,
}

impl<'a> Host<'a> {
    /// A host that was read, and what was recorded of it.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, records: &'a Records) -> Self {
        let (claims, prediction) = (OnceCell::new(), OnceCell::new());
        Self { snapshot, uses: Uses::of(snapshot), records, claims, prediction }
    }

    /// What vfio-pci is told to take at boot.
    fn claims(&self) -> &Claims {
        self.claims.get_or_init(|| claims::claims(self.snapshot))
    }

    /// The groups as the hardware makes them.
    fn prediction(&self) -> &Prediction {
        self.prediction.get_or_init(|| predict(self.snapshot))
    }
}

/// What a check is about. The order is that of causes: what comes first explains what comes
/// later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The processor and KVM.
    Processor,
    /// Firmware tables, the IOMMU, interrupt remapping.
    Iommu,
    /// The kernels: configuration, modules, command line.
    Kernel,
    /// What happens at boot: drivers that win, framebuffers.
    Boot,
    /// IOMMU groups.
    Groups,
    /// The device itself: reset, power, ROM, address width.
    Device,
    /// What the host needs the device for.
    Use,
    /// Locked memory, hugepages.
    Memory,
    /// QEMU, libvirt, security modules.
    Software,
    /// Past trouble in the kernel's log.
    Log,
}

impl Subject {
    /// The word in output and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Iommu => "iommu",
            Self::Kernel => "kernel",
            Self::Boot => "boot",
            Self::Groups => "groups",
            Self::Device => "device",
            Self::Use => "use",
            Self::Memory => "memory",
            Self::Software => "software",
            Self::Log => "log",
        }
    }
}

/// How a check is asked.
#[derive(Clone, Copy)]
pub enum Ask {
    /// Once, about the host.
    Host(fn(&Host<'_>) -> Verdict),
    /// About the host, and where devices were named only if it matters to one of them.
    HostFor(fn(&Host<'_>) -> Verdict, fn(&Host<'_>, &Device) -> bool),
    /// About every device that is named; where none is, about every device that might be
    /// lent, and then a finding is a warning at most: nobody has asked for that device.
    Device(fn(&Host<'_>, &Device) -> Verdict),
    /// As [`Ask::Device`], and where none is named also about what belongs to no device that is
    /// asked about: of that only a finding is told.
    DeviceOrOthers(fn(&Host<'_>, &Device) -> Verdict, fn(&Host<'_>) -> Verdict),
    /// About every device that is named, and only then.
    Named(fn(&Host<'_>, &Device) -> Verdict),
    /// Whether `bind` would refuse a device that is named for this reason; only then.
    Use(Reason),
    /// Never: another verb refuses with it, and it is only explained.
    Never,
}

/// The static description of a check.
pub struct Check {
    /// Its name, in one namespace with [`Reason`]s: what `explain` takes.
    pub id: &'static str,
    /// What is wrong where it finds something, in a few words.
    pub title: &'static str,
    /// How bad that is in general; a finding may say otherwise.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// Checks that stand before it in [`ALL`], whose finding makes this one pointless.
    pub after: &'static [&'static str],
    /// The long text: what it is, how it shows (exact messages), why, what to do. Paragraphs
    /// are separated by empty lines; Markdown's backquotes only.
    pub about: &'static str,
    /// Where that can be read up: kernel files, specifications, manuals.
    pub sources: &'static [&'static str],
    /// How it is asked.
    pub ask: Ask,
}

/// The checks of each subject, in the order in which they are asked.
const LISTS: &[&[Check]] = &[
    processor::CHECKS,
    iommu::CHECKS,
    kernel::CHECKS,
    parameters::CHECKS,
    boot::CHECKS,
    image::CHECKS,
    groups::CHECKS,
    device::CHECKS,
    uses::CHECKS,
    memory::CHECKS,
    software::CHECKS,
    log::CHECKS,
    told::CHECKS,
];

/// All checks, in the order in which they are asked.
pub fn all() -> impl Iterator<Item = &'static Check> {
    LISTS.iter().copied().flatten()
}

/// All checks under the subject they belong to, as people look for them.
#[must_use]
pub fn by_subject() -> Vec<(Subject, Vec<&'static Check>)> {
    let mut subjects: Vec<(Subject, Vec<&'static Check>)> = Vec::new();
    for check in all() {
        match subjects.iter_mut().find(|(subject, _)| *subject == check.subject) {
            Some((_, checks)) => checks.push(check),
            None => subjects.push((check.subject, vec![check])),
        }
    }
    subjects
}

/// The check of this id.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static Check> {
    all().find(|check| check.id == id)
}

/// Asks every check: about the host, and about these devices, or where none is named about
/// all that might be lent.
#[must_use]
pub fn run(host: &Host<'_>, named: Option<&[Address]>) -> Vec<Judged> {
    let devices: Vec<&Device> = match named {
        Some(named) => named.iter().filter_map(|address| host.snapshot.device(*address)).collect(),
        None => host.snapshot.devices.iter().filter(|device| might_be_lent(device)).collect(),
    };
    let asked: Vec<uses::Asked> = match named {
        Some(_) => devices.iter().map(|device| uses::Asked::new(host, device, &devices)).collect(),
        None => Vec::new(),
    };
    let mut judging = Judging::default();
    for check in all() {
        match check.ask {
            Ask::Host(ask) => judging.judge(check, None, || ask(host)),
            Ask::HostFor(ask, matters) => {
                if named.is_none() || devices.iter().any(|device| matters(host, device)) {
                    judging.judge(check, None, || ask(host));
                }
            }
            Ask::Device(ask) | Ask::DeviceOrOthers(ask, _) => {
                for device in &devices {
                    judging.judge(check, Some(device.address), || {
                        let mut verdict = ask(host, device);
                        if let (Verdict::Found(findings), None) = (&mut verdict, named) {
                            for finding in findings {
                                finding.severity = finding.severity.max(Severity::Warning);
                            }
                        }
                        verdict
                    });
                }
                if let (Ask::DeviceOrOthers(_, others), None) = (check.ask, named) {
                    judging.judge_others(check, || others(host));
                }
            }
            Ask::Named(ask) => {
                for device in devices.iter().filter(|_| named.is_some()) {
                    judging.judge(check, Some(device.address), || ask(host, device));
                }
            }
            Ask::Use(reason) => {
                for one in &asked {
                    judging.judge(check, Some(one.device), || uses::judge(one, check, reason));
                }
            }
            Ask::Never => {}
        }
    }
    refused_first(judging.judged)
}

/// What is not known where the records could not be read: whether a write hangs is written
/// there, and who has which device.
pub fn without_records(judged: &mut Vec<Judged>, unseen: &Unseen) {
    let verdict = Verdict::CouldNotLook(vec![unseen.clone()]);
    let stuck = judged.iter_mut().filter(|one| one.id == Reason::Stuck.name());
    stuck.for_each(|one| one.verdict = verdict.clone());
    judged.push(Judged { id: Reason::NotSeen.name(), device: None, verdict });
}

/// Puts the warnings for which `bind` refuses before all other warnings: they are why it does
/// not work. For errors it refuses all the same, and they stay in the order of causes.
fn refused_first(mut judged: Vec<Judged>) -> Vec<Judged> {
    let warns = |one: &Judged| one.verdict.findings().iter().any(|f| f.severity == Severity::Warning);
    let refused = |one: &Judged| warns(one) && by_id(one.id).is_some_and(|c| matches!(c.ask, Ask::Use(_)));
    if let Some(first) = judged.iter().position(warns) {
        judged[first..].sort_by_cached_key(|one| !refused(one));
    }
    judged
}

/// Asks only what is asked of the host as a whole.
#[must_use]
pub fn run_host(host: &Host<'_>) -> Vec<Judged> {
    let mut judging = Judging::default();
    for check in all() {
        match check.ask {
            Ask::Host(ask) | Ask::HostFor(ask, _) => judging.judge(check, None, || ask(host)),
            Ask::DeviceOrOthers(_, ask) => judging.judge_others(check, || ask(host)),
            Ask::Device(_) | Ask::Named(_) | Ask::Use(_) | Ask::Never => {}
        }
    }
    judging.judged
}

/// The verdicts so far, and where each is: hosts have many devices, and many checks ask for an
/// earlier one's verdict.
#[derive(Default)]
struct Judging {
    judged: Vec<Judged>,
    places: HashMap<(&'static str, Option<Address>), usize>,
}

impl Judging {
    /// What a check has said of the host, else of this device: of a device counts for the same
    /// device only, as for the host it would have to say so of them all, which nobody knows here.
    fn said(&self, id: &'static str, device: Option<Address>) -> Option<&Judged> {
        let place = self.places.get(&(id, None)).or_else(|| self.places.get(&(id, Some(device?))))?;
        self.judged.get(*place)
    }

    /// Asks one check, unless the finding of an earlier one makes it pointless.
    fn judge(&mut self, check: &'static Check, device: Option<Address>, ask: impl FnOnce() -> Verdict) {
        let before = check.after.iter().find_map(|id| match self.said(id, device)? {
            // A note says what is good to know, and makes nothing pointless.
            Judged { verdict: Verdict::Found(findings), id, .. } => {
                findings.iter().any(|finding| finding.severity != Severity::Note).then_some(*id)
            }
            Judged { verdict: Verdict::After(first), .. } => Some(*first),
            _ => None,
        });
        let mut verdict = before.map_or_else(ask, Verdict::After);
        if let Verdict::Found(findings) = &mut verdict {
            let passed = |id| matches!(self.said(id, device), Some(Judged { verdict: Verdict::Pass(_), .. }));
            log::settle(check.id, findings, passed);
        }
        self.push(check, device, verdict);
    }

    /// Asks about what belongs to no device.
    fn judge_others(&mut self, check: &'static Check, ask: impl FnOnce() -> Verdict) {
        let verdict = ask();
        if matches!(verdict, Verdict::Found(_)) {
            self.push(check, None, verdict);
        }
    }

    fn push(&mut self, check: &'static Check, device: Option<Address>, verdict: Verdict) {
        self.places.entry((check.id, device)).or_insert(self.judged.len());
        self.judged.push(Judged { id: check.id, device, verdict });
    }
}

/// Whether somebody may want to lend it: no bridge, no part of the machine itself.
#[must_use]
pub fn might_be_lent(device: &Device) -> bool {
    device.class.known().is_some_and(|class| !is_chipset(*class, device.parent.is_none()))
}

/// That a fact could not be looked at, for [`Verdict::CouldNotLook`]; `None` where it is known or
/// known to be absent.
#[must_use]
pub fn unseen<T>(fact: &Fact<T>, path: impl Into<String>) -> Option<Unseen> {
    Unseen::of(fact, path)
}

/// A verdict that a fact is not known: it could not be looked at, or there is no such file where
/// every host should have one.
pub fn not_known<T>(fact: &Fact<T>, path: impl Into<String>) -> Verdict {
    let path = path.into();
    let none = Unseen { path: path.clone(), why: "there is no such file".into() };
    Verdict::CouldNotLook(vec![unseen(fact, path).unwrap_or(none)])
}

/// A verdict that one thing could not be looked at.
pub fn could_not_look(path: impl Into<String>, why: impl Into<String>) -> Verdict {
    Verdict::CouldNotLook(vec![Unseen { path: path.into(), why: why.into() }])
}

/// One line of evidence from a file.
pub fn evidence(place: impl Into<String>, value: impl Into<String>) -> Vec<Evidence> {
    vec![Evidence::new(place, value)]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use passthru_model::{Finding, Remedy, When};

    use super::*;

    #[test]
    fn descriptions() {
        let mut seen: HashSet<&str> = HashSet::new();
        for check in all() {
            for before in check.after {
                assert!(seen.contains(before), "{}: {before} does not stand before it", check.id);
            }
            assert!(seen.insert(check.id), "{} stands there twice", check.id);
            assert!(
                check.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{}",
                check.id
            );
            assert!(!check.title.ends_with('.') && !check.title.is_empty(), "{}", check.id);
            assert!(check.about.len() > 80, "{}: says nothing", check.id);
            assert!(!check.sources.is_empty(), "{}: without a source", check.id);
        }
        for reason in Reason::ALL {
            assert!(seen.contains(reason.name()), "{reason} has no check");
        }
    }

    #[test]
    fn records_that_could_not_be_read() {
        let one = |id| Judged { id, device: None, verdict: Verdict::Pass(String::new()) };
        let mut judged = vec![one("stuck"), one("mounted")];
        let unseen = Unseen { path: "/run/passthru".into(), why: "EACCES".into() };
        without_records(&mut judged, &unseen);
        let blind = |id| Judged { verdict: Verdict::CouldNotLook(vec![unseen.clone()]), ..one(id) };
        assert_eq!(judged, [blind("stuck"), one("mounted"), blind("not-seen")]);
    }

    #[test]
    fn what_bind_refuses_for_comes_before_other_warnings() {
        let one = |id, severity| {
            let finding = Finding {
                severity,
                summary: String::new(),
                evidence: Vec::new(),
                consequence: String::new(),
                remedy: Remedy::new(When::Now, ""),
            };
            Judged { id, device: None, verdict: finding.into() }
        };
        let ids = |judged: Vec<Judged>| judged.into_iter().map(|one| one.id).collect::<Vec<_>>();
        let (error, warning) = (Severity::Error, Severity::Warning);
        let judged = vec![
            one("iommu-kernel", error),
            one("address-width", warning),
            one("vfio-modules", error),
            one("mounted", error),
            one("companions", warning),
            one("qemu", warning),
        ];
        assert_eq!(
            ids(refused_first(judged)),
            ["iommu-kernel", "companions", "address-width", "vfio-modules", "mounted", "qemu"]
        );
        let errors = vec![one("iommu-kernel", error), one("mounted", error)];
        assert_eq!(ids(refused_first(errors)), ["iommu-kernel", "mounted"]);
    }
}
