//! `/proc/interrupts`: through which chips interrupts come
//! (`kernel/irq/proc.c`, `show_interrupts`).

/// Whether interrupts of devices go through an IOMMU: chips that stand behind one are named
/// with `IR-` in front (`IR-PCI-MSI`, `IR-PCI-MSIX-0000:01:00.0`, `IR-IO-APIC`). `None` where no
/// x86 chip of devices is named.
///
/// One that does is enough: an I/O APIC's first lines may belong to the machine's old timer.
#[must_use]
pub fn remapped(text: &[u8]) -> Option<bool> {
    let mut seen = None;
    for line in text.split(|c| *c == b'\n') {
        for word in line.split(|c| *c == b' ').filter(|word| !word.is_empty()) {
            let bare = word.strip_prefix(b"IR-");
            if is_chip(bare.unwrap_or(word)) {
                if bare.is_some() {
                    return Some(true);
                }
                seen = Some(false);
                break;
            }
        }
    }
    seen
}

fn is_chip(word: &[u8]) -> bool {
    [&b"PCI-MSI"[..], b"IO-APIC"].iter().any(|chip| {
        word.strip_prefix(*chip)
            .is_some_and(|rest| matches!(rest, [] | [b'-', ..] | [b'X'] | [b'X', b'-', ..]))
    })
}

/// The names of the chips only, one to a line in their order, each once.
#[must_use]
pub fn chips(text: &[u8]) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for line in text.split(|c| *c == b'\n') {
        let chip = line.split(|c| *c == b' ').find(|word| is_chip(word.strip_prefix(b"IR-").unwrap_or(word)));
        let Some(chip) = chip.and_then(|chip| std::str::from_utf8(chip).ok()) else { continue };
        if !found.contains(&chip) {
            found.push(chip);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chips_of_several_kernels() {
        for (text, remaps) in [
            (
                "            CPU0       CPU1\n   0:         45          0   IO-APIC   2-edge      timer\n\
              120:          0          0   PCI-MSI 524288-edge      nvme0q0\n",
                Some(false),
            ),
            (
                "   0:         45   IO-APIC   2-edge      timer\n 121:   0   IR-PCI-MSI 327680-edge      xhci_hcd\n",
                Some(true),
            ),
            (
                " 27:  0  0  DMAR-MSI    0-edge      dmar0\n 30:   2  IR-PCI-MSIX-0000:01:00.0    0-edge  eth0\n",
                Some(true),
            ),
            (" 24:          0  PCI-MSIX-0000:00:03.0   0-edge      virtio0-config\n", Some(false)),
            ("  8:  0  IR-IO-APIC    8-edge      rtc0\n", Some(true)),
            // A program cannot fake it: names stand behind the chip.
            (" 24:   0  PCI-MSI 1-edge      IR-PCI-MSI\n", Some(false)),
            (" 13:  2  GICv3  27 Level     arch_timer\n 44:  0  ITS-MSI  16384 Edge  nvme0q0\n", None),
            ("", None),
        ] {
            assert_eq!(remapped(text.as_bytes()), remaps, "{text}");
        }
    }

    #[test]
    fn chips_once() {
        let text = b" 0: 1 IO-APIC 2-edge timer\n 1: 2 IR-PCI-MSI 5-edge a\n 2: 2 IR-PCI-MSI 6-edge b\n";
        assert_eq!(chips(text), ["IO-APIC", "IR-PCI-MSI"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text(text in "[IRPCMS\\-XOA 0-9:\n]{0,80}") {
            let chips = chips(text.as_bytes()).join("\n");
            proptest::prop_assert_eq!(remapped(chips.as_bytes()), remapped(text.as_bytes()));
        }
    }
}
