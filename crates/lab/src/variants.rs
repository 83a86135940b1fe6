//! Hosts by name: the standard one, those on which something keeps devices from being lent,
//! and generated PCI topologies. What is wrong is wrong in the emulated hardware or on the
//! kernel's command line, never a file that pretends it.

use crate::host::qemu_has;
use crate::machine::{Iommu, Machine};
use crate::settings::Settings;
use crate::topology;

/// A host that can be booted by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// [`Machine::standard`].
    Standard,
    /// No IOMMU in the machine, as where the firmware's switch is off.
    WithoutIommu,
    /// VT-d in the machine, and `intel_iommu=off` on the command line.
    IommuOff,
    /// VT-d that translates addresses and does not remap interrupts.
    WithoutRemapping,
    /// virtio-iommu, which has no interrupt remapping either.
    VirtioIommu,
    /// AMD's, as far as QEMU 7.2 emulates it: its firmware table is right, but DMA of the
    /// devices fails. For tables only.
    AmdIommu,
    /// A generated topology ([`topology::machine`]) from this seed.
    Topology(u64),
}

impl Variant {
    /// All of them, with the topology that every run looks at.
    pub const ALL: [Variant; 7] = [
        Variant::Standard,
        Variant::WithoutIommu,
        Variant::IommuOff,
        Variant::WithoutRemapping,
        Variant::VirtioIommu,
        Variant::AmdIommu,
        Variant::Topology(1),
    ];

    /// Its name on the command line and in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Variant::Standard => "standard",
            Variant::WithoutIommu => "without-iommu",
            Variant::IommuOff => "iommu-off",
            Variant::WithoutRemapping => "without-remapping",
            Variant::VirtioIommu => "virtio-iommu",
            Variant::AmdIommu => "amd-iommu",
            Variant::Topology(_) => "topology",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Variant> {
        Variant::ALL.into_iter().find(|variant| variant.name() == name)
    }

    /// Why it cannot be had with these programs and this kernel.
    #[must_use]
    pub fn missing(self, settings: &Settings) -> Option<String> {
        let needs_driver = self == Variant::VirtioIommu;
        let why = needs_driver.then(|| settings.kernel.modules(&["virtio_iommu"]).err()).flatten()?;
        Some(format!("{why:#}"))
    }

    /// Its description.
    #[must_use]
    pub fn machine(self, settings: &Settings) -> Machine {
        match self {
            Variant::Standard => Machine::standard(qemu_has(&settings.qemu, "igb")),
            Variant::WithoutIommu => small(Iommu::None, "intel_iommu=on"),
            Variant::IommuOff => small(Iommu::Intel("intremap=on".to_owned()), "intel_iommu=off"),
            Variant::WithoutRemapping => {
                small(Iommu::Intel("intremap=off,caching-mode=on".to_owned()), "intel_iommu=on")
            }
            Variant::VirtioIommu => small(Iommu::Virtio, ""),
            Variant::AmdIommu => small(Iommu::Amd("intremap=off".to_owned()), ""),
            Variant::Topology(seed) => topology::machine(seed),
        }
    }
}

/// The standard host's first disk and network card with another IOMMU.
fn small(iommu: Iommu, argument: &str) -> Machine {
    let mut machine = Machine::standard(false);
    machine.iommu = iommu;
    machine.kernel_arguments = vec![argument.to_owned()];
    machine.ports.retain(|port| ["port1", "port3"].contains(&port.name.as_str()));
    machine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for variant in Variant::ALL {
            assert_eq!(Variant::named(variant.name()), Some(variant));
        }
        assert_eq!(Variant::named("other"), None);
    }
}
