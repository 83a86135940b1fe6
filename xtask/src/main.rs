//! `cargo xtask`: picks a tool and says how it ended.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::{arrows, bench, dependencies, generated};

/// The house's own tools.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
enum Tool {
    /// Compare which crate uses which with the table in docs/architecture.md
    CheckArrows,
    /// Compare every dependency's minimum Rust version with the workspace's
    CheckMsrv,
    /// Check that docs/dependencies.md has a reason for every direct dependency
    CheckDependencies,
    /// Write the man pages into target/man
    Man,
    /// Write completions for bash, zsh and fish into target/completions
    Completions,
    /// Write docs/findings.md from the definitions of the checks
    Findings,
    /// Measure passthru list beside lspci on synthetic hosts
    ///
    /// PASSTHRU_BIN names the binary, PASSTHRU_BENCH_DIR a directory (best on tmpfs)
    /// to build the hosts in; without it, /dev/shm.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().tool {
        Tool::CheckArrows => arrows::check(),
        Tool::CheckMsrv => dependencies::check_msrv(),
        Tool::CheckDependencies => dependencies::check_reasons(),
        Tool::Man => generated::man(),
        Tool::Completions => generated::completions(),
        Tool::Findings => generated::findings(),
        Tool::Bench(options) => bench::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stderr, reason = "the one place where a tool's failure is said")]
fn eprint(text: &str) {
    eprintln!("error: {text}");
}
