//! What the host needs is refused, on a real kernel: storage that is stacked, spread over
//! disks or only written down, the network that somebody sits on, the last keyboard, the
//! boot display, functions and devices that others hold.
//!
//! Each scenario makes the need, sees `bind`, its dry run, `list` and `show` say it, with the
//! reason that `--allow` takes and exit code 3, sees that nothing was changed, and after it
//! is gone that the same device is allowed again.

use anyhow::{Context, Result, ensure};
use passthru_lab::agent::{Output, PATIENCE};
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};
use serde_json::Value;

use crate::support::{
    GIVEN_UP, driver, expect_driver, expect_unchanged, held, json, says, scenario, two_functions,
    wait_for_disk,
};

pub(crate) const ALL: &[Scenario] = &[
    scenario("needs/LVM with a mounted volume", lvm),
    scenario("needs/md over two disks, mounted", md_mounted),
    scenario("needs/md of one disk, unused", md_held),
    scenario("needs/dm-crypt, open and mounted", crypt),
    scenario("needs/btrfs over two disks", btrfs),
    scenario("needs/only in fstab", fstab),
    scenario("needs/only in crypttab", crypttab),
    scenario("needs/a disk that a process has open", raw_open),
    scenario("needs/the default route", default_route),
    scenario("needs/the default route of IPv6", default_route_v6),
    scenario("needs/the default route over a VLAN", route_over_vlan),
    scenario("needs/the default route over a bridge", route_over_bridge),
    scenario("needs/an SSH session over the card", ssh),
    scenario("needs/a card moved to another network namespace", moved),
    scenario("needs/the only keyboard", keyboard),
    scenario("needs/the boot display", display),
    scenario("needs/virtual functions, one of them held", held_function),
    scenario("needs/a VM is told of by its name", named_holder),
];

/// One need of the host.
struct Need<'a> {
    /// The machine's devices that must be refused for it, each alone.
    devices: &'a [&'a str],
    /// The shell script that makes it so. `$disk` and `$disk2` are the nodes of nvme2 and
    /// nvme3, `$nic` and `$nic2` the interfaces of nic1 and nic2.
    begin: &'a str,
    /// The reason, as `--allow` takes it.
    reason: &'a str,
    /// What the evidence must name; `list` at least the first.
    words: &'a [&'a str],
    /// What makes it not so again.
    end: &'a str,
}

/// Functions for the scripts: `mounted`, `gone`.
const PRELUDE: &str = "\
    export DM_DISABLE_UDEV=1; \
    interface() { for i in /sys/bus/pci/devices/$1/net/*; do echo ${i##*/}; done; }; \
    settle() { udevadm settle || :; }; \
    filled() { mke2fs -q -F -t ext4 $1; mkdir -p /mnt/lent; mount $1 /mnt/lent; }; ";

/// The variables and functions that [`Need`]'s scripts use.
fn prelude(lab: &Lab) -> Result<String> {
    Ok(format!(
        "{PRELUDE} disk=/dev/{}; disk2=/dev/{}; nic=$(interface {}); nic2=$(interface {}); ",
        lab.disk("nvme2")?,
        lab.disk("nvme3")?,
        lab.address("nic1")?,
        lab.address("nic2")?
    ))
}

/// The whole of a scenario.
fn refused_while(lab: &Lab, need: &Need<'_>) -> Result<Outcome> {
    let prelude = prelude(lab)?;
    let devices: Vec<String> =
        need.devices.iter().map(|name| Ok(lab.address(name)?.to_string())).collect::<Result<_>>()?;
    lab.sh(&format!("{prelude} {}; settle", need.begin))?;
    let seen = devices.iter().try_for_each(|device| refused(lab, device, need.reason, need.words));
    // What is not taken down here would make the next scenarios fail, not this one.
    let ended = lab.sh(&format!("{prelude} {}; settle", need.end));
    seen?;
    ended?;
    for device in &devices {
        lab.passthru(["bind", "--dry-run", device]).ok()?;
    }
    Ok(Outcome::Passed)
}

