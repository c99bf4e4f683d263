//! A database of redb in a process that can be killed.

use crate::backend::{Backend, InvalidPath, Process, Syncs, full_path};
use redb::Builder;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stormglass::fs::Disk;
use stormglass::fs::blocking::DeferredLatency;

/// The size of redb's cache. A transaction of the workload changes more, so redb also writes pages
/// before the commit.
const CACHE: usize = 64 * 1024;

/// Why a call of redb failed.
#[derive(Debug)]
pub enum Error {
    /// A path that leaves the disk.
    Path(InvalidPath),
    /// An error of redb.
    Redb(Box<redb::Error>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Path(error) => error.fmt(f),
            Error::Redb(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl<E: Into<redb::Error>> From<E> for Error {
    fn from(error: E) -> Error {
        Error::Redb(Box::new(error.into()))
    }
}

/// A database on a simulated disk, open in one process.
///
/// Dropping it kills the process: redb does not close the file. [`Database::close`] closes it.
#[derive(Debug)]
pub struct Database {
    /// `None` after [`Database::close`].
    database: Option<redb::Database>,
    process: Process,
    deferred: DeferredLatency,
    is_repaired: bool,
}

impl Database {
    /// Opens the database, and creates it if it does not exist. redb repairs it if it has to.
    ///
    /// # Errors
    ///
    /// A path that leaves the disk; an error of redb.
    pub fn open(disk: &Disk, path: &str, syncs: Syncs) -> Result<Database, Error> {
        let path = full_path(path).map_err(Error::Path)?;
        let (process, deferred) = (Process::default(), DeferredLatency::new(disk));
        let backend = Backend::open(disk, &path, syncs, &process, &deferred)?;
        let is_repaired = Arc::new(AtomicBool::new(false));
        let repairs = is_repaired.clone();
        let database = Builder::new()
            .set_cache_size(CACHE)
            .set_repair_callback(move |_| repairs.store(true, Ordering::Relaxed))
            .create_with_backend(backend)?;
        let is_repaired = is_repaired.load(Ordering::Relaxed);
        Ok(Database { database: Some(database), process, deferred, is_repaired })
    }

    /// Returns redb's database. Its calls take no simulated time; [`Database::sleep`] sleeps for
    /// them.
    pub fn redb(&mut self) -> &mut redb::Database {
        self.database.as_mut().expect("only `close` takes the database")
    }

    /// Returns whether redb made a full repair when it opened the database: it walked all pages.
    pub fn is_repaired(&self) -> bool {
        self.is_repaired
    }

    /// Sleeps for the latency of the calls since the last sleep.
    pub fn sleep(&self) -> impl Future<Output = ()> + Send + use<> {
        let deferred = self.deferred.clone();
        async move { deferred.sleep().await }
    }

    /// Closes the database, as a process does that ends in order.
    ///
    /// # Errors
    ///
    /// An error of redb.
    pub fn close(mut self) -> Result<(), Error> {
        let database = self.database.take().expect("only `close` takes the database");
        Ok(database.close()?)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // redb's own `drop` would commit and mark the file as closed: the backend refuses.
        self.process.kill();
    }
}
