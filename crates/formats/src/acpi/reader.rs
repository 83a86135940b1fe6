//! Little-endian numbers out of bytes, without a panic.

use super::Problem;

/// Reads on from a place in a table.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    /// The whole table, up to the end of what is being read.
    bytes: &'a [u8],
    /// Offset of the next byte.
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { bytes, offset }
    }

    /// Offset of the next byte from the table's first.
    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    /// How many bytes are left.
    pub(super) const fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.offset)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// The bytes that are left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.offset..).unwrap_or(&[])
    }

    /// A number at a distance from here, where there is one.
    pub(super) fn peek_u8(&self, distance: usize) -> Option<u8> {
        self.rest().get(distance).copied()
    }

    pub(super) fn peek_u16(&self, distance: usize) -> Option<u16> {
        let bytes = self.rest().get(distance..distance.checked_add(2)?)?;
        Some(u16::from_le_bytes(bytes.try_into().ok()?))
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Problem> {
        let left = self.left();
        let bytes = self.rest().first_chunk::<N>().ok_or(Problem::Long { what, length: N, left })?;
        self.offset += N;
        Ok(*bytes)
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, Problem> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, Problem> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, Problem> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, Problem> {
        self.array(what).map(u64::from_le_bytes)
    }

    pub(super) fn skip(&mut self, count: usize, what: &'static str) -> Result<(), Problem> {
        let left = self.left();
        if left < count {
            return Err(Problem::Long { what, length: count, left });
        }
        self.offset += count;
        Ok(())
    }

    /// The next `length` bytes as a reader of their own, from their first byte on; this one
    /// goes on behind them. They must be at least `least`.
    pub(super) fn part(&mut self, length: usize, least: usize, what: &'static str) -> Result<Self, Problem> {
        if length < least {
            return Err(Problem::Short { what, length, least });
        }
        let left = self.left();
        if length > left {
            return Err(Problem::Long { what, length, left });
        }
        let end = self.offset + length;
        let part = Self { bytes: self.bytes.get(..end).unwrap_or(&[]), offset: self.offset };
        self.offset = end;
        Ok(part)
    }
}

/// Text up to the first zero byte, bytes that are not ASCII as U+FFFD.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let shown = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '\u{fffd}' };
    bytes.iter().take(end).map(shown).collect()
}
