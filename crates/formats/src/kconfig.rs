//! A kernel's configuration: `/boot/config-*`, `/lib/modules/*/config`, `/proc/config.gz`.
//!
//! Lines are `CONFIG_X=y`, `=m`, `="text"`, `=123`, or `# CONFIG_X is not set`
//! (`scripts/kconfig/confdata.c`, `conf_read_simple`). Everything else is passed over.

use std::collections::BTreeMap;
use std::io::Read;

use crate::line::lines;

/// Largest configuration that is unpacked, in bytes; real ones have about 300,000.
const UNPACKED: u64 = 8 << 20;

/// The options that say whether a kernel can lend devices, without `CONFIG_`.
pub const OPTIONS: &[&str] = &[
    // Virtual machines.
    "KVM",
    "KVM_INTEL",
    "KVM_AMD",
    "VHOST_NET",
    "TUN",
    // IOMMUs and interrupts.
    "IOMMU_SUPPORT",
    "INTEL_IOMMU",
    "INTEL_IOMMU_DEFAULT_ON",
    "INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF",
    "AMD_IOMMU",
    "VIRTIO_IOMMU",
    "ARM_SMMU",
    "ARM_SMMU_V3",
    "IRQ_REMAP",
    // VFIO.
    "VFIO",
    "VFIO_GROUP",
    "VFIO_CONTAINER",
    "VFIO_DEVICE_CDEV",
    "VFIO_IOMMU_TYPE1",
    "VFIO_NOIOMMU",
    "VFIO_VIRQFD",
    "VFIO_PCI",
    "VFIO_PCI_VGA",
    "VFIO_PCI_IGD",
    "IOMMUFD",
    "IOMMUFD_VFIO_CONTAINER",
    "PCI_STUB",
    // Framebuffers of the boot.
    "SYSFB_SIMPLEFB",
    "DRM_SIMPLEDRM",
    "FB_EFI",
    // The guests' side.
    "VIRTIO",
    "VIRTIO_PCI",
    "VIRTIO_BLK",
    "VIRTIO_NET",
    "SCSI_VIRTIO",
    "VIRTIO_BALLOON",
    "VIRTIO_CONSOLE",
    // Whether modules can be loaded at all.
    "MODULES",
];

/// What an option is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// Built in.
    Yes,
    /// As a module.
    Module,
    /// Not set.
    No,
    /// A number, or text in its quotes: `"y"` is a text, and switches nothing on.
    Value(String),
}

/// The options that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KernelConfig {
    options: BTreeMap<String, Setting>,
}

impl KernelConfig {
    /// What an option, named without `CONFIG_`, is set to. One that does not occur is not set:
    /// kconfig leaves out what depends on something that is not set, and what the kernel does
    /// not know.
    #[must_use]
    pub fn get(&self, name: &str) -> &Setting {
        self.options.get(name).unwrap_or(&Setting::No)
    }

    /// Whether it is built in or there as a module.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        matches!(self.get(name), Setting::Yes | Setting::Module)
    }

    /// The line as it stands in the file, or would.
    #[must_use]
    pub fn line(&self, name: &str) -> String {
        match self.get(name) {
            Setting::Yes => format!("CONFIG_{name}=y"),
            Setting::Module => format!("CONFIG_{name}=m"),
            Setting::No => format!("# CONFIG_{name} is not set"),
            Setting::Value(value) => format!("CONFIG_{name}={value}"),
        }
    }
}

/// The options of these names; `None` where the text is no kernel configuration: every kernel
/// that knows PCI devices says `CONFIG_PCI=y`.
#[must_use]
pub fn select(text: &[u8], wanted: &[&str]) -> Option<KernelConfig> {
    let mut options = BTreeMap::new();
    let mut is_one = false;
    for (_, line) in lines(text) {
        let Some((name, setting)) = option(line) else { continue };
        is_one |= name == "PCI" && setting == Setting::Yes;
        if wanted.contains(&name) {
            // The last one counts, as in conf_read_simple.
            options.insert(name.to_owned(), setting);
        }
    }
    is_one.then_some(KernelConfig { options })
}

/// The file with nothing but the options of these names.
#[must_use]
pub fn without_others(text: &[u8], wanted: &[&str]) -> Vec<u8> {
    let kept = lines(text).filter(|(_, line)| is_wanted(line, wanted) && option(line).is_some());
    kept.flat_map(|(_, line)| [line, b"\n"].concat()).collect()
}

/// Whether [`select`] looks at a line of a file for these options.
#[must_use]
pub fn is_wanted(line: &[u8], wanted: &[&str]) -> bool {
    option_name(line).is_some_and(|name| name == "PCI" || wanted.contains(&name))
}

/// The name in a line, without `CONFIG_`.
fn option_name(line: &[u8]) -> Option<&str> {
    let line = line.strip_prefix(b"# ").unwrap_or(line).strip_prefix(b"CONFIG_")?;
    let end = line.iter().position(|c| !(c.is_ascii_alphanumeric() || *c == b'_'))?;
    std::str::from_utf8(&line[..end]).ok().filter(|name| !name.is_empty())
}

