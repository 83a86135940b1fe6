//! The installed kernels: what they were configured with, and whether VFIO's modules are there.

use passthru_formats::kconfig::{KernelConfig, Setting};
use passthru_formats::modules::canonical;
use passthru_model::system::boot::{NamedModule, Stage};
use passthru_model::system::kernels::{Kernel, Presence};
use passthru_model::system::{System, Tool};
use passthru_model::{Evidence, Fact, Finding, Remedy, Severity, Unseen, Verdict, When};

use super::processor::kvm_module;
use super::{Ask, Check, Host, Subject, could_not_look, early, remedy, unseen};

/// The kernel from which on `vfio_virqfd` is part of `vfio` (commit e2d55709398e).
const VIRQFD_MERGED: (u32, u32) = (6, 2);

const TAKE_VIRQFD_OUT: &str = "Take vfio_virqfd out: since Linux 6.2 it is part of vfio, and older kernels load it with vfio-pci by themselves";

/// Asks about each kernel; what could not be looked at counts where nothing was found.
fn each(host: &Host<'_>, good: &str, ask: impl Fn(&Kernel, &mut Vec<Unseen>) -> Vec<Finding>) -> Verdict {
    let kernels = &host.snapshot.system.kernels;
    let mut unseen: Vec<Unseen> = kernels.blind().iter().map(blind).collect();
    let mut findings = Vec::new();
    let mut seen = Vec::new();
    for kernel in kernels.at_least() {
        let before = unseen.len();
        findings.extend(ask(kernel, &mut unseen));
        if unseen.len() == before {
            seen.push(kernel.release.as_str());
        }
    }
    if !findings.is_empty() {
        return Verdict::Found(findings);
    }
    if !unseen.is_empty() {
        return Verdict::CouldNotLook(unseen);
    }
    if seen.is_empty() {
        return could_not_look(
            "/lib/modules",
            "no kernel is installed there, and which one runs is not known",
        );
    }
    Verdict::Pass(format!("{}: {good}", seen.join(", ")))
}

fn blind(blind: &passthru_model::Blind) -> Unseen {
    Unseen { path: blind.path.clone(), why: blind.error.to_string() }
}

/// What an option is needed for.
enum Need {
    /// One of these must be on.
    Any(&'static [&'static str]),
    /// All of them.
    All(&'static [&'static str]),
}

impl Need {
    fn missing(&self, config: &KernelConfig) -> Vec<&'static str> {
        match self {
            Self::Any(names) if names.iter().any(|name| config.is_on(name)) => Vec::new(),
            Self::Any(names) => names[..1].to_vec(),
            Self::All(names) => names.iter().copied().filter(|name| !config.is_on(name)).collect(),
        }
    }
}

/// The drivers for this host's IOMMU: by the firmware's tables, else by the processor.
fn iommu_drivers(host: &Host<'_>) -> Option<Need> {
    let tables = host.snapshot.iommu_tables.known().map_or(&[][..], Vec::as_slice);
    for (table, need) in [
        ("DMAR", Need::All(&["IOMMU_SUPPORT", "INTEL_IOMMU"])),
        ("IVRS", Need::All(&["IOMMU_SUPPORT", "AMD_IOMMU"])),
        ("VIOT", Need::All(&["IOMMU_SUPPORT", "VIRTIO_IOMMU"])),
        ("IORT", Need::Any(&["ARM_SMMU_V3", "ARM_SMMU"])),
    ] {
        if tables.iter().any(|name| name == table) {
            return Some(need);
        }
    }
    Some(match kvm_module(host)? {
        "kvm_amd" => Need::All(&["IOMMU_SUPPORT", "AMD_IOMMU"]),
        _ => Need::All(&["IOMMU_SUPPORT", "INTEL_IOMMU"]),
    })
}

