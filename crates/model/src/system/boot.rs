//! What happens at boot: which modules are loaded, when, with which options.

use passthru_formats::image::Image;
use passthru_formats::initramfs::Assignment;
use passthru_formats::iomem::BootFramebuffer;
use passthru_formats::modprobe::Command;
use passthru_formats::modules::Loaded;

use crate::fact::{Fact, Seen};

/// One line of a file of modprobe.d(5) that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModprobeLine {
    /// The file.
    pub path: String,
    /// Number of the line, from 1.
    pub line: usize,
    /// What it says.
    pub command: Command,
}

/// When a module is loaded that a file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// First thing in the initramfs, before devices are looked for: initramfs-tools
    /// `modules`, mkinitcpio `MODULES`, dracut `force_drivers`.
    InitramfsFirst,
    /// It is put into the initramfs and loaded there when a device asks for it: dracut
    /// `add_drivers`.
    InitramfsFile,
    /// On the root file system, after the initramfs: `/etc/modules`, modules-load.d(5).
    Root,
}

/// A module that a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedModule {
    /// The file.
    pub path: String,
    /// Number of the line, from 1.
    pub line: usize,
    /// The module as it stands there.
    pub module: String,
    /// When it is loaded.
    pub stage: Stage,
}

/// A file of a generator's configuration that does not do what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Oddity {
    /// A file in `/etc/dracut.conf.d` whose name does not end in `.conf`.
    NotConf {
        /// The file.
        path: String,
        /// Whether there is one of that name with `.conf` behind it.
        taken: bool,
    },
    /// An assignment without blanks around its value: path, and what stands there.
    Blanks(String, Assignment),
}

/// The initramfs image of the kernel that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitramfsImage {
    /// Where it is, or where it was looked for: the first place of several.
    pub path: String,
    /// What is inside.
    pub inside: Fact<Image>,
}

/// What happens at boot.
#[derive(Debug, Clone, Default)]
pub struct Boot {
    /// Lines of modprobe.d(5) that count, in the order in which they are read (`/etc`, `/run`,
    /// `/usr/local/lib`, `/usr/lib`, `/lib`: the first file of a name counts).
    pub modprobe: Seen<ModprobeLine>,
    /// Modules that files name, in the order in which they are loaded at each stage.
    pub named: Seen<NamedModule>,
    /// Hooks of mkinitcpio (`HOOKS`), where it is installed.
    pub hooks: Vec<String>,
    /// The image the running kernel booted with; not opened where nothing in the other fields is
    /// about VFIO, because it takes long.
    pub image: Option<InitramfsImage>,
    /// What does not do what it says.
    pub oddities: Vec<Oddity>,
    /// Loaded modules (`/proc/modules`), the last loaded first.
    pub loaded: Fact<Vec<Loaded>>,
    /// Framebuffers of the boot in devices' memory (`/proc/iomem`).
    pub framebuffers: Fact<Vec<BootFramebuffer>>,
    /// Framebuffers and who drives them (`/proc/fb`), such as `0 EFI VGA`.
    pub fb: Fact<Vec<String>>,
}
