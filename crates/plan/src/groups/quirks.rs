//! Functions about which the kernel knows better than their registers: `pci_dev_acs_enabled`
//! and the DMA aliases of `drivers/pci/quirks.c`, Linux 6.18. Older kernels know fewer of
//! them, newer ones more. Facts only; the kernel's reasons stand beside its tables.

use std::ops::RangeInclusive;

use passthru_formats::config_space::ConfigSpace;
use passthru_formats::config_space::decode::{AccessControl, PortType};
use passthru_model::{Fact, Snapshot};
use passthru_pci::{Address, Id};

use super::topology::{Function, Kind, Place};

const AMD: u16 = 0x1022;
const ATI: u16 = 0x1002;
const BROADCOM: u16 = 0x14e4;
const CAVIUM: u16 = 0x177d;
const INTEL: u16 = 0x8086;
const NXP: u16 = 0x1957;
const ZHAOXIN: u16 = 0x1d17;

/// What the table says of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Isolates,
    Lacks,
    /// These registers count.
    Registers(AccessControl),
    /// The rule rests on something that is not known.
    Unknown(String),
}

/// A rule; `None` from it means that the next row is asked.
#[derive(Clone, Copy)]
enum Rule {
    /// Isolates, whatever its registers say (`pci_quirk_mf_endpoint_acs`, and the ports of
    /// QCOM, NXP, X-Gene, Broadcom, Loongson).
    Always,
    /// `pci_quirk_amd_sb_acs`: one of several functions on a root bus, where there is an IVRS
    /// table.
    AmdSouthbridge,
    /// `pci_quirk_rciep_acs`: integrated endpoints of Intel's root complexes.
    RootComplexEndpoint,
    /// `pci_quirk_intel_pch_acs`: root ports that the kernel sets up without the capability.
    IntelPch,
    /// `pci_quirk_intel_spt_pch_acs`: root ports with registers of double width.
    IntelDwords,
    /// Root ports (`pci_quirk_cavium_acs`, `pci_quirk_al_acs`) with these device ids.
    RootPorts(&'static [RangeInclusive<u16>]),
    /// `pci_quirk_zhaoxin_pcie_ports_acs`: ports; those not listed do not isolate.
    Zhaoxin,
    /// `pci_quirk_wangxun_nic_acs`: those not listed do not isolate.
    Wangxun,
}

/// Vendor, devices (none: all), rule. In the kernel's order.
const TABLE: &[(u16, &[u16], Rule)] = &[
    (ATI, &[0x4383, 0x4384, 0x4385, 0x4399, 0x439c, 0x439d], Rule::AmdSouthbridge),
    (AMD, &[0x7809, 0x780f], Rule::AmdSouthbridge),
    (0x1924, &[0x0903, 0x0923, 0x0a03], Rule::Always), // Solarflare
    (
        INTEL,
        &[
            0x105e, 0x105f, 0x1060, 0x10a7, 0x10a9, 0x10c6, 0x10c9, 0x10d6, 0x10d9, 0x10db, 0x10dd, 0x10e1,
            0x10e6, 0x10e7, 0x10e8, 0x10f1, 0x10f7, 0x10f8, 0x10f9, 0x10fa, 0x10fb, 0x10fc, 0x1507, 0x1509,
            0x150a, 0x150d, 0x150e, 0x150f, 0x1510, 0x1511, 0x1514, 0x1516, 0x1518, 0x151c, 0x1521, 0x1522,
            0x1523, 0x1524, 0x1526, 0x1527, 0x1529, 0x152a, 0x154d, 0x154f, 0x1551, 0x1558, 0x15b7, 0x15b8,
        ],
        Rule::Always,
    ),
    (INTEL, &[], Rule::RootComplexEndpoint),
    (0x17cb, &[0x0115, 0x0400, 0x0401], Rule::Always), // Qualcomm
    (0x1dbf, &[0x0401], Rule::Always),                 // HXT
    (INTEL, &[], Rule::IntelPch),
    (INTEL, &[], Rule::IntelDwords),
    (0x19a2, &[0x0710], Rule::Always), // Emulex BE3-R
    (0x10df, &[0x0720], Rule::Always), // Emulex Skyhawk-R
    (CAVIUM, &[], Rule::RootPorts(&[0xa000..=0xa7ff, 0xaf84..=0xaf84, 0xb884..=0xb884])),
    (CAVIUM, &[0xa026, 0xa059, 0xa060], Rule::Always),
    (0x10e8, &[0xe004], Rule::Always), // X-Gene
    (0x1def, &[0xe005, 0xe006, 0xe007, 0xe008, 0xe009, 0xe00a, 0xe00b, 0xe00c], Rule::Always), // Ampere
    (BROADCOM, &[0x16d7, 0x1750, 0x1751, 0x1752, 0x1760, 0x1761, 0x1762, 0x1763, 0xd714], Rule::Always),
    (
        0x0014, // Loongson
        &[0x3c09, 0x3c19, 0x3c29, 0x7a09, 0x7a19, 0x7a29, 0x7a39, 0x7a49, 0x7a59, 0x7a69],
        Rule::Always,
    ),
    (0x1c36, &[0x0031], Rule::RootPorts(&[0x0031..=0x0031])), // Annapurna Labs
    (ZHAOXIN, &[0x3038, 0x3104, 0x9083], Rule::Always),
    (
        NXP,
        &[
            0x8d80, 0x8d81, 0x8d82, 0x8d83, 0x8d88, 0x8d89, 0x8d8a, 0x8d8b, 0x8d90, 0x8d91, 0x8d92, 0x8d93,
            0x8d98, 0x8d99, 0x8d9a, 0x8d9b, 0x8da0, 0x8da1, 0x8da8, 0x8da9, 0x8db0, 0x8db1, 0x8db8, 0x8db9,
        ],
        Rule::Always,
    ),
    (ZHAOXIN, &[], Rule::Zhaoxin),
    (0x8088, &[], Rule::Wangxun),
];

/// Root ports of Intel's chipsets from Ibex Peak to Wildcat Point (`pci_quirk_intel_pch_acs_ids`).
const PCH: &[RangeInclusive<u16>] = &[
    0x1c10..=0x1c1f,
    0x1e10..=0x1e1f,
    0x3b42..=0x3b51,
    0x8c10..=0x8c1f,
    0x8d10..=0x8d1e,
    0x9c10..=0x9c1b,
    0x9c90..=0x9c9b,
];
/// Of these the even ones only: Patsburg, and the later Lynx Point.
const PCH_EVEN: &[RangeInclusive<u16>] = &[0x1d10..=0x1d1e, 0x8c90..=0x8c9e];
/// Root ports of Sunrise Point, Union Point, and their mobile relatives.
const DWORDS: &[RangeInclusive<u16>] =
    &[0x9d10..=0x9d1b, 0xa110..=0xa11f, 0xa167..=0xa16a, 0xa290..=0xa29f, 0xa2e7..=0xa2ee];

fn within(ranges: &[RangeInclusive<u16>], device: u16) -> bool {
    ranges.iter().any(|range| range.contains(&device))
}

/// What the table says about a function; `None` where it says nothing.
pub(super) fn ask(function: &Function<'_>, snapshot: &Snapshot) -> Option<Answer> {
    let id = match &function.device.id {
        Fact::Known(id) => *id,
        _ => return Some(Answer::Unknown("its vendor and device ids are not known".into())),
    };
    TABLE
        .iter()
        .filter(|(vendor, devices, _)| {
            *vendor == id.vendor && (devices.is_empty() || devices.contains(&id.device))
        })
        .find_map(|(_, _, rule)| apply(*rule, id, function, snapshot))
}

fn apply(rule: Rule, id: Id, function: &Function<'_>, snapshot: &Snapshot) -> Option<Answer> {
    // Rules about ports and integrated endpoints need the function's kind, but only where the
    // ids leave anything to decide.
    let kind = |wanted: &[PortType]| match &function.kind {
        Kind::Express(kind) => wanted.contains(kind).then_some(Ok(())),
        Kind::Conventional => None,
        Kind::Unknown(why) => Some(Err(Answer::Unknown(why.clone()))),
    };
    let if_kind = |wanted: &[PortType], answer: Answer| match kind(wanted)? {
        Ok(()) => Some(answer),
        Err(unknown) => Some(unknown),
    };
    match rule {
        Rule::Always => Some(Answer::Isolates),
        Rule::AmdSouthbridge => {
            if function.multifunction == Some(false) || function.place != Place::Root {
                return None;
            }
            match &snapshot.iommu_tables {
                Fact::Known(tables) => tables.iter().any(|t| t == "IVRS").then_some(Answer::Isolates),
                Fact::Absent => None,
                _ => Some(Answer::Unknown("whether the firmware has an IVRS table is not known".into())),
            }
        }
        Rule::RootComplexEndpoint => if_kind(&[PortType::RootComplexEndpoint], Answer::Isolates),
        Rule::IntelPch => {
            let listed =
                within(PCH, id.device) || (within(PCH_EVEN, id.device) && id.device.is_multiple_of(2));
            // The kernel sets these ports up where the firmware has switched on the register
            // block it needs for that, as all of these machines' firmware has.
            if listed { if_kind(&[PortType::RootPort], Answer::Isolates) } else { None }
        }
        Rule::IntelDwords => {
            if !within(DWORDS, id.device) {
                return None;
            }
            let registers = function.config().and_then(ConfigSpace::access_control_in_dwords);
            match kind(&[PortType::RootPort])? {
                Ok(()) => registers.map(Answer::Registers),
                Err(unknown) => Some(unknown),
            }
        }
        Rule::RootPorts(devices) => {
            if within(devices, id.device) {
                if_kind(&[PortType::RootPort], Answer::Isolates)
            } else {
                None
            }
        }
        Rule::Zhaoxin => {
            let listed = within(&[0x0710..=0x071e, 0x0721..=0x0721, 0x0723..=0x0752], id.device);
            let answer = if listed { Answer::Isolates } else { Answer::Lacks };
            if_kind(&[PortType::RootPort, PortType::DownstreamPort], answer)
        }
        Rule::Wangxun => {
            let listed = within(&[0x0100..=0x010f], id.device)
                || [0x1001, 0x2001, 0x5010, 0x5025, 0x5040, 0x5110, 0x5125, 0x5140].contains(&id.device);
            Some(if listed { Answer::Isolates } else { Answer::Lacks })
        }
    }
}

/// Devices that do DMA as function 0 of their slot (`quirk_dma_func0_alias`).
const AS_FUNCTION_0: &[(u16, &[u16])] = &[(0x1180, &[0xe476, 0xe832]), (0x6766, &[0x3d40, 0x3d41])];
/// And as function 1 (`quirk_dma_func1_alias`): Marvell's SATA controllers, mostly.
const AS_FUNCTION_1: &[(u16, &[u16])] = &[
    (
        0x1b4b,
        &[
            0x9120, 0x9123, 0x9125, 0x9128, 0x9130, 0x9170, 0x9172, 0x917a, 0x9182, 0x9183, 0x91a0, 0x9215,
            0x9220, 0x9230, 0x9235,
        ],
    ),
    (0x1103, &[0x0642, 0x0645]),
    (0x197b, &[0x2392]),
    (0x1c28, &[0x0122]),
];

/// Whether a function is known to use the requester id of another one on its bus.
pub(super) fn uses_id_of(function: &Function<'_>, other: Address) -> bool {
    let (Some(id), address) = (function.device.id.known(), function.address()) else { return false };
    let in_list =
        |list: &[(u16, &[u16])]| list.iter().any(|(v, d)| *v == id.vendor && d.contains(&id.device));
    let same_slot = address.slot() == other.slot();
    let place = (other.device(), other.function());
    match id.vendor {
        // Intel's MIC x200 and Visual Compute Accelerator (`quirk_mic_x200_dma_alias`,
        // `quirk_pex_vca_alias`).
        INTEL if matches!(id.device, 0x2260 | 0x2264) => matches!(place, (0x10 | 0x11, 0) | (0x12, 3)),
        INTEL if matches!(id.device, 0x2954..=0x2956 | 0x2958..=0x295a) => other.function() < 5,
        // Adaptec 3405 and 3805 (`fixed_dma_alias_tbl`).
        0x9005 if id.device == 0x0285 => {
            let subsystem = function.device.subsystem.known();
            place == (1, 0)
                && subsystem.is_some_and(|s| s.vendor == 0x9005 && matches!(s.device, 0x02bb | 0x02bc))
        }
        _ => {
            same_slot
                && ((other.function() == 0 && in_list(AS_FUNCTION_0))
                    || (other.function() == 1 && in_list(AS_FUNCTION_1)))
        }
    }
}
