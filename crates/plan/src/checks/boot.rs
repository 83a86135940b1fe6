//! What wins at boot: which devices vfio-pci is told to take and whether it gets them, the
//! framebuffer of the boot, cards that ids cannot tell apart.

use passthru_formats::modprobe::Command;
use passthru_formats::modules;
use passthru_model::system::boot::{NamedModule, Oddity, Stage};
use passthru_model::system::kernels::Presence;
use passthru_model::system::{System, Tool};
use passthru_model::{
    Device, Evidence, Fact, Finding, Reason, Remedy, Severity, Snapshot, Unseen, Verdict, When,
};

use super::claims::COMMAND_LINE;
use super::image;
use super::processor::running;
use super::{Ask, Check, Host, Subject, early, evidence, not_known, remedy};
use crate::uses::is_vfio_driver;

/// From this version on vfio-pci takes a VGA device (0300) from the boot's framebuffer when it
/// binds it (`drivers/vfio/pci/vfio_pci_core.c`, `vfio_pci_vga_init`).
const EVICTS: (u32, u32) = (6, 0);

/// Whether the generator puts a module into the initramfs and loads it first.
fn first<'a>(system: &'a System, module: &str) -> Option<(usize, &'a NamedModule)> {
    let mut named =
        system.boot.named.at_least().iter().filter(|named| named.stage == Stage::InitramfsFirst).enumerate();
    named.find(|(_, named)| modules::canonical(&named.module) == module)
}

fn host_driver_at_boot(host: &Host<'_>, device: &Device) -> Verdict {
    let snapshot = host.snapshot;
    let system = &snapshot.system;
    let claims = host.claims();
    let Some(claim) = claims.of(device) else {
        return match claims.unseen.is_empty() {
            true => Verdict::NotApplicable("nothing gives it to vfio-pci at boot".into()),
            false => Verdict::CouldNotLook(claims.unseen.clone()),
        };
    };
    let driver = match &device.driver {
        Fact::Known(driver) if is_vfio_driver(driver) => {
            return Verdict::Pass(format!("{driver} has it, as {} says", claim.place));
        }
        Fact::Known(driver) => Some(&**driver),
        Fact::Absent => None,
        other => {
            return not_known(other, device.attribute("driver"));
        }
    };
    let file = claim.place.split(':').next().unwrap_or_default();
    let mut evidence = vec![Evidence::new(&claim.place, format!("ids: {}", claim.text))];
    let vfio_builtin = running(host).and_then(|kernel| kernel.module("vfio_pci")) == Some(Presence::Builtin);
    if vfio_builtin && claim.place != COMMAND_LINE {
        evidence
            .extend(running(host).map(|k| Evidence::new(k.path("modules.builtin"), "vfio_pci is built in")));
        evidence.push(Evidence::new(device.attribute("driver"), driver.unwrap_or("none")));
        return Verdict::from(Finding {
            severity: Severity::Warning,
            summary: "vfio-pci is built into this kernel, and what modprobe.d says of it is never read"
                .into(),
            evidence,
            consequence:
                "The ids have no effect: options of what is built in come from the command line only.".into(),
            remedy: remedy::add_parameters(system, &format!("vfio-pci.ids={}", claim.text)),
        });
    }
    let loaded = snapshot.drivers.known().is_some_and(|names| names.iter().any(|name| name == "vfio-pci"));
    let Some(driver) = driver else {
        evidence.push(Evidence::new(device.attribute("driver"), "none"));
        let why = if loaded { "" } else { ": vfio-pci is not loaded, and its options load nothing" };
        return Verdict::from(Finding {
            severity: Severity::Warning,
            summary: format!("vfio-pci is told to take it and has not{why}"),
            evidence,
            consequence: "It is on no driver after the boot.".into(),
            remedy: load_early(system, device, None, file),
        });
    };
    evidence.push(Evidence::new(device.attribute("driver"), driver));
    let module = device.detail.as_ref().and_then(|detail| detail.driver_module.known());
    let name = modules::canonical(module.map_or(driver, String::as_str)).into_owned();
    let builtin = match running(host).and_then(|kernel| kernel.module(&name)) {
        Some(Presence::Builtin) => true,
        Some(Presence::File) => false,
        // The module may have another name than the driver; what is built in has none.
        _ => device.detail.as_ref().is_some_and(|detail| detail.driver_module == Fact::Absent),
    };
    let (why, remedy) = if builtin {
        if let Some(kernel) = running(host) {
            evidence.push(Evidence::new(kernel.path("modules.builtin"), format!("{name} is built in")));
        }
        (
            "it is built into the kernel and takes the device before any module is loaded".to_owned(),
            Remedy::new(
                When::Now,
                format!(
                    "Bind it when it is needed: ids, modprobe.d and blacklists cannot keep it from {driver}"
                ),
            )
            .command(format!("passthru bind {}", device.address)),
        )
    } else {
        let early = image::inside(&system.boot).filter(|(_, image)| {
            image.modules.contains(&name) && !image.modules.contains("vfio_pci") && image.unopened.is_none()
        });
        let why = if !loaded && !vfio_builtin {
            "nothing loads vfio-pci: options do not".to_owned()
        } else if let (Some((path, _)), false) = (early, vfio_builtin) {
            evidence.push(Evidence::new(path, format!("{name} is in it, vfio_pci is not")));
            format!("{name} is in the initramfs and loaded there, vfio-pci is not")
        } else {
            loaded_before(system, device, &name, &mut evidence)
        };
        (why, load_early(system, device, Some(&name), file))
    };
    Verdict::from(Finding {
        severity: Severity::Warning,
        summary: format!("{driver} has it although vfio-pci is told to take it: {why}"),
        evidence,
        consequence: "The host's driver has touched the device, and whoever expects it on vfio-pci after the boot finds it \
            in use: QEMU says `Please ensure all devices within the iommu_group are bound to their vfio bus driver.`"
            .into(),
        remedy,
    })
}

