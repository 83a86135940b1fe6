//! modprobe.d(5), and `modules.softdep`, which has lines of the same form.

use std::fmt;

/// The directories of modprobe.d(5), in order of precedence.
pub const DIRECTORIES: [&str; 5] = [
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
];

/// What a line says; names of modules are canonical ([`crate::modules::canonical`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `options MODULE OPTION…`.
    Options {
        /// The module.
        module: String,
        /// Its options, separated by blanks.
        options: String,
    },
    /// `blacklist MODULE`: its own aliases do not load it.
    Blacklist(String),
    /// `install MODULE COMMAND…`: run instead of loading it.
    Install {
        /// The module.
        module: String,
        /// The command; `/bin/false` or `/bin/true` keep the module away.
        command: String,
    },
    /// `softdep MODULE pre: … post: …`.
    Softdep {
        /// The module.
        module: String,
        /// What is loaded before it.
        before: Vec<String>,
        /// What is loaded after it.
        after: Vec<String>,
    },
    /// `alias NAME MODULE`.
    Alias {
        /// The name, wildcards included.
        name: String,
        /// The module; `off` for none.
        module: String,
    },
}

impl Command {
    /// The modules it names.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        let (first, more): (_, [&[String]; 2]) = match self {
            Self::Options { module, .. }
            | Self::Blacklist(module)
            | Self::Install { module, .. }
            | Self::Alias { module, .. } => (module, [&[], &[]]),
            Self::Softdep { module, before, after } => (module, [before, after]),
        };
        std::iter::once(first).chain(more.into_iter().flatten()).map(String::as_str)
    }
}

impl fmt::Display for Command {
    /// As it may stand in a file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Options { module, options } => write!(f, "options {module} {options}"),
            Self::Blacklist(module) => write!(f, "blacklist {module}"),
            Self::Install { module, command } => write!(f, "install {module} {command}"),
            Self::Softdep { module, before, after } => {
                write!(f, "softdep {module}")?;
                for (key, names) in [("pre:", before), ("post:", after)] {
                    if !names.is_empty() {
                        write!(f, " {key} {}", names.join(" "))?;
                    }
                }
                Ok(())
            }
            Self::Alias { name, module } => write!(f, "alias {name} {module}"),
        }
    }
}

/// The commands and the numbers of their (first) lines, from 1. A backslash before the end of
/// a line joins the next one, before anything else it is dropped; comments begin in the first
/// column (kmod, `libkmod-config.c` and `libkmod-util.c`). What modprobe does not know or what
/// is incomplete is passed over, as modprobe does.
#[must_use]
pub fn parse(text: &[u8]) -> Vec<(usize, Command)> {
    let text = String::from_utf8_lossy(text);
    let mut found = Vec::new();
    for (number, line) in joined(&text) {
        if line.starts_with('#') {
            continue;
        }
        if let Some(command) = command(&line) {
            found.push((number, command));
        }
    }
    found
}

/// Lines, those joined that end in a backslash.
fn joined(text: &str) -> Vec<(usize, String)> {
    let (mut all, mut line, mut number, mut first) = (Vec::new(), String::new(), 1, 1);
    let mut chars = text.chars();
    loop {
        match chars.next() {
            Some('\\') => match chars.next() {
                Some('\n') => number += 1,
                other => line.extend(other),
            },
            Some('\n') => {
                all.push((first, std::mem::take(&mut line)));
                number += 1;
                first = number;
            }
            Some(c) => line.push(c),
            None => {
                all.push((first, line));
                return all;
            }
        }
    }
}

