//! Does KVM work here? That `/dev/kvm` can be opened says little: nested or restricted
//! virtualization may fail at the first instruction or hang later. So the lab's own kernel
//! is started with it, under a time limit, and believed when it prints a word.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::guest::Config;
use crate::guest::init::PROBE_WORD;
use crate::initramfs;
use crate::settings::{Accel, Settings};
use crate::vm;

/// A kernel under working KVM needs about a second to its first process.
const PROBE_LIMIT: Duration = Duration::from_secs(15);

/// True when L1 is to run under KVM.
///
/// # Errors
/// When KVM was asked for by name and does not work.
pub fn use_kvm(settings: &Settings, directory: &Path) -> Result<bool> {
    let works = match settings.accel {
        Accel::Tcg => return Ok(false),
        Accel::Kvm | Accel::Auto => fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/kvm")
            .is_ok_and(|_| probe(settings, directory).unwrap_or(false)),
    };
    if !works && settings.accel == Accel::Kvm {
        bail!("PASSTHRU_LAB_ACCEL=kvm, but no guest starts with KVM here: use auto or tcg");
    }
    Ok(works)
}

fn probe(settings: &Settings, directory: &Path) -> Result<bool> {
    let config = Config { probe: true, ..Config::default() };
    let archive = directory.join("probe.cpio");
    fs::write(&archive, initramfs::build(&settings.init, &settings.kernel, &[], config)?)?;
    let console = directory.join("probe.log");
    let mut command = vm::command(&settings.qemu);
    command
        .args(arguments(true))
        .args(["-m", "256", "-nodefaults", "-display", "none", "-no-reboot"])
        .args(["-chardev", &format!("file,id=c,path={}", console.display())])
        .args(["-serial", "chardev:c", "-append", "console=ttyS0 quiet panic=-1"])
        .arg("-kernel")
        .arg(&settings.kernel.image)
        .arg("-initrd")
        .arg(&archive);
    vm::run_to_end(&mut command, PROBE_LIMIT)?;
    Ok(fs::read_to_string(&console).unwrap_or_default().contains(PROBE_WORD))
}

/// Machine, accelerator and processor arguments. The split interrupt controller is what
/// interrupt remapping needs.
pub fn arguments(kvm: bool) -> [&'static str; 6] {
    if kvm {
        ["-M", "q35,kernel-irqchip=split", "-accel", "kvm", "-cpu", "host"]
    } else {
        ["-M", "q35,kernel-irqchip=split", "-accel", "tcg,thread=multi", "-cpu", "max"]
    }
}
