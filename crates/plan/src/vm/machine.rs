//! Which machine the line asks for, and where it has room for PCI devices.
//!
//! Owns the reading of `-M`/`-machine` and the table of machine types. It must not
//! look at the devices of the line.

use super::VmError;
use super::options::Opt;
use super::props::Props;

/// The PCI side of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Machine {
    /// PCI Express: root ports can be put on its root bus, `pcie.0`.
    Express,
    /// Conventional PCI with root bus `pci.0` (i440FX).
    Conventional,
    /// There is a PCI bus, but its name and its free places are not known.
    Unknown,
}

impl Machine {
    /// QEMU's name of the root bus, where it is known.
    pub(super) fn root_bus(self) -> Option<&'static str> {
        match self {
            Self::Express => Some("pcie.0"),
            Self::Conventional => Some("pci.0"),
            Self::Unknown => None,
        }
    }
}

/// The machine a QEMU of this architecture would make from these options.
///
/// # Errors
///
/// [`VmError::MachineUnknown`] where the type may be in a `-readconfig` file,
/// [`VmError::MachineMissing`] where the architecture has no default,
/// [`VmError::NoPci`] where the machine has no PCI bus.
pub(super) fn machine(arch: &str, options: &[Opt<'_>]) -> Result<Machine, VmError> {
    let (mut name, mut pcie) = (None, false);
    // `-M` and `-machine` are one option; several are merged, the last word counts.
    for option in options.iter().filter(|o| o.name == "M" || o.name == "machine") {
        let props = Props::parse(option.value, "type");
        if let Some(text) = props.get("type") {
            name = Some(text.to_owned());
        }
        if let Some(text) = props.get("pcie") {
            pcie = matches!(text, "on" | "yes" | "true" | "y");
        }
    }
    let x86 = matches!(arch, "x86_64" | "i386");
    let name = match name {
        Some(name) => name,
        None => {
            if let Some(file) = options.iter().find(|o| o.name == "readconfig") {
                return Err(VmError::MachineUnknown { file: file.value.to_owned() });
            }
            // QEMU's default for PCs is the i440FX machine, since ever.
            match arch {
                _ if x86 => "pc".to_owned(),
                "arm" | "aarch64" | "loongarch64" => {
                    return Err(VmError::MachineMissing { arch: arch.to_owned() });
                }
                _ => return Ok(Machine::Unknown),
            }
        }
    };
    match name.as_str() {
        "none" | "isapc" | "xenpv" | "nitro-enclave" => Err(VmError::NoPci { machine: name }),
        "microvm" if pcie => Ok(Machine::Express),
        "microvm" => Err(VmError::NoPci { machine: name }),
        "q35" => Ok(Machine::Express),
        "pc" | "xenfv" => Ok(Machine::Conventional),
        "virt" | "sbsa-ref" => Ok(Machine::Express),
        // Versioned names, upstream's and the distributions': pc-q35-9.0,
        // pc-i440fx-rhel7.6.0, pc-1.3, virt-8.2, xenfv-4.2.
        _ if name.starts_with("pc-q35-") => Ok(Machine::Express),
        _ if name.starts_with("pc-") || name.starts_with("xenfv-") => Ok(Machine::Conventional),
        _ if name.starts_with("virt-") => Ok(Machine::Express),
        _ => Ok(Machine::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::scan;
    use super::super::tests::words;
    use super::*;

    #[test]
    fn machines() {
        use Machine::{Conventional, Express, Unknown};
        for (arch, line, wanted) in [
            ("x86_64", "", Conventional),
            ("x86_64", "-M q35", Express),
            ("x86_64", "-machine q35,accel=kvm", Express),
            ("x86_64", "--machine type=q35", Express),
            ("x86_64", "-machine accel=kvm,type=q35", Express),
            ("x86_64", "-M pc-q35-8.2", Express),
            ("x86_64", "-M pc-i440fx-rhel7.6.0", Conventional),
            ("x86_64", "-M q35 -machine accel=kvm", Express),
            ("x86_64", "-machine accel=kvm", Conventional),
            ("x86_64", "-M pc -M q35", Express),
            ("x86_64", "-append -M -kernel q35", Conventional),
            ("x86_64", "-M microvm,pcie=on", Express),
            ("x86_64", "-readconfig vm.cfg -M q35", Express),
            ("aarch64", "-M virt,gic-version=3", Express),
            ("aarch64", "-M virt-8.2", Express),
            ("riscv64", "-M virt", Express),
            ("ppc64", "-M pseries", Unknown),
            ("ppc64", "", Unknown),
        ] {
            let words = words(line);
            assert_eq!(machine(arch, &scan(&words).unwrap()), Ok(wanted), "{arch} {line}");
        }
    }

    #[test]
    fn machines_without_room() {
        for (arch, line, wanted) in [
            ("x86_64", "-M microvm", VmError::NoPci { machine: "microvm".into() }),
            ("x86_64", "-M isapc", VmError::NoPci { machine: "isapc".into() }),
            ("x86_64", "-M none", VmError::NoPci { machine: "none".into() }),
            ("aarch64", "", VmError::MachineMissing { arch: "aarch64".into() }),
            ("x86_64", "-readconfig vm.cfg", VmError::MachineUnknown { file: "vm.cfg".into() }),
        ] {
            let words = words(line);
            assert_eq!(machine(arch, &scan(&words).unwrap()), Err(wanted), "{arch} {line}");
        }
    }
}
