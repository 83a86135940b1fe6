//! As whom the virtual machine runs, with which environment, and how much memory it may lock.

use passthru_apply::launcher::{self, Rights, UNLIMITED};
use passthru_apply::perform;
use passthru_host::source::Source;
use passthru_model::User;
use passthru_plan::planner::may_use;
use passthru_plan::vm::{Kind, VmPlan, parse_size};

use crate::args::Run;
use crate::commands::grant;
use crate::context::Context;
use crate::exit::{Code, Failure};

/// Variables that speak of whoever became root, and are none of the guest program's.
const OF_ROOT: [&str; 8] =
    ["SUDO_UID", "SUDO_GID", "SUDO_USER", "SUDO_COMMAND", "SUDO_HOME", "PKEXEC_UID", "DOAS_USER", "MAIL"];

/// The user whose rights the machine gets: the one who was named, else the one who called
/// sudo. `None` leaves it ours.
pub(super) fn runner(source: &dyn Source, options: &Run) -> Result<Option<User>, Failure> {
    let root = rustix::process::geteuid().is_root();
    let user = match &options.user {
        Some(text) => Some(grant::named(source, text)?),
        None if root => grant::invoking(source)?,
        None => None,
    };
    let user = user.filter(|user| user.uid != rustix::process::geteuid().as_raw());
    match user {
        Some(user) if !root && !options.dry_run => Err(Failure::new(
            Code::NeedsRoot,
            format!("--user {user}: only root can start a program as somebody else"),
        )
        .hint("run it with sudo, or leave --user out")),
        user => Ok(user),
    }
}

/// The user's rights, as the launcher takes them.
pub(super) fn rights(user: &User) -> Rights {
    Rights { uid: user.uid, gid: user.gid, groups: user.groups.clone() }
}

/// What of the environment is root's and becomes the user's. The working directory stays.
pub(super) fn environment(source: &dyn Source, user: &User) -> Vec<(String, Option<String>)> {
    let or = |text: &str, otherwise: &str| if text.is_empty() { otherwise } else { text }.to_owned();
    let name = user.name.clone().unwrap_or_else(|| user.uid.to_string());
    // Made by the login manager for who is logged in (pam_systemd(8)); root's is of no use.
    let runtime = format!("/run/user/{}", user.uid);
    let runtime = source.list(&runtime).is_ok().then_some(runtime);
    let set = |name: &str, value: Option<String>| (name.to_owned(), value);
    OF_ROOT
        .map(|name| set(name, None))
        .into_iter()
        .chain([
            set("HOME", Some(or(&user.home, "/"))),
            set("USER", Some(name.clone())),
            set("LOGNAME", Some(name)),
            set("SHELL", Some(or(&user.shell, "/bin/sh"))),
            set("XDG_RUNTIME_DIR", runtime),
        ])
        .collect()
}

/// What root could use, and the user cannot: worth knowing before QEMU says it its own way.
pub(super) fn missing(source: &dyn Source, argv: &[String], user: &User) -> Option<String> {
    const KVM: &str = "/dev/kvm";
    let access = perform::access(source, KVM).ok()?;
    let asked = argv.iter().any(|word| word.contains("kvm"));
    (asked && !may_use(&access, user)).then(|| {
        format!(
            "user {user} cannot use {KVM} (of user {}, group {}, mode {:o}): add the user to that group",
            access.uid, access.gid, access.mode
        )
    })
}

/// The limit of locked memory, in bytes: all guest memory is pinned for the devices. Root is
/// not limited; for anybody else it must be known.
pub(super) fn locked_memory(
    context: &Context,
    options: &Run,
    machine: &VmPlan,
    user: Option<&User>,
) -> Result<Option<u64>, Failure> {
    let asked = match &options.memlock {
        None => machine.locked_memory,
        Some(text) => Some(parse_size(text, 1).ok_or_else(|| {
            Failure::new(Code::Usage, format!("--memlock {text}: not a size such as 9G or 512M"))
        })?),
    };
    let root = rustix::process::geteuid().is_root();
    let limit = launcher::locked_memory_limit();
    match (asked, user) {
        // The limit of others is raised before the rights go.
        (Some(bytes), _) if !root && !options.dry_run && limit < bytes => Err(Failure::new(
            Code::NotStarted,
            format!(
                "the virtual machine may have to lock {} MiB of memory, and the limit is {} KiB",
                bytes.div_ceil(1 << 20),
                limit >> 10
            ),
        )
        .hint("raise the limit of locked memory (ulimit -l), or run as root")),
        (Some(bytes), _) => Ok(Some(bytes)),
        (None, None) if root => Ok(None),
        // The soft limit follows the hard one.
        (None, _) if limit == UNLIMITED => Ok(Some(UNLIMITED)),
        (None, user) => {
            let whom = user.map_or_else(|| "you".to_owned(), |user| format!("user {user}"));
            let what = match &machine.kind {
                Kind::Qemu { .. } => "the guest's memory size on the line is not understood".to_owned(),
                Kind::Other { program } => {
                    format!("{program} is not QEMU, so how much memory its guest has is not known")
                }
            };
            let text = format!(
                "{what}: all of it is locked for the devices, and {whom} may lock {} MiB only",
                limit >> 20
            );
            if options.dry_run {
                context.note(&format!("note: {text}; --memlock SIZE has to be given"));
                return Ok(None);
            }
            Err(Failure::new(Code::NotStarted, text).hint(
                "--memlock SIZE raises that: the guest's memory and 1 GiB, such as --memlock 9G for 8 GiB",
            ))
        }
    }
}
