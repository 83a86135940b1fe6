//! What a line of lspci's says (pciutils: `lspci.c`, `ls-caps.c`, `ls-ecaps.c`, `ls-kernel.c`).

use std::borrow::Cow;

use passthru_pci::{Address, Class, Id};

use super::classes;
use crate::config_space::BusNumbers;
use crate::config_space::decode::PortType;

/// The first line of a function.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) address: Address,
    pub(super) class: Option<Class>,
    pub(super) id: Option<Id>,
    pub(super) name: &'a str,
    pub(super) revision: Option<u8>,
}

/// One line.
#[derive(Debug)]
pub(super) enum Line<'a> {
    Function(Box<Head<'a>>),
    /// `IOMMU Group 3:`, as people's shell loops print it above the members.
    Heading(u32),
    Subsystem(Option<Id>),
    Driver(&'a str),
    Modules(&'a str),
    Group(u32),
    Node(u32),
    Buses(BusNumbers),
    /// `Control:`, `Flags:`: there are more lines than with `-k`.
    Verbose,
    Denied,
    Capability {
        offset: u16,
        text: &'a str,
    },
    Dump {
        offset: usize,
        bytes: Vec<u8>,
    },
    /// Something below a capability.
    Register(&'a str),
    Other,
}

/// A line without what forums and mail programs put around it.
pub(super) fn clean(line: &str) -> Cow<'_, str> {
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '>' | '|' | '\u{feff}'));
    let line = line.trim_end();
    if !line.contains(['&', '\u{a0}']) {
        return Cow::Borrowed(line);
    }
    let text = line.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    Cow::Owned(text.replace("&nbsp;", " ").replace("&amp;", "&").replace('\u{a0}', " "))
}

/// How many bytes the longest class name may have.
const CLASS_NAME: usize = 80;

/// Where, behind its beginning, a further function or heading begins on a line.
pub(super) fn starts(text: &str) -> Option<usize> {
    // Quick: most lines are short, and none of these has two.
    if text.len() < 40 {
        return None;
    }
    let blanks = text.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, c)| at + c.len_utf8());
    blanks.filter(|at| *at > 0 && *at < text.len()).find(|at| {
        let rest = &text[*at..];
        let numbers = |(_, rest): (Address, &str)| class_in_brackets(rest).is_some();
        address(rest).is_some_and(numbers)
            || heading(rest, false).is_some()
            || (text.len() > 120 && KEYS.iter().any(|key| rest.starts_with(key)))
    })
}

/// What begins a line of its own, where line ends were lost.
const KEYS: &[&str] = &["Subsystem:", "Kernel driver in use:", "Kernel modules:"];

/// An address at the beginning, and what is behind it.
fn address(text: &str) -> Option<(Address, &str)> {
    let (word, rest) = text.split_once([' ', '\t'])?;
    // The bounds of `0:0.0` and `ffffffff:ff:ff.f`: everything else is looked at no further.
    if !(5..=16).contains(&word.len()) || !word.contains(':') {
        return None;
    }
    let full = if word.matches(':').count() == 1 { format!("0000:{word}") } else { word.to_owned() };
    Some((Address::from_sysfs(&full)?, rest.trim_start()))
}

/// `VGA compatible controller [0300]: `: the class, and what is behind it.
fn class_in_brackets(text: &str) -> Option<(Class, &str)> {
    let near = text.bytes().take(CLASS_NAME);
    let open = near.clone().position(|byte| byte == b'[').filter(|at| *at > 0)?;
    if near.take(open).any(|byte| byte == b':') {
        return None;
    }
    let code = text.get(open + 1..open + 5)?;
    let rest = text.get(open + 5..)?.strip_prefix("]:")?;
    Some((class(code)?, rest.trim_start()))
}

fn class(code: &str) -> Option<Class> {
    hex(code, 4).map(|code| Class::new(u32::from(code) << 8))
}

fn hex(text: &str, digits: usize) -> Option<u16> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit()))
        .then(|| u16::from_str_radix(text, 16).ok())
        .flatten()
}

fn head(text: &str) -> Option<Head<'_>> {
    let (address, rest) = address(text)?;
    let (class, name) = if let Some((class, name)) = class_in_brackets(rest) {
        (Some(class), name)
    } else {
        let (named, name) = rest.split_once(": ").or_else(|| Some((rest.strip_suffix(':')?, "")))?;
        let named = named.trim_start_matches("Class ");
        // A class this table does not know is still a function: passed over, its lines would
        // be read as the ones of the function before it.
        let class = class(named).or_else(|| classes::by_name(named));
        if class.is_none() && !may_name_a_class(named) {
            return None;
        }
        (class, name.trim_start())
    };
    let behind = |key: &str| {
        let at = name.rfind(key)? + key.len();
        name.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok())
    };
    let (revision, programming) = (behind("(rev "), behind("(prog-if "));
    let class = class.map(|class| Class::new(class.bits() | u32::from(programming.unwrap_or(0))));
    Some(Head { address, class, id: last_id(name).or_else(|| first_id(name)), name, revision })
}

