//! Any sequence of operations has the same effect on the simulated filesystem and on real files.

use super::real_directory;
use madsim::runtime::Runtime;
use proptest::prelude::*;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use stormglass_core::Seed;
use stormglass_fs::disk::EntryKind;
use stormglass_fs::{Disk, DiskProfile, File, FileExt as _, OpenOptions};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

/// An operation on a filesystem, by path or on one of two files that may be open.
#[derive(Clone, Debug)]
enum Action {
    Write(&'static str, Vec<u8>),
    Mkdir(&'static str),
    MkdirAll(&'static str),
    Rename(&'static str, &'static str),
    RemoveFile(&'static str),
    RemoveDir(&'static str),
    RemoveAll(&'static str),
    HardLink(&'static str, &'static str),
    Symlink(&'static str, &'static str),
    Copy(&'static str, &'static str),
    Open(usize, &'static str, Mode),
    Close(usize),
    ReadAt(usize, u64, usize),
    WriteAt(usize, u64, Vec<u8>),
    Read(usize, usize),
    Append(usize, Vec<u8>),
    Seek(usize, i64),
    SetLen(usize, u64),
    Canonicalize(&'static str),
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    Read,
    ReadWrite,
    Append,
    Create,
    Truncate,
    New,
}

/// The directory of all paths, deep enough that links that lead up stay below the root.
const HOME: &str = "/1/2/3/4/5";

/// Paths of few names, so that operations share files; links among them lead up, down and in
/// circles.
const PATHS: [&str; 12] =
    ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "d/../a", "d/", "b/a", "d/e/..", "b/../d"];
const TARGETS: [&str; 7] = ["a", "b", "d", "../a", "d/e", "..", "zz"];

fn action() -> impl Strategy<Value = Action> {
    let path = || prop::sample::select(&PATHS[..]);
    let target = || prop::sample::select(&TARGETS[..]);
    let bytes = || prop::collection::vec(any::<u8>(), 0..5_000);
    let slot = || 0..2usize;
    let place = || prop_oneof![0..6_000u64, Just(20_000)];
    let mode = prop::sample::select(
        &[Mode::Read, Mode::ReadWrite, Mode::Append, Mode::Create, Mode::Truncate, Mode::New][..],
    );
    prop_oneof![
        4 => (path(), bytes()).prop_map(|(path, bytes)| Action::Write(path, bytes)),
        3 => path().prop_map(Action::Mkdir),
        1 => path().prop_map(Action::MkdirAll),
        3 => (path(), path()).prop_map(|(from, to)| Action::Rename(from, to)),
        1 => path().prop_map(Action::RemoveFile),
        1 => path().prop_map(Action::RemoveDir),
        1 => path().prop_map(Action::RemoveAll),
        2 => (path(), path()).prop_map(|(from, to)| Action::HardLink(from, to)),
        2 => (target(), path()).prop_map(|(from, to)| Action::Symlink(from, to)),
        1 => (path(), path()).prop_map(|(from, to)| Action::Copy(from, to)),
        4 => (slot(), path(), mode).prop_map(|(slot, path, mode)| Action::Open(slot, path, mode)),
        1 => slot().prop_map(Action::Close),
        2 => (slot(), place(), 0..8_000usize).prop_map(|(slot, at, len)| Action::ReadAt(slot, at, len)),
        3 => (slot(), place(), bytes()).prop_map(|(slot, at, bytes)| Action::WriteAt(slot, at, bytes)),
        1 => (slot(), 0..8_000usize).prop_map(|(slot, len)| Action::Read(slot, len)),
        2 => (slot(), bytes()).prop_map(|(slot, bytes)| Action::Append(slot, bytes)),
        1 => (slot(), -3_000..3_000i64).prop_map(|(slot, by)| Action::Seek(slot, by)),
        2 => (slot(), place()).prop_map(|(slot, len)| Action::SetLen(slot, len)),
        1 => path().prop_map(Action::Canonicalize),
    ]
}

/// The result of an action: bytes or a number, or an error by its kind, its number and its text.
type ActionResult = Result<(u64, Vec<u8>), (io::ErrorKind, Option<i32>, String)>;

fn action_result(result: io::Result<(u64, Vec<u8>)>) -> ActionResult {
    result.map_err(|error| (error.kind(), error.raw_os_error(), error.to_string()))
}

struct Simulated {
    disk: Disk,
    open: [Option<File>; 2],
}

impl Simulated {
    async fn act(&mut self, action: &Action) -> io::Result<(u64, Vec<u8>)> {
        let disk = &self.disk;
        let at = |path: &str| format!("{HOME}/{path}");
        let slot = match action {
            Action::Close(slot)
            | Action::ReadAt(slot, ..)
            | Action::WriteAt(slot, ..)
            | Action::Read(slot, _) => Some(*slot),
            Action::Append(slot, _) | Action::Seek(slot, _) | Action::SetLen(slot, _) => Some(*slot),
            _ => None,
        };
        let mut file = match slot {
            Some(slot) if self.open[slot].is_none() => return Ok((0, Vec::new())),
            Some(slot) => self.open[slot].as_mut(),
            None => None,
        };
        let mut file = || file.take().unwrap();
        let done = (0, Vec::new());
        Ok(match action {
            Action::Write(path, bytes) => disk.write(at(path), bytes).await.map(|()| done)?,
            Action::Mkdir(path) => disk.create_dir(at(path)).await.map(|()| done)?,
            Action::MkdirAll(path) => disk.create_dir_all(at(path)).await.map(|()| done)?,
            Action::Rename(from, to) => disk.rename(at(from), at(to)).await.map(|()| done)?,
            Action::RemoveFile(path) => disk.remove_file(at(path)).await.map(|()| done)?,
            Action::RemoveDir(path) => disk.remove_dir(at(path)).await.map(|()| done)?,
            Action::RemoveAll(path) => disk.remove_dir_all(at(path)).await.map(|()| done)?,
            Action::HardLink(from, to) => disk.hard_link(at(from), at(to)).await.map(|()| done)?,
            Action::Symlink(from, to) => disk.symlink(from, at(to)).await.map(|()| done)?,
            Action::Copy(from, to) => (disk.copy(at(from), at(to)).await?, Vec::new()),
            Action::Canonicalize(path) => {
                let path = disk.canonicalize(at(path)).await?;
                (0, path.to_str().unwrap().into())
            }
            Action::Open(slot, path, mode) => {
                let mut options = OpenOptions::new();
                match mode {
                    Mode::Read => options.read(true),
                    Mode::ReadWrite => options.read(true).write(true),
                    Mode::Append => options.append(true).create(true),
                    Mode::Create => options.read(true).write(true).create(true),
                    Mode::Truncate => options.write(true).truncate(true),
                    Mode::New => options.read(true).write(true).create_new(true),
                };
                self.open[*slot] = None;
                self.open[*slot] = Some(disk.open_with(&options, at(path)).await?);
                done
            }
            Action::Close(slot) => {
                self.open[*slot] = None;
                done
            }
            Action::ReadAt(_, at, len) => {
                let mut buffer = vec![0; *len];
                let count = file().read_at(&mut buffer, *at).await?;
                buffer.truncate(count);
                (0, buffer)
            }
            Action::WriteAt(_, at, bytes) => (file().write_at(bytes, *at).await? as u64, Vec::new()),
            Action::Read(_, len) => {
                let mut buffer = vec![0; *len];
                let count = file().read(&mut buffer).await?;
                buffer.truncate(count);
                (0, buffer)
            }
            Action::Append(_, bytes) => {
                let file = file();
                file.write_all(bytes).await?;
                file.flush().await.map(|()| done)?
            }
            Action::Seek(_, by) => (file().seek(SeekFrom::Current(*by)).await?, Vec::new()),
            Action::SetLen(_, len) => file().set_len(*len).await.map(|()| done)?,
        })
    }

    /// Returns every path with its contents; for a symbolic link, with its target.
    async fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        for entry in self.disk.snapshot().entries {
            let bytes = match &entry.kind {
                EntryKind::Directory => b"/".to_vec(),
                EntryKind::Symlink(target) => format!("@{target}").into_bytes(),
                EntryKind::File { .. } => self.disk.read(&entry.path).await.unwrap(),
                EntryKind::Socket | EntryKind::Fifo => unreachable!("no action creates one"),
            };
            all.push((entry.path, bytes));
        }
        all
    }
}

struct Real {
    root: PathBuf,
    open: [Option<std::fs::File>; 2],
}

impl Real {
    fn act(&mut self, action: &Action) -> io::Result<(u64, Vec<u8>)> {
        use std::fs;
        let root = self.root.clone();
        let at = |path: &str| format!("{}{HOME}/{path}", root.display());
        let done = (0, Vec::new());
        let slot = match action {
            Action::Close(slot)
            | Action::ReadAt(slot, ..)
            | Action::WriteAt(slot, ..)
            | Action::Read(slot, _) => Some(*slot),
            Action::Append(slot, _) | Action::Seek(slot, _) | Action::SetLen(slot, _) => Some(*slot),
            _ => None,
        };
        let file = match slot {
            Some(slot) if self.open[slot].is_none() => return Ok(done),
            Some(slot) => self.open[slot].as_mut(),
            None => None,
        };
        let file = || file.unwrap();
        Ok(match action {
            Action::Write(path, bytes) => fs::write(at(path), bytes).map(|()| done)?,
            Action::Mkdir(path) => fs::create_dir(at(path)).map(|()| done)?,
            Action::MkdirAll(path) => fs::create_dir_all(at(path)).map(|()| done)?,
            Action::Rename(from, to) => fs::rename(at(from), at(to)).map(|()| done)?,
            Action::RemoveFile(path) => fs::remove_file(at(path)).map(|()| done)?,
            Action::RemoveDir(path) => fs::remove_dir(at(path)).map(|()| done)?,
            Action::RemoveAll(path) => fs::remove_dir_all(at(path)).map(|()| done)?,
            Action::HardLink(from, to) => fs::hard_link(at(from), at(to)).map(|()| done)?,
            Action::Symlink(from, to) => std::os::unix::fs::symlink(from, at(to)).map(|()| done)?,
            Action::Copy(from, to) => (fs::copy(at(from), at(to))?, Vec::new()),
            Action::Canonicalize(path) => {
                let path = fs::canonicalize(at(path))?;
                (0, format!("/{}", path.strip_prefix(&self.root).unwrap().display()).into())
            }
            Action::Open(slot, path, mode) => {
                let mut options = fs::OpenOptions::new();
                match mode {
                    Mode::Read => options.read(true),
                    Mode::ReadWrite => options.read(true).write(true),
                    Mode::Append => options.append(true).create(true),
                    Mode::Create => options.read(true).write(true).create(true),
                    Mode::Truncate => options.write(true).truncate(true),
                    Mode::New => options.read(true).write(true).create_new(true),
                };
                self.open[*slot] = None;
                let opened = options.open(at(path))?;
                self.open[*slot] = Some(opened);
                done
            }
            Action::Close(slot) => {
                self.open[*slot] = None;
                done
            }
            Action::ReadAt(_, at, len) => {
                let mut buffer = vec![0; *len];
                let count = file().read_at(&mut buffer, *at)?;
                buffer.truncate(count);
                (0, buffer)
            }
            Action::WriteAt(_, at, bytes) => (file().write_at(bytes, *at)? as u64, Vec::new()),
            Action::Read(_, len) => {
                let mut buffer = vec![0; *len];
                let count = file().read(&mut buffer)?;
                buffer.truncate(count);
                (0, buffer)
            }
            Action::Append(_, bytes) => file().write_all(bytes).map(|()| done)?,
            Action::Seek(_, by) => (file().seek(SeekFrom::Current(*by))?, Vec::new()),
            Action::SetLen(_, len) => file().set_len(*len).map(|()| done)?,
        })
    }

    fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        real_contents(&self.root, "", &mut all);
        all
    }
}

fn real_contents(root: &Path, prefix: &str, all: &mut Vec<(String, Vec<u8>)>) {
    let directory = root.join(prefix.trim_start_matches('/'));
    let mut entries: Vec<_> = std::fs::read_dir(directory).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let path = format!("{prefix}/{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            all.push((path.clone(), b"/".to_vec()));
            real_contents(root, &path, all);
        } else if kind.is_symlink() {
            let target = std::fs::read_link(entry.path()).unwrap();
            all.push((path, format!("@{}", target.display()).into_bytes()));
        } else {
            all.push((path, std::fs::read(entry.path()).unwrap()));
        }
    }
}

proptest! {
    /// Compares results, kinds of errors, and the whole tree after each step. `PROPTEST_CASES`
    /// sets the number of sequences.
    #[test]
    fn any_sequence_has_the_same_effect_on_real_files(actions in prop::collection::vec(action(), 1..40)) {
        let root = real_directory("sequence");
        std::fs::create_dir_all(root.join(&HOME[1..])).unwrap();
        let mut real = Real { root, open: [None, None] };
        Runtime::new().block_on(async {
            let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
            disk.create_dir_all(HOME).await.unwrap();
            let mut simulated = Simulated { disk, open: [None, None] };
            for (step, action) in actions.iter().enumerate() {
                let there = action_result(simulated.act(action).await);
                assert_eq!(there, action_result(real.act(action)), "left is simulated; step {step}: {action:?}");
                assert_eq!(simulated.contents().await, real.contents(), "left is simulated; after step {step}: {action:?}");
            }
        });
    }
}
