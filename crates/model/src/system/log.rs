//! What the kernel's log says of past trouble.

use passthru_pci::Address;

/// The lines of the kernel's log that a known text stands in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// Where it was read: `/dev/kmsg`, or a file a log daemon keeps.
    pub place: &'static str,
    /// Whether it has the beginning of the boot: the kernel overwrites the oldest messages, and
    /// daemons rotate their files, so that of a log without it nobody knows what else was said.
    pub whole: bool,
    /// One for each text and device, the last of its kind, in the order of the log.
    pub lines: Vec<LogLine>,
}

/// A text that was found in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its name in [`passthru_formats::messages`].
    pub name: &'static str,
    /// The device it names.
    pub device: Option<Address>,
    /// Microseconds from the boot to the last time; `None` where the log does not say.
    pub time: Option<u64>,
    /// How often it stands there.
    pub count: usize,
    /// The text, without what surrounds it.
    pub text: String,
}
