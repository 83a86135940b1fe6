//! One step, done and read back. Every step is "make it so": where it is so already,
//! nothing is written, so that undoing and recovering may repeat what was done.

use std::time::Duration;

use passthru_formats::Errno;
use passthru_host::source::read_text;
use passthru_model::Step;
use passthru_model::device::attribute_of;
use passthru_pci::Address;

use crate::books::{BooksError, Guard};
use crate::target::Hold;

/// How often, and how far apart, a driver link is looked at before it counts as missing.
/// Probing through `drivers_probe` is synchronous (`drivers/base/dd.c`,
/// `device_attach`): the link is there on return, or it never comes.
const LOOKS: u32 = 5;
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

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
    /// Whether the device is not there any more: nothing of it can be done or undone.
    #[must_use]
    pub fn device_is_gone(&self) -> bool {
        matches!(self, Self::Look { path, error } if error.is_absent() && path.starts_with("/sys/bus/pci/devices/"))
    }

    /// Whether the host is certainly as it was before the step.
    #[must_use]
    pub const fn without_effect(&self) -> bool {
        matches!(self, Self::Changed { .. } | Self::Held { .. } | Self::Module { .. } | Self::Look { .. })
    }
}

/// Carries out steps under a lock and keeps what is held between them.
pub struct Performer<'a> {
    guard: &'a Guard<'a>,
    holds: Vec<(Address, Hold)>,
}

impl<'a> Performer<'a> {
    /// A performer that holds nothing yet.
    #[must_use]
    pub const fn new(guard: &'a Guard<'a>) -> Self {
        Self { guard, holds: Vec::new() }
    }

    /// Does one step and reads back that it worked.
    ///
    /// # Errors
    /// Why it did not; see [`StepError::without_effect`].
    pub fn perform(&mut self, step: &Step) -> Result<(), StepError> {
        match step {
            Step::LoadModule { module } => self.load(module),
            Step::HoldDisk { device, node } => {
                let hold = self
                    .guard
                    .target
                    .hold(node)
                    .map_err(|error| StepError::Held { node: node.clone(), error })?;
                self.holds.push((*device, hold));
                Ok(())
            }
            Step::OpenLease { lease } => Ok(self.guard.write_lease(lease)?),
            Step::CloseLease { lease } => Ok(self.guard.remove_lease(lease.device)?),
            Step::SetOverride { device, before, value } => {
                self.set_override(*device, before.as_deref(), value.as_deref())
            }
            Step::Unbind { device, driver, .. } => {
                let done = self.unbind(*device, driver);
                // The disks are gone with the driver; before undoing, they must be free.
                self.holds.retain(|(held, _)| held != device);
                done
            }
            Step::Probe { device, driver } => self.probe(*device, driver),
        }
    }

    /// Lets go of every disk that is still held.
    pub fn let_go(&mut self) {
        self.holds.clear();
    }

    fn load(&self, module: &str) -> Result<(), StepError> {
        let failed = |why: String| StepError::Module { module: module.to_owned(), why };
        let out = self
            .guard
            .target
            .change(&["modprobe", "--", module])
            .map_err(|error| failed(error.to_string()))?;
        match out.code {
            Some(0) => Ok(()),
            code => {
                let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
                let code = code.map_or_else(|| "ended by a signal".into(), |c| format!("exit code {c}"));
                Err(failed(if said.is_empty() { code } else { said }))
            }
        }
    }

    fn set_override(
        &self,
        device: Address,
        before: Option<&str>,
        value: Option<&str>,
    ) -> Result<(), StepError> {
        let path = attribute_of(device, "driver_override");
        let found = self.read_override(&path)?;
        if found.as_deref() == value {
            return Ok(());
        }
        if found.as_deref() != before {
            return Err(StepError::Changed {
                what: path,
                expected: unset(before),
                found: unset(found.as_deref()),
            });
        }
        // A zero-length write does nothing; a newline clears it.
        self.write(&path, value.unwrap_or("\n"))?;
        let found = self.read_override(&path).map_err(|error| not_seen(error, &unset(value)))?;
        if found.as_deref() != value {
            return Err(StepError::NotSo {
                what: path,
                expected: unset(value),
                found: unset(found.as_deref()),
            });
        }
        Ok(())
    }

