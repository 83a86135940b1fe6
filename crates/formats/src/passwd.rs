//! `/etc/passwd` and `/etc/group` (passwd(5), group(5)), without the C library's name
//! service: a static binary has none.
//!
//! Comments and the lines of the NIS compatibility mode (`+name`, `-name`, nsswitch.conf(5))
//! name nobody by themselves and are skipped.

use crate::line::{LineError, lines};

const USER_FORM: &str = "NAME:PASSWORD:UID:GID:COMMENT:HOME:SHELL";
const GROUP_FORM: &str = "NAME:PASSWORD:GID:MEMBERS";

/// One user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User<'a> {
    /// Login name.
    pub name: &'a str,
    /// User id.
    pub uid: u32,
    /// The id of its first group.
    pub gid: u32,
    /// Home directory; empty where the line has none.
    pub home: &'a str,
    /// Shell; empty where the line has none, which means `/bin/sh`.
    pub shell: &'a str,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its id.
    pub gid: u32,
    /// The names of its further members: those whose first group it is are not repeated.
    pub members: Vec<&'a str>,
}

/// Reads `/etc/passwd`, a user or an error per line.
pub fn users(text: &[u8]) -> impl Iterator<Item = Result<User<'_>, LineError>> {
    entries(text).map(|(number, line)| user(line).ok_or_else(|| LineError::new(number, USER_FORM, line)))
}

/// Reads `/etc/group`, a group or an error per line.
pub fn groups(text: &[u8]) -> impl Iterator<Item = Result<Group<'_>, LineError>> {
    entries(text).map(|(number, line)| group(line).ok_or_else(|| LineError::new(number, GROUP_FORM, line)))
}

/// The lines that name somebody.
fn entries(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    lines(text)
        .map(|(number, line)| (number, line.strip_suffix(b"\r").unwrap_or(line)))
        .filter(|(_, line)| !line.trim_ascii().is_empty() && !matches!(line[0], b'#' | b'+' | b'-'))
}

fn user(line: &[u8]) -> Option<User<'_>> {
    let mut fields = std::str::from_utf8(line).ok()?.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let _password = fields.next()?;
    let (uid, gid) = (id(fields.next()?)?, id(fields.next()?)?);
    let _comment = fields.next();
    let (home, shell) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
    // A colon more would have moved the fields: of such a line nothing is believed.
    fields.next().is_none().then_some(User { name, uid, gid, home, shell })
}

fn group(line: &[u8]) -> Option<Group<'_>> {
    let mut fields = std::str::from_utf8(line).ok()?.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let _password = fields.next()?;
    let gid = id(fields.next()?)?;
    let members = fields.next().unwrap_or("").split(',').map(str::trim).filter(|m| !m.is_empty()).collect();
    fields.next().is_none().then_some(Group { name, gid, members })
}

/// A user or group id. Digits only: `+0` is no id. The highest number means "no id" to the
/// kernel (`chown(2)`, `setresuid(2)`), so it is none.
#[must_use]
pub fn id(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|id| digits && *id != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read() {
        let long = format!("long:x:7:7:{}:/home/long:/bin/sh\n", "x".repeat(100_000));
        let text = format!(
            "root:x:0:0:root:/root:/bin/bash\n\
             # a comment\n\
             \n\
             +nis::::::\n-nobody\n\
             alice:x:1000:1001:Alice,,,:/home/alice:/bin/zsh\r\n\
             short:x:5:6\n\
             {long}\
             last:x:9:9::/:"
        );
        let all: Vec<_> = users(text.as_bytes()).map(Result::unwrap).collect();
        let names: Vec<_> = all.iter().map(|u| u.name).collect();
        assert_eq!(names, ["root", "alice", "short", "long", "last"]);
        let alice = User { name: "alice", uid: 1000, gid: 1001, home: "/home/alice", shell: "/bin/zsh" };
        assert_eq!(all[1], alice);
        assert_eq!((all[2].home, all[2].shell), ("", ""));
        assert_eq!((all[3].uid, all[3].home), (7, "/home/long"));
        assert_eq!((all[4].home, all[4].shell), ("/", ""));
    }

    #[test]
    fn nonsense_is_nobody() {
        for line in [
            "alice",
            "alice:x:1000",
            "alice:x:1000:x::/:/bin/sh",
            "alice:x:-1:0::/:/bin/sh",
            "alice:x:+0:0::/:/bin/sh",
            "alice:x:4294967295:0::/:/bin/sh",
            "alice:x:4294967296:0::/:/bin/sh",
            "alice:x: 0:0::/:/bin/sh",
            ":x:0:0::/:/bin/sh",
            "alice:x:0:0:a:b:/home:/bin/sh",
        ] {
            let all: Vec<_> = users(line.as_bytes()).collect();
            assert!(matches!(&all[..], [Err(_)]), "{line}: {all:?}");
        }
        assert!(matches!(users(b"\xff:x:0:0:::\n").next(), Some(Err(_))));
        assert_eq!(users(b"").count() + users(b"\n \n#\n+\n-x:\n").count(), 0);
    }

    #[test]
    fn groups_are_read() {
        let text = b"root:x:0:\nkvm:x:104:alice, bob,\r\nshort:!:5\n+::0:\nbad\nbad:x:y:alice\n";
        let all: Vec<_> = groups(text).collect();
        assert_eq!(all.len(), 5);
        let kvm = all[1].as_ref().unwrap();
        assert_eq!((kvm.name, kvm.gid, &kvm.members[..]), ("kvm", 104, &["alice", "bob"][..]));
        assert!(all[0].as_ref().unwrap().members.is_empty());
        assert_eq!(all[2].as_ref().unwrap().gid, 5);
        assert!(all[3].is_err() && all[4].is_err());
        assert_eq!(all[4].as_ref().unwrap_err().line, 6);
    }
}
