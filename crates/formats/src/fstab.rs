//! `/etc/fstab` (fstab(5)) and `/etc/crypttab` (crypttab(5)): what the host will use at
//! the next boot, and by which names it calls disks.

use std::borrow::Cow;

use crate::line::{fields, lines, unescape};

/// One entry of `/etc/fstab`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What is mounted, as it stands there: `UUID=…`, `/dev/sda1`, `host:/export`.
    pub what: Cow<'a, str>,
    /// Where; `none` or `swap` for swap.
    pub point: Cow<'a, str>,
    /// Type of the file system; `swap`, `auto`.
    pub kind: Cow<'a, str>,
    /// Options, separated by commas.
    pub options: Cow<'a, str>,
}

impl Entry<'_> {
    /// Whether it is a swap area.
    #[must_use]
    pub fn is_swap(&self) -> bool {
        self.kind == "swap"
    }

    /// The disks it names: the first field, and what btrfs is told by `device=` and other
    /// file systems by `logdev=`, `journal_path=`.
    pub fn devices(&self) -> impl Iterator<Item = &str> {
        let more = self.options.split(',').filter_map(|option| match option.split_once('=') {
            Some(("device" | "logdev" | "rtdev" | "journal_path", device)) => Some(device),
            _ => None,
        });
        std::iter::once(&*self.what).chain(more)
    }
}

/// The entries of `/etc/fstab`. mount(8) passes over lines without a second field, and so
/// do we; type and options may be missing.
pub fn parse(text: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    content(text).filter_map(|line| {
        let mut words = fields(line);
        Some(Entry {
            what: unescape(words.next()?),
            point: unescape(words.next()?),
            kind: words.next().map_or(Cow::Borrowed("auto"), unescape),
            options: words.next().map_or(Cow::Borrowed(""), unescape),
        })
    })
}

/// One entry of `/etc/crypttab`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crypt<'a> {
    /// The name of the device-mapper device that is made.
    pub name: Cow<'a, str>,
    /// The encrypted device, named as in `/etc/fstab`.
    pub device: Cow<'a, str>,
}

/// The entries of `/etc/crypttab`.
pub fn parse_crypttab(text: &[u8]) -> impl Iterator<Item = Crypt<'_>> {
    content(text).filter_map(|line| {
        let mut words = fields(line);
        Some(Crypt { name: unescape(words.next()?), device: unescape(words.next()?) })
    })
}

/// Lines that are neither empty nor comments.
fn content(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines(text).map(|(_, line)| line.trim_ascii()).filter(|line| !line.is_empty() && line[0] != b'#')
}

/// How a table names a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// By what udev makes links of: the directory below `/dev/disk`, such as `by-uuid`, and
    /// the name in it.
    By(&'static str, String),
    /// By a path below `/dev`.
    Path(String),
}

impl Name {
    /// What the first field of a table means; `None` where it names no disk (a network
    /// share, a file, `tmpfs`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with("/dev/") {
            return Some(Self::Path(text.to_owned()));
        }
        let (tag, value) = text.split_once('=')?;
        let directory = match tag {
            "UUID" => "by-uuid",
            "LABEL" => "by-label",
            "PARTUUID" => "by-partuuid",
            "PARTLABEL" => "by-partlabel",
            "ID" => "by-id",
            _ => return None,
        };
        let value = value.trim_matches('"');
        (!value.is_empty()).then(|| Self::By(directory, encode(value)))
    }
}

/// A name as udev writes it in links: what is not plain becomes `\x20`
/// (systemd's `encode_devnode_name`).
#[must_use]
pub fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || "#+-.:=@_".contains(c) || !c.is_ascii() {
            out.push(c);
        } else {
            out.push_str(&format!("\\x{:02x}", u32::from(c)));
        }
    }
    out
}

/// Undoes [`encode`].
#[must_use]
pub fn decode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find("\\x") {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 2..at + 4).filter(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit()));
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &rest[at + 4..];
            }
            None => {
                out.push_str("\\x");
                rest = &rest[at + 2..];
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        let text = b"# /etc/fstab\n\n\
            UUID=0a5b-11 / ext4 errors=remount-ro 0 1\n\
            \tLABEL=\"My Disk\"\t/srv/My\\040Data\tauto\tnoauto,nofail\t0 0\n\
            /dev/vg0/swap none swap sw\n\
            nas:/export /mnt nfs defaults 0 0\n\
            /dev/sda /pool btrfs subvol=@,device=/dev/sdb,device=UUID=7\n\
            lonely\n";
        let all: Vec<_> = parse(text).collect();
        assert_eq!(all.len(), 5);
        assert_eq!((&*all[0].what, &*all[0].point), ("UUID=0a5b-11", "/"));
        // fstab has no quotes that hide blanks: the fields are cut all the same.
        assert_eq!((&*all[1].what, &*all[1].point), ("LABEL=\"My", "Disk\""));
        assert!(all[2].is_swap() && !all[0].is_swap());
        assert_eq!(all[4].devices().collect::<Vec<_>>(), ["/dev/sda", "/dev/sdb", "UUID=7"]);
        assert_eq!(parse(b"a b").next().map(|e| e.kind.into_owned()), Some("auto".into()));
        let text = b"LABEL=My\\040Disk /srv/My\\040Data auto noauto\n";
        let entry = parse(text).next().unwrap();
        assert_eq!((&*entry.what, &*entry.point), ("LABEL=My Disk", "/srv/My Data"));
    }

    #[test]
    fn crypttabs() {
        let text = b"# <target> <source> <key>\nhome UUID=1-2 none luks,discard\nswap /dev/sda3\nx\n";
        let all: Vec<_> = parse_crypttab(text).collect();
        assert_eq!(all.len(), 2);
        assert_eq!((&*all[0].name, &*all[0].device), ("home", "UUID=1-2"));
        assert_eq!((&*all[1].name, &*all[1].device), ("swap", "/dev/sda3"));
    }

    #[test]
    fn names() {
        let by = |directory, name: &str| Some(Name::By(directory, name.to_owned()));
        for (text, name) in [
            ("UUID=0A5B-11", by("by-uuid", "0A5B-11")),
            ("UUID=\"0A5B-11\"", by("by-uuid", "0A5B-11")),
            ("LABEL=My Disk/1", by("by-label", r"My\x20Disk\x2f1")),
            ("PARTUUID=1-2", by("by-partuuid", "1-2")),
            ("PARTLABEL=EFI", by("by-partlabel", "EFI")),
            ("ID=nvme-X_1", by("by-id", "nvme-X_1")),
            ("/dev/disk/by-id/x", Some(Name::Path("/dev/disk/by-id/x".into()))),
            ("UUID=", None),
            ("tmpfs", None),
            ("nas:/x", None),
            ("/images/disk.img", None),
            ("overlay=1", None),
        ] {
            assert_eq!(Name::parse(text), name, "{text}");
        }
    }

    #[test]
    fn codes_of_links() {
        for text in ["My Disk", "a\\b", "plain-1_2", "Gr\u{fc}n", "\\x", "\\x2", "\\xzz", "a/b\\x20"] {
            assert_eq!(decode(&encode(text)), text);
        }
        assert_eq!(decode(r"My\x20Disk\x"), r"My Disk\x");
    }
}
