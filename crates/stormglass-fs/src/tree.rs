//! Names and contents, as they are now and as they would be after a power loss: a plain struct without clock,
//! chance or tasks.
//!
//! What a program sees is the page cache: `names` and each file's contents there. What a power loss leaves is kept
//! beside it: `names_durable` with the changes since in a journal, and each file's durable bytes with the writes since.
//! The journal is ordered, as those of ext4 and XFS are: what survives of it is a beginning.

mod contents;
mod nodes;
mod pages;
mod path;

pub(crate) use contents::{Contents, Write};
pub(crate) use nodes::Inode;
pub(crate) use pages::PAGE;
pub(crate) use path::{Follow, text};

use crate::error;
use nodes::{Body, Directory, Node, Nodes, point, sorted};
use path::Place;
use std::io;
use std::sync::Arc;
use stormglass_core::SimTime;

const ROOT: Inode = Nodes::ROOT;

/// ext4's largest file with blocks of 4 KiB: 16 TiB less one block.
const LEN_MAX: u64 = (16 << 40) - PAGE;

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
    /// The moment at which things are done; whoever does them says so.
    pub(crate) now: SimTime,
    nodes: Nodes,
    /// What directories' names have beyond their durable ones.
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
        Tree {
            now: SimTime::ZERO,
            nodes: Nodes::new(),
            journal: Vec::new(),
            journal_first: 0,
            dirty: 0,
            loses_names: false,
        }
    }

    fn node(&self, inode: Inode) -> &Node {
        self.nodes.get(inode).expect("an inode that is named or open is there")
    }

    fn node_mut(&mut self, inode: Inode) -> &mut Node {
        self.nodes.get_mut(inode).expect("an inode that is named or open is there")
    }

    pub(crate) fn type_of(&self, inode: Inode) -> Type {
        match &self.node(inode).body {
            Body::Directory(_) => Type::Directory,
            Body::File(_) => Type::File,
            Body::Symlink(_) => Type::Symlink,
        }
    }

    /// A directory; none for anything else.
    fn directory(&self, inode: Inode) -> Option<&Directory> {
        match &self.node(inode).body {
            Body::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    fn has_entries(&self, directory: Inode) -> bool {
        self.directory(directory).is_some_and(|directory| !directory.names.is_empty())
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
    pub(crate) fn find(&self, path: &str, follow: Follow) -> io::Result<Inode> {
        self.place(path, follow)?.inode.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Makes an empty file where the path leads to, through links too; or gives what is there.
    pub(crate) fn create(&mut self, path: &str, new: bool) -> io::Result<Inode> {
        // What ends in a slash is refused before anybody looks whether it is there.
        let bare = Some(path.trim_end_matches('/')).filter(|bare| !bare.is_empty()).unwrap_or(path);
        let slash = bare.len() < path.len();
        let follow = if new || slash { Follow::Never } else { Follow::Last };
        let place = self.place_unchecked(bare, follow)?;
        match place.inode {
            _ if (slash || place.slash) && place.name.is_some() => Err(io::ErrorKind::IsADirectory.into()),
            Some(_) if new => Err(io::ErrorKind::AlreadyExists.into()),
            Some(inode) => Ok(inode),
            None => {
                let place = place.named()?;
                Ok(self.add(place, Body::File(Contents::default())))
            }
        }
    }

    pub(crate) fn create_dir(&mut self, path: &str) -> io::Result<()> {
        let place = self.place_unchecked(path, Follow::Never)?.free()?;
        let body = Body::Directory(Directory::below(place.directory));
        self.add(place, body);
        Ok(())
    }

    pub(crate) fn symlink(&mut self, target: &str, path: &str) -> io::Result<()> {
        if target.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let place = self.place_unchecked(path, Follow::Never)?.free_for_file()?;
        self.add(place, Body::Symlink(target.to_string()));
        Ok(())
    }

    pub(crate) fn read_link(&self, path: &str) -> io::Result<String> {
        match &self.node(self.find(path, Follow::No)?).body {
            Body::Symlink(target) => Ok(target.clone()),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Another name for a file, or for a symbolic link.
    pub(crate) fn hard_link(&mut self, original: &str, link: &str) -> io::Result<()> {
        let inode = self.find(original, Follow::No)?;
        let place = self.place_unchecked(link, Follow::Never)?.free_for_file()?;
        if self.type_of(inode) == Type::Directory {
            return Err(error::not_permitted());
        }
        self.change(vec![place.points_to(Some(inode))]);
        Ok(())
    }

    pub(crate) fn remove_file(&mut self, path: &str) -> io::Result<()> {
        let place = self.place_unchecked(path, Follow::Never)?;
        let inode = place.inode.ok_or(io::ErrorKind::NotFound)?;
        if self.type_of(inode) == Type::Directory {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if place.slash {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let place = place.named()?;
        self.change(vec![place.points_to(None)]);
        Ok(())
    }

    pub(crate) fn remove_dir(&mut self, path: &str) -> io::Result<()> {
        let place = self.place_unchecked(path, Follow::Never)?;
        let inode = place.inode.ok_or(io::ErrorKind::NotFound)?;
        if self.type_of(inode) != Type::Directory {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let place = match path.trim_end_matches('/').rsplit('/').next() {
            Some(".") => return Err(io::ErrorKind::InvalidInput.into()),
            Some("..") => return Err(io::ErrorKind::DirectoryNotEmpty.into()),
            _ => place.named()?,
        };
        if self.has_entries(inode) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.change(vec![place.points_to(None)]);
        Ok(())
    }

    /// Moves a name and replaces what it meets, as `rename(2)` does, in one step.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
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
        if let Body::Directory(directory) = &mut self.node_mut(moved).body {
            directory.above = to.directory;
        }
        self.change(vec![from.points_to(None), to.points_to(Some(moved))]);
        Ok(())
    }

    /// Whether a directory is this one or lies below it.
    fn is_within(&self, mut directory: Inode, above: Inode) -> bool {
        loop {
            if directory == above {
                return true;
            }
            match self.directory(directory) {
                Some(Directory { above: next, .. }) if *next != directory => directory = *next,
                _ => return false,
            }
        }
    }

    /// The names in a directory and what they point to, sorted.
    pub(crate) fn read_dir(&self, path: &str) -> io::Result<Vec<(Arc<str>, Type)>> {
        let directory = self.find(path, Follow::Last)?;
        let directory = self.directory(directory).ok_or(io::ErrorKind::NotADirectory)?;
        let names = sorted(&directory.names).into_iter();
        Ok(names.map(|(name, inode)| (name.clone(), self.type_of(inode))).collect())
    }

    /// The path without links and dots.
    pub(crate) fn canonical(&self, path: &str) -> io::Result<String> {
        let mut names = Vec::new();
        let place = self.place(path, Follow::Last)?;
        let mut inode = place.inode.ok_or(io::ErrorKind::NotFound)?;
        if self.type_of(inode) != Type::Directory {
            names.push(place.name.unwrap_or_default().to_string());
            inode = place.directory;
        }
        while let Some(Directory { above, .. }) = self.directory(inode)
            && inode != ROOT
        {
            let mut entries = self.directory(*above).into_iter().flat_map(|directory| &directory.names);
            let name = entries.find(|(_, entry)| **entry == inode).map(|(name, _)| name.to_string());
            names.push(name.unwrap_or_default());
            inode = *above;
        }
        names.push(String::new());
        names.reverse();
        Ok(if names.len() == 1 { "/".to_string() } else { names.join("/") })
    }

    fn add(&mut self, place: Named, body: Body) -> Inode {
        let inode = self.nodes.add(self.now, body);
        self.change(vec![place.points_to(Some(inode))]);
        inode
    }

    fn change(&mut self, changes: Vec<Change>) {
        // What is moved must not be without a name in between.
        for inode in changes.iter().filter_map(|change| change.inode) {
            let node = self.node_mut(inode);
            node.links += 1;
            node.kept += 1;
        }
        for Change { directory, name, inode } in &changes {
            let now = self.now;
            let node = self.node_mut(*directory);
            node.modified = now;
            let Body::Directory(directory) = &mut node.body else { unreachable!("names are in directories") };
            if let Some(before) = point(&mut directory.names, name, *inode) {
                self.node_mut(before).links -= 1;
                self.forget_unused(before);
            }
        }
        self.journal.push(Entry { changes, at: self.now, lost: self.loses_names });
    }

    /// Whether names that are new from now on are acknowledged, even by a sync, and gone after a power loss.
    pub(crate) fn lose_names(&mut self, lose: bool) {
        self.loses_names = lose;
    }

    fn forget_unused(&mut self, inode: Inode) {
        let node = self.node(inode);
        if node.links == 0 && node.opens == 0 && node.kept == 0 && inode != ROOT {
            if let Body::File(contents) = &node.body {
                self.dirty -= contents.dirty();
            }
            self.nodes.remove(inode);
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
        change: impl FnOnce(&mut Contents) -> T,
    ) -> io::Result<T> {
        if end > LEN_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let now = self.now;
        self.node_mut(inode).modified = now;
        self.change_contents(inode, change).ok_or_else(|| io::ErrorKind::IsADirectory.into())
    }

    /// Changes the contents of a file, if it is still there and one, and counts what is dirty.
    fn change_contents<T>(&mut self, inode: Inode, change: impl FnOnce(&mut Contents) -> T) -> Option<T> {
        let Some(Node { body: Body::File(contents), .. }) = self.nodes.get_mut(inode) else { return None };
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
        let used = self.nodes.iter().filter(|node| node.links > 0 || node.opens > 0);
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
        match self.nodes.get(inode) {
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
                // The new name was counted when it came into the journal.
                let unkept = match self.nodes.get_mut(directory) {
                    Some(Node { body: Body::Directory(directory), .. }) if !(lost && inode.is_some()) => {
                        point(&mut directory.durable, &name, inode)
                    }
                    _ => inode,
                };
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
        for node in self.nodes.iter_mut() {
            match &mut node.body {
                Body::File(contents) => contents.lose(|pending| survivors.writes(pending)),
                Body::Directory(directory) => directory.names = directory.durable.clone(),
                Body::Symlink(_) => {}
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
        while let Some(above) = directories.pop() {
            let names = self.directory(above).map(|directory| directory.names.clone());
            for inode in names.into_iter().flatten().map(|(_, inode)| inode) {
                let node = self.node_mut(inode);
                node.links += 1;
                node.kept += 1;
                if let Body::Directory(directory) = &mut node.body {
                    directory.above = above;
                    directories.push(inode);
                }
            }
        }
        self.nodes.retain(|node| node.links > 0);
    }

    /// The page cache lets go of everything that is clean.
    pub(crate) fn evict(&mut self) {
        for node in self.nodes.iter_mut() {
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
        let Some(Directory { names, durable, .. }) = self.directory(directory) else { return };
        for (name, inode) in sorted(names) {
            let path = format!("{prefix}/{name}");
            let durable = durable.get(name) == Some(&inode);
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
