//! Firmware, processor and IOMMU units of drawn hosts. The tables have the
//! shapes of real machines' (`passthru_testkit::acpi`).

use passthru_testkit::acpi::machines;

use crate::drawing::Drawing;

impl Drawing {
    /// Intel's IOMMU table, of a laptop.
    pub(crate) fn dmar(&mut self) {
        self.table("DMAR", &machines::intel_laptop());
    }

    /// AMD's, of a desktop.
    pub(crate) fn ivrs(&mut self) {
        self.table("IVRS", &machines::amd_desktop());
    }

    /// A table of the firmware.
    pub(crate) fn table(&mut self, name: &str, bytes: &[u8]) {
        self.bytes(&format!("sys/firmware/acpi/tables/{name}"), bytes);
    }

    /// A table that is listed and that only root may read.
    pub(crate) fn unreadable_table(&mut self, name: &str) {
        let path = format!("sys/firmware/acpi/tables/{name}");
        self.directory(&path);
        self.instead(&format!("read /{path} ! EISDIR"), &format!("read /{path} ! EACCES"));
    }

    /// IOMMU units at work, with interrupts remapped; Intel's as in a client machine of 2015
    /// (`cap d2008c40660462 ecap f050da`).
    pub(crate) fn units(&mut self, names: &[&str]) {
        for (name, n) in names.iter().zip(0_u64..) {
            self.link(&format!("sys/class/iommu/{name}"), &format!("sys/devices/virtual/iommu/{name}"));
            if name.starts_with("dmar") {
                self.unit(name, 0xfed9_0000 + 0x1000 * n, 0x00d2_008c_4066_0462, 0x00f0_50da);
            } else {
                self.directory(&format!("sys/devices/virtual/iommu/{name}"));
            }
        }
        self.interrupts(true);
    }

    /// The registers of one of Intel's units.
    pub(crate) fn unit(&mut self, name: &str, address: u64, cap: u64, ecap: u64) {
        let at = format!("sys/devices/virtual/iommu/{name}/intel-iommu");
        self.file(&format!("{at}/address"), &format!("{address:x}\n"));
        self.file(&format!("{at}/cap"), &format!("{cap:x}\n"));
        self.file(&format!("{at}/ecap"), &format!("{ecap:x}\n"));
        self.file(&format!("{at}/version"), "1:0\n");
    }

    /// `/proc/interrupts`, its chips behind the IOMMU or not.
    pub(crate) fn interrupts(&mut self, remapped: bool) {
        let before = if remapped { "IR-" } else { "" };
        let text = format!(
            "            CPU0       CPU1       \n   0:          9          0   {before}IO-APIC   2-edge      timer\n \
             16:          0         12   {before}IO-APIC  16-fasteoi   i801_smbus\n 120:       4711         \
             33   {before}PCI-MSI 327680-edge      xhci_hcd\n"
        );
        self.file("proc/interrupts", &text);
    }

    /// `/proc/cpuinfo`, of two processors.
    pub(crate) fn processor(&mut self, vendor: &str, physical_bits: u8) {
        let (model, flag) =
            if vendor == "GenuineIntel" { ("Intel(R) Core(TM) i7", "vmx") } else { ("AMD Ryzen 7", "svm") };
        let one = |n| {
            format!(
                "processor\t: {n}\nvendor_id\t: {vendor}\ncpu family\t: 6\nmodel\t\t: 94\nmodel name\t: {model}\n\
                 flags\t\t: fpu msr pae apic {flag} ept npt\n\
                 address sizes\t: {physical_bits} bits physical, 48 bits virtual\npower management:\n\n"
            )
        };
        self.file("proc/cpuinfo", &(one(0) + &one(1)));
    }

    /// Started by EFI, with Secure Boot or without, the kernel locked down with it.
    pub(crate) fn secure_boot(&mut self, on: bool) {
        let variable = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
        self.bytes(variable, &[6, 0, 0, 0, u8::from(on)]);
        let state =
            if on { "none [integrity] confidentiality\n" } else { "[none] integrity confidentiality\n" };
        self.file("sys/kernel/security/lockdown", state);
    }
}
