//! Files for engines that do blocking I/O: SQLite-like, redb-like, anything behind a synchronous trait.
//!
//! A synchronous call cannot sleep in a simulation. So a blocking operation takes effect at once and its time is put on a
//! [`Ledger`]; the task sleeps what it owes at its next opportunity to await. What stays invisible is interleaving
//! *inside* a synchronous stretch of the engine.
//!
//! ```
//! use stormglass_core::{Latency, Seed};
//! use stormglass_fs::blocking::Ledger;
//! use stormglass_fs::{Disk, DiskProfile, OpenOptions};
//!
//! madsim::runtime::Runtime::new().block_on(async {
//!     let mut profile = DiskProfile::instant();
//!     profile.sync.latency = Latency::from_millis(5);
//!     let disk = Disk::new("disk", profile, Seed(1));
//!     let ledger = Ledger::new(&disk);
//!     let file = OpenOptions::new().read(true).write(true).create(true).open(&disk, "db").await?;
//!     let file = file.into_blocking(&ledger);
//!
//!     file.write_at(b"page", 0)?; // no await: an engine may do this deep inside
//!     file.sync_data()?;
//!     assert_eq!(stormglass_rt::now().as_nanos() / 1_000_000, 0);
//!     ledger.settle().await;
//!     assert_eq!(stormglass_rt::now().as_nanos() / 1_000_000, 5);
//!     Ok::<(), std::io::Error>(())
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```

use crate::disk::Disk;
use crate::file::File;
use std::future::Future;
use std::io;
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
            rt::sleep(owed).await;
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

/// An open file whose operations take effect at once and are owed for. Errors are those of [`File`].
#[derive(Clone, Debug)]
pub struct BlockingFile(File);

impl File {
    /// The file for blocking callers, whose time goes on this ledger.
    pub fn into_blocking(self, ledger: &Ledger) -> BlockingFile {
        BlockingFile(self.charged_to(ledger))
    }
}

impl BlockingFile {
    /// The length in bytes.
    ///
    /// # Errors
    ///
    /// As [`File::metadata`].
    #[expect(clippy::len_without_is_empty, reason = "a file's length, not a collection's")]
    pub fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    /// Fills the buffer from `offset` on.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the file ends before; otherwise as [`File::read_at`].
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = at_once(self.0.read_at(buffer.len(), offset))?;
        if bytes.len() < buffer.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.copy_from_slice(&bytes);
        Ok(())
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    ///
    /// As [`File::write_at`].
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        at_once(self.0.write_at(bytes, offset))
    }

    /// Sets the length.
    ///
    /// # Errors
    ///
    /// As [`File::set_len`].
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        at_once(self.0.set_len(len))
    }

    /// Makes data durable.
    ///
    /// # Errors
    ///
    /// As [`File::sync_data`].
    pub fn sync_data(&self) -> io::Result<()> {
        at_once(self.0.sync_data())
    }

    /// Makes data and metadata durable.
    ///
    /// # Errors
    ///
    /// As [`File::sync_all`].
    pub fn sync_all(&self) -> io::Result<()> {
        at_once(self.0.sync_all())
    }
}

/// The output of an operation that owes its time instead of sleeping it, and so is ready when it is first polled.
fn at_once<T>(operation: impl Future<Output = T>) -> T {
    match pin!(operation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("an operation that is charged to a ledger does not sleep"),
    }
}
