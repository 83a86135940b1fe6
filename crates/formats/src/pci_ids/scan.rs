//! The pass over the file that both [`Names`](super::Names) and
//! [`excerpt`](super::excerpt) are made from.

use passthru_pci::{Class, Id};

use super::Wanted;

/// What a line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Vendor(u16),
    Device(Id),
    Subsystem(Id, Id),
    /// A subsystem whatever the device.
    Generic(Id),
    Base(u8),
    Subclass(u16),
    ProgIf(Class),
}

/// One line that was wanted.
pub(super) struct Line<'a> {
    pub(super) entry: Entry,
    /// The line without its end, of which a carriage return is the beginning.
    pub(super) raw: &'a [u8],
    pub(super) name: &'a [u8],
    /// For the first line of a block `S VVVV`, which has no name itself: its vendor.
    pub(super) opens: Option<u16>,
}

/// Which block the pass is in, and the entry of the first level it is below.
#[derive(Clone, Copy)]
enum Block {
    /// Nothing below is wanted.
    Skip,
    Vendor(u16, Option<Id>),
    Generic {
        vendor: u16,
        opened: bool,
    },
    Class(u8, Option<u8>),
}

/// pciutils reads lines into 1024 bytes (`lib/names-parse.c`, `MAX_LINE`), newline
/// and NUL included.
const LONGEST: usize = 1022;

/// A pass over the file, which may come in parts.
pub(super) struct Scan<'w> {
    sets: Sets<'w>,
    block: Block,
}

impl<'w> Scan<'w> {
    pub(super) fn new(wanted: &'w Wanted) -> Self {
        Self { sets: Sets::new(wanted), block: Block::Skip }
    }

    /// Calls `found` for each wanted line of the next part, which ends where a line does,
    /// in the order of the file.
    pub(super) fn part<'a>(&mut self, text: &'a [u8], mut found: impl FnMut(Line<'a>)) {
        let Self { sets, block } = self;
        let mut start = 0;
        while start < text.len() {
            // Most of the file goes this way: something below a vendor nobody asked for.
            if matches!(block, Block::Skip) && text[start] == b'\t' {
                start += next_block(&text[start..]);
                continue;
            }
            if let Block::Vendor(vendor, None) = *block
                && text[start] == b'\t'
            {
                let length = next_block(&text[start..]);
                let skipped = next_wanted(&text[start..start + length], sets.of_vendor(vendor));
                start += skipped;
                if skipped == length {
                    continue;
                }
            }
            let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |n| start + n);
            let line = &text[start..end];
            start = end + 1;
            match (line.first(), *block) {
                (None | Some(b'#'), _) => continue,
                (Some(b'\t'), Block::Vendor(_, None)) if line.get(1) == Some(&b'\t') => continue,
                _ => {}
            }
            let whole = &line[..memchr::memchr(b'\r', line).unwrap_or(line.len())];
            let line = trim(whole);
            if is_too_long(whole) || matches!(line.iter().find(|c| !is_blank(**c)), None | Some(b'#')) {
                continue;
            }
            let entry = match line {
                [b'\t', b'\t', rest @ ..] => second_level(rest, *block, sets),
                [b'\t', rest @ ..] => first_level(rest, block, sets),
                _ => top_level(line, block, sets),
            };
            let Some((entry, name)) = entry else { continue };
            let opens = match block {
                Block::Generic { vendor, opened } if !*opened => {
                    *opened = true;
                    Some(*vendor)
                }
                _ => None,
            };
            found(Line { entry, raw: whole, name, opens });
        }
    }
}

