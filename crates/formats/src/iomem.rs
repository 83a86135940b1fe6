//! `/proc/iomem`: which framebuffer of the boot lies in which device's memory
//! (`kernel/resource.c`, `r_show`: two blanks of indentation for each level).
//!
//! Without root all addresses read as zero; names and nesting are there all the same.

use passthru_pci::Address;

use crate::line::lines;
use crate::scalar::bare_hex_u64;

/// Names of the ranges a framebuffer of the boot holds: the one sysfb keeps for simpledrm
/// and simplefb (`drivers/firmware/sysfb_simplefb.c`), and the drivers' own
/// (`drivers/video/fbdev/{efifb,vesafb,simplefb}.c`, and since 6.16
/// `drivers/gpu/drm/sysfb/{simpledrm,efidrm,vesadrm}.c`).
const FRAMEBUFFERS: [&str; 8] =
    ["BOOTFB", "efifb", "vesafb", "simplefb", "simple-framebuffer", "simpledrm", "efidrm", "vesadrm"];

/// A framebuffer of the boot in the memory of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFramebuffer {
    /// Its name in the list.
    pub name: String,
    /// The device it lies in; `None` where no device's range is around it.
    pub device: Option<Address>,
    /// First and last address; `None` where the reader may not know them.
    pub range: Option<(u64, u64)>,
}

/// The framebuffers of the boot; `None` where the text is no list of ranges.
#[must_use]
pub fn boot_framebuffers(text: &[u8]) -> Option<Vec<BootFramebuffer>> {
    let mut found = Vec::new();
    // The devices around a line, by indentation.
    let mut around: Vec<(usize, Option<Address>)> = Vec::new();
    let mut any = false;
    for (_, line) in lines(text) {
        let Some(Range { depth, start, end, name }) = range(line) else { continue };
        any = true;
        around.retain(|(outer, _)| *outer < depth);
        if FRAMEBUFFERS.contains(&name) {
            found.push(BootFramebuffer {
                name: name.to_owned(),
                device: around.iter().rev().find_map(|(_, device)| *device),
                range: (end != 0).then_some((start, end)),
            });
        }
        around.push((depth, name.parse().ok()));
    }
    any.then_some(found)
}

struct Range<'a> {
    depth: usize,
    start: u64,
    end: u64,
    name: &'a str,
}

fn range(line: &[u8]) -> Option<Range<'_>> {
    let line = std::str::from_utf8(line).ok()?;
    let (range, name) = line.split_once(" : ")?;
    let depth = range.len() - range.trim_start_matches(' ').len();
    let (start, end) = range.trim_start_matches(' ').split_once('-')?;
    Some(Range { depth, start: bare_hex_u64(start)?, end: bare_hex_u64(end)?, name: name.trim_ascii_end() })
}

/// The list with only the names that [`boot_framebuffers`] goes by; the others become `other`.
#[must_use]
pub fn without_other_names(text: &[u8]) -> String {
    let mut out = String::new();
    for (_, line) in lines(text) {
        let Some(Range { depth, start, end, name }) = range(line) else { continue };
        let known = FRAMEBUFFERS.contains(&name) || name.parse::<Address>().is_ok();
        let name = if known { name } else { "other" };
        out.push_str(&format!("{:depth$}{start:08x}-{end:08x} : {name}\n", ""));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &[u8] = b"00000000-00000fff : Reserved\n\
        c0000000-fdffffff : PCI Bus 0000:00\n\
        \x20 c0000000-d1ffffff : PCI Bus 0000:01\n\
        \x20   c0000000-cfffffff : 0000:01:00.0\n\
        \x20     c0000000-c02fffff : BOOTFB\n\
        \x20       c0000000-c02fffff : simplefb\n\
        \x20   d0000000-d1ffffff : 0000:01:00.0\n\
        \x20 de000000-deffffff : 0000:00:02.0\n\
        100000000-83dffffff : System RAM\n";

    #[test]
    fn framebuffers() {
        let found = boot_framebuffers(ROOT).unwrap();
        let device = Some("0000:01:00.0".parse().unwrap());
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0],
            BootFramebuffer { name: "BOOTFB".into(), device, range: Some((0xc000_0000, 0xc02f_ffff)) }
        );
        assert_eq!(found[1].device, device);
    }

    #[test]
    fn without_root_the_nesting_is_enough() {
        let hidden: String = std::str::from_utf8(ROOT)
            .unwrap()
            .lines()
            .map(|line| {
                let (range, name) = line.split_once(" : ").unwrap();
                let depth = range.len() - range.trim_start().len();
                format!("{}00000000-00000000 : {name}\n", " ".repeat(depth))
            })
            .collect();
        let found = boot_framebuffers(hidden.as_bytes()).unwrap();
        assert_eq!((found[0].device, found[0].range), (Some("0000:01:00.0".parse().unwrap()), None));
    }

    #[test]
    fn drivers_of_the_drm_kind() {
        for name in ["efidrm", "vesadrm", "simpledrm"] {
            let text = format!("c0000000-cfffffff : 0000:01:00.0\n  c0000000-c02fffff : {name}\n");
            let found = boot_framebuffers(text.as_bytes()).unwrap();
            assert_eq!(found.len(), 1, "{name}");
            assert_eq!(found[0].device, "0000:01:00.0".parse().ok());
        }
    }

    #[test]
    fn in_no_device() {
        let text =
            b"c0000000-c02fffff : efifb\nd0000000-dfffffff : 0000:01:00.0\ne0000000-e0ffffff : BOOTFB\n";
        let found = boot_framebuffers(text).unwrap();
        assert!(found.len() == 2 && found.iter().all(|f| f.device.is_none()));
        assert_eq!(boot_framebuffers(b"0-1 : Reserved\n"), Some(vec![]));
        for text in [&b""[..], b"nonsense\n", b"0-x : BOOTFB\n", b"\xff-\xff : BOOTFB\n"] {
            assert_eq!(boot_framebuffers(text), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn bytes_do_no_harm(text in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = boot_framebuffers(&text);
        }

        #[test]
        fn other_names_do_not_matter(text in "( {0,6}[0-9]{1,3}-[0-9]{1,3} : (BOOTFB|0000:01:00[.]0|PCI Bus 0000:00|Reserved)\n){0,8}") {
            let bare = without_other_names(text.as_bytes());
            proptest::prop_assert!(!bare.contains("Reserved"));
            proptest::prop_assert_eq!(boot_framebuffers(text.as_bytes()), boot_framebuffers(bare.as_bytes()));
        }
    }
}
