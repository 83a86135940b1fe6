//! Which program a line starts: QEMU, QEMU behind a wrapper, or something else.
//!
//! Owns the list of wrappers that can be looked through safely. It must not look at
//! QEMU's own options. The rule: a wrapper's option that is not listed here means
//! that the line is not understood, and then nothing is injected into it.

use super::VmError;

/// What a line starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// QEMU, perhaps behind wrappers such as `taskset`.
    Qemu {
        /// What comes after `qemu-system-` in the binary's name; `x86_64` for `kvm`
        /// and `qemu-kvm`, which do not say.
        arch: String,
        /// Which word of the line is QEMU.
        at: usize,
    },
    /// Anything else, such as a script.
    Other {
        /// The program's base name.
        program: String,
    },
}

/// A program that starts another one in its own place.
struct Wrapper {
    name: &'static str,
    flags: &'static [&'static str],
    with_value: &'static [&'static str],
    /// How many words come between the options and the program.
    operands: usize,
}

/// They `exec` what they are given, so process id, terminal and signals are the
/// VM's own: coreutils, util-linux, numactl, libcgroup, systemd.
const WRAPPERS: &[Wrapper] = &[
    Wrapper {
        name: "env",
        flags: &["-i", "-", "--ignore-environment", "-v", "--debug"],
        with_value: &["-u", "--unset", "-C", "--chdir"],
        operands: 0,
    },
    Wrapper { name: "nice", flags: &[], with_value: &["-n", "--adjustment"], operands: 0 },
    Wrapper {
        name: "ionice",
        flags: &["-t", "--ignore"],
        with_value: &["-c", "--class", "-n", "--classdata"],
        operands: 0,
    },
    Wrapper { name: "taskset", flags: &["-c", "--cpu-list"], with_value: &[], operands: 1 },
    Wrapper {
        name: "chrt",
        flags: &[
            "-b",
            "--batch",
            "-f",
            "--fifo",
            "-i",
            "--idle",
            "-o",
            "--other",
            "-r",
            "--rr",
            "-d",
            "--deadline",
            "-R",
            "--reset-on-fork",
            "-v",
            "--verbose",
        ],
        with_value: &["-T", "--sched-runtime", "-P", "--sched-period", "-D", "--sched-deadline"],
        operands: 1,
    },
    Wrapper {
        name: "numactl",
        flags: &["-l", "--localalloc", "-a", "--all", "-b", "--balancing"],
        with_value: &[
            "-i",
            "--interleave",
            "-p",
            "--preferred",
            "-P",
            "--preferred-many",
            "-m",
            "--membind",
            "-N",
            "--cpunodebind",
            "-C",
            "--physcpubind",
            "-w",
            "--weighted-interleave",
        ],
        operands: 0,
    },
    Wrapper { name: "nohup", flags: &[], with_value: &[], operands: 0 },
    Wrapper {
        name: "stdbuf",
        flags: &[],
        with_value: &["-i", "--input", "-o", "--output", "-e", "--error"],
        operands: 0,
    },
    Wrapper { name: "cgexec", flags: &["--sticky"], with_value: &["-g"], operands: 0 },
    Wrapper {
        name: "systemd-run",
        flags: &["--scope", "-q", "--quiet", "-G", "--collect", "--user", "-d", "--same-dir"],
        with_value: &[
            "-p",
            "--property",
            "-u",
            "--unit",
            "--slice",
            "--description",
            "-E",
            "--setenv",
            "--nice",
        ],
        operands: 0,
    },
];

/// Finds the program of a line.
///
/// # Errors
///
/// [`VmError::Empty`], [`VmError::Privilege`] for sudo and its like,
/// [`VmError::Detached`] for `systemd-run` without `--scope`.
pub(super) fn find(argv: &[String]) -> Result<Kind, VmError> {
    let mut at = 0;
    loop {
        let Some(word) = argv.get(at) else {
            // Nothing at all, or a wrapper with nothing to wrap.
            let program = argv.first().ok_or(VmError::Empty)?;
            return Ok(Kind::Other { program: base_name(program).to_owned() });
        };
        let base = base_name(word);
        if let Some(arch) = qemu_arch(base) {
            return Ok(Kind::Qemu { arch: arch.to_owned(), at });
        }
        if matches!(base, "sudo" | "doas" | "pkexec" | "su" | "runuser") {
            return Err(VmError::Privilege { program: base.to_owned() });
        }
        let behind = WRAPPERS
            .iter()
            .find(|w| w.name == base)
            .and_then(|wrapper| look_through(wrapper, &argv[at + 1..]))
            .map(|words| at + 1 + words);
        if base == "systemd-run" && !argv[at..behind.unwrap_or(argv.len())].iter().any(|w| w == "--scope") {
            return Err(VmError::Detached { program: base.to_owned() });
        }
        match behind {
            Some(next) => at = next,
            None => {
                return Ok(Kind::Other { program: base_name(&argv[0]).to_owned() });
            }
        }
    }
}

