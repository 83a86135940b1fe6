//! Every check over generated, drawn and spoilt hosts: none panics, none keeps to itself what it
//! could not look at, and who is told that a device can be lent can bind it.

#![allow(clippy::disallowed_methods, reason = "a test that lists the fixtures")]

use std::fs;
use std::path::Path;

use passthru_formats::config_space;
use passthru_host::source;
use passthru_model::{Fact, Judged, Records, Severity, Snapshot, Verdict, Wants};
use passthru_pci::Address;
use passthru_plan::checks::sentence::{Lendable, sum_up};
use passthru_plan::checks::{self, Host};
use passthru_plan::planner::{BindWish, plan_bind};
use passthru_testkit::hosts;
use proptest::prelude::*;

/// What must be true of every answer, whatever the host.
fn judge(snapshot: &Snapshot, named: Option<&[Address]>) -> Result<(), TestCaseError> {
    let records = Records::default();
    let host = Host::new(snapshot, &records);
    let judged = checks::run(&host, named);
    for one in &judged {
        sound(one, named)?;
    }
    for address in named.into_iter().flatten() {
        if snapshot.device(*address).is_none() {
            continue;
        }
        let lendable = sum_up(&host, &judged, *address);
        prop_assert!(!lendable.words().is_empty());
        let with = match &lendable {
            Lendable::Now => &[][..],
            Lendable::With(with) => with,
            Lendable::After(all, _) | Lendable::Cannot(all) | Lendable::Unknown(all) => {
                prop_assert!(!all.is_empty() && all.iter().all(|text| !text.is_empty()), "{lendable:?}");
                continue;
            }
        };
        let devices = [&[*address], with].concat();
        let wish = BindWish {
            devices: &devices,
            with_group: false,
            driver: "vfio-pci",
            allow: &[],
            records: &records,
            now: 0,
            holder: None,
        };
        let plan = plan_bind(snapshot, &wish);
        prop_assert!(plan.is_ok(), "{address} {}: {plan:?}", lendable.words());
    }
    Ok(())
}

fn sound(one: &Judged, named: Option<&[Address]>) -> Result<(), TestCaseError> {
    let check = checks::by_id(one.id);
    prop_assert!(check.is_some(), "{}: nobody knows it", one.id);
    match &one.verdict {
        Verdict::Found(findings) => {
            prop_assert!(!findings.is_empty(), "{}: found nothing", one.id);
            for finding in findings {
                prop_assert!(!finding.evidence.is_empty(), "{finding:?}");
                prop_assert!(finding.evidence.iter().all(|seen| !seen.place.is_empty()), "{finding:?}");
                for text in [&finding.summary, &finding.consequence, &finding.remedy.text] {
                    prop_assert!(!text.is_empty() && !text.contains('\n'), "{finding:?}");
                }
                prop_assert!(!finding.summary.ends_with('.'), "{finding:?}");
                let loud = finding.severity == Severity::Error && one.device.is_some() && named.is_none();
                prop_assert!(!loud, "nobody asked for it: {finding:?}");
            }
        }
        Verdict::CouldNotLook(unseen) => {
            prop_assert!(!unseen.is_empty(), "{}: could not look, and does not say where", one.id);
            prop_assert!(unseen.iter().all(|u| !u.path.is_empty() && !u.why.is_empty()), "{one:?}");
        }
        Verdict::After(before) => {
            prop_assert!(check.is_some_and(|c| c.after.contains(before)) || checks::by_id(before).is_some());
        }
        Verdict::Pass(_) | Verdict::NotApplicable(_) => {}
    }
    Ok(())
}

/// Makes a fact another one, by a dice.
fn spoil<T>(fact: &mut Fact<T>, dice: u8) {
    match dice {
        0..24 => *fact = Fact::Absent,
        24..48 => *fact = Fact::Unreadable(passthru_formats::Errno::EACCES),
        48..64 => *fact = Fact::Unreadable(passthru_formats::Errno::EIO),
        64..80 => *fact = Fact::Malformed("\\u{fffd}\\u{fffd}".into()),
        80..96 => *fact = Fact::NotRead,
        _ => {}
    }
}

