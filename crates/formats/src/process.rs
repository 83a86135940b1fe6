//! What a process is about: its files in `/proc`, the name of a virtual machine in QEMU's
//! arguments, the ports in sshd's configuration.

use crate::line::{fields, lines};

/// What `/proc/PID/stat` says of a process (proc_pid_stat(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// Field 3: `R`, `S`, `D`, `Z` and so on.
    pub state: char,
    /// Field 22: when it was started, in clock ticks since the boot. With the id it names
    /// the process for the whole boot.
    pub start: u64,
}

impl ProcessStat {
    /// Reads the file; `None` where it is not of the documented form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // The name in field 2 may hold blanks and parentheses: the last ')' ends it.
        let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        Some(Self { state, start: fields.nth(18)?.parse().ok()? })
    }

    /// Whether the process has ended and only waits to be collected.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// The functions in which a process waits, the innermost first, from `/proc/PID/stack`
/// (lines such as `[<0>] vfio_unregister_group_dev+0x72/0xc0 [vfio]`), without the scheduler,
/// where everybody waits.
pub fn stack(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.split_ascii_whitespace().nth(1)?.split('+').next())
        .filter(|name| !name.starts_with("__schedule") && *name != "schedule")
}

/// Whole seconds since the boot, suspended time included, from `/proc/uptime`.
#[must_use]
pub fn uptime(text: &str) -> Option<u64> {
    text.split(['.', ' ']).next()?.parse().ok()
}

/// The flags a descriptor was opened with (`/proc/PID/fdinfo/N`, line `flags:`, octal).
#[must_use]
pub fn open_flags(fdinfo: &str) -> Option<u32> {
    let flags = fdinfo.lines().find_map(|line| line.strip_prefix("flags:"))?;
    u32::from_str_radix(flags.trim(), 8).ok()
}

/// Whether a descriptor names a file and has not opened it (`O_PATH`). udev sets owner and
/// mode of every node through such a one.
#[must_use]
pub fn names_only(fdinfo: &str) -> bool {
    /// `include/uapi/asm-generic/fcntl.h`.
    const O_PATH: u32 = 0o10_000_000;
    open_flags(fdinfo).is_some_and(|flags| flags & O_PATH != 0)
}

/// The virtual machine's name in a command line of QEMU (`/proc/PID/cmdline`: words that
/// end in NUL): `-name NAME`, `-name guest=NAME,debug-threads=on`.
#[must_use]
pub fn vm_name(command_line: &[u8]) -> Option<String> {
    let mut words = command_line.split(|c| *c == 0).map(String::from_utf8_lossy);
    let value = loop {
        let word = words.next()?;
        if matches!(&*word, "-name" | "--name") {
            break words.next()?;
        }
    };
    // `,,` is a comma in a value (QEMU's `opts.c`).
    let mut options: Vec<String> = vec![String::new()];
    let mut rest = value.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ',' if rest.peek() == Some(&',') => {
                rest.next();
                options.last_mut()?.push(',');
            }
            ',' => options.push(String::new()),
            c => options.last_mut()?.push(c),
        }
    }
    let guest = options.iter().find_map(|o| o.strip_prefix("guest="));
    let name = guest.or_else(|| options.first().map(String::as_str).filter(|o| !o.contains('=')))?;
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    (!name.is_empty()).then_some(name)
}

/// The ports an sshd configuration names (`Port`, and `ListenAddress` with a port;
/// sshd_config(5)). The default, 22, is not among them.
pub fn ssh_ports(text: &[u8]) -> impl Iterator<Item = u16> {
    lines(text).filter_map(|(_, line)| {
        let mut words = line.split(|c| matches!(c, b' ' | b'\t' | b'=')).filter(|w| !w.is_empty());
        let key = words.next()?;
        let value = std::str::from_utf8(words.next()?).ok()?.trim().trim_matches('"');
        if key.eq_ignore_ascii_case(b"port") {
            value.parse().ok()
        } else if key.eq_ignore_ascii_case(b"listenaddress") {
            let (host, port) = value.rsplit_once(':')?;
            // An address of version 6 without a port has more colons.
            (host.ends_with(']') || !host.contains(':')).then(|| port.parse().ok()).flatten()
        } else {
            None
        }
    })
}

