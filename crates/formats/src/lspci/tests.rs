use super::*;
use crate::config_space::{Completeness, ConfigSpace};

fn listing(text: &str) -> Listing {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn config(function: &Function) -> ConfigSpace {
    crate::config_space::parse(&function.config(false).unwrap()).unwrap()
}

const PORT: &str = "\
00:1c.0 PCI bridge [0604]: Intel Corporation 100 Series PCIe Root Port #1 [8086:a110] (rev f1) (prog-if 00 [Normal decode])
\tSubsystem: Gigabyte Technology Co., Ltd Device [1458:5001]
\tControl: I/O+ Mem+ BusMaster+
\tInterrupt: pin A routed to IRQ 122
\tIOMMU group: 5
\tBus: primary=00, secondary=02, subordinate=03, sec-latency=0
\tCapabilities: [40] Express (v2) Root Port (Slot+), MSI 00
\t\tDevCap:\tMaxPayload 256 bytes, PhantFunc 0
\t\t\tExtTag- RBE+
\t\tSltCap:\tAttnBtn- PwrCtrl-
\t\t\tSlot #3, PowerLimit 25W; Interlock- NoCompl+
\tCapabilities: [80] MSI: Enable+ Count=1/1 Maskable- 64bit-
\tCapabilities: [90] Subsystem: Gigabyte Technology Co., Ltd Device [1458:5001]
\tCapabilities: [a0] Power Management version 3
\t\tFlags: PMEClk- DSI- D1- D2- AuxCurrent=0mA
\t\tStatus: D0 NoSoftRst- PME-Enable- DSel=0 DScale=0 PME-
\tCapabilities: [100 v1] Advanced Error Reporting
\t\tUESta:\tDLP- SDES-
\tCapabilities: [140 v1] Access Control Services
\t\tACSCap:\tSrcValid+ TransBlk+ ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans-
\t\tACSCtl:\tSrcValid+ TransBlk- ReqRedir- CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans-
\tCapabilities: [220 v1] Secondary PCI Express
\tKernel driver in use: pcieport
";

#[test]
fn registers_as_text() {
    let found = listing(PORT);
    let [port] = found.functions.as_slice() else { panic!("{found:?}") };
    assert_eq!((port.line, port.revision, port.group), (1, 0xf1, Some(5)));
    assert_eq!((port.driver.as_deref(), found.with_drivers), (Some("pcieport"), true));
    assert_eq!(port.buses, Some(BusNumbers { primary: 0, secondary: 2, subordinate: 3 }));
    let config = config(port);
    assert_eq!(config.completeness(), Completeness::Full);
    let express = config.express().unwrap();
    assert_eq!((express.version, express.port_type), (2, PortType::RootPort));
    assert_eq!(express.slot.unwrap().number, 3);
    assert_eq!(config.access_control(), Some(AccessControl { capability: 0x1f, control: 0x19 }));
    assert_eq!(config.bus_numbers(), port.buses);
    assert!(!config.power_management().unwrap().no_soft_reset);
    let extended = config.extended_capabilities().items;
    assert_eq!(extended.iter().map(|c| c.offset).collect::<Vec<_>>(), [0x100, 0x140, 0x220]);
    assert_eq!(config.capabilities().items.len(), 4);
    assert_eq!(config.capabilities().broken_at, None);
}

/// The same in the ways in which it reaches us.
#[test]
fn what_forums_do_to_it() {
    let plain = listing(PORT).functions;
    let flat = PORT.replace('\t', "").replace('\n', "\r\n");
    assert_eq!(listing(&flat).functions, plain);
    let quoted: String = PORT.lines().map(|line| format!("> {}\n", line.replace('<', "&lt;"))).collect();
    assert_eq!(listing(&quoted).functions, plain);
    let around = format!("$ sudo lspci -vvv\n{PORT}user@host:~$ uname -r\n6.1.0-18-amd64\n");
    let mut shifted = listing(&around).functions;
    shifted[0].line = 1;
    assert_eq!(shifted, plain);
    // The same functions listed twice, with other options.
    let twice = format!("00:1c.0 PCI bridge: Intel Corporation Root Port\n{PORT}");
    assert_eq!(listing(&twice).functions[0].id, plain[0].id);
}

#[test]
fn without_root() {
    let found = listing(
        "01:00.0 3D controller [0302]: NVIDIA Corporation GK208M [10de:1292] (rev a1)\n\
         \tFlags: fast devsel, IRQ 255\n\tCapabilities: <access denied>\n\tKernel modules: nvidiafb, nouveau\n\
         01:00.1 Audio device [0403]: NVIDIA [10de:0e0f]\n\tCapabilities: &lt;access denied&gt;\n",
    );
    assert!(found.functions.iter().all(|f| f.shown == Shown::Denied && f.verbose));
    assert_eq!(found.functions[0].modules, ["nvidiafb", "nouveau"]);
    assert_eq!(found.functions[0].driver, None);
    assert_eq!(config(&found.functions[0]).completeness(), Completeness::HeaderOnly);
    assert!(!found.with_groups);
}

#[test]
fn first_lines() {
    let found = listing(
        "10000:e1:00.0 Non-Volatile memory controller [0108]: Intel [8086:0a54] (prog-if 02 [NVM Express])\n\
         0000:00:02.0 0300: 8086:3e92 (rev 02)\n\
         00:03.0 Class 0604: 8086:3406\n\
         00:1f.3 Audio device: Intel Corporation [GeForce GT 630 Rev. 2] [8086:a170] (rev 31)\n\
         00:14.0 USB controller: Intel Corporation 100 Series xHCI\n\
         12:34.5 seconds: that is no device\n\
         00:30.0 Audio device: no such slot\n",
    );
    let all: Vec<_> = found
        .functions
        .iter()
        .map(|f| (f.address.to_string(), f.class.unwrap().bits(), f.id.map(|id| id.to_string())))
        .collect();
    assert_eq!(
        all,
        [
            ("0000:00:02.0".into(), 0x03_0000, Some("8086:3e92".into())),
            ("0000:00:03.0".into(), 0x06_0400, Some("8086:3406".into())),
            ("0000:00:14.0".into(), 0x0c_0300, None),
            ("0000:00:1f.3".into(), 0x04_0300, Some("8086:a170".into())),
            ("10000:e1:00.0".into(), 0x01_0802, Some("8086:0a54".into())),
        ]
    );
    assert_eq!(found.functions[1].revision, 0);
    assert_eq!(config(&found.functions[1]).id().to_string(), "8086:3406");
}

/// What stands below it is its own, not that of the function before.
#[test]
fn a_class_nobody_knows_is_a_function() {
    let found = listing(
        "00:02.0 VGA compatible controller: Intel Corporation HD Graphics 530\n\tKernel driver in use: i915\n\
         00:1f.5 Quantum controller: Intel Corporation Device [8086:a2a4]\n\tKernel driver in use: vfio-pci\n\
         00:1f.6 FLASH memory: Intel Corporation Device\n\
         00:1f.7 nvidia: said by some program\n",
    );
    let all: Vec<_> = found
        .functions
        .iter()
        .map(|f| (f.address.short(), f.class.map(Class::code), f.driver.as_deref()))
        .collect();
    assert_eq!(
        all,
        [
            ("00:02.0".into(), Some(0x0300), Some("i915")),
            ("00:1f.5".into(), None, Some("vfio-pci")),
            ("00:1f.6".into(), Some(0x0501), None),
        ]
    );
}

#[test]
fn groups_above_their_members() {
    let lines = listing(
        "IOMMU Group 3:\n\t00:14.0 USB controller [0c03]: Intel [8086:a12f] (rev 31)\n\
         \t00:14.2 Signal processing controller [1180]: Intel [8086:a131] (rev 31)\nIOMMU Group 4:\n\
         00:16.0 Communication controller [0780]: Intel [8086:a13a] (rev 31)\n[...]\n\nThat was it.\n\
         00:1f.0 ISA bridge [0601]: Intel [8086:a14e] (rev 31)\n",
    );
    let groups: Vec<_> = lines.functions.iter().map(|f| f.group).collect();
    assert_eq!(groups, [Some(3), Some(3), Some(4), None]);
    // As some page made one line of it.
    let one = listing(
        "$ ./find-iommu-groups IOMMU group 1 00:01.0 PCI bridge [0604]: Intel Corporation Sky Lake PCIe Controller \
         (x16) [8086:1901] (rev 07) 01:00.0 VGA compatible controller [0300]: NVIDIA Corporation GK208 [GeForce GT \
         630 Rev. 2] [10de:1284] (rev a1) IOMMU group 2 00:02.0 VGA compatible controller [0300]: Intel \
         Corporation Device [8086:191d] (rev 06) IOMMU group 4 ...",
    );
    let all: Vec<_> = one.functions.iter().map(|f| (f.address.short(), f.group, f.revision)).collect();
    assert_eq!(
        all,
        [("00:01.0".into(), Some(1), 7), ("00:02.0".into(), Some(2), 6), ("01:00.0".into(), Some(1), 0xa1)]
    );
}

fn row(offset: usize, bytes: [u8; 16]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("{offset:02x}: {}\n", bytes.join(" "))
}

#[test]
fn dumps() {
    let mut first = [0; 16];
    first[..4].copy_from_slice(&[0x86, 0x80, 0x92, 0x3e]);
    first[14] = 0x80;
    let mut text =
        "00:02.0 VGA compatible controller [0300]: Intel [8086:3e92]\n".to_owned() + &row(0, first);
    for offset in (16..256).step_by(16) {
        text.push_str(&row(offset, [offset as u8; 16]));
    }
    let found = listing(&text);
    assert_eq!(found.functions[0].bytes.len(), 256);
    assert!(config(&found.functions[0]).is_multi_function());
    // A row that is missing ends it; what is left is cut to a size that means something.
    let torn = text.replacen(&row(0x80, [0x80; 16]), "", 1);
    assert_eq!(listing(&torn).functions[0].config(false).unwrap().len(), 64);
    let other = text.replacen("[8086:3e92]", "[8086:3e93]", 1);
    assert_eq!(
        parse(other.as_bytes()).unwrap_err().to_string(),
        "line 2: 0000:00:02.0 is 8086:3e92 here and 8086:3e93 on line 1: are these two machines?"
    );
}

#[test]
fn what_is_no_listing() {
    assert_eq!(parse(b"hello\n"), Err(ListingError::NoFunction));
    assert_eq!(parse(b""), Err(ListingError::NoFunction));
    assert_eq!(parse(b"a\nb\0"), Err(ListingError::Binary { line: 2 }));
    let two = "00:02.0 0300: 8086:3e92\n\n00:02.0 0200: 8086:1533\n";
    assert!(
        matches!(parse(two.as_bytes()), Err(ListingError::Contradiction { line: 3, first: 1, address: a, .. }) if a == address("00:02.0"))
    );
}

/// Some thousand ways to go wrong, without a fuzzer at hand: a listing with bytes
/// changed, cut and doubled.
#[test]
fn no_panic() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let with_dump = PORT.to_owned()
        + &row(0, [0x41; 16])
        + &row(16, [0; 16])
        + "IOMMU group 4 00:1f.0 ISA bridge [0601]: é\u{a0}&lt;";
    for _ in 0..3_000 {
        let mut bytes = with_dump.clone().into_bytes();
        for _ in 0..1 + random(6) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes.truncate(at.max(1)),
                2 => bytes[at] = b"\n[]: \t(.0f"[random(10)],
                _ => {
                    let end = (at + random(200)).min(bytes.len());
                    let part = bytes[at..end].to_vec();
                    bytes.extend(part);
                }
            }
        }
        if let Ok(found) = parse(&bytes) {
            for function in &found.functions {
                for several in [false, true] {
                    let space = function.config(several);
                    if let Some(Ok(space)) = space.as_deref().map(crate::config_space::parse) {
                        let _ = (space.express(), space.access_control(), space.extended_capabilities());
                    }
                }
            }
        }
    }
}
