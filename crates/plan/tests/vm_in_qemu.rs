//! Asks the real QEMU whether it accepts what `plan::vm` writes, and whether the
//! devices are where `plan::vm` says.
//!
//! No device is lent: `pci-testdev` stands in for `vfio-pci`, in the same places.
//! Without QEMU nothing is tested, and the output says so.

#![allow(clippy::disallowed_types, reason = "the test starts QEMU; the crate starts nothing")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use passthru_pci::Address;
use passthru_plan::vm::{GuestPlace, Plug, QEMU_FLAGS, QEMU_OPTIONS_WITH_VALUE, VmWish, plan_vm};
use serde_json::Value;

const QEMU: &str = "qemu-system-x86_64";

/// Whether QEMU can be started; said on stdout if not. Not with `println!`, which
/// the test harness keeps to itself as long as the test passes.
fn qemu_is_there(test: &str) -> bool {
    let there = Command::new(QEMU).arg("-version").stdout(Stdio::null()).status().is_ok();
    if !there {
        let _ = writeln!(std::io::stdout(), "NOT TESTED: {test}: {QEMU} is not installed");
    }
    there
}

/// What a PCI device is called and where it sits: bus, device, function.
type Seen = BTreeMap<String, (u64, u64, u64)>;

fn collect(devices: &Value, seen: &mut Seen, unnumbered: &mut bool) {
    for device in devices.as_array().into_iter().flatten() {
        let number = |name: &str| device[name].as_u64().unwrap();
        let id = device["qdev_id"].as_str().unwrap_or_default().to_owned();
        seen.insert(id, (number("bus"), number("slot"), number("function")));
        if let Some(bridge) = device.get("pci_bridge") {
            *unnumbered |= bridge["bus"]["secondary"] == 0;
            collect(&bridge["devices"], seen, unnumbered);
        }
    }
}

/// Starts the line and looks at the guest's PCI after the firmware has numbered it.
fn start_and_look(argv: &[String]) -> Seen {
    let mut child = Command::new(&argv[0])
        .args(&argv[1..])
        .args("-accel tcg -display none -serial none -parallel none -monitor none -qmp stdio".split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ask = |command: &str| {
        writeln!(input, "{{\"execute\":\"{command}\"}}").ok()?;
        loop {
            let answer: Value = serde_json::from_str(&lines.next()?.ok()?).ok()?;
            if let Some(answer) = answer.get("return") {
                return Some(answer.clone());
            }
        }
    };
    let start = Instant::now();
    let mut seen = Seen::new();
    let answered = ask("qmp_capabilities").is_some();
    while answered && start.elapsed() < Duration::from_secs(300) {
        let Some(busses) = ask("query-pci") else { break };
        let mut unnumbered = false;
        seen.clear();
        for bus in busses.as_array().unwrap() {
            collect(&bus["devices"], &mut seen, &mut unnumbered);
        }
        if !unnumbered {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = ask("quit");
    let ended = child.wait().unwrap();
    assert!(answered && ended.success(), "QEMU did not take the line: {}", argv.join(" "));
    seen
}

#[test]
fn devices_are_where_we_say() {
    if !qemu_is_there("the places of lent devices") {
        return;
    }
    let many = (1..=30).map(|bus| format!("{bus:02x}:00.0")).collect::<Vec<_>>().join(" ");
    let rng = " -device virtio-rng-pci".repeat(14);
    for (line, devices, plug) in [
        ("-M q35", "01:00.0", Plug::Port),
        ("-M q35 -nodefaults", "01:00.0 01:00.1 02:00.3 02:00.5 03:00.0", Plug::Port),
        (
            "-M q35,usb=on -device qemu-xhci -device pcie-root-port,id=a -nic user",
            "01:00.0 02:00.0",
            Plug::Port,
        ),
        (
            "-M q35 -device pcie-root-port,id=passthru-port-0,chassis=16,slot=16,addr=0x10 -device edu,addr=12 \
             -device pcie-root-port,id=z,chassis=1,slot=1,addr=0x1c",
            "01:00.0 02:00.0",
            Plug::Port,
        ),
        ("-M q35 -device pcie-root-port,id=a -device pcie-pci-bridge,bus=a", "01:00.0", Plug::Port),
        (&format!("-M q35{rng}"), "01:00.0", Plug::Port),
        ("-M q35", &many, Plug::Port),
        ("-M q35", "01:00.0 01:00.1 02:00.0", Plug::Root),
        ("", "01:00.0 01:00.1 02:00.0", Plug::Port),
        ("{devices} -M pc -m 64", "01:00.1", Plug::Root),
        (
            r#"-M pc -device {"driver":"edu","addr":"0x10"} -device {"driver":"edu","addr":136}"#,
            "01:00.0",
            Plug::Port,
        ),
    ] {
        let argv: Vec<String> = format!("{QEMU} {line}").split_whitespace().map(str::to_owned).collect();
        let devices: Vec<Address> = devices.split(' ').map(|a| a.parse().unwrap()).collect();
        let plan = plan_vm(&VmWish {
            argv: &argv,
            devices: &devices,
            separate: &[],
            plug,
            iommufd: false,
            given: &[],
        })
        .unwrap();
        let stand_in = |word: &String| match word.strip_prefix("vfio-pci,host=") {
            Some(rest) => format!("pci-testdev{}", &rest[rest.find(',').unwrap()..]),
            None => word.clone(),
        };
        let argv: Vec<String> = plan.argv.iter().map(stand_in).collect();
        let seen = start_and_look(&argv);
        for place in &plan.places {
            let id = format!("passthru-{}", place.address.to_string().replace([':', '.'], "-"));
            let at = *seen.get(&id).unwrap_or_else(|| panic!("{line}: {id} is not in {seen:?}"));
            match place.guest {
                GuestPlace::Root { device, function } => {
                    assert_eq!(at, (0, device.into(), function.into()), "{line}: {}", place.guest);
                }
                GuestPlace::Behind { port_device, port_function, function, likely_bus } => {
                    if let Some(bus) = likely_bus {
                        assert_eq!(at.0, u64::from(bus), "{line}: {}", place.guest);
                    }
                    assert_eq!((at.1, at.2), (0, function.into()), "{line}: {}", place.guest);
                    let ports = (u64::from(port_device), u64::from(port_function));
                    let is_port = |(id, at): (&String, &(u64, u64, u64))| {
                        id.starts_with("passthru-port-") && *at == (0, ports.0, ports.1)
                    };
                    assert!(seen.iter().any(is_port), "{line}: no port of ours at {ports:x?}: {seen:x?}");
                }
                _ => panic!("{line}: {place:?}"),
            }
        }
    }
}

/// What QEMU says about a word that it takes for an option, when it reads the line
/// for the first time, before it makes anything.
fn complaint(words: &[&str]) -> String {
    let output = Command::new(QEMU).args(words).stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn options_take_arguments_where_we_say() {
    if !qemu_is_there("the table of options") {
        return;
    }
    for option in QEMU_OPTIONS_WITH_VALUE {
        let text = complaint(&[&format!("-{option}")]);
        let other_release = text.contains(&format!("-{option}: invalid option"));
        assert!(text.contains("requires an argument") || other_release, "-{option}: {text}");
    }
    for option in QEMU_FLAGS {
        let text = complaint(&[&format!("-{option}"), "-novel"]);
        let taken_for_option = text.contains("-novel: invalid option");
        let other = text.contains(&format!("-{option}: invalid option")) || text.contains("not supported");
        assert!(taken_for_option || other, "-{option}: {text}");
    }
}