fn kernel_config(host: &Host<'_>) -> Verdict {
    let displays =
        || host.snapshot.devices.iter().filter(|d| d.class.known().is_some_and(|c| c.code() == 0x0300));
    let vga = displays().next().is_some();
    let intel = displays().any(|d| d.id.known().is_some_and(|id| id.vendor == 0x8086) && d.parent.is_none());
    let iommu = iommu_drivers(host);
    let virtual_machines = match kvm_module(host) {
        Some("kvm_amd") => Need::All(&["KVM", "KVM_AMD"]),
        Some(_) => Need::All(&["KVM", "KVM_INTEL"]),
        None => Need::All(&["KVM"]),
    };
    let remapping = kvm_module(host).map(|_| Need::All(&["IRQ_REMAP"]));
    each(host, "KVM, IOMMU and VFIO are configured", |kernel, unseen_here| {
        let config = match &kernel.config {
            Fact::Known(config) => config,
            Fact::Absent => {
                let why = "there is none, nor one in the modules' directory or in /proc/config.gz";
                unseen_here.push(Unseen { path: kernel.config_path.clone(), why: why.into() });
                return Vec::new();
            }
            other => {
                unseen_here.extend(unseen(other, &kernel.config_path));
                return Vec::new();
            }
        };
        let hard = if kernel.running { Severity::Error } else { Severity::Warning };
        let mut findings = Vec::new();
        let mut add = |severity, missing: Vec<&str>, consequence: &str| {
            if !missing.is_empty() {
                findings.push(not_configured(
                    &host.snapshot.system,
                    kernel,
                    severity,
                    config,
                    &missing,
                    consequence,
                ));
            }
        };
        let mut missing = Need::All(&["VFIO", "VFIO_PCI"]).missing(config);
        missing.extend(
            Need::Any(&["VFIO_IOMMU_TYPE1", "VFIO_DEVICE_CDEV", "IOMMUFD_VFIO_CONTAINER"]).missing(config),
        );
        // What works is configured, whatever the driver is called.
        if let Some(need) = iommu.as_ref().filter(|_| !(kernel.running && host.snapshot.iommu_active())) {
            missing.extend(need.missing(config));
        }
        add(hard, missing, "No device can be lent under this kernel.");
        add(
            Severity::Warning,
            virtual_machines.missing(config),
            "Guests run without KVM under this kernel, many times slower.",
        );
        if let Some(need) = &remapping {
            add(
                Severity::Warning,
                need.missing(config),
                "Without interrupt remapping VFIO refuses devices unless unsafe interrupts are allowed.",
            );
        }
        // What only some guests want is said of the kernel that runs.
        if kernel.running {
            if vga {
                add(
                    Severity::Note,
                    Need::All(&["VFIO_PCI_VGA"]).missing(config),
                    "`x-vga=on` does not work: needed only for guests that start a card with its old VGA BIOS, not with UEFI.",
                );
            }
            if intel {
                add(
                    Severity::Note,
                    Need::All(&["VFIO_PCI_IGD"]).missing(config),
                    "Intel's integrated graphics can be lent without its OpRegion only, so that the guest's driver finds no outputs.",
                );
            }
            if kernel.version() >= Some((6, 6)) {
                add(
                    Severity::Note,
                    Need::All(&["IOMMUFD", "VFIO_DEVICE_CDEV"]).missing(config),
                    "QEMU's `-object iommufd` cannot be used; devices are lent through their groups.",
                );
            }
            add(
                Severity::Note,
                Need::All(&["VHOST_NET", "TUN"]).missing(config),
                "Guests' virtio network goes through QEMU instead of the kernel, or is not there at all.",
            );
            let guests = ["VIRTIO_PCI", "VIRTIO_BLK", "VIRTIO_NET", "SCSI_VIRTIO", "VIRTIO_BALLOON"];
            let missing = guests.into_iter().filter(|name| !config.is_on(name)).collect();
            add(
                Severity::Note,
                missing,
                "A guest that runs this very kernel lacks drivers for QEMU's virtio devices; the host needs none of them.",
            );
        }
        findings
    })
}

fn not_configured(
    system: &System,
    kernel: &Kernel,
    severity: Severity,
    config: &KernelConfig,
    missing: &[&str],
    consequence: &str,
) -> Finding {
    let names: Vec<String> = missing.iter().map(|name| format!("CONFIG_{name}")).collect();
    let names = names.join(", ");
    let remedy = match standard_kernel(system, kernel) {
        Some((text, command)) => Remedy::new(When::Reboot, text).command(command),
        // Nobody builds a kernel for what is good to know.
        None if severity == Severity::Note => Remedy::new(
            When::Reboot,
            format!("Leave it as it is, or boot a kernel built with {names} if you want that"),
        ),
        None => Remedy::new(
            When::Reboot,
            format!("Set {names} in the kernel's configuration, build it and boot it"),
        ),
    };
    Finding {
        severity,
        summary: format!("Kernel {} is built without {names}", kernel.release),
        evidence: missing.iter().map(|name| Evidence::new(&kernel.config_path, config.line(name))).collect(),
        consequence: consequence.into(),
        remedy,
    }
}