/// How many words after the wrapper's name belong to it; `None` where one is not
/// understood.
fn look_through(wrapper: &Wrapper, words: &[String]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let word = word.as_str();
        if word == "--" {
            at += 1;
            break;
        }
        if !word.starts_with('-') {
            break;
        }
        let long = word.starts_with("--");
        let (name, glued) = match word.split_once('=') {
            Some((name, _)) if long => (name, true),
            _ => (word, false),
        };
        if !glued && wrapper.flags.contains(&name) {
            at += 1;
        } else if wrapper.with_value.contains(&name) {
            at += if glued { 1 } else { 2 };
        } else if !long && glued_or_cluster(wrapper, word) {
            at += 1;
        } else {
            return None;
        }
    }
    at += wrapper.operands;
    if wrapper.name == "env" {
        at += words.get(at..)?.iter().take_while(|w| w.contains('=')).count();
    }
    Some(at)
}

/// `-n10`, `-fR`, and the old `nice -10`.
fn glued_or_cluster(wrapper: &Wrapper, word: &str) -> bool {
    let with_value =
        wrapper.with_value.iter().any(|o| o.len() == 2 && word.len() > 2 && word.starts_with(*o));
    let cluster = word.chars().skip(1).all(|c| wrapper.flags.iter().any(|f| f.len() == 2 && f.ends_with(c)));
    let old_nice = wrapper.name == "nice" && word[1..].bytes().all(|c| c.is_ascii_digit());
    with_value || cluster || old_nice
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The architecture of a QEMU binary, by its name. Nix calls the binary behind its
/// wrapper `.qemu-system-x86_64-wrapped`, Debian has `qemu-system-x86_64-microvm`.
fn qemu_arch(base: &str) -> Option<&str> {
    if base == "kvm" || base == "qemu-kvm" {
        return Some("x86_64");
    }
    let arch = base.strip_prefix('.').unwrap_or(base).strip_prefix("qemu-system-")?;
    let arch = arch.split(['-', '.']).next().unwrap_or(arch);
    (!arch.is_empty()).then_some(arch)
}

#[cfg(test)]
mod tests {
    use super::super::tests::words;
    use super::*;

    #[test]
    fn qemu_is_found_behind_wrappers() {
        for (line, wanted) in [
            ("qemu-system-x86_64 -M q35", Some(("x86_64", 0))),
            ("/usr/bin/qemu-system-aarch64 -M virt", Some(("aarch64", 0))),
            ("/usr/libexec/qemu-kvm -M q35", Some(("x86_64", 0))),
            ("kvm -m 1G", Some(("x86_64", 0))),
            ("/nix/store/x/bin/.qemu-system-x86_64-wrapped", Some(("x86_64", 0))),
            ("env A=b QEMU_AUDIO_DRV=none qemu-system-x86_64", Some(("x86_64", 3))),
            ("env -i -u HOME PATH=/bin qemu-system-x86_64", Some(("x86_64", 5))),
            ("taskset -c 0-3 qemu-system-x86_64", Some(("x86_64", 3))),
            ("taskset 0xf qemu-system-x86_64", Some(("x86_64", 2))),
            ("nice -n -5 qemu-system-x86_64", Some(("x86_64", 3))),
            ("nice -10 ionice -c2 -n 0 qemu-system-x86_64", Some(("x86_64", 6))),
            ("nice --adjustment=5 qemu-system-x86_64", Some(("x86_64", 2))),
            ("chrt -f 50 qemu-system-x86_64", Some(("x86_64", 3))),
            ("chrt -fR 50 qemu-system-x86_64", Some(("x86_64", 3))),
            ("numactl --cpunodebind=0 -m 0 -- qemu-system-x86_64", Some(("x86_64", 5))),
            ("systemd-run --scope -p MemoryMax=8G --slice=vm qemu-system-x86_64", Some(("x86_64", 5))),
            ("nohup taskset -c 1 qemu-system-x86_64", Some(("x86_64", 4))),
            ("./start-vm.sh qemu-system-x86_64", None),
            ("qemu-img info x", None),
            ("qemu-system-", None),
            ("timeout 5 qemu-system-x86_64", None),
            ("taskset -p 0xf qemu-system-x86_64", None),
            ("env -S qemu-system-x86_64", None),
            ("nice", None),
            ("echo kvm", None),
        ] {
            let got = find(&words(line)).unwrap();
            let got = match &got {
                Kind::Qemu { arch, at } => Some((arch.as_str(), *at)),
                Kind::Other { .. } => None,
            };
            assert_eq!(got, wanted, "{line}");
        }
    }

    #[test]
    fn refused_starters() {
        for (line, wanted) in [
            ("", VmError::Empty),
            ("sudo qemu-system-x86_64", VmError::Privilege { program: "sudo".into() }),
            ("nice /usr/bin/doas kvm", VmError::Privilege { program: "doas".into() }),
            ("systemd-run qemu-system-x86_64", VmError::Detached { program: "systemd-run".into() }),
            ("systemd-run --novel x", VmError::Detached { program: "systemd-run".into() }),
        ] {
            assert_eq!(find(&words(line)), Err(wanted), "{line}");
        }
    }
}
