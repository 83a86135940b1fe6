//! What a process is about: the name of a virtual machine in QEMU's arguments, the ports
//! in sshd's configuration.

use crate::line::{fields, lines};

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
