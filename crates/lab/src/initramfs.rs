//! Builds L1's first file system: a cpio archive ("newc", see the kernel's
//! `Documentation/driver-api/early-userspace/buffer-format.rst`) with this program as
//! `/init`, the modules needed to see the shared root, and the configuration. A program
//! that is not static brings the libraries it names along.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::guest::{CONFIG_PATH, Config};
use crate::kernel::Kernel;

/// A cpio archive being written.
#[derive(Debug, Default)]
struct Archive {
    bytes: Vec<u8>,
    inode: u32,
}

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;

impl Archive {
    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) -> Result<()> {
        let name = path.trim_start_matches('/');
        self.inode += 1;
        let fields = [
            self.inode,
            mode,
            0,
            0,
            1,
            0,
            u32::try_from(content.len()).context("file too large for a cpio archive")?,
            0,
            0,
            device.0,
            device.1,
            u32::try_from(name.len() + 1)?,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }

    /// A file with the directories above it.
    fn file(&mut self, path: &str, content: &[u8]) -> Result<()> {
        let mut above: Vec<&Path> =
            Path::new(path).ancestors().skip(1).filter(|p| p.parent().is_some()).collect();
        above.reverse();
        for directory in above {
            self.entry(&directory.to_string_lossy(), DIRECTORY, (0, 0), &[])?;
        }
        self.entry(path, PROGRAM, (0, 0), content)
    }

    fn finish(mut self) -> Result<Vec<u8>> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        Ok(self.bytes)
    }
}

/// Builds the archive. `program` is the `passthru-lab` binary; `modules` are the names of
/// what must be inserted before the shared root can be mounted.
///
/// # Errors
/// When the program or a module cannot be read.
pub fn build(program: &Path, kernel: &Kernel, modules: &[&str], config: Config) -> Result<Vec<u8>> {
    let mut config = config;
    let mut archive = Archive::default();
    archive.entry("dev", DIRECTORY, (0, 0), &[])?;
    // Process 1's first output, before devtmpfs is mounted.
    archive.entry("dev/console", CHARACTER_DEVICE, (5, 1), &[])?;
    let content = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    archive.file("/init", &content)?;
    for library in libraries(program) {
        archive.file(&library, &fs::read(&library)?)?;
    }
    for module in kernel.modules(modules)? {
        let path = format!("/modules/{}.ko", module.name);
        archive.file(&path, &module.content)?;
        config.modules.push(path);
    }
    archive.file(CONFIG_PATH, &serde_json::to_vec(&config)?)?;
    archive.finish()
}

/// The shared libraries a dynamic program names, as `ldd` sees them; none for a static one.
fn libraries(program: &Path) -> Vec<String> {
    let Ok(output) = Command::new("ldd").arg(program).output() else { return Vec::new() };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_aligned_and_headed() {
        let mut archive = Archive::default();
        archive.file("/a/b", b"12345").unwrap();
        let bytes = archive.finish().unwrap();
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(bytes.windows(6).filter(|w| w == b"070701").count(), 3);
        assert!(bytes.windows(4).any(|w| w == b"a/b\0"));
    }
}
