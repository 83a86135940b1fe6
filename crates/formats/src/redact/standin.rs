//! Stand-ins: the same value is always replaced by the same text, which is of the
//! same form, so that a redacted file is read like the original.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, Ipv6Addr};

/// What was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the words of `words` say it")]
pub enum Kind {
    Mac,
    Ipv4,
    Ipv6,
    Uuid,
    Serial,
    Host,
    MountPoint,
    Source,
    Pool,
    Mapper,
    Label,
    Interface,
    Block,
    Process,
    Parameter,
    Input,
    Owner,
    Node,
}

impl Kind {
    /// What people call one and several of it.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Mac => ("MAC address", "MAC addresses"),
            Self::Ipv4 => ("IPv4 address", "IPv4 addresses"),
            Self::Ipv6 => ("IPv6 address", "IPv6 addresses"),
            Self::Uuid => ("UUID", "UUIDs"),
            Self::Serial => ("serial number", "serial numbers"),
            Self::Host => ("host name", "host names"),
            Self::MountPoint => ("directory or file name", "directory and file names"),
            Self::Source => ("mount source", "mount sources"),
            Self::Pool => ("storage pool or data set", "storage pools and data sets"),
            Self::Mapper => ("device-mapper or volume name", "device-mapper and volume names"),
            Self::Label => ("file system label", "file system labels"),
            Self::Interface => ("interface name", "interface names"),
            Self::Block => ("block device name", "block device names"),
            Self::Process => ("process name", "process names"),
            Self::Parameter => ("kernel parameter", "kernel parameters"),
            Self::Input => ("input device name", "input device names"),
            Self::Owner => ("user or group id", "user and group ids"),
            Self::Node => ("other name", "other names"),
        }
    }

    /// The n-th stand-in, from 1. Addresses are of the ranges kept for examples
    /// (RFC 5737, RFC 3849) or testing (RFC 2544), MAC addresses locally administered.
    fn stand_in(self, n: usize) -> String {
        let small = u32::try_from(n).unwrap_or(u32::MAX);
        match self {
            Self::Mac => {
                let [_, a, b, c, d, e, f, g] = (n as u64).to_be_bytes();
                let _ = (a, b);
                format!("02:{c:02x}:{d:02x}:{e:02x}:{f:02x}:{g:02x}")
            }
            Self::Ipv4 if n < 255 => format!("192.0.2.{n}"),
            Self::Ipv4 => Ipv4Addr::from(0xc612_0000_u32.wrapping_add(small & 0x1_ffff)).to_string(),
            Self::Ipv6 => Ipv6Addr::from((0x2001_0db8_u128 << 96) + n as u128).to_string(),
            Self::Uuid => format!("00000000-0000-4000-8000-{n:012x}"),
            Self::Serial => format!("serial-{n}"),
            Self::Host => format!("host-{n}"),
            Self::MountPoint => format!("/mount-{n}"),
            Self::Source => format!("source-{n}"),
            Self::Pool => format!("pool-{n}"),
            Self::Mapper => format!("dm-name-{n}"),
            Self::Label => format!("label-{n}"),
            Self::Interface => format!("net-{n}"),
            Self::Block => format!("block-{n}"),
            Self::Process => format!("process-{n}"),
            Self::Parameter => format!("param-{n}"),
            Self::Input => format!("input-{n}"),
            Self::Owner => (1000 + n).to_string(),
            Self::Node => format!("node-{n}"),
        }
    }
}

/// The stand-ins given so far.
#[derive(Debug, Default)]
pub(super) struct StandIns {
    /// By kind, so that what was seen is looked up without a copy of it.
    known: BTreeMap<Kind, HashMap<String, String>>,
}

impl StandIns {
    /// The stand-in of a value.
    pub(super) fn get(&mut self, kind: Kind, value: &str) -> &str {
        let of_kind = self.known.entry(kind).or_default();
        if !of_kind.contains_key(value) {
            let stand_in = kind.stand_in(of_kind.len() + 1);
            of_kind.insert(value.to_owned(), stand_in);
        }
        of_kind.get(value).map_or("", String::as_str)
    }

    /// How many values of each kind were replaced.
    pub(super) fn counts(&self) -> BTreeMap<Kind, usize> {
        self.known.iter().map(|(kind, values)| (*kind, values.len())).collect()
    }

    /// A MAC address, `aa:bb:cc:dd:ee:ff`; those that name no card are kept.
    pub(super) fn mac(&mut self, text: &str) -> String {
        let text = text.to_ascii_lowercase().replace('-', ":");
        if text == "00:00:00:00:00:00" || text == "ff:ff:ff:ff:ff:ff" {
            return text;
        }
        self.get(Kind::Mac, &text).to_owned()
    }

    /// A UUID in any spelling.
    pub(super) fn uuid(&mut self, text: &str) -> String {
        self.get(Kind::Uuid, &text.to_ascii_lowercase().replace('-', "")).to_owned()
    }

