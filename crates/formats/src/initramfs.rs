//! What the generators of initramfs images are told: initramfs-tools
//! (initramfs.conf(5), `modules`), dracut (dracut.conf(5)), mkinitcpio (mkinitcpio.conf(5)).
//!
//! The latter two and `initramfs.conf` are sourced by a shell. Only assignments are read here,
//! which is what people write into them; a file that computes its values is not run.

use crate::line::lines;

/// `KEY=VALUE` or `KEY+=VALUE`, the value a word, a quoted text or an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Number of the line it begins in, from 1.
    pub line: usize,
    /// The variable.
    pub key: String,
    /// Whether it is `+=`.
    pub append: bool,
    /// The value, quotes taken off; the elements of an array with a blank between them.
    pub value: String,
    /// Whether it was an array.
    pub array: bool,
}

impl Assignment {
    /// The words of the value.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.value.split_ascii_whitespace()
    }

    /// Whether a blank is missing at the beginning or the end of what is appended: dracut joins
    /// the texts as they are, so that `vfio` after `nvme` becomes `nvmevfio`
    /// (`dracut.sh`, `check_conf_file`: "should have surrounding white spaces!").
    #[must_use]
    pub fn lacks_blanks(&self) -> bool {
        let blank = |c: char| c.is_ascii_whitespace();
        let surrounded = self.value.starts_with(blank) && self.value.ends_with(blank);
        self.append && !self.array && !self.value.is_empty() && !surrounded
    }
}

/// The assignments of a file in their order; everything else is passed over.
#[must_use]
pub fn assignments(text: &[u8]) -> Vec<Assignment> {
    let text = String::from_utf8_lossy(text);
    let mut found = Vec::new();
    let mut rest = Rest { text: &text, line: 1 };
    while !rest.text.is_empty() {
        match rest.assignment() {
            Some(assignment) => found.push(assignment),
            None => rest.skip_line(),
        }
    }
    found
}

/// What is not read yet.
struct Rest<'a> {
    text: &'a str,
    line: usize,
}

impl Rest<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.text.chars().next()?;
        self.text = &self.text[c.len_utf8()..];
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|c| c != '\n') {}
    }

    fn skip_blanks(&mut self) {
        while self.text.starts_with([' ', '\t']) {
            self.next();
        }
    }

    /// An assignment that begins here, and the rest of its line; `None` where none does, and
    /// then nothing but blanks was read.
    fn assignment(&mut self) -> Option<Assignment> {
        self.skip_blanks();
        let line = self.line;
        let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = self.text.find(|c| !name(c))?;
        let after = &self.text[end..];
        let append = after.starts_with("+=");
        if end == 0 || !(append || after.starts_with('=')) {
            return None;
        }
        let key = self.text[..end].to_owned();
        self.text = &after[1 + usize::from(append)..];
        let array = self.text.starts_with('(');
        let value = if array {
            self.next();
            self.array()
        } else {
            self.word()
        };
        Some(Assignment { line, key, append, value, array })
    }

    /// A word of the shell, up to a blank, a line's end, `;` or `)`.
    fn word(&mut self) -> String {
        let mut word = String::new();
        let mut quote = None;
        while let Some(c) = self.text.chars().next() {
            match (quote, c) {
                (None, ' ' | '\t' | '\n' | '\r' | ';' | ')') => break,
                (None, '"' | '\'') => quote = Some(c),
                (Some(open), c) if c == open => quote = None,
                (None | Some('"'), '\\') => {
                    self.next();
                    match self.text.chars().next() {
                        Some('\n') | None => {}
                        Some(c) => word.push(c),
                    }
                }
                (_, c) => word.push(c),
            }
            self.next();
        }
        word
    }

    /// The elements up to `)`; comments in between are passed over.
    fn array(&mut self) -> String {
        let mut words = Vec::new();
        loop {
            match self.text.chars().next() {
                None => break,
                Some(')') => {
                    self.next();
                    break;
                }
                Some('#') => self.skip_line(),
                Some(c) if c.is_ascii_whitespace() || c == ';' => {
                    self.next();
                }
                Some(_) => {
                    let before = self.text.len();
                    words.push(self.word());
                    // A word is at least one byte: nothing stands still.
                    if self.text.len() == before {
                        self.next();
                    }
                }
            }
        }
        words.join(" ")
    }
}

