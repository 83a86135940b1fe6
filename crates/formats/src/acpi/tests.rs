//! The parsers on tables of the shapes that real machines have (`passthru_testkit::acpi`), on these
//! tables damaged, and on small ones.

use passthru_testkit::acpi::machines::{self, ALL};
use passthru_testkit::acpi::{Table, seal};
use proptest::prelude::*;

use super::dmar::ScopeKind;
use super::ivrs::{Entry, Whom};
use super::*;

// QEMU's, read in the lab (fixtures/acpi/qemu/README.md).
const QEMU: &[u8] = include_bytes!("../../../../fixtures/acpi/qemu/q35.DMAR");
const QEMU_NO_REMAPPING: &[u8] = include_bytes!("../../../../fixtures/acpi/qemu/q35-without-remapping.DMAR");
const QEMU_AMD: &[u8] = include_bytes!("../../../../fixtures/acpi/qemu/q35.IVRS");
const QEMU_VIRTIO: &[u8] = include_bytes!("../../../../fixtures/acpi/qemu/q35.VIOT");

#[test]
fn a_laptop() {
    let dmar = dmar::parse(&machines::intel_laptop()).unwrap();
    assert_eq!((dmar.address_width, dmar.interrupt_remapping()), (39, true));
    let [graphics, rest] = &dmar.units[..] else { panic!("{:?}", dmar.units) };
    assert_eq!((graphics.address, graphics.include_all), (0xfed9_0000, false));
    assert_eq!((graphics.scopes[0].kind, &graphics.scopes[0].path[..]), (ScopeKind::Endpoint, &[(2, 0)][..]));
    assert_eq!((rest.address, rest.include_all), (0xfed9_1000, true));
    assert_eq!(rest.scopes.iter().map(|s| s.kind).collect::<Vec<_>>(), [ScopeKind::IoApic, ScopeKind::Hpet]);
    let regions: Vec<_> = dmar.reserved.iter().map(|r| (r.start, r.end, r.scopes[0].path[0])).collect();
    assert_eq!(regions, [(0x7a10_0000, 0x7a11_ffff, (0x14, 0)), (0x7c00_0000, 0x7fff_ffff, (2, 0))]);
}

#[test]
fn servers() {
    let dmar = dmar::parse(&machines::intel_server()).unwrap();
    assert_eq!(
        (dmar.address_width, dmar.units.len(), dmar.reserved.len(), dmar.root_ats.len()),
        (46, 4, 3, 1)
    );
    assert!(dmar.x2apic_opt_out() && !dmar.platform_opt_in());
    let nodes: Vec<_> = dmar.affinities.iter().map(|a| (a.address, a.proximity)).collect();
    assert_eq!(nodes, [(0xdc00_0000, 0), (0xd400_0000, 1)]);
    let dmar = dmar::parse(&machines::proliant()).unwrap();
    assert!(!dmar.interrupt_remapping());
    assert_eq!((dmar.reserved.len(), dmar.reserved.iter().map(|r| r.scopes.len()).sum::<usize>()), (3, 15));
    assert_eq!(dmar.reserved[1].scopes[5].path, [(0x1c, 4), (0, 2)]);
    assert!(!dmar::parse(&machines::intel_without_remapping()).unwrap().interrupt_remapping());
    assert_eq!(dmar::parse(&machines::intel_odd_scope()).unwrap().reserved[0].scopes[1].bus, 0x11);
}

