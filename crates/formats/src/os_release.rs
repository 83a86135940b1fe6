//! os-release(5): which distribution this is.

use crate::line::lines;

/// What is asked of it; empty where it does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OsRelease {
    /// `ID`; os-release(5): `linux` where it is not set, here empty.
    pub id: String,
    /// `ID_LIKE`, in order.
    pub like: Vec<String>,
    /// `VERSION_ID`.
    pub version_id: String,
    /// `PRETTY_NAME`.
    pub pretty_name: String,
}

/// Reads it. Assignments as in a shell, with quotes and backslashes; whatever else stands
/// there is passed over.
#[must_use]
pub fn parse(text: &[u8]) -> OsRelease {
    let mut release = OsRelease::default();
    for (_, line) in lines(text) {
        let line = String::from_utf8_lossy(line);
        let Some((key, value)) = line.trim().split_once('=') else { continue };
        let value = unquote(value);
        match key {
            "ID" => release.id = value,
            "ID_LIKE" => release.like = value.split_whitespace().map(str::to_owned).collect(),
            "VERSION_ID" => release.version_id = value,
            "PRETTY_NAME" => release.pretty_name = value,
            _ => {}
        }
    }
    release
}

fn unquote(value: &str) -> String {
    let single = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\''));
    if let Some(plain) = single {
        return plain.to_owned();
    }
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        let text =
            b"# a comment\nPRETTY_NAME=\"Pop!_OS 22.04 \\\"LTS\\\"\"\nID=pop\nID_LIKE=\"ubuntu debian\"\n\
            VERSION_ID='22.04'\nBUG REPORT\nNAME=\n";
        assert_eq!(
            parse(text),
            OsRelease {
                id: "pop".into(),
                like: vec!["ubuntu".into(), "debian".into()],
                version_id: "22.04".into(),
                pretty_name: "Pop!_OS 22.04 \"LTS\"".into(),
            }
        );
        assert_eq!(parse(b""), OsRelease::default());
        assert_eq!(parse(b"ID=\"\\\nID_LIKE=\xff").id, "\"");
    }
}
