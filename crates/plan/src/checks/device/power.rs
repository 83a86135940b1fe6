//! Whether a device is awake and answers.

use passthru_formats::config_space::HeaderType;
use passthru_model::{Device, Evidence, Fact, Finding, Remedy, Severity, Verdict, When};

use super::super::not_known;
use super::detail;
use crate::checks::{Host, early, evidence};

/// What a bus answers for a device that is not there, in the words of a malformed fact: bytes
/// ff are no UTF-8.
const ONES: &str = "\\u{fffd}";

pub(super) fn judge(host: &Host<'_>, device: &Device) -> Verdict {
    let detail = match detail(device) {
        Ok(detail) => detail,
        Err(verdict) => return verdict,
    };
    let config = device.attribute("config");
    let silent = match &detail.config {
        Fact::Known(space) => match space.header_type() {
            HeaderType::Other(0x7f) => Some("header type 7f"),
            _ => None,
        },
        Fact::Malformed(text) if !text.is_empty() && text.replace(ONES, "").is_empty() => {
            Some("every byte is ff")
        }
        _ => None,
    };
    if let Some(value) = silent {
        return Finding {
            severity: Severity::Error,
            summary: "the device does not answer".into(),
            evidence: evidence(config, value),
            consequence:
                "QEMU says `vfio: Unable to power on device, stuck in D3`, and the guest finds a device \
                 that does not answer; the host cannot use it either."
                    .into(),
            remedy: Remedy::new(
                When::Reboot,
                "Switch the machine off, take it from the mains for a moment, and boot again",
            ),
        }
        .into();
    }
    let path = device.attribute("power_state");
    match &detail.power_state {
        Fact::Known(state) if state == "D3cold" => asleep(host, device, &path),
        Fact::Known(state) if state == "error" => Finding {
            severity: Severity::Warning,
            summary: "the kernel could not change its power state".into(),
            evidence: evidence(path, state),
            consequence: "It may not wake up for the guest.".into(),
            remedy: Remedy::new(When::Reboot, "Switch the machine off and boot again"),
        }
        .into(),
        Fact::Known(state) => Verdict::Pass(format!("it is in {state}")),
        // Kernels before 5.11 do not say.
        Fact::Absent if detail.config.known().is_some() => Verdict::Pass("it answers".into()),
        Fact::Absent => not_known(&detail.config, config),
        other => not_known(other, path),
    }
}

fn asleep(host: &Host<'_>, device: &Device, path: &str) -> Verdict {
    let allowed = device.attribute("d3cold_allowed");
    let mut seen = evidence(path, "D3cold");
    if let Some(detail) = &device.detail
        && let Fact::Known(value) = detail.d3cold_allowed
    {
        seen.push(Evidence::new(&allowed, if value { "1" } else { "0" }));
    }
    let failures = failures(host, device);
    if failures.is_empty() {
        return Finding {
            severity: Severity::Note,
            summary: "it is switched off (D3cold), as devices that nobody uses often are".into(),
            evidence: seen,
            consequence: "What it can do was not looked at, as that would wake it; binding does.".into(),
            remedy: Remedy::new(
                When::Now,
                "Nothing, as long as it wakes up; see `passthru explain power-state` where it does not",
            ),
        }
        .into();
    }
    seen.extend(failures);
    let system = &host.snapshot.system;
    let mut remedy = Remedy::new(
        When::Now,
        "Forbid the deepest sleep for this device, and keep vfio-pci from putting unused devices to sleep \
         (an option that counts from the next time the module is loaded)",
    )
    .command(format!("echo 0 > {allowed}"));
    let name = "vfio-idle";
    remedy = early::add_modprobe(system, remedy, name, &["options vfio-pci disable_idle_d3=1".to_owned()])
        .commands(early::rebuild_with(system, &[&early::modprobe_file(name)]));
    Finding {
        severity: Severity::Warning,
        summary: "it is switched off (D3cold), and did not change its state when it should before".into(),
        evidence: seen,
        consequence:
            "Where it does not wake up, QEMU says `vfio: Unable to power on device, stuck in D3`, and only \
                      a reboot helps; what it can do was not looked at, as that would wake it."
                .into(),
        remedy,
    }
    .into()
}

