use super::*;
use crate::capture::Header;

/// A host whose owner has put something of himself everywhere: what must not survive
/// has `anne`, `ACME`, or is one of [`IDENTIFIERS`].
const IDENTIFIERS: &[&str] = &[
    "anne",
    "Anne",
    "acme",
    "ACME",
    "3c:7c:3f",
    "3c7c3f",
    "192.168.7",
    "0107A8C0",
    "20010a62",
    "3f1c2d4e",
    "S4EWNX0N",
    "b4-96-91",
    "0011223344556677",
    "hunter2",
];

fn host() -> Capture {
    let mut c = Capture::new(Header { tool: "passthru 0.1.0".into(), root: true, redacted: false });
    let mut put = |op, path: &str, answer| c.insert(op, path, answer).unwrap();
    let data = |text: &str| Answer::Data(text.as_bytes().to_vec());
    let list = |names: &[&str]| Answer::List(names.iter().map(|n| (*n).to_owned()).collect());
    let link = |target: &str| Answer::Link(target.into());
    let pci = "/sys/bus/pci/devices/0000:03:00.0";
    put(Op::List, "/sys/bus/pci/devices", list(&["0000:03:00.0"]));
    put(Op::Link, pci, link("../../../devices/pci0000:00/0000:00:1c.0/0000:03:00.0"));
    put(
        Op::Read,
        &format!("{pci}/uevent"),
        data(
            "DRIVER=igb\nPCI_CLASS=20000\nPCI_ID=8086:1533\nPCI_SUBSYS_ID=1849:1533\nPCI_SLOT_NAME=0000:03:00.0\n\
              MODALIAS=pci:v00008086d00001533sv00001849sd00001533bc02sc00i00\nACME_NOTE=anne\n",
        ),
    );
    let mut config = vec![0x5a; 4096];
    config[..64].fill(0);
    config[..4].copy_from_slice(&[0x86, 0x80, 0x33, 0x15]);
    config[6] = 0x10;
    config[0x34] = 0x40;
    config[0x40..0x48].copy_from_slice(&[1, 0x50, 3, 0, 8, 0, 0, 0]);
    config[0x50..0x56].copy_from_slice(&[3, 0x60, 0x10, 0x80, b'A', b'C']);
    config[0x60..0x64].copy_from_slice(&[9, 0x70, 0x10, 0x5a]);
    config[0x70..0xac].fill(0);
    config[0x70..0x74].copy_from_slice(&[0x10, 0, 2, 0]);
    config[0x100..0x10c].copy_from_slice(&[3, 0, 0x01, 0x14, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x00]);
    config[0x140..0x148].copy_from_slice(&[0x0d, 0, 1, 0, 0x1f, 0, 0, 0]);
    put(Op::Read, &format!("{pci}/config"), Answer::Data(config));
    put(Op::Read, &format!("{pci}/revision"), data("0x03\n"));
    put(Op::Read, &format!("{pci}/reset_method"), Answer::Error(crate::Errno::ENOENT));
    put(Op::Read, &format!("{pci}/vpd"), data("ACME S4EWNX0N"));
    put(Op::Link, &format!("{pci}/driver"), link("../../../../bus/pci/drivers/igb"));
    put(Op::Link, &format!("{pci}/iommu_group"), link("../../../../kernel/iommu_groups/13"));
    let nets = ["acme0", "bond0", "enp3s0", "enx3c7c3f010203", "lo", "vlan.acme", "enp3s0.100"];
    put(Op::List, "/sys/class/net", list(&nets));
    for net in nets {
        let at = |attribute: &str| format!("/sys/class/net/{net}/{attribute}");
        put(
            Op::Link,
            &format!("/sys/class/net/{net}"),
            link(&format!("../../devices/pci0000:00/0000:00:1c.0/0000:03:00.0/net/{net}")),
        );
        put(Op::Read, &at("address"), data("3c:7c:3f:01:02:03\n"));
        put(Op::Read, &at("operstate"), data("up\n"));
        put(Op::Read, &at("ifalias"), data("Anne's\n"));
    }
    put(Op::Link, "/sys/class/net/enp3s0/master", link("../../../../../virtual/net/acme0"));
    put(
        Op::Read,
        "/proc/net/route",
        data(
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
              acme0\t00000000\t0107A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
              acme0\t0007A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n",
        ),
    );
    put(
        Op::Read,
        "/proc/net/ipv6_route",
        data(
            "00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010a62000000000000000000000001 00000400 00000003 00000000 00450003 acme0\n",
        ),
    );
    put(
        Op::Read,
        "/proc/self/mountinfo",
        data(
            "28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,x-acme=1\n\
              29 28 253:0 / /home rw - ext4 /dev/mapper/acme--vg-home rw\n\
              30 29 0:50 /anne /home/anne rw - nfs4 nas.acme.example:/export/anne rw,addr=192.168.7.9\n\
              31 28 0:51 / /srv/anne\\040x rw - zfs tank-acme/data rw\n\
              32 28 0:52 / /mnt/x rw - cifs //nas.acme.example/anne rw,username=anne,password=hunter2\n\
              33 28 0:22 / /proc rw,nosuid - proc proc rw\n\
              34 28 0:60 / /run/user/1000/doc rw - fuse.acmefs anne rw\nacme\n",
        ),
    );
    put(
        Op::Read,
        "/proc/swaps",
        data(
            "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/mapper/acme--vg-swap partition 8 0 -2\n/home/anne/swap file 8 0 -3\n",
        ),
    );
    put(
        Op::Read,
        "/proc/cmdline",
        data(
            "BOOT_IMAGE=(hd0,gpt2)/boot/vmlinuz-6.1.0-18-amd64 root=UUID=3f1c2d4e-1111-2222-3333-444455556666 ro quiet \
              intel_iommu=on vfio-pci.ids=10de:1284 ip=192.168.7.2::192.168.7.1:255.255.255.0:anne acme.token=\"hunter2 x\" \
              resume=/dev/mapper/acme--vg-swap rd.luks.uuid=3f1c2d4e-1111-2222-3333-444455556666 \
              systemd.machine_id=3f1c2d4e111122223333444455556666 -- single acme\n",
        ),
    );
    put(Op::List, "/sys/class/block", list(&["dm-0", "md_acme", "nvme0n1", "nvme0n1p2"]));
    put(Op::Read, "/sys/class/block/dm-0/dm/name", data("acme--vg-home\n"));
    put(
        Op::Read,
        "/sys/class/block/dm-0/dm/uuid",
        data("CRYPT-LUKS2-3f1c2d4e111122223333444455556666-anne\n"),
    );
    put(Op::Read, "/sys/class/block/nvme0n1/device/serial", data("S4EWNX0N123\n"));
    put(Op::List, "/sys/class/block/nvme0n1p2/holders", list(&["dm-0", "md_acme"]));
    put(Op::Read, "/proc/sys/kernel/osrelease", data("6.1.0-18-amd64-anne\n"));
    put(Op::Read, "/proc/sys/kernel/random/boot_id", data("3f1c2d4e-9999-2222-3333-444455556666\n"));
    put(Op::Read, "/proc/sys/kernel/hostname", data("annes-laptop\n"));
    put(Op::List, "/proc", list(&["1", "812", "acme", "cmdline"]));
    put(Op::List, "/proc/812/fd", list(&["0", "20"]));
    put(Op::Link, "/proc/812/fd/0", link("/home/anne/secret"));
    put(Op::Link, "/proc/812/fd/20", link("/dev/vfio/13"));
    put(Op::Read, "/proc/812/comm", data("qemu-system-x86\n"));
    put(Op::Read, "/proc/900/comm", data("acme-agent\n"));
    put(
        Op::Read,
        "/proc/900/stat",
        data("900 (acme-agent) S 1 900 900 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 9 9 9 9\n"),
    );
    put(Op::Read, "/proc/812/cmdline", data("qemu\0-name\0anne\0"));
    put(
        Op::Read,
        "/proc/bus/input/devices",
        data(
            "I: Bus=0003 Vendor=046d Product=c52b Version=0111\nN: Name=\"Anne's Keyboard\"\nP: Phys=usb-3c:7c:3f\n\
              S: Sysfs=/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/0003:046D:C52B.0001/input/input5\nU: Uniq=3c:7c:3f:00:00:01\n\
              H: Handlers=sysrq kbd event5 leds \nB: EV=120013\nB: KEY=fffffffffffffffe\n\n\
              I: Bus=0019 Vendor=0000 Product=0001 Version=0000\nN: Name=\"Power Button\"\n",
        ),
    );
    put(
        Op::Read,
        "/proc/modules",
        data("nvme 61440 2 - Live 0xffffffffc0a5b000\nnvme_core 1 1 nvme, Live 0xffffffffc0a5b001 (OE)\n"),
    );
    put(
        Op::Read,
        "/etc/os-release",
        data("NAME=\"Debian GNU/Linux\"\nID=debian\nHOME_URL=\"https://acme\"\nVARIANT=anne@acme\n"),
    );
    put(Op::Read, "/etc/hostname", data("annes-laptop\n"));
    put(
        Op::Read,
        "/dev/kmsg",
        data(
            "5,1,1,-;Linux version 6.1 (anne@acme)\n6,2,2,-;usb 1-2: SerialNumber: ACME1\n\
              4,3,5690800,-;vfio-pci 0000:01:00.0: BAR 1: can't reserve [mem 0xe0000000-0xefffffff 64bit pref]\n DEVICE=+pci:0000:01:00.0\n\
              3,4,6000000,-;INFO: task anne-backup:812 blocked for more than 120 seconds.\n",
        ),
    );
    put(
        Op::Read,
        "/var/log/kern.log",
        data(
            "Nov 21 14:46:41 annes-laptop kernel: audit: apparmor=\"DENIED\" operation=\"open\" profile=\"libvirt-3f1c2d4e\" name=\"/home/anne/vbios.rom\"\n",
        ),
    );
    put(
        Op::Read,
        "/var/log/audit/audit.log",
        data(
            "type=USER_LOGIN msg=audit(1616.1:2): pid=1 acct=\"anne\" hostname=annes-laptop\n\
             type=SYSTEM_BOOT msg=audit(1617.1:9): pid=622 uid=0 hostname=annes-laptop\n\
             type=AVC msg=audit(1617.2:10): avc:  denied  { read write } for  pid=2218 comm=\"anne\" name=\"13\" \
             scontext=system_u:system_r:svirt_t:s0:c1,c2 tcontext=system_u:object_r:vfio_device_t:s0 tclass=chr_file permissive=0\n\
             type=AVC msg=audit(1617.3:11): avc:  denied  { read } for  pid=1 comm=\"annes-tool\" name=\"x\" tclass=file\n",
        ),
    );
    put(Op::Read, "/proc/self/status", data("Name:\tanne\nGroups:\t1001\nCapEff:\t000001ffffffffff\n"));
    put(
        Op::Read,
        "/etc/libvirt/qemu.conf",
        data("vnc_password = \"hunter2\"\ncgroup_device_acl = [ \"/dev/null\", \"/dev/acme0\" ]\n"),
    );
    put(
        Op::Read,
        "/sys/kernel/security/apparmor/profiles",
        data(
            "libvirtd (enforce)\nlibvirt-3f1c2d4e-1111-2222-3333-444455556666 (enforce)\n/usr/bin/acme (complain)\n",
        ),
    );
    put(Op::List, "/sys/fs/selinux/booleans", list(&["acme_can_write", "virt_use_sysfs"]));
    put(Op::Read, "/sys/fs/selinux/booleans/virt_use_sysfs", data("1 1\n"));
    put(Op::Read, "/home/anne/notes", data("hunter2"));
    put(Op::Read, "/sys/class/dmi/id/product_name", data("X570D4U\n"));
    put(Op::Read, "/sys/class/dmi/id/product_serial", data("ACME1\n"));
    put(
        Op::Stat,
        "/dev/vfio/13",
        Answer::Stat(Stat { mode: 0o020_600, uid: 1001, gid: 107, rdev: (10, 1), size: 0 }),
    );
    put(
        Op::Read,
        "/etc/fstab",
        data(
            "# for anne\nUUID=3f1c2d4e-1111-2222-3333-444455556666 / ext4 errors=remount-ro,x-acme 0 1\n\
              LABEL=ACME\\040x /srv/anne auto noauto 0 0\n/dev/acme-vg/swap none swap sw 0 0\n\
              nas.acme.example:/export/anne /home/anne nfs4 password=hunter2 0 0\n",
        ),
    );
    put(
        Op::Read,
        "/etc/crypttab",
        data("anne UUID=3F1C2D4E-1111-2222-3333-444455556666 /home/anne/key luks\n"),
    );
    put(Op::List, "/dev/disk/by-label", list(&["ACME\\x20x"]));
    put(Op::Link, "/dev/disk/by-label/ACME\\x20x", link("../../nvme0n1p2"));
    put(Op::List, "/dev/disk/by-uuid", list(&["3f1c2d4e-1111-2222-3333-444455556666"]));
    put(Op::Link, "/dev/acme-vg/swap", link("../dm-0"));
    put(
        Op::Read,
        "/run/udev/data/b259:2",
        data("S:disk/by-label/ACME\nE:ID_FS_TYPE=ext4\nE:ID_SERIAL=S4EWNX0N\n"),
    );
    put(
        Op::Read,
        "/proc/net/tcp",
        data(
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
              0: 0207A8C0:0016 0907A8C0:C93B 01 00000000:00000000 02:0009D3B2 00000000  1000        0 35671 4\n\
              1: 0207A8C0:0016 0907A8C0:C93C 06 00000000:00000000 02:0009D3B2 00000000  1000        0 35672 4\n",
        ),
    );
    put(Op::Read, "/proc/net/if_inet6", data("20010a62000000000000000000000007 02 40 00 80    acme0\n"));
    put(Op::Read, "/proc/net/fib_trie", data("Main:\n  |-- 192.168.7.2\n     /32 host LOCAL\n"));
    put(Op::Read, "/etc/ssh/sshd_config", data("Port 2222\nAllowUsers anne\nListenAddress 192.168.7.2:24\n"));
    put(Op::List, "/sys/class/net/enp3s0", list(&["flags", "upper_acme0", "upper_enp3s0.100"]));
    put(Op::Read, "/sys/bus/usb/devices/1-2/product", data("Anne's Phone\n"));
    put(Op::Link, "/proc/812/fd/21", link("/dev/mapper/acme--vg-home"));
    put(Op::Link, "/proc/812/fd/22", link("/dev/dri/renderD128"));
    put(Op::Link, "/proc/812/ns/net", link("net:[4026531840]"));
    put(Op::Link, "/proc/self", link("812"));
    put(Op::Command, "virsh list", Answer::Output(Box::default()));
    c
}

