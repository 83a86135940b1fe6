//! Each check where it fires, where all is well, and where nobody could look. Tables have
//! the shapes of real machines' (`passthru_testkit::acpi`).

mod interrupts;
mod regions;

use std::collections::BTreeMap;

use passthru_formats::Errno;
use passthru_formats::acpi::{dmar, ivrs};
use passthru_formats::cpuinfo::CpuInfo;
use passthru_formats::kconfig;
use passthru_formats::pci_ids::Names;
use passthru_formats::resource::{Flags, Kind, Resource};
use passthru_model::system::Processor;
use passthru_model::system::firmware::{IommuUnit, Make};
use passthru_model::system::{Distribution, Kernel, Tool};
use passthru_model::{
    Detail, Device, Fact, Finding, Records, Rights, Seen, Severity, Snapshot, SourceKind, System, Usage,
    Verdict, When,
};
use passthru_pci::{Class, Id};
use passthru_testkit::acpi::machines;

use super::super::{Ask, Host, by_id, run};
use super::Firmware;
use crate::firmware::{remapping_switched_off, switched_off};

fn intel(bytes: &[u8]) -> Fact<dmar::Dmar> {
    Fact::Known(dmar::parse(bytes).unwrap())
}

fn amd(bytes: &[u8]) -> Fact<ivrs::Ivrs> {
    Fact::Known(ivrs::parse(bytes).unwrap())
}

#[allow(clippy::needless_update, reason = "other subjects have fields of their own")]
/// A Debian host with Intel's IOMMU at work, interrupts remapped, 39 bits on both sides.
fn host() -> Snapshot {
    let firmware = Firmware {
        dmar: intel(&machines::intel_laptop()),
        ivrs: Fact::Absent,
        viot: Fact::Absent,
        iort: Fact::Absent,
        units: vec![unit("dmar0", 0x00d2_008c_4066_0462, 0x00f0_50da)],
        efi: Fact::Known(true),
        secure_boot: Fact::Known(false),
        lockdown: Fact::Known("none".into()),
        remapped_interrupts: Fact::Known(true),
        type1_unsafe: Fact::Known(false),
        iommufd_unsafe: Fact::Absent,
    };
    let distribution = Distribution { id: "debian".into(), ..Distribution::default() };
    Snapshot {
        source: SourceKind::Live,
        rights: Rights { root: true },
        devices: vec![device("0000:01:00.0", None, 0x01_0802)],
        groups: BTreeMap::new(),
        iommu_units: Fact::Known(vec!["dmar0".into()]),
        names: Names::default(),
        names_from: None,
        usage: Usage::default(),
        system: System {
            distribution: Fact::Known(distribution),
            tools: vec![Tool::UpdateGrub, Tool::UpdateInitramfs],
            firmware,
            processor: Processor { cpu: processor("GenuineIntel", 39), ..Processor::default() },
            ..System::default()
        },
        drivers: Fact::Known(vec![]),
        kernel: Fact::Known("6.12.0-amd64".into()),
        command_line: Fact::Known("ro quiet intel_iommu=on".into()),
        iommu_tables: Fact::Known(vec!["DMAR".into()]),
        boot_id: Fact::Absent,
        unread: vec![],
    }
}

/// The same with the IOMMU off in the kernel.
fn off(line: &str) -> Snapshot {
    let mut host = host();
    host.iommu_units = Fact::Known(vec![]);
    host.system.firmware.units = vec![];
    host.command_line = Fact::Known(line.into());
    host
}

fn processor(vendor: &str, physical_bits: u32) -> Fact<CpuInfo> {
    Fact::Known(CpuInfo { vendor: vendor.into(), physical_bits: Some(physical_bits), ..CpuInfo::default() })
}

/// An AMD host with its IOMMU at work.
fn amd_host(table: &[u8]) -> Snapshot {
    let mut host = host();
    host.iommu_units = Fact::Known(vec!["ivhd0".into()]);
    host.iommu_tables = Fact::Known(vec!["IVRS".into()]);
    host.command_line = Fact::Known("ro quiet".into());
    let firmware = &mut host.system.firmware;
    (firmware.dmar, firmware.ivrs) = (Fact::Absent, amd(table));
    firmware.units = vec![unit("ivhd0", 0x190b_640f, 0x5867_75ef_a225_4a5a)];
    host.system.processor.cpu = processor("AuthenticAMD", 48);
    host
}

