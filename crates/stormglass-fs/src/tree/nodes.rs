//! The inode table: files, directories and symbolic links by inode number.

use super::attributes::{Attributes, User};
use super::contents::Contents;
use crate::error::Errno;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use std::io;
use std::sync::Arc;
use stormglass_core::SimTime;
use stormglass_rt::{SpecialFile, SpecialKind};

/// The inode number of a file, directory or symbolic link. Directory entries point to it. Numbers are never reused, so a
/// stale number cannot refer to a newer file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Inode(usize);

impl Inode {
    /// Returns `st_ino`: 2 for the root, and 12 for the first file, as on ext4 (`EXT4_ROOT_INO`,
    /// `EXT4_GOOD_OLD_FIRST_INO` is `lost+found`).
    pub(crate) fn number(self) -> u64 {
        if self == ROOT { 2 } else { self.0 as u64 + 11 }
    }
}

/// The root directory.
pub(super) const ROOT: Inode = Inode(0);

/// The type of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Type {
    Directory,
    File,
    Symlink,
    Socket,
    Fifo,
}

impl From<SpecialKind> for Type {
    fn from(kind: SpecialKind) -> Type {
        match kind {
            SpecialKind::Socket => Type::Socket,
            SpecialKind::Fifo => Type::Fifo,
        }
    }
}

/// What `stat(2)` reports about an inode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    pub(crate) inode: Inode,
    pub(crate) kind: Type,
    pub(crate) len: u64,
    pub(crate) links: u32,
    /// Allocated bytes.
    pub(crate) allocated: u64,
    pub(crate) attributes: Attributes,
}

/// A file, directory or symbolic link.
#[derive(Debug)]
pub(super) struct Node {
    /// Directory entries that programs see (`st_nlink`).
    pub(super) links: u32,
    /// Open file descriptions.
    pub(super) opens: u32,
    /// Directory entries that are durable, or in the journal and about to be.
    pub(super) durable_links: u32,
    pub(super) attributes: Attributes,
    pub(super) body: Body,
}

impl Node {
    fn new(attributes: Attributes, body: Body) -> Node {
        Node { links: 0, opens: 0, durable_links: 0, attributes, body }
    }

    /// Returns the bytes that the contents occupy; nothing once no program can reach them.
    pub(super) fn occupied(&self) -> u64 {
        match &self.body {
            Body::File(contents) if self.links > 0 || self.opens > 0 => contents.allocated(),
            _ => 0,
        }
    }
}

#[derive(Debug)]
pub(super) enum Body {
    Directory(Directory),
    File(Contents),
    Symlink(String),
    Special(SpecialFile),
}

/// The entries of a directory. The order follows from the operations, not from the names: see [`sorted`].
pub(super) type Entries = IndexMap<Arc<str>, Inode, FxBuildHasher>;

#[derive(Debug)]
pub(super) struct Directory {
    /// The parent directory; the root is its own parent.
    pub(super) parent: Inode,
    /// How many of the entries are directories.
    pub(super) subdirectories: u32,
    /// The entries that programs see.
    pub(super) entries: Entries,
    /// The entries that a power loss leaves.
    pub(super) durable_entries: Entries,
}

/// All inodes of a disk; the first is the root.
#[derive(Debug)]
pub(super) struct Nodes {
    table: Vec<Option<Box<Node>>>,
    /// The user of the current operation.
    pub(super) user: User,
    /// How many inodes were looked at, for tests of what an operation costs.
    #[cfg(test)]
    pub(super) visits: std::cell::Cell<u64>,
}

impl Nodes {
    /// Creates a table that has only the root directory.
    pub(super) fn new() -> Nodes {
        let root = Body::Directory(Directory::in_parent(ROOT));
        let attributes = Attributes::new(0o755, User::ROOT, SimTime::ZERO);
        let root = Node { links: 1, durable_links: 1, ..Node::new(attributes, root) };
        Nodes {
            table: vec![Some(Box::new(root))],
            user: User::ROOT,
            #[cfg(test)]
            visits: std::cell::Cell::default(),
        }
    }

    /// Adds an inode without a name, which belongs to the current user.
    pub(super) fn add(&mut self, now: SimTime, mode: u32, body: Body) -> Inode {
        let attributes = Attributes::new(mode, self.user, now);
        self.table.push(Some(Box::new(Node::new(attributes, body))));
        Inode(self.table.len() - 1)
    }

    pub(super) fn remove(&mut self, inode: Inode) -> Option<Box<Node>> {
        self.table[inode.0].take()
    }

    pub(super) fn get(&self, inode: Inode) -> Option<&Node> {
        self.visit(1);
        self.table.get(inode.0)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, inode: Inode) -> Option<&mut Node> {
        self.visit(1);
        self.table.get_mut(inode.0)?.as_deref_mut()
    }

    /// Returns an inode that has a name or an open file.
    pub(super) fn node(&self, inode: Inode) -> &Node {
        self.get(inode).expect("an inode with a name or an open file exists")
    }

    pub(super) fn type_of(&self, inode: Inode) -> Type {
        match &self.node(inode).body {
            Body::Directory(_) => Type::Directory,
            Body::File(_) => Type::File,
            Body::Symlink(_) => Type::Symlink,
            Body::Special(file) => file.kind().into(),
        }
    }

    /// Returns the directory, or `None` if the inode is of another type.
    pub(super) fn directory(&self, inode: Inode) -> Option<&Directory> {
        match &self.node(inode).body {
            Body::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    pub(super) fn has_entries(&self, directory: Inode) -> bool {
        self.directory(directory).is_some_and(|directory| !directory.entries.is_empty())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Node> {
        self.visit(self.table.len());
        self.table.iter().flatten().map(|node| &**node)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.visit(self.table.len());
        self.table.iter_mut().flatten().map(|node| &mut **node)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Node) -> bool) {
        for node in &mut self.table {
            node.take_if(|node| !keep(node));
        }
    }

    /// Checks that the permission bits of an inode allow the current user all of this access.
    ///
    /// # Errors
    ///
    /// EACCES.
    pub(super) fn check(&self, inode: Inode, access: u32) -> io::Result<()> {
        let allowed = self.user.is_root() || self.node(inode).attributes.allow(self.user, access);
        if allowed { Ok(()) } else { Err(Errno::EACCES.into()) }
    }

    #[cfg(test)]
    fn visit(&self, count: usize) {
        self.visits.set(self.visits.get() + count as u64);
    }

    #[cfg(not(test))]
    #[inline]
    fn visit(&self, _: usize) {}
}

impl Directory {
    /// Creates an empty directory below `parent`.
    pub(super) fn in_parent(parent: Inode) -> Directory {
        let (entries, durable_entries) = (Entries::default(), Entries::default());
        Directory { parent, subdirectories: 0, entries, durable_entries }
    }
}

/// Returns the entries sorted by name.
pub(super) fn sorted(entries: &Entries) -> Vec<(&Arc<str>, Inode)> {
    let mut sorted: Vec<_> = entries.iter().map(|(name, &inode)| (name, inode)).collect();
    sorted.sort_unstable();
    sorted
}

/// Points a name to `inode`, or removes it if there is none. Returns the previous inode.
pub(super) fn set_entry(entries: &mut Entries, name: &Arc<str>, inode: Option<Inode>) -> Option<Inode> {
    match inode {
        Some(inode) => entries.insert(name.clone(), inode),
        None => entries.swap_remove(name),
    }
}
