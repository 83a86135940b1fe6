//! Whether a device can be reset, and whether that works.

use passthru_model::{Device, Evidence, Fact, Finding, Remedy, Severity, Verdict, When};
use passthru_pci::Id;

use super::super::not_known;
use super::{detail, incomplete};
use crate::checks::{Host, could_not_look, evidence};

/// Reset methods that reset one function and nothing beside it (`drivers/pci/pci.c`,
/// `pci_reset_fn_methods`).
const ALONE: [&str; 5] = ["device_specific", "acpi", "flr", "af_flr", "pm"];

/// Methods that reset everything on the bus, and are refused where that is more than one function.
const WITH_BUS: [&str; 2] = ["bus", "cxl_bus"];

pub(super) fn judge(host: &Host<'_>, device: &Device) -> Verdict {
    let detail = match detail(device) {
        Ok(detail) => detail,
        Err(verdict) => return verdict,
    };
    let path = device.attribute("reset_method");
    let methods: &[String] = match &detail.reset_methods {
        Fact::Known(methods) => methods,
        Fact::Absent => &[],
        other => return not_known(other, path),
    };
    if methods.iter().any(|method| ALONE.contains(&method.as_str())) {
        return Verdict::Pass(format!("it can be reset alone ({})", methods.join(", ")));
    }
    // Before 5.15 there was no such file: the configuration space says the most of it.
    if detail.reset_methods == Fact::Absent && !has_reset_methods(host) {
        match &detail.config {
            Fact::Known(config) if config.express().is_some_and(|e| e.function_level_reset) => {
                return Verdict::Pass("it can be reset alone (flr)".into());
            }
            Fact::Known(config)
                if config.power_management().is_some_and(|p| !p.no_soft_reset)
                    || config.advanced_features_reset() == Some(true) =>
            {
                return Verdict::Pass("it can be reset alone (power management)".into());
            }
            Fact::Known(config) => {
                if let Some(why) = incomplete(config) {
                    return could_not_look(device.attribute("config"), why);
                }
            }
            other => {
                return not_known(other, device.attribute("config"));
            }
        }
    }
    // On a root bus nothing above can reset it.
    let bus = methods.iter().any(|method| WITH_BUS.contains(&method.as_str()));
    if device.parent.is_none() && !bus {
        return finding(
            device,
            &detail.reset_methods,
            "it has no reset of its own, and there is none for the bus it is on",
            Vec::new(),
            "no available reset mechanism.",
            Remedy::new(
                When::Hardware,
                "Reckon with a device that keeps what the last guest left in it, and only a cold start of the \
                 machine clears it",
            ),
        );
    }
    let on_bus = on_bus(host, device);
    let strangers: Vec<&Device> = on_bus
        .iter()
        .copied()
        .filter(|other| other.group.known().is_none() || other.group != device.group)
        .collect();
    let reset = bus || !on_bus.is_empty() || !has_reset_methods(host);
    match (reset, strangers.as_slice()) {
        (false, _) => finding(
            device,
            &detail.reset_methods,
            "it has no reset, and neither has the bus it is alone on",
            Vec::new(),
            "no available reset mechanism.",
            Remedy::new(
                When::Hardware,
                "Try it in another slot: without a reset it keeps what the last guest left in it",
            ),
        ),
        (true, []) if on_bus.is_empty() => {
            Verdict::Pass("it is reset with its bus, on which it is alone".into())
        }
        (true, []) => {
            Verdict::Pass("it is reset with its bus, on which only companions are that go along".into())
        }
        (true, strangers) => {
            let names: Vec<String> = strangers.iter().map(|other| other.address.to_string()).collect();
            let mut all = vec![device.address.to_string()];
            all.extend(names.iter().cloned());
            let seen = strangers
                .iter()
                .map(|other| {
                    let group = other
                        .group
                        .known()
                        .map_or_else(|| "in no group".to_owned(), |group| format!("in group {group}"));
                    let driver =
                        other.driver.known().map_or_else(String::new, |driver| format!(", on {driver}"));
                    Evidence::new(other.address.to_string(), format!("on the same bus, {group}{driver}"))
                })
                .collect();
            finding(
                device,
                &detail.reset_methods,
                "it can be reset with its whole bus only, and others are on it",
                seen,
                "depends on group … which is not owned.",
                Remedy::new(When::Now, format!("Lend {} to the same guest", names.join(" and ")))
                    .command(format!("passthru bind --with-group {}", all.join(" "))),
            )
        }
    }
}

