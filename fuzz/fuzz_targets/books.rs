//! Journals, leases and records of stuck devices: whatever stands in them, reading them and
//! looking after them ends, and only what a plan's own steps are about is written.
//!
//! The first byte says where the rest is put.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passthru_apply::books::{self, Patience};
use passthru_apply::journal::{self, JOURNAL};
use passthru_apply::recover::{self, Awaited};
use passthru_model::{LeaseRecord, StuckRecord};
use passthru_testkit::fake::{Kernel, Part};

const PATHS: [&str; 3] =
    [JOURNAL, "/run/passthru/leases/0000:01:00.0.json", "/run/passthru/stuck/0000:01:00.0.json"];

fuzz_target!(|data: &[u8]| {
    let Some((at, bytes)) = data.split_first() else { return };
    let kernel = Kernel::with_parts([
        Part::new("0000:01:00.0", 0x01_0802).on("nvme").disk("nvme0n1", 0, &["nvme0n1p1"]),
        Part::new("0000:02:00.0", 0x02_0000).on("e1000e").interface("eth0"),
    ]);
    let path = PATHS[usize::from(*at) % PATHS.len()];
    kernel.put_file(path, bytes);

    // What may be written: what a plan that was read has steps about.
    let mut devices = Vec::new();
    if let Ok(Some(found)) = journal::interrupted(&kernel) {
        assert!(found.begun <= found.plan.steps.len());
        assert!(found.undoing.iter().flatten().all(|step| *step < found.plan.steps.len()));
        devices.extend(found.plan.steps.iter().filter_map(passthru_model::Step::device));
    }
    let stuck = books::stuck(&kernel).unwrap();
    for record in &stuck {
        match record {
            StuckRecord::Valid(stuck) => {
                assert!(stuck.todo.iter().all(|step| *step < stuck.plan.steps.len()));
                assert!(stuck.todo.iter().all(|step| stuck.plan.steps[*step].device() == Some(stuck.device)));
                devices.push(stuck.device);
            }
            StuckRecord::Broken(_, why) => assert!(!why.is_empty()),
        }
    }
    for record in books::leases(&kernel).unwrap() {
        match record {
            LeaseRecord::Valid(lease) => devices.push(lease.device),
            LeaseRecord::Broken(_, why) => assert!(!why.is_empty()),
        }
    }
    let before = kernel.with(|m| m.functions.clone());
    let process = kernel.process();
    // The first call that could be a second of waiting is none on the fake.
    let guard = books::lock(&process, Patience::NONE, "recover").unwrap();
    let _ = recover::under(&guard, Awaited::Undone);
    drop(guard);
    let after = kernel.with(|m| m.functions.clone());
    for (address, was) in before {
        assert!(devices.contains(&address) || after.get(&address) == Some(&was), "{address} was touched");
    }
    for call in process.made().iter().filter(|call| call.starts_with("write ")) {
        let ours = devices.iter().any(|device| call.contains(&device.to_string()));
        assert!(ours, "{call}");
    }
});
