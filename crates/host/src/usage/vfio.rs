//! Processes that hold VFIO groups or devices, by their descriptors. Opening a group to
//! see whether it is free would take it (each group file opens once), so it is never
//! opened.

use passthru_formats::Errno;
use passthru_model::usage::VfioHolder;
use passthru_model::{Blind, Seen};

use super::{owner, processes};
use crate::ask::{Asker, join, some_text};

const NODES: &str = "/dev/vfio";

/// Who holds what below `/dev/vfio`. The processes are looked through only where there
/// is something to hold: no node appears before the first device of a group is bound.
pub(super) fn holders(ask: &mut Asker<'_>) -> Seen<VfioHolder> {
    let mut blind = Vec::new();
    let nodes = ask.names(NODES, "who holds VFIO groups", &mut blind);
    if nodes.iter().all(|node| node == "vfio") {
        return Seen::new(Vec::new(), blind);
    }
    let mut items = Vec::new();
    let mut hidden: Option<Blind> = None;
    for pid in processes(ask, "VFIO descriptors", &mut blind) {
        let directory = format!("/proc/{pid}/fd");
        let descriptors = match ask.source.list(&directory) {
            Ok(descriptors) => descriptors,
            Err(error) if gone(error) => continue,
            Err(error) => {
                hidden
                    .get_or_insert(Blind {
                        what: "the open files of processes".into(),
                        path: directory,
                        error,
                        count: 0,
                    })
                    .count += 1;
                continue;
            }
        };
        let mut nodes: Vec<String> = descriptors
            .iter()
            .filter_map(|fd| ask.source.link(&format!("{directory}/{fd}")).ok())
            .filter(|target| target.starts_with("/dev/vfio/") && target != "/dev/vfio/vfio")
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        for node in nodes {
            let name = ask.text(None, "holder.name", &format!("/proc/{pid}/comm"), some_text);
            let group = node.strip_prefix("/dev/vfio/").and_then(|number| number.parse().ok());
            let device = node.strip_prefix("/dev/vfio/devices/").and_then(|name| {
                let link = ask.source.link(&format!("/sys/class/vfio-dev/{name}")).ok()?;
                owner(&join("/sys/class/vfio-dev", &link))
            });
            items.push(VfioHolder { pid, name, node, group, device });
        }
    }
    blind.extend(hidden);
    Seen::new(items, blind)
}

/// The process ended while the others were looked at.
fn gone(error: Errno) -> bool {
    error.is_absent() || error == Errno::ESRCH
}
