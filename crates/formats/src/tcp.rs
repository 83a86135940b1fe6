//! TCP sockets and local addresses: `/proc/net/tcp` and `tcp6` (`net/ipv4/tcp_ipv4.c`,
//! `get_tcp4_sock`), `/proc/net/if_inet6` (`net/ipv6/addrconf.c`), `/proc/net/fib_trie`
//! (`net/ipv4/fib_trie.c`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::line::{LineError, fields, lines};
use crate::scalar::{bare_hex_u64, decimal_u64};

const FORM: &str = "NUMBER: ADDRESS:PORT ADDRESS:PORT STATE QUEUES TIMER RETRIES UID TIMEOUT INODE …";
const FORM_IF: &str = "ADDRESS INDEX PREFIX SCOPE FLAGS INTERFACE";

/// `TCP_ESTABLISHED` and `TCP_LISTEN` (`include/net/tcp_states.h`).
const ESTABLISHED: u8 = 0x01;
const LISTEN: u8 = 0x0a;

/// One socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// This end. Addresses of version 4 in the table of version 6 are those of version 4.
    pub local: SocketAddr,
    /// The other end; port 0 while it listens.
    pub peer: SocketAddr,
    /// The kernel's number of the state.
    pub state: u8,
    /// Number of the socket, as descriptors show it (`socket:[123]`); 0 where no process
    /// has it.
    pub inode: u64,
}

impl Socket {
    /// Whether the connection stands.
    #[must_use]
    pub const fn is_established(&self) -> bool {
        self.state == ESTABLISHED
    }

    /// Whether it waits for connections.
    #[must_use]
    pub const fn is_listening(&self) -> bool {
        self.state == LISTEN
    }
}

/// Reads `/proc/net/tcp` or `/proc/net/tcp6`, a socket or an error per line after the
/// heading.
pub fn parse(text: &[u8]) -> impl Iterator<Item = Result<Socket, LineError>> {
    lines(text)
        .filter(|(number, line)| *number != 1 || !line.trim_ascii_start().starts_with(b"sl"))
        .map(|(number, line)| socket(line).ok_or_else(|| LineError::new(number, FORM, line)))
}

fn text(field: &[u8]) -> Option<&str> {
    std::str::from_utf8(field).ok().filter(|s| s.bytes().all(|c| c.is_ascii_graphic()))
}

fn socket(line: &[u8]) -> Option<Socket> {
    let mut words = fields(line).map(text);
    let number = words.next()??;
    decimal_u64(number.strip_suffix(':')?)?;
    let local = end(words.next()??)?;
    let peer = end(words.next()??)?;
    let state = bare_hex_u64(words.next()??)?.try_into().ok()?;
    let inode = decimal_u64(words.nth(5)??)?;
    Some(Socket { local, peer, state, inode })
}

/// `0100007F:0016`: each word of four bytes is printed as a number of this machine, and
/// every machine that runs this is little-endian.
fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::try_from(bare_hex_u64(port)?).ok()?;
    if !address.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok().map(u32::swap_bytes);
    let ip: IpAddr = match address.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bits = words.into_iter().fold(0_u128, |bits, word| bits << 32 | u128::from(word));
            Ipv6Addr::from(bits).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// An address of version 6 and its interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local6<'a> {
    /// The address.
    pub address: Ipv6Addr,
    /// Length of the network's prefix in bits, 0 to 128.
    pub prefix: u8,
    /// The interface it belongs to.
    pub interface: &'a str,
}

/// Reads `/proc/net/if_inet6`, an address or an error per line.
pub fn parse_if_inet6(text: &[u8]) -> impl Iterator<Item = Result<Local6<'_>, LineError>> {
    lines(text).map(|(number, line)| local6(line).ok_or_else(|| LineError::new(number, FORM_IF, line)))
}

fn local6(line: &[u8]) -> Option<Local6<'_>> {
    let mut words = fields(line).map(text);
    let address = words.next()??;
    if address.len() != 32 || !address.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let address = Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?);
    let prefix = u8::try_from(bare_hex_u64(words.nth(1)??)?).ok().filter(|&n| n <= 128)?;
    let interface = words.nth(2)??;
    Some(Local6 { address, prefix, interface })
}

/// The machine's own addresses of version 4, loopback included, from
/// `/proc/net/fib_trie`: a leaf `|-- ADDRESS` with a line `/32 host LOCAL` below. Each
/// stands there once for each table, and is given once.
#[must_use]
pub fn local_ipv4(text: &[u8]) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut leaf = None;
    for (_, line) in lines(text) {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = leaf
        {
            found.push(address);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets() {
        let text = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21834 1 0000000000000000 100 0 0 10 0\n\
   1: 010200C0:0016 070200C0:C93B 01 00000000:00000000 02:0009D3B2 00000000     0        0 35671 4 0000000000000000 20 4 29 10 -1\n\
   2: 010200C0 070200C0:C93B 01\n\
   x: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21834\n";
        let all: Vec<_> = parse(text).collect();
        assert_eq!(all.len(), 4);
        let first = all[0].as_ref().unwrap();
        assert!(first.is_listening() && !first.is_established());
        assert_eq!(first.local, "0.0.0.0:22".parse().unwrap());
        let second = all[1].as_ref().unwrap();
        assert!(second.is_established());
        assert_eq!(
            (second.local, second.peer),
            ("192.0.2.1:22".parse().unwrap(), "192.0.2.7:51515".parse().unwrap())
        );
        assert_eq!(second.inode, 35671);
        assert_eq!(all[2].as_ref().unwrap_err().line, 4);
        assert!(all[3].is_err());
        assert_eq!(parse(b"").count(), 0);
    }

    #[test]
    fn sockets_of_version_6() {
        let text = b"  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
   0: B80D0120000000000000000001000000:0016 B80D0120000000000000000002000000:8000 01 00000000:00000000 00:00000000 00000000     0        0 77 1\n\
   1: 0000000000000000FFFF0000010200C0:0016 0000000000000000FFFF0000070200C0:8001 01 00000000:00000000 00:00000000 00000000     0        0 78 1\n";
        let all: Vec<_> = parse(text).map(Result::unwrap).collect();
        assert_eq!(all[0].local, "[2001:db8::1]:22".parse().unwrap());
        assert_eq!(all[0].peer, "[2001:db8::2]:32768".parse().unwrap());
        assert_eq!(all[1].local, "192.0.2.1:22".parse().unwrap(), "a mapped address is one of version 4");
    }

    #[test]
    fn addresses_of_version_6() {
        let text = b"00000000000000000000000000000001 01 80 10 80       lo\n\
20010db8000000000000000000000001 02 40 00 80    enp1s0\nnonsense\n";
        let all: Vec<_> = parse_if_inet6(text).collect();
        let second = all[1].as_ref().unwrap();
        assert_eq!(
            (second.address.to_string().as_str(), second.prefix, second.interface),
            ("2001:db8::1", 64, "enp1s0")
        );
        assert!(all[0].is_ok() && all[2].is_err());
    }

    #[test]
    fn addresses_of_version_4() {
        let text = b"Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
     +-- 192.0.2.0/24 2 0 2\n        |-- 192.0.2.0\n           /24 link UNICAST\n\
        |-- 192.0.2.5\n           /32 host LOCAL\n        |-- 192.0.2.255\n           /32 link BROADCAST\n\
Local:\n        |-- 192.0.2.5\n           /32 host LOCAL\n     |-- 127.0.0.0\n        /8 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n\xff\n";
        let found: Vec<String> = local_ipv4(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["127.0.0.1", "192.0.2.5"]);
    }
}
