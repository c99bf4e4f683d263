//! The file tree of one disk, in two states: as it is now and as a power loss would leave it. Plain structs without clock,
//! chance or tasks.
//!
//! The volatile state is the page cache, which programs see: a directory's `entries` and a file's `cache`. The durable state
//! is kept beside it: `durable_entries`, with the changes since then in a journal, and a file's `durable` bytes, with the
//! dirty writes since then. The journal is ordered, as those of ext4 and XFS are: a prefix of it survives.
//!
//! In order of dependence: `pages` (a sparse file), `contents` (one file in both states), `survivors` (what a power loss
//! asks), `nodes` (the inode table), `journal`, `path` (path resolution), `walk`, this file (one tree), and on top of it
//! `durability` (sync, commit, power loss) and `names` (create, link, rename, remove).

mod contents;
mod durability;
mod journal;
mod names;
mod nodes;
mod pages;
mod path;
mod survivors;
mod walk;

pub(crate) use contents::{Contents, Write};
pub(crate) use nodes::{Inode, Stat, Type};
pub(crate) use path::{Follow, path_str};
pub(crate) use survivors::Survivors;
pub(crate) use walk::Found;

use journal::{EntryChange, Journal, Transaction};
use nodes::{Body, Node, Nodes, ROOT, set_entry};
use pages::PAGE;
use std::io;
use stormglass_core::SimTime;

/// ext4's largest file with blocks of 4 KiB: 16 TiB less one block.
const LEN_MAX: u64 = (16 << 40) - PAGE;

/// The directory tree of one disk. Every path starts at its root, with or without a leading slash.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The time of the current operation; the caller sets it.
    pub(crate) now: SimTime,
    nodes: Nodes,
    /// The changes of directory entries that are not durable.
    journal: Journal,
    /// Dirty bytes of all files: written and not on the device.
    dirty: u64,
    /// Whether the device loses new names.
    loses_names: bool,
}

impl Tree {
    pub(crate) fn new() -> Tree {
        Tree {
            now: SimTime::ZERO,
            nodes: Nodes::new(),
            journal: Journal::default(),
            dirty: 0,
            loses_names: false,
        }
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
        let Node { links, modified, body, .. } = self.node(inode);
        let (kind, len) = match body {
            Body::Directory(_) => (Type::Directory, 0),
            Body::File(contents) => (Type::File, contents.len()),
            Body::Symlink(target) => (Type::Symlink, target.len() as u64),
            Body::Special(file) => (file.kind().into(), 0),
        };
        Stat { kind, len, links: *links, modified: *modified }
    }

    /// Returns the inode that a path refers to.
    ///
    /// # Errors
    ///
    /// `NotFound`, or as [`Nodes::resolve`].
    pub(crate) fn find(&self, path: &str, follow: Follow) -> io::Result<Inode> {
        self.nodes.resolve(path, follow)?.inode.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(crate) fn open(&mut self, inode: Inode) {
        self.node_mut(inode).opens += 1;
    }

    pub(crate) fn close(&mut self, inode: Inode) {
        self.node_mut(inode).opens -= 1;
        self.remove_if_unused(inode);
    }

    /// Returns the contents of a file.
    ///
    /// # Errors
    ///
    /// `IsADirectory`.
    pub(crate) fn file(&self, inode: Inode) -> io::Result<&Contents> {
        match &self.node(inode).body {
            Body::File(contents) => Ok(contents),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// Changes the contents of a file up to the offset `end`.
    ///
    /// # Errors
    ///
    /// `FileTooLarge` if `end` exceeds the largest file size, `IsADirectory`.
    pub(crate) fn change_file<T>(
        &mut self,
        inode: Inode,
        end: u64,
        change: impl FnOnce(&mut Contents) -> T,
    ) -> io::Result<T> {
        if end > LEN_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let now = self.now;
        self.node_mut(inode).modified = now;
        self.change_contents(inode, change).ok_or_else(|| io::ErrorKind::IsADirectory.into())
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
        let used = self.nodes.iter().filter(|node| node.links > 0 || node.opens > 0);
        let bytes = used.map(|node| match &node.body {
            Body::File(contents) => contents.allocated(),
            _ => 0,
        });
        bytes.sum()
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
            let node = self.node_mut(inode);
            node.links += 1;
            node.durable_links += 1;
        }
        for EntryChange { directory, name, inode } in &changes {
            let now = self.now;
            let node = self.node_mut(*directory);
            node.modified = now;
            let Body::Directory(directory) = &mut node.body else {
                unreachable!("only directories have entries")
            };
            if let Some(before) = set_entry(&mut directory.entries, name, *inode) {
                self.node_mut(before).links -= 1;
                self.remove_if_unused(before);
            }
        }
        self.journal.push(Transaction { changes, at: self.now, lost: self.loses_names });
    }

    /// Changes the contents of an inode that exists and is a file, and keeps count of the dirty bytes.
    fn change_contents<T>(&mut self, inode: Inode, change: impl FnOnce(&mut Contents) -> T) -> Option<T> {
        let Some(Node { body: Body::File(contents), .. }) = self.nodes.get_mut(inode) else { return None };
        let before = contents.dirty();
        let result = change(contents);
        self.dirty = self.dirty - before + contents.dirty();
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