/// Sees a device refused for that reason, with these words, by everything that judges it.
pub(crate) fn refused(lab: &Lab, device: &str, reason: &str, words: &[&str]) -> Result<()> {
    let before = lab.state()?;
    // The dry run first: what it does not refuse is not tried.
    for arguments in [&["bind", "--dry-run"][..], &["bind"]] {
        let output = lab.passthru(arguments.iter().copied()).arg(device).run()?.expect_code(3)?;
        expect_reason(&output, device, reason)?;
        for word in words {
            says(&output, word)?;
        }
    }
    let listed = lab.passthru(["list", device]).ok()?;
    let shown = lab.passthru(["show", device]).ok()?;
    for output in [&listed, &shown] {
        says(output, reason)?;
        says(output, words[0])?;
    }
    for verb in ["list", "show"] {
        let output = lab.passthru([verb, device, "--json"]).ok()?;
        let value = json(&output)?;
        let uses = value["devices"][0]["uses"].as_array().context("`uses` is no array")?;
        let line = uses.iter().find(|used| used["blocks"] == reason).map(chain);
        let line = line.with_context(|| format!("no use blocks with {reason}:\n{output}"))?;
        ensure!(!line.is_empty(), "an empty chain:\n{output}");
    }
    expect_unchanged(lab, &before)
}

fn chain(used: &Value) -> String {
    let parts = used["chain"].as_array().into_iter().flatten().filter_map(Value::as_str);
    parts.collect::<Vec<_>>().join(" → ")
}

/// The refusal has that reason, in a line of its own that names the device.
fn expect_reason(output: &Output, device: &str, reason: &str) -> Result<()> {
    let wanted = format!("{device} [{reason}]");
    let lines = output.err().lines().filter(|line| line.contains(&wanted)).count();
    ensure!(lines >= 1, "not refused with {wanted}:\n{output}");
    Ok(())
}

fn lvm(lab: &Lab) -> Result<Outcome> {
    refused_while(
        lab,
        &Need {
            devices: &["nvme2"],
            begin: "modprobe dm_mod; lvm pvcreate -q -ff -y $disk; lvm vgcreate -q lent $disk; \
                    lvm lvcreate -q -y -Wn -Zn -n data -l 50%FREE lent; filled /dev/mapper/lent-data",
            reason: "mounted",
            words: &["lent/data", "/mnt/lent"],
            end: "umount /mnt/lent; lvm vgremove -q -f lent; lvm pvremove -q -ff -y $disk",
        },
    )
}

fn md_mounted(lab: &Lab) -> Result<Outcome> {
    refused_while(
        lab,
        &Need {
            devices: &["nvme2", "nvme3"],
            begin: "modprobe raid1; mdadm --create /dev/md7 --quiet --run --level=1 --raid-devices=2 \
                    --assume-clean --metadata=1.2 $disk $disk2; filled /dev/md7",
            reason: "mounted",
            words: &["md7", "/mnt/lent"],
            end: "umount /mnt/lent; settle; mdadm --stop --quiet /dev/md7; \
                  mdadm --zero-superblock $disk $disk2",
        },
    )
}

/// Degraded, and nothing mounted on it: still a member.
fn md_held(lab: &Lab) -> Result<Outcome> {
    refused_while(
        lab,
        &Need {
            devices: &["nvme2"],
            begin: "modprobe raid1; mdadm --create /dev/md7 --quiet --run --level=1 --raid-devices=2 \
                    --metadata=1.2 $disk missing",
            reason: "holders",
            words: &["md7"],
            end: "settle; mdadm --stop --quiet /dev/md7; mdadm --zero-superblock $disk",
        },
    )
}

fn crypt(lab: &Lab) -> Result<Outcome> {
    const OPEN: &str = "modprobe dm_crypt; echo -n passphrase > /run/lab/key; \
        cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $disk /run/lab/key; \
        cryptsetup open --key-file /run/lab/key $disk secret";
    const CLOSE: &str = "cryptsetup close secret; wipefs -q -a $disk; rm /run/lab/key";
    let open = Need { devices: &["nvme2"], begin: OPEN, reason: "holders", words: &["secret"], end: CLOSE };
    refused_while(lab, &open)?;
    refused_while(
        lab,
        &Need {
            begin: &format!("{OPEN}; filled /dev/mapper/secret"),
            reason: "mounted",
            words: &["secret", "/mnt/lent"],
            end: &format!("umount /mnt/lent; {CLOSE}"),
            ..open
        },
    )
}

