//! What `run` starts: the user's line with the lent devices put into it.
//!
//! | module | holds |
//! |---|---|
//! | `program` | is it QEMU, perhaps behind `taskset` or `env`, or something else |
//! | `options` | QEMU's line cut into options; which of them take an argument |
//! | `props` | `driver,name=value` and its JSON form |
//! | `machine` | the machine type and its root bus |
//! | `line` | which places and names the line uses, which devices it names already |
//! | `place` | where the lent devices go, and what the guest calls them |
//! | `descriptors` | what of iommufd a line opens, and handing it over as descriptors |
//! | `memory` | `-m`, and the limit for locked memory |
//!
//! Pure: from words to words. It starts nothing and asks no QEMU; that QEMU accepts
//! the result, and shows the devices where [`GuestPlace`] says, is tested in
//! `tests/vm_in_qemu.rs`. Terminal, limits and giving back are `apply`'s.

mod descriptors;
mod line;
mod machine;
mod memory;
mod options;
mod place;
mod program;
mod props;
#[cfg(test)]
mod tests;

use passthru_pci::Address;

use crate::shell;

pub use descriptors::Opened;
pub use memory::parse_size;
pub use options::{FLAGS as QEMU_FLAGS, WITH_VALUE as QEMU_OPTIONS_WITH_VALUE};
pub use place::GuestPlace;
pub use program::Kind;

/// Stands for the devices in the user's line.
pub const PLACEHOLDER: &str = "{devices}";

/// Where to plug devices on a PCI Express machine. A conventional one has only its
/// root bus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Plug {
    /// Each card behind a root port of its own.
    #[default]
    Port,
    /// On bus 0, for guests that scan no further.
    Root,
}

/// What the user asked `run` to start.
#[derive(Debug, Clone, Copy)]
pub struct VmWish<'a> {
    /// The words after `--`: program and arguments.
    pub argv: &'a [String],
    /// The functions to lend, sorted, each once.
    pub devices: &'a [Address],
    /// Those of them that get a slot of their own whatever slot they share on the
    /// host: SR-IOV virtual functions, whose numbers are arithmetic and mean nothing.
    pub separate: &'a [Address],
    /// Where to plug.
    pub plug: Plug,
    /// What is added to the line opens its devices through iommufd instead of by their groups.
    pub iommufd: bool,
    /// The descriptors the program is given, each with its number: of what
    /// [`VmPlan::opened`] said without them.
    pub given: &'a [(Opened, i32)],
}

/// One lent device in the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its address on the host.
    pub address: Address,
    /// The line names it itself, so nothing was added for it.
    pub already_named: bool,
    /// Where the guest sees it; `Display` is the text for people.
    pub guest: GuestPlace,
}

/// What to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmPlan {
    /// Program and arguments, to be started as they are.
    pub argv: Vec<String>,
    /// What was added, or what the placeholder stands for.
    pub added: Vec<String>,
    /// Each lent device, in the order of the wish.
    pub places: Vec<Place>,
    /// The value of `PASSTHRU_QEMU_ARGS` for programs that are not QEMU. It needs no
    /// quoting: neither `$PASSTHRU_QEMU_ARGS` nor `eval` changes it.
    pub qemu_args_env: Option<String>,
    /// What the program is.
    pub kind: Kind,
    /// RAM the guest starts with, in bytes; unknown for programs that are not QEMU
    /// and for a `-m` that cannot be read.
    pub guest_memory: Option<u64>,
    /// What the locked-memory limit (`RLIMIT_MEMLOCK`) must at least be, in bytes:
    /// all the RAM the guest can come to have (`maxmem`), for every device once if
    /// the guest has an IOMMU, and 1 GiB. Unknown where [`Self::guest_memory`] is.
    pub locked_memory: Option<u64>,
    /// What of iommufd the program opens, or is given as descriptors where
    /// [`VmWish::given`] has them: the devices among it need nothing of their groups.
    pub opened: Vec<Opened>,
    /// Lent devices that the user's line has as descriptors of its own.
    pub given_by_line: Vec<Address>,
    /// The program opens `/dev/iommu` in any case: the object is not on the line.
    pub opens_iommufd: bool,
    /// What the user should know, one sentence each.
    pub notes: Vec<String>,
}

