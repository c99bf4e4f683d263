//! What becomes durable, and what a power loss leaves: sync, journal commit, power loss, eviction.

use super::attributes::Attributes;
use super::journal::{EntryChange, Transaction};
use super::nodes::{Body, Inode, Node, ROOT, Type, set_entry};
use super::{Survivors, Tree};
use stormglass_core::SimTime;

impl Tree {
    /// Returns the sync point of an inode: a sync that starts now makes durable the changes before it, and no later ones.
    pub(crate) fn sync_point(&self, inode: Inode) -> u64 {
        match &self.node(inode).body {
            Body::File(contents) => contents.changes(),
            _ => self.journal.next(),
        }
    }

    /// Makes the changes before the sync point `up_to`, which the sync took at `began`, durable:
    /// the permission bits, and a file's contents, or a directory's entries and with them every
    /// older transaction of the journal. With `with_name` a file's own directory entry too, as ext4
    /// does.
    pub(crate) fn sync(&mut self, inode: Inode, up_to: u64, began: SimTime, with_name: bool) {
        let Attributes { mode, durable_mode, .. } = self.node(inode).attributes;
        if mode != durable_mode
            && let Some(mode) = self.journal.take_mode(inode, began)
        {
            self.node_mut(inode).attributes.durable_mode = mode;
        }
        if self.type_of(inode) == Type::File {
            self.sync_contents(inode, up_to);
            if with_name {
                self.commit_through(|change| change.inode == Some(inode), u64::MAX);
            }
        } else {
            self.commit_through(|change| change.directory == inode, up_to);
        }
    }

    /// Makes a file's changes before number `up_to` durable, if the file still exists.
    pub(crate) fn sync_contents(&mut self, inode: Inode, up_to: u64) {
        self.change_contents(inode, |contents| contents.sync(up_to));
    }

    /// Returns whether a file's changes before number `up_to` are durable, or the file no longer exists.
    pub(crate) fn is_synced(&self, inode: Inode, up_to: u64) -> bool {
        match self.nodes.get(inode) {
            Some(Node { body: Body::File(contents), .. }) => contents.is_synced(up_to),
            _ => true,
        }
    }

    /// Handles a failed sync as Linux does: the pages that it should have written count as clean and are not on the device.
    pub(crate) fn drop_pending(&mut self, inode: Inode, up_to: u64) {
        self.change_contents(inode, |contents| contents.drop_pending(up_to));
    }

    fn commit_through(&mut self, touches: impl Fn(&EntryChange) -> bool, up_to: u64) {
        self.commit(self.journal.count_through(touches, up_to));
    }

    /// Commits the journal's transactions from `at` or earlier.
    pub(crate) fn commit_until(&mut self, at: SimTime) {
        self.commit(self.journal.count_until(at));
    }

    /// Makes the oldest `count` transactions durable.
    fn commit(&mut self, count: usize) {
        for Transaction { changes, mode, lost, .. } in self.journal.take(count) {
            if let Some((inode, mode)) = mode
                && let Some(node) = self.nodes.get_mut(inode)
            {
                node.attributes.durable_mode = mode;
            }
            for EntryChange { directory, name, inode } in changes {
                // `durable_links` counted the new name when the transaction entered the journal.
                let released = match self.nodes.get_mut(directory) {
                    Some(Node { body: Body::Directory(directory), .. }) if !(lost && inode.is_some()) => {
                        set_entry(&mut directory.durable_entries, &name, inode)
                    }
                    _ => inode,
                };
                if let Some(inode) = released {
                    self.node_mut(inode).durable_links -= 1;
                    self.remove_if_unused(inode);
                }
            }
        }
    }

    /// Drops the page cache: what was durable remains, and of the rest what `survivors` selects.
    pub(crate) fn power_loss(&mut self, survivors: &mut impl Survivors) {
        self.commit(survivors.names(self.journal.len()));
        self.journal.discard();
        for node in self.nodes.iter_mut() {
            match &mut node.body {
                Body::File(contents) => contents.power_loss(|pending| survivors.writes(pending)),
                Body::Directory(directory) => directory.entries = directory.durable_entries.clone(),
                Body::Symlink(_) => {}
                Body::Special(file) => file.detach(),
            }
            (node.links, node.opens, node.durable_links) = (0, 0, 0);
            node.attributes.mode = node.attributes.durable_mode;
        }
        self.dirty = 0;
        self.recount_links();
    }

    /// Counts the links of every inode again and removes inodes that no name reaches.
    fn recount_links(&mut self) {
        let root = self.node_mut(ROOT);
        (root.links, root.durable_links) = (1, 1);
        let mut directories = vec![ROOT];
        while let Some(parent) = directories.pop() {
            let entries = self.nodes.directory(parent).map(|directory| directory.entries.clone());
            let before = directories.len();
            for inode in entries.into_iter().flatten().map(|(_, inode)| inode) {
                let node = self.node_mut(inode);
                node.links += 1;
                node.durable_links += 1;
                if let Body::Directory(directory) = &mut node.body {
                    directory.parent = parent;
                    directories.push(inode);
                }
            }
            if let Body::Directory(directory) = &mut self.node_mut(parent).body {
                directory.subdirectories = (directories.len() - before) as u32;
            }
        }
        self.nodes.retain(|node| node.links > 0);
        self.count_allocated();
    }

    /// Evicts every clean page from the page cache.
    pub(crate) fn evict(&mut self) {
        for node in self.nodes.iter_mut() {
            if let Body::File(contents) = &mut node.body {
                contents.evict();
            }
        }
        self.count_allocated();
    }
}
