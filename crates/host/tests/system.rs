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

#[test]
fn refusals_are_read_where_auditd_runs() {
    const LOG: &[u8] =
        b"type=AVC msg=audit(1616.1:2): apparmor=\"DENIED\" operation=\"open\" name=\"/dev/vfio/1\"\n\
        type=SYSTEM_BOOT msg=audit(1617.1:9): pid=622\n\
        type=AVC msg=audit(1617.3:11): apparmor=\"DENIED\" operation=\"open\" name=\"/dev/vfio/2\"\n\
        type=AVC msg=audit(1617.4:12): apparmor=\"DENIED\" operation=\"open\" name=\"/dev/vfio/3\"\n";
    let log = ("var/log/audit/audit.log", LOG);
    assert_eq!(system(&[log]).audit, Fact::Absent, "nobody writes there now");
    let system_with = system(&[log, ("run/auditd.pid", b"812\n")]);
    let audit = system_with.audit.known().unwrap();
    assert!(audit.whole);
    let said: Vec<_> = audit.lines.iter().map(|line| (line.name, line.count, line.text.as_str())).collect();
    assert_eq!(said, [("apparmor-denied", 2, "apparmor=\"DENIED\" operation=\"open\" name=\"/dev/vfio/3\"")]);
    assert!(matches!(system(&[("run/auditd.pid", b"812\n")]).audit, Fact::Unreadable(_)));
}

/// Which tools are found on systems that look like others: os-release is theirs.
#[test]
fn tools_of_systems() {
    // Proxmox VE 8 says that it is a Debian 12.
    let debian: (&str, &[u8]) = (
        "etc/os-release",
        b"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n",
    );
    let proxmox: [(&str, &[u8]); 6] = [
        debian,
        ("usr/sbin/proxmox-boot-tool", b""),
        ("usr/sbin/update-grub", b""),
        ("usr/bin/kernel-install", b""),
        ("etc/default/grub", b"GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"),
        ("etc/kernel/proxmox-boot-uuids", b"EEC6-6947\n"),
    ];
    assert_eq!(system(&proxmox).tools, [Tool::ProxmoxBootTool, Tool::UpdateGrub]);
    assert_eq!(system(&proxmox[..5]).tools, [Tool::UpdateGrub]);
    let arch: [(&str, &[u8]); 4] = [
        (
            "usr/lib/os-release",
            b"NAME=\"Arch Linux\"\nPRETTY_NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\n",
        ),
        ("usr/bin/kernel-install", b""),
        ("usr/bin/mkinitcpio", b""),
        ("etc/cmdline.d/root.conf", b"root=/dev/sda2 rw\n"),
    ];
    assert_eq!(system(&arch).tools, [Tool::CmdlineDirectory, Tool::Mkinitcpio]);
    // grub2-bls: both of GRUB's files are there, and neither is read.
    let tumbleweed: [(&str, &[u8]); 6] = [
        (
            "usr/lib/os-release",
            b"NAME=\"openSUSE Tumbleweed\"\nID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"\n",
        ),
        ("usr/bin/sdbootutil", b""),
        ("usr/bin/dracut", b""),
        ("usr/sbin/grub2-mkconfig", b""),
        ("etc/default/grub", b""),
        ("etc/kernel/cmdline", b"root=UUID=0 splash=silent quiet\n"),
    ];
    assert_eq!(system(&tumbleweed).tools, [Tool::SdBootUtil, Tool::GrubMkconfig, Tool::Dracut]);
    assert_eq!(system(&tumbleweed[..5]).tools, [Tool::GrubMkconfig, Tool::Dracut]);
    let silverblue: [(&str, &[u8]); 3] = [
        (
            "usr/lib/os-release",
            b"NAME=\"Fedora Linux\"\nID=fedora\nVERSION_ID=34\nVARIANT_ID=silverblue\nOSTREE_VERSION='34.20210721.0'\n",
        ),
        ("run/ostree-booted", b""),
        ("usr/bin/dracut", b""),
    ];
    assert_eq!(system(&silverblue).tools, [Tool::RpmOstree, Tool::Dracut]);
}

#[test]
fn a_link_to_a_list_of_modules_is_no_second_list() {
    let root = tempfile::tempdir().unwrap();
    for directory in ["sys/bus/pci/devices", "etc/modules-load.d", "usr/local/etc"] {
        fs::create_dir_all(root.path().join(directory)).unwrap();
    }
    fs::write(root.path().join("etc/modules"), "vfio_virqfd\n").unwrap();
    fs::write(root.path().join("usr/local/etc/mine"), "\nvfio_pci\n").unwrap();
    let link = |target, name| {
        std::os::unix::fs::symlink(target, root.path().join("etc/modules-load.d").join(name)).unwrap();
    };
    // As Debian 12 has it.
    link("../modules", "modules.conf");
    link("/usr/local/etc/mine", "own.conf");
    let source = Directory::at(root.path().to_str().unwrap()).unwrap();
    let wants = Wants { system: true, ..Wants::default() };
    let system = passthru_host::snapshot(&source, &wants).unwrap().system;
    let named: Vec<_> = system.boot.named.complete().unwrap().iter().map(|n| (&*n.path, n.line)).collect();
    assert_eq!(named, [("/etc/modules", 1), ("/usr/local/etc/mine", 2)]);
}
