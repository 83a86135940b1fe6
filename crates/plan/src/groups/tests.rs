use passthru_formats::config_space::decode::PortType;
use passthru_model::{Fact, Snapshot, SourceKind};

use super::compare::{Difference, compare, explained_by_override};
use super::slots::{Advice, advice};
use super::testing::{function, machine, root_port};
use super::*;

/// The groups as `a b | c`, a `?` before a doubtful one.
fn shape(prediction: &Prediction) -> String {
    let group = |group: &Group| {
        let members: Vec<String> = group.members.iter().map(|m| m.short()).collect();
        format!("{}{}", if group.doubts.is_empty() { "" } else { "?" }, members.join(" "))
    };
    prediction.groups.iter().map(group).collect::<Vec<_>>().join(" | ")
}

fn now(snapshot: &Snapshot) -> Prediction {
    predict_for(snapshot, When::Now, None)
}

fn endpoint(address: &str, above: &[&str]) -> testing::Made {
    function(address, above).express(PortType::Endpoint)
}

#[test]
fn ports() {
    let host = machine([
        function("00:00.0", &[]),
        root_port("00:01.0", false),
        root_port("00:02.0", true),
        root_port("00:03.0", true).acs(0x1f, 0x11),
        // What it cannot do, it need not have switched on.
        root_port("00:04.0", true).acs(0x11, 0x11),
        endpoint("01:00.0", &["00:01.0"]),
        endpoint("01:00.1", &["00:01.0"]),
        endpoint("02:00.0", &["00:02.0"]),
        endpoint("03:00.0", &["00:03.0"]),
        endpoint("04:00.0", &["00:04.0"]),
    ]);
    let found = now(&host);
    assert_eq!(
        shape(&found),
        "00:00.0 | 00:01.0 01:00.0 01:00.1 | 00:02.0 | 00:03.0 03:00.0 | 00:04.0 | 02:00.0 | 04:00.0"
    );
    assert_eq!(
        found.groups[1].lines(),
        ["0000:01:00.0, 0000:01:00.1: behind 0000:00:01.0 (root port: no ACS), which does not isolate"]
    );
    let gap = found.groups[3].merges[0].why.gaps()[0];
    assert_eq!((gap.lack, gap.lack.bits()), (Lack::Bits(0x0c), vec!["ReqRedir", "CmpltRedir"]));
    // With an IOMMU the kernel switches on what there is.
    assert!(shape(&predict_for(&host, When::WithIommu, None)).contains("| 00:03.0 | "));
    assert_eq!(predict(&host).when, When::WithIommu);
}

#[test]
fn slots_with_several_functions() {
    let host = machine([
        // Ports of one slot without ACS: all that is behind any of them.
        root_port("00:01.0", false),
        root_port("00:01.1", false),
        endpoint("01:00.0", &["00:01.0"]),
        endpoint("02:00.0", &["00:01.1"]),
        // Of three functions one isolates.
        root_port("00:02.0", true),
        endpoint("03:00.0", &["00:02.0"]),
        endpoint("03:00.1", &["00:02.0"]).acs(0x0c, 0x0c),
        endpoint("03:00.2", &["00:02.0"]),
        // Conventional ones never do.
        function("00:1f.0", &[]),
        function("00:1f.3", &[]),
    ]);
    let found = now(&host);
    assert_eq!(
        shape(&found),
        "00:01.0 00:01.1 01:00.0 02:00.0 | 00:02.0 | 00:1f.0 00:1f.3 | 03:00.0 03:00.2 | 03:00.1"
    );
    assert_eq!(
        found.groups[2].lines(),
        ["0000:00:1f.3: in one slot with 0000:00:1f.0, and neither isolates (conventional PCI)"]
    );
    assert_eq!(
        found.groups[3].lines(),
        ["0000:03:00.2: in one slot with 0000:03:00.0, and neither isolates (no ACS)"]
    );
}

