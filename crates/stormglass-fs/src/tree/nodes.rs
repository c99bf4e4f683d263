//! What names point to, by number.

use super::contents::Contents;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use std::sync::Arc;
use stormglass_core::SimTime;

/// The number of a file, directory or symbolic link. It has no name of its own: names point to it. Numbers are not used again,
/// so that nobody mistakes a new file for an old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Inode(usize);

/// A file, directory or symbolic link.
#[derive(Debug)]
pub(super) struct Node {
    /// Names that programs see.
    pub(super) links: u32,
    /// Open files.
    pub(super) opens: u32,
    /// Names that are durable or may become it.
    pub(super) kept: u32,
    pub(super) modified: SimTime,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    Directory(Directory),
    File(Contents),
    Symlink(String),
}

/// Names in a directory, in an order that follows from what was done to them: whoever shows them sorts them.
pub(super) type Names = IndexMap<Arc<str>, Inode, FxBuildHasher>;

#[derive(Debug)]
pub(super) struct Directory {
    /// The directory that this one is in; the root is in itself.
    pub(super) above: Inode,
    /// What programs see.
    pub(super) names: Names,
    /// What a power loss leaves.
    pub(super) durable: Names,
}

/// All nodes of a disk; the first is the root.
#[derive(Debug)]
pub(super) struct Nodes(Vec<Option<Box<Node>>>);

impl Nodes {
    pub(super) const ROOT: Inode = Inode(0);

    /// The root alone.
    pub(super) fn new() -> Nodes {
        let root = Body::Directory(Directory::below(Nodes::ROOT));
        Nodes(vec![Some(Box::new(Node { links: 1, opens: 0, kept: 1, modified: SimTime::ZERO, body: root }))])
    }

    pub(super) fn add(&mut self, modified: SimTime, body: Body) -> Inode {
        self.0.push(Some(Box::new(Node { links: 0, opens: 0, kept: 0, modified, body })));
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
    /// An empty directory in that one.
    pub(super) fn below(above: Inode) -> Directory {
        Directory { above, names: Names::default(), durable: Names::default() }
    }
}

/// The names in their order.
pub(super) fn sorted(names: &Names) -> Vec<(&Arc<str>, Inode)> {
    let mut names: Vec<_> = names.iter().map(|(name, &inode)| (name, inode)).collect();
    names.sort_unstable();
    names
}

/// Lets a name point to an inode, or to none; gives what it pointed to.
pub(super) fn point(names: &mut Names, name: &Arc<str>, inode: Option<Inode>) -> Option<Inode> {
    match inode {
        Some(inode) => names.insert(name.clone(), inode),
        None => names.swap_remove(name),
    }
}
