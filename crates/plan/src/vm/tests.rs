//! Whole lines, before and after.

use super::*;

/// Cuts at blanks; `'…'` keeps them.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (nth, part) in line.split('\'').enumerate() {
        if nth % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

fn addresses(list: &str) -> Vec<Address> {
    list.split_whitespace().map(|a| a.parse().unwrap()).collect()
}

fn plan_with(line: &str, devices: &str, separate: &str, plug: Plug) -> Result<VmPlan, VmError> {
    let (argv, devices, separate) = (words(line), addresses(devices), addresses(separate));
    plan_vm(&VmWish { argv: &argv, devices: &devices, separate: &separate, plug, iommufd: false, given: &[] })
}

fn plan(line: &str, devices: &str) -> VmPlan {
    plan_with(line, devices, "", Plug::Port).unwrap()
}

/// The added words without `-device`, and the places.
fn shown(plan: &VmPlan) -> (Vec<&str>, Vec<String>) {
    let added = plan.added.iter().map(String::as_str).filter(|w| *w != "-device").collect();
    let place =
        |p: &Place| format!("{}{} {}", p.address.short(), if p.already_named { "*" } else { "" }, p.guest);
    (added, plan.places.iter().map(place).collect())
}

#[test]
fn one_device_behind_a_port() {
    let plan = plan("qemu-system-x86_64 -M q35 -m 4G disk.img", "01:00.0");
    assert_eq!(
        plan.argv.join(" "),
        "qemu-system-x86_64 -M q35 -m 4G disk.img \
         -device pcie-root-port,id=passthru-port-0,bus=pcie.0,chassis=16,slot=16,addr=0x10 \
         -device vfio-pci,host=0000:01:00.0,id=passthru-0000-01-00-0,bus=passthru-port-0,addr=0x0"
    );
    assert_eq!(shown(&plan).1, ["01:00.0 behind the root port 00:10.0, most likely as 01:00.0"]);
    assert_eq!((plan.guest_memory, plan.locked_memory), (Some(4 << 30), Some(5 << 30)));
    assert_eq!((plan.qemu_args_env, plan.notes), (None, vec![]));
}

