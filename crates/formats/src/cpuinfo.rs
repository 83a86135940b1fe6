//! `/proc/cpuinfo`: what the first processor can do (`arch/x86/kernel/cpu/proc.c`,
//! `arch/arm64/kernel/cpuinfo.c`).

use crate::line::lines;

/// Which extension for virtual machines a processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Virtualization {
    /// Intel VT-x: the flag `vmx`.
    Vmx,
    /// AMD-V: the flag `svm`.
    Svm,
}

/// The first processor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuInfo {
    /// `vendor_id`, such as `GenuineIntel` or `AuthenticAMD`; empty on anything but x86.
    pub vendor: String,
    /// An Arm processor: `CPU implementer`.
    pub arm: bool,
    /// `model name`; empty where there is none (ARM).
    pub model: String,
    /// The extension its flags name. The kernel takes `vmx` away where the firmware has
    /// switched it off (`arch/x86/kernel/cpu/feat_ctl.c`, since 5.6).
    pub virtualization: Option<Virtualization>,
    /// The flag `hypervisor`: this is a virtual machine.
    pub hypervisor: bool,
    /// Width of physical addresses in bits (`address sizes`).
    pub physical_bits: Option<u32>,
}

/// Reads the first processor's paragraph; `None` where there is none.
#[must_use]
pub fn parse(text: &[u8]) -> Option<CpuInfo> {
    let mut info = CpuInfo::default();
    let mut any = false;
    for (_, line) in lines(text) {
        let line = String::from_utf8_lossy(line);
        let Some((key, value)) = line.split_once(':') else {
            // An empty line ends the paragraph.
            if any && line.trim().is_empty() {
                break;
            }
            continue;
        };
        let value = value.trim();
        any |= key.trim() == "processor";
        match key.trim() {
            "vendor_id" => info.vendor = value.to_owned(),
            "CPU implementer" => info.arm = true,
            "model name" => info.model = value.to_owned(),
            "flags" => {
                for flag in value.split_ascii_whitespace() {
                    match flag {
                        "vmx" => info.virtualization = Some(Virtualization::Vmx),
                        "svm" => info.virtualization = Some(Virtualization::Svm),
                        "hypervisor" => info.hypervisor = true,
                        _ => {}
                    }
                }
            }
            // `39 bits physical, 48 bits virtual`
            "address sizes" => {
                info.physical_bits = value.split(' ').next().and_then(|bits| bits.parse().ok());
            }
            _ => {}
        }
    }
    any.then_some(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors() {
        let intel = b"processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\n\
            model name\t: Intel(R) Xeon(R) CPU E3-1235L v5 @ 2.00GHz\nflags\t\t: fpu vme vmx smx est\n\
            vmx flags\t: vnmi preemption_timer\nbugs\t\t: l1tf\naddress sizes\t: 39 bits physical, 48 bits virtual\n\
            power management:\n\nprocessor\t: 1\nvendor_id\t: Other\nflags\t\t: hypervisor\n";
        let info = parse(intel).unwrap();
        assert_eq!((&*info.vendor, info.physical_bits), ("GenuineIntel", Some(39)));
        assert_eq!((info.virtualization, info.hypervisor), (Some(Virtualization::Vmx), false));
        assert!(info.model.ends_with("2.00GHz"));
        let amd = parse(b"processor : 0\nflags : svm hypervisor svm_lock\naddress sizes : x bits\n").unwrap();
        assert_eq!((amd.virtualization, amd.hypervisor), (Some(Virtualization::Svm), true));
        assert_eq!(amd.physical_bits, None);
        let arm = parse(b"processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\n").unwrap();
        assert!(arm.arm && arm.vendor.is_empty() && arm.virtualization.is_none());
        assert!(!info.arm);
    }

    #[test]
    fn anything_else() {
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"\n\n\xff : \nflags: vmx\n"), None);
    }

    proptest::proptest! {
        #[test]
        fn bytes_do_no_harm(text in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = parse(&text);
        }
    }
}
