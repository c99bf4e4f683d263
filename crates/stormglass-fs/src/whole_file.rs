//! Opening files by path, and operations on whole files.

use crate::disk::Disk;
use crate::error;
use crate::file::{File, OpenOptions};
use crate::tree::path_str;
use std::io;
use std::path::Path;

impl Disk {
    /// Opens an existing file for reading, or a directory for syncing.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.open_with(OpenOptions::new().read(true), path).await
    }

    /// Opens a file for writing: creates it, or truncates an existing one.
    ///
    /// # Errors
    ///
    /// `NotFound` if the directory is missing, `IsADirectory`, `NotADirectory`.
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.open_with(OpenOptions::new().write(true).create(true).truncate(true), path).await
    }

    /// Opens a file with these options.
    ///
    /// # Errors
    ///
    /// `NotFound`, `AlreadyExists`, `NotADirectory`; `IsADirectory` for a directory opened for
    /// writing; std's own for options that contradict each other, and EINVAL for flags that Linux
    /// refuses; EACCES if the user lacks the permission; EROFS.
    pub async fn open_with(&self, options: &OpenOptions, path: impl AsRef<Path>) -> io::Result<File> {
        File::open_on(self, options, path_str(path.as_ref())?).await
    }

    /// Reads a whole file.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`, `IsADirectory`.
    pub async fn read(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        self.open(path).await?.read_whole().await
    }

    /// Reads a whole file as text.
    ///
    /// # Errors
    ///
    /// As [`Disk::read`]; `InvalidData` if the contents are not UTF-8.
    pub async fn read_to_string(&self, path: impl AsRef<Path>) -> io::Result<String> {
        String::from_utf8(self.read(path).await?).map_err(|_| error::not_utf8())
    }

    /// Replaces a file's contents. Nothing is synced.
    ///
    /// # Errors
    ///
    /// As [`Disk::create`].
    pub async fn write(&self, path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
        self.create(path).await?.write_whole(contents.as_ref(), 0).await
    }

    /// Copies a file's contents and permission bits to another file, which is created or replaced,
    /// and returns their size.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the source is no regular file; otherwise as [`Disk::read`] and [`Disk::write`].
    pub async fn copy(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
        let from = self.open(from).await?;
        let mode = from.mode_of_regular_file().ok_or_else(error::not_a_file_to_copy)?;
        let to = File::create_copy(self, path_str(to.as_ref())?, mode).await?;
        let bytes = from.read_whole().await?;
        to.write_whole(&bytes, 0).await?;
        Ok(bytes.len() as u64)
    }
}
