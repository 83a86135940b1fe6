//! The JSON views: types of their own, so that refactoring the model never breaks a
//! user's script. Documented in docs/json.md; additions keep the version, anything else
//! raises it.

use passthru_formats::pci_ids::wording;
use passthru_model::plan::Plan;
use passthru_model::{Detail, Device, Fact, Snapshot, Unread};
use passthru_pci::{Address, Id};
use passthru_plan::groups;
use passthru_plan::lending::Lending;
use passthru_plan::shell;
use passthru_plan::uses::{Use, Uses};
use serde::Serialize;

use super::devices::Row;
use super::predicted::Predicted;

/// Version of every view.
pub(crate) const VERSION: u32 = 1;

/// The answer of `list` and `show`.
#[derive(Serialize)]
pub(crate) struct Devices<'a> {
    version: u32,
    kind: &'static str,
    iommu: Iommu<'a>,
    devices: Vec<DeviceView<'a>>,
    unread: Vec<UnreadView<'a>>,
}

#[derive(Serialize)]
struct Iommu<'a> {
    /// Whether a unit is at work and groups exist.
    active: bool,
    units: Option<&'a Vec<String>>,
}

#[derive(Serialize)]
struct DeviceView<'a> {
    address: Address,
    id: Option<Id>,
    class: Option<String>,
    class_name: Option<&'a str>,
    vendor_name: Option<&'a str>,
    device_name: Option<&'a str>,
    subsystem: Option<Id>,
    revision: Option<u8>,
    driver: Option<&'a str>,
    group: Option<u32>,
    parent: Option<Address>,
    physical_function: Option<Address>,
    uses: Vec<UseView<'a>>,
    lending: LendingView<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<DetailView<'a>>,
}

#[derive(Serialize)]
struct UseView<'a> {
    chain: &'a [String],
    blocks: Option<&'static str>,
}

#[derive(Serialize)]
struct LendingView<'a> {
    state: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    with: &'a [Address],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<&'static str>,
}

#[derive(Serialize)]
struct DetailView<'a> {
    driver_override: Option<&'a String>,
    driver_module: Option<&'a String>,
    modalias: Option<&'a str>,
    boot_vga: Option<bool>,
    numa_node: Option<u32>,
    local_cpus: Option<&'a String>,
    link: LinkView<'a>,
    regions: Option<Vec<RegionView>>,
    rom_size: Option<u64>,
    reset_methods: Option<&'a Vec<String>>,
    power_state: Option<&'a String>,
    d3cold_allowed: Option<bool>,
    irq: Option<u32>,
    label: Option<&'a String>,
    iommu_unit: Option<&'a String>,
    sriov: Option<SriovView>,
    config: Option<ConfigView>,
    group_members: Vec<Address>,
    group_type: Option<String>,
    reserved_regions: Option<Vec<ReservedView>>,
    predicted_group: Option<PredictedView>,
}

#[derive(Serialize)]
struct PredictedView {
    members: Vec<Address>,
    certain: bool,
    with_iommu: bool,
    agrees: Option<bool>,
    reasons: Vec<ReasonView>,
    doubts: Vec<DoubtView>,
    other_slot: Option<String>,
}

#[derive(Serialize)]
struct ReasonView {
    kind: &'static str,
    devices: Vec<Address>,
    with: Address,
    through: Option<Address>,
    gaps: Vec<GapView>,
    line: String,
}

#[derive(Serialize)]
struct GapView {
    device: Address,
    port: Option<String>,
    lack: &'static str,
    bits: Vec<&'static str>,
}

#[derive(Serialize)]
struct DoubtView {
    about: Address,
    why: String,
}

#[derive(Serialize)]
struct LinkView<'a> {
    speed: Option<&'a String>,
    width: Option<u32>,
    max_speed: Option<&'a String>,
    max_width: Option<u32>,
}

#[derive(Serialize)]
struct RegionView {
    index: u8,
    kind: String,
    start: String,
    size: u64,
    io: bool,
    prefetchable: bool,
    wide: bool,
}

