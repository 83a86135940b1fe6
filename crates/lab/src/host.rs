//! [`Lab`]: one virtual host with its work directory, as scenarios, the demo and developers
//! use it. Disk images live as long as the `Lab`, so that a power cut ([`Lab::kill`], then
//! [`Lab::boot_again`]) finds them as they were.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use passthru_pci::Address;
use serde_json::json;

use crate::agent::{Cmd, PATIENCE};
use crate::guest::Config;
use crate::machine::{Backend, Iommu, Machine};
use crate::protocol::State;
use crate::settings::Settings;
use crate::variants::Variant;
use crate::vm::Vm;
use crate::{accel, disk, initramfs};

/// A virtual host that is up.
#[derive(Debug)]
pub struct Lab {
    settings: Settings,
    machine: Machine,
    directory: tempfile::TempDir,
    kvm: bool,
    shell: bool,
    vm: Vm,
    boot_time: Duration,
}

/// How work directories begin, in the directory for temporary files.
const PREFIX: &str = "passthru-lab.";
/// The file in a work directory that says which process it belongs to.
const OWNER: &str = "owner";

/// Where second VMs leave what their firmware says, in L1.
pub const L2_FIRMWARE: &str = "/run/lab/l2-firmware";

/// What waits, in a script, for all asynchronous probes that are under way: removing a module
/// does (`kernel/module/main.c`, `delete_module`). Those of NVMe are; they end when the disk is
/// there (`drivers/nvme/host/pci.c`).
pub const PROBED: &str = "modprobe uio_pci_generic; modprobe -r uio_pci_generic";

/// Removes the work directories of labs that were killed.
fn remove_leftovers() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let owner = fs::read_to_string(entry.path().join(OWNER)).unwrap_or_default();
        if owner.parse::<u32>().is_ok_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Does this QEMU know the device?
pub fn qemu_has(qemu: &str, device: &str) -> bool {
    // One device's help, not the list of all: that loads every module, and fails where one
    // of them is from another build. The exit code is 0 for unknown devices too.
    Command::new(qemu)
        .args(["-device", &format!("{device},help")])
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).starts_with(&format!("{device} options")))
}

impl Lab {
    /// Boots the standard machine.
    ///
    /// # Errors
    /// When it does not come up; the error shows the console's end.
    pub fn boot_standard(settings: Settings) -> Result<Lab> {
        Lab::boot_variant(settings, Variant::Standard)
    }

    /// Boots a host by its name.
    ///
    /// # Errors
    /// When it does not come up; the error shows the console's end.
    pub fn boot_variant(settings: Settings, variant: Variant) -> Result<Lab> {
        let machine = variant.machine(&settings);
        Lab::boot(settings, machine)
    }

    /// Boots a machine.
    ///
    /// # Errors
    /// When it does not come up; the error shows the console's end.
    pub fn boot(settings: Settings, machine: Machine) -> Result<Lab> {
        Lab::boot_with(settings, machine, false)
    }

    /// Boots a machine with a shell of L1 on this terminal.
    ///
    /// # Errors
    /// When it does not come up; the error shows the console's end.
    pub fn boot_with_shell(settings: Settings, machine: Machine) -> Result<Lab> {
        Lab::boot_with(settings, machine, true)
    }

    fn boot_with(settings: Settings, machine: Machine, shell: bool) -> Result<Lab> {
        remove_leftovers();
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        fs::write(directory.path().join(OWNER), std::process::id().to_string())?;
        for (name, mib, content) in machine.disks() {
            disk::create(&directory.path().join(format!("{name}.img")), mib, content)?;
        }
        let kvm = accel::use_kvm(&settings, directory.path())?;
        let started = Instant::now();
        let vm = start(&settings, &machine, directory.path(), kvm, shell)?;
        let boot_time = started.elapsed();
        let lab = Lab { settings, machine, directory, kvm, shell, vm, boot_time };
        lab.install()?;
        Ok(lab)
    }