fn text(capture: &Capture, path: &str) -> String {
    match capture.get(Op::Read, path) {
        Some(Answer::Data(data)) => String::from_utf8_lossy(data).into_owned(),
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn nothing_that_identifies_survives() {
    let (out, report) = redact(&host());
    let text = out.to_text();
    for identifier in IDENTIFIERS {
        assert!(!text.contains(identifier), "{identifier} is still in\n{text}");
    }
    assert!(out.header().redacted && out.header().root);
    assert_eq!(crate::capture::parse(text.as_bytes()), Ok(out.clone()));
    // The second time there is nothing left that would change.
    assert_eq!(redact(&out).0.to_text(), text);
    assert_eq!(
        report.to_string(),
        "1 MAC address, 4 IPv4 addresses, 2 IPv6 addresses, 2 UUIDs, 2 serial numbers, 1 host name, \
         8 directory and file names, 1 mount source, 2 storage pools and data sets, \
         4 device-mapper and volume names, 1 file system label, 2 interface names, 1 block device name, \
         1 process name, 5 kernel parameters, 2 input device names and 1 user or group id replaced; \
         13 answers withheld; 2 records left out"
    );
}

#[test]
fn what_belongs_together_still_does() {
    let (out, _) = redact(&host());
    let net = |name: &str, attribute: &str| text(&out, &format!("/sys/class/net/{name}/{attribute}"));
    let Some(Answer::List(nets)) = out.get(Op::List, "/sys/class/net") else { panic!() };
    assert_eq!(nets, &["bond0", "enp3s0", "enp3s0.100", "enx020000000001", "lo", "net-1", "net-2"]);
    assert_eq!(net("enx020000000001", "address"), "02:00:00:00:00:01\n");
    assert_eq!(net("enp3s0", "operstate"), "up\n");
    let Some(Answer::Link(target)) = out.get(Op::Link, "/sys/class/net/net-1") else { panic!() };
    assert_eq!(target, "../../devices/pci0000:00/0000:00:1c.0/0000:03:00.0/net/net-1");
    let Some(Answer::Link(target)) = out.get(Op::Link, "/sys/class/net/enp3s0/master") else { panic!() };
    assert_eq!(target, "../../../../../virtual/net/net-1");
    let routes = text(&out, "/proc/net/route");
    let routes: Vec<_> = crate::route::parse_ipv4(routes.as_bytes()).map(Result::unwrap).collect();
    assert!(routes[0].is_default() && routes[0].interface == "net-1" && routes[1].prefix == 24);
    let routes = text(&out, "/proc/net/ipv6_route");
    assert!(crate::route::parse_ipv6(routes.as_bytes()).all(|r| r.unwrap().is_default()));

    assert_eq!(
        text(&out, "/proc/self/mountinfo"),
        "28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n\
         29 28 253:0 / /home rw - ext4 /dev/mapper/dm-name-3 rw\n\
         30 29 0:50 /mount-4 /mount-3 rw - nfs4 host-1:/mount-2 rw\n\
         31 28 0:51 / /mount-5 rw - zfs pool-1/pool-2 rw\n\
         32 28 0:52 / /mount-6 rw - cifs //host-1/source-1 rw\n\
         33 28 0:22 / /proc rw,nosuid - proc proc rw\n\
         34 28 0:60 / /mount-7 rw - unknown source-1 rw\n\
         (a line that is not of the documented form)\n"
    );
    assert_eq!(text(&out, "/sys/class/block/dm-0/dm/name"), "dm-name-3\n");
    assert_eq!(text(&out, "/sys/class/block/dm-0/dm/uuid"), "CRYPT-LUKS2-serial-2\n");
    assert!(text(&out, "/proc/swaps").contains("\n/dev/mapper/dm-name-4\tpartition\t8\t0\t-2\n"));
    assert_eq!(
        out.get(Op::List, "/sys/class/block/nvme0n1p2/holders"),
        Some(&Answer::List(vec!["block-1".into(), "dm-0".into()]))
    );
    assert_eq!(
        text(&out, "/proc/cmdline"),
        "BOOT_IMAGE=(hd0,gpt2)/boot/vmlinuz-6.1.0-18-amd64 root=UUID=00000000-0000-4000-8000-000000000001 ro quiet \
         intel_iommu=on vfio-pci.ids=10de:1284 param-1 param-2 resume=/dev/mapper/dm-name-4 param-3 param-4 -- \
         single param-5\n"
    );
}

#[test]
fn names_of_disks_still_lead_to_them() {
    let (out, _) = redact(&host());
    let uuid = "00000000-0000-4000-8000-000000000001";
    assert_eq!(text(&out, "/etc/crypttab"), format!("dm-name-2 UUID={uuid} none\n"));
    let fstab = text(&out, "/etc/fstab");
    let entries: Vec<_> = crate::fstab::parse(fstab.as_bytes()).collect();
    assert_eq!(entries.len(), 4, "{fstab}");
    assert_eq!((&*entries[0].what, &*entries[0].point), (format!("UUID={uuid}").as_str(), "/"));
    assert_eq!((&*entries[1].what, &*entries[1].options), ("LABEL=label-1", "noauto"));
    let leads = |path: &str| match out.get(Op::Link, path) {
        Some(Answer::Link(target)) => target.clone(),
        other => panic!("{path}: {other:?}"),
    };
    assert_eq!(leads("/dev/disk/by-label/label-1"), "/dev/nvme0n1p2");
    assert_eq!(leads(&entries[2].what), "/dev/dm-0");
    assert_eq!(out.get(Op::List, "/dev/disk/by-uuid"), Some(&Answer::List(vec![uuid.into()])));
    assert_eq!(text(&out, "/run/udev/data/b259:2"), "E:ID_FS_TYPE=ext4\n");
    // The mapper device that somebody holds, and a render node.
    assert_eq!(
        leads("/proc/812/fd/21"),
        format!("/dev/mapper/{}", text(&out, "/sys/class/block/dm-0/dm/name").trim())
    );
    assert_eq!(leads("/proc/812/fd/22"), "/dev/dri/renderD128");
    assert_eq!(
        (leads("/proc/812/ns/net").as_str(), leads("/proc/self").as_str()),
        ("net:[4026531840]", "812")
    );
}

#[test]
fn sockets_keep_their_ports() {
    let (out, _) = redact(&host());
    let table = text(&out, "/proc/net/tcp");
    let sockets: Vec<_> = crate::tcp::parse(table.as_bytes()).map(Result::unwrap).collect();
    assert_eq!(sockets.len(), 1, "only what stands or listens: {table}");
    assert_eq!((sockets[0].local.port(), sockets[0].inode), (22, 35671));
    let own = crate::tcp::local_ipv4(text(&out, "/proc/net/fib_trie").as_bytes());
    assert_eq!(
        [sockets[0].local.ip()],
        [std::net::IpAddr::from(own[0])],
        "the same address, the same stand-in"
    );
    let table = text(&out, "/proc/net/if_inet6");
    assert_eq!(crate::tcp::parse_if_inet6(table.as_bytes()).next().unwrap().unwrap().interface, "net-1");
    assert_eq!(text(&out, "/etc/ssh/sshd_config"), "Port 2222\nPort 24\n");
    let uppers = Answer::List(vec!["upper_enp3s0.100".into(), "upper_net-1".into()]);
    assert_eq!(out.get(Op::List, "/sys/class/net/enp3s0"), Some(&uppers));
}

#[test]
fn files_of_a_few_words() {
    let (out, _) = redact(&host());
    assert_eq!(text(&out, "/proc/sys/kernel/osrelease"), "6.1.0-18-amd64-local\n");
    assert_eq!(text(&out, "/proc/812/comm"), "qemu-system-x86\n");
    assert_eq!(text(&out, "/proc/900/comm"), "process-1\n");
    let stat = text(&out, "/proc/900/stat");
    assert!(
        stat.starts_with("900 (process-1) S 1 900 900 0 -1 4194560 ") && stat.contains(" 4711 0 0 0 0\n"),
        "{stat}"
    );
    assert_eq!(out.get(Op::Read, "/proc/812/cmdline"), Some(&Answer::Withheld));
    assert_eq!(out.get(Op::Link, "/proc/812/fd/0"), Some(&Answer::Link("/file".into())));
    assert_eq!(out.get(Op::Link, "/proc/812/fd/20"), Some(&Answer::Link("/dev/vfio/13".into())));
    assert_eq!(out.get(Op::List, "/proc"), Some(&Answer::List(vec!["1".into(), "812".into()])));
    assert_eq!(out.get(Op::Read, "/etc/hostname"), Some(&Answer::Withheld));
    assert_eq!(out.get(Op::Read, "/sys/class/net/lo/ifalias"), Some(&Answer::Withheld));
    assert_eq!(out.get(Op::Read, "/home/anne/notes"), None);
    assert_eq!(
        text(&out, "/proc/bus/input/devices"),
        "I: Bus=0003 Vendor=046d Product=c52b Version=0111\nN: Name=\"input-1\"\nP: Phys=\n\
         S: Sysfs=/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/0003:046D:C52B.0001/input/input5\nU: Uniq=\n\
         H: Handlers=sysrq kbd event5 leds\nB: EV=120013\nB: KEY=fffffffffffffffe\n\n\
         I: Bus=0019 Vendor=0000 Product=0001 Version=0000\nN: Name=\"Power Button\"\n"
    );
    assert_eq!(
        text(&out, "/proc/modules"),
        "nvme 61440 2 - Live 0x0000000000000000\nnvme_core 1 1 nvme, Live 0x0000000000000000\n"
    );
    assert_eq!(
        text(&out, "/dev/kmsg"),
        "Linux version 0\n4,3,5690800,-;0000:01:00.0: BAR 1: can't reserve [mem 0xe0000000-0xefffffff 64bit pref]\n\
         3,4,6000000,-;INFO: task 0:812 blocked for more than 120 seconds.\n"
    );
    assert_eq!(
        text(&out, "/var/log/kern.log"),
        "apparmor=\"DENIED\" operation=\"open\" profile=\"libvirt-\" name=\"0.rom\"\n"
    );
    assert_eq!(
        text(&out, "/var/log/audit/audit.log"),
        "type=SYSTEM_BOOT\navc:  denied  { read write } for vfio tclass=chr_file\n"
    );
    assert_eq!(text(&out, "/proc/self/status"), "CapEff:\t000001ffffffffff\n");
    assert_eq!(
        text(&out, "/etc/libvirt/qemu.conf"),
        "cgroup_device_acl = [ \"/dev/null\", \"/dev/other\" ]\n"
    );
    assert_eq!(text(&out, "/sys/kernel/security/apparmor/profiles"), "libvirtd (enforce)\n");
    assert_eq!(text(&out, "/etc/os-release"), "NAME=\"Debian GNU/Linux\"\nID=debian\n");
    assert_eq!(text(&out, "/sys/class/dmi/id/product_name"), "X570D4U\n");
    let Some(Answer::Stat(stat)) = out.get(Op::Stat, "/dev/vfio/13") else { panic!() };
    assert_eq!((stat.uid, stat.gid), (1001, 107));
}

#[test]
fn configuration_space_keeps_what_is_known() {
    let (out, _) = redact(&host());
    let before = host();
    let path = "/sys/bus/pci/devices/0000:03:00.0/config";
    let parse = |c: &Capture| match c.get(Op::Read, path) {
        Some(Answer::Data(data)) => crate::config_space::parse(data).unwrap(),
        other => panic!("{other:?}"),
    };
    let (before, after) = (parse(&before), parse(&out));
    assert_eq!(after.capabilities(), before.capabilities());
    assert_eq!(after.extended_capabilities(), before.extended_capabilities());
    assert_eq!(after.power_management(), before.power_management());
    assert_eq!(after.access_control(), before.access_control());
    assert_eq!(after.serial_number().unwrap().0, 1);
    assert!(!after.bytes().windows(2).any(|w| w == b"AC" || w == [0x5a, 0x5a]));
}

#[test]
fn names_of_nodes_are_known_whole() {
    let mut r = Redactor::default();
    for name in ["card0", "card0-HDMI-A-1", "0000:01:00.0", "1-2.4:1.0", "nvme0c1n1", "0003:046D:C52B.0001"] {
        assert_eq!(r.node(name), name);
    }
    for name in ["card0-anne-1", "card0-anne-DP-1", "0000:01:00.0x", "anne"] {
        assert!(r.node(name).starts_with("node-"), "{name}");
    }
}

#[test]
fn releases_and_patterns() {
    for (release, shown) in [
        ("6.12.57+deb13-amd64", "6.12.57+deb13-amd64"),
        ("6.8.0-31-generic", "6.8.0-31-generic"),
        ("5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64"),
        ("6.11.4-301.fc41.x86_64", "6.11.4-301.fc41.x86_64"),
        ("6.9.3-arch1-1", "6.9.3-arch1-1"),
        ("6.17.0-rc3-annes-g0a1b2c3", "6.17.0-rc3-local-local"),
        ("anne", "local"),
    ] {
        assert_eq!(text::release(release), shown);
    }
    // A rule whose path could not stand in a capture would never fit.
    for (op, pattern, _) in RULES {
        assert_ne!(*op, Op::Command);
        assert!(pattern.starts_with('/') && !pattern.ends_with('/') && !pattern.contains("**"), "{pattern}");
    }
}
