//! What the checks of processor, kernels, command line and boot say about hosts made by hand:
//! each finds what it is there for, passes where all is well, and says where it could not look.

use passthru_formats::Errno;
use passthru_formats::cpuinfo::{CpuInfo, Virtualization};
use passthru_formats::image::Image;
use passthru_formats::initramfs::assignments;
use passthru_formats::iomem::BootFramebuffer;
use passthru_formats::kconfig;
use passthru_formats::modprobe;
use passthru_formats::modules::Loaded;
use passthru_model::system::boot::{InitramfsImage, ModprobeLine, NamedModule, Oddity, Stage};
use passthru_model::system::{Distribution, Kernel, Processor, System, Tool};
use passthru_model::{Blind, Fact, Records, Seen, Severity, Snapshot, Verdict, When};
use passthru_pci::{Address, Class, Id};
use passthru_plan::checks::{Host, run};
use passthru_testkit::fake::{Kernel as Fake, Part};

const CARD: &str = "0000:01:00.0";
const TWIN: &str = "0000:02:00.0";

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// A Debian on an Intel processor with two graphics cards of one kind, all as it should be.
fn good() -> Snapshot {
    let fake = Fake::with_parts([
        Part::new(CARD, 0x03_0000).on("nouveau").group(1),
        Part::new(TWIN, 0x03_0000).on("nouveau").group(2),
    ]);
    let mut host = fake.snapshot(&[]);
    for (device, id) in [(CARD, "10de:1284"), (TWIN, "10de:2204")] {
        let device = host.devices.iter_mut().find(|d| d.address == address(device)).unwrap();
        device.id = Fact::Known(id.parse().unwrap());
        device.class = Fact::Known(Class::new(0x03_0000));
        device.subsystem = Fact::Known(Id { vendor: 0x1462, device: 0x3380 });
        device.detail.as_mut().unwrap().driver_module = Fact::Known("nouveau".into());
    }
    host.kernel = Fact::Known("6.12.57+deb13-amd64".into());
    host.command_line = Fact::Known("root=/dev/sda1 ro quiet".into());
    host.iommu_tables = Fact::Known(vec!["DMAR".into()]);
    host.drivers = Fact::Known(vec!["nouveau".into()]);
    host.system = System {
        distribution: Fact::Known(Distribution { id: "debian".into(), ..Distribution::default() }),
        tools: vec![Tool::UpdateGrub, Tool::UpdateInitramfs],
        processor: Processor {
            cpu: Fact::Known(CpuInfo {
                vendor: "GenuineIntel".into(),
                virtualization: Some(Virtualization::Vmx),
                ..CpuInfo::default()
            }),
            kvm_node: Fact::Known(0o660),
            kvm: Fact::Known(()),
            kvm_vendor: Fact::Known("kvm_intel"),
            second_level: Fact::Known(true),
        },
        kernels: Seen::new(vec![kernel("6.12.57+deb13-amd64", true)], vec![]),
        ..System::default()
    };
    let boot = &mut host.system.boot;
    boot.loaded = Fact::Known(vec![]);
    boot.framebuffers = Fact::Known(vec![]);
    boot.fb = Fact::Known(vec!["0 nouveaudrmfb".into()]);
    host.rights.root = true;
    host
}

const CONFIG: &str = "CONFIG_PCI=y\nCONFIG_KVM=m\nCONFIG_KVM_INTEL=m\nCONFIG_KVM_AMD=m\nCONFIG_IOMMU_SUPPORT=y\n\
    CONFIG_INTEL_IOMMU=y\nCONFIG_IRQ_REMAP=y\nCONFIG_VFIO=m\nCONFIG_VFIO_PCI=m\nCONFIG_VFIO_IOMMU_TYPE1=m\n\
    CONFIG_VFIO_PCI_VGA=y\nCONFIG_VFIO_PCI_IGD=y\nCONFIG_IOMMUFD=m\nCONFIG_VFIO_DEVICE_CDEV=y\nCONFIG_VHOST_NET=m\n\
    CONFIG_TUN=m\nCONFIG_VIRTIO_PCI=m\nCONFIG_VIRTIO_BLK=m\nCONFIG_VIRTIO_NET=m\nCONFIG_SCSI_VIRTIO=m\n\
    CONFIG_VIRTIO_BALLOON=m\n";

