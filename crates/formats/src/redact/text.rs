//! Files that are a few words or lines.

use super::standin::Kind;
use super::words::{
    ACL_NODES, DEVICE_PARAMETERS, INIT_WORDS, INPUTS, OS_RELEASE, PARAMETERS, PROCESSES, RELEASES, UEVENT,
};
use super::{Redactor, glob};
use crate::apparmor;
use crate::messages::{self, Program};
use crate::{audit, cmdline, kmsg, virconf};

/// The largest file that is kept as it is.
const KEPT: usize = 64 << 10;

/// A name in program text: of a driver, a module, a parameter, a slot.
pub(super) fn is_code_name(name: &str) -> bool {
    name.len() <= 48
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"_-+.:".contains(&c))
        && name != ".."
}

/// The kernel's release with parts that are not known replaced by `local`:
/// `6.12.57+deb13-amd64` stays, `6.1.0-annes-laptop` becomes `6.1.0-local-local`.
pub(super) fn release(text: &str) -> String {
    let numbers = text.bytes().take_while(|c| c.is_ascii_digit() || *c == b'.').count();
    let (mut out, rest) = (text[..numbers.min(24)].to_owned(), &text[numbers..]);
    for part in rest.split_inclusive(['-', '.', '+', '_', '~']) {
        let word = part.trim_end_matches(['-', '.', '+', '_', '~']);
        if word.is_empty() || glob::any(RELEASES, word) {
            out.push_str(part);
        } else {
            out.push_str("local");
            out.push_str(&part[word.len()..]);
        }
    }
    out
}

impl Redactor {
    /// Short printable ASCII without `@`, identifiers in it replaced.
    pub(super) fn keep(&mut self, text: &str) -> Option<String> {
        let plain = |c: u8| matches!(c, b' '..=b'~' | b'\n' | b'\t') && c != b'@';
        (text.len() <= KEPT && text.bytes().all(plain)).then(|| self.stand_ins.scrub(text))
    }

    /// A file that is one word; blanks around it are kept.
    pub(super) fn one_word(&mut self, text: &str, new: impl FnOnce(&mut Self, &str) -> String) -> String {
        let end = if text.ends_with('\n') { "\n" } else { "" };
        let word = text.trim();
        if word.is_empty() { end.to_owned() } else { new(self, word) + end }
    }

    pub(super) fn mac_file(&mut self, text: &str) -> Option<String> {
        let word = text.trim();
        // InfiniBand's are longer and hold a serial number.
        let is_mac = glob::fits("%:%:%:%:%:%", word) && word.len() == 17;
        (is_mac || word.is_empty()).then(|| self.one_word(text, |r, word| r.stand_ins.mac(word)))
    }

    /// `LVM-…`, `CRYPT-LUKS2-…`, `mpath-…`, `part1-…`.
    pub(super) fn mapper_uuid(&mut self, text: &str) -> String {
        let mut kept = String::new();
        for word in text.split('-').take(2) {
            let known = [
                "LVM",
                "CRYPT",
                "LUKS#",
                "PLAIN",
                "VERITY",
                "INTEGRITY",
                "TCRYPT",
                "BITLK",
                "mpath",
                "part#",
                "DMRAID",
            ];
            if !glob::any(&known, word) {
                break;
            }
            kept.push_str(word);
            kept.push('-');
        }
        kept + self.stand_ins.get(Kind::Serial, text)
    }

    pub(super) fn process(&mut self, name: &str) -> String {
        if glob::any(PROCESSES, name) {
            name.to_owned()
        } else {
            self.stand_ins.get(Kind::Process, name).to_owned()
        }
    }