/// Why a module came before vfio-pci.
fn loaded_before(system: &System, device: &Device, module: &str, evidence: &mut Vec<Evidence>) -> String {
    let vfio = first(system, "vfio_pci");
    if let Some((at, named)) = first(system, module)
        && vfio.is_none_or(|(vfio, _)| at < vfio)
    {
        evidence.push(Evidence::new(format!("{}:{}", named.path, named.line), &named.module));
        return format!("{module} is loaded first in the initramfs, before vfio-pci");
    }
    if let Some((path, image)) = image::inside(&system.boot) {
        let order = image.first();
        let at = |name: &str| order.iter().position(|(_, one)| one == name);
        if let Some(of_host) = at(module)
            && at("vfio_pci").is_none_or(|of_vfio| of_host < of_vfio)
        {
            let place = format!("{path}: {}", order[of_host].0);
            evidence.push(Evidence::new(place, format!("{module}, and vfio_pci not before it")));
            return format!("the initramfs image loads {module} first, before vfio-pci");
        }
    }
    let display = device.class.known().is_some_and(|class| class.is_display());
    if display && vfio.is_none() && system.boot.hooks.iter().any(|hook| hook == "kms") {
        evidence
            .push(Evidence::new("/etc/mkinitcpio.conf", format!("HOOKS=({})", system.boot.hooks.join(" "))));
        return "mkinitcpio's hook kms loads graphics drivers in the initramfs, and vfio-pci is not there"
            .to_owned();
    }
    let softdep = system.boot.modprobe.at_least().iter().any(|line| {
        matches!(&line.command, Command::Softdep { module: of, before, .. }
            if of == module && before.iter().any(|name| name == "vfio_pci"))
    });
    // The list begins with what was loaded last.
    if let Fact::Known(loaded) = &system.boot.loaded {
        let at = |name: &str| loaded.iter().position(|one| one.name == name);
        if let (Some(of_host), Some(of_vfio)) = (at(module), at("vfio_pci")) {
            if of_host > of_vfio {
                let value = format!("{module} stands below vfio_pci: it was loaded before");
                evidence.push(Evidence::new("/proc/modules", value));
            } else {
                return "vfio-pci was there first without these ids; an initramfs that was not made anew has old options".into();
            }
        }
    }
    match (vfio, softdep) {
        (None, false) => format!(
            "{module} is loaded first, and neither the initramfs nor a softdep puts vfio-pci before it"
        ),
        _ => format!("{module} was loaded first; the initramfs may be older than its configuration"),
    }
}