/// Where this is a distribution's kernel for virtual machines, the one for real ones.
fn standard_kernel(system: &System, kernel: &Kernel) -> Option<(String, String)> {
    let distribution = system.distribution.known()?;
    let cloud = kernel.release.split(['-', '.']).any(|part| {
        matches!(part, "cloud" | "kvm" | "virt" | "aws" | "azure" | "gcp" | "oracle" | "ibm" | "gke")
    });
    if !cloud {
        return None;
    }
    let command = if distribution.is("ubuntu") {
        "apt install linux-generic"
    } else if distribution.is("debian") {
        if kernel.release.contains("arm64") {
            "apt install linux-image-arm64"
        } else {
            "apt install linux-image-amd64"
        }
    } else if distribution.is("alpine") {
        "apk add linux-lts"
    } else {
        return None;
    };
    Some((
        "Install the distribution's standard kernel and boot it: this one is made for virtual machines"
            .into(),
        command.into(),
    ))
}

/// The package with the modules that this kernel's own package leaves out.
fn more_modules(system: &System, kernel: &Kernel) -> Remedy {
    let release = &kernel.release;
    let is = |id| system.distribution.known().is_some_and(|d| d.is(id));
    let (text, command) = if let Some((text, command)) =
        standard_kernel(system, kernel).filter(|_| !is("ubuntu"))
    {
        (text, Some(command))
    } else if is("ubuntu") {
        let text = format!("Install the modules that linux-modules-{release} leaves out");
        (text, Some(format!("apt install linux-modules-extra-{release}")))
    } else if system.has(Tool::NixOs) {
        let text = "Build the system with a kernel that has them (boot.kernelPackages in configuration.nix)";
        (text.into(), Some(remedy::NIXOS_BOOT.into()))
    } else if system.has(Tool::RpmOstree) {
        // /usr is the image's, and nothing is added to it in place.
        ("Boot an image whose kernel has all of its modules".into(), Some("rpm-ostree upgrade".into()))
    } else if is("fedora") || is("rhel") {
        // A cloud image has kernel-core only.
        (
            format!("Install all modules of kernel {release}"),
            Some(format!("dnf install kernel-modules-{release}")),
        )
    } else if is("suse") || is("opensuse") {
        // kernel-default-base has the same release and few modules.
        (
            "Install kernel-default in the place of kernel-default-base".into(),
            Some("zypper install kernel-default".into()),
        )
    } else if is("debian") {
        (
            format!("Install kernel {release} anew, or a newer one"),
            Some(format!("apt install --reinstall linux-image-{release}")),
        )
    } else {
        (
            format!(
                "Install the package that holds all modules of kernel {release}, and run depmod {release}"
            ),
            None,
        )
    };
    let now = kernel.running && !system.has(Tool::NixOs) && !system.has(Tool::RpmOstree);
    Remedy::new(if now { When::Now } else { When::Reboot }, text).commands(command)
}

