//! Why the virtual machine failed: what its program and the kernel said meanwhile, compared
//! with the texts that are known, so that the last line is the reason and not an exit code.

use std::os::fd::OwnedFd;

use anstyle::Style;
use passthru_apply::tee::Tee;
use passthru_host::kernel_log::KernelLog;
use passthru_pci::Address;
use passthru_plan::explain::{Recognised, causes, reasons};
use passthru_plan::vm::{Kind, VmPlan};

use crate::commands::check::Read;
use crate::context::Context;
use crate::terminal::{clean, say};

/// What listens while the machine runs.
pub(super) struct Ear {
    program: Option<Tee>,
    kernel: Option<KernelLog>,
}

impl Ear {
    /// Begins. The descriptor is the error output for the machine's program, where that is
    /// listened to: QEMU only, as others may care whether it is a terminal. What cannot be
    /// had is done without: it is not what was asked for.
    pub(super) fn listen(machine: &VmPlan) -> (Self, Option<OwnedFd>) {
        let tee = matches!(machine.kind, Kind::Qemu { .. }).then(Tee::start).and_then(Result::ok);
        let (program, error_output) = tee.unzip();
        (Self { program, kernel: KernelLog::from_now_on() }, error_output)
    }

    /// Says the reason, if it is a known one, and whether this host has the cause.
    pub(super) fn tell_why(self, context: &Context, devices: &[Address]) {
        let program = self.program.map(Tee::tail).unwrap_or_default();
        let kernel = self.kernel.map(|log| log.said()).unwrap_or_default();
        let found = reasons(&program, &[&kernel.last, &kernel.before], devices);
        let Some(reason) = found.last() else { return };
        for one in &found {
            context.note(&format!("{} says: {}", one.program.name(), one.text));
        }
        for line in here(context, reason, devices) {
            context.note(&line);
        }
        let bold = Style::new().bold();
        say(&format!("{bold}reason:{bold:#} {}", clean(&last(reason))));
    }
}

/// The last line.
fn last(reason: &Recognised) -> String {
    let signature = reason.signature;
    format!("{}: {} More: passthru explain {}", signature.title, signature.meaning, signature.id)
}

/// What the checks find of the causes, and what to do about it.
fn here(context: &Context, reason: &Recognised, devices: &[Address]) -> Vec<String> {
    let Ok(live) = context.live() else { return Vec::new() };
    let Ok(read) = Read::new(context, &*live, Some(devices.to_vec()), None) else { return Vec::new() };
    let judged = read.judge(&read.host());
    let causes = causes(reason, &read.snapshot, &judged);
    let found = causes.iter().filter(|cause| !cause.id.starts_with("log-"));
    let found =
        found.flat_map(|cause| cause.judged.iter().flat_map(|j| j.verdict.findings()).map(|f| (cause.id, f)));
    let mut lines = Vec::new();
    for (id, finding) in found {
        lines.push(format!("here: {id}: {}; {}", finding.summary, finding.remedy.text));
        lines.extend(finding.remedy.commands.iter().map(|command| format!("  {command}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_a_reason() {
        let found = reasons("vfio 0000:01:00.0: group 1 is not viable\n", &[], &[]);
        assert_eq!(
            last(&found[0]),
            "a companion is on a host driver: Another device of the IOMMU group is still bound to a driver of the \
             host, so VFIO gives out none of them. More: passthru explain companions"
        );
    }
}
