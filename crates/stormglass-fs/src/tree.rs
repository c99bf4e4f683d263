//! Names and contents, as they are now and as they would be after a power loss: a plain struct without clock,
//! chance or tasks.
//!
//! What a program sees is the page cache: `names` and each file's `bytes`. What a power loss leaves is kept beside it:
//! `names_durable` with the changes since in a journal, and each file's `durable` bytes with the writes since. The
//! journal is ordered, as those of ext4 and XFS are: what survives of it is a beginning.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The number of a file or directory. It has no name of its own: names point to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Inode(u64);

const ROOT: Inode = Inode(0);

/// The contents of one file. An open file keeps them alive after its name is gone.
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    inode: Inode,
    data: Arc<Mutex<Data>>,
}

/// The bytes as programs see them, and how to get back to what is durable. A file that only grows is kept once:
/// copies are made of what is overwritten, when it is.
#[derive(Debug)]
pub(crate) struct Data {
    bytes: Vec<u8>,
    durable: Durable,
    pending: Vec<Pending>,
    /// No pending write reaches further.
    pending_end: usize,
    /// Whether a failed sync has dropped writes: what is read is then more than what can become durable.
    dropped: bool,
}

#[derive(Debug)]
enum Durable {
    /// The first so many of `bytes`.
    Prefix(usize),
    /// A copy, since some of them have been overwritten.
    Own(Vec<u8>),
}

/// A change of contents that is not durable yet.
#[derive(Debug)]
enum Pending {
    /// What stands in `bytes` there.
    Range { offset: usize, len: usize },
    /// A copy of what stood there before it was overwritten in its turn.
    Copied(Write),
    /// A new length.
    Length(usize),
}

/// A change of contents.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Write {
    Bytes { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Write {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Write::Length(length) => to.resize(*length, 0),
            Write::Bytes { offset, bytes } => put(to, *offset, bytes),
        }
    }
}

/// Writes into a file, which grows as needed; a gap is filled with zeros.
fn put(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[offset..end].copy_from_slice(bytes);
}

impl Default for Data {
    fn default() -> Data {
        Data {
            bytes: Vec::new(),
            durable: Durable::Prefix(0),
            pending: Vec::new(),
            pending_end: 0,
            dropped: false,
        }
    }
}

impl Contents {
    pub(crate) fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn metadata(&self) -> Metadata {
        Metadata { directory: false, len: self.data().bytes.len() as u64 }
    }
}

