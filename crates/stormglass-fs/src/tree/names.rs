//! Operations on names: create, link, rename, remove and list directory entries.

use super::attributes::{MODE_BITS, READ, SEARCH, SET_GROUP_ID, WRITE};
use super::journal::EntryChange;
use super::nodes::{Body, Directory, Inode, ROOT, Type, sorted};
use super::path::{Dentry, Follow};
use super::{Contents, Tree};
use crate::error::Errno;
use std::io;
use std::sync::Arc;
use stormglass_rt::{SpecialFile, SpecialKind};

/// The permission bits of a symbolic link, which are never checked (`symlink(7)`).
const SYMLINK_MODE: u32 = 0o777;

/// The permission bits that a new directory can have (`vfs_mkdir`): without those that set IDs.
const NEW_DIRECTORY_BITS: u32 = 0o1777;

impl Tree {
    /// Creates an empty file at `path`, or returns the inode that exists there. With `new` an
    /// existing name is an error. With `follow` a symbolic link is followed. A new file has the
    /// permission bits `mode`.
    pub(crate) fn create(&mut self, path: &str, new: bool, follow: bool, mode: u32) -> io::Result<Inode> {
        // Linux refuses a trailing slash before it looks the name up.
        let bare = Some(path.trim_end_matches('/')).filter(|bare| !bare.is_empty()).unwrap_or(path);
        let trailing_slash = bare.len() < path.len();
        let follow = if new || !follow || trailing_slash { Follow::Never } else { Follow::Always };
        let resolved = self.nodes.resolve_any(bare, follow)?;
        match resolved.inode {
            _ if (trailing_slash || resolved.trailing_slash) && resolved.name.is_some() => {
                Err(Errno::EISDIR.into())
            }
            Some(_) if new => Err(Errno::EEXIST.into()),
            Some(inode) => Ok(inode),
            None => {
                let dentry = resolved.dentry()?;
                self.add(dentry, mode, Body::File(Contents::default()))
            }
        }
    }

    /// Creates an empty file without a name (`O_TMPFILE`) for the directory `path`.
    pub(crate) fn create_unnamed(&mut self, path: &str, mode: u32) -> io::Result<Inode> {
        let directory = self.find(path, Follow::Always)?;
        if self.nodes.type_of(directory) != Type::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        self.nodes.check(directory, WRITE | SEARCH)?;
        Ok(self.nodes.add(self.now, mode, Body::File(Contents::default())))
    }

    /// Creates a directory with the permission bits `mode`; it inherits the set-group-ID bit of its
    /// parent.
    pub(crate) fn create_dir(&mut self, path: &str, mode: u32) -> io::Result<()> {
        let resolved = self.nodes.resolve_any(path, Follow::Never)?.free_dentry()?;
        let inherited = self.node(resolved.directory).attributes.mode & SET_GROUP_ID;
        let body = Body::Directory(Directory::in_parent(resolved.directory));
        self.add(resolved, mode & NEW_DIRECTORY_BITS | inherited, body).map(drop)
    }

    pub(crate) fn symlink(&mut self, target: &str, path: &str) -> io::Result<()> {
        if target.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        let resolved = self.nodes.resolve_any(path, Follow::Never)?.free_dentry_for_file()?;
        self.add(resolved, SYMLINK_MODE, Body::Symlink(target.to_string())).map(drop)
    }

    /// Creates a Unix socket or a FIFO (`mknod(2)`), and returns its inode's file.
    pub(crate) fn create_special(
        &mut self,
        path: &str,
        kind: SpecialKind,
        mode: u32,
    ) -> io::Result<SpecialFile> {
        let resolved = self.nodes.resolve_any(path, Follow::Never)?.free_dentry_for_file()?;
        let file = SpecialFile::new(kind);
        self.add(resolved, mode, Body::Special(file.clone()))?;
        Ok(file)
    }

    /// Returns the special file that this inode is, or `None` if it is of another type.
    pub(crate) fn special(&self, inode: Inode) -> Option<&SpecialFile> {
        match &self.node(inode).body {
            Body::Special(file) => Some(file),
            _ => None,
        }
    }

    pub(crate) fn read_link(&mut self, path: &str) -> io::Result<String> {
        let inode = self.find(path, Follow::TrailingSlash)?;
        let Body::Symlink(target) = &self.node(inode).body else { return Err(Errno::EINVAL.into()) };
        let target = target.clone();
        self.accessed(inode);
        Ok(target)
    }

    /// Creates a hard link to a file or to a symbolic link.
    pub(crate) fn hard_link(&mut self, original: &str, link: &str) -> io::Result<()> {
        let inode = self.find(original, Follow::TrailingSlash)?;
        let resolved = self.nodes.resolve_any(link, Follow::Never)?.free_dentry_for_file()?;
        self.nodes.check(resolved.directory, WRITE)?;
        let (kind, attributes) = (self.nodes.type_of(inode), self.node(inode).attributes);
        // `fs.protected_hardlinks`, which systemd sets.
        let safe = kind == Type::File && !attributes.set_ids() && self.check(inode, READ | WRITE).is_ok();
        if kind == Type::Directory || !(safe || attributes.are_owned_by(self.nodes.user)) {
            return Err(Errno::EPERM.into());
        }
        self.change_entries(vec![resolved.change_to(Some(inode))]);
        Ok(())
    }

