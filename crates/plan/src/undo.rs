//! What undoes a step. Pure, so that a plan can be undone from its journal by another
//! process, after a crash.

use passthru_model::Step;

/// The steps that undo one that was carried out, in order.
///
/// Undoing an unbind is the trap (`peers.md`): the override still names the vfio driver
/// at that moment, so that a plain probe would bind the device right back to it. It is
/// aimed at the driver that was there before, and put back as it was found afterwards.
#[must_use]
pub fn undo(step: &Step) -> Vec<Step> {
    match step {
        Step::LoadModule { .. } | Step::HoldDisk { .. } => Vec::new(),
        Step::OpenLease { lease } => vec![Step::CloseLease { lease: lease.clone() }],
        Step::CloseLease { lease } => vec![Step::OpenLease { lease: lease.clone() }],
        Step::SetOverride { device, before, value } => {
            vec![Step::SetOverride { device: *device, before: value.clone(), value: before.clone() }]
        }
        Step::Unbind { device, driver, override_now } => {
            let aim = Some(driver.clone());
            let mut steps = Vec::with_capacity(3);
            if *override_now != aim {
                let before = override_now.clone();
                steps.push(Step::SetOverride { device: *device, before, value: aim.clone() });
            }
            steps.push(Step::Probe { device: *device, driver: driver.clone() });
            if *override_now != aim {
                let value = override_now.clone();
                steps.push(Step::SetOverride { device: *device, before: aim, value });
            }
            steps
        }
        Step::SetAccess { device, node, before, value } => {
            vec![Step::SetAccess { device: *device, node: node.clone(), before: *value, value: *before }]
        }
        Step::Probe { device, driver } => {
            vec![Step::Unbind { device: *device, driver: driver.clone(), override_now: Some(driver.clone()) }]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unbind_is_undone_with_the_override_aimed_at_the_old_driver() {
        let device = "0000:01:00.0".parse().unwrap();
        let step = Step::Unbind { device, driver: "nvme".into(), override_now: Some("vfio-pci".into()) };
        let aim = |before: &str, value: &str| Step::SetOverride {
            device,
            before: Some(before.into()),
            value: Some(value.into()),
        };
        let probe = Step::Probe { device, driver: "nvme".into() };
        assert_eq!(undo(&step), [aim("vfio-pci", "nvme"), probe, aim("nvme", "vfio-pci")]);
    }
}
