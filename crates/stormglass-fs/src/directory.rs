//! Directories: what is in them, and what is done to a whole one.

use crate::disk::Disk;
use crate::metadata::{FileType, Metadata};
use crate::tree::{Type, text};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec::IntoIter;

/// The names in a directory as they were when it was read, sorted; named after `tokio::fs::ReadDir`.
#[derive(Debug)]
pub struct ReadDir {
    disk: Disk,
    path: PathBuf,
    entries: IntoIter<(Arc<str>, Type)>,
}

impl ReadDir {
    pub(crate) fn new(disk: &Disk, path: &Path, entries: Vec<(Arc<str>, Type)>) -> ReadDir {
        ReadDir { disk: disk.clone(), path: path.to_path_buf(), entries: entries.into_iter() }
    }

    /// The next one.
    ///
    /// # Errors
    ///
    /// Never; real ones fail while they read.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        Ok(self.next())
    }

    /// The names that are left, as text.
    pub fn names(self) -> Vec<String> {
        self.entries.map(|(name, _)| name.to_string()).collect()
    }
}

impl Iterator for ReadDir {
    type Item = DirEntry;

    fn next(&mut self) -> Option<DirEntry> {
        let (name, kind) = self.entries.next()?;
        Some(DirEntry { disk: self.disk.clone(), path: self.path.join(&*name), name, kind })
    }
}

/// A name in a directory; named after `tokio::fs::DirEntry`.
#[derive(Debug)]
pub struct DirEntry {
    disk: Disk,
    path: PathBuf,
    name: Arc<str>,
    kind: Type,
}

impl DirEntry {
    /// The directory's path and the name.
    pub fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// The name.
    pub fn file_name(&self) -> OsString {
        OsString::from(&*self.name)
    }

    /// What is known of it; a link is not followed.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is gone by now.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.disk.symlink_metadata(&self.path).await
    }

    /// What it was when the directory was read.
    ///
    /// # Errors
    ///
    /// Never; real filesystems may have to look.
    pub async fn file_type(&self) -> io::Result<FileType> {
        Ok(FileType(self.kind))
    }
}

/// Makes a directory and those above it, as std does: from the last name upwards until one can be made, then down again.
pub(crate) async fn create_all(disk: &Disk, path: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut next = Some(path).filter(|path| !path.as_os_str().is_empty());
    while let Some(path) = next {
        match disk.create_dir(path).await {
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
        match disk.create_dir(path).await {
            Err(_) if disk.metadata(path).await.is_ok_and(|metadata| metadata.is_dir()) => {}
            other => other?,
        }
    }
    Ok(())
}

/// Removes a directory with all that is in it, from the leaves up; a link is removed itself. As with std, what is gone when
/// its turn comes is no error.
pub(crate) async fn remove_all(disk: &Disk, path: &Path) -> io::Result<()> {
    if disk.symlink_metadata(path).await?.is_symlink() {
        return disk.remove_file(path).await;
    }
    // Directories whose entries are still to be removed, the innermost last. They are found without links: one of those may
    // be removed on the way.
    let mut entries = disk.read_dir(path).await?;
    entries.path = disk.lock().tree.canonical(text(path)?)?.into();
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
