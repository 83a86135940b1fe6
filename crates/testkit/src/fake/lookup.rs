//! From a path to what stands there: files and links that a test or passthru put
//! somewhere come first, then what the machine shows by itself. Links are followed here.

use passthru_formats::Errno;

use super::files::Node;
use super::machine::Machine;

/// Links followed in one path before it counts as a loop.
const MAX_LINKS: usize = 40;

/// The absolute path a link leads to.
fn join(path: &str, target: &str) -> String {
    if target.starts_with('/') {
        return target.to_owned();
    }
    let mut parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(directory, _)| directory)
}

impl Machine {
    /// What stands at a path, a link at its end not followed.
    pub(super) fn lookup(&self, path: &str) -> Result<Node, Errno> {
        if let Some(error) = self.errors.get(path) {
            return Err(*error);
        }
        if let Some(found) = self.disk.as_ref().and_then(|disk| disk.node(path)) {
            return found;
        }
        if let Some(file) = self.files.get(path) {
            return Ok(Node::File(file.bytes.clone(), file.mode));
        }
        if let Some(target) = self.links.get(path) {
            return Ok(Node::Link(target.clone()));
        }
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let shown = self.at(&parts);
        let mut names = match shown {
            Some(Node::Directory(names)) => names,
            None if self.directories.contains(path) => Vec::new(),
            other => return other.ok_or(Errno::ENOENT),
        };
        // What was put into a directory that the machine has anyway is in it as well.
        let all = self.files.keys().chain(self.links.keys()).chain(&self.directories);
        names.extend(
            all.filter(|p| parent(p) == path).filter_map(|p| p.rsplit('/').next()).map(str::to_owned),
        );
        names.sort_unstable();
        names.dedup();
        Ok(Node::Directory(names))
    }

    /// What stands at a path, links followed.
    pub(super) fn resolve(&self, path: &str) -> Result<Node, Errno> {
        let mut at = path.to_owned();
        for _ in 0..MAX_LINKS {
            match self.lookup(&at)? {
                Node::Link(target) => at = join(&at, &target),
                node => return Ok(node),
            }
        }
        Err(Errno::ELOOP)
    }

    /// Whether a regular file could be written here: below a directory that is one of
    /// files, never in `/sys`.
    pub(super) fn file_can_be_made(&self, path: &str) -> Result<(), Errno> {
        if let Some(error) = self.errors.get(path) {
            return Err(*error);
        }
        if self.directories.contains(path) {
            return Err(Errno::EISDIR);
        }
        let directory = parent(path);
        if let Some(error) = self.errors.get(directory) {
            return Err(*error);
        }
        if self.directories.contains(directory) { Ok(()) } else { Err(Errno::ENOENT) }
    }
}
