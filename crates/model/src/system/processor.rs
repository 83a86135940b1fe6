//! The processor, and KVM on it.

use passthru_formats::cpuinfo::CpuInfo;

use crate::fact::Fact;

/// The processor, and KVM on it.
#[derive(Debug, Clone, Default)]
pub struct Processor {
    /// What the first processor says of itself (`/proc/cpuinfo`).
    pub cpu: Fact<CpuInfo>,
    /// Permission bits of KVM's node (`/dev/kvm`); absent where there is none.
    pub kvm_node: Fact<u32>,
    /// KVM's own module (`/sys/module/kvm`), which is there when it is built in too.
    pub kvm: Fact<()>,
    /// The module for this make of processor (`/sys/module/kvm_intel` or `kvm_amd`), by name.
    pub kvm_vendor: Fact<&'static str>,
    /// Whether the processor translates guests' addresses (`parameters/ept` or `npt`).
    pub second_level: Fact<bool>,
}
