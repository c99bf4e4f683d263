//! What is known of a file.

use crate::tree::{Stat, Type};
use std::io;
use stormglass_core::SimTime;
use stormglass_rt as rt;

/// What is known of a file, directory or link; named after `std::fs::Metadata`.
#[derive(Clone, Copy, Debug)]
pub struct Metadata(Stat);

/// What a name leads to; named after `std::fs::FileType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileType(pub(crate) Type);

impl From<Stat> for Metadata {
    fn from(stat: Stat) -> Metadata {
        Metadata(stat)
    }
}

impl Metadata {
    /// What it is.
    pub fn file_type(&self) -> FileType {
        FileType(self.0.kind)
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.file_type().is_dir()
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.file_type().is_file()
    }

    /// Whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.file_type().is_symlink()
    }

    /// The size in bytes; 0 for a directory, of a link the length of the path that it points to.
    #[expect(clippy::len_without_is_empty, reason = "named after std::fs::Metadata, which has none either")]
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// How many names it has; `nlink` of `std::os::unix::fs::MetadataExt`, but 1 for a directory.
    pub fn nlink(&self) -> u64 {
        u64::from(self.0.links)
    }

    /// When its contents, or the names in it, were changed, by the run's clock of the day.
    ///
    /// # Errors
    ///
    /// Never; real filesystems may not know.
    #[expect(
        clippy::disallowed_types,
        reason = "the run's own clock of the day, which madsim draws from the seed"
    )]
    pub fn modified(&self) -> io::Result<std::time::SystemTime> {
        Ok(rt::time_of_day(self.0.modified))
    }

    /// As [`Metadata::modified`], on the run's clock.
    pub fn modified_at(&self) -> SimTime {
        self.0.modified
    }
}

impl FileType {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.0 == Type::Directory
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.0 == Type::File
    }

    /// Whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.0 == Type::Symlink
    }
}