    /// Boots the same machine with the same disks again, after its end.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn boot_again(&mut self) -> Result<()> {
        self.vm.kill();
        let started = Instant::now();
        self.vm = start(&self.settings, &self.machine, self.directory.path(), self.kvm, self.shell)?;
        self.boot_time = started.elapsed();
        self.install()
    }

    /// Ends L1 at once, as a power cut would.
    pub fn kill(&mut self) {
        self.vm.kill();
    }

    /// Is L1 still there and answering?
    pub fn alive(&mut self) -> bool {
        self.vm.alive() && self.state().is_ok()
    }

    /// How long the last boot took, from QEMU's start to the agent.
    pub fn boot_time(&self) -> Duration {
        self.boot_time
    }

    /// The kernel L1 runs.
    pub fn release(&self) -> &str {
        &self.vm.ready.release
    }

    /// True when L1 runs under KVM.
    pub fn kvm(&self) -> bool {
        self.kvm
    }

    /// What was booted.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The serial console's last lines.
    pub fn console_tail(&self) -> String {
        self.vm.console_tail()
    }

    /// What L1 can say about a scenario that failed in it: the kernel's last lines and those of
    /// the last second VM's firmware.
    pub fn evidence(&self) -> String {
        let script = format!(
            "echo 'load and memory:'; cat /proc/loadavg; head -n 3 /proc/meminfo; \
             echo 'the kernel:'; dmesg | tail -n 25; echo 'firmware of second VMs:'; tail -n 40 {L2_FIRMWARE}"
        );
        self.sh(&script).unwrap_or_else(|error| format!("(cannot ask L1: {error:#})"))
    }

    /// A program to run in L1.
    pub fn command<S: Into<String>>(&self, argv: impl IntoIterator<Item = S>) -> Cmd<'_> {
        let argv = argv.into_iter().map(Into::into).collect();
        Cmd::new(&self.vm.agent, argv, BTreeMap::new())
    }

    /// A shell script to run in L1, which stops at the first failing command.
    pub fn script(&self, script: &str) -> Cmd<'_> {
        self.command(["sh", "-euc", script])
    }

    /// Runs a shell script in L1 that must succeed, and returns what it printed, trimmed.
    ///
    /// # Errors
    /// When it fails.
    pub fn sh(&self, script: &str) -> Result<String> {
        Ok(self.script(script).ok()?.out().trim_end().to_owned())
    }

    /// The product, to be run in L1 with these arguments. It is there when
    /// [`Settings::product`] names one, under `/usr/local/bin` in the overlay: readable by
    /// everybody, wherever on the outside it lies.
    pub fn passthru<S: Into<String>>(&self, arguments: impl IntoIterator<Item = S>) -> Cmd<'_> {
        self.command(["passthru"]).args(arguments)
    }

    /// Copies into the overlay what the machine outside has not installed.
    fn install(&self) -> Result<()> {
        // Second VMs also run as users without rights.
        self.sh(&format!(": > {L2_FIRMWARE}; chmod 0666 {L2_FIRMWARE}"))?;
        let programs = self.settings.lab_dir.join("programs/usr");
        if programs.is_dir() {
            self.sh(&format!("cp -a {}/. /usr/", programs.display()))
                .context("cannot copy what scripts/fetch-programs brought into L1")?;
        }
        self.install_product()?;
        self.wait_for_disks()
    }

    /// Drivers look at disks on their own time, after the boot too; udev after them.
    fn wait_for_disks(&self) -> Result<()> {
        // Behind the emulated one of AMD none works.
        if matches!(self.machine.iommu, Iommu::Amd(_)) {
            return Ok(());
        }
        self.sh(&format!("{{ {PROBED}; }} || true; udevadm settle || true"))?;
        for device in self.machine.ports.iter().flat_map(|port| &port.devices) {
            if matches!(device.backend, Backend::Disk { .. }) {
                self.wait_for_disk(&device.name)?;
            }
        }
        Ok(())
    }

    fn install_product(&self) -> Result<()> {
        let Some(product) = &self.settings.product else {
            return Ok(());
        };
        let path = product.display().to_string();
        self.command(["install", "-m", "755", &path, "/usr/local/bin/passthru"])
            .ok()
            .context("cannot copy the product into L1")?;
        Ok(())
    }

    /// Executes a command of QEMU's monitor on L1.
    ///
    /// # Errors
    /// When QEMU refuses.
    pub fn qmp(&self, command: &str, arguments: serde_json::Value) -> Result<serde_json::Value> {
        let mut qmp = self.vm.qmp.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        qmp.execute(command, arguments)
    }

    /// Waits for an event of QEMU's monitor.
    ///
    /// # Errors
    /// When it does not come.
    pub fn qmp_event(&self, name: &str) -> Result<serde_json::Value> {
        let mut qmp = self.vm.qmp.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        qmp.wait_event(name, PATIENCE)
    }

    /// Asks L1 to give a device up, as the button beside a slot does (an orderly unplug),
    /// and waits until it is out of the slot.
    ///
    /// # Errors
    /// When L1's kernel does not let go of it within [`PATIENCE`].
    pub fn unplug(&self, device: &str) -> Result<()> {
        self.ask_unplug(device)?;
        self.unplugged(device)
    }

    /// Only asks: [`Lab::unplugged`] waits.
    ///
    /// # Errors
    /// When QEMU refuses.
    pub fn ask_unplug(&self, device: &str) -> Result<()> {
        self.qmp("device_del", json!({ "id": device }))?;
        Ok(())
    }

    /// Waits until a device that was asked for is out of its slot.
    ///
    /// # Errors
    /// When L1's kernel does not let go of it within [`PATIENCE`].
    pub fn unplugged(&self, device: &str) -> Result<()> {
        let mut qmp = self.vm.qmp.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // The same event also comes for what is inside the device, without an id.
        qmp.wait_event_with("DEVICE_DELETED", |data| data["device"] == device, PATIENCE)
            .with_context(|| format!("L1 does not give up {device}"))?;
        Ok(())
    }

    /// Plugs a device of the machine back into its port, with the same disk behind it, and
    /// waits until the kernel shows the function again.
    ///
    /// # Errors
    /// When QEMU refuses, or L1 does not see it.
    pub fn plug(&self, device: &str) -> Result<()> {
        let (port, found) =
            self.machine.device(device).with_context(|| format!("the machine has no device {device}"))?;
        let mut properties: serde_json::Map<String, serde_json::Value> =
            found.properties(&port.name).into_iter().map(|(key, value)| (key, value.into())).collect();
        properties.insert("driver".to_owned(), found.driver.clone().into());
        self.qmp("device_add", properties.into())?;
        let there = format!("[ -e /sys/devices/pci0000:00/{}/0000:??:00.0 ]", port.address());
        self.wait_until(&there)?;
        Ok(())
    }

    /// L1's state, as far as a scenario must leave it as it was.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub fn state(&self) -> Result<State> {
        self.vm.agent.state()
    }

    /// Where a device of the machine stands in L1: the function in its root port, or behind
    /// the bridge in it.
    ///
    /// # Errors
    /// When the machine has no such device or the kernel does not see it.
    pub fn address(&self, device: &str) -> Result<Address> {
        let (port, found) =
            self.machine.device(device).with_context(|| format!("the machine has no device {device}"))?;
        let slot = found.options.split(',').find_map(|option| option.strip_prefix("addr="));
        let pattern = match (&found.bus, slot) {
            (bus, _) if bus.is_empty() => format!("{}/0000:??:00.0", port.address()),
            (_, Some(slot)) => format!("{}/0000:*/0000:??:0{slot}.0", port.address()),
            (bus, None) => bail!("{device} on bus {bus} is no PCI device"),
        };
        let path = self.sh(&format!("echo /sys/devices/pci0000:00/{pattern}"))?;
        let name = path.rsplit('/').next().unwrap_or_default();
        name.parse().with_context(|| format!("{device} is not seen in L1 ({path})"))
    }

    /// The image of a disk on the outside.
    pub fn image(&self, device: &str) -> PathBuf {
        self.directory.path().join(format!("{device}.img"))
    }

    /// The checksum of a disk, computed from its image on the outside.
    ///
    /// # Errors
    /// When the image cannot be read.
    pub fn checksum(&self, device: &str) -> Result<String> {
        let output = Command::new("sha256sum").arg(self.image(device)).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split(' ').next().map(str::to_owned).context("sha256sum said nothing")
    }

    /// The block device of an NVMe of the machine, as in `/dev`; found by its serial number.
    ///
    /// # Errors
    /// When no driver shows it.
    pub fn disk(&self, device: &str) -> Result<String> {
        let found = self.sh(&format!(
            "for s in /sys/block/nvme*/device/serial; do read -r n < $s || :; \
             [ \"$n\" = {device} ] || continue; d=${{s#/sys/block/}}; echo ${{d%%/*}}; done"
        ))?;
        if found.is_empty() {
            bail!("no block device in L1 has the serial number {device}");
        }
        Ok(found)
    }

    /// Waits until the block device of an NVMe is there and udev is through with it: it opens
    /// every new disk to look into it, and sysfs shows a disk before udev is told of it.
    ///
    /// # Errors
    /// When that does not come to pass within [`PATIENCE`].
    pub fn wait_for_disk(&self, device: &str) -> Result<()> {
        // What udev remembers of the disk's last life goes with the events there are so far.
        self.sh(&format!(
            "until grep -qw {device} /sys/block/nvme*/device/serial 2>/dev/null; do sleep 0.1; done; \
             if [ -S /run/udev/control ]; then udevadm settle || :; \
             disk=$(grep -lsw {device} /sys/block/nvme*/device/serial || :); disk=${{disk%/device/serial}}; \
             until [ -e /run/udev/data/b$(cat $disk/dev) ]; do sleep 0.1; done; udevadm settle || :; fi"
        ))
        .with_context(|| format!("waiting for the disk {device} and for udev"))?;
        Ok(())
    }

    /// Waits until a condition in L1, a shell test, holds.
    ///
    /// # Errors
    /// When it does not within [`PATIENCE`].
    pub fn wait_until(&self, test: &str) -> Result<()> {
        let script = format!("until {{ {test}; }} 2>/dev/null; do sleep 0.1; done");
        let output = self.script(&script).run()?;
        if output.exit.timed_out {
            bail!("still not so after {PATIENCE:?}: {test}");
        }
        output.ok().map(drop)
    }
}

