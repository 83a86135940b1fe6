//! The predicted group of a device in words: why its companions are with it, whether another
//! slot would help, and where the kernel has it otherwise.

use passthru_model::{Device, Snapshot};
use passthru_pci::Address;
use passthru_plan::groups::compare::{self, Comparison, Difference};
use passthru_plan::groups::slots::{Advice, advice};
use passthru_plan::groups::{Group, Override, Prediction, When, predict};

/// The prediction, and what the kernel has.
pub(crate) struct Predicted {
    pub(crate) prediction: Prediction,
    pub(crate) comparison: Comparison,
}

impl Predicted {
    /// From a snapshot with [`passthru_model::Wants::topology`].
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let prediction = predict(snapshot);
        let comparison = compare::compare(snapshot, &prediction);
        Self { prediction, comparison }
    }

    /// Whether the kernel has the device in the group that is predicted; `None` where one of
    /// the two is not known.
    pub(crate) fn agrees(&self, snapshot: &Snapshot, device: &Device) -> Option<bool> {
        let certain = self.prediction.group(device.address)?.doubts.is_empty();
        (certain && snapshot.iommu_active() && device.group.known().is_some())
            .then(|| self.difference(snapshot, device).is_none())
    }

    fn difference(&self, snapshot: &Snapshot, device: &Device) -> Option<&Difference> {
        compare::about(&self.comparison, snapshot, &self.prediction, device.address)
    }

    /// What another slot would change.
    pub(crate) fn advice(&self, snapshot: &Snapshot, device: &Device) -> Option<Advice> {
        let group = self.prediction.group(device.address).filter(|group| group.doubts.is_empty())?;
        advice(snapshot, &self.prediction, group, device.address)
    }

    /// The lines that follow the group's members in `show`.
    pub(crate) fn lines(&self, snapshot: &Snapshot, device: &Device) -> Vec<String> {
        let Some(group) = self.prediction.group(device.address) else { return Vec::new() };
        let known = device.group.known().and_then(|number| snapshot.groups.get(number));
        let mut lines = Vec::new();
        if self.prediction.when == When::WithIommu {
            lines.extend(beforehand(group, device.address));
        }
        if !group.doubts.is_empty() {
            // Alone in the kernel's group: nothing is to be explained.
            if known.is_none_or(|known| known.members.len() > 1) {
                let first = if known.is_some() { "why cannot be told" } else { "cannot be predicted" };
                lines.extend(group.doubt_lines().into_iter().map(|line| format!("{first}: {line}")));
            }
            return lines;
        }
        let difference = self.difference(snapshot, device);
        if let Some(Difference::Finer { .. }) = difference {
            lines.extend(finer(snapshot, group, device.address));
        }
        if let Some(Difference::Coarser { .. }) = difference {
            lines.push(match group.members.len() {
                1 => "by the hardware it would be alone: the kernel knows or assumes more".into(),
                _ => format!("by the hardware only with {}", others(group, device.address)),
            });
        }
        lines.extend(group.lines().into_iter().map(|line| format!("because {line}")));
        lines.extend(self.advice(snapshot, device).map(|advice| advice.words()));
        lines
    }
}

fn others(group: &Group, device: Address) -> String {
    let others: Vec<String> =
        group.members.iter().filter(|m| **m != device).map(ToString::to_string).collect();
    others.join(", ")
}

/// What the group will be.
fn beforehand(group: &Group, device: Address) -> Option<String> {
    if !group.doubts.is_empty() {
        return None;
    }
    Some(match group.members.len() {
        1 => "with an IOMMU at work it will be alone in its group".into(),
        _ => format!("with an IOMMU at work it will be in one group with {}", others(group, device)),
    })
}

fn finer(snapshot: &Snapshot, group: &Group, device: Address) -> Vec<String> {
    let with = others(group, device);
    let cause = if compare::explained_by_override(snapshot).is_some() {
        "pcie_acs_override on the command line parts them, and the isolation is not real"
    } else if Override::on(snapshot).is_some() {
        "a quirk that is not known here or pcie_acs_override parts them, and the isolation may not be real"
    } else {
        "the kernel uses a quirk that is not known here, or is patched"
    };
    vec![format!("the hardware does not part it from {with}: {cause}")]
}
