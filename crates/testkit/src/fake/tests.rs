//! The fake kernel against what was seen of the real one (`kernel.md` 1 and 3, marked [L]).

use passthru_apply::target::{Target, WriteError};
use passthru_formats::Errno;
use passthru_host::source::{Source, read_text};
use passthru_pci::Address;

use super::{Fault, Kernel, Part, What};

const AT: &str = "/sys/bus/pci/devices/0000:01:00.0";
const PROBE: &str = "/sys/bus/pci/drivers_probe";

fn kernel() -> Kernel {
    Kernel::with_parts([
        Part::new("0000:01:00.0", 0x02_0000).on("igb").interface("eth0").group(1),
        Part::new("0000:01:00.1", 0x02_0000).on("igb").interface("eth1").group(1),
        Part::new("0000:00:01.0", 0x06_0400).on("pcieport").group(9),
    ])
}

fn write(kernel: &Kernel, path: &str, text: &str) -> Result<(), Errno> {
    let limit = std::time::Duration::ZERO;
    kernel.write_attribute(path, text, limit).map_err(|error| match error {
        WriteError::Failed(error) => error,
        WriteError::Stuck(_) => Errno::ETIMEDOUT,
    })
}

fn driver(kernel: &Kernel, device: &str) -> Option<String> {
    let link = kernel.link(&format!("/sys/bus/pci/devices/{device}/driver")).ok()?;
    link.rsplit('/').next().map(str::to_owned)
}

/// Takes a function from its driver, aims it, and lets the kernel look.
fn give(kernel: &Kernel, device: &str, to: &str) -> Result<(), Errno> {
    let at = |name: &str| format!("/sys/bus/pci/devices/{device}/{name}");
    write(kernel, &at("driver_override"), to)?;
    match write(kernel, &at("driver/unbind"), device) {
        Err(error) if error != Errno::ENOENT => return Err(error),
        _ => {}
    }
    write(kernel, PROBE, device)
}

#[test]
fn overrides() {
    let kernel = kernel();
    let path = format!("{AT}/driver_override");
    let now = || read_text(&kernel, &path).unwrap();
    assert_eq!(now(), "(null)");
    write(&kernel, &path, "vfio-pci").unwrap();
    assert_eq!(driver(&kernel, "0000:01:00.0").as_deref(), Some("igb"), "it neither unbinds nor probes");
    write(&kernel, &path, "").unwrap();
    assert_eq!(now(), "vfio-pci", "an empty write does nothing");
    write(&kernel, &path, "\n").unwrap();
    assert_eq!(now(), "(null)");
    // A module's name is no driver's: nothing binds, and nobody complains.
    give(&kernel, "0000:01:00.0", "vfio_pci").unwrap();
    assert_eq!(driver(&kernel, "0000:01:00.0"), None);
    give(&kernel, "0000:01:00.0", "vfio-pci").unwrap();
    assert_eq!(driver(&kernel, "0000:01:00.0").as_deref(), Some("vfio-pci"));
    // A driver that is loaded later takes who waits for it.
    let kernel = self::kernel();
    kernel.with(|m| m.drivers.get_mut("vfio-pci").unwrap().loaded = false);
    give(&kernel, "0000:01:00.0", "vfio-pci").unwrap();
    assert_eq!(driver(&kernel, "0000:01:00.0"), None);
    assert_eq!(kernel.change(&["modprobe", "--", "vfio_pci"]).unwrap().code, Some(0));
    assert_eq!(driver(&kernel, "0000:01:00.0").as_deref(), Some("vfio-pci"));
    let unknown = kernel.change(&["modprobe", "--", "no_such_module"]).unwrap();
    assert_eq!(unknown.code, Some(1));
}

#[test]
fn what_the_kernel_refuses() {
    let kernel = kernel();
    assert_eq!(write(&kernel, PROBE, "0000:77:00.0"), Err(Errno::ENODEV));
    assert_eq!(give(&kernel, "0000:00:01.0", "vfio-pci"), Err(Errno::EINVAL), "a bridge");
    let bind = "/sys/bus/pci/drivers/vfio-pci/bind";
    let vfs = self::kernel();
    write(&vfs, &format!("{AT}/driver_override"), "vfio-pci").unwrap();
    write(&vfs, &format!("{AT}/driver/unbind"), "0000:01:00.0").unwrap();
    vfs.add_vfs("0000:01:00.0".parse().unwrap(), 1);
    assert_eq!(write(&vfs, bind, "0000:01:00.0"), Err(Errno::EBUSY), "a physical function with virtual ones");
    assert_eq!(write(&vfs, PROBE, "0000:01:00.0"), Err(Errno::EINVAL));
    // No attribute is made by writing, and no file below /sys by anything.
    assert_eq!(write(&kernel, &format!("{AT}/no_such"), "1"), Err(Errno::ENOENT));
    assert_eq!(write(&kernel, &format!("{AT}/vendor"), "1"), Err(Errno::EACCES));
    assert_eq!(kernel.append(&format!("{AT}/vendor"), b"1"), Err(Errno::ENOENT));
    assert_eq!(kernel.store("/run/passthru/x", b"1", 0o600), Err(Errno::ENOENT), "no such directory");
}

