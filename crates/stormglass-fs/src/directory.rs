//! Directories: list, create and remove.

use crate::disk::Disk;
use crate::metadata::{FileType, Metadata};
use crate::mount;
use crate::operation::Operation;
use crate::options::masked;
use crate::tree::{Inode, Type, path_str};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec::IntoIter;
use stormglass_core::Kind;
use stormglass_rt as rt;

/// The permission bits of a new directory, without those of the umask.
const DIRECTORY_MODE: u32 = 0o777;

/// The entries of a directory at the time it was read, sorted by name; named after `tokio::fs::ReadDir`.
#[derive(Debug)]
pub struct ReadDir {
    disk: Disk,
    path: PathBuf,
    entries: IntoIter<(Arc<str>, Inode, Type)>,
    _descriptor: rt::Descriptor,
}

impl ReadDir {
    fn new(
        disk: &Disk,
        path: &Path,
        entries: Vec<(Arc<str>, Inode, Type)>,
        descriptor: rt::Descriptor,
    ) -> ReadDir {
        let (disk, path, entries) = (disk.clone(), path.to_path_buf(), entries.into_iter());
        ReadDir { disk, path, entries, _descriptor: descriptor }
    }

    /// Returns the next entry.
    ///
    /// # Errors
    ///
    /// Never; on a real disk reading can fail.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        Ok(self.next())
    }

    /// As [`ReadDir::next_entry`]. It is always ready: the entries were read when the directory was
    /// opened.
    pub fn poll_next_entry(&mut self, _: &mut Context<'_>) -> Poll<io::Result<Option<DirEntry>>> {
        Poll::Ready(Ok(self.next()))
    }

    /// Returns the names of the remaining entries.
    pub fn names(self) -> Vec<String> {
        self.entries.map(|(name, ..)| name.to_string()).collect()
    }
}

impl Iterator for ReadDir {
    type Item = DirEntry;

    fn next(&mut self) -> Option<DirEntry> {
        let (name, inode, kind) = self.entries.next()?;
        Some(DirEntry { disk: self.disk.clone(), path: self.path.join(&*name), name, inode, kind })
    }
}

/// A directory entry; named after `tokio::fs::DirEntry`.
#[derive(Debug)]
pub struct DirEntry {
    disk: Disk,
    path: PathBuf,
    name: Arc<str>,
    inode: Inode,
    kind: Type,
}

impl DirEntry {
    /// Returns the path: the directory's path and the name.
    pub fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Returns the name.
    pub fn file_name(&self) -> OsString {
        OsString::from(&*self.name)
    }

    /// Returns the inode number.
    pub fn ino(&self) -> u64 {
        self.inode.number()
    }

    /// Returns the metadata of the entry; a symbolic link is not followed.
    ///
    /// # Errors
    ///
    /// `NotFound` if the entry was removed since.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.disk.symlink_metadata(&self.path).await
    }

    /// Returns the type that the entry had when the directory was read.
    ///
    /// # Errors
    ///
    /// Never; a real filesystem may need a `stat(2)`.
    pub async fn file_type(&self) -> io::Result<FileType> {
        Ok(FileType(self.kind))
    }
}

/// How to create directories; named after `tokio::fs::DirBuilder`. On a disk that is not mounted:
/// [`Disk::create_dir_with`].
#[derive(Clone, Copy, Debug, Default)]
pub struct DirBuilder {
    recursive: bool,
    mode: Option<u32>,
}

impl DirBuilder {
    /// Creates a builder for one directory with the permission bits 0o777, less the umask.
    pub fn new() -> DirBuilder {
        DirBuilder::default()
    }

    /// Creates missing parents too, and accepts a directory that exists. Default: false.
    pub fn recursive(&mut self, recursive: bool) -> &mut DirBuilder {
        self.recursive = recursive;
        self
    }

    /// Sets the permission bits of new directories. The umask, 0o022, is taken from them. Default:
    /// 0o777.
    pub fn mode(&mut self, mode: u32) -> &mut DirBuilder {
        self.mode = Some(mode);
        self
    }

    /// Creates the directory, on the disk that is mounted on the current node.
    ///
    /// # Errors
    ///
    /// As [`Disk::create_dir`] and [`Disk::create_dir_all`]; `Unsupported` when no disk is mounted.
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        mount::current()?.create_dir_with(self, path).await
    }
}

