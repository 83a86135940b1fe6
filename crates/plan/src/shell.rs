//! The shell command a step is equivalent to: what `--dry-run` prints beside it, so that
//! nobody has to take passthru's word for what it does. And words quoted for a shell.

use passthru_model::Step;
use passthru_model::device::attribute_of;

/// One line a person could type as root. Steps that only passthru's own books know are
/// comments.
#[must_use]
pub fn command(step: &Step) -> String {
    match step {
        Step::LoadModule { module } => format!("modprobe {module}"),
        Step::HoldDisk { node, .. } => {
            format!("exec 9<{node}    # opened with O_EXCL, so that nobody can mount it meanwhile")
        }
        Step::OpenLease { lease } => {
            format!(
                "# note in /run/passthru/leases: {} was on {}",
                lease.device,
                none(lease.original_driver.as_deref())
            )
        }
        Step::CloseLease { lease } => format!("# strike {} from /run/passthru/leases", lease.device),
        Step::SetOverride { device, value, .. } => {
            let path = attribute_of(*device, "driver_override");
            match value {
                Some(driver) => format!("echo {driver} > {path}"),
                // An empty write does nothing; a newline clears (`kernel.md` 1).
                None => format!("echo > {path}"),
            }
        }
        Step::Unbind { device, .. } => {
            format!("echo {device} > {}", attribute_of(*device, "driver/unbind"))
        }
        Step::Probe { device, .. } => format!("echo {device} > /sys/bus/pci/drivers_probe"),
        Step::SetAccess { node, value, .. } => {
            format!("chown {}:{} {node} && chmod {:o} {node}", value.uid, value.gid, value.mode)
        }
    }
}

/// Words as a POSIX shell reads them back.
#[must_use]
pub fn line(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn none(driver: Option<&str>) -> &str {
    driver.unwrap_or("no driver")
}
