//! Opening a database by its operations.
//!
//! The order and kind of the calls are those of RocksDB's `DB::Open` as recorded from restate-server 1.7.12 (one
//! node, strace, November 2026): a test compares call by call with the recordings in `tests/recorded/`. A
//! new database costs 12 syncs, one after the other:
//!
//! | step | syncs |
//! | --- | --- |
//! | `IDENTITY`: temporary file, rename, directory | 2 |
//! | first `MANIFEST`, then `CURRENT`: temporary file, rename, directory | 3 |
//! | new log and second `MANIFEST`, then `CURRENT` again | 3 |
//! | one manifest record for each column family | 1 each |
//! | `OPTIONS`: temporary file, rename, directory | 2 |
//!
//! With two column families: 2 + 3 + 3 + 2 + 2 = 12. An existing one costs 5 and one for each family that has
//! data in the log, which recovery writes to a table file. Bytes of `LOG` and `OPTIONS`, which nobody reads
//! back, are as many as recorded.

use crate::manifest::Manifest;
use crate::table::{self, Table};
use crate::wal::{self, Batch, Recovery, Wal};
use crate::{Engine, EngineError, Family};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use stormglass_fs::{Disk, File, FileExt, OpenOptions};

/// Bytes of the info log's parts, as recorded.
const LOG_BANNER: usize = 67;
const LOG_OPTIONS: usize = 31_587;
const LOG_FAMILY: usize = 11_776;
const LOG_END: usize = 69;
/// Bytes of the options file, as recorded.
const OPTIONS: usize = 19_057;
/// What the info log and the options file are filled with.
static FILLER: [u8; LOG_OPTIONS] = [b' '; LOG_OPTIONS];
/// Bytes of the record that a new log begins with, as recorded.
const LOG_HEAD: usize = 11;
/// Space reserved for a new log and a new manifest: RocksDB's defaults for a 64 MiB memtable and for manifests.
const LOG_RESERVED: u64 = 70 << 20;
const MANIFEST_RESERVED: u64 = 4 << 20;
/// Reads of a fresh table file when it is opened: footer, metaindex, properties, index, filter; as recorded.
const TABLE_READS: [usize; 5] = [53, 108, 1_064, 27, 74];

impl Engine {
    /// Opens the database at `path`, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// Those of the disk; [`EngineError::Corrupt`] if files are missing or unreadable, or if it has families that are
    /// not named. Families that it does not have are added.
    pub async fn open(
        disk: &Disk,
        path: impl Into<PathBuf>,
        families: &[&str],
    ) -> Result<Engine, EngineError> {
        Engine::open_with(disk, path, families, Recovery::default()).await
    }

    /// As [`Engine::open`], with a choice of what happens to a log that ends in a damaged record.
    ///
    /// # Errors
    ///
    /// As [`Engine::open`]; [`EngineError::Corrupt`] for such a log under [`Recovery::Absolute`].
    pub async fn open_with(
        disk: &Disk,
        path: impl Into<PathBuf>,
        families: &[&str],
        recovery: Recovery,
    ) -> Result<Engine, EngineError> {
        let path = path.into();
        let opening = Opening { disk, path: &path, recovery };
        let exists = disk.try_exists(path.join("CURRENT")).await?;
        opening.prepare_directory().await?;
        let directory = disk.open(&path).await?;
        let Recovered { mut manifest, tables } = if exists {
            opening.recover(families).await?
        } else {
            opening.create(families, &directory).await?
        };
        let wal = opening.start_log(&mut manifest, &directory).await?;
        // A database that was being made when the power failed may have some of its families only.
        let missing: Vec<&str> =
            families.iter().copied().filter(|name| !manifest.families.contains_key(*name)).collect();
        if !missing.is_empty() {
            opening.add_families(&mut manifest, &missing).await?;
        }
        let names = opening.write_options(&mut manifest, &directory).await?;
        if !exists {
            opening.info(LOG_FAMILY).await?;
        }
        opening.info(LOG_END).await?;
        for name in obsolete(&manifest, names) {
            disk.remove_file(opening.file(&name)).await?;
        }
        let (directory_synced, unflushed) = (false, BTreeSet::new());
        let (disk, families) = (disk.clone(), tables);
        Ok(Engine { disk, path, families, wal, directory, directory_synced, manifest, unflushed })
    }
}

