//! What is known, and what could not be looked at. Three states, never two.

use passthru_formats::errno::Errno;

/// One thing that was asked of the host.
///
/// Where a fact came from follows from the field it stands in: the documentation of
/// each field names the file, and [`crate::Device::attribute`] gives its path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Fact<T> {
    /// Read and understood.
    Known(T),
    /// The host says that there is none (no such file, no driver, unset).
    Absent,
    /// It is there or may be there, and could not be read.
    Unreadable(Errno),
    /// It was read and is not of the form the kernel documents; the text, shortened.
    Malformed(String),
    /// Nobody asked.
    #[default]
    NotRead,
}

impl<T> Fact<T> {
    /// The value, where it is known.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            _ => None,
        }
    }

    /// Whether the host was asked and its answer understood: known or absent.
    pub const fn is_settled(&self) -> bool {
        matches!(self, Self::Known(_) | Self::Absent)
    }

    /// The same fact about something derived from the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known(value) => Fact::Known(f(value)),
            Self::Absent => Fact::Absent,
            Self::Unreadable(errno) => Fact::Unreadable(errno),
            Self::Malformed(text) => Fact::Malformed(text),
            Self::NotRead => Fact::NotRead,
        }
    }
}

/// A place that could not be looked at while a list was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blind {
    /// What might be hidden there, as the end of "could not look at …".
    pub what: String,
    /// The path (one of them, where `count` is above 1).
    pub path: String,
    /// The error met there.
    pub error: Errno,
    /// How many such places.
    pub count: usize,
}

/// A list of what was seen, with its blind spots. It can be taken for complete only
/// by asking [`Seen::complete`], which says no where there are any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen<T> {
    items: Vec<T>,
    blind: Vec<Blind>,
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self { items: Vec::new(), blind: Vec::new() }
    }
}

impl<T> Seen<T> {
    /// What was seen, and where nobody could look.
    #[must_use]
    pub const fn new(items: Vec<T>, blind: Vec<Blind>) -> Self {
        Self { items, blind }
    }

    /// What was seen: at least this much is there.
    #[must_use]
    pub fn at_least(&self) -> &[T] {
        &self.items
    }

    /// Where nobody could look.
    #[must_use]
    pub fn blind(&self) -> &[Blind] {
        &self.blind
    }

    /// All there is.
    ///
    /// # Errors
    /// The blind spots, where there are any.
    pub fn complete(&self) -> Result<&[T], &[Blind]> {
        if self.blind.is_empty() { Ok(&self.items) } else { Err(&self.blind) }
    }
}
