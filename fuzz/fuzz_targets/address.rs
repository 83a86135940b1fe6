//! Addresses and slots: what is read is shown so that it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passthru_pci::{Address, DeviceName, Id, Slot};

fuzz_target!(|text: &str| {
    if let Ok(address) = text.parse::<Address>() {
        let shown = address.to_string();
        assert_eq!(shown.parse(), Ok(address));
        assert_eq!(address.short().parse(), Ok(address));
        assert_eq!(Address::from_sysfs(&shown), Some(address));
        assert_eq!(address.libvirt_name().parse(), Ok(DeviceName::Function(address)));
        assert!(address.slot().contains(address));
        assert_eq!(
            Address::new(address.domain(), address.bus(), address.device(), address.function()),
            Some(address)
        );
    }
    if let Some(address) = Address::from_sysfs(text) {
        assert_eq!(address.to_string(), text);
    }
    if let Ok(slot) = text.parse::<Slot>() {
        assert_eq!(slot.to_string().parse(), Ok(slot));
    }
    if let Ok(id) = text.parse::<Id>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
});
