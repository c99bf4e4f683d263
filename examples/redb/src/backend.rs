//! A storage backend of redb (`redb::StorageBackend`) on a file of a simulated disk.
//!
//! It does what redb's own `FileBackend` does: positioned reads and writes, `fdatasync`, `ftruncate`,
//! and a lock of the whole file. Such a backend has the concurrency mode `ExclusiveWriter`, redb's
//! default.

use redb::{BackendError, StorageBackend};
use std::io;
use std::ops::Bound;
use std::path::{Component, Path};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stormglass::fs::blocking::{BlockingDisk, BlockingFile, DeferredLatency};
use stormglass::fs::{Disk, OpenOptions};

/// The longest path, with its final NUL: `PATH_MAX`.
const PATH_MAX: usize = 4_096;

/// Whether a sync does what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncs {
    /// A sync of the file makes durable what was written. The application syncs the directory after
    /// it has created the file, as fsync(2) asks for.
    Honest,
    /// The same, and nothing syncs the directory: `redb::Database::create(path)` does not.
    SkipDirectory,
    /// Every sync is acknowledged and does nothing: a disk whose cache is lost with the power, or a
    /// backend whose `sync_data` is empty.
    Lie,
}

/// A path that a database on the simulated disk cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPath {
    path: String,
    problem: &'static str,
}

impl std::fmt::Display for InvalidPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the path {:?} of a database: {}", self.path, self.problem)
    }
}

impl std::error::Error for InvalidPath {}

/// A file of a simulated disk, open in one process.
#[derive(Debug)]
pub struct Backend {
    file: BlockingFile,
    syncs: Syncs,
    process: Process,
}

/// A process that can be killed: from then on its operations fail and have no effect.
#[derive(Clone, Debug, Default)]
pub struct Process(Arc<AtomicBool>);

impl Process {
    /// Kills the process.
    pub fn kill(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn alive(&self) -> io::Result<()> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(io::Error::other("the process is dead")),
            false => Ok(()),
        }
    }
}

impl Backend {
    /// Opens a file, and creates it if it does not exist. Operations add their latency to
    /// `deferred`.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub fn open(
        disk: &Disk,
        path: &str,
        syncs: Syncs,
        process: &Process,
        deferred: &DeferredLatency,
    ) -> io::Result<Backend> {
        process.alive()?;
        let disk = BlockingDisk::new(disk, deferred);
        let file = disk.open_with(OpenOptions::new().read(true).write(true).create(true), path)?;
        if syncs == Syncs::Honest {
            let directory = Path::new(path).parent().unwrap_or(Path::new("/"));
            disk.open_with(OpenOptions::new().read(true), directory)?.sync_all()?;
        }
        Ok(Backend { file, syncs, process: process.clone() })
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.process.alive()?;
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.process.alive()?;
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.process.alive()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.process.alive()?;
        match self.syncs {
            Syncs::Honest | Syncs::SkipDirectory => self.file.sync_data(),
            Syncs::Lie => Ok(()),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.process.alive()?;
        self.file.write_all_at(data, offset)
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        let is_whole = matches!(start, Bound::Unbounded | Bound::Included(0)) && end == Bound::Unbounded;
        if !is_whole {
            return Err(BackendError::Unsupported);
        }
        self.process.alive()?;
        match self.file.try_lock().map_err(io::Error::from) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The lock ends with the file, which redb drops after it has closed it.
    fn unlock_range(&self, _start: Bound<u64>, _end: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }
}

/// Returns the absolute path of a file on the disk.
///
/// # Errors
///
/// A path that leaves the disk, that names no file, or that is too long.
pub fn full_path(path: &str) -> Result<String, InvalidPath> {
    let refuse = |problem| Err(InvalidPath { path: path.into(), problem });
    let mut full = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => full.push(name.to_str().unwrap_or_default()),
            Component::ParentDir if full.pop().is_none() => {
                return refuse("`..` leaves the disk of the simulation; give a path below its root `/`");
            }
            _ => {}
        }
    }
    match full.join("/") {
        full if full.is_empty() => refuse("it names no file; give one, such as `/app.redb`"),
        full if full.len() + 2 > PATH_MAX => refuse("it is longer than 4095 bytes"),
        full => Ok(format!("/{full}")),
    }
}