impl Data {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.keep(offset, offset + bytes.len());
        put(&mut self.bytes, offset, bytes);
        self.pending.push(Pending::Range { offset, len: bytes.len() });
        self.pending_end = self.pending_end.max(offset + bytes.len());
    }

    /// A write that the device acknowledges and does not do: it is read back until the power fails.
    pub(crate) fn write_phantom(&mut self, offset: usize, bytes: &[u8]) {
        self.keep(offset, offset + bytes.len());
        self.durable = Durable::Own(self.take_durable());
        self.dropped = true;
        put(&mut self.bytes, offset, bytes);
    }

    pub(crate) fn set_len(&mut self, len: usize) {
        self.keep(len, usize::MAX);
        self.bytes.resize(len, 0);
        self.pending.push(Pending::Length(len));
        self.pending_end = self.pending_end.max(len);
    }

    /// Copies what stands between `from` and `to` and is still needed, before it is overwritten.
    fn keep(&mut self, from: usize, to: usize) {
        if let Durable::Prefix(len) = self.durable
            && from < len
        {
            self.durable = Durable::Own(self.bytes[..len].to_vec());
        }
        if from >= self.pending_end {
            return;
        }
        for pending in &mut self.pending {
            if let Pending::Range { offset, len } = *pending
                && offset < to
                && from < offset + len
            {
                *pending = Pending::Copied(Write::Bytes {
                    offset,
                    bytes: self.bytes[offset..offset + len].to_vec(),
                });
            }
        }
    }

    /// Makes the contents durable, but for what a failed sync has dropped.
    pub(crate) fn sync(&mut self) {
        if !self.dropped {
            self.durable = Durable::Prefix(self.bytes.len());
            self.pending.clear();
            self.pending_end = 0;
            return;
        }
        let writes = self.take_pending();
        let mut durable = self.take_durable();
        writes.iter().for_each(|write| write.apply(&mut durable));
        self.durable = Durable::Own(durable);
    }

    /// A sync has failed: what it should have made durable counts as clean and is not on the disk.
    pub(crate) fn drop_pending(&mut self) {
        if self.take_pending().is_empty() {
            return;
        }
        self.durable = Durable::Own(self.take_durable());
        self.dropped = true;
    }

    /// Goes back to what is durable and the pending writes that survive.
    fn lose(&mut self, survivors: &mut impl Survivors) {
        if self.pending.is_empty() && !self.dropped {
            return;
        }
        let pending = self.take_pending();
        let surviving = if pending.is_empty() { pending } else { survivors.writes(pending) };
        self.bytes = self.take_durable();
        surviving.iter().for_each(|write| write.apply(&mut self.bytes));
        self.dropped = false;
        self.sync();
    }

    fn take_pending(&mut self) -> Vec<Write> {
        self.pending_end = 0;
        let bytes = &self.bytes;
        let whole = |pending| match pending {
            Pending::Range { offset, len } => {
                Write::Bytes { offset, bytes: bytes[offset..offset + len].to_vec() }
            }
            Pending::Copied(write) => write,
            Pending::Length(length) => Write::Length(length),
        };
        self.pending.drain(..).map(whole).collect()
    }

    /// The durable bytes; the caller says what is durable instead.
    fn take_durable(&mut self) -> Vec<u8> {
        match std::mem::replace(&mut self.durable, Durable::Prefix(0)) {
            Durable::Prefix(len) => self.bytes[..len].to_vec(),
            Durable::Own(bytes) => bytes,
        }
    }

    /// Bytes written or cut since the last sync, as far as they are counted: none if the contents are durable.
    pub(crate) fn dirty(&self) -> u64 {
        let size = |pending: &Pending| match pending {
            Pending::Range { len, .. } => *len as u64,
            Pending::Copied(Write::Bytes { bytes, .. }) => bytes.len() as u64,
            Pending::Copied(Write::Length(_)) | Pending::Length(_) => 1,
        };
        self.pending.iter().map(size).sum()
    }
}

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    directory: bool,
    len: u64,
}

impl Metadata {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.directory
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        !self.directory
    }

    /// The size in bytes; 0 for a directory.
    #[expect(clippy::len_without_is_empty, reason = "named after std::fs::Metadata, which has none either")]
    pub fn len(&self) -> u64 {
        self.len
    }
}

/// The directories and what their names point to.
#[derive(Clone, Debug, Default)]
struct Names(BTreeMap<Inode, BTreeMap<String, Inode>>);

/// One change of a name.
#[derive(Clone, Debug)]
enum Change {
    Link { directory: Inode, name: String, inode: Inode, is_directory: bool },
    Unlink { directory: Inode, name: String },
}

impl Change {
    fn directory(&self) -> Inode {
        match self {
            Change::Link { directory, .. } | Change::Unlink { directory, .. } => *directory,
        }
    }
}

impl Names {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Link { directory, name, inode, is_directory } => {
                self.0.entry(*directory).or_default().insert(name.clone(), *inode);
                if *is_directory {
                    self.0.entry(*inode).or_default();
                }
            }
            Change::Unlink { directory, name } => {
                self.0.entry(*directory).or_default().remove(name);
            }
        }
    }

    fn linked(&self) -> impl Iterator<Item = Inode> + '_ {
        self.0.values().flat_map(BTreeMap::values).copied()
    }
}

/// What is left of unsynced changes after a power loss; see [`Tree::power_loss`].
pub(crate) trait Survivors {
    /// How many of the oldest `count` changes of names survive.
    fn names(&mut self, count: usize) -> usize;
    /// Which of a file's unsynced writes survive, whole or in parts, in order.
    fn writes(&mut self, pending: Vec<Write>) -> Vec<Write>;
}

/// The directory tree of one disk. Paths start at its root, with or without a leading slash; `..` stops there.
#[derive(Debug)]
pub(crate) struct Tree {
    inode_last: u64,
    names: Names,
    names_durable: Names,
    /// What `names` has beyond `names_durable`; the changes of one entry come together.
    journal: Vec<Vec<Change>>,
    files: BTreeMap<Inode, Contents>,
}

