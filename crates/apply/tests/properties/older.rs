//! Books that another version wrote: what version 1 left is looked after, what a later one
//! left is refused, and nothing is lost by either.

use passthru_apply::books;
use passthru_apply::journal::JOURNAL;
use passthru_model::LeaseRecord;
use passthru_testkit::fake::{Fault, Kernel, Part, What};
use proptest::prelude::*;

use crate::support::{CRASHES, clean_up, count, of_scenes, release};

/// What version 1 wrote when it bound a disk and was killed after it had unbound it, as it
/// stood in the file.
const JOURNAL_1: &str = r#"{"record":"plan","version":1,"boot_id":"0b007000-1111-4222-8333-944445555666","plan":{"version":1,"intent":"bind","devices":["0000:01:00.0"],"steps":[{"do":"open-lease","lease":{"version":1,"boot_id":"0b007000-1111-4222-8333-944445555666","device":"0000:01:00.0","id":"1b36:0108","subsystem":"1af4:1100","original_driver":"nvme","original_module":"nvme","original_override":null,"vfio_driver":"vfio-pci","adopted":false,"since":1750000000,"holder":null}},{"do":"set-override","device":"0000:01:00.0","before":null,"value":"vfio-pci"},{"do":"hold-disk","device":"0000:01:00.0","node":"/dev/nvme0n1"},{"do":"unbind","device":"0000:01:00.0","driver":"nvme","override_now":"vfio-pci"},{"do":"probe","device":"0000:01:00.0","driver":"vfio-pci"}],"losses":[{"device":"0000:01:00.0","what":"nvme0n1 → nothing"}],"notes":[]}}
{"record":"begin","step":0}
{"record":"done","step":0}
{"record":"begin","step":1}
{"record":"done","step":1}
{"record":"begin","step":2}
{"record":"done","step":2}
{"record":"begin","step":3}
{"record":"done","step":3}
{"record":"begin","step":4}
"#;

/// And its lease.
const LEASE_1: &str = r#"{
  "version": 1,
  "boot_id": "0b007000-1111-4222-8333-944445555666",
  "device": "0000:01:00.0",
  "id": "1b36:0108",
  "subsystem": "1af4:1100",
  "original_driver": "nvme",
  "original_module": "nvme",
  "original_override": null,
  "vfio_driver": "vfio-pci",
  "adopted": false,
  "since": 1750000000,
  "holder": null
}
"#;

const LEASE: &str = "/run/passthru/leases/0000:01:00.0.json";

fn disk() -> Kernel {
    Kernel::with_parts([Part::new("0000:01:00.0", 0x01_0802).on("nvme").disk("nvme0n1", 0, &[])])
}

#[test]
fn a_bind_that_version_1_began_is_undone() {
    for driver in [None, Some("vfio-pci".to_owned())] {
        for lines in 1..=JOURNAL_1.lines().count() {
            let kernel = disk();
            let first = kernel.state();
            kernel.with(|m| {
                let function = m.functions.values_mut().next().unwrap();
                function.driver.clone_from(&driver);
                function.driver_override = Some("vfio-pci".into());
            });
            let whole: Vec<&str> = JOURNAL_1.lines().collect();
            // Also where the end of it was lost: what was done is there to be seen.
            kernel.put_file(JOURNAL, whole[..lines].join("\n") + "\n");
            kernel.put_file(LEASE, LEASE_1);
            let recovered = clean_up(&kernel).unwrap().interrupted.unwrap();
            assert!(!recovered.finished);
            let left = first.differences(&kernel.state());
            assert!(left.is_empty(), "{lines} lines, {driver:?}: {left:#?}\n{:#?}", kernel.made());
        }
    }
}

#[test]
fn what_version_1_bound_is_released() {
    let kernel = disk();
    let first = kernel.state();
    kernel.with(|m| {
        let function = m.functions.values_mut().next().unwrap();
        function.driver = Some("vfio-pci".into());
        function.driver_override = Some("vfio-pci".into());
    });
    kernel.put_file(LEASE, LEASE_1);
    assert!(
        matches!(&books::leases(&kernel).unwrap()[..], [LeaseRecord::Valid(lease)] if lease.version == 1)
    );
    release(&kernel, &["0000:01:00.0".parse().unwrap()]).unwrap();
    assert_eq!(first.differences(&kernel.state()), Vec::<String>::new());
}

/// The books as another version would have written them.
fn rewrite(kernel: &Kernel, to: u32) {
    kernel.with(|m| {
        for (_, file) in m.files.iter_mut().filter(|(path, _)| path.starts_with("/run/passthru/")) {
            let text = String::from_utf8(file.bytes.clone()).unwrap();
            let text = text.replace("\"version\":2", &format!("\"version\":{to}"));
            file.bytes = text.replace("\"version\": 2", &format!("\"version\": {to}")).into_bytes();
        }
    });
}

#[test]
fn passthru_was_upgraded_between_a_crash_and_recover() {
    of_scenes("begun by version 1", 5, |scene, cases| {
        for at in 0..scene.calls {
            count(cases);
            let faults = [Fault { at, what: CRASHES[at % 3] }];
            let (dead, _) = scene.with(faults);
            rewrite(&dead, 1);
            let recovered = clean_up(&dead.process());
            prop_assert!(recovered.is_ok(), "{recovered:?}: {}", scene.told(&dead, &faults));
            rewrite(&dead, 2);
            let one = dead.copy();
            one.with(|m| {
                for file in m.files.values_mut() {
                    let text = String::from_utf8_lossy(&file.bytes);
                    file.bytes = text.replace("\"version\": 1", "\"version\": 2").into_bytes();
                }
            });
            let left = scene.not_first(&one);
            let right = left.is_empty() || scene.not_last(&one).is_empty();
            prop_assert!(right, "{left:#?}: {}", scene.told(&dead, &faults));
        }
        Ok(())
    });
}

#[test]
fn passthru_was_downgraded_between_a_crash_and_recover() {
    of_scenes("begun by a later version", 5, |scene, cases| {
        for at in 0..scene.calls {
            count(cases);
            let (dead, _) = scene.with([Fault { at, what: What::CrashAfter }]);
            rewrite(&dead, 3);
            let Some(journal) = dead.file(JOURNAL).filter(|text| text.contains(&b'\n')) else { continue };
            let before = dead.state();
            let error = clean_up(&dead.process()).unwrap_err().to_string();
            prop_assert!(error.contains("version 3; this passthru knows 1 to 2"), "{error}");
            prop_assert!(scene.change.run(&dead.process()).is_err());
            prop_assert_eq!(before.differences(&dead.state()), Vec::<String>::new());
            prop_assert_eq!(dead.file(JOURNAL), Some(journal));
        }
        Ok(())
    });
}
