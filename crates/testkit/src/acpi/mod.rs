//! ACPI tables that describe IOMMUs, as bytes made here: Intel's DMAR and AMD's IVRS.
//!
//! | module | holds |
//! |---|---|
//! | this one | [`Table`], record by record, with a header that fits |
//! | [`machines`] | whole tables, of the shapes that real machines have |
//!
//! It writes what firmware writes and knows nothing of the parsers, so that these can be tested
//! with it. Layouts: Intel Virtualization Technology for Directed I/O 4.1, chapter 8; AMD I/O
//! Virtualization Technology (IOMMU) Specification 48882, revision 3.09, chapter 5.2. All
//! numbers are little-endian; a length that does not fit its field is cut off.

pub mod machines;

/// `IVinfo` with 48 bits of physical and 64 bits of virtual addresses, where IVHDs say the
/// extended features (48882, 5.2.1: PASize 14:8, VASize 21:15, EFRSup 0).
pub const AMD_INFO: u32 = 48 << 8 | 64 << 15 | 1;

/// A device in a record of a DMAR (8.3.1), or an interrupt source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// 1: endpoint, 2: bridge, 3: I/O APIC, 4: HPET, 5: a name of the name space.
    pub kind: u8,
    /// Number of the I/O APIC, of the HPET or of the name; 0 for the others.
    pub id: u8,
    /// The bus on which the path begins.
    pub bus: u8,
    /// Device and function on each bus, from the first bus down.
    pub path: &'static [(u8, u8)],
}

/// A PCI function, by its way from bus 0.
#[must_use]
pub const fn endpoint(path: &'static [(u8, u8)]) -> Scope {
    Scope { kind: 1, id: 0, bus: 0, path }
}

/// A bridge and what is below it, by its way from a root bus.
#[must_use]
pub const fn bridge(bus: u8, path: &'static [(u8, u8)]) -> Scope {
    Scope { kind: 2, id: 0, bus, path }
}

/// An I/O APIC, which sends its messages as this function.
#[must_use]
pub const fn io_apic(id: u8, bus: u8, path: &'static [(u8, u8)]) -> Scope {
    Scope { kind: 3, id, bus, path }
}

/// A timer, which sends its messages as this function.
#[must_use]
pub const fn hpet(path: &'static [(u8, u8)]) -> Scope {
    Scope { kind: 4, id: 0, bus: 0, path }
}

impl Scope {
    fn bytes(self) -> Vec<u8> {
        let length = 6 + 2 * self.path.len();
        let mut bytes = vec![self.kind, length as u8, 0, 0, self.id, self.bus];
        bytes.extend(self.path.iter().flat_map(|(device, function)| [*device, *function]));
        bytes
    }
}

/// One entry of an IVHD (48882, 5.2.2.1). Device ids are bus, device and function in 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// From the first device to the last: two entries, types 3 and 4.
    Range(u16, u16),
    /// The same, their requests with the id at the end: types 43h and 4.
    Alias(u16, u16, u16),
    /// An HPET with this number, and the id it has: type 48h, variety 2.
    Hpet(u8, u16),
    /// An I/O APIC with this id, and the device id it has: type 48h, variety 1.
    IoApic(u8, u16),
    /// A device of the ACPI name space: its id, hardware id (up to eight characters) and path:
    /// type F0h, allowed in IVHDs of type 40h only.
    Named(u16, &'static str, &'static str),
    /// Four bytes of padding: type 0.
    Padding,
}

impl Entry {
    fn bytes(self) -> Vec<u8> {
        let four = |kind: u8, device: u16| {
            let [low, high] = device.to_le_bytes();
            vec![kind, low, high, 0]
        };
        let special = |handle: u8, device: u16, variety: u8| {
            let [low, high] = device.to_le_bytes();
            vec![0x48, 0, 0, 0, handle, low, high, variety]
        };
        match self {
            Self::Range(first, last) => [four(3, first), four(4, last)].concat(),
            Self::Alias(first, last, source) => {
                let [low, high] = source.to_le_bytes();
                [four(0x43, first), vec![0, low, high, 0], four(4, last)].concat()
            }
            Self::Hpet(number, device) => special(number, device, 2),
            Self::IoApic(id, device) => special(id, device, 1),
            Self::Named(device, hid, path) => {
                let mut bytes = four(0xf0, device);
                bytes.extend(hid.bytes().chain([0; 8]).take(8));
                // No compatible id; format 2 of the unique id, a path.
                bytes.extend([0; 8]);
                bytes.extend([2, path.len() as u8]);
                bytes.extend(path.bytes());
                bytes
            }
            Self::Padding => vec![0; 4],
        }
    }
}

/// To which devices memory of an IVMD belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// Type 21h: one.
    One(u16),
    /// Type 22h: from the first to the last.
    Range(u16, u16),
}

/// A table that is being made.
#[derive(Debug, Clone)]
pub struct Table {
    bytes: Vec<u8>,
}

