//! Names and contents, as they are now and as they would be after a power loss: a plain struct without clock,
//! chance or tasks.
//!
//! What a program sees is the page cache: `names` and each file's contents there. What a power loss leaves is kept
//! beside it: `names_durable` with the changes since in a journal, and each file's durable bytes with the writes since.
//! The journal is ordered, as those of ext4 and XFS are: what survives of it is a beginning.

mod contents;
mod pages;
mod path;

pub(crate) use contents::{Contents, Write};
pub(crate) use pages::PAGE;
pub(crate) use path::Follow;

use crate::error;
use path::Place;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use stormglass_core::SimTime;

/// The number of a file, directory or symbolic link. It has no name of its own: names point to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Inode(u64);

const ROOT: Inode = Inode(0);

/// ext4's largest file with blocks of 4 KiB: 16 TiB less one block.
const LEN_MAX: u64 = (16 << 40) - PAGE;

/// What names point to.
#[derive(Debug)]
struct Node {
    /// Names that programs see.
    links: u32,
    /// Open files.
    opens: u32,
    /// Names that are durable or may become it.
    kept: u32,
    modified: SimTime,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// A directory, below this one; its entries are in [`Names`].
    Directory(Inode),
    File(Contents),
    Symlink(String),
}

/// What an inode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Directory,
    File,
    Symlink,
}

/// What is known of a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    pub(crate) kind: Type,
    pub(crate) len: u64,
    pub(crate) links: u32,
    pub(crate) modified: SimTime,
}

/// The directories and what their names point to.
#[derive(Clone, Debug, Default)]
struct Names(BTreeMap<Inode, BTreeMap<Arc<str>, Inode>>);

impl Names {
    fn get(&self, directory: Inode, name: &str) -> Option<Inode> {
        self.0.get(&directory)?.get(name).copied()
    }

    /// Lets a name point to an inode, or to none; gives what it pointed to.
    fn set(&mut self, directory: Inode, name: &Arc<str>, inode: Option<Inode>) -> Option<Inode> {
        let entries = self.0.entry(directory).or_default();
        match inode {
            Some(inode) => entries.insert(name.clone(), inode),
            None => entries.remove(name),
        }
    }
}

/// One change of a name: what it points to from now on.
#[derive(Clone, Debug)]
struct Change {
    directory: Inode,
    name: Arc<str>,
    inode: Option<Inode>,
}

/// Changes of names that become durable together.
#[derive(Debug)]
struct Entry {
    changes: Vec<Change>,
    at: SimTime,
    /// Whether the device acknowledges and forgets a new name.
    lost: bool,
}

/// What is left of unsynced changes after a power loss; see [`Tree::power_loss`].
pub(crate) trait Survivors {
    /// How many of the oldest `count` changes of names survive.
    fn names(&mut self, count: usize) -> usize;
    /// Which of a file's unsynced writes survive, whole or in parts, in order.
    fn writes(&mut self, pending: Vec<Write>) -> Vec<Write>;
}

/// The directory tree of one disk. Every path starts at its root, with or without a leading slash.
#[derive(Debug)]
pub(crate) struct Tree {
    last: u64,
    nodes: BTreeMap<Inode, Node>,
    names: Names,
    names_durable: Names,
    /// What `names` has beyond `names_durable`.
    journal: Vec<Entry>,
    /// The number of the journal's first entry; they are numbered through the disk's life.
    journal_first: u64,
    /// Bytes written and not on the device, of all files.
    dirty: u64,
    /// Whether the device forgets new names.
    loses_names: bool,
}

impl Tree {
    pub(crate) fn new() -> Tree {
        let root = Node { links: 1, opens: 0, kept: 1, modified: SimTime::ZERO, body: Body::Directory(ROOT) };
        Tree {
            last: 0,
            nodes: BTreeMap::from([(ROOT, root)]),
            names: Names::default(),
            names_durable: Names::default(),
            journal: Vec::new(),
            journal_first: 0,
            dirty: 0,
            loses_names: false,
        }
    }

    fn node(&self, inode: Inode) -> &Node {
        self.nodes.get(&inode).expect("an inode that is named or open is there")
    }

    fn node_mut(&mut self, inode: Inode) -> &mut Node {
        self.nodes.get_mut(&inode).expect("an inode that is named or open is there")
    }

    pub(crate) fn type_of(&self, inode: Inode) -> Type {
        match &self.node(inode).body {
            Body::Directory(_) => Type::Directory,
            Body::File(_) => Type::File,
            Body::Symlink(_) => Type::Symlink,
        }
    }