fn unit(name: &str, cap: u64, extended: u64) -> IommuUnit {
    let (cap, extended) = (Fact::Known(cap), Fact::Known(extended));
    IommuUnit { name: name.into(), make: Make::of(name), cap, extended }
}

fn device(address: &str, parent: Option<&str>, class: u32) -> Device {
    Device {
        address: address.parse().unwrap(),
        path: String::new(),
        parent: parent.map(|p| p.parse().unwrap()),
        id: Fact::Known(Id { vendor: 0x8086, device: 0x1234 }),
        subsystem: Fact::Absent,
        class: Fact::Known(Class::new(class)),
        revision: Fact::NotRead,
        driver: Fact::Absent,
        modalias: Fact::Absent,
        group: Fact::Absent,
        physical_function: Fact::Absent,
        boot_vga: Fact::Absent,
        detail: None,
    }
}

/// Asks one check, of the last device where it is about one.
fn ask(snapshot: &Snapshot, id: &str) -> Verdict {
    let records = Records::default();
    let host = Host::new(snapshot, &records);
    match by_id(id).unwrap().ask {
        Ask::Host(ask) => ask(&host),
        Ask::Device(ask) => ask(&host, snapshot.devices.last().unwrap()),
        _ => panic!("{id} is not asked like this"),
    }
}

fn found(snapshot: &Snapshot, id: &str) -> Finding {
    match ask(snapshot, id) {
        Verdict::Found(mut findings) => {
            assert_eq!(findings.len(), 1, "{findings:#?}");
            let finding = findings.remove(0);
            assert!(!finding.evidence.is_empty(), "{finding:#?}");
            finding
        }
        other => panic!("{id}: {other:?}"),
    }
}

fn passes(snapshot: &Snapshot, id: &str) {
    assert!(matches!(ask(snapshot, id), Verdict::Pass(_)), "{id}: {:?}", ask(snapshot, id));
}

fn blind(snapshot: &Snapshot, id: &str) -> String {
    match ask(snapshot, id) {
        Verdict::CouldNotLook(unseen) => {
            unseen.iter().map(|u| format!("{}: {}", u.path, u.why)).collect::<Vec<_>>().join("; ")
        }
        other => panic!("{id}: {other:?}"),
    }
}

#[test]
fn a_good_host_passes() {
    for id in [
        "iommu-firmware",
        "iommu-kernel",
        "interrupt-remapping",
        "unsafe-interrupts",
        "address-width",
        "lockdown",
    ] {
        passes(&host(), id);
        passes(&amd_host(&machines::amd_desktop()), id);
    }
    passes(&host(), "firmware-regions");
    passes(&amd_host(&machines::amd_desktop()), "firmware-regions");
}

#[test]
fn off_in_the_firmware() {
    let mut host = off("ro");
    host.iommu_tables = Fact::Known(vec![]);
    let finding = found(&host, "iommu-firmware");
    assert_eq!((finding.severity, finding.remedy.when), (Severity::Error, When::Firmware));
    assert!(finding.remedy.text.starts_with("Switch VT-d on"), "{}", finding.remedy.text);
    for (vendor, words) in [("AuthenticAMD", "Switch IOMMU (AMD-Vi) on"), ("", "Switch VT-d (Intel)")] {
        host.system.processor.cpu = processor(vendor, 39);
        assert!(found(&host, "iommu-firmware").remedy.text.starts_with(words), "{vendor}");
    }
    host.system.processor.cpu = Fact::Known(CpuInfo { hypervisor: true, ..CpuInfo::default() });
    assert!(found(&host, "iommu-firmware").remedy.text.starts_with("Give this virtual machine an IOMMU"));
    host.iommu_tables = Fact::Unreadable(Errno::EACCES);
    assert_eq!(
        blind(&host, "iommu-firmware"),
        "/sys/firmware/acpi/tables: EACCES (permission denied) (needs root)"
    );
    host.iommu_tables = Fact::Absent;
    assert!(blind(&host, "iommu-firmware").contains("no ACPI tables"));

    // What comes of it is not said again.
    let mut host = off("ro");
    host.iommu_tables = Fact::Known(vec![]);
    let named = [host.devices[0].address];
    let judged = run(&Host::new(&host, &Records::default()), Some(&named));
    for id in [
        "iommu-kernel",
        "interrupt-remapping",
        "unsafe-interrupts",
        "address-width",
        "firmware-regions",
        "no-iommu",
    ] {
        let one = judged.iter().find(|one| one.id == id).unwrap();
        assert_eq!(one.verdict, Verdict::After("iommu-firmware"), "{id}");
    }
}