/// One opening of one database.
pub(crate) struct Opening<'a> {
    pub(crate) disk: &'a Disk,
    pub(crate) path: &'a Path,
    pub(crate) recovery: Recovery,
}

/// What an existing database held.
struct Recovered {
    manifest: Manifest,
    tables: Vec<Family>,
}

impl Opening<'_> {
    /// Directory and info log.
    async fn prepare_directory(&self) -> io::Result<()> {
        self.ensure_directory(2).await?;
        let (info, old) = (self.file("LOG"), self.file("LOG.old.1"));
        if self.disk.try_exists(&info).await? {
            self.disk.rename(&info, &old).await?;
        }
        self.disk.read_dir(self.path).await?;
        self.disk.create(&info).await?;
        if self.disk.try_exists(&old).await? {
            self.disk.remove_file(&old).await?;
        }
        self.info(LOG_BANNER).await?;
        self.disk.read_dir(self.path).await?;
        self.ensure_directory(3).await
    }

    /// A new database: identity, first manifest, current.
    async fn create(&self, families: &[&str], directory: &File) -> Result<Recovered, EngineError> {
        self.replace("1.dbtmp", "IDENTITY", &[b'0'; 36], directory).await?;
        let mut manifest = Manifest { next_file: 1, ..Manifest::default() };
        let file = self.start_manifest(&mut manifest).await?;
        let record = manifest.encode()?;
        file.write_all_at(&record, 0).await?;
        file.sync_data().await?;
        file.set_len(record.len() as u64).await?;
        self.point_current(&mut manifest, directory).await?;
        self.look_around().await?;
        let tables = families.iter().map(|name| Family { name: name.to_string(), table: Table::new() });
        Ok(Recovered { manifest, tables: tables.collect() })
    }

    /// An existing database: manifest, tables, and what the log has beyond them, which goes to new tables.
    async fn recover(&self, families: &[&str]) -> Result<Recovered, EngineError> {
        let current = self.disk.read(self.file("CURRENT")).await?;
        let manifest_path = self.file(String::from_utf8_lossy(&current).trim());
        let mut manifest = Manifest::last(&self.disk.read(&manifest_path).await?)?;
        let names: BTreeSet<&str> = manifest.families.keys().map(String::as_str).collect();
        if !names.is_subset(&families.iter().copied().collect()) {
            return Err(EngineError::Corrupt(format!("it has the families {names:?}, not {families:?}")));
        }
        let mut tables = Vec::new();
        for name in families {
            let table = match manifest.families.get(*name).copied().flatten() {
                Some(number) => table::decode(&self.disk.read(self.numbered(number, "sst")).await?)?,
                None => Table::new(),
            };
            tables.push(Family { name: name.to_string(), table });
        }
        // The first manifest of a new database names no log yet.
        let log_path = (manifest.log > 0).then(|| self.numbered(manifest.log, "log"));
        let log = match &log_path {
            Some(path) => self.disk.read(path).await?,
            None => Vec::new(),
        };
        let (batches, torn) = wal::replay(log.get(LOG_HEAD..).unwrap_or_default());
        if torn && self.recovery == Recovery::Absolute {
            return Err(EngineError::Corrupt("truncated record at the end of the log".into()));
        }
        let changed: BTreeSet<usize> = batches.iter().flat_map(Batch::families).collect();
        batches.into_iter().for_each(|batch| batch.apply(&mut tables));
        // Files that a crash left behind keep their numbers, although no manifest knows them.
        let left_behind = self.look_around().await?.iter().filter_map(|name| number_of(name)).max();
        manifest.next_file = manifest.next_file.max(left_behind.unwrap_or(0));
        for (place, family) in changed.into_iter().enumerate() {
            self.write_next_table(&mut manifest, &tables[family]).await?;
            if place == 0 {
                self.info(LOG_OPTIONS).await?;
            }
        }
        if let Some(path) = log_path {
            let log_file = self.disk.open_with(OpenOptions::new().write(true), path).await?;
            log_file.set_len(log.len() as u64).await?;
        }
        Ok(Recovered { manifest, tables })
    }

    /// A family's next table file, which the manifest names from now on; gives the number of the one before.
    pub(crate) async fn write_next_table(
        &self,
        manifest: &mut Manifest,
        family: &Family,
    ) -> Result<Option<u64>, EngineError> {
        let number = manifest.file_number();
        self.write_table(number, family).await?;
        Ok(manifest.families.insert(family.name.clone(), Some(number)).flatten())
    }

    pub(crate) async fn write_table(&self, number: u64, family: &Family) -> Result<(), EngineError> {
        let path = self.numbered(number, "sst");
        let options = *OpenOptions::new().read(true).write(true).create_new(true);
        let file = self.disk.open_with(&options, path).await?;
        file.write_all_at(&table::encode(&family.table)?, 0).await?;
        file.sync_data().await?;
        let mut buffer = [0; 2_048];
        for bytes in TABLE_READS {
            file.read_at(&mut buffer[..bytes], 0).await?;
        }
        Ok(())
    }

    /// A new log, and a new manifest that names it.
    async fn start_log(&self, manifest: &mut Manifest, directory: &File) -> Result<Wal, EngineError> {
        let log = self.new_log(manifest).await?;
        let file = self.start_manifest(manifest).await?;
        let record = manifest.encode()?;
        // RocksDB writes its state in parts: 5 for an empty one, 3 for each family, 1 for each table, 1 for the sequence.
        let tables = manifest.families.values().flatten().count();
        let parts = if manifest.families.is_empty() { 5 } else { 6 + 3 * manifest.families.len() + tables };
        for part in 0..parts {
            let (from, to) = (record.len() * part / parts, record.len() * (part + 1) / parts);
            file.write_all_at(&record[from..to], from as u64).await?;
        }
        file.sync_data().await?;
        self.point_current(manifest, directory).await?;
        Ok(log)
    }

    pub(crate) async fn new_log(&self, manifest: &mut Manifest) -> Result<Wal, EngineError> {
        manifest.log = manifest.file_number();
        let log = self.disk.create(self.numbered(manifest.log, "log")).await?;
        log.allocate(LOG_RESERVED).await?;
        log.write_all_at(&[0; LOG_HEAD], 0).await?;
        Ok(Wal::new(log, LOG_HEAD as u64))
    }

    /// One more record of the manifest, durably.
    pub(crate) async fn log_manifest(&self, manifest: &Manifest) -> Result<(), EngineError> {
        let file = self.disk.open_with(OpenOptions::new().append(true), self.manifest_path(manifest)).await?;
        file.write_all_at(&manifest.encode()?, 0).await?;
        Ok(file.sync_data().await?)
    }

    /// Each column family is a manifest record of its own, made durable before the next.
    async fn add_families(&self, manifest: &mut Manifest, families: &[&str]) -> Result<(), EngineError> {
        self.info(LOG_OPTIONS).await?;
        let path = self.manifest_path(manifest);
        let file = self.disk.open_with(OpenOptions::new().append(true), path).await?;
        for (place, name) in families.iter().enumerate() {
            if place > 0 {
                self.ensure_directory(1).await?;
            }
            manifest.families.insert(name.to_string(), None);
            file.write_all_at(&manifest.encode()?, 0).await?;
            file.sync_data().await?;
        }
        self.info(LOG_FAMILY).await?;
        self.ensure_directory(1).await?;
        Ok(())
    }

    /// The options file; gives the names that are there then.
    pub(crate) async fn write_options(
        &self,
        manifest: &mut Manifest,
        directory: &File,
    ) -> io::Result<Vec<String>> {
        let number = manifest.file_number();
        let temporary = format!("OPTIONS-{number}.dbtmp");
        let file = self.disk.create(self.file(&temporary)).await?;
        file.write_all_at(&FILLER[..OPTIONS], 0).await?;
        file.sync_all().await?;
        self.disk.rename(self.file(&temporary), self.file(&format!("OPTIONS-{number}"))).await?;
        directory.sync_all().await?;
        for _ in 0..2 {
            self.disk.read_dir(self.path).await?;
        }
        Ok(self.disk.read_dir(self.path).await?.names())
    }

    /// A file under its final name, durably: temporary file, sync, rename, sync of the directory.
    async fn replace(&self, temporary: &str, name: &str, bytes: &[u8], directory: &File) -> io::Result<()> {
        let file = self.disk.create(self.file(temporary)).await?;
        file.write_all_at(bytes, 0).await?;
        file.sync_data().await?;
        self.disk.rename(self.file(temporary), self.file(name)).await?;
        directory.sync_all().await
    }

    async fn start_manifest(&self, manifest: &mut Manifest) -> io::Result<File> {
        manifest.number = manifest.file_number();
        let file = self.disk.create(self.manifest_path(manifest)).await?;
        file.allocate(MANIFEST_RESERVED).await?;
        Ok(file)
    }

    async fn point_current(&self, manifest: &mut Manifest, directory: &File) -> io::Result<()> {
        let temporary = format!("{}.dbtmp", manifest.file_number());
        let name = format!("MANIFEST-{}\n", manifest.number);
        self.replace(&temporary, "CURRENT", name.as_bytes(), directory).await
    }

    /// The look around between reading the manifest and recovering the log.
    async fn look_around(&self) -> io::Result<Vec<String>> {
        self.disk.read_dir(self.path).await?;
        self.ensure_directory(1).await?;
        Ok(self.disk.read_dir(self.path).await?.names())
    }

    /// RocksDB makes sure of its directories again and again; each attempt is a call.
    async fn ensure_directory(&self, times: usize) -> io::Result<()> {
        for _ in 0..times {
            match self.disk.create_dir(self.path).await {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Some more text for the info log, which is never synced.
    async fn info(&self, bytes: usize) -> io::Result<()> {
        let file = self.disk.open_with(OpenOptions::new().append(true), self.file("LOG")).await?;
        file.write_all_at(&FILLER[..bytes], 0).await
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn numbered(&self, number: u64, extension: &str) -> PathBuf {
        self.path.join(format!("{number}.{extension}"))
    }

    pub(crate) fn manifest_path(&self, manifest: &Manifest) -> PathBuf {
        self.path.join(format!("MANIFEST-{}", manifest.number))
    }
}

/// The number in a file's name.
fn number_of(name: &str) -> Option<u64> {
    let digits: String =
        name.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The files that the database does not use: what came before, and what a crash left behind. Manifests come first; of
/// options files the newest two are kept.
fn obsolete(manifest: &Manifest, names: Vec<String>) -> Vec<String> {
    let used = |name: &str| {
        let number = number_of(name).unwrap_or(0);
        match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("sst") => manifest.families.values().flatten().any(|&table| table == number),
            Some("log") => number == manifest.log,
            Some("dbtmp") => false,
            _ => !name.starts_with("MANIFEST-") || number == manifest.number,
        }
    };
    let mut options: Vec<u64> =
        names.iter().filter(|name| name.starts_with("OPTIONS-")).filter_map(|name| number_of(name)).collect();
    options.sort_unstable();
    let options_kept = options.iter().rev().nth(1).copied().unwrap_or(0);
    let old_options = |name: &str| name.starts_with("OPTIONS-") && number_of(name) < Some(options_kept);
    let mut obsolete: Vec<String> =
        names.into_iter().filter(|name| !used(name) || old_options(name)).collect();
    obsolete.sort_by_key(|name| !name.starts_with("MANIFEST-"));
    obsolete
}