/// `/proc/mounts` names one of the two only.
fn btrfs(lab: &Lab) -> Result<Outcome> {
    refused_while(
        lab,
        &Need {
            devices: &["nvme2", "nvme3"],
            begin: "modprobe btrfs; mkfs.btrfs -q -f $disk $disk2; mkdir -p /mnt/lent; \
                    mount $disk /mnt/lent; [ $(grep -c /mnt/lent /proc/mounts) = 1 ]",
            reason: "mounted",
            words: &["/mnt/lent"],
            end: "umount /mnt/lent; wipefs -q -a $disk $disk2",
        },
    )
}

/// Whoever has a file system in fstab counts on finding it there at the next boot.
fn fstab(lab: &Lab) -> Result<Outcome> {
    refused_while(
        lab,
        &Need {
            devices: &["nvme2"],
            begin: "mke2fs -q -F -t ext4 $disk; uuid=$(blkid -p -s UUID -o value $disk); \
                    cp -a /etc/fstab /run/lab/fstab; \
                    echo \"UUID=$uuid /mnt/later ext4 defaults,noauto 0 2\" >> /etc/fstab; settle; \
                    mkdir -p /dev/disk/by-uuid; [ -e /dev/disk/by-uuid/$uuid ] || \
                    ln -s ../../${disk#/dev/} /dev/disk/by-uuid/$uuid",
            reason: "fstab",
            words: &["/mnt/later"],
            end: "cp -a /run/lab/fstab /etc/fstab; wipefs -q -a $disk",
        },
    )
}

fn crypttab(lab: &Lab) -> Result<Outcome> {
    refused_while(
        lab,
        &Need {
            devices: &["nvme2"],
            begin: "[ ! -e /etc/crypttab ] || cp -a /etc/crypttab /run/lab/crypttab; \
                    echo \"later $disk none luks,noauto\" >> /etc/crypttab",
            reason: "fstab",
            words: &["later"],
            end: "if [ -e /run/lab/crypttab ]; then cp -a /run/lab/crypttab /etc/crypttab; \
                  else rm /etc/crypttab; fi",
        },
    )
}

fn raw_open(lab: &Lab) -> Result<Outcome> {
    refused_while(
        lab,
        &Need {
            devices: &["nvme2"],
            begin: "sleep 100000 < $disk & echo $! > /run/lab/client; \
                    until grep -qx sleep /proc/$!/comm; do sleep 0.1; done",
            reason: "clients",
            words: &["sleep"],
            end: "client=$(cat /run/lab/client); kill $client; \
                  while [ -e /proc/$client ]; do sleep 0.1; done",
        },
    )
}

/// Also with the address and the link down again, only the route counts here.
fn default_route(lab: &Lab) -> Result<Outcome> {
    refused_while(
        lab,
        &Need {
            devices: &["nic1"],
            begin: "ip addr add 192.0.2.1/24 dev $nic; ip link set $nic up; \
                    ip route add default via 192.0.2.254 dev $nic",
            reason: "default-route",
            words: &["default route"],
            end: "ip link set $nic down; ip addr flush dev $nic",
        },
    )
}

fn default_route_v6(lab: &Lab) -> Result<Outcome> {
    refused_while(
        lab,
        &Need {
            devices: &["nic1"],
            begin: "ip link set $nic up; ip -6 route add default via fe80::1 dev $nic",
            reason: "default-route",
            words: &["default route"],
            end: "ip link set $nic down",
        },
    )
}

fn route_over_vlan(lab: &Lab) -> Result<Outcome> {
    refused_while(
        lab,
        &Need {
            devices: &["nic1"],
            begin: "modprobe 8021q; ip link set $nic up; ip link add link $nic name lent7 type vlan id 7; \
                    ip addr add 192.0.2.1/24 dev lent7; ip link set lent7 up; \
                    ip route add default via 192.0.2.254 dev lent7",
            reason: "default-route",
            words: &["lent7", "default route"],
            end: "ip link delete lent7; ip link set $nic down",
        },
    )
}

fn route_over_bridge(lab: &Lab) -> Result<Outcome> {
    refused_while(
        lab,
        &Need {
            devices: &["nic1"],
            begin: "modprobe bridge; ip link add lentbr type bridge; ip link set $nic master lentbr; \
                    ip link set $nic up; ip addr add 192.0.2.1/24 dev lentbr; ip link set lentbr up; \
                    ip route add default via 192.0.2.254 dev lentbr",
            reason: "default-route",
            words: &["lentbr", "default route"],
            end: "ip link delete lentbr; ip link set $nic down",
        },
    )
}

