//! `passthru bind` and `release` beside what people use instead, in the lab: bare sysfs
//! writes, driverctl, virsh, dpdk-devbind.py. Prints a table; says which peer is missing
//! and why, never silently.

pub mod measure;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::host::{Lab, qemu_has};
use crate::machine::{Backend, Device, Machine};
use crate::scenario::describe;
use crate::settings::Settings;
use measure::{Contender, Order, Times};

/// The aim: so many times the bare writes, at most.
pub const AIM: f64 = 1.3;
/// Virtual functions that are lent at once.
const VFS: u32 = 7;
/// The contender all others are compared with.
const BARE: &str = "bare writes (dash)";
const OURS: &str = "passthru";

/// Devices that are measured together.
struct Subject {
    title: String,
    devices: Vec<String>,
    /// The driver they are on before; none where empty.
    driver: &'static str,
    /// True when they are all the host's again.
    back: String,
}

/// A peer, and how to find it.
struct Peer {
    name: &'static str,
    program: &'static str,
    package: &'static str,
}

const PEERS: &[Peer] = &[
    Peer { name: "driverctl", program: "driverctl", package: "driverctl" },
    Peer { name: "virsh", program: "virsh", package: "libvirt-clients and libvirt-daemon-system" },
    Peer { name: "dpdk-devbind.py", program: "dpdk-devbind.py", package: "dpdk" },
];

/// Boots a virtual host, measures, prints. Returns what was not met.
///
/// # Errors
/// Where the host does not come up, or a command fails.
pub fn run(settings: Settings, rounds: usize) -> Result<Vec<String>> {
    let mut machine = Machine::standard(qemu_has(&settings.qemu, "igb"));
    for port in &mut machine.ports {
        for device in port.devices.iter_mut().filter(|device| device.name == "sriov1") {
            *device = nvme_with_vfs();
        }
    }
    let lab = Lab::boot(settings, machine)?;
    let mut missing = Vec::new();
    let mut peers = Vec::new();
    for peer in PEERS {
        let found = lab.script(&format!("command -v {}", peer.program)).run()?;
        if found.code() == Some(0) {
            peers.push(peer.name);
        } else {
            missing.push(format!("{} is not installed (package {})", peer.name, peer.package));
        }
    }
    if peers.contains(&"virsh")
        && let Err(error) = start_libvirt(&lab)
    {
        peers.retain(|name| *name != "virsh");
        missing.push(format!("virsh: libvirt does not run in the lab: {error:#}"));
    }
    println!("Lab: {}.", describe(&lab));
    let mut missed = Vec::new();
    for subject in subjects(&lab)? {
        let mut without = missing.clone();
        let order = order(&subject, &peers, rounds, &mut without);
        let limit = Duration::from_secs(60 * (u64::try_from(rounds)? + 2));
        let output = lab
            .command(["/proc/1/exe", "measure"])
            .stdin(serde_json::to_vec(&order)?)
            .timeout(limit)
            .ok()
            .with_context(|| format!("measuring {}", subject.title))?;
        let times: Times = serde_json::from_str(output.out().trim()).context("no times")?;
        print!("{}", table(&subject, &order, &times, &without, &mut missed)?);
    }
    Ok(missed)
}

/// More functions than the standard host's has.
fn nvme_with_vfs() -> Device {
    let options = format!(
        "serial=sriov1,subsys=sriov1-subsystem,sriov_max_vfs={VFS},max_ioqpairs={},msix_qsize={},\
         sriov_vq_flexible={},sriov_vi_flexible={VFS}",
        2 * VFS + 2,
        VFS + 2,
        2 * VFS,
    );
    Device::new("sriov1", "nvme", &options).with(Backend::NvmeSubsystem { mib: 16 })
}

/// It needs the system bus; udev runs already.
fn start_libvirt(lab: &Lab) -> Result<()> {
    lab.script(
        "mkdir -p /run/dbus /run/libvirt; [ -e /run/dbus/pid ] || dbus-daemon --system --fork; \
         libvirtd --daemon",
    )
    .timeout(Duration::from_secs(120))
    .ok()?;
    let listed = format!(
        "virsh -q nodedev-list --cap pci | grep -q pci_{}",
        lab.address("nvme1")?.to_string().replace([':', '.'], "_")
    );
    lab.wait_until(&listed)?;
    Ok(())
}

