//! The initramfs image against the files it is made from: a change that was not followed by
//! making it anew has no effect on what is loaded there.

use std::collections::BTreeSet;

use passthru_formats::image::Image;
use passthru_formats::modprobe::{self, Command};
use passthru_formats::modules;
use passthru_model::system::boot::Stage;
use passthru_model::system::kernels::Presence;
use passthru_model::system::{Boot, Tool};
use passthru_model::{Evidence, Fact, Finding, Remedy, Severity, Unseen, Verdict, When};

use super::processor::running;
use super::{Ask, Check, Host, Subject, early, not_known};

/// Where the owner of the host writes; what distributions bring lies elsewhere and changes
/// with packages, which make the image anew.
const OWN: &str = "/etc/modprobe.d/";

/// The image of the running kernel, where it was opened and understood.
pub(super) fn inside(boot: &Boot) -> Option<(&str, &Image)> {
    let image = boot.image.as_ref()?;
    Some((&image.path, image.inside.known()?))
}

/// Whether a line is about VFIO, or about a module that is inside.
fn matters(command: &Command, image: &Image) -> bool {
    let of = |name: &str| name.starts_with("vfio") || image.modules.contains(name);
    match command {
        Command::Alias { .. } => false,
        command => command.modules().any(of),
    }
}

fn initramfs_image(host: &Host<'_>) -> Verdict {
    let system = &host.snapshot.system;
    let boot = &system.boot;
    let Some(of) = &boot.image else {
        return Verdict::NotApplicable("no file says anything about VFIO at boot".into());
    };
    let image = match &of.inside {
        Fact::Known(image) => image,
        Fact::Absent => {
            return super::could_not_look(
                &of.path,
                "there is none, nor is one in the other usual places; it may be part of a unified kernel image",
            );
        }
        other => return not_known(other, &of.path),
    };
    let mut evidence = Vec::new();
    // Files with lines that are missing inside.
    let mut missing: BTreeSet<&str> = BTreeSet::new();
    let mut unseen: Vec<Unseen> = Vec::new();

    let inside: Vec<(&str, Command)> = image
        .modprobe()
        .filter(|(path, _)| path.starts_with(OWN))
        .flat_map(|(path, text)| modprobe::parse(text).into_iter().map(move |(_, command)| (path, command)))
        .collect();
    let outside = || boot.modprobe.at_least().iter().filter(|line| line.path.starts_with(OWN));
    for line in outside().filter(|line| matters(&line.command, image)) {
        if !inside.iter().any(|(_, command)| *command == line.command) {
            let link = image.unresolved.iter().find(|link| **link == line.path || format!("{link}/") == OWN);
            if let Some(link) = link {
                let why = "it is a link that leads to no file in the image that passthru keeps".into();
                unseen.push(Unseen { path: format!("{}: {link}", of.path), why });
                continue;
            }
            let place = format!("{}:{}", line.path, line.line);
            evidence.push(Evidence::new(place, format!("{} (not in the image)", line.command)));
            missing.insert(&line.path);
        }
    }
    match boot.modprobe.complete() {
        Ok(_) => {
            for (path, command) in inside.iter().filter(|(_, command)| matters(command, image)) {
                if !outside().any(|line| line.command == *command) {
                    let place = format!("{}: {path}", of.path);
                    evidence.push(Evidence::new(place, format!("{command} (no longer in /etc)")));
                }
            }
        }
        Err(spots) => {
            unseen.extend(spots.iter().map(|s| Unseen { path: s.path.clone(), why: s.error.to_string() }));
        }
    }

    let first = image.first();
    for named in boot.named.at_least().iter().filter(|named| named.stage != Stage::Root) {
        let module = modules::canonical(&named.module);
        // A module that this kernel does not have is another check's.
        let is_file = running(host).and_then(|kernel| kernel.module(&module)) == Some(Presence::File);
        let inside = image.modules.contains(&*module);
        let is_first = named.stage != Stage::InitramfsFirst || first.iter().any(|(_, one)| *one == *module);
        if !module.starts_with("vfio") || !is_file || (inside && is_first) {
            continue;
        }
        match &image.unopened {
            Some(inner) => unseen.push(Unseen {
                path: format!("{}: {inner}", of.path),
                why: "modules and lists of them in a file system inside the image are not looked for".into(),
            }),
            None => {
                let place = format!("{}:{}", named.path, named.line);
                let lacks = if inside {
                    "the image does not load it first"
                } else {
                    "the module is not in the image"
                };
                evidence.push(Evidence::new(place, format!("{module} ({lacks})")));
            }
        }
    }

    if evidence.is_empty() {
        if unseen.is_empty() {
            return Verdict::Pass(format!("{} says what the files outside say", of.path));
        }
        unseen.dedup();
        return Verdict::CouldNotLook(unseen);
    }
    evidence.insert(0, Evidence::new(&of.path, "the image of the running kernel"));
    let mut remedy = Remedy::new(When::Reboot, "Make the initramfs images anew, and boot");
    let files: Vec<&str> = missing.into_iter().collect();
    // dracut copies /etc/modprobe.d only where the image is for this host alone (90kernel-modules).
    let is_general = system.has(Tool::Dracut)
        && !system.has(Tool::RpmOstree)
        && inside.is_empty()
        && image.modprobe().any(|(path, _)| !path.starts_with(OWN));
    if is_general && !files.is_empty() {
        let items = files.join(" ");
        remedy.text = format!(
            "dracut leaves /etc/modprobe.d out of images that are not made for one host only: tell it to put {items} in, make \
             the images anew, and boot"
        );
        let line = format!("install_items+=\" {items} \"");
        remedy = remedy.command(format!("echo '{line}' >> /etc/dracut.conf.d/modprobe-d.conf"));
    }
    Verdict::from(Finding {
        severity: Severity::Warning,
        summary: "The initramfs image is not the one its configuration asks for".into(),
        evidence,
        consequence: "What is loaded there goes by the old files, and most drivers are: devices end up where the image says."
            .into(),
        remedy: remedy.commands(early::rebuild_with(system, &files)),
    })
}