impl Disk {
    /// Creates a directory.
    ///
    /// # Errors
    ///
    /// `NotFound` if its parent is missing, `AlreadyExists`, `NotADirectory`.
    pub async fn create_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        make_dir(self, path.as_ref(), DIRECTORY_MODE).await
    }

    /// Creates a directory as the builder says.
    ///
    /// # Errors
    ///
    /// As [`Disk::create_dir`] and [`Disk::create_dir_all`].
    pub async fn create_dir_with(&self, builder: &DirBuilder, path: impl AsRef<Path>) -> io::Result<()> {
        let mode = builder.mode.unwrap_or(DIRECTORY_MODE);
        match builder.recursive {
            true => create_all(self, path.as_ref(), mode).await,
            false => make_dir(self, path.as_ref(), mode).await,
        }
    }

    /// Creates a directory and its missing parents. An existing directory is no error and costs an operation.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if a file has the name, `NotADirectory`.
    pub async fn create_dir_all(&self, path: impl AsRef<Path>) -> io::Result<()> {
        create_all(self, path.as_ref(), DIRECTORY_MODE).await
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`, `DirectoryNotEmpty`.
    pub async fn remove_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path_str(path.as_ref())?;
        self.operate(Kind::Unlink, path, |state| state.tree.remove_dir(path)).await
    }

    /// Removes a directory and everything in it; of a symbolic link, the link itself. Each removal is an operation.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory` for a file.
    pub async fn remove_dir_all(&self, path: impl AsRef<Path>) -> io::Result<()> {
        remove_all(self, path.as_ref()).await
    }

    /// Returns the entries of a directory, sorted by name: one operation, or with
    /// [`crate::fault::DiskEffect::ShortDirectory`] several, each of which continues after the last name of the one before. Names that
    /// are created or removed between two of them may be in the list or not, as POSIX has it (readdir(3)).
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`.
    pub async fn read_dir(&self, path: impl AsRef<Path>) -> io::Result<ReadDir> {
        let path = path_str(path.as_ref())?;
        let descriptor = rt::Descriptor::open()?;
        let mut entries: Vec<(Arc<str>, Inode, Type)> = Vec::new();
        loop {
            let subject = self.subject(path);
            let operation = Operation { kind: Kind::Readdir, subject, bytes: 0, target: None, direct: false };
            let in_flight = self.start(None, operation)?;
            let all_read = self.complete(in_flight, |state, in_flight| {
                let mut rest = state.tree.read_dir(path)?;
                if let Some((last, ..)) = entries.last() {
                    rest.retain(|(name, ..)| name > last);
                }
                let count = in_flight.shortened(rest.len());
                let all_read = count == rest.len();
                rest.truncate(count);
                entries.append(&mut rest);
                Ok(all_read)
            });
            if all_read.await? {
                return Ok(ReadDir::new(self, path.as_ref(), entries, descriptor));
            }
        }
    }
}

async fn make_dir(disk: &Disk, path: &Path, mode: u32) -> io::Result<()> {
    let path = path_str(path)?;
    disk.operate(Kind::Mkdir, path, |state| state.tree.create_dir(path, masked(mode))).await
}

/// Creates a directory and its missing parents as std does: from the last component upwards until one can be created, then
/// down again.
async fn create_all(disk: &Disk, path: &Path, mode: u32) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut next = Some(path).filter(|path| !path.as_os_str().is_empty());
    while let Some(path) = next {
        match make_dir(disk, path, mode).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(path),
            Err(_) if disk.metadata(path).await.is_ok_and(|metadata| metadata.is_dir()) => break,
            other => {
                other?;
                break;
            }
        }
        next = path.parent().filter(|path| !path.as_os_str().is_empty());
    }
    for path in missing.into_iter().rev() {
        match make_dir(disk, path, mode).await {
            Err(_) if disk.metadata(path).await.is_ok_and(|metadata| metadata.is_dir()) => {}
            other => other?,
        }
    }
    Ok(())
}

/// Removes a directory and everything in it, leaves first; of a symbolic link, the link itself. As with std, an entry that was
/// removed meanwhile is no error.
async fn remove_all(disk: &Disk, path: &Path) -> io::Result<()> {
    if disk.symlink_metadata(path).await?.is_symlink() {
        return disk.remove_file(path).await;
    }
    // A stack of directories with entries to remove, the innermost last. Their paths have no symbolic links, since one of
    // those may be removed on the way.
    let mut entries = disk.read_dir(path).await?;
    entries.path = disk.lock().tree.canonical(path_str(path)?)?.into();
    let mut open = vec![(path.to_path_buf(), entries)];
    while let Some((directory, entries)) = open.last_mut() {
        match entries.next() {
            Some(entry) if entry.kind == Type::Directory => {
                let entries = disk.read_dir(&entry.path).await?;
                open.push((entry.path, entries));
            }
            Some(entry) => unless_gone(disk.remove_file(&entry.path).await)?,
            None => {
                unless_gone(disk.remove_dir(&*directory).await)?;
                open.pop();
            }
        }
    }
    Ok(())
}

fn unless_gone(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
