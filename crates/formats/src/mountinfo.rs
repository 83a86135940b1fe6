//! `/proc/<pid>/mountinfo` (`fs/proc_namespace.c`, `show_mountinfo`;
//! `Documentation/filesystems/proc.rst`, 3.5).

use std::borrow::Cow;
use std::fmt;

use crate::line::{LineError, escape, lines, unescape};
use crate::scalar::device_number;

const FORM: &str = "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELDS…] - TYPE SOURCE SUPER-OPTIONS";

/// One mount. Octal escapes are undone; bytes that are not UTF-8 become U+FFFD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount<'a> {
    /// Unique id of the mount while it lasts.
    pub id: u32,
    /// Id of the mount it is mounted on.
    pub parent: u32,
    /// Device number, major and minor. btrfs, zfs and overlays show one with major 0
    /// that says nothing about the disk: go by `source` there.
    pub device: (u32, u32),
    /// Which directory of the file system is mounted here.
    pub root: Cow<'a, str>,
    /// Where it is mounted, seen from the process's root.
    pub point: Cow<'a, str>,
    /// Options of the mount.
    pub options: &'a str,
    /// Optional fields between the options and `-`: `shared:1 master:2`.
    pub optional: &'a str,
    /// Type of the file system, perhaps with a subtype: `ext4`, `fuse.sshfs`.
    pub fs_type: Cow<'a, str>,
    /// What is mounted: `/dev/nvme0n1p2`, `tmpfs`, `host:/export`; empty where the
    /// kernel was given an empty name.
    pub source: Cow<'a, str>,
    /// Options of the file system.
    pub super_options: &'a str,
}

/// Reads a mount table, a mount or an error per line.
pub fn parse(text: &[u8]) -> impl Iterator<Item = Result<Mount<'_>, LineError>> {
    lines(text).map(|(number, line)| mount(line).ok_or_else(|| LineError::new(number, FORM, line)))
}

fn mount(line: &[u8]) -> Option<Mount<'_>> {
    // Fields are separated by exactly one space: the source can be empty.
    let (head, tail) = split_once(line, b" - ")?;
    let mut head = head.splitn(7, |&c| c == b' ');
    let mut next = || head.next();
    let number = |f: &[u8]| std::str::from_utf8(f).ok()?.parse().ok();
    let id = number(next()?)?;
    let parent = number(next()?)?;
    let device = device_number(std::str::from_utf8(next()?).ok()?)?;
    let root = next().filter(|f| !f.is_empty())?;
    let point = next().filter(|f| !f.is_empty())?;
    let options = std::str::from_utf8(next()?).ok()?;
    let optional = std::str::from_utf8(next().unwrap_or(b"")).ok()?;
    let mut tail = tail.splitn(3, |&c| c == b' ');
    Some(Mount {
        id,
        parent,
        device,
        root: unescape(root),
        point: unescape(point),
        options,
        optional,
        fs_type: unescape(tail.next().filter(|f| !f.is_empty())?),
        source: unescape(tail.next()?),
        super_options: std::str::from_utf8(tail.next().unwrap_or(b"")).ok()?,
    })
}

impl fmt::Display for Mount<'_> {
    /// The line as the kernel writes it, without the newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.device;
        let (root, point) = (escape(&self.root), escape(&self.point));
        write!(f, "{} {} {major}:{minor} {root} {point} {}", self.id, self.parent, self.options)?;
        if !self.optional.is_empty() {
            write!(f, " {}", self.optional)?;
        }
        write!(f, " - {} {} {}", escape(&self.fs_type), escape(&self.source), self.super_options)
    }
}

fn split_once<'a>(line: &'a [u8], by: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(line, by)?;
    Some((&line[..at], &line[at + by.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Mount<'_> {
        let mount = parse(line.as_bytes()).next().unwrap().unwrap();
        assert_eq!(mount.to_string(), line.trim_end());
        mount
    }

    #[test]
    fn mounts() {
        let m = one("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n");
        assert_eq!((m.id, m.parent, m.device), (36, 35, (98, 0)));
        assert_eq!((&*m.root, &*m.point, m.options), ("/mnt1", "/mnt2", "rw,noatime"));
        assert_eq!((m.optional, &*m.fs_type, &*m.source), ("master:1", "ext3", "/dev/root"));
        assert_eq!(m.super_options, "rw,errors=continue");

        let m = one("28 1 259:2 / / rw,relatime - ext4 /dev/nvme0n1p2 rw");
        assert_eq!((m.optional, &*m.source), ("", "/dev/nvme0n1p2"));

        let m = one(
            r"90 28 0:40 /@home /media/My\040Disk rw shared:5 master:1 propagate_from:2 - btrfs /dev/mapper/luks-1 rw,subvol=/@home",
        );
        assert_eq!(m.point, "/media/My Disk");
        assert_eq!((m.device, m.optional), ((0, 40), "shared:5 master:1 propagate_from:2"));

        let m = one("91 28 0:41 / /x rw - fuse.sshfs  rw");
        assert_eq!((&*m.fs_type, &*m.source, m.super_options), ("fuse.sshfs", "", "rw"));
    }

    #[test]
    fn one_bad_line_hides_only_itself() {
        let good = "28 1 259:2 / / rw - ext4 /dev/sda1 rw\n";
        let text = [good, "nonsense\n", "1 2 3 / / rw - ext4 x rw\n", "\n", "a b 1:2 / / rw - e s o\n", good]
            .concat();
        let all: Vec<_> = parse(text.as_bytes()).map(|m| m.map(|m| m.id).map_err(|e| e.line)).collect();
        assert_eq!(all, [Ok(28), Err(2), Err(3), Err(4), Err(5), Ok(28)]);
    }
}
