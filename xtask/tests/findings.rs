//! `docs/findings.md` is what the definitions of the checks make of it today.

use xtask::generated;

#[test]
fn page_is_current() {
    generated::check_findings().unwrap_or_else(|error| panic!("{error:#}"));
}