fn config(without: &[&str]) -> Fact<kconfig::KernelConfig> {
    let off = |line: &&str| !without.iter().any(|name| line.starts_with(&format!("CONFIG_{name}=")));
    let text: String = CONFIG.lines().filter(off).flat_map(|line| [line, "\n"]).collect();
    Fact::Known(kconfig::select(text.as_bytes(), kconfig::OPTIONS).unwrap())
}

fn kernel(release: &str, running: bool) -> Kernel {
    let modules = ["vfio", "vfio_pci", "vfio_iommu_type1", "nouveau"];
    Kernel {
        release: release.into(),
        running,
        directory: Some(format!("/lib/modules/{release}")),
        config_path: format!("/boot/config-{release}"),
        config: config(&[]),
        files: Fact::Known(modules.map(|name| (name.to_owned(), format!("kernel/{name}.ko"))).into()),
        builtin: Fact::Known(["ext4".to_owned()].into()),
    }
}

fn verdict(host: &Snapshot, id: &str) -> Verdict {
    let records = Records::default();
    let host = Host::new(host, &records);
    let named = [address(CARD)];
    let mut judged = run(&host, Some(&named)).into_iter().filter(|one| one.id == id);
    let one = judged.next().unwrap_or_else(|| panic!("nobody asked {id}")).verdict;
    assert!(judged.next().is_none());
    for finding in one.findings() {
        assert!(!finding.evidence.is_empty() && !finding.summary.ends_with('.'), "{finding:?}");
        assert!(
            finding.consequence.ends_with(['.', '`']) && !finding.remedy.text.ends_with('.'),
            "{finding:?}"
        );
    }
    one
}

/// Summaries and severities of what is found.
fn found(host: &Snapshot, id: &str) -> Vec<(Severity, String)> {
    match verdict(host, id) {
        Verdict::Found(findings) => findings.into_iter().map(|f| (f.severity, f.summary)).collect(),
        other => panic!("{id}: {other:?}"),
    }
}

fn one(host: &Snapshot, id: &str) -> passthru_model::Finding {
    match verdict(host, id) {
        Verdict::Found(mut findings) if findings.len() == 1 => findings.remove(0),
        other => panic!("{id}: {other:?}"),
    }
}

fn passes(host: &Snapshot, id: &str) {
    let verdict = verdict(host, id);
    assert!(matches!(verdict, Verdict::Pass(_)), "{id}: {verdict:?}");
}

/// Where nobody could look.
fn blind(host: &Snapshot, id: &str) -> Vec<String> {
    match verdict(host, id) {
        Verdict::CouldNotLook(unseen) => unseen.into_iter().map(|u| u.path).collect(),
        other => panic!("{id}: {other:?}"),
    }
}

fn spot(path: &str) -> Vec<Blind> {
    vec![Blind { what: "x".into(), path: path.into(), error: Errno::EACCES, count: 1 }]
}

fn card(host: &mut Snapshot, device: &str) -> usize {
    host.devices.iter().position(|d| d.address == address(device)).unwrap()
}

fn modprobe_d(host: &mut Snapshot, text: &str) {
    let lines = modprobe::parse(text.as_bytes()).into_iter();
    let lines =
        lines.map(|(line, command)| ModprobeLine { path: "/etc/modprobe.d/vfio.conf".into(), line, command });
    host.system.boot.modprobe = Seen::new(lines.collect(), vec![]);
}

fn named(host: &mut Snapshot, stage: Stage, names: &[&str]) {
    let path = match stage {
        Stage::Root => "/etc/modules",
        _ => "/etc/initramfs-tools/modules",
    };
    let of = |(line, name): (usize, &&str)| NamedModule {
        path: path.into(),
        line: line + 1,
        module: (*name).into(),
        stage,
    };
    host.system.boot.named = Seen::new(names.iter().enumerate().map(of).collect(), vec![]);
}

