//! Everything the lab is told from outside, read once from the environment:
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `PASSTHRU_BIN` | the product binary under test | none: what needs it fails |
//! | `PASSTHRU_LAB_BIN` | the lab's binary that becomes L1's `/init` | this program |
//! | `PASSTHRU_LAB_DIR` | where kernels lie | `target/lab` |
//! | `PASSTHRU_LAB_KERNEL` | a release such as `6.12`, or a directory | the distribution's |
//! | `PASSTHRU_LAB_QEMU` | QEMU for L1 and inside L1 | `qemu-system-x86_64` |
//! | `PASSTHRU_LAB_INNER_QEMU` | another one inside L1, by its whole path | that for L1 |
//! | `PASSTHRU_LAB_ACCEL` | `tcg`, `kvm` or `auto` | `auto` |
//! | `PASSTHRU_LAB_JOBS` | how many hosts run scenarios side by side | one for each processor, at most 4 |

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::kernel::Kernel;

/// What to run L1 with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// Emulation; works everywhere.
    Tcg,
    /// The hardware's own virtualization.
    Kvm,
    /// KVM where a guest really starts with it, else emulation.
    Auto,
}

/// The lab's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where kernels lie.
    pub lab_dir: PathBuf,
    /// The program that becomes L1's `/init`.
    pub init: PathBuf,
    /// QEMU, as given; a bare name is looked up in `PATH`.
    pub qemu: String,
    /// The QEMU that L1 shall use, where one was asked for.
    pub inner_qemu: Option<String>,
    /// The kernel L1 boots.
    pub kernel: Kernel,
    /// How to run L1.
    pub accel: Accel,
    /// The product binary, when one was named.
    pub product: Option<PathBuf>,
    /// How many hosts may run scenarios side by side, at least one.
    pub jobs: usize,
}

impl Settings {
    /// Reads the environment. `init` is used where `PASSTHRU_LAB_BIN` is not set.
    ///
    /// # Errors
    /// When a variable names something that is not there.
    pub fn from_environment(init: &Path) -> Result<Settings> {
        let lab_dir = existing_or(path("PASSTHRU_LAB_DIR"), default_lab_dir());
        let wanted = text("PASSTHRU_LAB_KERNEL");
        let kernel = Kernel::find(&lab_dir, wanted.as_deref())?;
        let accel = match text("PASSTHRU_LAB_ACCEL").as_deref() {
            Some("tcg") => Accel::Tcg,
            Some("kvm") => Accel::Kvm,
            Some("auto") | None => Accel::Auto,
            Some(other) => bail!("PASSTHRU_LAB_ACCEL={other}: use tcg, kvm or auto"),
        };
        let named = text("PASSTHRU_LAB_QEMU");
        let product = match path("PASSTHRU_BIN") {
            Some(path) => Some(
                path.canonicalize()
                    .with_context(|| format!("PASSTHRU_BIN={} is not there", path.display()))?,
            ),
            None => None,
        };
        Ok(Settings {
            lab_dir,
            init: path("PASSTHRU_LAB_BIN").unwrap_or_else(|| init.to_owned()),
            inner_qemu: text("PASSTHRU_LAB_INNER_QEMU").or_else(|| named.clone()),
            qemu: named.unwrap_or_else(|| "qemu-system-x86_64".to_owned()),
            kernel,
            accel,
            product,
            jobs: jobs(text("PASSTHRU_LAB_JOBS").as_deref())?,
        })
    }
}

impl Settings {
    /// Fails loudly when there is no product to test.
    ///
    /// # Errors
    /// When `PASSTHRU_BIN` is not set.
    pub fn require_product(self) -> Result<Settings> {
        if self.product.is_none() {
            bail!("PASSTHRU_BIN is not set: name the passthru binary to test (make build makes it)");
        }
        Ok(self)
    }
}

/// An emulated host keeps about one processor busy, and takes up to 3 GiB of memory.
fn jobs(asked: Option<&str>) -> Result<usize> {
    let Some(asked) = asked else {
        return Ok(std::thread::available_parallelism().map_or(1, usize::from).min(4));
    };
    match asked.parse() {
        Ok(jobs @ 1..=64) => Ok(jobs),
        _ => bail!("PASSTHRU_LAB_JOBS={asked}: use a number from 1 to 64"),
    }
}

fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn path(name: &str) -> Option<PathBuf> {
    text(name).map(PathBuf::from)
}

fn existing_or(named: Option<PathBuf>, default: PathBuf) -> PathBuf {
    let directory = named.unwrap_or(default);
    directory.canonicalize().unwrap_or(directory)
}

/// `target/lab` of the workspace this was built in, where that is still there.
fn default_lab_dir() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/lab");
    if workspace.is_dir() { workspace } else { PathBuf::from("target/lab") }
}
