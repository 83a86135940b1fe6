//! Paths by their text alone.

/// The absolute path a link in a directory leads to; further links are not followed.
#[must_use]
pub fn absolute(directory: &str, target: &str) -> String {
    let directory = if target.starts_with('/') { "" } else { directory };
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(target.split('/')) {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::absolute;

    #[test]
    fn links() {
        for (directory, target, path) in [
            ("/dev/disk/by-id", "../../sda1", "/dev/sda1"),
            ("/etc/modprobe.d", "x.conf", "/etc/modprobe.d/x.conf"),
            ("/etc", "/nix/./store//x", "/nix/store/x"),
            ("/etc", "../../../..", "/"),
            ("", "", "/"),
        ] {
            assert_eq!(absolute(directory, target), path, "{directory} {target}");
        }
    }
}
