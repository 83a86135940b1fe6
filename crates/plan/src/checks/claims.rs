//! Which devices vfio-pci is told to take at boot, by the command line and modprobe.d.

use passthru_formats::cmdline;
use passthru_formats::dynamic_id::{self, DynamicId};
use passthru_formats::modprobe::{self, Command};
use passthru_model::{Device, Fact, Snapshot, Unseen};

use super::unseen;

/// Where the command line stands, as a claim's place.
pub(super) const COMMAND_LINE: &str = "/proc/cmdline";

/// One id that vfio-pci is told to take.
pub(super) struct Claim {
    /// The file, with the line where it has several.
    pub(super) place: String,
    /// The id as it stands there.
    pub(super) text: String,
    id: DynamicId,
}

impl Claim {
    pub(super) fn fits(&self, device: &Device) -> bool {
        match (&device.id, &device.class) {
            (Fact::Known(id), Fact::Known(class)) => {
                self.id.fits(*id, device.subsystem.known().copied(), *class)
            }
            _ => false,
        }
    }
}

/// What vfio-pci is told to take at boot.
#[derive(Default)]
pub(super) struct Claims {
    /// Ids that count.
    pub(super) taken: Vec<Claim>,
    /// Place and text of what the kernel does not understand.
    pub(super) invalid: Vec<(String, String)>,
    /// Place and text of lists that a later one replaces.
    pub(super) overridden: Vec<(String, String)>,
    /// What could not be looked at.
    pub(super) unseen: Vec<Unseen>,
}

impl Claims {
    pub(super) fn of(&self, device: &Device) -> Option<&Claim> {
        self.taken.iter().find(|claim| claim.fits(device))
    }
}

/// The ids of the command line and of modprobe.d. A module's parameter that is a text is
/// replaced by each later one; modprobe gives it the command line's options last.
pub(super) fn claims(snapshot: &Snapshot) -> Claims {
    let boot = &snapshot.system.boot;
    let mut claims = Claims::default();
    let mut lists: Vec<(String, &str)> = Vec::new();
    for line in boot.modprobe.at_least() {
        if let Command::Options { module, options } = &line.command
            && module == "vfio_pci"
            && let Some(ids) = modprobe::option(options, "ids")
        {
            lists.push((format!("{}:{}", line.path, line.line), ids));
        }
    }
    for spot in boot.modprobe.blind() {
        claims.unseen.push(Unseen { path: spot.path.clone(), why: spot.error.to_string() });
    }
    match &snapshot.command_line {
        Fact::Known(text) => {
            let of = cmdline::parse(text).filter(|parameter| parameter.is("vfio-pci.ids"));
            lists.extend(of.map(|parameter| (COMMAND_LINE.to_owned(), parameter.value.unwrap_or(""))));
        }
        other => claims.unseen.extend(unseen(other, COMMAND_LINE)),
    }
    let Some((place, ids)) = lists.pop() else { return claims };
    for (text, id) in dynamic_id::parse(ids) {
        match id {
            Some(id) => claims.taken.push(Claim { place: place.clone(), text: text.to_owned(), id }),
            None => claims.invalid.push((place.clone(), text.to_owned())),
        }
    }
    // The same list in both places is a habit, and no harm.
    claims.overridden = lists
        .into_iter()
        .filter(|(_, old)| *old != ids)
        .map(|(place, old)| (place, old.to_owned()))
        .collect();
    claims
}
