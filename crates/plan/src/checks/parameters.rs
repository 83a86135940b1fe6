//! The kernel's command line: what does nothing, what does harm, what promises an isolation
//! that is none.

use passthru_formats::cmdline::{self, Parameter};
use passthru_model::system::Tool;
use passthru_model::{Evidence, Fact, Finding, Remedy, Severity, Verdict, When};

use super::claims::Claims;
use super::processor::{kvm_module, running};
use super::spelling::misspelt;
use super::{Ask, Check, Host, Subject, early, not_known, options, remedy};

const PATH: &str = "/proc/cmdline";

/// What `amd_iommu=` knows: beginnings of its parts (`drivers/iommu/amd/init.c`,
/// `parse_amd_iommu_options`, which compares with strncmp), the newest kernel's and older ones'.
const AMD_OPTIONS: [&str; 10] = [
    "fullflush",
    "force_enable",
    "off",
    "force_isolation",
    "pgtbl_v1",
    "pgtbl_v2",
    "irtcachedis",
    "nohugepages",
    "v2_pgsizes_only",
    "gappi",
];

/// The same of `intel_iommu=` (`drivers/iommu/intel/iommu.c`, `intel_iommu_setup`).
const INTEL_OPTIONS: [&str; 12] = [
    "on",
    "off",
    "igfx_off",
    "forcedac",
    "strict",
    "sp_off",
    "sm_on",
    "sm_off",
    "tboot_noforce",
    "nobounce",
    "ecs_off",
    "pasid28",
];

/// The same of `iommu=` on x86 (`arch/x86/kernel/pci-dma.c`, `iommu_setup`, and
/// `arch/x86/kernel/amd_gart_64.c`).
const IOMMU_OPTIONS: [&str; 20] = [
    "off",
    "force",
    "noforce",
    "biomerge",
    "panic",
    "nopanic",
    "merge",
    "nomerge",
    "forcesac",
    "allowdac",
    "nodac",
    "usedac",
    "soft",
    "pt",
    "nopt",
    "leak",
    "memaper",
    "fullflush",
    "nofullflush",
    "noagp",
];

/// Asks about the parameters for the kernel, one after the other.
fn each(host: &Host<'_>, good: &str, ask: impl FnOnce(&[Parameter<'_>]) -> Vec<Finding>) -> Verdict {
    let text = match &host.snapshot.command_line {
        Fact::Known(text) => text.as_str(),
        Fact::Absent => "",
        other => return not_known(other, PATH),
    };
    let parameters: Vec<Parameter<'_>> = cmdline::parse(text).filter(|p| !p.for_init).collect();
    let findings = ask(&parameters);
    if findings.is_empty() { Verdict::Pass(good.into()) } else { Verdict::Found(findings) }
}

fn finding(
    severity: Severity,
    parameter: &Parameter<'_>,
    summary: String,
    consequence: &str,
    remedy: Remedy,
) -> Finding {
    Finding {
        severity,
        summary,
        evidence: vec![Evidence::new(PATH, parameter.raw)],
        consequence: consequence.into(),
        remedy,
    }
}

/// Parts of a value that none of these begin.
fn unknown<'a>(parameter: &'a Parameter<'_>, known: &'a [&str]) -> impl Iterator<Item = &'a str> {
    parameter.parts().filter(|part| !part.is_empty() && !known.iter().any(|known| part.starts_with(known)))
}