fn finding(
    device: &Device,
    methods: &Fact<Vec<String>>,
    summary: &str,
    more: Vec<Evidence>,
    qemu: &str,
    remedy: Remedy,
) -> Verdict {
    let value = match methods {
        Fact::Known(methods) if !methods.is_empty() => methods.join(" "),
        _ => "none".into(),
    };
    let mut seen = evidence(device.attribute("reset_method"), value);
    seen.extend(more);
    Finding {
        severity: Severity::Warning,
        summary: summary.to_owned(),
        evidence: seen,
        consequence: format!(
            "QEMU says `vfio: Cannot reset device {}, {qemu}`, and the guest finds the device as it was left: it \
             may not start with it a second time.",
            device.address
        ),
        remedy,
    }
    .into()
}

/// The other endpoint functions on a device's bus.
fn on_bus<'a>(host: &Host<'a>, device: &Device) -> Vec<&'a Device> {
    let key = |device: &Device| (device.address.domain(), device.address.bus());
    let devices = &host.snapshot.devices;
    let from = devices.partition_point(|other| key(other) < key(device));
    devices[from..]
        .iter()
        .take_while(|other| key(other) == key(device))
        .filter(|other| other.address != device.address && !other.is_bus_bridge())
        // A virtual function goes with its physical one, and is reset with it.
        .filter(|other| other.physical_function.known().is_none())
        .collect()
}

/// Whether this kernel would say which methods there are: `reset_method` came with 5.15.
fn has_reset_methods(host: &Host<'_>) -> bool {
    let release = host.snapshot.kernel.known().map_or("", String::as_str);
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5, 15)
}

/// AMD graphics processors whose bus reset does not bring them back (gnif/vendor-reset,
/// `src/device-db.h`): name of the family, device ids of vendor 1002.
const VENDOR_RESET: &[(&str, &[u16])] = &[
    (
        "Polaris 10",
        &[
            0x67c0, 0x67c1, 0x67c2, 0x67c4, 0x67c7, 0x67c8, 0x67c9, 0x67ca, 0x67cc, 0x67cf, 0x67d0, 0x67df,
            0x6fdf,
        ],
    ),
    ("Polaris 11", &[0x67e0, 0x67e1, 0x67e3, 0x67e7, 0x67e8, 0x67e9, 0x67eb, 0x67ef, 0x67ff]),
    ("Polaris 12", &[0x6980, 0x6981, 0x6985, 0x6986, 0x6987, 0x6995, 0x6997, 0x699f]),
    (
        "Vega 10",
        &[
            0x6860, 0x6861, 0x6862, 0x6863, 0x6864, 0x6867, 0x6868, 0x6869, 0x686a, 0x686b, 0x686c, 0x686d,
            0x686e, 0x686f, 0x687f,
        ],
    ),
    ("Vega 20", &[0x66a0, 0x66a1, 0x66a2, 0x66a3, 0x66a4, 0x66a7, 0x66af]),
    ("Navi 10", &[0x7310, 0x7312, 0x7318, 0x7319, 0x731a, 0x731b, 0x731e, 0x731f]),
    ("Navi 12", &[0x7360, 0x7362]),
    ("Navi 14", &[0x7340, 0x7341, 0x7347, 0x734f]),
    ("Arcturus", &[0x738c]),
];

/// Devices that hang in the function level reset they advertise (`drivers/pci/quirks.c`,
/// `quirk_no_flr`).
const NO_FLR: &[(u16, &[u16])] =
    &[(0x1022, &[0x1487, 0x148c, 0x149c, 0x7901]), (0x8086, &[0x1502, 0x1503]), (0x14c3, &[0x0616])];