/// Why a line cannot be started with lent devices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VmError {
    /// Nothing after `--`.
    #[error("no program to start: put it after --, such as -- qemu-system-x86_64 -M q35 -m 4G")]
    Empty,
    /// QEMU would leave the foreground.
    #[error(
        "-daemonize would make QEMU leave at once, and passthru gives the devices back when the program \
         it started ends; leave it out, and start passthru itself in the background"
    )]
    Daemonize,
    /// The last option lacks its argument.
    #[error("the line ends after {option}, which needs an argument")]
    MissingArgument {
        /// The option as given.
        option: String,
    },
    /// The machine has no PCI bus.
    #[error("the machine type {machine} has no PCI bus to put a device on; use q35 (arm: virt)")]
    NoPci {
        /// The machine type.
        machine: String,
    },
    /// The machine type may be in a file, which decides on the bus.
    #[error(
        "the machine type may be in {file}, which is not read here: repeat it on the line, such as -M q35"
    )]
    MachineUnknown {
        /// The argument of `-readconfig`.
        file: String,
    },
    /// QEMU has no default machine for this architecture.
    #[error("qemu-system-{arch} has no default machine: add -M virt")]
    MachineMissing {
        /// The architecture.
        arch: String,
    },
    /// A program that changes the user stands before the VM.
    #[error(
        "{program} on the line would start the VM with other rights, limits and signals than passthru \
         prepared; put {program} before passthru instead, or let QEMU change the user (-run-with user=NAME, \
         older releases -runas NAME)"
    )]
    Privilege {
        /// The program.
        program: String,
    },
    /// The program returns while the VM runs.
    #[error("{program} would start the VM elsewhere and return at once; use {program} --scope")]
    Detached {
        /// The program.
        program: String,
    },
    /// More devices than places.
    #[error("{needed} places are needed on {bus}, and only {free} are free on this line")]
    NoRoom {
        /// Slots or ports needed.
        needed: usize,
        /// How many there are.
        free: usize,
        /// The bus.
        bus: &'static str,
    },
}

/// Decides what `run` starts.
///
/// # Errors
///
/// Every [`VmError`]; each says in its message what to do instead.
pub fn plan_vm(wish: &VmWish<'_>) -> Result<VmPlan, VmError> {
    match program::find(wish.argv)? {
        Kind::Qemu { arch, at } => plan_qemu(wish, arch, at),
        kind @ Kind::Other { .. } => plan_other(wish, kind),
    }
}

fn plan_qemu(wish: &VmWish<'_>, arch: String, at: usize) -> Result<VmPlan, VmError> {
    let options = options::scan(&wish.argv[at + 1..])?;
    if options.iter().any(|o| o.name == "daemonize") {
        return Err(VmError::Daemonize);
    }
    // Where all devices are on the line already, the machine does not matter to us.
    let named = |named: &[line::Named], d: &Address| named.iter().any(|n| n.address == *d);
    let first = line::read(&options, None);
    let missing: Vec<Address> = wish.devices.iter().copied().filter(|d| !named(&first.named, d)).collect();
    let machine = match missing.is_empty() {
        true => machine::machine(&arch, &options).ok(),
        false => Some(machine::machine(&arch, &options)?),
    };
    let mut line = line::read(&options, machine);
    let (object, mut added) = descriptors::object(wish.iommufd && !missing.is_empty(), &line);
    let (devices, mut places) = place::place(
        &missing,
        wish.separate,
        machine.unwrap_or(machine::Machine::Unknown),
        wish.plug,
        &line,
        object.as_deref(),
    )?;
    added.extend(devices);
    places.extend(line.named.iter().filter(|n| wish.devices.contains(&n.address)).map(|n| Place {
        address: n.address,
        already_named: true,
        guest: n.guest.clone(),
    }));
    let notes = qemu_notes(wish, &options, &line);
    let more = line::read(&options::scan(&added)?, None);
    line.named.extend(more.named);
    line.objects.extend(more.objects);
    places.sort_by_key(|place| place.address);
    places.dedup_by_key(|place| place.address);

    let given = line.named.iter().filter(|n| n.given && wish.devices.contains(&n.address));
    let backends = wish.devices.iter().map(|device| {
        let named = line.named.iter().find(|n| n.address == *device);
        named.and_then(|n| n.iommufd.as_deref())
    });
    let backends = backends.collect::<std::collections::BTreeSet<_>>().len();
    let memory = memory::guest_memory(&options);
    let added = descriptors::numbered(&added, wish.given)?;
    let mut words = wish.argv[..=at].to_vec();
    words.extend(descriptors::numbered(&wish.argv[at + 1..], wish.given)?);
    let mut argv = replace(&words, &added);
    if !has_placeholder(wish.argv) {
        argv.extend(added.iter().cloned());
    }
    Ok(VmPlan {
        argv,
        added,
        places,
        qemu_args_env: None,
        kind: Kind::Qemu { arch, at },
        guest_memory: memory.map(|(size, _)| size),
        locked_memory: memory
            .map(|(_, most)| memory::locked_limit(most, wish.devices.len(), backends, &options)),
        opened: descriptors::opened(&line, wish.devices),
        given_by_line: given.map(|n| n.address).collect(),
        opens_iommufd: descriptors::opens_itself(&line, wish.devices),
        notes,
    })
}

