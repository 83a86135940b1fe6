//! The host around its devices, read from directories laid out like real ones: an x86 Debian
//! with two kernels, an Arch whose running kernel's modules are gone.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test that lays out a directory")]

use std::fs;
use std::path::Path;

use passthru_formats::kconfig::Setting;
use passthru_formats::modprobe::Command;
use passthru_host::source::Directory;
use passthru_model::system::Tool;
use passthru_model::system::boot::{Oddity, Stage};
use passthru_model::system::kernels::Presence;
use passthru_model::{Fact, System, Wants};

fn system(files: &[(&str, &[u8])]) -> System {
    let root = tempfile::tempdir().unwrap();
    let mut all = vec![("sys/bus/pci/devices/.keep", &b""[..])];
    all.extend(files);
    for (path, content) in all {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(path, content).unwrap();
    }
    fs::remove_file(root.path().join("sys/bus/pci/devices/.keep")).unwrap();
    let source = Directory::at(root.path().to_str().unwrap()).unwrap();
    let wants = Wants { system: true, ..Wants::default() };
    passthru_host::snapshot(&source, &wants).unwrap().system
}

const CONFIG: &[u8] =
    b"CONFIG_PCI=y\nCONFIG_VFIO=m\n# CONFIG_VFIO_PCI_VGA is not set\nCONFIG_LOCALVERSION=\"\"\n";

#[test]
fn a_debian() {
    let system = system(&[
        ("etc/os-release", b"ID=debian\n"),
        ("usr/sbin/update-initramfs", b""),
        ("proc/sys/kernel/osrelease", b"6.12.57+deb13-amd64\n"),
        ("proc/cpuinfo", b"processor : 0\nvendor_id : GenuineIntel\nflags : vmx\n"),
        ("sys/module/kvm/x", b""),
        ("sys/module/kvm_intel/parameters/ept", b"N\n"),
        ("boot/config-6.12.57+deb13-amd64", CONFIG),
        ("lib/modules/6.1.0-40-amd64/config", CONFIG),
        ("lib/modules/6.1.0-40-amd64/modules.dep", b"kernel/drivers/vfio/vfio_virqfd.ko: a\nkernel/x.ko:\n"),
        ("lib/modules/6.1.0-40-amd64/modules.builtin", b"kernel/drivers/vfio/vfio.ko\n"),
        ("lib/modules/6.12.57+deb13-amd64/modules.dep", b"kernel/drivers/vfio/pci/vfio-pci.ko.xz: b\n"),
        ("lib/modules/6.12.57+deb13-amd64/modules.builtin", b""),
        ("lib/modules/5.10.0-1-amd64/updates/left.ko", b""),
        ("etc/modprobe.d/vfio.conf", b"#\noptions vfio-pci ids=10de:1284\n"),
        ("usr/lib/modprobe.d/vfio.conf", b"blacklist hidden\n"),
        ("lib/modprobe.d/aaa.conf", b"blacklist shown\n"),
        ("etc/modprobe.d/old.conf.bak", b"blacklist bak\n"),
        ("etc/initramfs-tools/modules", b"# x\nvfio_virqfd\n"),
        ("etc/dracut.conf.d/vfio.conf", b"force_drivers+=\"vfio\"\n"),
        ("etc/modules-load.d/kvm.conf", b"kvm\n"),
        ("etc/modules", b"loop\n"),
        ("proc/modules", b"vfio 1 0 - Live 0x0\n"),
        ("proc/iomem", b"0-1 : PCI Bus 0000:00\n  0-1 : 0000:00:02.0\n    0-1 : BOOTFB\n"),
        ("proc/fb", b"0 EFI VGA\n"),
    ]);
    assert_eq!(system.processor.kvm_vendor, Fact::Known("kvm_intel"));
    assert_eq!(system.processor.second_level, Fact::Known(false));
    assert_eq!((&system.processor.kvm, &system.processor.kvm_node), (&Fact::Known(()), &Fact::Absent));
    let kernels = system.kernels.complete().unwrap();
    let releases: Vec<_> = kernels.iter().map(|k| (&*k.release, k.running)).collect();
    assert_eq!(releases, [("6.12.57+deb13-amd64", true), ("6.1.0-40-amd64", false)]);
    assert_eq!(kernels[0].module("vfio_pci"), Some(Presence::File));
    assert_eq!(kernels[0].module("vfio_virqfd"), Some(Presence::Missing));
    assert_eq!(kernels[1].module("vfio"), Some(Presence::Builtin));
    assert_eq!(kernels[1].config_path, "/lib/modules/6.1.0-40-amd64/config");
    assert_eq!(kernels[0].config.known().unwrap().get("VFIO"), &Setting::Module);
    let boot = &system.boot;
    let modprobe: Vec<_> = boot.modprobe.at_least().iter().map(|l| (&*l.path, l.line)).collect();
    assert_eq!(modprobe, [("/lib/modprobe.d/aaa.conf", 1), ("/etc/modprobe.d/vfio.conf", 2)]);
    assert!(
        matches!(&boot.modprobe.at_least()[1].command, Command::Options { module, .. } if module == "vfio_pci")
    );
    let named: Vec<_> = boot.named.at_least().iter().map(|n| (&*n.module, n.stage, n.line)).collect();
    assert_eq!(
        named,
        [("vfio_virqfd", Stage::InitramfsFirst, 2), ("loop", Stage::Root, 1), ("kvm", Stage::Root, 1)]
    );
    // dracut is not installed.
    assert!(boot.oddities.is_empty());
    assert_eq!(boot.loaded.known().unwrap()[0].name, "vfio");
    assert_eq!(boot.framebuffers.known().unwrap()[0].device, Some("0000:00:02.0".parse().unwrap()));
    assert_eq!(boot.fb, Fact::Known(vec!["0 EFI VGA".into()]));
}