#[test]
fn arm_without_an_smmu() {
    let mut host = off("ro");
    host.iommu_tables = Fact::Known(vec!["IORT".into()]);
    host.system.firmware.dmar = Fact::Absent;
    host.system.firmware.iort = Fact::Known(passthru_formats::acpi::iort::Iort::default());
    assert_eq!(found(&host, "iommu-firmware").evidence[0].value, "0 nodes, no SMMU");
    host.system.firmware.iort = Fact::Unreadable(Errno::EACCES);
    assert!(blind(&host, "iommu-firmware").starts_with("/sys/firmware/acpi/tables/IORT"));
    host.iommu_units = Fact::Known(vec!["smmu3.0x0000000009050000".into()]);
    host.system.firmware.units = vec![unit("smmu3.0x0000000009050000", 0, 0)];
    passes(&host, "iommu-firmware");
    for id in ["interrupt-remapping", "address-width", "firmware-regions"] {
        assert!(matches!(ask(&host, id), Verdict::NotApplicable(_)), "{id}: {:?}", ask(&host, id));
    }
}

#[test]
fn off_in_the_kernel() {
    let of = |line: &str| found(&off(line), "iommu-kernel");
    let finding = of("ro intel_iommu=off quiet");
    assert_eq!(finding.summary, "intel_iommu=off keeps the kernel from using the IOMMU");
    assert_eq!(
        finding.remedy.text,
        "Replace intel_iommu=off by intel_iommu=on on the kernel's command line and boot again"
    );
    assert_eq!(finding.remedy.commands.last().unwrap(), "update-grub");
    assert_eq!(finding.evidence.last().unwrap().place, "/proc/cmdline");
    assert_eq!(of("ro iommu=off").summary, "iommu=off keeps the kernel from using the IOMMU");
    let told = of("ro quiet");
    assert_eq!(told.summary, "this kernel uses Intel's IOMMU only when told to");
    assert!(told.remedy.text.starts_with("Add intel_iommu=on"));
    assert!(of("intel_iommu=on").summary.starts_with("nothing on the command line"));
    let mut broken = off("intel_iommu=on");
    broken.system.firmware.dmar = Fact::Malformed("DMAR: its bytes add up to 0x03".into());
    assert_eq!(found(&broken, "iommu-kernel").summary, "the firmware's table is broken");
    // No word helps against that.
    broken.command_line = Fact::Known("ro".into());
    assert_eq!(found(&broken, "iommu-kernel").summary, "the firmware's table is broken");

    let mut host = off("ro");
    for (config, summary) in [
        ("CONFIG_PCI=y\nCONFIG_INTEL_IOMMU=y\n", "this kernel uses Intel's IOMMU only when told to"),
        ("CONFIG_PCI=y\n", "this kernel has no driver for the IOMMU"),
        (
            "CONFIG_PCI=y\nCONFIG_INTEL_IOMMU=y\nCONFIG_INTEL_IOMMU_DEFAULT_ON=y\n",
            "nothing on the command line keeps the kernel from using the IOMMU, and it does not",
        ),
    ] {
        let config = kconfig::select(config.as_bytes(), kconfig::OPTIONS).unwrap();
        let kernel = Kernel { running: true, config: Fact::Known(config), ..Kernel::default() };
        host.system.kernels = Seen::new(vec![kernel], vec![]);
        assert_eq!(found(&host, "iommu-kernel").summary, summary);
    }

    let mut host = amd_host(&machines::amd_desktop());
    host.iommu_units = Fact::Known(vec![]);
    host.command_line = Fact::Known("amd_iommu=off".into());
    let finding = found(&host, "iommu-kernel");
    assert!(finding.remedy.text.starts_with("Remove amd_iommu=off"), "{}", finding.remedy.text);
    host.command_line = Fact::Unreadable(Errno::EIO);
    assert!(blind(&host, "iommu-kernel").starts_with("/proc/cmdline"));

    let mut host = off("ro");
    host.iommu_tables = Fact::Known(vec!["VIOT".into()]);
    let finding = found(&host, "iommu-kernel");
    assert_eq!(
        finding.remedy.commands,
        ["echo virtio_iommu >> /etc/initramfs-tools/modules", "update-initramfs -u -k all"]
    );
}

