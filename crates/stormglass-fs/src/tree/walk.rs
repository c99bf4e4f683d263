//! A walk over the whole tree.

use super::contents::Contents;
use super::nodes::{Body, Directory, Inode, Nodes, sorted};
use stormglass_rt::SpecialKind;

/// What a walk finds under a name.
pub(crate) enum Found<'a> {
    Directory,
    File(&'a Contents),
    Symlink(&'a str),
    Special(SpecialKind),
}

impl Nodes {
    /// Calls `visit` for everything below a directory, in order of names: the path, what it is, and whether its directory
    /// entry is durable.
    pub(super) fn walk(&self, directory: Inode, prefix: &str, visit: &mut impl FnMut(&str, Found<'_>, bool)) {
        let Some(Directory { entries, durable_entries, .. }) = self.directory(directory) else { return };
        for (name, inode) in sorted(entries) {
            let path = format!("{prefix}/{name}");
            let durable = durable_entries.get(name) == Some(&inode);
            match &self.node(inode).body {
                Body::Directory(_) => {
                    visit(&path, Found::Directory, durable);
                    self.walk(inode, &path, visit);
                }
                Body::File(contents) => visit(&path, Found::File(contents), durable),
                Body::Symlink(target) => visit(&path, Found::Symlink(target), durable),
                Body::Special(file) => visit(&path, Found::Special(file.kind()), durable),
            }
        }
    }
}
