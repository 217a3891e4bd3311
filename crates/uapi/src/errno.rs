//! Error numbers, with the values and texts of Linux (`errno(3)`), of the calls that this boundary carries.

use serde::{Deserialize, Serialize};

macro_rules! errnos {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        /// An error number of `errno(3)`. The kernel answers with the number; the reason is in the kernel log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Errno { $(#[doc = $text] $name,)* }

        impl Errno {
            /// All errors that the boundary knows, in numerical order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The number as Linux has it on every architecture that this project runs on (positive).
            #[must_use]
            pub const fn number(self) -> i32 { match self { $(Self::$name => $number),* } }

            /// The symbolic name, such as `EBUSY`.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$name => stringify!($name)),* } }

            /// The text of `strerror(3)`.
            #[must_use]
            pub const fn message(self) -> &'static str { match self { $(Self::$name => $text),* } }
        }
    };
}

errnos! {
    EPERM = 1, "Operation not permitted";
    ENOENT = 2, "No such file or directory";
    EINTR = 4, "Interrupted system call";
    EIO = 5, "Input/output error";
    ENXIO = 6, "No such device or address";
    E2BIG = 7, "Argument list too long";
    ENOEXEC = 8, "Exec format error";
    EBADF = 9, "Bad file descriptor";
    EAGAIN = 11, "Resource temporarily unavailable";
    ENOMEM = 12, "Cannot allocate memory";
    EACCES = 13, "Permission denied";
    EFAULT = 14, "Bad address";
    ENOTBLK = 15, "Block device required";
    EBUSY = 16, "Device or resource busy";
    EEXIST = 17, "File exists";
    ENODEV = 19, "No such device";
    ENOTDIR = 20, "Not a directory";
    EISDIR = 21, "Is a directory";
    EINVAL = 22, "Invalid argument";
    EFBIG = 27, "File too large";
    ENOSPC = 28, "No space left on device";
    EROFS = 30, "Read-only file system";
    ENAMETOOLONG = 36, "File name too long";
    ENOSYS = 38, "Function not implemented";
    EPROTO = 71, "Protocol error";
    EMSGSIZE = 90, "Message too long";
    ENETUNREACH = 101, "Network is unreachable";
    ETIMEDOUT = 110, "Connection timed out";
    EHOSTUNREACH = 113, "No route to host";
}

impl Errno {
    /// The error with this number (its sign is ignored, so that a kernel function's `-EBUSY` fits), if it is a known one.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        let wanted = number.unsigned_abs();
        Self::ALL.iter().copied().find(|errno| errno.number().unsigned_abs() == wanted)
    }
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::Errno;

    #[test]
    fn numbers_and_texts_are_those_of_the_c_library() {
        for errno in Errno::ALL {
            let theirs = std::io::Error::from_raw_os_error(errno.number()).to_string();
            assert!(theirs.starts_with(errno.message()), "{}: {theirs}", errno.name());
            assert_eq!(Errno::from_number(-errno.number()), Some(*errno));
        }
        assert_eq!(Errno::from_number(0), None);
    }
}