#[test]
fn bridges_to_conventional_pci() {
    let host = machine([
        root_port("00:05.0", true),
        function("04:00.0", &["00:05.0"]).express(PortType::PciBridge),
        function("05:01.0", &["00:05.0", "04:00.0"]),
        function("05:02.0", &["00:05.0", "04:00.0"]),
        // Conventional all the way.
        function("00:1e.0", &[]).bridge(),
        function("06:00.0", &["00:1e.0"]).bridge(),
        function("07:00.0", &["00:1e.0", "06:00.0"]),
    ]);
    let found = now(&host);
    assert_eq!(shape(&found), "00:05.0 | 00:1e.0 06:00.0 07:00.0 | 04:00.0 05:01.0 05:02.0");
    assert_eq!(
        found.groups[2].lines(),
        [
            "0000:05:01.0, 0000:05:02.0: behind 0000:04:00.0, a bridge to conventional PCI, which puts its own requester id on what passes"
        ]
    );
}

#[test]
fn switches() {
    let switch = |acs: bool| {
        let down = |address: &str| {
            let made = function(address, &["00:01.0", "01:00.0"]).express(PortType::DownstreamPort);
            if acs { made.acs(0x1d, 0x1d) } else { made }
        };
        machine([
            root_port("00:01.0", true),
            function("01:00.0", &["00:01.0"]).express(PortType::UpstreamPort),
            down("02:00.0"),
            down("02:01.0"),
            endpoint("03:00.0", &["00:01.0", "01:00.0", "02:00.0"]),
            endpoint("04:00.0", &["00:01.0", "01:00.0", "02:01.0"]),
        ])
    };
    assert_eq!(shape(&now(&switch(true))), "00:01.0 | 01:00.0 | 02:00.0 | 02:01.0 | 03:00.0 | 04:00.0");
    // Seen in the lab: each port with what is behind it.
    assert_eq!(shape(&now(&switch(false))), "00:01.0 | 01:00.0 | 02:00.0 03:00.0 | 02:01.0 04:00.0");
}

#[test]
fn quirks() {
    let host = machine([
        // The dword registers of Sunrise Point: the word at +6 says nothing.
        root_port("00:1c.0", false).id("8086:a110").acs_in_dwords(0x1d, 0x1d),
        root_port("00:1d.0", false).id("8086:a118").acs_in_dwords(0x1d, 0x11),
        endpoint("02:00.0", &["00:1c.0"]),
        endpoint("03:00.0", &["00:1d.0"]),
        // A chipset port without the capability.
        root_port("00:1b.0", false).id("8086:8c10"),
        endpoint("04:00.0", &["00:1b.0"]),
        // Intel's integrated endpoints, although they share a slot.
        function("00:14.0", &[]).express(PortType::RootComplexEndpoint).id("8086:a12f"),
        function("00:14.2", &[]).express(PortType::RootComplexEndpoint).id("8086:a131"),
        // Another vendor's.
        function("00:08.0", &[]).express(PortType::RootComplexEndpoint).id("1022:1111"),
        function("00:08.1", &[]).express(PortType::RootComplexEndpoint).id("1022:1112"),
        // A network card that is known not to talk to itself.
        endpoint("02:00.1", &["00:1c.0"]).id("8086:1521"),
    ]);
    assert_eq!(
        shape(&now(&host)),
        "00:08.0 00:08.1 | 00:14.0 | 00:14.2 | 00:1b.0 | 00:1c.0 | 00:1d.0 03:00.0 | 02:00.0 | 02:00.1 | 04:00.0"
    );
    // In a text the dword at +8 is not printed, and nothing says how it is set.
    let mut pasted = machine([
        root_port("00:1c.0", false).id("8086:a110").acs_in_dwords(0x1d, 0),
        endpoint("02:00.0", &["00:1c.0"]),
    ]);
    assert_eq!(shape(&now(&pasted)), "00:1c.0 02:00.0");
    pasted.source = SourceKind::Pasted;
    assert!(shape(&now(&pasted)).contains('?'), "{}", shape(&now(&pasted)));
    let with_iommu = predict_for(&pasted, When::WithIommu, None);
    assert_eq!(shape(&with_iommu), "00:1c.0 | 02:00.0", "what it offers is printed, and is switched on then");
    let zhaoxin = root_port("00:03.0", true).id("1d17:9999");
    assert_eq!(
        shape(&now(&machine([zhaoxin, endpoint("05:00.0", &["00:03.0"])]))),
        "00:03.0 05:00.0",
        "a port that is not on the list does not isolate, whatever its registers say"
    );
}

