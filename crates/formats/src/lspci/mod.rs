//! What `lspci` printed, pasted somewhere: `-nn`, `-nnk`, `-v` to `-vvv`, `-x` to `-xxxx`,
//! with or without domains, of old and new versions of pciutils, with other text around it.
//!
//! A function begins with a line such as `01:00.0 VGA compatible controller [0300]: …`, and
//! has the lines that follow until the next one. Lines that mean nothing here are passed
//! over. Of the options it is not known which were given, so a field that is not printed is
//! `None`: not said.
//!
//! | module | holds |
//! |---|---|
//! | this one | [`Listing`], [`parse`] |
//! | `lines` | what a line says |
//! | `rebuild` | [`Function::config`]: the configuration space, as far as it was printed |
//! | `classes` | classes by the names lspci prints |

mod classes;
mod lines;
mod rebuild;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use passthru_pci::{Address, Class, Id};

use crate::config_space::BusNumbers;
use crate::config_space::decode::{AccessControl, PortType};
use lines::{Line, clean, starts};

/// Largest text that is read, in bytes.
pub const MAX_TEXT: usize = 64 << 20;
/// Most functions in one text.
pub const MAX_FUNCTIONS: usize = 1 << 16;

/// Why a text is no listing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// Larger than [`MAX_TEXT`].
    #[error("this text has {size} bytes, and at most {MAX_TEXT} are read")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// Not one line is a function's.
    #[error("no line of it is one that lspci prints (such as '01:00.0 VGA compatible controller [0300]: …')")]
    NoFunction,
    /// A NUL byte: no text.
    #[error("line {line}: a NUL byte, so this is no text")]
    Binary {
        /// Its number, from 1.
        line: usize,
    },
    /// More than [`MAX_FUNCTIONS`].
    #[error("line {line}: more than {MAX_FUNCTIONS} functions")]
    TooMany {
        /// Its number, from 1.
        line: usize,
    },
    /// Two lines say different things about one function.
    #[error("line {line}: {address} is {now} here and {before} on line {first}: are these two machines?")]
    Contradiction {
        /// The function.
        address: Address,
        /// The number of the later line, from 1.
        line: usize,
        /// The number of the earlier one.
        first: usize,
        /// What the later one says.
        now: String,
        /// What the earlier one says.
        before: String,
    },
}

/// What is said about capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shown {
    /// Nothing.
    #[default]
    Nothing,
    /// `Capabilities: <access denied>`: lspci did not run as root.
    Denied,
    /// Their names (`-v`).
    Names,
    /// Their registers (`-vv` and more).
    Registers,
}

/// One capability as it is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Printed {
    pub(crate) offset: u16,
    /// Number of the capability; `None` for a name that is not known here.
    pub(crate) id: Option<u16>,
    pub(crate) text: String,
}

/// Registers that were printed decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Registers {
    pub(crate) device_capability: bool,
    pub(crate) function_level_reset: bool,
    pub(crate) slot: Option<u16>,
    pub(crate) power: Option<(u8, bool)>,
    pub(crate) acs: (Option<u16>, Option<u16>),
    pub(crate) advanced_reset: Option<bool>,
}

/// One function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Where it is; domain 0 where none is printed.
    pub address: Address,
    /// The number of its first line, from 1.
    pub line: usize,
    /// Class; the programming interface is 0 where it is not printed.
    pub class: Option<Class>,
    /// Vendor and device, where numbers are printed (`-n`, `-nn`, `-x`).
    pub id: Option<Id>,
    /// What it is called.
    pub name: String,
    /// Subsystem vendor and device.
    pub subsystem: Option<Id>,
    /// Revision; lspci leaves out 00.
    pub revision: u8,
    /// The driver it is on.
    pub driver: Option<String>,
    /// Modules that could take it.
    pub modules: Vec<String>,
    /// Its IOMMU group.
    pub group: Option<u32>,
    /// Its memory node.
    pub numa_node: Option<u32>,
    /// Whether more than its first line is printed (`-v` or more).
    pub verbose: bool,
    /// Bus numbers, where it is a bridge.
    pub buses: Option<BusNumbers>,
    /// What is said about its capabilities.
    pub shown: Shown,
    /// PCI Express: version, kind, whether it has a slot.
    pub express: Option<(u8, PortType, bool)>,
    /// The bytes of its configuration space that are printed, from offset 0 on.
    pub bytes: Vec<u8>,
    pub(crate) capabilities: Vec<Printed>,
    pub(crate) registers: Registers,
    dump_broken: bool,
}

