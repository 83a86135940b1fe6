//! Who a virtual machine runs as.

/// A user, as far as the host knows one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name; `None` where only a number is known.
    pub name: Option<String>,
    /// User id.
    pub uid: u32,
    /// First group.
    pub gid: u32,
    /// All groups, the first one included, sorted.
    pub groups: Vec<u32>,
    /// Home directory; empty where none is known.
    pub home: String,
    /// Shell; empty where none is known.
    pub shell: String,
}

impl User {
    /// Whether it is root, whose rights are not taken away.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.uid == 0
    }
}

impl std::fmt::Display for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.uid),
            None => write!(f, "{}", self.uid),
        }
    }
}
