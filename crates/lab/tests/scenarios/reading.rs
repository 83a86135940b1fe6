//! `list`, `show` and `capture` against the kernel's own truth.

use anyhow::{Context, Result, bail, ensure};
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};
use serde_json::Value;

use crate::support::{driver, group, json, says, scenario};

pub(crate) const ALL: &[Scenario] = &[
    scenario("list/every function with its driver and group", every_function),
    scenario("list/groups equal the shell loop", groups_equal_loop),
    scenario("list/tree and text name every function", text_views),
    scenario("show/one device", show),
    scenario("start/the one-screen answer", one_screen),
    scenario("capture/replay equals live", capture),
];

/// The loop every wiki has, as the issue asks for it: numeric order.
const LOOP: &str = r#"shopt -s nullglob
for g in $(find /sys/kernel/iommu_groups/* -maxdepth 0 -type d | sort -V); do
echo "IOMMU Group ${g##*/}:"
for d in $g/devices/*; do
echo -e "\t$(lspci -nns ${d##*/})"
done;
done"#;

/// A function as the kernel shows it: its address, driver and group.
type Function = (String, Option<String>, Option<u64>);

fn truth(lab: &Lab) -> Result<Vec<Function>> {
    let names = lab.sh("ls /sys/bus/pci/devices")?;
    names
        .lines()
        .map(|name| {
            let driver = Some(driver(lab, name)?).filter(|driver| driver != "none");
            let group = group(lab, name)?.parse().ok();
            Ok((name.to_owned(), driver, group))
        })
        .collect()
}

fn devices(value: &Value) -> Result<&Vec<Value>> {
    value["devices"].as_array().context("`devices` is no array")
}

/// The entry of one device.
fn entry<'a>(value: &'a Value, address: &str) -> Result<&'a Value> {
    devices(value)?
        .iter()
        .find(|device| device["address"] == address)
        .with_context(|| format!("{address} is not listed"))
}

fn every_function(lab: &Lab) -> Result<Outcome> {
    let output = lab.passthru(["list", "--json"]).ok()?;
    let value = json(&output)?;
    let truth = truth(lab)?;
    for (address, driver, group) in &truth {
        let device = entry(&value, address)?;
        if device["driver"].as_str() != driver.as_deref() {
            bail!("{address}: driver {driver:?} in the kernel, listed {device:#}");
        }
        if device["group"].as_u64() != *group {
            bail!("{address}: group {group:?} in the kernel, listed {device:#}");
        }
    }
    let listed = devices(&value)?.len();
    ensure!(listed == truth.len(), "{listed} devices listed, the kernel has {}", truth.len());
    Ok(Outcome::Passed)
}

fn groups_equal_loop(lab: &Lab) -> Result<Outcome> {
    let wanted = lab.command(["bash", "-c", LOOP]).ok()?;
    let listed = lab.passthru(["list", "--groups"]).ok()?;
    if wanted.stdout != listed.stdout {
        bail!("not what the shell loop prints:\n{wanted}\n{listed}");
    }
    Ok(Outcome::Passed)
}

fn text_views(lab: &Lab) -> Result<Outcome> {
    let plain = lab.passthru(["list"]).ok()?;
    let tree = lab.passthru(["list", "--tree"]).ok()?;
    for (address, _, _) in truth(lab)? {
        let short = address.trim_start_matches("0000:");
        says(&plain, short)?;
        // A tree may leave out the part of an address that its branch already says.
        says(&tree, &short[3..])?;
    }
    Ok(Outcome::Passed)
}

fn show(lab: &Lab) -> Result<Outcome> {
    let address = lab.address("nvme1")?.to_string();
    let text = lab.passthru(["show", &address]).ok()?;
    for word in [address.as_str(), "nvme", &group(lab, &address)?] {
        says(&text, word)?;
    }
    let shown = lab.passthru(["show", &address, "--json"]).ok()?;
    says(&shown, &address)?;
    json(&shown)?;
    // The same device by every other kind of name.
    let short = address.trim_start_matches("0000:").to_owned();
    let libvirt = format!("pci_{}", address.replace([':', '.'], "_"));
    for name in [short, libvirt, format!("/dev/{}", lab.disk("nvme1")?)] {
        let same = lab.passthru(["show", &name, "--json"]).ok()?;
        ensure!(same.stdout == shown.stdout, "another answer for {name}:\n{same}");
    }
    Ok(Outcome::Passed)
}

/// Typed alone it says whether the host is ready, and what can be lent.
fn one_screen(lab: &Lab) -> Result<Outcome> {
    let output = lab.passthru::<&str>([]).ok()?;
    says(&output, "passthru ")?;
    says(&output, lab.address("nvme1")?.to_string().trim_start_matches("0000:"))?;
    ensure!(output.out().lines().count() <= 24, "more than one screen:\n{output}");
    Ok(Outcome::Passed)
}

fn capture(lab: &Lab) -> Result<Outcome> {
    let file = "/run/lab/host.capture";
    // With identifiers: the names of processes that have a device open are among them.
    lab.passthru(["capture", "--with-identifiers", "-o", file]).ok()?;
    for arguments in [&["list", "--json"][..], &["list", "--groups"], &["list"]] {
        let live = lab.passthru(arguments.iter().copied()).ok()?;
        let replay = lab.passthru(["--from", file]).args(arguments.iter().copied()).ok()?;
        if live.stdout != replay.stdout {
            bail!("replay differs from live:\n{live}\n{replay}");
        }
    }
    lab.sh(&format!("rm {file}"))?;
    Ok(Outcome::Passed)
}
