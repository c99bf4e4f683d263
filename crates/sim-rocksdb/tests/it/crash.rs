//! Whatever the power takes and wherever it fails: every acknowledged batch is found again, and nothing that was never written.

use madsim::runtime::Runtime;
use sim_rocksdb::{Batch, Engine, EngineError};
use stormglass_core::Seed;
use stormglass_fs::{Disk, DiskProfile, Loss};

const FAMILIES: [&str; 2] = ["data", "metadata"];
const BATCHES: u8 = 5;

/// Opens, writes the batches that are missing, closes in order and opens again: gives how many were acknowledged, and why it ended.
async fn workload(disk: &Disk, acknowledged: &mut u8) -> Result<(), EngineError> {
    for life in 1..=2 {
        let mut engine = Engine::open(disk, "db", &FAMILIES).await?;
        while *acknowledged < life * BATCHES {
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

/// How many batches are there: a whole beginning of what was written.
fn found(engine: &Engine) -> u8 {
    let keys: Vec<u8> = engine.range(0, ..).map(|(key, _)| key[0]).collect();
    let count = engine.get(1, b"count").map_or(0, |value| value[0]);
    assert_eq!(keys, (0..count).collect::<Vec<_>>(), "batches are whole");
    count
}

/// The workload's operations one by one, four kinds of loss, several seeds.
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
                    let found = found(&engine);
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
