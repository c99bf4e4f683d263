//! The file tree of one disk, in two states: as it is now and as a power loss would leave it. Plain structs without clock,
//! chance or tasks.
//!
//! The volatile state is the page cache, which programs see: a directory's `entries` and a file's `cache`. The durable state
//! is kept beside it: `durable_entries`, with the changes since then in a journal, and a file's `durable` bytes, with the
//! dirty writes since then. The journal is ordered, as those of ext4 and XFS are: a prefix of it survives.
//!
//! In order of dependence: `attributes` (permission bits and times), `pages` (a sparse file),
//! `contents` (one file in both states), `survivors` (what a power loss asks), `nodes` (the inode
//! table), `journal`, `path` (path resolution), `walk`, this file (one tree), and on top of it
//! `durability` (sync, commit, power loss) and `names` (create, link, rename, remove).

mod attributes;
mod contents;
mod durability;
mod journal;
mod names;
mod nodes;
mod pages;
mod path;
mod survivors;
mod walk;

pub(crate) use attributes::{MODE_BITS, READ, Timestamp, User, WRITE};
pub(crate) use contents::{Contents, Write};
pub(crate) use nodes::{Inode, Stat, Type};
pub(crate) use pages::SECTOR;
pub(crate) use path::{Follow, path_str};
pub(crate) use survivors::Survivors;
pub(crate) use walk::Found;

use crate::error::Errno;
use attributes::{Attributes, SET_GROUP_ID};
use journal::{EntryChange, Journal, Transaction};
use nodes::{Body, Node, Nodes, ROOT, set_entry};
use pages::PAGE;
use std::io;
use stormglass_core::SimTime;

/// ext4's largest file with blocks of 4 KiB: 16 TiB less one block.
pub(crate) const LEN_MAX: u64 = (16 << 40) - PAGE;

/// The length from which the target of a symbolic link takes a block: it does not fit into ext4's
/// inode (`i_block`).
const FAST_SYMLINK: usize = 60;

/// The directory tree of one disk. Every path starts at its root, with or without a leading slash.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The time of the current operation; the caller sets it.
    pub(crate) now: SimTime,
    /// Whether the filesystem is mounted read-only: reads do not change access times either.
    pub(crate) read_only: bool,
    nodes: Nodes,
    /// The changes of directory entries that are not durable.
    journal: Journal,
    /// Dirty bytes of all files: written and not on the device.
    dirty: u64,
    /// Bytes of all pages of all files that have a name or are open: a running total, so that a
    /// write does not sum them.
    allocated: u64,
    /// Whether the device loses new names.
    loses_names: bool,
}

impl Tree {
    pub(crate) fn new() -> Tree {
        Tree {
            now: SimTime::ZERO,
            read_only: false,
            nodes: Nodes::new(),
            journal: Journal::default(),
            dirty: 0,
            allocated: 0,
            loses_names: false,
        }
    }

    /// Sets the user of the current operation.
    pub(crate) fn set_user(&mut self, user: User) {
        self.nodes.user = user;
    }

    fn node(&self, inode: Inode) -> &Node {
        self.nodes.node(inode)
    }

    fn node_mut(&mut self, inode: Inode) -> &mut Node {
        self.nodes.get_mut(inode).expect("an inode with a name or an open file exists")
    }

    pub(crate) fn type_of(&self, inode: Inode) -> Type {
        self.nodes.type_of(inode)
    }

    pub(crate) fn stat(&self, inode: Inode) -> Stat {
        let Node { links, attributes, body, .. } = self.node(inode);
        // A directory is linked by its name, its own `.`, and the `..` of each subdirectory. It
        // takes a block.
        let (kind, len, links, allocated) = match body {
            Body::Directory(_) if *links == 0 => (Type::Directory, PAGE, 0, PAGE),
            Body::Directory(directory) => (Type::Directory, PAGE, 2 + directory.subdirectories, PAGE),
            Body::File(contents) => (Type::File, contents.len(), *links, contents.allocated()),
            Body::Symlink(target) if target.len() < FAST_SYMLINK => {
                (Type::Symlink, target.len() as u64, *links, 0)
            }
            Body::Symlink(target) => (Type::Symlink, target.len() as u64, *links, PAGE),
            Body::Special(file) => (file.kind().into(), 0, *links, 0),
        };
        Stat { inode, kind, len, links, allocated, attributes: *attributes }
    }

