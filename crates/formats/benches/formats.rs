//! How long the parsers that every start pays for take: `cargo bench -p passthru-formats`.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads the system's pci.ids and prints times"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use passthru_formats::capture::{self, Answer, Capture, Op};
use passthru_formats::pci_ids::{Names, Wanted, excerpt};
use passthru_formats::redact::redact;
use passthru_formats::{Errno, uevent};
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

    let capture = synthetic(10_000);
    let text = capture.to_text();
    time(&format!("capture write, {} records, {} bytes", capture.len(), text.len()), || {
        drop(black_box(capture.to_text()));
    });
    time("capture parse", || drop(black_box(capture::parse(text.as_bytes()))));
    time("capture redact", || drop(black_box(redact(&capture))));
}

/// What is read of a host with that many functions, about ten records of each.
fn synthetic(functions: u32) -> Capture {
    let mut capture = Capture::default();
    let mut put = |op, path: &str, answer| capture.insert(op, path, answer).expect("a valid record");
    let mut names = Vec::new();
    for i in 0..functions {
        let name = format!("{:04x}:{:02x}:{:02x}.{}", i >> 16, i >> 8 & 0xff, i >> 3 & 0x1f, i & 7);
        let at = |attribute| format!("/sys/bus/pci/devices/{name}/{attribute}");
        put(
            Op::Read,
            &at("uevent"),
            Answer::Data(
                format!(
                    "DRIVER=nvme\nPCI_CLASS=10802\nPCI_ID=144D:A808\nPCI_SUBSYS_ID=144D:A801\nPCI_SLOT_NAME={name}\n\
                     MODALIAS=pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02\n"
                )
                .into(),
            ),
        );
        put(
            Op::Link,
            &format!("/sys/bus/pci/devices/{name}"),
            Answer::Link(format!("../../../devices/pci0000:00/0000:00:01.1/{name}")),
        );
        put(Op::Link, &at("iommu_group"), Answer::Link(format!("../../../../kernel/iommu_groups/{i}")));
        put(Op::Link, &at("physfn"), Answer::Error(Errno::ENOENT));
        for attribute in ["revision", "numa_node", "current_link_speed", "reset_method", "power_state"] {
            put(Op::Read, &at(attribute), Answer::Data(b"8.0 GT/s PCIe\n".into()));
        }
        let mut config = vec![0; 256];
        config[..8].copy_from_slice(&[0x4d, 0x14, 0x08, 0xa8, 0x06, 0x04, 0x10, 0x00]);
        put(Op::Read, &at("config"), Answer::Data(config));
        names.push(name);
    }
    put(Op::List, "/sys/bus/pci/devices", Answer::List(names));
    capture
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