#[test]
fn groups_and_holders() {
    let kernel = kernel();
    assert_eq!(kernel.list("/dev/vfio").unwrap(), ["vfio"]);
    give(&kernel, "0000:01:00.0", "vfio-pci").unwrap();
    assert_eq!(kernel.list("/dev/vfio").unwrap(), ["1", "vfio"]);
    assert_eq!(kernel.list("/sys/class/net").unwrap(), ["eth1", "lo"]);
    assert_eq!(kernel.start_vm(77, 1), Err(Errno::EPERM), "a member is on a host driver");
    give(&kernel, "0000:01:00.1", "vfio-pci").unwrap();
    kernel.start_vm(77, 1).unwrap();
    assert_eq!(kernel.start_vm(78, 1), Err(Errno::EBUSY), "a group opens once");
    // Unbinding what is held hangs; the link is gone before it is through.
    let unbind = format!("{AT}/driver/unbind");
    assert_eq!(write(&kernel, &unbind, "0000:01:00.0"), Err(Errno::ETIMEDOUT));
    assert_eq!(driver(&kernel, "0000:01:00.0"), None);
    // Who wants the device's lock next hangs as well.
    assert_eq!(write(&kernel, &format!("{AT}/driver_override"), "igb"), Err(Errno::ETIMEDOUT));
    assert_eq!(write(&kernel, PROBE, "0000:01:00.0"), Err(Errno::ETIMEDOUT));
    assert_eq!(driver(&kernel, "0000:01:00.0"), None, "its old driver has not let go");
    kernel.end(77);
    assert_eq!(kernel.with(|m| m.hangs.clone()), [], "who waited came back");
    write(&kernel, &format!("{AT}/driver_override"), "igb").unwrap();
    write(&kernel, PROBE, "0000:01:00.0").unwrap();
    assert_eq!(driver(&kernel, "0000:01:00.0").as_deref(), Some("igb"));
    // The group is owned: no host driver for a member.
    let kernel = self::kernel();
    give(&kernel, "0000:01:00.0", "vfio-pci").unwrap();
    write(&kernel, "/sys/bus/pci/devices/0000:01:00.1/driver/unbind", "0000:01:00.1").unwrap();
    kernel.start_vm(77, 1).unwrap();
    assert_eq!(write(&kernel, PROBE, "0000:01:00.1"), Err(Errno::EINVAL));
    assert_eq!(write(&kernel, "/sys/bus/pci/drivers/igb/bind", "0000:01:00.1"), Err(Errno::EBUSY));
    // With its last member the node goes.
    kernel.end(77);
    write(&kernel, &unbind, "0000:01:00.0").unwrap();
    assert_eq!(kernel.list("/dev/vfio").unwrap(), ["vfio"]);
}

#[test]
fn virtual_functions() {
    let kernel = kernel();
    let physical: Address = "0000:01:00.0".parse().unwrap();
    kernel.with(|m| m.functions.get_mut(&physical).unwrap().total_vfs = Some(4));
    let numvfs = format!("{AT}/sriov_numvfs");
    assert_eq!(write(&kernel, &numvfs, "5"), Err(Errno::ERANGE));
    write(&kernel, &numvfs, "2").unwrap();
    assert_eq!(read_text(&kernel, &numvfs).unwrap(), "2");
    assert_eq!(write(&kernel, &numvfs, "3"), Err(Errno::EBUSY), "0 first");
    assert_eq!(kernel.with(|m| m.virtual_functions(physical).count()), 2);
    write(&kernel, &format!("{AT}/driver/unbind"), "0000:01:00.0").unwrap();
    assert_eq!(kernel.with(|m| m.virtual_functions(physical).count()), 0, "they go with its driver");
    assert_eq!(write(&kernel, &numvfs, "1"), Err(Errno::ENOENT), "no driver that could");
}

/// The dead do nothing and read nothing; what they held is free.
#[test]
fn the_dead() {
    let machine = kernel();
    let dead = machine.process_with([Fault { at: 1, what: What::CrashBefore }]);
    machine.with(|m| m.directories.insert("/run/passthru".into()));
    let lock = dead.lock("/run/passthru/lock", std::time::Duration::ZERO, "x", &|_| {}).unwrap();
    assert_eq!(machine.state().held, 1);
    assert_eq!(write(&dead, PROBE, "0000:01:00.0"), Err(Errno::EIO));
    assert!(dead.is_dead());
    assert_eq!(machine.state().held, 0);
    assert_eq!(dead.list("/sys/bus/pci/devices"), Err(Errno::EIO));
    assert_eq!(dead.remove("/run/passthru/lock"), Err(Errno::EIO));
    drop(lock);
    assert_eq!(dead.changes(), 2, "refused calls are not counted");
    assert!(machine.list("/sys/bus/pci/devices").is_ok());
}
