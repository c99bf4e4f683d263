//! A scenario with three parameters, and every command of the command line. Try:
//! `cargo run -p stormglass --features cli --example own_scenario -- explain synced-writes --set disk.sync.delay=50ms`

use stormglass::prelude::*;

#[derive(Clone, Parameters)]
struct Writes {
    /// How long all writes together may take. Range: above 0s.
    #[parameter(default = "100ms")]
    deadline: Limit,
    /// How many writes, each made durable before the next one.
    #[parameter(default = 2)]
    count: u64,
    /// The size of a write in bytes.
    #[parameter(default = 4096)]
    size: usize,
}

struct SyncedWrites;

/// A process overwrites its state and makes each write durable
#[scenario]
impl Scenario for SyncedWrites {
    async fn play(&self, world: World, settings: Writes) {
        let disk = world.node("node-1").disk().clone();
        let writes = async {
            let file = disk.create("state").await.expect("no fault is planned");
            for _ in 0..settings.count {
                file.write_all_at(&vec![0; settings.size], 0).await.expect("no fault is planned");
                file.sync_data().await.expect("no fault is planned");
            }
        };
        world.wait("writes", "node-1", settings.deadline, writes).await;
    }
}

stormglass::main![SyncedWrites];
