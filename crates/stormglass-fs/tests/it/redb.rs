//! redb, a real embedded database, on the simulated disk through its `StorageBackend`: crashed
//! before every one of its operations, it recovers every acknowledged commit.

use madsim::runtime::Runtime;
use redb::{Database, ReadableDatabase, ReadableTableMetadata, StorageBackend, TableDefinition};
use std::io;
use std::time::Duration;
use stormglass_core::{Latency, Seed};
use stormglass_fs::blocking::{BlockingFile, DeferredLatency};
use stormglass_fs::{Disk, DiskProfile, Loss, OpenOptions};

const TABLE: TableDefinition<'_, u64, u64> = TableDefinition::new("numbers");
const COMMITS: u64 = 6;

/// A storage backend: the five calls that redb makes.
#[derive(Debug)]
struct Backend(BlockingFile);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

/// Opens the database file, with the latency of its operations deferred.
async fn open(disk: &Disk, deferred: &DeferredLatency) -> io::Result<Result<Database, redb::DatabaseError>> {
    let file = disk.open_with(OpenOptions::new().read(true).write(true), "db").await?;
    Ok(Database::builder().create_with_backend(Backend(file.into_blocking(deferred))))
}

/// Returns a disk with an empty, durable database. (redb refuses a file whose creation was
/// interrupted; no commit can have been acknowledged then.)
async fn installed(seed: u64) -> Disk {
    let mut profile = DiskProfile::instant();
    profile.sync.latency = Latency::from_millis(2);
    let disk = Disk::new("disk", profile, Seed(seed));
    disk.create("db").await.unwrap();
    let deferred = DeferredLatency::new(&disk);
    drop(open(&disk, &deferred).await.unwrap().unwrap());
    deferred.sleep().await;
    disk.open("db").await.unwrap().sync_all().await.unwrap();
    disk.open("/").await.unwrap().sync_all().await.unwrap();
    disk
}

/// Commits one transaction after the other; returns the number of acknowledged commits, and
/// whether all were acknowledged.
async fn workload(disk: &Disk) -> (u64, bool) {
    let deferred = DeferredLatency::new(disk);
    let mut acknowledged = 0;
    let Ok(Ok(database)) = open(disk, &deferred).await else { return (0, false) };
    while acknowledged < COMMITS {
        let commit = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            transaction.open_table(TABLE)?.insert(acknowledged, acknowledged * 7)?;
            transaction.commit()?;
            Ok(())
        };
        if commit().is_err() {
            return (acknowledged, false);
        }
        deferred.sleep().await;
        acknowledged += 1;
    }
    (acknowledged, true)
}

async fn found(disk: &Disk) -> u64 {
    let deferred = DeferredLatency::new(disk);
    let database = open(disk, &deferred).await.unwrap().unwrap();
    let transaction = database.begin_read().unwrap();
    match transaction.open_table(TABLE) {
        Ok(table) => table.len().unwrap(),
        Err(redb::TableError::TableDoesNotExist(_)) => 0,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_acknowledged_commit_survives_a_crash_at_any_operation() {
    let mut crashes = 0;
    for loss in Loss::ALL {
        for operation in 0.. {
            let done = Runtime::new().block_on(async {
                let disk = installed(operation).await;
                disk.stop_before(disk.operations() + operation);
                let (acknowledged, done) = workload(&disk).await;
                disk.power_loss(loss);
                let found = found(&disk).await;
                assert!(
                    (acknowledged..=acknowledged + 1).contains(&found),
                    "{loss:?} before operation {operation}: {found} of {acknowledged}",
                );
                done
            });
            crashes += 1;
            if done {
                break;
            }
        }
    }
    assert!(crashes > 200, "{crashes}");
}

/// The latency of redb's syncs, 2 ms each, is deferred until the task sleeps for it.
#[test]
fn commits_take_the_time_of_their_syncs() {
    let (began, ended) = Runtime::new().block_on(async {
        let disk = installed(1).await;
        let began = stormglass_rt::now();
        assert_eq!(workload(&disk).await, (COMMITS, true));
        (began, stormglass_rt::now())
    });
    let least = Duration::from_millis(2 * COMMITS);
    assert!((least..3 * least).contains(&(ended - began)), "{:?}", ended - began);
}
