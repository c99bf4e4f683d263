//! The handle of a disk.

use crate::file::{File, OpenOptions};
use crate::profile::{DiskProfile, OpCost};
use crate::tree::{Metadata, Tree};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_core::{Keep, Kind, Recorder, Seed, Stream, Symbol};
use stormglass_rt as rt;

/// A disk with its filesystem. Clones are handles to the same disk; it outlives every task that uses it.
///
/// An operation takes effect when its time is over: a task that is killed half-way has changed nothing.
/// Errors of names and kinds (`NotFound`, `AlreadyExists`, `NotADirectory`, `IsADirectory`, ..) are those that
/// a real filesystem gives.
#[derive(Clone, Debug)]
pub struct Disk {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    profile: DiskProfile,
    recorder: Recorder,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tree: Tree,
    streams: [Stream; OPERATIONS.len()],
}

/// Every kind of operation, in the order of the streams.
const OPERATIONS: [Kind; 12] = [
    Kind::Open,
    Kind::Create,
    Kind::Read,
    Kind::Write,
    Kind::Fsync,
    Kind::Fdatasync,
    Kind::Rename,
    Kind::Unlink,
    Kind::Mkdir,
    Kind::Readdir,
    Kind::Truncate,
    Kind::Allocate,
];

impl Disk {
    /// A new, empty disk. Its latencies come from the seed's streams `("disk", name, operation)`.
    pub fn new(name: &str, profile: DiskProfile, seed: Seed) -> Disk {
        Disk::recorded(name, profile, seed, &Recorder::new(Keep::Nothing))
    }

    /// As [`Disk::new`], with a recorder for its events.
    pub fn recorded(name: &str, profile: DiskProfile, seed: Seed, recorder: &Recorder) -> Disk {
        let streams = OPERATIONS.map(|kind| seed.stream(("disk", name, kind.name())));
        let state = Mutex::new(State { tree: Tree::new(), streams });
        Disk { shared: Arc::new(Shared { profile, recorder: recorder.clone(), state }) }
    }