/// Something that a path leads to.
pub(crate) enum Found {
    Directory(Inode),
    File(Contents),
}

impl Tree {
    pub(crate) fn new() -> Tree {
        let root = Names(BTreeMap::from([(ROOT, BTreeMap::new())]));
        Tree {
            inode_last: 0,
            names: root.clone(),
            names_durable: root,
            journal: Vec::new(),
            files: BTreeMap::new(),
        }
    }

    /// Looks a file or directory up.
    pub(crate) fn find(&self, path: &Path) -> io::Result<Found> {
        let names = names(path)?;
        let Some((last, parents)) = names.split_last() else { return Ok(Found::Directory(ROOT)) };
        let directory = self.descend(parents)?;
        let inode = self.entries(directory).get(last).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(self.at(inode))
    }

    fn at(&self, inode: Inode) -> Found {
        self.files.get(&inode).map_or(Found::Directory(inode), |contents| Found::File(contents.clone()))
    }

    fn entries(&self, directory: Inode) -> &BTreeMap<String, Inode> {
        self.names.0.get(&directory).expect("a directory has entries")
    }

    fn descend(&self, names: &[String]) -> io::Result<Inode> {
        names.iter().try_fold(ROOT, |directory, name| {
            let inode = self.entries(directory).get(name).copied().ok_or(io::ErrorKind::NotFound)?;
            match self.at(inode) {
                Found::Directory(inode) => Ok(inode),
                Found::File(_) => Err(io::ErrorKind::NotADirectory.into()),
            }
        })
    }

    /// The directory that holds the last name of the path, and that name.
    fn parent(&self, path: &Path) -> io::Result<(Inode, String)> {
        let mut names = names(path)?;
        let last = names.pop().ok_or(io::ErrorKind::IsADirectory)?;
        Ok((self.descend(&names)?, last))
    }

