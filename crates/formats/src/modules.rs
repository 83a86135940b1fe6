//! depmod's lists below `/lib/modules/RELEASE`: `modules.dep`, `modules.builtin`,
//! `modules.alias`. Only what is asked for is taken out of them; they have thousands of lines.
//!
//! In names of modules `-` and `_` are the same (modprobe(8)); here they are written with `_`.

use std::borrow::Cow;

use crate::line::{fields, lines};

/// A module's name with `_` for every `-`.
#[must_use]
pub fn canonical(name: &str) -> Cow<'_, str> {
    if name.contains('-') { name.replace('-', "_").into() } else { name.into() }
}

/// The path in a line of `modules.dep` (`PATH: DEPENDENCIES`) or `modules.builtin` (`PATH`).
#[must_use]
pub fn path(line: &[u8]) -> Option<&str> {
    let end = memchr::memchr(b':', line).unwrap_or(line.len());
    std::str::from_utf8(&line[..end]).ok().map(str::trim_ascii).filter(|path| !path.is_empty())
}

/// The name of a module from its path, `kernel/drivers/vfio/pci/vfio-pci.ko.zst`: `vfio_pci`.
#[must_use]
pub fn name(path: &str) -> Option<Cow<'_, str>> {
    let file = path.rsplit('/').next()?;
    let end = file.find(".ko")?;
    let compressed = matches!(&file[end + 3..], "" | ".gz" | ".xz" | ".zst" | ".bz2");
    (end > 0 && compressed).then(|| canonical(&file[..end]))
}

/// The modules a list has, of those that are wanted: canonical name and path.
pub fn list<'a>(
    text: &'a [u8],
    wanted: &'a dyn Fn(&str) -> bool,
) -> impl Iterator<Item = (Cow<'a, str>, &'a str)> {
    lines(text).filter_map(move |(_, line)| {
        let path = path(line)?;
        let name = name(path)?;
        wanted(&name).then_some((name, path))
    })
}

/// The modules that claim a device: those whose pattern in `modules.alias` (`alias PATTERN
/// MODULE`) fits its modalias, in the order of the file, each once.
#[must_use]
pub fn claimants(aliases: &[u8], modalias: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, line) in lines(aliases) {
        let mut words = fields(line);
        if words.next() != Some(b"alias") {
            continue;
        }
        let (Some(pattern), Some(module)) = (words.next(), words.next()) else { continue };
        if glob(pattern, modalias.as_bytes())
            && let Ok(module) = std::str::from_utf8(module)
        {
            let module = canonical(module).into_owned();
            if !found.contains(&module) {
                found.push(module);
            }
        }
    }
    found
}

/// fnmatch(3) without flags, as modprobe compares: `*`, `?`, `[abc]`, `[a-c]`.
#[must_use]
pub fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when it does not fit: behind the last `*`, one byte further.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(p), text.get(t)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                retry = Some((p + 1, t));
                p += 1;
                continue;
            }
            (Some(b'?'), Some(_)) => Some(1),
            (Some(b'['), Some(byte)) => class(&pattern[p..], *byte),
            (Some(a), Some(b)) => (a == b).then_some(1),
            _ => None,
        };
        match (step, retry) {
            (Some(step), _) => {
                p += step;
                t += 1;
            }
            (None, Some((after, at))) if at < text.len() => {
                retry = Some((after, at + 1));
                (p, t) = (after, at + 1);
            }
            _ => return false,
        }
    }
}

/// Length of the bracket expression a pattern begins with, where the byte is in it.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let end = 2 + memchr::memchr(b']', pattern.get(2..)?)?;
    let inside = &pattern[1..end];
    let (negated, inside) = match inside {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, inside),
    };
    let mut i = 0;
    let mut is_in = false;
    while let Some(&from) = inside.get(i) {
        if let (Some(b'-'), Some(&to)) = (inside.get(i + 1), inside.get(i + 2)) {
            is_in |= (from..=to).contains(&byte);
            i += 3;
        } else {
            is_in |= from == byte;
            i += 1;
        }
    }
    (is_in != negated).then_some(end + 1)
}

/// One line of `/proc/modules`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its name.
    pub name: String,
    /// How many things use it; `None` where the kernel cannot unload modules and writes `-`.
    pub count: Option<u32>,
    /// Modules that use it.
    pub users: Vec<String>,
}