#[derive(Serialize)]
struct SriovView {
    total: u32,
    active: Option<u32>,
}

#[derive(Serialize)]
struct ConfigView {
    bytes: usize,
    completeness: String,
    capabilities: Vec<CapabilityView>,
    extended_capabilities: Vec<CapabilityView>,
}

#[derive(Serialize)]
struct CapabilityView {
    id: u16,
    offset: u16,
    name: Option<&'static str>,
}

#[derive(Serialize)]
struct ReservedView {
    start: String,
    end: String,
    kind: String,
}

#[derive(Serialize)]
struct UnreadView<'a> {
    device: Option<Address>,
    field: &'a str,
    path: &'a str,
    error: Option<String>,
    text: Option<&'a str>,
    need: Option<&'static str>,
}

impl<'a> Devices<'a> {
    /// The view of these devices, in the order of their addresses.
    pub(crate) fn new(
        kind: &'static str,
        snapshot: &'a Snapshot,
        uses: &'a Uses,
        rows: &'a [Row<'a>],
    ) -> Self {
        let mut sorted: Vec<&Row<'_>> = rows.iter().collect();
        sorted.sort_by_key(|row| row.device.address);
        let shown = |unread: &&Unread| {
            unread.device.is_none_or(|a| sorted.binary_search_by_key(&a, |r| r.device.address).is_ok())
        };
        let mut unread: Vec<UnreadView<'_>> = snapshot.unread.iter().filter(shown).map(unread_view).collect();
        unread.extend(blind_views(snapshot));
        let predicted = (kind == "show").then(|| Predicted::of(snapshot));
        Self {
            version: VERSION,
            kind,
            iommu: Iommu { active: snapshot.iommu_active(), units: snapshot.iommu_units.known() },
            devices: sorted
                .into_iter()
                .map(|row| device_view(snapshot, uses, predicted.as_ref(), row))
                .collect(),
            unread,
        }
    }
}

fn unread_view(unread: &Unread) -> UnreadView<'_> {
    UnreadView {
        device: unread.device,
        field: unread.field,
        path: &unread.path,
        error: unread.error.map(passthru_formats::Errno::code),
        text: unread.text.as_deref(),
        need: unread.error.is_some_and(passthru_formats::Errno::is_permission).then_some("root"),
    }
}

/// The blind spots of the lists of users.
fn blind_views(snapshot: &Snapshot) -> impl Iterator<Item = UnreadView<'_>> {
    let usage = &snapshot.usage;
    let lists: [(&str, &[passthru_model::Blind]); 14] = [
        ("uses.blocks", usage.blocks.blind()),
        ("uses.mounts", usage.mounts.blind()),
        ("uses.shares", usage.shares.blind()),
        ("uses.swaps", usage.swaps.blind()),
        ("uses.tables", usage.tables.blind()),
        ("uses.interfaces", usage.interfaces.blind()),
        ("uses.ssh", usage.ssh.blind()),
        ("uses.displays", usage.displays.blind()),
        ("uses.inputs", usage.inputs.blind()),
        ("uses.sounds", usage.sounds.blind()),
        ("uses.clients", usage.clients.blind()),
        ("uses.vfio_holders", usage.vfio_holders.blind()),
        ("uses.attached", usage.attached.blind()),
        ("uses.services", usage.services.blind()),
    ];
    lists.into_iter().flat_map(|(field, blind)| {
        blind.iter().map(move |b| UnreadView {
            device: None,
            field,
            path: &b.path,
            error: Some(b.error.code()),
            text: None,
            need: b.error.is_permission().then_some("root"),
        })
    })
}

