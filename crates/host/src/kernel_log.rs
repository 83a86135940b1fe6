//! What the live kernel says from a moment on: beside a virtual machine's own words, the
//! reason why it failed.

use passthru_formats::kmsg;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, SeekFrom};
use rustix::io::Errno as Os;

/// A place in the kernel's log.
#[derive(Debug)]
pub struct KernelLog {
    file: OwnedFd,
}

/// The most that is read, in bytes: a log that is flooded has said its reason before.
const MOST: usize = 1 << 20;

impl KernelLog {
    /// The log's end as it is now; `None` where it may not be read.
    #[must_use]
    pub fn from_now_on() -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open("/dev/kmsg", flags, Mode::empty()).ok()?;
        // Documentation/ABI/testing/dev-kmsg: after the last record.
        rustix::fs::seek(&file, SeekFrom::End(0)).ok()?;
        Some(Self { file })
    }

    /// What was said since.
    #[must_use]
    pub fn said(&self) -> Said {
        let mut records = Vec::new();
        let mut record = vec![0; 16 << 10];
        while records.len() < MOST {
            match rustix::io::read(&self.file, &mut record) {
                Ok(n @ 1..) => records.extend_from_slice(&record[..n]),
                Err(Os::INTR | Os::PIPE) => {}
                Ok(0) | Err(_) => break,
            }
        }
        parted(&records)
    }
}

/// What the kernel said, a message a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Its last words: what has to do with an end that came just now.
    pub last: String,
    /// What it said before them, which for a machine that ran for hours is another matter.
    pub before: String,
}

/// How long the last words take, in microseconds. A device that does not come back from a reset
/// is given up only after a minute, but that is the message that counts (`drivers/pci/pci.c`,
/// `PCIE_RESET_READY_POLL_MS`). Measured from the last message, as the kernel's clock is no
/// other's: where it was silent since, what it said last is all there is.
const LAST: u64 = 10_000_000;

fn parted(records: &[u8]) -> Said {
    let mut said = Said::default();
    let end = kmsg::parse(records).filter_map(|record| record.time).max().unwrap_or_default();
    for record in kmsg::parse(records) {
        let is_last = record.time.is_none_or(|time| time >= end.saturating_sub(LAST));
        let text = if is_last { &mut said.last } else { &mut said.before };
        text.push_str(&record.text);
        text.push('\n');
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_apart() {
        let log = b"4,7,1000000,-;early\n4,8,7200000000,-;at the edge\n4,9,7210000000,-;late\n DEVICE=x\n6,10,7205000000,-;odd\n";
        let said = parted(log);
        assert_eq!(said, Said { last: "at the edge\nlate\nodd\n".into(), before: "early\n".into() });
        assert_eq!(parted(b""), Said::default());
    }
}