/// How vfio-pci comes first on this system.
fn load_early(system: &System, device: &Device, module: Option<&str>, claim: &str) -> Remedy {
    let mut text = "Load vfio-pci first in the initramfs".to_owned();
    let mut lines = Vec::new();
    if let Some(module) = module {
        text.push_str(&format!(", and before {module} wherever that is loaded"));
        lines.push(format!("softdep {module} pre: vfio-pci"));
    }
    let vfio = first(system, "vfio_pci");
    let before = module.and_then(|module| first(system, module));
    if let (Some((vfio_at, _)), Some((at, named))) = (vfio, before)
        && at < vfio_at
    {
        let place = format!("{}:{}", named.path, named.line);
        let module = &named.module;
        text = format!(
            "Put vfio_pci before {module} in {place}, with a line that makes modprobe keep that order, and make the initramfs \
             images anew"
        );
    }
    let mut remedy = Remedy::new(When::Reboot, text);
    if !lines.is_empty() {
        remedy = early::add_modprobe(system, remedy, "vfio", &lines);
    }
    if vfio.is_none() {
        remedy = early::load_first(system, remedy, "vfio", &["vfio_pci", "vfio", "vfio_iommu_type1"]);
    }
    // The file with the ids is in the image as well, on systems that copy only what they are told.
    let own = early::modprobe_file("vfio");
    let mut files: Vec<&str> = if lines.is_empty() { Vec::new() } else { vec![&own] };
    if claim.starts_with("/etc/modprobe.d/") && claim != own {
        files.push(claim);
    }
    remedy = remedy.commands(early::rebuild_with(system, &files));
    remedy.text.push_str(&format!(
        "; or leave the boot as it is and bind it when it is needed (`passthru bind {}`)",
        device.address
    ));
    remedy
}

fn initramfs_config(host: &Host<'_>) -> Verdict {
    let system = &host.snapshot.system;
    let boot = &system.boot;
    let mut found = Vec::new();
    for oddity in &boot.oddities {
        let (summary, evidence, consequence, remedy) = match oddity {
            Oddity::NotConf { path, taken } => {
                let remedy = if *taken {
                    let text = "Put what is needed of it into the file of that name that ends in .conf, and remove it";
                    Remedy::new(When::Reboot, text).command(format!("diff {path} {path}.conf"))
                } else {
                    Remedy::new(When::Reboot, "Give it a name that ends in .conf")
                        .command(format!("mv {path} {path}.conf"))
                };
                (
                    format!("dracut does not read {path}"),
                    evidence(path, "its name does not end in .conf"),
                    "What stands in it has no effect.",
                    remedy,
                )
            }
            Oddity::Blanks(path, line) => (
                format!("A blank is missing around the value of {}", line.key),
                evidence(format!("{path}:{}", line.line), format!("{}+=\"{}\"", line.key, line.value)),
                "dracut joins such values as they are, so that two names become one that does not exist; it says `<values> \
                 should have surrounding white spaces!`",
                Remedy::new(When::Reboot, format!("Write {}+=\" {} \"", line.key, line.value.trim()))
                    .command(format!(
                        "sed -i.bak -E '{}s/\\+=\" *([^\"]*[^\" ]) *\"/+=\" \\1 \"/' {path}",
                        line.line
                    )),
            ),
        };
        found.push(Finding {
            severity: Severity::Warning,
            summary,
            evidence,
            consequence: consequence.into(),
            remedy: remedy.commands(remedy::rebuild_initramfs(system)),
        });
    }
    let known = [Tool::UpdateInitramfs, Tool::Dracut, Tool::Mkinitcpio];
    match (found.is_empty(), boot.named.complete()) {
        (false, _) => Verdict::Found(found),
        (true, Err(spots)) => Verdict::CouldNotLook(
            spots.iter().map(|s| Unseen { path: s.path.clone(), why: s.error.to_string() }).collect(),
        ),
        (true, Ok(_)) if !known.iter().any(|tool| system.tools.contains(tool)) => {
            Verdict::NotApplicable("no generator of initramfs images that passthru knows is installed".into())
        }
        (true, Ok(_)) => Verdict::Pass("its files are read as they are meant".into()),
    }
}

