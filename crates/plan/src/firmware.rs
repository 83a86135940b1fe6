//! What the firmware's tables say of a device, and which words on the command line switch an
//! IOMMU off: known before the IOMMU is at work. It decides nothing.

use passthru_formats::acpi::dmar::{Scope, ScopeKind};
use passthru_formats::acpi::ivrs::Whom;
use passthru_formats::cmdline;
use passthru_model::{Device, Snapshot};
use passthru_pci::Address;

/// Memory that a table keeps for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The table: `DMAR` or `IVRS`.
    pub table: &'static str,
    /// First address.
    pub start: u64,
    /// Last address, included.
    pub end: u64,
    /// How the table names the device: `00:1c.4 → 00.0`, `every device`.
    pub names: String,
    /// The kernel gives it up when the device is lent.
    pub relaxable: bool,
    /// It belongs to more devices than this one: another slot does not help.
    pub for_many: bool,
}

/// The memory that the tables keep for a device.
///
/// Intel: as `drivers/iommu/intel/iommu.c`, `intel_iommu_get_resv_regions`, with the exceptions of
/// `device_rmrr_is_relaxable` (USB controllers and displays). AMD: as `drivers/iommu/amd/iommu.c`,
/// `amd_iommu_get_resv_regions`, which knows no exceptions.
#[must_use]
pub fn kept(snapshot: &Snapshot, device: &Device) -> Vec<Kept> {
    let firmware = &snapshot.system.firmware;
    let mut found = Vec::new();
    if let Some(dmar) = firmware.dmar.known() {
        let way = way(snapshot, device);
        let relaxable =
            device.class.known().is_some_and(|class| class.is_display() || class.code() == 0x0c03);
        for region in dmar.reserved.iter().filter(|r| u32::from(r.segment) == device.address.domain()) {
            let Some(scope) = region.scopes.iter().find(|scope| names(scope, &way)) else { continue };
            found.push(Kept {
                table: "DMAR",
                start: region.start,
                end: region.end,
                names: words(scope),
                relaxable,
                for_many: scope.kind == ScopeKind::Bridge,
            });
        }
    }
    if let (Some(ivrs), Some(id)) = (firmware.ivrs.known(), device_id(device.address)) {
        let here = |m: &&passthru_formats::acpi::ivrs::Memory| {
            m.stays_mapped() && m.whom.has(id) && u32::from(m.segment) == device.address.domain()
        };
        for memory in ivrs.memory.iter().filter(here) {
            let (names, for_many) = match memory.whom {
                Whom::All => ("every device".to_owned(), true),
                Whom::One(id) => (short(id), false),
                Whom::Range(first, last) => (format!("{} to {}", short(first), short(last)), true),
            };
            let (start, end) = (memory.start, memory.end());
            found.push(Kept { table: "IVRS", start, end, names, relaxable: false, for_many });
        }
    }
    found
}

/// Whether the tables give a device an IOMMU; `None` where they were not read or say nothing of
/// it.
#[must_use]
pub fn covered(snapshot: &Snapshot, device: &Device) -> Option<bool> {
    let firmware = &snapshot.system.firmware;
    // A virtual function is looked up by its physical one, which the tables can know.
    let device = device.physical_function.known().and_then(|f| snapshot.device(*f)).unwrap_or(device);
    let segment = device.address.domain();
    // Functions behind Intel's VMD use its endpoint's requests.
    let id = device_id(device.address)?;
    if let Some(dmar) = firmware.dmar.known() {
        let way = way(snapshot, device);
        return Some(
            dmar.units
                .iter()
                .filter(|unit| u32::from(unit.segment) == segment)
                .any(|unit| unit.include_all || unit.scopes.iter().any(|scope| names(scope, &way))),
        );
    }
    if let Some(ivrs) = firmware.ivrs.known() {
        let mut units = ivrs.used_units().filter(|unit| u32::from(unit.segment) == segment);
        return Some(units.any(|unit| unit.devices.iter().any(|entry| entry.covers(id))));
    }
    if let Some(viot) = firmware.viot.known() {
        return Some(viot.ranges.iter().any(|range| {
            (u32::from(range.first_segment)..=u32::from(range.last_segment)).contains(&segment)
                && (range.first..=range.last).contains(&id)
        }));
    }
    firmware.iort.known()?.segment_has_smmu(segment)
}

