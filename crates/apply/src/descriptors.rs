//! Opening the nodes of iommufd for a program that has no right to.
//!
//! The descriptors stay ours until the launcher has them ([`crate::launcher::start`]); whoever
//! keeps them longer holds the device.

use std::io;
use std::os::fd::OwnedFd;

use passthru_formats::{Errno, scalar};
use passthru_host::source::{Source, read_text};
use rustix::fs::{FileType, Mode, OFlags, fstat, major, minor, open};
use rustix::ioctl::{Opcode, Setter, ioctl, opcode};

/// `IOMMU_OPTION` of `include/uapi/linux/iommufd.h`.
const IOMMU_OPTION: Opcode = opcode::none(b';', 0x87);

/// `struct iommu_option` of the same.
#[repr(C)]
struct IommuOption {
    /// Of this structure, in bytes.
    size: u32,
    option: u32,
    operation: u16,
    reserved: u16,
    object: u32,
    value: u64,
}

/// Has an iommufd count locked memory for each process, as VFIO's groups do, instead of for the
/// user: else what one machine pins counts against the limits of the user's others
/// (`IOMMU_OPTION_RLIMIT_MODE`; `drivers/iommu/iommufd/pages.c`). Only before anything is made of
/// it, and with `CAP_SYS_RESOURCE`.
///
/// # Errors
/// Those of the call.
pub fn count_for_each_process(iommufd: &OwnedFd) -> io::Result<()> {
    /// `IOMMU_OPTION_RLIMIT_MODE` and `IOMMU_OPTION_OP_SET`.
    const RLIMIT_MODE: u32 = 0;
    const SET: u16 = 0;
    let size = u32::try_from(size_of::<IommuOption>()).unwrap_or_default();
    let option = IommuOption { size, option: RLIMIT_MODE, operation: SET, reserved: 0, object: 0, value: 1 };
    // SAFETY: the number and the structure are those of the header, with its size inside; the
    // kernel only reads it for `SET`, and it lives until the call returns.
    #[allow(unsafe_code, reason = "rustix knows no call of iommufd's")]
    let answer = unsafe { ioctl(iommufd, Setter::<IOMMU_OPTION, IommuOption>::new(option)) };
    Ok(answer?)
}

/// Opens a node for reading and writing, and looks whether it is the device with the number
/// that `attribute` has (`major:minor`, as in every `dev` file of sysfs).
///
/// # Errors
/// Those of reading and opening; `EINVAL` for an attribute that is no number, `ENXIO` where the
/// node is of another device, or no device.
pub fn open_node(source: &dyn Source, node: &str, attribute: &str) -> io::Result<OwnedFd> {
    let error = |errno: Errno| io::Error::from_raw_os_error(errno.0);
    let text = read_text(source, attribute).map_err(error)?;
    let number = scalar::device_number(&text).ok_or_else(|| error(Errno::EINVAL))?;
    let node = open(node, OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())?;
    let found = fstat(&node)?;
    let is_device = FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice;
    if !is_device || (major(found.st_rdev), minor(found.st_rdev)) != number {
        return Err(error(Errno::ENXIO));
    }
    Ok(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::Live;

    #[test]
    fn only_the_device_that_was_meant() {
        let live = Live::new().unwrap();
        let open = |node: &str, attribute: &str| {
            open_node(&live, node, attribute).map(drop).map_err(|error| error.raw_os_error())
        };
        assert_eq!(open("/dev/null", "/sys/class/mem/null/dev"), Ok(()));
        let errno = |errno: Errno| Err(Some(errno.0));
        assert_eq!(open("/dev/zero", "/sys/class/mem/null/dev"), errno(Errno::ENXIO));
        assert_eq!(open("/dev/no-such-node", "/sys/class/mem/null/dev"), errno(Errno::ENOENT));
        assert_eq!(open("/dev/null", "/sys/class/mem/no-such-device/dev"), errno(Errno::ENOENT));
        assert_eq!(open("/dev/null", "/proc/self/comm"), errno(Errno::EINVAL));
        // A link is followed nowhere.
        assert_eq!(open("/proc/self/fd/0", "/sys/class/mem/null/dev"), errno(Errno::ELOOP));
    }
}
