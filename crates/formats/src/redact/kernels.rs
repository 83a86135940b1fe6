//! Files about kernels and their modules: what people wrote into them stays only where it
//! is one of the words the readers go by. Numbers of lines stay the same, as findings name them.

use super::standin::Kind;
use super::text::is_code_name;
use super::words::{CONF_NAMES, CPU_KEYS, GENERATOR_KEYS, OPTION_MODULES};
use super::{Redactor, glob};
use crate::image::{self, Image};
use crate::modprobe::{self, Command};
use crate::{initramfs, kconfig, line, modules};

/// Commands of `install` lines that only keep a module away.
const NOTHING: [&str; 4] = ["/bin/true", "/bin/false", "/usr/bin/true", "/usr/bin/false"];

impl Redactor {
    /// A file in a directory of configuration: the end of its name says whether it counts.
    pub(super) fn conf_name(&mut self, name: &str) -> String {
        let (stem, end) = match name.strip_suffix(".conf") {
            Some(stem) => (stem, ".conf"),
            None => (name, ""),
        };
        if glob::any(CONF_NAMES, stem) {
            return name.to_owned();
        }
        format!("{}{end}", self.stand_ins.get(Kind::Node, stem))
    }

    /// The first processor, the keys of [`CPU_KEYS`].
    pub(super) fn cpu_info(&mut self, text: &str) -> String {
        let mut out = String::new();
        for line in text.lines() {
            if line.trim().is_empty() && !out.is_empty() {
                break;
            }
            if let Some((key, value)) = line.split_once(':')
                && CPU_KEYS.contains(&key.trim())
                && let Some(value) = self.keep(value)
            {
                out.push_str(&format!("{key}:{value}\n"));
            }
        }
        out
    }

    /// modprobe.d(5): see [`Redactor::command`].
    pub(super) fn modprobe(&mut self, text: &[u8]) -> String {
        let commands = modprobe::parse(text);
        let lines = commands.iter().filter_map(|(number, command)| Some((*number, self.command(command)?)));
        numbered(lines.collect())
    }

    fn command(&mut self, command: &Command) -> Option<String> {
        let code = |names: &[&str]| names.iter().all(|name| is_code_name(name));
        match command {
            Command::Options { module, options }
                if glob::any(OPTION_MODULES, module) && options.bytes().all(|c| matches!(c, b' '..=b'~')) =>
            {
                Some(format!("options {module} {}", self.stand_ins.scrub(options)))
            }
            Command::Options { module, .. } => code(&[module]).then(|| format!("options {module} local=1")),
            Command::Install { module, command } => {
                let command = if NOTHING.contains(&command.as_str()) { command } else { "local" };
                code(&[module]).then(|| format!("install {module} {command}"))
            }
            Command::Alias { name, .. } if !is_code_name(name) => None,
            command => command.modules().all(is_code_name).then(|| command.to_string()),
        }
    }

    /// One module a line; what stands behind it goes.
    pub(super) fn module_lines(text: &[u8]) -> String {
        let lines = initramfs::module_lines(text).filter(|(_, name)| is_code_name(name));
        numbered(lines.map(|(number, name)| (number, name.to_owned())).collect())
    }

    /// Assignments of the keys in [`GENERATOR_KEYS`], words that are names of code.
    pub(super) fn assignments(text: &[u8]) -> String {
        let assignments = initramfs::assignments(text);
        let known = assignments.iter().filter(|a| GENERATOR_KEYS.contains(&a.key.as_str()));
        numbered(
            known
                .map(|a| {
                    let words: Vec<&str> =
                        a.words().map(|word| if is_code_name(word) { word } else { "local" }).collect();
                    let (open, close) = if a.array { ('(', ')') } else { ('"', '"') };
                    let blank = |is: bool| if is { " " } else { "" };
                    let (first, last) = (blank(a.value.starts_with(' ')), blank(a.value.ends_with(' ')));
                    let plus = if a.append { "+" } else { "" };
                    let value = words.join(" ");
                    (a.line, format!("{}{plus}={open}{first}{value}{last}{close}", a.key))
                })
                .collect(),
        )
    }

    /// Lines of depmod's lists: paths of modules, without what they depend on.
    pub(super) fn module_paths(text: &[u8]) -> String {
        let mut out = String::new();
        for (_, line) in line::lines(text) {
            let plain = |path: &str| path.split('/').all(is_code_name);
            if let Some(path) = modules::path(line).filter(|path| plain(path)) {
                out.push_str(&format!("{path}:\n"));
            }
        }
        out
    }

    /// An initramfs image, as [`image::Image::to_bytes`] writes it.
    pub(super) fn image(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        let Ok(image) = image::read(data) else {
            // The magic number says why it is not understood.
            return Some(data[..data.len().min(8)].to_vec());
        };
        let mut kept =
            Image { unopened: image.unopened.map(|_| "squashfs-root.img".into()), ..Image::default() };
        kept.modules.extend(image.modules.into_iter().filter(|name| is_code_name(name)));
        for path in &image.unresolved {
            let (directory, name) = path.rsplit_once('/')?;
            let name = if name == "modprobe.d" { name.to_owned() } else { self.conf_name(name) };
            kept.unresolved.insert(format!("{directory}/{name}"));
        }
        for (path, text) in &image.files {
            let (directory, name) = path.rsplit_once('/')?;
            let (path, text) = match (directory, name) {
                (_, "modules") => (path.clone(), Self::module_lines(text)),
                ("", "config") => (path.clone(), Self::assignments(text)),
                (directory, name) if directory.ends_with("modprobe.d") => {
                    (format!("{directory}/{}", self.conf_name(name)), self.modprobe(text))
                }
                // dracut's own name of it says nothing about anybody; what else stands there does not matter.
                (directory, _) => {
                    let first: String =
                        Image { files: [(path.clone(), text.clone())].into(), ..Image::default() }
                            .first()
                            .iter()
                            .filter(|(_, module)| is_code_name(module))
                            .map(|(_, module)| format!("rd.driver.pre={module}\n"))
                            .collect();
                    (format!("{directory}/{}.conf", kept.files.len()), first)
                }
            };
            kept.files.insert(path, text.into_bytes());
        }
        kept.to_bytes().ok()
    }

