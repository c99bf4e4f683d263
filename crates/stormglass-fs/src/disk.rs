//! The handle of a disk, and the operations by name.

mod begun;
mod snapshot;
mod state;

pub use snapshot::{Entry, Snapshot, What};

pub(crate) use begun::{Begun, Passing};
pub(crate) use state::{At, State};

use crate::blocking::Ledger;
use crate::device::Device;
use crate::directory::{self, ReadDir};
use crate::fault::{DiskRule, InvalidRule};
use crate::file::{File, OpenOptions};
use crate::metadata::Metadata;
use crate::operation::{Counters, Operation};
use crate::power::{Drawn, Loss};
use crate::profile::DiskProfile;
use crate::tree::{Follow, text};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_core::{Keep, Kind, Recorder, Seed, Symbol};
use stormglass_rt as rt;

/// A disk with its filesystem. Clones are handles to the same disk; it outlives every task that uses it.
///
/// An operation takes effect when its time is over: a task that is killed half-way has changed nothing. A sync keeps what
/// was written before it began. Errors are those that a real filesystem gives, by kind and by number.
///
/// The methods are named after the functions of `tokio::fs`, which are here too and use the disk that is mounted on the
/// node at work: see [`Disk::mount`].
#[derive(Clone, Debug)]
pub struct Disk {
    shared: Arc<Shared>,
    /// Where the time of operations goes; without one it is slept.
    ledger: Option<Ledger>,
}

#[derive(Debug)]
struct Shared {
    profile: DiskProfile,
    device: Device,
    recorder: Recorder,
    state: Mutex<State>,
}

impl Disk {
    /// A new, empty disk. Its latencies come from the seed's streams `("disk", name, operation)`.
    pub fn new(name: &str, profile: DiskProfile, seed: Seed) -> Disk {
        Disk::recorded(name, profile, seed, &Recorder::new(Keep::Nothing))
    }

    /// As [`Disk::new`], with a recorder for its events.
    pub fn recorded(name: &str, profile: DiskProfile, seed: Seed, recorder: &Recorder) -> Disk {
        Disk::on(Device::new(name, &profile.device, seed), name, profile, seed, recorder)
    }

    /// As [`Disk::recorded`], on a device that it may share with other disks; the profile's own device does not count then.
    pub fn on(device: Device, name: &str, profile: DiskProfile, seed: Seed, recorder: &Recorder) -> Disk {
        let state = Mutex::new(State::new(name, &profile, seed));
        let shared = Shared { profile, device, recorder: recorder.clone(), state };
        Disk { shared: Arc::new(shared), ledger: None }
    }

    // ---- operations ----------------------------------------------------------------------------------------

