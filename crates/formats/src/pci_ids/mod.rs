//! `pci.ids`: names of vendors, devices, subsystems and classes.
//!
//! The file has 1.4 MB and a host needs some dozen of its lines, so nothing is
//! indexed: one pass picks what is [`Wanted`]. The grammar is that of pciutils
//! (`lib/names-parse.c`), where a malformed line ends lspci; here it is skipped.
//!
//! | module | holds |
//! |---|---|
//! | this one | [`Wanted`], [`Names`], [`excerpt`] |
//! | [`wording`] | the sentences lspci makes of names and numbers |

mod scan;
pub mod wording;

use std::collections::{BTreeMap, BTreeSet};

use passthru_pci::{Class, Id};

use scan::{Entry, Scan};

/// Whose names are needed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Vendors to name: of devices and of subsystems.
    vendors: BTreeSet<u16>,
    devices: BTreeSet<Id>,
    /// Device and subsystem.
    subsystems: BTreeSet<(Id, Id)>,
    /// Subsystems without their device, for the blocks `S VVVV`.
    generic: BTreeSet<Id>,
    classes: BTreeSet<Class>,
}

impl Wanted {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a device's names, and its subsystem's where it has one
    /// ([`wording::has_subsystem`]).
    pub fn device(&mut self, id: Id, subsystem: Option<Id>) {
        self.vendors.insert(id.vendor);
        self.devices.insert(id);
        if let Some(subsystem) = subsystem.filter(|s| wording::has_subsystem(*s)) {
            self.vendors.insert(subsystem.vendor);
            self.subsystems.insert((id, subsystem));
            self.generic.insert(subsystem);
        }
    }

    /// Asks for a vendor's name alone.
    pub fn vendor(&mut self, vendor: u16) {
        self.vendors.insert(vendor);
    }

    /// Asks for the names of a base class, subclass and programming interface.
    pub fn class(&mut self, class: Class) {
        self.classes.insert(class);
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.vendors.is_empty() && self.classes.is_empty()
    }
}

/// The names that were wanted and found.
///
/// Control characters in a name are replaced by U+FFFD: names go to terminals.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    vendors: BTreeMap<u16, Box<str>>,
    devices: BTreeMap<Id, Box<str>>,
    subsystems: BTreeMap<(Id, Id), Box<str>>,
    generic: BTreeMap<Id, Box<str>>,
    bases: BTreeMap<u8, Box<str>>,
    subclasses: BTreeMap<u16, Box<str>>,
    prog_ifs: BTreeMap<Class, Box<str>>,
}

impl Names {
    /// Picks what is wanted from the text of a `pci.ids` file, in one pass. Of
    /// several lines with the same number the first counts.
    #[must_use]
    pub fn select(text: &[u8], wanted: &Wanted) -> Self {
        let mut selector = Selector::new(wanted);
        selector.part(text);
        selector.finish()
    }

    /// A vendor's name.
    #[must_use]
    pub fn vendor(&self, vendor: u16) -> Option<&str> {
        self.vendors.get(&vendor).map(AsRef::as_ref)
    }

    /// A device's name, without its vendor's.
    #[must_use]
    pub fn device(&self, id: Id) -> Option<&str> {
        self.devices.get(&id).map(AsRef::as_ref)
    }

    /// A subsystem's name, without its vendor's, in the order of pciutils: the line
    /// under the device, then one that holds for every device, then the device's own
    /// name where both have the same id.
    #[must_use]
    pub fn subsystem(&self, id: Id, subsystem: Id) -> Option<&str> {
        // pciutils does not look under devices with a zero in their id.
        let specific =
            (id.vendor > 0 && id.device > 0).then(|| self.subsystems.get(&(id, subsystem))).flatten();
        specific
            .or_else(|| self.generic.get(&subsystem))
            .map(AsRef::as_ref)
            .or_else(|| if id == subsystem { self.device(id) } else { None })
    }

    /// Name of a base class: `Display controller`.
    #[must_use]
    pub fn base_class(&self, class: Class) -> Option<&str> {
        self.bases.get(&class.base()).map(AsRef::as_ref)
    }

    /// Name of a subclass: `VGA compatible controller`.
    #[must_use]
    pub fn subclass(&self, class: Class) -> Option<&str> {
        self.subclasses.get(&class.code()).map(AsRef::as_ref)
    }

