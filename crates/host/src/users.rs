//! Users and their groups: from `/etc/passwd` and `/etc/group`, and where those do not know
//! somebody (LDAP, systemd-homed), from `getent` and `id`, which can ask the name service. A
//! static binary cannot.

use passthru_formats::{Errno, passwd};
use passthru_model::User;

use crate::source::Source;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
/// The group of a user of whom only the number is known: `nogroup`, the id that stands for
/// nobody's (`include/linux/highuid.h`, `DEFAULT_OVERFLOWGID`).
const NO_GROUP: u32 = 65534;

/// Who is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// By login name.
    Name(String),
    /// By number, with another first group than the user's own where one is given.
    Id {
        /// User id.
        uid: u32,
        /// Group id.
        gid: Option<u32>,
    },
}

impl Wanted {
    /// Understands `NAME`, `UID` and `UID:GID`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(passwd::id(group)?)),
            None => (text, None),
        };
        match (passwd::id(user), group) {
            (Some(uid), gid) => Some(Self::Id { uid, gid }),
            (None, None) if !user.is_empty() && !user.starts_with(['-', '+']) => {
                Some(Self::Name(user.to_owned()))
            }
            _ => None,
        }
    }
}

/// A name that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no user {name}: {PASSWD} has none ({file}), and {service}")]
pub struct NoUser {
    /// The name.
    pub name: String,
    /// What came of the file.
    pub file: String,
    /// What came of the name service.
    pub service: String,
}

/// Finds a user. A number always is one, whether somebody knows it or not.
///
/// # Errors
/// [`NoUser`] for a name that neither the file nor the name service knows.
pub fn find(source: &dyn Source, wanted: &Wanted) -> Result<User, NoUser> {
    let (mut text, mut groups) = (Vec::new(), Vec::new());
    let file = source.read(PASSWD, &mut text);
    let is = |user: &passwd::User<'_>| match wanted {
        Wanted::Name(name) => user.name == *name,
        Wanted::Id { uid, .. } => user.uid == *uid,
    };
    let key = match wanted {
        Wanted::Name(name) => name.clone(),
        Wanted::Id { uid, .. } => uid.to_string(),
    };
    let mut service = String::new();
    let found = passwd::users(&text).flatten().find(is).map(|user| (user, false));
    let mut answer = Vec::new();
    let found = found.or_else(|| {
        match source.command(&["getent", "passwd", &key]) {
            Ok(output) if output.code == Some(0) => answer = output.stdout,
            // getent(1): a key that is not found.
            Ok(output) if output.code == Some(2) => service = "getent knows none either".into(),
            Ok(_) => service = "getent failed".into(),
            Err(error) => service = format!("getent could not be asked: {error}"),
        }
        passwd::users(&answer).flatten().find(is).map(|user| (user, true))
    });
    let Some((user, from_service)) = found else {
        return match wanted {
            Wanted::Id { uid, gid } => {
                let gid = gid.unwrap_or(NO_GROUP);
                let (home, shell) = (String::new(), String::new());
                Ok(User { name: None, uid: *uid, gid, groups: vec![gid], home, shell })
            }
            Wanted::Name(name) => {
                let file = file.map_or_else(|error| error.to_string(), |()| "it was looked through".into());
                Err(NoUser { name: name.clone(), file, service })
            }
        };
    };
    let gid = match wanted {
        Wanted::Id { gid: Some(gid), .. } => *gid,
        _ => user.gid,
    };
    // Without the file, nobody is in any further group.
    let _ = source.read(GROUP, &mut groups);
    let member = |group: &passwd::Group<'_>| group.members.contains(&user.name);
    let mut all: Vec<u32> =
        passwd::groups(&groups).flatten().filter(member).map(|group| group.gid).chain([gid]).collect();
    if from_service {
        all.extend(further(source, user.name).unwrap_or_default());
    }
    all.sort_unstable();
    all.dedup();
    Ok(User {
        name: Some(user.name.to_owned()),
        uid: user.uid,
        gid,
        groups: all,
        home: user.home.to_owned(),
        shell: user.shell.to_owned(),
    })
}

/// The groups of somebody whom only the name service knows.
fn further(source: &dyn Source, name: &str) -> Result<Vec<u32>, Errno> {
    let output = source.command(&["id", "-G", name])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split_whitespace().filter_map(passwd::id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_meant() {
        let id = |uid, gid| Some(Wanted::Id { uid, gid });
        for (text, wanted) in [
            ("alice", Some(Wanted::Name("alice".into()))),
            ("DOM\\alice", Some(Wanted::Name("DOM\\alice".into()))),
            ("0", id(0, None)),
            ("1000", id(1000, None)),
            ("1000:104", id(1000, Some(104))),
            ("1000:", None),
            ("1000:kvm", None),
            ("alice:104", None),
            ("", None),
            (":0", None),
            ("-1", None),
            ("--help", None),
            ("4294967295:1", None),
        ] {
            assert_eq!(Wanted::parse(text), wanted, "{text:?}");
        }
    }
}
