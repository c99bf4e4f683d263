//! A disk for engines that do blocking I/O: SQLite-like, redb-like, anything behind a synchronous trait.
//!
//! A synchronous call cannot sleep in a simulation. So a blocking operation takes effect immediately and adds its latency to a
//! [`DeferredLatency`]; the task sleeps for it at its next opportunity to await. What the simulation does not show is
//! interleaving *inside* a synchronous section of the engine.
//!
//! ```
//! use stormglass_core::{Latency, Seed};
//! use stormglass_fs::blocking::{BlockingDisk, DeferredLatency};
//! use stormglass_fs::{Disk, DiskProfile, OpenOptions};
//!
//! madsim::runtime::Runtime::new().block_on(async {
//!     let mut profile = DiskProfile::instant();
//!     profile.sync.latency = Latency::from_millis(5);
//!     let disk = Disk::new("disk", profile, Seed(1));
//!     let deferred = DeferredLatency::new(&disk);
//!     let blocking = BlockingDisk::new(&disk, &deferred);
//!
//!     // No await: an engine may do this deep inside.
//!     let file = blocking.open_with(OpenOptions::new().read(true).write(true).create(true), "db")?;
//!     file.write_all_at(b"page", 0)?;
//!     file.sync_data()?;
//!     assert_eq!(stormglass_rt::now().as_nanos() / 1_000_000, 0);
//!     deferred.sleep().await;
//!     assert_eq!(stormglass_rt::now().as_nanos() / 1_000_000, 5);
//!     Ok::<(), std::io::Error>(())
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```

pub use crate::deferred::DeferredLatency;

use crate::directory::ReadDir;
use crate::disk::Disk;
use crate::ext::FileExt;
use crate::file::{File, OpenOptions};
use crate::metadata::{FileTimes, Metadata};
use std::fs::{Permissions, TryLockError};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

impl DeferredLatency {
    /// Creates an empty deferred latency, whose sleeps are recorded where the disk records.
    pub fn new(disk: &Disk) -> DeferredLatency {
        DeferredLatency::recorded(disk.recorder())
    }
}

/// A disk whose operations take effect immediately and defer their latency. Methods and errors are those of [`Disk`].
#[derive(Clone, Debug)]
pub struct BlockingDisk(Disk);

macro_rules! blocking_on_disk {
    ($($name:ident($($argument:ident: $type:ty),+) -> $output:ty;)+) => {$(
        #[doc = concat!("[`Disk::", stringify!($name), "`], blocking.")]
        ///
        /// # Errors
        ///
        #[doc = concat!("Those of [`Disk::", stringify!($name), "`].")]
        pub fn $name(&self, $($argument: $type),+) -> io::Result<$output> {
            complete(self.0.$name($($argument),+))
        }
    )+};
}

impl BlockingDisk {
    /// Returns the disk for blocking calls, which add their latency to `deferred`.
    pub fn new(disk: &Disk, deferred: &DeferredLatency) -> BlockingDisk {
        BlockingDisk(disk.deferring_to(deferred))
    }

    /// [`Disk::open_with`], blocking.
    ///
    /// # Errors
    ///
    /// Those of [`Disk::open_with`].
    pub fn open_with(&self, options: &OpenOptions, path: impl AsRef<Path>) -> io::Result<BlockingFile> {
        complete(self.0.open_with(options, path)).map(BlockingFile)
    }

    crate::functions::each!(blocking_on_disk);
}

/// An open file whose operations take effect immediately and defer their latency. Methods are named after `std::fs::File` and
/// `std::os::unix::fs::FileExt`, and it is a stream of `std::io`; errors are those of [`File`].
#[derive(Debug)]
pub struct BlockingFile(File);

impl File {
    /// Returns the file for blocking calls, which add their latency to `deferred`.
    pub fn into_blocking(self, deferred: &DeferredLatency) -> BlockingFile {
        BlockingFile(self.deferring_to(deferred))
    }
}

macro_rules! blocking_on_file {
    ($($name:ident($($argument:ident: $type:ty),*) -> $output:ty;)+) => {$(
        #[doc = concat!("`", stringify!($name), "` of [`File`] or [`FileExt`], blocking.")]
        ///
        /// # Errors
        ///
        /// The same.
        pub fn $name(&self, $($argument: $type),*) -> io::Result<$output> {
            complete(self.0.$name($($argument),*))
        }
    )+};
}

impl BlockingFile {
    blocking_on_file! {
        allocate(len: u64) -> ();
        metadata() -> Metadata;
        read_at(buffer: &mut [u8], offset: u64) -> usize;
        read_exact_at(buffer: &mut [u8], offset: u64) -> ();
        set_len(len: u64) -> ();
        set_permissions(permissions: Permissions) -> ();
        set_times(times: FileTimes) -> ();
        sync_all() -> ();
        sync_data() -> ();
        write_all_at(bytes: &[u8], offset: u64) -> ();
        write_at(bytes: &[u8], offset: u64) -> usize;
    }

    /// Locks the file exclusively, without waiting: a blocking call in a simulation cannot wait for a lock.
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
        complete(self.0.read_next(buffer))
    }
}

impl io::Write for BlockingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        complete(self.0.write_next(bytes))
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

/// Returns the output of an operation with deferred latency, which is ready when it is first polled.
fn complete<T>(operation: impl Future<Output = T>) -> T {
    match pin!(operation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("an operation with deferred latency does not sleep"),
    }
}