/// Where the next line begins that does not begin with a tab; the length of the text
/// where none does.
///
/// The loop over pieces of fixed size has no branch inside, so that the compiler makes
/// vector instructions of it: looking at every line instead was half the time of `list`.
fn next_block(text: &[u8]) -> usize {
    const PIECE: usize = 64;
    let ends = |pair: (&u8, &u8)| (*pair.0 == b'\n') & (*pair.1 != b'\t');
    let mut at = 0;
    while let (Some(piece), Some(behind)) = (text.get(at..at + PIECE), text.get(at + 1..=at + PIECE)) {
        if piece.iter().zip(behind).fold(false, |any, pair| any | ends(pair)) {
            break;
        }
        at += PIECE;
    }
    let rest = &text[at..];
    rest.iter().zip(rest.get(1..).unwrap_or_default()).position(ends).map_or(text.len(), |n| at + n + 1)
}

/// Where the first line of a vendor's block begins that is about a wanted device; the
/// length of the block where none is. Thousands of lines for a handful that are wanted:
/// their four digits as they stand there tell most of them apart.
fn next_wanted(block: &[u8], wanted: &[u32]) -> usize {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', block).chain(std::iter::once(block.len())) {
        let is_wanted = |digits: &[u8; 4]| wanted.contains(&(u32::from_ne_bytes(*digits) | LOWER));
        match block.get(start + 1..).and_then(<[u8]>::first_chunk) {
            Some(digits) if digits[0] != b'\t' && is_wanted(digits) => return start,
            _ => start = end + 1,
        }
    }
    block.len()
}

/// The wanted numbers as sorted lists, in the form they are looked up.
struct Sets<'a> {
    wanted: &'a Wanted,
    device_vendors: Vec<u16>,
    devices: Vec<u32>,
    /// The device part of each as the file writes it, beside `devices`.
    digits: Vec<u32>,
    bases: Vec<u8>,
    subclasses: Vec<u16>,
}

impl<'a> Sets<'a> {
    fn new(wanted: &'a Wanted) -> Self {
        let mut device_vendors: Vec<_> = wanted.devices.iter().map(|id| id.vendor).collect();
        let mut bases: Vec<_> = wanted.classes.iter().map(|c| c.base()).collect();
        let mut subclasses: Vec<_> = wanted.classes.iter().map(|c| c.code()).collect();
        device_vendors.dedup();
        bases.dedup();
        subclasses.dedup();
        Self {
            wanted,
            device_vendors,
            devices: wanted.devices.iter().map(|id| number(*id)).collect(),
            digits: wanted.devices.iter().map(|id| digits(id.device)).collect(),
            bases,
            subclasses,
        }
    }
}

impl Sets<'_> {
    /// The wanted devices of a vendor, as the file writes them.
    fn of_vendor(&self, vendor: u16) -> &[u32] {
        let from = self.devices.partition_point(|d| (d >> 16) < u32::from(vendor));
        let to = self.devices.partition_point(|d| (d >> 16) <= u32::from(vendor));
        &self.digits[from..to]
    }
}

/// Makes hexadecimal letters lower-case and leaves digits as they are.
const LOWER: u32 = 0x2020_2020;

/// Four hexadecimal digits as their bytes stand in the file.
fn digits(number: u16) -> u32 {
    let digit = |shift: u32| b"0123456789abcdef"[usize::from(number >> shift & 0xf)];
    u32::from_ne_bytes([digit(12), digit(8), digit(4), digit(0)]) | LOWER
}

fn number(id: Id) -> u32 {
    u32::from(id.vendor) << 16 | u32::from(id.device)
}

type Found<'a> = Option<(Entry, &'a [u8])>;