fn boot_framebuffer(host: &Host<'_>, device: &Device) -> Verdict {
    let class = match &device.class {
        Fact::Known(class) => class,
        other => {
            return not_known(other, device.attribute("class"));
        }
    };
    if !class.is_display() {
        return Verdict::NotApplicable("it is no graphics card".into());
    }
    let system = &host.snapshot.system;
    let path = "/proc/iomem";
    let framebuffers = match &system.boot.framebuffers {
        Fact::Known(framebuffers) => framebuffers,
        Fact::Absent => return super::could_not_look(path, "there is none"),
        other => return not_known(other, path),
    };
    let Some(framebuffer) = framebuffers.iter().find(|one| one.device == Some(device.address)) else {
        return Verdict::Pass("no framebuffer of the boot lies in its memory".into());
    };
    let range = framebuffer.range.map_or_else(String::new, |(start, end)| format!("{start:#x}-{end:#x} "));
    let mut evidence = evidence(path, format!("{range}{} in {}", framebuffer.name, device.address));
    if let Fact::Known(lines) = &system.boot.fb {
        evidence.extend(lines.iter().map(|line| Evidence::new("/proc/fb", line)));
    }
    let version = match &host.snapshot.kernel {
        Fact::Known(release) => passthru_model::system::kernels::version(release),
        _ => None,
    };
    let Some(version) = version else {
        return super::could_not_look("/proc/sys/kernel/osrelease", "which kernel runs is not known");
    };
    if version >= EVICTS && class.code() == 0x0300 {
        return Verdict::from(Finding {
            severity: Severity::Note,
            summary: "The boot's screen is drawn on it".into(),
            evidence,
            consequence: "vfio-pci takes it away when it binds, and the screen shows nothing more; it does not come back with the \
                device."
                .into(),
            remedy: Remedy::new(When::Now, "Have another way into the host, or make another card the boot's display"),
        });
    }
    let parameter = match framebuffer.name.as_str() {
        "efifb" => "video=efifb:off",
        "vesafb" => "video=vesafb:off",
        _ => "initcall_blacklist=sysfb_init",
    };
    let why = if version >= EVICTS {
        "vfio-pci takes only VGA devices (class 0300) away from it"
    } else {
        "kernels before 6.0 do not take it away"
    };
    let mut remedy = remedy::add_parameters(system, parameter);
    remedy.text.push_str("; the screen is dark during the boot then");
    Verdict::from(Finding {
        severity: Severity::Error,
        summary: format!("The framebuffer of the boot holds its memory, and {why}"),
        evidence,
        consequence: "The guest cannot use the card: the kernel says `vfio-pci: BAR 0: can't reserve [mem …]` over and over.".into(),
        remedy,
    })
}

fn on_vfio(device: &&Device) -> bool {
    device.driver.known().is_some_and(|driver| is_vfio_driver(driver))
}

