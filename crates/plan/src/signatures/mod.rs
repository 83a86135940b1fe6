//! What the error texts of QEMU, libvirt, the kernel and the tools around them mean, and
//! which check knows whether this host has the cause.
//!
//! The texts themselves are [`passthru_formats::messages`]'s; a [`Signature`] goes by the
//! name of one of them.
//!
//! | module | holds |
//! |---|---|
//! | `groups` | groups, the IOMMU, the firmware's wishes, interrupt remapping |
//! | `devices` | power, reset, BARs, interrupts, ROM, binding |
//! | `software` | nodes and rights, memory, KVM, libvirt, modules, shells |

mod devices;
mod groups;
mod software;

/// What a known text means.
#[derive(Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name its texts have in [`passthru_formats::messages`].
    pub name: &'static str,
    /// The check that knows whether this host has the cause.
    pub id: &'static str,
    /// Further checks, where the text has several causes, the likeliest first.
    pub also: &'static [&'static str],
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// What it means, in one sentence.
    pub meaning: &'static str,
}

impl Signature {
    /// All checks that may know the cause, the likeliest first.
    pub fn ids(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.id).chain(self.also.iter().copied())
    }
}

const fn of(
    name: &'static str,
    id: &'static str,
    also: &'static [&'static str],
    title: &'static str,
    meaning: &'static str,
) -> Signature {
    Signature { name, id, also, title, meaning }
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Signature> {
    [groups::SIGNATURES, devices::SIGNATURES, software::SIGNATURES].into_iter().flatten()
}

/// The one of this name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Signature> {
    all().find(|signature| signature.name == name)
}

/// The same where it must be known when this is compiled.
pub(crate) const fn known(name: &str) -> &'static Signature {
    let lists = [groups::SIGNATURES, devices::SIGNATURES, software::SIGNATURES];
    let mut list = 0;
    while list < lists.len() {
        let mut i = 0;
        while i < lists[list].len() {
            if same(lists[list][i].name, name) {
                return &lists[list][i];
            }
            i += 1;
        }
        list += 1;
    }
    panic!("no signature of this name")
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

#[cfg(test)]
mod tests;
