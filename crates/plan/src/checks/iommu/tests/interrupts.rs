//! Interrupt remapping that the kernel refuses, and switches that modprobe.d sets.

use passthru_formats::{Errno, kconfig, modprobe};
use passthru_model::system::Kernel;
use passthru_model::system::boot::ModprobeLine;
use passthru_model::{Blind, Fact, Seen, Severity, Snapshot, When};
use passthru_pci::Id;

use super::{ask, blind, found, host, passes};

const CONF: &str = "/etc/modprobe.d/vfio.conf";

fn modprobe_d(host: &mut Snapshot, text: &str) {
    let lines = modprobe::parse(text.as_bytes()).into_iter();
    let lines = lines.map(|(line, command)| ModprobeLine { path: CONF.into(), line, command }).collect();
    host.system.boot.modprobe = Seen::new(lines, vec![]);
}

fn kernel(set: impl FnOnce(&mut Kernel)) -> Seen<Kernel> {
    let mut kernel = Kernel { running: true, config_path: "/boot/config".into(), ..Kernel::default() };
    set(&mut kernel);
    Seen::new(vec![kernel], vec![])
}

/// Nothing is remapped, and nothing but the kernel says so.
fn refused() -> Snapshot {
    let mut host = host();
    host.system.firmware.remapped_interrupts = Fact::Known(false);
    host
}

#[test]
fn a_switch_in_modprobe_d_counts_once_its_module_is_loaded() {
    let mut host = host();
    modprobe_d(&mut host, "# why\noptions vfio_iommu_type1 allow_unsafe_interrupts=1 dma_entry_limit=9\n");
    // The module is loaded, and was given something else since.
    passes(&host, "unsafe-interrupts");
    host.system.firmware.type1_unsafe = Fact::Absent;
    let finding = found(&host, "unsafe-interrupts");
    assert_eq!(finding.evidence[0].place, format!("{CONF}:2"));
    assert!(finding.remedy.text.ends_with(&format!("out of {CONF}:2")), "{}", finding.remedy.text);
    assert_eq!(
        finding.remedy.commands,
        [
            &format!("sed -i.bak -E '2 s/[ \\t]allow_unsafe_interrupts(=[^ \\t]*)?//g' {CONF}"),
            "update-initramfs -u -k all"
        ]
    );
    // What is built in takes nothing from there.
    host.system.kernels = kernel(|kernel| kernel.builtin = Fact::Known(["vfio_iommu_type1".into()].into()));
    passes(&host, "unsafe-interrupts");
    host.system.kernels = Seen::default();
    // The command line comes last.
    host.command_line = Fact::Known("intel_iommu=on vfio_iommu_type1.allow_unsafe_interrupts=0".into());
    passes(&host, "unsafe-interrupts");
    host.command_line = Fact::Known("intel_iommu=on".into());
    modprobe_d(
        &mut host,
        "options vfio_iommu_type1 allow_unsafe_interrupts\noptions vfio_iommu_type1 allow_unsafe_interrupts=0\n",
    );
    passes(&host, "unsafe-interrupts");

    let mut host = refused();
    host.system.firmware.type1_unsafe = Fact::Absent;
    assert_eq!(found(&host, "interrupt-remapping").severity, Severity::Error);
    modprobe_d(&mut host, "options vfio_iommu_type1 allow_unsafe_interrupts=1\n");
    assert_eq!(found(&host, "interrupt-remapping").severity, Severity::Warning);
}

#[test]
fn modprobe_d_that_cannot_be_read_hides_a_switch() {
    let mut host = host();
    let spot =
        Blind { what: "modules' configuration".into(), path: CONF.into(), error: Errno::EACCES, count: 1 };
    host.system.boot.modprobe = Seen::new(vec![], vec![spot]);
    assert!(blind(&host, "unsafe-interrupts").starts_with(CONF));
    // Both modules are loaded: it shows how the switches stand.
    host.system.firmware.iommufd_unsafe = Fact::Known(false);
    passes(&host, "unsafe-interrupts");
}

#[test]
fn what_the_kernel_refuses_can_be_done_without() {
    let mut host = refused();
    let finding = found(&host, "interrupt-remapping");
    assert!(finding.summary.ends_with("the tables do not say why"), "{}", finding.summary);
    assert!(finding.remedy.commands[0].starts_with("journalctl"), "{:?}", finding.remedy.commands);
    assert!(
        finding.remedy.commands.iter().any(|c| c.starts_with("echo 1 >")),
        "{:?}",
        finding.remedy.commands
    );

    host.system.firmware.dmar = Fact::Unreadable(Errno::EACCES);
    let finding = found(&host, "interrupt-remapping");
    assert!(finding.evidence[0].value.contains("needs root"), "{finding:?}");
    assert!(finding.remedy.text.starts_with("Check again as root"), "{finding:?}");

    // Another kernel does it, and nothing has to be allowed.
    host.system.kernels = kernel(|kernel| {
        kernel.config = Fact::Known(kconfig::select(b"CONFIG_PCI=y\n", kconfig::OPTIONS).unwrap());
    });
    let finding = found(&host, "interrupt-remapping");
    assert_eq!(finding.summary, "this kernel is built without interrupt remapping");
    assert_eq!((finding.remedy.when, finding.remedy.commands.len()), (When::Reboot, 0));
}

#[test]
fn chipsets_that_lose_remapped_interrupts() {
    let mut host = refused();
    for (device, revision, broken) in [
        (0x3403, 0x13, true),
        (0x3405, 0x13, true),
        (0x3405, 0x22, true),
        (0x3406, 0x22, false),
        (0x3400, 0x13, false),
    ] {
        host.devices[0].id = Fact::Known(Id { vendor: 0x8086, device });
        host.devices[0].revision = Fact::Known(revision);
        let summary = found(&host, "interrupt-remapping").summary;
        assert_eq!(summary.ends_with("an erratum"), broken, "{device:#x} {revision:#x}: {summary}");
    }
    // It is at work all the same.
    host.devices[0].id = Fact::Known(Id { vendor: 0x8086, device: 0x3403 });
    host.devices[0].revision = Fact::Known(0x13);
    host.system.firmware.remapped_interrupts = Fact::Known(true);
    assert!(matches!(ask(&host, "interrupt-remapping"), passthru_model::Verdict::Pass(_)));
}