#[test]
fn a_good_host() {
    let host = good();
    for id in [
        "cpu-virtualization",
        "kvm",
        "kernel-config",
        "vfio-modules",
        "vfio-virqfd",
        "parameter-useless",
        "parameter-harmful",
        "acs-override",
        "initramfs-config",
        "boot-framebuffer",
        "identical-twins",
    ] {
        passes(&host, id);
    }
    assert!(matches!(verdict(&host, "host-driver-at-boot"), Verdict::NotApplicable(_)));
}

/// Nothing was read: nothing is judged.
#[test]
fn an_unread_host() {
    let mut host = good();
    host.system = System::default();
    host.command_line = Fact::Unreadable(Errno::EACCES);
    for id in [
        "cpu-virtualization",
        "kvm",
        "kernel-config",
        "vfio-modules",
        "parameter-useless",
        "parameter-harmful",
        "acs-override",
        "host-driver-at-boot",
        "boot-framebuffer",
        "identical-twins",
    ] {
        assert!(matches!(verdict(&host, id), Verdict::CouldNotLook(_)), "{id}: {:?}", verdict(&host, id));
    }
}

#[test]
fn processors() {
    let mut host = good();
    let with = |host: &mut Snapshot, vendor: &str, hypervisor| {
        let info = CpuInfo { vendor: vendor.into(), hypervisor, ..CpuInfo::default() };
        host.system.processor.cpu = Fact::Known(info);
    };
    with(&mut host, "GenuineIntel", false);
    let finding = one(&host, "cpu-virtualization");
    assert_eq!((finding.severity, finding.remedy.when), (Severity::Warning, When::Firmware));
    assert!(finding.remedy.text.contains("VT-x"));
    assert_eq!(verdict(&host, "kvm"), Verdict::After("cpu-virtualization"));
    with(&mut host, "AuthenticAMD", true);
    assert!(one(&host, "cpu-virtualization").summary.contains("without nested"));
    with(&mut host, "", false);
    assert!(matches!(verdict(&host, "cpu-virtualization"), Verdict::NotApplicable(_)));
    host.system.processor.cpu = Fact::Absent;
    assert_eq!(blind(&host, "cpu-virtualization"), ["/proc/cpuinfo"]);
}

#[test]
fn kvm() {
    let mut host = good();
    host.system.processor.second_level = Fact::Known(false);
    assert_eq!(one(&host, "kvm").evidence[0].place, "/sys/module/kvm_intel/parameters/ept");
    host.system.processor.second_level = Fact::Known(true);
    host.rights.root = false;
    assert_eq!(one(&host, "kvm").severity, Severity::Note);
    host.system.processor.kvm_node = Fact::Known(0o666);
    passes(&host, "kvm");
    host.system.processor.kvm_node = Fact::Absent;
    assert!(one(&host, "kvm").summary.contains("offers no /dev/kvm"));
    host.system.processor.kvm_vendor = Fact::Absent;
    let finding = one(&host, "kvm");
    assert_eq!(finding.summary, "kvm_intel is not loaded");
    assert_eq!(finding.remedy.commands, Vec::<String>::new(), "this kernel has no such module");
    let mut kernel = kernel("6.12.57", true);
    kernel.files = Fact::NotRead;
    host.system.kernels = Seen::new(vec![kernel], vec![]);
    assert_eq!(one(&host, "kvm").remedy.commands, ["modprobe kvm_intel"]);
    host.system.processor.kvm_vendor = Fact::Unreadable(Errno::EACCES);
    assert_eq!(blind(&host, "kvm"), ["/sys/module/kvm_intel"]);
    host.system.processor.kvm_node = Fact::Unreadable(Errno::EACCES);
    assert_eq!(blind(&host, "kvm"), ["/dev/kvm"]);
}

