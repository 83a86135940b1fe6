//! What is inside an initramfs image: modules, and what decides which of them comes first.
//!
//! An image is a row of cpio archives with zeros between them, each plain or compressed
//! (Documentation/driver-api/early-userspace/buffer-format.rst): the processor's microcode
//! first, then, with newer initramfs-tools often apart and not compressed, modules and
//! firmware, then the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read};

use crate::path::absolute;
use crate::{cmdline, initramfs, modprobe, modules};

/// The most that is read of an image. Those of distributions have 20 to 200 MB.
const MAX_IMAGE: u64 = 1 << 30;
/// The most that is unpacked.
const MAX_UNPACKED: u64 = 4 << 30;
/// The most that is kept of one file; those that are kept have a few lines.
const MAX_FILE: u32 = 64 << 10;
/// The most files and links that are kept for links of modprobe.d; images have a few dozen.
const MAX_TARGETS: usize = 256;
/// A symbolic link, of an entry's mode.
const LINK: u32 = 0o120_000;
/// How much is unpacked at a time.
const BUFFER: usize = 128 << 10;
/// The most memory xz may ask for, in KiB: what `xz -9` needs.
const XZ_MEMORY: u32 = 128 << 10;

/// Magic numbers (`lib/decompress.c`, `compressed_formats`).
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
/// Blocks without a frame, as `lz4 -l` writes them.
const LZ4: &[u8] = &[0x02, 0x21, 0x4c, 0x18];
/// The longest of all of them.
const LONGEST: usize = XZ.len();
/// Those that are not read here.
const OTHERS: [(&[u8], &str); 4] = [
    (&[0x42, 0x5a, b'h'], "bzip2"),
    (&[0x5d, 0, 0], "lzma"),
    (&[0x89, 0x4c, 0x5a, 0x4f], "lzo"),
    (b"hsqs", "squashfs"),
];

/// The program the kernel starts.
const INIT: &str = "init";
/// What initramfs-tools loads first: one module a line.
const FIRST: &str = "conf/modules";
/// Command lines of dracut: `rd.driver.pre=MODULE` where `force_drivers` asks for it.
const COMMAND_LINES: &str = "etc/cmdline.d/";
/// What mkinitcpio's `/init` sources.
const CONFIG: &str = "config";
/// File systems in files, into which dracut's module `squash` and its successors put the
/// modules: they are not opened.
const INNER: [&str; 5] =
    ["squash-root.img", "squashfs-root.img", "squash/root.img", "root.squashfs", "erofs-root.img"];

/// What is inside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// The modules, by their canonical names.
    pub modules: BTreeSet<String>,
    /// Small files that decide about modules, by their paths in the image, which begin with
    /// `/`.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Links below modprobe.d, or that stand for it, that lead to nothing that was kept: what
    /// they say is not known.
    pub unresolved: BTreeSet<String>,
    /// A file system inside it that was not opened: more modules may be there.
    pub unopened: Option<String>,
}

/// Why an image is not understood.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It cannot be read, is cut off, or its compressed data are damaged.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// It is compressed in a way that is not known here.
    #[error("it is compressed with {0}, which passthru does not read")]
    Compression(&'static str),
    /// It is neither an archive nor compressed.
    #[error("it is no initramfs image: it begins with {0}")]
    NoImage(String),
    /// It ends after an archive that is not the last one.
    #[error("it is not whole: there is no /init in it")]
    NotWhole,
}

