//! Lists of CPUs (or NUMA nodes), `0-3,8`: `local_cpulist`, `/sys/devices/system/node/online`
//! (`lib/vsprintf.c`, `bitmap_list_string`).

use std::fmt;
use std::str::FromStr;

/// A set of CPU numbers, as ascending ranges that neither touch nor overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuList {
    ranges: Vec<(u32, u32)>,
}

/// A text is no list of CPUs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{part}' in a list of CPUs is neither a number nor a range such as 0-3")]
pub struct ParseCpuListError {
    /// The part that is wrong, cut after 40 characters.
    pub part: String,
}

impl CpuList {
    /// First and last CPU of each range, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges
    }

    /// Whether the CPU is in the list.
    #[must_use]
    pub fn contains(&self, cpu: u32) -> bool {
        self.ranges.iter().any(|&(first, last)| (first..=last).contains(&cpu))
    }

    /// How many CPUs are in the list.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|&(first, last)| u64::from(last - first) + 1).sum()
    }
}

impl FromStr for CpuList {
    type Err = ParseCpuListError;

    /// Reads what the kernel prints; an empty text (a node without CPUs) is an empty
    /// list. Ranges in any order, also overlapping ones, are put in order.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim_ascii();
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        if text.is_empty() {
            return Ok(Self { ranges });
        }
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            match (number(first), number(last)) {
                (Some(first), Some(last)) if first <= last => ranges.push((first, last)),
                _ => return Err(ParseCpuListError { part: part.chars().take(40).collect() }),
            }
        }
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(previous) if first <= previous.1.saturating_add(1) => {
                    previous.1 = previous.1.max(last);
                }
                _ => merged.push((first, last)),
            }
        }
        Ok(Self { ranges: merged })
    }
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, &(first, last)) in self.ranges.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first}-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        for (text, shown, count) in [
            ("0-3,8\n", "0-3,8", 5),
            ("0", "0", 1),
            ("\n", "", 0),
            ("0-15,32-47", "0-15,32-47", 32),
            ("8,0-3,4", "0-4,8", 6),
            ("0-9,3-4", "0-9", 10),
            ("0-4294967295", "0-4294967295", 1 << 32),
        ] {
            let list: CpuList = text.parse().unwrap();
            assert_eq!((list.to_string().as_str(), list.count()), (shown, count), "{text:?}");
            assert_eq!(list.to_string().parse(), Ok(list));
        }
        let list: CpuList = "0-3,8".parse().unwrap();
        assert!(list.contains(3) && list.contains(8) && !list.contains(4));
    }

    #[test]
    fn no_lists() {
        for bad in [",", "1,", "-1", "3-1", "0-", "a", "0x1", "4294967296", "1 2", "0--3", "+1"] {
            assert!(bad.parse::<CpuList>().is_err(), "{bad:?}");
        }
    }
}
