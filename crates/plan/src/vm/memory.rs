//! How much memory the guest has, and how much of it may have to be locked.
//!
//! Owns `-m`, its units, and the arithmetic of the locked-memory limit. It must not
//! raise any limit.

use super::options::Opt;
use super::props::Props;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What QEMU gives a guest without `-m`: `default_ram_size` of the PC and `virt`
/// machines (QEMU `hw/core/machine.c`, `machine_class_base_init`), in bytes.
const DEFAULT: u64 = 128 * MIB;

/// Added to the guest's memory: firmware, option ROMs, video memory and other RAM-like
/// regions are mapped for the device as well. The figure is libvirt's
/// (`qemuDomainGetMemLockLimitBytes`).
const SLACK: u64 = GIB;

/// Devices that give the guest an IOMMU of its own: every lent device then has its
/// own address space, and VFIO counts the same page once for each.
const GUEST_IOMMUS: &[&str] = &["intel-iommu", "amd-iommu", "virtio-iommu", "virtio-iommu-pci", "arm-smmuv3"];

/// The RAM the guest starts with, and the most it can come to have, in bytes.
/// `None` where `-m` says something that cannot be read.
pub(super) fn guest_memory(options: &[Opt<'_>]) -> Option<(u64, u64)> {
    let (mut size, mut most) = (None, None);
    // Several `-m` are merged, as QEMU does.
    for option in options.iter().filter(|o| o.name == "m") {
        let props = Props::parse(option.value, "size");
        if let Some(text) = props.get("size") {
            size = Some(text.to_owned());
        }
        if let Some(text) = props.get("maxmem") {
            most = Some(text.to_owned());
        }
    }
    let size = match size.as_deref() {
        // Only `size` means mebibytes without a suffix (QEMU `system/vl.c`,
        // `parse_memory_options`); `maxmem` then means bytes.
        Some(text) => parse_size(text, MIB)?,
        None => DEFAULT,
    };
    let size = if size == 0 { DEFAULT } else { size };
    let most = match most.as_deref() {
        Some(text) => parse_size(text, 1)?.max(size),
        None => size,
    };
    Some((size, most))
}

/// The locked-memory limit the VM needs, in bytes.
///
/// VFIO pins *all* of the guest's RAM when the device is realized, because the device
/// may write to any of it, and RAM plugged in later as well; the limit cannot be
/// raised comfortably while the VM runs, so it is made for `maxmem` from the start. A
/// limit reserves nothing.
///
/// `backends`: how many address spaces there are for all devices together, at least one: each
/// iommufd object has its own, and the groups share one.
pub(super) fn locked_limit(most: u64, devices: usize, backends: usize, options: &[Opt<'_>]) -> u64 {
    let guest_iommu = options.iter().any(|o| match o.name {
        "device" => Props::parse(o.value, "driver").get("driver").is_some_and(|d| GUEST_IOMMUS.contains(&d)),
        "M" | "machine" => {
            Props::parse(o.value, "type").get("iommu").is_some_and(|v| v != "none" && v != "off")
        }
        _ => false,
    });
    let spaces = if guest_iommu { devices } else { backends }.max(1) as u64;
    most.saturating_mul(spaces).saturating_add(SLACK)
}

/// Reads QEMU's sizes (`qemu_strtosz`): decimal with an optional fraction, or plain
/// hexadecimal; suffix `B K M G T P E` in either case, powers of 1024. A number without
/// a suffix counts in `unit` bytes.
#[must_use]
pub fn parse_size(text: &str, unit: u64) -> Option<u64> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok()?.checked_mul(unit);
    }
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit() && c != '.') {
        None => (text, unit),
        Some(at) => {
            let exponent =
                "bkmgtpe".find(&text[at..].to_ascii_lowercase()).filter(|_| text.len() == at + 1)?;
            (&text[..at], 1u64 << (10 * exponent))
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    if fraction.is_empty() {
        return Some(whole);
    }
    let part = format!("0.{fraction}").parse::<f64>().ok()?;
    whole.checked_add((part * unit as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::super::options::scan;
    use super::super::tests::words;
    use super::*;

    #[test]
    fn sizes_as_qemu_reads_them() {
        for (line, wanted) in [
            ("", Some((128 * MIB, 128 * MIB))),
            ("-m 4G", Some((4 * GIB, 4 * GIB))),
            ("-m 4g", Some((4 * GIB, 4 * GIB))),
            ("-m 4096", Some((4 * GIB, 4 * GIB))),
            ("-m 1.5G", Some((1536 * MIB, 1536 * MIB))),
            ("-m 0x100", Some((256 * MIB, 256 * MIB))),
            ("-m 2097152K", Some((2 * GIB, 2 * GIB))),
            ("-m size=4G,slots=4,maxmem=16G", Some((4 * GIB, 16 * GIB))),
            ("-m 1G,maxmem=2147483648", Some((GIB, 2 * GIB))),
            ("-m 1G -m 2G", Some((2 * GIB, 2 * GIB))),
            ("-m slots=2,maxmem=8G -m 2G", Some((2 * GIB, 8 * GIB))),
            ("--append -m -m 1G", Some((GIB, GIB))),
            ("-m lots", None),
            ("-m 4GB", None),
            ("-m 99999999999999999999E", None),
        ] {
            let words = words(line);
            assert_eq!(guest_memory(&scan(&words).unwrap()), wanted, "{line}");
        }
    }

    #[test]
    fn the_limit_counts_address_spaces() {
        for (line, devices, wanted) in [
            ("-m 4G", 3, 5 * GIB),
            ("-m 4G -device intel-iommu,intremap=on", 3, 13 * GIB),
            ("-M virt,iommu=smmuv3 -m 4G", 2, 9 * GIB),
            ("-M virt,iommu=none -m 4G", 2, 5 * GIB),
        ] {
            let words = words(line);
            assert_eq!(locked_limit(4 * GIB, devices, 1, &scan(&words).unwrap()), wanted, "{line}");
        }
    }
}
