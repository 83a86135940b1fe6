//! The kernel's log: records of `/dev/kmsg` (`Documentation/ABI/testing/dev-kmsg`), what
//! dmesg(1) prints, and lines of `journalctl -k` or `/var/log/kern.log`.
//!
//! Each line says itself of which form it is, so that a file may mix them; a line of none is
//! a message without a time. Whatever is no text is replaced, never refused.

use std::borrow::Cow;

use crate::line::lines;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// Microseconds since the boot; `None` where the form has no such time, or another
    /// clock (`dmesg -T`).
    pub time: Option<u64>,
    /// From 0, emergency, to 7, debugging (`include/linux/kern_levels.h`); `None` where it
    /// is not said.
    pub level: Option<u8>,
    /// Its number since the boot, from 0; `None` where the form has none (all but `/dev/kmsg`).
    pub number: Option<u64>,
    /// The message in one line, without control characters.
    pub text: Cow<'a, str>,
}

/// The messages, in their order; empty lines and the properties below a record
/// (` DEVICE=+pci:0000:01:00.0`) are passed over.
pub fn parse(log: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut raw = false;
    lines(log).filter_map(move |(_, line)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if raw && line.first() == Some(&b' ') {
            return None;
        }
        let record = record(line);
        raw = record.is_some();
        record.or_else(|| printed(line)).filter(|record| !record.text.is_empty())
    })
}

/// What a kernel says first, or nearly so, at each boot (`init/main.c`, `start_kernel`).
const FIRST: &str = "Linux version ";

/// The part of a log file that is about the last boot in it: from its last `Linux version`
/// on, which is the first thing a kernel says; all of it where there is none.
#[must_use]
pub fn last_boot(log: &[u8]) -> &[u8] {
    let mut before = log.len();
    while let Some(at) = memchr::memmem::rfind(&log[..before], FIRST.as_bytes()) {
        let start = memchr::memrchr(b'\n', &log[..at]).map_or(0, |newline| newline + 1);
        // Others may say it as well, with their name before it.
        if parse(&log[start..]).next().is_some_and(|record| record.text.starts_with(FIRST)) {
            return &log[start..];
        }
        before = start;
    }
    log
}

/// Whether a log has the beginning of the boot it is about. The kernel's buffer is a ring, whose
/// oldest records are overwritten, and a daemon's files are rotated.
#[must_use]
pub fn has_beginning(log: &[u8]) -> bool {
    let first = parse(last_boot(log)).next();
    first.is_some_and(|record| record.number == Some(0) || record.text.starts_with(FIRST))
}

/// `6,339,5140900,-;text`: facility and level, number, microseconds, flags, and what later
/// kernels may add.
fn record(line: &[u8]) -> Option<Record<'_>> {
    let semicolon = memchr::memchr(b';', line)?;
    let head = std::str::from_utf8(&line[..semicolon]).ok()?;
    let mut fields = head.split(',');
    let priority: u32 = number(fields.next()?)?;
    let sequence: u64 = number(fields.next()?)?;
    let time: u64 = number(fields.next()?)?;
    fields.next()?;
    let text = unescape(&line[semicolon + 1..]);
    Some(Record { time: Some(time), level: Some((priority & 7) as u8), number: Some(sequence), text })
}