fn useless(host: &Host<'_>) -> Verdict {
    let system = &host.snapshot.system;
    let amd = kvm_module(host).map(|module| module == "kvm_amd");
    // A virtual machine may well have Intel's IOMMU beside an AMD processor.
    let dmar = host.snapshot.iommu_tables.known().is_some_and(|tables| tables.iter().any(|t| t == "DMAR"));
    let kernel = running(host);
    let config = kernel.and_then(|kernel| kernel.config.known());
    let active = host.snapshot.iommu_active();
    // Only where it is intel_iommu=on that is missing: the other causes are `iommu-kernel`'s.
    let wants_on = !active
        && dmar
        && super::iommu::switched_off_by(host).is_none()
        && !super::iommu::on_by_default(host)
        && config.is_none_or(|config| config.is_on("INTEL_IOMMU"));
    each(host, "no parameter is there in vain", |parameters| {
        let mut found = Vec::new();
        let remove = |parameter: &Parameter<'_>| remedy::remove_parameters(system, parameter.raw);
        let on =
            |parameter: &Parameter<'_>| parameter.is("intel_iommu") && parameter.parts().any(|p| p == "on");
        let intel_on = parameters.iter().any(on);
        for parameter in parameters {
            let mut note = |summary: String, consequence: &str| {
                found.push(finding(Severity::Note, parameter, summary, consequence, remove(parameter)));
            };
            if parameter.is("amd_iommu") {
                for part in unknown(parameter, &AMD_OPTIONS) {
                    note(
                        format!("amd_iommu={part} is not an option"),
                        "The kernel says `AMD-Vi: Unknown option` and goes on: an AMD IOMMU is on where the firmware has an \
                         IVRS table, whatever stands here.",
                    );
                }
            } else if parameter.is("intel_iommu") {
                for part in unknown(parameter, &INTEL_OPTIONS) {
                    note(
                        format!("intel_iommu={part} is not an option"),
                        "The kernel says `DMAR: Unknown option` (before 5.16 nothing) and goes on without it.",
                    );
                }
                if on(parameter) && amd == Some(true) && !dmar {
                    note(
                        "intel_iommu=on does nothing on an AMD processor".into(),
                        "It is for Intel's IOMMU; AMD's is on without a parameter.",
                    );
                } else if on(parameter) && config.is_some_and(|c| c.is_on("INTEL_IOMMU_DEFAULT_ON")) {
                    note(
                        "intel_iommu=on is this kernel's default".into(),
                        "It was built with CONFIG_INTEL_IOMMU_DEFAULT_ON; the parameter does no harm.",
                    );
                }
            } else if parameter.is("iommu") {
                for part in unknown(parameter, &IOMMU_OPTIONS) {
                    note(
                        format!("iommu={part} is not an option"),
                        "The kernel passes over it without a word; on Intel the IOMMU is switched on by intel_iommu=on.",
                    );
                }
                if parameter.parts().any(|part| part == "pt") && wants_on && !intel_on {
                    found.push(finding(
                        Severity::Warning,
                        parameter,
                        "iommu=pt alone switches nothing on".into(),
                        "It only says that the host's own devices use addresses untranslated where an IOMMU is at work, \
                         and none is.",
                        remedy::add_parameters(system, "intel_iommu=on"),
                    ));
                }
            } else if parameter.key.starts_with("rd.driver.") && has_other_generator(system) {
                note(
                    format!("{} is read by dracut only", parameter.key),
                    "This system makes its initramfs images with another generator, which does not know the parameter.",
                );
            } else if parameter.is("video")
                && parameter.parts().any(|part| matches!(part, "efifb:off" | "vesafb:off"))
                && kernel.and_then(passthru_model::system::Kernel::version) >= Some((6, 0))
            {
                let simple = config.is_some_and(|c| c.is_on("SYSFB_SIMPLEFB") && c.is_on("DRM_SIMPLEDRM"));
                note(
                    format!("{} is no longer needed", parameter.raw),
                    if simple {
                        "This kernel draws the boot's screen with simpledrm, which the parameter does not concern; and since 6.0 \
                         vfio-pci takes a VGA device away from the boot's framebuffer by itself."
                    } else {
                        "Since 6.0 vfio-pci takes a VGA device away from the boot's framebuffer by itself; the parameter only \
                         keeps the screen dark during the boot."
                    },
                );
            }
        }
        found
    })
}

fn has_other_generator(system: &passthru_model::System) -> bool {
    let has = |tool| system.tools.contains(&tool);
    !has(Tool::Dracut) && !has(Tool::RpmOstree) && (has(Tool::UpdateInitramfs) || has(Tool::Mkinitcpio))
}

