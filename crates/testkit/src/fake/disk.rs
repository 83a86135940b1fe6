//! `/run/passthru` of a fake machine as real files below a directory, so that what passthru
//! does with files is done by the very calls it makes on a live machine.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a directory of the test's own, looked at past everything that is tested"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use passthru_apply::files::Files;
use passthru_formats::Errno;

use super::files::Node;

/// Everything below this is on the disk.
const HERE: &str = "/run/passthru";

/// The directory of one machine; it goes with it.
#[derive(Debug)]
pub(super) struct Disk {
    root: tempfile::TempDir,
    pub(super) files: Files,
}

fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno)
}

impl Disk {
    /// A new one in this directory, with `/run` in it.
    pub(super) fn new(above: &Path) -> std::io::Result<Self> {
        let root = tempfile::tempdir_in(above)?;
        fs::create_dir(root.path().join("run"))?;
        let files = Files::below(&root.path().to_string_lossy());
        Ok(Self { root, files })
    }

    /// One with the same files.
    pub(super) fn copy(&self) -> std::io::Result<Self> {
        fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
            for entry in fs::read_dir(from)? {
                let entry = entry?;
                let to = to.join(entry.file_name());
                if entry.file_type()?.is_dir() {
                    fs::create_dir(&to)?;
                    copy(&entry.path(), &to)?;
                } else {
                    fs::copy(entry.path(), to)?;
                }
            }
            Ok(())
        }
        let new = Self::new(self.root.path().parent().unwrap_or(Path::new("/tmp")))?;
        copy(&self.root.path().join("run"), &new.root.path().join("run"))?;
        Ok(new)
    }

    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// What stands at a path; `None` for paths that are not on the disk.
    pub(super) fn node(&self, path: &str) -> Option<Result<Node, Errno>> {
        if path != HERE && !path.starts_with("/run/passthru/") {
            return None;
        }
        let at = self.at(path);
        let look = || -> std::io::Result<Node> {
            let found = fs::symlink_metadata(&at)?;
            if found.is_dir() {
                let names: std::io::Result<Vec<_>> = fs::read_dir(&at)?.map(|e| Ok(e?.file_name())).collect();
                let mut names: Vec<_> = names?.iter().map(|n| n.to_string_lossy().into_owned()).collect();
                names.sort_unstable();
                return Ok(Node::Directory(names));
            }
            if found.is_symlink() {
                return Ok(Node::Link(fs::read_link(&at)?.to_string_lossy().into_owned()));
            }
            Ok(Node::File(fs::read(&at)?, found.permissions().mode() & 0o7777))
        };
        Some(look().map_err(|error| errno(&error)))
    }

    /// Every regular file and what is in it.
    pub(super) fn all(&self) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        for directory in [HERE.to_owned(), format!("{HERE}/leases"), format!("{HERE}/stuck")] {
            if let Some(Ok(Node::Directory(names))) = self.node(&directory) {
                for path in names.iter().map(|name| format!("{directory}/{name}")) {
                    if let Some(Ok(Node::File(bytes, _))) = self.node(&path) {
                        found.push((path, bytes));
                    }
                }
            }
        }
        found
    }

    /// Cuts off the end of a file: what a crash leaves of a write.
    pub(super) fn cut(&self, path: &str, length: u64) {
        if let Ok(file) = fs::OpenOptions::new().write(true).open(self.at(path)) {
            let _ = file.set_len(length);
        }
    }
}
