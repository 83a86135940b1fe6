//! Redaction: whatever the files of a host hold, no identifier gets through.
//!
//! An input is a number of records: a byte that picks a path, and the contents up to
//! the next 0xff. Where the contents have the byte 1 there is a secret in its place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passthru_formats::capture::{Answer, Capture, Op, parse};
use passthru_formats::redact::redact;

/// In its own words, which no list and no pattern of the white list knows.
const SECRET: &str = "Zq7SecretWord";

/// Paths whose contents may be any text that was chosen for the kernel or by the
/// distribution: there a secret word can stand, identifiers cannot.
const FREE: &[(Op, &str)] = &[
    (Op::Read, "/sys/bus/pci/devices/0000:01:00.0/uevent"),
    (Op::Read, "/sys/bus/pci/devices/0000:01:00.0/label"),
    (Op::Read, "/sys/bus/pci/devices/0000:01:00.0/driver_override"),
    (Op::Read, "/sys/class/dmi/id/product_name"),
    (Op::Read, "/etc/os-release"),
    (Op::Read, "/proc/cmdline"),
    (Op::Read, "/proc/modules"),
    (Op::List, "/sys/bus/pci/drivers"),
    (Op::Link, "/sys/bus/pci/devices/0000:01:00.0/driver"),
];

/// Paths whose contents are taken apart, so that no word survives that is not known.
const STRICT: &[(Op, &str)] = &[
    (Op::Read, "/proc/self/mountinfo"),
    (Op::Read, "/proc/swaps"),
    (Op::Read, "/proc/net/route"),
    (Op::Read, "/proc/net/ipv6_route"),
    (Op::Read, "/proc/bus/input/devices"),
    (Op::Read, "/proc/7/comm"),
    (Op::Read, "/proc/7/stat"),
    (Op::Read, "/proc/7/cmdline"),
    (Op::Read, "/proc/sys/kernel/osrelease"),
    (Op::Read, "/proc/sys/kernel/random/boot_id"),
    (Op::Read, "/proc/version"),
    (Op::Read, "/sys/class/net/eth0/address"),
    (Op::Read, "/sys/class/block/dm-0/dm/name"),
    (Op::Read, "/sys/class/block/dm-0/dm/uuid"),
    (Op::Read, "/sys/class/block/sda/device/serial"),
    (Op::Read, "/sys/bus/virtio/drivers/9pnet_virtio/virtio0/mount_tag"),
    (Op::Read, "/etc/hostname"),
    (Op::Read, "/home/me/file"),
    (Op::List, "/sys/class/net"),
    (Op::List, "/sys/class/block"),
    (Op::List, "/proc"),
    (Op::List, "/sys/class/drm"),
    (Op::Link, "/sys/class/net/eth0"),
    (Op::Link, "/sys/class/net/eth0/master"),
    (Op::Link, "/sys/class/block/sda"),
    (Op::Link, "/proc/7/fd/3"),
    (Op::Link, "/sys/class/input/input3"),
];

fuzz_target!(|data: &[u8]| {
    // libFuzzer sees what is compared with and tries it, in places where it may stand.
    if data.windows(4).any(|w| w == &SECRET.as_bytes()[..4]) {
        return;
    }
    let mut capture = Capture::default();
    for record in data.split(|c| *c == 0xff) {
        let Some((pick, contents)) = record.split_first() else { continue };
        let pick = usize::from(*pick) % (FREE.len() + STRICT.len());
        let strict = pick.checked_sub(FREE.len());
        let (op, path) = strict.map_or_else(|| FREE[pick], |i| STRICT[i]);
        let mut bytes = Vec::new();
        for c in contents {
            match c {
                1 if strict.is_some() => bytes.extend_from_slice(SECRET.as_bytes()),
                _ => bytes.push(*c),
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let answer = match op {
            Op::Link => Answer::Link(text),
            Op::List => Answer::List(text.split('/').map(str::to_owned).collect()),
            _ => Answer::Data(bytes),
        };
        // Names and targets that no capture can hold.
        let _ = capture.insert(op, path, answer);
        if let Some(name) = contents.get(..12.min(contents.len())).and_then(|c| std::str::from_utf8(c).ok()) {
            let _ =
                capture.insert(Op::Read, &format!("/sys/class/net/{name}{SECRET}/address"), Answer::Withheld);
        }
    }
    let (redacted, _) = redact(&capture);
    let text = redacted.to_text();
    assert_eq!(parse(text.as_bytes()).as_ref(), Ok(&redacted));
    assert!(!text.contains(SECRET), "the secret is in\n{text}");
    assert!(text.is_ascii(), "more than ASCII in\n{text}");
    identifiers(&text);
    // Done twice it changes nothing but numbers; at the least it still holds.
    identifiers(&redact(&redacted).0.to_text());
});

/// Every UUID and MAC address must be a stand-in.
fn identifiers(text: &str) {
    let bytes = text.as_bytes();
    let form = |at: usize, form: &str| {
        form.len() <= bytes.len() - at
            && form
                .bytes()
                .zip(&bytes[at..])
                .all(|(f, t)| if f == b'x' { t.is_ascii_hexdigit() } else { f == *t })
            && !bytes.get(at + form.len()).is_some_and(u8::is_ascii_alphanumeric)
    };
    for at in (0..bytes.len()).filter(|at| *at == 0 || !bytes[at - 1].is_ascii_alphanumeric()) {
        if form(at, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") {
            assert!(text[at..].starts_with("00000000-0000-4000-8000-"), "{}", &text[at..at + 36]);
        }
        if form(at, "xx:xx:xx:xx:xx:xx") {
            let mac = &text[at..at + 17];
            let kept = ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"].contains(&mac);
            assert!(kept || mac.starts_with("02:00:00:"), "{mac}");
        }
    }
}
