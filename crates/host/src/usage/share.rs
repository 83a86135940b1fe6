//! Directories that this machine's own host shares into it (9p and virtiofs over virtio):
//! where passthru runs in a virtual machine, its root may come through one.

use passthru_model::usage::Share;
use passthru_model::{Blind, Fact, Seen};

use super::owner;
use crate::ask::{Asker, join, some_text};

/// The virtio devices on a driver that mounts shared directories.
pub(super) fn shares(ask: &mut Asker<'_>) -> Seen<Share> {
    let mut blind = Vec::new();
    let mut items = Vec::new();
    for (driver, kind) in [("9pnet_virtio", "9p"), ("virtiofs", "virtiofs")] {
        let directory = format!("/sys/bus/virtio/drivers/{driver}");
        for name in ask.names(&directory, "shared directories", &mut blind) {
            if !name.starts_with("virtio") {
                continue;
            }
            let path = format!("{directory}/{name}");
            match ask.source.link(&path) {
                Ok(target) => {
                    // 9p shows its tag as an attribute, virtiofs does not: there any mount
                    // of the type may be this one.
                    let tag = match kind {
                        "9p" => {
                            let path = format!("{path}/mount_tag");
                            ask.text(None, "share.tag", &path, |text| some_text(text.trim_end_matches('\0')))
                        }
                        _ => Fact::Absent,
                    };
                    items.push(Share { owner: owner(&join(&directory, &target)), name, kind, tag });
                }
                Err(error) => {
                    blind.push(Blind { what: "shared directories".into(), path, error, count: 1 });
                }
            }
        }
    }
    Seen::new(items, blind)
}
