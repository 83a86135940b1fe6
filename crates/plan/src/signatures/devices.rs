//! Power, reset, BARs, interrupts, ROM, binding.

use super::{Signature, of};

pub(super) const SIGNATURES: &[Signature] = &[
    of(
        "bar-taken",
        "boot-framebuffer",
        &["display", "log-bar-taken"],
        "something else holds the BAR",
        "The kernel could not reserve the device's memory, as a rule because the boot framebuffer still uses it.",
    ),
    of(
        "framebuffer-memory-taken",
        "boot-framebuffer",
        &["log-framebuffer-memory-taken"],
        "the boot framebuffer found its memory taken",
        "The firmware's framebuffer lies in memory that another driver or another BAR holds by now, so the screen \
         does not come back.",
    ),
    of(
        "power-inaccessible",
        "power-state",
        &["broken-reset", "log-power-inaccessible"],
        "the device does not come back from power saving",
        "The device's configuration space reads as nothing but ones: it is without power, its link is down, or \
         it hangs after a reset.",
    ),
    of(
        "power-refused",
        "power-state",
        &["log-power-refused"],
        "the device does not change its power state",
        "The kernel asked the device to wake or to sleep, and it stayed as it was.",
    ),
    of(
        "stuck-in-d3",
        "power-state",
        &["broken-reset"],
        "the device stays in power saving",
        "QEMU asked the device to wake, and it stayed in D3: runtime power management, or a device that hangs \
         after its last guest.",
    ),
    of(
        "header-gone",
        "power-state",
        &["broken-reset", "log-header-gone"],
        "the device no longer answers",
        "The header reads as ones (type 7f): the device is without power or hangs after a reset.",
    ),
    of(
        "header-unknown",
        "power-state",
        &["broken-reset"],
        "the device no longer answers",
        "Header type 127 is what a device without power, or one that hangs after a reset, reads as.",
    ),
    of(
        "reset-no-answer",
        "broken-reset",
        &["reset", "power-state", "log-reset-no-answer"],
        "the device did not come back from a reset",
        "The device was reset and has not answered since: only a power cycle of the machine brings it back.",
    ),
    of(
        "reset-slow",
        "broken-reset",
        &["log-reset-slow"],
        "the device came back late from a reset",
        "The device took longer than a second after a reset; if no `giving up` follows, it came back.",
    ),
    of(
        "reset-pending",
        "broken-reset",
        &["log-reset-pending"],
        "the device was reset with transactions under way",
        "The device did not finish what it was doing before the reset: often the first sign that it hangs.",
    ),
    of(
        "reset-restored",
        "broken-reset",
        &["log-reset-restored"],
        "the device lost its BARs",
        "The device was reset behind VFIO's back, mostly by its guest, and VFIO wrote its BARs anew.",
    ),
    of(
        "no-reset",
        "reset",
        &[],
        "the device cannot be reset by itself",
        "There is neither a function level reset nor a power or bus reset that touches this device alone: the \
         next guest finds it as the last one left it.",
    ),
    of(
        "reset-foreign-group",
        "reset",
        &["companions"],
        "a reset would touch a device that is not lent",
        "The only reset this device has is one of its whole bus or slot, and a device on it belongs to \
         somebody else.",
    ),
    of(
        "bus-reset-foreign",
        "reset",
        &["companions", "held"],
        "a reset would touch a device in use",
        "The only reset this device has is one of its whole bus, and another device on it is in use.",
    ),
    of(
        "intx-busy",
        "shared-interrupt",
        &[],
        "the interrupt line is shared",
        "The device has only a line interrupt, cannot be told to keep quiet on it (no DisINTx), and another \
         driver uses the same line.",
    ),
    of(
        "intx-shared",
        "shared-interrupt",
        &["log-intx-shared"],
        "the interrupt line is shared",
        "VFIO needs the device's interrupt line for itself, and another driver has it.",
    ),
    of(
        "intx-broken",
        "shared-interrupt",
        &["log-intx-broken"],
        "the device cannot mask its line interrupt",
        "The kernel knows this device's DisINTx bit to be broken and hides its line interrupt; with MSI it \
         works all the same.",
    ),
    of(
        "irq-nobody",
        "shared-interrupt",
        &["log-irq-nobody"],
        "an interrupt line was switched off",
        "A line fired and no driver felt responsible, so the kernel switched it off for every device on it.",
    ),
    of(
        "rom-bad",
        "rom",
        &["log-rom-bad"],
        "the device's ROM cannot be read",
        "What stands where the ROM should be is none: a card that was the boot display shows a copy that was \
         used up, and one that sleeps shows nothing.",
    ),
    of(
        "rom-unreadable",
        "rom",
        &["power-state"],
        "the device's ROM cannot be read",
        "QEMU found no ROM in the device; a graphics card then stays dark until the guest's driver starts, \
         and a file can be given with romfile=.",
    ),
    of(
        "vfio-probe-failed",
        "no-iommu",
        &["bridge", "virtual-functions", "log-vfio-denylist", "power-state", "log-vfio-probe-failed"],
        "vfio-pci refused the device",
        "Binding failed: error -22 means no IOMMU group, a bridge, or a device on the kernel's denylist; -16 a physical \
         function with virtual ones, or memory in use.",
    ),
    of(
        "sriov-bound",
        "virtual-functions",
        &["log-sriov-bound"],
        "the device has virtual functions",
        "vfio-pci does not take a physical function whose virtual functions are switched on.",
    ),
    of(
        "vf-token",
        "virtual-functions",
        &["log-vf-token"],
        "the virtual function needs a token",
        "Its physical function is on vfio-pci too, and who opens the virtual one must show that they belong \
         together (vf-token=).",
    ),
    of(
        "sriov-memory",
        "log-sriov-memory",
        &[],
        "no room for the virtual functions",
        "The firmware left too little address space for the virtual functions' BARs: switch on above 4G \
         decoding or SR-IOV in the firmware, or try pci=realloc.",
    ),
    of(
        "holder-asked",
        "held",
        &["log-holder-asked"],
        "a driver waits for the holder",
        "Somebody unbinds the device, and the kernel asks the virtual machine that has it to let go.",
    ),
    of(
        "holder-deaf",
        "held",
        &["stuck", "log-holder-deaf"],
        "a driver waits for the holder",
        "Somebody unbinds the device, and what holds it cannot be asked: the write hangs until that process ends.",
    ),
    of(
        "nvidia-in-use",
        "clients",
        &["stuck", "display", "log-nvidia-in-use"],
        "nvidia was unbound while in use",
        "The driver waits for its users for ever: what touches the device from now on hangs, and mostly only a \
         reboot helps.",
    ),
    of(
        "task-hung",
        "stuck",
        &["clients", "log-task-hung"],
        "a process hangs in the kernel",
        "A process has waited for minutes in a state that cannot be interrupted; after an unbind that is mostly \
         the writer, waiting for who still uses the device.",
    ),
    of(
        "module-in-use",
        "clients",
        &["display"],
        "the driver's module is in use",
        "A process or another module still uses the driver: unbinding it now would hang.",
    ),
    of(
        "device-refused",
        "companions",
        &["held", "power-state", "host-driver-at-boot"],
        "VFIO did not give out the device",
        "The group was opened and the device was not: it is not on vfio-pci, somebody has it, or it did not wake; \
         the kernel's log of that second says which.",
    ),
    of(
        "device-attached",
        "held",
        &[],
        "the device is given twice",
        "The same device stands on QEMU's command line twice, or was plugged in already.",
    ),
    of(
        "no-device",
        "device-moved",
        &[],
        "there is no such device",
        "No device has this address now: addresses change when cards are added or firmware settings change.",
    ),
    of(
        "no-host-device",
        "device-moved",
        &[],
        "there is no such device",
        "No device has this address now: addresses change when cards are added or firmware settings change.",
    ),
    of(
        "bridge",
        "bridge",
        &[],
        "a bridge cannot be lent",
        "VFIO takes endpoints only; a bridge stays with the host even where it shares the group.",
    ),
];