#[test]
fn places() {
    let port = "pcie-root-port,id=passthru-port-";
    let id = ",id=passthru-0000-";
    for (line, devices, wanted, places) in [
        // GPU and its sound together, a second card behind its own port.
        (
            "-M q35",
            "01:00.0 01:00.1 02:00.0",
            vec![
                format!("{port}0,bus=pcie.0,chassis=16,slot=16,addr=0x10"),
                format!(
                    "vfio-pci,host=0000:01:00.0{id}01-00-0,bus=passthru-port-0,addr=0x0.0,multifunction=on"
                ),
                format!("vfio-pci,host=0000:01:00.1{id}01-00-1,bus=passthru-port-0,addr=0x0.1"),
                format!("{port}1,bus=pcie.0,chassis=17,slot=17,addr=0x11"),
                format!("vfio-pci,host=0000:02:00.0{id}02-00-0,bus=passthru-port-1,addr=0x0"),
            ],
            vec![
                "01:00.0 behind the root port 00:10.0, most likely as 01:00.0",
                "01:00.1 behind the root port 00:10.0, most likely as 01:00.1",
                "02:00.0 behind the root port 00:11.0, most likely as 02:00.0",
            ],
        ),
        // Function 0 stays on the host: the lowest lent one stands in for it.
        (
            "-M q35",
            "00:14.2 00:14.3",
            vec![
                format!("{port}0,bus=pcie.0,chassis=16,slot=16,addr=0x10"),
                format!(
                    "vfio-pci,host=0000:00:14.2{id}00-14-2,bus=passthru-port-0,addr=0x0.0,multifunction=on"
                ),
                format!("vfio-pci,host=0000:00:14.3{id}00-14-3,bus=passthru-port-0,addr=0x0.3"),
            ],
            vec![
                "00:14.2 behind the root port 00:10.0, most likely as 01:00.0",
                "00:14.3 behind the root port 00:10.0, most likely as 01:00.3",
            ],
        ),
        // i440FX has no ports.
        (
            "-m 1G",
            "01:00.0",
            vec![format!("vfio-pci,host=0000:01:00.0{id}01-00-0,bus=pci.0,addr=0x10")],
            vec!["01:00.0 at 00:10.0"],
        ),
        // The line's own numbers are kept clear of, its ports are counted.
        (
            "-M q35 -device pcie-root-port,id=passthru-port-0,chassis=16,slot=1,addr=0x10 -device edu,addr=12",
            "01:00.0 02:00.0",
            vec![
                format!("{port}1,bus=pcie.0,chassis=17,slot=17,addr=0x11"),
                format!("vfio-pci,host=0000:01:00.0{id}01-00-0,bus=passthru-port-1,addr=0x0"),
                format!("{port}2,bus=pcie.0,chassis=18,slot=18,addr=0x13"),
                format!("vfio-pci,host=0000:02:00.0{id}02-00-0,bus=passthru-port-2,addr=0x0"),
            ],
            vec![
                "01:00.0 behind the root port 00:11.0, most likely as 02:00.0",
                "02:00.0 behind the root port 00:13.0, most likely as 03:00.0",
            ],
        ),
        // Bridges behind bridges: no guess at the number.
        (
            "-M q35 -device pcie-root-port,id=a -device pcie-pci-bridge,bus=a",
            "01:00.0",
            vec![
                format!("{port}0,bus=pcie.0,chassis=16,slot=16,addr=0x10"),
                format!("vfio-pci,host=0000:01:00.0{id}01-00-0,bus=passthru-port-0,addr=0x0"),
            ],
            vec!["01:00.0 behind the root port 00:10.0, as xx:00.0 (the guest chooses the bus number)"],
        ),
        // Named already, here at a place that is known and there at one that is not.
        (
            "-M q35 -device vfio-pci,host=01:00.0,bus=pcie.0,addr=5 -device vfio-pci,host=2:0.0,bus=rp",
            "01:00.0 02:00.0",
            vec![],
            vec!["01:00.0* at 00:05.0", "02:00.0* where the line puts it, on rp"],
        ),
        (
            "-M q35 -device vfio-pci,host=01:00.0",
            "01:00.0 01:00.1",
            vec![
                format!("{port}0,bus=pcie.0,chassis=16,slot=16,addr=0x10"),
                format!("vfio-pci,host=0000:01:00.1{id}01-00-1,bus=passthru-port-0,addr=0x0"),
            ],
            vec![
                "01:00.0* where QEMU puts it",
                "01:00.1 behind the root port 00:10.0, most likely as 01:00.0",
            ],
        ),
        // Behind VMD: host= has no room for the domain.
        (
            "-M q35",
            "10000:e1:00.0",
            vec![
                format!("{port}0,bus=pcie.0,chassis=16,slot=16,addr=0x10"),
                "vfio-pci,sysfsdev=/sys/bus/pci/devices/10000:e1:00.0,id=passthru-10000-e1-00-0,\
                 bus=passthru-port-0,addr=0x0"
                    .to_owned(),
            ],
            vec!["10000:e1:00.0 behind the root port 00:10.0, most likely as 01:00.0"],
        ),
    ] {
        let plan = plan(&format!("qemu-system-x86_64 {line}"), devices);
        let (got, at) = shown(&plan);
        assert_eq!(got, wanted, "{line}");
        assert_eq!(at, places, "{line}");
    }
}

#[test]
fn other_machines() {
    let aarch64 = plan("qemu-system-aarch64 -M virt", "01:00.0");
    assert!(aarch64.added[1].starts_with("pcie-root-port,"), "{:?}", aarch64.added);
    let pseries = plan("qemu-system-ppc64 -M pseries", "01:00.0");
    assert_eq!(shown(&pseries).0, ["vfio-pci,host=0000:01:00.0,id=passthru-0000-01-00-0"]);
    // A machine that has no room does not matter where nothing has to be placed.
    plan("qemu-system-x86_64 -readconfig vm.cfg -device vfio-pci,host=01:00.0", "01:00.0");
}

#[test]
fn on_the_root_bus() {
    let plan = plan_with("qemu-system-x86_64 -M q35", "01:00.0 01:00.1", "", Plug::Root).unwrap();
    assert_eq!(
        shown(&plan),
        (
            vec![
                "vfio-pci,host=0000:01:00.0,id=passthru-0000-01-00-0,bus=pcie.0,addr=0x10.0,multifunction=on",
                "vfio-pci,host=0000:01:00.1,id=passthru-0000-01-00-1,bus=pcie.0,addr=0x10.1",
            ],
            vec!["01:00.0 at 00:10.0".to_owned(), "01:00.1 at 00:10.1".to_owned()]
        )
    );
}

