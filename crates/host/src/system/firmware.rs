//! ACPI tables of IOMMUs, the units at work, Secure Boot and lockdown.

use passthru_formats::acpi::{AcpiError, dmar, iort, ivrs, viot};
use passthru_formats::scalar::{bare_hex_u64, chosen, switch};
use passthru_formats::{Errno, interrupts};
use passthru_model::Fact;
use passthru_model::system::firmware::{
    Firmware, IOMMUFD_UNSAFE, IommuUnit, LOCKDOWN, Make, SECURE_BOOT, TABLES, TYPE1_UNSAFE, UNITS,
};

use crate::ask::{Asker, some_text};

pub(super) fn read(ask: &mut Asker<'_>) -> Firmware {
    Firmware {
        dmar: table(ask, "DMAR", dmar::parse),
        ivrs: table(ask, "IVRS", ivrs::parse),
        viot: table(ask, "VIOT", viot::parse),
        iort: table(ask, "IORT", iort::parse),
        units: units(ask),
        efi: match ask.source.stat("/sys/firmware/efi") {
            Ok(_) => Fact::Known(true),
            Err(Errno::ENOENT) => Fact::Known(false),
            Err(error) => ask.failed(None, "efi", "/sys/firmware/efi", error),
        },
        secure_boot: ask.bytes(None, "secure_boot", SECURE_BOOT, |bytes| match bytes {
            // Four bytes of attributes, then the value (UEFI Specification 2.10, 3.3).
            [_, _, _, _, value @ (0 | 1)] => Some(Fact::Known(*value == 1)),
            _ => None,
        }),
        lockdown: ask.text(None, "lockdown", LOCKDOWN, |text| some_text(chosen(text)?)),
        remapped_interrupts: ask.bytes(None, "interrupts", "/proc/interrupts", |text| {
            Some(interrupts::remapped(text).map_or(Fact::Absent, Fact::Known))
        }),
        type1_unsafe: ask.text(None, "type1_unsafe", TYPE1_UNSAFE, |text| switch(text).map(Fact::Known)),
        iommufd_unsafe: ask
            .text(None, "iommufd_unsafe", IOMMUFD_UNSAFE, |text| switch(text).map(Fact::Known)),
    }
}

/// A table; one that does not add up is malformed, with what is wrong as its text.
fn table<T>(
    ask: &mut Asker<'_>,
    name: &'static str,
    parse: impl FnOnce(&[u8]) -> Result<T, AcpiError>,
) -> Fact<T> {
    let path = format!("{TABLES}/{name}");
    let bytes = match ask.read(&path) {
        Ok(bytes) => bytes,
        Err(error) => return ask.failed(None, name, &path, error),
    };
    let fact = match parse(&bytes) {
        Ok(table) => Fact::Known(table),
        Err(error) => ask.contradicts_itself(None, name, &path, error.to_string()),
    };
    ask.give_back(bytes);
    fact
}

/// The units; that they cannot be listed is noted where their names are read.
fn units(ask: &mut Asker<'_>) -> Vec<IommuUnit> {
    let names = ask.source.list(UNITS).unwrap_or_default();
    names.into_iter().map(|name| unit(ask, name)).collect()
}

fn unit(ask: &mut Asker<'_>, name: String) -> IommuUnit {
    let make = Make::of(&name);
    let unit = IommuUnit { name, make, cap: Fact::Absent, extended: Fact::Absent };
    let mut hex = |name: &str, field| {
        ask.text(None, field, &unit.register(name), |text| bare_hex_u64(text).map(Fact::Known))
    };
    match make {
        Make::Intel => {
            let (cap, extended) = (hex("cap", "iommu.cap"), hex("ecap", "iommu.ecap"));
            IommuUnit { cap, extended, ..unit }
        }
        Make::Amd => {
            let cap = hex("cap", "iommu.cap");
            // From 6.0 on: the second register, a colon, the first.
            let extended = ask.text(None, "iommu.features", &unit.register("features"), |text| {
                bare_hex_u64(text.rsplit(':').next()?).map(Fact::Known)
            });
            IommuUnit { cap, extended, ..unit }
        }
        Make::Virtio | Make::Arm | Make::Other => unit,
    }
}
