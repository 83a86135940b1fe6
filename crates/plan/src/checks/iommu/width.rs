//! How wide the addresses are that the IOMMU translates.

use passthru_formats::acpi::ivrs::Ivrs;
use passthru_formats::resource::Resource;
use passthru_formats::scalar::Bytes;
use passthru_model::system::firmware::Make;
use passthru_model::{Evidence, Finding, Remedy, Severity, Unseen, Verdict, When};

use super::super::{Ask, Check, Host, Subject, might_be_lent};
use super::{AFTER_OFF, cpu, firmware, table_path, unread_tables, unseen};

pub(super) const WIDTH: Check = Check {
    id: "address-width",
    title: "the IOMMU's addresses are narrower than the guest's",
    severity: Severity::Warning,
    subject: Subject::Iommu,
    after: AFTER_OFF,
    about: "The guest's addresses are the device's addresses, and the IOMMU translates only so many bits of \
         them: 39 on most of Intel's client machines (512 GiB), whatever the processor has. Newer processors have 42 \
         or 46, QEMU's `-cpu host` gives them to the guest, and newer OVMF puts 64-bit BARs at the top of what the \
         guest has: `vfio_dma_map(0x…, 0x380000000000, 0x10000000, 0x…) = -22 (Invalid argument)`, in newer QEMU \
         `vfio_container_dma_map(…)`, then `0000:01:00.0: PCI peer-to-peer transactions on BARs are not \
         supported.`\n\n\
         For BARs that is a warning: the guest runs, and only transfers from one lent device to another do not \
         work. Memory of the guest that lies above, or is plugged in there, cannot be lent to the device at all, \
         and QEMU ends. Giving the guest no more bits than the IOMMU has makes both fit: `-cpu \
         host,host-phys-bits-limit=39`, in libvirt `<maxphysaddr mode='emulate' bits='39'/>` (8.7).\n\n\
         The other end: BARs as large as the space itself cannot be placed beside the guest's memory.",
    sources: &[
        "drivers/iommu/intel/iommu.h, cap_mgaw, cap_sagaw",
        "drivers/iommu/intel/iommu.c, iommu_calculate_agaw",
        "Intel Virtualization Technology for Directed I/O, 8.1 and 11.4.2",
        "AMD I/O Virtualization Technology (IOMMU) Specification, 5.2.1, IVinfo",
        "QEMU target/i386/host-cpu.c, host-phys-bits-limit",
        "QEMU hw/vfio/common.c, vfio_listener_region_add",
        "libvirt, formatdomain, maxphysaddr",
    ],
    ask: Ask::Host(wide),
};

/// How many bits, and what says so.
fn width(host: &Host<'_>) -> Result<(u8, Evidence), Verdict> {
    let firmware = firmware(host);
    let units = firmware.units.iter();
    // A device stands behind one of them; the narrowest is what a guest can rely on.
    let narrowest = units.clone().filter_map(|unit| Some((unit.guest_width()?, unit))).min_by_key(|u| u.0);
    if let Some((width, unit)) = narrowest {
        let cap = unit.cap.known().copied().unwrap_or(0);
        return Ok((width, Evidence::new(unit.register("cap"), format!("{cap:x}: {width} bits"))));
    }
    let said = |bits: u16, table| {
        let bits = u8::try_from(bits).unwrap_or(64).min(64);
        Ok((bits, Evidence::new(table_path(table), format!("{bits} bits"))))
    };
    if let Some(dmar) = firmware.dmar.known() {
        return said(dmar.address_width, "DMAR");
    }
    if let Some(bits) = firmware.ivrs.known().and_then(Ivrs::virtual_size) {
        return said(bits.into(), "IVRS");
    }
    if firmware.units.iter().any(|unit| matches!(unit.make, Make::Arm | Make::Virtio | Make::Other)) {
        return Err(Verdict::NotApplicable(
            "this kind of IOMMU does not say how wide its addresses are".into(),
        ));
    }
    let mut blind = unread_tables(host.snapshot);
    blind.extend(firmware.units.iter().filter_map(|unit| unseen(&unit.cap, unit.register("cap"))));
    if blind.is_empty() {
        return Err(Verdict::NotApplicable("no table says how wide its addresses are".into()));
    }
    Err(Verdict::CouldNotLook(blind))
}

fn wide(host: &Host<'_>) -> Verdict {
    let (width, said) = match width(host) {
        Ok(known) => known,
        Err(verdict) => return verdict,
    };
    let mut findings = Vec::new();
    let limit = || {
        Remedy::new(
            When::Now,
            format!(
                "Give guests {width} bits of addresses: -cpu host,host-phys-bits-limit={width} in QEMU, \
                 <maxphysaddr mode='emulate' bits='{width}'/> inside <cpu> in libvirt"
            ),
        )
    };
    let physical = cpu(host).and_then(|cpu| cpu.physical_bits);
    match physical {
        Some(bits) if bits > u32::from(width) => findings.push(Finding {
            severity: Severity::Warning,
            summary: format!("guests see {bits} bits of addresses, the IOMMU translates {width}"),
            evidence: vec![said.clone(), Evidence::new("/proc/cpuinfo", format!("{bits} bits physical"))],
            consequence:
                "Mapping what lies above fails: QEMU says `vfio_dma_map(…) = -22 (Invalid argument)`.".into(),
            remedy: limit(),
        }),
        _ => {}
    }
    findings.extend(large(host, width, &said));
    if !findings.is_empty() {
        return Verdict::Found(findings);
    }
    match physical {
        Some(bits) => Verdict::Pass(format!("{width} bits, and the processor has {bits}")),
        None => Verdict::CouldNotLook(
            unseen(&host.snapshot.system.processor.cpu, "/proc/cpuinfo")
                .or_else(|| {
                    Some(Unseen { path: "/proc/cpuinfo".into(), why: "it has no address sizes".into() })
                })
                .into_iter()
                .collect(),
        ),
    }
}

/// Devices whose largest BAR takes half of the space or more: beside memory, there is no place
/// for it at a multiple of its size.
fn large(host: &Host<'_>, width: u8, said: &Evidence) -> Option<Finding> {
    let half = 1_u64.checked_shl(u32::from(width).checked_sub(1)?)?;
    let mut shown = vec![said.clone()];
    for device in host.snapshot.devices.iter().filter(|device| might_be_lent(device)) {
        let regions = device.detail.as_deref().and_then(|detail| detail.regions.known());
        let largest = regions.into_iter().flatten().filter(|r| r.flags.is_64bit()).map(Resource::size).max();
        if let Some(size) = largest.filter(|size| *size >= half) {
            shown.push(Evidence::new(device.attribute("resource"), Bytes(size).to_string()));
        }
    }
    (shown.len() > 1).then(|| Finding {
        severity: Severity::Warning,
        summary: format!("a BAR takes half of the {width} bits of addresses the IOMMU translates, or more"),
        evidence: shown,
        consequence: "It cannot be placed where other lent devices reach it.".into(),
        remedy: Remedy::new(
            When::Firmware,
            "Make the BAR smaller where the firmware or the device's resourceN_resize allows it",
        ),
    })
}
