//! What lspci printed somewhere, as a host: the devices and where they hang, as far as the
//! text says it. What it does not say is answered with "no data", as in a capture, and never
//! with "not there".

use std::collections::BTreeMap;

use passthru_formats::Errno;
use passthru_formats::capture::{Answer, Capture, Header, InvalidRecord, Op};
use passthru_formats::config_space;
use passthru_formats::config_space::BusNumbers;
use passthru_formats::config_space::decode::PortType;
use passthru_formats::lspci::{Function, Listing, Shown};
use passthru_model::{Rights, SourceKind};
use passthru_pci::Address;

use super::{Output, Replay, Source, Stat};

const DEVICES: &str = "/sys/bus/pci/devices";

/// A host of which there is nothing but lspci's output.
#[derive(Debug)]
pub struct Pasted {
    answers: Replay,
    rights: Rights,
}

impl Pasted {
    /// The host of a listing.
    #[must_use]
    pub fn new(listing: &Listing) -> Self {
        // Without root lspci says so of each function; where it shows no capabilities at all
        // nobody was denied anything.
        let denied = listing.functions.iter().any(|f| f.shown == Shown::Denied);
        let root = !denied;
        let mut capture = Capture::new(Header { tool: "lspci".into(), root, redacted: false });
        // An address and a text of printable characters are paths that a capture can hold; what
        // it refuses would be a name with a slash in it, and is not said then.
        let mut put = |op, path: &str, answer| {
            let _: Result<(), InvalidRecord> = capture.insert(op, path, answer);
        };
        let names = listing.functions.iter().map(|f| f.address.to_string()).collect();
        put(Op::List, DEVICES, Answer::List(names));
        let topology = Topology::of(&listing.functions);
        for (i, function) in listing.functions.iter().enumerate() {
            let at = |name: &str| format!("{DEVICES}/{}/{name}", function.address);
            if let Some(place) = topology.path(i) {
                let link = Answer::Link(format!("../../../devices/{place}"));
                put(Op::Link, &format!("{DEVICES}/{}", function.address), link);
            }
            put_identity(function, &mut put);
            let or_none = |said: Option<String>, listed: bool| match (said, listed) {
                (Some(name), _) => Some(Answer::Link(name)),
                (None, true) => Some(Answer::Error(Errno::ENOENT)),
                (None, false) => None,
            };
            let driver = function.driver.as_ref().map(|d| format!("../../../../bus/pci/drivers/{d}"));
            if let Some(answer) = or_none(driver, listing.with_drivers) {
                put(Op::Link, &at("driver"), answer);
            }
            let group = function.group.map(|g| format!("../../../../kernel/iommu_groups/{g}"));
            if let Some(answer) = or_none(group, listing.with_groups && function.verbose) {
                put(Op::Link, &at("iommu_group"), answer);
            }
            match topology.physical[i] {
                Some(Some(physical)) => {
                    let link = format!("../{}", listing.functions[physical].address);
                    put(Op::Link, &at("physfn"), Answer::Link(link));
                }
                // A virtual function of an unknown one.
                Some(None) => {}
                None => put(Op::Link, &at("physfn"), Answer::Error(Errno::ENOENT)),
            }
            let several = topology.shares_slot(i);
            if let Some(bytes) = function.config(several).filter(|bytes| config_space::parse(bytes).is_ok()) {
                put(Op::Read, &at("config"), Answer::Data(bytes));
            }
            if let Some(node) = function.numa_node {
                put(Op::Read, &at("numa_node"), Answer::Data(format!("{node}\n").into_bytes()));
            }
        }
        Self { answers: Replay::new(capture), rights: Rights { root } }
    }
}

fn put_identity(function: &Function, put: &mut impl FnMut(Op, &str, Answer)) {
    let mut text = |name: &str, value: String| {
        let path = format!("{DEVICES}/{}/{name}", function.address);
        put(Op::Read, &path, Answer::Data(value.into_bytes()));
    };
    match (function.id, function.class) {
        (Some(id), Some(class)) => {
            let (sv, sd) = function.subsystem.map_or((0, 0), |s| (s.vendor, s.device));
            let (base, sub) = (class.base(), class.code() & 0xff);
            text(
                "modalias",
                format!(
                    "pci:v{:08X}d{:08X}sv{sv:08X}sd{sd:08X}bc{base:02X}sc{sub:02X}i{:02X}\n",
                    id.vendor,
                    id.device,
                    class.prog_if()
                ),
            );
        }
        (None, Some(class)) => text("class", format!("{:#08x}\n", class.bits())),
        _ => {}
    }
    text("revision", format!("{:#04x}\n", function.revision));
}