    /// Opens an existing file for reading, or a directory for syncing.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).open(self, path).await
    }

    /// Opens a file for writing: a new one, or an old one cut to nothing.
    ///
    /// # Errors
    ///
    /// `NotFound` if the directory is missing, `IsADirectory`, `NotADirectory`.
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).open(self, path).await
    }

    /// Reads a whole file.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`, `IsADirectory`.
    pub async fn read(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        let file = self.open(path).await?;
        let len = file.metadata()?.len();
        file.read_at(len as usize, 0).await
    }

    /// Replaces a file's contents. Nothing is synced.
    ///
    /// # Errors
    ///
    /// As [`Disk::create`].
    pub async fn write(&self, path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
        self.create(path).await?.write_at(bytes, 0).await
    }

    /// Moves a file or directory; a file or empty directory under the new name is replaced.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsADirectory`, `NotADirectory`, `DirectoryNotEmpty`, `InvalidInput` for a directory into itself.
    pub async fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
        let (from, to) = (from.as_ref(), to.as_ref());
        let subject = self.subject(to);
        self.operate(Kind::Rename, subject, 0, |tree| tree.rename(from, to)).await
    }

    /// Removes a file's name. Open handles keep the contents.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsADirectory`, `NotADirectory`.
    pub async fn remove_file(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let subject = self.subject(path);
        self.operate(Kind::Unlink, subject, 0, |tree| tree.remove_file(path)).await
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`, `DirectoryNotEmpty`.
    pub async fn remove_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let subject = self.subject(path);
        self.operate(Kind::Unlink, subject, 0, |tree| tree.remove_dir(path)).await
    }

    /// Makes a directory.
    ///
    /// # Errors
    ///
    /// `NotFound` if its parent is missing, `AlreadyExists`, `NotADirectory`.
    pub async fn create_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let subject = self.subject(path);
        self.operate(Kind::Mkdir, subject, 0, |tree| tree.mkdir(path)).await
    }

    /// Makes a directory and those above it; one that is there already costs its attempt and is no error.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if a file has the name, `NotADirectory`.
    pub async fn create_dir_all(&self, path: impl AsRef<Path>) -> io::Result<()> {
        // As std does it: from the last name upwards until one can be made, then down again.
        let path = path.as_ref();
        let mut missing = Vec::new();
        let mut next = Some(path).filter(|path| path.file_name().is_some());
        while let Some(path) = next {
            match self.create_dir(path).await {
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(path),
                Err(_) if self.metadata(path).is_ok_and(|metadata| metadata.is_dir()) => break,
                other => {
                    other?;
                    break;
                }
            }
            next = path.parent().filter(|path| path.file_name().is_some());
        }
        for path in missing.into_iter().rev() {
            self.create_dir(path).await?;
        }
        Ok(())
    }

    /// The names in a directory, sorted.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`.
    pub async fn read_dir(&self, path: impl AsRef<Path>) -> io::Result<Vec<String>> {
        let path = path.as_ref();
        let subject = self.subject(path);
        self.operate(Kind::Readdir, subject, 0, |tree| tree.read_dir(path)).await
    }

    /// What is known of a name. Costs nothing: the kernel answers from its cache.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`.
    pub fn metadata(&self, path: impl AsRef<Path>) -> io::Result<Metadata> {
        self.lock().tree.metadata(path.as_ref())
    }

    /// Whether there is such a name. Costs nothing.
    ///
    /// # Errors
    ///
    /// Any but `NotFound`.
    pub fn try_exists(&self, path: impl AsRef<Path>) -> io::Result<bool> {
        match self.metadata(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The recorder of this disk's events.
    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }

    pub(crate) fn subject(&self, path: &Path) -> Symbol {
        self.shared.recorder.symbol(&path.to_string_lossy())
    }

    /// The one way to touch the disk: draw the cost, let it pass, take effect, record.
    pub(crate) async fn operate<T>(
        &self,
        kind: Kind,
        subject: Symbol,
        bytes: u64,
        effect: impl FnOnce(&mut Tree) -> io::Result<T>,
    ) -> io::Result<T> {
        let took = self.draw(kind, bytes);
        if !took.is_zero() {
            rt::sleep(took).await;
        }
        let result = effect(&mut self.lock().tree);
        self.shared.recorder.record(rt::now(), kind, subject, took, bytes);
        result
    }

    fn draw(&self, kind: Kind, bytes: u64) -> Duration {
        let profile = &self.shared.profile;
        let (place, cost): (usize, &OpCost) = match kind {
            Kind::Open => (0, &profile.open),
            Kind::Create => (1, &profile.create),
            Kind::Read => (2, &profile.read),
            Kind::Write => (3, &profile.write),
            Kind::Fsync => (4, &profile.sync),
            Kind::Fdatasync => (5, &profile.sync),
            Kind::Rename => (6, &profile.rename),
            Kind::Unlink => (7, &profile.unlink),
            Kind::Mkdir => (8, &profile.mkdir),
            Kind::Readdir => (9, &profile.readdir),
            Kind::Truncate => (10, &profile.truncate),
            Kind::Allocate => (11, &profile.allocate),
            other => unreachable!("{other} is no disk operation"),
        };
        let draw = self.lock().streams[place].draw();
        cost.at(draw, bytes)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The streams are found by position; the table and the match must agree.
    #[test]
    fn every_operation_draws_from_its_own_stream() {
        let disk = Disk::new("d", DiskProfile::instant(), Seed(1));
        for (place, kind) in OPERATIONS.into_iter().enumerate() {
            let words = |place: usize| format!("{:?}", disk.lock().streams[place]);
            let before: Vec<String> = (0..OPERATIONS.len()).map(words).collect();
            disk.draw(kind, 0);
            let moved =
                (0..OPERATIONS.len()).filter(|&other| words(other) != before[other]).collect::<Vec<_>>();
            assert_eq!(moved, [place], "{kind}");
        }
    }
}