/// What the kernel's log says of times at which its power state did not change. Laptops switch
/// their second graphics off all the time, so the state alone is no sign of trouble.
fn failures(host: &Host<'_>, device: &Device) -> Vec<Evidence> {
    let Some(log) = host.snapshot.system.log.known() else { return Vec::new() };
    let told = |name| matches!(name, "power-inaccessible" | "power-refused");
    let lines = log.lines.iter().filter(|l| told(l.name) && l.device == Some(device.address));
    lines.map(|line| Evidence::new(log.place, &line.text)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ask, config, device, findings, is_blind, passes, snapshot};
    use super::*;
    use passthru_model::system::{Log, LogLine};

    fn with(change: impl FnOnce(&mut passthru_model::Detail)) -> passthru_model::Snapshot {
        let mut one = device("01:00.0", "1002:73bf", 0x03_0000);
        change(one.detail.as_mut().unwrap());
        snapshot(&[one])
    }

    #[test]
    fn awake_and_asleep() {
        for state in ["D0", "D3hot", "unknown"] {
            assert!(passes(&ask(judge, &with(|d| d.power_state = Fact::Known(state.into())), "01:00.0")));
        }
        let mut cold = with(|d| {
            d.power_state = Fact::Known("D3cold".into());
            d.d3cold_allowed = Fact::Known(true);
            d.config = Fact::NotRead;
        });
        let line = |name, device: &str| LogLine {
            name,
            device: Some(device.parse().unwrap()),
            time: None,
            count: 1,
            text: format!("{device}: Unable to change power state from D3cold to D0, device inaccessible"),
        };
        let others = [line("power-inaccessible", "0000:02:00.0"), line("reset-slow", "0000:01:00.0")];
        cold.system.log = Fact::Known(Log { place: "/dev/kmsg", whole: true, lines: others.to_vec() });
        let found = findings(ask(judge, &cold, "01:00.0"));
        assert_eq!(found[0].severity, Severity::Note);
        assert_eq!(found[0].evidence.len(), 2);
        let failed = vec![line("power-inaccessible", "0000:01:00.0")];
        cold.system.log = Fact::Known(Log { place: "/dev/kmsg", whole: true, lines: failed });
        let found = findings(ask(judge, &cold, "01:00.0"));
        assert_eq!(found[0].severity, Severity::Warning);
        assert_eq!(found[0].evidence.len(), 3);
        assert_eq!(found[0].remedy.commands[0], "echo 0 > /sys/bus/pci/devices/0000:01:00.0/d3cold_allowed");
        let error = with(|d| d.power_state = Fact::Known("error".into()));
        assert_eq!(findings(ask(judge, &error, "01:00.0")).len(), 1);
    }

    #[test]
    fn fallen_off_the_bus() {
        let mut bytes = config(&[]).bytes().to_vec();
        bytes[0x0e..].fill(0xff);
        let half = passthru_formats::config_space::parse(&bytes).unwrap();
        for config in [Fact::Known(half), Fact::Malformed(ONES.repeat(60))] {
            let host = with(|d| {
                d.power_state = Fact::Known("D0".into());
                d.config = config;
            });
            assert_eq!(findings(ask(judge, &host, "01:00.0"))[0].severity, Severity::Error);
        }
    }

    #[test]
    fn not_seen() {
        let denied = || Fact::Unreadable(passthru_formats::Errno::EACCES);
        assert!(is_blind(&ask(judge, &with(|d| d.power_state = denied()), "01:00.0")));
        let old = with(|d| {
            d.power_state = Fact::Absent;
            d.config = Fact::Malformed("MZ".into());
        });
        assert!(is_blind(&ask(judge, &old, "01:00.0")));
    }
}
