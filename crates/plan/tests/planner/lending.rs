//! The one-word judgement, and what has to go along.

use passthru_model::Reason;
use passthru_plan::lending::{Lending, judge};
use passthru_plan::uses::Uses;
use passthru_testkit::fake::{Kernel, Part};

use super::{DISK, address, host, nvme, snapshot};

fn judgement(kernel: &Kernel, device: &str) -> Lending {
    let snapshot = snapshot(kernel);
    judge(&snapshot, &Uses::of(&snapshot), snapshot.device(address(device)).unwrap())
}

#[test]
fn judgements() {
    let sound = || Part::new("0000:01:00.1", 0x04_0300).on("snd_hda_intel").group(1);
    let with = || Lending::With(vec![address("0000:01:00.1")]);
    let port = |class| Part::new("0000:00:01.0", class).group(1);
    let table: [(&str, Kernel, Lending); 16] = [
        ("alone", host([nvme()]), Lending::Ready),
        ("on no driver", host([Part::new(DISK, 0x01_0802)]), Lending::Ready),
        ("with another function", host([nvme(), sound()]), with()),
        // It would be reached by the guest, whether a driver sits on it or not.
        ("with one on no driver", host([nvme(), Part::new("0000:01:00.1", 0x04_0300)]), with()),
        ("with one lent", host([nvme(), Part::new("0000:01:00.1", 0x04_0300).lent("snd")]), Lending::Ready),
        (
            "with one on pci-stub",
            host([nvme(), Part::new("0000:01:00.1", 0x04_0300).on("pci-stub")]),
            Lending::Ready,
        ),
        ("with the port above", host([nvme(), port(0x06_0400).on("pcieport")]), Lending::Ready),
        ("with a bridge on no driver", host([nvme(), port(0x06_0400)]), Lending::Ready),
        (
            "with a bridge on another driver",
            host([nvme(), port(0x06_0400).on("shpchp")]),
            Lending::InUse(vec![Reason::Companions]),
        ),
        (
            "with an ISA bridge on a driver",
            host([nvme(), port(0x06_0100).on("lpc_ich")]),
            Lending::InUse(vec![Reason::Companions]),
        ),
        ("in no group", host([nvme().group(None)]), Lending::NoIommu),
        ("lent", host([Part::new(DISK, 0x01_0802).lent("nvme")]), Lending::Bound),
        ("mounted", mounted(host([nvme()])), Lending::InUse(vec![Reason::Mounted])),
        ("held", held(host([Part::new(DISK, 0x01_0802).lent("nvme")])), Lending::Lent),
        ("no IOMMU", without_iommu(host([nvme()])), Lending::NoIommu),
        ("kept by the firmware", kept(host([nvme()])), Lending::Kept),
    ];
    for (told, kernel, wanted) in table {
        assert_eq!(judgement(&kernel, DISK), wanted, "{told}");
    }
    let kernel = host([nvme(), sound()]);
    kernel.mount("nvme0n1p1", "/srv").unwrap();
    assert_eq!(judgement(&kernel, "0000:01:00.1"), Lending::InUse(vec![Reason::Companions]));
}

#[test]
fn the_chipset() {
    for (class, chipset) in [
        (0x06_0000, true),
        (0x06_0400, true),
        (0x0c_0500, true),
        (0x07_8000, true),
        (0x08_8000, true),
        (0x11_8000, true),
        (0x08_0501, false),
        (0x0c_0330, false),
        (0x02_0000, false),
    ] {
        let kernel = host([Part::new("0000:00:1f.0", class)]);
        assert_eq!(judgement(&kernel, "0000:00:1f.0") == Lending::Chipset, chipset, "{class:06x}");
    }
    // The same class behind a port is a card.
    let port = Part::new("0000:00:01.0", 0x06_0400).on("pcieport").group(9);
    let kernel = host([port, Part::new("0000:01:00.0", 0x11_8000).below("0000:00:01.0")]);
    assert_eq!(judgement(&kernel, DISK), Lending::Ready);
}

fn mounted(kernel: Kernel) -> Kernel {
    kernel.mount("nvme0n1p1", "/srv").unwrap();
    kernel
}

fn held(kernel: Kernel) -> Kernel {
    kernel.start_vm(4711, 1).unwrap();
    kernel
}

fn without_iommu(kernel: Kernel) -> Kernel {
    kernel.with(|m| m.units.clear());
    kernel
}

fn kept(kernel: Kernel) -> Kernel {
    let regions = "0x00000000000e0000 0x00000000000fffff direct\n".to_owned();
    kernel.with(|m| m.reserved.insert(1, regions));
    kernel
}
