//! The inode table: files, directories and symbolic links by inode number.

use super::contents::Contents;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use std::sync::Arc;
use stormglass_core::SimTime;
use stormglass_rt::{SpecialFile, SpecialKind};

/// The inode number of a file, directory or symbolic link. Directory entries point to it. Numbers are never reused, so a
/// stale number cannot refer to a newer file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Inode(usize);

/// The root directory.
pub(super) const ROOT: Inode = Inode(0);

/// The type of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    pub(crate) kind: Type,
    pub(crate) len: u64,
    pub(crate) links: u32,
    pub(crate) modified: SimTime,
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
    pub(super) modified: SimTime,
    pub(super) body: Body,
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
    /// The entries that programs see.
    pub(super) entries: Entries,
    /// The entries that a power loss leaves.
    pub(super) durable_entries: Entries,
}

/// All inodes of a disk; the first is the root.
#[derive(Debug)]
pub(super) struct Nodes(Vec<Option<Box<Node>>>);

impl Nodes {
    /// Creates a table that has only the root directory.
    pub(super) fn new() -> Nodes {
        let root = Body::Directory(Directory::in_parent(ROOT));
        Nodes(vec![Some(Box::new(Node {
            links: 1,
            opens: 0,
            durable_links: 1,
            modified: SimTime::ZERO,
            body: root,
        }))])
    }

    pub(super) fn add(&mut self, modified: SimTime, body: Body) -> Inode {
        self.0.push(Some(Box::new(Node { links: 0, opens: 0, durable_links: 0, modified, body })));
        Inode(self.0.len() - 1)
    }

    pub(super) fn remove(&mut self, inode: Inode) -> Option<Box<Node>> {
        self.0[inode.0].take()
    }

    pub(super) fn get(&self, inode: Inode) -> Option<&Node> {
        self.0.get(inode.0)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, inode: Inode) -> Option<&mut Node> {
        self.0.get_mut(inode.0)?.as_deref_mut()
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
        self.0.iter().flatten().map(|node| &**node)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.0.iter_mut().flatten().map(|node| &mut **node)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Node) -> bool) {
        for node in &mut self.0 {
            node.take_if(|node| !keep(node));
        }
    }
}

impl Directory {
    /// Creates an empty directory below `parent`.
    pub(super) fn in_parent(parent: Inode) -> Directory {
        Directory { parent, entries: Entries::default(), durable_entries: Entries::default() }
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