pub(super) const CHECKS: &[Check] = &[Check {
    id: "initramfs-image",
    title: "the initramfs image has not what its configuration says",
    severity: Severity::Warning,
    subject: Subject::Boot,
    after: &[],
    about: "Files of /etc/modprobe.d and the list of modules are copied into the image when it is made. Who edits them and does \
        not make it anew boots with the old ones: `options vfio-pci ids=` without effect, a card still taken from the host \
        although its id was taken out, a `softdep` that orders nothing.\n\n\
        dracut copies /etc/modprobe.d only into images that are made for one host (`hostonly`, the default on Fedora); \
        into others `install_items` puts a file.\n\n\
        passthru opens the image of the running kernel (gzip, zstd, xz, lz4) where anything on the host is about VFIO at boot, \
        and compares: lines about VFIO and about modules that are inside, and the modules that are asked for there. Only \
        /etc/modprobe.d is compared; packages make the image anew themselves.\n\n\
        It is the file that is compared, as the next boot finds it: whether the host was booted since it was made is not seen.\n\n\
        Not opened: images compressed with bzip2, lzma or lzo, a file system inside the image (dracut's squash), and images that \
        are part of a unified kernel image.",
    sources: &[
        "Documentation/driver-api/early-userspace/buffer-format.rst",
        "initramfs-tools(7)",
        "dracut.conf(5)",
        "mkinitcpio(8)",
    ],
    ask: Ask::Host(initramfs_image),
}];

#[cfg(test)]
mod tests {
    use passthru_model::system::Kernel;
    use passthru_model::system::boot::{InitramfsImage, ModprobeLine, NamedModule};
    use passthru_model::{Seen, System};

    use super::super::testing::{host_with, verdict};
    use super::*;

    const IDS: &str = "options vfio-pci ids=10de:1284";

    /// A line of a file of modprobe.d, and an image with these files and modules.
    fn host(set: impl FnOnce(&mut System, &mut Image)) -> String {
        let snapshot = host_with(|system| {
            let command = modprobe::parse(IDS.as_bytes()).remove(0).1;
            let path = "/etc/modprobe.d/vfio.conf".to_owned();
            system.boot.modprobe = Seen::new(vec![ModprobeLine { path, line: 1, command }], Vec::new());
            let mut image = Image::default();
            set(system, &mut image);
            if system.boot.image.is_none() {
                let path = "/boot/initrd.img".to_owned();
                system.boot.image = Some(InitramfsImage { path, inside: Fact::Known(image) });
            }
        });
        verdict(&snapshot, "initramfs-image")
    }

    const OLD: &str = "The initramfs image is not the one its configuration asks for";

    #[test]
    fn what_both_say_and_what_one_says() {
        let file = |text: &str| {
            host(|_, image| drop(image.files.insert("/etc/modprobe.d/vfio.conf".into(), text.into())))
        };
        assert_eq!(file(IDS), "pass");
        // Comments and blanks are no difference, and a module that is not inside is none of it.
        assert_eq!(
            file("# mine\noptions  vfio_pci   ids=10de:1284\noptions snd_hda_intel power_save=1\n"),
            "pass"
        );
        assert_eq!(file(""), OLD);
        for link in ["/etc/modprobe.d/vfio.conf", "/etc/modprobe.d"] {
            let linked = host(|_, image| image.unresolved.extend([link.to_owned()]));
            assert_eq!(linked, format!("could not look at /boot/initrd.img: {link}"));
        }
        assert_eq!(host(|_, image| image.unresolved.extend(["/etc/modprobe.d/x.conf".to_owned()])), OLD);
        assert_eq!(file("options vfio-pci ids=10de:1285\n"), OLD);
        assert_eq!(file(&format!("{IDS}\nsoftdep nouveau pre: vfio-pci\n")), OLD);
        let nouveau = host(|_, image| {
            image.modules.insert("nouveau".into());
            let text = format!("{IDS}\nblacklist nouveau\n");
            image.files.insert("/etc/modprobe.d/vfio.conf".into(), text.into());
        });
        assert_eq!(nouveau, OLD, "no longer on the blacklist outside");
        assert_eq!(verdict(&host_with(|_| ()), "initramfs-image"), "not applicable");
    }

