//! Single stories on the fake kernel: two at once, a mount in between, a card that is
//! pulled, a driver that will not come back, a virtual machine that holds on.

use std::time::Duration;

use passthru_apply::books::{self, Patience};
use passthru_apply::target::{LockError, Target};
use passthru_apply::transaction::ChangeError;
use passthru_formats::Errno;
use passthru_host::source::Source;
use passthru_model::Reason;
use passthru_model::plan::NoPlan;
use passthru_pci::Address;
use passthru_testkit::fake::{Fault, Kernel, Part, What};

use crate::support::{FAILURES, Wish, is_no_failure, recover, release};

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn wish(device: &str) -> Wish {
    Wish { devices: vec![address(device)], with_group: false }
}

/// A disk and a network card.
fn host() -> Kernel {
    Kernel::with_parts([
        Part::new("0000:01:00.0", 0x01_0802).on("nvme").disk("nvme0n1", 0, &["nvme0n1p1"]),
        Part::new("0000:02:00.0", 0x02_0000).on("e1000e").interface("eth0"),
    ])
}

fn driver(kernel: &Kernel, device: &str) -> Option<String> {
    kernel.with(|m| m.functions[&address(device)].driver.clone())
}

#[test]
fn the_second_waits_for_the_lock_and_is_told_who_has_it() {
    let kernel = host();
    let guard = books::lock(&kernel, Patience::NONE, "bind").unwrap();
    let error = wish("0000:01:00.0").bind(&kernel.process()).unwrap_err();
    let ChangeError::Books(books::BooksError::Lock(LockError::Busy { holder, .. })) = error else {
        panic!("{error:?}")
    };
    assert_eq!(holder, format!("`passthru bind` (process {}, for 0 s so far)", kernel.process_id()));
    let other = kernel.process();
    std::thread::scope(|scope| {
        let waits = scope.spawn(move || {
            let patience = Patience { lock: Duration::from_secs(300), ..Patience::NONE };
            books::lock(&other, patience, "bind").is_ok()
        });
        drop(guard);
        assert!(waits.join().unwrap());
    });
}

