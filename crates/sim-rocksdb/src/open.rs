//! Opening a database: creation and recovery, file operation by file operation.
//!
//! The order and kind of the calls are those of RocksDB's `DB::Open` as recorded from
//! restate-server 1.7.12 (one node, strace, November 2026): a test compares call by call with the
//! recordings in `tests/recorded/`. A new database costs 12 syncs, one after the other:
//!
//! | step | syncs |
//! | --- | --- |
//! | `IDENTITY`: temporary file, rename, directory | 2 |
//! | first `MANIFEST`, then `CURRENT`: temporary file, rename, directory | 3 |
//! | new WAL and second `MANIFEST`, then `CURRENT` again | 3 |
//! | one `MANIFEST` record for each column family | 1 each |
//! | `OPTIONS`: temporary file, rename, directory | 2 |
//!
//! With two column families: 2 + 3 + 3 + 2 + 2 = 12. An existing one costs 5 and one for each
//! family that has data in the WAL, which recovery writes to an SST file. `LOG` and `OPTIONS`,
//! which are never read back, have the recorded sizes.

use crate::engine::Engine;
use crate::error::EngineError;
use crate::manifest::Manifest;
use crate::table::{self, Family, Table};
use crate::wal::{self, Batch, Wal, WalRecoveryMode};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use stormglass_fs::{Disk, File, FileExt, OpenOptions};

/// Sizes of the parts of the info log (`LOG`) in bytes, as recorded.
const INFO_LOG_BANNER: usize = 67;
const INFO_LOG_OPTIONS: usize = 31_587;
const INFO_LOG_FAMILY: usize = 11_776;
const INFO_LOG_END: usize = 69;
/// Size of the options file in bytes, as recorded.
const OPTIONS_SIZE: usize = 19_057;
/// The contents of the info log and the options file.
static FILLER: [u8; INFO_LOG_OPTIONS] = [b' '; INFO_LOG_OPTIONS];
/// Size of the record at the beginning of a new WAL in bytes, as recorded.
const WAL_HEAD: usize = 11;
/// Space preallocated for a new WAL and a new MANIFEST: RocksDB's defaults for a 64 MiB memtable
/// and for MANIFEST files.
const WAL_RESERVED: u64 = 70 << 20;
const MANIFEST_RESERVED: u64 = 4 << 20;
/// Sizes of the reads of a new SST file when it is opened: footer, metaindex, properties, index,
/// filter; as recorded.
const TABLE_READS: [usize; 5] = [53, 108, 1_064, 27, 74];

impl Engine {
    /// Opens the database at `path` with these column families, and creates it if it does not
    /// exist. A column family that it does not have is added.
    ///
    /// # Errors
    ///
    /// Those of the disk; [`EngineError::Corrupt`] if files are missing or unreadable, or if it
    /// has a column family that is not in `families`.
    pub async fn open(
        disk: &Disk,
        path: impl Into<PathBuf>,
        families: &[&str],
    ) -> Result<Engine, EngineError> {
        Engine::open_with(disk, path, families, WalRecoveryMode::default()).await
    }

    /// As [`Engine::open`], with the recovery mode for a WAL that ends in a damaged record.
    ///
    /// # Errors
    ///
    /// As [`Engine::open`]; [`EngineError::Corrupt`] for such a WAL under
    /// [`WalRecoveryMode::AbsoluteConsistency`].
    pub async fn open_with(
        disk: &Disk,
        path: impl Into<PathBuf>,
        families: &[&str],
        recovery: WalRecoveryMode,
    ) -> Result<Engine, EngineError> {
        let path = path.into();
        let files = DbFiles { disk, path: &path };
        let exists = disk.try_exists(path.join("CURRENT")).await?;
        files.prepare_directory().await?;
        let directory = disk.open(&path).await?;
        let Recovered { mut manifest, tables } = if exists {
            files.recover(families, recovery).await?
        } else {
            files.create(families, &directory).await?
        };
        let wal = files.start_wal(&mut manifest, &directory).await?;
        // After a power loss during its creation a database may have only some of its column
        // families.
        let missing: Vec<&str> =
            families.iter().copied().filter(|name| !manifest.families.contains_key(*name)).collect();
        if !missing.is_empty() {
            files.add_families(&mut manifest, &missing).await?;
        }
        let names = files.write_options(&mut manifest, &directory).await?;
        if !exists {
            files.append_info_log(INFO_LOG_FAMILY).await?;
        }
        files.append_info_log(INFO_LOG_END).await?;
        for name in obsolete(&manifest, names) {
            disk.remove_file(files.file(&name)).await?;
        }
        let (directory_synced, unflushed) = (false, BTreeSet::new());
        let (disk, families) = (disk.clone(), tables);
        Ok(Engine { disk, path, families, wal, directory, directory_synced, manifest, unflushed })
    }
}

/// The files of one database.
pub(crate) struct DbFiles<'a> {
    pub(crate) disk: &'a Disk,
    pub(crate) path: &'a Path,
}