    fn read_override(&self, path: &str) -> Result<Option<String>, StepError> {
        let text = read_text(self.guard.target, path)
            .map_err(|error| StepError::Look { path: path.to_owned(), error })?;
        Ok(if text.is_empty() || text == "(null)" { None } else { Some(text) })
    }

    fn unbind(&self, device: Address, driver: &str) -> Result<(), StepError> {
        match self.driver(device)? {
            None => return Ok(()),
            Some(found) if found == driver => {}
            Some(found) => {
                return Err(StepError::Changed {
                    what: format!("the driver of {device}"),
                    expected: driver.to_owned(),
                    found,
                });
            }
        }
        self.write(&attribute_of(device, "driver/unbind"), &device.to_string())?;
        match self.driver(device).map_err(|error| not_seen(error, "none"))? {
            None => Ok(()),
            Some(found) => Err(StepError::NotSo {
                what: format!("the driver of {device}"),
                expected: "none".into(),
                found,
            }),
        }
    }

    fn probe(&self, device: Address, driver: &str) -> Result<(), StepError> {
        match self.driver(device)? {
            Some(found) if found == driver => return Ok(()),
            Some(found) => {
                return Err(StepError::Changed {
                    what: format!("the driver of {device}"),
                    expected: "none".into(),
                    found,
                });
            }
            None => {}
        }
        // Its success says nothing: it is 0 also when no driver took the device.
        self.write("/sys/bus/pci/drivers_probe", &device.to_string())?;
        let look = || self.driver(device).map_err(|error| not_seen(error, driver));
        let mut found = look()?;
        for _ in 0..LOOKS {
            if found.is_some() {
                break;
            }
            self.guard.target.pause(LOOK_INTERVAL);
            found = look()?;
        }
        match found {
            Some(found) if found == driver => Ok(()),
            found => {
                // The wrong driver took it: leave it as the step found it, on none. Where
                // that fails too, undoing meets it and says so.
                if let Some(wrong) = &found {
                    let _ = self.unbind(device, wrong);
                }
                Err(StepError::NotSo {
                    what: format!("the driver of {device}"),
                    expected: driver.to_owned(),
                    found: found.unwrap_or_else(|| "none".into()),
                })
            }
        }
    }

    fn driver(&self, device: Address) -> Result<Option<String>, StepError> {
        driver(self.guard, device)
    }

    fn write(&self, path: &str, text: &str) -> Result<(), StepError> {
        self.guard.target.write_attribute(path, text).map_err(|error| StepError::Write {
            path: path.to_owned(),
            text: text.trim_end().to_owned(),
            error,
        })
    }
}

/// The driver a device is on.
pub(crate) fn driver(guard: &Guard<'_>, device: Address) -> Result<Option<String>, StepError> {
    let path = attribute_of(device, "driver");
    match guard.target.link(&path) {
        Ok(target) => Ok(target.rsplit('/').next().map(str::to_owned)),
        Err(error) if error.is_absent() => {
            // No link means no driver only while the device itself is there.
            let directory = attribute_of(device, "uevent");
            guard.target.stat(&directory).map_err(|error| StepError::Look { path: directory, error })?;
            Ok(None)
        }
        Err(error) => Err(StepError::Look { path, error }),
    }
}

/// Looking failed after something was written: that is no longer a step without effect.
fn not_seen(error: StepError, expected: &str) -> StepError {
    match error {
        StepError::Look { path, error } => StepError::NotSo {
            what: path,
            expected: expected.to_owned(),
            found: format!("not to be seen: {error}"),
        },
        other => other,
    }
}

fn unset(value: Option<&str>) -> String {
    value.map_or_else(|| "unset".into(), |v| format!("'{v}'"))
}
