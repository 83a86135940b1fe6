//! `/proc/meminfo`, `/proc/PID/limits`, `/proc/PID/status`: single values out of tables.

use crate::line::lines;

/// The value of a key of `/proc/meminfo` (`MemTotal`), in bytes where it has the unit kB, else
/// as it stands there.
#[must_use]
pub fn value(text: &[u8], key: &str) -> Option<u64> {
    let words = after(text, key)?;
    let mut words = words.split_ascii_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    match words.next() {
        Some("kB") => number.checked_mul(1024),
        None => Some(number),
        Some(_) => None,
    }
}

/// The effective capabilities in `/proc/PID/status` (`CapEff`).
#[must_use]
pub fn effective_capabilities(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(after(text, "CapEff")?.trim(), 16).ok()
}

fn after(text: &[u8], key: &str) -> Option<String> {
    lines(text).find_map(|(_, line)| {
        let rest = line.strip_prefix(key.as_bytes())?.strip_prefix(b":")?;
        Some(String::from_utf8_lossy(rest).into_owned())
    })
}

/// A limit of `/proc/PID/limits` in bytes, soft and hard; inside, `None` is `unlimited`.
#[must_use]
pub fn limit(text: &[u8], name: &str) -> Option<(Option<u64>, Option<u64>)> {
    lines(text).find_map(|(_, line)| {
        let rest = line.strip_prefix(name.as_bytes())?;
        let rest = String::from_utf8_lossy(rest).into_owned();
        let mut words = rest.split_ascii_whitespace().map(|word| match word {
            "unlimited" => Some(None),
            number => number.parse().ok().map(Some),
        });
        Some((words.next()??, words.next()??))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let text = b"MemTotal:       16318412 kB\nHugePages_Total:       4\nHugepagesize:       2048 kB\nOdd: 1 MB\nBig: 18446744073709551615 kB\n";
        assert_eq!(value(text, "MemTotal"), Some(16_318_412 * 1024));
        assert_eq!(value(text, "HugePages_Total"), Some(4));
        for none in ["Mem", "Odd", "Big", "Gone"] {
            assert_eq!(value(text, none), None, "{none}");
        }
        assert_eq!(effective_capabilities(b"Name:\tx\nCapEff:\t000001ffffffffff\n"), Some(0x1ff_ffff_ffff));
        assert_eq!(effective_capabilities(b"CapEff:\tx\n"), None);
    }

    #[test]
    fn limits() {
        let text = b"Limit                     Soft Limit           Hard Limit           Units     \n\
            Max locked memory         8388608              unlimited            bytes     \n\
            Max file locks            unlimited            x                    locks\n";
        assert_eq!(limit(text, "Max locked memory"), Some((Some(8_388_608), None)));
        assert_eq!(limit(text, "Max file locks"), None);
        assert_eq!(limit(text, "Max nothing"), None);
    }
}
