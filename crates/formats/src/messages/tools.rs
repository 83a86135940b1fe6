//! What the programs around QEMU and the kernel say. The order matters: see
//! [`super::texts`].

use super::{Program, Text};

const fn of(name: &'static str, pattern: &'static str, from: &'static str) -> Text {
    Text { name, program: Program::Tool, pattern, from }
}

pub(super) const TEXTS: &[Text] = &[
    of(
        "virqfd-gone",
        "Failed to find module 'vfio_virqfd'",
        "dracut-install.c; systemd, src/shared/module-util.c, before that src/modules-load/modules-load.c",
    ),
    of("virqfd-gone", "module not found: 'vfio_virqfd'", "mkinitcpio, functions, add_module"),
    of("virqfd-gone", "module not found: `vfio_virqfd'", "mkinitcpio, functions, add_module, older versions"),
    of("virqfd-gone", "Module vfio_virqfd not found", "kmod, tools/modprobe.c"),
    of("virqfd-gone", "modprobe: module vfio_virqfd not found", "busybox, modutils/modprobe.c"),
    of(
        "initramfs-module",
        "Failed to find module '{module}'",
        "dracut-install.c; systemd, src/modules-load/modules-load.c and src/shared/module-util.c",
    ),
    of("initramfs-module", "module not found: '{module}'", "mkinitcpio, functions, add_module"),
    of(
        "initramfs-module",
        "module not found: `{module}'",
        "mkinitcpio, functions, add_module, older versions",
    ),
    of("dracut-blanks", "<values> should have surrounding white spaces!", "dracut.sh"),
    of("dracut-hang", "Starting dracut pre-udev hook", "dracut-pre-udev.service"),
    of(
        "dracut-hang",
        "Starting dracut-pre-udev.service - dracut pre-udev hook",
        "dracut-pre-udev.service, as systemd 252 and later say it",
    ),
    of("module-missing", "Module {module} not found in directory {path}", "kmod, tools/modprobe.c"),
    // ENOSYS of libkmod: there is no index to look it up in, as the kernel's directory is gone.
    of(
        "module-missing",
        "Failed to look up module alias '{module}': Function not implemented",
        "systemd, src/shared/module-util.c",
    ),
    of(
        "module-missing",
        "Failed to lookup module alias '{module}': Function not implemented",
        "systemd, src/shared/module-util.c, older versions",
    ),
    of(
        "module-missing",
        "Failed to lookup alias '{module}': Function not implemented",
        "systemd, src/modules-load/modules-load.c, still older versions",
    ),
    of("module-in-use", "Module {module} is in use", "kmod, tools/modprobe.c and tools/rmmod.c"),
    of("bind-invalid", "write error: Invalid argument", "bash and dash, echo"),
    of("new-id-twice", "write error: File exists", "bash and dash, echo"),
    of("bind-io-error", "write error: I/O error", "dash, echo"),
    of("bind-io-error", "echo: I/O error", "dash, echo, and busybox: for every error number"),
    of("bind-io-error", "write error: Input/output error", "bash, echo"),
    of("bind-no-device", "write error: No such device", "bash and dash, echo"),
    of("bind-busy", "write error: Device or resource busy", "bash and dash, echo"),
    of(
        "node-missing",
        "Cannot open /dev/vfio/{node}: No such file or directory",
        "DPDK, lib/eal/linux/eal_vfio.c",
    ),
    of("node-denied", "Cannot open /dev/vfio/{node}: Permission denied", "DPDK, lib/eal/linux/eal_vfio.c"),
    of(
        "node-busy",
        "Cannot open /dev/vfio/{node}: Device or resource busy",
        "DPDK, lib/eal/linux/eal_vfio.c",
    ),
    of(
        "group-not-viable",
        "VFIO group is not viable! Not all devices in IOMMU group bound to VFIO or unbound",
        "DPDK, lib/eal/linux/eal_vfio.c",
    ),
];
