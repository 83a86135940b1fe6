//! A capture without what identifies its owner: serial numbers, MAC and IP addresses,
//! names of hosts, users, directories and volumes, UUIDs, arguments of processes.
//!
//! It is a white list: [`table`](self) says what stays, everything else is replaced
//! by a stand-in of the same form or withheld. Equal values have equal stand-ins in
//! the whole capture, so that what belongs together still does.
//!
//! | module | holds |
//! |---|---|
//! | this one | [`redact`], [`Report`], paths |
//! | `table` | the white list, all of it |
//! | `glob` | its patterns |
//! | `standin` | [`Kind`], stand-ins |
//! | `text`, `tables`, `config`, `kernels` | what is done with the contents of files |

mod config;
mod glob;
mod kernels;
mod standin;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod treatment;
mod words;

use std::collections::BTreeMap;
use std::fmt;

pub use standin::Kind;

use crate::acpi;
use crate::capture::{Answer, Capture, Header, Op, Stat};
use crate::interrupts;
use crate::iomem;
use crate::meminfo;
use crate::path::absolute;
use standin::StandIns;
use table::RULES;
use treatment::Treatment;
use words::{BLOCKS, BOOT_FILES, CONNECTORS, DESCRIPTORS, INTERFACES, KERNEL_TREES, NODES};

/// What was done to a capture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How many different values of each kind were replaced.
    pub replaced: BTreeMap<Kind, usize>,
    /// Answers that were withheld; their paths are still there.
    pub withheld: usize,
    /// Records that were left out whole, because their path could tell something.
    pub left_out: usize,
}

impl fmt::Display for Report {
    /// `3 MAC addresses and 1 UUID were replaced; 2 answers were withheld`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (kind, count) in &self.replaced {
            let (one, several) = kind.words();
            parts.push(format!("{count} {}", if *count == 1 { one } else { several }));
        }
        match parts.split_last() {
            None => f.write_str("nothing had to be replaced")?,
            Some((last, [])) => write!(f, "{last} replaced")?,
            Some((last, rest)) => write!(f, "{} and {last} replaced", rest.join(", "))?,
        }
        let noun = |n: usize, one: &'static str, several| if n == 1 { one } else { several };
        if self.withheld > 0 {
            write!(f, "; {} {} withheld", self.withheld, noun(self.withheld, "answer", "answers"))?;
        }
        if self.left_out > 0 {
            write!(f, "; {} {} left out", self.left_out, noun(self.left_out, "record", "records"))?;
        }
        Ok(())
    }
}

/// The capture without identifiers, and what was done.
#[must_use]
pub fn redact(capture: &Capture) -> (Capture, Report) {
    let header = capture.header();
    let mut out = Capture::new(Header { tool: header.tool.clone(), root: header.root, redacted: true });
    let mut redactor = Redactor::default();
    let mut report = Report::default();
    for (op, path, answer) in capture.iter() {
        let Some((shown, treatment)) = redactor.rule(op, path) else {
            report.left_out += 1;
            continue;
        };
        let answer = match answer {
            Answer::Error(_) => answer.clone(),
            _ => redactor.answer(treatment, path, answer).unwrap_or(Answer::Withheld),
        };
        let withheld = answer == Answer::Withheld;
        // A stand-in cannot make a record invalid; should one, it is not sent.
        match out.insert(op, &shown, answer) {
            Ok(()) => report.withheld += usize::from(withheld),
            Err(_) => report.left_out += 1,
        }
    }
    report.replaced = redactor.stand_ins.counts();
    (out, report)
}

/// The work in progress: what stands for what.
#[derive(Debug, Default)]
struct Redactor {
    stand_ins: StandIns,
}

