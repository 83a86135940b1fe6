//! `/sys/kernel/security/apparmor/profiles`: which profiles are loaded.

/// Profiles of libvirt itself; its virtual machines have one each, with their UUID.
const OF_LIBVIRT: [&str; 4] = ["libvirtd", "virtqemud", "virt-aa-helper", "virtxend"];

/// Name and mode of libvirt's own profiles, from lines such as `/usr/sbin/libvirtd (enforce)`
/// or `virt-aa-helper (complain)`. A name that is a path is shortened to its last component.
pub fn of_libvirt(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let (name, mode) = line.strip_suffix(')')?.rsplit_once(" (")?;
        let name = name.rsplit('/').next()?;
        OF_LIBVIRT.contains(&name).then_some((name, mode))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles() {
        let text = "/usr/sbin/libvirtd (enforce)\nvirt-aa-helper (complain)\nlibvirt-6f1c (enforce)\n\
            libvirtd\nlibvirtd//qemu_bridge_helper (enforce)\n) (\n\n";
        let all: Vec<_> = of_libvirt(text).collect();
        assert_eq!(all, [("libvirtd", "enforce"), ("virt-aa-helper", "complain")]);
    }
}