#[test]
fn amd() {
    let ivrs = ivrs::parse(&machines::amd_desktop()).unwrap();
    assert_eq!((ivrs.virtual_size(), ivrs.memory.len()), (Some(64), 0));
    let unit = ivrs.used_units().next().unwrap();
    assert!(unit.devices.iter().any(|e| e.covers(0x0100)));
    let sb = |e: &Entry| matches!(e, Entry::Special { device: 0xa0, variety: 1, .. });
    assert!(unit.devices.iter().any(sb), "{:x?}", unit.devices);

    let two = ivrs::parse(&machines::amd_two_regions()).unwrap();
    let kept: Vec<_> = two.memory.iter().map(|m| (m.whom, m.flags, m.start, m.end())).collect();
    assert_eq!(
        kept,
        [(Whom::One(0x60), 7, 0x6b10_0000, 0x6b1f_ffff), (Whom::One(0xc407), 8, 0x6a80_0000, 0x6a81_ffff)]
    );
    assert!(two.memory.iter().all(ivrs::Memory::stays_mapped));
    assert!(
        two.units
            .iter()
            .flat_map(|u| &u.devices)
            .any(|e| matches!(e, Entry::Named { hid, .. } if hid == "AMDI0020"))
    );
    // Types 0x10, 0x11 and 0x40 of the one IOMMU.
    assert!(two.units.len() > 1 && two.used_units().all(|u| u.kind == 0x40));

    let all = ivrs::parse(&machines::amd_all_buses()).unwrap();
    assert_eq!(all.memory.len(), 5);
    assert!(all.memory.iter().all(|m| m.whom == Whom::Range(0, 0xfff) && m.whom.has(0xfff)));
    assert_eq!((all.memory[0].length, all.memory[0].end()), (1, 0x8a10_0000));
    assert!(!all.memory[0].whom.has(0x1000));
    let laptop = ivrs::parse(&machines::amd_laptop()).unwrap();
    assert_eq!((laptop.memory[0].whom, &laptop.unknown[..]), (Whom::One(0x300), &[0x51][..]));
}

#[test]
fn qemu() {
    let dmar = dmar::parse(QEMU).unwrap();
    assert_eq!((dmar.address_width, dmar.interrupt_remapping(), dmar.reserved.len()), (39, true, 0));
    assert_eq!((dmar.units.len(), dmar.units[0].address), (1, 0xfed9_0000));
    assert!(!dmar::parse(QEMU_NO_REMAPPING).unwrap().interrupt_remapping());

    // Started without interrupt remapping, so without an entry for the I/O APIC.
    let ivrs = ivrs::parse(QEMU_AMD).unwrap();
    let [unit] = &ivrs.units[..] else { panic!("{:?}", ivrs.units) };
    assert!(unit.devices.iter().any(|entry| entry.covers(0x0100)));
    assert!(!unit.devices.iter().any(|entry| matches!(entry, Entry::Special { .. })));

    let viot = viot::parse(QEMU_VIRTIO).unwrap();
    assert_eq!(viot.units, [viot::Unit { offset: 48, place: viot::Place::Pci(0, 0x90) }]);
    assert_eq!((viot.ranges[0].first, viot.ranges[0].last, viot.ranges[0].unit), (0, 0x2ff, 48));
}

