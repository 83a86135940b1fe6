//! Routing tables: `/proc/net/route` (`net/ipv4/fib_trie.c`, `fib_route_seq_show`)
//! and `/proc/net/ipv6_route` (`net/ipv6/route.c`, `rt6_info_route`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::line::{LineError, fields, lines};
use crate::scalar::{bare_hex_u64, decimal_u64};

const FORM4: &str = "INTERFACE DESTINATION GATEWAY FLAGS REFERENCES USE METRIC MASK …";
const FORM6: &str = "DESTINATION LENGTH SOURCE LENGTH NEXT-HOP METRIC REFERENCES USE FLAGS INTERFACE";

/// `RTF_UP` (`include/uapi/linux/route.h`).
const UP: u32 = 0x0001;
/// `RTF_REJECT`: packets are refused, not sent.
const REJECT: u32 = 0x0200;

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route<'a> {
    /// The interface packets leave through; `*` where there is none.
    pub interface: &'a str,
    /// Destination network.
    pub destination: IpAddr,
    /// Length of the network's prefix in bits, 0 to 32 or 128.
    pub prefix: u8,
    /// The next router; `None` on the own network.
    pub gateway: Option<IpAddr>,
    /// `RTF_…` bits.
    pub flags: u32,
    /// The lower is preferred.
    pub metric: u32,
}

impl Route<'_> {
    /// Whether this is a route to everywhere that is up and sends packets: losing its
    /// interface can lose the host. Every kernel has a refusing IPv6 one on `lo`.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        self.prefix == 0 && self.sends()
    }

    /// Whether it is up and sends packets rather than refusing them.
    #[must_use]
    pub const fn sends(&self) -> bool {
        self.flags & UP != 0 && self.flags & REJECT == 0
    }

    /// Whether an address is in its network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.destination, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let rest = 32_u32.saturating_sub(self.prefix.into());
                let differ = u32::from(network) ^ u32::from(address);
                differ.checked_shr(rest).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let rest = 128_u32.saturating_sub(self.prefix.into());
                let differ = u128::from(network) ^ u128::from(address);
                differ.checked_shr(rest).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// Reads `/proc/net/route`, a route or an error per line after the heading.
pub fn parse_ipv4(text: &[u8]) -> impl Iterator<Item = Result<Route<'_>, LineError>> {
    lines(text)
        .filter(|(number, line)| *number != 1 || !line.starts_with(b"Iface"))
        .map(|(number, line)| ipv4(line).ok_or_else(|| LineError::new(number, FORM4, line)))
}

/// Reads `/proc/net/ipv6_route` (no heading), a route or an error per line.
pub fn parse_ipv6(text: &[u8]) -> impl Iterator<Item = Result<Route<'_>, LineError>> {
    lines(text).map(|(number, line)| ipv6(line).ok_or_else(|| LineError::new(number, FORM6, line)))
}

fn text(field: &[u8]) -> Option<&str> {
    std::str::from_utf8(field).ok().filter(|s| s.bytes().all(|c| c.is_ascii_graphic()))
}

fn hex32(field: &[u8]) -> Option<u32> {
    bare_hex_u64(text(field)?)?.try_into().ok()
}

fn ipv4(line: &[u8]) -> Option<Route<'_>> {
    let mut words = fields(line);
    let interface = text(words.next()?)?;
    // Addresses are printed as the number that lies in memory in network order, so
    // on a little-endian machine (all that can run this) the bytes are turned.
    let destination = hex32(words.next()?)?.swap_bytes();
    let gateway = hex32(words.next()?)?.swap_bytes();
    let flags = hex32(words.next()?)?;
    let metric = decimal_u64(text(words.nth(2)?)?)?.try_into().ok()?;
    let mask = hex32(words.next()?)?.swap_bytes();
    if mask.leading_ones() + mask.trailing_zeros().min(32) != 32 {
        return None;
    }
    Some(Route {
        interface,
        destination: Ipv4Addr::from(destination).into(),
        prefix: mask.leading_ones() as u8,
        gateway: (gateway != 0).then(|| Ipv4Addr::from(gateway).into()),
        flags,
        metric,
    })
}

fn ipv6(line: &[u8]) -> Option<Route<'_>> {
    let mut words = fields(line);
    let address = |field: &[u8]| {
        (field.len() == 32 && field.iter().all(u8::is_ascii_hexdigit))
            .then(|| u128::from_str_radix(text(field)?, 16).ok())
            .flatten()
            .map(Ipv6Addr::from)
    };
    let destination = address(words.next()?)?;
    let prefix = u8::try_from(hex32(words.next()?)?).ok().filter(|&n| n <= 128)?;
    let gateway = address(words.nth(2)?)?;
    let metric = hex32(words.next()?)?;
    let flags = hex32(words.nth(2)?)?;
    let interface = text(words.next()?)?;
    Some(Route {
        interface,
        destination: destination.into(),
        prefix,
        gateway: (!gateway.is_unspecified()).then_some(gateway.into()),
        flags,
        metric,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_routes() {
        let text = b"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            enp3s0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
            enp3s0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n\
            *\t0000000A\t00000000\t0201\t0\t0\t0\t000000FF\t0\t0\t0\n\
            enp3s0\tx\n\
            eth1\t00000000\t00000000\t0001\t0\t0\t0\t00FF00FF\t0\t0\t0\n";
        let all: Vec<_> = parse_ipv4(text).collect();
        let first = all[0].as_ref().unwrap();
        assert!(first.is_default());
        assert_eq!((first.interface, first.metric), ("enp3s0", 100));
        assert_eq!(first.gateway, Some("192.168.1.1".parse().unwrap()));
        let second = all[1].as_ref().unwrap();
        assert_eq!((second.destination.to_string().as_str(), second.prefix), ("192.168.1.0", 24));
        assert!(!second.is_default() && second.gateway.is_none());
        assert!(second.contains("192.168.1.77".parse().unwrap()));
        assert!(
            !second.contains("192.168.2.77".parse().unwrap()) && !second.contains("::1".parse().unwrap())
        );
        assert!(first.contains("203.0.113.9".parse().unwrap()), "everywhere");
        assert_eq!((all[2].as_ref().unwrap().interface, all[2].as_ref().unwrap().prefix), ("*", 8));
        assert_eq!(all[3].as_ref().unwrap_err().line, 5);
        assert!(all[4].is_err(), "a mask with holes");
    }

    #[test]
    fn ipv6_routes() {
        let text = b"\
20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000003 00000000 00450003     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
";
        let all: Vec<_> = parse_ipv6(text).map(Result::unwrap).collect();
        assert_eq!(all.iter().map(Route::is_default).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(all[0].prefix, 64);
        assert!(all[0].contains("2001:db8::9".parse().unwrap()) && all[1].contains("::1".parse().unwrap()));
        assert!(!all[0].contains("2001:db8:0:1::9".parse().unwrap()));
        assert_eq!((all[1].interface, all[1].gateway), ("eth0", Some("fe80::1".parse().unwrap())));
        assert_eq!(all[1].metric, 1024);
        assert!(parse_ipv6(b"nonsense\n\n").all(|r| r.is_err()));
    }
}
