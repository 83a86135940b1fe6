//! Classes by the names lspci prints where it is not asked for numbers (pci.ids, `C` lines).

use passthru_pci::Class;

const NAMES: &[(&str, u16)] = &[
    ("Non-VGA unclassified device", 0x0000),
    ("VGA compatible unclassified device", 0x0001),
    ("SCSI storage controller", 0x0100),
    ("IDE interface", 0x0101),
    ("RAID bus controller", 0x0104),
    ("SATA controller", 0x0106),
    ("Serial Attached SCSI controller", 0x0107),
    ("Non-Volatile memory controller", 0x0108),
    ("Mass storage controller", 0x0180),
    ("Ethernet controller", 0x0200),
    ("Infiniband controller", 0x0207),
    ("Fabric controller", 0x0208),
    ("Network controller", 0x0280),
    ("VGA compatible controller", 0x0300),
    ("XGA compatible controller", 0x0301),
    ("3D controller", 0x0302),
    ("Display controller", 0x0380),
    ("Multimedia video controller", 0x0400),
    ("Multimedia audio controller", 0x0401),
    ("Audio device", 0x0403),
    ("Multimedia controller", 0x0480),
    ("RAM memory", 0x0500),
    ("Memory controller", 0x0580),
    ("Host bridge", 0x0600),
    ("ISA bridge", 0x0601),
    ("PCI bridge", 0x0604),
    ("CardBus bridge", 0x0607),
    ("Bridge", 0x0680),
    ("Serial controller", 0x0700),
    ("Parallel controller", 0x0701),
    ("Communication controller", 0x0780),
    ("PIC", 0x0800),
    ("SD Host controller", 0x0805),
    ("IOMMU", 0x0806),
    ("System peripheral", 0x0880),
    ("Input device controller", 0x0980),
    ("FireWire (IEEE 1394)", 0x0c00),
    ("USB controller", 0x0c03),
    ("USB Controller", 0x0c03),
    ("Fibre Channel", 0x0c04),
    ("SMBus", 0x0c05),
    ("InfiniBand", 0x0c06),
    ("IPMI Interface", 0x0c07),
    ("Wireless controller", 0x0d80),
    ("Encryption controller", 0x1080),
    ("Performance counters", 0x1101),
    ("Signal processing controller", 0x1180),
    ("Processing accelerators", 0x1200),
    ("Non-Essential Instrumentation", 0x1300),
    ("Unassigned class", 0xff00),
];

/// The class of this name.
pub(super) fn by_name(name: &str) -> Option<Class> {
    let found = NAMES.iter().find(|(known, _)| *known == name);
    found.map(|(_, code)| Class::new(u32::from(*code) << 8))
}
