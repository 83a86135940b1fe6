//! A mount, or swap, that begins while its disk is being bound: one of the two loses, and
//! loses cleanly. The rival is started a little before or after the moment at which, by what
//! the rounds before showed, it is decided who wins.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use passthru_lab::host::Lab;
use passthru_lab::scenario::{Outcome, Scenario};

use crate::support::{proof, scenario, settled, wait_for_disk};

pub(crate) const ALL: &[Scenario] = &[
    scenario("race/a mount and the bind of its disk", mount),
    scenario("race/swapon and the bind of its disk", swap),
];

/// Rounds in `make proof` and in `make test`, for each of the two.
const ROUNDS: (usize, usize) = (200, 16);
/// Where it is decided who wins, when nothing is known yet, as a part of the time a bind
/// takes: `bind` claims the disk in its second half.
const BORDER: f32 = 0.5;
/// How far the border is thought to be elsewhere after a round, in the same parts.
const STEP: f32 = 0.08;
/// How many rounds there may be until each has won once, as a multiple of the usual number:
/// where the first bind took much longer than the others, or less, the border is far away.
const SEARCH: usize = 4;
/// How far from the border the rounds are, one after the other, in the same parts.
const AROUND: [f32; 7] = [0.0, 0.1, -0.1, 0.03, -0.03, 0.25, -0.25];

/// udev looks into a disk that was written to, and holds it open meanwhile: a third party.
const SETTLE: &str = "udevadm settle || true";

/// The rounds of one rival of `bind`: it is started by `begin`, `$disk` is the disk; `is`
/// tells whether it has won, `end` undoes it.
struct Rival {
    name: &'static str,
    prepare: &'static str,
    begin: &'static str,
    is: &'static str,
    end: &'static str,
}

fn mount(lab: &Lab) -> Result<Outcome> {
    let rival = Rival {
        name: "mount",
        prepare: "mke2fs -q -F -t ext4 $disk; mkdir -p /mnt/raced; mount $disk /mnt/raced; umount /mnt/raced",
        begin: "mount -n $disk /mnt/raced",
        is: "while read -r _ at _; do if [ $at = /mnt/raced ]; then is=yes; fi; done < /proc/mounts",
        end: "umount /mnt/raced",
    };
    rival.run(lab)
}

fn swap(lab: &Lab) -> Result<Outcome> {
    let rival = Rival {
        name: "swapon",
        prepare: "mkswap -q $disk; swapon $disk; swapoff $disk",
        begin: "swapon $disk",
        is: "while read -r what _; do if [ $what = $disk ]; then is=yes; fi; done < /proc/swaps",
        end: "swapoff $disk",
    };
    rival.run(lab)
}

/// What came of the rounds.
#[derive(Default)]
struct Wins {
    bind: usize,
    /// `bind` saw it and refused (3).
    refused: usize,
    /// `bind` met it when it claimed the disk, and gave up (4).
    gave_up: usize,
}

impl Rival {
    fn run(&self, lab: &Lab) -> Result<Outcome> {
        let device = lab.address("nvme2")?.to_string();
        let disk = format!("/dev/{}", lab.disk("nvme2")?);
        lab.sh(&format!("modprobe vfio-pci; disk={disk}; {}", self.prepare))?;
        lab.sh(SETTLE)?;
        let first = lab.state()?;
        // How long a bind takes here and now.
        let started = Instant::now();
        lab.passthru(["bind", &device]).ok()?;
        let whole = started.elapsed();
        lab.passthru(["release", &device]).ok()?;
        wait_for_disk(lab, "nvme2")?;
        settled(lab, &first)?;

        let rounds = if proof() { ROUNDS.0 } else { ROUNDS.1 };
        if rounds < ROUNDS.0 {
            println!(
                "left to proof: race: {} of {} rounds of bind and {}",
                ROUNDS.0 - rounds,
                ROUNDS.0,
                self.name
            );
        }
        let (mut wins, mut border, started) = (Wins::default(), BORDER, Instant::now());
        let undecided = |wins: &Wins| wins.bind == 0 || wins.refused + wins.gave_up == 0;
        let mut round = 0;
        while round < rounds || (undecided(&wins) && round < SEARCH * rounds) {
            lab.sh(SETTLE)?;
            let later = whole.as_secs_f32() * (border + AROUND[round % AROUND.len()]);
            let bind = wins.bind;
            self.round(lab, &device, &disk, later, &mut wins)
                .with_context(|| format!("{} {later:.3} s after the bind, round {round}", self.name))?;
            // Far away it is gone towards in larger steps.
            let step = if round > rounds / 2 && undecided(&wins) { 4.0 * STEP } else { STEP };
            border = (border + if wins.bind > bind { -step } else { step }).clamp(-10.0, 10.0);
            wait_for_disk(lab, "nvme2")?;
            settled(lab, &first).with_context(|| format!("after round {round}"))?;
            round += 1;
        }
        let Wins { bind, refused, gave_up } = &wins;
        println!(
            "race: {round} rounds of bind and {}: bind won {bind}, {} won {} (bind refused {refused} times and \
             gave up {gave_up} times), {:.0} s",
            self.name,
            self.name,
            refused + gave_up,
            started.elapsed().as_secs_f32(),
        );
        ensure!(!undecided(&wins), "one side never won: this was no race");
        Ok(Outcome::Passed)
    }

    fn round(&self, lab: &Lab, device: &str, disk: &str, later: f32, wins: &mut Wins) -> Result<()> {
        let Self { name, begin, is, end, .. } = self;
        let output = lab
            .script(&format!(
                "disk={disk} is=no; set +e
                 {{ sleep {:.3}; {begin} 2> /run/lab/rival; echo $? > /run/lab/rival.code; }} &
                 sleep {:.3}; passthru bind {device}; bind=$?; wait; {is}
                 read -r rival < /run/lab/rival.code
                 on=$(readlink /sys/bus/pci/devices/{device}/driver)
                 echo \"round: $bind $rival $is ${{on##*/}}\"",
                later.max(0.0),
                (-later).max(0.0)
            ))
            .ok()?;
        let out = output.out();
        let line = out.lines().last().and_then(|line| line.strip_prefix("round: "));
        let words: Vec<&str> = line.unwrap_or_default().split(' ').collect();
        let [bind, rival, is, on] = words[..] else { bail!("no result:\n{output}") };
        match (bind, rival, is, on) {
            ("0", rival, "no", "vfio-pci") if rival != "0" => {
                wins.bind += 1;
                lab.passthru(["release", device]).ok()?;
            }
            ("3" | "4", "0", "yes", "nvme") => {
                if bind == "3" {
                    wins.refused += 1;
                } else {
                    wins.gave_up += 1;
                }
                // Both know of it: it is in use, and it still works.
                lab.sh(SETTLE)?;
                let again = lab.passthru(["bind", device]).run()?;
                ensure!(again.code() == Some(3), "in use after the {name}, and not refused:\n{again}");
                lab.sh(&format!("disk={disk}; {end}"))?;
            }
            _ => bail!(
                "bind ended with {bind}, {name} with {rival}; in use: {is}, driver: {on}\n{output}\n{name} said: {}",
                lab.sh("cat /run/lab/rival")?
            ),
        }
        Ok(())
    }
}