/// The minor number of an NVIDIA card (`Device Minor: \t 0` in
/// `/proc/driver/nvidia/gpus/ADDRESS/information`): its node is `/dev/nvidiaN`.
#[must_use]
pub fn nvidia_minor(text: &[u8]) -> Option<u32> {
    lines(text).find_map(|(_, line)| {
        let value = line.strip_prefix(b"Device Minor:")?;
        std::str::from_utf8(fields(value).next()?).ok()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_virtual_machines() {
        for (line, name) in [
            ("qemu\0-name\0win11\0-m\x004G\0", Some("win11")),
            ("qemu\0-m\x004G\0-name\0guest=win11,debug-threads=on\0", Some("win11")),
            ("qemu\0-name\0debug-threads=on,guest=a,,b\0", Some("a,b")),
            ("qemu\0--name\0x,process=y\0", Some("x")),
            ("qemu\0-name\0process=y\0", None),
            ("qemu\0-name\0", None),
            ("qemu\0-name", None),
            ("sh\0-c\0-named\0", None),
            ("qemu\0-name\0\x1b[2Jx\0", Some("[2Jx")),
            ("", None),
        ] {
            assert_eq!(vm_name(line.as_bytes()).as_deref(), name, "{line:?}");
        }
    }

    #[test]
    fn stat() {
        let after = |state: &str| format!("7 (a) b (c)) {state}{} 99 0 0", " 1".repeat(18));
        assert_eq!(ProcessStat::parse(&after("S")), Some(ProcessStat { state: 'S', start: 99 }));
        assert!(!ProcessStat::parse(&after("D")).unwrap().has_ended());
        for state in ["Z", "X", "x"] {
            assert!(ProcessStat::parse(&after(state)).unwrap().has_ended());
        }
        for text in ["", "7 (a", "7 (a)", "7 (a) S 1 2", "7 (a) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 x"] {
            assert_eq!(ProcessStat::parse(text), None, "{text}");
        }
    }

    #[test]
    fn stacks() {
        let text =
            "[<0>] __schedule+0x1/0x2\n[<0>] schedule+0x1/0x2\n[<0>] a_wait+0x72/0xc0 [vfio]\n\nx\n[<0>] b\n";
        assert_eq!(stack(text).collect::<Vec<_>>(), ["a_wait", "b"]);
    }

    #[test]
    fn seconds_up() {
        assert_eq!(
            (uptime("12.34 5.6\n"), uptime("12"), uptime(""), uptime("-1.0")),
            (Some(12), Some(12), None, None)
        );
    }

    #[test]
    fn descriptors_that_only_name() {
        for (text, only) in [
            ("pos:\t0\nflags:\t012000000\nmnt_id:\t24\n", true),
            ("pos:\t0\nflags:\t02000002\nmnt_id:\t24\n", false),
            ("flags:\tmany\n", false),
            ("", false),
        ] {
            assert_eq!(names_only(text), only, "{text}");
        }
    }

    #[test]
    fn ports() {
        let text =
            b"# Port 1\nPort 2222\nport=443\nListenAddress 192.0.2.1:2200\nListenAddress [2001:db8::1]:24\n\
            ListenAddress 2001:db8::1\nListenAddress ::\nPort many\nPermitRootLogin no\nPort \"8022\"\n";
        assert_eq!(ssh_ports(text).collect::<Vec<_>>(), [2222, 443, 2200, 24, 8022]);
    }

    #[test]
    fn minors() {
        assert_eq!(nvidia_minor(b"Model: \t\t GeForce\nDevice Minor: \t 3\n"), Some(3));
        assert_eq!((nvidia_minor(b"Device Minor: x"), nvidia_minor(b"")), (None, None));
    }
}
