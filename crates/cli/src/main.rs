//! The `passthru` program. Everything is in the library, so that tests and xtask can use
//! it.

use std::process::ExitCode;

fn main() -> ExitCode {
    passthru::main()
}
