//! The one definition of verbs and options.

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use passthru_model::Reason;

const AFTER: &str = "\
A DEVICE is an address (01:00.0; 01:00 for every function of the slot), a libvirt name \
(pci_0000_01_00_0), an id or lspci filter (10de:1284, 10de::0300), group:N, or a kernel name \
(nvme0n1, eth0, card0). slot:, id: and group: force a reading.

Exit codes: 0 done, 1 `check` has findings of severity error, 2 usage or an unknown name, 3 \
refused as unsafe, 4 failed and everything is as it was, 5 failed and something is not as it was, \
7 needs root. Under `run` the guest program's own code, or 124 a device could not be given back, \
125 passthru failed before the start, 126/127 the program cannot be executed or found, 128+n it \
was ended by signal n.";

/// Hand PCI devices to virtual machines, and get them back.
///
/// Without a verb: whether this host is ready, what can be lent, and what to type next.
#[derive(Debug, Parser)]
#[command(name = "passthru", version, after_help = AFTER, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// Options of every verb.
    #[command(flatten)]
    pub global: Global,
}

/// Options of every verb.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Read this directory, laid out like a root file system, instead of this machine
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "from")]
    pub root: Option<String>,
    /// Read this captured host (made by `passthru capture`), or what `lspci -nnk -vvvxxxx`
    /// printed on it, instead of this machine; `-` is standard input
    #[arg(long, global = true, value_name = "FILE")]
    pub from: Option<String>,
    /// Print JSON (documented in docs/json.md)
    #[arg(long, global = true)]
    pub json: bool,
    /// Colour in the output
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Say more
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Say only what went wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On terminals.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What `--allow` takes.
fn reasons() -> PossibleValuesParser {
    PossibleValuesParser::new(Reason::ALL.map(Reason::name))
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// The devices: what they are, who uses them, whether they can be lent
    List(List),
    /// Everything about one device, and what `bind` would do
    Show(Show),
    /// What is wrong with this host or these devices, why, and what to do
    Check(Check),
    /// What a finding means, or what pasted error messages mean
    Explain(Explain),
    /// Give devices to the vfio driver, until the next boot
    Bind(Bind),
    /// Give devices back to what they were on before
    Release(Release),
    /// Bind, start a virtual machine with the devices, wait, give them back
    Run(Run),
    /// Keep a change that was made with --confirm-within
    Confirm(Confirm),
    /// Leases, who holds them, and work that was interrupted
    Status,
    /// Finish or undo what an interrupted run left behind
    Recover(Recover),
    /// Write this host to a file that can be looked at elsewhere
    Capture(Capture),
}

/// Options of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only these devices
    #[arg(value_name = "DEVICE")]
    pub devices: Vec<String>,
    /// By IOMMU group, each device as `lspci -nns` shows it
    #[arg(long, conflicts_with_all = ["tree", "columns"])]
    pub groups: bool,
    /// As they hang on their buses
    #[arg(long, conflicts_with = "columns")]
    pub tree: bool,
    /// Columns, separated by commas, or a named view: `default`, `full`, `phyllome` (the
    /// table of the Phyllome OS handbook)
    #[arg(short = 'o', long, value_name = "COLUMNS")]
    pub columns: Option<String>,
}

/// Options of `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The device
    #[arg(value_name = "DEVICE", required = true)]
    pub devices: Vec<String>,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The devices that are to be lent; without any, the host and all that might be
    #[arg(value_name = "DEVICE")]
    pub devices: Vec<String>,
    /// Say on standard error how long reading and checking took
    #[arg(long, hide = true)]
    pub times: bool,
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// The finding, by its id; `-` reads messages of QEMU, libvirt or the kernel from standard
    /// input and says which of their causes this host has. Without it, all ids
    #[arg(value_name = "ID", conflicts_with = "list")]
    pub id: Option<String>,
    /// List all ids
    #[arg(long)]
    pub list: bool,
}

/// Options of every verb that binds.
#[derive(Debug, Clone, Args)]
pub struct Binding {
    /// Take the other devices of the IOMMU group along
    #[arg(long)]
    pub with_group: bool,
    /// The vfio driver to bind to, `vfio-pci` or a variant of it
    #[arg(long, value_name = "NAME", default_value = "vfio-pci")]
    pub driver: String,
    /// Override one reason to refuse; may be given several times
    #[arg(long, value_name = "REASON", value_parser = reasons())]
    pub allow: Vec<String>,
    /// Take every device where a name fits several
    #[arg(long)]
    pub all_matching: bool,
    /// How long to wait
    #[command(flatten)]
    pub waiting: Waiting,
}

/// Options of every verb that changes the host.
#[derive(Debug, Clone, Args)]
pub struct Waiting {
    /// Wait at most this long for another passthru that is changing the host
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub lock_timeout: u32,
    /// Wait at most this long for each write to come back from the kernel; without it 20, and
    /// 60 for nvme and graphics drivers. A device on which it does not is stuck, and left
    /// alone until `passthru recover`
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub write_timeout: Option<u32>,
}

