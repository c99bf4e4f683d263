//! Metadata: `stat(2)`.

use crate::disk::{Disk, State};
use crate::tree::{Follow, Stat, Type, path_str};
use std::io;
use std::path::Path;
use stormglass_core::{Kind, SimTime};
use stormglass_rt as rt;

/// The metadata of a file, directory or symbolic link; named after `std::fs::Metadata`.
#[derive(Clone, Copy, Debug)]
pub struct Metadata(Stat);

/// The type of a file; named after `std::fs::FileType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileType(pub(crate) Type);

impl From<Stat> for Metadata {
    fn from(stat: Stat) -> Metadata {
        Metadata(stat)
    }
}

impl Metadata {
    /// Returns the type.
    pub fn file_type(&self) -> FileType {
        FileType(self.0.kind)
    }

    /// Returns whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.file_type().is_dir()
    }

    /// Returns whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.file_type().is_file()
    }

    /// Returns whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.file_type().is_symlink()
    }

    /// Returns the size in bytes: 0 for a directory, the length of the target path for a symbolic link.
    #[expect(clippy::len_without_is_empty, reason = "named after std::fs::Metadata, which has none either")]
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// Returns the number of hard links; `nlink` of `std::os::unix::fs::MetadataExt`, but 1 for a directory.
    pub fn nlink(&self) -> u64 {
        u64::from(self.0.links)
    }

    /// Returns when the contents, or the directory's entries, last changed, in the run's wall-clock time.
    ///
    /// # Errors
    ///
    /// Never; a real filesystem may not store it.
    #[expect(clippy::disallowed_types, reason = "the run's own wall clock, which madsim draws from the seed")]
    pub fn modified(&self) -> io::Result<std::time::SystemTime> {
        Ok(rt::time_of_day(self.0.modified))
    }

    /// As [`Metadata::modified`], in simulated time.
    pub fn modified_at(&self) -> SimTime {
        self.0.modified
    }
}

impl FileType {
    /// Returns whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.0 == Type::Directory
    }

    /// Returns whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.0 == Type::File
    }

    /// Returns whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.0 == Type::Symlink
    }

    /// Returns whether it is a Unix socket; `is_socket` of `std::os::unix::fs::FileTypeExt`.
    pub fn is_socket(&self) -> bool {
        self.0 == Type::Socket
    }

    /// Returns whether it is a FIFO; `is_fifo` of `std::os::unix::fs::FileTypeExt`.
    pub fn is_fifo(&self) -> bool {
        self.0 == Type::Fifo
    }
}

impl Disk {
    /// Returns the metadata of a path; symbolic links are followed.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`.
    pub async fn metadata(&self, path: impl AsRef<Path>) -> io::Result<Metadata> {
        self.stat(path_str(path.as_ref())?, Follow::Always).await
    }

    /// Returns the metadata of a path; a symbolic link as the last component is not followed.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`.
    pub async fn symlink_metadata(&self, path: impl AsRef<Path>) -> io::Result<Metadata> {
        self.stat(path_str(path.as_ref())?, Follow::TrailingSlash).await
    }

    /// Returns whether a path exists.
    ///
    /// # Errors
    ///
    /// Any but `NotFound`.
    pub async fn try_exists(&self, path: impl AsRef<Path>) -> io::Result<bool> {
        match self.metadata(path).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn stat(&self, path: &str, follow: Follow) -> io::Result<Metadata> {
        let stat = |state: &mut State| Ok(state.tree.stat(state.tree.find(path, follow)?));
        Ok(self.operate(Kind::Stat, path, stat).await?.into())
    }
}
