//! Error numbers of system calls by name, so that a capture made on one machine
//! says on another what went wrong.

use std::fmt;
use std::str::FromStr;

/// A Linux error number.
///
/// The numbers are those of x86-64, aarch64 and every other architecture that uses
/// `include/uapi/asm-generic/errno{,-base}.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(pub i32);

/// A text is neither the name nor the number of an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither the name nor the number of an error, such as EACCES or 13")]
pub struct ParseErrnoError(pub String);

/// Constants, and the table of names and meanings, from one list.
macro_rules! errnos {
    ($($name:ident $number:literal $meaning:literal;)*) => {
        impl Errno {
            $(#[doc = concat!("`", stringify!($name), "`: ", $meaning, ".")]
            pub const $name: Self = Self($number);)*
        }

        /// Number, name, meaning; sorted by number.
        const TABLE: &[(i32, &str, &str)] = &[$(($number, stringify!($name), $meaning),)*];
    };
}

errnos! {
    EPERM 1 "operation not permitted";
    ENOENT 2 "no such file or directory";
    ESRCH 3 "no such process";
    EINTR 4 "interrupted";
    EIO 5 "input/output error";
    ENXIO 6 "no such device or address";
    E2BIG 7 "argument list too long";
    ENOEXEC 8 "not an executable";
    EBADF 9 "bad file descriptor";
    ECHILD 10 "no child process";
    EAGAIN 11 "try again";
    ENOMEM 12 "out of memory";
    EACCES 13 "permission denied";
    EFAULT 14 "bad address";
    ENOTBLK 15 "not a block device";
    EBUSY 16 "busy";
    EEXIST 17 "exists already";
    EXDEV 18 "on another file system";
    ENODEV 19 "no such device";
    ENOTDIR 20 "not a directory";
    EISDIR 21 "is a directory";
    EINVAL 22 "invalid argument";
    ENFILE 23 "too many open files in the system";
    EMFILE 24 "too many open files";
    ENOTTY 25 "not supported by this device";
    ETXTBSY 26 "executable is in use";
    EFBIG 27 "file too large";
    ENOSPC 28 "no space left";
    ESPIPE 29 "cannot seek";
    EROFS 30 "read-only file system";
    EMLINK 31 "too many links";
    EPIPE 32 "broken pipe";
    EDOM 33 "argument out of domain";
    ERANGE 34 "out of range";
    EDEADLK 35 "would deadlock";
    ENAMETOOLONG 36 "name too long";
    ENOLCK 37 "no locks available";
    ENOSYS 38 "not implemented by this kernel";
    ENOTEMPTY 39 "directory not empty";
    ELOOP 40 "too many symbolic links";
    ENODATA 61 "no data";
    ETIME 62 "timer expired";
    EREMOTE 66 "object is remote";
    EPROTO 71 "protocol error";
    EOVERFLOW 75 "value too large";
    EILSEQ 84 "invalid bytes in text";
    EOPNOTSUPP 95 "operation not supported";
    EADDRINUSE 98 "address in use";
    ENETDOWN 100 "network is down";
    ECONNRESET 104 "connection reset";
    ETIMEDOUT 110 "timed out";
    ECONNREFUSED 111 "connection refused";
    EALREADY 114 "already in progress";
    EINPROGRESS 115 "in progress";
    ESTALE 116 "stale file handle";
    EDQUOT 122 "quota exceeded";
    ENOMEDIUM 123 "no medium";
    ECANCELED 125 "cancelled";
    ENOKEY 126 "required key not available";
    EKEYREJECTED 129 "key rejected";
}

impl Errno {
    fn row(self) -> Option<&'static (i32, &'static str, &'static str)> {
        TABLE.binary_search_by_key(&self.0, |row| row.0).ok().map(|i| &TABLE[i])
    }

    /// `EACCES` and the like; `None` for a number that is not in the table.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|row| row.1)
    }

    /// A few lower-case words on what it means; `None` for a number that is not in
    /// the table.
    #[must_use]
    pub fn meaning(self) -> Option<&'static str> {
        self.row().map(|row| row.2)
    }

    /// Whether more rights would have helped.
    #[must_use]
    pub const fn is_permission(self) -> bool {
        matches!(self, Self::EACCES | Self::EPERM)
    }

    /// Whether the thing asked for is not there.
    #[must_use]
    pub const fn is_absent(self) -> bool {
        matches!(self, Self::ENOENT | Self::ENOTDIR)
    }

    /// The shortest text that [`FromStr`] reads back: the name, else the number.
    #[must_use]
    pub fn code(self) -> String {
        self.name().map_or_else(|| self.0.to_string(), str::to_owned)
    }
}

impl fmt::Display for Errno {
    /// `EACCES (permission denied)`, or `error 4711` for a number without a name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row() {
            Some((_, name, meaning)) => write!(f, "{name} ({meaning})"),
            None => write!(f, "error {}", self.0),
        }
    }
}

impl std::error::Error for Errno {}

impl FromStr for Errno {
    type Err = ParseErrnoError;

    /// Reads a name (`EACCES`) or a number from 1 to 4095, the range in which the
    /// kernel returns errors (`include/linux/err.h`, `MAX_ERRNO`).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseErrnoError(text.chars().take(40).collect());
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return match text.parse() {
                Ok(n @ 1..=4095) => Ok(Self(n)),
                _ => Err(error()),
            };
        }
        // Two names that some people use for numbers of the table.
        let name = match text {
            "EWOULDBLOCK" => "EAGAIN",
            "ENOTSUP" => "EOPNOTSUPP",
            other => other,
        };
        TABLE.iter().find(|row| row.1 == name).map(|row| Self(row.0)).ok_or_else(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_reads_itself() {
        assert!(TABLE.windows(2).all(|w| w[0].0 < w[1].0));
        for &(number, name, meaning) in TABLE {
            let errno = Errno(number);
            assert_eq!(errno.name(), Some(name));
            assert_eq!(name.parse(), Ok(errno));
            assert_eq!(number.to_string().parse(), Ok(errno));
            assert_eq!(errno.code().parse(), Ok(errno));
            assert_eq!(errno.to_string(), format!("{name} ({meaning})"));
        }
    }

    #[test]
    fn the_numbers_are_those_of_this_kernel() {
        // std takes its texts from the C library; enough to catch a slip of the pen.
        use std::io::ErrorKind::{AlreadyExists, NotFound, PermissionDenied, ResourceBusy, TimedOut};
        for (errno, kind) in [
            (Errno::EACCES, PermissionDenied),
            (Errno::ENOENT, NotFound),
            (Errno::EEXIST, AlreadyExists),
            (Errno::EBUSY, ResourceBusy),
            (Errno::ETIMEDOUT, TimedOut),
        ] {
            assert_eq!(std::io::Error::from_raw_os_error(errno.0).kind(), kind);
        }
    }

    #[test]
    fn numbers_without_a_name() {
        assert_eq!(Errno(4000).to_string(), "error 4000");
        assert_eq!(Errno(4000).code().parse(), Ok(Errno(4000)));
        for bad in ["", "0", "-1", "4096", "99999999999", "EWHAT", "eacces", "+13", "13 "] {
            assert!(bad.parse::<Errno>().is_err(), "{bad:?}");
        }
    }
}