/// The state of a database after creation or recovery.
struct Recovered {
    manifest: Manifest,
    tables: Vec<Family>,
}

impl DbFiles<'_> {
    /// Creates the directory and the info log.
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
        self.append_info_log(INFO_LOG_BANNER).await?;
        self.disk.read_dir(self.path).await?;
        self.ensure_directory(3).await
    }

    /// Creates a database: `IDENTITY`, first `MANIFEST`, `CURRENT`.
    async fn create(&self, families: &[&str], directory: &File) -> Result<Recovered, EngineError> {
        self.write_atomically("1.dbtmp", "IDENTITY", &[b'0'; 36], directory).await?;
        let mut manifest = Manifest { last_file_number: 1, ..Manifest::default() };
        let file = self.start_manifest(&mut manifest).await?;
        let record = manifest.encode()?;
        file.write_all_at(&record, 0).await?;
        file.sync_data().await?;
        file.set_len(record.len() as u64).await?;
        self.set_current(&mut manifest, directory).await?;
        self.list_files().await?;
        let tables = families.iter().map(|name| Family { name: name.to_string(), table: Table::new() });
        Ok(Recovered { manifest, tables: tables.collect() })
    }

    /// Recovers an existing database: reads MANIFEST, SST files and WAL, and writes what only the
    /// WAL has to new SST files.
    async fn recover(&self, families: &[&str], recovery: WalRecoveryMode) -> Result<Recovered, EngineError> {
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
        // The first MANIFEST of a new database names no WAL yet.
        let log_path = (manifest.log_number > 0).then(|| self.numbered(manifest.log_number, "log"));
        let log = match &log_path {
            Some(path) => self.disk.read(path).await?,
            None => Vec::new(),
        };
        let (batches, torn) = wal::replay(log.get(WAL_HEAD..).unwrap_or_default());
        if torn && recovery == WalRecoveryMode::AbsoluteConsistency {
            return Err(EngineError::Corrupt("truncated record at the end of the log".into()));
        }
        let changed: BTreeSet<usize> = batches.iter().flat_map(Batch::families).collect();
        batches.into_iter().for_each(|batch| batch.apply(&mut tables));
        // Files that a crash left behind keep their numbers, although no MANIFEST lists them.
        let left_behind = self.list_files().await?.iter().filter_map(|name| number_of(name)).max();
        manifest.last_file_number = manifest.last_file_number.max(left_behind.unwrap_or(0));
        for (index, family) in changed.into_iter().enumerate() {
            self.write_next_sst(&mut manifest, &tables[family]).await?;
            if index == 0 {
                self.append_info_log(INFO_LOG_OPTIONS).await?;
            }
        }
        if let Some(path) = log_path {
            let log_file = self.disk.open_with(OpenOptions::new().write(true), path).await?;
            log_file.set_len(log.len() as u64).await?;
        }
        Ok(Recovered { manifest, tables })
    }

    /// Writes a new SST file of a column family and enters it in the manifest. Returns the number
    /// of the file before.
    pub(crate) async fn write_next_sst(
        &self,
        manifest: &mut Manifest,
        family: &Family,
    ) -> Result<Option<u64>, EngineError> {
        let number = manifest.new_file_number();
        self.write_sst(number, family).await?;
        Ok(manifest.families.insert(family.name.clone(), Some(number)).flatten())
    }

    /// Writes the SST file of this number, syncs it and opens it.
    pub(crate) async fn write_sst(&self, number: u64, family: &Family) -> Result<(), EngineError> {
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

    /// Creates a new WAL, and a new MANIFEST that names it.
    async fn start_wal(&self, manifest: &mut Manifest, directory: &File) -> Result<Wal, EngineError> {
        let log = self.new_wal(manifest).await?;
        let file = self.start_manifest(manifest).await?;
        let record = manifest.encode()?;
        // RocksDB writes its state in parts: 5 for an empty database; else 6, 3 for each column
        // family and 1 for each SST file.
        let tables = manifest.families.values().flatten().count();
        let parts = if manifest.families.is_empty() { 5 } else { 6 + 3 * manifest.families.len() + tables };
        for part in 0..parts {
            let (from, to) = (record.len() * part / parts, record.len() * (part + 1) / parts);
            file.write_all_at(&record[from..to], from as u64).await?;
        }
        file.sync_data().await?;
        self.set_current(manifest, directory).await?;
        Ok(log)
    }

    /// Creates a new WAL and enters it in the manifest.
    pub(crate) async fn new_wal(&self, manifest: &mut Manifest) -> Result<Wal, EngineError> {
        manifest.log_number = manifest.new_file_number();
        let log = self.disk.create(self.numbered(manifest.log_number, "log")).await?;
        log.allocate(WAL_RESERVED).await?;
        log.write_all_at(&[0; WAL_HEAD], 0).await?;
        Ok(Wal::new(log, WAL_HEAD as u64))
    }

    /// Appends a record to the MANIFEST file and syncs it.
    pub(crate) async fn log_manifest(&self, manifest: &Manifest) -> Result<(), EngineError> {
        let file = self.disk.open_with(OpenOptions::new().append(true), self.manifest_path(manifest)).await?;
        file.write_all_at(&manifest.encode()?, 0).await?;
        Ok(file.sync_data().await?)
    }

    /// Adds column families: each is a MANIFEST record of its own, synced before the next.
    async fn add_families(&self, manifest: &mut Manifest, families: &[&str]) -> Result<(), EngineError> {
        self.append_info_log(INFO_LOG_OPTIONS).await?;
        let path = self.manifest_path(manifest);
        let file = self.disk.open_with(OpenOptions::new().append(true), path).await?;
        for (index, name) in families.iter().enumerate() {
            if index > 0 {
                self.ensure_directory(1).await?;
            }
            manifest.families.insert(name.to_string(), None);
            file.write_all_at(&manifest.encode()?, 0).await?;
            file.sync_data().await?;
        }
        self.append_info_log(INFO_LOG_FAMILY).await?;
        self.ensure_directory(1).await?;
        Ok(())
    }

    /// Writes the options file. Returns the names of all files afterwards.
    pub(crate) async fn write_options(
        &self,
        manifest: &mut Manifest,
        directory: &File,
    ) -> io::Result<Vec<String>> {
        let number = manifest.new_file_number();
        let temporary = format!("OPTIONS-{number}.dbtmp");
        let file = self.disk.create(self.file(&temporary)).await?;
        file.write_all_at(&FILLER[..OPTIONS_SIZE], 0).await?;
        file.sync_all().await?;
        self.disk.rename(self.file(&temporary), self.file(&format!("OPTIONS-{number}"))).await?;
        directory.sync_all().await?;
        for _ in 0..2 {
            self.disk.read_dir(self.path).await?;
        }
        Ok(self.disk.read_dir(self.path).await?.names())
    }

    /// Writes a file atomically and durably: temporary file, sync, rename, sync of the directory.
    async fn write_atomically(
        &self,
        temporary: &str,
        name: &str,
        bytes: &[u8],
        directory: &File,
    ) -> io::Result<()> {
        let file = self.disk.create(self.file(temporary)).await?;
        file.write_all_at(bytes, 0).await?;
        file.sync_data().await?;
        self.disk.rename(self.file(temporary), self.file(name)).await?;
        directory.sync_all().await
    }

    /// Creates the next MANIFEST file.
    async fn start_manifest(&self, manifest: &mut Manifest) -> io::Result<File> {
        manifest.number = manifest.new_file_number();
        let file = self.disk.create(self.manifest_path(manifest)).await?;
        file.allocate(MANIFEST_RESERVED).await?;
        Ok(file)
    }

    /// Makes `CURRENT` name the MANIFEST file.
    async fn set_current(&self, manifest: &mut Manifest, directory: &File) -> io::Result<()> {
        let temporary = format!("{}.dbtmp", manifest.new_file_number());
        let name = format!("MANIFEST-{}\n", manifest.number);
        self.write_atomically(&temporary, "CURRENT", name.as_bytes(), directory).await
    }

    /// Lists the files, as RocksDB does between reading the MANIFEST and recovering the WAL.
    async fn list_files(&self) -> io::Result<Vec<String>> {
        self.disk.read_dir(self.path).await?;
        self.ensure_directory(1).await?;
        Ok(self.disk.read_dir(self.path).await?.names())
    }

    /// Creates the directory if it is missing, `times` times: RocksDB does so repeatedly, and each
    /// attempt is a system call.
    async fn ensure_directory(&self, times: usize) -> io::Result<()> {
        for _ in 0..times {
            match self.disk.create_dir(self.path).await {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Appends this many bytes to the info log, which is never synced.
    async fn append_info_log(&self, bytes: usize) -> io::Result<()> {
        let file = self.disk.open_with(OpenOptions::new().append(true), self.file("LOG")).await?;
        file.write_all_at(&FILLER[..bytes], 0).await
    }

    /// Returns the path of a file.
    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns the path of a numbered file.
    pub(crate) fn numbered(&self, number: u64, extension: &str) -> PathBuf {
        self.path.join(format!("{number}.{extension}"))
    }

    /// Returns the path of the MANIFEST file.
    pub(crate) fn manifest_path(&self, manifest: &Manifest) -> PathBuf {
        self.path.join(format!("MANIFEST-{}", manifest.number))
    }
}

/// Returns the number in the name of a file.
fn number_of(name: &str) -> Option<u64> {
    let digits: String =
        name.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Returns the files that the database does not use: those that were replaced, and those that a
/// crash left behind. MANIFEST files come first; the newest two options files are kept.
fn obsolete(manifest: &Manifest, names: Vec<String>) -> Vec<String> {
    let used = |name: &str| {
        let number = number_of(name).unwrap_or(0);
        match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("sst") => manifest.families.values().flatten().any(|&table| table == number),
            Some("log") => number == manifest.log_number,
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
