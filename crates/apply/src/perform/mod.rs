//! One step, done and read back. Every step is "make it so": where it is so already,
//! nothing is written, so that undoing and recovering may repeat what was done.

mod back;
mod error;

use std::time::Duration;

use passthru_formats::{Errno, scalar};
use passthru_host::source::{Source, read_text};
use passthru_model::device::attribute_of;
use passthru_model::{Access, Plan, Step};
use passthru_pci::{Address, Id};
use passthru_plan::patience;

use crate::books::Guard;
use crate::target::{Hold, WriteError};

pub use error::StepError;
use error::shown;

/// How often, and how far apart, a driver link is looked at before it counts as missing.
/// Probing through `drivers_probe` is synchronous (`drivers/base/dd.c`,
/// `device_attach`): the link is there on return, or it never comes.
const LOOKS: u32 = 5;
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Where a device's address is written for the kernel to look for a driver.
const PROBE: &str = "/sys/bus/pci/drivers_probe";

/// Carries out steps under a lock and keeps what is held between them.
pub struct Performer<'a> {
    guard: &'a Guard<'a>,
    holds: Vec<(Address, Hold)>,
    /// Which devices the plan is about: ids and subsystem ids.
    known: Vec<(Address, Id, Option<Id>)>,
}

impl<'a> Performer<'a> {
    /// A performer that holds nothing yet.
    #[must_use]
    pub const fn new(guard: &'a Guard<'a>) -> Self {
        Self { guard, holds: Vec::new(), known: Vec::new() }
    }

    /// Writes nothing to another device than those this plan's leases tell of, although it
    /// stands at the same address: cards are pulled and plugged.
    #[must_use]
    pub fn about(mut self, plan: &Plan) -> Self {
        let lease = |step: &Step| match step {
            Step::OpenLease { lease } | Step::CloseLease { lease } => {
                Some((lease.device, lease.id, lease.subsystem))
            }
            _ => None,
        };
        self.known.extend(plan.steps.iter().filter_map(lease));
        self
    }

    /// Under which lock.
    pub(crate) const fn guard(&self) -> &'a Guard<'a> {
        self.guard
    }