fn subjects(lab: &Lab) -> Result<Vec<Subject>> {
    let nvme = lab.address("nvme1")?.to_string();
    let nic = lab.address("nic1")?.to_string();
    let sysfs = format!("/sys/bus/pci/devices/{}", lab.address("sriov1")?);
    // Without autoprobe the host's driver, which gives such functions up after a while,
    // stays out of the figures.
    lab.sh(&format!(
        "modprobe vfio-pci; echo 0 > {sysfs}/sriov_drivers_autoprobe; echo {VFS} > {sysfs}/sriov_numvfs; udevadm settle"
    ))?;
    let listed = lab.sh(&format!("for f in {sysfs}/virtfn*; do basename $(readlink $f); done"))?;
    let vfs: Vec<String> = listed.lines().map(str::to_owned).collect();
    ensure!(!vfs.is_empty(), "no virtual functions");
    let serial = |name: &str| format!("grep -qw {name} /sys/block/nvme*/device/serial");
    Ok(vec![
        Subject { title: "one NVMe disk".into(), devices: vec![nvme], driver: "nvme", back: serial("nvme1") },
        Subject {
            title: "one network card (e1000e)".into(),
            back: format!("[ -e /sys/bus/pci/devices/{nic}/net ]"),
            devices: vec![nic],
            driver: "e1000e",
        },
        Subject {
            title: format!("{} virtual functions at once", vfs.len()),
            devices: vfs,
            driver: "",
            back: "true".into(),
        },
    ])
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn order(subject: &Subject, peers: &[&str], rounds: usize, missing: &mut Vec<String>) -> Order {
    let Subject { devices, driver, back, .. } = subject;
    let sysfs = "/sys/bus/pci/devices";
    let all = devices.join(" ");
    // As by hand, with the shell's own echo; nothing is read back.
    let lend = format!(
        "for d in {all}; do cd {sysfs}/$d; echo vfio-pci > driver_override; \
         [ ! -e driver ] || echo $d > driver/unbind; echo $d > /sys/bus/pci/drivers_probe; done"
    );
    let probe = if driver.is_empty() { "" } else { "echo $d > /sys/bus/pci/drivers_probe;" };
    let give_back = format!(
        "for d in {all}; do cd {sysfs}/$d; echo > driver_override; echo $d > driver/unbind; {probe} done"
    );
    let shell = |text: &str| vec!["dash".to_owned(), "-ec".to_owned(), text.to_owned()];
    let one =
        |name: &str, lend, give_back| Contender { name: name.to_owned(), lend, give_back, codes: Vec::new() };
    let mut contenders = vec![
        one(BARE, vec![shell(&lend)], vec![shell(&give_back)]),
        one(
            OURS,
            vec![words(&format!("passthru bind {all}"))],
            vec![words(&format!("passthru release {all}"))],
        ),
    ];
    let each = |line: &str| devices.iter().map(|d| words(&line.replace('@', d))).collect::<Vec<_>>();
    if peers.contains(&"driverctl") {
        let mut contender = one(
            "driverctl",
            each("driverctl --nosave set-override @ vfio-pci"),
            each("driverctl --nosave unset-override @"),
        );
        if driver.is_empty() {
            // It wants a driver afterwards, and there was none before.
            contender.codes.push(1);
        }
        contenders.push(contender);
    }
    if peers.contains(&"virsh") {
        let names = |verb: &str| {
            let one = |d: &String| format!("{verb} pci_{}", d.replace([':', '.'], "_"));
            let commands: Vec<String> = devices.iter().map(one).collect();
            vec![vec!["virsh".to_owned(), "-q".to_owned(), commands.join("; ")]]
        };
        contenders.push(one("virsh", names("nodedev-detach"), names("nodedev-reattach")));
    }
    if peers.contains(&"dpdk-devbind.py") {
        if *driver == "nvme" || driver.is_empty() {
            missing.push("dpdk-devbind.py knows no NVMe devices".to_owned());
        } else {
            contenders.push(one(
                "dpdk-devbind.py",
                vec![words(&format!("dpdk-devbind.py -b vfio-pci {all}"))],
                vec![words(&format!("dpdk-devbind.py -b {driver} {all}"))],
            ));
        }
    }
    let on = |driver: &str| {
        format!(
            "for d in {all}; do l=$(readlink {sysfs}/$d/driver || echo none); [ ${{l##*/}} = {driver} ]; done"
        )
    };
    // What a peer left, dpdk-devbind.py its override, must not burden the next.
    let settle = format!(
        "for d in {all}; do echo > {sysfs}/$d/driver_override; done; \
         i=0; until {{ {}; }} && {back}; do i=$((i+1)); [ $i -lt 600 ]; sleep 0.1; done 2> /dev/null; \
         udevadm settle",
        on(if driver.is_empty() { "none" } else { driver }),
    );
    Order { contenders, rounds, lent: on("vfio-pci"), settle }
}

fn median(mut times: Vec<u64>) -> f64 {
    times.sort_unstable();
    let middle = times.len() / 2;
    match times.len() {
        0 => 0.0,
        n if n % 2 == 1 => times[middle] as f64,
        _ => (times[middle - 1] + times[middle]) as f64 / 2.0,
    }
}

fn table(
    subject: &Subject,
    order: &Order,
    times: &Times,
    missing: &[String],
    missed: &mut Vec<String>,
) -> Result<String> {
    let both = |index: usize| median(times[index].iter().map(|turn| turn.lend + turn.give_back).collect());
    let position = |name: &str| order.contenders.iter().position(|c| c.name == name);
    let bare = both(position(BARE).context("no bare writes")?);
    let ours = both(position(OURS).context("no passthru")?);
    let mut text = format!(
        "\n### {}\n\n| | bind | release | both | times the bare writes |\n|---|---:|---:|---:|---:|\n",
        subject.title
    );
    for (index, contender) in order.contenders.iter().enumerate() {
        let lend = median(times[index].iter().map(|turn| turn.lend).collect());
        let give_back = median(times[index].iter().map(|turn| turn.give_back).collect());
        let sum = both(index);
        writeln!(
            text,
            "| {} | {:.0} ms | {:.0} ms | {:.0} ms | {:.2} |",
            contender.name,
            lend / 1e3,
            give_back / 1e3,
            sum / 1e3,
            sum / bare
        )?;
        if contender.name != OURS && contender.name != BARE && sum <= ours {
            missed.push(format!("{}: {} is faster", subject.title, contender.name));
        }
    }
    writeln!(text, "\nMedians of {}.", order.rounds)?;
    for line in missing {
        writeln!(text, "Not measured: {line}.")?;
    }
    if ours / bare > AIM {
        missed.push(format!("{}: {:.2} times the bare writes, aim {AIM}", subject.title, ours / bare));
    }
    Ok(text)
}
