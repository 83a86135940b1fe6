//! What the firmware and the kernel say of IOMMUs, and what the firmware's security does.

use passthru_formats::acpi::dmar::Dmar;
use passthru_formats::acpi::iort::Iort;
use passthru_formats::acpi::ivrs::Ivrs;
use passthru_formats::acpi::viot::Viot;
use passthru_pci::Address;

use crate::fact::Fact;

/// Directory of the firmware's tables.
pub const TABLES: &str = "/sys/firmware/acpi/tables";
/// The kernel's IOMMU units.
pub const UNITS: &str = "/sys/class/iommu";
/// Switch of VFIO's own backend (`drivers/vfio/vfio_iommu_type1.c`, mode 0644).
pub const TYPE1_UNSAFE: &str = "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts";
/// The same of the newer one (`drivers/iommu/iommufd/device.c`, mode 0644).
pub const IOMMUFD_UNSAFE: &str = "/sys/module/iommufd/parameters/allow_unsafe_interrupts";
/// State of the kernel's lockdown.
pub const LOCKDOWN: &str = "/sys/kernel/security/lockdown";
/// Secure Boot, as the firmware says it.
pub const SECURE_BOOT: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// Firmware tables, IOMMU units, switches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Firmware {
    /// `DMAR` (Intel), for root. A table that does not add up is malformed, with the reason.
    pub dmar: Fact<Dmar>,
    /// `IVRS` (AMD), likewise.
    pub ivrs: Fact<Ivrs>,
    /// `VIOT` (virtio-iommu), likewise.
    pub viot: Fact<Viot>,
    /// `IORT` (Arm), likewise.
    pub iort: Fact<Iort>,
    /// The registers of each unit at work ([`UNITS`]).
    pub units: Vec<IommuUnit>,
    /// Whether the machine was started by EFI (`/sys/firmware/efi`).
    pub efi: Fact<bool>,
    /// Whether Secure Boot is on ([`SECURE_BOOT`]); absent without EFI variables.
    pub secure_boot: Fact<bool>,
    /// The kernel's lockdown ([`LOCKDOWN`]): `none`, `integrity` or `confidentiality`; absent
    /// where the kernel has none.
    pub lockdown: Fact<String>,
    /// Whether interrupts go through the IOMMU, by the names of interrupt chips in
    /// `/proc/interrupts`: `IR-PCI-MSI`, not `PCI-MSI`. Absent where there are no such chips
    /// (not an x86 machine).
    pub remapped_interrupts: Fact<bool>,
    /// [`TYPE1_UNSAFE`]; absent while the module is not loaded.
    pub type1_unsafe: Fact<bool>,
    /// [`IOMMUFD_UNSAFE`]; absent while the module is not loaded.
    pub iommufd_unsafe: Fact<bool>,
}

/// The makes of IOMMUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Make {
    /// `dmar0`, with `intel-iommu/`.
    Intel,
    /// `ivhd0`, with `amd-iommu/`.
    Amd,
    /// virtio-iommu: `0000:00:12.0`, where it stands (`drivers/iommu/virtio-iommu.c` names it by
    /// `virtio_bus_name`); `virtio-mmio` or a platform device's name where it is not on PCI.
    Virtio,
    /// `smmu3.…`, `arm-smmu.…`.
    Arm,
    /// Another.
    Other,
}

/// One IOMMU at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IommuUnit {
    /// Its name in [`UNITS`].
    pub name: String,
    /// By its name.
    pub make: Make,
    /// Capability register: `intel-iommu/cap`, 64 bits; `amd-iommu/cap`, 32 bits.
    pub cap: Fact<u64>,
    /// Extended capabilities: `intel-iommu/ecap`; `amd-iommu/features`, the first register.
    pub extended: Fact<u64>,
}

impl IommuUnit {
    /// The path of one of its registers.
    #[must_use]
    pub fn register(&self, name: &str) -> String {
        let directory = if self.make == Make::Amd { "amd-iommu" } else { "intel-iommu" };
        format!("{UNITS}/{}/{directory}/{name}", self.name)
    }

    /// Widest address the unit translates for a guest, in bits: what it can take (MGAW,
    /// `cap` bits 21:16, plus 1) within what its tables reach (SAGAW, bits 12:8;
    /// `drivers/iommu/intel/iommu.h`, `cap_mgaw`, `cap_sagaw`). Intel only.
    #[must_use]
    pub fn guest_width(&self) -> Option<u8> {
        let cap = self.cap.known().filter(|_| self.make == Make::Intel)?;
        let widest = (cap >> 16 & 0x3f) as u8 + 1;
        // Bit 1: three levels, 39 bits; bit 2: 48; bit 3: 57.
        let levels = (1..=3_u8).rev().find(|bit| cap >> (8 + bit) & 1 == 1);
        Some(levels.map_or(widest, |bit| widest.min(30 + 9 * bit)))
    }

    /// Whether the unit can remap interrupts (`ecap` bit 3, `ecap_ir_support`). Intel only.
    #[must_use]
    pub fn remaps_interrupts(&self) -> Option<bool> {
        self.extended.known().filter(|_| self.make == Make::Intel).map(|ecap| ecap >> 3 & 1 == 1)
    }
}

impl Make {
    /// The make of a unit of this name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let numbered = |prefix: &str| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|c| c.is_ascii_digit()))
        };
        if numbered("dmar") {
            Self::Intel
        } else if numbered("ivhd") {
            Self::Amd
        } else if name.parse::<Address>().is_ok() || name.contains("virtio") {
            Self::Virtio
        } else if name.starts_with("smmu") || name.starts_with("arm-smmu") {
            Self::Arm
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers() {
        let unit = |cap, ecap| IommuUnit {
            name: "dmar0".into(),
            make: Make::of("dmar0"),
            cap: Fact::Known(cap),
            extended: Fact::Known(ecap),
        };
        // A Coffee Lake desktop, an Ivy Bridge server, QEMU 10.
        for (cap, ecap, width, remaps) in [
            (0x00d2_008c_4066_0462, 0x00f0_50da, 39, true),
            (0x00d2_078c_106f_0466, 0x00f0_20de, 48, true),
            (0x00d2_008c_2226_0286, 0x0000_0f4a, 39, true),
            (0x00d2_008c_2226_0286, 0x0000_0f42, 39, false),
        ] {
            assert_eq!(unit(cap, ecap).guest_width(), Some(width), "{cap:#x}");
            assert_eq!(unit(cap, ecap).remaps_interrupts(), Some(remaps));
        }
        assert_eq!(unit(0, 0).register("cap"), "/sys/class/iommu/dmar0/intel-iommu/cap");
        for (name, make) in [
            ("ivhd0", Make::Amd),
            ("0000:00:12.0", Make::Virtio),
            ("a000000.virtio_mmio", Make::Virtio),
            ("smmu3.0x0000000009050000", Make::Arm),
            ("dmar", Make::Other),
        ] {
            assert_eq!(Make::of(name), make, "{name}");
        }
    }
}