fn plan_other(wish: &VmWish<'_>, kind: Kind) -> Result<VmPlan, VmError> {
    let (object, mut added) = descriptors::object(wish.iommufd, &line::Line::default());
    let (devices, places) = place::place_blindly(wish.devices, wish.separate, object.as_deref())?;
    added.extend(devices);
    let line = line::read(&options::scan(&added)?, None);
    let added = descriptors::numbered(&added, wish.given)?;
    let mut notes = Vec::new();
    if let (Kind::Other { program }, false) = (&kind, has_placeholder(wish.argv)) {
        notes.push(format!(
            "{program} is not QEMU, so nothing was added to its arguments: the devices are in \
             PASSTHRU_QEMU_ARGS in its environment, and {PLACEHOLDER} in the line would stand for them"
        ));
    }
    if wish.iommufd {
        notes.push(
            "the fd= in there are descriptors that QEMU must inherit; whatever else keeps them open holds the devices"
                .to_owned(),
        );
    }
    Ok(VmPlan {
        argv: replace(wish.argv, &added),
        qemu_args_env: Some(shell::line(&added)),
        added,
        places,
        kind,
        guest_memory: None,
        locked_memory: None,
        opened: descriptors::opened(&line, wish.devices),
        given_by_line: Vec::new(),
        opens_iommufd: false,
        notes,
    })
}

/// What is allowed, and may still surprise.
fn qemu_notes(wish: &VmWish<'_>, options: &[options::Opt<'_>], line: &line::Line) -> Vec<String> {
    let mut notes = Vec::new();
    for named in line.named.iter().filter(|n| !wish.devices.contains(&n.address)) {
        notes.push(format!(
            "the line names {address}, which is not lent here; add -d {address} if it should be",
            address = named.address
        ));
    }
    let by_group =
        |n: &&line::Named| wish.iommufd && n.iommufd.is_none() && wish.devices.contains(&n.address);
    for named in line.named.iter().filter(by_group) {
        notes.push(format!(
            "the line itself opens {} by its group; iommufd=ID there changes that",
            named.address
        ));
    }
    for option in options {
        let text = match option.name {
            "readconfig" => format!("{} is not read here; places it uses are not known", option.value),
            "incoming" | "loadvm" => format!(
                "-{} needs a state saved with the same devices, and most lent devices cannot be saved",
                option.name
            ),
            "only-migratable" => {
                "with -only-migratable QEMU refuses lent devices whose vfio driver cannot migrate".to_owned()
            }
            "m" if memory::guest_memory(options).is_none() => {
                format!("the memory size -m {} is not understood; no limit is raised for it", option.value)
            }
            _ => continue,
        };
        if !notes.contains(&text) {
            notes.push(text);
        }
    }
    notes
}

fn has_placeholder(argv: &[String]) -> bool {
    argv.iter().any(|word| word.contains(PLACEHOLDER))
}

/// Puts the words in for the placeholder: alone it becomes several words, inside a
/// longer word (a script for `sh -c`) their shell-quoted line.
fn replace(argv: &[String], added: &[String]) -> Vec<String> {
    let mut words = Vec::with_capacity(argv.len() + added.len());
    for word in argv {
        if word == PLACEHOLDER {
            words.extend(added.iter().cloned());
        } else {
            words.push(word.replace(PLACEHOLDER, &shell::line(added)));
        }
    }
    words
}
