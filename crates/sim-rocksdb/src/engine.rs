//! An open database: reads and synced writes.

use crate::manifest::Manifest;
use crate::table::Family;
use crate::wal::{Batch, Wal};
use std::collections::BTreeSet;
use std::io;
use std::ops::RangeBounds;
use std::path::PathBuf;
use stormglass_fs::{Disk, File};

/// An open database with one writer: RocksDB, too, queues its writers for one WAL.
#[derive(Debug)]
pub struct Engine {
    pub(crate) disk: Disk,
    pub(crate) path: PathBuf,
    pub(crate) families: Vec<Family>,
    pub(crate) wal: Wal,
    /// The open directory. RocksDB syncs it after the first synced write of a new WAL
    /// (`log_dir_synced_`).
    pub(crate) directory: File,
    pub(crate) directory_synced: bool,
    pub(crate) manifest: Manifest,
    /// The families with changes that are in no SST file: their memtables are not empty.
    pub(crate) unflushed: BTreeSet<usize>,
}

impl Engine {
    /// Returns the value of a key in the column family of this index: its position in the list
    /// that the database was opened with, or what [`Engine::family_index`] returns.
    ///
    /// # Panics
    ///
    /// When there is no such column family.
    pub fn get(&self, family: usize, key: &[u8]) -> Option<&[u8]> {
        self.families[family].table.get(key).map(Vec::as_slice)
    }

    /// Returns the entries of a column family in a range of keys, in order.
    ///
    /// # Panics
    ///
    /// When there is no such column family, or the range is reversed.
    pub fn range(
        &self,
        family: usize,
        keys: impl RangeBounds<Vec<u8>>,
    ) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.families[family].table.range(keys).map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    /// Writes a batch and makes it durable: one write and one fdatasync of the WAL, and, for the
    /// first batch of a WAL, one fsync of the directory.
    ///
    /// # Errors
    ///
    /// Those of the disk. After an error, recovery may or may not find the batch.
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

    /// Applies a batch in memory.
    pub(crate) fn apply(&mut self, batch: Batch) {
        self.unflushed.extend(batch.families());
        batch.apply(&mut self.families);
    }

    /// Returns the path of the database on its disk.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Returns the disk of the database.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }
}