fn option(line: &[u8]) -> Option<(&str, Setting)> {
    let name = option_name(line)?;
    if let Some(rest) = line.strip_prefix(b"# CONFIG_") {
        let rest = rest[name.len()..].trim_ascii_end();
        return (rest == b" is not set").then_some((name, Setting::No));
    }
    let value = line["CONFIG_".len() + name.len()..].strip_prefix(b"=")?.trim_ascii_end();
    let setting = match value {
        b"y" => Setting::Yes,
        b"m" => Setting::Module,
        b"n" => Setting::No,
        value => Setting::Value(String::from_utf8_lossy(value).into_owned()),
    };
    Some((name, setting))
}

/// Unpacks `/proc/config.gz`; `None` where it is not gzip, broken, or larger than a
/// configuration ever is.
#[must_use]
pub fn gunzip(packed: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(packed).take(UNPACKED + 1).read_to_end(&mut text).ok()?;
    (text.len() as u64 <= UNPACKED).then_some(text)
}

/// Packs a text as [`gunzip`] unpacks it.
#[must_use]
pub fn gzip(text: &[u8]) -> Option<Vec<u8>> {
    let mut packed = Vec::new();
    let mut encoder = flate2::read::GzEncoder::new(text, flate2::Compression::default());
    encoder.read_to_end(&mut packed).ok()?;
    Some(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"#\n# Linux/x86 6.12.57 Kernel Configuration\n#\nCONFIG_CC_VERSION_TEXT=\"gcc (Debian) 14\"\n\
        CONFIG_PCI=y\nCONFIG_VFIO=m\n# CONFIG_VFIO_PCI_VGA is not set\nCONFIG_HZ=250\n# CONFIG_IOMMUFD is not set\n\
        # CONFIG_LIES is nothing\n#CONFIG_TIGHT is not set\nCONFIG_\nCONFIG_NOVALUE\nCONFIG_VFIO_PCI=m";

    #[test]
    fn options() {
        let wanted = ["VFIO", "VFIO_PCI", "VFIO_PCI_VGA", "HZ", "CC_VERSION_TEXT", "KVM", "LIES"];
        // A text is no setting, and stays what it is when it is written again.
        let quoted = select(b"CONFIG_PCI=y\nCONFIG_KVM=\"y\"\n", &wanted).unwrap();
        assert!(!quoted.is_on("KVM") && quoted.line("KVM") == "CONFIG_KVM=\"y\"");
        let config = select(TEXT, &wanted).unwrap();
        assert_eq!(config.get("VFIO"), &Setting::Module);
        assert_eq!(config.line("VFIO_PCI"), "CONFIG_VFIO_PCI=m");
        assert_eq!(config.line("VFIO_PCI_VGA"), "# CONFIG_VFIO_PCI_VGA is not set");
        assert_eq!(config.get("HZ"), &Setting::Value("250".into()));
        assert_eq!(config.get("CC_VERSION_TEXT"), &Setting::Value("\"gcc (Debian) 14\"".into()));
        assert!(config.is_on("VFIO") && !config.is_on("VFIO_PCI_VGA") && !config.is_on("KVM"));
        assert!(!config.options.contains_key("LIES"));
    }

    #[test]
    fn what_is_no_configuration() {
        for text in
            [&b""[..], b"CONFIG_VFIO=m\n", b"# CONFIG_PCI is not set\n", b"\xff\xff", b"CONFIG_PCI=m\n"]
        {
            assert_eq!(select(text, &["VFIO"]), None);
        }
        assert_eq!(select(b"CONFIG_PCI=y\r\n", &[]), Some(KernelConfig::default()));
    }

    #[test]
    fn packed() {
        let packed = gzip(TEXT).unwrap();
        assert_eq!(gunzip(&packed).unwrap(), TEXT);
        assert_eq!(gunzip(TEXT), None);
        assert_eq!(gunzip(&packed[..packed.len() / 2]), None);
        let bomb = gzip(&vec![0; 9 << 20]).unwrap();
        assert_eq!(gunzip(&bomb), None);
    }

    proptest::proptest! {
        #[test]
        fn wanted_lines_are_all_that_matters(text in "((# )?CONFIG_[A-C]{1,2}(=[ymn\"x]{0,3}| is not set)?\n|PCI|\n){0,12}") {
            let text = format!("CONFIG_PCI=y\n{text}");
            let kept = without_others(text.as_bytes(), &["A", "BB"]);
            proptest::prop_assert_eq!(select(text.as_bytes(), &["A", "BB"]), select(&kept, &["A", "BB"]));
        }

        #[test]
        fn bytes_do_no_harm(text in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = (select(&text, &["A"]), gunzip(&text));
        }
    }
}
