//! Operations on names: create, link, rename, remove and list directory entries.

use super::journal::EntryChange;
use super::nodes::{Body, Directory, Inode, ROOT, Type, sorted};
use super::path::{Dentry, Follow};
use super::{Contents, Tree};
use crate::error;
use std::io;
use std::sync::Arc;
use stormglass_rt::{SpecialFile, SpecialKind};

impl Tree {
    /// Creates an empty file at `path`, following symbolic links, or returns the inode that exists there.
    /// With `new` an existing name is an error.
    pub(crate) fn create(&mut self, path: &str, new: bool) -> io::Result<Inode> {
        // Linux refuses a trailing slash before it looks the name up.
        let bare = Some(path.trim_end_matches('/')).filter(|bare| !bare.is_empty()).unwrap_or(path);
        let trailing_slash = bare.len() < path.len();
        let follow = if new || trailing_slash { Follow::Never } else { Follow::Always };
        let resolved = self.nodes.resolve_any(bare, follow)?;
        match resolved.inode {
            _ if (trailing_slash || resolved.trailing_slash) && resolved.name.is_some() => {
                Err(io::ErrorKind::IsADirectory.into())
            }
            Some(_) if new => Err(io::ErrorKind::AlreadyExists.into()),
            Some(inode) => Ok(inode),
            None => {
                let resolved = resolved.dentry()?;
                Ok(self.add(resolved, Body::File(Contents::default())))
            }
        }
    }

    pub(crate) fn create_dir(&mut self, path: &str) -> io::Result<()> {
        let resolved = self.nodes.resolve_any(path, Follow::Never)?.free_dentry()?;
        let body = Body::Directory(Directory::in_parent(resolved.directory));
        self.add(resolved, body);
        Ok(())
    }

    pub(crate) fn symlink(&mut self, target: &str, path: &str) -> io::Result<()> {
        if target.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let resolved = self.nodes.resolve_any(path, Follow::Never)?.free_dentry_for_file()?;
        self.add(resolved, Body::Symlink(target.to_string()));
        Ok(())
    }

    /// Creates a Unix socket or a FIFO (`mknod(2)`), and returns its inode's file.
    pub(crate) fn create_special(&mut self, path: &str, kind: SpecialKind) -> io::Result<SpecialFile> {
        let resolved = self.nodes.resolve_any(path, Follow::Never)?.free_dentry_for_file()?;
        let file = SpecialFile::new(kind);
        self.add(resolved, Body::Special(file.clone()));
        Ok(file)
    }

    /// Returns the special file that this inode is, or `None` if it is of another type.
    pub(crate) fn special(&self, inode: Inode) -> Option<&SpecialFile> {
        match &self.node(inode).body {
            Body::Special(file) => Some(file),
            _ => None,
        }
    }