fn device_view<'a>(
    snapshot: &'a Snapshot,
    uses: &'a Uses,
    predicted: Option<&Predicted>,
    row: &'a Row<'a>,
) -> DeviceView<'a> {
    let device = row.device;
    let id = device.id.known().copied();
    let class = device.class.known().copied();
    DeviceView {
        address: device.address,
        id,
        class: class.map(|c| format!("{:06x}", c.bits())),
        class_name: class.and_then(|c| snapshot.names.subclass(c).or_else(|| snapshot.names.base_class(c))),
        vendor_name: id.and_then(|id| snapshot.names.vendor(id.vendor)),
        device_name: id.and_then(|id| snapshot.names.device(id)),
        subsystem: device.subsystem.known().copied(),
        revision: device.revision.known().copied(),
        driver: device.driver.known().map(|d| &**d),
        group: device.group.known().copied(),
        parent: device.parent,
        physical_function: device.physical_function.known().copied(),
        uses: uses.device(device.address).iter().map(use_view).collect(),
        lending: lending_view(&row.lending),
        detail: device.detail.as_deref().map(|detail| {
            let mut view = detail_view(snapshot, device, detail);
            view.predicted_group = predicted.and_then(|p| predicted_view(snapshot, p, device));
            view
        }),
    }
}

fn predicted_view(snapshot: &Snapshot, predicted: &Predicted, device: &Device) -> Option<PredictedView> {
    let group = predicted.prediction.group(device.address)?;
    let gap = |gap: &groups::Gap| GapView {
        device: gap.device,
        port: gap.kind.map(|kind| kind.to_string()),
        lack: gap.lack.name(),
        bits: gap.lack.bits(),
    };
    let reasons = group.reasons().into_iter().zip(group.lines()).map(|((devices, merge), line)| ReasonView {
        kind: merge.why.name(),
        devices,
        with: merge.with,
        through: merge.why.through(),
        gaps: merge.why.gaps().iter().map(gap).collect(),
        line,
    });
    let doubts = group.doubts.iter().map(|d| DoubtView { about: d.about, why: d.why.clone() });
    Some(PredictedView {
        members: group.members.clone(),
        certain: group.doubts.is_empty(),
        with_iommu: predicted.prediction.when == groups::When::WithIommu,
        agrees: predicted.agrees(snapshot, device),
        reasons: reasons.collect(),
        doubts: doubts.collect(),
        other_slot: predicted.advice(snapshot, device).map(|advice| advice.words()),
    })
}

fn use_view(found: &Use) -> UseView<'_> {
    UseView { chain: &found.chain, blocks: found.blocks.map(passthru_model::Reason::name) }
}

fn lending_view(lending: &Lending) -> LendingView<'_> {
    let (with, reasons) = match lending {
        Lending::With(with) => (with.as_slice(), Vec::new()),
        Lending::InUse(reasons) => (&[][..], reasons.iter().map(|r| r.name()).collect()),
        _ => (&[][..], Vec::new()),
    };
    LendingView { state: lending.name(), with, reasons }
}

fn detail_view<'a>(snapshot: &Snapshot, device: &'a Device, detail: &'a Detail) -> DetailView<'a> {
    let group = device.group.known().and_then(|g| snapshot.groups.get(g));
    let hex = |n: u64| format!("{n:#x}");
    DetailView {
        driver_override: detail.driver_override.known(),
        driver_module: detail.driver_module.known(),
        modalias: device.modalias.known().map(|m| &**m),
        boot_vga: device.boot_vga.known().copied(),
        numa_node: detail.numa_node.known().copied(),
        local_cpus: detail.local_cpus.known(),
        link: LinkView {
            speed: detail.link.speed.known(),
            width: detail.link.width.known().copied(),
            max_speed: detail.link.max_speed.known(),
            max_width: detail.link.max_width.known().copied(),
        },
        regions: detail.regions.known().map(|regions| {
            let view = |r: &passthru_formats::resource::Resource| RegionView {
                index: r.index,
                kind: super::show::region_kind(r.kind),
                start: hex(r.start),
                size: r.size(),
                io: r.flags.is_io(),
                prefetchable: r.flags.is_prefetchable(),
                wide: r.flags.is_64bit(),
            };
            regions.iter().map(view).collect()
        }),
        rom_size: detail.rom.known().copied(),
        reset_methods: detail.reset_methods.known(),
        power_state: detail.power_state.known(),
        d3cold_allowed: detail.d3cold_allowed.known().copied(),
        irq: detail.irq.known().copied(),
        label: detail.label.known(),
        iommu_unit: detail.iommu_unit.known(),
        sriov: detail.sriov.known().map(|s| SriovView { total: s.total, active: s.active.known().copied() }),
        config: detail.config.known().map(|config| ConfigView {
            bytes: config.bytes().len(),
            completeness: super::show::completeness(config).into(),
            capabilities: super::show::capabilities(config)
                .map(|(id, offset, name)| CapabilityView { id, offset, name })
                .collect(),
            extended_capabilities: super::show::extended_capabilities(config)
                .map(|(id, offset, name)| CapabilityView { id, offset, name })
                .collect(),
        }),
        group_members: group.map(|g| g.members.clone()).unwrap_or_default(),
        group_type: group.and_then(|g| g.kind.known().cloned()),
        reserved_regions: group.and_then(|g| g.reserved.known()).map(|regions| {
            let view = |r: &passthru_model::ReservedRegion| ReservedView {
                start: hex(r.start),
                end: hex(r.end),
                kind: r.kind.clone(),
            };
            regions.iter().map(view).collect()
        }),
        predicted_group: None,
    }
}