impl Redactor {
    /// The path as it may be shown, and what is to be done with the answer; `None`
    /// where not even the path may be shown.
    fn rule(&mut self, op: Op, path: &str) -> Option<(String, Treatment)> {
        if op == Op::Command {
            return None;
        }
        let rule = RULES.iter().find(|(o, pattern, _)| *o == op && glob::fits(pattern, path));
        if let Some((_, pattern, treatment)) = rule {
            if *treatment == Treatment::DiskLink {
                return Some((self.device(path), *treatment));
            }
            let mut out = String::with_capacity(path.len());
            let mut before = "";
            for (name, form) in path.split('/').zip(pattern.split('/')).skip(1) {
                out.push('/');
                if glob::is_open(form) {
                    out.push_str(&self.component(before, name));
                } else {
                    out.push_str(name);
                }
                before = name;
            }
            return Some((out, *treatment));
        }
        // What kind of names stands in a path that no rule knows is not known either.
        let strict = |(before, name): (&str, &str)| match before {
            "" | "net" | "block" | "holders" | "slaves" | "mapper" => self.component(before, name),
            _ => self.node(name),
        };
        glob::any(KERNEL_TREES, path).then(|| {
            let names = path.split('/').zip(path.split('/').skip(1)).map(strict);
            let path = names.fold(String::new(), |path, name| path + "/" + &name);
            (path, Treatment::Withhold)
        })
    }

    /// The answer to what was asked at `path`; `None` where it is withheld.
    fn answer(&mut self, treatment: Treatment, path: &str, answer: &Answer) -> Option<Answer> {
        Some(match (treatment, answer) {
            (_, Answer::Data(data)) => Answer::Data(self.data(treatment, data)?),
            (Treatment::Path, Answer::Link(target)) => Answer::Link(self.path(target)),
            (Treatment::InterfacePath, Answer::Link(target)) => Answer::Link(match target.rsplit_once('/') {
                Some((directory, name)) => format!("{}/{}", self.path(directory), self.interface(name)),
                None => self.interface(target),
            }),
            (Treatment::Descriptor, Answer::Link(target)) => Answer::Link(self.descriptor(target)),
            (Treatment::Namespace, Answer::Link(target)) if glob::any(&["mnt:[#]", "net:[#]"], target) => {
                Answer::Link(target.clone())
            }
            (Treatment::Number, Answer::Link(target)) if glob::fits("#", target) => {
                Answer::Link(target.clone())
            }
            (Treatment::DiskLink, Answer::Link(target)) => {
                let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
                Answer::Link(self.device(&absolute(directory, target)))
            }
            (Treatment::Uppers, Answer::List(names)) => {
                let mut names: Vec<_> = names.iter().filter_map(|name| self.upper(name)).collect();
                names.sort_unstable();
                Answer::List(names)
            }
            (Treatment::Names, Answer::List(names)) => {
                let directory = path.rsplit('/').next().unwrap_or("");
                let mut names: Vec<_> = names.iter().map(|name| self.component(directory, name)).collect();
                names.sort_unstable();
                Answer::List(names)
            }
            (Treatment::Booleans, Answer::List(names)) => {
                let plain = |name: &&String| name.starts_with("virt_") && text::is_code_name(name);
                Answer::List(names.iter().filter(plain).cloned().collect())
            }
            (Treatment::Numbers, Answer::List(names)) => {
                Answer::List(names.iter().filter(|name| glob::fits("#", name)).cloned().collect())
            }
            (Treatment::Stat, Answer::Stat(stat)) => {
                let Stat { uid, gid, .. } = *stat;
                Answer::Stat(Stat { uid: self.owner(uid), gid: self.owner(gid), ..*stat })
            }
            _ => return None,
        })
    }

