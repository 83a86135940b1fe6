//! The inputs that the fuzz target `acpi` starts from are the tables made here. After a change of
//! them, `PASSTHRU_DRAW=1 cargo test -p passthru-testkit --test acpi` writes them anew.

#![allow(clippy::disallowed_methods, reason = "a test that reads and writes the fuzz target's inputs")]

use std::fs;
use std::path::Path;

use passthru_testkit::acpi::machines::ALL;

#[test]
fn fuzz_seeds_are_current() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/acpi");
    for (name, table) in ALL {
        let file = seeds.join(name);
        if std::env::var_os("PASSTHRU_DRAW").is_some() {
            fs::create_dir_all(&seeds).expect("a directory");
            fs::write(&file, table()).expect("the seed can be written");
        }
        let stored = fs::read(&file).unwrap_or_default();
        assert!(
            stored == table(),
            "{name} is another table: PASSTHRU_DRAW=1 cargo test -p passthru-testkit --test acpi"
        );
    }
}