#[test]
fn words_that_switch_off() {
    let dmar = ["DMAR".to_owned()];
    for (line, word) in [
        ("intel_iommu=off", Some("intel_iommu=off")),
        ("intel_iommu=on", None),
        ("intel_iommu=off intel_iommu=on", None),
        ("intel_iommu=on,sm_off", None),
        ("intel_iommu=on intel_iommu=off,sm_on", Some("intel_iommu=off,sm_on")),
        ("iommu=pt", None),
        ("iommu=pt,off", Some("iommu=pt,off")),
        ("amd_iommu=off", None),
        ("ro -- iommu=off", None),
    ] {
        assert_eq!(switched_off(line, &dmar), word, "{line}");
    }
    assert_eq!(switched_off("amd_iommu=off", &["IVRS".to_owned()]), Some("amd_iommu=off"));
    assert_eq!(switched_off("iommu=off", &["IORT".to_owned()]), None);
    for (line, word) in [
        ("intremap=off", Some("intremap=off")),
        ("nointremap", Some("nointremap")),
        ("intremap=nosid", None),
        ("intremap=off intremap=on", None),
    ] {
        assert_eq!(remapping_switched_off(line), word, "{line}");
    }
}

#[test]
fn without_remapping() {
    let mut bad = host();
    bad.system.firmware.dmar = intel(&machines::proliant());
    bad.system.firmware.remapped_interrupts = Fact::Known(false);
    let finding = found(&bad, "interrupt-remapping");
    assert_eq!((finding.severity, finding.remedy.when), (Severity::Error, When::Now));
    assert_eq!(finding.summary, "the firmware offers no interrupt remapping");
    assert!(finding.remedy.text.contains("disturb or take over"), "{}", finding.remedy.text);
    assert_eq!(
        finding.remedy.commands.last().unwrap(),
        "echo 1 > /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"
    );
    passes(&bad, "unsafe-interrupts");
    // Allowed, it works, and that is said.
    bad.system.firmware.type1_unsafe = Fact::Known(true);
    let finding = found(&bad, "interrupt-remapping");
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(finding.evidence.last().unwrap().value, "Y");
    passes(&bad, "unsafe-interrupts");
    bad.system.firmware.iommufd_unsafe = Fact::Known(false);
    assert_eq!(
        found(&bad, "unsafe-interrupts").summary,
        "unsafe interrupts are allowed for vfio_iommu_type1 only"
    );

    let mut bad = host();
    bad.system.firmware.remapped_interrupts = Fact::Known(false);
    bad.command_line = Fact::Known("intel_iommu=on intremap=off".into());
    let finding = found(&bad, "interrupt-remapping");
    assert_eq!(finding.remedy.when, When::Reboot);
    assert!(finding.remedy.text.starts_with("Remove intremap=off"));

    let mut bad = host();
    bad.system.firmware.remapped_interrupts = Fact::Known(false);
    bad.system.firmware.units.push(unit("dmar1", 0x00d2_008c_4066_0462, 0x00f0_50d2));
    assert_eq!(found(&bad, "interrupt-remapping").summary, "the IOMMU dmar1 cannot remap interrupts");
    bad.system.firmware.units.pop();
    assert!(found(&bad, "interrupt-remapping").summary.contains("the tables do not say why"));

    let mut bad = host();
    bad.iommu_units = Fact::Known(vec!["0000:00:02.0".into()]);
    bad.system.firmware.units = vec![unit("0000:00:02.0", 0, 0)];
    bad.system.firmware.dmar = Fact::Absent;
    bad.system.firmware.remapped_interrupts = Fact::Known(false);
    let finding = found(&bad, "interrupt-remapping");
    assert_eq!(
        (finding.severity, &*finding.summary),
        (Severity::Error, "virtio-iommu does not remap interrupts")
    );

    let mut bad = amd_host(&machines::amd_desktop());
    bad.system.firmware.remapped_interrupts = Fact::Known(false);
    if let Fact::Known(ivrs) = &mut bad.system.firmware.ivrs {
        ivrs.units
            .iter_mut()
            .for_each(|unit| unit.devices.retain(|e| !matches!(e, ivrs::Entry::Special { .. })));
    }
    assert!(found(&bad, "interrupt-remapping").summary.contains("I/O APIC"));
}

