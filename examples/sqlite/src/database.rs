//! A connection in a process that can be killed.

use crate::vfs::{InvalidPath, Syncs, Vfs, full_path, section};
use rusqlite::{Connection, OpenFlags};
use std::fmt;
use stormglass::core::seed::Stream;
use stormglass::fs::Disk;

/// Why a call of SQLite failed.
#[derive(Debug)]
pub enum Error {
    /// A path that leaves the disk, or a temporary file.
    Path(InvalidPath),
    /// An error of SQLite.
    Sqlite(rusqlite::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Path(error) => error.fmt(f),
            Error::Sqlite(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

/// A database on a simulated disk, open in one process.
///
/// Dropping it kills the process: nothing is rolled back, checkpointed or removed.
/// [`Database::close`] closes it in order.
#[derive(Debug)]
pub struct Database {
    /// `None` after [`Database::close`]. It is closed before the VFS is unregistered.
    connection: Option<Connection>,
    vfs: Vfs,
}

impl Database {
    /// Opens the database, and creates it if it does not exist. SQLite's random numbers come from
    /// `random`.
    ///
    /// # Errors
    ///
    /// A path that leaves the disk; an error of SQLite.
    pub fn open(disk: &Disk, path: &str, syncs: Syncs, random: Stream) -> Result<Database, Error> {
        let path = full_path(path).map_err(Error::Path)?;
        let vfs = Vfs::new(disk, syncs, random);
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI;
        let opened = section(&vfs, || {
            let connection = Connection::open_with_flags_and_vfs(path, flags, vfs.name())?;
            connection.pragma_update(None, "temp_store", "MEMORY")?;
            Ok(connection)
        });
        Ok(Database { connection: Some(opened.map_err(Error::Sqlite)?), vfs })
    }

    /// Runs calls of SQLite, which take no simulated time; [`Database::sleep`] sleeps for them.
    ///
    /// # Errors
    ///
    /// What `calls` returns; a path that SQLite asked for, and that leaves the disk.
    pub fn call<T>(
        &mut self,
        calls: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let connection = self.connection.as_mut().expect("only `close` takes the connection");
        let result = section(&self.vfs, || calls(connection));
        result.map_err(|error| self.vfs.take_refused().map_or(Error::Sqlite(error), Error::Path))
    }

    /// Sleeps for the latency of the calls since the last sleep.
    pub fn sleep(&self) -> impl Future<Output = ()> + Send + use<> {
        let deferred = self.vfs.deferred().clone();
        async move { deferred.sleep().await }
    }

    /// Closes the database, as a process does that ends in order.
    ///
    /// # Errors
    ///
    /// An error of SQLite.
    pub fn close(mut self) -> Result<(), Error> {
        let connection = self.connection.take().expect("only `close` takes the connection");
        let closed = section(&self.vfs, || connection.close());
        closed.map_err(|(connection, error)| {
            self.connection = Some(connection);
            Error::Sqlite(error)
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.vfs.kill();
        // Frees SQLite's memory; the VFS lets nothing reach the disk. Runs of other threads wait.
        if let Some(connection) = self.connection.take() {
            section(&self.vfs, || drop(connection));
        }
    }
}