/// Eight processes bind and release the same two devices: every answer is right, and in
/// the end everything is as it was.
#[test]
fn many_at_once() {
    let kernel = host();
    let first = kernel.state();
    std::thread::scope(|scope| {
        for nth in 0..8 {
            let kernel = kernel.process();
            scope.spawn(move || {
                let device = ["0000:01:00.0", "0000:02:00.0"][nth % 2];
                for _ in 0..5 {
                    // Somebody may be changing the host, or have been faster.
                    match wish(device).bind(&kernel) {
                        Ok(_) | Err(ChangeError::Books(_)) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                    match release(&kernel, &[address(device)]) {
                        Ok(_) | Err(ChangeError::Books(_)) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            });
        }
    });
    for device in ["0000:01:00.0", "0000:02:00.0"] {
        release(&kernel, &[address(device)]).unwrap();
    }
    assert_eq!(first.differences(&kernel.state()), Vec::<String>::new());
}

/// Between the plan and the write somebody mounts the disk: the hold meets it.
#[test]
fn a_mount_between_reading_and_unbinding_is_met() {
    let kernel = host();
    let plan = wish("0000:01:00.0").plan(&kernel).unwrap();
    let guard = books::lock(&kernel, Patience::NONE, "bind").unwrap();
    kernel.mount("nvme0n1p1", "/srv").unwrap();
    let before = kernel.state();
    let error = passthru_apply::transaction::apply(&guard, &plan, None).unwrap_err();
    assert!(error.to_string().contains("/dev/nvme0n1 is in use after all: EBUSY"), "{error}");
    assert_eq!(before.differences(&kernel.state()), Vec::<String>::new());
    // And the other way round: while it is held nobody mounts it.
    let kernel = host();
    let hold = kernel.hold("/dev/nvme0n1").unwrap();
    assert_eq!(kernel.mount("nvme0n1p1", "/srv"), Err(Errno::EBUSY));
    assert_eq!(kernel.swapon("nvme0n1p1"), Err(Errno::EBUSY));
    drop(hold);
    assert_eq!(kernel.mount("nvme0n1p1", "/srv"), Ok(()));
}

/// The fake itself: unbinding a disk under a mount loses it, so that a test sees it.
#[test]
fn unbinding_under_a_mount_does_the_damage() {
    let kernel = host();
    kernel.mount("nvme0n1p1", "/srv").unwrap();
    let unbind = "/sys/bus/pci/devices/0000:01:00.0/driver/unbind";
    kernel.write_attribute(unbind, "0000:01:00.0", Duration::ZERO).unwrap();
    assert_eq!(kernel.state().damage, ["nvme0n1p1, mounted on /srv"]);
    assert_eq!(kernel.list("/sys/class/block").unwrap(), Vec::<String>::new());
}

#[test]
fn a_card_that_is_pulled() {
    let calls = {
        let kernel = host();
        wish("0000:01:00.0").bind(&kernel).unwrap();
        kernel.changes()
    };
    for at in 3..calls {
        // It is pulled after the process died: there is nothing to undo but the books.
        let dead = host().copy_with([Fault { at, what: What::CrashAfter }]);
        wish("0000:01:00.0").bind(&dead).unwrap_err();
        dead.unplug(address("0000:01:00.0"));
        let next = dead.process();
        let recovered = recover(&next);
        assert!(recovered.is_ok(), "died after call {at}: {recovered:?}");
        // The last call ended the journal: there the lease is still a good one.
        if at + 1 < calls {
            assert_eq!(next.state().books.len(), 0, "died after call {at}");
        }
        wish("0000:02:00.0").bind(&next).unwrap();
    }
    // While it is bound: its lease is closed, nothing is written.
    let kernel = host();
    wish("0000:01:00.0").bind(&kernel).unwrap();
    kernel.unplug(address("0000:01:00.0"));
    let applied = release(&kernel, &[address("0000:01:00.0")]).unwrap();
    assert!(applied.plan.notes[0].contains("not there any more"), "{:?}", applied.plan.notes);
    assert_eq!(kernel.state().books.len(), 0);
}

/// The host driver is gone for good. The release fails, the device stays lent, and says so.
#[test]
fn a_host_driver_that_does_not_take_it_back() {
    let kernel = host();
    wish("0000:01:00.0").bind(&kernel).unwrap();
    kernel.with(|m| m.drivers.get_mut("nvme").unwrap().refuses = Some(Errno::ENODEV));
    let bound = kernel.state();
    let error = release(&kernel, &[address("0000:01:00.0")]).unwrap_err();
    let ChangeError::Failed(failure) = &error else { panic!("{error:?}") };
    assert_eq!(failure.left, Vec::<String>::new());
    assert!(error.to_string().contains("the driver of 0000:01:00.0 is none after the write, not nvme"));
    assert_eq!(bound.differences(&kernel.state()), Vec::<String>::new());
    // Interrupted in the middle of that: it cannot be finished, so it is undone.
    let dead = kernel.copy_with([Fault { at: 11, what: What::CrashAfter }]);
    release(&dead, &[address("0000:01:00.0")]).unwrap_err();
    let next = dead.process();
    let recovered = recover(&next).unwrap().unwrap();
    assert!(!recovered.finished && recovered.unfinished.is_some(), "{recovered:?}");
    assert_eq!(bound.differences(&next.state()), Vec::<String>::new());
}

/// Another vfio refusal than a bridge's: the kernel says no, and everything is as it was.
#[test]
fn vfio_refuses() {
    let kernel = host();
    kernel.with(|m| m.drivers.get_mut("vfio-pci").unwrap().refuses = Some(Errno::EINVAL));
    let first = kernel.state();
    let error = wish("0000:01:00.0").bind(&kernel).unwrap_err();
    assert!(
        error.to_string().contains("writing '0000:01:00.0' to /sys/bus/pci/drivers_probe: EINVAL"),
        "{error}"
    );
    assert_eq!(first.differences(&kernel.state()), Vec::<String>::new());
}

/// Loading `vfio-pci` takes what waits for it. A device of the plan must not be among
/// that, or undoing would leave it bound.
#[test]
fn a_device_that_waits_for_the_driver() {
    let kernel = host();
    kernel.with(|m| {
        m.drivers.get_mut("vfio-pci").unwrap().loaded = false;
        let function = m.functions.get_mut(&address("0000:01:00.0")).unwrap();
        function.driver = None;
        function.driver_override = Some("vfio-pci".into());
    });
    let first = kernel.state();
    let whole = kernel.copy();
    wish("0000:01:00.0").bind(&whole).unwrap();
    assert_eq!(driver(&whole, "0000:01:00.0").as_deref(), Some("vfio-pci"));
    for at in 0..whole.changes() {
        for what in FAILURES {
            let failed = kernel.copy_with([Fault { at, what }]);
            let result = wish("0000:01:00.0").bind(&failed);
            let was_to_fail = !is_no_failure(&failed, Fault { at, what });
            assert_eq!(result.is_err(), was_to_fail, "{what:?} at {at}");
            let state = if was_to_fail { &first } else { &whole.state() };
            assert_eq!(state.differences(&failed.state()), Vec::<String>::new(), "{result:?}");
        }
    }
    release(&whole, &[address("0000:01:00.0")]).unwrap();
    assert_eq!(first.differences(&whole.state()), Vec::<String>::new());
}

#[test]
fn a_device_that_is_held_is_not_released() {
    let kernel = host();
    wish("0000:01:00.0").bind(&kernel).unwrap();
    kernel.start_vm(4711, 1).unwrap();
    let held = kernel.state();
    let error = release(&kernel, &[address("0000:01:00.0")]).unwrap_err();
    let ChangeError::NoPlan(NoPlan::Refused(refusals)) = error else { panic!("{error:?}") };
    assert_eq!(refusals[0].reason, Reason::Held);
    assert_eq!(refusals[0].evidence, "/dev/vfio/1 → held by qemu-system-x86 (process 4711)");
    assert_eq!(held.differences(&kernel.state()), Vec::<String>::new());
    kernel.end(4711);
    release(&kernel, &[address("0000:01:00.0")]).unwrap();
    assert_eq!(driver(&kernel, "0000:01:00.0").as_deref(), Some("nvme"));
}

/// Somebody moves the device while the process is dead: nothing of it is touched.
#[test]
fn a_device_somebody_else_moved_is_left_alone() {
    let kernel = host();
    let dead = kernel.copy_with([Fault { at: 14, what: What::CrashAfter }]);
    wish("0000:01:00.0").bind(&dead).unwrap_err();
    dead.with(|m| m.functions.get_mut(&address("0000:01:00.0")).unwrap().driver = Some("pci-stub".into()));
    let before = dead.state().without_books();
    let next = dead.process();
    let error = recover(&next).unwrap_err().to_string();
    assert!(error.contains("is pci-stub, not"), "{error}");
    let now = next.state().without_books();
    assert_eq!(before.functions[&address("0000:01:00.0")].0, now.functions[&address("0000:01:00.0")].0);
}