#[test]
fn configurations() {
    let mut host = good();
    let mut other = kernel("6.1.0-40-cloud-amd64", false);
    other.config = config(&["VFIO", "VFIO_PCI", "VFIO_IOMMU_TYPE1", "VFIO_PCI_VGA", "VFIO_DEVICE_CDEV"]);
    let mut running = kernel("6.12.57+deb13-amd64", true);
    running.config = config(&["VFIO_PCI_VGA", "IRQ_REMAP", "VIRTIO_NET"]);
    host.system.kernels = Seen::new(vec![running, other], vec![]);
    let all = found(&host, "kernel-config");
    assert_eq!(
        all.iter().map(|(severity, text)| (*severity, text.as_str())).collect::<Vec<_>>(),
        [
            (Severity::Warning, "Kernel 6.12.57+deb13-amd64 is built without CONFIG_IRQ_REMAP"),
            (Severity::Note, "Kernel 6.12.57+deb13-amd64 is built without CONFIG_VFIO_PCI_VGA"),
            (Severity::Note, "Kernel 6.12.57+deb13-amd64 is built without CONFIG_VIRTIO_NET"),
            (
                Severity::Warning,
                "Kernel 6.1.0-40-cloud-amd64 is built without CONFIG_VFIO, CONFIG_VFIO_PCI, CONFIG_VFIO_IOMMU_TYPE1"
            ),
        ]
    );
    // Those for virtual machines have a sibling for real ones.
    match verdict(&host, "kernel-config") {
        Verdict::Found(findings) => {
            assert_eq!(findings[3].remedy.commands, ["apt install linux-image-amd64"]);
            assert!(findings[0].remedy.commands.is_empty());
            assert_eq!(findings[0].evidence[0].value, "# CONFIG_IRQ_REMAP is not set");
        }
        other => panic!("{other:?}"),
    }
    // The IOMMU's driver counts by the firmware's table, unless one is at work.
    let mut running = kernel("6.12.57", true);
    running.config = config(&["INTEL_IOMMU"]);
    host.system.kernels = Seen::new(vec![running.clone()], vec![]);
    host.iommu_units = Fact::Known(vec![]);
    assert_eq!(one(&host, "kernel-config").severity, Severity::Error);
    host.iommu_tables = Fact::Known(vec!["IORT".into()]);
    assert!(one(&host, "kernel-config").summary.ends_with("CONFIG_ARM_SMMU_V3"));
    host.iommu_units = Fact::Known(vec!["smmu3".into()]);
    passes(&host, "kernel-config");
    running.config = Fact::Absent;
    host.system.kernels = Seen::new(vec![running], spot("/usr/lib/modules"));
    assert_eq!(blind(&host, "kernel-config"), ["/usr/lib/modules", "/boot/config-6.12.57"]);
}

#[test]
fn modules() {
    let mut host = good();
    let mut running = kernel("6.8.0-60-generic", true);
    running.files = Fact::Known([("vfio".into(), "kernel/vfio.ko".into())].into());
    running.builtin = Fact::Known(["vfio_iommu_type1".to_owned()].into());
    host.system.kernels = Seen::new(vec![running.clone(), kernel("6.1", false)], vec![]);
    let finding = one(&host, "vfio-modules");
    assert_eq!(
        (finding.severity, &*finding.summary),
        (Severity::Error, "Kernel 6.8.0-60-generic has no module vfio_pci")
    );
    for (id, command) in [
        ("debian", "apt install --reinstall linux-image-6.8.0-60-generic"),
        ("ubuntu", "apt install linux-modules-extra-6.8.0-60-generic"),
        ("fedora", "dnf install kernel-modules-6.8.0-60-generic"),
        ("suse", "zypper install kernel-default"),
    ] {
        host.system.distribution = Fact::Known(Distribution { id: id.into(), ..Distribution::default() });
        assert_eq!(one(&host, "vfio-modules").remedy.commands, [command]);
    }
    for (tool, command) in [(Tool::NixOs, "nixos-rebuild boot"), (Tool::RpmOstree, "rpm-ostree upgrade")] {
        let mut host = host.clone();
        host.system.tools = vec![tool];
        host.system.distribution =
            Fact::Known(Distribution { id: "fedora".into(), ..Distribution::default() });
        let remedy = one(&host, "vfio-modules").remedy;
        assert_eq!((&*remedy.commands, remedy.when), (&[command.to_owned()][..], When::Reboot));
    }
    // Loaded is there; never built is another finding.
    host.drivers = Fact::Known(vec!["vfio-pci".into()]);
    passes(&host, "vfio-modules");
    host.drivers = Fact::Known(vec![]);
    running.config = config(&["VFIO_PCI"]);
    host.system.kernels = Seen::new(vec![running.clone()], vec![]);
    passes(&host, "vfio-modules");
    // An update took the running kernel's modules away.
    running.config = config(&[]);
    (running.directory, running.files, running.builtin) = (None, Fact::Absent, Fact::Absent);
    host.system.kernels = Seen::new(vec![running.clone(), kernel("6.17.2-arch1-1", false)], vec![]);
    assert!(one(&host, "vfio-modules").summary.contains("are gone"));
    host.system.kernels = Seen::new(vec![running], vec![]);
    assert_eq!(blind(&host, "vfio-modules"), ["/lib/modules/6.8.0-60-generic/"]);
    let mut unread = kernel("6.1", true);
    unread.files = Fact::Unreadable(Errno::EIO);
    host.system.kernels = Seen::new(vec![unread], vec![]);
    assert_eq!(blind(&host, "vfio-modules"), ["/lib/modules/6.1/modules.dep"]);
}

