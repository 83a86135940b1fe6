//! What `/etc/fstab` and `/etc/crypttab` call for, as nodes of disks that are there.

use std::collections::HashMap;

use passthru_formats::Errno;
use passthru_formats::fstab::{self, Name};
use passthru_model::usage::{TableEntry, TableWish};
use passthru_model::{Blind, Seen};

use crate::ask::{Asker, join};

const FSTAB: &str = "/etc/fstab";
const CRYPTTAB: &str = "/etc/crypttab";
const LINKS: &str = "/dev/disk";

/// Links followed from a name to a node; udev makes one.
const MAX_LINKS: usize = 8;

/// The entries that name a disk. Which disk that is say udev's links; a path without one
/// stands for itself.
pub(super) fn entries(ask: &mut Asker<'_>) -> Seen<TableEntry> {
    let mut found = Finder { directories: HashMap::new(), items: Vec::new(), blind: Vec::new() };
    let mut text = Vec::new();
    if found.read(ask, FSTAB, &mut text) {
        for entry in fstab::parse(&text) {
            let wish = match entry.is_swap() {
                true => TableWish::Swap,
                false => TableWish::Mount(entry.point.clone().into_owned()),
            };
            for device in entry.devices() {
                found.add(ask, FSTAB, device, &wish);
            }
        }
    }
    if found.read(ask, CRYPTTAB, &mut text) {
        for entry in fstab::parse_crypttab(&text) {
            found.add(ask, CRYPTTAB, &entry.device, &TableWish::Open(entry.name.into_owned()));
        }
    }
    Seen::new(found.items, found.blind)
}

struct Finder {
    /// The names in a directory of links, once it was asked for.
    directories: HashMap<&'static str, Vec<String>>,
    items: Vec<TableEntry>,
    blind: Vec<Blind>,
}

impl Finder {
    /// Reads a table; not every host has one.
    fn read(&mut self, ask: &Asker<'_>, table: &str, text: &mut Vec<u8>) -> bool {
        match ask.source.read(table, text) {
            Ok(()) => true,
            Err(error) if error.is_absent() => false,
            Err(error) => {
                self.blind("disks that are named there", table, error);
                false
            }
        }
    }

    fn blind(&mut self, what: &str, path: &str, error: Errno) {
        if !self.blind.iter().any(|b| b.path == path) {
            self.blind.push(Blind { what: what.into(), path: path.into(), error, count: 1 });
        }
    }

    fn add(&mut self, ask: &Asker<'_>, table: &'static str, device: &str, wish: &TableWish) {
        let node = match Name::parse(device) {
            Some(Name::Path(path)) => self.follow(ask, path),
            Some(Name::By(directory, name)) => self.by(ask, directory, &name),
            None => None,
        };
        if let Some(node) = node.filter(|node| node.starts_with("/dev/")) {
            self.items.push(TableEntry { table, node, wish: wish.clone() });
        }
    }

    /// The node a tag stands for. UUIDs are written in either case.
    fn by(&mut self, ask: &Asker<'_>, directory: &'static str, name: &str) -> Option<String> {
        let at = format!("{LINKS}/{directory}");
        if !self.directories.contains_key(directory) {
            let names = match ask.source.list(&at) {
                Ok(names) => names,
                // No disk here has a label; or there is no udev, and nobody knows.
                Err(error) if error.is_absent() && ask.source.list(LINKS).is_ok() => Vec::new(),
                Err(error) => {
                    self.blind("which disks the tables in /etc mean", &at, error);
                    Vec::new()
                }
            };
            self.directories.insert(directory, names);
        }
        let names = self.directories.get(directory)?;
        let same = |known: &&String| match directory.ends_with("uuid") {
            true => known.eq_ignore_ascii_case(name),
            false => *known == name,
        };
        let name = names.iter().find(same)?;
        self.follow(ask, format!("{at}/{name}"))
    }

    /// Where links lead; the path itself where there is none.
    fn follow(&mut self, ask: &Asker<'_>, mut path: String) -> Option<String> {
        for _ in 0..MAX_LINKS {
            match ask.source.link(&path) {
                Ok(target) => {
                    path = join(path.rsplit_once('/').map_or("/", |(directory, _)| directory), &target);
                }
                Err(error) if error.is_absent() || error == Errno::EINVAL => return Some(path),
                Err(error) => {
                    self.blind("which disks the tables in /etc mean", &path, error);
                    return None;
                }
            }
        }
        None
    }
}