#[test]
fn virtual_functions_get_ports_of_their_own() {
    let vfs = "01:10.0 01:10.2";
    let plan = plan_with("qemu-system-x86_64 -M q35", vfs, vfs, Plug::Port).unwrap();
    assert_eq!(
        shown(&plan).1,
        [
            "01:10.0 behind the root port 00:10.0, most likely as 01:00.0",
            "01:10.2 behind the root port 00:11.0, most likely as 02:00.0",
        ]
    );
}

#[test]
fn many_devices_share_slots_before_there_is_no_room() {
    let many = |n: u8| (1..=n).map(|bus| format!("{bus:02x}:00.0")).collect::<Vec<_>>().join(" ");
    let line = "qemu-system-x86_64 -M q35";
    let slots = |plan: &VmPlan| {
        let of = |p: &Place| match p.guest {
            GuestPlace::Behind { port_device, port_function, .. } => (port_device, port_function),
            _ => panic!("{p:?}"),
        };
        plan.places.iter().map(of).collect::<Vec<_>>()
    };
    let all = slots(&plan(line, &many(26)));
    assert!(all.iter().all(|(device, function)| *function == 0 && !matches!(device, 0x1d | 0x1f)), "{all:?}");
    let mut once = all.clone();
    once.dedup();
    assert_eq!(once.len(), 26);
    let all = slots(&plan(line, &many(27)));
    assert!(all.contains(&(0x10, 1)) && all.iter().all(|(device, _)| *device >= 0x10), "{all:?}");
    assert_eq!(
        plan_with(line, &many(209), "", Plug::Port),
        Err(VmError::NoRoom { needed: 209, free: 208, bus: "pcie.0" })
    );
    assert_eq!(
        plan_with(line, &many(27), "", Plug::Root),
        Err(VmError::NoRoom { needed: 27, free: 26, bus: "pcie.0" })
    );
}

#[test]
fn devices_that_qemu_places_itself_are_kept_clear_of() {
    let line = format!("qemu-system-x86_64 -M q35{}", " -device virtio-rng-pci".repeat(14));
    assert_eq!(
        shown(&plan(&line, "01:00.0")).1,
        ["01:00.0 behind the root port 00:12.0, most likely as 01:00.0"]
    );
}

#[test]
fn programs_that_are_not_qemu() {
    let device = "vfio-pci,host=0000:01:00.0,id=passthru-0000-01-00-0,addr=0x10";
    for (line, wanted, notes) in [
        ("./vm.sh --fast", vec!["./vm.sh", "--fast"], 1),
        ("./vm.sh {devices} end", vec!["./vm.sh", "-device", device, "end"], 0),
        (
            "sh -c 'qemu-system-x86_64 {devices} -m 1G'",
            vec!["sh", "-c", &format!("qemu-system-x86_64 -device {device} -m 1G")],
            0,
        ),
        ("./vm.sh -daemonize", vec!["./vm.sh", "-daemonize"], 1),
    ] {
        let plan = plan(line, "01:00.0");
        assert_eq!(plan.argv, wanted, "{line}");
        assert_eq!(plan.notes.len(), notes, "{line}");
        assert_eq!(plan.qemu_args_env, Some(format!("-device {device}")), "{line}");
        assert_eq!((plan.guest_memory, plan.locked_memory), (None, None));
    }
}

#[test]
fn the_environment_survives_a_shell_without_quotes() {
    let plan = plan("./vm.sh", "01:00.0 01:00.1 10000:e1:00.0");
    let env = plan.qemu_args_env.unwrap();
    assert_eq!(env.split(' ').collect::<Vec<_>>(), plan.added);
    assert!(!env.contains(['\'', '"', '\\', '*', '?', '[']), "{env}");
}

#[test]
fn a_placeholder_in_a_qemu_line() {
    let plan = plan("qemu-system-x86_64 {devices} -m 1G", "01:00.0");
    assert_eq!(
        plan.argv.join(" "),
        "qemu-system-x86_64 -device vfio-pci,host=0000:01:00.0,id=passthru-0000-01-00-0,bus=pci.0,addr=0x10 -m 1G"
    );
}