#[test]
fn virqfd() {
    let mut host = good();
    let mut old = kernel("6.1.0-40-amd64", false);
    old.files = Fact::Known([("vfio_virqfd".to_owned(), "kernel/vfio_virqfd.ko".to_owned())].into());
    named(&mut host, Stage::InitramfsFirst, &["vfio", "vfio-virqfd"]);
    host.system.kernels = Seen::new(vec![old.clone()], vec![]);
    passes(&host, "vfio-virqfd");
    host.system.kernels = Seen::new(vec![kernel("6.12.57", true), old], vec![]);
    let finding = one(&host, "vfio-virqfd");
    assert_eq!(finding.summary, "vfio_virqfd is asked for, and kernel 6.12.57 has no such module");
    assert_eq!(finding.evidence[0].place, "/etc/initramfs-tools/modules:2");
    assert_eq!(finding.remedy.commands[1], "update-initramfs -u -k all");
    host.system.tools = vec![Tool::Dracut];
    assert!(
        one(&host, "vfio-virqfd").consequence.contains("dracut-install: Failed to find module 'vfio_virqfd'")
    );
    named(&mut host, Stage::Root, &["vfio_virqfd"]);
    assert!(one(&host, "vfio-virqfd").consequence.contains("systemd-modules-load.service"));
    // By version, where the lists cannot be read.
    let mut unread = kernel("6.12.57", true);
    unread.files = Fact::Unreadable(Errno::EACCES);
    host.system.kernels = Seen::new(vec![unread], vec![]);
    assert_eq!(one(&host, "vfio-virqfd").severity, Severity::Warning);
    host.system.boot.named = Seen::new(vec![], spot("/etc/modules"));
    assert_eq!(blind(&host, "vfio-virqfd"), ["/etc/modules"]);
}