/// The loaded modules (`kernel/module/procfs.c`, `m_show`: `NAME SIZE COUNT USER,USER,
/// STATE ADDRESS`); lines of another form are passed over. The last loaded is the first.
pub fn loaded(text: &[u8]) -> impl Iterator<Item = Loaded> + '_ {
    lines(text).filter_map(|(_, line)| {
        let mut words = std::str::from_utf8(line).ok()?.split(' ');
        let (name, size, count, users) = (words.next()?, words.next()?, words.next()?, words.next()?);
        if name.is_empty() || !size.bytes().all(|c| c.is_ascii_digit()) {
            return None;
        }
        let count = match count {
            "-" => None,
            count => Some(count.parse().ok()?),
        };
        // `[permanent]` stands among the users of what cannot be unloaded.
        let users = users.split(',').filter(|u| !matches!(*u, "" | "-") && !u.starts_with('['));
        Some(Loaded { name: name.to_owned(), count, users: users.map(str::to_owned).collect() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (path, expected) in [
            ("kernel/drivers/vfio/pci/vfio-pci.ko.zst", Some("vfio_pci")),
            ("kernel/drivers/nvme/host/nvme-core.ko", Some("nvme_core")),
            ("updates/dkms/nvidia.ko.xz", Some("nvidia")),
            ("vfio.ko.gz", Some("vfio")),
            ("kernel/a.ko.bak", None),
            (".ko", None),
            ("kernel/", None),
            ("", None),
        ] {
            assert_eq!(name(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn lists() {
        let dep = b"kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/drivers/vfio/vfio.ko.xz kernel/x.ko.xz\n\
            kernel/drivers/vfio/vfio.ko.xz:\nkernel/drivers/gpu/drm/nouveau/nouveau.ko.xz: a: b\n\xff.ko:\n\n:\n";
        let vfio = |name: &str| name.starts_with("vfio");
        let found: Vec<_> = list(dep, &vfio).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], ("vfio_pci".into(), "kernel/drivers/vfio/pci/vfio-pci.ko.xz"));
        let builtin = b"kernel/drivers/vfio/vfio.ko\nkernel/fs/ext4/ext4.ko\n";
        assert_eq!(list(builtin, &vfio).map(|(name, _)| name).collect::<Vec<_>>(), ["vfio"]);
    }

    #[test]
    fn aliases() {
        let aliases = b"# Aliases extracted from modules themselves.\n\
            alias pci:v000010DEd*sv*sd*bc03sc00i00* nouveau\n\
            alias pci:v000010DEd*sv*sd*bc03sc02i00* nouveau\n\
            alias pci:v000010DEd00001284sv*sd*bc*sc*i* nvidia-drm\n\
            alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\nalias\nalias a\n";
        let gpu = "pci:v000010DEd00001284sv000010B0sd00001284bc03sc00i00";
        assert_eq!(claimants(aliases, gpu), ["nouveau", "nvidia_drm"]);
        assert!(claimants(aliases, "pci:v00008086d0000191Dsv0sd0bc03sc00i00").is_empty());
        let virtual_function = "vfio_pci:v000015B3d0000101Esv000015B3sd00000001bc02sc00i00";
        assert_eq!(claimants(aliases, virtual_function), ["mlx5_vfio_pci"]);
    }

    #[test]
    fn patterns() {
        for (pattern, yes, no) in [
            ("a*c", &["ac", "abc", "abcc"][..], &["a", "acb"][..]),
            ("?[0-9a-f]x", &["z0x", "zfx"], &["zgx", "0x", "z0"]),
            ("[!a]", &["b"], &["a", ""]),
            ("[]a]", &["]", "a"], &["b"]),
            ("[a", &[], &["[a", "a"]),
            ("**", &["", "x"], &[]),
            ("", &[""], &["x"]),
        ] {
            assert!(yes.iter().all(|text| glob(pattern.as_bytes(), text.as_bytes())), "{pattern}");
            assert!(!no.iter().any(|text| glob(pattern.as_bytes(), text.as_bytes())), "{pattern}");
        }
        // Many stars must not take exponential time.
        assert!(!glob(&b"a*".repeat(40), &[&b"a".repeat(400)[..], b"b"].concat()[..1]));
        assert!(!glob(&[&b"*a".repeat(30)[..], b"c"].concat(), &b"a".repeat(2000)));
    }

    #[test]
    fn loaded_modules() {
        let text = b"vfio_pci 16384 0 - Live 0x0000000000000000\n\
            vfio_pci_core 94208 1 vfio_pci, Live 0x0\nkvm 1327104 1 kvm_intel,[permanent], Live 0x0\n\
            odd 12 - - Live 0x0\nnonsense\nx y 0 - Live\n\xff 1 0 -\n";
        let all: Vec<_> = loaded(text).collect();
        assert_eq!(all.len(), 4);
        assert_eq!((all[1].count, &all[1].users[..]), (Some(1), &["vfio_pci".to_owned()][..]));
        assert_eq!(all[2].users, ["kvm_intel"]);
        assert_eq!((all[3].count, all[0].users.len()), (None, 0));
    }

    proptest::proptest! {
        #[test]
        fn bytes_do_no_harm(text in proptest::collection::vec(proptest::num::u8::ANY, 0..120)) {
            let _ = (list(&text, &|_| true).count(), loaded(&text).count(), claimants(&text, "pci:v"));
            let _ = glob(&text, b"pci:v000010DE");
        }

        #[test]
        fn a_text_fits_itself_and_a_star(text in "[a-z0-9:]{0,20}", at in 0_usize..20) {
            proptest::prop_assert!(glob(text.as_bytes(), text.as_bytes()));
            let at = at.min(text.len());
            let pattern = [&text[..at], "*"].concat();
            proptest::prop_assert!(glob(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