/// Whether it can be the name of a class: they all begin with a capital or a digit (`3D
/// controller`), which what programs log about a device does not.
fn may_name_a_class(text: &str) -> bool {
    text.len() <= CLASS_NAME && text.starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit())
}

/// The last `[8086:3e92]`.
fn last_id(text: &str) -> Option<Id> {
    text.rmatch_indices('[').find_map(|(at, _)| {
        let inside = text.get(at + 1..at + 10)?;
        text[at + 10..].starts_with(']').then(|| id(inside)).flatten()
    })
}

/// `8086:3e92` at the beginning (`-n`).
fn first_id(text: &str) -> Option<Id> {
    id(text.split_whitespace().next()?)
}

fn id(text: &str) -> Option<Id> {
    let (vendor, device) = text.split_once(':')?;
    Some(Id { vendor: hex(vendor, 4)?, device: hex(device, 4)? })
}

/// `IOMMU Group 3:`, `IOMMU group 3 00:01.0 …`.
fn heading(text: &str, alone: bool) -> Option<u32> {
    let rest = text.get(..12).filter(|t| t.eq_ignore_ascii_case("IOMMU Group ")).map(|_| &text[12..])?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let behind = rest[end..].trim_start_matches(':').trim();
    let ends = if alone { behind.is_empty() } else { behind.is_empty() || address(behind).is_some() };
    ends.then(|| rest[..end].parse().ok()).flatten()
}

/// Whether a line that says nothing is no part of a function's either: those are `Key: value`,
/// and people write `[...]` for what they leave out.
pub(super) fn is_prose(text: &str) -> bool {
    let key = text.bytes().take(40).any(|byte| byte == b':');
    !key && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

pub(super) fn line(text: &str) -> Line<'_> {
    if let Some(head) = head(text) {
        return Line::Function(Box::new(head));
    }
    if let Some(dump) = dump(text) {
        return dump;
    }
    if let Some(group) = heading(text, true) {
        return Line::Heading(group);
    }
    let Some((key, value)) = text.split_once(':') else { return registers(text) };
    let value = value.trim();
    match key {
        "Subsystem" => Line::Subsystem(last_id(value).or_else(|| first_id(value))),
        "Kernel driver in use" => Line::Driver(value.split_whitespace().next().unwrap_or("")),
        "Kernel modules" => Line::Modules(value),
        "IOMMU group" => value.parse().map_or(Line::Other, Line::Group),
        "NUMA node" => value.parse().map_or(Line::Other, Line::Node),
        "Bus" => buses(value).map_or(Line::Other, Line::Buses),
        "Flags" | "Control" => Line::Verbose,
        "Capabilities" => capability(value),
        _ => registers(text),
    }
}

/// Lines below a capability begin with one of these, or have switches (`FLReset-`) in them.
fn registers(text: &str) -> Line<'_> {
    let known = ["ACSCap:", "ACSCtl:", "DevCap:", "Slot #", "Status: D", "AFCap:"];
    if let Some(rest) = text.strip_prefix("SltCap:") {
        // Some versions put the number on the same line.
        return rest.find("Slot #").map_or(Line::Other, |at| Line::Register(&rest[at..]));
    }
    if known.iter().any(|key| text.starts_with(key)) || text.contains("FLReset") {
        Line::Register(text)
    } else {
        Line::Other
    }
}

/// `primary=00, secondary=01, subordinate=01, sec-latency=0`.
fn buses(value: &str) -> Option<BusNumbers> {
    let number = |key: &str| {
        let field = value.split(',').find_map(|field| field.trim().strip_prefix(key)?.strip_prefix('='))?;
        u8::from_str_radix(field, 16).ok()
    };
    Some(BusNumbers {
        primary: number("primary")?,
        secondary: number("secondary")?,
        subordinate: number("subordinate")?,
    })
}

/// `<access denied>`, `[40] Express (v2) Root Port (Slot+), MSI 00`, `[100 v1] Advanced …`.
fn capability(value: &str) -> Line<'_> {
    if value.starts_with("<access denied>") {
        return Line::Denied;
    }
    let parse = || {
        let (place, text) = value.strip_prefix('[')?.split_once(']')?;
        let offset = u16::from_str_radix(place.split(' ').next()?, 16).ok()?;
        ((0x40..0x1000).contains(&offset) && offset % 4 == 0).then_some((offset, text.trim()))
    };
    parse().map_or(Line::Other, |(offset, text)| Line::Capability { offset, text })
}

