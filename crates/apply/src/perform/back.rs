//! A step taken back, and whether a host is where a plan was left: both know every state the
//! plan itself brings about.

use passthru_model::device::attribute_of;
use passthru_model::{Plan, Step};
use passthru_pci::Address;
use passthru_plan::undo::undo;

use super::{Performer, StepError};

impl Performer<'_> {
    /// Undoes one step of a plan. How far undoing had come may not be recorded (the disk was
    /// full, and then the process died), so every state the plan itself brings about is
    /// started from; only what somebody else made of the device is left alone.
    ///
    /// # Errors
    /// As [`Performer::perform`].
    pub(crate) fn undo(&mut self, plan: &Plan, step: &Step) -> Result<(), StepError> {
        for back in undo(step) {
            match &back {
                Step::SetOverride { device, before, value } => {
                    self.same(*device)?;
                    let found = self.read_override(*device, &attribute_of(*device, "driver_override"))?;
                    let before =
                        if overrides(plan, *device).contains(&found) { found } else { before.clone() };
                    self.perform(&Step::SetOverride { device: *device, before, value: value.clone() })?;
                }
                Step::Unbind { device, .. } => {
                    self.same(*device)?;
                    // It is back already.
                    if self.driver(*device)?.is_none_or(|on| Some(on) != first_driver(plan, *device)) {
                        self.perform(&back)?;
                    }
                }
                _ => self.perform(&back)?,
            }
        }
        Ok(())
    }

    /// Whether every device of a plan is as it is after the first `begun` of its steps, or
    /// after one less: the last may not have been done. One that is gone is as it may be.
    pub(crate) fn is_as_begun(&self, plan: &Plan, begun: usize) -> bool {
        let is_after = |device: Address, steps: usize| -> Result<bool, StepError> {
            let (mut driver, mut value) = (None, None);
            for step in plan.steps[..steps].iter().filter(|step| step.device() == Some(device)) {
                match step {
                    Step::SetOverride { value: to, .. } => value = Some(to.clone()),
                    Step::Unbind { .. } => driver = Some(None),
                    Step::Probe { driver: to, .. } => driver = Some(Some(to.clone())),
                    _ => {}
                }
            }
            self.same(device)?;
            let now = || self.read_override(device, &attribute_of(device, "driver_override"));
            Ok((driver.is_none() || Some(self.driver(device)?) == driver)
                && (value.is_none() || Some(now()?) == value))
        };
        let is_either = |device: Address| {
            [begun.saturating_sub(1), begun].into_iter().any(|steps| match is_after(device, steps) {
                Ok(is) => is,
                Err(error) => error.device_is_gone(),
            })
        };
        plan.steps.iter().filter_map(Step::device).all(is_either)
    }
}

/// Every override a device has before, during, or after a plan or its undoing.
fn overrides(plan: &Plan, device: Address) -> Vec<Option<String>> {
    let mut found = Vec::new();
    for step in plan.steps.iter().filter(|step| step.device() == Some(device)) {
        match step {
            Step::SetOverride { before, value, .. } => found.extend([before.clone(), value.clone()]),
            Step::Unbind { driver, override_now, .. } => {
                found.extend([Some(driver.clone()), override_now.clone()]);
            }
            _ => {}
        }
    }
    found
}

/// The driver a device is on before a plan, where the plan takes it from one.
fn first_driver(plan: &Plan, device: Address) -> Option<String> {
    plan.steps.iter().find_map(|step| match step {
        Step::Unbind { device: of, driver, .. } if *of == device => Some(driver.clone()),
        _ => None,
    })
}
