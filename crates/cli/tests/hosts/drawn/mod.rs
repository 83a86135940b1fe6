//! The hosts that are drawn by hand, one function each: from public descriptions of
//! people's machines, and of kinds of hosts that matter and that no lab has.
//!
//! After a change, `PASSTHRU_DRAW=1 cargo test -p passthru --test hosts` writes the
//! fixtures anew.

mod machines;
mod states;
mod uses;

use crate::drawing::Drawing;

/// A host's name and how it is drawn.
type Drawn = (&'static str, fn() -> Drawing);

/// Every drawn host.
pub(crate) const ALL: &[Drawn] = &[
    ("gt630-desktop", machines::gt630_desktop),
    ("iris-pro-laptop", machines::iris_pro_laptop),
    ("connectx3-server", machines::connectx3_server),
    ("vmd", uses::vmd),
    ("no-iommu", states::no_iommu),
    ("no-iommu-mode", states::no_iommu_mode),
    ("iommu-off", states::iommu_off),
    ("acs-override", states::acs_override),
    ("sriov", uses::sriov),
    ("nvme-multipath", uses::nvme_multipath),
    ("lvm-on-luks", uses::lvm_on_luks),
    ("btrfs-two-disks", uses::btrfs_two_disks),
    ("without-root", states::without_root),
    ("interrupted", states::interrupted),
    ("garbage", states::garbage),
    ("busy", uses::busy),
    ("misfits", states::misfits),
    ("proliant", machines::proliant),
    ("amd-laptop", machines::amd_laptop),
    ("grid-k2-server", machines::grid_k2_server),
    ("arch-twins", machines::arch_twins),
];