/// A process in a network namespace of its own, `$ns`, until `/run/lab/ns` is killed: bare, or
/// with its own view of `/sys`, as `ip netns exec` and containers make it.
const NAMESPACE: &str = "unshare --net sleep 100000 & ns=$!; echo $ns > /run/lab/ns; \
    until [ \"$(readlink /proc/$ns/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do sleep 0.1; done; ";
const CONTAINER: &str = "unshare --net --mount sh -c 'mount -t sysfs sysfs /sys; exec sleep 100000' & \
    ns=$!; echo $ns > /run/lab/ns; until grep -qx sleep /proc/$ns/comm; do sleep 0.1; done; ";

/// The end of it. Its cards come back when the namespace has gone.
fn leave_namespace(lab: &Lab, nic: &str) -> Result<()> {
    lab.sh("kill $(cat /run/lab/ns)")?;
    let back = format!("ls /sys/bus/pci/devices/{}/net/* > /dev/null", lab.address(nic)?);
    lab.wait_until(&back)
}

/// sshd listens on the first card (when it does it writes its process id); the client comes from
/// another network namespace, over the second card and the cable between them.
fn ssh(lab: &Lab) -> Result<Outcome> {
    let prelude = prelude(lab)?;
    lab.sh(&format!(
        "{prelude} {NAMESPACE} ip addr add 192.0.2.1/24 dev $nic; ip link set $nic up; \
         ip link set $nic2 netns $ns; there() {{ nsenter --net=/proc/$ns/ns/net \"$@\"; }}; \
         there ip addr add 192.0.2.2/24 dev $nic2; there ip link set $nic2 up; \
         grep -q ^sshd: /etc/passwd || echo sshd:x:65533:65534::/run/sshd:/bin/false >> /etc/passwd; \
         mkdir -p /run/sshd /run/lab/ssh; cd /run/lab/ssh; \
         ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f id; \
         cat > config <<END\nPort 22\nPort 2222\nListenAddress 192.0.2.1\nHostKey $PWD/host\n\
         PidFile $PWD/pid\nUsePAM no\nStrictModes no\nPermitRootLogin yes\nLoginGraceTime 0\n\
         AuthorizedKeysFile $PWD/id.pub\nEND\n\
         /usr/sbin/sshd -f config; until [ -s pid ]; do sleep 0.1; done; \
         until ip link show $nic | grep -q LOWER_UP && there ip link show $nic2 | grep -q LOWER_UP; \
         do sleep 0.1; done"
    ))?;
    let device = lab.address("nic1")?.to_string();
    let seen = [22, 2222].into_iter().try_for_each(|port| {
        let mut session = lab
            .script(&format!(
                "exec nsenter --net=/proc/$(cat /run/lab/ns)/ns/net ssh -p {port} -i /run/lab/ssh/id \
                 -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
                 root@192.0.2.1 'echo $$ > /run/lab/ssh/{port}; echo the session is up; exec sleep 100000'"
            ))
            .timeout(4 * PATIENCE)
            .start()?;
        session.wait_for("the session is up")?;
        let seen = refused(lab, &device, "ssh-connection", &["192.0.2.2"]);
        lab.sh(&format!("kill $(cat /run/lab/ssh/{port})"))?;
        session.wait()?;
        seen.with_context(|| format!("with sshd on port {port}"))
    });
    // Those of its children that see to a session end after the session.
    lab.sh("kill $(cat /run/lab/ssh/pid); while pgrep -x 'sshd(-.*)?' > /dev/null; do sleep 0.1; done; \
            rm -r /run/lab/ssh /run/sshd")?;
    leave_namespace(lab, "nic2")?;
    lab.sh(&format!("{prelude} ip link set $nic down; ip addr flush dev $nic; ip link set $nic2 down"))?;
    seen?;
    lab.passthru(["bind", "--dry-run", &device]).ok()?;
    Ok(Outcome::Passed)
}

