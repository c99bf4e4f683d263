//! After a power loss at any operation, recovery finds every acknowledged batch and nothing that
//! was never written.

use madsim::runtime::Runtime;
use sim_rocksdb::{Batch, Engine, EngineError};
use stormglass_core::Seed;
use stormglass_fs::{Disk, DiskProfile, Loss};

const FAMILIES: [&str; 2] = ["data", "metadata"];
const BATCHES: u8 = 5;

/// Opens the database, writes the missing batches and flushes, twice. Counts acknowledged batches;
/// returns the error that ended it, if one did.
async fn workload(disk: &Disk, acknowledged: &mut u8) -> Result<(), EngineError> {
    for incarnation in 1..=2 {
        let mut engine = Engine::open(disk, "db", &FAMILIES).await?;
        while *acknowledged < incarnation * BATCHES {
            let mut batch = Batch::new();
            batch.put(0, &[*acknowledged], &[*acknowledged; 700]);
            batch.put(1, b"count", &[*acknowledged + 1]);
            engine.write_synced(batch).await?;
            *acknowledged += 1;
        }
        engine.flush_all().await?;
    }
    Ok(())
}

/// Returns how many batches the database has, and checks that they are a prefix of those written.
fn count_batches(engine: &Engine) -> u8 {
    let keys: Vec<u8> = engine.range(0, ..).map(|(key, _)| key[0]).collect();
    let count = engine.get(1, b"count").map_or(0, |value| value[0]);
    assert_eq!(keys, (0..count).collect::<Vec<_>>(), "batches are atomic");
    count
}

/// A power loss before each operation of the workload, with four kinds of loss and several seeds.
#[test]
fn acknowledged_batches_survive_a_power_loss_at_any_operation() {
    let mut crashes = 0;
    for loss in Loss::ALL {
        for seed in 0..3 {
            for operation in 0.. {
                let done = Runtime::new().block_on(async {
                    let disk = Disk::new("disk", DiskProfile::instant(), Seed(seed));
                    disk.stop_before(operation);
                    let mut acknowledged = 0;
                    let done = workload(&disk, &mut acknowledged).await;
                    disk.power_loss(loss);
                    let engine = Engine::open(&disk, "db", &FAMILIES).await;
                    let engine = engine.unwrap_or_else(|error| {
                        panic!("{loss:?}, seed {seed}, operation {operation}: {error}")
                    });
                    let found = count_batches(&engine);
                    assert!(
                        (acknowledged..=acknowledged + 1).contains(&found),
                        "{loss:?}, seed {seed}, operation {operation}: {found} of {acknowledged}",
                    );
                    done.is_ok()
                });
                crashes += 1;
                if done {
                    break;
                }
            }
        }
    }
    assert!(crashes > 2_000, "{crashes}");
}
