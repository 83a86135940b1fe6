//! The device itself: reset, power, ROM, interrupts.
//!
//! | module | asks |
//! |---|---|
//! | `reset` | whether it can be reset alone, and whether its reset is known to be broken |
//! | `power` | whether it is awake and answers |
//! | `rom` | whether a display has a ROM for the guest |
//! | `interrupt` | whether its interrupt line can be had |

mod interrupt;
mod power;
mod reset;
mod rom;

#[cfg(test)]
mod testing;

use passthru_formats::config_space::{Completeness, ConfigSpace};
use passthru_model::{Detail, Device, Severity, Snapshot, Verdict};
use passthru_pci::Address;

use super::{Ask, Check, Subject, could_not_look};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "power-state",
        title: "it sleeps deeply or does not answer",
        severity: Severity::Error,
        subject: Subject::Device,
        after: &[],
        about: "A device in D3cold has no power, and some never come back from there: QEMU says `vfio: Unable \
                to power on device, stuck in D3`, the kernel `Unable to change power state from D3cold to D0, \
                device inaccessible` (before 5.19 `can't change power state from D3cold to D0 (config space \
                inaccessible)`). One that has fallen off its bus answers every read with ones: lspci shows \
                `!!! Unknown header type 7f` and revision ff.\n\n\
                vfio-pci itself puts devices nobody uses to sleep (since 5.19 by the kernel's runtime power management, into D3cold too where the slot can). \
                `d3cold_allowed` 0 forbids the deepest state for one device at once. The module's option \
                `disable_idle_d3=1` keeps unused devices awake altogether; it is copied when the module is loaded: \
                written to /sys/module later it does nothing, so it belongs into modprobe.d (and into the \
                initramfs where vfio-pci is loaded there), or on the kernel's command line as \
                `vfio-pci.disable_idle_d3=1`.\n\n\
                A device that does not answer needs power off and on again: often the whole machine's, from the \
                mains, as a warm reboot leaves it as it is.",
        sources: &[
            "drivers/pci/pci.c, pci_power_up, pci_set_low_power_state",
            "drivers/vfio/pci/vfio_pci.c, disable_idle_d3",
            "drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_set_params",
            "Documentation/ABI/testing/sysfs-bus-pci, d3cold_allowed",
            "QEMU hw/vfio/pci.c, vfio_pci_pre_reset",
        ],
        ask: Ask::Device(power::judge),
    },
    Check {
        id: "reset",
        title: "it cannot be reset alone",
        severity: Severity::Warning,
        subject: Subject::Device,
        after: &["power-state"],
        about: "Before and after every guest the device should be as after power-on. The kernel knows several \
                ways, in this order: device_specific, acpi, flr, af_flr, pm, bus, cxl_bus; `reset_method` lists those the \
                device has. The first five reset one function alone. `bus` and `cxl_bus` reset everything on the bus, so they \
                count only where the device is alone there or everything else on the bus goes to the same \
                guest. Without any, QEMU says `vfio: Cannot reset device 0000:01:00.0, no available reset \
                mechanism.`, and where others on the bus are not lent along `vfio: Cannot reset device \
                0000:01:00.0, depends on group 2 which is not owned.` Both are warnings: the guest starts, and what \
                the last owner left in the device is still there.\n\n\
                A file `reset` in sysfs proves nothing, nor does its absence: a graphics card and its audio \
                function without a reset each are reset together once both are lent to one guest. The list is \
                made when the function is found, so that function 0 of a card may show `bus` although \
                its siblings are there.",
        sources: &[
            "drivers/pci/pci.c, pci_reset_fn_methods, pci_parent_bus_reset",
            "drivers/vfio/pci/vfio_pci_core.c, vfio_pci_ioctl_get_pci_hot_reset_info",
            "Documentation/ABI/testing/sysfs-bus-pci, reset_method",
            "QEMU hw/vfio/pci.c, vfio_pci_hot_reset",
        ],
        ask: Ask::Device(reset::judge),
    },
    Check {
        id: "broken-reset",
        title: "its reset is known not to work",
        severity: Severity::Warning,
        subject: Subject::Device,
        after: &["power-state"],
        about: "Some devices say that they can be reset and cannot: the first guest works, the second \
                finds a device that hangs, and only a reboot of the host helps.\n\n\
                AMD graphics cards from Polaris to Navi 14 (RX 400 to RX 5700, Vega, Radeon VII) need a sequence \
                of their own, which the module vendor-reset (gnif/vendor-reset, not part of the kernel) adds; with it \
                `reset_method` says `device_specific`, which has to be chosen since Linux 5.15. Without it: \
                shut the guest down, never kill it, and expect one start for each boot of the host.\n\n\
                AMD's audio and USB functions 1022:1487, 148c, 149c, its AHCI controller 1022:7901, Intel's 82579 \
                network ports 8086:1502 and 1503 and MediaTek's MT7922 14c3:0616 advertise a function level reset and hang \
                in it. The kernel knows them and leaves FLR out (Intel's since 4.12, 1487 and 149c since 5.8, 148c \
                since 5.8, 7901 since 6.3, 0616 since 6.14); where `reset_method` still lists `flr` it is older than that.",
        sources: &[
            "drivers/pci/quirks.c, quirk_no_flr",
            "gnif/vendor-reset, src/device-db.h",
            "Linux 63ba51db24ed, 0d14f06cd665, 5727043c73fd, f65fd1aa4f98",
        ],
        ask: Ask::Device(reset::broken),
    },
    Check {
        id: "shared-interrupt",
        title: "its interrupt line is shared and cannot be masked",
        severity: Severity::Warning,
        subject: Subject::Device,
        after: &["power-state"],
        about: "QEMU sets up the legacy interrupt (INTx) of every device that has a pin for it, whatever the \
                guest uses later. A device whose interrupt can be masked in its command register (bit 10, \
                DisINTx, PCI 2.3) may share the line; one that cannot needs it alone. Where a driver of the host \
                listens on the same line, the guest does not start: `vfio 0000:01:00.0: Failed to set up TRIGGER \
                eventfd signaling for interrupt INTX-0: VFIO_DEVICE_SET_IRQS failure: Device or resource busy`, and \
                the kernel's log has `genirq: Flags mismatch irq 16. 00000000 (vfio-intx(0000:01:00.0)) vs. \
                00000080 (ehci_hcd:usb1)`.\n\n\
                Old conventional PCI cards are like that, and PCI Express ones the kernel has on a list: \
                Mellanox ConnectX to ConnectX-3, Creative X-Fi, Realtek 8169 among them.\n\n\
                Take the other device from its driver, move one of the two to another slot, or switch the other \
                off in the firmware. Whether it can be masked is tried out by writing only, which passthru does not \
                do while it looks: of a conventional function it notes that it may be so.",
        sources: &[
            "drivers/pci/quirks.c, quirk_broken_intx_masking, mellanox_broken_intx_devs",
            "drivers/pci/pci.c, pci_intx_mask_supported",
            "drivers/vfio/pci/vfio_pci_intrs.c, vfio_intx_set_signal",
            "QEMU hw/vfio/pci.c, vfio_intx_enable",
        ],
        ask: Ask::Device(interrupt::judge),
    },
    Check {
        id: "rom",
        title: "the guest may find no ROM to start the display with",
        severity: Severity::Note,
        subject: Subject::Device,
        after: &["power-state"],
        about: "A guest's firmware shows a picture on a graphics card by running the card's ROM. Graphics inside \
                the processor and in laptops have none; and of the card the host itself was started on, the \
                kernel shows the copy that the firmware has left in memory, which is what it looked like after \
                it ran. QEMU then says `vfio-pci: Cannot read device rom at 0000:01:00.0` and `Device option ROM \
                contents are probably invalid (check dmesg).`, the kernel `Invalid PCI ROM header signature`; or \
                nothing is said, and the screen stays black until the guest's own driver starts, or for ever.\n\n\
                Give QEMU a copy in a file: `-device vfio-pci,…,romfile=FILE` (libvirt: `<rom file='FILE'/>`). It \
                is read from `rom` in sysfs on a machine, or after a boot, in which the card is not the first \
                display; files of the same model from the web often are not the same. Guests that need no picture \
                before their driver is loaded work without.",
        sources: &[
            "drivers/pci/rom.c, pci_map_rom",
            "arch/x86/pci/fixup.c, pci_fixup_video",
            "QEMU hw/vfio/pci.c, vfio_pci_load_rom",
        ],
        ask: Ask::Device(rom::judge),
    },
];

/// Everything about a device, or the verdict that it was not read.
fn detail(device: &Device) -> Result<&Detail, Verdict> {
    device.detail.as_deref().ok_or_else(|| could_not_look(device.attribute(""), "it was not read"))
}

/// Why a capability that is not in the list may be there all the same.
fn incomplete(config: &ConfigSpace) -> Option<String> {
    if config.completeness() == Completeness::HeaderOnly {
        return Some("its capabilities cannot be read (needs root)".into());
    }
    let at = config.capabilities().broken_at?;
    Some(format!("its list of capabilities is broken: the link at {at:02x} leads nowhere"))
}

/// Whether a device in this set cannot be judged without the details of all others: its
/// interrupt cannot be masked, so that it matters who else is on the line.
#[must_use]
pub fn needs_others(snapshot: &Snapshot, named: &[Address]) -> bool {
    named.iter().filter_map(|address| snapshot.device(*address)).any(interrupt::cannot_mask)
}
