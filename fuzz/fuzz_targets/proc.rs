//! Files of `/proc`, tables of `/etc`, records of udev: what can be written again is read as the same, the rest does not
//! panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passthru_formats::cpulist::CpuList;
use passthru_formats::errno::Errno;
use passthru_formats::{cmdline, fstab, input, mountinfo, passwd, process, route, scalar, swaps, tcp, udev_db};

fuzz_target!(|data: &[u8]| {
    for mount in mountinfo::parse(data).flatten() {
        let line = mount.to_string();
        let again: Vec<_> = mountinfo::parse(line.as_bytes()).collect();
        assert_eq!(again, [Ok(mount)], "{line:?}");
    }
    for swap in swaps::parse(data).flatten() {
        assert!(!swap.path.is_empty());
    }
    for user in passwd::users(data).flatten() {
        assert!(!user.name.is_empty() && user.uid != u32::MAX && user.gid != u32::MAX);
    }
    for group in passwd::groups(data).flatten() {
        assert!(!group.name.is_empty() && group.members.iter().all(|member| !member.is_empty()));
    }
    for route in route::parse_ipv4(data).flatten() {
        assert!(route.prefix <= 32 && route.destination.is_ipv4());
    }
    for route in route::parse_ipv6(data).flatten() {
        assert!(route.prefix <= 128 && route.destination.is_ipv6());
    }
    for socket in tcp::parse(data).flatten() {
        assert!(!(socket.is_established() && socket.is_listening()));
        if let std::net::IpAddr::V6(address) = socket.local.ip() {
            assert!(address.to_ipv4_mapped().is_none(), "{address}");
        }
    }
    for local in tcp::parse_if_inet6(data).flatten() {
        assert!(local.prefix <= 128 && !local.interface.is_empty());
    }
    assert!(tcp::local_ipv4(data).is_sorted());
    for entry in fstab::parse(data) {
        assert!(!entry.what.is_empty() && entry.devices().next() == Some(&*entry.what));
        for device in entry.devices() {
            if let Some(fstab::Name::By(_, name)) = fstab::Name::parse(device) {
                assert_eq!(fstab::encode(&fstab::decode(&name)), name, "{device:?}");
            }
        }
    }
    for entry in fstab::parse_crypttab(data) {
        assert!(!entry.name.is_empty() && !entry.device.is_empty());
    }
    if let Some(kind) = udev_db::property(data, "ID_FS_TYPE") {
        assert!(!kind.is_empty());
    }
    let _ = (process::ssh_ports(data).count(), process::nvidia_minor(data));
    if let Some(name) = process::vm_name(data) {
        assert!(!name.is_empty() && !name.contains(char::is_control));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert_eq!(fstab::decode(&fstab::encode(text)), text);
    for found in input::parse(text) {
        let _ = (found.is_keyboard(), found.is_pointer());
    }

    let parameters: Vec<_> = cmdline::parse(text).collect();
    let mut joined = String::new();
    let mut for_init = false;
    for parameter in &parameters {
        if parameter.for_init && !for_init {
            for_init = true;
            joined.push_str("-- ");
        }
        joined.push_str(parameter.raw);
        joined.push(' ');
    }
    let again: Vec<_> = cmdline::parse(&joined).collect();
    // A quote that is open at the end takes the blank we put there.
    if !parameters.last().is_some_and(|p| p.raw.matches('"').count() % 2 == 1) {
        assert_eq!(again, parameters, "{joined:?}");
    }

    if let Ok(list) = text.parse::<CpuList>() {
        assert_eq!(list.to_string().parse(), Ok(list.clone()));
        assert!(list.ranges().iter().all(|(first, last)| list.contains(*first) && list.contains(*last)));
    }
    if let Ok(errno) = text.parse::<Errno>() {
        assert_eq!(errno.code().parse(), Ok(errno));
    }
    if let Some(speed) = scalar::LinkSpeed::parse(text) {
        assert_eq!(scalar::LinkSpeed::parse(&speed.to_string()), Some(speed));
    }
    let _ = (scalar::text(data), scalar::hex_u64(text), scalar::bare_hex_u64(text), scalar::switch(text));
    let _ = (scalar::decimal_i64(text), scalar::decimal_u64(text), scalar::device_number(text));
});