#[test]
fn other_generators_and_a_kernel_that_is_gone() {
    let packed = passthru_formats::kconfig::gzip(CONFIG).unwrap();
    let system = system(&[
        ("usr/bin/mkinitcpio", b""),
        ("usr/bin/dracut", b""),
        ("proc/sys/kernel/osrelease", b"6.17.1-arch1-1\n"),
        ("proc/config.gz", &packed),
        ("usr/lib/modules/6.17.2-arch1-1/modules.dep", b""),
        ("usr/lib/modules/6.17.2-arch1-1/modules.builtin", b"\xff\xfe\n"),
        ("etc/mkinitcpio.conf", b"MODULES=(a b)\nHOOKS=(base kms)\n"),
        ("etc/mkinitcpio.conf.d/vfio.conf", b"MODULES=(vfio_pci? amdgpu)\n"),
        ("etc/dracut.conf.d/10-vfio.conf", b"add_drivers+=\"vfio\"\nforce_drivers+=\" vfio_pci \"\n"),
        ("etc/dracut.conf.d/vfio", b"add_drivers+=\" vfio \"\n"),
        // Put aside, and meant not to be read.
        ("etc/dracut.conf.d/10-vfio.conf.bak", b""),
        ("etc/dracut.conf.d/10-vfio.conf.dpkg-dist", b""),
        ("etc/dracut.conf.d/10-vfio", b""),
    ]);
    let kernels = system.kernels.complete().unwrap();
    assert_eq!((&*kernels[0].release, &kernels[0].directory), ("6.17.1-arch1-1", &None));
    assert_eq!(kernels[0].config_path, "/proc/config.gz");
    assert!(kernels[0].config.known().unwrap().is_on("VFIO"));
    assert_eq!(kernels[1].config, Fact::Absent);
    let named: Vec<_> = system.boot.named.at_least().iter().map(|n| (&*n.module, n.stage)).collect();
    assert_eq!(
        named,
        [
            ("vfio", Stage::InitramfsFile),
            ("vfio_pci", Stage::InitramfsFirst),
            ("vfio_pci", Stage::InitramfsFirst),
            ("amdgpu", Stage::InitramfsFirst),
        ]
    );
    assert_eq!(system.boot.hooks, ["base", "kms"]);
    let not_conf = |name: &str, taken| {
        let path = format!("/etc/dracut.conf.d/{name}");
        system.boot.oddities.contains(&Oddity::NotConf { path, taken })
    };
    assert!(not_conf("vfio", false) && not_conf("10-vfio", true), "{:?}", system.boot.oddities);
    assert_eq!(system.boot.oddities.len(), 3);
    assert!(matches!(&system.boot.oddities[2], Oddity::Blanks(_, a) if a.line == 1));
    assert_eq!(system.processor.cpu, Fact::Absent);
}

#[test]
fn nonsense_is_not_taken_for_an_answer() {
    let system = system(&[
        ("proc/sys/kernel/osrelease", b"6.1\n"),
        ("proc/config.gz", b"not packed"),
        ("proc/cpuinfo", b"\xff\xff"),
        ("proc/iomem", b"nothing"),
        ("lib/modules/6.2/modules.dep", b"\0\0\0"),
        ("lib/modules/6.2/config", b"CONFIG_VFIO=m\n"),
    ]);
    assert!(matches!(system.processor.cpu, Fact::Malformed(_)));
    assert!(matches!(system.boot.framebuffers, Fact::Malformed(_)));
    let kernels = system.kernels.at_least();
    assert!(matches!(kernels[0].config, Fact::Malformed(_)));
    assert!(matches!(kernels[1].config, Fact::Malformed(_)));
}

#[test]
fn update_initramfs_is_dracuts_where_initramfs_tools_is_not() {
    let both: [(&str, &[u8]); 3] =
        [("usr/bin/dracut", b""), ("usr/sbin/update-initramfs", b""), ("usr/sbin/mkinitramfs", b"")];
    assert_eq!(system(&both[..2]).tools, [Tool::Dracut]);
    assert_eq!(system(&both).tools, [Tool::UpdateInitramfs, Tool::Dracut]);
    assert_eq!(system(&both[1..2]).tools, [Tool::UpdateInitramfs]);
}