/// `<6>[   12.345678][ T123] text`, `kern  :info  : [   12.345678] text`,
/// `Nov 21 14:46:41 host kernel: [   12.345678] text`.
fn printed(line: &[u8]) -> Option<Record<'_>> {
    let mut rest = line;
    // Who speaks stands before the first `kernel: `, and no time of the kernel's before that.
    let mark = b" kernel: ";
    let before = memchr::memmem::find(rest, mark).filter(|at| !rest[..*at].contains(&b'['));
    if let Some(at) = before {
        rest = &rest[at + mark.len()..];
    }
    let mut level = None;
    if let [b'<', middle @ ..] = rest
        && let Some(end) = memchr::memchr(b'>', middle)
        && let Some(priority) = ascii(&middle[..end]).and_then(number::<u32>)
    {
        level = Some((priority & 7) as u8);
        rest = &middle[end + 1..];
    }
    if let [facility, named, tail @ ..] = rest.splitn(3, |c| *c == b':').collect::<Vec<_>>().as_slice()
        && let Some(said) = LEVELS.iter().position(|name| named.trim_ascii() == name.as_bytes())
        && facility.trim_ascii().iter().all(u8::is_ascii_lowercase)
    {
        level = u8::try_from(said).ok();
        rest = tail.first().copied().unwrap_or(&[]).trim_ascii_start();
    }
    let mut time = None;
    while let [b'[', inside @ ..] = rest
        && let Some(end) = memchr::memchr(b']', inside)
    {
        let stamp = ascii(&inside[..end]).map(str::trim_start);
        match stamp.and_then(micros) {
            Some(at) if time.is_none() => time = Some(at),
            // CONFIG_PRINTK_CALLER: the task or processor that speaks; `dmesg -T`: a date.
            _ if stamp.is_some_and(|s| is_caller(s) || (time.is_none() && is_date(s))) => {}
            _ => break,
        }
        rest = &inside[end + 1..];
    }
    Some(Record { time, level, number: None, text: unescape(rest.trim_ascii_start()) })
}

/// As `dmesg --decode` writes them (util-linux, `sys-utils/dmesg.c`).
const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];

fn ascii(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii())
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())?
}

/// `12.345678`: seconds with six digits after the point.
fn micros(stamp: &str) -> Option<u64> {
    let (seconds, fraction) = stamp.split_once('.')?;
    let fraction: u64 = (fraction.len() == 6).then(|| number(fraction))??;
    number::<u64>(seconds)?.checked_mul(1_000_000)?.checked_add(fraction)
}

/// ` T123`, ` C0`.
fn is_caller(stamp: &str) -> bool {
    stamp.strip_prefix(['T', 'C']).and_then(number::<u32>).is_some()
}

