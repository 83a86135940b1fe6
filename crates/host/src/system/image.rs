//! The initramfs image of the kernel that runs. Unpacking one takes up to a second, so it is
//! opened only where somebody told the boot something about VFIO.

use std::collections::BTreeSet;

use passthru_formats::modprobe::Command;
use passthru_formats::{cmdline, image, modules};
use passthru_model::Fact;
use passthru_model::system::Boot;
use passthru_model::system::boot::InitramfsImage;

use crate::ask::{Asker, means_absent};
use crate::source::read_text;

/// Where EFI's partition is mounted; the loader's `initrd=` begins there.
const PARTITIONS: [&str; 4] = ["/boot", "/efi", "/boot/efi", ""];
/// Where a kernel's own modules are, with the name mkinitcpio gives its image.
const MODULES: [&str; 2] = ["/usr/lib/modules", "/lib/modules"];

pub(super) fn read(ask: &mut Asker<'_>, boot: &Boot) -> Option<InitramfsImage> {
    let command_line = read_text(ask.source, "/proc/cmdline").unwrap_or_default();
    if !is_about_vfio(boot, &command_line) {
        return None;
    }
    let release = read_text(ask.source, "/proc/sys/kernel/osrelease").unwrap_or_default();
    if release.is_empty() || release.contains('/') {
        return None;
    }
    let places = places(ask, &release, &command_line);
    for path in &places {
        let inside = match ask.source.open(path).map(image::read) {
            Ok(Ok(image)) => Fact::Known(image),
            Ok(Err(error)) => ask.contradicts_itself(None, "initramfs", path, error.to_string()),
            Err(error) if means_absent(error) => continue,
            Err(error) => ask.failed(None, "initramfs", path, error),
        };
        return Some(InitramfsImage { path: path.clone(), inside });
    }
    Some(InitramfsImage { path: places.into_iter().next()?, inside: Fact::Absent })
}

/// Whether somebody said when VFIO's modules are loaded, or with which options.
fn is_about_vfio(boot: &Boot, command_line: &str) -> bool {
    let vfio = |name: &str| modules::canonical(name).starts_with("vfio");
    boot.named.at_least().iter().any(|named| vfio(&named.module))
        || boot.modprobe.at_least().iter().any(|line| match &line.command {
            Command::Blacklist(_) | Command::Alias { .. } => false,
            Command::Install { command, .. } if command.contains("vfio") => true,
            command => command.modules().any(vfio),
        })
        || cmdline::parse(command_line).any(|parameter| vfio(parameter.key))
}

/// Where the image may be, the likeliest place first.
fn places(ask: &mut Asker<'_>, release: &str, command_line: &str) -> Vec<String> {
    let mut places = Vec::new();
    // The loader puts several together; that of the processor's microcode has nothing else inside.
    for parameter in cmdline::parse(command_line).filter(|parameter| parameter.is("initrd")) {
        let path = parameter.value.unwrap_or("").replace('\\', "/");
        let path = path.trim_start_matches('/');
        let plain = !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if plain && !path.contains("ucode") {
            places.extend(PARTITIONS.iter().map(|partition| format!("{partition}/{path}")));
        }
    }
    places.extend([
        // initramfs-tools.
        format!("/boot/initrd.img-{release}"),
        // dracut on Fedora and its relatives.
        format!("/boot/initramfs-{release}.img"),
        // SUSE.
        format!("/boot/initrd-{release}"),
        // genkernel.
        format!("/boot/initramfs-{release}"),
    ]);
    for directory in MODULES {
        // mkinitcpio names its image after the package.
        let package = read_text(ask.source, &format!("{directory}/{release}/pkgbase")).unwrap_or_default();
        if !package.is_empty() && !package.contains(['/', ' ']) {
            places.push(format!("/boot/initramfs-{package}.img"));
        }
    }
    let mut seen = BTreeSet::new();
    places.retain(|path| seen.insert(path.clone()));
    places
}
