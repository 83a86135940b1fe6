//! The workspace keeps to its own rules; `cargo xtask check-arrows` and
//! `check-dependencies` say the same by hand.

#[test]
fn crates_use_what_the_table_allows() {
    xtask::arrows::check().unwrap();
}

#[test]
fn every_direct_dependency_has_its_reason() {
    xtask::dependencies::check_reasons().unwrap();
}