/// `Sat Nov 21 14:46:41 2026`.
fn is_date(stamp: &str) -> bool {
    let words = stamp.split_ascii_whitespace().count();
    words == 5 && stamp.contains(':') && stamp.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Undoes `\x1b`-style escapes and makes one line of it.
fn unescape(text: &[u8]) -> Cow<'_, str> {
    let plain = |c: &u8| matches!(c, b' '..=b'~') && *c != b'\\';
    let text = text.trim_ascii_end();
    if text.iter().all(plain) {
        return String::from_utf8_lossy(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [c, tail @ ..] = rest {
        if let [b'\\', b'x', high, low, tail @ ..] = rest
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            bytes.push(high << 4 | low);
            rest = tail;
        } else {
            bytes.push(*c);
            rest = tail;
        }
    }
    let whole = String::from_utf8_lossy(&bytes);
    Cow::Owned(whole.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(log: &[u8]) -> Vec<(Option<u64>, Option<u8>, String)> {
        parse(log).map(|r| (r.time, r.level, r.text.into_owned())).collect()
    }

    #[test]
    fn records_of_dev_kmsg() {
        let log = b"6,339,5140900,-;NET: Registered PF_INET6 protocol family\n\
            30,340,5690716,c,more;udevd[80]: starting\n\
            4,341,5690800,-;vfio-pci 0000:01:00.0: BAR 1: can't\n SUBSYSTEM=pci\n DEVICE=+pci:0000:01:00.0\n\
            3,342,18446744073709551615,-;a\\x0ab\\x1b[31m\\xc3\\xa9 C:\\\\x\n";
        assert_eq!(
            all(log),
            [
                (Some(5_140_900), Some(6), "NET: Registered PF_INET6 protocol family".to_owned()),
                (Some(5_690_716), Some(6), "udevd[80]: starting".to_owned()),
                (Some(5_690_800), Some(4), "vfio-pci 0000:01:00.0: BAR 1: can't".to_owned()),
                (Some(u64::MAX), Some(3), "a b [31mé C:\\\\x".to_owned()),
            ]
        );
    }

    #[test]
    fn printed_lines() {
        for (line, time, level, text) in [
            ("[   12.345678] DMAR: IOMMU enabled", Some(12_345_678), None, "DMAR: IOMMU enabled"),
            ("[12345.000001] x: [mem 0x1]", Some(12_345_000_001), None, "x: [mem 0x1]"),
            ("[   15.591258][ T2942] mount", Some(15_591_258), None, "mount"),
            ("<4>[    1.000000] warn", Some(1_000_000), Some(4), "warn"),
            ("kern  :info  : [    0.500000] decoded", Some(500_000), Some(6), "decoded"),
            ("[Sat Nov 21 14:46:41 2026] dated", None, None, "dated"),
            ("Nov 21 14:46:41 host kernel: [    2.000000] vfio", Some(2_000_000), None, "vfio"),
            ("Nov 21 14:46:41 host kernel: vfio: x", None, None, "vfio: x"),
            ("2026-11-21T14:46:41.1+01:00 h kernel: DMAR: x", None, None, "DMAR: x"),
            ("[drm] Initialized", None, None, "[drm] Initialized"),
            ("plain", None, None, "plain"),
            ("6,a,3,-;no record", None, None, "6,a,3,-;no record"),
            ("[99999999999999999999.000000] far", None, None, "[99999999999999999999.000000] far"),
        ] {
            assert_eq!(all(line.as_bytes()), [(time, level, text.to_owned())], "{line}");
        }
        assert_eq!(all(b"\n\r\n \n[ 1.000000]\n"), []);
        // A continuation is one below a record only.
        assert_eq!(all(b" DEVICE=+pci:0000:01:00.0\n").len(), 1);
    }

    #[test]
    fn the_last_boot() {
        let log = b"x\nNov 1 h kernel: [ 0.000000] Linux version 6.1\na\nNov 2 h kernel: [ 0.000000] Linux version 6.2\nb\n";
        assert_eq!(last_boot(log), b"Nov 2 h kernel: [ 0.000000] Linux version 6.2\nb\n");
        assert_eq!(last_boot(b"a\nb"), b"a\nb");
        let quoted = b"6,0,0,-;Linux version 6.1\n6,9,9,-;boot says Linux version 5\n";
        assert_eq!(last_boot(quoted), quoted);
    }

    #[test]
    fn a_log_without_its_beginning() {
        for whole in [
            "6,0,0,-;microcode: updated early\n6,1,0,-;Linux version 6.1\n",
            "6,0,0,-;anything\n6,1,0,-;more\n",
            "end of the boot before\n[    0.000000] Linux version 6.1\n",
            "Nov 2 h kernel: [ 0.000000] Linux version 6.2\n",
        ] {
            assert!(has_beginning(whole.as_bytes()), "{whole}");
        }
        for rest in [
            "",
            "6,812,5140900,-;eth0: link is up\n",
            "[   12.345678] eth0: link is up\n",
            "6,7,1,-;a Linux version 6\n",
        ] {
            assert!(!has_beginning(rest.as_bytes()), "{rest}");
        }
    }

    proptest! {
        #[test]
        fn one_line_without_control_characters(
            log in prop::collection::vec(prop_oneof![4 => any::<u8>(), 1 => Just(b'\\'), 1 => Just(b'\n'), 1 => Just(b'[')], 0..300),
            head in prop_oneof![Just("6,1,2,-;"), Just("[ 1.000000] "), Just("<3>"), Just("Nov 1 h kernel: ")],
        ) {
            for record in parse(&[head.as_bytes(), &log].concat()) {
                prop_assert!(!record.text.is_empty() && !record.text.contains(char::is_control), "{record:?}");
                prop_assert!(record.level.is_none_or(|level| level < 8));
            }
            prop_assert!(log.ends_with(last_boot(&log)));
        }
    }
}
