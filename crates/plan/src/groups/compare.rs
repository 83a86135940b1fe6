//! Prediction and kernel side by side.

use std::collections::{BTreeMap, BTreeSet};

use passthru_model::Snapshot;
use passthru_pci::Address;

use super::{Override, Prediction, When, predict_for};

/// One way in which the kernel's groups differ from the predicted ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The kernel has these in groups of their own, the prediction together: it uses a quirk
    /// that is not known here, or an override.
    Finer {
        /// Place in [`Prediction::groups`].
        predicted: usize,
        /// The kernel's groups among which its members are.
        kernel: Vec<u32>,
    },
    /// The kernel has these together, the prediction apart.
    Coarser {
        /// The kernel's group.
        kernel: u32,
        /// Places in [`Prediction::groups`].
        predicted: Vec<usize>,
    },
}

/// How far prediction and kernel agree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// Functions in the very group that was predicted.
    pub agree: usize,
    /// Functions whose group the kernel has otherwise.
    pub differ: usize,
    /// Functions in a group of the kernel whose group could not be predicted.
    pub unpredicted: usize,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// Compares. Functions that are in no group of the kernel do not count.
#[must_use]
pub fn compare(snapshot: &Snapshot, prediction: &Prediction) -> Comparison {
    let mut found = Comparison::default();
    // Of each predicted group: the kernel's groups of its members, and the reverse.
    let mut of_predicted: BTreeMap<usize, BTreeSet<u32>> = BTreeMap::new();
    let mut of_kernel: BTreeMap<u32, BTreeSet<usize>> = BTreeMap::new();
    for device in &snapshot.devices {
        if let (Some(kernel), Some(predicted)) = (device.group.known(), prediction.index(device.address)) {
            of_predicted.entry(predicted).or_default().insert(*kernel);
            of_kernel.entry(*kernel).or_default().insert(predicted);
        }
    }
    let certain = |predicted: &usize| prediction.groups[*predicted].doubts.is_empty();
    for device in &snapshot.devices {
        let (Some(kernel), Some(predicted)) = (device.group.known(), prediction.index(device.address)) else {
            continue;
        };
        // Where the kernel puts it together with something doubtful, nothing is said of it.
        if !of_kernel[kernel].iter().all(certain) || !certain(&predicted) {
            found.unpredicted += 1;
        } else if of_predicted[&predicted].len() == 1 && of_kernel[kernel].len() == 1 {
            found.agree += 1;
        } else {
            found.differ += 1;
        }
    }
    for (predicted, kernel) in &of_predicted {
        if kernel.len() > 1 && certain(predicted) {
            let kernel = kernel.iter().copied().collect();
            found.differences.push(Difference::Finer { predicted: *predicted, kernel });
        }
    }
    for (kernel, predicted) in &of_kernel {
        if predicted.len() > 1 && predicted.iter().all(certain) {
            let predicted = predicted.iter().copied().collect();
            found.differences.push(Difference::Coarser { kernel: *kernel, predicted });
        }
    }
    found
}

/// Whether the groups are the kernel's where `pcie_acs_override=` of its command line is
/// heeded: then that is what makes them finer.
#[must_use]
pub fn explained_by_override(snapshot: &Snapshot) -> Option<Override> {
    let wanted = Override::on(snapshot)?;
    let patched = predict_for(snapshot, When::Now, Some(&wanted));
    let finer = |d: &Difference| matches!(d, Difference::Finer { .. });
    (!compare(snapshot, &patched).differences.iter().any(finer)).then_some(wanted)
}

/// A difference that a device's group has a part in.
#[must_use]
pub fn about<'a>(
    comparison: &'a Comparison,
    snapshot: &Snapshot,
    prediction: &Prediction,
    device: Address,
) -> Option<&'a Difference> {
    let kernel = snapshot.device(device)?.group.known().copied();
    let predicted = prediction.index(device);
    comparison.differences.iter().find(|difference| match difference {
        Difference::Finer { predicted: p, .. } => predicted == Some(*p),
        Difference::Coarser { kernel: k, .. } => kernel == Some(*k),
    })
}
