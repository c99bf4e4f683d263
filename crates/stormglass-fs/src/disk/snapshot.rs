//! What is on a disk at one moment.

use crate::tree::{Seen, Tree};
use std::fmt;

/// What is on a disk at one moment; `Display` lists it as a tree with sizes and what a power loss could take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Every file, directory and link, in order of names.
    pub entries: Vec<Entry>,
}

/// One name of a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path from the root.
    pub path: String,
    /// What it leads to.
    pub what: What,
    /// Whether a power loss would keep it.
    pub name_is_durable: bool,
}

/// What a name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A directory.
    Directory,
    /// A file.
    File {
        /// Its size in bytes.
        size: u64,
        /// Bytes written since they were last synced.
        dirty: u64,
        /// Whether there is nothing that a power loss could take: neither bytes nor a new size.
        clean: bool,
    },
    /// A symbolic link to this path.
    Symlink(String),
}

impl Snapshot {
    pub(crate) fn of(tree: &Tree) -> Snapshot {
        let mut entries = Vec::new();
        tree.walk(&mut |path, seen, name_is_durable| {
            let what = match seen {
                Seen::Directory => What::Directory,
                Seen::Symlink(target) => What::Symlink(target.to_string()),
                Seen::File(contents) => {
                    What::File { size: contents.len(), dirty: contents.dirty(), clean: contents.is_clean() }
                }
            };
            entries.push(Entry { path: path.to_string(), what, name_is_durable });
        });
        Snapshot { entries }
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Entry { path, what, name_is_durable } in &self.entries {
            let depth = path.matches('/').count() - 1;
            let name = path.rsplit('/').next().unwrap_or_default();
            write!(f, "{:depth$}{name}", "", depth = 2 * depth)?;
            match what {
                What::Directory => f.write_str("/")?,
                What::Symlink(target) => write!(f, " -> {target}")?,
                What::File { size, clean: true, .. } => write!(f, " {size}")?,
                What::File { size, dirty: 0, .. } => write!(f, " {size}, size not synced")?,
                What::File { size, dirty, .. } => write!(f, " {size}, {dirty} not synced")?,
            }
            writeln!(f, "{}", if *name_is_durable { "" } else { ", name not synced" })?;
        }
        Ok(())
    }
}
