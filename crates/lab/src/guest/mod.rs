//! What runs inside L1. The lab's own binary is the initramfs' `/init` ([`init`]); it
//! prepares the machine and starts itself again as the agent ([`serve`]), which does what
//! the outside asks and can describe the machine's [`state`].

pub mod init;
pub mod serve;
pub mod state;

use serde::{Deserialize, Serialize};

/// Where [`Config`] lies in the initramfs.
pub const CONFIG_PATH: &str = "/lab.json";

/// What the outside tells process 1, as a file in the initramfs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Modules to insert first, in order, as paths in the initramfs.
    pub modules: Vec<String>,
    /// The kernel's `lib/modules/<release>` directory, as a path on the shared root.
    pub modules_dir: String,
    /// The kernel's configuration as its package brings it, as a path on the shared root.
    pub kernel_config: Option<String>,
    /// A QEMU that L1 should find as `qemu-system-x86_64`, when not the installed one.
    pub qemu: Option<String>,
    /// Start a shell on the virtio console.
    pub shell: bool,
    /// Only see whether a kernel starts here: print a word and power off.
    pub probe: bool,
}
