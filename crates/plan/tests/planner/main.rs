//! What is decided about hosts that stand on the fake kernel and were read through the
//! readers: who uses a device, whether it can be lent, what is refused and in which words,
//! and which steps a plan has.
//!
//! | module | asks |
//! |---|---|
//! | `uses` | the chains from a device to what depends on it |
//! | `lending` | the one-word judgement of `list` |
//! | `bind` | plans and refusals of `bind` |
//! | `grant` | letting a user use the nodes |
//! | `release` | plans and refusals of `release` |
//! | `select` | what a name means |

mod bind;
mod grant;
mod lending;
mod release;
mod select;
mod uses;

use passthru_model::plan::NoPlan;
use passthru_model::{Plan, Reason, Refusal, Snapshot};
use passthru_pci::Address;
use passthru_plan::shell::command;
use passthru_testkit::fake::{Kernel, Part};

/// The disk that most tests are about.
const DISK: &str = "0000:01:00.0";

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn nvme() -> Part {
    Part::new(DISK, 0x01_0802).on("nvme").disk("nvme0n1", 0, &["nvme0n1p1", "nvme0n1p2"])
}

fn host(parts: impl IntoIterator<Item = Part>) -> Kernel {
    Kernel::with_parts(parts)
}

/// Everything about a host.
fn snapshot(kernel: &Kernel) -> Snapshot {
    kernel.snapshot(&[])
}

/// The steps as the shell lines of `--dry-run`, paths shortened.
fn lines(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| command(step).replace("/sys/bus/pci/devices/0000:", "")).collect()
}

fn refusals(result: Result<Plan, NoPlan>) -> Vec<Refusal> {
    match result {
        Err(NoPlan::Refused(refusals)) => refusals,
        other => panic!("{other:?}"),
    }
}

/// Device and reason of each refusal.
fn reasons(result: Result<Plan, NoPlan>) -> Vec<(String, Reason)> {
    refusals(result).into_iter().map(|r| (r.device.short(), r.reason)).collect()
}