    /// `PID (NAME) STATE PPID …`: numbers up to field 22, the start time
    /// (proc_pid_stat(5)); the others are 0.
    pub(super) fn process_stat(&mut self, text: &str) -> Option<String> {
        let (pid, rest) = text.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next().filter(|s| s.len() == 1 && s.bytes().all(|c| c.is_ascii_alphabetic()))?;
        let number = |text: &str| {
            let digits = text.strip_prefix('-').unwrap_or(text);
            digits.len() <= 20 && !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit())
        };
        if !number(pid) {
            return None;
        }
        let mut out = format!("{pid} ({}) {state}", self.process(name));
        for (i, field) in fields.take(49).enumerate() {
            out.push(' ');
            out.push_str(if i < 19 && number(field) { field } else { "0" });
        }
        out.push('\n');
        Some(out)
    }

    /// The lines with a known text, the text only; and whether the log has its beginning, on
    /// which it depends what a text that is not there means.
    pub(super) fn kernel_log(log: &[u8]) -> String {
        let mut out = String::new();
        if kmsg::has_beginning(log) {
            out.push_str("Linux version 0\n");
        }
        for record in kmsg::parse(kmsg::last_boot(log)) {
            for hit in messages::scan(&record.text, &[Program::Kernel]) {
                if let Some(time) = record.time {
                    // Where no number is known it is none that stands for the beginning.
                    let number = record.number.unwrap_or(1);
                    out.push_str(&format!("{},{number},{time},-;", record.level.unwrap_or(4)));
                }
                out.push_str(&hit.anonymous);
                out.push('\n');
            }
        }
        out
    }

    /// The refusals with a known text, the text only; and whether the log begins with the boot.
    pub(super) fn audit_log(log: &[u8]) -> String {
        let (log, begins) = audit::last_boot(log);
        let mut out = String::from(if begins { "type=SYSTEM_BOOT\n" } else { "" });
        for refusal in audit::refusals(log) {
            for hit in messages::scan(&refusal, &[Program::Kernel]) {
                out.push_str(&hit.anonymous);
                out.push('\n');
            }
        }
        out
    }

    /// The list of device nodes, where it is set; nodes that nobody knows are one word.
    pub(super) fn libvirt_config(text: &str) -> String {
        let Some(nodes) = virconf::list(text, "cgroup_device_acl") else { return String::new() };
        let known = |node: &str| glob::any(ACL_NODES, node);
        let nodes: Vec<String> =
            nodes.iter().map(|n| format!("\"{}\"", if known(n) { n } else { "/dev/other" })).collect();
        format!("cgroup_device_acl = [ {} ]\n", nodes.join(", "))
    }

    /// `libvirtd (enforce)`: libvirt's own, in a mode that AppArmor has.
    pub(super) fn profiles(text: &str) -> String {
        const MODES: [&str; 5] = ["enforce", "complain", "kill", "prompt", "unconfined"];
        let known = apparmor::of_libvirt(text).filter(|(_, mode)| MODES.contains(mode));
        known.map(|(name, mode)| format!("{name} ({mode})\n")).collect()
    }

    pub(super) fn uevent(&mut self, text: &str) -> String {
        self.lines(text, |r, line| {
            let (key, value) = line.split_once('=')?;
            (UEVENT.contains(&key) && r.keep(value)? == value).then(|| line.to_owned())
        })
    }

    pub(super) fn os_release(&mut self, text: &str) -> String {
        self.lines(text, |r, line| {
            let (key, value) = line.split_once('=')?;
            if OS_RELEASE.contains(&key) { Some(format!("{key}={}", r.keep(value)?)) } else { None }
        })
    }

    /// Name, size, users and state of each module; no address.
    pub(super) fn modules(&mut self, text: &str) -> String {
        self.lines(text, |_, line| {
            let mut words = line.split(' ');
            let (name, size, count, users, state) =
                (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
            let plain = |word: &str| word.bytes().all(|c| c.is_ascii_alphanumeric() || b"_,-[]".contains(&c));
            let all = [name, size, count, users, state];
            all.into_iter().all(plain).then(|| format!("{} 0x0000000000000000", all.join(" ")))
        })
    }

    /// See `crate::input` for the lines.
    pub(super) fn input(&mut self, text: &str) -> String {
        self.lines(text, |r, line| {
            let hex = |s: &str| !s.is_empty() && s.len() <= 16 && s.bytes().all(|c| c.is_ascii_hexdigit());
            Some(match line.split_once(": ")? {
                ("I", rest) => {
                    let known = ["Bus=%", "Vendor=%", "Product=%", "Version=%"];
                    rest.split(' ').all(|word| glob::any(&known, word)).then(|| line.to_owned())?
                }
                ("B", rest) => {
                    let (key, bits) = rest.split_once('=')?;
                    let known = ["PROP", "EV", "KEY", "REL", "ABS", "MSC", "LED", "SND", "SW", "FF"];
                    (known.contains(&key) && bits.trim_end().split(' ').all(hex)).then(|| line.to_owned())?
                }
                ("N", rest) => {
                    let name = rest.strip_prefix("Name=")?.trim_matches('"');
                    let known = glob::any(INPUTS, name);
                    let name = if known { name } else { r.stand_ins.get(Kind::Input, name) };
                    format!("N: Name=\"{name}\"")
                }
                ("P", _) => "P: Phys=".to_owned(),
                ("S", rest) => format!("S: Sysfs={}", r.path(rest.strip_prefix("Sysfs=")?)),
                ("U", _) => "U: Uniq=".to_owned(),
                ("H", rest) => {
                    let known = ["kbd", "sysrq", "leds", "rfkill", "cpufreq", "mouse#", "event#", "js#"];
                    let words = rest.strip_prefix("Handlers=")?.split(' ').filter(|w| glob::any(&known, w));
                    format!("H: Handlers={}", words.collect::<Vec<_>>().join(" "))
                }
                _ => return None,
            })
        })
    }

    /// Each line as `new` says; empty lines stay, those that give `None` go.
    pub(super) fn lines(
        &mut self,
        text: &str,
        mut new: impl FnMut(&mut Self, &str) -> Option<String>,
    ) -> String {
        let mut out = String::with_capacity(text.len());
        for line in text.lines() {
            if line.is_empty() {
                out.push('\n');
            } else if let Some(line) = new(self, line) {
                out.push_str(&line);
                out.push('\n');
            }
        }
        out
    }

    /// The kernel command line: known parameters stay, of the others neither name nor
    /// value.
    pub(super) fn command_line(&mut self, text: &str) -> String {
        let mut words: Vec<String> = Vec::new();
        let mut for_init = false;
        for parameter in cmdline::parse(text) {
            if parameter.for_init && !for_init {
                for_init = true;
                words.push("--".to_owned());
            }
            words.push(self.parameter(&parameter));
        }
        words.join(" ") + if text.ends_with('\n') { "\n" } else { "" }
    }

    fn parameter(&mut self, parameter: &cmdline::Parameter<'_>) -> String {
        let raw = parameter.raw;
        let key = parameter.key;
        if parameter.for_init {
            if glob::any(INIT_WORDS, raw) {
                return raw.to_owned();
            }
        } else if DEVICE_PARAMETERS.contains(&key) {
            if let Some(value) = parameter.value {
                return format!("{key}={}", self.device(value));
            }
        } else if key == "BOOT_IMAGE" {
            if let Some(image) = parameter.value.and_then(boot_image) {
                return format!("BOOT_IMAGE={image}");
            }
        } else if glob::any(PARAMETERS, key) && raw.bytes().all(|c| matches!(c, b' '..=b'~')) {
            return self.stand_ins.scrub(raw);
        }
        self.stand_ins.get(Kind::Parameter, raw).to_owned()
    }
}

/// `(hd0,gpt2)/boot/vmlinuz-6.1.0-18-amd64`, the release as [`release`] shows it.
fn boot_image(value: &str) -> Option<String> {
    let (disk, path) = match value.find(')') {
        Some(at) => value.split_at(at + 1),
        None => ("", value),
    };
    if !disk.is_empty() && !glob::any(&["(hd#)", "(hd#,@#)", "(hd#,msdos#)"], disk) {
        return None;
    }
    let (directory, name) = path.rsplit_once('/')?;
    let version = name.strip_prefix("vmlinuz-")?;
    matches!(directory, "" | "/boot").then(|| format!("{disk}{directory}/vmlinuz-{}", release(version)))
}