    /// Name of a programming interface: `NVM Express`.
    #[must_use]
    pub fn prog_if(&self, class: Class) -> Option<&str> {
        self.prog_ifs.get(&class).map(AsRef::as_ref)
    }
}

/// [`Names::select`] for a text that comes in parts, so that nobody has to hold it whole.
pub struct Selector<'w> {
    scan: Scan<'w>,
    names: Names,
}

impl<'w> Selector<'w> {
    /// Nothing picked yet.
    #[must_use]
    pub fn new(wanted: &'w Wanted) -> Self {
        Self { scan: Scan::new(wanted), names: Names::default() }
    }

    /// The next part of the text; it ends where a line ends.
    pub fn part(&mut self, text: &[u8]) {
        let Self { scan, names } = self;
        scan.part(text, |line| {
            let name = || printable(line.name);
            match line.entry {
                Entry::Vendor(v) => drop(names.vendors.entry(v).or_insert_with(name)),
                Entry::Device(id) => drop(names.devices.entry(id).or_insert_with(name)),
                Entry::Subsystem(id, s) => drop(names.subsystems.entry((id, s)).or_insert_with(name)),
                Entry::Generic(s) => drop(names.generic.entry(s).or_insert_with(name)),
                Entry::Base(b) => drop(names.bases.entry(b).or_insert_with(name)),
                Entry::Subclass(c) => drop(names.subclasses.entry(c).or_insert_with(name)),
                Entry::ProgIf(c) => drop(names.prog_ifs.entry(c).or_insert_with(name)),
            }
        });
    }

    /// What was picked.
    #[must_use]
    pub fn finish(self) -> Names {
        self.names
    }
}

fn printable(name: &[u8]) -> Box<str> {
    let name = String::from_utf8_lossy(name);
    if name.chars().any(char::is_control) {
        name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
    } else {
        name.into()
    }
}

/// First line of every excerpt.
const EXCERPT: &str = "# Lines of pci.ids, picked by passthru. License: GPL-2.0-or-later or BSD-3-Clause.\n";

/// The lines of a `pci.ids` file that [`Names::select`] uses, as a small `pci.ids`
/// file from which it picks the same. The heading says the version, where the file
/// gives one in its first lines.
#[must_use]
pub fn excerpt(text: &[u8], wanted: &Wanted) -> String {
    let mut out = String::from(EXCERPT);
    let head = text.split(|&c| c == b'\n').take(40).take_while(|l| l.is_empty() || l.starts_with(b"#"));
    let versions = head.filter(|l| l.trim_ascii_start().strip_prefix(b"#").is_some_and(is_version));
    for line in versions.take(1) {
        out.push_str(printable(line).replace('\u{fffd}', " ").trim());
        out.push('\n');
    }
    Scan::new(wanted).part(text, |line| {
        if let Some(block) = line.opens {
            out.push_str(&format!("S {block:04x}\n"));
        }
        out.push_str(&String::from_utf8_lossy(line.raw));
        out.push('\n');
    });
    out
}

