//! The kernel's log: the buffer itself, else what a log daemon keeps of it.

use passthru_formats::errno::Errno;
use passthru_formats::messages::{self, Program};
use passthru_formats::{audit, kmsg};
use passthru_model::Fact;
use passthru_model::system::{Log, LogLine};

use crate::ask::{Asker, means_absent};

/// The live buffer, and files in which a host that is only a copy may have one.
pub(crate) const PLACES: [&str; 3] = ["/dev/kmsg", "/var/log/dmesg", "/var/log/kern.log"];

pub(super) fn read(ask: &mut Asker<'_>) -> Fact<Log> {
    for place in PLACES {
        match ask.read(place) {
            Ok(buffer) => {
                let log = Log { place, whole: kmsg::has_beginning(&buffer), lines: known(&buffer) };
                ask.give_back(buffer);
                return Fact::Known(log);
            }
            // A copy may have the node itself, of which nothing can be read.
            Err(error) if means_absent(error) || matches!(error, Errno::ENODATA | Errno::EINVAL) => {}
            Err(error) => return ask.failed(None, "log", place, error),
        }
    }
    Fact::Absent
}

/// That auditd runs: it writes its number there, and takes the file away when it ends.
const RUNS: &str = "/run/auditd.pid";

/// What auditd keeps, where it runs. Where it runs and its file is not there, it writes elsewhere.
pub(super) fn audit(ask: &mut Asker<'_>) -> Fact<Log> {
    match ask.source.stat(RUNS) {
        Ok(_) => {}
        // Captures from before this was asked do not say.
        Err(Errno::ENODATA) => return Fact::NotRead,
        Err(error) => return ask.failed(None, "audit", RUNS, error),
    }
    let kept = match ask.source.lines(audit::PATH, &audit::matters) {
        Ok(kept) => kept,
        Err(error) if means_absent(error) => return Fact::Unreadable(error),
        Err(error) => return ask.failed(None, "audit", audit::PATH, error),
    };
    let (log, whole) = audit::last_boot(&kept);
    let mut text = String::new();
    for refusal in audit::refusals(log) {
        text.push_str(&refusal);
        text.push('\n');
    }
    Fact::Known(Log { place: audit::PATH, whole, lines: hits(&text, &[]) })
}

/// The lines in which a known text stands.
fn known(log: &[u8]) -> Vec<LogLine> {
    let mut text = String::with_capacity(log.len());
    let mut times = Vec::new();
    for record in kmsg::parse(kmsg::last_boot(log)) {
        text.push_str(&record.text);
        text.push('\n');
        times.push(record.time);
    }
    hits(&text, &times)
}

/// The known texts in a text, those of one name and device as one; `times` are those of its lines.
fn hits(text: &str, times: &[Option<u64>]) -> Vec<LogLine> {
    let mut lines: Vec<LogLine> = Vec::new();
    for hit in messages::scan(text, &[Program::Kernel]) {
        let before = lines.iter().position(|l| l.name == hit.text.name && l.device == hit.device);
        let count = before.map_or(0, |at| lines.remove(at).count) + 1;
        lines.push(LogLine {
            name: hit.text.name,
            device: hit.device,
            time: times.get(hit.line - 1).copied().flatten(),
            count,
            text: hit.matched,
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_each_text_and_device() {
        let log = "6,1,100,-;Linux version 6.1\n4,2,200,-;vfio-pci 0000:01:00.0: not ready 1023ms after FLR; waiting\n\
            4,3,300,-;vfio-pci 0000:02:00.0: not ready 1023ms after FLR; waiting\n4,4,400,-;unrelated\n\
            4,5,500,-;vfio-pci 0000:01:00.0: not ready 2047ms after FLR; waiting\n";
        let lines: Vec<_> = known(log.as_bytes()).into_iter().map(|l| (l.time, l.count, l.text)).collect();
        assert_eq!(
            lines,
            [
                (Some(300), 1, "0000:02:00.0: not ready 1023ms after FLR; waiting".to_owned()),
                (Some(500), 2, "0000:01:00.0: not ready 2047ms after FLR; waiting".to_owned()),
            ]
        );
    }
}