/// What the kernel says when it has lost the timer's interrupt while it booted, which an
/// emulated machine on a busy one now and then makes it (`arch/x86/kernel/apic/io_apic.c`,
/// `check_timer`; with and without interrupt remapping). Switching its check off
/// (`no_timer_check`) lets it go on without a timer.
const NO_TIMER: [&str; 2] =
    ["timer doesn't work through Interrupt-remapped IO-APIC", "IO-APIC + timer doesn't work"];
/// How often a boot is tried that ended so.
const BOOTS: usize = 10;

/// Boots L1; once more where the emulation has lost its timer.
fn start(settings: &Settings, machine: &Machine, directory: &Path, kvm: bool, shell: bool) -> Result<Vm> {
    let mut last = start_once(settings, machine, directory, kvm, shell);
    for _ in 1..BOOTS {
        match &last {
            Err(error) if NO_TIMER.iter().any(|said| format!("{error:#}").contains(said)) => {}
            _ => break,
        }
        eprintln!("lab: the emulated machine lost its timer while it booted; once more");
        last = start_once(settings, machine, directory, kvm, shell);
    }
    last
}

fn start_once(
    settings: &Settings,
    machine: &Machine,
    directory: &Path,
    kvm: bool,
    shell: bool,
) -> Result<Vm> {
    let mut modules = vec!["virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_console"];
    if machine.iommu == Iommu::Virtio {
        // Devices wait for the IOMMU that the firmware says is theirs: it comes first.
        modules.insert(1, "virtio_iommu");
    }
    let config = Config {
        modules_dir: settings.kernel.modules.display().to_string(),
        kernel_config: settings.kernel.config().map(|path| path.display().to_string()),
        qemu: settings.inner_qemu.clone(),
        shell,
        ..Config::default()
    };
    let archive = directory.join("initramfs.cpio");
    fs::write(&archive, initramfs::build(&settings.init, &settings.kernel, &modules, config)?)?;
    let mut arguments: Vec<String> = accel::arguments(kvm).map(str::to_owned).to_vec();
    arguments.extend(machine.arguments(directory));
    let append =
        format!("console=ttyS0 quiet panic=-1 mitigations=off {}", machine.kernel_arguments.join(" "));
    let share = "local,id=hostroot,path=/,security_model=none,readonly=on,multidevs=remap";
    let image = settings.kernel.image.display().to_string();
    let archive = archive.display().to_string();
    for (option, value) in [
        ("-kernel", image.as_str()),
        ("-initrd", &archive),
        ("-append", &append),
        ("-fsdev", share),
        ("-device", "virtio-9p-pci,fsdev=hostroot,mount_tag=hostroot,addr=0x10"),
    ] {
        arguments.push(option.to_owned());
        arguments.push(value.to_owned());
    }
    if shell {
        for argument in [
            "-chardev",
            "stdio,id=shell,signal=off",
            "-device",
            "virtio-serial-pci,addr=0x13",
            "-device",
            "virtconsole,chardev=shell",
        ] {
            arguments.push(argument.to_owned());
        }
    }
    Vm::boot(&settings.qemu, &arguments, directory, shell)
}