impl Image {
    /// The modules that are loaded before devices are looked for, in their order, with the file
    /// that says so.
    #[must_use]
    pub fn first(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (path, text) in &self.files {
            let mut add = |module: &str| {
                found.push((path.clone(), modules::canonical(module.trim_end_matches('?')).into()));
            };
            match path.strip_prefix('/').unwrap_or(path) {
                FIRST => initramfs::module_lines(text).for_each(|(_, module)| add(module)),
                CONFIG => {
                    let all = initramfs::assignments(text);
                    let modules = all.iter().filter(|a| a.key == "MODULES" || a.key == "EARLYMODULES");
                    modules.flat_map(initramfs::Assignment::words).for_each(add);
                }
                inside if inside.starts_with(COMMAND_LINES) => {
                    let text = String::from_utf8_lossy(text);
                    for parameter in cmdline::parse(&text).filter(|p| p.is("rd.driver.pre")) {
                        parameter.parts().for_each(&mut add);
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// Files of modprobe.d(5), with their paths in the image.
    pub fn modprobe(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let files = self.files.iter().filter(|(path, _)| is_below_modprobe(&path[1..]));
        files.map(|(path, text)| (&**path, &**text))
    }

    /// An image, not compressed, that says the same: what captures keep of one.
    ///
    /// # Errors
    /// Never: it is written into memory.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let with_mode = |mode, name: &str, content: &[u8], bytes: Vec<u8>| -> io::Result<Vec<u8>> {
            let size = u32::try_from(content.len()).map_err(io::Error::other)?;
            let mut writer = cpio::newc::Builder::new(name).mode(mode).write(bytes, size);
            io::Write::write_all(&mut writer, content)?;
            writer.finish()
        };
        let entry = |name: &str, content: &[u8], bytes| with_mode(0o100_644, name, content, bytes);
        for path in &self.unresolved {
            bytes = with_mode(LINK | 0o777, path.trim_start_matches('/'), b"/", bytes)?;
        }
        for module in &self.modules {
            bytes = entry(&format!("lib/modules/{module}.ko"), &[], bytes)?;
        }
        for (path, content) in &self.files {
            bytes = entry(path.trim_start_matches('/'), content, bytes)?;
        }
        if let Some(inner) = &self.unopened {
            bytes = entry(inner, &[], bytes)?;
        }
        bytes = entry(INIT, &[], bytes)?;
        cpio::newc::trailer(bytes)
    }
}

/// An image that is being read.
#[derive(Default)]
struct Reading {
    image: Image,
    /// Whether process 1 was met: an image without it is not whole.
    init: bool,
    /// Whether the last archive has been read to its end.
    ended: bool,
    /// Links whose names end in `.conf`, and those of modprobe.d itself, with their targets.
    links: BTreeMap<String, String>,
    /// Files whose names end in `.conf` that such links may lead to.
    targets: BTreeMap<String, Vec<u8>>,
}

impl Reading {
    fn archive(&mut self, from: &mut dyn BufRead) -> Result<(), ImageError> {
        self.ended = false;
        loop {
            let mut entry = cpio::NewcReader::new(&mut *from)?;
            if entry.entry().is_trailer() {
                entry.finish()?;
                self.ended = true;
                return Ok(());
            }
            let name = entry.entry().name();
            let name = name.strip_prefix("./").unwrap_or(name).trim_start_matches('/').to_owned();
            let kind = entry.entry().mode() & 0o170_000;
            let is_file = kind == 0o100_000;
            let small = entry.entry().file_size() <= MAX_FILE;
            let is_conf = name.ends_with(".conf");
            // It is a link in some.
            self.init |= name == INIT;
            if is_file && let Some(module) = modules::name(&name) {
                self.image.modules.insert(module.into_owned());
            } else if is_file && INNER.iter().any(|inner| name.ends_with(inner)) {
                self.image.unopened = Some(name);
            } else if is_file && is_wanted(&name) && small {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                self.image.files.insert(format!("/{name}"), content);
            } else if is_file && is_conf && small && self.targets.len() < MAX_TARGETS {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                self.targets.insert(name.clone(), content);
            } else if kind == LINK
                && small
                && self.links.len() < MAX_TARGETS
                && (is_conf || is_modprobe(&name))
            {
                let mut target = Vec::new();
                entry.read_to_end(&mut target)?;
                self.links.insert(name.clone(), String::from_utf8_lossy(&target).into_owned());
            }
            entry.finish()?;
        }
    }

    /// Follows the links of modprobe.d to their files.
    fn resolve(&mut self) {
        for link in self.links.keys() {
            if !is_modprobe(link) && !is_below_modprobe(link) {
                continue;
            }
            let mut at = format!("/{link}");
            // As often as the kernel follows links (`MAXSYMLINKS`).
            for _ in 0..40 {
                let Some(target) = self.links.get(&at[1..]) else { break };
                at = absolute(at.rsplit_once('/').map_or("", |(directory, _)| directory), target);
            }
            let kept = self.targets.get(&at[1..]).or_else(|| self.image.files.get(&at));
            match kept.cloned() {
                Some(content) => drop(self.image.files.insert(format!("/{link}"), content)),
                None => self.image.unresolved.extend([format!("/{link}")]),
            }
        }
    }

    /// Archives one after the other, in a stream that may hold compressed ones.
    fn archives(&mut self, from: &mut dyn BufRead, packed: bool) -> Result<(), ImageError> {
        loop {
            // The kernel lets any number of zeros stand between them.
            let zeros = loop {
                let buffer = from.fill_buf()?;
                let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
                if buffer.is_empty() || zeros < buffer.len() {
                    break zeros;
                }
                from.consume(zeros);
            };
            from.consume(zeros);
            let buffer = from.fill_buf()?;
            match buffer.first() {
                None => return Ok(()),
                // The kernel knows an archive by its first byte (`init/initramfs.c`).
                Some(b'0') => self.archive(from)?,
                Some(_) if packed => return Err(no_image(buffer)),
                Some(_) => self.unpack(from)?,
            }
        }
    }

    fn unpack(&mut self, from: &mut dyn BufRead) -> Result<(), ImageError> {
        let mut start = Vec::new();
        (&mut *from).take(LONGEST as u64).read_to_end(&mut start)?;
        let from = start.chain(from);
        let unpacked: Box<dyn Read + '_> = match &*start {
            s if s.starts_with(GZIP) => Box::new(flate2::bufread::GzDecoder::new(from)),
            s if s.starts_with(ZSTD) => {
                Box::new(ruzstd::decoding::StreamingDecoder::new(from).map_err(io::Error::other)?)
            }
            s if s.starts_with(XZ) => Box::new(lzma_rust2::XzReader::new_mem_limit(from, false, XZ_MEMORY)),
            s if s.starts_with(LZ4) => Box::new(lz4_flex::frame::FrameDecoder::new(from)),
            s => {
                let known = OTHERS.iter().find(|(magic, _)| s.starts_with(magic));
                return Err(known.map_or_else(|| no_image(s), |(_, name)| ImageError::Compression(name)));
            }
        };
        let read = self.archives(&mut BufReader::with_capacity(BUFFER, unpacked.take(MAX_UNPACKED)), true);
        match read {
            // lz4's old frames have no end: zeros behind one are the kernel's sign of it
            // (`lib/decompress_unlz4.c`), and a block without a size to the library.
            Err(ImageError::Read(_)) if self.ended && start.starts_with(LZ4) => Ok(()),
            read => read,
        }
    }
}

/// Whether a name, which has no slash before it, is below a directory of modprobe.d(5).
fn is_below_modprobe(name: &str) -> bool {
    modprobe::DIRECTORIES
        .iter()
        .any(|directory| name.strip_prefix(&directory[1..]).is_some_and(|rest| rest.starts_with('/')))
}

/// Whether a name, which has no slash before it, is such a directory.
fn is_modprobe(name: &str) -> bool {
    modprobe::DIRECTORIES.iter().any(|directory| &directory[1..] == name)
}

fn is_wanted(name: &str) -> bool {
    let is_conf = || name.ends_with(".conf");
    name == FIRST
        || name == CONFIG
        || (is_conf() && name.starts_with(COMMAND_LINES))
        || (is_conf() && is_below_modprobe(name))
}

fn no_image(start: &[u8]) -> ImageError {
    let bytes: Vec<String> = start.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    ImageError::NoImage(bytes.join(" "))
}

/// Reads an image. All of it is unpacked, nothing of it is kept but what [`Image`] holds.
///
/// # Errors
/// See [`ImageError`].
pub fn read(image: impl Read) -> Result<Image, ImageError> {
    let mut found = Reading::default();
    let mut image = BufReader::with_capacity(BUFFER, image.take(MAX_IMAGE));
    if image.fill_buf()?.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is empty").into());
    }
    found.archives(&mut image, false)?;
    found.resolve();
    if found.init { Ok(found.image) } else { Err(ImageError::NotWhole) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn image() -> Image {
        let mut image = Image::default();
        image.modules.extend(["nouveau", "vfio_pci"].map(str::to_owned));
        for (path, text) in [
            ("/etc/modprobe.d/vfio.conf", "options vfio-pci ids=10de:1284\n"),
            ("/conf/modules", "# first\nvfio-pci\n"),
            ("/config", "MODULES=\"vfio_iommu_type1 i915?\"\nHOOKS=\"base kms\"\n"),
            ("/etc/cmdline.d/20-force_drivers.conf", "rd.driver.pre=vfio-pci rd.driver.pre=xhci_hcd,nvme\n"),
        ] {
            image.files.insert(path.into(), text.into());
        }
        image
    }

    fn archive(entries: &[(&str, u32, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, mode, content) in entries {
            let builder = cpio::newc::Builder::new(name).mode(*mode);
            let mut writer = builder.write(bytes, content.len().try_into().unwrap());
            writer.write_all(content).unwrap();
            bytes = writer.finish().unwrap();
        }
        cpio::newc::trailer(bytes).unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let mut image = image();
        assert_eq!(read(&*image.to_bytes().unwrap()).unwrap(), image);
        image.unopened = Some("squashfs-root.img".into());
        image.unresolved.insert("/etc/modprobe.d/x.conf".into());
        assert_eq!(read(&*image.to_bytes().unwrap()).unwrap(), image);
    }

    /// NixOS, and Debian's alternatives.
    #[test]
    fn links_of_modprobe_d() {
        let bytes = archive(&[
            ("etc/modprobe.d/nixos.conf", 0o120_777, b"/nix/store/x-nixos.conf"),
            ("etc/modprobe.d/card.conf", 0o120_777, b"../alternatives/card.conf"),
            ("etc/modprobe.d/gone.conf", 0o120_777, b"/etc/gone.conf"),
            ("etc/modprobe.d/round.conf", 0o120_777, b"round.conf"),
            ("etc/alternatives/card.conf", 0o120_777, b"/etc/card/card.conf"),
            ("etc/card/card.conf", 0o100_644, b"blacklist nouveau\n"),
            ("nix/store/x-nixos.conf", 0o100_644, b"options kvm x=1\n"),
            ("lib/modprobe.d", 0o120_777, b"/usr/lib/modprobe.d"),
            ("init", 0o100_755, b"#!"),
        ]);
        let image = read(&*bytes).unwrap();
        assert_eq!(
            image.modprobe().collect::<Vec<_>>(),
            [
                ("/etc/modprobe.d/card.conf", &b"blacklist nouveau\n"[..]),
                ("/etc/modprobe.d/nixos.conf", b"options kvm x=1\n"),
            ]
        );
        let unresolved = ["/etc/modprobe.d/gone.conf", "/etc/modprobe.d/round.conf", "/lib/modprobe.d"];
        assert_eq!(image.unresolved.iter().collect::<Vec<_>>(), unresolved);
    }

    #[test]
    fn what_is_loaded_first() {
        let first = image().first();
        let first: Vec<(&str, &str)> = first.iter().map(|(path, module)| (&**path, &**module)).collect();
        assert_eq!(
            first,
            [
                ("/conf/modules", "vfio_pci"),
                ("/config", "vfio_iommu_type1"),
                ("/config", "i915"),
                ("/etc/cmdline.d/20-force_drivers.conf", "vfio_pci"),
                ("/etc/cmdline.d/20-force_drivers.conf", "xhci_hcd"),
                ("/etc/cmdline.d/20-force_drivers.conf", "nvme"),
            ]
        );
        let image = image();
        assert_eq!(image.modprobe().map(|(path, _)| path).collect::<Vec<_>>(), ["/etc/modprobe.d/vfio.conf"]);
    }

    #[test]
    fn archives_one_after_the_other() {
        let microcode = archive(&[("kernel/x86/microcode/GenuineIntel.bin", 0o100_644, b"12345")]);
        let modules = archive(&[
            ("usr/lib/modules/6.12/kernel/drivers/vfio/pci/vfio-pci.ko.zst", 0o100_644, b"x"),
            // No file, so no module.
            ("usr/lib/modules/6.12/kernel/drivers/gpu/nouveau.ko", 0o40_755, b""),
        ]);
        let rest = archive(&[
            ("./etc/modprobe.d/a.conf", 0o100_644, b"blacklist nouveau\n"),
            ("init", 0o100_755, b"#!"),
        ]);
        for packed in [gzip(&rest), rest.clone()] {
            let mut bytes = microcode.clone();
            bytes.resize(bytes.len() + 1000, 0);
            bytes.extend(&modules);
            // A buffer ends in the midst of the magic number.
            bytes.resize(BUFFER - 1, 0);
            bytes.extend(packed);
            bytes.extend([0; 7]);
            let image = read(&*bytes).unwrap();
            assert_eq!(image.modules.iter().collect::<Vec<_>>(), ["vfio_pci"]);
            assert_eq!(image.files["/etc/modprobe.d/a.conf"], b"blacklist nouveau\n");
        }
    }

    /// Made with cpio's format by hand, and packed by gzip, zstd, xz and lz4 themselves.
    #[test]
    fn compressed_in_every_way_it_is_the_same() {
        let plain = read(&include_bytes!("../../../fuzz/seeds/image/plain")[..]).unwrap();
        assert_eq!(plain.modules.iter().collect::<Vec<_>>(), ["vfio_pci"]);
        assert_eq!((plain.files.len(), plain.unopened.as_deref()), (4, Some("squashfs-root.img")));
        for (name, packed) in [
            ("gzip", &include_bytes!("../../../fuzz/seeds/image/gzip")[..]),
            ("zstd", include_bytes!("../../../fuzz/seeds/image/zstd")),
            ("xz", include_bytes!("../../../fuzz/seeds/image/xz")),
            ("lz4", include_bytes!("../../../fuzz/seeds/image/lz4")),
        ] {
            assert_eq!(read(packed).unwrap(), plain, "{name}");
            // A loader may fill up the last page.
            assert_eq!(read(packed.chain(&[0; 700][..])).unwrap(), plain, "{name}, zeros behind it");
            for end in (1..packed.len()).step_by(3) {
                read(&packed[..end]).unwrap_err();
            }
        }
    }

    #[test]
    fn what_is_no_image_is_no_empty_one() {
        let good = archive(&[("lib/modules/a.ko", 0o100_644, b"x"), ("init", 0o100_755, b"#!")]);
        for (bytes, why) in [
            (Vec::new(), "empty"),
            (b"BZh91AY&SY".to_vec(), "bzip2"),
            (vec![0x5d, 0, 0, 0x80], "lzma"),
            (archive(&[("kernel/x86/microcode/GenuineIntel.bin", 0o100_644, b"1")]), "no /init"),
            (b"\x7fELF".to_vec(), "begins with 7f 45 4c 46"),
            (gzip(b"hello"), "begins with 68 65"),
            (b"070701zzzzzzzz".to_vec(), ""),
            (good[..good.len() - 200].to_vec(), ""),
            (good[..100].to_vec(), ""),
            (gzip(&good)[..40].to_vec(), ""),
        ] {
            let error = read(&*bytes).unwrap_err().to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
        // Damaged inside: its checksum is wrong.
        let mut packed = gzip(&good);
        let end = packed.len() - 6;
        packed[end] ^= 1;
        read(&*packed).unwrap_err();
    }
}