fn is_version(comment: &[u8]) -> bool {
    comment.trim_ascii_start().starts_with(b"Version:") && comment.len() < 80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_give_what_the_whole_gives() {
        let whole = Names::select(FILE, &wanted());
        for cut in FILE.iter().enumerate().filter(|(_, c)| **c == b'\n').map(|(i, _)| i + 1) {
            let wanted = wanted();
            let mut selector = Selector::new(&wanted);
            selector.part(&FILE[..cut]);
            selector.part(&FILE[cut..]);
            assert_eq!(selector.finish(), whole, "cut at {cut}");
        }
    }

    const FILE: &[u8] = b"#\n#\tList of PCI ID's\n#\n#\tVersion: 2023.04.11\n\n\
        10de  NVIDIA Corporation\n\t1284  GK208B [GeForce GT 630 Rev. 2]\n\t # a comment\n\t\t1043 8469  GT630-SL\n\
        \t1285  Other\n\t\t1043 8469  Wrong\n\t2204  GA102 [GeForce RTX 3090]\n\
        1af4  Red Hat, Inc.\n\t1041  Virtio 1.0 network device\n\t# a comment\n\
        1043  ASUSTeK Computer Inc.\n\
        S 1af4\n\t1100  QEMU Virtual Machine\n\
        X something new\n\t1284  Not this\n\
        ffff  Illegal Vendor ID\n\n\
        C 01  Mass storage controller\n\t08  Non-Volatile memory controller\n\t\t01  NVMHCI\n\t\t02  NVM Express\n\
        C 03  Display controller\n\t00  VGA compatible controller\n\t\t00  VGA controller\n";

    fn id(text: &str) -> Id {
        text.parse().unwrap()
    }

    fn wanted() -> Wanted {
        let mut wanted = Wanted::new();
        wanted.device(id("10de:1284"), Some(id("1043:8469")));
        wanted.device(id("1af4:1041"), Some(id("1af4:1100")));
        wanted.device(id("10de:2204"), Some(id("10de:2204")));
        wanted.device(id("8086:2922"), None);
        wanted.class(Class::new(0x03_0000));
        wanted.class(Class::new(0x01_0802));
        wanted.class(Class::new(0x01_9900));
        wanted
    }

    #[test]
    fn what_is_wanted_is_found() {
        let names = Names::select(FILE, &wanted());
        assert_eq!(names.vendor(0x10de), Some("NVIDIA Corporation"));
        assert_eq!(names.vendor(0xffff), None);
        assert_eq!(names.device(id("10de:1284")), Some("GK208B [GeForce GT 630 Rev. 2]"));
        assert_eq!(names.device(id("10de:1285")), None);
        assert_eq!(names.subsystem(id("10de:1284"), id("1043:8469")), Some("GT630-SL"));
        assert_eq!(names.subsystem(id("1af4:1041"), id("1af4:1100")), Some("QEMU Virtual Machine"));
        assert_eq!(names.subsystem(id("10de:2204"), id("10de:2204")), Some("GA102 [GeForce RTX 3090]"));
        let nvme = Class::new(0x01_0802);
        assert_eq!(names.base_class(nvme), Some("Mass storage controller"));
        assert_eq!(names.subclass(nvme), Some("Non-Volatile memory controller"));
        assert_eq!(names.prog_if(nvme), Some("NVM Express"));
        assert_eq!(names.prog_if(Class::new(0x01_0801)), None);
    }

    #[test]
    fn an_excerpt_has_just_these_lines_and_gives_the_same() {
        let small = excerpt(FILE, &wanted());
        assert_eq!(
            small,
            format!(
                "{EXCERPT}# Version: 2023.04.11\n10de  NVIDIA Corporation\n\
                \t1284  GK208B [GeForce GT 630 Rev. 2]\n\t\t1043 8469  GT630-SL\n\
                \t2204  GA102 [GeForce RTX 3090]\n1af4  Red Hat, Inc.\n\t1041  Virtio 1.0 network device\n\
                1043  ASUSTeK Computer Inc.\nS 1af4\n\t1100  QEMU Virtual Machine\n\
                C 01  Mass storage controller\n\t08  Non-Volatile memory controller\n\t\t02  NVM Express\n\
                C 03  Display controller\n\t00  VGA compatible controller\n\t\t00  VGA controller\n"
            )
        );
        assert_eq!(Names::select(small.as_bytes(), &wanted()), Names::select(FILE, &wanted()));
        assert_eq!(excerpt(small.as_bytes(), &wanted()), small);
    }

    #[test]
    fn what_lspci_would_die_of_is_skipped() {
        let long = format!("1af4  {}\n", "x".repeat(2000));
        for (file, vendor) in [
            (b"\t1041  x\n\t\t1 2\n10de\n10de NVIDIA\n10de  Again\n".as_slice(), Some("NVIDIA")),
            (b"10de  NVIDIA \r\n", Some("NVIDIA")),
            (b"10de  NVIDIA", Some("NVIDIA")),
            (b"10DE\tNVIDIA", Some("NVIDIA")),
            (b"10de  A\x1b[31mB\xff", Some("A\u{fffd}[31mB\u{fffd}")),
            (b"10de  \n", None),
            (b"10deNVIDIA", None),
            (b"", None),
            (long.as_bytes(), None),
        ] {
            let names = Names::select(file, &wanted());
            assert_eq!(names.vendor(0x10de), vendor);
            assert_eq!(names.vendor(0x1af4), None);
            assert_eq!(names.device(id("1af4:1041")), None);
            let small = excerpt(file, &wanted());
            assert_eq!(Names::select(small.as_bytes(), &wanted()), names);
        }
    }
}