fn vfio_modules(host: &Host<'_>) -> Verdict {
    let loaded =
        host.snapshot.drivers.known().is_some_and(|names| names.iter().any(|name| name == "vfio-pci"));
    let others = host.snapshot.system.kernels.at_least().iter().any(|kernel| kernel.directory.is_some());
    each(host, "VFIO's modules are there", |kernel, unseen_here| {
        let config = kernel.config.known();
        // kernel-config speaks of what was never built.
        let built = |name: &str| config.is_none_or(|config| config.is_on(name));
        if !built("VFIO") || !built("VFIO_PCI") || (kernel.running && loaded) {
            return Vec::new();
        }
        let hard = if kernel.running { Severity::Error } else { Severity::Warning };
        if kernel.directory.is_none() {
            let inside = |name| config.is_some_and(|config| config.get(name) == &Setting::Yes);
            if inside("VFIO") && inside("VFIO_PCI") {
                return Vec::new();
            }
            let path = kernel.path("");
            if !others {
                unseen_here.push(Unseen { path, why: "there is no such directory".into() });
                return Vec::new();
            }
            return vec![Finding {
                severity: hard,
                summary: format!("The modules of the running kernel {} are gone", kernel.release),
                evidence: vec![Evidence::new(path, "not there, while other kernels' are")],
                consequence: "No module can be loaded any more, vfio-pci among them: `modprobe: FATAL: Module vfio-pci not \
                    found in directory`."
                    .into(),
                remedy: Remedy::new(When::Reboot, "Boot the kernel that was installed meanwhile").command("systemctl reboot"),
            }];
        }
        let mut names = vec!["vfio", "vfio_pci"];
        if config.is_some_and(|config| config.is_on("VFIO_IOMMU_TYPE1")) {
            names.push("vfio_iommu_type1");
        }
        if kernel.version().is_some_and(|version| version < VIRQFD_MERGED)
            && config.is_some_and(|config| config.get("VFIO_VIRQFD") == &Setting::Module)
        {
            names.push("vfio_virqfd");
        }
        let mut missing = Vec::new();
        for name in names {
            match kernel.module(name) {
                Some(Presence::Missing) => missing.push(name),
                Some(_) => {}
                None => {
                    let files = unseen(&kernel.files, kernel.path("modules.dep"));
                    unseen_here
                        .extend(files.or_else(|| unseen(&kernel.builtin, kernel.path("modules.builtin"))));
                    return Vec::new();
                }
            }
        }
        if kernel.files == Fact::Absent && kernel.builtin == Fact::Absent {
            let why = "there is none, run depmod".to_owned();
            unseen_here.push(Unseen { path: kernel.path("modules.dep"), why });
            return Vec::new();
        }
        if missing.is_empty() {
            return Vec::new();
        }
        vec![Finding {
            severity: hard,
            summary: format!("Kernel {} has no module {}", kernel.release, missing.join(", ")),
            evidence: vec![
                Evidence::new(kernel.path("modules.dep"), format!("no {}", missing.join(", "))),
                Evidence::new(kernel.path("modules.builtin"), format!("no {}", missing.join(", "))),
            ],
            consequence: if kernel.running {
                "vfio-pci cannot be loaded, and nothing can be lent: `modprobe: FATAL: Module vfio-pci not found in directory`."
            } else {
                "Under that kernel vfio-pci cannot be loaded, and nothing can be lent."
            }
            .into(),
            remedy: more_modules(&host.snapshot.system, kernel),
        }]
    })
}

