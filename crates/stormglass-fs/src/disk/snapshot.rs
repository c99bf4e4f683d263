//! A snapshot of the files on a disk.

use crate::tree::{Found, Tree};
use std::fmt;
use stormglass_rt::SpecialKind;

/// The files on a disk at one moment. `Display` prints a tree with sizes and with what a power loss could lose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Every file, directory and symbolic link, sorted by path component.
    pub entries: Vec<Entry>,
}

/// A directory entry of a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path from the root.
    pub path: String,
    /// What the entry refers to.
    pub kind: EntryKind,
    /// Whether the directory entry survives every power loss.
    pub name_is_durable: bool,
}

/// What a directory entry refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A file.
    File {
        /// The size in bytes.
        size: u64,
        /// Dirty bytes: written and not synced.
        dirty: u64,
        /// Whether a power loss could lose neither bytes nor a new size.
        clean: bool,
    },
    /// A symbolic link to this path.
    Symlink(String),
    /// A Unix socket.
    Socket,
    /// A FIFO.
    Fifo,
}

impl Snapshot {
    pub(crate) fn of(tree: &Tree) -> Snapshot {
        let mut entries = Vec::new();
        tree.walk(&mut |path, found, name_is_durable| {
            let kind = match found {
                Found::Directory => EntryKind::Directory,
                Found::Symlink(target) => EntryKind::Symlink(target.to_string()),
                Found::Special(SpecialKind::Socket) => EntryKind::Socket,
                Found::Special(SpecialKind::Fifo) => EntryKind::Fifo,
                Found::File(contents) => EntryKind::File {
                    size: contents.len(),
                    dirty: contents.dirty(),
                    clean: contents.is_clean(),
                },
            };
            entries.push(Entry { path: path.to_string(), kind, name_is_durable });
        });
        Snapshot { entries }
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Entry { path, kind, name_is_durable } in &self.entries {
            let depth = path.matches('/').count() - 1;
            let name = path.rsplit('/').next().unwrap_or_default();
            write!(f, "{:depth$}{name}", "", depth = 2 * depth)?;
            match kind {
                EntryKind::Directory => f.write_str("/")?,
                EntryKind::Symlink(target) => write!(f, " -> {target}")?,
                // As `ls -F` marks them.
                EntryKind::Socket => f.write_str("=")?,
                EntryKind::Fifo => f.write_str("|")?,
                EntryKind::File { size, clean: true, .. } => write!(f, " {size}")?,
                EntryKind::File { size, dirty: 0, .. } => write!(f, " {size}, size not synced")?,
                EntryKind::File { size, dirty, .. } => write!(f, " {size}, {dirty} not synced")?,
            }
            writeln!(f, "{}", if *name_is_durable { "" } else { ", name not synced" })?;
        }
        Ok(())
    }
}
