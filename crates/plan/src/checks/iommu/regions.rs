//! Memory that the firmware keeps for a device, by its tables: known before the IOMMU is on.

use passthru_model::{Device, Evidence, Finding, Remedy, Severity, Unseen, Verdict, When};

use super::super::{Ask, Check, Host, Subject};
use super::{firmware, table_path, tables, unread_tables};
use crate::firmware::{Kept, kept};

pub(super) const REGIONS: Check = Check {
    id: "firmware-regions",
    title: "the firmware keeps memory for the device",
    severity: Severity::Error,
    subject: Subject::Iommu,
    after: &["iommu-firmware"],
    about: "Firmware can say in its tables that a device goes on using some memory behind the kernel's back: an \
         RMRR of Intel's DMAR, an IVMD of AMD's IVRS. Once the IOMMU is on, the kernel refuses to lend such a \
         device, and all of its group: `Firmware has requested this device have a 1:1 IOMMU mapping, rejecting \
         configuring the device without a 1:1 mapping. Contact your platform vendor.`; older kernels on Intel say \
         `Device is ineligible for IOMMU domain attach due to platform RMRR requirement. Contact your platform \
         vendor.` With the IOMMU at work the check `firmware-mapping` reads it from the kernel; this one reads the \
         tables, so that it is known before anything is switched on.\n\n\
         Intel's USB controllers and displays are excepted: their memory is for the time before the system \
         starts. AMD knows no exception. Most laptops and desktops keep memory for just these. Servers of HP keep \
         it for every slot (on Gen8 and later it can be switched off per slot with `conrep`), and some boards with \
         AMD's AM5 write a range over all buses (IVMD type 0x22), with which no device can be lent until the \
         firmware is updated.",
    sources: &[
        "drivers/iommu/intel/iommu.c, intel_iommu_get_resv_regions, device_rmrr_is_relaxable",
        "drivers/iommu/intel/dmar.c, dmar_match_pci_path",
        "drivers/iommu/amd/init.c, init_unity_map_range",
        "drivers/iommu/amd/iommu.c, amd_iommu_get_resv_regions",
        "Intel Virtualization Technology for Directed I/O, 8.4",
    ],
    ask: Ask::Device(memory),
};

fn memory(host: &Host<'_>, device: &Device) -> Verdict {
    let group = device.group.known().and_then(|number| host.snapshot.groups.get(number));
    if group.is_some_and(|group| group.reserved.known().is_some()) {
        return Verdict::NotApplicable("the kernel says it itself: firmware-mapping".into());
    }
    let tables = match tables(host) {
        Ok(tables) => tables,
        Err(verdict) => return verdict,
    };
    if !tables.iter().any(|table| table == "DMAR" || table == "IVRS") {
        return Verdict::NotApplicable("there is neither a DMAR nor an IVRS".into());
    }
    let firmware = firmware(host);
    if firmware.dmar.known().is_none() && firmware.ivrs.known().is_none() {
        let mut blind = unread_tables(host.snapshot);
        if blind.is_empty() {
            blind.push(Unseen {
                path: table_path(&tables[0]),
                why: "it is listed and cannot be found".into(),
            });
        }
        return Verdict::CouldNotLook(blind);
    }
    let (relaxable, firm): (Vec<Kept>, Vec<Kept>) =
        kept(host.snapshot, device).into_iter().partition(|kept| kept.relaxable);
    if firm.is_empty() {
        return Verdict::Pass(match relaxable.len() {
            0 => "no memory is kept for it".into(),
            _ => "the memory kept for it is given up when it is lent".into(),
        });
    }
    let for_many = firm.iter().any(|kept| kept.for_many);
    let amd = firm.iter().any(|kept| kept.table == "IVRS");
    let shown = firm.iter().map(|kept| {
        Evidence::new(table_path(kept.table), format!("{:#x}-{:#x} for {}", kept.start, kept.end, kept.names))
    });
    let text = match (amd, for_many) {
        (_, true) => "Look for an update of the firmware; another slot does not help",
        (true, false) => "Look for an update of the firmware, or for another slot",
        (false, false) => {
            "Look for the switch in the firmware's set-up (HPE ProLiant: conrep, per slot) or an update, or \
             use another slot"
        }
    };
    Finding {
        severity: Severity::Error,
        summary: "the firmware keeps memory for it, so the kernel will not lend it".into(),
        evidence: shown.collect(),
        consequence:
            "The kernel says `Firmware has requested this device have a 1:1 IOMMU mapping` and refuses \
                      its whole group."
                .into(),
        remedy: Remedy::new(When::Firmware, text),
    }
    .into()
}