fn vfio_virqfd(host: &Host<'_>) -> Verdict {
    let system = &host.snapshot.system;
    let named: Vec<&NamedModule> = system
        .boot
        .named
        .at_least()
        .iter()
        .filter(|named| canonical(&named.module) == "vfio_virqfd")
        .collect();
    if named.is_empty() {
        return match system.boot.named.complete() {
            Ok(_) => Verdict::Pass("no file asks for vfio_virqfd".into()),
            Err(spots) => Verdict::CouldNotLook(spots.iter().map(blind).collect()),
        };
    }
    let lacks = |kernel: &&Kernel| match kernel.module("vfio_virqfd") {
        Some(Presence::Missing) => true,
        Some(_) => false,
        None => kernel.version() >= Some(VIRQFD_MERGED),
    };
    let kernels = system.kernels.at_least();
    let without: Vec<&str> = kernels.iter().filter(lacks).map(|kernel| kernel.release.as_str()).collect();
    if without.is_empty() {
        return match system.kernels.complete() {
            Ok(kernels) if !kernels.is_empty() => Verdict::Pass("every kernel has vfio_virqfd".into()),
            Ok(_) => could_not_look("/lib/modules", "no kernel is installed there"),
            Err(spots) => Verdict::CouldNotLook(spots.iter().map(blind).collect()),
        };
    }
    let mut files: Vec<&str> = named.iter().map(|named| named.path.as_str()).collect();
    files.dedup();
    let commands = files.iter().map(|file| {
        // A line of its own goes, a word of a list is taken out.
        format!("sed -i.bak -E '/^[[:space:]]*vfio[-_]virqfd([[:space:]].*)?$/d; s/[[:space:]]*\\bvfio[-_]virqfd\\b//' {file}")
    });
    let fails = match named.iter().find(|named| named.stage != Stage::Root) {
        Some(_) if system.has(Tool::Dracut) => {
            "Making an initramfs image says `dracut-install: Failed to find module 'vfio_virqfd'` and may fail, so that a \
             new kernel has none or an old one."
        }
        Some(_) if system.has(Tool::Mkinitcpio) => {
            "mkinitcpio says `==> ERROR: module not found: 'vfio_virqfd'` and ends with an error, at every update of the kernel."
        }
        Some(_) => "initramfs-tools leaves it out without a word; the line has no effect.",
        None => {
            "systemd-modules-load.service fails at every boot with `Failed to find module 'vfio_virqfd'`."
        }
    };
    Verdict::from(Finding {
        severity: Severity::Warning,
        summary: format!("vfio_virqfd is asked for, and kernel {} has no such module", without.join(", ")),
        evidence: named
            .iter()
            .map(|named| Evidence::new(format!("{}:{}", named.path, named.line), &named.module))
            .collect(),
        consequence: fails.into(),
        remedy: early::change_files(
            system,
            Remedy::new(When::Now, TAKE_VIRQFD_OUT),
            "boot.kernelModules or boot.initrd.kernelModules",
            commands,
        )
        .commands(remedy::rebuild_initramfs(system)),
    })
}

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "kernel-config",
        title: "a kernel is built without something that lending needs",
        // A finding about the running kernel may be an error; that no configuration is to be found
        // hinders nobody.
        severity: Severity::Warning,
        subject: Subject::Kernel,
        after: &[],
        about: "Lending needs VFIO (CONFIG_VFIO, CONFIG_VFIO_PCI and CONFIG_VFIO_IOMMU_TYPE1 or IOMMUFD), a driver for \
            this host's IOMMU (CONFIG_INTEL_IOMMU, CONFIG_AMD_IOMMU, CONFIG_VIRTIO_IOMMU, CONFIG_ARM_SMMU_V3), \
            interrupt remapping on x86 (CONFIG_IRQ_REMAP) and KVM. The standard kernels of the large distributions \
            have all of it; those made for virtual machines and hand-made ones may not. Every installed kernel is \
            looked at, as the next boot may take another one.\n\n\
            The configuration is read from /proc/config.gz (of the running kernel), /boot/config-RELEASE, or \
            /lib/modules/RELEASE/config. Where none of them is there nobody can say.\n\n\
            CONFIG_VFIO_PCI_VGA serves `x-vga=on`, for guests that start a graphics card with its old VGA BIOS; a \
            guest with UEFI needs it not, and Debian leaves it out. CONFIG_VFIO_PCI_IGD gives Intel's integrated \
            graphics its OpRegion. CONFIG_IOMMUFD with CONFIG_VFIO_DEVICE_CDEV is the newer way to VFIO, without \
            groups. Virtio drivers are needed in guests, not on the host; guides list them because the same kernel \
            often runs in both.",
        sources: &["drivers/vfio/Kconfig", "drivers/vfio/pci/Kconfig", "drivers/iommu/Kconfig"],
        ask: Ask::Host(kernel_config),
    },
    Check {
        id: "vfio-modules",
        title: "a kernel's VFIO modules are not installed",
        severity: Severity::Error,
        subject: Subject::Kernel,
        after: &[],
        about: "A kernel can be configured with VFIO as modules, and the package with the modules be missing: Ubuntu \
            keeps many in linux-modules-extra-RELEASE, Fedora's cloud images have kernel-core without \
            kernel-modules, Debian's cloud kernel and Alpine's linux-virt have none. `modprobe vfio-pci` says \
            `modprobe: FATAL: Module vfio-pci not found in directory /lib/modules/RELEASE`.\n\n\
            On Arch an update of the kernel removes the running one's modules: until the reboot nothing can be loaded \
            that is not loaded yet.",
        sources: &["modprobe(8)", "depmod(8)", "modules.dep(5)"],
        ask: Ask::Host(vfio_modules),
    },
    Check {
        id: "vfio-virqfd",
        title: "a file asks for vfio_virqfd, which the kernel no longer has",
        severity: Severity::Warning,
        subject: Subject::Kernel,
        after: &[],
        about: "Guides tell people to load `vfio vfio_iommu_type1 vfio_pci vfio_virqfd` early. Linux 6.2 made vfio_virqfd \
            a part of vfio. dracut then says `dracut-install: Failed to find module 'vfio_virqfd'` and may fail, \
            mkinitcpio `==> ERROR: module not found: 'vfio_virqfd'`, systemd `Failed to find module 'vfio_virqfd'` at \
            boot.\n\n\
            Up to 6.1 vfio-pci depends on it, so modprobe and the generators bring it along without being told: it can \
            be taken out whatever the kernel.",
        sources: &[
            "Linux commit e2d55709398e, vfio: Fold vfio_virqfd.ko into vfio.ko",
            "dracut.conf(5)",
            "mkinitcpio.conf(5)",
        ],
        ask: Ask::Host(vfio_virqfd),
    },
];
