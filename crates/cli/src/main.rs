//! passthru
fn main() {}
