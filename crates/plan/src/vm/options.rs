//! QEMU's command line cut into options, the way QEMU itself cuts it.
//!
//! Owns the knowledge which options take an argument, so that an argument is never
//! mistaken for an option (`-append "quiet -daemonize"` daemonizes nothing). It must
//! not know what any option means.
//!
//! The rules are those of `lookup_opt` in QEMU's `system/vl.c`: a word that starts
//! with one or two dashes is an option, its name must match exactly (`-m2G` is not
//! `-m 2G`), and where the option takes an argument the *next* word is it, whatever
//! it looks like. Any other word is a disk image.

use super::VmError;

/// One option of a QEMU line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opt<'a> {
    /// Its name without dashes.
    pub(super) name: &'a str,
    /// Its argument; empty for options that take none.
    pub(super) value: &'a str,
    /// Which word the argument is, or the option itself where it takes none.
    pub(super) at: usize,
}

/// Options without an argument: `qemu-options.hx` of QEMU 7.2 to 11, and those that
/// older releases had. Checked against the QEMU at hand by `tests/vm_in_qemu.rs`.
pub const FLAGS: &[&str] = &[
    "S",
    "alt-grab",
    "async-teardown",
    "audio-help",
    "ctrl-grab",
    "curses",
    "daemonize",
    "enable-fips",
    "enable-hax",
    "enable-kvm",
    "enable-sync-profile",
    "full-screen",
    "h",
    "help",
    "jitdump",
    "mem-prealloc",
    "no-acpi",
    "no-fd-bootchk",
    "no-frame",
    "no-hpet",
    "no-kvm",
    "no-kvm-irqchip",
    "no-kvm-pit",
    "no-quit",
    "no-reboot",
    "no-shutdown",
    "no-user-config",
    "nodefaults",
    "nodefconfig",
    "nographic",
    "old-param",
    "only-migratable",
    "perfmap",
    "portrait",
    "preconfig",
    "s",
    "sdl",
    "semihosting",
    "show-cursor",
    "singlestep",
    "snapshot",
    "tdf",
    "usb",
    "version",
    "win2k-hack",
    "xen-attach",
    "xen-create",
    "xen-domid-restrict",
];

/// Options with an argument, from the same sources as [`FLAGS`].
pub const WITH_VALUE: &[&str] = &[
    "D",
    "L",
    "M",
    "accel",
    "acpitable",
    "action",
    "add-fd",
    "append",
    "audio",
    "audiodev",
    "balloon",
    "bios",
    "blockdev",
    "boot",
    "bt",
    "cdrom",
    "chardev",
    "chroot",
    "clock",
    "compat",
    "cpu",
    "d",
    "debugcon",
    "device",
    "dfilter",
    "display",
    "drive",
    "dtb",
    "dump-vmstate",
    "echr",
    "fda",
    "fdb",
    "fsdev",
    "fw_cfg",
    "g",
    "gdb",
    "global",
    "hda",
    "hdachs",
    "hdb",
    "hdc",
    "hdd",
    "icount",
    "incoming",
    "initrd",
    "iscsi",
    "k",
    "kernel",
    "loadvm",
    "m",
    "machine",
    "mem-path",
    "mon",
    "monitor",
    "msg",
    "mtdblock",
    "name",
    "net",
    "netdev",
    "nic",
    "numa",
    "object",
    "option-rom",
    "overcommit",
    "parallel",
    "pflash",
    "pidfile",
    "plugin",
    "prom-env",
    "qmp",
    "qmp-pretty",
    "qtest",
    "qtest-log",
    "readconfig",
    "realtime",
    "rotate",
    "rtc",
    "run-with",
    "runas",
    "sandbox",
    "sd",
    "seed",
    "semihosting-config",
    "serial",
    "set",
    "shim",
    "smbios",
    "smp",
    "soundhw",
    "spice",
    "tb-size",
    "tpmdev",
    "trace",
    "usbdevice",
    "uuid",
    "vga",
    "virtfs",
    "virtioconsole",
    "vnc",
    "watchdog",
    "watchdog-action",
    "writeconfig",
    "xen-domid",
];

/// Cuts the words after the program's name into options. An option that no release
/// known here has takes the next word as its argument unless that word looks like an
/// option; QEMU will say itself whether it knows it.
///
/// # Errors
///
/// [`VmError::MissingArgument`] where the line ends before an option's argument:
/// words appended to such a line would be taken for the argument.
pub(super) fn scan(words: &[String]) -> Result<Vec<Opt<'_>>, VmError> {
    let mut all = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let at = words.len() - rest.len() - 1;
        let Some(name) = word.strip_prefix('-') else { continue };
        let name = name.strip_prefix('-').unwrap_or(name);
        let takes_value = if FLAGS.contains(&name) {
            false
        } else if WITH_VALUE.contains(&name) {
            true
        } else {
            rest.as_slice().first().is_some_and(|next| !next.starts_with('-'))
        };
        let (value, at) = match takes_value {
            true => {
                let value = rest.next().ok_or_else(|| VmError::MissingArgument { option: word.clone() })?;
                (value.as_str(), at + 1)
            }
            false => ("", at),
        };
        all.push(Opt { name, value, at });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::super::tests::words;
    use super::*;

    fn cut(line: &str) -> Vec<(String, String)> {
        let words = words(line);
        scan(&words).unwrap().iter().map(|o| (o.name.to_owned(), o.value.to_owned())).collect()
    }

    #[test]
    fn lines_are_cut_as_qemu_cuts_them() {
        for (line, wanted) in [
            ("-M q35 -m 4G", &[("M", "q35"), ("m", "4G")][..]),
            ("--machine q35 --enable-kvm", &[("machine", "q35"), ("enable-kvm", "")]),
            // What follows an option that takes an argument is its argument.
            ("-append -daemonize -S", &[("append", "-daemonize"), ("S", "")]),
            ("-name --daemonize disk.img", &[("name", "--daemonize")]),
            // Flags take nothing: the image is an image, the option after it an option.
            ("-nographic disk.img -M pc", &[("nographic", ""), ("M", "pc")]),
            ("-s -S -d int", &[("s", ""), ("S", ""), ("d", "int")]),
            // Options from the future.
            ("-novel x -M q35", &[("novel", "x"), ("M", "q35")]),
            ("-novel -M q35", &[("novel", ""), ("M", "q35")]),
            ("-novel", &[("novel", "")]),
            // No abbreviations, no glued arguments: QEMU has neither.
            ("-daemon x", &[("daemon", "x")]),
            ("- x", &[("", "x")]),
        ] {
            let got = cut(line);
            let got: Vec<_> = got.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(got, wanted, "{line}");
        }
    }

    #[test]
    fn a_line_that_ends_too_early_is_said() {
        assert_eq!(scan(&words("-M q35 -m")), Err(VmError::MissingArgument { option: "-m".into() }));
    }

    #[test]
    fn no_option_is_in_both_lists() {
        for flag in FLAGS {
            assert!(!WITH_VALUE.contains(flag), "{flag}");
        }
    }
}
