//! The errors of the kernel, by their numbers on Linux (`errno(3)`), and those that std makes
//! itself.

use std::io;

/// An error of the kernel. std gives it a kind and a text, as it does for the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(i32);

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident)+) => {
        impl Errno {
            $($(#[$doc])* pub(crate) const $name: Errno = Errno(libc::$name);)+
        }
    };
}

errors! {
    /// Operation not permitted: a hard link to a directory, a change by a user who is not the
    /// owner.
    EPERM
    /// No such file or directory.
    ENOENT
    /// The device fails the operation.
    EIO
    /// A Unix socket cannot be opened.
    ENXIO
    /// The file was not opened for that.
    EBADF
    /// The permission bits do not allow it.
    EACCES
    /// The root directory, or a path that ends in a dot, cannot be renamed or removed.
    EBUSY
    /// The name exists.
    EEXIST
    /// A component of the path is no directory.
    ENOTDIR
    /// The file is a directory.
    EISDIR
    /// An argument has no meaning for this file.
    EINVAL
    /// The size or offset is above the largest file size.
    EFBIG
    /// The device has no space left.
    ENOSPC
    /// The filesystem is read-only.
    EROFS
    /// A name or a path is too long.
    ENAMETOOLONG
    /// The directory has entries.
    ENOTEMPTY
    /// Too many symbolic links on one path, or one where none may be.
    ELOOP
}

impl From<Errno> for io::Error {
    fn from(error: Errno) -> io::Error {
        io::Error::from_raw_os_error(error.0)
    }
}

/// The error of `write_all` when a write returns 0.
pub(crate) fn write_zero() -> io::Error {
    made_by_std(io::Write::write_all(&mut &mut [][..], &[0]))
}

/// The error of `read_to_string` when the contents are not UTF-8.
pub(crate) fn not_utf8() -> io::Error {
    made_by_std(io::Read::read_to_string(&mut &[0xff][..], &mut String::new()).map(drop))
}

/// The error for a path with a NUL byte, which std finds before it asks the kernel.
pub(crate) fn nul_in_path() -> io::Error {
    made_by_std(std::fs::symlink_metadata("\0").map(drop))
}

/// The error of std's `copy` when the source is a directory.
pub(crate) fn not_a_file_to_copy() -> io::Error {
    const TEXT: &str = "the source path is neither a regular file nor a symlink to a regular file";
    io::Error::new(io::ErrorKind::InvalidInput, TEXT)
}

fn made_by_std(result: io::Result<()>) -> io::Error {
    result.expect_err("std's own check fails")
}