/// Where functions hang, from the bus numbers of bridges.
struct Topology<'a> {
    functions: &'a [Function],
    buses: Vec<Option<BusNumbers>>,
    /// The bridge of each bus, by domain and number.
    bridge_of: BTreeMap<(u32, u8), usize>,
    /// Of virtual functions the physical one, where it could be found.
    physical: Vec<Option<Option<usize>>>,
}

impl<'a> Topology<'a> {
    fn of(functions: &'a [Function]) -> Self {
        let buses: Vec<Option<BusNumbers>> = functions.iter().map(buses).collect();
        let mut bridge_of = BTreeMap::new();
        for (i, function) in functions.iter().enumerate() {
            // A bridge that nobody set up has a bus above itself behind it, or none.
            if let Some(numbers) = buses[i].filter(|n| n.secondary > function.address.bus()) {
                bridge_of.entry((function.address.domain(), numbers.secondary)).or_insert(i);
            }
        }
        let physical = functions.iter().enumerate().map(|(i, f)| physical(functions, i, f)).collect();
        Self { functions, buses, bridge_of, physical }
    }

    /// The place below `/sys/devices`; `None` where the text does not lead there.
    fn path(&self, i: usize) -> Option<String> {
        let mut chain = vec![self.functions[i].address.to_string()];
        let mut here = self.physical[i].flatten().unwrap_or(i);
        // Bus numbers fall on the way up, so it ends.
        loop {
            let address = self.functions[here].address;
            match self.bridge_of.get(&(address.domain(), address.bus())) {
                Some(&bridge) => {
                    chain.push(self.functions[bridge].address.to_string());
                    here = bridge;
                }
                None if self.is_root(address) => {
                    chain.push(format!("pci{:04x}:{:02x}", address.domain(), address.bus()));
                    chain.reverse();
                    return Some(chain.join("/"));
                }
                None => return None,
            }
        }
    }

    /// Whether a bus that no bridge has behind it is a root bus. Bus 0 is; others are where
    /// something stands on them that only root buses have. The domains behind Intel's VMD
    /// hang below an endpoint that nothing here names.
    fn is_root(&self, address: Address) -> bool {
        let (domain, bus) = (address.domain(), address.bus());
        let covered = self.functions.iter().zip(&self.buses).any(|(f, numbers)| {
            f.address.domain() == domain
                && numbers.is_some_and(|n| (n.secondary..=n.subordinate).contains(&bus) && bus > n.primary)
        });
        let mut here =
            self.functions.iter().filter(|f| (f.address.domain(), f.address.bus()) == (domain, bus));
        domain <= 0xffff && !covered && (bus == 0 || here.any(only_on_root_buses))
    }

    fn shares_slot(&self, i: usize) -> bool {
        let slot = self.functions[i].address.slot();
        let same = |other: Option<usize>| {
            other
                .and_then(|j| Some((j, self.functions.get(j)?)))
                .is_some_and(|(j, f)| f.address.slot() == slot && self.physical[j].is_none())
        };
        self.functions[i].address.function() != 0 || same(i.checked_sub(1)) || same(Some(i + 1))
    }
}

fn buses(function: &Function) -> Option<BusNumbers> {
    let dumped = || config_space::parse(function.bytes.get(..64)?).ok()?.bus_numbers();
    if function.is_bridge() { function.buses.or_else(dumped) } else { None }
}

fn only_on_root_buses(function: &Function) -> bool {
    let dumped = || {
        let space = config_space::parse(function.bytes.get(..256)?).ok()?;
        Some(space.express()?.port_type)
    };
    let kind = function.express.map(|(_, kind, _)| kind).or_else(dumped);
    let root = [PortType::RootPort, PortType::RootComplexEndpoint, PortType::RootComplexEventCollector];
    function.class.is_some_and(|class| class.code() == 0x0600)
        || kind.is_some_and(|kind| root.contains(&kind))
}