/// The option of verbs that people use on the far end of a network.
#[derive(Debug, Clone, Args)]
pub struct Confirming {
    /// Undo it all after this time (60s, 2m, 1h) unless `passthru confirm` comes before
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub confirm_within: Option<u64>,
}

/// Seconds, from `90`, `90s`, `2m` or `1h`; from one second to one day.
fn parse_time(text: &str) -> Result<u64, String> {
    let units = [('h', 3600), ('m', 60), ('s', 1)];
    let (number, unit) = units
        .into_iter()
        .find_map(|(letter, unit)| text.strip_suffix(letter).map(|number| (number, unit)))
        .unwrap_or((text, 1));
    let seconds = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
    seconds
        .filter(|seconds| (1..=86_400).contains(seconds))
        .ok_or_else(|| "a time such as 60s, 2m or 1h, of one second to one day".into())
}

/// Options of `bind`.
#[derive(Debug, Args)]
pub struct Bind {
    /// The devices
    #[arg(value_name = "DEVICE", required = true)]
    pub devices: Vec<String>,
    /// How
    #[command(flatten)]
    pub binding: Binding,
    /// For how long
    #[command(flatten)]
    pub confirming: Confirming,
    /// Let this user (a name, or UID[:GID]) use the devices' nodes below /dev/vfio, to start a
    /// virtual machine without root
    #[arg(long, value_name = "USER", conflicts_with = "confirm_within")]
    pub user: Option<String>,
    /// Print the steps and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `release`.
#[derive(Debug, Args)]
pub struct Release {
    /// The devices; without any, all that have a lease, with --all
    #[arg(value_name = "DEVICE", required_unless_present = "all")]
    pub devices: Vec<String>,
    /// Every device that has a lease
    #[arg(long, conflicts_with = "devices")]
    pub all: bool,
    /// Where a device goes that passthru has no lease for: a driver, or `none`
    #[arg(long, value_name = "DRIVER")]
    pub adopt: Option<String>,
    /// Override one reason to refuse; may be given several times
    #[arg(long, value_name = "REASON", value_parser = reasons())]
    pub allow: Vec<String>,
    /// Take every device where a name fits several
    #[arg(long)]
    pub all_matching: bool,
    /// For how long
    #[command(flatten)]
    pub confirming: Confirming,
    /// How long to wait
    #[command(flatten)]
    pub waiting: Waiting,
    /// Print the steps and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// A device to lend; may be given several times
    #[arg(short, long = "device", value_name = "DEVICE", required = true)]
    pub devices: Vec<String>,
    /// How
    #[command(flatten)]
    pub binding: Binding,
    /// Where the devices are plugged: behind a root `port` of their own, or on the `root` bus
    #[arg(long, value_enum, default_value_t = PlugAt::Port, value_name = "WHERE")]
    pub plug: PlugAt,
    /// Open the devices that are added to the line through iommufd instead of by their groups
    /// (QEMU 9.0, a kernel with CONFIG_VFIO_DEVICE_CDEV)
    #[arg(long)]
    pub iommufd: bool,
    /// Limit of locked memory for the virtual machine (such as 9G), where it cannot be read
    /// from -m
    #[arg(long, value_name = "SIZE")]
    pub memlock: Option<String>,
    /// As whom the virtual machine runs: a name, or UID[:GID]. Without it, under sudo the user
    /// who called sudo; `root` leaves it root
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// When this program is told to end: how long the virtual machine may take to stop before
    /// it is killed
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub stop_timeout: u32,
    /// Print the steps and the command line, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The program and its arguments; {devices} stands for the devices' arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Where devices are plugged in the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlugAt {
    /// Behind a root port each.
    Port,
    /// On bus 0.
    Root,
}

/// Options of `recover`.
#[derive(Debug, Args)]
pub struct Recover {
    /// How long to wait
    #[command(flatten)]
    pub waiting: Waiting,
    /// Undo what waits to be confirmed when its time is over, and not before
    #[arg(long, hide = true)]
    pub when_due: bool,
}

/// Options of `confirm`.
#[derive(Debug, Args)]
pub struct Confirm {
    /// How long to wait
    #[command(flatten)]
    pub waiting: Waiting,
}

/// Options of `capture`.
#[derive(Debug, Args)]
pub struct Capture {
    /// Where to
    #[arg(short, long, value_name = "FILE", required_unless_present = "show")]
    pub output: Option<String>,
    /// Keep serial numbers, addresses, names and other identifiers
    #[arg(long)]
    pub with_identifiers: bool,
    /// Print what would be written
    #[arg(long, conflicts_with = "output")]
    pub show: bool,
}

#[cfg(test)]
mod tests {
    use super::parse_time;

    #[test]
    fn times() {
        for (text, seconds) in [("90", 90), ("60s", 60), ("2m", 120), ("1h", 3600), ("24h", 86_400)] {
            assert_eq!(parse_time(text), Ok(seconds), "{text}");
        }
        for text in ["", "0", "s", "h", "25h", "1d", "-1", "1.5h", "99999999999999999999h", "1hm"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
