//! Sixteen processes at once, some of which die: every answer is right, and in the end
//! everything is as it was.

use std::time::Duration;

use passthru_apply::transaction::ChangeError;
use passthru_pci::Address;
use passthru_testkit::fake::{Fault, Kernel, Part, What};
use proptest::prelude::*;

use crate::support::{CRASHES, Change, How, Wish, clean_up, release, runner, tell};

const DEVICES: [&str; 4] = ["0000:01:00.0", "0000:02:00.0", "0000:02:00.1", "0000:03:00.0"];

fn host() -> Kernel {
    Kernel::with_parts([
        Part::new(DEVICES[0], 0x01_0802).on("nvme").disk("nvme0n1", 0, &["nvme0n1p1"]),
        Part::new(DEVICES[1], 0x02_0000).on("e1000e").interface("eth0"),
        Part::new(DEVICES[2], 0x02_0000).on("e1000e").interface("eth1"),
        Part::new(DEVICES[3], 0x04_0300),
    ])
}

/// What one process does: binding or releasing which devices, and at which call it dies.
type Act = (bool, Vec<usize>, Option<usize>);

fn act() -> impl Strategy<Value = Act> {
    let devices = prop::sample::subsequence((0..DEVICES.len()).collect::<Vec<_>>(), 1..=3);
    (any::<bool>(), devices, prop::option::weighted(0.2, 0..30_usize))
}

fn play(machine: &Kernel, (bind, devices, dies): &Act) -> Result<(), String> {
    let devices: Vec<Address> = devices.iter().map(|nth| DEVICES[*nth].parse().unwrap()).collect();
    let kernel = machine.process_with(dies.map(|at| Fault { at, what: CRASHES[at % 3] }));
    let change =
        if *bind { Change::Bind(Wish { devices, with_group: true }) } else { Change::Release(devices) };
    match change.run_with(&kernel, How { patience: Duration::from_secs(600), ..How::default() }) {
        Ok(applied) => {
            // Nobody else changed anything meanwhile.
            let fails =
                applied.cleanup.interrupted.iter().any(|r| r.unfinished.is_some() || !r.stuck.is_empty());
            if fails { Err(format!("{:?}", applied.cleanup)) } else { Ok(()) }
        }
        Err(_) if kernel.is_dead() => Ok(()),
        Err(ChangeError::NoPlan(no)) => Err(format!("{no:?}")),
        Err(error) => Err(format!("{error:?}")),
    }
}

#[test]
fn sixteen_processes() {
    let (cases, hosts) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let scripts = prop::collection::vec(prop::collection::vec(act(), 1..5), 16);
    let run = runner(6).run(&scripts, |scripts| {
        hosts.set(hosts.get() + 1);
        cases.set(cases.get() + scripts.iter().map(Vec::len).sum::<usize>());
        let machine = host();
        let first = machine.state();
        let wrong: Vec<String> = std::thread::scope(|scope| {
            let all: Vec<_> = scripts
                .iter()
                .map(|acts| {
                    let machine = machine.process();
                    scope.spawn(move || {
                        acts.iter().filter_map(|act| play(&machine, act).err()).collect::<Vec<_>>()
                    })
                })
                .collect();
            all.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        prop_assert!(wrong.is_empty(), "{wrong:#?}");
        let last = machine.process_with([Fault { at: usize::MAX, what: What::CrashBefore }]);
        prop_assert!(clean_up(&last).is_ok());
        let devices = DEVICES.map(|device| device.parse().unwrap());
        let released = release(&last, &devices);
        prop_assert!(released.is_ok(), "{released:?}");
        prop_assert_eq!(first.differences(&machine.state()), Vec::<String>::new());
        Ok(())
    });
    tell("sixteen at once", cases.get(), hosts.get());
    run.unwrap();
}