/// Where the namespace's own `/sys` can be seen, the interface is found; where not, that
/// nobody can see it is reason enough.
fn moved(lab: &Lab) -> Result<Outcome> {
    let prelude = prelude(lab)?;
    let device = lab.address("nic1")?.to_string();
    let found = ["network-namespace", "sleep", "network namespace"];
    let unseen = ["not-seen", "network namespace"];
    for (begin, words) in [(CONTAINER, &found[..]), (NAMESPACE, &unseen)] {
        lab.sh(&format!("{prelude} {begin} ip link set $nic netns $ns"))?;
        let seen = refused(lab, &device, words[0], &words[1..]);
        leave_namespace(lab, "nic1")?;
        seen?;
        lab.passthru(["bind", "--dry-run", &device]).ok()?;
    }
    Ok(Outcome::Passed)
}

/// The PS/2 keyboard of the emulated board is taken away, so that the one on USB is the last.
fn keyboard(lab: &Lab) -> Result<Outcome> {
    lab.passthru(["bind", "--dry-run", &lab.address("xhci")?.to_string()]).ok()?;
    refused_while(
        lab,
        &Need {
            devices: &["xhci"],
            begin: "for s in /sys/bus/serio/devices/serio*; do case $(cat $s/description) in \
                    *KBD*) echo -n none > $s/drvctl;; esac; done",
            reason: "last-keyboard",
            words: &["keyboard"],
            end: "for s in /sys/bus/serio/devices/serio*; do case $(cat $s/description) in \
                  *KBD*) echo -n atkbd > $s/drvctl;; esac; done; \
                  until grep -q 'AT Translated' /proc/bus/input/devices; do sleep 0.1; done",
        },
    )
}

/// The card the firmware drew on, with the console's framebuffer on it.
fn display(lab: &Lab) -> Result<Outcome> {
    let device = "0000:00:01.0";
    let state =
        lab.sh(&format!("cd /sys/bus/pci/devices/{device}; cat boot_vga; ls -d graphics/fb* drm/card*"))?;
    ensure!(state.starts_with('1'), "the lab's display is not the boot display: {state}");
    expect_driver(lab, device, "bochs-drm")?;
    refused(lab, device, "display", &["the firmware started on"])?;
    Ok(Outcome::Passed)
}

/// A VM holds one virtual function: neither that one nor the whole card can be taken.
fn held_function(lab: &Lab) -> Result<Outcome> {
    let physical = lab.address("sriov1")?.to_string();
    let function = two_functions(lab, &physical, GIVEN_UP)?;
    let original = driver(lab, &function)?;
    lab.passthru(["bind", &function]).ok()?;
    let vm = held(lab, &function, "lent-function")?;
    let seen = (|| {
        refused(lab, &physical, "virtual-functions", &["2 active virtual functions"])?;
        let output = lab.passthru(["release", &function]).run()?.expect_code(3)?;
        expect_reason(&output, &function, "held")?;
        says(&output, "lent-function")
    })();
    vm.signal(15, false)?;
    vm.wait()?;
    lab.passthru(["release", &function]).ok()?;
    expect_driver(lab, &function, &original)?;
    lab.sh(&format!("echo 0 > /sys/bus/pci/devices/{physical}/sriov_numvfs"))?;
    seen?;
    lab.passthru(["bind", "--dry-run", &physical]).ok()?;
    Ok(Outcome::Passed)
}

fn named_holder(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    lab.passthru(["bind", &device]).ok()?;
    let vm = held(lab, &device, "guest=the-lent-one,debug-threads=on")?;
    let before = lab.state()?;
    let seen = (|| {
        for arguments in [&["release", "--dry-run"][..], &["release"]] {
            let output = lab.passthru(arguments.iter().copied()).arg(&device).run()?.expect_code(3)?;
            expect_reason(&output, &device, "held")?;
            says(&output, "the-lent-one")?;
        }
        for arguments in [&["list"][..], &["show"]] {
            let output = lab.passthru(arguments.iter().copied()).arg(&device).ok()?;
            says(&output, "the-lent-one")?;
        }
        says(&lab.passthru(["status"]).ok()?, "the-lent-one")?;
        expect_unchanged(lab, &before)
    })();
    vm.signal(15, false)?;
    vm.wait()?;
    lab.passthru(["release", &device]).ok()?;
    wait_for_disk(lab, "nvme1")?;
    seen?;
    Ok(Outcome::Passed)
}