/// One module a line, options behind it: `/etc/initramfs-tools/modules`, `/etc/modules`,
/// modules-load.d(5). Number of the line and name as it stands there.
pub fn module_lines(text: &[u8]) -> impl Iterator<Item = (usize, &str)> {
    lines(text).filter_map(|(number, line)| {
        let line = std::str::from_utf8(line).ok()?.trim_ascii();
        let name = line.split_ascii_whitespace().next()?;
        (!name.starts_with(['#', ';'])).then_some((number, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Assignment {
        let all = assignments(text.as_bytes());
        assert_eq!(all.len(), 1, "{text}: {all:?}");
        all[0].clone()
    }

    #[test]
    fn dracut() {
        let good = one("# vfio\nforce_drivers+=\" vfio_pci vfio vfio_iommu_type1 \"\n");
        assert_eq!((good.line, &*good.key, good.append), (2, "force_drivers", true));
        assert_eq!(good.words().collect::<Vec<_>>(), ["vfio_pci", "vfio", "vfio_iommu_type1"]);
        assert!(!good.lacks_blanks());
        // As the documentation of OpenNebula once said.
        assert!(one("add_drivers+=\"vfio vfio_iommu_type1 vfio_pci vfio_virqfd\"").lacks_blanks());
        assert!(one("add_drivers+=\" vfio\"").lacks_blanks());
        assert!(one("add_drivers+=vfio").lacks_blanks());
        assert!(!one("hostonly=\"yes\"").lacks_blanks());
        assert!(!one("add_drivers+=\"\"").lacks_blanks());
        assert_eq!(one("hostonly=yes # not no").value, "yes");
    }

    #[test]
    fn mkinitcpio() {
        let text = "MODULES=(vfio_pci vfio # first\n  vfio_iommu_type1)\nBINARIES=()\n\
            HOOKS=(base udev autodetect microcode modconf kms keyboard)\n#HOOKS=(base)\nMODULES+=( \"amdgpu\" )\n";
        let all = assignments(text.as_bytes());
        assert_eq!(
            all.iter().map(|a| (a.line, &*a.key, &*a.value, a.append)).collect::<Vec<_>>(),
            [
                (1, "MODULES", "vfio_pci vfio vfio_iommu_type1", false),
                (3, "BINARIES", "", false),
                (4, "HOOKS", "base udev autodetect microcode modconf kms keyboard", false),
                (6, "MODULES", "amdgpu", true),
            ]
        );
        assert!(all[3].array && !all[3].lacks_blanks());
        assert_eq!(one("MODULES=\"vfio_pci vfio\"").words().count(), 2);
    }

    #[test]
    fn initramfs_tools() {
        let all =
            assignments(b"#\n# MODULES: [ most | netboot | dep | list ]\n#\nMODULES=most\nBUSYBOX=auto\n");
        assert_eq!((&*all[0].key, &*all[0].value), ("MODULES", "most"));
        let modules =
            b"# List of modules\n#\n# raid1\nvfio\nvfio-pci ids=10de:1284\n\n  vfio_virqfd\n; x\n\xff\n";
        assert_eq!(
            module_lines(modules).collect::<Vec<_>>(),
            [(4, "vfio"), (5, "vfio-pci"), (7, "vfio_virqfd")]
        );
    }

    #[test]
    fn what_a_shell_would_make_of_it() {
        assert_eq!(one("A=a'b c'\"d\\\"e\"\\ f").value, "ab cd\"e f");
        assert_eq!(one("A=\"open\nend").value, "open\nend");
        assert_eq!(one("A=(open").value, "open");
        assert_eq!(assignments(b"A=1; B=2").len(), 1);
        assert_eq!(assignments(b"export A=1\nif x; then\n=3\n+=4\nA\n"), []);
    }

    proptest::proptest! {
        #[test]
        fn bytes_do_no_harm(text in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = (assignments(&text), module_lines(&text).count());
        }

        #[test]
        fn marks_in_any_order(text in "[A=+()\"'\\\\# \n;b]{0,40}") {
            for assignment in assignments(text.as_bytes()) {
                proptest::prop_assert!(assignment.line <= text.matches('\n').count() + 1);
            }
        }
    }
}
