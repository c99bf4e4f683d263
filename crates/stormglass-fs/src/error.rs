//! The errors that the kernel gives and `std::io::ErrorKind` has no name for, or no stable one: by their numbers on Linux.

use std::io;

/// EIO: the device fails the operation.
pub(crate) fn eio() -> io::Error {
    crate::fault::DiskError::Io.into()
}

/// EBADF: the file was not opened for that.
pub(crate) fn not_opened_for_that() -> io::Error {
    io::Error::from_raw_os_error(9)
}

/// EPERM: a hard link to a directory.
pub(crate) fn not_permitted() -> io::Error {
    io::Error::from_raw_os_error(1)
}

/// ELOOP: too many symbolic links on one path.
pub(crate) fn too_many_links() -> io::Error {
    io::Error::from_raw_os_error(40)
}
