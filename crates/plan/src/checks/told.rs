//! What only an error text tells: nothing of it can be seen beforehand on a host, so it is
//! never asked, and explained.

use passthru_model::Severity;

use super::{Ask, Check, Subject};

const fn of(
    id: &'static str,
    subject: Subject,
    title: &'static str,
    about: &'static str,
    sources: &'static [&'static str],
) -> Check {
    Check { id, title, severity: Severity::Error, subject, after: &[], about, sources, ask: Ask::Never }
}

pub(super) const CHECKS: &[Check] = &[
    of(
        "new-id",
        Subject::Device,
        "an id was written to new_id or a driver that does not fit",
        "`echo 10de 1284 > /sys/bus/pci/drivers/vfio-pci/new_id` makes vfio-pci take *every* device of that id, now and when it \
         is plugged in, twins included; written again it gives `write error: File exists`. Writing an address to `bind` \
         of a driver that does not know the device gives `write error: No such device`. passthru uses \
         `driver_override`, which is about one device; `remove_id` takes a left-over id away.",
        &["drivers/pci/pci-driver.c, new_id_store", "Documentation/ABI/testing/sysfs-bus-pci"],
    ),
    of(
        "device-moved",
        Subject::Device,
        "no device has this address now",
        "Addresses are given out at boot: another card, a firmware setting, a switched-off slot, and what was 0a:00.0 is \
         0b:00.0. QEMU says `vfio /sys/bus/pci/devices/0000:0a:00.0: no such host device: No such file or directory`, libvirt \
         `Device 0000:0a:00.0 not found: could not access /sys/bus/pci/devices/0000:0a:00.0/config`. Worse is the other case: \
         the address is there and belongs to another device. `passthru list` shows what is where.",
        &["QEMU, hw/vfio/device.c", "libvirt, src/util/virpci.c, virPCIDeviceNew"],
    ),
    of(
        "node-access",
        Subject::Software,
        "the user may not open the node of the group",
        "The node /dev/vfio/N belongs to root, mode 0600, when the device is bound. libvirt and `passthru run --user` hand it \
         to the user of the machine; whoever starts QEMU by hand has to be given it (`passthru bind --user NAME`, or a udev \
         rule). QEMU says `failed to open /dev/vfio/13: Permission denied` or `Could not open '/dev/vfio/13': Permission \
         denied`. Where the modes are right, AppArmor or SELinux forbids it.",
        &["drivers/vfio/group.c, vfio_group_init", "docs/changes.md"],
    ),
];
