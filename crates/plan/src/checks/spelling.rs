//! Parameters of the command line that are spelt almost like one that matters.

/// Parameters that matter for lending and that people type: what is spelt almost like one of
/// them is meant to be it.
const SPELT: [&str; 22] = [
    "intel_iommu",
    "amd_iommu",
    "iommu",
    "iommu.passthrough",
    "iommu.strict",
    "intremap",
    "vfio_pci.ids",
    "vfio_pci.disable_vga",
    "vfio_pci.disable_idle_d3",
    "vfio_pci.enable_sriov",
    "vfio_iommu_type1.allow_unsafe_interrupts",
    "pci_stub.ids",
    "kvm.ignore_msrs",
    "kvm_intel.nested",
    "kvm_amd.nested",
    "modprobe.blacklist",
    "module_blacklist",
    "rd.driver.pre",
    "rd.driver.post",
    "rd.driver.blacklist",
    "initcall_blacklist",
    "default_hugepagesz",
];

/// The parameter that is meant, where one is spelt almost like it.
pub(super) fn misspelt(key: &str) -> Option<&'static str> {
    let fold = |text: &str| text.replace('-', "_").to_ascii_lowercase();
    let folded = fold(key);
    let known = |name: &&&str| {
        let name = fold(name);
        // dracut's getarg compares as it stands; so does the kernel but for `-` and `_`.
        name == folded && (key == key.to_ascii_lowercase())
    };
    // Real ones that are spelt like others.
    if matches!(&*folded, "nointremap" | "iomem") || SPELT.iter().any(|name| known(&name)) {
        return None;
    }
    SPELT.iter().copied().find(|name| {
        let most = if name.len() < 8 { 1 } else { 2 };
        // In short names a wrong letter is as likely another word.
        folded.len() > 4 && distance(&folded, &fold(name)) <= most
    })
}

/// How many letters were added, left out, replaced, or exchanged with their neighbour (optimal string alignment);
/// more than the lengths could explain is not computed.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut before = vec![0; b.len() + 1];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let same = a[i - 1] == b[j - 1];
            next[j] = (row[j] + 1).min(next[j - 1] + 1).min(row[j - 1] + usize::from(!same));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}
