//! Invented spaces with everything that can go wrong; real ones are in
//! `tests/config_space.rs`.

use super::decode::{AccessControl, Express, LinkState, Msi, MsiX, PhysicalSlot, PortType, SerialNumber};
use super::list::Capability;
use super::*;
use crate::scalar::LinkSpeed;

/// A function of PCI Express with one capability at 0x40.
fn space(size: usize, writes: &[(usize, &[u8])]) -> ConfigSpace {
    let mut bytes = vec![0; size];
    let header: [(usize, &[u8]); 4] =
        [(0, &[0x86, 0x80, 0x22, 0x29]), (6, &[0x10]), (8, &[0x02, 0x01, 0x06, 0x01]), (0x34, &[0x40])];
    for (at, value) in header.iter().chain(writes) {
        bytes[*at..*at + value.len()].copy_from_slice(value);
    }
    parse(&bytes).unwrap()
}

#[test]
fn the_header() {
    let config = space(
        64,
        &[
            (4, &[0x07, 0x04]),
            (0x0e, &[0x80]),
            (0x10, &[1, 0xc0, 0, 0]),
            (0x2c, &[0xf4, 0x1a, 0x00, 0x11]),
            (0x30, &[1, 0, 0xf0, 0xff]),
            (0x3d, &[1]),
        ],
    );
    assert_eq!(config.completeness(), Completeness::HeaderOnly);
    assert_eq!(config.id().to_string(), "8086:2922");
    assert_eq!((config.revision(), config.class()), (2, Class::new(0x01_0601)));
    assert_eq!((config.header_type(), config.is_multi_function()), (HeaderType::Normal, true));
    assert_eq!((config.command(), config.interrupt_pin()), (0x0407, 1));
    assert_eq!(config.base_addresses().collect::<Vec<_>>(), [0xc001, 0, 0, 0, 0, 0]);
    assert_eq!(config.rom_address(), Some(0xfff0_0001));
    assert_eq!(config.subsystem().unwrap().to_string(), "1af4:1100");
    // The list is there, but it was not given to this reader.
    assert_eq!((config.capabilities().items, config.bus_numbers()), (vec![], None));
}

#[test]
fn a_bridge() {
    let bridge = space(
        256,
        &[
            (0x0e, &[1]),
            (0x18, &[0, 1, 3]),
            (0x38, &[1]),
            (0x3e, &[8]),
            (0x40, &[0x0d, 0, 0, 0, 0x36, 0x1b, 0x01, 0x00]),
        ],
    );
    assert_eq!((bridge.header_type(), bridge.completeness()), (HeaderType::Bridge, Completeness::Legacy));
    assert_eq!(bridge.bus_numbers(), Some(BusNumbers { primary: 0, secondary: 1, subordinate: 3 }));
    assert_eq!(bridge.subsystem().unwrap().to_string(), "1b36:0001");
    assert_eq!((bridge.base_addresses().count(), bridge.rom_address()), (2, Some(1)));
    assert!(bridge.forwards_vga());
    let other = space(256, &[(0x0e, &[0x7f])]);
    assert_eq!((other.header_type(), other.base_addresses().count()), (HeaderType::Other(0x7f), 0));
    assert_eq!((other.capabilities().items.len(), other.subsystem(), other.rom_address()), (0, None, None));
}

#[test]
fn what_is_no_configuration_space() {
    assert_eq!(parse(&[0; 63]), Err(ConfigSpaceError::Size { size: 63 }));
    assert_eq!(parse(&[0; 4097]), Err(ConfigSpaceError::Size { size: 4097 }));
    assert_eq!(parse(&[0xff; 4096]), Err(ConfigSpaceError::NoAnswer));
    assert_eq!(parse(&[0xff; 64]), Err(ConfigSpaceError::NoAnswer));
    // A virtual function has no ids of its own, but it is there.
    let mut vf = [0; 64];
    vf[..4].fill(0xff);
    assert_eq!(parse(&vf).unwrap().id().to_string(), "ffff:ffff");
}

#[test]
fn lists_that_go_wrong_end_there() {
    for (writes, items, broken_at) in [
        // Back to itself, into the header, to a capability that answers ones.
        (vec![(0x40, [1u8, 0x40].as_slice())], 1, Some(0x41)),
        (vec![(0x40, &[1, 0x50]), (0x50, &[5, 0x40])], 2, Some(0x51)),
        (vec![(0x40, &[1, 0x10])], 1, Some(0x41)),
        (vec![(0x40, &[1, 0x50]), (0x50, &[0xff, 0])], 1, Some(0x41)),
        (vec![(0x34, &[0x04])], 0, Some(0x34)),
        // The two lowest bits do not count.
        (vec![(0x34, &[0x43]), (0x40, &[1, 0xff]), (0xfc, &[5, 0])], 2, None),
        (vec![(6, &[0])], 0, None),
    ] {
        let list = space(256, &writes).capabilities();
        assert_eq!((list.items.len(), list.broken_at), (items, broken_at), "{writes:x?}");
    }
    for (writes, items, broken_at) in [
        (vec![(0x100, [3u8, 0, 1, 0x10].as_slice())], 1, Some(0x100)),
        (vec![(0x100, &[3, 0, 1, 0x20]), (0x200, &[13, 0, 1, 0x10])], 2, Some(0x200)),
        (vec![(0x100, &[3, 0, 1, 0x01])], 1, Some(0x100)),
        (vec![(0x100, &[3, 0, 1, 0x20]), (0x200, &[0xff; 4])], 1, Some(0x100)),
        (vec![(0x100, &[0, 0, 0, 0x20]), (0x200, &[13, 0, 1, 0])], 2, None),
        (vec![(0x100, &[0xff; 4])], 0, None),
        (vec![], 0, None),
    ] {
        let express = [writes.as_slice(), &[(0x40, [0x10, 0].as_slice())]].concat();
        let list = space(4096, &express).extended_capabilities();
        assert_eq!((list.items.len(), list.broken_at), (items, broken_at), "{writes:x?}");
    }
    let cut = space(300, &[(0x40, &[0x10]), (0x100, &[3, 0, 1, 0x20])]).extended_capabilities();
    assert_eq!((cut.items.len(), cut.broken_at), (1, Some(0x100)));
    // Bytes behind a conventional function are no list.
    assert!(space(4096, &[(0x100, &[3, 0, 1, 0])]).extended_capabilities().items.is_empty());
    let pcix = space(4096, &[(0x40, &[7, 0, 0, 0, 0, 0, 0, 0x40]), (0x100, &[3, 0, 1, 0])]);
    assert_eq!(pcix.extended_capabilities().items.len(), 1);
}

