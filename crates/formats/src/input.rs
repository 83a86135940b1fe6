//! `/proc/bus/input/devices`: input devices with their place below `/sys` (written by
//! `drivers/input/input.c`, `input_devices_seq_show`).

/// One input device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Input<'a> {
    /// What it calls itself (`N: Name="…"`).
    pub name: &'a str,
    /// Its directory below `/sys` (`S: Sysfs=…`), starting with `/devices/`.
    pub path: &'a str,
    /// The handlers bound to it (`H: Handlers=…`), such as `kbd event3 leds`.
    pub handlers: &'a str,
    /// Kinds of events (`B: EV=…`), a hexadecimal bitmap.
    pub events: u64,
    /// Keys (`B: KEY=…`): the words of the bitmap, highest first.
    pub keys: &'a str,
}

/// Bit of `EV_REP`, auto-repeat (`include/uapi/linux/input-event-codes.h`): real
/// keyboards have it, power buttons and headset keys do not.
const EV_REP: u64 = 1 << 0x14;
/// Bit of `EV_KEY`.
const EV_KEY: u64 = 1 << 0x01;

impl Input<'_> {
    /// Whether one can type on it: the `kbd` handler, keys with auto-repeat, and the
    /// letters. udev's `ID_INPUT_KEYBOARD` asks for keys 1 to 31 (Esc to S) likewise
    /// (`udev-builtin-input_id.c`); the lowest word of the bitmap holds them.
    #[must_use]
    pub fn is_keyboard(&self) -> bool {
        const ESC_TO_S: u64 = 0xffff_fffe;
        let low = self.keys.split_whitespace().last().and_then(|w| u64::from_str_radix(w, 16).ok());
        self.has_handler("kbd")
            && self.events & (EV_REP | EV_KEY) == EV_REP | EV_KEY
            && low.is_some_and(|low| low & ESC_TO_S == ESC_TO_S)
    }

    /// Whether it moves the pointer: a `mouseN` handler.
    #[must_use]
    pub fn is_pointer(&self) -> bool {
        self.handlers.split_whitespace().any(|h| {
            h.strip_prefix("mouse").is_some_and(|n| !n.is_empty() && n.bytes().all(|c| c.is_ascii_digit()))
        })
    }

    fn has_handler(&self, name: &str) -> bool {
        self.handlers.split_whitespace().any(|h| h == name)
    }
}

/// The devices of the file. Lines that are not understood are passed over: new kernels
/// may add kinds of lines.
pub fn parse(text: &str) -> impl Iterator<Item = Input<'_>> {
    text.split("\n\n").filter_map(|block| {
        let mut input = Input::default();
        for line in block.lines() {
            let Some((kind, rest)) = line.split_once(": ") else { continue };
            match (kind, rest.split_once('=')) {
                ("N", Some(("Name", name))) => input.name = name.trim_matches('"'),
                ("S", Some(("Sysfs", path))) => input.path = path.trim(),
                ("H", Some(("Handlers", handlers))) => input.handlers = handlers.trim(),
                ("B", Some(("EV", events))) => {
                    input.events = u64::from_str_radix(events.trim(), 16).unwrap_or(0);
                }
                ("B", Some(("KEY", keys))) => input.keys = keys.trim(),
                _ => {}
            }
        }
        (!input.path.is_empty()).then_some(input)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // From a QEMU q35 machine with a USB keyboard and mouse, Linux 6.1.
    const TEXT: &str = "I: Bus=0019 Vendor=0000 Product=0001 Version=0000
N: Name=\"Power Button\"
P: Phys=LNXPWRBN/button/input0
S: Sysfs=/devices/LNXSYSTM:00/LNXPWRBN:00/input/input0
U: Uniq=
H: Handlers=kbd event0 
B: PROP=0
B: EV=3
B: KEY=10000000000000 0

I: Bus=0003 Vendor=0627 Product=0001 Version=0111
N: Name=\"QEMU QEMU USB Keyboard\"
P: Phys=usb-0000:06:00.0-1/input0
S: Sysfs=/devices/pci0000:00/0000:00:08.0/0000:06:00.0/usb1/1-1/1-1:1.0/0003:0627:0001.0001/input/input3
U: Uniq=68284-0000:00:08.0:00.0-1
H: Handlers=sysrq kbd event3 leds 
B: PROP=0
B: EV=120013
B: KEY=1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe
B: MSC=10
B: LED=1f

I: Bus=0003 Vendor=0627 Product=0001 Version=0111
N: Name=\"QEMU QEMU USB Mouse\"
S: Sysfs=/devices/pci0000:00/0000:00:08.0/0000:06:00.0/usb1/1-2/1-2:1.0/0003:0627:0001.0002/input/input4
H: Handlers=mouse0 event4 
B: EV=17
B: KEY=1f0000 0 0 0 0

";

    #[test]
    fn a_power_button_is_no_keyboard() {
        let all: Vec<_> = parse(TEXT).collect();
        assert_eq!(all.len(), 3);
        assert_eq!(all.iter().map(Input::is_keyboard).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(all.iter().map(Input::is_pointer).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(all[1].name, "QEMU QEMU USB Keyboard");
        assert!(all[1].path.ends_with("/input/input3"));
    }

    #[test]
    fn garbage_gives_nothing() {
        assert_eq!(parse("\n\n\n\0: =\nN: Name\nB: EV=zz\n\nS: Sysfs=\n").count(), 0);
    }
}
