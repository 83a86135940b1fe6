//! Files, links and directories below one root.
//!
//! Owns the sparing of memory: tmpfs takes a page for every file that is not empty,
//! so files of equal content (`numa_node`, `vendor`, …) are one file with many names.
//! A reader cannot tell. It must not know what a file means.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A tree being made.
pub(super) struct Tree {
    root: PathBuf,
    /// One file for each content, in a directory of their own until all is made.
    pool: HashMap<Vec<u8>, PathBuf>,
    entries: usize,
}

const POOL: &str = ".pool";

impl Tree {
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        fs::create_dir(root.join(POOL))?;
        Ok(Self { root: root.to_owned(), pool: HashMap::new(), entries: 0 })
    }

    /// How many files, links and directories were made.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// Makes a directory, and those above it.
    pub(super) fn directory(&mut self, path: &str) -> io::Result<()> {
        self.entries += 1;
        fs::create_dir_all(self.root.join(path))
    }

    /// Makes a file of its own; the directory must be there.
    pub(super) fn file(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        self.entries += 1;
        fs::write(self.root.join(path), content)
    }

    /// Makes a file that may share its content with others; the directory must be
    /// there.
    pub(super) fn shared(&mut self, path: &str, content: &str) -> io::Result<()> {
        self.entries += 1;
        let next = self.pool.len();
        if !self.pool.contains_key(content.as_bytes()) {
            let first = self.root.join(POOL).join(next.to_string());
            fs::write(&first, content)?;
            self.pool.insert(content.as_bytes().to_vec(), first);
        }
        fs::hard_link(&self.pool[content.as_bytes()], self.root.join(path))
    }

    /// Makes a relative link from one place of the tree to another, as sysfs does.
    pub(super) fn link(&mut self, path: &str, to: &str) -> io::Result<()> {
        self.entries += 1;
        symlink(relative(path, to), self.root.join(path))
    }

    /// Makes a link with this very text.
    pub(super) fn raw_link(&mut self, path: &str, text: &str) -> io::Result<()> {
        self.entries += 1;
        symlink(text, self.root.join(path))
    }

    /// Takes the pool away; its files stay under their other names.
    pub(super) fn forget_pool(&mut self) -> io::Result<()> {
        self.pool.clear();
        fs::remove_dir_all(self.root.join(POOL))
    }
}

/// The text of a link at `from` that leads to `to`, both below the same root.
fn relative(from: &str, to: &str) -> String {
    let (from, to): (Vec<_>, Vec<_>) = (from.split('/').collect(), to.split('/').collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", from.len() - 1 - common);
    up.chain(to[common..].iter().copied()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::relative;

    #[test]
    fn links_are_those_of_the_kernel() {
        for (from, to, wanted) in [
            (
                "sys/bus/pci/devices/0000:01:00.0",
                "sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0",
                "../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0",
            ),
            (
                "sys/devices/pci0000:00/0000:00:01.0/driver",
                "sys/bus/pci/drivers/pcieport",
                "../../../bus/pci/drivers/pcieport",
            ),
            ("sys/devices/p/a/virtfn0", "sys/devices/p/b", "../b"),
        ] {
            assert_eq!(relative(from, to), wanted);
        }
    }
}