    pub(super) fn kernel_config(text: &[u8]) -> Vec<u8> {
        kconfig::without_others(text, &[kconfig::OPTIONS, &["PCI"]].concat())
    }

    pub(super) fn packed_config(packed: &[u8]) -> Option<Vec<u8>> {
        kconfig::gzip(&Self::kernel_config(&kconfig::gunzip(packed)?))
    }
}

/// Lines with these numbers, from 1 and rising; empty ones in between.
fn numbered(lines: Vec<(usize, String)>) -> String {
    let mut out = String::new();
    let mut at = 1;
    for (number, line) in lines {
        while at < number {
            out.push('\n');
            at += 1;
        }
        out.push_str(&line);
        out.push('\n');
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote() {
        let mut redactor = Redactor::default();
        let text = b"# Anne's card\noptions vfio-pci ids=10de:1284\n\noptions bonding miimon=anne\n\
            install nouveau /home/anne/no\ninstall x /bin/false\nsoftdep nvidia pre: vfio-pci\nblacklist an\xc3\xa9\n";
        assert_eq!(
            redactor.modprobe(text),
            "\noptions vfio_pci ids=10de:1284\n\noptions bonding local=1\ninstall nouveau local\n\
             install x /bin/false\nsoftdep nvidia pre: vfio_pci\n"
        );
        assert_eq!(Redactor::module_lines(b"# Anne\nvfio-pci ids=x\n/home/anne\n"), "\nvfio-pci\n");
        let text = b"# Anne\nadd_drivers+=\" vfio \"\ninstall_items+=\" /home/anne \"\nMODULES=(a b)\nsecret=\"x\"\n";
        let kept = Redactor::assignments(text);
        assert_eq!(kept, "\nadd_drivers+=\" vfio \"\ninstall_items+=\" local \"\nMODULES=(a b)\n");
        assert_eq!(redactor.conf_name("vfio.conf"), "vfio.conf");
        let name = redactor.conf_name("annes-laptop.conf");
        assert!(name.ends_with(".conf") && !name.contains("anne"), "{name}");
        assert!(!redactor.conf_name("annes-laptop").contains('.'));
        for link in ["../modules", "/etc/modules"] {
            assert_eq!(redactor.path(link), link);
        }
        assert!(!redactor.path("/home/anne/modules").contains("anne"));
    }

    #[test]
    fn what_is_inside_images() {
        let mut image = Image::default();
        image.modules.extend(["vfio_pci".to_owned(), "anne's".to_owned()]);
        for (path, text) in [
            ("/etc/modprobe.d/annes.conf", "options vfio-pci ids=10de:1284\n# Anne\n"),
            ("/conf/modules", "# Anne\nvfio-pci\n"),
            ("/config", "secret=\"anne\"\nMODULES=\"vfio\"\n"),
            ("/etc/cmdline.d/anne.conf", "rd.luks.uuid=anne rd.driver.pre=vfio-pci\n"),
        ] {
            image.files.insert(path.into(), text.into());
        }
        let kept = Redactor::default().image(&image.to_bytes().unwrap()).unwrap();
        assert!(!String::from_utf8_lossy(&kept).to_lowercase().contains("anne"));
        let kept = image::read(&*kept).unwrap();
        assert_eq!(kept.modules.iter().collect::<Vec<_>>(), ["vfio_pci"]);
        let first: Vec<String> = kept.first().into_iter().map(|(_, module)| module).collect();
        assert_eq!(first, ["vfio_pci", "vfio", "vfio_pci"]);
        assert_eq!(
            kept.modprobe().map(|(_, text)| text).collect::<Vec<_>>(),
            [b"options vfio_pci ids=10de:1284\n"]
        );
        // What is not understood is known by its beginning.
        let start = Redactor::default().image(b"BZh91AY&SYanne").unwrap();
        assert_eq!(start, b"BZh91AY&");
    }

    #[test]
    fn processors_and_configurations() {
        let text =
            "processor\t: 0\nvendor_id\t: GenuineIntel\nserial\t: 17\nflags\t: fpu vmx\n\nprocessor\t: 1\n";
        assert_eq!(
            Redactor::default().cpu_info(text),
            "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t: fpu vmx\n"
        );
        let text = b"CONFIG_PCI=y\nCONFIG_LOCALVERSION=\"-anne\"\nCONFIG_VFIO=m\n";
        assert_eq!(Redactor::kernel_config(text), b"CONFIG_PCI=y\nCONFIG_VFIO=m\n");
        let packed = kconfig::gzip(text).and_then(|packed| Redactor::packed_config(&packed)).unwrap();
        assert_eq!(kconfig::gunzip(&packed).unwrap(), b"CONFIG_PCI=y\nCONFIG_VFIO=m\n");
        let text = b"kernel/drivers/vfio/vfio.ko: a b\nupdates/anne's driver.ko:\n";
        assert_eq!(Redactor::module_paths(text), "kernel/drivers/vfio/vfio.ko:\n");
    }
}