#[test]
fn virtio() {
    let mut body = vec![2, 0, 48, 0];
    body.extend([0; 8]);
    // The functions 00:00.0 to 00:1f.7, but where the IOMMU stands.
    body.extend([1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 72, 0, 0, 0, 0, 0, 0, 0]);
    body.extend([3, 0, 16, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let viot = viot::parse(&Table::new("VIOT").raw(&body).seal()).unwrap();
    assert_eq!(viot.units, [viot::Unit { offset: 72, place: viot::Place::Pci(0, 8) }]);
    assert_eq!((viot.ranges[0].first, viot.ranges[0].last, viot.ranges[0].unit), (0, 0xff, 72));
    // A range that leads nowhere.
    body[12 + 16] = 60;
    let error = viot::parse(&Table::new("VIOT").raw(&body).seal()).unwrap_err();
    assert_eq!(error.to_string(), "VIOT: the node a range points to cannot be 0x3c");
}

#[test]
fn arm() {
    let node = |kind: u8, data: &[u8], to: Option<u32>| {
        let at = 16 + data.len();
        let mut node = vec![kind, 0, 0, 0, 0, 0, 0, 0, u8::from(to.is_some()), 0, 0, 0, at as u8, 0, 0, 0];
        node.extend(data);
        if let Some(to) = to {
            node.extend([0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0]);
            node.extend(to.to_le_bytes());
            node.extend([0; 4]);
        }
        node[1] = node.len() as u8;
        node
    };
    let mut body = vec![3, 0, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0];
    body.extend(node(0, &[1, 0, 0, 0, 0, 0, 0, 0], None));
    let smmu = 36 + body.len() as u32;
    body.extend(node(4, &[0, 0, 5, 9, 0, 0, 0, 0, 0, 0, 0, 0], Some(48)));
    body.extend(node(2, &[0; 20], Some(smmu)));
    let iort = iort::parse(&Table::new("IORT").raw(&body).seal()).unwrap();
    assert_eq!(iort.smmus().map(|n| n.kind.clone()).collect::<Vec<_>>(), [iort::Kind::SmmuV3(0x0905_0000)]);
    assert_eq!((iort.segment_has_smmu(0), iort.segment_has_smmu(1)), (Some(true), None));
    // Without it: the root complex's ids go straight to the interrupt translation.
    let mut body = vec![2, 0, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0];
    body.extend(node(0, &[1, 0, 0, 0, 0, 0, 0, 0], None));
    body.extend(node(2, &[0; 20], Some(48)));
    let iort = iort::parse(&Table::new("IORT").raw(&body).seal()).unwrap();
    assert_eq!((iort.smmus().count(), iort.segment_has_smmu(0)), (0, Some(false)));
}

#[test]
fn errors_say_where() {
    let laptop = machines::intel_laptop();
    let says = |bytes: &[u8]| dmar::parse(bytes).unwrap_err().to_string();
    assert_eq!(says(&laptop[..20]), "DMAR: it has 20 bytes, which is less than a header");
    assert_eq!(says(&laptop[..100]), "DMAR: its header says 168 bytes, there are 100");
    assert_eq!(says(&machines::amd_laptop()), "DMAR: its signature is another one");
    let damaged = |offset: usize, value: u8| {
        let mut bytes = laptop.clone();
        bytes[offset] = value;
        bytes
    };
    assert_eq!(says(&damaged(37, 0)), "DMAR: its bytes add up to 0xff instead of 0 (checksum)");
    let sealed = |offset, value| {
        let mut bytes = damaged(offset, value);
        seal(&mut bytes);
        bytes
    };
    // The RMRR at 0x68: length 0, too long, too short; its scope at 0x80 the same.
    assert_eq!(
        says(&sealed(0x6a, 0)),
        "DMAR, record 3 (type 0x1) at 0x68: the record has 0 bytes and needs 4"
    );
    assert_eq!(
        says(&sealed(0x6a, 200)),
        "DMAR, record 3 (type 0x1) at 0x68: the record has 200 bytes, 64 are left"
    );
    assert_eq!(
        says(&sealed(0x6a, 10)),
        "DMAR, record 3 (type 0x1) at 0x68: the first address has 8 bytes, 2 are left"
    );
    assert_eq!(
        says(&sealed(0x81, 0)),
        "DMAR, record 3 (type 0x1) at 0x68: a device scope has 0 bytes and needs 8"
    );
    assert_eq!(
        says(&sealed(0x81, 10)),
        "DMAR, record 3 (type 0x1) at 0x68: a device scope has 10 bytes, 8 are left"
    );
}

/// Every parser, on these bytes as they are and under every signature with a header that fits.
fn all(bytes: &[u8]) {
    let _ = (dmar::parse(bytes), ivrs::parse(bytes), viot::parse(bytes), iort::parse(bytes));
    for signature in ["DMAR", "IVRS", "VIOT", "IORT"] {
        let mut sealed = bytes.to_vec();
        sealed.resize(bytes.len().max(HEADER), 0);
        sealed[..4].copy_from_slice(signature.as_bytes());
        seal(&mut sealed);
        match signature {
            "DMAR" => drop(dmar::parse(&sealed)),
            "IVRS" => drop(ivrs::parse(&sealed)),
            "VIOT" => drop(viot::parse(&sealed)),
            _ => drop(iort::parse(&sealed)),
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_them_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        all(&bytes);
    }

    /// A table with some bytes changed and its end cut off.
    #[test]
    fn no_damage_makes_them_panic(
        which in 0..ALL.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = ALL[which].1();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        all(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        all(&bytes);
    }

    /// What is cut off is missed: no record vanishes without an error.
    #[test]
    fn no_cut_goes_unseen(cut in 1..120_usize) {
        let mut bytes = machines::intel_laptop();
        bytes.truncate(bytes.len() - cut);
        seal(&mut bytes);
        let whole_records = [0x30, 0x48, 0x68, 0x88].contains(&bytes.len());
        prop_assert_eq!(dmar::parse(&bytes).is_ok(), whole_records);
    }
}