#[test]
fn useless_parameters() {
    let mut host = good();
    for (line, expected) in [
        ("amd_iommu=on", &["amd_iommu=on is not an option"][..]),
        ("amd_iommu=fullflush,force_isolation", &[]),
        ("amd_iommu=pgtbl_v2,pt", &["amd_iommu=pt is not an option"]),
        ("intel_iommu=on,sm_on iommu=pt", &[]),
        ("intel-iommu=yes", &["intel_iommu=yes is not an option"]),
        ("iommu=1", &["iommu=1 is not an option"]),
        ("rd.driver.pre=vfio-pci", &["rd.driver.pre is read by dracut only"]),
        ("video=efifb:off", &["video=efifb:off is no longer needed"]),
        ("video=HDMI-A-1:1024x768", &[]),
        ("-- amd_iommu=on", &[]),
    ] {
        host.command_line = Fact::Known(line.into());
        match expected {
            [] => passes(&host, "parameter-useless"),
            expected => {
                let all = found(&host, "parameter-useless");
                assert_eq!(all.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), expected, "{line}");
                assert!(all.iter().all(|(severity, _)| *severity == Severity::Note));
            }
        }
    }
    // Alone, with nothing at work.
    host.command_line = Fact::Known("iommu=pt".into());
    passes(&host, "parameter-useless");
    host.iommu_units = Fact::Known(vec![]);
    // Without Intel's table there is nothing to switch on.
    host.iommu_tables = Fact::Known(vec![]);
    passes(&host, "parameter-useless");
    host.iommu_tables = Fact::Known(vec!["DMAR".into()]);
    host.command_line = Fact::Known("iommu=pt intel_iommu=off".into());
    passes(&host, "parameter-useless");
    host.command_line = Fact::Known("iommu=pt".into());
    let finding = one(&host, "parameter-useless");
    assert_eq!(finding.severity, Severity::Warning);
    assert!(finding.remedy.commands[0].contains("intel_iommu=on"), "{:?}", finding.remedy);
    host.command_line = Fact::Known("intel_iommu=on".into());
    passes(&host, "parameter-useless");
    if let Fact::Known(cpu) = &mut host.system.processor.cpu {
        cpu.vendor = "AuthenticAMD".into();
    }
    // In a virtual machine it may well be Intel's IOMMU.
    host.iommu_tables = Fact::Known(vec!["DMAR".into()]);
    passes(&host, "parameter-useless");
    host.iommu_tables = Fact::Known(vec![]);
    assert!(one(&host, "parameter-useless").summary.contains("on an AMD processor"));
}

#[test]
fn harmful_parameters() {
    let mut host = good();
    for (line, expected) in [
        ("vfio-pci.ids=10de:1284", None),
        ("vfio_pci.ids=10de:1284:1462:3380", None),
        ("vfio-pci.ids=10de:1284,nvidia", Some("'nvidia' is no id for vfio-pci")),
        ("vfio-pci.ids=10de:1285", Some("No device has the id '10de:1285' that vfio-pci is told to take")),
        (
            "vfio-pci.ids=0000:01:00.0",
            Some("No device has the id '0000:01:00.0' that vfio-pci is told to take"),
        ),
        (
            "vfio-pci.ids=10de:2204 vfio-pci.ids=10de:1284",
            Some("Ids for vfio-pci are given several times, and only the last ones count"),
        ),
        ("vfio-pci.id=10de:1284", Some("vfio-pci.id looks like a misspelt vfio_pci.ids")),
        ("intel_iomu=on", Some("intel_iomu looks like a misspelt intel_iommu")),
        ("rd.drivers.pre=vfio-pci", Some("rd.drivers.pre looks like a misspelt rd.driver.pre")),
        ("VFIO-PCI.ids=10de:1284", Some("VFIO-PCI.ids looks like a misspelt vfio_pci.ids")),
        ("nointremap iomem=relaxed console=ttyS0 amd_pstate=active kvm_amd.avic=1", None),
        ("pci-stub.ids=10de:1284", Some("pci-stub takes devices that VFIO should have")),
        ("vfio.enable_unsafe_noiommu_mode=1", Some("VFIO's unsafe mode without an IOMMU is on")),
        ("vfio.enable_unsafe_noiommu_mode=0", None),
        ("pci=realloc,nomsi", Some("pci=nomsi takes message-signalled interrupts away")),
        ("module_blacklist=nouveau,vfio-pci", Some("vfio-pci is kept from being loaded")),
        ("modprobe.blacklist=nouveau,vfio-pci", None),
        // One is at work all the same: it was said of another kernel.
        ("amd_iommu=off", None),
    ] {
        host.command_line = Fact::Known(line.into());
        match expected {
            None => passes(&host, "parameter-harmful"),
            Some(expected) => assert_eq!(
                found(&host, "parameter-harmful"),
                [(Severity::Warning, expected.into())],
                "{line}"
            ),
        }
    }
    host.iommu_units = Fact::Known(vec![]);
    // What iommu-kernel names as the cause is not said again; the next word would be.
    host.command_line = Fact::Known("iommu=off".into());
    passes(&host, "parameter-harmful");
    host.command_line = Fact::Known("iommu=off amd_iommu=off".into());
    let finding = one(&host, "parameter-harmful");
    assert!(finding.remedy.commands.iter().any(|c| c == "update-grub"));
    host.command_line = Fact::Known(String::new());
    modprobe_d(&mut host, "options vfio-pci ids=10de:9999\noptions vfio enable_unsafe_noiommu_mode=Y\n");
    let all = found(&host, "parameter-harmful");
    assert_eq!(all.len(), 2);
    host.system.boot.modprobe = Seen::new(vec![], spot("/etc/modprobe.d"));
    assert_eq!(blind(&host, "parameter-harmful"), ["/etc/modprobe.d"]);
}

