//! The IOMMU groups that `show` predicts from topology and registers, beside those the kernel
//! has made: on the standard host, and on generated topologies.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario, Suite};
use passthru_lab::variants::Variant;
use serde_json::Value;

use crate::support::{group, json, scenario};

pub(crate) const ALL: &[Scenario] = &[scenario("groups/predicted as the kernel has them", predicted)];

/// The topology that every run looks at, and those for `make proof`.
const EVERY_TIME: &[Scenario] = &[scenario("groups/predicted on generated topology 1", predicted)];
const PROOF: &[(u64, &[Scenario])] = &[
    (2, &[scenario("groups/predicted on generated topology 2", predicted)]),
    (3, &[scenario("groups/predicted on generated topology 3", predicted)]),
];

/// A host for each generated topology.
pub(crate) fn suites(left_to_proof: impl Fn(&[Scenario]) -> Vec<Scenario>) -> Vec<Suite> {
    let suite = |seed, scenarios| Suite { host: Variant::Topology(seed), scenarios };
    let mut suites = vec![suite(1, EVERY_TIME.to_vec())];
    suites.extend(PROOF.iter().map(|(seed, scenarios)| suite(*seed, left_to_proof(scenarios))));
    suites
}

type Members = BTreeSet<String>;

/// Every function with the members of the kernel's group it is in.
fn kernel(lab: &Lab) -> Result<BTreeMap<String, Members>> {
    let mut groups: BTreeMap<String, Members> = BTreeMap::new();
    let mut of = BTreeMap::new();
    for function in lab.sh("ls /sys/bus/pci/devices")?.lines() {
        let number = group(lab, function)?;
        groups.entry(number.clone()).or_default().insert(function.to_owned());
        of.insert(function.to_owned(), number);
    }
    Ok(of.into_iter().map(|(function, number)| (function, groups[&number].clone())).collect())
}

/// The group that is predicted for a device of `show`'s answer; none where the prediction
/// itself says that it lacks something.
fn prediction(device: &Value) -> Option<Members> {
    let group = &device["detail"]["predicted_group"];
    let members = group["members"].as_array()?.iter();
    (group["certain"] == true)
        .then(|| members.filter_map(Value::as_str).map(str::to_owned).collect())
        .filter(|members: &Members| !members.is_empty())
}

fn predicted(lab: &Lab) -> Result<Outcome> {
    let kernel = kernel(lab)?;
    let output = lab.passthru(["show", "--json"]).args(kernel.keys().cloned()).ok()?;
    let value = json(&output)?;
    let shown = value["devices"].as_array().context("`devices` is no array")?;
    let mut wrong = Vec::new();
    for device in shown {
        let address = device["address"].as_str().context("no address")?;
        let (there, predicted) = (&kernel[address], prediction(device));
        // It is to know so itself.
        let agrees = device["detail"]["predicted_group"]["agrees"] == true;
        if predicted.as_ref() != Some(there) || !agrees {
            wrong.push(format!("{address}: predicted {predicted:?}, the kernel has {there:?}"));
        }
    }
    let groups: BTreeSet<&Members> = kernel.values().collect();
    let joined = groups.iter().filter(|members| members.len() > 1).count();
    let (all, right) = (kernel.len(), kernel.len() - wrong.len());
    let rate = 100.0 * right as f64 / all as f64;
    println!(
        "lab: predicted groups agree with the kernel's for {right} of {all} functions ({rate:.1} %), \
         in {} groups, {joined} of them with several members",
        groups.len()
    );
    ensure!(shown.len() == all, "{} devices shown, the kernel has {all}", shown.len());
    ensure!(joined > 0, "nothing here shares a group: this shows little");
    ensure!(wrong.is_empty(), "not as the kernel has it:\n  {}", wrong.join("\n  "));
    Ok(Outcome::Passed)
}