/// `40: 10 00 42 01 …`: sixteen bytes.
fn dump(text: &str) -> Option<Line<'_>> {
    let (offset, rest) = text.split_once(':')?;
    if !(2..=3).contains(&offset.len()) {
        return None;
    }
    let offset = usize::from_str_radix(offset, 16).ok().filter(|offset| offset % 16 == 0)?;
    let words = rest.split_ascii_whitespace();
    let bytes: Option<Vec<u8>> = words.map(|word| hex(word, 2).map(|byte| byte as u8)).collect();
    bytes.filter(|bytes| bytes.len() == 16).map(|bytes| Line::Dump { offset, bytes })
}

/// Kinds of PCI Express functions by the words of `ls-caps.c`, `cap_express`.
pub(super) fn express(text: &str) -> Option<(u8, PortType, bool)> {
    let rest = text.strip_prefix("Express")?.trim_start();
    let (version, rest) = match rest.strip_prefix("(v") {
        Some(rest) => {
            let (version, rest) = rest.split_once(')')?;
            (version.parse().ok()?, rest.trim_start())
        }
        None => (1, rest),
    };
    let kinds = [
        ("Endpoint", PortType::Endpoint),
        ("Legacy Endpoint", PortType::LegacyEndpoint),
        ("Root Port", PortType::RootPort),
        ("Upstream Port", PortType::UpstreamPort),
        ("Downstream Port", PortType::DownstreamPort),
        ("PCI-Express to PCI/PCI-X Bridge", PortType::PciBridge),
        ("PCI/PCI-X to PCI-Express Bridge", PortType::PcieBridge),
        ("Root Complex Integrated Endpoint", PortType::RootComplexEndpoint),
        ("Root Complex Event Collector", PortType::RootComplexEventCollector),
    ];
    let (_, kind) = kinds.into_iter().find(|(name, _)| rest.starts_with(name))?;
    Some((version, kind, rest.contains("(Slot+)")))
}

/// The number of a capability by the beginning of the words lspci has for it.
pub(super) fn capability_id(offset: u16, text: &str) -> Option<u16> {
    const CLASSIC: &[(&str, u16)] = &[
        ("Power Management", 0x01),
        ("AGP", 0x02),
        ("Vital Product Data", 0x03),
        ("Slot ID", 0x04),
        ("MSI-X:", 0x11),
        ("MSI:", 0x05),
        ("Message Signalled Interrupts", 0x05),
        ("PCI-X", 0x07),
        ("HyperTransport", 0x08),
        ("Vendor Specific", 0x09),
        ("Debug port", 0x0a),
        ("Hot-plug capable", 0x0c),
        ("Subsystem", 0x0d),
        ("Express", 0x10),
        ("SATA HBA", 0x12),
        ("PCI Advanced Features", 0x13),
        ("Enhanced Allocation", 0x14),
        ("Flattening Portal", 0x15),
    ];
    const EXTENDED: &[(&str, u16)] = &[
        ("Advanced Error Reporting", 0x01),
        ("Virtual Channel", 0x02),
        ("Device Serial Number", 0x03),
        ("Power Budgeting", 0x04),
        ("Root Complex Link", 0x05),
        ("Root Complex Internal Link", 0x06),
        ("Root Complex Event Collector", 0x07),
        ("Vendor Specific", 0x0b),
        ("Access Control Services", 0x0d),
        ("Alternative Routing-ID", 0x0e),
        ("Address Translation Service", 0x0f),
        ("Single Root I/O Virtualization", 0x10),
        ("Multi-Root I/O Virtualization", 0x11),
        ("Multicast", 0x12),
        ("Page Request Interface", 0x13),
        ("Physical Resizable BAR", 0x15),
        ("Resizable BAR", 0x15),
        ("Dynamic Power Allocation", 0x16),
        ("Transaction Processing Hints", 0x17),
        ("Latency Tolerance Reporting", 0x18),
        ("Secondary PCI Express", 0x19),
        ("#19", 0x19),
        ("Protocol Multiplexing", 0x1a),
        ("Process Address Space ID", 0x1b),
        ("Downstream Port Containment", 0x1d),
        ("L1 PM Substates", 0x1e),
        ("Precision Time Measurement", 0x1f),
        ("Designated Vendor-Specific", 0x23),
        ("Virtual Resizable BAR", 0x24),
        ("Data Link Feature", 0x25),
        ("Physical Layer 16.0 GT/s", 0x26),
        ("Lane Margining", 0x27),
        ("Physical Layer 32.0 GT/s", 0x2a),
    ];
    let table = if offset < 0x100 { CLASSIC } else { EXTENDED };
    table.iter().find(|(name, _)| text.starts_with(name)).map(|(_, id)| *id)
}
