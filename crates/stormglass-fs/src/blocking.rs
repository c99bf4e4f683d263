//! A disk for engines that do blocking I/O: SQLite-like, redb-like, anything behind a synchronous trait.
//!
//! A synchronous call cannot sleep in a simulation. So a blocking operation takes effect at once and its time is put on a
//! [`Ledger`]; the task sleeps what it owes at its next opportunity to await. What stays invisible is interleaving
//! *inside* a synchronous stretch of the engine.
//!
//! ```
//! use stormglass_core::{Latency, Seed};
//! use stormglass_fs::blocking::{BlockingDisk, Ledger};
//! use stormglass_fs::{Disk, DiskProfile, OpenOptions};
//!
//! madsim::runtime::Runtime::new().block_on(async {
//!     let mut profile = DiskProfile::instant();
//!     profile.sync.latency = Latency::from_millis(5);
//!     let disk = Disk::new("disk", profile, Seed(1));
//!     let ledger = Ledger::new(&disk);
//!     let blocking = BlockingDisk::new(&disk, &ledger);
//!
//!     // No await: an engine may do this deep inside.
//!     let file = blocking.open_with(OpenOptions::new().read(true).write(true).create(true), "db")?;
//!     file.write_all_at(b"page", 0)?;
//!     file.sync_data()?;
//!     assert_eq!(stormglass_rt::now().as_nanos() / 1_000_000, 0);
//!     ledger.settle().await;
//!     assert_eq!(stormglass_rt::now().as_nanos() / 1_000_000, 5);
//!     Ok::<(), std::io::Error>(())
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```

use crate::directory::ReadDir;
use crate::disk::Disk;
use crate::ext::FileExt;
use crate::file::{File, OpenOptions};
use crate::metadata::Metadata;
use std::fs::TryLockError;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use stormglass_core::{Kind, Recorder, Symbol};
use stormglass_rt as rt;

/// The time that blocking operations have taken and nobody has slept yet. Clones are the same ledger; a task has one.
#[derive(Clone, Debug)]
pub struct Ledger {
    owed: Arc<Mutex<Duration>>,
    recorder: Recorder,
    subject: Symbol,
}

impl Ledger {
    /// An empty ledger, which records its settlements where the disk records.
    pub fn new(disk: &Disk) -> Ledger {
        let recorder = disk.recorder().clone();
        Ledger { owed: Arc::default(), subject: recorder.symbol("blocking operations"), recorder }
    }

    /// Sleeps what is owed.
    pub async fn settle(&self) {
        let owed = std::mem::take(&mut *self.lock());
        if !owed.is_zero() {
            rt::worker::offload(rt::sleep(owed)).await;
            self.recorder.record(rt::now(), Kind::Settle, self.subject, owed, 0);
        }
    }

    /// What is owed.
    pub fn owed(&self) -> Duration {
        *self.lock()
    }

    pub(crate) fn owe(&self, took: Duration) {
        *self.lock() += took;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Duration> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A disk whose operations take effect at once and are owed for. Methods and errors are those of [`Disk`].
#[derive(Clone, Debug)]
pub struct BlockingDisk(Disk);

macro_rules! at_once_on_disk {
    ($($name:ident($($argument:ident: $type:ty),+) -> $output:ty;)+) => {$(
        #[doc = concat!("[`Disk::", stringify!($name), "`], at once.")]
        ///
        /// # Errors
        ///
        #[doc = concat!("Those of [`Disk::", stringify!($name), "`].")]
        pub fn $name(&self, $($argument: $type),+) -> io::Result<$output> {
            at_once(self.0.$name($($argument),+))
        }
    )+};
}

impl BlockingDisk {
    /// The disk for blocking callers, whose time goes on this ledger.
    pub fn new(disk: &Disk, ledger: &Ledger) -> BlockingDisk {
        BlockingDisk(disk.charged_to(ledger))
    }

    /// [`Disk::open_with`], at once.
    ///
    /// # Errors
    ///
    /// Those of [`Disk::open_with`].
    pub fn open_with(&self, options: &OpenOptions, path: impl AsRef<Path>) -> io::Result<BlockingFile> {
        at_once(self.0.open_with(options, path)).map(BlockingFile)
    }

    crate::functions::each!(at_once_on_disk);
}

/// An open file whose operations take effect at once and are owed for. Methods are named after `std::fs::File` and
/// `std::os::unix::fs::FileExt`, and it is a stream of `std::io`; errors are those of [`File`].
#[derive(Debug)]
pub struct BlockingFile(File);

impl File {
    /// The file for blocking callers, whose time goes on this ledger.
    pub fn into_blocking(self, ledger: &Ledger) -> BlockingFile {
        BlockingFile(self.charged_to(ledger))
    }
}

macro_rules! at_once_on_file {
    ($($name:ident($($argument:ident: $type:ty),*) -> $output:ty;)+) => {$(
        #[doc = concat!("`", stringify!($name), "` of [`File`] or [`FileExt`], at once.")]
        ///
        /// # Errors
        ///
        /// The same.
        pub fn $name(&self, $($argument: $type),*) -> io::Result<$output> {
            at_once(self.0.$name($($argument),*))
        }
    )+};
}

impl BlockingFile {
    at_once_on_file! {
        allocate(len: u64) -> ();
        metadata() -> Metadata;
        read_at(buffer: &mut [u8], offset: u64) -> usize;
        read_exact_at(buffer: &mut [u8], offset: u64) -> ();
        set_len(len: u64) -> ();
        sync_all() -> ();
        sync_data() -> ();
        write_all_at(bytes: &[u8], offset: u64) -> ();
        write_at(bytes: &[u8], offset: u64) -> usize;
    }

    /// Locks the file for this handle alone, if nobody else holds a lock. A blocking caller cannot wait for one.
    ///
    /// # Errors
    ///
    /// `WouldBlock` while others hold a lock.
    pub fn try_lock(&self) -> Result<(), TryLockError> {
        self.0.try_lock()
    }
}

impl io::Read for BlockingFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        at_once(self.0.read_on(buffer))
    }
}

impl io::Write for BlockingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        at_once(self.0.write_on(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Seek for BlockingFile {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.0.seek_to(to)
    }
}

/// The output of an operation that owes its time instead of sleeping it, and so is ready when it is first polled.
fn at_once<T>(operation: impl Future<Output = T>) -> T {
    match pin!(operation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("an operation that is charged to a ledger does not sleep"),
    }
}
