//! A small store with a write-ahead log, crashed before every one of its operations under every
//! kind of loss: it recovers what it acknowledged. Each of three versions with a classical
//! mistake is detected.

use madsim::runtime::Runtime;
use std::io;
use stormglass_core::Seed;
use stormglass_fs::{Disk, DiskProfile, File, FileExt, Loss, NamesDurable, OpenOptions};

/// A mistake in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    /// A new file's name is not made durable.
    NoDirectorySync,
    /// A record is acknowledged before it is synced.
    NoFileSync,
    /// A checkpoint gets its name before its contents are synced.
    RenameFirst,
}

/// A store of numbers, one per record: the checkpoint has their count when it was made, and the
/// log has the numbers since.
struct Store<'a> {
    disk: &'a Disk,
    mistake: Mistake,
    log: File,
    len: u64,
    count: u32,
}

/// The number of records after which a new log starts.
const LOG_MAX: u32 = 4;
const RECORD: usize = 8;

/// Returns a record: its number, and the number with all bits inverted, so that recovery detects
/// a torn or missing record.
fn record(number: u32) -> [u8; RECORD] {
    (u64::from(number) << 32 | u64::from(!number)).to_le_bytes()
}

fn number(record: &[u8]) -> Option<u32> {
    let word = u64::from_le_bytes(record.try_into().ok()?);
    let number = (word >> 32) as u32;
    (word as u32 == !number).then_some(number)
}

impl<'a> Store<'a> {
    /// Recovers the store, and starts a new log.
    async fn open(disk: &'a Disk, mistake: Mistake) -> io::Result<Store<'a>> {
        disk.create_dir_all("store").await?;
        sync_directory(disk, "/", mistake).await?;
        let count = Store::recover(disk).await?;
        let (log, len) = Store::checkpoint(disk, mistake, count).await?;
        Ok(Store { disk, mistake, log, len, count })
    }

    /// Returns how many numbers the store has: those of the checkpoint, and those of its log up
    /// to the first invalid record.
    async fn recover(disk: &Disk) -> io::Result<u32> {
        let checkpoint = match disk.read("store/checkpoint").await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            other => other?,
        };
        let mut count = number(&checkpoint).ok_or(io::ErrorKind::InvalidData)?;
        let log = match disk.read(format!("store/log-{count}")).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let records = log.chunks(RECORD).map_while(number);
        count += records.zip(count..).take_while(|(found, expected)| found == expected).count() as u32;
        Ok(count)
    }

    /// Creates a log for the numbers after `count`, and then a checkpoint with this count.
    async fn checkpoint(disk: &Disk, mistake: Mistake, count: u32) -> io::Result<(File, u64)> {
        let options = *OpenOptions::new().write(true).create(true).truncate(true);
        let log = disk.open_with(&options, format!("store/log-{count}")).await?;
        let aside = disk.create("store/aside").await?;
        aside.write_all_at(&record(count), 0).await?;
        if mistake != Mistake::RenameFirst {
            aside.sync_all().await?;
        }
        disk.rename("store/aside", "store/checkpoint").await?;
        if mistake == Mistake::RenameFirst {
            sync_directory(disk, "store", mistake).await?;
            aside.sync_all().await?;
        }
        sync_directory(disk, "store", mistake).await?;
        Ok((log, 0))
    }

    /// Appends the next number, and returns when it is acknowledged.
    async fn push(&mut self) -> io::Result<u32> {
        self.log.write_all_at(&record(self.count), self.len).await?;
        if self.mistake != Mistake::NoFileSync {
            self.log.sync_data().await?;
        }
        self.len += RECORD as u64;
        self.count += 1;
        if self.count.is_multiple_of(LOG_MAX) {
            (self.log, self.len) = Store::checkpoint(self.disk, self.mistake, self.count).await?;
            let old = format!("store/log-{}", self.count - LOG_MAX);
            let _ = self.disk.remove_file(old).await;
        }
        Ok(self.count)
    }
}

async fn sync_directory(disk: &Disk, path: &str, mistake: Mistake) -> io::Result<()> {
    if mistake == Mistake::NoDirectorySync { Ok(()) } else { disk.open(path).await?.sync_all().await }
}

/// Pushes numbers until the disk stops; returns how many were acknowledged, and whether all were.
async fn workload(disk: &Disk, mistake: Mistake) -> (u32, bool) {
    let Ok(mut store) = Store::open(disk, mistake).await else { return (0, false) };
    let mut acknowledged = store.count;
    for _ in 0..10 {
        match store.push().await {
            Ok(count) => acknowledged = count,
            Err(_) => return (acknowledged, false),
        }
    }
    (acknowledged, true)
}

/// Crashes the store before each operation under this loss, and again during recovery. Returns
/// the first crash point after which an acknowledged number is missing or the store cannot be
/// read, and the number of crash points.
fn first_loss(mistake: Mistake, loss: Loss, seed: u64, names_durable: NamesDurable) -> (Option<u64>, u64) {
    for operation in 0.. {
        let (done, held) = Runtime::new().block_on(async {
            let disk = Disk::new("disk", DiskProfile { names_durable, ..DiskProfile::instant() }, Seed(seed));
            disk.stop_before(operation);
            let (acknowledged, done) = workload(&disk, mistake).await;
            disk.power_loss(loss);
            // The second incarnation crashes too.
            disk.stop_before(disk.operations() + operation % 13);
            let (again, _) = workload(&disk, mistake).await;
            disk.power_loss(loss);
            let found = Store::recover(&disk).await;
            let least = acknowledged.max(again);
            (done, found.is_ok_and(|count| (least..=least + 1).contains(&count)))
        });
        if !held {
            return (Some(operation), operation);
        }
        if done {
            return (None, operation);
        }
    }
    unreachable!("the workload ends")
}

#[test]
fn acknowledged_numbers_survive_a_crash_at_any_operation() {
    for names_durable in [NamesDurable::DirectorySync, NamesDurable::FileSync] {
        for loss in Loss::ALL {
            for seed in 0..10 {
                let (lost, crash_points) = first_loss(Mistake::None, loss, seed, names_durable);
                assert_eq!(lost, None, "{loss:?}, seed {seed}, {names_durable:?}");
                assert!(crash_points > 40, "{crash_points}");
            }
        }
    }
}

/// A total loss detects each mistake with the very first seed, and every other loss with some
/// seed.
#[test]
fn classical_mistakes_are_detected() {
    for mistake in [Mistake::NoDirectorySync, Mistake::NoFileSync, Mistake::RenameFirst] {
        let caught = |loss| {
            (0..20).find(|&seed| first_loss(mistake, loss, seed, NamesDurable::DirectorySync).0.is_some())
        };
        assert_eq!(caught(Loss::Everything), Some(0), "{mistake:?}");
        for loss in Loss::ALL {
            assert!(caught(loss).is_some(), "{mistake:?} under {loss:?}");
        }
    }
}