    fn data(&mut self, treatment: Treatment, data: &[u8]) -> Option<Vec<u8>> {
        let text = || std::str::from_utf8(data).ok();
        match treatment {
            Treatment::Public => return Some(data.to_vec()),
            Treatment::Config => return self.config(data),
            Treatment::Mountinfo => return Some(self.mountinfo(data).into()),
            Treatment::Swaps => return Some(self.swaps(data).into()),
            Treatment::Route4 => return Some(self.route4(data).into()),
            Treatment::Route6 => return Some(self.route6(data).into()),
            Treatment::Sockets => return Some(self.sockets(data).into()),
            Treatment::IfInet6 => return Some(self.if_inet6(data).into()),
            Treatment::FibTrie => return Some(self.fib_trie(data).into()),
            Treatment::SshPorts => return Some(Self::ssh_ports(data).into()),
            Treatment::Fstab => return Some(self.fstab(data).into()),
            Treatment::Crypttab => return Some(self.crypttab(data).into()),
            Treatment::UdevRecord => return Some(Self::udev_record(data).into()),
            Treatment::KernelConfig => return Some(Self::kernel_config(data)),
            Treatment::PackedConfig => return Self::packed_config(data),
            Treatment::ModulePaths => return Some(Self::module_paths(data).into()),
            Treatment::ModuleLines => return Some(Self::module_lines(data).into()),
            Treatment::Modprobe => return Some(self.modprobe(data).into()),
            Treatment::Image => return self.image(data),
            Treatment::Assignments => return Some(Self::assignments(data).into()),
            Treatment::Iomem => return Some(iomem::without_other_names(data).into()),
            Treatment::AuditLog => return Some(Self::audit_log(data).into()),
            Treatment::KernelLog => return Some(Self::kernel_log(data).into()),
            Treatment::NvidiaMinor => return Some(Self::nvidia(data).into()),
            Treatment::AcpiTable => return acpi::is_understood(data).then(|| data.to_vec()),
            Treatment::SecureBoot => {
                return matches!(data, [_, 0, 0, 0, 0 | 1]).then(|| data.to_vec());
            }
            Treatment::Interrupts => {
                return Some(
                    interrupts::chips(data)
                        .iter()
                        .flat_map(|c| [c.as_bytes(), b"\n"])
                        .flatten()
                        .copied()
                        .collect(),
                );
            }
            _ => {}
        }
        let text = text()?;
        let new = match treatment {
            Treatment::Keep => self.keep(text)?,
            Treatment::OpenFlags => Self::open_flags(text),
            Treatment::Uevent => self.uevent(text),
            Treatment::Mac => self.mac_file(text)?,
            Treatment::Uuid => self.one_word(text, |r, word| r.stand_ins.uuid(word)),
            Treatment::MapperName => self.one_word(text, Self::mapper),
            Treatment::ShareTag => {
                self.one_word(text.trim_end_matches(['\0', '\n']), |r, word| r.source(word, "9p"))
            }
            Treatment::MapperUuid => self.one_word(text, Self::mapper_uuid),
            Treatment::CommandLine => self.command_line(text),
            Treatment::Release => self.one_word(text, |_, word| text::release(word)),
            Treatment::Process => self.one_word(text, Self::process),
            Treatment::ProcessStat => self.process_stat(text)?,
            Treatment::Input => self.input(text),
            Treatment::Product => {
                self.one_word(text, |r, word| r.stand_ins.get(Kind::Input, word).to_owned())
            }
            Treatment::Modules => self.modules(text),
            Treatment::CpuInfo => self.cpu_info(text),
            Treatment::OsRelease => self.os_release(text),
            Treatment::Capabilities => {
                let bits = meminfo::effective_capabilities(data)?;
                format!("CapEff:\t{bits:016x}\n")
            }
            Treatment::LibvirtConfig => Self::libvirt_config(text),
            Treatment::Profiles => Self::profiles(text),
            _ => return None,
        };
        Some(new.into())
    }

    /// Users and groups below 1000 are the distribution's.
    fn owner(&mut self, id: u32) -> u32 {
        if id < 1000 || id == u32::MAX || id == 65534 {
            return id;
        }
        self.stand_ins.get(Kind::Owner, &id.to_string()).parse().unwrap_or(65534)
    }

    /// A path or link target, component by component.
    fn path(&mut self, path: &str) -> String {
        let mut out = String::with_capacity(path.len());
        let mut before = "";
        for (i, name) in path.split('/').enumerate() {
            if i > 0 {
                out.push('/');
            }
            if !name.is_empty() {
                out.push_str(&self.component(before, name));
            }
            before = name;
        }
        out
    }