pub(super) fn broken(_: &Host<'_>, device: &Device) -> Verdict {
    let id = match &device.id {
        Fact::Known(id) => *id,
        other => return not_known(other, device.attribute("uevent")),
    };
    let no_flr = NO_FLR.iter().any(|(vendor, ids)| *vendor == id.vendor && ids.contains(&id.device));
    let family = family(id);
    if family.is_none() && !no_flr {
        return Verdict::Pass("nothing of the kind is known of it".into());
    }
    let detail = match detail(device) {
        Ok(detail) => detail,
        Err(verdict) => return verdict,
    };
    let path = device.attribute("reset_method");
    let methods: &[String] = match &detail.reset_methods {
        Fact::Known(methods) => methods,
        Fact::Absent => &[],
        other => return not_known(other, path),
    };
    let has = |name: &str| methods.iter().any(|method| method == name);
    let shown = if methods.is_empty() { "none".to_owned() } else { methods.join(" ") };
    let mut seen = evidence(device.attribute("uevent"), format!("PCI_ID {id}"));
    seen.push(Evidence::new(&path, shown));
    if let Some(family) = family {
        // The kernel tries the first one only where it is the first one.
        if methods.first().is_some_and(|first| first == "device_specific") {
            return Verdict::Pass("the reset of its own that it needs is in use".into());
        }
        let (text, commands) = if has("device_specific") {
            ("Choose the reset of its own, which is there".to_owned(), Vec::new())
        } else {
            (
                "Build and load the module vendor-reset (gnif/vendor-reset), and choose the reset it adds; \
                 until then shut guests down in order, and start the host anew before the next one"
                    .to_owned(),
                vec!["modprobe vendor-reset".to_owned()],
            )
        };
        return Finding {
            severity: Severity::Warning,
            summary: format!("AMD {family} does not come back from a reset"),
            evidence: seen,
            consequence: "The first guest works; the next one hangs with the card until the host is started \
                          anew."
                .into(),
            remedy: Remedy::new(When::Now, text)
                .commands(commands)
                .command(format!("echo device_specific > {path}")),
        }
        .into();
    }
    if !has("flr") {
        return Verdict::Pass("the kernel knows that its function level reset is broken".into());
    }
    let remedy = if has("bus") {
        Remedy::new(When::Now, "Use the reset of the bus until the kernel is newer")
            .command(format!("echo bus > {path}"))
    } else {
        Remedy::new(When::Reboot, "Boot a newer kernel: it leaves this reset out")
    };
    Finding {
        severity: Severity::Warning,
        summary: "it hangs in the function level reset it advertises, and this kernel does not know it"
            .into(),
        evidence: seen,
        consequence: "The device hangs when a guest starts or ends, and may take the host along.".into(),
        remedy,
    }
    .into()
}