#[test]
fn acs() {
    let mut host = good();
    host.command_line = Fact::Known("pcie_acs_override=downstream,multifunction".into());
    assert_eq!(one(&host, "acs-override").severity, Severity::Warning);
}

#[test]
fn who_wins_at_boot() {
    let id = "host-driver-at-boot";
    let mut host = good();
    modprobe_d(&mut host, "options vfio-pci ids=10de:1284\n");
    let finding = one(&host, id);
    assert!(finding.summary.ends_with("nothing loads vfio-pci: options do not"), "{}", finding.summary);
    assert_eq!(
        finding.remedy.commands,
        [
            "echo 'softdep nouveau pre: vfio-pci' >> /etc/modprobe.d/vfio.conf",
            "echo vfio_pci >> /etc/initramfs-tools/modules",
            "update-initramfs -u -k all",
        ]
    );
    // Loaded, but later: the list begins with what came last.
    host.drivers = Fact::Known(vec!["nouveau".into(), "vfio-pci".into()]);
    let loaded = |names: &[&str]| {
        let of = |name: &&str| Loaded { name: (*name).into(), count: Some(0), users: vec![] };
        Fact::Known(names.iter().map(of).collect())
    };
    host.system.boot.loaded = loaded(&["vfio_pci", "nouveau"]);
    let finding = one(&host, id);
    assert!(finding.summary.contains("neither the initramfs nor a softdep"), "{}", finding.summary);
    assert!(finding.evidence.iter().any(|e| e.place == "/proc/modules"));
    host.system.boot.loaded = loaded(&["nouveau", "vfio_pci"]);
    assert!(one(&host, id).summary.contains("without these ids"));
    named(&mut host, Stage::InitramfsFirst, &["nouveau", "vfio_pci"]);
    let finding = one(&host, id);
    assert!(finding.summary.contains("loaded first in the initramfs"));
    assert!(finding.remedy.text.starts_with("Put vfio_pci before nouveau in /etc/initramfs-tools/modules:1"));
    // The file was put right, and the image is as it was.
    named(&mut host, Stage::InitramfsFirst, &["vfio_pci", "nouveau"]);
    let mut image = Image::default();
    image.files.insert("/conf/modules".into(), "nouveau\nvfio_pci\n".into());
    host.system.boot.image =
        Some(InitramfsImage { path: "/boot/initrd.img".into(), inside: Fact::Known(image) });
    let finding = one(&host, id);
    assert!(finding.summary.ends_with("the initramfs image loads nouveau first, before vfio-pci"));
    assert!(finding.evidence.iter().any(|e| e.place == "/boot/initrd.img: /conf/modules"));
    host.system.boot.image = None;
    named(&mut host, Stage::Root, &["vfio_pci"]);
    host.system.boot.hooks = vec!["base".into(), "kms".into()];
    assert!(one(&host, id).summary.contains("hook kms"));
    // Built in: no configuration helps. The list says so, or where it cannot be read the driver
    // without a module.
    let at = card(&mut host, CARD);
    let mut running = kernel("6.12.57+deb13-amd64", true);
    running.files = Fact::Known([("vfio_pci".to_owned(), "kernel/vfio-pci.ko".to_owned())].into());
    running.builtin = Fact::Known(["nouveau".to_owned()].into());
    host.system.kernels = Seen::new(vec![running], vec![]);
    assert!(one(&host, id).summary.contains("built into the kernel"));
    host.system.kernels = Seen::new(vec![], spot("/lib/modules"));
    host.devices[at].detail.as_mut().unwrap().driver_module = Fact::Absent;
    let finding = one(&host, id);
    assert!(finding.summary.contains("built into the kernel"));
    assert_eq!(finding.remedy.commands, [format!("passthru bind {CARD}")]);
    host.devices[at].driver = Fact::Absent;
    assert_eq!(one(&host, id).summary, "vfio-pci is told to take it and has not");
    host.devices[at].driver = Fact::Known("vfio-pci".into());
    passes(&host, id);
    host.devices[at].driver = Fact::Unreadable(Errno::EACCES);
    assert_eq!(blind(&host, id).len(), 1);
}

