//! udev's database: what was found out about a device when it appeared
//! (`/run/udev/data/b259:1`; systemd, `sd-device`).

use crate::line::lines;

/// A property, such as `ID_FS_TYPE` (lines `E:KEY=VALUE`).
#[must_use]
pub fn property<'a>(text: &'a [u8], key: &str) -> Option<&'a str> {
    lines(text).find_map(|(_, line)| {
        let value = line.strip_prefix(b"E:")?.strip_prefix(key.as_bytes())?.strip_prefix(b"=")?;
        std::str::from_utf8(value).ok().map(str::trim).filter(|value| !value.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties() {
        let text =
            b"S:disk/by-uuid/1\nI:123\nE:ID_FS_TYPE=zfs_member\nE:ID_FS_TYPES=x\nG:systemd\nE:EMPTY=\n";
        assert_eq!(property(text, "ID_FS_TYPE"), Some("zfs_member"));
        assert_eq!((property(text, "ID_FS"), property(text, "EMPTY")), (None, None));
        assert_eq!(property(b"\xff\nE:ID_FS_TYPE=\xff", "ID_FS_TYPE"), None);
    }
}
