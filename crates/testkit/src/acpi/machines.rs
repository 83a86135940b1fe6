//! Whole tables. What each holds, how many of it, how wide addresses are and where devices
//! stand follows a machine whose table is public in [linuxhw/ACPI](https://github.com/linuxhw/ACPI)
//! (named at each); every byte is made here, and addresses of memory, names and features are
//! invented. Registers of Intel's units are at the address that its chipsets' firmware commonly
//! uses.

use super::{AMD_INFO, Entry, Scope, Table, Whom, bridge, endpoint, hpet, io_apic};

/// A table: the name it has here with its signature behind a dot, and how to make it.
pub type Named = (&'static str, fn() -> Vec<u8>);

/// All of them.
pub const ALL: [Named; 9] = [
    ("amd-all-buses.IVRS", amd_all_buses),
    ("amd-desktop.IVRS", amd_desktop),
    ("amd-laptop.IVRS", amd_laptop),
    ("amd-two-regions.IVRS", amd_two_regions),
    ("intel-laptop.DMAR", intel_laptop),
    ("intel-odd-scope.DMAR", intel_odd_scope),
    ("intel-server.DMAR", intel_server),
    ("intel-without-remapping.DMAR", intel_without_remapping),
    ("proliant.DMAR", proliant),
];

/// Registers of Intel's unit for graphics.
const FIRST: u64 = 0xfed9_0000;
/// Of the one for all else.
const SECOND: u64 = 0xfed9_1000;

/// 39 bits; one unit for graphics, one for the rest; memory kept for USB (128 KiB) and for
/// graphics (64 MiB). Seen: an ASUS ZenBook UX563FD.
#[must_use]
pub fn intel_laptop() -> Vec<u8> {
    Table::dmar(39, 1)
        .drhd(false, FIRST, &[endpoint(&[(2, 0)])])
        .drhd(true, SECOND, &[io_apic(2, 0, &[(0x1e, 7)]), hpet(&[(0x1e, 6)])])
        .rmrr(0x7a10_0000, 0x7a11_ffff, &[endpoint(&[(0x14, 0)])])
        .rmrr(0x7c00_0000, 0x7fff_ffff, &[endpoint(&[(2, 0)])])
        .seal()
}

/// 46 bits, x2APIC not wanted; four units, three of them for root ports on buses of their own;
/// memory kept for the two USB controllers together and for each; root ports that pass address
/// translation on. Seen: a Dell PowerEdge R820. The NUMA nodes are those of two sockets.
#[must_use]
pub fn intel_server() -> Vec<u8> {
    const USB: [Scope; 2] = [endpoint(&[(0x1a, 0)]), endpoint(&[(0x1d, 0)])];
    const PORTS: [&[(u8, u8)]; 4] = [&[(1, 0)], &[(2, 0)], &[(2, 2)], &[(3, 0)]];
    let ports = |bus: u8| PORTS.map(|port| bridge(bus, port));
    let on = |bus: u8, path| Scope { bus, ..endpoint(path) };
    let mut second = vec![io_apic(2, 0x40, &[(5, 4)])];
    second.extend(ports(0x40));
    second.extend([on(0x40, &[(5, 0)]), on(0x40, &[(5, 2)])]);
    Table::dmar(46, 3)
        .drhd(false, 0xd400_0000, &second)
        .drhd(false, 0xd000_0000, &[io_apic(3, 0x80, &[(5, 4)]), on(0x80, &[(5, 0)])])
        .drhd(false, 0xcc00_0000, &[io_apic(4, 0xc0, &[(5, 4)]), on(0xc0, &[(5, 0)])])
        .drhd(true, 0xdc00_0000, &[io_apic(0, 0, &[(0x1e, 1)]), io_apic(1, 0, &[(5, 4)]), hpet(&[(0xf, 0)])])
        .rmrr(0xb810_0000, 0xb811_ffff, &USB)
        .rmrr(0xb812_0000, 0xb812_0fff, &USB[..1])
        .rmrr(0xb812_1000, 0xb812_1fff, &USB[1..])
        .atsr(&[ports(0), ports(0x40)].concat())
        .rhsa(0xdc00_0000, 0)
        .rhsa(0xd400_0000, 1)
        .seal()
}

/// 39 bits, no interrupt remapping; units for graphics and for a Thunderbolt port, one for the
/// rest that has no address; memory kept for graphics. Seen: a Lenovo ThinkPad E15 Gen 2.
#[must_use]
pub fn intel_without_remapping() -> Vec<u8> {
    Table::dmar(39, 0)
        .drhd(false, FIRST, &[endpoint(&[(2, 0)])])
        .drhd(false, SECOND, &[bridge(0, &[(7, 0)])])
        .drhd(true, 0, &[])
        .rmrr(0x6c00_0000, 0x70ff_ffff, &[endpoint(&[(2, 0)])])
        .seal()
}

/// 39 bits; memory kept for the USB controller and for a function that is named by its own bus,
/// 17, instead of by the way to it. Seen: an ASUS Maximus VIII Formula.
#[must_use]
pub fn intel_odd_scope() -> Vec<u8> {
    let odd = Scope { bus: 0x11, ..endpoint(&[(0, 0)]) };
    Table::dmar(39, 1)
        .drhd(true, FIRST, &[io_apic(2, 0xf0, &[(0x1f, 0)]), hpet(&[(0x1f, 0)])])
        .rmrr(0x6e20_0000, 0x6e21_ffff, &[endpoint(&[(0x14, 0)]), odd])
        .seal()
}

/// 39 bits, neither interrupt remapping nor x2APIC; three regions: for a USB controller, for
/// the other ones and the management processor behind port 1c.4, and for that and whatever
/// stands in the slots behind ports 1, 3 and 9. Seen: an HP ProLiant DL360 G7.
#[must_use]
pub fn proliant() -> Vec<u8> {
    const MANAGEMENT: [Scope; 3] =
        [endpoint(&[(0x1c, 4), (0, 0)]), endpoint(&[(0x1c, 4), (0, 2)]), endpoint(&[(0x1c, 4), (0, 4)])];
    const USB: [Scope; 4] =
        [endpoint(&[(0x1d, 0)]), endpoint(&[(0x1d, 1)]), endpoint(&[(0x1d, 2)]), endpoint(&[(0x1d, 3)])];
    const SLOTS: [Scope; 7] = [
        endpoint(&[(1, 0), (0, 0)]),
        MANAGEMENT[0],
        MANAGEMENT[1],
        endpoint(&[(9, 0), (0, 0)]),
        endpoint(&[(9, 0), (0, 1)]),
        endpoint(&[(3, 0), (0, 0)]),
        endpoint(&[(3, 0), (0, 1)]),
    ];
    const PORTS: [&[(u8, u8)]; 7] =
        [&[(10, 0)], &[(9, 0)], &[(8, 0)], &[(7, 0)], &[(3, 0)], &[(2, 0)], &[(1, 0)]];
    Table::dmar(39, 2)
        .drhd(true, 0xe6ff_e000, &[io_apic(8, 0, &[(0x1e, 1)]), io_apic(0, 0, &[(0x13, 0)])])
        .rmrr(0xcf00_8000, 0xcf00_9fff, &[endpoint(&[(0x1d, 7)])])
        .rmrr(0xcf00_0000, 0xcf00_5fff, &[&USB[..], &MANAGEMENT].concat())
        .rmrr(0xcee0_0000, 0xcee1_ffff, &SLOTS)
        .atsr(&PORTS.map(|port| bridge(0, port)))
        .seal()
}

/// The IOMMU's own device id: 00:00.2.
const IOMMU: u16 = 0x0002;
/// Extended features, invented: prefetch, x2APIC, peripheral page requests, guest translation.
const FEATURES: u64 = 0x0000_0000_0000_0017;
/// The function that interrupts of the chipset come from: 00:14.0.
const CHIPSET: u16 = 0x00a0;
/// The controllers of the chipset that are in the ACPI name space only: 00:14.5.
const SERIAL: u16 = 0x00a5;

/// What an IOMMU covers: all buses from this device on, those of the last one as another
/// function, and the interrupts of the chipset.
fn covers(first: u16, chipset_apic: u8) -> [Entry; 5] {
    [
        Entry::Range(first, 0xfefe),
        Entry::Alias(0xff00, 0xffff, SERIAL),
        Entry::Hpet(0, CHIPSET),
        Entry::IoApic(chipset_apic, CHIPSET),
        Entry::IoApic(chipset_apic + 1, 0x0001),
    ]
}

/// The same, and two serial controllers, as type 40h has it.
fn covers_names(first: u16, chipset_apic: u8, more: &[Entry]) -> Vec<Entry> {
    let mut entries = covers(first, chipset_apic).to_vec();
    entries.push(Entry::Named(SERIAL, "AMDI0020", "\\_SB.UAR0"));
    entries.push(Entry::Named(SERIAL, "AMDI0020", "\\_SB.UAR1"));
    entries.extend(more);
    entries
}

/// Types 10h and 11h of one IOMMU, padding between their entries, no memory kept. Seen: an ASUS
/// PRIME X370-PRO.
#[must_use]
pub fn amd_desktop() -> Vec<u8> {
    let [range, alias, hpet, chipset, other] = covers(8, 0x11);
    let entries = [range, alias, Entry::Padding, hpet, chipset, other];
    Table::ivrs(AMD_INFO)
        .ivhd(0x10, IOMMU, 0xfea0_0000, 0, &entries)
        .ivhd(0x11, IOMMU, 0xfea0_0000, FEATURES, &entries)
        .seal()
}

/// Types 10h, 11h and 40h of one IOMMU; memory of 144 KiB excluded for 03:00.0, said once more in a
/// record of type 51h, which the specification does not have. Seen: a Lenovo ThinkPad T14 Gen 3.
#[must_use]
pub fn amd_laptop() -> Vec<u8> {
    const START: u64 = 0x6a20_0000;
    const LENGTH: u64 = 0x0002_4000;
    Table::ivrs(AMD_INFO)
        .ivhd(0x10, IOMMU, 0xfc80_0000, 0, &covers(8, 0x20))
        .ivhd(0x11, IOMMU, 0xfc80_0000, FEATURES, &covers(8, 0x20))
        .ivmd(Whom::One(0x0300), 8, START, LENGTH)
        .ivhd(0x40, IOMMU, 0xfc80_0000, FEATURES, &covers_names(8, 0x20, &[]))
        .raw(&[0x51, 8, 32, 0, 0, 3])
        .raw(&[0; 10])
        .raw(&START.to_le_bytes())
        .raw(&LENGTH.to_le_bytes())
        .seal()
}

/// Types 10h, 11h and 40h of one IOMMU; memory kept for two functions, mapped for 00:0c.0 (which
/// is a device of the name space too) and excluded for c4:00.7. Seen: an ASUS Zenbook S 16
/// UM5606WA.
#[must_use]
pub fn amd_two_regions() -> Vec<u8> {
    let security = Entry::Named(0x0060, "MSFT0201", "\\_SB.TPM0");
    Table::ivrs(AMD_INFO)
        .ivhd(0x10, IOMMU, 0xfc40_0000, 0, &covers(3, 0x21))
        .ivhd(0x11, IOMMU, 0xfc40_0000, FEATURES, &covers(3, 0x21))
        .ivmd(Whom::One(0x0060), 7, 0x6b10_0000, 0x0010_0000)
        .ivmd(Whom::One(0xc407), 8, 0x6a80_0000, 0x0002_0000)
        .ivhd(0x40, IOMMU, 0xfc40_0000, FEATURES, &covers_names(3, 0x21, &[security]))
        .seal()
}

/// Types 10h, 11h and 40h of one IOMMU; five regions excluded for every function of the
/// buses 0 to 15, each one byte long (of which the kernel makes a page). Seen: a Mechrevo WUJIE14XA.
#[must_use]
pub fn amd_all_buses() -> Vec<u8> {
    let table = Table::ivrs(AMD_INFO).ivhd(0x10, IOMMU, 0xfc40_0000, 0, &covers(3, 0x21)).ivhd(
        0x11,
        IOMMU,
        0xfc40_0000,
        FEATURES,
        &covers(3, 0x21),
    );
    [0x8a10_0000, 0x8c20_1000, 0x8c20_0000, 0x8c00_8000, 0x8c00_7000]
        .into_iter()
        .fold(table, |table, start| table.ivmd(Whom::Range(0, 0x0fff), 8, start, 1))
        .ivhd(0x40, IOMMU, 0xfc40_0000, FEATURES, &covers_names(3, 0x21, &[]))
        .seal()
}
