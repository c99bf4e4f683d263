//! The handle of a disk.

use crate::blocking::Ledger;
use crate::device::Device;
use crate::fault::{Fault, Faults, Silent, Strike};
use crate::file::{File, OpenOptions};
use crate::power::{Drawn, Loss};
use crate::profile::{DiskProfile, NamesDurable, OpCost};
use crate::tree::{Contents, Entry, Metadata, Tree};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_core::event::Category;
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
    device: Device,
    recorder: Recorder,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tree: Tree,
    streams: [Stream; OPERATIONS.len()],
    power: Stream,
    faults: Faults,
    struck: u64,
    /// How often the power was lost: a handle of an earlier time is worth nothing.
    epoch: u64,
    operations: u64,
    stop_before: Option<u64>,
}

/// What is done, as the recorder has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    pub(crate) subject: Symbol,
    pub(crate) bytes: u64,
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
        Disk::on(Device::new(profile.queue_depth), name, profile, seed, recorder)
    }

    /// As [`Disk::recorded`], on a device that it may share with other disks; that one's queue depth counts.
    pub fn on(device: Device, name: &str, profile: DiskProfile, seed: Seed, recorder: &Recorder) -> Disk {
        let streams = OPERATIONS.map(|kind| seed.stream(("disk", name, kind.name())));
        let power = seed.stream(("disk", name, "power loss"));
        let faults = Faults::new(seed.stream(("disk", name, "fault")));
        let state = State {
            tree: Tree::new(),
            streams,
            power,
            faults,
            struck: 0,
            epoch: 0,
            operations: 0,
            stop_before: None,
        };
        let state = Mutex::new(state);
        Disk { shared: Arc::new(Shared { profile, device, recorder: recorder.clone(), state }) }
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
        self.operate(Kind::Rename, subject, 0, |tree, _| tree.rename(from, to)).await
    }

    /// Removes a file's name. Open handles keep the contents.
    ///
    /// # Errors
    ///
    /// `NotFound`, `IsADirectory`, `NotADirectory`.
    pub async fn remove_file(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let subject = self.subject(path);
        self.operate(Kind::Unlink, subject, 0, |tree, _| tree.remove_file(path)).await
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotADirectory`, `DirectoryNotEmpty`.
    pub async fn remove_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let subject = self.subject(path);
        self.operate(Kind::Unlink, subject, 0, |tree, _| tree.remove_dir(path)).await
    }

    /// Makes a directory.
    ///
    /// # Errors
    ///
    /// `NotFound` if its parent is missing, `AlreadyExists`, `NotADirectory`.
    pub async fn create_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let subject = self.subject(path);
        self.operate(Kind::Mkdir, subject, 0, |tree, _| tree.mkdir(path)).await
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
        self.operate(Kind::Readdir, subject, 0, |tree, _| tree.read_dir(path)).await
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

    /// The power fails: what was not synced is lost, as `loss` says, drawn from the stream `("disk", name, "power
    /// loss")`. Open files are worth nothing any more, operations under way fail with EIO; kill the disk's node first if its
    /// tasks shall not see that. The disk works again at once.
    pub fn power_loss(&self, loss: Loss) {
        let mut state = self.lock();
        let State { tree, power, .. } = &mut *state;
        tree.power_loss(&mut Drawn { loss, stream: power });
        state.epoch += 1;
        state.stop_before = None;
        drop(state);
        let subject = self.shared.recorder.symbol("power loss");
        self.shared.recorder.record(rt::now(), Kind::Note, subject, Duration::ZERO, 0);
    }

    /// Installs a fault. It works until the guard is dropped.
    #[must_use = "dropping the guard takes the fault away"]
    pub fn inject(&self, fault: Fault) -> FaultGuard {
        FaultGuard { disk: self.clone(), number: self.lock().faults.install(fault) }
    }

    /// How many operations were struck by faults.
    pub fn struck(&self) -> u64 {
        self.lock().struck
    }

    /// Lets the disk fail every operation from this one on, counted from the disk's first as 0, until
    /// [`Disk::power_loss`]. Playing a workload once for each number enumerates its crash points.
    pub fn stop_before(&self, operation: u64) {
        self.lock().stop_before = Some(operation);
    }

    /// How many operations there were, failed ones included.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// What is on the disk now, for looking at.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { entries: self.lock().tree.walk() }
    }

    /// The recorder of this disk's events.
    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }

    pub(crate) fn subject(&self, path: &Path) -> Symbol {
        self.shared.recorder.symbol(&path.to_string_lossy())
    }

    /// The one way to touch the disk: draw the cost, let it pass, take effect, record. `epoch` is that of the handle
    /// through which it is done; with a ledger the cost is owed instead of slept.
    pub(crate) async fn operate_on<T>(
        &self,
        epoch: u64,
        ledger: Option<&Ledger>,
        Operation { kind, subject, bytes }: Operation,
        effect: impl FnOnce(&mut Tree, Silent) -> io::Result<T>,
    ) -> io::Result<T> {
        let (place, cost) = self.price(kind);
        let (draw, faulty) = {
            let mut state = self.lock();
            state.begin(epoch)?;
            (state.streams[place].draw(), !state.faults.is_empty())
        };
        let strike = if faulty { self.strike(kind, subject) } else { Strike::default() };
        let mut work = cost.work(draw, bytes);
        if let Some(factor) = strike.factor {
            work = work.mul_f64(factor);
        }
        let mut took = cost.delay + strike.delay + work;
        if kind.category() == Category::Sync && self.shared.device.is_limited() {
            let began = rt::now() + ledger.map_or(Duration::ZERO, Ledger::owed);
            took = self.shared.device.take(began + (took - work), work) - began;
        }
        match ledger {
            Some(ledger) => ledger.owe(took),
            None if took.is_zero() => {}
            None => rt::sleep(took).await,
        }
        let result = {
            let mut state = self.lock();
            match strike.error {
                _ if state.epoch != epoch => Err(eio()),
                Some(error) => Err(error.into()),
                None => effect(&mut state.tree, strike.silent),
            }
        };
        self.shared.recorder.record(rt::now(), kind, subject, took, bytes);
        result
    }

    /// As [`Disk::operate_on`], for operations by name.
    pub(crate) async fn operate<T>(
        &self,
        kind: Kind,
        subject: Symbol,
        bytes: u64,
        effect: impl FnOnce(&mut Tree, Silent) -> io::Result<T>,
    ) -> io::Result<T> {
        self.operate_on(self.epoch(), None, Operation { kind, subject, bytes }, effect).await
    }

    /// Whether the power is what it was, and on: an error is then a fault's.
    pub(crate) fn is_up(&self, epoch: u64) -> bool {
        let state = self.lock();
        state.epoch == epoch && !state.stopped(state.operations)
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Makes a file durable, and its name if this filesystem does that.
    pub(crate) fn sync_file(&self, tree: &mut Tree, contents: &Contents) {
        contents.data().sync();
        if self.shared.profile.names_durable == NamesDurable::FileSync {
            tree.sync_name_of(contents);
        }
    }

    /// What the faults do to an operation that begins now.
    fn strike(&self, kind: Kind, subject: Symbol) -> Strike {
        let recorder = &self.shared.recorder;
        let path = recorder.text(subject);
        let strike = self.lock().faults.strike(kind, &path, rt::now());
        if strike.happens() {
            self.lock().struck += 1;
            let what = recorder.symbol(&format!("fault: {strike} on {kind} {path}"));
            recorder.record(rt::now(), Kind::Note, what, Duration::ZERO, 0);
        }
        strike
    }

    /// The stream that an operation draws from, by its place, and what it costs.
    fn price(&self, kind: Kind) -> (usize, &OpCost) {
        let profile = &self.shared.profile;
        match kind {
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
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin(&mut self, epoch: u64) -> io::Result<()> {
        let number = self.operations;
        self.operations += 1;
        if self.stopped(number) || self.epoch != epoch { Err(eio()) } else { Ok(()) }
    }

    fn stopped(&self, operation: u64) -> bool {
        self.stop_before.is_some_and(|stop| operation >= stop)
    }
}

/// What the kernel says of a disk that does not answer.
fn eio() -> io::Error {
    const EIO: i32 = 5;
    io::Error::from_raw_os_error(EIO)
}

/// A fault that is installed; dropping it takes the fault away.
#[derive(Debug)]
pub struct FaultGuard {
    disk: Disk,
    number: u64,
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        self.disk.lock().faults.remove(self.number);
    }
}

/// What is on a disk at one moment; `Display` lists it as a tree with sizes and what a power loss could take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Every file and directory, in order of names.
    pub entries: Vec<Entry>,
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Entry { path, size, dirty, name_is_durable } in &self.entries {
            let depth = path.matches('/').count() - 1;
            let name = path.rsplit('/').next().unwrap_or_default();
            let size = size.map_or("/".to_string(), |size| format!(" {size}"));
            write!(f, "{:depth$}{name}{size}", "", depth = 2 * depth)?;
            if *dirty > 0 {
                write!(f, ", {dirty} not synced")?;
            }
            writeln!(f, "{}", if *name_is_durable { "" } else { ", name not synced" })?;
        }
        Ok(())
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
            assert_eq!(disk.price(kind).0, place, "{kind}");
        }
    }
}
