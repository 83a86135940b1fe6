//! Filters and names of devices: what is read is shown so that it means the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passthru_pci::{Address, Class, DeviceName, Id, IdFilter, SlotFilter};

fuzz_target!(|text: &str| {
    if let Ok(filter) = text.parse::<IdFilter>() {
        assert_eq!(filter.to_string().parse(), Ok(filter));
        let id = Id { vendor: filter.vendor.unwrap_or(1), device: filter.device.unwrap_or(2) };
        let class = u32::from(filter.class.0) << 8 | u32::from(filter.prog_if.unwrap_or(3));
        assert!(filter.matches(id, Class::new(class)), "{filter} does not match what it is made of");
    }
    if let Ok(filter) = text.parse::<SlotFilter>() {
        let address = Address::new(
            filter.domain.unwrap_or(0),
            filter.bus.unwrap_or(1),
            filter.device.unwrap_or(2),
            filter.function.unwrap_or(3),
        );
        assert!(filter.matches(address.expect("a filter's parts are in range")));
    }
    if let Ok(name) = text.parse::<DeviceName>() {
        let shown = name.to_string();
        assert_eq!(shown.parse(), Ok(name), "shown as {shown:?}");
    }
});
