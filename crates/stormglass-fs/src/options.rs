//! How to open a file.

use crate::file::File;
use crate::mount;
use std::io;
use std::path::Path;

/// How to open a file; named after `tokio::fs::OpenOptions`. On a disk that is not mounted: [`crate::Disk::open_with`].
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
    pub(crate) truncate: bool,
    pub(crate) create: bool,
    pub(crate) create_new: bool,
}

impl OpenOptions {
    /// Nothing allowed yet.
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    /// Allow reading.
    pub fn read(&mut self, read: bool) -> &mut OpenOptions {
        self.read = read;
        self
    }

    /// Allow writing.
    pub fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.write = write;
        self
    }

    /// Write at the end, wherever that is. Implies writing.
    pub fn append(&mut self, append: bool) -> &mut OpenOptions {
        self.append = append;
        self
    }

    /// Cut an existing file to nothing.
    pub fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.truncate = truncate;
        self
    }

    /// Create the file if it is missing.
    pub fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.create = create;
        self
    }

    /// Create the file and fail if it is there.
    pub fn create_new(&mut self, create_new: bool) -> &mut OpenOptions {
        self.create_new = create_new;
        self
    }

    /// Opens the file, on the disk that is mounted on the node at work.
    ///
    /// # Errors
    ///
    /// As [`crate::Disk::open_with`]; `Unsupported` when no disk is mounted.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        mount::current()?.open_with(self, path).await
    }

    pub(crate) fn writes(&self) -> bool {
        self.write || self.append
    }

    pub(crate) fn makes(&self) -> bool {
        self.create || self.create_new
    }

    /// Whether they contradict each other: the rules of `std::fs::OpenOptions` on Unix.
    pub(crate) fn are_contradictory(&self) -> bool {
        let aimless = !self.read && !self.writes();
        let powerless = (self.makes() || self.truncate) && !self.writes();
        let both = self.append && self.truncate && !self.create_new;
        aimless || powerless || both
    }
}
