//! The ACPI tables by which firmware describes IOMMUs (`/sys/firmware/acpi/tables`).
//!
//! Layouts are those of `include/acpi/actbl1.h` and `actbl2.h` in Linux; each type names its
//! specification. Nothing is believed: a table whose header, checksum or records do not add up
//! gives an error that says where, because half a table would give a wrong answer.
//!
//! | module | holds |
//! |---|---|
//! | this one | [`AcpiError`]; the header, walking records |
//! | [`dmar`] | Intel: remapping units, reserved memory |
//! | [`ivrs`] | AMD: IOMMUs, memory that stays mapped |
//! | [`viot`] | virtio-iommu |
//! | [`iort`] | Arm: SMMUs, root complexes |

pub mod dmar;
pub mod iort;
pub mod ivrs;
mod reader;
#[cfg(test)]
mod tests;
pub mod viot;

use std::fmt;

use reader::Reader;

/// Length of the header that all tables have, in bytes (ACPI Specification 6.5, table 5.4).
pub const HEADER: usize = 36;

/// Why a table is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcpiError {
    /// The signature of the table that was expected, such as `DMAR`.
    pub table: &'static str,
    /// The record it is about; `None` for the table as a whole.
    pub record: Option<RecordAt>,
    /// What is wrong.
    pub problem: Problem,
}

/// Which record of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordAt {
    /// Its place among the table's records, from 1.
    pub number: usize,
    /// Its type, as the table writes it.
    pub kind: u16,
    /// Offset of its first byte from the table's, in bytes.
    pub offset: usize,
}

/// What is wrong with a table or a record. Lengths are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is less than a header.
    #[error("it has {0} bytes, which is less than a header")]
    NoHeader(usize),
    /// Another table.
    #[error("its signature is another one")]
    Signature,
    /// The header's length is not that of the file.
    #[error("its header says {said} bytes, there are {there}")]
    Length {
        /// What the header says.
        said: usize,
        /// What there is.
        there: usize,
    },
    /// The bytes do not add up to 0; what they add up to.
    #[error("its bytes add up to {0:#04x} instead of 0 (checksum)")]
    Checksum(u8),
    /// A record, or something in it, is shorter than what it has to hold.
    #[error("{what} has {length} bytes and needs {least}")]
    Short {
        /// What is too short.
        what: &'static str,
        /// Its length.
        length: usize,
        /// The least it can have.
        least: usize,
    },
    /// A record, or something in it, goes on behind the end of what it stands in.
    #[error("{what} has {length} bytes, {left} are left")]
    Long {
        /// What is too long.
        what: &'static str,
        /// Its length.
        length: usize,
        /// What is left for it.
        left: usize,
    },
    /// A value that makes no sense where it stands.
    #[error("{what} cannot be {value:#x}")]
    Value {
        /// What has this value.
        what: &'static str,
        /// The value.
        value: u64,
    },
}

impl fmt::Display for AcpiError {
    /// `DMAR, record 2 (type 1) at 0x68: its length has 0 bytes and needs 24`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.table)?;
        if let Some(RecordAt { number, kind, offset }) = self.record {
            write!(f, ", record {number} (type {kind:#x}) at {offset:#x}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for AcpiError {}

/// Whether one of the parsers understands this table.
#[must_use]
pub fn is_understood(bytes: &[u8]) -> bool {
    dmar::parse(bytes).is_ok()
        || ivrs::parse(bytes).is_ok()
        || viot::parse(bytes).is_ok()
        || iort::parse(bytes).is_ok()
}

/// Checks the header and gives a reader that stands behind it.
fn open<'a>(table: &'static str, bytes: &'a [u8]) -> Result<Reader<'a>, AcpiError> {
    let fail = |problem| Err(AcpiError { table, record: None, problem });
    let Some(&[a, b, c, d]) = bytes.get(4..8).filter(|_| bytes.len() >= HEADER) else {
        return fail(Problem::NoHeader(bytes.len()));
    };
    if !bytes.starts_with(table.as_bytes()) {
        return fail(Problem::Signature);
    }
    let said = u32::from_le_bytes([a, b, c, d]) as usize;
    if said != bytes.len() {
        return fail(Problem::Length { said, there: bytes.len() });
    }
    match bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) {
        0 => Ok(Reader::new(bytes, HEADER)),
        sum => fail(Problem::Checksum(sum)),
    }
}

/// What an error inside a record of a table becomes.
fn at(table: &'static str, record: RecordAt) -> impl Fn(Problem) -> AcpiError {
    move |problem| AcpiError { table, record: Some(record), problem }
}

/// What an error in the fixed part of a table becomes.
fn whole(table: &'static str) -> impl Fn(Problem) -> AcpiError {
    move |problem| AcpiError { table, record: None, problem }
}