/// Whether a function is a virtual one, and of which: lspci says it in the name only, and its
/// dump has ones for ids.
fn physical(functions: &[Function], i: usize, function: &Function) -> Option<Option<usize>> {
    let is_virtual = function.name.contains("Virtual Function") || function.bytes.starts_with(&[0xff; 4]);
    if !is_virtual {
        return None;
    }
    let vendor = function.id.map(|id| id.vendor);
    let before = functions[..i].iter().enumerate().rev();
    let mut candidates = before.filter(|(_, f)| f.address.domain() == function.address.domain());
    Some(
        candidates
            .find(|(_, f)| f.id.map(|id| id.vendor) == vendor && f.has_virtual_functions())
            .map(|(at, _)| at),
    )
}

impl Source for Pasted {
    fn read(&self, path: &str, into: &mut Vec<u8>) -> Result<(), Errno> {
        self.answers.read(path, into)
    }

    fn link(&self, path: &str) -> Result<String, Errno> {
        self.answers.link(path)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, Errno> {
        self.answers.list(path)
    }

    fn stat(&self, path: &str) -> Result<Stat, Errno> {
        self.answers.stat(path)
    }

    fn command(&self, argv: &[&str]) -> Result<Output, Errno> {
        self.answers.command(argv)
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Pasted
    }

    fn rights(&self) -> Rights {
        self.rights
    }
}

#[cfg(test)]
mod tests {
    use passthru_formats::lspci;
    use passthru_model::{Fact, Snapshot, Wants};

    use super::*;

    fn host(text: &str) -> Snapshot {
        let source = Pasted::new(&lspci::parse(text.as_bytes()).unwrap());
        crate::snapshot(&source, &Wants { topology: true, ..Wants::default() }).unwrap()
    }

    const BOARD: &str = "\
00:00.0 Host bridge [0600]: Intel [8086:1910]
00:01.0 PCI bridge [0604]: Intel [8086:1901] (rev 07)
\tBus: primary=00, secondary=01, subordinate=02, sec-latency=0
01:00.0 PCI bridge [0604]: Some switch [1b21:1080]
\tBus: primary=01, secondary=02, subordinate=02, sec-latency=0
02:04.0 Ethernet controller [0200]: Intel [8086:1533]
\tKernel driver in use: igb
05:00.0 Ethernet controller [0200]: Intel [8086:1533]
40:00.0 Host bridge [0600]: AMD [1022:1450]
40:01.0 Audio device [0403]: AMD [1022:1457]
";

    #[test]
    fn places_and_facts() {
        let host = host(BOARD);
        let place = |i: usize| host.devices[i].path.trim_start_matches("/sys/devices/").to_owned();
        assert_eq!(place(0), "pci0000:00/0000:00:00.0");
        assert_eq!(place(3), "pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:04.0");
        assert_eq!(host.devices[3].parent, Some(host.devices[2].address));
        // Nothing is said about what is above bus 5; bus 40 has a host bridge of its own.
        assert_eq!(place(4), "/sys/bus/pci/devices/0000:05:00.0");
        assert_eq!(place(6), "pci0000:40/0000:40:01.0");
        assert_eq!(host.devices[3].driver, Fact::Known("igb".into()));
        assert_eq!(host.devices[4].driver, Fact::Absent, "drivers are printed, and it has none");
        assert_eq!(host.devices[4].group, Fact::Unreadable(Errno::ENODATA));
        assert_eq!(host.devices[1].class.known().unwrap().code(), 0x0604);
        assert!(!host.iommu_active());
    }

    #[test]
    fn groups_are_the_kernels() {
        let text = BOARD.replace("\tKernel driver", "\tFlags: fast\n\tIOMMU group: 7\n\tKernel driver");
        let host = host(&text);
        assert_eq!(host.devices[3].group, Fact::Known(7));
        assert_eq!(host.devices[4].group, Fact::Unreadable(Errno::ENODATA), "its lines are not printed");
        assert!(host.iommu_active());
    }

    #[test]
    fn virtual_functions() {
        let host = host(
            "00:01.0 PCI bridge [0604]: Intel [8086:1901]\n\tBus: primary=00, secondary=05, subordinate=06, sec-latency=0\n\
             05:00.0 Ethernet controller [0200]: Intel 82576 [8086:10c9]\n\
             \tCapabilities: [160 v1] Single Root I/O Virtualization (SR-IOV)\n\
             06:10.0 Ethernet controller [0200]: Intel 82576 Virtual Function [8086:10ca]\n",
        );
        assert_eq!(host.devices[2].physical_function, Fact::Known(host.devices[1].address));
        assert_eq!(host.devices[2].parent, Some(host.devices[0].address));
        assert_eq!(host.devices[1].physical_function, Fact::Absent);
    }
}
