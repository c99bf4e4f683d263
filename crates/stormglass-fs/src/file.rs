//! An open file.

use crate::disk::Disk;
use crate::tree::{Contents, Metadata};
use std::io;
use std::path::Path;
use stormglass_core::{Kind, Symbol};

/// How to open a file; named after `tokio::fs::OpenOptions`.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
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

    /// Opens the file.
    ///
    /// # Errors
    ///
    /// `NotFound`, `AlreadyExists`, `NotADirectory`; `IsADirectory` for a directory opened for writing; `InvalidInput`
    /// for options that contradict each other, as `open(2)` has it.
    pub async fn open(&self, disk: &Disk, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        let writes = self.write || self.append;
        let makes = self.create || self.create_new;
        let aimless = !self.read && !writes;
        let powerless = makes && !writes;
        let contradictory = self.truncate && (!self.write || self.append);
        if aimless || powerless || contradictory {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let subject = disk.subject(path);
        let exists = disk.try_exists(path)?;
        let contents = if makes && !exists {
            disk.operate(Kind::Create, subject, 0, |tree| match tree.create(path) {
                // Somebody else was faster while we waited for the disk.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !self.create_new => {
                    tree.open(path)
                }
                other => other.map(Some),
            })
            .await?
        } else {
            disk.operate(Kind::Open, subject, 0, |tree| {
                if self.create_new { Err(io::ErrorKind::AlreadyExists.into()) } else { tree.open(path) }
            })
            .await?
        };
        if writes && contents.is_none() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if self.truncate
            && let Some(contents) = &contents
        {
            contents.bytes().clear();
        }
        Ok(File { disk: disk.clone(), contents, subject, options: *self })
    }
}

/// An open file, or a directory opened to be synced. Clones share the contents.
#[derive(Clone, Debug)]
pub struct File {
    disk: Disk,
    /// `None` for a directory.
    contents: Option<Contents>,
    subject: Symbol,
    options: OpenOptions,
}

impl File {
    /// Up to `len` bytes from `offset` on; fewer at the end of the file.
    ///
    /// # Errors
    ///
    /// `IsADirectory`; `PermissionDenied` if not opened for reading.
    pub async fn read_at(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        let contents = self.regular()?;
        if !self.options.read {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let available = contents.bytes().len().saturating_sub(offset as usize).min(len);
        let range = offset as usize..offset as usize + available;
        let read = |_: &mut _| Ok(contents.bytes().get(range).unwrap_or_default().to_vec());
        self.disk.operate(Kind::Read, self.subject, available as u64, read).await
    }

    /// Writes all of `bytes` at `offset`, or at the end if the file was opened to append. A gap is filled with zeros.
    /// The bytes are in the page cache, not durable.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if not opened for writing.
    pub async fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let contents = self.writable()?;
        let append = self.options.append;
        self.disk
            .operate(Kind::Write, self.subject, bytes.len() as u64, |_| {
                let mut held = contents.bytes();
                let start = if append { held.len() } else { offset as usize };
                let end = start + bytes.len();
                if held.len() < end {
                    held.resize(end, 0);
                }
                held[start..end].copy_from_slice(bytes);
                Ok(())
            })
            .await
    }

    /// Makes data and metadata durable (fsync). On a directory: its names.
    ///
    /// # Errors
    ///
    /// None yet: this disk does not fail.
    pub async fn sync_all(&self) -> io::Result<()> {
        self.disk.operate(Kind::Fsync, self.subject, 0, |_| Ok(())).await
    }

    /// Makes data durable, and of the metadata what is needed to read it back (fdatasync).
    ///
    /// # Errors
    ///
    /// None yet: this disk does not fail.
    pub async fn sync_data(&self) -> io::Result<()> {
        self.disk.operate(Kind::Fdatasync, self.subject, 0, |_| Ok(())).await
    }

    /// Sets the length; new bytes are zeros.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if not opened for writing.
    pub async fn set_len(&self, len: u64) -> io::Result<()> {
        let contents = self.writable()?;
        self.disk
            .operate(Kind::Truncate, self.subject, len, |_| {
                contents.bytes().resize(len as usize, 0);
                Ok(())
            })
            .await
    }

    /// Reserves space without changing the length (`fallocate` with `FALLOC_FL_KEEP_SIZE`).
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if not opened for writing.
    pub async fn allocate(&self, len: u64) -> io::Result<()> {
        self.writable()?;
        self.disk.operate(Kind::Allocate, self.subject, len, |_| Ok(())).await
    }

    /// What is known of the file. Costs nothing.
    ///
    /// # Errors
    ///
    /// `IsADirectory` for a directory; ask the disk instead.
    pub fn metadata(&self) -> io::Result<Metadata> {
        Ok(self.regular()?.metadata())
    }

    fn regular(&self) -> io::Result<&Contents> {
        self.contents.as_ref().ok_or_else(|| io::ErrorKind::IsADirectory.into())
    }

    fn writable(&self) -> io::Result<&Contents> {
        if !(self.options.write || self.options.append) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.regular()
    }
}