#[test]
fn refused() {
    for (line, wanted) in [
        ("qemu-system-x86_64 -daemonize", VmError::Daemonize),
        ("taskset -c 0 kvm --daemonize", VmError::Daemonize),
        ("qemu-system-x86_64 -M microvm", VmError::NoPci { machine: "microvm".into() }),
        ("qemu-system-x86_64 -kernel", VmError::MissingArgument { option: "-kernel".into() }),
        ("sudo kvm", VmError::Privilege { program: "sudo".into() }),
    ] {
        assert_eq!(plan_with(line, "01:00.0", "", Plug::Port), Err(wanted), "{line}");
    }
    plan("qemu-system-x86_64 -kernel vmlinuz -append '-daemonize -M none'", "01:00.0");
}

#[test]
fn notes() {
    for (line, wanted) in [
        ("-device vfio-pci,host=05:00.0", "add -d 0000:05:00.0 if it should be"),
        ("-incoming defer", "-incoming needs a state"),
        ("-M pc -readconfig x.cfg", "x.cfg is not read here"),
        ("-m lots", "-m lots is not understood"),
    ] {
        let plan = plan(&format!("qemu-system-x86_64 {line}"), "01:00.0");
        assert!(plan.notes.len() == 1 && plan.notes[0].contains(wanted), "{line}: {:?}", plan.notes);
    }
    assert!(plan("qemu-system-x86_64 -S -snapshot -preconfig", "01:00.0").notes.is_empty());
}

/// What is opened, as text; and the line with the numbers 11, 12 and so on for it.
fn through_iommufd(line: &str, devices: &str, iommufd: bool) -> (Vec<String>, VmPlan) {
    let argv = words(line);
    let devices: Vec<Address> = devices.split_whitespace().map(|d| d.parse().unwrap()).collect();
    let wish =
        VmWish { argv: &argv, devices: &devices, separate: &[], plug: Plug::Port, iommufd, given: &[] };
    let opened = plan_vm(&wish).unwrap().opened;
    let told = opened.iter().map(|what| match what {
        Opened::Object(id) => id.clone(),
        Opened::Device(device) => device.to_string(),
    });
    let told = told.collect();
    let given: Vec<_> = opened.into_iter().zip(11..).collect();
    (told, plan_vm(&VmWish { given: &given, ..wish }).unwrap())
}

#[test]
fn what_the_line_opens_through_iommufd_is_given_by_number() {
    let line = "qemu-system-x86_64 -M q35 -object iommufd,id=f0 -device vfio-pci,host=01:00.0,iommufd=f0 \
         -device vfio-pci,host=02:00.0";
    let (opened, plan) = through_iommufd(line, "01:00.0 02:00.0", false);
    assert_eq!(opened, ["f0", "0000:01:00.0"]);
    assert_eq!(
        plan.argv.join(" "),
        "qemu-system-x86_64 -M q35 -object iommufd,id=f0,fd=11 -device vfio-pci,host=01:00.0,iommufd=f0,fd=12,id=passthru-0000-01-00-0 \
         -device vfio-pci,host=02:00.0"
    );
    // Who is not lent is not opened; and an object nobody lent uses neither.
    let (opened, plan) = through_iommufd(line, "02:00.0", false);
    assert_eq!(opened, [""; 0]);
    assert_eq!(plan.argv, words(line));
    // JSON; behind a wrapper; with words of the same look that are arguments of others.
    let line = r#"taskset -c 1 qemu-system-x86_64 -M q35 -append -object -name -device -object {"qom-type":"iommufd","id":"x"} -device {"driver":"vfio-pci","host":"01:00.0","iommufd":"x"}"#;
    let (opened, plan) = through_iommufd(line, "01:00.0", false);
    assert_eq!(opened, ["x", "0000:01:00.0"]);
    assert_eq!(
        plan.argv[10..].join(" "),
        r#"-object {"fd":"11","id":"x","qom-type":"iommufd"} -device {"driver":"vfio-pci","fd":"12","host":"01:00.0","id":"passthru-0000-01-00-0","iommufd":"x"}"#
    );
    assert!(!plan.opens_iommufd);
    // An id of its own stays; a path to the object is as good as its id; an empty one is none.
    let line = "qemu-system-x86_64 -M q35 -m 1G -object iommufd,id=f0 -device vfio-pci,id=gpu,host=01:00.0,iommufd=/objects/f0 \
         -device vfio-pci,host=02:00.0,iommufd=";
    let (opened, plan) = through_iommufd(line, "01:00.0 02:00.0", false);
    assert_eq!(opened, ["f0", "0000:01:00.0"]);
    assert_eq!(plan.argv[8], "vfio-pci,id=gpu,host=01:00.0,iommufd=/objects/f0,fd=12");
    // The groups' address space and the object's: all memory is locked in each.
    assert_eq!(plan.locked_memory, Some(3 << 30));
}