fn top_level<'a>(line: &'a [u8], block: &mut Block, sets: &Sets<'_>) -> Found<'a> {
    *block = Block::Skip;
    match line {
        [b'C', b' ', rest @ ..] => {
            let (base, name) = numbered(rest, 2)?;
            let base = base as u8;
            sets.bases.binary_search(&base).ok()?;
            *block = Block::Class(base, None);
            Some((Entry::Base(base), name))
        }
        [b'S', b' ', rest @ ..] => {
            let vendor = hex(rest, 4).filter(|_| rest.len() == 4)?;
            if sets.wanted.generic.iter().any(|s| s.vendor == vendor) {
                *block = Block::Generic { vendor, opened: false };
            }
            None
        }
        // Blocks of a kind that is yet to be invented.
        [b'A'..=b'Z', b' ', ..] => None,
        _ => {
            let (vendor, name) = numbered(line, 4)?;
            if sets.device_vendors.binary_search(&vendor).is_ok() {
                *block = Block::Vendor(vendor, None);
            }
            sets.wanted.vendors.contains(&vendor).then_some((Entry::Vendor(vendor), name))
        }
    }
}

fn first_level<'a>(rest: &'a [u8], block: &mut Block, sets: &Sets<'_>) -> Found<'a> {
    match block {
        Block::Skip => None,
        Block::Vendor(vendor, current) => {
            *current = None;
            let (device, name) = numbered(rest, 4)?;
            let id = Id { vendor: *vendor, device };
            sets.devices.binary_search(&number(id)).ok()?;
            *current = Some(id);
            Some((Entry::Device(id), name))
        }
        Block::Generic { vendor, .. } => {
            let (device, name) = numbered(rest, 4)?;
            let id = Id { vendor: *vendor, device };
            sets.wanted.generic.contains(&id).then_some((Entry::Generic(id), name))
        }
        Block::Class(base, current) => {
            *current = None;
            let (sub, name) = numbered(rest, 2)?;
            let code = u16::from(*base) << 8 | sub;
            sets.subclasses.binary_search(&code).ok()?;
            *current = Some(sub as u8);
            Some((Entry::Subclass(code), name))
        }
    }
}

fn second_level<'a>(rest: &'a [u8], block: Block, sets: &Sets<'_>) -> Found<'a> {
    match block {
        Block::Vendor(_, Some(id)) => {
            let vendor = hex(rest, 4).filter(|_| rest.get(4).copied().is_some_and(is_blank))?;
            let (device, name) = numbered(rest.get(5..)?, 4)?;
            let subsystem = Id { vendor, device };
            sets.wanted
                .subsystems
                .contains(&(id, subsystem))
                .then_some((Entry::Subsystem(id, subsystem), name))
        }
        Block::Class(base, Some(sub)) => {
            let (prog_if, name) = numbered(rest, 2)?;
            let class = Class::new(u32::from(base) << 16 | u32::from(sub) << 8 | u32::from(prog_if));
            sets.wanted.classes.contains(&class).then_some((Entry::ProgIf(class), name))
        }
        _ => None,
    }
}

/// `digits` hexadecimal digits, blanks, a name.
fn numbered(text: &[u8], digits: usize) -> Option<(u16, &[u8])> {
    let number = hex(text, digits)?;
    let rest = &text[digits..];
    let blanks = rest.iter().take_while(|c| is_blank(**c)).count();
    (blanks > 0 && blanks < rest.len()).then(|| (number, &rest[blanks..]))
}

fn hex(text: &[u8], digits: usize) -> Option<u16> {
    text.get(..digits)?.iter().try_fold(0u16, |n, &c| {
        let digit = match c {
            b'0'..=b'9' => c - b'0',
            b'a'..=b'f' => c - b'a' + 10,
            b'A'..=b'F' => c - b'A' + 10,
            _ => return None,
        };
        Some(n << 4 | u16::from(digit))
    })
}

/// Takes off one blank, as pciutils does.
fn trim(line: &[u8]) -> &[u8] {
    match line {
        [head @ .., b' ' | b'\t'] => head,
        _ => line,
    }
}

/// Whether the line, or the text an excerpt would have in its place, is too long.
fn is_too_long(line: &[u8]) -> bool {
    line.len() > LONGEST || (!line.is_ascii() && String::from_utf8_lossy(line).len() > LONGEST)
}

const fn is_blank(c: u8) -> bool {
    matches!(c, b' ' | b'\t')
}
