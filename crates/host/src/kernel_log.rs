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

    /// What was said since, a message a line.
    #[must_use]
    pub fn said(&self) -> String {
        let mut records = Vec::new();
        let mut record = vec![0; 16 << 10];
        while records.len() < MOST {
            match rustix::io::read(&self.file, &mut record) {
                Ok(n @ 1..) => records.extend_from_slice(&record[..n]),
                Err(Os::INTR | Os::PIPE) => {}
                Ok(0) | Err(_) => break,
            }
        }
        let mut text = String::new();
        for record in kmsg::parse(&records) {
            text.push_str(&record.text);
            text.push('\n');
        }
        text
    }
}