    /// Sets the permission bits of an inode.
    ///
    /// # Errors
    ///
    /// EPERM if the user is neither the owner nor root.
    pub(crate) fn set_mode(&mut self, inode: Inode, mode: u32) -> io::Result<()> {
        let (user, now) = (self.nodes.user, self.now);
        let attributes = self.owned_attributes(inode)?;
        let foreign_group = !user.is_root() && user.gid != attributes.owner.gid;
        attributes.mode = mode & MODE_BITS & if foreign_group { !SET_GROUP_ID } else { MODE_BITS };
        attributes.changed = now.into();
        let mode = Some((inode, attributes.mode));
        self.journal.push(Transaction { changes: Vec::new(), mode, at: now, lost: false });
        Ok(())
    }

    /// Sets the times of an inode that are given.
    ///
    /// # Errors
    ///
    /// EPERM if the user is neither the owner nor root.
    pub(crate) fn set_times(
        &mut self,
        inode: Inode,
        accessed: Option<Timestamp>,
        modified: Option<Timestamp>,
    ) -> io::Result<()> {
        let now = self.now;
        let attributes = self.owned_attributes(inode)?;
        attributes.accessed = accessed.unwrap_or(attributes.accessed);
        attributes.modified = modified.unwrap_or(attributes.modified);
        attributes.changed = now.into();
        Ok(())
    }

    fn owned_attributes(&mut self, inode: Inode) -> io::Result<&mut Attributes> {
        self.check_owned(inode)?;
        Ok(&mut self.node_mut(inode).attributes)
    }

    /// Checks that the current user may do what only the owner may.
    ///
    /// # Errors
    ///
    /// EPERM.
    pub(crate) fn check_owned(&self, inode: Inode) -> io::Result<()> {
        let owned = self.node(inode).attributes.are_owned_by(self.nodes.user);
        if owned { Ok(()) } else { Err(Errno::EPERM.into()) }
    }

    /// Checks that the permission bits allow the current user this access: [`READ`], [`WRITE`] or
    /// both.
    ///
    /// # Errors
    ///
    /// EACCES.
    pub(crate) fn check(&self, inode: Inode, access: u32) -> io::Result<()> {
        self.nodes.check(inode, access)
    }

    /// Updates the access time after a read.
    pub(crate) fn accessed(&mut self, inode: Inode) {
        let now = self.now;
        if !self.read_only {
            self.node_mut(inode).attributes.access(now);
        }
    }

    /// Returns the inode that a path refers to.
    ///
    /// # Errors
    ///
    /// ENOENT, or as [`Nodes::resolve`].
    pub(crate) fn find(&self, path: &str, follow: Follow) -> io::Result<Inode> {
        self.nodes.resolve(path, follow)?.inode.ok_or_else(|| Errno::ENOENT.into())
    }

    pub(crate) fn open(&mut self, inode: Inode) {
        self.update(inode, |node| node.opens += 1);
    }

    pub(crate) fn close(&mut self, inode: Inode) {
        self.update(inode, |node| node.opens -= 1);
        self.remove_if_unused(inode);
    }

    /// Returns the contents of a file.
    ///
    /// # Errors
    ///
    /// EISDIR.
    pub(crate) fn file(&self, inode: Inode) -> io::Result<&Contents> {
        match &self.node(inode).body {
            Body::File(contents) => Ok(contents),
            _ => Err(Errno::EISDIR.into()),
        }
    }

    /// Changes the contents of a file up to the offset `end`.
    ///
    /// # Errors
    ///
    /// EFBIG if `end` exceeds the largest file size, EISDIR.
    pub(crate) fn change_file<T>(
        &mut self,
        inode: Inode,
        end: u64,
        change: impl FnOnce(&mut Contents) -> T,
    ) -> io::Result<T> {
        if end > LEN_MAX {
            return Err(Errno::EFBIG.into());
        }
        self.touch(inode);
        self.change_contents(inode, change).ok_or_else(|| Errno::EISDIR.into())
    }

