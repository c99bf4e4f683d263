//! The file system against a model of what a power loss may leave: what was synced, and of the rest
//! what the kind of loss allows. The model knows histories of contents and of names, and nothing of
//! how the disk stores them.

use crate::properties::{record, record_planted};
use madsim::runtime::Runtime;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;
use stormglass_core::Seed;
use stormglass_core::fault::{Corruption, Loss};
use stormglass_fs::disk::EntryKind;
use stormglass_fs::fault::{DiskEffect, DiskRule};
use stormglass_fs::{Disk, DiskProfile, FileExt, NamesDurable, OpenOptions};

const PROPERTY: &str = "the file system: synced data survives, and unsynced data as the kind of loss allows";
const SECTOR: usize = 512;

/// The files: two directories, which are durable before the first action, with two names each.
const PATHS: [&str; 4] = ["a", "b", "d/a", "d/b"];

#[derive(Clone, Copy, Debug)]
enum Action {
    /// Writes so many bytes of this value at an offset; creates the file if it is absent.
    Write {
        path: usize,
        at: usize,
        len: usize,
        byte: u8,
    },
    SetLen {
        path: usize,
        len: usize,
    },
    Rename {
        from: usize,
        to: usize,
    },
    Remove {
        path: usize,
    },
    SyncFile {
        path: usize,
    },
    SyncDirectory {
        of: usize,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let path = || 0..PATHS.len();
    prop_oneof![
        4 => (path(), 0..1_500usize, 1..1_500usize, 1..=255u8)
            .prop_map(|(path, at, len, byte)| Action::Write { path, at, len, byte }),
        1 => (path(), 0..2_000usize).prop_map(|(path, len)| Action::SetLen { path, len }),
        2 => (path(), path()).prop_map(|(from, to)| Action::Rename { from, to }),
        1 => path().prop_map(|path| Action::Remove { path }),
        2 => path().prop_map(|path| Action::SyncFile { path }),
        2 => path().prop_map(|of| Action::SyncDirectory { of }),
    ]
}

fn directory(path: usize) -> &'static str {
    if PATHS[path].starts_with("d/") { "d" } else { "/" }
}

type Names = BTreeMap<usize, usize>;

/// The model: the names and the contents that there were, and from when on they may be lost.
#[derive(Default)]
struct Model {
    /// The contents of each file since its last sync, oldest first; the first was synced.
    files: Vec<Vec<Vec<u8>>>,
    /// The names after each change, oldest first, with the directories and the files of the change.
    names: Vec<(Names, Vec<&'static str>, Vec<usize>)>,
    /// The index in `names` of the last durable state.
    durable: usize,
    names_follow_file: bool,
}

impl Model {
    fn new(names_follow_file: bool) -> Model {
        Model { names: vec![Default::default()], names_follow_file, ..Model::default() }
    }

    fn names(&self) -> Names {
        self.names[self.names.len() - 1].0.clone()
    }

    fn change(&mut self, names: Names, directories: Vec<&'static str>, files: Vec<usize>) {
        self.names.push((names, directories, files));
    }