#[test]
fn files_of_generators() {
    let mut host = good();
    let line = assignments(b"add_drivers+=\"vfio vfio_pci\"").remove(0);
    host.system.tools = vec![Tool::Dracut];
    host.system.boot.oddities = vec![
        Oddity::NotConf { path: "/etc/dracut.conf.d/vfio".into(), taken: false },
        Oddity::Blanks("/etc/dracut.conf.d/local.conf".into(), line),
    ];
    let all = found(&host, "initramfs-config");
    assert_eq!(all[0].1, "dracut does not read /etc/dracut.conf.d/vfio");
    assert_eq!(all[1].1, "A blank is missing around the value of add_drivers");
    host.system.boot.oddities.clear();
    passes(&host, "initramfs-config");
    host.system.boot.named = Seen::new(vec![], spot("/etc/dracut.conf"));
    assert_eq!(blind(&host, "initramfs-config"), ["/etc/dracut.conf"]);
    host.system.boot.named = Seen::default();
    host.system.tools.clear();
    assert!(matches!(verdict(&host, "initramfs-config"), Verdict::NotApplicable(_)));
}

#[test]
fn framebuffers() {
    let id = "boot-framebuffer";
    let mut host = good();
    let at = card(&mut host, CARD);
    let framebuffer = |name: &str| {
        let device = Some(address(CARD));
        Fact::Known(vec![BootFramebuffer {
            name: name.into(),
            device,
            range: Some((0xc000_0000, 0xc02f_ffff)),
        }])
    };
    host.system.boot.framebuffers = framebuffer("BOOTFB");
    assert_eq!(one(&host, id).severity, Severity::Note);
    host.kernel = Fact::Known("5.15.0-100-generic".into());
    let finding = one(&host, id);
    assert_eq!(finding.severity, Severity::Error);
    assert!(finding.remedy.commands.iter().any(|c| c.contains("initcall_blacklist=sysfb_init")));
    host.system.boot.framebuffers = framebuffer("efifb");
    assert!(one(&host, id).remedy.text.contains("video=efifb:off"));
    // A 3D controller is not taken away by newer kernels either.
    host.kernel = Fact::Known("6.12.57".into());
    host.devices[at].class = Fact::Known(Class::new(0x03_0200));
    assert!(one(&host, id).summary.ends_with("(class 0300) away from it"));
    host.kernel = Fact::Absent;
    assert_eq!(blind(&host, id), ["/proc/sys/kernel/osrelease"]);
    host.devices[at].class = Fact::Known(Class::new(0x01_0802));
    assert!(matches!(verdict(&host, id), Verdict::NotApplicable(_)));
}

#[test]
fn twins() {
    let id = "identical-twins";
    let mut host = good();
    let (at, twin) = (card(&mut host, CARD), card(&mut host, TWIN));
    host.devices[twin].id = host.devices[at].id.clone();
    assert_eq!(one(&host, id).severity, Severity::Note);
    host.command_line = Fact::Known("vfio-pci.ids=10de:1284".into());
    assert_eq!(one(&host, id).severity, Severity::Warning);
    host.devices[twin].boot_vga = Fact::Known(true);
    let finding = one(&host, id);
    assert_eq!(finding.severity, Severity::Error);
    assert!(finding.summary.contains(TWIN));
    // Subsystem ids tell them apart.
    host.devices[twin].subsystem = Fact::Known(Id { vendor: 0x1043, device: 1 });
    host.command_line = Fact::Known("vfio-pci.ids=10de:1284:1462:3380".into());
    passes(&host, id);
    host.devices[at].id = Fact::Malformed("x".into());
    assert_eq!(blind(&host, id).len(), 1);
}