    /// Updates the times of changed contents.
    pub(crate) fn touch(&mut self, inode: Inode) {
        let (user, now) = (self.nodes.user, self.now);
        self.node_mut(inode).attributes.modify(user, now);
    }

    /// Marks pages of a file as cached, after a read.
    pub(crate) fn mark_cached(&mut self, inode: Inode, offset: u64, len: u64) {
        if let Body::File(contents) = &mut self.node_mut(inode).body {
            contents.mark_cached(offset, len);
        }
    }

    /// Returns the dirty bytes of all files: written and not on the device.
    pub(crate) fn dirty(&self) -> u64 {
        self.dirty
    }

    /// Returns the bytes of all pages of all files that have a name or are open.
    pub(crate) fn allocated(&self) -> u64 {
        self.allocated
    }

    /// Counts the allocated bytes of every file again.
    fn count_allocated(&mut self) {
        self.allocated = self.nodes.iter().map(Node::occupied).sum();
    }

    /// Sets whether the device acknowledges new names from now on, even a sync of them, and loses them at a power loss.
    pub(crate) fn lose_names(&mut self, lose: bool) {
        self.loses_names = lose;
    }

    /// Calls `visit` for everything in the tree, in order of names: the path, what it is, and whether its directory entry is
    /// durable.
    pub(crate) fn walk(&self, visit: &mut impl FnMut(&str, Found<'_>, bool)) {
        self.nodes.walk(ROOT, "", visit);
    }

    /// Changes directory entries, in one transaction of the journal.
    fn change_entries(&mut self, changes: Vec<EntryChange>) {
        // Count new links first: a renamed inode must not drop to zero links in between.
        for inode in changes.iter().filter_map(|change| change.inode) {
            let now = self.now;
            self.update(inode, |node| {
                node.links += 1;
                node.durable_links += 1;
                node.attributes.changed = now.into();
            });
        }
        for EntryChange { directory, name, inode } in &changes {
            let now = self.now;
            let is_directory = |tree: &Tree, inode| tree.type_of(inode) == Type::Directory;
            let added = inode.is_some_and(|inode| is_directory(self, inode));
            self.touch(*directory);
            let parent = *directory;
            let Body::Directory(directory) = &mut self.node_mut(parent).body else {
                unreachable!("only directories have entries")
            };
            directory.subdirectories += u32::from(added);
            if let Some(before) = set_entry(&mut directory.entries, name, *inode) {
                if is_directory(self, before)
                    && let Body::Directory(directory) = &mut self.node_mut(parent).body
                {
                    directory.subdirectories -= 1;
                }
                self.update(before, |node| {
                    node.links -= 1;
                    node.attributes.changed = now.into();
                });
                self.remove_if_unused(before);
            }
        }
        self.journal.push(Transaction { changes, mode: None, at: self.now, lost: self.loses_names });
    }

    /// Changes an inode, and keeps count of the allocated bytes.
    fn update(&mut self, inode: Inode, change: impl FnOnce(&mut Node)) {
        let node = self.node_mut(inode);
        let before = node.occupied();
        change(node);
        let after = node.occupied();
        self.allocated = self.allocated + after - before;
    }

    /// Changes the contents of an inode that exists and is a file, and keeps count of the dirty bytes.
    fn change_contents<T>(&mut self, inode: Inode, change: impl FnOnce(&mut Contents) -> T) -> Option<T> {
        let node = self.nodes.get_mut(inode)?;
        let occupied = node.occupied();
        let Body::File(contents) = &mut node.body else { return None };
        let dirty = contents.dirty();
        let result = change(contents);
        self.dirty = self.dirty - dirty + contents.dirty();
        self.allocated = self.allocated - occupied + node.occupied();
        Some(result)
    }

    /// Frees an inode without links, durable links and open files.
    fn remove_if_unused(&mut self, inode: Inode) {
        let node = self.node(inode);
        if node.links == 0 && node.opens == 0 && node.durable_links == 0 && inode != ROOT {
            if let Body::File(contents) = &node.body {
                self.dirty -= contents.dirty();
            }
            self.nodes.remove(inode);
        }
    }
}

#[cfg(test)]
mod tests;