#[test]
fn descriptors_that_the_line_has_itself_stay() {
    let line = "qemu-system-x86_64 -M q35 -object iommufd,id=f0,fd=3 -device vfio-pci,host=01:00.0,iommufd=f0,fd=4 \
         -device vfio-pci,host=02:00.0,iommufd=f0";
    let (opened, plan) = through_iommufd(line, "01:00.0 02:00.0", false);
    assert_eq!(opened, ["0000:02:00.0"]);
    assert_eq!(plan.argv.join(" "), format!("{line},fd=11,id=passthru-0000-02-00-0"));
    assert_eq!(plan.given_by_line, ["0000:01:00.0".parse().unwrap()]);
    assert!(!plan.opens_iommufd);
    // The object is in a file: QEMU opens its node itself.
    let line = "qemu-system-x86_64 -M q35 -readconfig a.cfg -device vfio-pci,host=01:00.0,iommufd=f0";
    let (opened, plan) = through_iommufd(line, "01:00.0", false);
    assert_eq!(opened, ["0000:01:00.0"]);
    assert!(plan.opens_iommufd);
}

#[test]
fn what_is_added_may_go_through_iommufd() {
    let (opened, plan) = through_iommufd("qemu-system-x86_64 -M q35", "01:00.0 02:00.0", true);
    assert_eq!(opened, ["passthru-iommufd", "0000:01:00.0", "0000:02:00.0"]);
    let added = plan.added.join(" ");
    assert!(
        added.starts_with("-object iommufd,id=passthru-iommufd,fd=11 -device pcie-root-port,"),
        "{added}"
    );
    assert!(
        added.contains("vfio-pci,host=0000:01:00.0,id=passthru-0000-01-00-0,iommufd=passthru-iommufd,bus=")
    );
    assert!(added.contains(",addr=0x0,fd=12") && added.ends_with(",fd=13"), "{added}");
    assert_eq!(plan.argv[3..], plan.added);
    // The line's own object is used, and its id is nobody else's.
    let line = "qemu-system-x86_64 -M q35 -object iommufd,id=f0";
    let (opened, plan) = through_iommufd(line, "01:00.0", true);
    assert_eq!(opened, ["f0", "0000:01:00.0"]);
    assert!(
        plan.argv.join(" ").contains("-object iommufd,id=f0,fd=11 -device pcie-root-port"),
        "{:?}",
        plan.argv
    );
    let line = "qemu-system-x86_64 -M q35 -object rng-random,id=passthru-iommufd";
    assert_eq!(through_iommufd(line, "01:00.0", true).0, ["passthru-iommufd-1", "0000:01:00.0"]);
    // Nothing is added where the line names them all.
    let line = "qemu-system-x86_64 -M q35 -device vfio-pci,host=01:00.0";
    let (opened, plan) = through_iommufd(line, "01:00.0", true);
    assert_eq!(opened, [""; 0]);
    assert_eq!(plan.argv, words(line));
    assert!(plan.notes[0].contains("0000:01:00.0 by its group"), "{:?}", plan.notes);
    // A script finds them in its environment.
    let (opened, plan) = through_iommufd("./vm.sh", "01:00.0", true);
    assert_eq!(opened, ["passthru-iommufd", "0000:01:00.0"]);
    let environment = plan.qemu_args_env.unwrap();
    assert!(
        environment.starts_with("-object iommufd,id=passthru-iommufd,fd=11 -device vfio-pci,"),
        "{environment}"
    );
    assert!(environment.ends_with(",fd=12"), "{environment}");
}
