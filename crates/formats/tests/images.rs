//! Initramfs images as generators make them, where somebody has some: no image is small enough to be kept
//! here. `PASSTHRU_IMAGES=DIR cargo test --release -p passthru-formats --test images -- --nocapture` reads
//! all files of a directory; beside each a file `NAME.list` may hold what `lsinitramfs` or `lsinitrd` says of
//! it, and then the modules must be the same.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a test that reads files and reports"
)]

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use passthru_formats::{image, modules};

#[test]
fn of_this_directory() {
    let Some(directory) = std::env::var_os("PASSTHRU_IMAGES") else { return };
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_none_or(|end| end != "list")) {
        let started = Instant::now();
        let found = image::read(fs::File::open(path).unwrap());
        let took = started.elapsed().as_millis();
        match found {
            Ok(image) => {
                println!(
                    "{}: {} modules, {:?}, first {:?}, {took} ms",
                    path.display(),
                    image.modules.len(),
                    image.files.keys(),
                    image.first()
                );
                let list = path.with_extension("list");
                if let Ok(list) = fs::read_to_string(&list) {
                    let listed = list.lines().filter_map(|line| modules::name(line.split(' ').next_back()?));
                    let listed: BTreeSet<String> = listed.map(std::borrow::Cow::into_owned).collect();
                    assert_eq!(image.modules, listed, "{}", path.display());
                    println!("    as the list beside it");
                }
            }
            Err(error) => println!("{}: {error}, {took} ms", path.display()),
        }
    }
}