fn command(line: &str) -> Option<Command> {
    let line = line.trim_matches([' ', '\t', '\r']);
    let (word, rest) = line.split_once([' ', '\t'])?;
    let rest = rest.trim_start_matches([' ', '\t']);
    let (first, rest) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    let rest = rest.trim_start_matches([' ', '\t']);
    let canonical = |name: &str| crate::modules::canonical(name).into_owned();
    if first.is_empty() {
        return None;
    }
    Some(match word {
        "options" if !rest.is_empty() => {
            Command::Options { module: canonical(first), options: rest.to_owned() }
        }
        "blacklist" => Command::Blacklist(canonical(first)),
        "install" if !rest.is_empty() => {
            Command::Install { module: canonical(first), command: rest.to_owned() }
        }
        "softdep" => {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            let mut list: Option<&mut Vec<String>> = None;
            for word in rest.split([' ', '\t']).filter(|w| !w.is_empty()) {
                match word {
                    "pre:" => list = Some(&mut before),
                    "post:" => list = Some(&mut after),
                    word => {
                        if let Some(list) = &mut list {
                            list.push(canonical(word));
                        }
                    }
                }
            }
            Command::Softdep { module: canonical(first), before, after }
        }
        "alias" if !rest.is_empty() => Command::Alias { name: first.to_owned(), module: canonical(rest) },
        _ => return None,
    })
}

/// The value of one option in the text of an `options` line, the last one where it stands
/// there several times; quotes around it are taken off.
#[must_use]
pub fn option<'a>(options: &'a str, name: &str) -> Option<&'a str> {
    let found = crate::cmdline::parse(options).filter(|p| p.is(name)).last()?;
    Some(found.value.unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file() {
        let text = b"# vfio first\noptions vfio-pci ids=10de:1284,10de:0e0f disable_vga=1\n\
            softdep nvidia pre: vfio-pci\nsoftdep snd-hda-intel pre: vfio vfio-pci post: x\n  blacklist\tlbm-nouveau\n\
            install nouveau /bin/false\nalias nouveau off\n\noptions kvm \\\n  ignore_msrs=1\nblacklist\noptions x\nwhat is this\n";
        let all = parse(text);
        let of = |n: usize| &all.iter().find(|(line, _)| *line == n).unwrap().1;
        let s = |text: &str| text.to_owned();
        assert_eq!(
            of(2),
            &Command::Options { module: s("vfio_pci"), options: s("ids=10de:1284,10de:0e0f disable_vga=1") }
        );
        assert_eq!(
            of(4),
            &Command::Softdep {
                module: s("snd_hda_intel"),
                before: vec![s("vfio"), s("vfio_pci")],
                after: vec![s("x")]
            }
        );
        assert_eq!(of(5), &Command::Blacklist(s("lbm_nouveau")));
        assert_eq!(of(6), &Command::Install { module: s("nouveau"), command: s("/bin/false") });
        assert_eq!(of(7), &Command::Alias { name: s("nouveau"), module: s("off") });
        assert_eq!(of(9), &Command::Options { module: s("kvm"), options: s("ignore_msrs=1") });
        assert_eq!(all.len(), 7);
    }

    #[test]
    fn single_options() {
        let options = "ids=10de:1284 disable_vga=1 ids=\"1002:67df\" nointxmask";
        assert_eq!(option(options, "ids"), Some("1002:67df"));
        assert_eq!(option(options, "nointxmask"), Some(""));
        assert_eq!(option(options, "disable_idle_d3"), None);
    }

    #[test]
    fn ends() {
        assert_eq!(parse(b""), []);
        assert_eq!(parse(b"blacklist a\\"), [(1, Command::Blacklist("a".into()))]);
        assert_eq!(
            parse(b"blacklist \\\n\\\na\nblacklist b"),
            [(1, Command::Blacklist("a".into())), (4, Command::Blacklist("b".into()))]
        );
    }

    proptest::proptest! {
        #[test]
        fn bytes_do_no_harm(text in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = parse(&text);
        }

        #[test]
        fn words_in_any_order(text in "((options|softdep|install|blacklist|alias|pre:|post:|a-b|#)[ \t\\\\\n]{0,2}){0,12}") {
            for (number, _) in parse(text.as_bytes()) {
                proptest::prop_assert!(number <= text.matches('\n').count() + 1);
            }
        }
    }
}
