//! [`capture`]: everything the readers read, recorded.

use passthru_formats::capture::{Answer, Capture, InvalidRecord, Op};
use passthru_formats::pci_ids;
use passthru_model::Wants;

use crate::names;
use crate::read::{NoHost, snapshot};
use crate::source::{Recorder, Source};

/// A capture that was made.
#[derive(Debug)]
pub struct Captured {
    /// The records, with every identifier.
    pub capture: Capture,
    /// Paths that could not be recorded.
    pub refused: Vec<(String, InvalidRecord)>,
}

/// Captures a host. `also` may read more through the same recorder (leases, say).
///
/// # Errors
/// [`NoHost`] where there is none.
pub fn capture(source: &dyn Source, tool: &str, also: &dyn Fn(&dyn Source)) -> Result<Captured, NoHost> {
    let recorder = Recorder::new(source, tool);
    let host = snapshot(&recorder, &Wants::all())?;
    also(&recorder);
    let (mut capture, mut refused) = recorder.finish();
    // Of the names only the lines about this host: 1.4 MB of others would say nothing.
    let path = host.names_from.as_deref().unwrap_or(names::FILES[0]);
    let text = match capture.get(Op::Read, path) {
        Some(Answer::Data(text)) => text.as_slice(),
        _ => names::BUILT_IN,
    };
    let excerpt = pci_ids::excerpt(text, &names::wanted(&host.devices));
    if let Err(error) = capture.insert(Op::Read, path, Answer::Data(excerpt.into_bytes())) {
        refused.push((path.to_owned(), error));
    }
    Ok(Captured { capture, refused })
}