    #[test]
    fn modules_that_should_be_inside() {
        let asked = |system: &mut System, image: &mut Image| {
            image.files.insert("/etc/modprobe.d/vfio.conf".into(), IDS.into());
            let (path, module) = ("/etc/initramfs-tools/modules".to_owned(), "vfio-pci".to_owned());
            system.boot.named = Seen::new(
                vec![NamedModule { path, line: 3, module, stage: Stage::InitramfsFirst }],
                Vec::new(),
            );
        };
        let file = |system: &mut System, path: &str| {
            let kernel = Kernel {
                release: "6.1".into(),
                running: true,
                directory: Some("/lib/modules/6.1".into()),
                config_path: String::new(),
                config: Fact::Absent,
                files: Fact::Known([("vfio_pci".to_owned(), path.to_owned())].into()),
                builtin: Fact::Known(BTreeSet::new()),
            };
            system.kernels = Seen::new(vec![kernel], Vec::new());
        };
        let path = "kernel/drivers/vfio/pci/vfio-pci.ko";
        let missing = host(|system, image| {
            asked(system, image);
            file(system, path);
        });
        assert_eq!(missing, OLD);
        let inside = host(|system, image| {
            asked(system, image);
            file(system, path);
            image.modules.insert("vfio_pci".into());
            image.files.insert("/conf/modules".into(), "vfio-pci\n".into());
        });
        assert_eq!(inside, "pass");
        // It is inside, and waits for somebody to ask for it.
        let later = host(|system, image| {
            asked(system, image);
            file(system, path);
            image.modules.insert("vfio_pci".into());
            image.files.insert("/conf/modules".into(), "virtio_iommu\n".into());
        });
        assert_eq!(later, OLD);
        let squashed = host(|system, image| {
            asked(system, image);
            file(system, path);
            image.unopened = Some("squashfs-root.img".into());
        });
        assert_eq!(squashed, "could not look at /boot/initrd.img: squashfs-root.img");
        // A kernel without it: another check says so.
        assert_eq!(host(asked), "pass");
    }

    #[test]
    fn what_is_not_read_is_not_right() {
        for (inside, said) in [
            (Fact::Absent, "could not look at /boot/initrd.img"),
            (Fact::Malformed("it is compressed with lzo".into()), "could not look at /boot/initrd.img"),
            (Fact::Unreadable(passthru_formats::Errno::EACCES), "could not look at /boot/initrd.img"),
        ] {
            let image = InitramfsImage { path: "/boot/initrd.img".into(), inside };
            assert_eq!(host(|system, _| system.boot.image = Some(image)), said);
        }
    }

    #[test]
    fn dracut_leaves_them_out_of_general_images() {
        let install =
            "echo 'install_items+=\" /etc/modprobe.d/vfio.conf \"' >> /etc/dracut.conf.d/modprobe-d.conf";
        assert_eq!(general(&[Tool::Dracut]), [install, "dracut -f --regenerate-all"]);
        // Its owner has other ways into it.
        let track = "rpm-ostree initramfs-etc --track=/etc/modprobe.d/vfio.conf --force-sync";
        assert_eq!(general(&[Tool::RpmOstree, Tool::Dracut]), [track]);
    }

    /// What is to be done where an image has the distribution's files and not the owner's.
    fn general(tools: &[Tool]) -> Vec<String> {
        let snapshot = host_with(|system| {
            let command = modprobe::parse(IDS.as_bytes()).remove(0).1;
            let path = "/etc/modprobe.d/vfio.conf".to_owned();
            system.boot.modprobe = Seen::new(vec![ModprobeLine { path, line: 1, command }], Vec::new());
            system.tools = tools.to_vec();
            let mut image = Image::default();
            image
                .files
                .insert("/usr/lib/modprobe.d/systemd.conf".into(), b"options bonding max_bonds=0".to_vec());
            let path = "/boot/initramfs.img".to_owned();
            system.boot.image = Some(InitramfsImage { path, inside: Fact::Known(image) });
        });
        let records = passthru_model::Records::default();
        let Verdict::Found(found) = initramfs_image(&Host::new(&snapshot, &records)) else {
            panic!("no finding")
        };
        found[0].remedy.commands.clone()
    }
}
