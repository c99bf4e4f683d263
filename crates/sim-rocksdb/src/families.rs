//! Column families that come and go while a database is open, and writes without a log.
//!
//! What is written with [`Engine::write_unlogged`] is in memory until its family is flushed, as in a RocksDB whose write-ahead log is off. A flush is a table
//! file and its sync, a sync of the directory, and a manifest record with its sync; a family that is made or dropped is a manifest record and a new options
//! file: three syncs each. Sources: RocksDB `db/flush_job.cc` (`WriteLevel0Table`), `db/db_impl/db_impl.cc` (`CreateColumnFamilyImpl`,
//! `WriteOptionsFile`), `db/import_column_family_job.cc`, `utilities/checkpoint/checkpoint_impl.cc` (`ExportColumnFamily`).

use crate::manifest::Manifest;
use crate::open::Opening;
use crate::table::{self, Table};
use crate::wal::Batch;
use crate::{Engine, EngineError, Family, Recovery};
use std::path::{Path, PathBuf};
use stormglass_fs::Disk;

impl Engine {
    /// The column families of the database at `path`: none if there is no database.
    ///
    /// # Errors
    ///
    /// Those of the disk; [`EngineError::Corrupt`] if its manifest cannot be read.
    pub async fn families_of(disk: &Disk, path: impl AsRef<Path>) -> Result<Vec<String>, EngineError> {
        let current = path.as_ref().join("CURRENT");
        if !disk.try_exists(&current).await? {
            return Ok(Vec::new());
        }
        let current = disk.read(current).await?;
        let manifest = path.as_ref().join(String::from_utf8_lossy(&current).trim());
        let manifest = Manifest::last(&disk.read(manifest).await?)?;
        Ok(manifest.families.into_keys().collect())
    }

    /// The place of the family of this name, if there is one.
    pub fn family(&self, name: &str) -> Option<usize> {
        self.families.iter().position(|family| family.name == name)
    }

    /// Adds an empty family and gives its place.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    ///
    /// # Panics
    ///
    /// When there is a family of this name.
    pub async fn create_family(&mut self, name: &str) -> Result<usize, EngineError> {
        self.add_family(name, None, Table::new()).await
    }

    /// Removes a family and its file.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    ///
    /// # Panics
    ///
    /// When there is no such family.
    pub async fn drop_family(&mut self, name: &str) -> Result<(), EngineError> {
        let place = self.family(name).expect("who drops a family has it");
        let table = self.manifest.families.remove(name).flatten();
        self.log_manifest().await?;
        self.write_options().await?;
        self.families[place] = Family { name: String::new(), table: Table::new() };
        self.unflushed.remove(&place);
        if let Some(number) = table {
            self.disk.remove_file(self.opening().numbered(number, "sst")).await?;
        }
        Ok(())
    }

    /// Changes what is in memory alone: gone with the process, unless [`Engine::flush`] makes it durable.
    pub fn write_unlogged(&mut self, batch: Batch) {
        self.apply(batch);
    }

    /// Makes a family durable as it is.
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
    ///         engine.write_unlogged(batch);
    ///         if flushed {
    ///             engine.flush("data-0").await?;
    ///         }
    ///     }
    ///     drop(engine);
    ///     let names = Engine::families_of(&disk, "db").await?;
    ///     let names: Vec<&str> = names.iter().map(String::as_str).collect();
    ///     let engine = Engine::open(&disk, "db", &names).await?;
    ///     let data = engine.family("data-0").expect("it was made");
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
    /// When there is no such family.
    pub async fn flush(&mut self, name: &str) -> Result<(), EngineError> {
        let place = self.family(name).expect("who flushes a family has it");
        let number = self.manifest.file_number();
        self.opening().write_table(number, &self.families[place]).await?;
        self.directory.sync_all().await?;
        let old = self.manifest.families.insert(name.to_string(), Some(number)).flatten();
        self.log_manifest().await?;
        self.unflushed.remove(&place);
        if let Some(old) = old {
            self.disk.remove_file(self.opening().numbered(old, "sst")).await?;
        }
        Ok(())
    }

    /// Puts every family with changes into a table file, all or none, and begins a new log: as an orderly shutdown does, so that the next opening finds nothing in the log.
    ///
    /// A new log, a table file and its sync for each such family, a sync of the directory and one of the manifest; without changes nothing. The old log has been synced with its last
    /// batch. Source: RocksDB with `atomic_flush`, `db/db_impl/db_impl_compaction_flush.cc`, `AtomicFlushMemTablesToOutputFiles`.
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
    /// Those of the disk. What was durable before still is.
    pub async fn flush_all(&mut self) -> Result<(), EngineError> {
        if self.unflushed.is_empty() {
            return Ok(());
        }
        let (opening, mut next) = (self.opening(), self.manifest.clone());
        let mut obsolete = vec![opening.numbered(next.log, "log")];
        let log = opening.new_log(&mut next).await?;
        for &place in &self.unflushed {
            let old = opening.write_next_table(&mut next, &self.families[place]).await?;
            obsolete.extend(old.map(|old| opening.numbered(old, "sst")));
        }
        self.directory.sync_all().await?;
        opening.log_manifest(&next).await?;
        (self.manifest, self.wal, self.directory_synced) = (next, log, false);
        self.unflushed.clear();
        for file in obsolete {
            self.disk.remove_file(file).await?;
        }
        Ok(())
    }

    /// Puts a family's file, as it is after a flush, into a new directory on the same disk, by a hard link, and gives its path.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    ///
    /// # Panics
    ///
    /// When there is no such family.
    pub async fn export_family(&mut self, name: &str, to: impl AsRef<Path>) -> Result<PathBuf, EngineError> {
        self.flush(name).await?;
        let number = self.manifest.families.get(name).copied().flatten().expect("it was just flushed");
        let (to, file) = (to.as_ref(), format!("{number}.sst"));
        let temporary = to.with_extension("tmp");
        self.disk.create_dir_all(&temporary).await?;
        self.disk.hard_link(self.opening().numbered(number, "sst"), temporary.join(&file)).await?;
        self.disk.rename(&temporary, to).await?;
        self.disk.open(to).await?.sync_all().await?;
        Ok(to.join(file))
    }

    /// Adds a family with the contents of an exported file, which it takes over, and gives its place.
    ///
    /// # Errors
    ///
    /// Those of the disk; [`EngineError::Corrupt`] if the file is none of a family.
    ///
    /// # Panics
    ///
    /// When there is a family of this name.
    pub async fn import_family(&mut self, name: &str, file: impl AsRef<Path>) -> Result<usize, EngineError> {
        let table = table::decode(&self.disk.read(&file).await?)?;
        let number = self.manifest.file_number();
        let own = self.opening().numbered(number, "sst");
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
        assert!(old.is_none(), "there is a family {name} already");
        self.log_manifest().await?;
        self.write_options().await?;
        let family = Family { name: name.to_string(), table };
        // The place of one that was dropped is free.
        if let Some(free) = self.family("") {
            self.families[free] = family;
            return Ok(free);
        }
        self.families.push(family);
        Ok(self.families.len() - 1)
    }

    async fn log_manifest(&self) -> Result<(), EngineError> {
        self.opening().log_manifest(&self.manifest).await
    }

    async fn write_options(&mut self) -> Result<(), EngineError> {
        let opening = Opening { disk: &self.disk, path: &self.path, recovery: Recovery::default() };
        opening.write_options(&mut self.manifest, &self.directory).await?;
        Ok(())
    }

    fn opening(&self) -> Opening<'_> {
        Opening { disk: &self.disk, path: &self.path, recovery: Recovery::default() }
    }
}