/// Spoils a host: facts of its devices, its groups and itself, and configuration spaces.
fn spoilt(mut snapshot: Snapshot, dice: &[u8], noise: &[u8]) -> Snapshot {
    let mut dice = dice.iter().copied().cycle();
    let mut next = || dice.next().unwrap_or(255);
    for device in &mut snapshot.devices {
        spoil(&mut device.id, next());
        spoil(&mut device.class, next());
        spoil(&mut device.driver, next());
        spoil(&mut device.group, next());
        spoil(&mut device.boot_vga, next());
        spoil(&mut device.subsystem, next());
        spoil(&mut device.physical_function, next());
        if next() < 16 {
            device.detail = None;
        }
        let Some(detail) = device.detail.as_deref_mut() else { continue };
        spoil(&mut detail.reset_methods, next());
        spoil(&mut detail.regions, next());
        spoil(&mut detail.rom, next());
        spoil(&mut detail.power_state, next());
        spoil(&mut detail.d3cold_allowed, next());
        spoil(&mut detail.irq, next());
        spoil(&mut detail.config, next());
        match next() {
            0..32 => detail.power_state = Fact::Known("D3cold".into()),
            32..64 => detail.irq = Fact::Known(16),
            64..96 => detail.reset_methods = Fact::Known(vec!["bus".into()]),
            _ => {}
        }
        let size = [64, 128, 256, 4096][usize::from(next()) % 4];
        if next() < 128
            && let Ok(config) =
                config_space::parse(&noise.iter().copied().cycle().take(size).collect::<Vec<u8>>())
        {
            detail.config = Fact::Known(config);
        }
    }
    for group in snapshot.groups.values_mut() {
        spoil(&mut group.reserved, next());
        spoil(&mut group.kind, next());
        spoil(&mut group.name, next());
    }
    spoil(&mut snapshot.kernel, next());
    spoil(&mut snapshot.command_line, next());
    spoil(&mut snapshot.iommu_units, next());
    spoil(&mut snapshot.iommu_tables, next());
    spoil(&mut snapshot.drivers, next());
    spoil(&mut snapshot.system.distribution, next());
    snapshot
}

/// The stored hosts.
fn stored() -> Vec<(String, Snapshot)> {
    let hosts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hosts");
    let mut all: Vec<(String, Snapshot)> = fs::read_dir(hosts)
        .expect("fixtures/hosts")
        .map(|entry| entry.expect("an entry").path().join("host.capture"))
        .map(|path| {
            let path = path.to_string_lossy().into_owned();
            let replay = source::open(&path).unwrap_or_else(|error| panic!("{error}"));
            let snapshot = passthru_host::snapshot(&*replay, &Wants::all());
            (path, snapshot.unwrap_or_else(|error| panic!("{error}")))
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(all.len() >= 10, "only {} hosts", all.len());
    all
}

fn addresses(snapshot: &Snapshot) -> Vec<Address> {
    snapshot.devices.iter().map(|device| device.address).collect()
}

#[test]
fn stored_hosts() {
    for (name, snapshot) in stored() {
        let all = addresses(&snapshot);
        judge(&snapshot, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        judge(&snapshot, Some(&[])).unwrap_or_else(|error| panic!("{name}: {error}"));
        for address in all {
            judge(&snapshot, Some(&[address])).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn spoilt_hosts() {
    let stored = stored();
    let dice = prop::collection::vec(any::<u8>(), 64..512);
    let noise = prop::collection::vec(any::<u8>(), 64..512);
    proptest!(ProptestConfig::with_cases(96), |(which in 0..stored.len(), dice in dice, noise in noise)| {
        let snapshot = spoilt(stored[which].1.clone(), &dice, &noise);
        let all = addresses(&snapshot);
        judge(&snapshot, None)?;
        judge(&snapshot, Some(&all))?;
        for address in all.iter().take(4) {
            judge(&snapshot, Some(&[*address]))?;
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn generated_hosts(spec in hosts::host(), pick in hosts::pick()) {
        let snapshot = spec.build().snapshot(&[]);
        judge(&snapshot, None)?;
        judge(&snapshot, Some(&spec.devices(&pick)))?;
    }
}
