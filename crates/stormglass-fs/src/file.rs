//! An open file.

use crate::blocking::Ledger;
use crate::disk::{Disk, Operation};
use crate::fault::Silent;
use crate::tree::{Contents, Found, Inode, Metadata, Tree};
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
        let epoch = disk.epoch();
        let operation = |kind| Operation { kind, subject, bytes: 0 };
        let found = if makes && !exists {
            disk.operate_on(epoch, None, operation(Kind::Create), |tree, _| match tree.create(path) {
                // Somebody else was faster while we waited for the disk.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !self.create_new => {
                    self.found(tree, path)
                }
                other => other.map(Found::File),
            })
            .await?
        } else {
            disk.operate_on(epoch, None, operation(Kind::Open), |tree, _| self.found(tree, path)).await?
        };
        Ok(File { disk: disk.clone(), node: found.into(), epoch, ledger: None, subject, options: *self })
    }

    /// What an existing name is opened as.
    fn found(&self, tree: &Tree, path: &Path) -> io::Result<Found> {
        if self.create_new {
            tree.find(path)?;
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let found = tree.find(path)?;
        match &found {
            Found::Directory(_) if self.write || self.append => {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Found::File(contents) if self.truncate => contents.data().set_len(0),
            _ => {}
        }
        Ok(found)
    }
}

/// An open file, or a directory opened to be synced. Clones share the contents.
#[derive(Clone, Debug)]
pub struct File {
    disk: Disk,
    node: Node,
    /// Of the disk's power, when the file was opened.
    epoch: u64,
    /// Where the time of operations goes; without one it is slept.
    ledger: Option<Ledger>,
    subject: Symbol,
    options: OpenOptions,
}

#[derive(Clone, Debug)]
enum Node {
    Directory(Inode),
    File(Contents),
}

impl From<Found> for Node {
    fn from(found: Found) -> Node {
        match found {
            Found::Directory(inode) => Node::Directory(inode),
            Found::File(contents) => Node::File(contents),
        }
    }
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
        let available = contents.data().bytes().len().saturating_sub(offset as usize).min(len);
        let range = offset as usize..offset as usize + available;
        let read = |_: &mut _, silent: Silent| {
            let mut bytes = contents.data().bytes().get(range).unwrap_or_default().to_vec();
            silent.spoil(&mut bytes);
            Ok(bytes)
        };
        self.operate(Kind::Read, available as u64, read).await
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
        self.operate(Kind::Write, bytes.len() as u64, |_, silent| {
            let mut data = contents.data();
            let offset = if append { data.bytes().len() } else { offset as usize };
            match silent {
                Silent::Nothing => data.write(offset, bytes),
                Silent::Phantom => data.write_phantom(offset, bytes),
                Silent::BitFlip(_) => {
                    let mut bytes = bytes.to_vec();
                    silent.spoil(&mut bytes);
                    data.write(offset, &bytes);
                }
            }
            Ok(())
        })
        .await
    }

    /// Makes data and metadata durable (fsync). On a directory: its names.
    ///
    /// # Errors
    ///
    /// EIO when the disk's power is gone.
    pub async fn sync_all(&self) -> io::Result<()> {
        self.sync(Kind::Fsync).await
    }

    /// Makes data durable, and of the metadata what is needed to read it back (fdatasync).
    ///
    /// # Errors
    ///
    /// EIO when the disk's power is gone.
    pub async fn sync_data(&self) -> io::Result<()> {
        self.sync(Kind::Fdatasync).await
    }

    /// Sets the length; new bytes are zeros.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if not opened for writing.
    pub async fn set_len(&self, len: u64) -> io::Result<()> {
        let contents = self.writable()?;
        self.operate(Kind::Truncate, len, |_, _| {
            contents.data().set_len(len as usize);
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
        self.operate(Kind::Allocate, len, |_, _| Ok(())).await
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
        match &self.node {
            Node::File(contents) => Ok(contents),
            Node::Directory(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    async fn sync(&self, kind: Kind) -> io::Result<()> {
        let effect = |tree: &mut Tree, _| {
            match &self.node {
                Node::Directory(inode) => tree.sync_directory(*inode),
                Node::File(contents) => self.disk.sync_file(tree, contents),
            }
            Ok(())
        };
        let result = self.operate(kind, 0, effect).await;
        if let (Err(_), Node::File(contents)) = (&result, &self.node)
            && self.disk.is_up(self.epoch)
        {
            contents.data().drop_pending();
        }
        result
    }

    async fn operate<T>(
        &self,
        kind: Kind,
        bytes: u64,
        effect: impl FnOnce(&mut Tree, Silent) -> io::Result<T>,
    ) -> io::Result<T> {
        let operation = Operation { kind, subject: self.subject, bytes };
        self.disk.operate_on(self.epoch, self.ledger.as_ref(), operation, effect).await
    }

    pub(crate) fn charged_to(mut self, ledger: &Ledger) -> File {
        self.ledger = Some(ledger.clone());
        self
    }

    fn writable(&self) -> io::Result<&Contents> {
        if !(self.options.write || self.options.append) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.regular()
    }
}