/// The functions from a root bus down to a device, itself included.
fn way(snapshot: &Snapshot, device: &Device) -> Vec<Address> {
    let mut way = vec![device.address];
    let mut above = device.parent;
    // A loop of parents cannot be, and would be long.
    while let Some(bridge) = above.filter(|_| way.len() < 64).and_then(|a| snapshot.device(a)) {
        way.push(bridge.address);
        above = bridge.parent;
    }
    way.reverse();
    way
}

/// Whether a scope names the last function of this way, or a bridge on it
/// (`drivers/iommu/intel/dmar.c`, `dmar_match_pci_path`).
fn names(scope: &Scope, way: &[Address]) -> bool {
    let ends_at = |way: &[Address]| {
        let (Some(first), Some(last)) = (way.first(), way.last()) else { return false };
        let step = |a: &Address| (a.device(), a.function());
        let by_way = scope.bus == first.bus() && way.iter().map(step).eq(scope.path.iter().copied());
        // Some firmware writes the function's own bus, which the kernel takes too.
        let by_bus = scope.bus == last.bus() && scope.path[..] == [step(last)];
        by_way || by_bus
    };
    match scope.kind {
        ScopeKind::Endpoint => ends_at(way),
        ScopeKind::Bridge => (1..=way.len()).any(|length| ends_at(&way[..length])),
        _ => false,
    }
}

fn words(scope: &Scope) -> String {
    let mut steps = scope.path.iter().map(|(device, function)| format!("{device:02x}.{function:x}"));
    let first = steps.next().unwrap_or_default();
    let below = if scope.kind == ScopeKind::Bridge { " and all below" } else { "" };
    steps.fold(format!("{:02x}:{first}", scope.bus), |text, step| format!("{text} → {step}")) + below
}

/// Bus, device and function in 16 bits; `None` in domains that tables cannot name.
fn device_id(address: Address) -> Option<u16> {
    let low = address.device() << 3 | address.function();
    (address.domain() <= 0xffff).then(|| u16::from(address.bus()) << 8 | u16::from(low))
}

fn short(id: u16) -> String {
    format!("{:02x}:{:02x}.{:x}", id >> 8, id >> 3 & 0x1f, id & 7)
}

/// The word on the command line that switches off the IOMMU of these tables, as it stands
/// there. Intel's own word is read like the kernel does it, the last `on` or `off` counts.
#[must_use]
pub fn switched_off<'a>(command_line: &'a str, tables: &[String]) -> Option<&'a str> {
    let has = |name: &str| tables.iter().any(|table| table == name);
    let x86 = has("DMAR") || has("IVRS");
    let (mut intel, mut other) = (None, None);
    for parameter in cmdline::parse(command_line) {
        let off = |parameter: &cmdline::Parameter<'_>| parameter.parts().any(|p| p.starts_with("off"));
        if parameter.is("intel_iommu") && has("DMAR") {
            for part in parameter.parts() {
                if part.starts_with("on") {
                    intel = None;
                } else if part.starts_with("off") {
                    intel = Some(parameter.raw);
                }
            }
        } else if (parameter.is("iommu") && x86 || parameter.is("amd_iommu") && has("IVRS"))
            && off(&parameter)
        {
            other = Some(parameter.raw);
        }
    }
    other.or(intel)
}

/// The word on the command line that switches interrupt remapping off
/// (`drivers/iommu/irq_remapping.c`), as it stands there.
#[must_use]
pub fn remapping_switched_off(command_line: &str) -> Option<&str> {
    let mut found = None;
    for parameter in cmdline::parse(command_line) {
        if parameter.is("nointremap") {
            found = Some(parameter.raw);
        } else if parameter.is("intremap") {
            for part in parameter.parts() {
                if part.starts_with("on") {
                    found = None;
                } else if part.starts_with("off") {
                    found = Some(parameter.raw);
                }
            }
        }
    }
    found
}

/// Whether `intel_iommu=` on the command line has this word.
#[must_use]
pub fn intel_word(command_line: &str, word: &str) -> bool {
    cmdline::parse(command_line)
        .any(|parameter| parameter.is("intel_iommu") && parameter.parts().any(|p| p.starts_with(word)))
}
