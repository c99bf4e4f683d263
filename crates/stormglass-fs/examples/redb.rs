//! redb on a simulated disk whose sync takes 2 ms: the time of a commit, and the data that
//! survives a power loss.

use redb::{Database, ReadableDatabase, ReadableTableMetadata, StorageBackend, TableDefinition};
use std::io;
use stormglass_core::{Latency, Seed};
use stormglass_fs::blocking::{BlockingFile, DeferredLatency};
use stormglass_fs::{Disk, DiskProfile, Loss, OpenOptions};

const TABLE: TableDefinition<'_, u64, &str> = TableDefinition::new("words");

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

async fn open(disk: &Disk, deferred: &DeferredLatency) -> Result<Database, Box<dyn std::error::Error>> {
    let options = *OpenOptions::new().read(true).write(true).create(true);
    let file = disk.open_with(&options, "words.redb").await?;
    Ok(Database::builder().create_with_backend(Backend(file.into_blocking(deferred)))?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    madsim::runtime::Runtime::new().block_on(async {
        let mut profile = DiskProfile::instant();
        profile.sync.latency = Latency::from_millis(2);
        let disk = Disk::new("disk", profile, Seed(1));
        let deferred = DeferredLatency::new(&disk);

        let database = open(&disk, &deferred).await?;
        disk.open("/").await?.sync_all().await?;
        deferred.sleep().await;
        for (key, word) in ["storm", "glass"].into_iter().enumerate() {
            let began = stormglass_rt::now();
            let transaction = database.begin_write()?;
            transaction.open_table(TABLE)?.insert(key as u64, word)?;
            transaction.commit()?;
            deferred.sleep().await;
            println!("committed {word:?} in {:?} of simulated time", stormglass_rt::now() - began);
        }
        print!("{}", disk.snapshot());
        disk.power_loss(Loss::Everything);
        drop(database);
        let database = open(&disk, &deferred).await?;
        let words = database.begin_read()?.open_table(TABLE)?.len()?;
        println!("after a power loss: {words} words");
        Ok(())
    })
}