/// Whether the subsystem has a name worth showing.
pub(crate) fn subsystem(snapshot: &Snapshot, device: &Device) -> Option<String> {
    match (&device.id, &device.subsystem) {
        (Fact::Known(id), Fact::Known(subsystem)) if wording::has_subsystem(*subsystem) => {
            Some(wording::subsystem(&snapshot.names, *id, *subsystem, wording::Style::Both).to_string())
        }
        _ => None,
    }
}

/// The answer of `bind`, `release` and `run --dry-run`.
#[derive(Serialize)]
pub(crate) struct Change<'a> {
    pub(crate) version: u32,
    pub(crate) kind: &'static str,
    pub(crate) dry_run: bool,
    /// Whether anything was changed (or would be).
    pub(crate) changed: bool,
    pub(crate) devices: &'a [Address],
    pub(crate) steps: Vec<StepView<'a>>,
    pub(crate) losses: Vec<LossView<'a>>,
    pub(crate) notes: &'a [String],
    pub(crate) refusals: Vec<RefusalView<'a>>,
}

/// One step.
#[derive(Serialize)]
pub(crate) struct StepView<'a> {
    #[serde(flatten)]
    step: &'a passthru_model::Step,
    shell: String,
}

/// What the host loses.
#[derive(Serialize)]
pub(crate) struct LossView<'a> {
    device: Address,
    what: &'a str,
}

/// Why it was refused.
#[derive(Serialize)]
pub(crate) struct RefusalView<'a> {
    device: Address,
    reason: &'static str,
    evidence: &'a str,
    hint: &'a str,
}

impl<'a> Change<'a> {
    /// A plan that was, or would be, carried out.
    pub(crate) fn of(kind: &'static str, plan: &'a Plan, dry_run: bool) -> Self {
        Self {
            version: VERSION,
            kind,
            dry_run,
            changed: !plan.steps.is_empty(),
            devices: &plan.devices,
            steps: plan.steps.iter().map(|step| StepView { step, shell: shell::command(step) }).collect(),
            losses: plan.losses.iter().map(|l| LossView { device: l.device, what: &l.what }).collect(),
            notes: &plan.notes,
            refusals: Vec::new(),
        }
    }

    /// A refusal.
    pub(crate) fn refused(
        kind: &'static str,
        dry_run: bool,
        devices: &'a [Address],
        refusals: &'a [passthru_model::Refusal],
    ) -> Self {
        let view = |r: &'a passthru_model::Refusal| RefusalView {
            device: r.device,
            reason: r.reason.name(),
            evidence: &r.evidence,
            hint: &r.hint,
        };
        Self {
            version: VERSION,
            kind,
            dry_run,
            changed: false,
            devices,
            steps: Vec::new(),
            losses: Vec::new(),
            notes: &[],
            refusals: refusals.iter().map(view).collect(),
        }
    }
}
