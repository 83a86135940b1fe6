use passthru_formats::Errno;
use passthru_formats::messages::{self, Program};
use passthru_pci::Class;

use super::super::by_id;
use super::super::testing::{function, host_with, verdict};
use super::*;

fn host(log: Fact<Log>) -> Snapshot {
    let mut host = host_with(|system| system.log = log);
    host.devices = vec![function("01:00.0"), function("02:00.0")];
    host
}

fn whole(lines: Vec<LogLine>) -> Fact<Log> {
    Fact::Known(Log { place: "/dev/kmsg", whole: true, lines })
}

fn line(name: &'static str, device: Option<&str>) -> LogLine {
    let device = device.map(|d| d.parse().unwrap());
    LogLine { name, device, time: Some(5_690_800), count: 3, text: "the text".into() }
}

#[test]
fn every_text_of_the_kernel_has_its_check() {
    // This one is no trouble by itself.
    let quiet = ["iommu-parameter-read", "x2apic-opt-out"];
    for text in messages::texts().filter(|t| t.program == Program::Kernel && !quiet.contains(&t.name)) {
        let id = format!("log-{}", text.name);
        let check = by_id(&id).unwrap_or_else(|| panic!("no check {id}"));
        // Texts that name a device in every version are about devices.
        let named = messages::texts()
            .filter(|t| t.name == text.name && t.program == Program::Kernel)
            .any(|t| t.pattern.contains("{device}"));
        assert_eq!(matches!(check.ask, Ask::DeviceOrOthers(..)), named, "{id}");
    }
    for signature in signatures::all() {
        for id in signature.ids().filter(|id| id.starts_with("log-")) {
            assert!(by_id(id).is_some(), "{}: {id}", signature.name);
        }
    }
}

#[test]
fn they_fire_for_their_device_and_pass() {
    let log = |lines| host(whole(lines));
    let first = log(vec![line("bar-taken", Some("01:00.0")), line("memlock", None)]);
    assert_eq!(verdict(&first, "log-bar-taken"), "the kernel's log: something else holds the BAR");
    assert_eq!(verdict(&first, "log-memlock"), "the kernel's log: the limit of locked memory was reached");
    assert_eq!(verdict(&first, "log-dma-fault"), "pass");
    let other = log(vec![line("bar-taken", Some("02:00.0"))]);
    assert_eq!(verdict(&other, "log-bar-taken"), "pass");
    assert_eq!(verdict(&host(Fact::Unreadable(Errno::EPERM)), "log-memlock"), "could not look at /dev/kmsg");
    assert_eq!(verdict(&host(Fact::Absent), "log-bar-taken"), "could not look at /dev/kmsg");
}

#[test]
fn of_a_log_without_its_beginning_what_is_said_at_boot_is_not_known() {
    let rest = |lines| host(Fact::Known(Log { place: "/dev/kmsg", whole: false, lines }));
    let nothing = rest(Vec::new());
    for id in ["log-remapping-off", "log-dmar-broken", "log-virtualization-off", "log-vfio-ids"] {
        assert_eq!(verdict(&nothing, id), "could not look at /dev/kmsg", "{id}");
    }
    for id in ["log-memlock", "log-bar-taken", "log-no-remapping"] {
        assert_eq!(verdict(&nothing, id), "pass", "{id}");
    }
    // What is there is there.
    assert_eq!(
        verdict(&rest(vec![line("remapping-off", None)]), "log-remapping-off"),
        "the kernel's log: interrupt remapping was switched off at boot"
    );
}

/// Whom a check tells of, with the evidence, where these devices are named.
fn told(host: &Snapshot, id: &str, named: Option<&[Address]>) -> Vec<(Option<String>, String)> {
    let records = passthru_model::Records::default();
    let host = Host::new(host, &records);
    let all = super::super::run(&host, named);
    let of = all.iter().filter(|one| one.id == id);
    of.flat_map(|one| one.verdict.findings().iter().map(move |finding| (one, finding)))
        .map(|(one, finding)| (one.device.map(Address::short), finding.evidence[0].value.clone()))
        .collect()
}

