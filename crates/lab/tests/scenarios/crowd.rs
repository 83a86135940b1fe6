//! Many at once: sixteen processes bind and release overlapping sets of devices, and two
//! look after one interrupted change.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use passthru_lab::host::Lab;
use passthru_lab::inject;
use passthru_lab::scenario::{Outcome, Scenario};

use crate::support::{proof, scenario, settled, wait_for_disk};

pub(crate) const ALL: &[Scenario] = &[
    scenario("crowd/sixteen bind and release overlapping devices", sixteen),
    scenario("crowd/recover twice at once", recover_twice),
];

/// How many processes.
const CROWD: usize = 16;
/// For how long, in seconds: in `make proof`, in `make test`.
const SECONDS: (u32, u32) = (60, 20);

/// `worker N`: picks one of the sets and a verb until the time is over. One line for each
/// run: `answer: N EXIT-CODE VERB SET | all it said`.
const WORKER: &str = r#"
RANDOM=$((1000 + $1))
while [ $SECONDS -lt $LONG ]; do
    set=${sets[RANDOM % ${#sets[@]}]}
    if [ $((RANDOM % 2)) = 0 ]; then verb=bind; else verb=release; fi
    words=$set
    case $verb$set in bind*"$EDU"*) words="$EDU --with-group" ;; esac
    said=$(timeout -s KILL 500 passthru $verb --write-timeout 400 --lock-timeout $((1 + RANDOM % 12)) \
           $words 2>&1 < /dev/null)
    code=$?
    echo "answer: $1 $code $verb $set | ${said//$'\n'/ / }"
done
"#;

fn sixteen(lab: &Lab) -> Result<Outcome> {
    let [nvme1, nvme2, nic, edu, testdev] =
        ["nvme1", "nvme2", "nic1", "edu", "testdev"].map(|name| lab.address(name));
    let (nvme1, nvme2, nic, edu, testdev) = (nvme1?, nvme2?, nic?, edu?, testdev?);
    lab.sh("modprobe vfio-pci")?;
    let first = lab.state()?;
    let long = if proof() { SECONDS.0 } else { SECONDS.1 };
    if long < SECONDS.0 {
        println!("left to proof: crowd: {} of {} seconds", SECONDS.0 - long, SECONDS.0);
    }
    let script = format!(
        "sets=('{nvme1}' '{nvme2}' '{nic}' '{nvme1} {nvme2}' '{nvme2} {nic}' '{nic} {nvme1}' '{edu} {testdev}')
         EDU={edu} LONG={long}
         worker() {{ {WORKER} }}
         for n in {{1..{CROWD}}}; do worker $n & done
         wait"
    );
    let output =
        lab.command(["bash", "-c", &script]).timeout(Duration::from_secs(u64::from(long) + 900)).ok()?;

    // The first words say what kind of answer it was; addresses and numbers do not matter.
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let (mut codes, mut wrong): (BTreeMap<i32, usize>, Vec<String>) = (BTreeMap::new(), Vec::new());
    let mut workers = std::collections::BTreeSet::new();
    for line in output.out().lines() {
        let rest = line.strip_prefix("answer: ").with_context(|| format!("no answer: {line}"))?;
        let (head, said) = rest.split_once(" | ").with_context(|| format!("no answer: {line}"))?;
        let words: Vec<&str> = head.split(' ').collect();
        let [worker, code, verb, ..] = words[..] else { bail!("no answer: {line}") };
        let code: i32 = code.parse()?;
        workers.insert(worker.to_owned());
        *codes.entry(code).or_default() += 1;
        let plain: String = said.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
        *kinds
            .entry(format!("{verb} {code}: {}", plain.chars().take(150).collect::<String>()))
            .or_default() += 1;
        if !correct(code, said) {
            wrong.push(line.to_owned());
        }
    }
    let answers: usize = codes.values().sum();
    let code = |code| codes.get(&code).copied().unwrap_or(0);
    println!(
        "crowd: {} processes, {long} s, {answers} answers: {} done, {} refused, {} gave way; {} wrong",
        workers.len(),
        code(0),
        code(3),
        code(4),
        wrong.len()
    );
    if std::env::var_os("PASSTHRU_LAB_VERBOSE").is_some() || !wrong.is_empty() {
        kinds.iter().for_each(|(kind, count)| println!("  {count:4} {kind}"));
    }
    ensure!(wrong.is_empty(), "wrong answers:\n{}", wrong.join("\n"));
    ensure!(workers.len() == CROWD, "only {} of {CROWD} came to an answer", workers.len());
    lab.passthru(["release", "--all"]).ok()?;
    for name in ["nvme1", "nvme2"] {
        wait_for_disk(lab, name)?;
    }
    settled(lab, &first)?;
    Ok(Outcome::Passed)
}

/// Done; refused, because it is in the middle of being changed or somebody else's; or given
/// up, because somebody else held the lock or was faster. Never half done.
fn correct(code: i32, said: &str) -> bool {
    let any = |words: &[&str]| words.iter().any(|word| said.contains(word));
    match code {
        0 => true,
        // A lease that was there a moment ago is no broken one.
        3 => said.contains("error") && !said.contains("ENOENT"),
        4 => any(&["lock", "changed", "in use", "as it was"]),
        _ => false,
    }
}

fn recover_twice(lab: &Lab) -> Result<Outcome> {
    let device = lab.address("nvme1")?.to_string();
    lab.sh("modprobe vfio-pci")?;
    inject::install(lab)?;
    let first = lab.state()?;
    for (verb, record) in [("bind", 9), ("bind", 5), ("release", 5), ("release", 7)] {
        if verb == "release" {
            lab.passthru(["bind", &device]).ok()?;
        }
        // Killed before this record of its journal is safe.
        let hold = format!("inject=fdatasync:delay_enter=120000000:when={record}");
        let strace = ["-e", "trace=fdatasync", "-e", &hold].map(str::to_owned).to_vec();
        let killed = inject::command(lab, "kill", record, "/run/lab/injected", strace)
            .args(["passthru", verb, &device])
            .ok()?;
        ensure!(killed.out().contains("injected: yes"), "was not killed:\n{killed}");
        let output = lab
            .script(
                "for n in 1 2 3; do { passthru recover --lock-timeout 250 2>&1 | sed \"s/^/$n: /\"; } & done; wait; \
                 passthru recover",
            )
            .ok()?;
        let text = format!("{}{}", output.out(), output.err());
        let nothing = text.matches("nothing to recover").count();
        ensure!(nothing == 3, "of four, one has something to do, not {}:\n{output}", 4 - nothing);
        ensure!(!text.contains("error"), "one of them failed:\n{output}");
        wait_for_disk(lab, "nvme1")?;
        settled(lab, &first).with_context(|| format!("{verb} killed at record {record}:\n{output}"))?;
    }
    Ok(Outcome::Passed)
}
