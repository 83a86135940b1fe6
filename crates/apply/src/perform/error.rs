//! Why a step failed, and what that says about the host.

use std::time::Duration;

use passthru_formats::Errno;
use passthru_model::device::attribute_of;
use passthru_model::{Step, Task};
use passthru_pci::{Address, Id};

use super::PROBE;
use crate::books::BooksError;

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The host is not as the plan says it must be before this step; nothing was written.
    #[error("{what} is {found}, not {expected}, as it was when this was planned; somebody else changed it")]
    Changed {
        /// What was looked at.
        what: String,
        /// How it must be.
        expected: String,
        /// How it is.
        found: String,
    },
    /// A write failed.
    #[error("writing '{text}' to {path}: {error}")]
    Write {
        /// The attribute.
        path: String,
        /// What was written.
        text: String,
        /// What the kernel answered.
        error: Errno,
    },
    /// A write has not come back; or a read, because somebody else's write has not.
    #[error("{}", stuck(.path, .text, .task, *.limit))]
    Stuck {
        /// The device it is about.
        device: Address,
        /// The attribute.
        path: String,
        /// What is written; empty for a read.
        text: String,
        /// Who waits, and in what.
        task: Task,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The write succeeded, and the host is not as it should be then.
    #[error("{what} is {found} after the write, not {expected}")]
    NotSo {
        /// What was looked at.
        what: String,
        /// How it should be.
        expected: String,
        /// How it is.
        found: String,
    },
    /// Something could not be looked at.
    #[error("cannot look at {path}: {error}")]
    Look {
        /// The path.
        path: String,
        /// Why.
        error: Errno,
    },
    /// A disk could not be held.
    #[error("{node} is in use after all: {error}")]
    Held {
        /// The node.
        node: String,
        /// What opening it exclusively answered.
        error: Errno,
    },
    /// Another device stands where this one was; nothing was written to it.
    #[error("{device} is another device now ({found}, not {expected})")]
    Replaced {
        /// Where.
        device: Address,
        /// The ids of the device the plan is about.
        expected: Id,
        /// The ids of the one that is there.
        found: Id,
    },
    /// A module could not be loaded.
    #[error("modprobe {module}: {why}")]
    Module {
        /// The module.
        module: String,
        /// What modprobe said.
        why: String,
    },
    /// The books could not be kept.
    #[error(transparent)]
    Books(#[from] BooksError),
}

impl StepError {
    /// The error of a step whose write was begun by somebody who is dead, and has not come
    /// back; `None` for steps that write nothing.
    #[must_use]
    pub(crate) fn left_behind(step: &Step, task: Task, limit: Duration) -> Option<Self> {
        let (device, path, text) = written(step)?;
        Some(Self::Stuck { device, path, text, task, limit })
    }

    /// The device that is stuck, where that is the error.
    pub(crate) const fn stuck(&self) -> Option<Address> {
        match self {
            Self::Stuck { device, .. } => Some(*device),
            _ => None,
        }
    }

    /// Whether the device, or its node, is not there any more: nothing of it can be done or
    /// undone.
    #[must_use]
    pub fn device_is_gone(&self) -> bool {
        let ours = |path: &str| path.starts_with("/sys/bus/pci/devices/") || path.starts_with("/dev/vfio/");
        match self {
            Self::Look { path, error } => error.is_absent() && ours(path),
            Self::Replaced { .. } => true,
            _ => false,
        }
    }

    /// Whether the host is certainly as it was before the step.
    #[must_use]
    pub const fn without_effect(&self) -> bool {
        matches!(
            self,
            Self::Changed { .. }
                | Self::Held { .. }
                | Self::Module { .. }
                | Self::Look { .. }
                | Self::Replaced { .. }
        )
    }

    /// Looking failed after something was written: that is no longer a step without effect.
    pub(super) fn after_write(self, expected: &str) -> Self {
        match self {
            Self::Look { path, error } => Self::NotSo {
                what: path,
                expected: expected.to_owned(),
                found: format!("not to be seen: {error}"),
            },
            other => other,
        }
    }
}

/// What a step writes: the attribute, and the text.
fn written(step: &Step) -> Option<(Address, String, String)> {
    let (device, path, text) = match step {
        Step::SetOverride { device, value, .. } => {
            (*device, attribute_of(*device, "driver_override"), shown(value.as_deref().unwrap_or_default()))
        }
        Step::Unbind { device, .. } => (*device, attribute_of(*device, "driver/unbind"), device.to_string()),
        Step::Probe { device, .. } => (*device, PROBE.to_owned(), device.to_string()),
        _ => return None,
    };
    Some((device, path, text))
}

/// A text that is written, to be told: the newline that clears an override as `\\n`.
pub(super) fn shown(text: &str) -> String {
    match text.trim_end() {
        "" => "\\n".into(),
        text => text.to_owned(),
    }
}

fn stuck(path: &str, text: &str, task: &Task, limit: Duration) -> String {
    let place = if task.waits_in.is_empty() { String::new() } else { format!(" in {}", task.waits_in) };
    let call =
        if text.is_empty() { format!("reading {path}") } else { format!("writing '{text}' to {path}") };
    format!("{call} has not come back after {} s: process {} waits{place}", limit.as_secs(), task.pid)
}