fn identical_twins(host: &Host<'_>, device: &Device) -> Verdict {
    let snapshot: &Snapshot = host.snapshot;
    let id = match &device.id {
        Fact::Known(id) => *id,
        other => {
            return not_known(other, device.attribute("uevent"));
        }
    };
    if device.physical_function.known().is_some() {
        return Verdict::NotApplicable("virtual functions of a device are all alike".into());
    }
    let others = snapshot.devices.iter().filter(|other| {
        other.address != device.address
            && other.id == Fact::Known(id)
            && other.physical_function.known().is_none()
    });
    let claims = host.claims();
    let places = |twins: &[&Device]| {
        twins.iter().map(|twin| Evidence::new(twin.address.to_string(), id.to_string())).collect()
    };
    if let Some(claim) = claims.of(device) {
        let twins: Vec<&Device> = others.filter(|other| claim.fits(other)).collect();
        if twins.is_empty() {
            return Verdict::Pass(format!("{} fits no other device", claim.text));
        }
        let names: Vec<String> = twins.iter().map(|twin| twin.address.to_string()).collect();
        // What a VM has, or nobody could look at, is nothing the host loses.
        let by_host = |reason: Option<Reason>| !matches!(reason, None | Some(Reason::Held | Reason::NotSeen));
        let needed = |twin: &&Device| {
            !on_vfio(twin)
                && (twin.boot_vga == Fact::Known(true)
                    || host.uses.device(twin.address).iter().any(|used| by_host(used.blocks)))
        };
        if on_vfio(&device) && twins.iter().all(on_vfio) {
            return Verdict::Pass(format!("all that {} fits are on vfio-pci", claim.text));
        }
        let mut all: Vec<Evidence> = evidence(&claim.place, format!("ids: {}", claim.text));
        all.extend::<Vec<_>>(places(&twins));
        let narrow = "an id with subsystem ids (VENDOR:DEVICE:SUBVENDOR:SUBDEVICE) where they differ";
        return Verdict::from(Finding {
            // Twins that are lent together are meant.
            severity: if twins.iter().any(needed) { Severity::Error } else { Severity::Warning },
            summary: format!("vfio-pci takes {} too: it has the same id", names.join(", ")),
            evidence: all,
            consequence: "ids= cannot tell cards of one kind apart; the host loses them all at boot, its display or disk among \
                them where it is one."
                .into(),
            remedy: Remedy::new(
                When::Reboot,
                format!("Take the id out and bind the device by its address (`passthru bind {}`), or use {narrow}", device.address),
            ),
        });
    }
    if !claims.unseen.is_empty() {
        return Verdict::CouldNotLook(claims.unseen.clone());
    }
    // Functions of one card are not what people mix up.
    let twins: Vec<&Device> = others.filter(|other| other.address.slot() != device.address.slot()).collect();
    if twins.is_empty() {
        return Verdict::Pass("it is the only one of its kind".into());
    }
    let names: Vec<String> = twins.iter().map(|twin| twin.address.to_string()).collect();
    Verdict::from(Finding {
        severity: Severity::Note,
        summary: format!("{} of the same kind: only the address tells them apart", names.join(", ")),
        evidence: places(&twins),
        consequence: "vfio-pci.ids= and new_id would take them all.".into(),
        remedy: Remedy::new(When::Now, "Name it by its address, as passthru does, and never by its id"),
    })
}

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "host-driver-at-boot",
        title: "the host's driver gets a device at boot that vfio-pci should have",
        severity: Severity::Warning,
        subject: Subject::Boot,
        after: &[],
        about: "Somebody told vfio-pci to take the device, by `vfio-pci.ids=` on the command line or `options vfio-pci ids=` in \
            modprobe.d, and after the boot `lspci -k` still shows nvidia, nouveau, xhci_hcd. Whichever driver is there first \
            wins.\n\n\
            A driver that is built in is always first. One that is in the initramfs is loaded when its device is seen, before \
            the root file system with its modprobe.d; so vfio-pci has to be loaded first there: in \
            /etc/initramfs-tools/modules, in dracut's force_drivers, in mkinitcpio's MODULES before graphics drivers and \
            against the hook kms. `softdep DRIVER pre: vfio-pci` orders the two wherever modprobe loads DRIVER. `options` and \
            `blacklist` load nothing: the first needs something that loads vfio-pci, the second stops loading by alias only.\n\n\
            The trap: modprobe.d is copied into the initramfs when that is made. Make it anew after every change.\n\n\
            Nobody needs vfio-pci at boot just to lend a device later: `passthru bind` and `run` take it when it is wanted.",
        sources: &[
            "modprobe.d(5)",
            "initramfs-tools(7)",
            "dracut.conf(5)",
            "mkinitcpio.conf(5)",
            "modules.builtin: Documentation/kbuild/kbuild.rst",
        ],
        ask: Ask::Device(host_driver_at_boot),
    },
    Check {
        id: "initramfs-config",
        title: "a file about the initramfs does not do what it says",
        severity: Severity::Warning,
        subject: Subject::Boot,
        after: &[],
        about: "dracut reads files in /etc/dracut.conf.d only if their names end in `.conf`. Values are appended as they \
            are: `add_drivers+=\"vfio vfio_pci\"` becomes part of the word before it, and dracut warns `<key>+=\" <values> \
            \": <values> should have surrounding white spaces!`. Write `add_drivers+=\" vfio vfio_pci \"`.\n\n\
            With the modules missing in the initramfs the boot can stop at `Starting dracut pre-udev hook` where \
            `rd.driver.pre=` asks for one of them.",
        sources: &["dracut.conf(5)", "dracut.sh, check_conf_file"],
        ask: Ask::Host(initramfs_config),
    },
    Check {
        id: "boot-framebuffer",
        title: "the framebuffer of the boot lies in a graphics card's memory",
        severity: Severity::Error,
        subject: Subject::Boot,
        after: &[],
        about: "The firmware sets up a picture on one card, and the kernel goes on drawing there with efifb, vesafb or simpledrm \
            until a real driver takes over. Where none does, because the card is for vfio-pci, the range stays taken (`BOOTFB` \
            in /proc/iomem), and the kernel says `vfio-pci 0000:01:00.0: BAR 0: can't reserve [mem 0xc0000000-0xcfffffff 64bit \
            pref]`; the guest's screen stays black.\n\n\
            Since Linux 6.0 vfio-pci takes the range away when it binds a VGA device (class 0300). On older kernels, and for 3D and \
            other display controllers (0302, 0380), the framebuffer has to be kept from the card: `video=efifb:off` where \
            efifb draws, `initcall_blacklist=sysfb_init` where simpledrm, simplefb, efidrm or vesadrm does. `video=efifb:off` does nothing \
            to simpledrm.\n\n\
            The trap: the screen is dark from then on. The console does not come back by giving the card back to the host.",
        sources: &[
            "drivers/vfio/pci/vfio_pci_core.c, vfio_pci_vga_init",
            "drivers/video/aperture.c",
            "drivers/firmware/sysfb.c, sysfb_init",
            "kernel/resource.c",
        ],
        ask: Ask::Device(boot_framebuffer),
    },
    Check {
        id: "identical-twins",
        title: "another device has the same id, and ids= takes both",
        severity: Severity::Warning,
        subject: Subject::Boot,
        after: &[],
        about: "`vfio-pci.ids=10de:1284` takes every card with that id, at boot and when one is plugged in. With two of a kind the \
            host loses both, often its only display: the screen goes dark before anything can be typed. `new_id` does the same at \
            run time.\n\n\
            Subsystem ids (`10de:1284:1462:3380`) tell cards of different makers apart, the same card twice they do not. \
            passthru binds by address, with driver_override, and touches no other device.",
        sources: &[
            "drivers/pci/pci-driver.c, pci_match_device",
            "Documentation/ABI/testing/sysfs-bus-pci, driver_override",
        ],
        ask: Ask::Device(identical_twins),
    },
];
