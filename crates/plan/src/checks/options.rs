//! What modprobe.d says of VFIO's modules, beside ids and the switches of interrupts.

use passthru_formats::modprobe::{self, Command};
use passthru_formats::scalar::switch;
use passthru_model::system::boot::ModprobeLine;
use passthru_model::system::kernels::Presence;
use passthru_model::{Evidence, Finding, Remedy, Severity, When};

use super::processor::running;
use super::{Host, early};

/// VFIO's mode without an IOMMU, in modprobe.d.
pub(super) fn unsafe_mode(host: &Host<'_>) -> Vec<Finding> {
    let system = &host.snapshot.system;
    let mut found = Vec::new();
    for line in system.boot.modprobe.at_least() {
        if let Command::Options { module, options } = &line.command
            && module == "vfio"
            && modprobe::option(options, "enable_unsafe_noiommu_mode")
                .is_some_and(|v| v.is_empty() || switch(v) == Some(true))
        {
            found.push(Finding {
                severity: Severity::Warning,
                summary: "VFIO's unsafe mode without an IOMMU is on".into(),
                evidence: vec![shown(line)],
                consequence: "A device in that mode reads and writes all of the host's memory, the kernel is tainted, and QEMU \
                    cannot use it."
                    .into(),
                remedy: Remedy::new(When::Reboot, "Take the option out and switch the IOMMU on instead")
                    .commands(early::rebuild_with(system, &[&line.path])),
            });
        }
    }
    found
}

/// Modules of VFIO that an `install` line keeps from being loaded.
pub(super) fn kept_away(host: &Host<'_>) -> Vec<Finding> {
    let system = &host.snapshot.system;
    let nothing = |command: &str| {
        let program = command.split_whitespace().next().unwrap_or("");
        matches!(program.rsplit('/').next(), Some("false" | "true"))
    };
    let mut found = Vec::new();
    for line in system.boot.modprobe.at_least() {
        let Command::Install { module, command } = &line.command else { continue };
        let builtin = running(host).and_then(|kernel| kernel.module(module)) == Some(Presence::Builtin);
        if !module.starts_with("vfio") || !nothing(command) || builtin {
            continue;
        }
        found.push(Finding {
            severity: Severity::Warning,
            summary: format!("{module} is kept from being loaded"),
            evidence: vec![shown(line)],
            consequence:
                "modprobe runs the command instead of loading it, and devices can be lent only through it."
                    .into(),
            remedy: early::change_files(
                system,
                Remedy::new(When::Now, format!("Take the line out of {}", line.path)),
                early::NIXOS_MODPROBE,
                [format!("sed -i.bak '{} s/^/#/' {}", line.line, line.path)],
            )
            .commands(early::rebuild_with(system, &[&line.path])),
        });
    }
    found
}

fn shown(line: &ModprobeLine) -> Evidence {
    Evidence::new(format!("{}:{}", line.path, line.line), line.command.to_string())
}

#[cfg(test)]
mod tests {
    use passthru_model::{Fact, Seen};

    use super::super::testing::{host_with, verdict};
    use super::*;

    #[test]
    fn what_keeps_vfio_away() {
        let of = |line: &str, text: &[u8]| {
            let mut host = host_with(|system| {
                let lines = modprobe::parse(text).into_iter();
                let path = "/etc/modprobe.d/x.conf";
                let lines = lines.map(|(line, command)| ModprobeLine { path: path.into(), line, command });
                system.boot.modprobe = Seen::new(lines.collect(), vec![]);
            });
            host.command_line = Fact::Known(line.into());
            verdict(&host, "parameter-harmful")
        };
        let kept = "vfio_pci is kept from being loaded";
        for text in ["install vfio-pci /bin/false\n", "install vfio_pci /usr/bin/true # no\n"] {
            assert_eq!(of("ro", text.as_bytes()), kept, "{text}");
        }
        for text in [
            "install vfio_pci modprobe --ignore-install vfio-pci\n",
            "install nouveau /bin/false\n",
            "blacklist vfio_pci\n",
        ] {
            assert_eq!(of("ro", text.as_bytes()), "pass", "{text}");
        }
        assert_eq!(of("module_blacklist=vfio_pci", b""), kept);
        // It is loaded by its name, which no blacklist of modprobe's stops.
        assert_eq!(of("modprobe.blacklist=vfio_pci", b""), "pass");
    }
}