    fn has_entries(&self, directory: Inode) -> bool {
        self.names.0.get(&directory).is_some_and(|entries| !entries.is_empty())
    }

    pub(crate) fn stat(&self, inode: Inode) -> Stat {
        let Node { links, modified, body, .. } = self.node(inode);
        let (kind, len) = match body {
            Body::Directory(_) => (Type::Directory, 0),
            Body::File(contents) => (Type::File, contents.len()),
            Body::Symlink(target) => (Type::Symlink, target.len() as u64),
        };
        Stat { kind, len, links: *links, modified: *modified }
    }

    // ---- names ---------------------------------------------------------------------------------------------

    /// Looks a name up.
    pub(crate) fn find(&self, path: &Path, follow: Follow) -> io::Result<Inode> {
        self.place(path, follow)?.inode.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Makes an empty file where the path leads to, through links too; or gives what is there.
    pub(crate) fn create(&mut self, path: &Path, new: bool, now: SimTime) -> io::Result<Inode> {
        // What ends in a slash is refused before anybody looks whether it is there.
        let bare = path.to_str().map(|text| text.trim_end_matches('/')).filter(|text| !text.is_empty());
        let slash = bare.is_some_and(|bare| bare.len() < path.as_os_str().len());
        let place = self.place_unchecked(
            bare.map_or(path, Path::new),
            if new || slash { Follow::Never } else { Follow::Last },
        )?;
        match place.inode {
            _ if (slash || place.slash) && place.name.is_some() => Err(io::ErrorKind::IsADirectory.into()),
            Some(_) if new => Err(io::ErrorKind::AlreadyExists.into()),
            Some(inode) => Ok(inode),
            None => {
                let place = place.named()?;
                Ok(self.add(place, Body::File(Contents::default()), now))
            }
        }
    }

    pub(crate) fn create_dir(&mut self, path: &Path, now: SimTime) -> io::Result<()> {
        let place = self.place_unchecked(path, Follow::Never)?.free()?;
        let body = Body::Directory(place.directory);
        self.add(place, body, now);
        Ok(())
    }

    pub(crate) fn symlink(&mut self, target: &Path, path: &Path, now: SimTime) -> io::Result<()> {
        let target = path::text(target)?;
        if target.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let place = self.place_unchecked(path, Follow::Never)?.free_for_file()?;
        self.add(place, Body::Symlink(target.to_string()), now);
        Ok(())
    }

    pub(crate) fn read_link(&self, path: &Path) -> io::Result<String> {
        match &self.node(self.find(path, Follow::No)?).body {
            Body::Symlink(target) => Ok(target.clone()),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Another name for a file, or for a symbolic link.
    pub(crate) fn hard_link(&mut self, original: &Path, link: &Path, now: SimTime) -> io::Result<()> {
        let inode = self.find(original, Follow::No)?;
        let place = self.place_unchecked(link, Follow::Never)?.free_for_file()?;
        if self.type_of(inode) == Type::Directory {
            return Err(error::not_permitted());
        }
        self.change(vec![place.points_to(Some(inode))], now);
        Ok(())
    }

    pub(crate) fn remove_file(&mut self, path: &Path, now: SimTime) -> io::Result<()> {
        let place = self.place_unchecked(path, Follow::Never)?;
        let inode = place.inode.ok_or(io::ErrorKind::NotFound)?;
        if self.type_of(inode) == Type::Directory {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if place.slash {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let place = place.named()?;
        self.change(vec![place.points_to(None)], now);
        Ok(())
    }

    pub(crate) fn remove_dir(&mut self, path: &Path, now: SimTime) -> io::Result<()> {
        let place = self.place_unchecked(path, Follow::Never)?;
        let inode = place.inode.ok_or(io::ErrorKind::NotFound)?;
        if self.type_of(inode) != Type::Directory {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let place = match path.to_str().and_then(|path| path.trim_end_matches('/').rsplit('/').next()) {
            Some(".") => return Err(io::ErrorKind::InvalidInput.into()),
            Some("..") => return Err(io::ErrorKind::DirectoryNotEmpty.into()),
            _ => place.named()?,
        };
        if self.has_entries(inode) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.change(vec![place.points_to(None)], now);
        Ok(())
    }

    /// Moves a name and replaces what it meets, as `rename(2)` does, in one step.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path, now: SimTime) -> io::Result<()> {
        // Both directories are looked up before either name.
        let (from, to) =
            (self.place_unchecked(from, Follow::Never)?, self.place_unchecked(to, Follow::Never)?);
        let (from_slash, to_slash, met) = (from.slash, to.slash, to.inode);
        let moved_or_none = from.inode;
        let (from, to) = (from.named()?, to.named()?);
        let moved = moved_or_none.ok_or(io::ErrorKind::NotFound)?;
        let directory = self.type_of(moved) == Type::Directory;
        if !directory && (from_slash || to_slash) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if self.is_within(to.directory, moved) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if let Some(met) = met {
            if self.is_within(from.directory, met) && met != moved {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            // Two names of one file: nothing to do.
            if met == moved {
                return Ok(());
            }
            match (directory, self.type_of(met) == Type::Directory) {
                (false, true) => return Err(io::ErrorKind::IsADirectory.into()),
                (true, false) => return Err(io::ErrorKind::NotADirectory.into()),
                (true, true) if self.has_entries(met) => return Err(io::ErrorKind::DirectoryNotEmpty.into()),
                _ => {}
            }
        }
        if let Body::Directory(above) = &mut self.node_mut(moved).body {
            *above = to.directory;
        }
        self.change(vec![from.points_to(None), to.points_to(Some(moved))], now);
        Ok(())
    }

    /// Whether a directory is this one or lies below it.
    fn is_within(&self, mut directory: Inode, above: Inode) -> bool {
        loop {
            if directory == above {
                return true;
            }
            match self.node(directory).body {
                Body::Directory(next) if next != directory => directory = next,
                _ => return false,
            }
        }
    }

    /// The names in a directory and what they point to, sorted.
    pub(crate) fn read_dir(&self, path: &Path) -> io::Result<Vec<(Arc<str>, Type)>> {
        let directory = self.find(path, Follow::Last)?;
        if self.type_of(directory) != Type::Directory {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let entries = self.names.0.get(&directory).into_iter().flatten();
        Ok(entries.map(|(name, &inode)| (name.clone(), self.type_of(inode))).collect())
    }

    /// The path without links and dots.
    pub(crate) fn canonical(&self, path: &Path) -> io::Result<String> {
        let mut names = Vec::new();
        let place = self.place(path, Follow::Last)?;
        let mut inode = place.inode.ok_or(io::ErrorKind::NotFound)?;
        if self.type_of(inode) != Type::Directory {
            names.push(place.name.unwrap_or_default().to_string());
            inode = place.directory;
        }
        while let Body::Directory(above) = self.node(inode).body
            && inode != ROOT
        {
            let mut entries = self.names.0.get(&above).into_iter().flatten();
            let name = entries.find(|(_, entry)| **entry == inode).map(|(name, _)| name.to_string());
            names.push(name.unwrap_or_default());
            inode = above;
        }
        names.push(String::new());
        names.reverse();
        Ok(if names.len() == 1 { "/".to_string() } else { names.join("/") })
    }

    fn add(&mut self, place: Named, body: Body, now: SimTime) -> Inode {
        self.last += 1;
        let inode = Inode(self.last);
        self.nodes.insert(inode, Node { links: 0, opens: 0, kept: 0, modified: now, body });
        self.change(vec![place.points_to(Some(inode))], now);
        inode
    }

    fn change(&mut self, changes: Vec<Change>, now: SimTime) {
        // What is moved must not be without a name in between.
        for inode in changes.iter().filter_map(|change| change.inode) {
            let node = self.node_mut(inode);
            node.links += 1;
            node.kept += 1;
        }
        for Change { directory, name, inode } in &changes {
            if let Some(before) = self.names.set(*directory, name, *inode) {
                self.node_mut(before).links -= 1;
                self.forget_unused(before);
            }
            self.node_mut(*directory).modified = now;
        }
        self.journal.push(Entry { changes, at: now, lost: self.loses_names });
    }

    /// Whether names that are new from now on are acknowledged, even by a sync, and gone after a power loss.
    pub(crate) fn lose_names(&mut self, lose: bool) {
        self.loses_names = lose;
    }

    fn forget_unused(&mut self, inode: Inode) {
        let node = self.node(inode);
        if node.links == 0 && node.opens == 0 && node.kept == 0 && inode != ROOT {
            if let Some(Node { body: Body::File(contents), .. }) = self.nodes.remove(&inode) {
                self.dirty -= contents.dirty();
            }
            self.names.0.remove(&inode);
            self.names_durable.0.remove(&inode);
        }
    }

    // ---- contents ------------------------------------------------------------------------------------------

    pub(crate) fn open(&mut self, inode: Inode) {
        self.node_mut(inode).opens += 1;
    }

    pub(crate) fn close(&mut self, inode: Inode) {
        self.node_mut(inode).opens -= 1;
        self.forget_unused(inode);
    }

    /// The contents of a file.
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

    /// Changes the contents of a file; an end beyond what a file can have is refused.
    pub(crate) fn change_file<T>(
        &mut self,
        inode: Inode,
        end: u64,
        now: SimTime,
        change: impl FnOnce(&mut Contents) -> T,
    ) -> io::Result<T> {
        if end > LEN_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let node = self.node_mut(inode);
        node.modified = now;
        self.change_contents(inode, change).ok_or_else(|| io::ErrorKind::IsADirectory.into())
    }

    /// Changes the contents of a file, if it is still there and one, and counts what is dirty.
    fn change_contents<T>(&mut self, inode: Inode, change: impl FnOnce(&mut Contents) -> T) -> Option<T> {
        let Some(Node { body: Body::File(contents), .. }) = self.nodes.get_mut(&inode) else { return None };
        let before = contents.dirty();
        let result = change(contents);
        self.dirty = self.dirty - before + contents.dirty();
        Some(result)
    }

    /// Pages that were read.
    pub(crate) fn warm(&mut self, inode: Inode, offset: u64, len: u64) {
        if let Body::File(contents) = &mut self.node_mut(inode).body {
            contents.warm(offset, len);
        }
    }

    /// Bytes written and not on the device, of all files.
    pub(crate) fn dirty(&self) -> u64 {
        self.dirty
    }

    /// Bytes of all pages of all files that are named or open.
    pub(crate) fn allocated(&self) -> u64 {
        let used = self.nodes.values().filter(|node| node.links > 0 || node.opens > 0);
        let bytes = used.map(|node| match &node.body {
            Body::File(contents) => contents.allocated(),
            _ => 0,
        });
        bytes.sum()
    }

    // ---- durability ----------------------------------------------------------------------------------------

    /// How far things have got with an inode: what is changed later is not the affair of a sync that begins now.
    pub(crate) fn mark(&self, inode: Inode) -> u64 {
        match &self.node(inode).body {
            Body::File(contents) => contents.changes(),
            _ => self.journal_mark(),
        }
    }

    fn journal_mark(&self) -> u64 {
        self.journal_first + self.journal.len() as u64
    }

    /// Makes what was changed before the mark durable: a file's contents, or the names in a directory and with them every
    /// older change of names. With `with_name` a file's own name too, as ext4 does.
    pub(crate) fn sync(&mut self, inode: Inode, mark: u64, with_name: bool) {
        if self.type_of(inode) == Type::File {
            self.sync_contents(inode, mark);
            if with_name {
                self.commit_through(|change| change.inode == Some(inode), u64::MAX);
            }
        } else {
            self.commit_through(|change| change.directory == inode, mark);
        }
    }

    /// Makes a file's changes before this number durable, if it is still there.
    pub(crate) fn sync_contents(&mut self, inode: Inode, upto: u64) {
        self.change_contents(inode, |contents| contents.sync(upto));
    }

    /// Whether a file's changes before this number are durable, or the file is gone.
    pub(crate) fn is_synced(&self, inode: Inode, upto: u64) -> bool {
        match self.nodes.get(&inode) {
            Some(Node { body: Body::File(contents), .. }) => contents.is_synced(upto),
            _ => true,
        }
    }

    /// A sync has failed: what it should have made durable counts as clean and is not on the disk.
    pub(crate) fn drop_pending(&mut self, inode: Inode, mark: u64) {
        self.change_contents(inode, |contents| contents.drop_pending(mark));
    }

    /// Commits the journal up to the last entry before the mark that has such a change.
    fn commit_through(&mut self, touches: impl Fn(&Change) -> bool, mark: u64) {
        let count = (mark.saturating_sub(self.journal_first) as usize).min(self.journal.len());
        let last = self.journal[..count].iter().rposition(|entry| entry.changes.iter().any(&touches));
        self.commit(last.map_or(0, |last| last + 1));
    }

    /// Commits what the journal has from before this moment.
    pub(crate) fn commit_until(&mut self, at: SimTime) {
        let count = self.journal.iter().take_while(|entry| entry.at <= at).count();
        self.commit(count);
    }

    fn commit(&mut self, count: usize) {
        self.journal_first += count as u64;
        let entries: Vec<Entry> = self.journal.drain(..count).collect();
        for Entry { changes, lost, .. } in entries {
            for Change { directory, name, inode } in changes {
                let stored = self.nodes.contains_key(&directory) && !(lost && inode.is_some());
                // The new name was counted when it came into the journal.
                let unkept = if stored { self.names_durable.set(directory, &name, inode) } else { inode };
                if let Some(inode) = unkept {
                    self.node_mut(inode).kept -= 1;
                    self.forget_unused(inode);
                }
            }
        }
    }

    /// The page cache is gone: what was durable is left, and of the rest what `survivors` says.
    pub(crate) fn power_loss(&mut self, survivors: &mut impl Survivors) {
        self.commit(survivors.names(self.journal.len()));
        self.journal_first += self.journal.len() as u64;
        self.journal.clear();
        self.names = self.names_durable.clone();
        for node in self.nodes.values_mut() {
            if let Body::File(contents) = &mut node.body {
                contents.lose(|pending| survivors.writes(pending));
            }
            (node.links, node.opens, node.kept) = (0, 0, 0);
        }
        self.dirty = 0;
        self.count_names();
    }

    /// Counts the names again, and drops what none leads to.
    fn count_names(&mut self) {
        let root = self.node_mut(ROOT);
        (root.links, root.kept) = (1, 1);
        let mut directories = vec![ROOT];
        while let Some(directory) = directories.pop() {
            for inode in self.names.0.get(&directory).into_iter().flat_map(BTreeMap::values) {
                let node = self.nodes.get_mut(inode).expect("a durable name points to an inode");
                node.links += 1;
                node.kept += 1;
                if let Body::Directory(above) = &mut node.body {
                    *above = directory;
                    directories.push(*inode);
                }
            }
        }
        self.nodes.retain(|_, node| node.links > 0);
        self.names.0.retain(|directory, _| self.nodes.contains_key(directory));
        self.names_durable.0.retain(|directory, _| self.nodes.contains_key(directory));
    }

    /// The page cache lets go of everything that is clean.
    pub(crate) fn evict(&mut self) {
        for node in self.nodes.values_mut() {
            if let Body::File(contents) = &mut node.body {
                contents.evict();
            }
        }
    }

    // ---- looking at it -------------------------------------------------------------------------------------

    /// Calls `see` for everything there is, in order of names: its path, what it is, whether its name is durable.
    pub(crate) fn walk(&self, see: &mut impl FnMut(&str, Seen<'_>, bool)) {
        self.walk_below(ROOT, "", see);
    }

    fn walk_below(&self, directory: Inode, prefix: &str, see: &mut impl FnMut(&str, Seen<'_>, bool)) {
        for (name, &inode) in self.names.0.get(&directory).into_iter().flatten() {
            let path = format!("{prefix}/{name}");
            let durable = self.names_durable.get(directory, name) == Some(inode);
            match &self.node(inode).body {
                Body::Directory(_) => {
                    see(&path, Seen::Directory, durable);
                    self.walk_below(inode, &path, see);
                }
                Body::File(contents) => see(&path, Seen::File(contents), durable),
                Body::Symlink(target) => see(&path, Seen::Symlink(target), durable),
            }
        }
    }
}

/// What is seen on a walk.
pub(crate) enum Seen<'a> {
    Directory,
    File(&'a Contents),
    Symlink(&'a str),
}

/// A place in a directory that has a name and can get an inode.
struct Named {
    directory: Inode,
    name: Arc<str>,
}

impl Named {
    fn points_to(self, inode: Option<Inode>) -> Change {
        Change { directory: self.directory, name: self.name, inode }
    }
}

impl Place<'_> {
    /// The place, if it has a name: a path that ends in the root or in dots has none.
    fn named(&self) -> io::Result<Named> {
        let name = self.name.ok_or(io::ErrorKind::ResourceBusy)?;
        Ok(Named { directory: self.directory, name: name.into() })
    }

    /// The place, if nothing is there.
    fn free(&self) -> io::Result<Named> {
        if self.inode.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.named()
    }

    /// As [`Place::free`], for what is no directory: its name cannot end in a slash.
    fn free_for_file(&self) -> io::Result<Named> {
        let place = self.free()?;
        if self.slash { Err(io::ErrorKind::NotFound.into()) } else { Ok(place) }
    }
}