    /// One component, given the one before it.
    fn component(&mut self, before: &str, name: &str) -> String {
        match before {
            "net" => self.interface(name),
            "block" if glob::fits("#:#", name) => name.to_owned(),
            "block" | "holders" | "slaves" => self.block(name),
            "mapper" => self.mapper(name),
            "by-uuid" | "by-label" | "by-partuuid" | "by-partlabel" | "by-id" | "by-path" => {
                self.disk_name(before, name)
            }
            // A directory of each kernel, its configuration and its initramfs image.
            "modules" => text::release(name),
            "boot" => {
                let parts = BOOT_FILES.iter().find_map(|(start, end)| {
                    let release = name.strip_prefix(start)?.strip_suffix(end)?;
                    Some(format!("{start}{}{end}", text::release(release)))
                });
                parts.unwrap_or_else(|| self.node(name))
            }
            "modprobe.d" | "modules-load.d" | "dracut.conf.d" | "conf.d" | "mkinitcpio.conf.d" => {
                self.conf_name(name)
            }
            "drivers" | "module" | "parameters" | "slots" | "booleans" if text::is_code_name(name) => {
                name.to_owned()
            }
            _ => self.node(name),
        }
    }

    fn node(&mut self, name: &str) -> String {
        let known = NODES.iter().any(|form| match form.contains('*') {
            true => CONNECTORS.iter().any(|connector| glob::fits(&form.replace('*', connector), name)),
            false => glob::fits(form, name),
        });
        if known {
            name.to_owned()
        } else if name.len() == 36 && glob::fits("%-%-%-%-%%", name) {
            // A mediated device.
            self.stand_ins.uuid(name)
        } else {
            self.stand_ins.get(Kind::Node, name).to_owned()
        }
    }

    /// What a descriptor leads to: a node, a disk, or nothing that matters.
    fn descriptor(&mut self, target: &str) -> String {
        let disk = |name: &str| glob::any(BLOCKS, name) || name.starts_with("mapper/");
        if glob::any(DESCRIPTORS, target) {
            target.to_owned()
        } else if target.strip_prefix("/dev/").is_some_and(disk) {
            self.device(target)
        } else {
            "/file".to_owned()
        }
    }

    /// `upper_br0`, `lower_eth0`; the attributes beside them tell nothing here.
    fn upper(&mut self, name: &str) -> Option<String> {
        let form = ["upper_", "lower_"].into_iter().find(|form| name.starts_with(form))?;
        Some(format!("{form}{}", self.interface(&name[form.len()..])))
    }

    fn block(&mut self, name: &str) -> String {
        if glob::any(BLOCKS, name) {
            name.to_owned()
        } else {
            self.stand_ins.get(Kind::Block, name).to_owned()
        }
    }

    fn mapper(&mut self, name: &str) -> String {
        if name == "control" { name.to_owned() } else { self.stand_ins.get(Kind::Mapper, name).to_owned() }
    }

    /// An interface, with the number of a VLAN (`eth0.100`).
    fn interface(&mut self, name: &str) -> String {
        if glob::any(INTERFACES, name) {
            return name.to_owned();
        }
        if let Some((base, vlan)) = name.rsplit_once('.')
            && glob::fits("#", vlan)
            && vlan.len() <= 4
        {
            return format!("{}.{vlan}", self.interface(base));
        }
        // Names that udev makes from the MAC address.
        for prefix in ["enx", "wlx", "wwx"] {
            if let Some(digits) = name.strip_prefix(prefix)
                && digits.len() == 12
                && digits.bytes().all(|c| c.is_ascii_hexdigit())
            {
                let pairs: Vec<&str> = (0..6).filter_map(|i| digits.get(2 * i..2 * i + 2)).collect();
                return format!("{prefix}{}", self.stand_ins.mac(&pairs.join(":")).replace(':', ""));
            }
        }
        self.stand_ins.get(Kind::Interface, name).to_owned()
    }
}