    pub(crate) fn remove_file(&mut self, path: &str) -> io::Result<()> {
        let resolved = self.nodes.resolve_any(path, Follow::Never)?;
        let inode = resolved.inode.ok_or(Errno::ENOENT)?;
        self.check_removable(resolved.directory, inode)?;
        if self.nodes.type_of(inode) == Type::Directory {
            return Err(Errno::EISDIR.into());
        }
        if resolved.trailing_slash {
            return Err(Errno::ENOTDIR.into());
        }
        let resolved = resolved.dentry()?;
        self.change_entries(vec![resolved.change_to(None)]);
        Ok(())
    }

    pub(crate) fn remove_dir(&mut self, path: &str) -> io::Result<()> {
        let resolved = self.nodes.resolve_any(path, Follow::Never)?;
        let inode = resolved.inode.ok_or(Errno::ENOENT)?;
        self.check_removable(resolved.directory, inode)?;
        if self.nodes.type_of(inode) != Type::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        let resolved = match path.trim_end_matches('/').rsplit('/').next() {
            Some(".") => return Err(Errno::EINVAL.into()),
            Some("..") => return Err(Errno::ENOTEMPTY.into()),
            _ => resolved.dentry()?,
        };
        if self.nodes.has_entries(inode) {
            return Err(Errno::ENOTEMPTY.into());
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
        let moved = from_inode.ok_or(Errno::ENOENT)?;
        let directory = self.nodes.type_of(moved) == Type::Directory;
        if !directory && (from_slash || to_slash) {
            return Err(Errno::ENOTDIR.into());
        }
        if self.is_within(to.directory, moved) {
            return Err(Errno::EINVAL.into());
        }
        if let Some(replaced) = replaced {
            if self.is_within(from.directory, replaced) && replaced != moved {
                return Err(Errno::ENOTEMPTY.into());
            }
            // Two hard links to one file: rename(2) does nothing.
            if replaced == moved {
                return Ok(());
            }
        }
        self.check_removable(from.directory, moved)?;
        if let Some(replaced) = replaced {
            self.check_removable(to.directory, replaced)?;
            match (directory, self.nodes.type_of(replaced) == Type::Directory) {
                (false, true) => return Err(Errno::EISDIR.into()),
                (true, false) => return Err(Errno::ENOTDIR.into()),
                (true, true) if self.nodes.has_entries(replaced) => {
                    return Err(Errno::ENOTEMPTY.into());
                }
                _ => {}
            }
        }
        self.nodes.check(to.directory, WRITE)?;
        if directory && from.directory != to.directory {
            // Its entry `..` changes.
            self.nodes.check(moved, WRITE)?;
        }
        if let Body::Directory(directory) = &mut self.node_mut(moved).body {
            directory.parent = to.directory;
        }
        self.change_entries(vec![from.change_to(None), to.change_to(Some(moved))]);
        Ok(())
    }

    /// Checks that the current user may remove the entry of `inode` from its directory.
    ///
    /// # Errors
    ///
    /// EACCES without the write permission, EPERM in a sticky directory of another user.
    fn check_removable(&self, directory: Inode, inode: Inode) -> io::Result<()> {
        self.nodes.check(directory, WRITE)?;
        let (user, attributes) = (self.nodes.user, &self.node(directory).attributes);
        let removable = !attributes.are_sticky()
            || attributes.are_owned_by(user)
            || self.node(inode).attributes.are_owned_by(user);
        if removable { Ok(()) } else { Err(Errno::EPERM.into()) }
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
    pub(crate) fn read_dir(&mut self, path: &str) -> io::Result<Vec<(Arc<str>, Inode, Type)>> {
        let inode = self.find(path, Follow::Always)?;
        let directory = self.nodes.directory(inode).ok_or(Errno::ENOTDIR)?;
        self.nodes.check(inode, READ)?;
        let names = sorted(&directory.entries).into_iter();
        let entries = names.map(|(name, inode)| (name.clone(), inode, self.nodes.type_of(inode))).collect();
        self.accessed(inode);
        Ok(entries)
    }

    /// Returns the absolute path without symbolic links, `.` and `..`.
    pub(crate) fn canonical(&self, path: &str) -> io::Result<String> {
        let mut names = Vec::new();
        let resolved = self.nodes.resolve(path, Follow::Always)?;
        let mut inode = resolved.inode.ok_or(Errno::ENOENT)?;
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

    fn add(&mut self, dentry: Dentry, mode: u32, body: Body) -> io::Result<Inode> {
        self.nodes.check(dentry.directory, WRITE)?;
        let inode = self.nodes.add(self.now, mode & MODE_BITS, body);
        self.change_entries(vec![dentry.change_to(Some(inode))]);
        Ok(inode)
    }
}

impl Dentry {
    /// Returns the change that makes this directory entry point to `inode`, or removes it.
    fn change_to(self, inode: Option<Inode>) -> EntryChange {
        EntryChange { directory: self.directory, name: self.name, inode }
    }
}