fn harmful(host: &Host<'_>) -> Verdict {
    let system = &host.snapshot.system;
    let active = host.snapshot.iommu_active();
    let named = super::iommu::switched_off_by(host);
    let claims = host.claims();
    let remove = |parameter: &Parameter<'_>| remedy::remove_parameters(system, parameter.raw);
    let verdict = each(host, "no parameter stands in the way", |parameters| {
        let mut found = Vec::new();
        for parameter in parameters {
            let mut warn = |summary: String, consequence: &str, remedy| {
                found.push(finding(Severity::Warning, parameter, summary, consequence, remedy));
            };
            let value = parameter.value.unwrap_or("");
            let switched = value.is_empty() || passthru_formats::scalar::switch(value) == Some(true);
            if let Some(meant) = misspelt(parameter.key) {
                let right = match parameter.value {
                    Some(value) => format!("{meant}={value}"),
                    None => meant.to_owned(),
                };
                warn(
                    format!("{} looks like a misspelt {meant}", parameter.key),
                    "Nothing reads a parameter of this name, and nothing complains.",
                    remedy::parameters_changed(system, &right, parameter.raw),
                );
            } else if parameter.is("pci-stub.ids") {
                warn(
                    "pci-stub takes devices that VFIO should have".into(),
                    "A device on pci-stub cannot be lent until it is on vfio-pci: the way of assigning from pci-stub went with \
                     Linux 4.12. Like all ids= it takes every card of that kind.",
                    remove(parameter),
                );
            } else if (parameter.is("intel_iommu") || parameter.is("amd_iommu") || parameter.is("iommu"))
                && parameter.parts().any(|part| part == "off")
                && !active
                // The cause of the error is not said again as a warning.
                && named != Some(parameter.raw)
            {
                warn(
                    format!("{} switches the IOMMU off", parameter.raw),
                    "No device can be lent while no IOMMU is at work.",
                    remove(parameter),
                );
            } else if parameter.is("vfio.enable_unsafe_noiommu_mode") && switched {
                warn(
                    "VFIO's unsafe mode without an IOMMU is on".into(),
                    "A device in that mode reads and writes all of the host's memory, the kernel is tainted, and QEMU cannot use it.",
                    remove(parameter),
                );
            } else if parameter.is("pci") && parameter.parts().any(|part| part == "nomsi") {
                warn(
                    "pci=nomsi takes message-signalled interrupts away".into(),
                    "Lent devices share interrupt lines with others then, which VFIO refuses for many of them.",
                    remove(parameter),
                );
            } else if parameter.is("module_blacklist") {
                // modprobe.blacklist= does not keep it from being loaded by its name.
                let vfio = |name: &&str| name.replace('-', "_").starts_with("vfio");
                if let Some(name) = parameter.parts().find(vfio) {
                    warn(
                        format!("{name} is kept from being loaded"),
                        "Devices can be lent only through it.",
                        remove(parameter),
                    );
                }
            }
        }
        found.extend(bad_ids(host, claims));
        found.extend(options::unsafe_mode(host));
        found.extend(options::kept_away(host));
        found
    });
    match verdict {
        // modprobe.d belongs to the question.
        Verdict::Pass(_) if !system.boot.modprobe.blind().is_empty() => {
            Verdict::CouldNotLook(claims.unseen.clone())
        }
        verdict => verdict,
    }
}

/// Ids for vfio-pci that the kernel does not understand, that fit nothing, or that are not read.
fn bad_ids(host: &Host<'_>, claims: &Claims) -> Vec<Finding> {
    let system = &host.snapshot.system;
    let mut found = Vec::new();
    for (place, text) in &claims.invalid {
        found.push(Finding {
            severity: Severity::Warning,
            summary: format!("'{text}' is no id for vfio-pci"),
            evidence: vec![Evidence::new(place, text)],
            consequence: format!("The kernel says `vfio_pci: invalid id string \"{text}\"` and leaves it out."),
            remedy: Remedy::new(
                When::Reboot,
                "Write ids as VENDOR:DEVICE in hexadecimal with commas between them, such as 10de:1284,10de:0e0f; `passthru \
                 list` shows them",
            )
            .commands(rebuild(system, place)),
        });
    }
    for claim in &claims.taken {
        if host.snapshot.devices.iter().any(|device| claim.fits(device)) {
            continue;
        }
        let as_address = looks_like_an_address(&claim.text);
        found.push(Finding {
            severity: Severity::Warning,
            summary: format!("No device has the id '{}' that vfio-pci is told to take", claim.text),
            evidence: vec![Evidence::new(&claim.place, &claim.text)],
            consequence: if as_address {
                "It is an address; vfio-pci goes by ids, and nothing is taken."
            } else {
                "It has no effect: a digit is wrong, or the card is gone."
            }
            .into(),
            remedy: Remedy::new(
                When::Reboot,
                "Correct the id or take it out; `passthru list` shows the ids of all devices",
            )
            .commands(rebuild(system, &claim.place)),
        });
    }
    for (place, text) in &claims.overridden {
        found.push(Finding {
            severity: Severity::Warning,
            summary: "Ids for vfio-pci are given several times, and only the last ones count".into(),
            evidence: vec![Evidence::new(place, text)],
            consequence: "The devices named there are not taken.".into(),
            remedy: Remedy::new(When::Reboot, "Write all ids into one ids= with commas between them")
                .commands(rebuild(system, place)),
        });
    }
    found
}

/// After a change of modprobe.d the copies in the initramfs images are old.
fn rebuild(system: &passthru_model::System, place: &str) -> Vec<String> {
    let file = place.split(':').next().unwrap_or_default();
    if file == PATH { Vec::new() } else { early::rebuild_with(system, &[file]) }
}