#[test]
fn whether_interrupts_are_remapped_is_unknown() {
    let mut host = host();
    host.system.firmware.remapped_interrupts = Fact::Unreadable(Errno::ENODATA);
    assert!(blind(&host, "interrupt-remapping").starts_with("/proc/interrupts"));
    host.system.firmware.type1_unsafe = Fact::Known(true);
    assert!(blind(&host, "unsafe-interrupts").starts_with("/proc/interrupts"));
    host.system.firmware.type1_unsafe = Fact::Unreadable(Errno::ENODATA);
    assert!(blind(&host, "unsafe-interrupts").contains("vfio_iommu_type1"));
}

#[test]
fn unsafe_interrupts_that_nobody_needs() {
    let mut host = host();
    host.system.firmware.type1_unsafe = Fact::Known(true);
    let finding = found(&host, "unsafe-interrupts");
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(
        finding.remedy.commands[0],
        "echo 0 > /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"
    );
    // The module is not loaded, and will be.
    host.system.firmware.type1_unsafe = Fact::Absent;
    host.command_line = Fact::Known("intel_iommu=on vfio_iommu_type1.allow_unsafe_interrupts=1".into());
    let finding = found(&host, "unsafe-interrupts");
    assert_eq!(finding.evidence[0].value, "vfio_iommu_type1.allow_unsafe_interrupts=1");
    assert_eq!(finding.remedy.when, When::Reboot);
    host.command_line = Fact::Known("intel_iommu=on vfio_iommu_type1.allow_unsafe_interrupts=0".into());
    passes(&host, "unsafe-interrupts");
}

#[test]
fn widths() {
    let mut host = host();
    let cpu = |bits| Fact::Known(CpuInfo { physical_bits: bits, ..CpuInfo::default() });
    host.system.processor.cpu = cpu(Some(46));
    let finding = found(&host, "address-width");
    assert_eq!(finding.summary, "guests see 46 bits of addresses, the IOMMU translates 39");
    assert!(finding.remedy.text.contains("host-phys-bits-limit=39"));
    assert_eq!(finding.severity, Severity::Warning);
    // The narrowest unit counts, and before the units the table.
    host.system.firmware.units.insert(0, unit("dmar1", 0x00d2_078c_106f_0466, 0));
    assert!(found(&host, "address-width").summary.ends_with("39"));
    host.system.firmware.units.clear();
    assert_eq!(found(&host, "address-width").evidence[0].place, "/sys/firmware/acpi/tables/DMAR");
    host.system.firmware.dmar = Fact::Unreadable(Errno::EACCES);
    assert!(blind(&host, "address-width").contains("DMAR"));
    host.system.firmware.dmar = intel(&machines::intel_laptop());
    host.system.processor.cpu = Fact::Unreadable(Errno::ENODATA);
    assert!(blind(&host, "address-width").starts_with("/proc/cpuinfo"));

    // A BAR of 256 GiB has no place in 512 GiB beside memory.
    host.system.processor.cpu = cpu(Some(39));
    let bar = |bits: u32| Resource {
        index: 0,
        kind: Kind::Bar(0),
        start: 1 << 40,
        end: (1 << 40) + (1 << bits) - 1,
        flags: Flags(0x0014_220c),
    };
    let mut with = |bits| {
        let detail = Detail { regions: Fact::Known(vec![bar(bits)]), ..Detail::default() };
        host.devices[0].detail = Some(Box::new(detail));
        ask(&host, "address-width")
    };
    let Verdict::Found(findings) = with(38) else { panic!() };
    assert_eq!(findings[0].evidence[1].value, "256G");
    assert!(matches!(with(37), Verdict::Pass(_)));
}

#[test]
fn locked_down() {
    let mut host = host();
    host.system.firmware.lockdown = Fact::Known("integrity".into());
    host.system.firmware.secure_boot = Fact::Known(true);
    let finding = found(&host, "lockdown");
    assert_eq!(
        (finding.severity, &*finding.summary),
        (Severity::Note, "the kernel is locked down (integrity)")
    );
    assert_eq!(finding.evidence.len(), 2);
    host.system.firmware.lockdown = Fact::Absent;
    assert!(found(&host, "lockdown").summary.starts_with("Secure Boot is on"));
    host.system.firmware.secure_boot = Fact::Absent;
    assert!(blind(&host, "lockdown").contains("efivarfs is not mounted"));
    host.system.firmware.efi = Fact::Known(false);
    passes(&host, "lockdown");
    host.system.firmware.lockdown = Fact::Unreadable(Errno::EACCES);
    assert!(blind(&host, "lockdown").contains("needs root"));
}