    /// Opens an existing file for reading, or a directory for syncing.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.open_with(OpenOptions::new().read(true), path).await
    }

    /// Opens a file for writing: a new one, or an old one cut to nothing.
    ///
    /// # Errors
    ///
    /// `NotFound` if the directory is missing, `IsADirectory`, `NotADirectory`.
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.open_with(OpenOptions::new().write(true).create(true).truncate(true), path).await
    }

    /// Opens a file in this way.
    ///
    /// # Errors
    ///
    /// `NotFound`, `AlreadyExists`, `NotADirectory`; `IsADirectory` for a directory opened for writing; `InvalidInput`
    /// for options that contradict each other, as `std::fs::OpenOptions` has it.
    pub async fn open_with(&self, options: &OpenOptions, path: impl AsRef<Path>) -> io::Result<File> {
        File::open_on(self, options, text(path.as_ref())?).await
    }

    /// Reads a whole file.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`, `IsADirectory`.
    pub async fn read(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        self.open(path).await?.read_whole().await
    }

    /// Reads a whole file as text.
    ///
    /// # Errors
    ///
    /// As [`Disk::read`]; `InvalidData` for what is not UTF-8.
    pub async fn read_to_string(&self, path: impl AsRef<Path>) -> io::Result<String> {
        String::from_utf8(self.read(path).await?).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Replaces a file's contents. Nothing is synced.
    ///
    /// # Errors
    ///
    /// As [`Disk::create`].
    pub async fn write(&self, path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
        self.create(path).await?.write_whole(contents.as_ref(), 0).await
    }

    /// Copies a file's contents to another, which is made or replaced; gives their size.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the source is no regular file; otherwise as [`Disk::read`] and [`Disk::write`].
    pub async fn copy(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
        let from = self.open(from).await?;
        if from.is_directory() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let to = self.create(to).await?;
        let bytes = from.read_whole().await?;
        to.write_whole(&bytes, 0).await?;
        Ok(bytes.len() as u64)
    }

    /// Moves a file or directory; a file or empty directory under the new name is replaced.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsADirectory`, `NotADirectory`, `DirectoryNotEmpty`, `InvalidInput` for a directory into itself.
    pub async fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
        let (from, to) = (text(from.as_ref())?, text(to.as_ref())?);
        self.operate(Kind::Rename, to, |state| state.tree.rename(from, to)).await
    }

    /// Removes a file's name, or a symbolic link. Open handles keep the contents.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsADirectory`, `NotADirectory`.
    pub async fn remove_file(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = text(path.as_ref())?;
        self.operate(Kind::Unlink, path, |state| state.tree.remove_file(path)).await
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`, `DirectoryNotEmpty`.
    pub async fn remove_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = text(path.as_ref())?;
        self.operate(Kind::Unlink, path, |state| state.tree.remove_dir(path)).await
    }

    /// Removes a directory with all that is in it; a symbolic link is removed itself. Each removal is an operation.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory` for a file.
    pub async fn remove_dir_all(&self, path: impl AsRef<Path>) -> io::Result<()> {
        directory::remove_all(self, path.as_ref()).await
    }

    /// Makes a directory.
    ///
    /// # Errors
    ///
    /// `NotFound` if its parent is missing, `AlreadyExists`, `NotADirectory`.
    pub async fn create_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = text(path.as_ref())?;
        self.operate(Kind::Mkdir, path, |state| state.tree.create_dir(path)).await
    }

    /// Makes a directory and those above it; one that is there already costs its attempt and is no error.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if a file has the name, `NotADirectory`.
    pub async fn create_dir_all(&self, path: impl AsRef<Path>) -> io::Result<()> {
        directory::create_all(self, path.as_ref()).await
    }

    /// The names in a directory, sorted: one operation, or with [`crate::fault::DiskEffect::ShortDirectory`] several, each of
    /// which goes on after the last name of the one before. Names that are created or removed between two of them may be
    /// in the list or not, as POSIX has it (readdir(3)).
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`.
    pub async fn read_dir(&self, path: impl AsRef<Path>) -> io::Result<ReadDir> {
        let path = text(path.as_ref())?;
        let mut entries: Vec<(Arc<str>, _)> = Vec::new();
        loop {
            let operation =
                Operation { kind: Kind::Readdir, subject: self.subject(path), bytes: 0, on: None };
            let begun = self.begin(None, operation)?;
            let all_read = self.complete(begun, |state, begun| {
                let mut rest = state.tree.read_dir(path)?;
                if let Some((last, _)) = entries.last() {
                    rest.retain(|(name, _)| name > last);
                }
                let count = begun.shortened(rest.len());
                let all_read = count == rest.len();
                rest.truncate(count);
                entries.append(&mut rest);
                Ok(all_read)
            });
            if all_read.await? {
                return Ok(ReadDir::new(self, path.as_ref(), entries));
            }
        }
    }

    /// Gives a file another name; of a symbolic link, the link gets it.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`, `AlreadyExists`, `PermissionDenied` for a directory.
    pub async fn hard_link(&self, original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
        let (original, link) = (text(original.as_ref())?, text(link.as_ref())?);
        self.operate(Kind::Link, link, |state| state.tree.hard_link(original, link)).await
    }

    /// Makes a symbolic link; what it points to need not be there.
    ///
    /// # Errors
    ///
    /// `AlreadyExists`, `NotADirectory`, `NotFound` if the directory is missing or `original` is empty.
    pub async fn symlink(&self, original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
        let (original, link) = (text(original.as_ref())?, text(link.as_ref())?);
        self.operate(Kind::Symlink, link, |state| state.tree.symlink(original, link)).await
    }

    /// What a symbolic link points to.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`, `InvalidInput` for what is no link.
    pub async fn read_link(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        let path = text(path.as_ref())?;
        self.operate(Kind::Readlink, path, |state| state.tree.read_link(path).map(PathBuf::from)).await
    }

    /// The path from the root, without links and dots.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`.
    pub async fn canonicalize(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        let path = text(path.as_ref())?;
        self.operate(Kind::Stat, path, |state| state.tree.canonical(path).map(PathBuf::from)).await
    }

    /// What is known of a name; links are followed.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`.
    pub async fn metadata(&self, path: impl AsRef<Path>) -> io::Result<Metadata> {
        self.stat(text(path.as_ref())?, Follow::Last).await
    }

    /// What is known of a name; a link at its end is not followed.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`.
    pub async fn symlink_metadata(&self, path: impl AsRef<Path>) -> io::Result<Metadata> {
        self.stat(text(path.as_ref())?, Follow::No).await
    }

    /// Whether there is such a name.
    ///
    /// # Errors
    ///
    /// Any but `NotFound`.
    pub async fn try_exists(&self, path: impl AsRef<Path>) -> io::Result<bool> {
        match self.metadata(path).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn stat(&self, path: &str, follow: Follow) -> io::Result<Metadata> {
        let stat = |state: &mut State| Ok(state.tree.stat(state.tree.find(path, follow)?));
        Ok(self.operate(Kind::Stat, path, stat).await?.into())
    }

    // ---- what can happen to it -----------------------------------------------------------------------------

    /// The power fails: what was not synced is lost, as `loss` says, drawn from the stream `("disk", name, "power
    /// loss")`. Open files are worth nothing any more, operations under way fail with EIO; kill the disk's node first if its
    /// tasks shall not see that. The disk works again at once, with a cold cache.
    pub fn power_loss(&self, loss: Loss) {
        let mut state = self.lock();
        state.write_back(rt::now(), &self.shared.device);
        let State { tree, power, .. } = &mut *state;
        tree.power_loss(&mut Drawn { loss, stream: power });
        state.power_off();
        drop(state);
        self.note("power loss");
    }

    /// The disk is replaced by an empty one. Open files are worth nothing any more.
    pub fn wipe(&self) {
        let mut state = self.lock();
        state.wipe();
        state.power_off();
        drop(state);
        self.note("disk wiped");
    }

    /// Mounts the filesystem read-only, as Linux does with `errors=remount-ro` when it finds itself damaged, or read-write
    /// again: changes fail with EROFS.
    pub fn remount(&self, read_only: bool) {
        self.lock().read_only = read_only;
        self.note(if read_only { "remounted read-only" } else { "remounted read-write" });
    }

    /// Lets so many bytes fit on the disk; 0 is any number. What is there stays.
    pub fn set_capacity(&self, bytes: u64) {
        self.lock().capacity = bytes;
    }

    /// Bytes of the pages of all files that are named or open, and of what is reserved for them.
    pub fn used_bytes(&self) -> u64 {
        self.lock().tree.allocated()
    }

    /// The page cache lets go of everything that is clean, as `echo 3 > /proc/sys/vm/drop_caches`: what is read next comes
    /// from the device, for its price, and with whatever the device made of it.
    pub fn drop_caches(&self) {
        self.lock().tree.evict();
        self.note("caches dropped");
    }

    /// Installs a rule. It is active until the guard is dropped.
    ///
    /// # Errors
    ///
    /// A wrong pattern, probability, period or factor: see [`InvalidRule`].
    pub fn inject(&self, rule: DiskRule) -> Result<FaultGuard, InvalidRule> {
        let number = self.lock().faults.install(rule)?;
        Ok(FaultGuard { disk: self.clone(), number })
    }

    /// Lets the disk fail every operation from this one on, counted from the disk's first as 0, until
    /// [`Disk::power_loss`]. Playing a workload once for each number enumerates its crash points.
    pub fn stop_before(&self, operation: u64) {
        self.lock().stop_before = Some(operation);
    }

    // ---- looking at it -------------------------------------------------------------------------------------

    /// How many operations there were, failed ones included.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// How many operations there were of each kind, and what became of them.
    pub fn counters(&self) -> Counters {
        self.lock().counters.clone()
    }

    /// What is on the disk now, for looking at.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.lock().tree)
    }

    /// The recorder of this disk's events.
    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }

    /// The device under it.
    pub fn device(&self) -> &Device {
        &self.shared.device
    }

    /// A handle to this disk whose operations act at once and owe their time to a ledger.
    pub(crate) fn charged_to(&self, ledger: &Ledger) -> Disk {
        Disk { shared: self.shared.clone(), ledger: Some(ledger.clone()) }
    }

    pub(crate) fn subject(&self, path: &str) -> Symbol {
        self.shared.recorder.symbol(path)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, what: &str) {
        let recorder = &self.shared.recorder;
        recorder.record(rt::now(), Kind::Note, recorder.symbol(what), Duration::ZERO, 0);
    }

    /// An operation on a name.
    async fn operate<T>(
        &self,
        kind: Kind,
        path: &str,
        effect: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let operation = Operation { kind, subject: self.subject(path), bytes: 0, on: None };
        let begun = self.begin(None, operation)?;
        self.complete(begun, |state, _| effect(state)).await
    }
}

/// A rule that is installed; dropping it removes the rule.
#[derive(Debug)]
#[must_use = "dropping the guard removes the rule"]
pub struct FaultGuard {
    disk: Disk,
    /// None if the rule is for other disks.
    number: Option<u64>,
}

impl FaultGuard {
    /// How many operations this rule was applied to.
    pub fn applied(&self) -> u64 {
        self.number.map_or(0, |number| self.disk.lock().faults.applied(number))
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.disk.lock().faults.remove(number);
        }
    }
}
