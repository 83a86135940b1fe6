//! How long the parsers that every start pays for take: `cargo bench -p passthru-formats`.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads the system's pci.ids and prints times"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use passthru_formats::pci_ids::{Names, Wanted, excerpt};
use passthru_formats::uevent;
use passthru_pci::Class;

fn main() {
    let text = std::fs::read("/usr/share/misc/pci.ids").unwrap_or_default();
    let mut wanted = Wanted::new();
    for (id, subsystem) in [
        ("8086:3e30", "1458:5000"),
        ("8086:a352", "1458:b005"),
        ("10de:1284", "1043:8469"),
        ("10de:0e0f", "1043:8469"),
        ("144d:a808", "144d:a801"),
        ("1af4:1041", "1af4:1100"),
        ("1002:73bf", "1da2:e439"),
        ("1022:1480", "1022:1480"),
        ("15b3:1017", "15b3:0020"),
        ("10ec:8168", "1458:e000"),
    ] {
        wanted.device(id.parse().unwrap(), subsystem.parse().ok());
    }
    for class in [0x03_0000, 0x04_0300, 0x01_0802, 0x02_0000, 0x06_0000, 0x0c_0330] {
        wanted.class(Class::new(class));
    }
    time(&format!("pci.ids select, {} bytes", text.len()), || drop(black_box(Names::select(&text, &wanted))));
    time("pci.ids excerpt", || drop(black_box(excerpt(&text, &wanted))));

    let uevents: Vec<String> = (0..10_000)
        .map(|i| {
            format!(
                "DRIVER=pcieport\nPCI_CLASS=60400\nPCI_ID=8086:{i:04X}\nPCI_SUBSYS_ID=8086:7270\n\
                 PCI_SLOT_NAME=0000:{:02x}:1f.0\nMODALIAS=pci:v00008086d00001C10sv0sd0bc06sc04i00\n",
                i & 0xff
            )
        })
        .collect();
    time("uevent, 10,000 files", || {
        for text in &uevents {
            black_box(uevent::parse(text.as_bytes()));
        }
    });
}

/// The best and the middle of many runs.
fn time(what: &str, mut run: impl FnMut()) {
    let mut times: Vec<Duration> = (0..31)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("{what}: best {:?}, median {:?}", times[0], times[15]);
}
