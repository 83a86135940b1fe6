//! `passthru-lab`: the lab as a program. As process 1 it is L1's init, and there it starts
//! itself again as the agent; everywhere else it boots a virtual host and does something
//! with it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's program that reports on the terminal"
)]

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use passthru_lab::bench::{self, measure};
use passthru_lab::guest::{init, serve};
use passthru_lab::host::Lab;
use passthru_lab::machine::Machine;
use passthru_lab::scenario::describe;
use passthru_lab::settings::Settings;
use passthru_lab::variants::Variant;

const USAGE: &str = "\
passthru-lab: a virtual host with an emulated IOMMU to try passthru in

  passthru-lab demo              lend a disk to a VM and get it back, narrated
  passthru-lab exec [HOST] -- COMMAND   boot the host, run COMMAND in it, end it
  passthru-lab shell [HOST]      boot the host with a shell in it on this terminal
  passthru-lab bench [ROUNDS]    bind and release beside other tools, as a table

HOST: standard, without-iommu, iommu-off, without-remapping, virtio-iommu, amd-iommu (to be
looked at only), topology.

Environment: PASSTHRU_BIN (the passthru binary), PASSTHRU_LAB_KERNEL (a release or a
directory), PASSTHRU_LAB_QEMU, PASSTHRU_LAB_ACCEL=tcg|kvm|auto, PASSTHRU_LAB_DIR.
";

fn main() -> ExitCode {
    if std::process::id() == 1 {
        return init::main();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["agent"] => serve::serve().map(|()| ExitCode::SUCCESS),
        ["exec", "--", command @ ..] if !command.is_empty() => exec("standard", command),
        ["exec", host, "--", command @ ..] if !command.is_empty() => exec(host, command),
        ["shell"] => shell("standard"),
        ["shell", host] => shell(host),
        ["demo"] => demo(),
        ["measure"] => measure::main().map(|()| ExitCode::SUCCESS),
        ["bench"] => bench("11"),
        ["bench", rounds] => bench(rounds),
        ["--help" | "-h" | "help"] => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprint!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("passthru-lab: {error:#}");
        ExitCode::FAILURE
    })
}

fn settings() -> Result<Settings> {
    let this: PathBuf = std::env::current_exe().context("cannot find this program")?;
    Settings::from_environment(&this)
}

fn demo() -> Result<ExitCode> {
    passthru_lab::demo::run(settings()?)?;
    Ok(ExitCode::SUCCESS)
}

fn named(host: &str, settings: &Settings) -> Result<Machine> {
    let variant = Variant::named(host).with_context(|| format!("no host is called {host}"))?;
    if let Some(why) = variant.missing(settings) {
        bail!("{host}: {why}");
    }
    Ok(variant.machine(settings))
}

fn exec(host: &str, command: &[&str]) -> Result<ExitCode> {
    let settings = settings()?;
    let machine = named(host, &settings)?;
    let lab = Lab::boot(settings, machine)?;
    eprintln!("lab: {}", describe(&lab));
    let output = lab.command(command.iter().copied()).timeout(Duration::from_secs(24 * 3600)).run()?;
    // As they are: it may be a file of bytes.
    std::io::stdout().write_all(&output.stdout)?;
    std::io::stderr().write_all(&output.stderr)?;
    let code = output.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The exit code is 1 where an aim is not met.
fn bench(rounds: &str) -> Result<ExitCode> {
    let rounds = rounds.parse().context("ROUNDS is no number")?;
    let missed = bench::run(settings()?.require_product()?, rounds)?;
    for line in &missed {
        println!("\nNot met: {line}.");
    }
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn shell(host: &str) -> Result<ExitCode> {
    let settings = settings()?;
    let machine = named(host, &settings)?;
    let mut lab = Lab::boot_with_shell(settings, machine)?;
    while lab.alive() {
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(ExitCode::SUCCESS)
}
