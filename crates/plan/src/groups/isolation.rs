//! Whether one function isolates: `pci_acs_enabled` (`drivers/pci/pci.c`) for what groups
//! need, source validation, request and completion redirect and upstream forwarding.

use passthru_formats::config_space::ConfigSpace;
use passthru_formats::config_space::decode::{AccessControl, PortType};
use passthru_model::{Snapshot, SourceKind};

use super::quirks::{self, Answer};
use super::topology::{Function, Kind};
use super::{Lack, Override, When};

/// The answer about one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Acs {
    /// It does.
    Isolates,
    /// It does not.
    Lacks(Lack),
    /// Nobody could see; why not.
    Unknown(String),
}

pub(super) fn of(
    function: &Function<'_>,
    snapshot: &Snapshot,
    when: When,
    patched: Option<&Override>,
) -> Acs {
    match quirks::ask(function, snapshot) {
        Some(Answer::Isolates) => return Acs::Isolates,
        Some(Answer::Lacks) => return Acs::Lacks(Lack::Listed),
        // lspci prints the words where the standard has them: the control register of these
        // ports is elsewhere, and only a dump has it. An IOMMU at work has set some of its bits.
        Some(Answer::Registers(AccessControl { control: 0, .. }))
            if when == When::Now && snapshot.source == SourceKind::Pasted =>
        {
            return Acs::Unknown(
                "the text does not give its access control register (`lspci -xxxx` does)".into(),
            );
        }
        Some(Answer::Registers(registers)) => return judge(registers, when),
        Some(Answer::Unknown(why)) => return Acs::Unknown(why),
        None => {}
    }
    let kind = match &function.kind {
        Kind::Unknown(why) => return Acs::Unknown(why.clone()),
        Kind::Conventional => return Acs::Lacks(Lack::Conventional),
        Kind::Express(kind) => *kind,
    };
    let registers = function.config().and_then(ConfigSpace::access_control);
    if registers.is_none() && patched.is_some_and(|patched| overrides(patched, function, kind)) {
        return Acs::Isolates;
    }
    match kind {
        PortType::PciBridge | PortType::PcieBridge | PortType::RootComplexEventCollector => {
            Acs::Lacks(Lack::Kind(kind))
        }
        PortType::RootPort | PortType::DownstreamPort => judge_optional(function, registers, when),
        PortType::Endpoint
        | PortType::LegacyEndpoint
        | PortType::UpstreamPort
        | PortType::RootComplexEndpoint => match function.multifunction {
            Some(false) => Acs::Isolates,
            Some(true) => judge_optional(function, registers, when),
            None => Acs::Unknown("whether its slot has several functions is not known".into()),
        },
        PortType::Other(_) => Acs::Isolates,
    }
}

fn judge_optional(function: &Function<'_>, registers: Option<AccessControl>, when: When) -> Acs {
    match registers {
        Some(registers) => judge(registers, when),
        // It may stand behind the break.
        None if function.config().is_some_and(|c| c.extended_capabilities().broken_at.is_some()) => {
            Acs::Unknown("its list of extended capabilities is broken".into())
        }
        None => Acs::Lacks(Lack::Capability),
    }
}

fn judge(mut registers: AccessControl, when: When) -> Acs {
    if when == When::WithIommu {
        // drivers/pci/pci.c, pci_std_enable_acs, which runs where an IOMMU asked for it.
        registers.control |= registers.capability & AccessControl::ISOLATES;
    }
    match registers.missing() {
        0 => Acs::Isolates,
        bits => Acs::Lacks(Lack::Bits(bits)),
    }
}

/// The patch spares functions that have the capability, and conventional ones.
fn overrides(patched: &Override, function: &Function<'_>, kind: PortType) -> bool {
    let listed = function.device.id.known().is_some_and(|id| patched.ids.contains(id));
    listed
        || match kind {
            PortType::RootPort | PortType::DownstreamPort => patched.downstream,
            PortType::Endpoint
            | PortType::LegacyEndpoint
            | PortType::UpstreamPort
            | PortType::RootComplexEndpoint => patched.multifunction && function.multifunction == Some(true),
            _ => false,
        }
}