    /// An IPv4 address; those that name no machine are kept.
    pub(super) fn ipv4(&mut self, address: Ipv4Addr) -> Ipv4Addr {
        if address.is_unspecified() || address.is_loopback() || address.is_broadcast() {
            return address;
        }
        self.get(Kind::Ipv4, &address.to_string()).parse().unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// An IPv6 address; those that name no machine are kept.
    pub(super) fn ipv6(&mut self, address: Ipv6Addr) -> Ipv6Addr {
        let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
        let all_multicast = Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0);
        if address.is_unspecified()
            || address.is_loopback()
            || address == link_local
            || address == all_multicast
        {
            return address;
        }
        self.get(Kind::Ipv6, &address.to_string()).parse().unwrap_or(Ipv6Addr::UNSPECIFIED)
    }

    /// Replaces what looks like a UUID, a machine id or a MAC address wherever it
    /// stands in a text that is kept otherwise.
    pub(super) fn scrub(&mut self, text: &str) -> String {
        let bytes = text.as_bytes();
        let mut out = String::with_capacity(text.len());
        let (mut at, mut kept) = (0, 0);
        while at < bytes.len() {
            let starts = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
            let found = if starts && bytes[at].is_ascii_hexdigit() { identifier(&bytes[at..]) } else { None };
            let Some((length, is_mac)) = found else {
                at += 1;
                continue;
            };
            // Both are made of ASCII, so these are borders of characters.
            out.push_str(&text[kept..at]);
            let value = &text[at..at + length];
            out.push_str(&if is_mac { self.mac(value) } else { self.uuid(value) });
            at += length;
            kept = at;
        }
        out.push_str(&text[kept..]);
        out
    }
}

/// The length of the identifier a text begins with, and whether it is a MAC address.
fn identifier(text: &[u8]) -> Option<(usize, bool)> {
    let ends = |length: usize| !text.get(length).is_some_and(u8::is_ascii_alphanumeric);
    let form = |form: &[u8]| {
        text.len() >= form.len()
            && form.iter().zip(text).all(|(f, t)| match f {
                b'x' => t.is_ascii_hexdigit(),
                _ => f == t,
            })
            && ends(form.len())
    };
    if form(b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") {
        return Some((36, false));
    }
    let digits = text.iter().take_while(|c| c.is_ascii_hexdigit()).count();
    if digits >= 32 && ends(digits) {
        return Some((digits, false));
    }
    // Six pairs are a MAC address; more are InfiniBand's, which has a serial number in it.
    let pair = |at: usize| {
        text.get(at..at + 2).is_some_and(|p| p.iter().all(u8::is_ascii_hexdigit))
            && !text.get(at + 2).is_some_and(u8::is_ascii_alphanumeric)
    };
    let mut length = 0;
    while pair(length) {
        length += 2;
        if !matches!(text.get(length), Some(b':' | b'-')) {
            break;
        }
        length += 1;
    }
    let length = if length % 3 == 0 { length.saturating_sub(1) } else { length };
    (length >= 17).then_some((length, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_value_gets_the_same_stand_in() {
        let mut s = StandIns::default();
        assert_eq!(s.mac("52:54:00:12:34:56"), "02:00:00:00:00:01");
        assert_eq!(s.mac("52-54-00-AA-BB-CC"), "02:00:00:00:00:02");
        assert_eq!(s.mac("52:54:00:12:34:56"), "02:00:00:00:00:01");
        assert_eq!(s.mac("00:00:00:00:00:00"), "00:00:00:00:00:00");
        assert_eq!(s.ipv4([10, 0, 0, 1].into()).to_string(), "192.0.2.1");
        assert_eq!(s.ipv4([0, 0, 0, 0].into()).to_string(), "0.0.0.0");
        assert_eq!(s.ipv6("fe80::1".parse().unwrap()).to_string(), "2001:db8::1");
        assert_eq!(s.counts()[&Kind::Mac], 2);
        for n in 2..400u32 {
            s.ipv4(Ipv4Addr::from(n << 8));
        }
        assert_eq!(s.ipv4(Ipv4Addr::from(399 << 8)).to_string(), "198.18.1.143");
    }

    #[test]
    fn identifiers_in_the_middle_of_a_text() {
        let mut s = StandIns::default();
        let text = "root=UUID=0A5B3c4d-1111-2222-3333-444455556666 luks-0a5b3c4d-1111-2222-3333-444455556666 \
            a 52:54:00:12:34:56,x 0123456789abcdef0123456789abcdef 0000:00:1f.6 00:11:22:33:44:5 11-22-33-44-55-66-77-88- ";
        let u = "00000000-0000-4000-8000-000000000001";
        assert_eq!(
            s.scrub(text),
            format!(
                "root=UUID={u} luks-{u} a 02:00:00:00:00:01,x 00000000-0000-4000-8000-000000000002 \
                 0000:00:1f.6 00:11:22:33:44:5 02:00:00:00:00:02- "
            )
        );
        assert_eq!(s.scrub("\u{e4}52:54:00:12:34:56\u{e4}"), "\u{e4}02:00:00:00:00:01\u{e4}");
    }
}
