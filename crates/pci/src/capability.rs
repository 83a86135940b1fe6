//! Names of capabilities, as people know them from lspci.

/// Short name of a capability id of the classic list (PCI Code and ID Assignment
/// Specification, "Capability IDs"), or `None` for one that is not known here.
#[must_use]
pub const fn name(id: u8) -> Option<&'static str> {
    Some(match id {
        0x01 => "power management",
        0x02 => "AGP",
        0x03 => "vital product data",
        0x04 => "slot identification",
        0x05 => "MSI",
        0x06 => "CompactPCI hot swap",
        0x07 => "PCI-X",
        0x08 => "HyperTransport",
        0x09 => "vendor specific",
        0x0a => "debug port",
        0x0b => "CompactPCI resource control",
        0x0c => "hot plug",
        0x0d => "bridge subsystem id",
        0x0e => "AGP 8x",
        0x0f => "secure device",
        0x10 => "PCI Express",
        0x11 => "MSI-X",
        0x12 => "SATA",
        0x13 => "advanced features",
        0x14 => "enhanced allocation",
        0x15 => "flattening portal bridge",
        _ => return None,
    })
}

/// Short name of an extended capability id (same specification, "Extended
/// Capability IDs"), or `None` for one that is not known here.
#[must_use]
pub const fn extended_name(id: u16) -> Option<&'static str> {
    Some(match id {
        0x0001 => "advanced error reporting",
        0x0002 | 0x0009 => "virtual channel",
        0x0003 => "device serial number",
        0x0004 => "power budgeting",
        0x0005 => "root complex link declaration",
        0x0006 => "root complex internal link control",
        0x0007 => "root complex event collector",
        0x0008 => "multi-function virtual channel",
        0x000a => "root complex register block",
        0x000b => "vendor specific",
        0x000d => "access control services",
        0x000e => "alternative routing-id",
        0x000f => "address translation services",
        0x0010 => "SR-IOV",
        0x0011 => "multi-root I/O virtualization",
        0x0012 => "multicast",
        0x0013 => "page request interface",
        0x0015 => "resizable BAR",
        0x0016 => "dynamic power allocation",
        0x0017 => "TPH requester",
        0x0018 => "latency tolerance reporting",
        0x0019 => "secondary PCI Express",
        0x001a => "protocol multiplexing",
        0x001b => "process address space id",
        0x001c => "lightweight notification",
        0x001d => "downstream port containment",
        0x001e => "L1 PM substates",
        0x001f => "precision time measurement",
        0x0021 => "function readiness status",
        0x0022 => "readiness time reporting",
        0x0023 => "designated vendor specific",
        0x0024 => "VF resizable BAR",
        0x0025 => "data link feature",
        0x0026 => "physical layer 16 GT/s",
        0x0027 => "lane margining",
        0x0028 => "hierarchy id",
        0x0029 => "native PCIe enclosure management",
        0x002a => "physical layer 32 GT/s",
        0x002b => "alternate protocol",
        0x002e => "data object exchange",
        0x002f => "device 3",
        0x0030 => "integrity and data encryption",
        0x0031 => "physical layer 64 GT/s",
        _ => return None,
    })
}

/// Extended capability id of Access Control Services (`include/uapi/linux/pci_regs.h`,
/// `PCI_EXT_CAP_ID_ACS`).
pub const ACS: u16 = 0x000d;
/// Extended capability id of Single Root I/O Virtualization (`PCI_EXT_CAP_ID_SRIOV`).
pub const SRIOV: u16 = 0x0010;
/// Capability id of PCI Express (`PCI_CAP_ID_EXP`).
pub const EXPRESS: u8 = 0x10;
/// Capability id of MSI (`PCI_CAP_ID_MSI`).
pub const MSI: u8 = 0x05;
/// Capability id of MSI-X (`PCI_CAP_ID_MSIX`).
pub const MSIX: u8 = 0x11;