    /// Does one step and reads back that it worked.
    ///
    /// # Errors
    /// Why it did not; see [`StepError::without_effect`].
    pub fn perform(&mut self, step: &Step) -> Result<(), StepError> {
        let limit = patience::limit(step, self.guard.write_limit);
        if let Step::SetOverride { device, .. } | Step::Unbind { device, .. } | Step::Probe { device, .. } =
            step
        {
            self.same(*device)?;
        }
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
                self.set_override(*device, before.as_deref(), value.as_deref(), limit)
            }
            Step::Unbind { device, driver, .. } => {
                let done = self.unbind(*device, driver, limit);
                // The disks are gone with the driver; before undoing, they must be free.
                self.holds.retain(|(held, _)| held != device);
                done
            }
            Step::Probe { device, driver } => self.probe(*device, driver, limit),
            Step::SetAccess { node, before, value, .. } => self.set_access(node, before, value),
        }
    }

    /// Whether the device is the one that was planned for, as far as a lease tells.
    pub(crate) fn same(&self, device: Address) -> Result<(), StepError> {
        let number = |name: &str| -> Result<u16, StepError> {
            let path = attribute_of(device, name);
            // Neither waits for the device's lock (`drivers/pci/pci-sysfs.c`, `pci_config_attr`).
            let text = read_text(self.guard.target, &path);
            text.and_then(|text| {
                scalar::hex_u64(&text).and_then(|n| u16::try_from(n).ok()).ok_or(Errno::EINVAL)
            })
            .map_err(|error| StepError::Look { path, error })
        };
        for (_, id, subsystem) in self.known.iter().filter(|(known, ..)| *known == device) {
            for (expected, vendor, name) in
                [(Some(*id), "vendor", "device"), (*subsystem, "subsystem_vendor", "subsystem_device")]
            {
                let Some(expected) = expected else { continue };
                let found = Id { vendor: number(vendor)?, device: number(name)? };
                if found != expected {
                    return Err(StepError::Replaced { device, expected, found });
                }
            }
        }
        Ok(())
    }

    /// Looks whether somebody has the device's lock and does not give it back.
    ///
    /// # Errors
    /// [`StepError::Stuck`] where that is so; [`StepError::Look`] where it cannot be seen.
    pub(crate) fn look(&self, device: Address) -> Result<(), StepError> {
        self.read_override(device, &attribute_of(device, "driver_override")).map(drop)
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
        limit: Duration,
    ) -> Result<(), StepError> {
        let path = attribute_of(device, "driver_override");
        let found = self.read_override(device, &path)?;
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
        self.write(device, &path, value.unwrap_or("\n"), limit)?;
        let found = self.read_override(device, &path).map_err(|error| error.after_write(&unset(value)))?;
        if found.as_deref() != value {
            return Err(StepError::NotSo {
                what: path,
                expected: unset(value),
                found: unset(found.as_deref()),
            });
        }
        Ok(())
    }

    fn read_override(&self, device: Address, path: &str) -> Result<Option<String>, StepError> {
        let target = self.guard.target;
        let text = read_text(target, path).map_err(|error| {
            let path = path.to_owned();
            // Whoever holds the device's lock does not come back: a write that a process now
            // dead began, or somebody else's. What we would write would wait for it too.
            match target.waits(&path).filter(|_| error == Errno::ETIMEDOUT) {
                Some(task) => {
                    StepError::Stuck { device, path, text: String::new(), task, limit: patience::READ }
                }
                None => StepError::Look { path, error },
            }
        })?;
        Ok(if text.is_empty() || text == "(null)" { None } else { Some(text) })
    }

    fn set_access(&self, node: &str, before: &Access, value: &Access) -> Result<(), StepError> {
        let found = self.access(node)?;
        if found == *value {
            return Ok(());
        }
        if found != *before {
            return Err(StepError::Changed {
                what: node.to_owned(),
                expected: words(before),
                found: words(&found),
            });
        }
        self.guard.target.set_access(node, value).map_err(|error| StepError::Write {
            path: node.to_owned(),
            text: words(value),
            error,
        })?;
        let found = self.access(node).map_err(|error| error.after_write(&words(value)))?;
        if found != *value {
            let (expected, found) = (words(value), words(&found));
            return Err(StepError::NotSo { what: node.to_owned(), expected, found });
        }
        Ok(())
    }

    fn access(&self, node: &str) -> Result<Access, StepError> {
        access(self.guard.target, node)
    }

    fn unbind(&self, device: Address, driver: &str, limit: Duration) -> Result<(), StepError> {
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
        self.write(device, &attribute_of(device, "driver/unbind"), &device.to_string(), limit)?;
        match self.driver(device).map_err(|error| error.after_write("none"))? {
            None => Ok(()),
            Some(found) => Err(StepError::NotSo {
                what: format!("the driver of {device}"),
                expected: "none".into(),
                found,
            }),
        }
    }

    fn probe(&self, device: Address, driver: &str, limit: Duration) -> Result<(), StepError> {
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
        self.write(device, PROBE, &device.to_string(), limit)?;
        let look = || self.driver(device).map_err(|error| error.after_write(driver));
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
                // that fails too, undoing meets it and says so; but not what hangs, for what
                // undoing does first need not wait for it.
                if let Some(wrong) = &found
                    && let Err(stuck @ StepError::Stuck { .. }) = self.unbind(device, wrong, limit)
                {
                    return Err(stuck);
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

    fn write(&self, device: Address, path: &str, text: &str, limit: Duration) -> Result<(), StepError> {
        self.guard.target.write_attribute(path, text, limit).map_err(|error| {
            let (path, text) = (path.to_owned(), shown(text));
            match error {
                WriteError::Failed(error) => StepError::Write { path, text, error },
                WriteError::Stuck(task) => StepError::Stuck { device, path, text, task, limit },
            }
        })
    }
}

/// Owner and mode of a device node.
///
/// # Errors
/// [`StepError::Look`] where it is not there or cannot be looked at; [`StepError::NotSo`]
/// where something else than a device stands there.
pub fn access(source: &dyn Source, node: &str) -> Result<Access, StepError> {
    let stat = source.stat(node).map_err(|error| StepError::Look { path: node.to_owned(), error })?;
    // S_IFCHR (stat(2)).
    if stat.mode & 0o170_000 != 0o020_000 {
        let (expected, found) = ("a character device".into(), format!("of mode {:o}", stat.mode));
        return Err(StepError::NotSo { what: node.to_owned(), expected, found });
    }
    Ok(Access { uid: stat.uid, gid: stat.gid, mode: stat.mode & 0o7777 })
}

fn words(access: &Access) -> String {
    format!("of user {}, group {}, mode {:o}", access.uid, access.gid, access.mode)
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

fn unset(value: Option<&str>) -> String {
    value.map_or_else(|| "unset".into(), |v| format!("'{v}'"))
}