#[test]
fn registers() {
    let config = space(
        4096,
        &[
            (0x40, &[0x01, 0x50, 3, 0, 0x0b, 0]),
            (0x50, &[0x05, 0x60, 0x8b, 0x01]),
            (0x60, &[0x11, 0x70, 0x40, 0x80, 3, 0x20, 0, 0, 3, 0x30, 0, 0]),
            (
                0x70,
                &[
                    0x10, 0x00, 0x42, 0x01, 0, 0, 0, 0x10, 0, 0, 0, 0, 0x04, 0x0d, 0, 0, 0, 0, 0x43, 0x10,
                    0x40, 0, 0x50, 0,
                ],
            ),
            (0x100, &[0x0d, 0, 1, 0x11, 0x1f, 0, 0x05, 0]),
            (0x110, &[0x03, 0, 1, 0x12, 0x56, 0x34, 0x12, 0xff, 0xff, 0x91, 0x96, 0xb4]),
            (
                0x120,
                &[
                    0x10, 0, 1, 0, 0, 0, 0, 0, 0x19, 0, 0, 0, 7, 0, 8, 0, 3, 0, 0, 0, 0x80, 0, 2, 0, 0, 0,
                    0xca, 0x10,
                ],
            ),
        ],
    );
    assert_eq!(config.completeness(), Completeness::Full);
    assert_eq!(config.capabilities().items[1], Capability { id: 5, offset: 0x50 });
    assert_eq!(config.capabilities().items[3].name(), Some("PCI Express"));
    let power = config.power_management().unwrap();
    assert_eq!((power.state, power.no_soft_reset), (3, true));
    assert_eq!(config.msi(), Some(Msi { enabled: true, vectors: 32, is_64bit: true, maskable: true }));
    assert_eq!(
        config.msix(),
        Some(MsiX { enabled: true, vectors: 65, table: (3, 0x2000), pending: (3, 0x3000) })
    );
    let link = |speed, width| LinkState { speed: Some(LinkSpeed(speed)), width: Some(width) };
    assert_eq!(
        config.express(),
        Some(Express {
            version: 2,
            port_type: PortType::RootPort,
            function_level_reset: true,
            slot: Some(PhysicalSlot { number: 10, hot_plug: true }),
            link_capability: Some(LinkState { speed: Some(LinkSpeed(16_000)), width: Some(16) }),
            link_status: Some(link(8_000, 4)),
        })
    );
    let acs = config.access_control().unwrap();
    assert_eq!((acs, acs.missing()), (AccessControl { capability: 0x1f, control: 5 }, 0x18));
    assert_eq!(config.serial_number(), Some(SerialNumber(0xb496_91ff_ff12_3456)));
    assert_eq!(config.serial_number().unwrap().to_string(), "b4-96-91-ff-ff-12-34-56");
    let sriov = config.sriov().unwrap();
    assert_eq!((sriov.enabled, sriov.initial, sriov.total, sriov.active), (true, 7, 8, 3));
    assert_eq!((sriov.offset, sriov.stride, sriov.device), (0x80, 2, 0x10ca));
    assert_eq!(config.advanced_features_reset(), None);
    let af = space(256, &[(0x40, &[0x13, 0, 6, 3])]);
    assert_eq!(af.advanced_features_reset(), Some(true));
}

#[test]
fn capabilities_at_the_very_end_are_not_read_over_it() {
    let at_end = |id| space(256, &[(0x34, &[0xfc]), (0xfc, &[id, 0, 0xff, 0xff])]);
    assert_eq!(at_end(0x10).express(), None);
    assert_eq!(at_end(0x11).msix(), None);
    assert_eq!(at_end(0x01).power_management(), None);
    assert_eq!(at_end(0x13).advanced_features_reset(), None);
    assert!(at_end(0x05).msi().is_some());
    // What follows there is another list's.
    assert_eq!(space(4096, &[(0x34, &[0xfc]), (0xfc, &[1, 0, 3, 0, 2])]).power_management(), None);
    let end = space(
        4096,
        &[
            (0x40, &[0x10]),
            (0x100, &[0, 0, 0, 0xff]),
            (0xff0, &[0x10, 0, 0xc1, 0xff]),
            (0xffc, &[3, 0, 1, 0]),
        ],
    );
    assert_eq!(end.extended_capabilities().items.len(), 3);
    assert_eq!((end.sriov(), end.serial_number()), (None, None));
}
