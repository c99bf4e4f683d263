//! Operations on names: rename, remove, link.

use crate::disk::Disk;
use crate::tree::path_str;
use std::io;
use std::path::{Path, PathBuf};
use stormglass_core::Kind;

impl Disk {
    /// Renames a file or directory; an existing file or empty directory of the new name is replaced.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsADirectory`, `NotADirectory`, `DirectoryNotEmpty`, `InvalidInput` for a directory into itself.
    pub async fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
        let (from, to) = (path_str(from.as_ref())?, path_str(to.as_ref())?);
        self.operate(Kind::Rename, to, |state| state.tree.rename(from, to)).await
    }

    /// Removes a file's directory entry, or a symbolic link. Open handles keep the contents.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsADirectory`, `NotADirectory`.
    pub async fn remove_file(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path_str(path.as_ref())?;
        self.operate(Kind::Unlink, path, |state| state.tree.remove_file(path)).await
    }

    /// Creates a hard link to a file; to a symbolic link itself if `original` is one.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`, `AlreadyExists`, `PermissionDenied` for a directory.
    pub async fn hard_link(&self, original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
        let (original, link) = (path_str(original.as_ref())?, path_str(link.as_ref())?);
        self.operate(Kind::Link, link, |state| state.tree.hard_link(original, link)).await
    }

    /// Creates a symbolic link; its target need not exist.
    ///
    /// # Errors
    ///
    /// `AlreadyExists`, `NotADirectory`, `NotFound` if the directory is missing or `original` is empty.
    pub async fn symlink(&self, original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
        let (original, link) = (path_str(original.as_ref())?, path_str(link.as_ref())?);
        self.operate(Kind::Symlink, link, |state| state.tree.symlink(original, link)).await
    }

    /// Returns the target of a symbolic link.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`, `InvalidInput` if the path is no symbolic link.
    pub async fn read_link(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        let path = path_str(path.as_ref())?;
        self.operate(Kind::Readlink, path, |state| state.tree.read_link(path).map(PathBuf::from)).await
    }

    /// Returns the absolute path without symbolic links, `.` and `..`.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`.
    pub async fn canonicalize(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        let path = path_str(path.as_ref())?;
        self.operate(Kind::Stat, path, |state| state.tree.canonical(path).map(PathBuf::from)).await
    }
}
