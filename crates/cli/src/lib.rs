//! The command line: arguments in, words and exit codes out.
//!
//! | module | holds |
//! |---|---|
//! | [`args`] | the one definition of verbs and options: help, man page, completions |
//! | [`exit`] | the exit codes and [`Failure`](exit::Failure) |
//! | `context` | the source that was asked for, and where output goes |
//! | `commands` | one file per verb |
//! | `render` | tables, lines, JSON views |
//! | `terminal` | what may reach a terminal |

pub mod args;
mod commands;
mod context;
pub mod exit;
mod render;
mod terminal;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

/// The whole command line, for man pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    args::Cli::command()
}

/// The page of all findings, `docs/findings.md`.
#[must_use]
pub fn findings_page() -> String {
    render::findings::page()
}

/// Runs the program on the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    // Before anything else: what may hang in the kernel, and becoming the virtual machine, are
    // done by this program again.
    match std::env::args_os().nth(1) {
        Some(argument) if argument == passthru_apply::helper::ARGUMENT => {
            return passthru_apply::helper::serve();
        }
        Some(argument) if argument == passthru_apply::tee::ARGUMENT => {
            return passthru_apply::tee::serve();
        }
        Some(argument) if argument == passthru_apply::launcher::ARGUMENT => {
            return passthru_apply::launcher::serve();
        }
        _ => {}
    }
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { exit::Code::Usage } else { exit::Code::Done };
            // A closed pipe behind --help is no failure.
            let _ = error.print();
            return code.into();
        }
    };
    let run = cli.verb.as_ref().is_some_and(|verb| matches!(verb, args::Verb::Run(_)));
    match commands::dispatch(cli) {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            if run { failure.code.under_run().into() } else { failure.code.into() }
        }
    }
}
