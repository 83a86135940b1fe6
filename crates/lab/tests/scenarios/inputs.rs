//! Wrong input: one clear line, the documented exit code, nothing changed.

use anyhow::{Result, ensure};
use passthru_lab::agent::Output;
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};

use crate::support::{expect_unchanged, says, scenario};

pub(crate) const ALL: &[Scenario] = &[
    scenario("input/wrong names", wrong_names),
    scenario("input/bridges are refused", bridges),
    scenario("input/no rights", no_rights),
    scenario("input/a closed output pipe", closed_pipe),
];

fn wrong_names(lab: &Lab) -> Result<Outcome> {
    let before = lab.state()?;
    for name in ["0000:7f:1f.7", "nonsense", "01:00.9", "10de:ffff", "group:4000", "/dev/zero", ""] {
        for verb in ["bind", "show", "release"] {
            let output = lab.passthru([verb, name]).run()?.expect_code(2)?;
            ensure!(!output.err().is_empty(), "{verb} says nothing about {name:?}:\n{output}");
        }
    }
    lab.passthru(["bind"]).run()?.expect_code(2)?;
    lab.passthru(["no-such-verb"]).run()?.expect_code(2)?;
    expect_unchanged(lab, &before)?;
    Ok(Outcome::Passed)
}

fn bridges(lab: &Lab) -> Result<Outcome> {
    let before = lab.state()?;
    for address in [lab.address("bridge")?.to_string(), "0000:00:02.0".to_owned()] {
        let output = lab.passthru(["bind", &address]).run()?.expect_code(3)?;
        says(&output, "bridge")?;
    }
    expect_unchanged(lab, &before)?;
    Ok(Outcome::Passed)
}

/// Runs the product without any rights.
fn as_nobody(lab: &Lab, arguments: &[&str]) -> Result<Output> {
    lab.command(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "passthru"])
        .args(arguments.iter().copied())
        .run()
}

fn no_rights(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    let before = lab.state()?;
    let output = as_nobody(lab, &["bind", &device])?.expect_code(7)?;
    says(&output, "root")?;
    expect_unchanged(lab, &before)?;
    let listed = as_nobody(lab, &["list"])?.ok()?;
    says(&listed, device.trim_start_matches("0000:"))?;
    ensure!(listed.err().contains("root"), "does not say what root would add:\n{listed}");
    let json = as_nobody(lab, &["show", &device, "--json"])?.ok()?;
    says(&json, "unread")?;
    Ok(Outcome::Passed)
}

fn closed_pipe(lab: &Lab) -> Result<Outcome> {
    let output = lab.command(["bash", "-c", "passthru list --json | true; echo ${PIPESTATUS[0]}"]).ok()?;
    ensure!(output.out().trim() == "0", "a reader that stops is no error:\n{output}");
    ensure!(output.err().is_empty(), "complains about a reader that stops:\n{output}");
    Ok(Outcome::Passed)
}