impl Table {
    /// A header (ACPI Specification 6.5, table 5.4) with this signature of four letters, and
    /// nothing behind it.
    #[must_use]
    pub fn new(signature: &str) -> Self {
        let mut bytes: Vec<u8> = signature.bytes().chain([0; 4]).take(4).collect();
        // Length, revision, checksum; who made the table; revision, compiler and its revision.
        bytes.extend([0, 0, 0, 0, 1, 0]);
        bytes.extend(b"PTTESTPASSTHRU\x01\0\0\0PTTK\x01\0\0\0");
        Self { bytes }
    }

    /// A DMAR: widest address in bits (1 to 256), flags (bit 0: interrupts can be remapped, 1:
    /// leave x2APIC off, 2: protect DMA).
    #[must_use]
    pub fn dmar(address_width: u16, flags: u8) -> Self {
        Self::new("DMAR").raw(&[address_width.wrapping_sub(1) as u8, flags]).raw(&[0; 10])
    }

    /// An IVRS with this `IVinfo`.
    #[must_use]
    pub fn ivrs(info: u32) -> Self {
        Self::new("IVRS").raw(&info.to_le_bytes()).raw(&[0; 8])
    }

    /// These bytes as they are.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    /// A record of a DMAR: its type and what follows the length.
    fn record(self, kind: u16, body: &[u8], scopes: &[Scope]) -> Self {
        let scopes: Vec<u8> = scopes.iter().flat_map(|scope| scope.bytes()).collect();
        let length = (4 + body.len() + scopes.len()) as u16;
        self.raw(&kind.to_le_bytes()).raw(&length.to_le_bytes()).raw(body).raw(&scopes)
    }

    /// DRHD: a remapping unit of segment 0 with its registers at this address; with `all` for
    /// every device that no other unit names.
    #[must_use]
    pub fn drhd(self, all: bool, address: u64, scopes: &[Scope]) -> Self {
        let body = [&[u8::from(all), 0, 0, 0][..], &address.to_le_bytes()].concat();
        self.record(0, &body, scopes)
    }

    /// RMRR: memory of these devices, its first and last address (4 KiB aligned, the last one
    /// less).
    #[must_use]
    pub fn rmrr(self, start: u64, end: u64, scopes: &[Scope]) -> Self {
        let body = [&[0; 4][..], &start.to_le_bytes(), &end.to_le_bytes()].concat();
        self.record(1, &body, scopes)
    }

    /// ATSR: root ports that pass address translation on.
    #[must_use]
    pub fn atsr(self, scopes: &[Scope]) -> Self {
        self.record(2, &[0; 4], scopes)
    }

    /// RHSA: the NUMA node of the unit at this address.
    #[must_use]
    pub fn rhsa(self, address: u64, proximity: u32) -> Self {
        let body = [&[0; 4][..], &address.to_le_bytes(), &proximity.to_le_bytes()].concat();
        self.record(3, &body, &[])
    }

    /// IVHD of type 10h, 11h or 40h: an IOMMU of segment 0, its own device id, its registers and
    /// what it covers. `features` are the extended ones, which type 10h has not.
    #[must_use]
    pub fn ivhd(self, kind: u8, device: u16, address: u64, features: u64, entries: &[Entry]) -> Self {
        let entries: Vec<u8> = entries.iter().flat_map(|entry| entry.bytes()).collect();
        let head = if kind == 0x10 { 24 } else { 40 };
        let body = Self { bytes: Vec::new() }
            .raw(&[kind, 0x30])
            .raw(&((head + entries.len()) as u16).to_le_bytes())
            .raw(&device.to_le_bytes())
            // Where the capability stands in configuration space.
            .raw(&[0x40, 0])
            .raw(&address.to_le_bytes())
            // Segment, message number, and what the older registers say of features.
            .raw(&[0; 8]);
        let body = if kind == 0x10 { body } else { body.raw(&features.to_le_bytes()).raw(&[0; 8]) };
        self.raw(&body.bytes).raw(&entries)
    }

    /// IVMD: memory of these devices, its first address and length in bytes. Flags: 1 mapped one
    /// to one, 2 readable, 4 writable, 8 excluded from translation.
    #[must_use]
    pub fn ivmd(self, whom: Whom, flags: u8, start: u64, length: u64) -> Self {
        let (kind, first, last) = match whom {
            Whom::One(one) => (0x21, one, 0),
            Whom::Range(first, last) => (0x22, first, last),
        };
        self.raw(&[kind, flags, 32, 0])
            .raw(&first.to_le_bytes())
            .raw(&last.to_le_bytes())
            .raw(&[0; 8])
            .raw(&start.to_le_bytes())
            .raw(&length.to_le_bytes())
    }

    /// The table, its length and checksum set.
    #[must_use]
    pub fn seal(mut self) -> Vec<u8> {
        seal(&mut self.bytes);
        self.bytes
    }
}

/// Sets length and checksum of a table that has at least a header.
pub fn seal(bytes: &mut [u8]) {
    let length = bytes.len() as u32;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes[9] = 0;
    bytes[9] = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg();
}
