//! Writes follow their leases, whatever pauses and breaks. Without the feature `repaired` the test
//! has to fail: `cargo test --features repaired` passes.

use lease::{serve_leases, serve_storage, value, work};
use stormglass::prelude::*;

const WORKERS: [&str; 2] = ["worker-1", "worker-2"];

#[derive(Clone, Parameters)]
struct Leases {
    /// How long the workers work.
    #[parameter(default = "40s")]
    time: Duration,
}

#[stormglass::test(seeds = 0..200, plan = "plans/pauses.toml", nodes = ["worker-1", "worker-2"])]
async fn writes_follow_their_leases(world: World, settings: Leases) {
    let (leases, storage) = (world.clone(), world.clone());
    world.node("leases").run_unhosted("serve", move || serve_leases(leases.clone()));
    world.node("storage").run_unhosted("serve", move || serve_storage(storage.clone()));
    for name in WORKERS {
        world.node(name).run_unhosted("work", work);
    }
    sleep(settings.time).await;
    // On the storage's own machine: an asker elsewhere could be cut off.
    let asker = world.node_on("asker", "storage");
    let value = asker.spawn("value", value()).await.expect("nothing ends the asker");
    assert!(value.is_ok_and(|value| value > 10), "the workers have worked");
}