fn family(id: Id) -> Option<&'static str> {
    let is = |(_, ids): &&(&str, &[u16])| id.vendor == 0x1002 && ids.contains(&id.device);
    VENDOR_RESET.iter().find(is).map(|(family, _)| *family)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ask, device, findings, is_blind, passes, snapshot};
    use super::*;

    fn with(address: &str, id: &str, methods: Fact<&[&str]>) -> Device {
        let mut device = device(address, id, 0x03_0000);
        let detail = device.detail.as_mut().unwrap();
        detail.reset_methods = methods.map(|methods| methods.iter().map(|m| (*m).to_owned()).collect());
        device
    }

    #[test]
    fn a_reset_of_its_own_or_of_a_bus_of_its_own() {
        let bus = Fact::Known(&["bus"][..]);
        assert!(passes(&ask(judge, &snapshot(&[with("01:00.0", "10de:1284", bus.clone())]), "01:00.0")));
        let flr = Fact::Known(&["flr", "bus"][..]);
        assert!(passes(&ask(judge, &snapshot(&[with("00:1f.0", "10de:1284", flr)]), "00:1f.0")));
        // A companion on the bus is lent along.
        let both = [with("01:00.0", "10de:1284", bus.clone()), with("01:00.1", "10de:0e0f", bus)];
        assert!(passes(&ask(judge, &snapshot(&both), "01:00.1")));
    }

    #[test]
    fn others_on_the_bus() {
        let mut audio = with("01:00.1", "10de:0e0f", Fact::Absent);
        audio.group = Fact::Known(2);
        audio.driver = Fact::Known("snd_hda_intel".into());
        let host = snapshot(&[with("01:00.0", "10de:1284", Fact::Known(&["bus"])), audio]);
        let found = findings(ask(judge, &host, "01:00.0"));
        assert_eq!(found[0].evidence[1].value, "on the same bus, in group 2, on snd_hda_intel");
        assert_eq!(found[0].remedy.commands, ["passthru bind --with-group 0000:01:00.0 0000:01:00.1"]);
        assert!(found[0].consequence.contains("depends on group"), "{found:?}");
    }

    #[test]
    fn none_at_all() {
        for address in ["00:1b.0", "01:00.0"] {
            let host = snapshot(&[with(address, "8086:a170", Fact::Absent)]);
            let found = findings(ask(judge, &host, address));
            assert!(found[0].consequence.contains("no available reset mechanism"), "{found:?}");
            assert_eq!(found[0].evidence[0].value, "none");
        }
        // An old kernel does not say, and alone on a bus there always is one.
        let mut host = snapshot(&[with("01:00.0", "8086:a170", Fact::Absent)]);
        host.kernel = Fact::Known("5.10.0-8-amd64".into());
        assert!(is_blind(&ask(judge, &host, "01:00.0")), "without root");
        host.devices[0].detail.as_mut().unwrap().config = Fact::Known(super::super::testing::config(&[0x05]));
        assert!(passes(&ask(judge, &host, "01:00.0")));
        // On a root bus there is none, unless a list that leads nowhere hides one.
        let mut host = snapshot(&[with("00:1b.0", "8086:a170", Fact::Absent)]);
        host.kernel = Fact::Known("5.10.0-8-amd64".into());
        let mut config = |link: u8| {
            let space = super::super::testing::config_of(&[0x05], |bytes| bytes[0x41] = link);
            host.devices[0].detail.as_mut().unwrap().config = Fact::Known(space);
            ask(judge, &host, "00:1b.0")
        };
        assert!(is_blind(&config(0x40)));
        assert!(is_blind(&config(0x20)));
        assert_eq!(findings(config(0)).len(), 1);
    }

    #[test]
    fn not_seen() {
        let denied = Fact::Unreadable(passthru_formats::Errno::EACCES);
        let host = snapshot(&[with("01:00.0", "1002:731f", denied)]);
        assert!(is_blind(&ask(judge, &host, "01:00.0")) && is_blind(&ask(broken, &host, "01:00.0")));
        let mut host = host;
        host.devices[0].detail = None;
        assert!(is_blind(&ask(judge, &host, "01:00.0")) && is_blind(&ask(broken, &host, "01:00.0")));
    }

    #[test]
    fn known_for_a_broken_reset() {
        for (id, methods, commands) in [
            (
                "1002:731f",
                &["bus"][..],
                &[
                    "modprobe vendor-reset",
                    "echo device_specific > /sys/bus/pci/devices/0000:01:00.0/reset_method",
                ][..],
            ),
            (
                "1002:67df",
                &["bus", "device_specific"],
                &["echo device_specific > /sys/bus/pci/devices/0000:01:00.0/reset_method"],
            ),
            ("1022:1487", &["flr", "bus"], &["echo bus > /sys/bus/pci/devices/0000:01:00.0/reset_method"]),
            ("8086:1502", &["flr"], &[]),
        ] {
            let host = snapshot(&[with("01:00.0", id, Fact::Known(methods))]);
            let found = findings(ask(broken, &host, "01:00.0"));
            assert_eq!(found[0].remedy.commands, commands, "{id}");
        }
        for (id, methods) in
            [("1002:731f", &["device_specific", "bus"][..]), ("1022:1487", &["bus"]), ("10de:1284", &[])]
        {
            let host = snapshot(&[with("01:00.0", id, Fact::Known(methods))]);
            assert!(passes(&ask(broken, &host, "01:00.0")), "{id}");
        }
    }
}