#[test]
fn southbridge_of_amd_with_ivrs_only() {
    let mut host = machine([
        function("00:14.0", &[]).id("1002:4385"),
        function("00:14.3", &[]).id("1002:439d"),
        function("00:14.4", &[]).bridge().id("1002:4384"),
    ]);
    assert_eq!(shape(&now(&host)), "00:14.0 00:14.3 00:14.4");
    host.iommu_tables = Fact::Known(vec!["IVRS".into()]);
    assert_eq!(shape(&now(&host)), "00:14.0 | 00:14.3 | 00:14.4");
}

#[test]
fn aliases_and_virtual_functions() {
    let host = machine([
        root_port("00:01.0", true),
        // A Marvell controller that does its DMA as function 1, which isolates itself.
        endpoint("01:00.0", &["00:01.0"]).id("1b4b:9123").acs(0, 0),
        endpoint("01:00.1", &["00:01.0"]).acs(0, 0),
        root_port("00:02.0", true),
        endpoint("02:00.0", &["00:02.0"]),
        endpoint("02:00.1", &["00:02.0"]).virtual_of("02:00.0"),
        endpoint("02:00.2", &["00:02.0"]).virtual_of("02:00.0"),
    ]);
    assert_eq!(shape(&now(&host)), "00:01.0 | 00:02.0 | 01:00.0 01:00.1 | 02:00.0 | 02:00.1 | 02:00.2");
    assert_eq!(now(&host).groups[2].merges[0].why, Why::Alias);
}

#[test]
fn a_domain_behind_an_endpoint() {
    let mut host = machine([
        function("00:0e.0", &[]),
        root_port("10000:e0:01.0", true),
        endpoint("10000:e1:00.0", &["10000:e0:01.0"]),
    ]);
    for device in &mut host.devices[1..] {
        device.path = device
            .path
            .replace("/sys/devices/pci0000:00", "/sys/devices/pci0000:00/0000:00:0e.0/pci10000:e0");
    }
    let found = now(&host);
    assert_eq!(found.groups.len(), 1);
    assert_eq!(found.groups[0].reasons().len(), 1);
    assert_eq!(found.groups[0].merges[0].why.name(), "endpoint");
}

#[test]
fn what_is_not_known_is_a_doubt() {
    let host = machine([
        root_port("00:01.0", true).cut(64),
        endpoint("01:00.0", &["00:01.0"]).cut(64),
        endpoint("01:00.1", &["00:01.0"]).cut(64),
        root_port("00:02.0", true).cut(64),
        function("00:03.0", &[]).cut(64),
    ]);
    let found = now(&host);
    assert_eq!(shape(&found), "?00:01.0 | 00:02.0 | 00:03.0 | ?01:00.0 | ?01:00.1");
    assert_eq!(
        found.groups[0].doubt_lines(),
        ["0000:00:01.0: only the header of its configuration space could be read (the rest needs root)"]
    );
    // A bridge that is not among the devices at all.
    let found = now(&machine([endpoint("01:00.0", &["00:01.0"])]));
    assert_eq!(shape(&found), "?01:00.0");
    // A capability that was not found may stand behind the break of its list.
    let found = now(&machine([root_port("00:01.0", true).broken(), endpoint("01:00.0", &["00:01.0"])]));
    assert!(shape(&found).contains('?'), "{}", shape(&found));
    let found =
        now(&machine([root_port("00:01.0", false).broken_extended(), endpoint("01:00.0", &["00:01.0"])]));
    assert!(shape(&found).contains('?'), "{}", shape(&found));
    // A gap is a gap, whatever else is not known.
    let host = machine([
        root_port("00:01.0", true).cut(64),
        function("01:00.0", &["00:01.0"]).express(PortType::PciBridge),
        function("02:00.0", &["00:01.0", "01:00.0"]).cut(64),
    ]);
    assert_eq!(shape(&now(&host)), "?00:01.0 | ?01:00.0 02:00.0");
}

