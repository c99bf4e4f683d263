//! A RocksDB-like storage engine on the simulated filesystem.
//!
//! What a timeout waits for in a real RocksDB is its file operations, above all its syncs, one after the
//! other. So this engine does them: [`Engine::open`] makes the calls that RocksDB makes for a new or an
//! existing database, in their order (`open`), and a synced [`Batch`] is a write and an fdatasync of the
//! write-ahead log (`wal`). Families come and go, and are flushed, exported and imported
//! (`families`). Contents are real: what a killed node had written is read back from its files.
//!
//! Left out, because nothing waits for it here: compaction, bloom filters, block cache, snapshots of reads.
//!
//! ```
//! use stormglass_core::Seed;
//! use sim_rocksdb::{Batch, Engine};
//! use stormglass_fs::{Disk, DiskProfile};
//!
//! madsim::runtime::Runtime::new().block_on(async {
//!     let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
//!     let mut engine = Engine::open(&disk, "db", &["data"]).await?;
//!     let mut batch = Batch::new();
//!     batch.put(0, b"key", b"value");
//!     engine.write_synced(batch).await?;
//!     drop(engine);
//!     let engine = Engine::open(&disk, "db", &["data"]).await?;
//!     assert_eq!(engine.get(0, b"key"), Some(&b"value"[..]));
//!     Ok::<(), sim_rocksdb::EngineError>(())
//! })?;
//! # Ok::<(), sim_rocksdb::EngineError>(())
//! ```

mod families;
mod manifest;
mod open;
mod table;
mod wal;

pub use wal::{Batch, Recovery};

use std::collections::BTreeSet;
use std::io;
use std::ops::RangeBounds;
use std::path::PathBuf;
use stormglass_fs::{Disk, File};

/// An open database. One writer: RocksDB queues its writers behind one log anyway.
#[derive(Debug)]
pub struct Engine {
    disk: Disk,
    path: PathBuf,
    families: Vec<Family>,
    wal: wal::Wal,
    /// The directory's handle. RocksDB syncs it after the first synced write of a new log (`log_dir_synced_`).
    directory: File,
    directory_synced: bool,
    manifest: manifest::Manifest,
    /// The families with changes that are in no table file.
    unflushed: BTreeSet<usize>,
}

#[derive(Debug)]
struct Family {
    name: String,
    table: table::Table,
}

impl Engine {
    /// The value of a key of the family at this place of the list that the database was opened with.
    ///
    /// # Panics
    ///
    /// When there is no such family.
    pub fn get(&self, family: usize, key: &[u8]) -> Option<&[u8]> {
        self.families[family].table.get(key).map(Vec::as_slice)
    }

    /// The entries of a family in a range of keys, in order.
    ///
    /// # Panics
    ///
    /// When there is no such family, or the range is reversed.
    pub fn range(
        &self,
        family: usize,
        keys: impl RangeBounds<Vec<u8>>,
    ) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.families[family].table.range(keys).map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    /// Writes a batch and makes it durable: one write and one fdatasync of the log, and, the first time, one
    /// fsync of the directory.
    ///
    /// # Errors
    ///
    /// Those of the disk. The batch may or may not be found after a restart then.
    pub async fn write_synced(&mut self, batch: Batch) -> io::Result<()> {
        self.wal.append(&batch).await?;
        self.wal.sync().await?;
        if !self.directory_synced {
            self.directory.sync_all().await?;
            self.directory_synced = true;
        }
        self.apply(batch);
        Ok(())
    }

    fn apply(&mut self, batch: Batch) {
        self.unflushed.extend(batch.families());
        batch.apply(&mut self.families);
    }

    /// Where the database lies on its disk.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The disk it lies on.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }
}

/// Why a database does not open or write.
#[derive(Debug)]
pub enum EngineError {
    /// The disk failed.
    Io(io::Error),
    /// The files contradict each other.
    Corrupt(String),
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EngineError::Io(error) => error.fmt(f),
            EngineError::Corrupt(what) => write!(f, "corrupt database: {what}"),
        }
    }
}

impl std::error::Error for EngineError {}

impl From<io::Error> for EngineError {
    fn from(error: io::Error) -> EngineError {
        EngineError::Io(error)
    }
}
