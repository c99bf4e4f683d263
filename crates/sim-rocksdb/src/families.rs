//! Changes of column families of an open database, flushes, and writes without the WAL.
//!
//! [`Engine::write_without_wal`] changes the memtable only, until the column family is flushed, as
//! RocksDB does with `disableWAL`. A flush is an SST file and its sync, a sync of the directory,
//! and a MANIFEST record with its sync. Creating or dropping a column family is a MANIFEST record
//! and a new options file: three syncs each. Sources: RocksDB `db/flush_job.cc`
//! (`WriteLevel0Table`), `db/db_impl/db_impl.cc` (`CreateColumnFamilyImpl`, `WriteOptionsFile`),
//! `db/import_column_family_job.cc`, `utilities/checkpoint/checkpoint_impl.cc`
//! (`ExportColumnFamily`).

use crate::engine::Engine;
use crate::error::EngineError;
use crate::manifest::Manifest;
use crate::open::DbFiles;
use crate::table::{self, Family, Table};
use crate::wal::Batch;
use std::path::{Path, PathBuf};
use stormglass_fs::Disk;

impl Engine {
    /// Returns the names of the column families of the database at `path`; empty if there is no
    /// database. (RocksDB: `ListColumnFamilies`.)
    ///
    /// # Errors
    ///
    /// Those of the disk; [`EngineError::Corrupt`] if its MANIFEST cannot be read.
    pub async fn list_column_families(
        disk: &Disk,
        path: impl AsRef<Path>,
    ) -> Result<Vec<String>, EngineError> {
        let current = path.as_ref().join("CURRENT");
        if !disk.try_exists(&current).await? {
            return Ok(Vec::new());
        }
        let current = disk.read(current).await?;
        let manifest = path.as_ref().join(String::from_utf8_lossy(&current).trim());
        let manifest = Manifest::last(&disk.read(manifest).await?)?;
        Ok(manifest.families.into_keys().collect())
    }

    /// Returns the index of the column family of this name, if there is one.
    pub fn family_index(&self, name: &str) -> Option<usize> {
        self.families.iter().position(|family| family.name == name)
    }

    /// Creates an empty column family and returns its index.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    ///
    /// # Panics
    ///
    /// When there is a column family of this name.
    pub async fn create_family(&mut self, name: &str) -> Result<usize, EngineError> {
        self.add_family(name, None, Table::new()).await
    }

    /// Drops a column family and removes its SST file.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    ///
    /// # Panics
    ///
    /// When there is no such column family.
    pub async fn drop_family(&mut self, name: &str) -> Result<(), EngineError> {
        let index = self.family_index(name).expect("there is a column family of this name");
        let table = self.manifest.families.remove(name).flatten();
        self.log_manifest().await?;
        self.write_options().await?;
        self.families[index] = Family { name: String::new(), table: Table::new() };
        self.unflushed.remove(&index);
        if let Some(number) = table {
            self.disk.remove_file(self.files().numbered(number, "sst")).await?;
        }
        Ok(())
    }

    /// Writes a batch to the memtable only: it is lost with the process, unless [`Engine::flush`]
    /// makes it durable.
    pub fn write_without_wal(&mut self, batch: Batch) {
        self.apply(batch);
    }

    /// Flushes a column family to an SST file, which makes its contents durable.
    ///
    /// ```
    /// use stormglass_core::Seed;
    /// use sim_rocksdb::{Batch, Engine};
    /// use stormglass_fs::{Disk, DiskProfile};
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
    ///     let mut engine = Engine::open(&disk, "db", &["default"]).await?;
    ///     let data = engine.create_family("data-0").await?;
    ///     for (value, flushed) in [("kept", true), ("lost", false)] {
    ///         let mut batch = Batch::new();
    ///         batch.put(data, b"key", value.as_bytes());
    ///         engine.write_without_wal(batch);
    ///         if flushed {
    ///             engine.flush("data-0").await?;
    ///         }
    ///     }
    ///     drop(engine);
    ///     let names = Engine::list_column_families(&disk, "db").await?;
    ///     let names: Vec<&str> = names.iter().map(String::as_str).collect();
    ///     let engine = Engine::open(&disk, "db", &names).await?;
    ///     let data = engine.family_index("data-0").expect("it was created");
    ///     assert_eq!(engine.get(data, b"key"), Some(&b"kept"[..]));
    ///     Ok::<(), sim_rocksdb::EngineError>(())
    /// })?;
    /// # Ok::<(), sim_rocksdb::EngineError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the disk.
    ///
    /// # Panics
    ///
    /// When there is no such column family.
    pub async fn flush(&mut self, name: &str) -> Result<(), EngineError> {
        let index = self.family_index(name).expect("there is a column family of this name");
        let number = self.manifest.new_file_number();
        self.files().write_sst(number, &self.families[index]).await?;
        self.directory.sync_all().await?;
        let old = self.manifest.families.insert(name.to_string(), Some(number)).flatten();
        self.log_manifest().await?;
        self.unflushed.remove(&index);
        if let Some(old) = old {
            self.disk.remove_file(self.files().numbered(old, "sst")).await?;
        }
        Ok(())
    }

