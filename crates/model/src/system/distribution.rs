//! Which system this is.

/// A distribution, by os-release(5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Distribution {
    /// `ID`, such as `debian`.
    pub id: String,
    /// `ID_LIKE`: the ones it is made from, the closest first.
    pub like: Vec<String>,
    /// `VERSION_ID`; empty where there is none (Arch, Debian testing).
    pub version: String,
    /// `PRETTY_NAME`.
    pub name: String,
}

impl Distribution {
    /// Whether it is this distribution or made from it.
    #[must_use]
    pub fn is(&self, id: &str) -> bool {
        self.id == id || self.like.iter().any(|like| like == id)
    }
}

/// A program or directory by which a boot configuration is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// `/usr/bin/rpm-ostree`.
    RpmOstree,
    /// `/usr/bin/kernelstub` (Pop!_OS).
    Kernelstub,
    /// `proxmox-boot-tool` with `/etc/kernel/cmdline`.
    ProxmoxBootTool,
    /// `sdbootutil` with `/etc/kernel/cmdline` (openSUSE with systemd-boot or grub2-bls).
    SdBootUtil,
    /// `/usr/sbin/grubby` (Fedora, RHEL).
    Grubby,
    /// `/usr/sbin/update-grub` (Debian).
    UpdateGrub,
    /// `grub-mkconfig` with `/etc/default/grub`.
    GrubMkconfig,
    /// `kernel-install` with `/etc/kernel/cmdline` (systemd-boot, unified kernel images).
    KernelInstall,
    /// `/etc/cmdline.d`, from which mkinitcpio takes the command line of unified kernel images.
    CmdlineDirectory,
    /// `/usr/sbin/update-initramfs`.
    UpdateInitramfs,
    /// `/usr/bin/dracut`.
    Dracut,
    /// `/usr/bin/mkinitcpio`.
    Mkinitcpio,
    /// `/etc/NIXOS`.
    NixOs,
}