    pub(crate) fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        Ok(match self.find(path)? {
            Found::Directory(_) => Metadata { directory: true, len: 0 },
            Found::File(contents) => contents.metadata(),
        })
    }

    /// Makes an empty file under a free name.
    pub(crate) fn create(&mut self, path: &Path) -> io::Result<Contents> {
        let (directory, name, inode) = self.new_name(path)?;
        let contents = Contents { inode, data: Arc::default() };
        self.files.insert(inode, contents.clone());
        self.change(vec![Change::Link { directory, name, inode, is_directory: false }]);
        Ok(contents)
    }

    pub(crate) fn mkdir(&mut self, path: &Path) -> io::Result<()> {
        if names(path)?.is_empty() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (directory, name, inode) = self.new_name(path)?;
        self.change(vec![Change::Link { directory, name, inode, is_directory: true }]);
        Ok(())
    }

    fn new_name(&mut self, path: &Path) -> io::Result<(Inode, String, Inode)> {
        let (directory, name) = self.parent(path)?;
        if self.entries(directory).contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.inode_last += 1;
        Ok((directory, name, Inode(self.inode_last)))
    }

    pub(crate) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        let (directory, name) = self.parent(path)?;
        match self.find(path)? {
            Found::Directory(_) => return Err(io::ErrorKind::IsADirectory.into()),
            Found::File(_) => self.change(vec![Change::Unlink { directory, name }]),
        }
        Ok(())
    }

    pub(crate) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        let (directory, name) = self.parent(path)?;
        match self.find(path)? {
            Found::File(_) => return Err(io::ErrorKind::NotADirectory.into()),
            Found::Directory(inode) if !self.entries(inode).is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            Found::Directory(_) => self.change(vec![Change::Unlink { directory, name }]),
        }
        Ok(())
    }

    /// Moves a name and replaces what it meets, as `rename(2)` does, in one step.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from_names, to_names) = (names(from)?, names(to)?);
        // Both directories are looked up before either name.
        let (from_parent, to_parent) = (self.parent(from), self.parent(to));
        let ((from_directory, from_name), (to_directory, to_name)) = (from_parent?, to_parent?);
        let moved = self.find(from)?;
        if from_names == to_names {
            return Ok(());
        }
        if to_names.starts_with(&from_names) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if from_names.starts_with(&to_names) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        match (self.find(to), &moved) {
            (Ok(Found::Directory(_)), Found::File(_)) => return Err(io::ErrorKind::IsADirectory.into()),
            (Ok(Found::File(_)), Found::Directory(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            (Ok(Found::Directory(met)), Found::Directory(_)) if !self.entries(met).is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            _ => {}
        }
        let (inode, is_directory) = match moved {
            Found::Directory(inode) => (inode, true),
            Found::File(contents) => (contents.inode, false),
        };
        let unlink = Change::Unlink { directory: from_directory, name: from_name };
        let link = Change::Link { directory: to_directory, name: to_name, inode, is_directory };
        self.change(vec![unlink, link]);
        Ok(())
    }

    /// The names in a directory, sorted.
    pub(crate) fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        match self.find(path)? {
            Found::Directory(inode) => Ok(self.entries(inode).keys().cloned().collect()),
            Found::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn change(&mut self, changes: Vec<Change>) {
        changes.iter().for_each(|change| self.names.apply(change));
        self.journal.push(changes);
    }

    // ---- durability ----------------------------------------------------------------------------------------

    /// Makes the names in a directory durable, and with them every older change of names.
    pub(crate) fn sync_directory(&mut self, directory: Inode) {
        let touches = |changes: &Vec<Change>| changes.iter().any(|change| change.directory() == directory);
        let last = self.journal.iter().rposition(touches);
        self.commit(last.map_or(0, |last| last + 1));
    }

    /// Makes a file's own name durable, and with it every older change of names: what ext4 does when the file is synced.
    pub(crate) fn sync_name_of(&mut self, contents: &Contents) {
        let names =
            |change: &Change| matches!(change, Change::Link { inode, .. } if *inode == contents.inode);
        let last = self.journal.iter().rposition(|changes| changes.iter().any(names));
        self.commit(last.map_or(0, |last| last + 1));
    }

    fn commit(&mut self, count: usize) {
        for change in self.journal.drain(..count).flatten() {
            self.names_durable.apply(&change);
        }
        if count > 0 {
            self.forget_unlinked();
        }
    }

    /// Drops the contents that no name, no journal and no open file knows any more.
    fn forget_unlinked(&mut self) {
        let mut linked: BTreeSet<Inode> = self.names.linked().chain(self.names_durable.linked()).collect();
        for change in self.journal.iter().flatten() {
            if let Change::Link { inode, .. } = change {
                linked.insert(*inode);
            }
        }
        self.files.retain(|inode, contents| linked.contains(inode) || Arc::strong_count(&contents.data) > 1);
    }

    /// The page cache is gone: what was durable is left, and of the rest what `survivors` says.
    pub(crate) fn power_loss(&mut self, survivors: &mut impl Survivors) {
        self.commit(survivors.names(self.journal.len()));
        self.journal.clear();
        self.names = self.names_durable.clone();
        self.files.values().for_each(|contents| contents.data().lose(survivors));
        self.forget_unlinked();
    }

    /// Every file and directory with its size, its unsynced bytes, and whether its name is durable, in order of names.
    pub(crate) fn walk(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        self.walk_into(ROOT, "", &mut entries);
        entries
    }

    fn walk_into(&self, directory: Inode, prefix: &str, entries: &mut Vec<Entry>) {
        for (name, &inode) in self.entries(directory) {
            let path = format!("{prefix}/{name}");
            let durable =
                self.names_durable.0.get(&directory).and_then(|names| names.get(name)) == Some(&inode);
            let found = self.at(inode);
            let (size, dirty) = match &found {
                Found::Directory(_) => (None, 0),
                Found::File(contents) => (Some(contents.metadata().len), contents.data().dirty()),
            };
            entries.push(Entry { path: path.clone(), size, dirty, name_is_durable: durable });
            if let Found::Directory(inner) = found {
                self.walk_into(inner, &path, entries);
            }
        }
    }
}

/// One file or directory of a [`crate::Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path from the root.
    pub path: String,
    /// Its size in bytes; `None` for a directory.
    pub size: Option<u64>,
    /// Bytes written since they were last synced.
    pub dirty: u64,
    /// Whether a power loss would keep its name.
    pub name_is_durable: bool,
}

fn names(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => {
                names.push(name.to_str().ok_or(io::ErrorKind::InvalidInput)?.to_string());
            }
            Component::ParentDir => drop(names.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(names)
}