fn acs_override(host: &Host<'_>) -> Verdict {
    each(host, "pcie_acs_override is not on the command line", |parameters| {
        let of = parameters.iter().filter(|parameter| parameter.is("pcie_acs_override"));
        of.map(|parameter| {
            finding(
                Severity::Warning,
                parameter,
                "pcie_acs_override is on the command line".into(),
                "With a patched kernel the IOMMU groups are finer than what the hardware isolates: a guest's device may reach \
                 another one's memory, the host's included. Any other kernel passes over it, so that it proves nothing.",
                remedy::remove_parameters(&host.snapshot.system, parameter.raw),
            )
        })
        .collect()
    })
}

/// Whether somebody wrote an address where an id belongs.
fn looks_like_an_address(text: &str) -> bool {
    text.contains('.') && text.trim().parse::<passthru_pci::Address>().is_ok()
}

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "parameter-useless",
        title: "a kernel parameter does nothing",
        severity: Severity::Note,
        subject: Subject::Kernel,
        after: &[],
        about: "Guides copy these from each other. `amd_iommu=on` is not an option: the kernel says `AMD-Vi: Unknown option - \
            'on'`, and the IOMMU is on where the firmware has an IVRS table. `iommu=pt` enables nothing; it lets the host's own \
            devices use untranslated addresses. `intel_iommu=on` is needed where the kernel was built without \
            CONFIG_INTEL_IOMMU_DEFAULT_ON (Fedora, Arch), and on Debian for the integrated graphics only.\n\n\
            `video=efifb:off` was the way to free a card from the boot's framebuffer. Since Linux 6.0 vfio-pci does that by \
            itself when it binds a VGA device, and where simpledrm draws the screen efifb does not occur. `rd.driver.pre=` and \
            its like are dracut's.\n\n\
            None of them hinders. They hide what really is missing.",
        sources: &[
            "drivers/iommu/amd/init.c, parse_amd_iommu_options",
            "drivers/iommu/intel/iommu.c, intel_iommu_setup",
            "arch/x86/kernel/pci-dma.c, iommu_setup",
            "drivers/vfio/pci/vfio_pci_core.c, vfio_pci_vga_init",
            "dracut.cmdline(7)",
        ],
        ask: Ask::Host(useless),
    },
    Check {
        id: "parameter-harmful",
        title: "a kernel parameter or module option hinders lending or does other than is meant",
        severity: Severity::Warning,
        subject: Subject::Kernel,
        after: &[],
        about: "Of `vfio-pci.ids=` the kernel reads VENDOR:DEVICE pairs in hexadecimal; it passes over what it does not \
            understand with `vfio_pci: invalid id string \"…\"` in its log, and says nothing where an id fits no device. Given \
            several times, on the command line or in modprobe.d, only the last list counts. The ids of \
            the command line win over those of modprobe.d.\n\n\
            A misspelt parameter is no error to anybody: the kernel passes it on to process 1.\n\n\
            `pci-stub.ids=` belongs to a way of assigning that went with Linux 4.12; such a device has to be bound to vfio-pci \
            after all. `iommu=off`, `intel_iommu=off` and `amd_iommu=off` switch the IOMMU off. \
            `enable_unsafe_noiommu_mode` gives devices away without any protection, for DPDK; QEMU cannot use it.\n\n\
            `module_blacklist=vfio-pci` and `install vfio_pci /bin/false` in modprobe.d keep the module from being loaded at \
            all. `modprobe.blacklist=` and `blacklist` stop loading by alias and from modules-load.d only; `modprobe vfio-pci` \
            loads it all the same.",
        sources: &[
            "drivers/vfio/pci/vfio_pci.c, vfio_pci_fill_ids",
            "drivers/vfio/vfio_main.c",
            "drivers/pci/pci-stub.c",
            "Documentation/admin-guide/kernel-parameters.txt",
            "modprobe.d(5)",
        ],
        ask: Ask::Host(harmful),
    },
    Check {
        id: "acs-override",
        title: "the ACS override is asked for",
        severity: Severity::Warning,
        subject: Subject::Kernel,
        after: &[],
        about: "`pcie_acs_override=downstream,multifunction` is a patch outside of Linux (Proxmox and some gamers' kernels have \
            it). It lets the kernel believe that ports and functions isolate although their registers say that they do not, so \
            that IOMMU groups fall apart. The devices can then still reach each other: a guest with one of them may read or \
            overwrite what another one, or the host, does by DMA.\n\n\
            A kernel without the patch says `Unknown kernel command line parameters` and passes over it, so its presence proves \
            nothing about the groups either. `passthru show` says where groups are finer than the registers explain. Better: \
            another slot, or lending the whole group.",
        sources: &[
            "drivers/pci/quirks.c, pci_dev_specific_acs_enabled",
            "Documentation/driver-api/vfio.rst, Groups",
        ],
        ask: Ask::Host(acs_override),
    },
];