    /// Flushes every column family with changes to an SST file, all or none, and starts a new WAL,
    /// as an orderly shutdown does: the next opening has nothing to recover.
    ///
    /// The cost is a new WAL, an SST file and its sync for each such family, a sync of the
    /// directory and one of the MANIFEST; nothing without changes. The old WAL was synced with its
    /// last batch. Source: RocksDB with `atomic_flush`, `db/db_impl/db_impl_compaction_flush.cc`,
    /// `AtomicFlushMemTablesToOutputFiles`.
    ///
    /// ```
    /// use stormglass_core::Seed;
    /// use sim_rocksdb::{Batch, Engine};
    /// use stormglass_fs::{Disk, DiskProfile};
    ///
    /// madsim::runtime::Runtime::new().block_on(async {
    ///     let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
    ///     let mut engine = Engine::open(&disk, "db", &["data"]).await?;
    ///     let mut batch = Batch::new();
    ///     batch.put(0, b"key", b"value");
    ///     engine.write_synced(batch).await?;
    ///     engine.flush_all().await?;
    ///     drop(engine);
    ///     let engine = Engine::open(&disk, "db", &["data"]).await?;
    ///     assert_eq!(engine.get(0, b"key"), Some(&b"value"[..]));
    ///     Ok::<(), sim_rocksdb::EngineError>(())
    /// })?;
    /// # Ok::<(), sim_rocksdb::EngineError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the disk. Whatever was durable before is durable after an error.
    pub async fn flush_all(&mut self) -> Result<(), EngineError> {
        if self.unflushed.is_empty() {
            return Ok(());
        }
        let (files, mut next) = (self.files(), self.manifest.clone());
        let mut obsolete = vec![files.numbered(next.log_number, "log")];
        let log = files.new_wal(&mut next).await?;
        for &index in &self.unflushed {
            let old = files.write_next_sst(&mut next, &self.families[index]).await?;
            obsolete.extend(old.map(|old| files.numbered(old, "sst")));
        }
        self.directory.sync_all().await?;
        files.log_manifest(&next).await?;
        (self.manifest, self.wal, self.directory_synced) = (next, log, false);
        self.unflushed.clear();
        for file in obsolete {
            self.disk.remove_file(file).await?;
        }
        Ok(())
    }

    /// Flushes a column family and exports its SST file: a hard link in a new directory `to` on
    /// the same disk, whose path is returned.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    ///
    /// # Panics
    ///
    /// When there is no such column family.
    pub async fn export_family(&mut self, name: &str, to: impl AsRef<Path>) -> Result<PathBuf, EngineError> {
        self.flush(name).await?;
        let number = self.manifest.families.get(name).copied().flatten().expect("it was just flushed");
        let (to, file) = (to.as_ref(), format!("{number}.sst"));
        let temporary = to.with_extension("tmp");
        self.disk.create_dir_all(&temporary).await?;
        self.disk.hard_link(self.files().numbered(number, "sst"), temporary.join(&file)).await?;
        self.disk.rename(&temporary, to).await?;
        self.disk.open(to).await?.sync_all().await?;
        Ok(to.join(file))
    }

    /// Creates a column family from an exported SST file, which it moves into the database, and
    /// returns its index.
    ///
    /// # Errors
    ///
    /// Those of the disk; [`EngineError::Corrupt`] if the file is no SST file.
    ///
    /// # Panics
    ///
    /// When there is a column family of this name.
    pub async fn import_family(&mut self, name: &str, file: impl AsRef<Path>) -> Result<usize, EngineError> {
        let table = table::decode(&self.disk.read(&file).await?)?;
        let number = self.manifest.new_file_number();
        let own = self.files().numbered(number, "sst");
        self.disk.rename(file, &own).await?;
        self.disk.open(&own).await?.sync_all().await?;
        self.directory.sync_all().await?;
        self.add_family(name, Some(number), table).await
    }

    async fn add_family(
        &mut self,
        name: &str,
        file: Option<u64>,
        table: Table,
    ) -> Result<usize, EngineError> {
        let old = self.manifest.families.insert(name.to_string(), file);
        assert!(old.is_none(), "there is a column family {name} already");
        self.log_manifest().await?;
        self.write_options().await?;
        let family = Family { name: name.to_string(), table };
        // The index of a dropped column family is free.
        if let Some(free) = self.family_index("") {
            self.families[free] = family;
            return Ok(free);
        }
        self.families.push(family);
        Ok(self.families.len() - 1)
    }

    async fn log_manifest(&self) -> Result<(), EngineError> {
        self.files().log_manifest(&self.manifest).await
    }

    async fn write_options(&mut self) -> Result<(), EngineError> {
        let files = DbFiles { disk: &self.disk, path: &self.path };
        files.write_options(&mut self.manifest, &self.directory).await?;
        Ok(())
    }

    fn files(&self) -> DbFiles<'_> {
        DbFiles { disk: &self.disk, path: &self.path }
    }
}
