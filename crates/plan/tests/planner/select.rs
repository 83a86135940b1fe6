//! What a name means on a host.

use passthru_formats::Errno;
use passthru_plan::select::{SelectError, all, exact};
use passthru_testkit::fake::{Gives, Kernel, Part};

use super::{host, nvme, snapshot};

fn kernel() -> Kernel {
    let kernel = host([
        nvme(),
        Part::new("0000:02:00.0", 0x02_0000).on("e1000e").interface("eth0"),
        Part::new("0000:02:00.1", 0x02_0000).on("e1000e").interface("eth1").group(2),
        Part::new("0000:03:00.0", 0x03_0000)
            .on("nouveau")
            .gives(Gives::Display { name: "card0".into(), connected: Vec::new() })
            .gives(Gives::Display { name: "renderD128".into(), connected: Vec::new() })
            .gives(Gives::Display { name: "fb0".into(), connected: Vec::new() }),
        Part::new("0000:03:00.1", 0x04_0300).on("snd_hda_intel").gives(Gives::Sound("card0".into())),
        Part::new("10000:01:00.0", 0x01_0802).on("nvme").disk("nvme1n1", 16, &[]),
    ]);
    kernel.stack("dm-0", Some("vg0-data"), (253, 0), &["nvme0n1p1"]);
    kernel
}

#[test]
fn every_kind_of_name() {
    let snapshot = snapshot(&kernel());
    let table: [(&str, &[&str]); 19] = [
        ("01:00.0", &["0000:01:00.0"]),
        ("0000:01:00.0", &["0000:01:00.0"]),
        ("10000:01:00.0", &["10000:01:00.0"]),
        ("pci_0000_02_00_1", &["0000:02:00.1"]),
        ("02:00", &["0000:02:00.0", "0000:02:00.1"]),
        ("group:2", &["0000:02:00.0", "0000:02:00.1"]),
        ("1b36:0108", &["0000:01:00.0", "10000:01:00.0"]),
        ("1b36::0300", &["0000:03:00.0"]),
        ("::0200", &["0000:02:00.0", "0000:02:00.1"]),
        ("id:1b36:0403", &["0000:03:00.1"]),
        ("slot:02:00.1", &["0000:02:00.1"]),
        ("nvme0n1", &["0000:01:00.0"]),
        ("/dev/nvme0n1p2", &["0000:01:00.0"]),
        ("nvme1n1", &["10000:01:00.0"]),
        ("eth1", &["0000:02:00.1"]),
        ("card0", &["0000:03:00.0"]),
        ("/dev/dri/renderD128", &["0000:03:00.0"]),
        ("fb0", &["0000:03:00.0"]),
        ("snd/card0", &["0000:03:00.1"]),
    ];
    for (name, wanted) in table {
        let found = all(&snapshot, &name.parse().unwrap());
        let found: Vec<_> = found.iter().flatten().map(ToString::to_string).collect();
        assert_eq!(found, wanted, "{name}");
    }
}

#[test]
fn names_that_mean_nothing_or_too_much() {
    let snapshot = snapshot(&kernel());
    let table = [
        ("09:00.0", "no PCI device at 0000:09:00.0"),
        ("09:00", "no PCI device at 0000:09:00"),
        ("dead:beef", "no PCI device matches dead:beef"),
        ("group:77", "no PCI device is in IOMMU group 77"),
        ("eth7", "no PCI device with a disk, network interface or graphics card 'eth7'"),
        (
            "dm-0",
            "dm-0 is there, but hangs below no PCI device (a virtual device; name the disk or the interface below it)",
        ),
        (
            "/dev/mapper/vg0-data",
            "mapper/vg0-data is there, but hangs below no PCI device (a virtual device; name the disk or the interface below it)",
        ),
        (
            "lo",
            "lo is there, but hangs below no PCI device (a virtual device; name the disk or the interface below it)",
        ),
        ("1b36:0108", "'id:1b36:0108' fits 2 devices: 0000:01:00.0, 10000:01:00.0"),
        ("::0200", "'id:::0200' fits 2 devices: 0000:02:00.0, 0000:02:00.1"),
    ];
    for (name, wanted) in table {
        let error = exact(&snapshot, &name.parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), wanted, "{name}");
    }
    // A slot and a group that are named as such are meant as a whole.
    assert_eq!(exact(&snapshot, &"02:00".parse().unwrap()).unwrap().len(), 2);
    assert_eq!(exact(&snapshot, &"group:2".parse().unwrap()).unwrap().len(), 2);
    assert!(exact(&snapshot, &"1b36::0300".parse().unwrap()).is_ok());
}

#[test]
fn a_name_that_could_not_be_looked_for() {
    let kernel = kernel();
    kernel.fail("/sys/class/net", Errno::EACCES);
    let error = all(&snapshot(&kernel), &"eth0".parse().unwrap()).unwrap_err();
    assert!(
        matches!(&error, SelectError::NotSeen { name, why } if name == "eth0" && why.contains("/sys/class/net"))
    );
}