#[test]
fn differences_from_the_kernel() {
    let mut host = machine([
        root_port("00:01.0", false).group(1),
        endpoint("01:00.0", &["00:01.0"]).group(2),
        endpoint("01:00.1", &["00:01.0"]).group(3),
        root_port("00:02.0", true).group(4),
        endpoint("02:00.0", &["00:02.0"]).group(4),
        root_port("00:03.0", true).group(5),
        endpoint("03:00.0", &["00:03.0"]).group(6),
        root_port("00:04.0", true).cut(64).group(7),
        endpoint("04:00.0", &["00:04.0"]).group(7),
    ]);
    let prediction = predict(&host);
    assert_eq!(prediction.when, When::Now);
    let found = compare(&host, &prediction);
    assert_eq!((found.agree, found.differ, found.unpredicted), (2, 5, 2));
    assert_eq!(
        found.differences,
        [
            Difference::Finer { predicted: 0, kernel: vec![1, 2, 3] },
            Difference::Coarser { kernel: 4, predicted: vec![1, 4] },
        ]
    );
    assert_eq!(explained_by_override(&host), None);
    host.command_line = Fact::Known("quiet pcie_acs_override=downstream".into());
    assert_eq!(explained_by_override(&host), None, "it takes multifunction as well");
    host.command_line = Fact::Known("pcie_acs_override=downstream,multifunction,id:1234:5678".into());
    let found = explained_by_override(&host).unwrap();
    assert!(found.downstream && found.multifunction && found.ids.len() == 1);
}

#[test]
fn another_slot() {
    let host = |second: bool| {
        machine([
            root_port("00:01.0", false),
            root_port("00:01.1", false),
            root_port("00:1c.0", second),
            endpoint("01:00.0", &["00:01.0"]),
            endpoint("01:00.1", &["00:01.0"]),
            endpoint("02:00.0", &["00:01.1"]),
            function("00:1f.0", &[]),
            function("00:1f.2", &[]),
        ])
    };
    let ask = |host: &Snapshot, device: &str| {
        let prediction = predict(host);
        let device = format!("0000:{device}").parse().unwrap();
        advice(host, &prediction, prediction.group(device).unwrap(), device)
    };
    let port = "0000:00:1c.0".parse().unwrap();
    assert_eq!(ask(&host(true), "01:00.0"), Some(Advice::Ports(vec![(port, 0)])));
    assert_eq!(ask(&host(false), "01:00.0"), Some(Advice::None));
    assert_eq!(ask(&host(true), "00:1f.2"), Some(Advice::BuiltIn));
    let card = machine([
        root_port("00:1c.0", true),
        endpoint("01:00.0", &["00:1c.0"]),
        endpoint("01:00.1", &["00:1c.0"]),
    ]);
    assert_eq!(ask(&card, "01:00.0"), Some(Advice::OwnSlot));
    assert_eq!(ask(&host(true), "00:1c.0"), None);
    let words = ask(&host(true), "02:00.0").unwrap().words();
    assert_eq!(words, "another slot would help: 0000:00:1c.0 (slot 0) isolates what is behind it");
}
