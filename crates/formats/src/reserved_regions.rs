//! `reserved_regions` of an IOMMU group: address ranges a device of the group must
//! not use for DMA, or must keep using (`drivers/iommu/iommu.c`,
//! `iommu_group_show_resv_regions`).

use crate::line::{LineError, fields, lines};
use crate::scalar::hex_u64;

const FORM: &str = "0xSTART 0xEND TYPE";

/// What a range is reserved for (`enum iommu_resv_type`, `include/linux/iommu.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind<'a> {
    /// `direct`: the firmware keeps using it (RMRR, IVMD); the kernel refuses VFIO
    /// for the whole group.
    Direct,
    /// `direct-relaxable`: like `direct`, but given up when the device is lent (USB,
    /// graphics).
    DirectRelaxable,
    /// `reserved`: never mapped.
    Reserved,
    /// `msi`: where interrupt messages are written to.
    Msi,
    /// A word that is not known here.
    Other(&'a str),
}

impl<'a> Kind<'a> {
    /// The kernel's word for it.
    #[must_use]
    pub const fn word(self) -> &'a str {
        match self {
            Self::Direct => "direct",
            Self::DirectRelaxable => "direct-relaxable",
            Self::Reserved => "reserved",
            Self::Msi => "msi",
            Self::Other(word) => word,
        }
    }
}

/// One range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region<'a> {
    /// First address.
    pub start: u64,
    /// Last address, included.
    pub end: u64,
    /// What it is reserved for.
    pub kind: Kind<'a>,
}

/// Reads a `reserved_regions` file, a region or an error per line.
pub fn parse(text: &[u8]) -> impl Iterator<Item = Result<Region<'_>, LineError>> {
    lines(text).map(|(number, line)| region(line).ok_or_else(|| LineError::new(number, FORM, line)))
}

fn region(line: &[u8]) -> Option<Region<'_>> {
    let mut words = fields(line).map(|f| std::str::from_utf8(f).ok());
    let start = hex_u64(words.next()??)?;
    let end = hex_u64(words.next()??)?;
    let kind = match words.next()?? {
        "direct" => Kind::Direct,
        "direct-relaxable" => Kind::DirectRelaxable,
        "reserved" => Kind::Reserved,
        "msi" => Kind::Msi,
        other => Kind::Other(other),
    };
    (words.next().is_none() && start <= end).then_some(Region { start, end, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_with_a_firmware_range() {
        let text = b"0x00000000bf7ee000 0x00000000bf80dfff direct-relaxable\n\
            0x00000000e2000000 0x00000000e20fffff direct\n\
            0x00000000fee00000 0x00000000feefffff msi\n0x0 0xff new-kind\n";
        let all: Vec<_> = parse(text).map(Result::unwrap).collect();
        assert_eq!(all.len(), 4);
        assert_eq!(all[0], Region { start: 0xbf7e_e000, end: 0xbf80_dfff, kind: Kind::DirectRelaxable });
        assert_eq!(all[1].kind, Kind::Direct);
        assert_eq!(all[2].kind.word(), "msi");
        assert_eq!(all[3].kind, Kind::Other("new-kind"));
    }

    #[test]
    fn one_bad_line_hides_only_itself() {
        let text = b"0x0 0x1 msi\nnonsense\n0x5 0x4 msi\n0x0 0x1 msi extra\n0x2 0x3 reserved";
        let all: Vec<_> = parse(text).map(|r| r.map(|r| r.start).map_err(|e| e.line)).collect();
        assert_eq!(all, [Ok(0), Err(2), Err(3), Err(4), Ok(2)]);
    }
}