    pub(crate) fn read_link(&self, path: &str) -> io::Result<String> {
        match &self.node(self.find(path, Follow::TrailingSlash)?).body {
            Body::Symlink(target) => Ok(target.clone()),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Creates a hard link to a file or to a symbolic link.
    pub(crate) fn hard_link(&mut self, original: &str, link: &str) -> io::Result<()> {
        let inode = self.find(original, Follow::TrailingSlash)?;
        let resolved = self.nodes.resolve_any(link, Follow::Never)?.free_dentry_for_file()?;
        if self.nodes.type_of(inode) == Type::Directory {
            return Err(error::not_permitted());
        }
        self.change_entries(vec![resolved.change_to(Some(inode))]);
        Ok(())
    }

    pub(crate) fn remove_file(&mut self, path: &str) -> io::Result<()> {
        let resolved = self.nodes.resolve_any(path, Follow::Never)?;
        let inode = resolved.inode.ok_or(io::ErrorKind::NotFound)?;
        if self.nodes.type_of(inode) == Type::Directory {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if resolved.trailing_slash {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let resolved = resolved.dentry()?;
        self.change_entries(vec![resolved.change_to(None)]);
        Ok(())
    }

    pub(crate) fn remove_dir(&mut self, path: &str) -> io::Result<()> {
        let resolved = self.nodes.resolve_any(path, Follow::Never)?;
        let inode = resolved.inode.ok_or(io::ErrorKind::NotFound)?;
        if self.nodes.type_of(inode) != Type::Directory {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let resolved = match path.trim_end_matches('/').rsplit('/').next() {
            Some(".") => return Err(io::ErrorKind::InvalidInput.into()),
            Some("..") => return Err(io::ErrorKind::DirectoryNotEmpty.into()),
            _ => resolved.dentry()?,
        };
        if self.nodes.has_entries(inode) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.change_entries(vec![resolved.change_to(None)]);
        Ok(())
    }

    /// Renames a file or directory and replaces the target atomically, as `rename(2)` does.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        // Linux resolves both parent directories before either last component.
        let (from, to) =
            (self.nodes.resolve_any(from, Follow::Never)?, self.nodes.resolve_any(to, Follow::Never)?);
        let (from_slash, to_slash, replaced) = (from.trailing_slash, to.trailing_slash, to.inode);
        let from_inode = from.inode;
        let (from, to) = (from.dentry()?, to.dentry()?);
        let moved = from_inode.ok_or(io::ErrorKind::NotFound)?;
        let directory = self.nodes.type_of(moved) == Type::Directory;
        if !directory && (from_slash || to_slash) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if self.is_within(to.directory, moved) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if let Some(replaced) = replaced {
            if self.is_within(from.directory, replaced) && replaced != moved {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            // Two hard links to one file: rename(2) does nothing.
            if replaced == moved {
                return Ok(());
            }
            match (directory, self.nodes.type_of(replaced) == Type::Directory) {
                (false, true) => return Err(io::ErrorKind::IsADirectory.into()),
                (true, false) => return Err(io::ErrorKind::NotADirectory.into()),
                (true, true) if self.nodes.has_entries(replaced) => {
                    return Err(io::ErrorKind::DirectoryNotEmpty.into());
                }
                _ => {}
            }
        }
        if let Body::Directory(directory) = &mut self.node_mut(moved).body {
            directory.parent = to.directory;
        }
        self.change_entries(vec![from.change_to(None), to.change_to(Some(moved))]);
        Ok(())
    }

    /// Returns whether `directory` is `parent` or a descendant of it.
    fn is_within(&self, mut directory: Inode, parent: Inode) -> bool {
        loop {
            if directory == parent {
                return true;
            }
            match self.nodes.directory(directory) {
                Some(Directory { parent: next, .. }) if *next != directory => directory = *next,
                _ => return false,
            }
        }
    }

    /// Returns the entries of a directory and their types, sorted by name.
    pub(crate) fn read_dir(&self, path: &str) -> io::Result<Vec<(Arc<str>, Type)>> {
        let directory = self.find(path, Follow::Always)?;
        let directory = self.nodes.directory(directory).ok_or(io::ErrorKind::NotADirectory)?;
        let names = sorted(&directory.entries).into_iter();
        Ok(names.map(|(name, inode)| (name.clone(), self.nodes.type_of(inode))).collect())
    }

    /// Returns the absolute path without symbolic links, `.` and `..`.
    pub(crate) fn canonical(&self, path: &str) -> io::Result<String> {
        let mut names = Vec::new();
        let resolved = self.nodes.resolve(path, Follow::Always)?;
        let mut inode = resolved.inode.ok_or(io::ErrorKind::NotFound)?;
        if self.nodes.type_of(inode) != Type::Directory {
            names.push(resolved.name.unwrap_or_default().to_string());
            inode = resolved.directory;
        }
        while let Some(Directory { parent, .. }) = self.nodes.directory(inode)
            && inode != ROOT
        {
            let mut entries =
                self.nodes.directory(*parent).into_iter().flat_map(|directory| &directory.entries);
            let name = entries.find(|(_, entry)| **entry == inode).map(|(name, _)| name.to_string());
            names.push(name.unwrap_or_default());
            inode = *parent;
        }
        names.push(String::new());
        names.reverse();
        Ok(if names.len() == 1 { "/".to_string() } else { names.join("/") })
    }

    fn add(&mut self, resolved: Dentry, body: Body) -> Inode {
        let inode = self.nodes.add(self.now, body);
        self.change_entries(vec![resolved.change_to(Some(inode))]);
        inode
    }
}

impl Dentry {
    /// Returns the change that makes this directory entry point to `inode`, or removes it.
    fn change_to(self, inode: Option<Inode>) -> EntryChange {
        EntryChange { directory: self.directory, name: self.name, inode }
    }
}