    /// Makes all changes up to the last one for which this holds durable.
    fn commit(&mut self, touches: impl Fn(&(Names, Vec<&'static str>, Vec<usize>)) -> bool) {
        let last = self.names.iter().rposition(touches).unwrap_or(0);
        self.durable = self.durable.max(last);
    }

    /// Applies an action, and returns whether it succeeds.
    fn act(&mut self, action: Action) -> bool {
        let mut names = self.names();
        match action {
            Action::Write { path, at, len, byte } => {
                let file = names.get(&path).copied().unwrap_or_else(|| {
                    self.files.push(vec![Vec::new()]);
                    names.insert(path, self.files.len() - 1);
                    self.change(names.clone(), vec![directory(path)], vec![self.files.len() - 1]);
                    self.files.len() - 1
                });
                let mut bytes = self.files[file].last().cloned().unwrap_or_default();
                bytes.resize(bytes.len().max(at + len), 0);
                bytes[at..at + len].fill(byte);
                self.files[file].push(bytes);
            }
            Action::SetLen { path, len } => {
                let Some(&file) = names.get(&path) else { return false };
                let mut bytes = self.files[file].last().cloned().unwrap_or_default();
                bytes.resize(len, 0);
                self.files[file].push(bytes);
            }
            Action::Rename { from, to } => {
                let Some(file) = names.get(&from).copied() else { return false };
                if from != to {
                    names.remove(&from);
                    names.insert(to, file);
                    self.change(names, vec![directory(from), directory(to)], vec![file]);
                }
            }
            Action::Remove { path } => {
                if names.remove(&path).is_none() {
                    return false;
                }
                self.change(names, vec![directory(path)], Vec::new());
            }
            Action::SyncFile { path } => {
                let Some(&file) = names.get(&path) else { return false };
                let last = self.files[file].pop().unwrap_or_default();
                self.files[file] = vec![last];
                if self.names_follow_file {
                    self.commit(|(_, _, files)| files.contains(&file));
                }
            }
            Action::SyncDirectory { of } => {
                self.commit(|(_, directories, _)| directories.contains(&directory(of)));
            }
        }
        true
    }

    /// Returns whether a power loss of this kind may leave these files.
    fn admits(&self, loss: Loss, found: &BTreeMap<usize, Vec<u8>>) -> bool {
        let end = if loss == Loss::Everything { self.durable + 1 } else { self.names.len() };
        self.names[self.durable..end].iter().any(|(names, ..)| {
            names.len() == found.len()
                && names.iter().all(|(path, file)| {
                    found.get(path).is_some_and(|bytes| may_remain(loss, &self.files[*file], bytes))
                })
        })
    }
}

/// Returns whether a loss may leave these bytes of a file with these contents since its last sync.
fn may_remain(loss: Loss, history: &[Vec<u8>], found: &[u8]) -> bool {
    match loss {
        Loss::Everything => found == history[0],
        Loss::Suffix => history.iter().any(|contents| contents == found),
        Loss::Subset | Loss::Torn => {
            let longest = history.iter().map(Vec::len).max().unwrap_or_default();
            let shortest = history.iter().map(Vec::len).min().unwrap_or_default();
            let was = |index: usize, sector: &[u8]| {
                history.iter().any(|contents| {
                    let byte = |at| contents.get(index * SECTOR + at).copied().unwrap_or(0);
                    sector.iter().enumerate().all(|(at, found)| *found == byte(at))
                })
            };
            (shortest..=longest).contains(&found.len())
                && found.chunks(SECTOR).enumerate().all(|(index, sector)| was(index, sector))
        }
    }
}

#[derive(Clone, Debug)]
struct Story {
    actions: Vec<Action>,
    loss: Loss,
    names_follow_file: bool,
    seed: u64,
}

fn stories() -> impl Strategy<Value = Story> {
    (vec(action(), 1..30), select(Loss::ALL.to_vec()), any::<bool>(), any::<u64>())
        .prop_map(|(actions, loss, names_follow_file, seed)| Story { actions, loss, names_follow_file, seed })
}

async fn act(disk: &Disk, action: Action) -> std::io::Result<()> {
    let open = async |path: usize, creates| {
        disk.open_with(OpenOptions::new().write(true).create(creates), PATHS[path]).await
    };
    match action {
        Action::Write { path, at, len, byte } => {
            open(path, true).await?.write_all_at(&vec![byte; len], at as u64).await
        }
        Action::SetLen { path, len } => open(path, false).await?.set_len(len as u64).await,
        Action::Rename { from, to } => disk.rename(PATHS[from], PATHS[to]).await,
        Action::Remove { path } => disk.remove_file(PATHS[path]).await,
        Action::SyncFile { path } => open(path, false).await?.sync_all().await,
        Action::SyncDirectory { of } => disk.open(directory(of)).await?.sync_all().await,
    }
}

/// Plays the actions on a disk and on the model, cuts the power, and compares. A case is
/// interesting if something was not synced. `defect` is a rule for the disk that the model lacks.
fn survivors_are_admissible(story: &Story, defect: Option<DiskEffect>) -> Result<bool, String> {
    let Story { actions, loss, names_follow_file, seed } = story.clone();
    let names_durable = if names_follow_file { NamesDurable::FileSync } else { NamesDurable::DirectorySync };
    Runtime::new().block_on(async move {
        let disk = Disk::new("disk", DiskProfile { names_durable, ..DiskProfile::instant() }, Seed(seed));
        disk.create_dir("d").await.unwrap();
        disk.open("/").await.unwrap().sync_all().await.unwrap();
        let rule = defect.map(|effect| disk.inject(DiskRule::new(effect)).unwrap());
        let mut model = Model::new(names_follow_file);
        for action in actions {
            let (done, expected) = (act(&disk, action).await.is_ok(), model.act(action));
            if done != expected {
                return Err(format!("{action:?} succeeds: {done}, the model says {expected}"));
            }
        }
        drop(rule);
        let is_unsynced = model.durable + 1 < model.names.len()
            || model.names().values().any(|file| model.files[*file].len() > 1);
        disk.power_loss(loss);
        let mut found = BTreeMap::new();
        for entry in disk.snapshot().entries {
            if let EntryKind::File { .. } = entry.kind {
                let path = PATHS.iter().position(|path| *path == entry.path.trim_start_matches('/'));
                found.insert(path.unwrap(), disk.read(&entry.path).await.unwrap());
            }
        }
        match model.admits(loss, &found) {
            true => Ok(is_unsynced),
            false => {
                let sizes: Vec<_> = found.iter().map(|(path, bytes)| (PATHS[*path], bytes.len())).collect();
                Err(format!("not admissible: a power loss that loses {loss:?} left {sizes:?}"))
            }
        }
    })
}

#[test]
fn power_loss_leaves_what_the_model_admits() {
    let property = stormglass::property!().cases(1_500).at_least(0.5);
    let tally = property.check(stories(), |story| survivors_are_admissible(story, None));
    record(PROPERTY, &tally);
}

/// Disks whose devices lie about writes and about names, of which the model knows nothing.
#[test]
fn planted_defects_of_the_device_are_found() {
    for (corruption, at_most) in [
        (Corruption::Phantom, 60),
        (Corruption::Torn, 60),
        (Corruption::Misdirected, 60),
        (Corruption::BitFlip, 30),
        (Corruption::LostName, 60),
    ] {
        let property = stormglass::property!().cases(at_most);
        let effect = DiskEffect::Corrupt(corruption);
        let found = property.find(stories(), |story| survivors_are_admissible(story, Some(effect.clone())));
        record_planted("the file system", &format!("a device with `{corruption:?}`"), &found, at_most);
        assert!(found.value.actions.len() <= 8, "{:?}", found.value);
    }
}