#[test]
fn lines_of_devices_that_are_gone_are_told_of_too() {
    let mut host = host(whole(vec![
        line("header-gone", Some("05:00.0")),
        line("nvidia-in-use", None),
        line("dma-fault", Some("01:00.1")),
        line("power-inaccessible", Some("01:00.1")),
        line("dma-fault", Some("07:00.0")),
        line("power-refused", Some("00:01.0")),
    ]));
    let mut bridge = function("00:01.0");
    bridge.class = Fact::Known(Class::new(0x06_0400));
    for device in &mut host.devices {
        device.class = Fact::Known(Class::new(0x03_0000));
    }
    host.devices[0].parent = Some(bridge.address);
    host.devices.insert(0, bridge);
    let said = "[    5.690800] the text (3 times, this is the last)";
    let gone = |address: &str| format!("{said}; nothing has the address 0000:{address} now");
    let one = |device: &str, text: &str| (Some(device.to_owned()), text.to_owned());

    assert_eq!(told(&host, "log-header-gone", None), [(None, gone("05:00.0"))]);
    assert_eq!(told(&host, "log-nvidia-in-use", None), [(None, said.to_owned())]);
    // A function that nobody has sends for its slot.
    assert_eq!(
        told(&host, "log-dma-fault", None),
        [one("01:00.0", &gone("01:00.1")), (None, gone("07:00.0"))]
    );
    // One that does not wake and is gone is not there, whatever is beside it.
    assert_eq!(told(&host, "log-power-inaccessible", None), [(None, gone("01:00.1"))]);
    assert_eq!(told(&host, "log-power-refused", None), [one("01:00.0", said)]);

    let (lent, other) = (host.devices[1].address, host.devices[2].address);
    assert_eq!(told(&host, "log-header-gone", Some(&[lent])), []);
    assert_eq!(told(&host, "log-dma-fault", Some(&[lent])), [one("01:00.0", &gone("01:00.1"))]);
    assert_eq!(told(&host, "log-power-refused", Some(&[lent])), [one("01:00.0", said)]);
    assert_eq!(told(&host, "log-power-refused", Some(&[other])), []);
}

#[test]
fn refusals_are_auditds_where_it_runs() {
    let with = |audit: Fact<Log>| {
        let mut host = host(whole(Vec::new()));
        host.system.audit = audit;
        verdict(&host, "log-selinux-denied")
    };
    let kept = |lines| Fact::Known(Log { place: audit::PATH, whole: true, lines });
    assert_eq!(with(Fact::Absent), "pass");
    assert_eq!(with(kept(Vec::new())), "pass");
    assert_eq!(with(Fact::Unreadable(Errno::EACCES)), "could not look at /var/log/audit/audit.log");
    let refused = kept(vec![line("selinux-denied", None)]);
    let said = "the audit log: SELinux forbade it";
    assert_eq!(with(refused.clone()), said);
    // Others do not go there.
    let mut host = host(Fact::Unreadable(Errno::EPERM));
    host.system.audit = refused;
    assert_eq!(verdict(&host, "log-selinux-denied"), said);
    host.system.log = whole(Vec::new());
    host.system.audit = Fact::Unreadable(Errno::EACCES);
    assert_eq!(verdict(&host, "log-memlock"), "pass");
}

#[test]
fn what_is_past_is_a_note() {
    let found = |cause: Verdict| {
        let host = host(whole(vec![line("remapping-off", None), line("interrupt-fault", Some("01:00.0"))]));
        let records = passthru_model::Records::default();
        let host = Host::new(&host, &records);
        let mut judging = super::super::Judging::default();
        judging.judge(by_id("interrupt-remapping").unwrap(), None, || cause);
        for id in ["log-remapping-off", "log-interrupt-fault"] {
            match by_id(id).unwrap().ask {
                Ask::Host(ask) => judging.judge(by_id(id).unwrap(), None, || ask(&host)),
                Ask::DeviceOrOthers(ask, _) => {
                    let device = &host.snapshot.devices[0];
                    judging.judge(by_id(id).unwrap(), Some(device.address), || ask(&host, device));
                }
                _ => unreachable!(),
            }
        }
        let severities = judging.judged[1..].iter().flat_map(|one| one.verdict.findings());
        severities.map(|finding| finding.severity).collect::<Vec<_>>()
    };
    // An interrupt that was blocked is none of a state.
    assert_eq!(found(Verdict::Pass(String::new())), [Severity::Note, Severity::Warning]);
    assert_eq!(found(could_not_look("/x", "why")), [Severity::Warning; 2]);
    assert_eq!(found(Verdict::NotApplicable(String::new())), [Severity::Warning; 2]);
}

#[test]
fn states_are_looked_at_before() {
    let place = |id: &str| super::super::all().position(|check| check.id == id);
    for (id, causes) in STATES {
        for cause in *causes {
            let (log, cause) = (place(id).unwrap(), place(cause).unwrap_or_else(|| panic!("{cause}")));
            assert!(cause < log, "{id}");
        }
    }
}

#[test]
fn a_circle_of_bridges_ends() {
    let mut host = host(whole(vec![line("power-refused", Some("02:00.0"))]));
    host.devices[0].parent = Some(host.devices[0].address);
    assert_eq!(verdict(&host, "log-power-refused"), "pass");
}

#[test]
fn evidence_says_when_and_how_often() {
    let (snapshot, records) = (host(Fact::NotRead), passthru_model::Records::default());
    let host = Host::new(&snapshot, &records);
    let log = Log { place: "/dev/kmsg", ..Log::default() };
    let shown = evidence(&host, &log, &line("memlock", None));
    assert_eq!(shown.value, "[    5.690800] the text (3 times, this is the last)");
}
