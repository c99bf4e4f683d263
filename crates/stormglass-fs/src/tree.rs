//! Names and contents: what a disk holds, without clock, chance or tasks.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The bytes of one file. An open file keeps them alive after its name is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents(Arc<Mutex<Vec<u8>>>);

impl Contents {
    pub(crate) fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn metadata(&self) -> Metadata {
        Metadata { directory: false, len: self.bytes().len() as u64 }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Directory(BTreeMap<String, Node>),
    File(Contents),
}

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    directory: bool,
    len: u64,
}

impl Metadata {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.directory
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        !self.directory
    }

    /// The size in bytes; 0 for a directory.
    #[expect(clippy::len_without_is_empty, reason = "named after std::fs::Metadata, which has none either")]
    pub fn len(&self) -> u64 {
        self.len
    }
}

/// The directory tree of one disk. Paths start at its root, with or without a leading slash; `..` stops there.
#[derive(Debug)]
pub(crate) struct Tree(BTreeMap<String, Node>);

impl Tree {
    pub(crate) fn new() -> Tree {
        Tree(BTreeMap::new())
    }

    /// Looks a file or directory up.
    pub(crate) fn node(&self, path: &Path) -> io::Result<Option<&Node>> {
        let names = names(path)?;
        let Some((last, parents)) = names.split_last() else { return Ok(None) };
        let mut directory = &self.0;
        for name in parents {
            directory = enter(directory.get(name))?;
        }
        directory.get(last).map(Some).ok_or_else(not_found)
    }

    pub(crate) fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        Ok(match self.node(path)? {
            None | Some(Node::Directory(_)) => Metadata { directory: true, len: 0 },
            Some(Node::File(contents)) => contents.metadata(),
        })
    }

    /// The contents of an existing file, `None` for a directory.
    pub(crate) fn open(&self, path: &Path) -> io::Result<Option<Contents>> {
        Ok(match self.node(path)? {
            None | Some(Node::Directory(_)) => None,
            Some(Node::File(contents)) => Some(contents.clone()),
        })
    }

    /// Makes an empty file under a free name.
    pub(crate) fn create(&mut self, path: &Path) -> io::Result<Contents> {
        let (directory, name) = self.parent(path)?;
        if directory.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let contents = Contents::default();
        directory.insert(name, Node::File(contents.clone()));
        Ok(contents)
    }

    pub(crate) fn mkdir(&mut self, path: &Path) -> io::Result<()> {
        if names(path)?.is_empty() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (directory, name) = self.parent(path)?;
        if directory.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        directory.insert(name, Node::Directory(BTreeMap::new()));
        Ok(())
    }

    pub(crate) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        let (directory, name) = self.parent(path)?;
        match directory.get(&name) {
            None => Err(not_found()),
            Some(Node::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            Some(Node::File(_)) => {
                directory.remove(&name);
                Ok(())
            }
        }
    }

    pub(crate) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        let (directory, name) = self.parent(path)?;
        match directory.get(&name) {
            None => Err(not_found()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            Some(Node::Directory(inner)) if !inner.is_empty() => Err(io::ErrorKind::DirectoryNotEmpty.into()),
            Some(Node::Directory(_)) => {
                directory.remove(&name);
                Ok(())
            }
        }
    }

    /// Moves a name and replaces what it meets, as `rename(2)` does.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from_names, to_names) = (names(from)?, names(to)?);
        let moved_directory = matches!(self.node(from)?, None | Some(Node::Directory(_)));
        if from_names == to_names {
            return Ok(());
        }
        if to_names.starts_with(&from_names) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        match (self.node(to), moved_directory) {
            (Ok(None | Some(Node::Directory(_))), false) => return Err(io::ErrorKind::IsADirectory.into()),
            (Ok(Some(Node::File(_))), true) => return Err(io::ErrorKind::NotADirectory.into()),
            (Ok(None), true) => return Err(io::ErrorKind::DirectoryNotEmpty.into()),
            (Ok(Some(Node::Directory(inner))), true) if !inner.is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            _ => {}
        }
        self.parent(to)?;
        let (directory, name) = self.parent(from)?;
        let node = directory.remove(&name).expect("looked up above");
        let (directory, name) = self.parent(to)?;
        directory.insert(name, node);
        Ok(())
    }

    /// The names in a directory, sorted.
    pub(crate) fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        match self.node(path)? {
            None => Ok(self.0.keys().cloned().collect()),
            Some(Node::Directory(directory)) => Ok(directory.keys().cloned().collect()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// The directory that holds the last name of the path, and that name.
    fn parent(&mut self, path: &Path) -> io::Result<(&mut BTreeMap<String, Node>, String)> {
        let mut names = names(path)?;
        let last = names.pop().ok_or(io::ErrorKind::IsADirectory)?;
        let mut directory = &mut self.0;
        for name in names {
            directory = match directory.get_mut(&name) {
                None => return Err(not_found()),
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                Some(Node::Directory(inner)) => inner,
            };
        }
        Ok((directory, last))
    }
}

fn enter(node: Option<&Node>) -> io::Result<&BTreeMap<String, Node>> {
    match node {
        None => Err(not_found()),
        Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
        Some(Node::Directory(inner)) => Ok(inner),
    }
}

fn names(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => {
                names.push(name.to_str().ok_or(io::ErrorKind::InvalidInput)?.to_string());
            }
            Component::ParentDir => drop(names.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(names)
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}
