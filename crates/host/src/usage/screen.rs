//! Graphics cards' kernel names, connected monitors, framebuffers.

use passthru_model::usage::Display;
use passthru_model::{Fact, Seen};

use super::{class, owner};
use crate::ask::Asker;

/// Cards, render nodes and framebuffers.
pub(super) fn displays(ask: &mut Asker<'_>) -> Seen<Display> {
    let mut blind = Vec::new();
    let drm = class(ask, "drm", "graphics cards", &mut blind);
    let mut items = Vec::new();
    for (name, path) in &drm {
        // Connectors are `card0-HDMI-A-1`; they are told of with their card.
        let node = |prefix: &str| {
            name.strip_prefix(prefix).is_some_and(|n| !n.is_empty() && n.bytes().all(|c| c.is_ascii_digit()))
        };
        if node("card") {
            let connected = connected(ask, name, &drm);
            items.push(Display { name: name.clone(), owner: owner(path), connected });
        } else if node("renderD") {
            items.push(Display { name: name.clone(), owner: owner(path), connected: Fact::Absent });
        }
    }
    for (name, path) in class(ask, "graphics", "framebuffers", &mut blind) {
        // `fbcon` is the console driver, not a framebuffer.
        if name.strip_prefix("fb").is_some_and(|n| n.bytes().all(|c| c.is_ascii_digit())) {
            items.push(Display { owner: owner(&path), name, connected: Fact::Absent });
        }
    }
    Seen::new(items, blind)
}

/// Connectors of a card that have a monitor. The attribute tells what the driver last
/// knew and probes nothing (`drivers/gpu/drm/drm_sysfs.c`, `status_show`).
fn connected(ask: &mut Asker<'_>, card: &str, entries: &[(String, String)]) -> Fact<Vec<String>> {
    let mut found = Vec::new();
    for (name, _) in entries {
        let Some(connector) = name.strip_prefix(card).and_then(|rest| rest.strip_prefix('-')) else {
            continue;
        };
        let path = format!("/sys/class/drm/{name}/status");
        match ask.text(None, "display.connected", &path, |text| Some(Fact::Known(text == "connected"))) {
            Fact::Known(true) => found.push(connector.to_owned()),
            Fact::Unreadable(error) => return Fact::Unreadable(error),
            _ => {}
        }
    }
    Fact::Known(found)
}