/// What was found in a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The functions, in the order of their addresses.
    pub functions: Vec<Function>,
    /// Drivers are printed (`-k`, `-v`): a function without one is on none.
    pub with_drivers: bool,
    /// IOMMU groups are printed: a function whose lines are printed and have none is in none.
    pub with_groups: bool,
}

/// Reads a text.
///
/// # Errors
/// [`ListingError`].
pub fn parse(bytes: &[u8]) -> Result<Listing, ListingError> {
    if bytes.len() > MAX_TEXT {
        return Err(ListingError::TooLarge { size: bytes.len() });
    }
    if let Some(at) = memchr::memchr(0, bytes) {
        return Err(ListingError::Binary { line: 1 + memchr::memchr_iter(b'\n', &bytes[..at]).count() });
    }
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::default();
    for (number, line) in text.lines().enumerate() {
        let line = clean(line);
        let mut rest = line.as_ref();
        // Where a page has lost its line ends, several functions stand on one line.
        loop {
            let next = starts(rest);
            let (this, after) = rest.split_at(next.unwrap_or(rest.len()));
            reader.line(number + 1, this.trim())?;
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
    }
    if reader.functions.is_empty() {
        return Err(ListingError::NoFunction);
    }
    Ok(Listing {
        functions: reader.functions.into_values().collect(),
        with_drivers: reader.with_drivers,
        with_groups: reader.with_groups,
    })
}

#[derive(Default)]
struct Reader {
    functions: BTreeMap<Address, Function>,
    /// The one whose lines are being read.
    current: Option<Address>,
    /// The group of the heading above (`IOMMU Group 3:`).
    heading: Option<u32>,
    with_drivers: bool,
    with_groups: bool,
}

impl Reader {
    fn line(&mut self, number: usize, text: &str) -> Result<(), ListingError> {
        let line = lines::line(text);
        match line {
            Line::Function(head) => return self.function(number, *head),
            Line::Heading(group) => {
                (self.heading, self.current, self.with_groups) = (Some(group), None, true);
                return Ok(());
            }
            // A prompt, or prose: the list of a group has ended.
            Line::Other if lines::is_prose(text) => self.heading = None,
            _ => {}
        }
        let Some(function) = self.current.and_then(|address| self.functions.get_mut(&address)) else {
            return Ok(());
        };
        match line {
            Line::Function(_) | Line::Heading(_) => {}
            Line::Subsystem(id) => function.subsystem = id.or(function.subsystem),
            Line::Driver(name) => {
                (function.driver, self.with_drivers) = (Some(name.to_owned()), true);
            }
            Line::Modules(names) => {
                function.modules = names.split(',').map(|name| name.trim().to_owned()).collect();
                self.with_drivers = true;
            }
            Line::Group(group) => (function.group, self.with_groups) = (Some(group), true),
            Line::Node(node) => function.numa_node = Some(node),
            Line::Buses(buses) => function.buses = Some(buses),
            Line::Verbose => function.verbose = true,
            Line::Denied => {
                (function.verbose, function.shown) = (true, function.shown.max_with(Shown::Denied));
            }
            Line::Capability { offset, text } => function.capability(offset, text),
            Line::Dump { offset, bytes } => {
                if offset == 0 {
                    (function.bytes, function.dump_broken) = (Vec::new(), false);
                }
                function.dump(offset, &bytes);
                let dumped = function.bytes.get(..4).map(|b| Id {
                    vendor: u16::from_le_bytes([b[0], b[1]]),
                    device: u16::from_le_bytes([b[2], b[3]]),
                });
                match (dumped, function.id) {
                    // A virtual function has ones there.
                    (Some(dumped), Some(said)) if dumped != said && dumped.vendor != 0xffff => {
                        return Err(ListingError::Contradiction {
                            address: function.address,
                            line: number,
                            first: function.line,
                            now: dumped.to_string(),
                            before: said.to_string(),
                        });
                    }
                    // Without -n the dump is where the numbers are.
                    (Some(dumped), None) if dumped.vendor != 0xffff => function.id = Some(dumped),
                    _ => {}
                }
                if let Some(row) = function.bytes.get(8..12).filter(|_| function.bytes.len() <= 16) {
                    function.revision = row[0];
                    function.class = Some(Class::new(u32::from_le_bytes([row[1], row[2], row[3], 0])));
                }
            }
            Line::Register(text) => function.register(text),
            Line::Other => {}
        }
        Ok(())
    }

    fn function(&mut self, number: usize, head: lines::Head<'_>) -> Result<(), ListingError> {
        if self.functions.len() >= MAX_FUNCTIONS {
            return Err(ListingError::TooMany { line: number });
        }
        let heading = self.heading;
        let function = self.functions.entry(head.address).or_insert_with(|| Function {
            address: head.address,
            line: number,
            class: None,
            id: None,
            name: head.name.to_owned(),
            subsystem: None,
            revision: 0,
            driver: None,
            modules: Vec::new(),
            group: None,
            numa_node: None,
            verbose: false,
            buses: None,
            shown: Shown::Nothing,
            express: None,
            bytes: Vec::new(),
            capabilities: Vec::new(),
            registers: Registers::default(),
            dump_broken: false,
        });
        if let (Some(before), Some(now)) = (function.id, head.id)
            && before != now
        {
            return Err(ListingError::Contradiction {
                address: head.address,
                line: number,
                first: function.line,
                now: now.to_string(),
                before: before.to_string(),
            });
        }
        // What is printed a second time, with more options mostly, adds to the first.
        function.id = function.id.or(head.id);
        let programming = |class: Class| class.prog_if() != 0;
        if function.class.is_none() || head.class.is_some_and(programming) {
            function.class = head.class.or(function.class);
        }
        function.revision = head.revision.unwrap_or(function.revision);
        function.group = heading.or(function.group);
        self.current = Some(head.address);
        Ok(())
    }
}

impl Shown {
    fn max_with(self, other: Self) -> Self {
        let rank = |shown: Self| match shown {
            Self::Nothing => 0,
            Self::Denied => 1,
            Self::Names => 2,
            Self::Registers => 3,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl Function {
    fn dump(&mut self, offset: usize, bytes: &[u8]) {
        // A row is missing or stands there twice: what is before it counts.
        self.dump_broken |= offset != self.bytes.len() || offset >= crate::config_space::FULL_SIZE;
        if !self.dump_broken {
            self.bytes.extend_from_slice(bytes);
        }
    }

    fn capability(&mut self, offset: u16, text: &str) {
        self.verbose = true;
        self.shown = self.shown.max_with(Shown::Names);
        if self.capabilities.iter().any(|c| c.offset == offset) {
            return;
        }
        let printed = Printed { offset, id: lines::capability_id(offset, text), text: text.to_owned() };
        if printed.id == Some(0x10) && offset < 0x100 {
            self.express = lines::express(text);
        }
        self.capabilities.push(printed);
    }

    /// Tokens of the lines below a capability.
    fn register(&mut self, text: &str) {
        self.verbose = true;
        let registers = &mut self.registers;
        let switch = |name: &str| {
            text.split([' ', '\t', ',', ':']).find_map(|word| match word.strip_prefix(name)? {
                "+" => Some(true),
                "-" => Some(false),
                _ => None,
            })
        };
        let bits = || {
            AccessControl::NAMES
                .iter()
                .filter(|(_, name)| switch(name) == Some(true))
                .map(|(bit, _)| bit)
                .sum()
        };
        if text.starts_with("ACSCap:") {
            registers.acs.0 = Some(bits());
        } else if text.starts_with("ACSCtl:") {
            registers.acs.1 = Some(bits());
        } else if text.starts_with("DevCap:") {
            registers.device_capability = true;
        } else if let Some(rest) = text.strip_prefix("Slot #") {
            registers.slot = rest.split([',', ';', ' ']).next().and_then(|n| n.parse().ok());
        } else if let Some(rest) = text.strip_prefix("Status: D") {
            let state = rest.bytes().next().filter(u8::is_ascii_digit).map_or(0, |b| (b - b'0').min(3));
            registers.power = Some((state, switch("NoSoftRst") == Some(true)));
        } else if text.starts_with("AFCap:") {
            registers.advanced_reset = switch("FLR");
        }
        registers.function_level_reset |= switch("FLReset") == Some(true);
        if registers.device_capability || registers.power.is_some() || registers.acs.1.is_some() {
            self.shown = self.shown.max_with(Shown::Registers);
        }
    }
}
