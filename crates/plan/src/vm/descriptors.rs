//! What of iommufd a line opens, and handing it over as descriptors instead.
//!
//! Owns the knowledge which words of QEMU's open what: the object `iommufd` opens
//! `/dev/iommu`, a device with `iommufd=` the node of its own below `/dev/vfio/devices`,
//! and both take `fd=` instead (QEMU `backends/iommufd.c`, `hw/vfio/device.c`; both since
//! 9.0, with iommufd itself). It must not open anything.

use passthru_model::Snapshot;
use passthru_pci::Address;

use super::line::Line;
use super::options;
use super::place::device_id;
use super::props::{Props, with};
use super::{VmError, VmPlan};

/// The id of the object that is added where the line has none.
const OBJECT: &str = "passthru-iommufd";

/// What can be opened for the program, and given to it as a descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// `/dev/iommu`, once for the object with this id.
    Object(String),
    /// The node of a device below `/dev/vfio/devices`.
    Device(Address),
}

impl VmPlan {
    /// Whether a lent device is opened by a node of its own, and not by its group's.
    #[must_use]
    pub fn opens_by_itself(&self, device: Address) -> bool {
        self.opened.contains(&Opened::Device(device)) || self.given_by_line.contains(&device)
    }

    /// Two lent devices of one IOMMU group of which the first is opened by a node of its own and
    /// the second by the group's: the kernel answers `EBUSY` to whichever comes later
    /// (`drivers/vfio/group.c`, `vfio_device_block_group`).
    #[must_use]
    pub fn opened_two_ways(&self, snapshot: &Snapshot, devices: &[Address]) -> Option<(Address, Address)> {
        let (own, by_group): (Vec<Address>, Vec<Address>) =
            devices.iter().partition(|device| self.opens_by_itself(**device));
        let group = |device: Address| snapshot.device(device)?.group.known().copied();
        own.into_iter().find_map(|one| {
            let same = |other: &&Address| group(one).is_some() && group(**other) == group(one);
            Some((one, *by_group.iter().find(same)?))
        })
    }
}

/// The object that devices added to a line use where iommufd is wanted: the line's first, or
/// one to be added with these words.
pub(super) fn object(wanted: bool, line: &Line) -> (Option<String>, Vec<String>) {
    if !wanted {
        return (None, Vec::new());
    }
    if let Some(object) = line.objects.first() {
        return (Some(object.id.clone()), Vec::new());
    }
    let free = |id: &String| !line.ids.contains(id);
    let numbered = (1..).map(|n: usize| format!("{OBJECT}-{n}"));
    let id = std::iter::once(OBJECT.to_owned()).chain(numbered).find(free).unwrap_or_default();
    let words = vec!["-object".to_owned(), format!("iommufd,id={id}")];
    (Some(id), words)
}

/// What a line opens that is not given to it as a descriptor already, for the lent devices.
pub(super) fn opened(line: &Line, lent: &[Address]) -> Vec<Opened> {
    let devices = || line.named.iter().filter(|n| lent.contains(&n.address));
    let used = |id: &str| devices().any(|n| n.iommufd.as_deref() == Some(id));
    let objects =
        line.objects.iter().filter(|o| !o.given && used(&o.id)).map(|o| Opened::Object(o.id.clone()));
    let nodes = devices().filter(|n| n.iommufd.is_some() && !n.given).map(|n| Opened::Device(n.address));
    let mut opened: Vec<Opened> = objects.chain(nodes).collect();
    // Named twice it is opened once; QEMU says the rest.
    opened.dedup();
    opened
}

/// Whether a lent device uses an object that is not on the line (but in a file that it reads,
/// perhaps): the program opens `/dev/iommu` itself.
pub(super) fn opens_itself(line: &Line, lent: &[Address]) -> bool {
    let mut used = line.named.iter().filter(|n| lent.contains(&n.address)).filter_map(|n| n.iommufd.as_ref());
    used.any(|id| !line.objects.iter().any(|object| object.id == *id))
}

/// QEMU's words with the numbers of the descriptors that are given to it.
///
/// # Errors
/// [`VmError::MissingArgument`], as for every line.
pub(super) fn numbered(words: &[String], given: &[(Opened, i32)]) -> Result<Vec<String>, VmError> {
    let mut all = words.to_vec();
    for option in options::scan(words)? {
        let opens = super::line::opens(&option);
        let number = opens.and_then(|what| given.iter().find(|(given, _)| *given == what));
        if let (Some((what, number)), Some(word)) = (number, all.get_mut(option.at)) {
            *word = with(word, "fd", &number.to_string());
            if let (Opened::Device(device), None) = (what, Props::parse(word, "driver").get("id")) {
                // Since 10.1 QEMU keeps the descriptor by the device's id, and ends with SIGSEGV
                // where there is none (`hw/vfio/device.c`, `vfio_device_set_fd`).
                *word = with(word, "id", &device_id(*device));
            }
        }
    }
    Ok(all)
}
